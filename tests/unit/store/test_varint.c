/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "storage/varint.h"

#include <cmocka.h>

/* The definition, byte by byte. */
static bool reference(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
	unsigned __int128 sum = 0;
	for (uint32_t i = 0; *at + i < end && i < VARINT_BYTES_MAX; i++) {
		sum |= (unsigned __int128)((*at)[i] & 0x7f) << 7 * i;
		if ((*at)[i] < 0x80) {
			*at += i + 1;
			*v = (uint64_t)sum;
			return sum >> 64 == 0;
		}
	}
	return false;
}

static void assert_as_defined(const uint8_t *bytes, uint32_t count)
{
	const uint8_t *a = bytes, *b = bytes;
	uint64_t x = 0, y = 0;
	bool good = reference(&a, bytes + count, &x);
	assert_int_equal(varint_get(&b, bytes + count, &y), good);
	if (good) {
		assert_ptr_equal(a, b);
		assert_true(x == y);
	}
}

static void every_width_comes_back(void **state)
{
	(void)state;
	for (uint32_t width = 0; width <= 64; width++) {
		uint64_t ones = width == 64 ? UINT64_MAX : (1ull << width) - 1;
		uint64_t values[] = {ones, ones ^ ones >> 1, ones & 0x5555555555555555u};
		for (uint32_t i = 0; i < 3; i++) {
			uint8_t bytes[2 * VARINT_BYTES_MAX];
			memset(bytes, i == 1 ? 0xff : 0, sizeof bytes);
			uint32_t used = (uint32_t)(varint_put(bytes, values[i]) - bytes);
			assert_int_equal(used, varint_bytes(values[i]));
			for (uint32_t count = 0; count <= sizeof bytes; count++)
				assert_as_defined(bytes, count);
			const uint8_t *at = bytes;
			uint64_t v;
			assert_true(varint_get(&at, bytes + sizeof bytes, &v));
			assert_true(v == values[i]);
			assert_ptr_equal(at, bytes + used);
		}
	}
}

/* Longer than needed, cut short, without an end: whatever the bytes are. */
static void any_bytes_are_taken_as_defined(void **state)
{
	uint64_t random = 1;
	(void)state;
	for (uint32_t n = 0; n < 20000; n++) {
		uint8_t bytes[14];
		for (uint32_t i = 0; i < sizeof bytes; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			/* mostly long ones */
			bytes[i] = (uint8_t)(random >> 56 | (random >> 40 & 7 ? 0x80 : 0));
		}
		assert_as_defined(bytes, (uint32_t)(random >> 33) % (sizeof bytes + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_width_comes_back),
	    cmocka_unit_test(any_bytes_are_taken_as_defined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
