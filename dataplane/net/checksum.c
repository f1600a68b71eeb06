/* SPDX-License-Identifier: Apache-2.0 */
#include "net/checksum.h"

#include <emmintrin.h>

#include "base/bytes.h"

/*
 * The sum of little-endian words is the byte-swapped sum of big-endian ones (RFC 1071 2(B)), so
 * we add as we load and never swap: the result is in network order when it is stored as loaded.
 */
uint64_t checksum_add(uint64_t sum, const void *data, uint32_t bytes)
{
	const uint8_t *p = data;
	if (bytes >= 32) {
		/* two words of four bytes in each lane of eight, which can't overflow */
		const __m128i low = _mm_set1_epi64x(UINT32_MAX);
		__m128i lanes = _mm_setzero_si128();
		for (; bytes >= 16; bytes -= 16, p += 16) {
			__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
			lanes = _mm_add_epi64(lanes, _mm_and_si128(v, low));
			lanes = _mm_add_epi64(lanes, _mm_srli_epi64(v, 32));
		}
		sum += (uint64_t)_mm_cvtsi128_si64(lanes);
		sum += (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(lanes, lanes));
	}
	for (; bytes >= 4; bytes -= 4, p += 4)
		sum += get_le32(p);
	if (bytes >= 2) {
		sum += get_le16(p);
		p += 2;
		bytes -= 2;
	}
	if (bytes)
		sum += *p;
	return sum;
}

uint64_t checksum_pseudo_ipv4(const uint8_t source[4], const uint8_t destination[4],
                              uint8_t protocol, uint32_t l4_bytes)
{
	uint64_t sum = (uint64_t)get_le32(source) + get_le32(destination);
	sum += (uint32_t)protocol << 8;
	sum += __builtin_bswap16((uint16_t)l4_bytes);
	return sum;
}

uint64_t checksum_pseudo_ipv6(const uint8_t source[16], const uint8_t destination[16],
                              uint8_t protocol, uint32_t l4_bytes)
{
	uint64_t sum = checksum_add(0, source, 16);
	sum = checksum_add(sum, destination, 16);
	sum += (uint32_t)protocol << 24;
	sum += __builtin_bswap32(l4_bytes);
	return sum;
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
