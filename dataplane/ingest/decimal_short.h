/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short decimal numbers, all digits at once: measured hot inlines of decimal.h. Never leaves this
 * folder.
 */
#ifndef HEADRACE_INGEST_DECIMAL_SHORT_H
#define HEADRACE_INGEST_DECIMAL_SHORT_H

#include <smmintrin.h> /* SSE4.1: part of the baseline, x86-64-v2 */
#include <stddef.h>

#include "ingest/decimal.h"

#define DECIMAL_SHORT_BYTES 16

struct decimal_short {
	uint64_t mantissa;
	uint32_t digits, places; /* in all; behind the point */
};

/*
 * A number without sign whose digits, point and end lie in 17 bytes, which can be read: most are.
 * NULL: the careful way decides. The digits move to the right, the point drops out:
 *
 *	1247.83,"kW":3.2  ->  ..........124783  ->  pairs of digits, of pairs, of fours, of eights
 */
static inline __attribute__((always_inline)) const uint8_t *
decimal_scan_short(const uint8_t *p, struct decimal_short *n)
{
	const __m128i order = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
	__m128i beyond = _mm_cmpeq_epi8(_mm_max_epu8(digits, _mm_set1_epi8(10)), digits);
	uint32_t others = (uint32_t)_mm_movemask_epi8(beyond) | 1u << DECIMAL_SHORT_BYTES;
	uint32_t whole = (uint32_t)__builtin_ctz(others), count = whole;

	if (whole == DECIMAL_SHORT_BYTES || whole == 0 || (*p == '0' && whole > 1))
		return NULL;
	const uint8_t *after = p + whole;
	if (*after == '.') {
		others &= others - 1;
		count = (uint32_t)__builtin_ctz(others) - 1;
		if (count == DECIMAL_SHORT_BYTES - 1 || count == whole)
			return NULL;
		after = p + count + 1;
	}
	if ((*after | 0x20) == 'e')
		return NULL;
	/* lane i takes digit i - (16 - count), which lies one further behind the point */
	__m128i from = _mm_sub_epi8(order, _mm_set1_epi8((char)(DECIMAL_SHORT_BYTES - count)));
	from = _mm_sub_epi8(from, _mm_cmpgt_epi8(from, _mm_set1_epi8((char)(whole - 1))));
	digits = _mm_shuffle_epi8(digits, from);
	digits = _mm_maddubs_epi16(digits, _mm_set1_epi16(1 << 8 | 10));
	digits = _mm_madd_epi16(digits, _mm_set1_epi32(1 << 16 | 100));
	digits = _mm_packus_epi32(digits, digits);
	digits = _mm_madd_epi16(digits, _mm_set1_epi32(1 << 16 | 10000));
	uint64_t halves = (uint64_t)_mm_cvtsi128_si64(digits);
	n->mantissa = (halves & UINT32_MAX) * 100000000 + (halves >> 32);
	n->digits = count;
	n->places = count - whole;
	return after;
}

/* *value = number * 10^scale_pow10, when that is easy and exact; NULL: decimal_take decides. */
static inline __attribute__((always_inline)) const uint8_t *
decimal_take_short(const uint8_t *p, const uint8_t *end, int32_t scale_pow10, int64_t *value)
{
	struct decimal_short n;
	int64_t magnitude;

	if (end - p < DECIMAL_SHORT_BYTES + 2)
		return NULL;
	bool negative = *p == '-';
	const uint8_t *after = decimal_scan_short(p + negative, &n);
	if (!after)
		return NULL;
	uint32_t e = (uint32_t)scale_pow10 - n.places; /* what is negative wraps */
	if (e >= 20 || __builtin_mul_overflow(n.mantissa, decimal_pow10[e], &magnitude))
		return NULL;
	*value = negative ? -magnitude : magnitude;
	return after;
}

#endif
