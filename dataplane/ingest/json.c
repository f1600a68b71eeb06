/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/json.h"

#include <emmintrin.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"
#include "ingest/decimal.h"

#define EACH_BYTE(v) (0x0101010101010101u * (v))

/* To the first byte that is no plain one of a string: quote, backslash, control or non-ASCII. */
static inline const uint8_t *plain_run(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= 16; p += 16) {
		__m128i c = _mm_loadu_si128((const __m128i *)p);
		/* signed: bytes from 0x80 on are below ' ' too */
		__m128i other = _mm_cmplt_epi8(c, _mm_set1_epi8(' '));
		other = _mm_or_si128(other, _mm_cmpeq_epi8(c, _mm_set1_epi8('"')));
		other = _mm_or_si128(other, _mm_cmpeq_epi8(c, _mm_set1_epi8('\\')));
		uint32_t others = (uint32_t)_mm_movemask_epi8(other);
		if (others)
			return p + __builtin_ctz(others);
	}
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

bool json_is_utf8(const uint8_t *p, uint32_t bytes)
{
	const uint8_t *end = p + bytes;

	while (p < end) {
		uint32_t run = 8;
		if (end - p < 8 || (get_le64(p) & EACH_BYTE(0x80)))
			run = utf8_length(p, (size_t)(end - p));
		if (run == 0)
			return false;
		p += run;
	}
	return true;
}

static int32_t hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits at `p`; -1: not four. */
static int32_t hex_unit(const uint8_t *p, const uint8_t *end)
{
	int32_t unit = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int32_t digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* `p` is at the backslash (RFC 8259 §7). */
static const uint8_t *escape_sequence(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return NULL;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		return hex_unit(p + 2, end) < 0 ? NULL : p + 6;
	default:
		return NULL;
	}
}

const uint8_t *json_scan_string(const uint8_t *p, const uint8_t *end, struct json_text *text)
{
	if (p == end || *p != '"')
		return NULL;
	text->data = ++p;
	text->escaped = false;
	for (;;) {
		p = plain_run(p, end);
		if (p == end)
			return NULL;
		if (*p == '"') {
			text->bytes = (uint32_t)(p - text->data);
			return p + 1;
		}
		if (*p < 0x20)
			return NULL;
		if (*p == '\\') {
			text->escaped = true;
			p = escape_sequence(p, end);
		} else {
			uint32_t more = utf8_length(p, (size_t)(end - p));
			p = more ? p + more : NULL;
		}
		if (!p)
			return NULL;
	}
}

const uint8_t *json_word(const uint8_t *p, const uint8_t *end, const char *word, uint32_t bytes)
{
	if (end - p < (ptrdiff_t)bytes || memcmp(p, word, bytes) != 0)
		return NULL;
	return p + bytes;
}

static const uint8_t *skip_member(const uint8_t *p, const uint8_t *end, uint32_t levels)
{
	struct json_text name;

	p = json_scan_string(p, end, &name);
	if (!p)
		return NULL;
	p = json_space(p, end);
	if (p == end || *p != ':')
		return NULL;
	return json_skip(json_space(p + 1, end), end, levels);
}

/* An array or object (RFC 8259 §4, §5): `p` is at its bracket. */
static const uint8_t *skip_nest(const uint8_t *p, const uint8_t *end, uint32_t levels)
{
	bool object = *p == '{';
	uint8_t close = object ? '}' : ']';

	if (levels == 0)
		return NULL;
	p = json_space(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		p = object ? skip_member(p, end, levels - 1) : json_skip(p, end, levels - 1);
		if (!p)
			return NULL;
		p = json_space(p, end);
		if (p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = json_space(p + 1, end);
	}
}

const uint8_t *json_skip(const uint8_t *p, const uint8_t *end, uint32_t levels)
{
	struct json_text text;
	struct decimal number;

	if (p == end)
		return NULL;
	switch (*p) {
	case '"':
		return json_scan_string(p, end, &text);
	case '{':
	case '[':
		return skip_nest(p, end, levels);
	case 't':
		return json_word(p, end, "true", 4);
	case 'f':
		return json_word(p, end, "false", 5);
	case 'n':
		return json_word(p, end, "null", 4);
	default:
		return decimal_scan(p, end, &number);
	}
}

/* UTF-8 of a code point; returns its length. */
static uint32_t utf8_put(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	uint32_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
	for (uint32_t i = more; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[more] | c);
	return more + 1;
}

/* The character of the escape at *p, which moves behind it; UINT32_MAX: half a pair. */
static uint32_t escape_value(const uint8_t **p, const uint8_t *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint8_t kind = (*p)[1];

	*p += 2;
	if (kind != 'u')
		return (uint8_t)to[strchr(from, kind) - from];
	int32_t unit = hex_unit(*p, end);
	*p += 4;
	if (unit < 0xd800 || unit > 0xdfff)
		return (uint32_t)unit;
	if (unit > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return UINT32_MAX;
	int32_t low = hex_unit(*p + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return UINT32_MAX;
	*p += 6;
	return 0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

int32_t json_unescape(const struct json_text *text, char *out, uint32_t max)
{
	const uint8_t *p = text->data, *end = p + text->bytes;
	uint32_t used = 0;

	while (p < end) {
		char piece[4];
		uint32_t bytes = 1;
		if (*p == '\\') {
			uint32_t c = escape_value(&p, end);
			if (c == UINT32_MAX)
				return -1;
			bytes = utf8_put(c, piece);
		} else {
			piece[0] = (char)*p++;
		}
		if (bytes > max - used)
			return -1;
		memcpy(out + used, piece, bytes);
		used += bytes;
	}
	return (int32_t)used;
}
