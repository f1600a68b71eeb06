/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/decimal_short.h"

#define MANTISSA_DIGITS 19 /* 10^19 - 1 < 2^64 */
#define EXPONENT_MAX    1000000000

const uint64_t decimal_pow10[20] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

static inline bool is_digit(const uint8_t *p, const uint8_t *end)
{
	return p < end && (uint8_t)(*p - '0') <= 9;
}

/* The exponent part, `p` behind the 'e'. */
static const uint8_t *scan_exponent(const uint8_t *p, const uint8_t *end, int64_t *exponent)
{
	bool minus = p < end && *p == '-';
	int64_t e = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (!is_digit(p, end))
		return NULL;
	for (; is_digit(p, end); p++)
		if (e < EXPONENT_MAX)
			e = e * 10 + (*p - '0');
	*exponent = minus ? -e : e;
	return p;
}

const uint8_t *decimal_scan(const uint8_t *p, const uint8_t *end, struct decimal *d)
{
	uint64_t mantissa = 0; /* may wrap when there are more than 19 digits: not used then */
	int64_t exponent = 0;

	d->negative = p < end && *p == '-';
	p += d->negative;
	const uint8_t *start = p;
	if (end - p >= DECIMAL_SHORT_BYTES + 1) {
		struct decimal_short n;
		const uint8_t *after = decimal_scan_short(p, &n);
		if (after) {
			d->text = p;
			d->bytes = (uint32_t)(after - p);
			d->digits = n.digits;
			d->mantissa = n.mantissa;
			d->exponent = -(int64_t)n.places;
			return after;
		}
	}
	if (!is_digit(p, end))
		return NULL;
	if (*p == '0')
		p++; /* no digit may follow a leading zero */
	else
		for (; is_digit(p, end); p++)
			mantissa = mantissa * 10 + (uint64_t)(*p - '0');
	uint32_t digits = (uint32_t)(p - start);
	uint32_t places = 0;
	if (p < end && *p == '.') {
		const uint8_t *first = ++p;
		for (; is_digit(p, end); p++)
			mantissa = mantissa * 10 + (uint64_t)(*p - '0');
		places = (uint32_t)(p - first);
		if (places == 0)
			return NULL;
	}
	d->text = start;
	d->bytes = (uint32_t)(p - start);
	d->digits = digits + places;
	d->mantissa = mantissa;
	if (p < end && (*p | 0x20) == 'e') {
		p = scan_exponent(p + 1, end, &exponent);
		if (!p)
			return NULL;
	}
	d->exponent = exponent - places;
	return p;
}

/* quotient + rest / whole, where `twice` compares 2 * rest with whole (-1, 0, 1): half to even. */
static uint64_t round_half_even(uint64_t quotient, int twice)
{
	return quotient + (twice > 0 || (twice == 0 && (quotient & 1)));
}

/* Up to 19 digits: 64-bit arithmetic. */
static enum decimal_result scale_short(uint64_t mantissa, int64_t e, uint64_t *out)
{
	*out = 0;
	if (mantissa == 0)
		return DECIMAL_EXACT;
	if (e >= 0) {
		if (e > 19 || __builtin_mul_overflow(mantissa, decimal_pow10[e], out))
			return DECIMAL_OVERFLOW;
		return DECIMAL_EXACT;
	}
	if (e < -19) /* below 10^19 / 10^20: less than half */
		return DECIMAL_ROUNDED;
	uint64_t whole = decimal_pow10[-e];
	uint64_t rest = mantissa % whole;
	*out = mantissa / whole;
	if (rest == 0)
		return DECIMAL_EXACT;
	uint64_t other = whole - rest; /* 2 * rest against whole without overflow */
	*out = round_half_even(*out, rest > other ? 1 : rest == other ? 0 : -1);
	return DECIMAL_ROUNDED;
}

/* Any number of digits: the first `keep` make the integer, the others only round it. */
static enum decimal_result scale_long(const struct decimal *d, int64_t e, uint64_t *out)
{
	const uint8_t *p = d->text, *end = p + d->bytes;
	int64_t left = d->digits; /* digits from here on */

	*out = 0;
	for (; p < end && (*p == '0' || *p == '.'); p++)
		left -= *p == '0';
	int64_t keep = left + e;
	if (left == 0)
		return DECIMAL_EXACT;
	if (keep > MANTISSA_DIGITS)
		return DECIMAL_OVERFLOW;
	if (keep < 0)
		return DECIMAL_ROUNDED;

	int64_t at = 0;
	uint64_t quotient = 0;
	int first_dropped = 0;
	bool more = false;
	for (; p < end; p++) {
		if (*p == '.')
			continue;
		if (at < keep)
			quotient = quotient * 10 + (uint64_t)(*p - '0');
		else if (at == keep)
			first_dropped = *p - '0';
		else
			more |= *p != '0';
		at++;
	}
	for (; at < keep; at++)
		quotient *= 10;
	int twice = first_dropped > 5 || (first_dropped == 5 && more) ? 1
	            : first_dropped == 5                              ? 0
	                                                              : -1;
	*out = round_half_even(quotient, twice);
	return first_dropped || more ? DECIMAL_ROUNDED : DECIMAL_EXACT;
}

