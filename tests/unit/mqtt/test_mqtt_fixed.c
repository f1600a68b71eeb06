/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

/* MQTT 3.1.1 2.2.3, table 2.4, and the example of 321 bytes */
static const struct {
	uint32_t length;
	uint32_t bytes;
	uint8_t encoded[4];
} lengths[] = {
    {0, 1, {0x00}},
    {64, 1, {0x40}},
    {127, 1, {0x7f}},
    {128, 2, {0x80, 0x01}},
    {321, 2, {193, 2}},
    {16383, 2, {0xff, 0x7f}},
    {16384, 3, {0x80, 0x80, 0x01}},
    {2097151, 3, {0xff, 0xff, 0x7f}},
    {2097152, 4, {0x80, 0x80, 0x80, 0x01}},
    {268435455, 4, {0xff, 0xff, 0xff, 0x7f}},
};
#define LENGTHS (sizeof lengths / sizeof lengths[0])

static void length_of_each_size_is_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTHS; i++) {
		uint8_t header[5] = {0x30};
		memcpy(header + 1, lengths[i].encoded, 4);
		struct mqtt_fixed fixed;
		assert_int_equal(mqtt_fixed_parse(header, 1 + lengths[i].bytes, &fixed),
				 MQTT_FIXED_OK);
		assert_int_equal(fixed.header_bytes, 1 + lengths[i].bytes);
		assert_int_equal(fixed.body_bytes, lengths[i].length);
	}
}

static void length_of_each_size_is_built(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTHS; i++) {
		uint8_t header[5];
		uint32_t n = mqtt_fixed_build(header, 0x90, lengths[i].length);
		assert_int_equal(n, 1 + lengths[i].bytes);
		assert_int_equal(header[0], 0x90);
		assert_memory_equal(header + 1, lengths[i].encoded, lengths[i].bytes);
	}
}

static void length_cut_short_is_partial(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTHS; i++) {
		uint8_t header[5] = {0x30};
		memcpy(header + 1, lengths[i].encoded, 4);
		struct mqtt_fixed fixed;
		for (uint32_t count = 1; count < 1 + lengths[i].bytes; count++)
			assert_int_equal(mqtt_fixed_parse(header, count, &fixed),
					 MQTT_FIXED_PARTIAL);
	}
}

static void length_of_five_bytes_is_malformed(void **state)
{
	(void)state;
	static const uint8_t header[] = {0x30, 0x80, 0x80, 0x80, 0x80, 0x01};
	struct mqtt_fixed fixed;
	assert_int_equal(mqtt_fixed_parse(header, 4, &fixed), MQTT_FIXED_PARTIAL);
	assert_int_equal(mqtt_fixed_parse(header, 5, &fixed), MQTT_FIXED_MALFORMED);
	assert_int_equal(mqtt_fixed_parse(header, 6, &fixed), MQTT_FIXED_MALFORMED);
}

static void flags_follow_the_table(void **state)
{
	(void)state;
	/* table 2.2; 0x10 stands for any */
	static const uint8_t flags[16] = {[1] = 0, [3] = 0x10, [4] = 0,  [5] = 0,  [6] = 2,
					  [7] = 0, [8] = 2,    [10] = 2, [12] = 0, [14] = 0};
	static const bool from_client[16] = {
	    [1] = true, [3] = true, [4] = true,  [5] = true,  [6] = true,
	    [7] = true, [8] = true, [10] = true, [12] = true, [14] = true};
	for (int first = 0; first < 256; first++) {
		int type = first >> 4;
		enum counter expected = MQTT_WELL_FORMED;
		if (!from_client[type])
			expected = COUNTER_MQTT_ERR_TYPE;
		else if (flags[type] != 0x10 && flags[type] != (first & 15))
			expected = COUNTER_MQTT_ERR_FLAGS;
		assert_int_equal(mqtt_fixed_check((uint8_t)first, 4), expected);
		/* MQTT5: 15 is AUTH, which nobody may send here */
		if (type == 15)
			expected = first == 0xf0 ? COUNTER_MQTT_ERR_AUTH : COUNTER_MQTT_ERR_FLAGS;
		assert_int_equal(mqtt_fixed_check((uint8_t)first, 5), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(length_of_each_size_is_parsed),
	    cmocka_unit_test(length_of_each_size_is_built),
	    cmocka_unit_test(length_cut_short_is_partial),
	    cmocka_unit_test(length_of_five_bytes_is_malformed),
	    cmocka_unit_test(flags_follow_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
