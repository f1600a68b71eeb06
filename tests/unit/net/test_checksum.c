/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "net/checksum.h"

/* The definition, 16 bits at a time in network order. */
static uint16_t reference(const uint8_t *data, uint32_t bytes)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < bytes; i += 2) {
		sum += (uint32_t)data[i] << 8 | (i + 1 < bytes ? data[i + 1] : 0);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

/* RFC 1071 section 3 */
static void checksum_rfc1071_example_matches(void **state)
{
	(void)state;
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint8_t stored[2];
	put_le16(stored, checksum_fold(checksum_add(0, data, sizeof data)));
	assert_int_equal(get_be16(stored), 0xddf2);
}

static void checksum_equals_definition_for_every_length(void **state)
{
	(void)state;
	uint8_t data[1500], stored[2];
	uint32_t seed = 1;
	for (uint32_t i = 0; i < sizeof data; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (uint8_t)(i < 200 ? 0xff : seed >> 24);
	}
	for (uint32_t bytes = 0; bytes <= sizeof data; bytes++) {
		put_le16(stored, checksum_finish(checksum_add(0, data, bytes)));
		assert_int_equal(get_be16(stored), reference(data, bytes));
	}
}

static void checksum_of_block_with_its_checksum_is_zero(void **state)
{
	(void)state;
	uint8_t header[20] = {0x45, 0, 0, 40, 1, 2, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
	put_le16(header + 10, checksum_finish(checksum_add(0, header, sizeof header)));
	assert_int_equal(checksum_finish(checksum_add(0, header, sizeof header)), 0);
}

/* RFC 8200 8.1: the pseudo header written out, in front of the segment */
static void checksum_pseudo_ipv6_equals_definition(void **state)
{
	(void)state;
	uint8_t all[40 + 101], stored[2];
	for (uint32_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)(i * 37 + 5);
	put_be32(all + 32, 101);
	put_be32(all + 36, 58);
	uint64_t sum = checksum_pseudo_ipv6(all, all + 16, 58, 101);
	put_le16(stored, checksum_finish(checksum_add(sum, all + 40, 101)));
	assert_int_equal(get_be16(stored), reference(all, sizeof all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checksum_rfc1071_example_matches),
	    cmocka_unit_test(checksum_equals_definition_for_every_length),
	    cmocka_unit_test(checksum_of_block_with_its_checksum_is_zero),
	    cmocka_unit_test(checksum_pseudo_ipv6_equals_definition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
