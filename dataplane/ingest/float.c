/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shortest decimals of floats.
 *
 * Nearly all floats of meters come from decimals of few digits, and two such decimals are never
 * the same float (15 digits for 64 bits): if r / 10^k for an integer r of so few digits divides to
 * the float, r is the answer. Division is rounded correctly, so the test is exact. What fails it
 * gets its digits one by one from exact integers (Steele and White; Burger and Dybvig 1996):
 *
 *	r/s      the float, scaled below 1          digit = r * 10 / s, again and again
 *	low/s    half the distance to the next smaller float    until what is left is nearer
 *	high/s   half the distance to the next larger one       than low or high
 *
 * The scale is bounded (float.h), so that 256 bits hold r, s, low and high.
 */
#include "ingest/float.h"

#include <string.h>

#define WORDS 4

struct wide {
	uint64_t w[WORDS];
};

static struct wide wide_of(uint64_t value, uint32_t shift)
{
	struct wide x = {{0}};
	uint32_t at = shift / 64, by = shift % 64;

	x.w[at] = value << by;
	if (by > 0 && at + 1 < WORDS)
		x.w[at + 1] = value >> (64 - by);
	return x;
}

static void wide_mul10(struct wide *x)
{
	unsigned __int128 carry = 0;

	for (uint32_t i = 0; i < WORDS; i++) {
		carry += (unsigned __int128)x->w[i] * 10;
		x->w[i] = (uint64_t)carry;
		carry >>= 64;
	}
}

static struct wide wide_add(const struct wide *a, const struct wide *b)
{
	struct wide sum;
	unsigned __int128 carry = 0;

	for (uint32_t i = 0; i < WORDS; i++) {
		carry += (unsigned __int128)a->w[i] + b->w[i];
		sum.w[i] = (uint64_t)carry;
		carry >>= 64;
	}
	return sum;
}

static int wide_compare(const struct wide *a, const struct wide *b)
{
	for (uint32_t i = WORDS; i-- > 0;)
		if (a->w[i] != b->w[i])
			return a->w[i] < b->w[i] ? -1 : 1;
	return 0;
}

/* a -= b, where b <= a. */
static void wide_sub(struct wide *a, const struct wide *b)
{
	uint64_t borrow = 0;

	for (uint32_t i = 0; i < WORDS; i++) {
		uint64_t minuend = a->w[i], first = minuend - b->w[i];
		a->w[i] = first - borrow;
		borrow = (minuend < b->w[i]) | (first < borrow);
	}
}

/* A float taken apart: mantissa * 2^exponent. */
struct parts {
	uint64_t mantissa;
	int32_t exponent;
	bool first; /* the first of its power of two: the next smaller float is half as far */
};

struct scaled {
	struct wide r, s, low, high;
	int32_t k; /* the float is 0.d1 d2 ... * 10^k */
};

static void scale(const struct parts *p, struct scaled *x)
{
	int32_t e = p->exponent;
	uint32_t up = e >= 0 ? (uint32_t)e : 0, down = e >= 0 ? 0 : (uint32_t)-e;
	uint32_t extra = p->first ? 2 : 1;
	int32_t bits = 64 - __builtin_clzll(p->mantissa);

	x->r = wide_of(p->mantissa, up + extra);
	x->s = wide_of(1, down + extra);
	x->low = wide_of(1, up);
	x->high = wide_of(1, up + extra - 1);
	x->k = (((e + bits - 1) * 78913) >> 18) + 1; /* log10(2) = 78913 / 2^18, floor */
	for (int32_t i = 0; i < x->k; i++)
		wide_mul10(&x->s);
	for (int32_t i = 0; i > x->k; i--) {
		wide_mul10(&x->r);
		wide_mul10(&x->low);
		wide_mul10(&x->high);
	}
}

/* With an even mantissa, a decimal just between two floats reads back as this one. */
static bool reaches(const struct wide *a, const struct wide *b, bool even)
{
	int order = wide_compare(a, b);
	return even ? order >= 0 : order > 0;
}

