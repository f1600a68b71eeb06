/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal_scan and decimal_scale. Input: a byte for the scale, then text.
 * Oracle: schoolbook arithmetic on a string of digits.
 */
#include <string.h>

#include "base/check.h"
#include "ingest/decimal.h"

#define DIGITS_MAX 2000
#define TEXT_MAX   500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool digit(const uint8_t *p, size_t i, size_t n)
{
	return i < n && p[i] >= '0' && p[i] <= '9';
}

struct reference {
	size_t length; /* 0: no number */
	bool negative;
	char digits[DIGITS_MAX]; /* '0'..'9' */
	int count;
	long point; /* value = 0.digits * 10^point */
};

/* The grammar of RFC 8259 §6, read a second time. */
static void reference_scan(const uint8_t *p, size_t n, struct reference *r)
{
	size_t i = 0;
	long exponent = 0;

	memset(r, 0, sizeof *r);
	if (i < n && p[i] == '-') {
		r->negative = true;
		i++;
	}
	if (!digit(p, i, n))
		return;
	if (p[i] == '0')
		r->digits[r->count++] = (char)p[i++];
	else
		while (digit(p, i, n))
			r->digits[r->count++] = (char)p[i++];
	r->point = r->count;
	if (i < n && p[i] == '.') {
		i++;
		if (!digit(p, i, n))
			return;
		while (digit(p, i, n))
			r->digits[r->count++] = (char)p[i++];
	}
	if (i < n && (p[i] == 'e' || p[i] == 'E')) {
		i++;
		bool minus = i < n && p[i] == '-';
		if (i < n && (p[i] == '-' || p[i] == '+'))
			i++;
		if (!digit(p, i, n))
			return;
		while (digit(p, i, n)) {
			if (exponent < 100000)
				exponent = exponent * 10 + (p[i] - '0');
			i++;
		}
		r->point += minus ? -exponent : exponent;
	}
	r->length = i;
}

/* Digit `i` places left (i >= 0) or right (i < 0) of the point, units being 0. */
static int place(const struct reference *r, long i)
{
	long at = r->point - 1 - i;
	return at < 0 || at >= r->count ? 0 : r->digits[at] - '0';
}

static enum decimal_result reference_scale(struct reference *r, int scale, int64_t *value)
{
	unsigned __int128 limit = (unsigned __int128)INT64_MAX + r->negative, v = 0;
	bool zero = true, rest = false;

	for (int i = 0; i < r->count; i++)
		zero &= r->digits[i] == '0';
	*value = 0;
	if (zero)
		return DECIMAL_EXACT;
	r->point += scale;
	for (long i = r->point; i >= 0; i--) {
		v = v * 10 + (unsigned)place(r, i);
		if (v > limit)
			return DECIMAL_OVERFLOW;
	}
	int first = place(r, -1);
	long from = r->point + 1 > 0 ? r->point + 1 : 0;
	for (long at = from; at < r->count; at++)
		rest |= r->digits[at] != '0';
	if (r->point < 0) {
		first = 0; /* all digits lie further right */
		rest = true;
	}
	if (first > 5 || (first == 5 && (rest || v % 2 == 1)))
		v++;
	if (v > limit)
		return DECIMAL_OVERFLOW;
	*value = r->negative ? (int64_t) - (__int128)v : (int64_t)v;
	return first || rest ? DECIMAL_ROUNDED : DECIMAL_EXACT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct reference r;
	struct decimal d;
	int64_t got = 0, expected;

	if (bytes < 1 || bytes > TEXT_MAX)
		return 0;
	int scale = data[0] % 41 - 20;
	data++;
	bytes--;
	const uint8_t *after = decimal_scan(data, data + bytes, &d);
	reference_scan(data, bytes, &r);
	CHECK_OP(after != NULL, ==, r.length != 0);
	if (!after)
		return 0;
	CHECK_OP((size_t)(after - data), ==, r.length);
	enum decimal_result result = decimal_scale(&d, scale, &got);
	CHECK_OP(result, ==, reference_scale(&r, scale, &expected));
	if (result != DECIMAL_OVERFLOW)
		CHECK_OP(got, ==, expected);
	return 0;
}
