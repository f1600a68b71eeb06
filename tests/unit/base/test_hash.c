/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"

/* Key and messages of the SipHash paper's appendix A: bytes 00, 01, 02 ... */
static void counting_bytes(uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)i;
}

static void siphash24_reference_vectors_match(void **state)
{
	(void)state;
	uint8_t k[16], message[64];
	counting_bytes(k, sizeof k);
	counting_bytes(message, sizeof message);
	struct hash_key key = {get_le64(k), get_le64(k + 8)};
	assert_true(siphash24(key, message, 0) == 0x726fdb47dd0e0e31u);
	assert_true(siphash24(key, message, 1) == 0x74f839c593dc67fdu);
	assert_true(siphash24(key, message, 8) == 0x93f5f5799a932462u);
	assert_true(siphash24(key, message, 15) == 0xa129ca6149be45e5u);
}

static void siphash13_depends_on_key_and_every_byte(void **state)
{
	(void)state;
	uint8_t message[40] = {0};
	struct hash_key a = {1, 2}, b = {1, 3};
	uint64_t base = siphash13(a, message, sizeof message);
	assert_true(siphash13(b, message, sizeof message) != base);
	for (size_t i = 0; i < sizeof message; i++) {
		message[i] ^= 1;
		assert_true(siphash13(a, message, sizeof message) != base);
		message[i] ^= 1;
	}
	assert_true(siphash13(a, message, sizeof message - 1) != base);
}

/* RFC 3720 B.4 */
static void crc32c_reference_vectors_match(void **state)
{
	(void)state;
	uint8_t data[32];
	memset(data, 0, sizeof data);
	assert_int_equal(crc32c(0, data, sizeof data), 0x8a9136aa);
	memset(data, 0xff, sizeof data);
	assert_int_equal(crc32c(0, data, sizeof data), 0x62a8ab43);
	counting_bytes(data, sizeof data);
	assert_int_equal(crc32c(0, data, sizeof data), 0x46dd794e);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
}

static void crc32c_in_pieces_equals_whole(void **state)
{
	(void)state;
	uint8_t data[100];
	counting_bytes(data, sizeof data);
	uint32_t whole = crc32c(0, data, sizeof data);
	for (size_t cut = 0; cut <= sizeof data; cut++) {
		uint32_t head = crc32c(0, data, cut);
		assert_int_equal(crc32c(head, data + cut, sizeof data - cut), whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(siphash24_reference_vectors_match),
	    cmocka_unit_test(siphash13_depends_on_key_and_every_byte),
	    cmocka_unit_test(crc32c_reference_vectors_match),
	    cmocka_unit_test(crc32c_in_pieces_equals_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
