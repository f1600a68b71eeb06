/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ingest/decimal.h"

static enum decimal_result scale(const char *text, int pow10, int64_t *value)
{
	struct decimal d;
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);

	assert_ptr_equal(decimal_scan(p, end, &d), end);
	return decimal_scale(&d, pow10, value);
}

static void expect(const char *text, int pow10, enum decimal_result result, int64_t value)
{
	int64_t got = 0;

	assert_int_equal(scale(text, pow10, &got), result);
	if (result != DECIMAL_OVERFLOW)
		assert_true(got == value);
}

static void number_within_unit_is_exact(void **state)
{
	(void)state;
	expect("1247.83", 6, DECIMAL_EXACT, 1247830000);
	expect("0.97", 4, DECIMAL_EXACT, 9700);
	expect("239.4", 3, DECIMAL_EXACT, 239400);
	expect("-68", 0, DECIMAL_EXACT, -68);
	expect("-0.0", 3, DECIMAL_EXACT, 0);
	expect("1200", -2, DECIMAL_EXACT, 12);
	expect("1.5e3", 0, DECIMAL_EXACT, 1500);
	expect("1500E-3", 1, DECIMAL_EXACT, 15);
	expect("0e999999999999999999999", 0, DECIMAL_EXACT, 0);
	expect("0.00000000000000000000000000000", 6, DECIMAL_EXACT, 0);
	expect("12.00000000000000000000000000000", 1, DECIMAL_EXACT, 120);
}

static void digits_below_unit_round_half_to_even(void **state)
{
	(void)state;
	expect("0.5", 0, DECIMAL_ROUNDED, 0);
	expect("1.5", 0, DECIMAL_ROUNDED, 2);
	expect("2.5", 0, DECIMAL_ROUNDED, 2);
	expect("-2.5", 0, DECIMAL_ROUNDED, -2);
	expect("-3.5", 0, DECIMAL_ROUNDED, -4);
	expect("2.51", 0, DECIMAL_ROUNDED, 3);
	expect("2.49", 0, DECIMAL_ROUNDED, 2);
	expect("2.5000000000000000000000000000", 0, DECIMAL_ROUNDED, 2);
	expect("2.5000000000000000000000000001", 0, DECIMAL_ROUNDED, 3);
	expect("2.4999999999999999999999999999", 0, DECIMAL_ROUNDED, 2);
	expect("1e-400", 0, DECIMAL_ROUNDED, 0);
	expect("9999999999999999999", -19, DECIMAL_ROUNDED, 1);
	expect("5000000000000000000", -19, DECIMAL_ROUNDED, 0);
	expect("5000000000000000001", -19, DECIMAL_ROUNDED, 1);
	expect("9999999999999999999", -20, DECIMAL_ROUNDED, 0);
}

static void number_at_the_edge_of_int64_fits(void **state)
{
	(void)state;
	expect("9223372036854775807", 0, DECIMAL_EXACT, INT64_MAX);
	expect("-9223372036854775808", 0, DECIMAL_EXACT, INT64_MIN);
	expect("9223372036854.775807", 6, DECIMAL_EXACT, INT64_MAX);
	expect("9223372036854775807.4", 0, DECIMAL_ROUNDED, INT64_MAX);
	expect("9223372036854775807.500000000000", 0, DECIMAL_OVERFLOW, 0);
	expect("-9223372036854775808.500000000000", 0, DECIMAL_ROUNDED, INT64_MIN);
}

static void number_beyond_int64_overflows(void **state)
{
	(void)state;
	expect("9223372036854775808", 0, DECIMAL_OVERFLOW, 0);
	expect("-9223372036854775809", 0, DECIMAL_OVERFLOW, 0);
	expect("1e19", 0, DECIMAL_OVERFLOW, 0);
	expect("1e999999999999", 0, DECIMAL_OVERFLOW, 0);
	expect("2e19", 0, DECIMAL_OVERFLOW, 0);
	expect("123456789012345678901234567890", 0, DECIMAL_OVERFLOW, 0);
	expect("18446744073709551616", 0, DECIMAL_OVERFLOW, 0);
	expect("18446744073709.551617", 6, DECIMAL_OVERFLOW, 0);
}

static void number_of_many_digits_is_exact(void **state)
{
	char text[3000];

	(void)state;
	memset(text, '0', sizeof text);
	text[0] = '7';
	strcpy(text + 2000, "e-1999");
	expect(text, 2, DECIMAL_EXACT, 700);
	memset(text, '0', sizeof text);
	text[1] = '.';
	strcpy(text + 2000, "12345e2000");
	expect(text, 0, DECIMAL_ROUNDED, 12);
}

static void bad_number_is_refused(void **state)
{
	static const char *const bad[] = {"",    "-",   "+1",  ".5", "1.",  "1.e3", "1e",
	                                  "1e+", "--1", "-.1", "e5", "NaN", "Inf",  "x"};
	struct decimal d;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const uint8_t *p = (const uint8_t *)bad[i];
		assert_null(decimal_scan(p, p + strlen(bad[i]), &d));
	}
}

static void number_with_leading_zero_ends_after_it(void **state)
{
	struct decimal d;
	const uint8_t *p = (const uint8_t *)"0123";

	(void)state;
	assert_ptr_equal(decimal_scan(p, p + 4, &d), p + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(number_within_unit_is_exact),
	    cmocka_unit_test(digits_below_unit_round_half_to_even),
	    cmocka_unit_test(number_at_the_edge_of_int64_fits),
	    cmocka_unit_test(number_beyond_int64_overflows),
	    cmocka_unit_test(number_of_many_digits_is_exact),
	    cmocka_unit_test(bad_number_is_refused),
	    cmocka_unit_test(number_with_leading_zero_ends_after_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
