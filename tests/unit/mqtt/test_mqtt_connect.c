/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

/* MQTT 3.1.1 3.1.2, figure 3.6: flags 0xCE (user name, password, will QoS 1, will, clean session),
 * keep alive 10 s; with a payload that fits. */
static const uint8_t full[] = {0x10, 45,  0,   4,   'M', 'Q', 'T', 'T', 4,   0xce, 0,  10,
			       0,    8,   'g', 'a', 't', 'e', 'w', 'a', 'y', '7',  0,  4,
			       'w',  '/', 'g', '7', 0,   4,   'g', 'o', 'n', 'e',  0,  4,
			       'u',  's', 'e', 'r', 0,   5,   's', 'e', 'c', 0,    't'};

static void connect_with_all_fields_is_accepted(void **state)
{
	(void)state;
	static struct rig rig;
	struct mqtt_connect connect;
	/* parsed where it lies, so that the fields can be looked at */
	assert_int_equal(mqtt_connect_parse(full + 2, sizeof full - 2, &connect), MQTT_WELL_FORMED);
	assert_text(connect.client_id, "gateway7");
	assert_text(connect.will_topic, "w/g7");
	assert_text(connect.will_message, "gone");
	assert_text(connect.username, "user");
	assert_int_equal(connect.password.count, 5);
	assert_true(connect.clean && connect.has_will && connect.has_username);
	assert_true(connect.has_password && !connect.will_retain);
	assert_int_equal(connect.will_qos, 1);
	assert_int_equal(connect.keep_alive_s, 10);

	rig_init(&rig);
	assert_int_equal(rig_input(&rig, full, sizeof full, 0), sizeof full);
	assert_int_equal(rig.connects, 1);
	assert_sent(&rig, 0x20, 2, 0, 0);
	assert_int_equal(rig.s.state, MQTT_CONNECTED);
	assert_memory_equal(rig.s.client_id, "gateway7", 8);
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
	static const uint8_t levels[] = {0, 3, 7, 0x84};
	for (size_t i = 0; i < sizeof levels; i++) {
		rig_init(&rig);
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
	assert_false(rig.connect.clean);
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
		uint8_t reason, code;
		enum counter counter;
	} refusals[] = {
	    {MQTT_BAD_CLIENT_ID, 2, COUNTER_MQTT_REFUSED_CLIENT_ID},
	    {MQTT_UNAVAILABLE, 3, COUNTER_MQTT_REFUSED_UNAVAILABLE},
	    {MQTT_QUOTA, 3, COUNTER_MQTT_REFUSED_UNAVAILABLE},
	    {MQTT_BAD_CREDENTIALS, 4, COUNTER_MQTT_REFUSED_CREDENTIALS},
	    {MQTT_NOT_AUTHORISED, 5, COUNTER_MQTT_REFUSED_AUTHORISED},
	    {MQTT_BANNED, 5, COUNTER_MQTT_REFUSED_AUTHORISED},
	};
	static struct rig rig;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		rig_init(&rig);
		rig.connack.reason = refusals[i].reason;
		rig_input(&rig, full, sizeof full, 0);
		assert_sent(&rig, 0x20, 2, 0, refusals[i].code);
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

/* MQTT5 3.1: every property of CONNECT and will, user name and password */
static const uint8_t full_5[] = {
    0x10, 93,   0,    4, 'M', 'Q',  'T',  'T',  5,   0xee, 0,    10,   26,  0x11, 0,   0,
    14,   16,   0x21, 0, 20,  0x27, 0,    0,    4,   0,    0x22, 0,    10,  0x19, 1,   0x17,
    0,    0x26, 0,    1, 'k', 0,    0,    0,    1,   'c',  34,   0x18, 0,   0,    0,   9,
    0x01, 1,    0x02, 0, 0,   1,    0,    0x03, 0,   1,    't',  0x08, 0,   3,    'r', '/',
    'c',  0x09, 0,    2, 0,   1,    0x26, 0,    1,   'u',  0,    1,    'v', 0,    3,   'w',
    '/',  '1',  0,    2, 'b', 'y',  0,    2,    'm', 'e',  0,    3,    0,   1,    2};

static void connect_5_with_all_fields_is_accepted(void **state)
{
	(void)state;
	static struct rig rig;
	struct mqtt_connect c;
	static const uint8_t forwarded[] = {0x01, 1, 0x03, 0, 1, 't',  0x08, 0, 3,   'r', '/', 'c',
					    0x09, 0, 2,    0, 1, 0x26, 0,    1, 'u', 0,   1,   'v'};
	uint8_t out[64];
	assert_int_equal(full_5[1], sizeof full_5 - 2);
	assert_int_equal(mqtt_connect_parse(full_5 + 2, sizeof full_5 - 2, &c), MQTT_WELL_FORMED);
	assert_int_equal(c.version, 5);
	assert_int_equal(c.props.session_expiry_s, 3600);
	assert_int_equal(c.props.receive_max, 20);
	assert_int_equal(c.props.packet_bytes_max, 1024);
	assert_int_equal(c.props.topic_alias_max, 10);
	assert_int_equal(c.props.request_response, 1);
	assert_int_equal(c.props.request_problem, 0);
	assert_int_equal(c.will_props.will_delay_s, 9);
	assert_int_equal(c.will_props.message_expiry_s, 256);
	assert_int_equal(c.will_props.payload_format, 1);
	assert_int_equal(c.will_props.forward_bytes, sizeof forwarded);
	mqtt_props_forward(&c.will_props, out);
	assert_memory_equal(out, forwarded, sizeof forwarded);
	assert_text(c.will_topic, "w/1");
	assert_text(c.username, "me");
	assert_int_equal(c.password.count, 3);
	assert_true(c.has_will && c.will_retain && c.clean);
	assert_int_equal(c.will_qos, 1);

	rig_init(&rig);
	rig.connack.session_expiry_s = 3600;
	rig_input(&rig, full_5, sizeof full_5, 0);
	assert_sent(&rig, 0x20, 8, 0, 0, 5, 0x27, 0, 0, 0xea, 0x60);
	assert_int_equal(rig.s.session_expiry_s, 3600);
}

static void connect_5_cut_anywhere_is_a_length_error(void **state)
{
	(void)state;
	struct mqtt_connect connect;
	for (uint32_t count = 0; count < sizeof full_5 - 2; count++) {
		uint8_t *exact = malloc(count ? count : 1);
		assert_non_null(exact);
		memcpy(exact, full_5 + 2, count);
		assert_int_equal(mqtt_connect_parse(exact, count, &connect),
				 COUNTER_MQTT_ERR_LENGTH);
		free(exact);
	}
}

static void connack_5_tells_what_is_not_as_asked(void **state)
{
	(void)state;
	static struct rig rig;
	struct mqtt_aliases *aliases = mqtt_aliases_new(4096);
	assert_non_null(aliases);
	rig_init(&rig);
	rig.m.aliases = aliases;
	rig.m.config = (struct mqtt_config){.packet_bytes_max = 60000,
					    .keep_alive_max_s = 30,
					    .receive_max = 7,
					    .topic_alias_max = 4,
					    .no_retain = true,
					    .no_wildcards = true,
					    .no_subscription_ids = true,
					    .no_shared = true};
	rig.connack =
	    (struct mqtt_connack){.session_expiry_s = 5, .response = {(const uint8_t *)"rr", 2}};
	RIG_INPUT(&rig, 0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 5, 0, 0, 60, 5, 0x11, 0, 0, 0, 9, 0, 0);
	static const uint8_t before[] = {0x20, 57,   0, 0,    54,   0x11, 0,   0,    0,
					 5,    0x21, 0, 7,    0x27, 0,    0,   0xea, 0x60,
					 0x22, 0,    4, 0x12, 0,    19,   'h', 'r',  '-'};
	static const uint8_t after[] = {0x13, 0,    30, 0x25, 0, 0x28, 0,   0x29,
					0,    0x2a, 0,  0x1a, 0, 2,    'r', 'r'};
	assert_int_equal(rig.out_bytes, sizeof before + 16 + sizeof after);
	assert_memory_equal(rig.out, before, sizeof before);
	assert_memory_equal(rig.out + sizeof before + 16, after, sizeof after);
	assert_int_equal(rig.connect.client_id.count, 19);
	assert_int_equal(rig.s.session_expiry_s, 5);
	mqtt_aliases_free(aliases);
}

static void connect_5_errors_are_told_by_connack(void **state)
{
	(void)state;
	static const struct {
		uint8_t packet[40], bytes, reason;
		enum counter why;
	} cases[] = {
	    /* properties of another packet; twice; values out of range */
	    {{0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 2, 0x01, 0, 0, 1, 'a'},
	     18,
	     0x81,
	     COUNTER_MQTT_ERR_PROPERTY},
	    {{0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 4, 0x17, 0, 0x17, 0, 0, 1, 'a'},
	     20,
	     0x82,
	     COUNTER_MQTT_ERR_PROPERTY_TWICE},
	    {{0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 2, 0x17, 2, 0, 1, 'a'},
	     18,
	     0x82,
	     COUNTER_MQTT_ERR_PROPERTY_VALUE},
	    {{0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 3, 0x21, 0, 0, 0, 1, 'a'},
	     19,
	     0x82,
	     COUNTER_MQTT_ERR_PROPERTY_VALUE},
	    {{0x10, 19, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 5, 0x27, 0, 0, 0, 0, 0, 1, 'a'},
	     21,
	     0x82,
	     COUNTER_MQTT_ERR_PROPERTY_VALUE},
	    /* an authentication method; data without one */
	    {{0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 4, 0x15, 0, 1, 'm', 0, 1, 'a'},
	     20,
	     0x8c,
	     COUNTER_MQTT_REFUSED_METHOD},
	    {{0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 4, 0x16, 0, 1, 'm', 0, 1, 'a'},
	     20,
	     0x82,
	     COUNTER_MQTT_ERR_AUTH},
	    /* a property length that is not the shortest */
	    {{0x10, 15, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0x80, 0, 0, 1, 'a'},
	     17,
	     0x81,
	     COUNTER_MQTT_ERR_VARINT},
	    {{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 3, 0, 60, 0, 0, 1, 'a'},
	     16,
	     0x81,
	     COUNTER_MQTT_ERR_CONNECT_FLAGS},
	    /* a level above ours */
	    {{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 6, 2, 0, 60, 0, 0, 1, 'a'},
	     16,
	     0x84,
	     COUNTER_MQTT_REFUSED_VERSION},
	};
	static struct rig rig;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		rig_init(&rig);
		rig_input(&rig, cases[i].packet, cases[i].bytes, 0);
		assert_sent(&rig, 0x20, 3, 0, cases[i].reason, 0);
		assert_int_equal(rig.closes, 1);
		assert_false(rig.close_reset);
		assert_int_equal(rig.connects, 0);
		assert_int_equal(rig_count(&rig, cases[i].why), 1);
	}
}

