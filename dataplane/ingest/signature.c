/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/signature.h"

#include <emmintrin.h>
#include <stddef.h>
#include <string.h>

#define BLOCK 16

/* Expressions' white space: [ \t\n\v\f\r]. */
static bool is_space(uint8_t c)
{
	return c == ' ' || (uint8_t)(c - '\t') < 5;
}

static bool is_alphanumeric(uint8_t c)
{
	return (uint8_t)(c - '0') < 10 || (uint8_t)((c | 0x20) - 'a') < 26;
}

/* The byte that the expression names at *e, which moves behind it; false: it is none. */
static bool take_byte(const char **e, uint8_t *out)
{
	uint8_t c = (uint8_t)**e;

	if (c == '\\') {
		++*e;
		c = (uint8_t)**e;
		if (c == '\0' || c >= 0x80 || is_alphanumeric(c))
			return false; /* a class, a code or a place */
	} else if (strchr("^$.[]|()?*+{}", c)) {
		return false;
	}
	++*e;
	*out = c;
	return true;
}

bool signature_parse(const char *expression, struct signature *out)
{
	const char *e = expression;
	uint32_t count = 1, bytes = 0, begin = 0;

	out->part_count = 0;
	while (*e) {
		if (strncmp(e, "\\s*", 3) == 0) {
			if (bytes == begin || count == SIGNATURE_PARTS_MAX)
				return false;
			out->part_bytes[count++ - 1] = (uint8_t)(bytes - begin);
			begin = bytes;
			e += 3;
			continue;
		}
		uint8_t c;
		if (bytes == UINT8_MAX || !take_byte(&e, &c))
			return false;
		if (bytes == begin && count > 1 && is_space(c))
			return false; /* which of the two takes it? */
		out->text[bytes++] = (char)c;
	}
	if (bytes == begin)
		return false;
	out->part_bytes[count - 1] = (uint8_t)(bytes - begin);
	out->part_count = count;
	return true;
}

/* The first place of the text from `p` on, 16 places at a time by its first and its last byte. */
static const uint8_t *find_text(const uint8_t *p, const uint8_t *end, const char *text,
                                uint32_t bytes)
{
	const __m128i first = _mm_set1_epi8(text[0]), last = _mm_set1_epi8(text[bytes - 1]);

	for (; end - p >= (ptrdiff_t)bytes + BLOCK - 1; p += BLOCK) {
		__m128i begins = _mm_loadu_si128((const __m128i *)p);
		__m128i ends = _mm_loadu_si128((const __m128i *)(p + bytes - 1));
		__m128i both = _mm_and_si128(_mm_cmpeq_epi8(begins, first),
		                             _mm_cmpeq_epi8(ends, last));
		uint32_t places = (uint32_t)_mm_movemask_epi8(both);
		for (; places; places &= places - 1) {
			const uint8_t *at = p + __builtin_ctz(places);
			if (memcmp(at, text, bytes) == 0)
				return at;
		}
	}
	for (; end - p >= (ptrdiff_t)bytes; p++)
		if (*p == (uint8_t)text[0] && memcmp(p, text, bytes) == 0)
			return p;
	return NULL;
}

/* The parts behind the first, each after white space. */
static bool rest_follows(const struct signature *s, const uint8_t *p, const uint8_t *end)
{
	const char *text = s->text + s->part_bytes[0];

	for (uint32_t i = 1; i < s->part_count; i++) {
		while (p < end && is_space(*p))
			p++;
		if (end - p < s->part_bytes[i] || memcmp(p, text, s->part_bytes[i]) != 0)
			return false;
		p += s->part_bytes[i];
		text += s->part_bytes[i];
	}
	return true;
}

bool signature_find(const struct signature *s, const uint8_t *payload, uint32_t bytes)
{
	const uint8_t *end = payload + bytes;

	for (const uint8_t *p = payload;; p++) {
		p = find_text(p, end, s->text, s->part_bytes[0]);
		if (!p)
			return false;
		if (rest_follows(s, p + s->part_bytes[0], end))
			return true;
	}
}