enum decimal_result decimal_scale(const struct decimal *d, int32_t scale_pow10, int64_t *value)
{
	int64_t e = d->exponent + scale_pow10;
	uint64_t magnitude;
	enum decimal_result result = d->digits <= MANTISSA_DIGITS
	                                 ? scale_short(d->mantissa, e, &magnitude)
	                                 : scale_long(d, e, &magnitude);

	if (magnitude > (uint64_t)INT64_MAX + d->negative)
		return DECIMAL_OVERFLOW;
	*value = (int64_t)(d->negative ? 0 - magnitude : magnitude);
	return result;
}

/* mantissa * 10^e / divisor, in 128 bits. */
static enum decimal_result scale_divided(const struct decimal *d, int64_t e, uint8_t divisor,
                                         uint64_t *out)
{
	unsigned __int128 top = d->mantissa, whole = divisor;

	*out = 0;
	if (d->mantissa == 0)
		return DECIMAL_EXACT;
	if (e > MANTISSA_DIGITS) /* 10^20 joules and more: no meter's */
		return DECIMAL_OVERFLOW;
	if (e < -MANTISSA_DIGITS)
		return DECIMAL_ROUNDED;
	if (e >= 0)
		top *= decimal_pow10[e];
	else
		whole *= decimal_pow10[-e];
	unsigned __int128 quotient = top / whole, rest = top % whole, other = whole - rest;
	if (quotient > UINT64_MAX - 1)
		return DECIMAL_OVERFLOW;
	*out = (uint64_t)quotient;
	if (rest == 0)
		return DECIMAL_EXACT;
	*out = round_half_even(*out, rest > other ? 1 : rest == other ? 0 : -1);
	return DECIMAL_ROUNDED;
}

enum decimal_result decimal_scale_by(const struct decimal *d, int32_t scale_pow10, uint8_t divisor,
                                     int64_t *value)
{
	uint64_t magnitude;

	if (divisor <= 1)
		return decimal_scale(d, scale_pow10, value);
	if (d->digits > MANTISSA_DIGITS)
		return DECIMAL_OVERFLOW;
	enum decimal_result result =
	    scale_divided(d, d->exponent + scale_pow10, divisor, &magnitude);
	if (result == DECIMAL_OVERFLOW || magnitude > (uint64_t)INT64_MAX + d->negative)
		return DECIMAL_OVERFLOW;
	*value = (int64_t)(d->negative ? 0 - magnitude : magnitude);
	return result;
}

static const uint8_t *take_any(const uint8_t *p, const uint8_t *end, int32_t scale_pow10,
                               uint8_t divisor, int64_t *value, enum decimal_result *result)
{
	struct decimal d;

	p = decimal_scan(p, end, &d);
	if (p)
		*result = decimal_scale_by(&d, scale_pow10, divisor, value);
	return p;
}

const uint8_t *decimal_take(const uint8_t *p, const uint8_t *end, int32_t scale_pow10,
                            uint8_t divisor, int64_t *value, enum decimal_result *result)
{
	const uint8_t *after = divisor <= 1 ? decimal_take_short(p, end, scale_pow10, value) : NULL;

	if (!after)
		return take_any(p, end, scale_pow10, divisor, value, result);
	*result = DECIMAL_EXACT;
	return after;
}

struct decimal decimal_of(bool negative, uint64_t mantissa, int64_t exponent)
{
	return (struct decimal){
	    .digits = 1, /* that the mantissa holds them all is what counts */
	    .mantissa = mantissa,
	    .exponent = exponent,
	    .negative = negative && mantissa != 0,
	};
}

/* The mantissa at a smaller exponent; false: more than 19 digits. */
static bool lower_exponent(const struct decimal *d, int64_t exponent, __int128 *out)
{
	int64_t by = d->exponent - exponent;
	uint64_t mantissa = 0;

	if (d->digits > MANTISSA_DIGITS || (d->mantissa != 0 && by > MANTISSA_DIGITS))
		return false;
	if (d->mantissa != 0 && __builtin_mul_overflow(d->mantissa, decimal_pow10[by], &mantissa))
		return false;
	*out = d->negative ? -(__int128)mantissa : mantissa;
	return true;
}

bool decimal_add(const struct decimal *a, const struct decimal *b, struct decimal *sum)
{
	int64_t exponent = a->exponent < b->exponent ? a->exponent : b->exponent;
	__int128 left, right;

	if (a->digits <= MANTISSA_DIGITS && a->mantissa == 0)
		exponent = b->exponent;
	else if (b->digits <= MANTISSA_DIGITS && b->mantissa == 0)
		exponent = a->exponent;
	if (!lower_exponent(a, exponent, &left) || !lower_exponent(b, exponent, &right))
		return false;
	left += right;
	bool negative = left < 0;
	if (negative)
		left = -left;
	if (left > UINT64_MAX)
		return false;
	*sum = decimal_of(negative, (uint64_t)left, exponent);
	return true;
}
