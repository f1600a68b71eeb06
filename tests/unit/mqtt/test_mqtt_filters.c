/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void subscribe_gets_a_failure_for_each_filter(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	rig.code = 0x87; /* 3.1.1 knows 0x80 only */
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
		rig.code = 0x80;
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

static void filters_are_handed_on_with_their_options(void **state)
{
	(void)state;
	static const uint8_t body[] = {0,   10,  3,    0x0b, 0x80, 0x01, 0,   3,   'a',
				       '/', '+', 0x2e, 0,    11,   '$',  's', 'h', 'a',
				       'r', 'e', '/',  'g',  '/',  'x',  'y', 1};
	struct mqtt_filters f;
	struct bytes filter;
	uint8_t options;
	assert_int_equal(mqtt_filters_parse(true, 5, body, sizeof body, &f), MQTT_WELL_FORMED);
	assert_int_equal(f.packet_id, 10);
	assert_int_equal(f.subscription_id, 128);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.text_bytes, 14);
	assert_true(mqtt_filter_next(&f, &filter, &options));
	assert_text(filter, "a/+");
	assert_int_equal(options, 0x2e);
	assert_true(mqtt_filter_next(&f, &filter, &options));
	assert_text(filter, "$share/g/xy");
	assert_false(mqtt_filter_next(&f, &filter, &options));
}

static void subscribe_5_gets_its_codes(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	rig.code = 0x87;
	RIG_INPUT(&rig, 0x82, 9, 0, 10, 0, 0, 3, 'a', '/', 'b', 1);
	assert_sent(&rig, 0x90, 4, 0, 10, 0, 0x87);
	rig.out_bytes = 0;
	rig.code = 0x11;
	RIG_INPUT(&rig, 0xa2, 8, 0, 10, 0, 0, 3, 'a', '/', 'b');
	assert_sent(&rig, 0xb0, 4, 0, 10, 0, 0x11);
	rig.out_bytes = 0;
	rig.without_room = 1;
	assert_int_equal(RIG_INPUT(&rig, 0xa2, 8, 0, 10, 0, 0, 3, 'a', '/', 'b'), 0);
	assert_int_equal(rig.out_bytes, 0);
}

static void subscribe_5_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x82, 7, 0, 1, 0, 0, 1, 'a', 0x40);
	assert_disconnected(&rig, 0x81, MQTT_ERR_SUBSCRIBE_QOS);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x82, 7, 0, 1, 0, 0, 1, 'a', 0x30);
	assert_disconnected(&rig, 0x82, MQTT_ERR_SUBSCRIBE_OPTIONS);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x82, 16, 0, 1, 0, 0, 10, '$', 's', 'h', 'a', 'r', 'e', '/', 'g', '/', 'x',
		  4);
	assert_disconnected(&rig, 0x82, MQTT_ERR_SUBSCRIBE_OPTIONS);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x82, 9, 0, 1, 2, 0x0b, 0, 0, 1, 'a', 0);
	assert_disconnected(&rig, 0x82, MQTT_ERR_PROPERTY_VALUE);
	rig_connect_5(&rig, NULL);
	rig.m.config.no_subscription_ids = true;
	RIG_INPUT(&rig, 0x82, 9, 0, 1, 2, 0x0b, 1, 0, 1, 'a', 0);
	assert_disconnected(&rig, 0x81, MQTT_ERR_PROPERTY);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xa2, 8, 0, 1, 2, 0x0b, 1, 0, 1, 'a');
	assert_disconnected(&rig, 0x81, MQTT_ERR_PROPERTY);
}

static void suback_that_the_client_does_not_take_ends_the_session(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	rig.s.client_packet_max = 5;
	RIG_INPUT(&rig, 0x82, 9, 0, 10, 0, 0, 3, 'a', '/', 'b', 1);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_CLIENT_LIMIT), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(subscribe_gets_a_failure_for_each_filter),
	    cmocka_unit_test(subscribe_to_many_gets_as_many_codes),
	    cmocka_unit_test(subscribe_malformed_is_refused),
	    cmocka_unit_test(unsubscribe_gets_its_unsuback),
	    cmocka_unit_test(unsubscribe_malformed_is_refused),
	    cmocka_unit_test(filters_are_handed_on_with_their_options),
	    cmocka_unit_test(subscribe_5_gets_its_codes),
	    cmocka_unit_test(subscribe_5_malformed_is_refused),
	    cmocka_unit_test(suback_that_the_client_does_not_take_ends_the_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
