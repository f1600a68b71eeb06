/* SPDX-License-Identifier: Apache-2.0 */
/* Every sequence of up to three bytes, and the edges of those of four, against the code points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

/* The character's own form, by arithmetic; 0: not a character that UTF-8 can have. */
static uint32_t encode(uint32_t c, uint8_t out[4])
{
	uint32_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	for (uint32_t i = bytes - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(c | (bytes == 1 ? 0 : 0xf0u << (4 - bytes)));
	return bytes;
}

/* On the heap, so that a byte read past the end is seen. */
static uint32_t length_of(const uint8_t *bytes, size_t count)
{
	uint8_t *exact = malloc(count);
	assert_non_null(exact);
	memcpy(exact, bytes, count);
	uint32_t length = utf8_length(exact, count);
	free(exact);
	return length;
}

static void every_character_has_its_length(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		uint8_t form[4];
		uint32_t bytes = encode(c, form);
		if (bytes == 0)
			continue;
		assert_int_equal(utf8_length(form, 4), bytes);
		for (uint32_t cut = 1; cut < bytes && c % 97 == 0; cut++)
			assert_int_equal(length_of(form, cut), 0);
	}
}

/* All that is accepted is the form of some character: count them. */
static void nothing_else_has_one(void **state)
{
	(void)state;
	uint32_t accepted[5] = {0};
	for (uint32_t v = 0; v < 1u << 24; v++) {
		uint8_t form[4] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, 0x80};
		uint32_t length = utf8_length(form, 4);
		assert_true(length <= 4);
		accepted[length]++;
	}
	assert_int_equal(accepted[1], 0x80 << 16);
	assert_int_equal(accepted[2], (0x800 - 0x80) << 8);
	assert_int_equal(accepted[3], 0x10000 - 0x800 - 0x800);
	assert_int_equal(accepted[4], (0x110000 - 0x10000) >> 6); /* the last byte is one of 64 */
}

static void fourth_byte_is_looked_at(void **state)
{
	(void)state;
	for (uint32_t last = 0; last < 256; last++) {
		uint8_t form[4] = {0xf0, 0x9f, 0x92, (uint8_t)last};
		assert_int_equal(utf8_length(form, 4), (last & 0xc0) == 0x80 ? 4 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_has_its_length),
		cmocka_unit_test(nothing_else_has_one),
		cmocka_unit_test(fourth_byte_is_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
