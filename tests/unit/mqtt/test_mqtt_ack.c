/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void puback_for_a_publish_is_sent(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0xab, 0xcd);
	mqtt_puback(&rig.m, &rig.s, 0xabcd, 0, NULL);
	assert_sent(&rig, 0x40, 2, 0xab, 0xcd);
	assert_int_equal(rig.s.inflight, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_OUT_PUBACK), 1);
}

static void puback_from_within_on_publish_is_sent(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	rig.ack_at_once = true;
	assert_int_equal(RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 5), 9);
	assert_sent(&rig, 0x40, 2, 0, 5);
	assert_int_equal(rig.s.inflight, 0);
}

static void puback_after_the_end_is_dropped(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 5, 0xe0, 0);
	assert_int_equal(rig.closes, 1);
	mqtt_puback(&rig.m, &rig.s, 5, 0, NULL);
	assert_int_equal(rig.out_bytes, 0);
	assert_int_equal(rig.closes, 1);
}

static void puback_that_cannot_be_queued_ends_the_session(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	rig.ack_at_once = true;
	rig.send_fails = true;
	/* the packets after it are not looked at any more */
	assert_int_equal(RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 5, 0xc0, 0), 11);
	assert_int_equal(rig.closes, 1);
	assert_true(rig.close_reset);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_SEND_FAILED), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_OUT_PUBACK), 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PINGREQ), 0);
}

static void puback_from_a_client_is_handed_on(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	assert_int_equal(RIG_INPUT(&rig, 0x40, 2, 0, 7), 4);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBACK), 1);
	assert_int_equal(rig.acks, 1);
	assert_int_equal(rig.ack_type, MQTT_PUBACK);
	assert_int_equal(rig.ack_id, 7);
	RIG_INPUT(&rig, 0x50, 2, 0, 8);
	assert_int_equal(rig.ack_type, MQTT_PUBREC);
	rig.without_room = 1;
	assert_int_equal(RIG_INPUT(&rig, 0x70, 2, 0, 8), 0);
	assert_int_equal(RIG_INPUT(&rig, 0x70, 2, 0, 8), 4);
	assert_int_equal(rig.ack_type, MQTT_PUBCOMP);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBREC), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBCOMP), 1);
}

static void puback_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x40, 2, 0, 0);
	assert_protocol_error(&rig, MQTT_ERR_PACKET_ID);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x40, 3, 0, 1, 0);
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x40, 0);
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
}

static void ack_5_forms_are_all_taken(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x40, 2, 0, 7);
	assert_int_equal(rig.ack_reason, 0);
	RIG_INPUT(&rig, 0x40, 3, 0, 7, 0x97);
	assert_int_equal(rig.ack_reason, 0x97);
	RIG_INPUT(&rig, 0x50, 4, 0, 7, 0x10, 0);
	assert_int_equal(rig.ack_reason, 0x10);
	RIG_INPUT(&rig, 0x70, 15, 0, 7, 0x92, 11, 0x1f, 0, 1, 'w', 0x26, 0, 1, 'k', 0, 1, 'v');
	assert_int_equal(rig.ack_reason, 0x92);
	assert_int_equal(rig.acks, 4);
	assert_int_equal(rig.closes, 0);
}

static void ack_5_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x40, 3, 0, 7, 0x92); /* of PUBREL and PUBCOMP only */
	assert_disconnected(&rig, 0x82, MQTT_ERR_REASON);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x62, 3, 0, 7, 0x10);
	assert_disconnected(&rig, 0x82, MQTT_ERR_REASON);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x40, 5, 0, 7, 0, 0, 0);
	assert_disconnected(&rig, 0x81, MQTT_ERR_LENGTH);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x40, 6, 0, 7, 0, 2, 0x01, 0);
	assert_disconnected(&rig, 0x81, MQTT_ERR_PROPERTY);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x60, 2, 0, 7);
	assert_disconnected(&rig, 0x81, MQTT_ERR_FLAGS);
}

static void puback_5_tells_reason_and_text(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	rig.s.inflight = 5;
	mqtt_puback(&rig.m, &rig.s, 9, 0x99, "no");
	assert_sent(&rig, 0x40, 9, 0, 9, 0x99, 5, 0x1f, 0, 2, 'n', 'o');
	rig.out_bytes = 0;
	rig.s.client_packet_max = 10; /* too small for the text only */
	mqtt_puback(&rig.m, &rig.s, 9, 0x99, "no");
	assert_sent(&rig, 0x40, 3, 0, 9, 0x99);
	rig.out_bytes = 0;
	rig.s.client_packet_max = UINT32_MAX;
	rig.s.flags |= MQTT_S_NO_PROBLEM;
	mqtt_pubrec(&rig.m, &rig.s, 9, 0x99, "no");
	assert_sent(&rig, 0x50, 3, 0, 9, 0x99);
	assert_int_equal(rig.s.unreleased, 0); /* over: MQTT5 4.3.3 */
	rig.out_bytes = 0;
	mqtt_pubrec(&rig.m, &rig.s, 9, 0x10, NULL);
	assert_int_equal(rig.s.unreleased, 1);
	rig.out_bytes = 0;
	rig.s.client_packet_max = 2; /* not even that fits: MQTT5 3.1.2.11.4 */
	mqtt_puback(&rig.m, &rig.s, 9, 0, NULL);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.out_bytes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_CLIENT_LIMIT), 1);
}

static void pubrel_of_an_unknown_id_is_told(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x62, 2, 0, 9);
	assert_sent(&rig, 0x70, 3, 0, 9, 0x92);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x62, 2, 0, 9);
	assert_sent(&rig, 0x70, 2, 0, 9); /* 3.1.1 can't tell */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(puback_for_a_publish_is_sent),
	    cmocka_unit_test(puback_from_within_on_publish_is_sent),
	    cmocka_unit_test(puback_after_the_end_is_dropped),
	    cmocka_unit_test(puback_that_cannot_be_queued_ends_the_session),
	    cmocka_unit_test(puback_from_a_client_is_handed_on),
	    cmocka_unit_test(puback_malformed_is_refused),
	    cmocka_unit_test(ack_5_forms_are_all_taken),
	    cmocka_unit_test(ack_5_malformed_is_refused),
	    cmocka_unit_test(puback_5_tells_reason_and_text),
	    cmocka_unit_test(pubrel_of_an_unknown_id_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
