/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cbor.h"

#include "ingest/float.h"
#include "ingest/json.h"

#define TAG_DECIMAL_FRACTION 4 /* RFC 8949 §3.4.4 */
#define INFO_INDEFINITE      31

const uint8_t *cbor_head_long(const uint8_t *p, const uint8_t *end, struct cbor_head *head)
{
	if (p == end)
		return NULL;
	head->major = (enum cbor_major)(*p >> 5);
	head->info = *p & 31;
	p++;
	if (head->info < 24) {
		head->argument = head->info;
		return p;
	}
	if (head->info == INFO_INDEFINITE) {
		/* RFC 8949 §3.2: for strings, arrays and maps; "break" where one may end */
		head->argument = UINT64_MAX;
		return head->major >= CBOR_BYTES && head->major != CBOR_TAG ? p : NULL;
	}
	if (head->info > 27)
		return NULL; /* RFC 8949 §3: 28 to 30 are reserved */
	uint32_t bytes = 1u << (head->info - 24);
	if (end - p < (ptrdiff_t)bytes)
		return NULL;
	head->argument = bytes == 1   ? *p
	                 : bytes == 2 ? get_be16(p)
	                 : bytes == 4 ? get_be32(p)
	                              : get_be64(p);
	if (head->major == CBOR_SIMPLE && bytes == 1 && head->argument < 32)
		return NULL; /* RFC 8949 §3.3 */
	return p + bytes;
}

const uint8_t *cbor_text(const uint8_t *p, const uint8_t *end, struct bytes *text)
{
	struct cbor_head head;

	p = cbor_head(p, end, &head);
	if (!p || head.major != CBOR_TEXT || head.info == INFO_INDEFINITE ||
	    head.argument > (uint64_t)(end - p))
		return NULL;
	text->data = p;
	text->count = (uint32_t)head.argument;
	p += head.argument;
	return json_is_utf8(text->data, text->count) ? p : NULL;
}

/* The pieces of a string of no given length (RFC 8949 §3.2.3): each of the same type. */
static const uint8_t *skip_pieces(const uint8_t *p, const uint8_t *end, enum cbor_major major)
{
	for (;;) {
		struct cbor_head head;
		if (p < end && *p == CBOR_BREAK)
			return p + 1;
		p = cbor_head(p, end, &head);
		if (!p || head.major != major || head.info == INFO_INDEFINITE ||
		    head.argument > (uint64_t)(end - p))
			return NULL;
		if (major == CBOR_TEXT && !json_is_utf8(p, (uint32_t)head.argument))
			return NULL;
		p += head.argument;
	}
}

static const uint8_t *skip_string(const uint8_t *p, const uint8_t *end,
                                  const struct cbor_head *head)
{
	if (head->info == INFO_INDEFINITE)
		return skip_pieces(p, end, head->major);
	if (head->argument > (uint64_t)(end - p))
		return NULL;
	if (head->major == CBOR_TEXT && !json_is_utf8(p, (uint32_t)head->argument))
		return NULL;
	return p + head->argument;
}

/* The items of an array, the pairs of a map. */
static const uint8_t *skip_nest(const uint8_t *p, const uint8_t *end,
                                const struct cbor_head *head, uint32_t levels)
{
	uint32_t each = head->major == CBOR_MAP ? 2 : 1;

	for (uint64_t i = 0; i < head->argument; i++) {
		if (head->info == INFO_INDEFINITE && p < end && *p == CBOR_BREAK)
			return p + 1;
		for (uint32_t k = 0; k < each && p; k++)
			p = cbor_skip(p, end, levels);
		if (!p)
			return NULL;
	}
	return p;
}

const uint8_t *cbor_skip(const uint8_t *p, const uint8_t *end, uint32_t levels)
{
	struct cbor_head head;

	p = cbor_head(p, end, &head);
	if (!p)
		return NULL;
	switch (head.major) {
	case CBOR_UINT:
	case CBOR_NINT:
		return p;
	case CBOR_BYTES:
	case CBOR_TEXT:
		return skip_string(p, end, &head);
	case CBOR_ARRAY:
	case CBOR_MAP:
		return levels ? skip_nest(p, end, &head, levels - 1) : NULL;
	case CBOR_TAG:
		return levels ? cbor_skip(p, end, levels - 1) : NULL;
	case CBOR_SIMPLE:
		break;
	}
	return head.info == INFO_INDEFINITE ? NULL : p; /* a break that ends nothing */
}

static enum cbor_number take_integer(const uint8_t **p, const uint8_t *end, bool *negative,
                                     uint64_t *magnitude)
{
	struct cbor_head head;
	const uint8_t *after = cbor_head(*p, end, &head);

	if (!after)
		return CBOR_MALFORMED;
	if (head.major > CBOR_NINT)
		return CBOR_NO_NUMBER;
	*p = after;
	*negative = head.major == CBOR_NINT;
	*magnitude = head.argument;
	if (*negative && ++*magnitude == 0)
		return CBOR_WRONG; /* -2^64 */
	return CBOR_NUMBER;
}

/* [exponent, mantissa], `p` behind the tag. */
static enum cbor_number take_fraction(const uint8_t **p, const uint8_t *end, struct decimal *d)
{
	const uint8_t *at = *p, *after = cbor_skip(at, end, CBOR_DEPTH_MAX);
	struct cbor_head head;
	bool negative, minus;
	uint64_t exponent, mantissa;

	if (!after)
		return CBOR_MALFORMED;
	*p = after;
	at = cbor_head(at, end, &head);
	if (head.major != CBOR_ARRAY || head.argument != 2)
		return CBOR_WRONG;
	if (take_integer(&at, end, &minus, &exponent) != CBOR_NUMBER ||
	    take_integer(&at, end, &negative, &mantissa) != CBOR_NUMBER || exponent > 1000000)
		return CBOR_WRONG;
	*d = decimal_of(negative, mantissa, minus ? -(int64_t)exponent : (int64_t)exponent);
	return CBOR_NUMBER;
}

static enum cbor_number take_float(const struct cbor_head *head, struct decimal *d)
{
	bool finite;

	if (head->info == 25)
		finite = float_decimal16((uint16_t)head->argument, d);
	else if (head->info == 26)
		finite = float_decimal32((uint32_t)head->argument, d);
	else
		finite = float_decimal64(head->argument, d);
	return finite ? CBOR_NUMBER : CBOR_WRONG;
}

enum cbor_number cbor_decimal(const uint8_t **p, const uint8_t *end, struct decimal *d)
{
	struct cbor_head head;
	bool negative;
	uint64_t magnitude;
	const uint8_t *after = cbor_head(*p, end, &head);

	if (!after)
		return CBOR_MALFORMED;
	if (head.major <= CBOR_NINT) {
		enum cbor_number result = take_integer(p, end, &negative, &magnitude);
		if (result == CBOR_NUMBER)
			*d = decimal_of(negative, magnitude, 0);
		return result;
	}
	if (head.major == CBOR_TAG && head.argument == TAG_DECIMAL_FRACTION) {
		*p = after;
		return take_fraction(p, end, d);
	}
	if (head.major != CBOR_SIMPLE || head.info < 25 || head.info > 27)
		return CBOR_NO_NUMBER;
	*p = after;
	return take_float(&head, d);
}
