/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

/* MQTT 3.1.1 3.1.2, figure 3.6: flags 0xCE (user name, password, will QoS 1, will, clean session),
 * keep alive 10 s; with a payload that fits. */
static const uint8_t full[] = {
    0x10, 45,
    0, 4, 'M', 'Q', 'T', 'T', 4, 0xce, 0, 10,
    0, 8, 'g', 'a', 't', 'e', 'w', 'a', 'y', '7',
    0, 4, 'w', '/', 'g', '7',
    0, 4, 'g', 'o', 'n', 'e',
    0, 4, 'u', 's', 'e', 'r',
    0, 5, 's', 'e', 'c', 0, 't'};

static void connect_with_all_fields_is_accepted(void **state)
{
	(void)state;
	static struct rig rig;
	struct mqtt_connect connect;
	/* parsed where it lies, so that the fields can be looked at */
	assert_int_equal(mqtt_connect_parse(full + 2, sizeof full - 2, &connect),
	                 MQTT_WELL_FORMED);
	assert_text(connect.client_id, "gateway7");
	assert_text(connect.will_topic, "w/g7");
	assert_text(connect.will_message, "gone");
	assert_text(connect.username, "user");
	assert_int_equal(connect.password.count, 5);
	assert_true(connect.clean_session && connect.has_will && connect.has_username);
	assert_true(connect.has_password && !connect.will_retain);
	assert_int_equal(connect.will_qos, 1);
	assert_int_equal(connect.keep_alive_s, 10);

	rig_init(&rig);
	assert_int_equal(rig_input(&rig, full, sizeof full, 0), sizeof full);
	assert_int_equal(rig.connects, 1);
	assert_sent(&rig, 0x20, 2, 0, 0);
	assert_int_equal(rig.s.state, MQTT_CONNECTED);
	assert_string_equal(rig.s.client_id, "gateway7");
	assert_int_equal(rig.s.client_bytes, 8);
	assert_int_equal(rig.s.keep_alive_s, 10);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_CONNECT), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_OUT_CONNACK), 1);
}

static void connect_cut_anywhere_is_a_length_error(void **state)
{
	(void)state;
	struct mqtt_connect connect;
	for (uint32_t count = 0; count < sizeof full - 2; count++) {
		uint8_t *exact = malloc(count ? count : 1);
		assert_non_null(exact);
		memcpy(exact, full + 2, count);
		assert_int_equal(mqtt_connect_parse(exact, count, &connect),
		                 COUNTER_MQTT_ERR_LENGTH);
		free(exact);
	}
}

static void connect_with_bytes_left_over_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'a', 'b');
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
}

static void connect_of_another_level_gets_connack_1(void **state)
{
	(void)state;
	static struct rig rig;
	static const uint8_t levels[] = {0, 3, 5, 0x84};
	for (size_t i = 0; i < sizeof levels; i++) {
		rig_init(&rig);
		/* MQTT 5 has properties here: nothing after the level is looked at */
		RIG_INPUT(&rig, 0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', levels[i], 2, 0, 60, 0, 0, 1,
		          'a');
		assert_sent(&rig, 0x20, 2, 0, 1);
		assert_int_equal(rig.closes, 1);
		assert_false(rig.close_reset);
		assert_int_equal(rig.connects, 0);
		assert_int_equal(rig_count(&rig, COUNTER_MQTT_REFUSED_VERSION), 1);
	}
}

static void connect_of_3_1_gets_connack_1(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 15, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 60, 0, 1, 'a');
	assert_sent(&rig, 0x20, 2, 0, 1);
	assert_int_equal(rig.closes, 1);
	assert_false(rig.close_reset);
}

static void connect_of_another_protocol_is_reset(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 13, 0, 4, 'm', 'q', 't', 't', 4, 2, 0, 60, 0, 1, 'a');
	assert_protocol_error(&rig, MQTT_ERR_PROTOCOL_NAME);
}

/* A CONNECT with these flags and a payload of enough short strings for them. */
static void connect_with_flags(struct rig *rig, uint8_t flags, uint8_t strings)
{
	uint8_t packet[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 60};
	uint32_t n = 12;
	for (uint8_t i = 0; i < strings; i++) {
		static const uint8_t string[3] = {0, 1, 'a'};
		memcpy(packet + n, string, 3);
		n += 3;
	}
	packet[1] = (uint8_t)(n - 2);
	rig_init(rig);
	rig_input(rig, packet, n, 0);
}

static void connect_flags_that_contradict_are_refused(void **state)
{
	(void)state;
	static struct rig rig;
	connect_with_flags(&rig, 0x03, 1);
	assert_protocol_error(&rig, MQTT_ERR_CONNECT_FLAGS);
	connect_with_flags(&rig, 0x02 | 0x04 | 0x18, 3);
	assert_protocol_error(&rig, MQTT_ERR_CONNECT_WILL); /* will QoS 3 */
	connect_with_flags(&rig, 0x02 | 0x08, 1);
	assert_protocol_error(&rig, MQTT_ERR_CONNECT_WILL); /* will QoS without will */
	connect_with_flags(&rig, 0x02 | 0x20, 1);
	assert_protocol_error(&rig, MQTT_ERR_CONNECT_WILL); /* will retain without will */
	connect_with_flags(&rig, 0x02 | 0x40, 2);
	assert_protocol_error(&rig, MQTT_ERR_CONNECT_PASSWORD);
}