static void connect_5_may_have_a_password_alone(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 5, 0x42, 0, 60, 0, 0, 1, 'a', 0, 1,
		  'p');
	assert_int_equal(rig.s.state, MQTT_CONNECTED);
	assert_true(rig.connect.has_password && !rig.connect.has_username);
}

static void connect_answered_later_holds_the_rest_back(void **state)
{
	(void)state;
	static struct rig rig;
	static const uint8_t talk[] = {0x10, 13, 0,  4, 'M', 'Q', 'T',  'T', 4,
				       0,    0,  60, 0, 1,   'a', 0xc0, 0};
	rig_init(&rig);
	rig.connack_later = true;
	assert_int_equal(rig_input(&rig, talk, sizeof talk, 0), 15);
	assert_int_equal(rig_input(&rig, talk + 15, 2, 0), 0);
	assert_int_equal(mqtt_deadline_us(&rig.m, &rig.s), 5 * RIG_SECOND);
	rig.connack.session_present = true;
	rig.connack.session_expiry_s = UINT32_MAX;
	mqtt_connack(&rig.m, &rig.s, &rig.connack);
	assert_sent(&rig, 0x20, 2, 1, 0);
	assert_int_equal(rig_input(&rig, talk + 15, 2, 0), 2);
	mqtt_connack(&rig.m, &rig.s, &rig.connack); /* a second answer changes nothing */
	assert_sent(&rig, 0x20, 2, 1, 0, 0xd0, 0);
}

