/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void puback_for_a_publish_is_sent(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0xab, 0xcd);
	mqtt_puback(&rig.m, &rig.s, 0xabcd);
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
	mqtt_puback(&rig.m, &rig.s, 5);
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

static void puback_from_a_client_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	assert_int_equal(RIG_INPUT(&rig, 0x40, 2, 0, 7), 4);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBACK), 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(puback_for_a_publish_is_sent),
	    cmocka_unit_test(puback_from_within_on_publish_is_sent),
	    cmocka_unit_test(puback_after_the_end_is_dropped),
	    cmocka_unit_test(puback_that_cannot_be_queued_ends_the_session),
	    cmocka_unit_test(puback_from_a_client_is_ignored),
	    cmocka_unit_test(puback_malformed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
