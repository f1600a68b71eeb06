/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variable-length integers for records and pages: seven bits a byte, low bits first, the top bit
 * says "more follows"; at most ten bytes. Signed ones are zigzag coded (0, -1, 1, -2 ...), and
 * differences wrap around 2^64, so that any two int64 have one.
 */
#ifndef HEADRACE_STORAGE_VARINT_H
#define HEADRACE_STORAGE_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#define VARINT_BYTES_MAX 10

static inline uint32_t varint_bytes(uint64_t v)
{
	return (63u - (uint32_t)__builtin_clzll(v | 1)) / 7 + 1;
}

static inline uint8_t *varint_put(uint8_t *at, uint64_t v)
{
	while (v >= 0x80) {
		*at++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*at++ = (uint8_t)v;
	return at;
}

/* Untrusted bytes. False: cut short, or longer than 64 bits. */
static inline bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
	const uint8_t *p = *at;
	if (p < end && *p < 0x80) {
		*v = *p;
		*at = p + 1;
		return true;
	}
	uint64_t sum = 0;
	for (uint32_t shift = 0; p < end && shift < 64; shift += 7) {
		uint64_t bits = *p & 0x7f;
		if (shift == 63 && bits > 1)
			return false;
		sum |= bits << shift;
		if (*p++ < 0x80) {
			*v = sum;
			*at = p;
			return true;
		}
	}
	return false;
}

static inline uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static inline int64_t wrap_sub(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t wrap_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

#endif
