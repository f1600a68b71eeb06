/* SPDX-License-Identifier: Apache-2.0 */
/* Pure functions; the text is an operator's, untrusted. */
#include "control/registry/ratio.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/config/decimal.h"

#define DECIMALS 6
#define ONE      1000000

static bool reduce(int64_t numerator, int64_t denominator, struct ratio *out)
{
	if (numerator <= 0 || denominator <= 0)
		return false;
	int64_t a = numerator, b = denominator;
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	*out = (struct ratio){numerator / a, denominator / a};
	return out->numerator <= RATIO_PART_MAX && out->denominator <= RATIO_PART_MAX;
}

bool ratio_parse(const char *text, struct ratio *out)
{
	char left[RATIO_TEXT_BYTES];
	int64_t numerator, denominator;
	const char *slash = strchr(text, '/');
	if (!slash)
		return decimal_parse(text, DECIMALS, &numerator) && reduce(numerator, ONE, out);
	size_t length = (size_t)(slash - text);
	if (length >= sizeof left)
		return false;
	memcpy(left, text, length);
	left[length] = '\0';
	return decimal_parse(left, DECIMALS, &numerator) &&
	       decimal_parse(slash + 1, DECIMALS, &denominator) &&
	       reduce(numerator, denominator, out);
}

const char *ratio_format(const struct ratio *r, char out[RATIO_TEXT_BYTES])
{
	char decimal[DECIMAL_BYTES];
	if (ONE % r->denominator != 0) {
		snprintf(out, RATIO_TEXT_BYTES, "%" PRId64 "/%" PRId64, r->numerator,
			 r->denominator);
		return out;
	}
	decimal_format(r->numerator * (ONE / r->denominator), DECIMALS, decimal);
	size_t length = strlen(decimal);
	while (decimal[length - 1] == '0')
		length--;
	if (decimal[length - 1] == '.')
		length--;
	snprintf(out, RATIO_TEXT_BYTES, "%.*s", (int)length, decimal);
	return out;
}

bool ratio_apply(const struct ratio *r, int64_t value, int64_t *out)
{
	__int128 product = (__int128)value * r->numerator, half = r->denominator / 2;
	__int128 result = (product < 0 ? product - half : product + half) / r->denominator;
	*out = (int64_t)result;
	return *out == result;
}
