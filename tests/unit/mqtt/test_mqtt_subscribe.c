/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void subscribe_gets_a_failure_for_each_filter(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	/* MQTT 3.1.1 3.8.2, 3.8.3: packet identifier 10; a/b QoS 1, c/d QoS 2 */
	RIG_INPUT(&rig, 0x82, 14, 0, 10, 0, 3, 'a', '/', 'b', 1, 0, 3, 'c', '/', 'd', 2);
	assert_sent(&rig, 0x90, 4, 0, 10, 0x80, 0x80);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_SUBSCRIBE), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_FILTERS_REFUSED), 2);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_OUT_SUBACK), 1);
}

/* As many filters as need 1, 2 and 3 length bytes, and around the pieces in which it is sent. */
static void subscribe_to_many_gets_as_many_codes(void **state)
{
	(void)state;
	static const uint32_t counts[] = {1, 125, 126, 251, 252, 253, 254, 508, 509, 510, 14000};
	static struct rig rig;
	static uint8_t packet[60000];
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		uint32_t filters = counts[i];
		uint32_t n = mqtt_fixed_build(packet, 0x82, 2 + 4 * filters);
		packet[n++] = 1;
		packet[n++] = 2;
		for (uint32_t f = 0; f < filters; f++) {
			static const uint8_t filter[4] = {0, 1, '#', 0};
			memcpy(packet + n, filter, 4);
			n += 4;
		}
		rig_connect(&rig);
		assert_int_equal(rig_input(&rig, packet, n, 0), n);

		struct mqtt_fixed fixed;
		assert_int_equal(mqtt_fixed_parse(rig.out, rig.out_bytes, &fixed), MQTT_FIXED_OK);
		assert_int_equal(rig.out[0], 0x90);
		assert_int_equal(fixed.body_bytes, 2 + filters);
		assert_int_equal(rig.out_bytes, fixed.header_bytes + fixed.body_bytes);
		assert_int_equal(get_be16(rig.out + fixed.header_bytes), 0x0102);
		for (uint32_t f = 0; f < filters; f++)
			assert_int_equal(rig.out[fixed.header_bytes + 2 + f], 0x80);
	}
}

static void subscribe_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 2, 0, 10);
	assert_protocol_error(&rig, MQTT_ERR_SUBSCRIBE_EMPTY);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 8, 0, 0, 0, 3, 'a', '/', 'b', 1);
	assert_protocol_error(&rig, MQTT_ERR_PACKET_ID);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 8, 0, 1, 0, 3, 'a', '/', 'b', 3);
	assert_protocol_error(&rig, MQTT_ERR_SUBSCRIBE_QOS);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 8, 0, 1, 0, 3, 'a', '/', 'b', 4);
	assert_protocol_error(&rig, MQTT_ERR_SUBSCRIBE_QOS);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 8, 0, 1, 0, 3, 'a', '#', 'b', 0);
	assert_protocol_error(&rig, MQTT_ERR_FILTER);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 7, 0, 1, 0, 3, 'a', '/', 'b');
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x82, 1, 0);
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x80, 8, 0, 1, 0, 3, 'a', '/', 'b', 1);
	assert_protocol_error(&rig, MQTT_ERR_FLAGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(subscribe_gets_a_failure_for_each_filter),
	    cmocka_unit_test(subscribe_to_many_gets_as_many_codes),
	    cmocka_unit_test(subscribe_malformed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
