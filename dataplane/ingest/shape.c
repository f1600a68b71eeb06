/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/shape.h"

void shape_begin(struct shape *s)
{
	s->plan = 0;
	s->count = 0;
	s->text_bytes = 0;
}

void shape_give_up(struct shape *s)
{
	s->count = SHAPE_STEPS + 1;
}

void shape_add(struct shape *s, const uint8_t *from, const uint8_t *value, struct shape_step step)
{
	size_t bytes = (size_t)(value - from);

	if (s->count >= SHAPE_STEPS || bytes > SHAPE_TEXT_BYTES - s->text_bytes) {
		shape_give_up(s);
		return;
	}
	memcpy(s->text + s->text_bytes, from, bytes);
	s->text_bytes += (uint32_t)bytes;
	step.bytes = (uint16_t)bytes;
	step.first = bytes < SHAPE_BLOCK ? (uint16_t)((1u << bytes) - 1) : UINT16_MAX;
	s->steps[s->count++] = step;
}

void shape_know(struct shape *s, uint32_t plan, uint32_t levels, uint32_t present)
{
	if (s->count > SHAPE_STEPS)
		return;
	s->plan = plan;
	s->levels = levels;
	s->present = present;
}
