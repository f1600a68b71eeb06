/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/decimal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

struct digits {
	uint64_t value;
	int fraction; /* digits behind the point that `value` holds */
	bool any, point;
};

/* Appends a digit. False: too many for 64 bits. */
static bool digits_add(struct digits *d, unsigned digit)
{
	d->any = true;
	if (__builtin_mul_overflow(d->value, 10u, &d->value) ||
	    __builtin_add_overflow(d->value, digit, &d->value))
		return false;
	if (d->point)
		d->fraction++;
	return true;
}

static bool digits_read(struct digits *d, const char *text)
{
	/* zeros at the end of the fraction say nothing and would only overflow */
	size_t length = strlen(text);
	if (strchr(text, '.'))
		while (length > 1 && text[length - 1] == '0' && text[length - 2] != '.')
			length--;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.' && !d->point && d->any)
			d->point = true;
		else if (text[i] < '0' || text[i] > '9' ||
		         !digits_add(d, (unsigned)(text[i] - '0')))
			return false;
	}
	return d->any && text[length - 1] != '.';
}

bool decimal_parse(const char *text, int pow10, int64_t *out)
{
	struct digits d = {0};
	bool negative = *text == '-';
	if (!digits_read(&d, text + (negative || *text == '+')))
		return false;
	for (; pow10 < d.fraction; d.fraction--) {
		if (d.value % 10 != 0)
			return false;
		d.value /= 10;
	}
	for (; d.value != 0 && pow10 > d.fraction; d.fraction++)
		if (__builtin_mul_overflow(d.value, 10u, &d.value))
			return false;
	if (d.value > (uint64_t)INT64_MAX)
		return false;
	*out = negative ? -(int64_t)d.value : (int64_t)d.value;
	return true;
}

const char *decimal_format(int64_t value, unsigned decimals, char out[DECIMAL_BYTES])
{
	CHECK_OP(decimals, <=, (unsigned)DECIMALS_MAX);
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	uint64_t one = 1;
	for (unsigned i = 0; i < decimals; i++)
		one *= 10;
	const char *sign = value < 0 ? "-" : "";
	if (decimals == 0)
		snprintf(out, DECIMAL_BYTES, "%s%" PRIu64, sign, size);
	else
		snprintf(out, DECIMAL_BYTES, "%s%" PRIu64 ".%0*" PRIu64, sign, size / one,
		         (int)decimals, size % one);
	return out;
}
