/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/config/decimal.h"

static void good_text_is_scaled_exactly(void **state)
{
	static const struct {
		const char *text;
		int pow10;
		int64_t value;
	} cases[] = {
	    {"0", 0, 0},          {"12.5", 3, 12500},
	    {"-12.5", 3, -12500}, {"+1", 2, 100},
	    {"1.000000000000000000000", 0, 1},
	    {"0.000", 2, 0},      {"1247.83", 6, 1247830000},
	    {"007", 0, 7},        {"9223372036854775807", 0, INT64_MAX},
	    {"1500", -2, 15},     {"0.5", 1, 5},
	    {"0", 18, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t value = -99;
		assert_true(decimal_parse(cases[i].text, cases[i].pow10, &value));
		assert_int_equal(value, cases[i].value);
	}
}

static void bad_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		int pow10;
	} cases[] = {
	    {"", 0},    {"-", 0},    {".", 0},     {"1.", 3},   {".5", 3},
	    {"1e3", 0}, {" 1", 0},   {"1 ", 0},    {"0x10", 0}, {"1,5", 2},
	    {"1.5", 0}, {"0.01", 1}, {"1..5", 3},  {"--1", 0},  {"9223372036854775808", 0},
	    {"1", 19},  {"150", -2}, {"99999999999999999999", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t value;
		assert_false(decimal_parse(cases[i].text, cases[i].pow10, &value));
	}
}

static void format_shows_every_decimal(void **state)
{
	char out[DECIMAL_BYTES];
	(void)state;
	assert_string_equal(decimal_format(1247830000, 6, out), "1247.830000");
	assert_string_equal(decimal_format(-5, 6, out), "-0.000005");
	assert_string_equal(decimal_format(42, 0, out), "42");
	assert_string_equal(decimal_format(0, 3, out), "0.000");
	assert_string_equal(decimal_format(INT64_MIN, 18, out), "-9.223372036854775808");
	assert_string_equal(decimal_format(INT64_MIN, 0, out), "-9223372036854775808");
}

static void format_and_parse_are_inverse(void **state)
{
	char out[DECIMAL_BYTES];
	uint64_t x = 1;
	(void)state;
	for (int i = 0; i < 20000; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		int64_t value = (int64_t)x >> (i % 64), back;
		int decimals = i % 19;
		if (value == INT64_MIN)
			continue;
		assert_true(decimal_parse(decimal_format(value, (unsigned)decimals, out), decimals,
		                          &back));
		assert_true(back == value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_text_is_scaled_exactly),
	    cmocka_unit_test(bad_text_is_refused),
	    cmocka_unit_test(format_shows_every_decimal),
	    cmocka_unit_test(format_and_parse_are_inverse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
