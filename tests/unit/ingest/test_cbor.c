/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ingest/cbor.h"

#define SKIPS(literal)                                                                             \
	(cbor_skip((const uint8_t *)(literal), (const uint8_t *)(literal) + sizeof(literal) - 1,   \
	           CBOR_DEPTH_MAX) == (const uint8_t *)(literal) + sizeof(literal) - 1)

/* RFC 8949 appendix A, and what it forbids. */
static void every_kind_of_item_is_passed_over(void **state)
{
	(void)state;
	assert_true(SKIPS("\x00"));
	assert_true(SKIPS("\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00"));
	assert_true(SKIPS("\x3b\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_true(SKIPS("\xf9\x7e\x00"));
	assert_true(SKIPS("\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"));
	assert_true(SKIPS("\xf6"));
	assert_true(SKIPS("\xf8\xff"));
	assert_true(SKIPS("\xc0\x74"
	                  "2013-03-21T20:04:00Z"));
	assert_true(SKIPS("\x62\xc3\xbc"));
	assert_true(SKIPS("\x83\x01\x82\x02\x03\x82\x04\x05"));
	assert_true(SKIPS("\xa2\x61\x61\x01\x61\x62\x82\x02\x03"));
	assert_true(SKIPS("\x5f\x42\x01\x02\x43\x03\x04\x05\xff"));
	assert_true(SKIPS("\x7f\x65strea\x64ming\xff"));
	assert_true(SKIPS("\x9f\x01\x82\x02\x03\x9f\x04\x05\xff\xff"));
	assert_true(SKIPS("\xbf\x61\x61\x01\x61\x62\x9f\x02\x03\xff\xff"));
}

static void malformed_items_are_refused(void **state)
{
	(void)state;
	assert_false(SKIPS(""));
	assert_false(SKIPS("\x18"));
	assert_false(SKIPS("\x1b\x00"));
	assert_false(SKIPS("\x1c"));     /* reserved */
	assert_false(SKIPS("\x1f"));     /* an integer of no length */
	assert_false(SKIPS("\xdf\x00")); /* a tag of none */
	assert_false(SKIPS("\xff"));
	assert_false(SKIPS("\xf8\x18")); /* a simple value below 32 in two bytes */
	assert_false(SKIPS("\x62\xc3\x28"));
	assert_false(SKIPS("\x82\x01"));
	assert_false(SKIPS("\xa1\x01"));
	assert_false(SKIPS("\xbf\x01\xff")); /* a key without its value */
	assert_false(SKIPS("\x5f\x61\x61\xff"));
	assert_false(SKIPS("\x5f\x5f\x41\x61\xff\xff"));
	assert_false(SKIPS("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_false(SKIPS("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81"
	                   "\x81\x81\x00"));
}

static int number(const char *bytes, size_t count, struct decimal *d)
{
	const uint8_t *p = (const uint8_t *)bytes, *end = p + count;
	enum cbor_number result = cbor_decimal(&p, end, d);

	if (result == CBOR_NUMBER || result == CBOR_WRONG)
		assert_ptr_equal(p, end);
	return (int)result;
}
#define NUMBER(literal, d) number(literal, sizeof(literal) - 1, d)

static void assert_number(const struct decimal *d, bool negative, uint64_t mantissa,
                          int64_t exponent)
{
	assert_int_equal(d->negative, negative);
	assert_true(d->mantissa == mantissa);
	assert_int_equal(d->exponent, exponent);
}

static void numbers_keep_their_decimal_value(void **state)
{
	struct decimal d;

	(void)state;
	assert_int_equal(NUMBER("\x19\x03\xe8", &d), CBOR_NUMBER);
	assert_number(&d, false, 1000, 0);
	assert_int_equal(NUMBER("\x38\x63", &d), CBOR_NUMBER);
	assert_number(&d, true, 100, 0);
	assert_int_equal(NUMBER("\x3b\xff\xff\xff\xff\xff\xff\xff\xfe", &d), CBOR_NUMBER);
	assert_number(&d, true, UINT64_MAX, 0);
	/* 273.15, RFC 8949 §3.4.4 */
	assert_int_equal(NUMBER("\xc4\x82\x21\x19\x6a\xb3", &d), CBOR_NUMBER);
	assert_number(&d, false, 27315, -2);
	assert_int_equal(NUMBER("\xfb\x40\x93\x7f\x51\xeb\x85\x1e\xb8", &d), CBOR_NUMBER);
	assert_number(&d, false, 124783, -2);
	assert_int_equal(NUMBER("\xfa\x44\x9b\xfa\x8f", &d), CBOR_NUMBER);
	assert_number(&d, false, 124783, -2);
	assert_int_equal(NUMBER("\xf9\x3e\x00", &d), CBOR_NUMBER);
	assert_number(&d, false, 15, -1);
}

static void what_is_no_number_of_ours_is_told_apart(void **state)
{
	struct decimal d;

	(void)state;
	assert_int_equal(NUMBER("\x61\x31", &d), CBOR_NO_NUMBER);
	assert_int_equal(NUMBER("\xf6", &d), CBOR_NO_NUMBER);
	assert_int_equal(NUMBER("\xc2\x41\x01", &d), CBOR_NO_NUMBER); /* bignum */
	assert_int_equal(NUMBER("\xf9\x7c\x00", &d), CBOR_WRONG);
	assert_int_equal(NUMBER("\x3b\xff\xff\xff\xff\xff\xff\xff\xff", &d), CBOR_WRONG);
	assert_int_equal(NUMBER("\xc4\x81\x01", &d), CBOR_WRONG);
	assert_int_equal(NUMBER("\xc4\x82\x01\x61\x31", &d), CBOR_WRONG);
	assert_int_equal(NUMBER("\xc4\x82\x21", &d), CBOR_MALFORMED);
	assert_int_equal(NUMBER("\xfb\x00", &d), CBOR_MALFORMED);
	assert_int_equal(NUMBER("", &d), CBOR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_of_item_is_passed_over),
	    cmocka_unit_test(malformed_items_are_refused),
	    cmocka_unit_test(numbers_keep_their_decimal_value),
	    cmocka_unit_test(what_is_no_number_of_ours_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
