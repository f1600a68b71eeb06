/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a JSON element: its text without the values, and whose value stands where.
 *
 *	{"meterId":"SM-00001","kWh":1247.83,"status":"OK"}
 *	----------- id        ------- kWh   --------------  three texts, two values between them
 *
 * Meters say the same names in the same order with the same white space each time. The decoder
 * learns the shape of an element that it has taken with care, and compares the next one's texts
 * with it, instead of looking at each name. Values are judged the same way both times, so the
 * result is the same too. A value that is mostly the same (a good status, no tampering, null)
 * belongs to the text. Never leaves this folder.
 *
 * Thread: the io worker that has the decoder. Memory: the decoder's.
 */
#ifndef HEADRACE_INGEST_SHAPE_H
#define HEADRACE_INGEST_SHAPE_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "contract/profile.h"

#define SHAPE_TEXT_BYTES 512
#define SHAPE_STEPS      40
#define SHAPE_BLOCK      16

_Static_assert(PROFILE_FIELDS_MAX < 0xfe, "the two below are no field");
#define SHAPE_IGNORED 0xfe /* a value that the profile doesn't want */
#define SHAPE_END     0xff /* behind the last value */

/* A text, then a value. */
struct shape_step {
	uint16_t bytes; /* of the text */
	uint16_t first; /* a bit for each of its first 16 bytes */
	uint8_t field;  /* of the profile, or one of the above */
	uint8_t levels; /* arrays and objects that the value may open */
	uint8_t slot;   /* a channel's number that is only scaled; else SHAPE_NO_SLOT */
	int8_t scale_pow10;
};
#define SHAPE_NO_SLOT 0xff

struct shape {
	uint32_t plan;    /* its serial; 0: nothing was learnt */
	uint32_t levels;  /* of the element; see json_skip */
	uint32_t present; /* fields whose value belongs to the text */
	uint32_t count, text_bytes;
	struct shape_step steps[SHAPE_STEPS];
	uint8_t text[SHAPE_TEXT_BYTES + SHAPE_BLOCK];
};

/* Learning: begin; add each text, from where the last value ended to where the next begins, with
 * what the step says of the value; know. */
void shape_begin(struct shape *s);
void shape_add(struct shape *s, const uint8_t *from, const uint8_t *value,
               struct shape_step step);
/* It can't be learnt. */
void shape_give_up(struct shape *s);
void shape_know(struct shape *s, uint32_t plan, uint32_t levels, uint32_t present);

/* Does the step's text stand at `p`? Then the place behind it; NULL: no. A measured hot inline. */
static inline const uint8_t *shape_follow(const struct shape_step *step, const uint8_t *text,
                                          const uint8_t *p, const uint8_t *end)
{
	ptrdiff_t left = end - p;

	if (left >= SHAPE_BLOCK) {
		__m128i here = _mm_loadu_si128((const __m128i *)p);
		__m128i there = _mm_loadu_si128((const __m128i *)text);
		uint32_t same = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(here, there));
		if (step->first & ~same)
			return NULL;
		if (step->bytes <= SHAPE_BLOCK)
			return p + step->bytes;
	}
	return left >= step->bytes && memcmp(p, text, step->bytes) == 0 ? p + step->bytes : NULL;
}

#endif
