/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/float.h"

static struct decimal of64(double x)
{
	struct decimal d;
	uint64_t bits;

	memcpy(&bits, &x, sizeof bits);
	assert_true(float_decimal64(bits, &d));
	return d;
}

static struct decimal of32(float x)
{
	struct decimal d;
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	assert_true(float_decimal32(bits, &d));
	return d;
}

/* "-1.25e-3" and its like, of digits and exponent, without trailing zeros. */
static const char *text(struct decimal d)
{
	static char out[64];

	while (d.mantissa != 0 && d.mantissa % 10 == 0) {
		d.mantissa /= 10;
		d.exponent++;
	}
	snprintf(out, sizeof out, "%s%" PRIu64 "e%" PRId64, d.negative ? "-" : "", d.mantissa,
	         d.mantissa ? d.exponent : 0);
	return out;
}

static void double_is_the_decimal_it_came_from(void **state)
{
	(void)state;
	assert_string_equal(text(of64(1247.83)), "124783e-2");
	assert_string_equal(text(of64(-0.97)), "-97e-2");
	assert_string_equal(text(of64(0.1)), "1e-1");
	assert_string_equal(text(of64(123456789.012345)), "123456789012345e-6");
	assert_string_equal(text(of64(0.0)), "0e0");
	assert_string_equal(text(of64(-0.0)), "0e0");
	assert_string_equal(text(of64(900000.0)), "9e5");
}

static void double_of_many_digits_has_as_few_as_can_be(void **state)
{
	(void)state;
	assert_string_equal(text(of64(0.1 + 0.2)), "30000000000000004e-17");
	assert_string_equal(text(of64(1.0 / 3)), "3333333333333333e-16");
	assert_string_equal(text(of64(9007199254740993.0)), "9007199254740992e0");
	assert_string_equal(text(of64(1e23)), "1e23");
	assert_string_equal(text(of64(5e-30)), "5e-30");
	assert_string_equal(text(of64(0x1p-20)), "95367431640625e-20");
}

static void float_is_the_decimal_it_came_from(void **state)
{
	(void)state;
	assert_string_equal(text(of32(1247.83f)), "124783e-2");
	assert_string_equal(text(of32(61247.83f)), "6124783e-2");
	assert_string_equal(text(of32(0.97f)), "97e-2");
	assert_string_equal(text(of32(16777216.0f)), "16777216e0");
	assert_string_equal(text(of32(123456789.0f)), "12345679e1");
	assert_string_equal(text(of32(1e-9f)), "1e-9");
	assert_string_equal(text(of32(0x1p-3f)), "125e-3");
}

static void half_is_the_shortest_of_its_neighbourhood(void **state)
{
	struct decimal d;

	(void)state;
	assert_true(float_decimal16(0x3c00, &d));
	assert_string_equal(text(d), "1e0");
	assert_true(float_decimal16(0xc9a9, &d)); /* -11.32 to three or four digits */
	assert_string_equal(text(d), "-1132e-2");
	assert_true(float_decimal16(0x0001, &d)); /* the smallest: 5.96e-8 */
	assert_string_equal(text(d), "6e-8");
	assert_true(float_decimal16(0x7bff, &d));
	assert_string_equal(text(d), "655e2");
	assert_true(float_decimal16(0x8000, &d));
	assert_string_equal(text(d), "0e0");
}

static void what_is_not_finite_is_no_number(void **state)
{
	struct decimal d;

	(void)state;
	assert_false(float_decimal16(0x7c00, &d));
	assert_false(float_decimal16(0x7e00, &d));
	assert_false(float_decimal32(0x7f800000, &d));
	assert_false(float_decimal32(0xffc00000, &d));
	assert_false(float_decimal64(0x7ff0000000000000, &d));
	assert_false(float_decimal64(0x7ff8000000000000, &d));
}

static void extremes_are_out_of_every_unit(void **state)
{
	int64_t value = 1;

	(void)state;
	struct decimal d = of64(1e300);
	assert_int_equal(decimal_scale(&d, 0, &value), DECIMAL_OVERFLOW);
	d = of64(1e-300);
	assert_int_equal(decimal_scale(&d, 18, &value), DECIMAL_ROUNDED);
	assert_int_equal(value, 0);
	d = of64(5e-324);
	assert_int_equal(decimal_scale(&d, 18, &value), DECIMAL_ROUNDED);
}

/* Against the C library: fewest digits of %.*e that read back the same. */
static void random_doubles_are_the_shortest(void **state)
{
	uint64_t random = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char expected[64];
		double x;
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		uint64_t bits = (random & 0x800fffffffffffff) |
		                (uint64_t)(1023 - 120 + random % 240) << 52;
		memcpy(&x, &bits, sizeof x);
		int digits = 0;
		do
			snprintf(expected, sizeof expected, "%.*e", digits++, x);
		while (strtod(expected, NULL) != x);
		struct decimal d = of64(x);
		char got[64];
		snprintf(got, sizeof got, "%s", text(d));
		assert_true(strtod(got, NULL) == x);
		char *e = strchr(got, 'e');
		assert_true((int)(e - got) - (got[0] == '-') <= digits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(double_is_the_decimal_it_came_from),
	    cmocka_unit_test(double_of_many_digits_has_as_few_as_can_be),
	    cmocka_unit_test(float_is_the_decimal_it_came_from),
	    cmocka_unit_test(half_is_the_shortest_of_its_neighbourhood),
	    cmocka_unit_test(what_is_not_finite_is_no_number),
	    cmocka_unit_test(extremes_are_out_of_every_unit),
	    cmocka_unit_test(random_doubles_are_the_shortest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
