/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void publish_qos1_is_handed_on(void **state)
{
	(void)state;
	/* MQTT 3.1.1 3.3.2, figure 3.11: topic a/b, packet identifier 10 */
	static const uint8_t body[] = {0, 3, 'a', '/', 'b', 0, 10, '{', '}'};
	struct mqtt_publish publish;
	assert_int_equal(mqtt_publish_parse(0x3b, body, sizeof body, &publish), MQTT_WELL_FORMED);
	assert_text(publish.topic, "a/b");
	assert_text(publish.payload, "{}");
	assert_int_equal(publish.packet_id, 10);
	assert_int_equal(publish.qos, 1);
	assert_true(publish.dup && publish.retain);

	static struct rig rig;
	rig_connect(&rig);
	assert_int_equal(RIG_INPUT(&rig, 0x3a, 9, 0, 3, 'a', '/', 'b', 0, 10, '{', '}'), 11);
	assert_int_equal(rig.publishes, 1);
	assert_int_equal(rig.s.inflight, 1);
	assert_int_equal(rig.out_bytes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS1), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_DUP), 1);
}

static void publish_qos0_has_no_packet_id(void **state)
{
	(void)state;
	static const uint8_t body[] = {0, 3, 'a', '/', 'b', 0, 0};
	struct mqtt_publish publish;
	assert_int_equal(mqtt_publish_parse(0x30, body, sizeof body, &publish), MQTT_WELL_FORMED);
	assert_int_equal(publish.payload.count, 2);
	assert_int_equal(publish.packet_id, 0);
	assert_false(publish.dup || publish.retain);

	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 5, 0, 3, 'a', '/', 'b');
	assert_int_equal(rig.publishes, 1);
	assert_int_equal(rig.publish.payload.count, 0); /* 3.3.3: no payload is a payload */
	assert_int_equal(rig.s.inflight, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS0), 1);
}

static void publish_cut_anywhere_is_a_length_error(void **state)
{
	(void)state;
	static const uint8_t body[] = {0, 3, 'a', '/', 'b', 0, 10};
	struct mqtt_publish publish;
	for (uint32_t count = 0; count < sizeof body; count++) {
		uint8_t *exact = malloc(count ? count : 1);
		assert_non_null(exact);
		memcpy(exact, body, count);
		assert_int_equal(mqtt_publish_parse(0x32, exact, count, &publish),
		                 COUNTER_MQTT_ERR_LENGTH);
		free(exact);
	}
}

static void publish_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x38, 5, 0, 3, 'a', '/', 'b');
	assert_protocol_error(&rig, MQTT_ERR_PUBLISH_DUP);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x36, 7, 0, 3, 'a', '/', 'b', 0, 1);
	assert_protocol_error(&rig, MQTT_ERR_PUBLISH_QOS3);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 0);
	assert_protocol_error(&rig, MQTT_ERR_PACKET_ID);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 5, 0, 3, 'a', '/', '+');
	assert_protocol_error(&rig, MQTT_ERR_TOPIC_WILDCARD);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 2, 0, 0);
	assert_protocol_error(&rig, MQTT_ERR_TOPIC_EMPTY);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 5, 0, 3, 'a', 0, 'b');
	assert_protocol_error(&rig, MQTT_ERR_UTF8);
	assert_int_equal(rig.publishes, 0);
}

static void publish_qos2_is_not_offered(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x34, 7, 0, 3, 'a', '/', 'b', 0, 1);
	assert_protocol_error(&rig, MQTT_ERR_QOS2);
	assert_int_equal(rig.publishes, 0);
}

static void publish_without_room_is_offered_again(void **state)
{
	(void)state;
	static struct rig rig;
	static const uint8_t two[] = {0x30, 5, 0, 3, 'a', '/', 'b',
	                              0x32, 7, 0, 3, 'c', '/', 'd', 0, 9};
	rig_connect(&rig);
	rig.publishes_without_room = 2;
	assert_int_equal(rig_input(&rig, two, sizeof two, 0), 0);
	assert_int_equal(rig_input(&rig, two, sizeof two, 0), 0);
	assert_int_equal(rig.s.inflight, 0);
	assert_int_equal(rig.publishes, 0);
	assert_int_equal(rig_input(&rig, two, sizeof two, 0), sizeof two);
	assert_int_equal(rig.publishes, 2);
	assert_int_equal(rig.s.inflight, 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_PUBLISH_DEFERRED), 2);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS0), 1);

	rig.publishes_without_room = 1;
	assert_int_equal(rig_input(&rig, two + 7, sizeof two - 7, 0), 0);
	assert_int_equal(rig.s.inflight, 1);
}

static void publish_over_the_inflight_limit_waits(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	rig.s.inflight = UINT16_MAX;
	assert_int_equal(RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 1), 0);
	assert_int_equal(rig.publishes, 0);
	mqtt_puback(&rig.m, &rig.s, 7);
	assert_int_equal(RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 1), 9);
	assert_int_equal(rig.s.inflight, UINT16_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(publish_qos1_is_handed_on),
	    cmocka_unit_test(publish_qos0_has_no_packet_id),
	    cmocka_unit_test(publish_cut_anywhere_is_a_length_error),
	    cmocka_unit_test(publish_malformed_is_refused),
	    cmocka_unit_test(publish_qos2_is_not_offered),
	    cmocka_unit_test(publish_without_room_is_offered_again),
	    cmocka_unit_test(publish_over_the_inflight_limit_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