static void shortest(const struct parts *p, struct decimal *d)
{
	struct scaled x;
	bool even = (p->mantissa & 1) == 0, near_low, near_high;
	uint64_t digits = 0;
	int32_t count = 0;

	scale(p, &x);
	for (;;) {
		struct wide sum = wide_add(&x.r, &x.high);
		if (!reaches(&sum, &x.s, even))
			break;
		wide_mul10(&x.s);
		x.k++;
	}
	do {
		uint32_t digit = 0;
		wide_mul10(&x.r);
		wide_mul10(&x.low);
		wide_mul10(&x.high);
		for (; wide_compare(&x.r, &x.s) >= 0; digit++)
			wide_sub(&x.r, &x.s);
		digits = digits * 10 + digit;
		count++;
		struct wide sum = wide_add(&x.r, &x.high);
		near_low = reaches(&x.low, &x.r, even);
		near_high = reaches(&sum, &x.s, even);
	} while (!near_low && !near_high);
	struct wide twice = wide_add(&x.r, &x.r);
	digits += near_high && (!near_low || wide_compare(&twice, &x.s) >= 0);
	*d = decimal_of(false, digits, x.k - count);
}

static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};

/* Up to 15 digits, 10 of them decimals; false: it needs more. */
static bool few_digits64(double x, struct decimal *d)
{
	for (uint32_t k = 0; k < sizeof powers / sizeof powers[0]; k++) {
		double scaled = x * powers[k];
		if (scaled >= 1e15)
			return false;
		uint64_t r = (uint64_t)(scaled + 0.5);
		if ((double)r / powers[k] == x) {
			*d = decimal_of(false, r, -(int64_t)k);
			return true;
		}
	}
	return false;
}

/* Does the quotient, a double, round to the float? Where it lies just between two floats, the
 * first rounding may have moved it there. */
static bool rounds_to(double quotient, float x)
{
	uint64_t bits;

	memcpy(&bits, &quotient, sizeof bits);
	return (bits & 0x1fffffff) != 0x10000000 && (float)quotient == x;
}

static bool few_digits32(float x, struct decimal *d)
{
	for (uint32_t k = 0; k < sizeof powers / sizeof powers[0]; k++) {
		uint64_t r = (uint64_t)((double)x * powers[k] + 0.5);
		if (r >= 1000000000)
			return false;
		if (rounds_to((double)r / powers[k], x)) {
			*d = decimal_of(false, r, -(int64_t)k);
			return true;
		}
	}
	return false;
}

static void any_digits(const struct parts *p, struct decimal *d)
{
	int32_t magnitude = p->exponent + 64 - __builtin_clzll(p->mantissa);

	if (magnitude > 132) /* 2^132 = 5 * 10^39 */
		*d = decimal_of(false, 1, 60);
	else if (magnitude < -132)
		*d = decimal_of(false, 1, -60);
	else
		shortest(p, d);
}

/* Sign, exponent and fraction of a binary interchange format; false: not finite. */
static bool take_apart(uint64_t bits, uint32_t fraction_bits, uint32_t exponent_bits,
                       struct parts *p)
{
	uint64_t fraction = bits & ((1ull << fraction_bits) - 1);
	uint32_t top = (1u << exponent_bits) - 1;
	uint32_t biased = (uint32_t)(bits >> fraction_bits) & top;
	int32_t bias = (int32_t)(top >> 1) + (int32_t)fraction_bits;

	if (biased == top)
		return false;
	p->mantissa = biased ? fraction | 1ull << fraction_bits : fraction;
	p->exponent = (int32_t)(biased ? biased : 1) - bias;
	p->first = fraction == 0 && biased > 1;
	return true;
}

bool float_decimal64(uint64_t bits, struct decimal *d)
{
	struct parts p;
	bool negative = bits >> 63;
	uint64_t magnitude = bits & INT64_MAX;
	double x;

	if (!take_apart(bits, 52, 11, &p))
		return false;
	memcpy(&x, &magnitude, sizeof x);
	if (p.mantissa == 0)
		*d = decimal_of(false, 0, 0);
	else if (!few_digits64(x, d))
		any_digits(&p, d);
	d->negative = negative && d->mantissa != 0;
	return true;
}

bool float_decimal32(uint32_t bits, struct decimal *d)
{
	struct parts p;
	bool negative = bits >> 31;
	uint32_t magnitude = bits & INT32_MAX;
	float x;

	if (!take_apart(bits, 23, 8, &p))
		return false;
	memcpy(&x, &magnitude, sizeof x);
	if (p.mantissa == 0)
		*d = decimal_of(false, 0, 0);
	else if (p.first || x >= 0x1p24f || !few_digits32(x, d))
		any_digits(&p, d);
	d->negative = negative && d->mantissa != 0;
	return true;
}

bool float_decimal16(uint16_t bits, struct decimal *d)
{
	struct parts p;

	if (!take_apart(bits, 10, 5, &p))
		return false;
	if (p.mantissa == 0)
		*d = decimal_of(false, 0, 0);
	else
		shortest(&p, d);
	d->negative = bits >> 15 && d->mantissa != 0;
	return true;
}