static void connect_flags_that_agree_are_accepted(void **state)
{
	(void)state;
	static struct rig rig;
	connect_with_flags(&rig, 0x02 | 0x04 | 0x10 | 0x20, 3);
	assert_sent(&rig, 0x20, 2, 0, 0);
	assert_int_equal(rig.connect.will_qos, 2);
	assert_true(rig.connect.will_retain);
	connect_with_flags(&rig, 0x80, 2);
	assert_sent(&rig, 0x20, 2, 0, 0);
	assert_false(rig.connect.clean_session);
}

static void connect_with_a_bad_will_topic_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4, 6, 0, 60, 0, 1, 'a', 0, 1, '#', 0,
	          0);
	assert_protocol_error(&rig, MQTT_ERR_TOPIC_WILDCARD);
}

static void client_id_empty_needs_a_clean_session(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 0);
	assert_sent(&rig, 0x20, 2, 0, 0);

	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 60, 0, 0);
	assert_sent(&rig, 0x20, 2, 0, 2);
	assert_int_equal(rig.closes, 1);
	assert_false(rig.close_reset);
	assert_int_equal(rig.connects, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_REFUSED_CLIENT_ID), 1);
}

static void client_id_too_long_is_kept_in_part(void **state)
{
	(void)state;
	static struct rig rig;
	uint8_t packet[64] = {0x10, 10 + 2 + 25, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 25};
	memset(packet + 14, 'i', 22);
	memcpy(packet + 14 + 22, "\xe2\x82\xac", 3); /* would be cut in two */
	rig_init(&rig);
	rig_input(&rig, packet, 14 + 25, 0);
	assert_int_equal(rig.s.state, MQTT_CONNECTED);
	assert_int_equal(rig.s.client_bytes, 22);
	assert_int_equal(rig.s.client_id[22], 0);
	assert_int_equal(rig.connect.client_id.count, 25);
}

static void client_id_of_bad_utf8_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 0);
	assert_protocol_error(&rig, MQTT_ERR_UTF8);
}

static void connect_refused_by_the_application_gets_its_code(void **state)
{
	(void)state;
	static const struct {
		enum mqtt_connack code;
		enum counter counter;
	} refusals[] = {
	    {MQTT_CONNACK_BAD_VERSION, COUNTER_MQTT_REFUSED_VERSION},
	    {MQTT_CONNACK_BAD_CLIENT_ID, COUNTER_MQTT_REFUSED_CLIENT_ID},
	    {MQTT_CONNACK_UNAVAILABLE, COUNTER_MQTT_REFUSED_UNAVAILABLE},
	    {MQTT_CONNACK_BAD_CREDENTIALS, COUNTER_MQTT_REFUSED_CREDENTIALS},
	    {MQTT_CONNACK_NOT_AUTHORISED, COUNTER_MQTT_REFUSED_AUTHORISED},
	};
	static struct rig rig;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		rig_init(&rig);
		rig.connack = refusals[i].code;
		rig_input(&rig, full, sizeof full, 0);
		assert_sent(&rig, 0x20, 2, 0, (uint8_t)refusals[i].code);
		assert_int_equal(rig.closes, 1);
		assert_false(rig.close_reset);
		assert_int_equal(rig_count(&rig, refusals[i].counter), 1);
		assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_CONNECT), 0);
	}
}

static void keep_alive_is_limited_by_the_configuration(void **state)
{
	(void)state;
	static const struct {
		uint16_t max, wanted, expected;
	} cases[] = {{0, 0, 0}, {0, 9, 9}, {60, 0, 60}, {60, 9, 9}, {60, 61, 60}};
	static struct rig rig;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		rig_init(&rig);
		rig.m.config.keep_alive_max_s = cases[i].max;
		RIG_INPUT(&rig, 0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0,
		          (uint8_t)cases[i].wanted, 0, 1, 'a');
		assert_int_equal(rig.s.keep_alive_s, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connect_with_all_fields_is_accepted),
	    cmocka_unit_test(connect_cut_anywhere_is_a_length_error),
	    cmocka_unit_test(connect_with_bytes_left_over_is_refused),
	    cmocka_unit_test(connect_of_another_level_gets_connack_1),
	    cmocka_unit_test(connect_of_3_1_gets_connack_1),
	    cmocka_unit_test(connect_of_another_protocol_is_reset),
	    cmocka_unit_test(connect_flags_that_contradict_are_refused),
	    cmocka_unit_test(connect_flags_that_agree_are_accepted),
	    cmocka_unit_test(connect_with_a_bad_will_topic_is_refused),
	    cmocka_unit_test(client_id_empty_needs_a_clean_session),
	    cmocka_unit_test(client_id_too_long_is_kept_in_part),
	    cmocka_unit_test(client_id_of_bad_utf8_is_refused),
	    cmocka_unit_test(connect_refused_by_the_application_gets_its_code),
	    cmocka_unit_test(keep_alive_is_limited_by_the_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