static void connect_without_room_is_offered_again(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	rig.without_room = 1;
	assert_int_equal(rig_input(&rig, full, sizeof full, 0), 0);
	assert_int_equal(rig.s.state, MQTT_AWAIT_CONNECT);
	assert_int_equal(rig_input(&rig, full, sizeof full, 0), sizeof full);
	assert_int_equal(rig.s.state, MQTT_CONNECTED);
}

static void client_ids_made_here_differ(void **state)
{
	(void)state;
	static struct rig rig;
	char first[19];
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 0);
	assert_int_equal(rig.s.client_bytes, 19);
	memcpy(first, rig.s.client_id, 19);
	mqtt_session_init(&rig.m, &rig.s, 0);
	RIG_INPUT(&rig, 0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 0);
	assert_memory_not_equal(first, rig.s.client_id, 19);
}

static void will_retain_without_retain_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	rig.m.config.no_retain = true;
	rig_input(&rig, full_5, sizeof full_5, 0);
	assert_sent(&rig, 0x20, 3, 0, 0x9a, 0);
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
	    cmocka_unit_test(connect_5_with_all_fields_is_accepted),
	    cmocka_unit_test(connect_5_cut_anywhere_is_a_length_error),
	    cmocka_unit_test(connack_5_tells_what_is_not_as_asked),
	    cmocka_unit_test(connect_5_errors_are_told_by_connack),
	    cmocka_unit_test(connect_5_may_have_a_password_alone),
	    cmocka_unit_test(connect_answered_later_holds_the_rest_back),
	    cmocka_unit_test(connect_without_room_is_offered_again),
	    cmocka_unit_test(client_ids_made_here_differ),
	    cmocka_unit_test(will_retain_without_retain_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
