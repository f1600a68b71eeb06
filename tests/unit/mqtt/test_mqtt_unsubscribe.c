/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void unsubscribe_gets_its_unsuback(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	/* MQTT 3.1.1 3.10.2, 3.10.3: packet identifier 10; a/b and c/d */
	RIG_INPUT(&rig, 0xa2, 12, 0, 10, 0, 3, 'a', '/', 'b', 0, 3, 'c', '/', 'd');
	assert_sent(&rig, 0xb0, 2, 0, 10);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_UNSUBSCRIBE), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_OUT_UNSUBACK), 1);
}

static void unsubscribe_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0xa2, 2, 0, 10);
	assert_protocol_error(&rig, MQTT_ERR_SUBSCRIBE_EMPTY);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0xa2, 5, 0, 0, 0, 1, 'a');
	assert_protocol_error(&rig, MQTT_ERR_PACKET_ID);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0xa2, 6, 0, 1, 0, 2, 'a', '+');
	assert_protocol_error(&rig, MQTT_ERR_FILTER);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0xa2, 5, 0, 1, 0, 2, 'a');
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0xa0, 5, 0, 1, 0, 1, 'a');
	assert_protocol_error(&rig, MQTT_ERR_FLAGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unsubscribe_gets_its_unsuback),
	    cmocka_unit_test(unsubscribe_malformed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
