/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <nmmintrin.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/check.h"

struct hash_key hash_key_random(void)
{
	struct hash_key key;
	CHECK(getrandom(&key, sizeof key, 0) == (ssize_t)sizeof key);
	return key;
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static inline void sip_rounds(struct sip *s, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static inline uint64_t siphash(struct hash_key key, const uint8_t *p, size_t bytes, int c, int d)
{
	struct sip s = {
	    key.k0 ^ 0x736f6d6570736575u,
	    key.k1 ^ 0x646f72616e646f6du,
	    key.k0 ^ 0x6c7967656e657261u,
	    key.k1 ^ 0x7465646279746573u,
	};
	size_t left = bytes;
	for (; left >= 8; left -= 8, p += 8) {
		uint64_t m = get_le64(p);
		s.v3 ^= m;
		sip_rounds(&s, c);
		s.v0 ^= m;
	}
	uint64_t last = (uint64_t)bytes << 56;
	if (left > 0 && bytes >= 8) /* with bytes that were taken before, which are shifted out */
		last |= get_le64(p + left - 8) >> (64 - 8 * left);
	else
		for (size_t i = 0; i < left; i++)
			last |= (uint64_t)p[i] << (8 * i);
	s.v3 ^= last;
	sip_rounds(&s, c);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	sip_rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash13(struct hash_key key, const void *data, size_t bytes)
{
	return siphash(key, data, bytes, 1, 3);
}

uint64_t siphash24(struct hash_key key, const void *data, size_t bytes)
{
	return siphash(key, data, bytes, 2, 4);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;
	for (; bytes >= 8; bytes -= 8, p += 8)
		c = _mm_crc32_u64(c, get_le64(p));
	for (; bytes > 0; bytes--, p++)
		c = _mm_crc32_u8((uint32_t)c, *p);
	return ~(uint32_t)c;
}
