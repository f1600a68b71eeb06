/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static bool valid(const void *text, uint32_t count)
{
	uint8_t *exact = malloc(count ? count : 1);
	assert_non_null(exact);
	memcpy(exact, text, count);
	bool result = mqtt_utf8_valid(exact, count);
	free(exact);
	return result;
}

#define VALID(literal) valid(literal, sizeof(literal) - 1)

static void utf8_example_of_the_standard_is_taken(void **state)
{
	(void)state;
	/* 1.5.3, figure 1.2: 'A' and U+2A6D4 */
	static const uint8_t string[] = {0x00, 0x05, 0x41, 0xf0, 0xaa, 0x9b, 0x94};
	struct mqtt_cursor c = {string, string + sizeof string};
	struct bytes value;
	assert_int_equal(mqtt_get_string(&c, &value), MQTT_WELL_FORMED);
	assert_int_equal(value.count, 5);
	assert_int_equal(mqtt_left(&c), 0);
}

static void utf8_boundaries_are_valid(void **state)
{
	(void)state;
	assert_true(VALID(""));
	assert_true(VALID("\x01\x7f"));
	assert_true(VALID("\xc2\x80\xdf\xbf"));
	assert_true(VALID("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
	assert_true(VALID("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
	assert_true(VALID("\xef\xbb\xbf is kept")); /* 1.5.3-3: U+FEFF is a character */
}

static void utf8_ill_formed_is_refused(void **state)
{
	(void)state;
	assert_false(VALID("\x80"));
	assert_false(VALID("\xc0\x80")); /* overlong U+0000 */
	assert_false(VALID("\xc1\xbf"));
	assert_false(VALID("\xe0\x9f\xbf"));     /* overlong */
	assert_false(VALID("\xf0\x8f\xbf\xbf")); /* overlong */
	assert_false(VALID("\xf4\x90\x80\x80")); /* > U+10FFFF */
	assert_false(VALID("\xf5\x80\x80\x80"));
	assert_false(VALID("\xff"));
	assert_false(VALID("\xc2"));
	assert_false(VALID("\xe2\x82"));
	assert_false(VALID("\xf0\xaa\x9b"));
	assert_false(VALID("\xe2\x28\xa1"));
}

static void utf8_surrogates_are_refused(void **state)
{
	(void)state;
	assert_false(VALID("\xed\xa0\x80"));
	assert_false(VALID("\xed\xbf\xbf"));
}

static void utf8_nul_anywhere_is_refused(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 40; count++) {
		for (uint32_t at = 0; at < count; at++) {
			uint8_t text[40];
			memset(text, 'x', sizeof text);
			assert_true(valid(text, count));
			text[at] = 0;
			assert_false(valid(text, count));
			text[at] = 0xff;
			assert_false(valid(text, count));
		}
	}
}

static void string_longer_than_its_packet_is_refused(void **state)
{
	(void)state;
	static const uint8_t string[] = {0, 5, 'a', 'b', 'c', 'd'};
	struct bytes value;
	for (uint32_t count = 0; count <= sizeof string; count++) {
		struct mqtt_cursor c = {string, string + count};
		assert_int_equal(mqtt_get_string(&c, &value), COUNTER_MQTT_ERR_LENGTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(utf8_example_of_the_standard_is_taken),
	    cmocka_unit_test(utf8_boundaries_are_valid),
	    cmocka_unit_test(utf8_ill_formed_is_refused),
	    cmocka_unit_test(utf8_surrogates_are_refused),
	    cmocka_unit_test(utf8_nul_anywhere_is_refused),
	    cmocka_unit_test(string_longer_than_its_packet_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
