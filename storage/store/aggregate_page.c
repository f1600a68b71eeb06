/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing of aggregates; see aggregate_page.h. Threads: any. Memory: none of its own. Unpacking
 * never trusts its input.
 */
#include "storage/store/aggregate_page.h"

#include <string.h>

#include "storage/store/column.h"

#define FORMAT 1u

enum field { ID, START, LENGTH, ENERGY, PEAK, PEAK_TIME, READINGS, SLOTS, EXPECTED, KIND, FIELDS };

static int64_t field_get(const struct aggregate_entry *e, enum field field)
{
	switch (field) {
	case ID:
		return e->id;
	case START:
		return e->a.start_ms;
	case LENGTH:
		return wrap_sub(e->a.end_ms, e->a.start_ms);
	case ENERGY:
		return e->a.energy;
	case PEAK:
		return e->a.peak;
	case PEAK_TIME:
		return wrap_sub(e->a.peak_ms, e->a.start_ms);
	case READINGS:
		return e->a.readings;
	case SLOTS:
		return e->a.slots;
	case EXPECTED:
		return e->a.slots_expected;
	default:
		return e->a.register_channel << 16 | e->a.demand_channel << 8 | e->a.flags;
	}
}

/* False: no such value. Fields come in their order. */
static bool field_set(struct aggregate_entry *e, enum field field, int64_t v)
{
	switch (field) {
	case ID:
		e->id = (uint16_t)v;
		return v >= 0 && v < AGGREGATE_ENTRIES;
	case START:
		e->a.start_ms = v;
		return true;
	case LENGTH:
		e->a.end_ms = wrap_add(e->a.start_ms, v);
		return v > 0 && e->a.end_ms > e->a.start_ms;
	case ENERGY:
		e->a.energy = v;
		return true;
	case PEAK:
		e->a.peak = v;
		return true;
	case PEAK_TIME:
		e->a.peak_ms = wrap_add(e->a.start_ms, v);
		return true;
	case READINGS:
		e->a.readings = (uint32_t)v;
		return v > 0 && v <= UINT32_MAX;
	case SLOTS:
		e->a.slots = (uint32_t)v;
		return v >= 0 && v <= UINT32_MAX;
	case EXPECTED:
		e->a.slots_expected = (uint32_t)v;
		return v >= 0 && v <= UINT32_MAX;
	default:
		e->a.register_channel = (uint8_t)(v >> 16);
		e->a.demand_channel = (uint8_t)(v >> 8);
		e->a.flags = (uint8_t)v;
		return v >= 0 && v < 1 << 24;
	}
}

void aggregate_page_set(struct aggregate_page *p, uint16_t id, const struct aggregate *a)
{
	uint32_t low = 0, high = p->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (p->entry[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	bool there = low < p->count && p->entry[low].id == id;
	struct aggregate_entry *e = &p->entry[low];
	uint32_t behind = p->count - low;
	if (a->readings == 0) {
		if (there) {
			memmove(e, e + 1, (behind - 1) * sizeof *e);
			p->count--;
		}
		return;
	}
	if (!there) {
		memmove(e + 1, e, behind * sizeof *e);
		p->count++;
	}
	*e = (struct aggregate_entry){id, *a};
}

size_t aggregate_page_pack(const struct aggregate_page *p, uint8_t bytes[AGGREGATE_PAGE_BYTES_MAX])
{
	int64_t value[AGGREGATE_ENTRIES];
	uint8_t *at = bytes;
	*at++ = FORMAT;
	at = varint_put(at, p->count);
	for (enum field f = 0; f < FIELDS; f++) {
		for (uint32_t i = 0; i < p->count; i++)
			value[i] = field_get(&p->entry[i], f);
		at = column_pack(at, value, p->count);
	}
	return (size_t)(at - bytes);
}

bool aggregate_page_unpack(struct aggregate_page *p, const uint8_t *bytes, size_t count)
{
	int64_t value[AGGREGATE_ENTRIES];
	const uint8_t *at = bytes + 1, *end = bytes + count;
	uint64_t entries;
	p->count = 0;
	if (count == 0 || bytes[0] != FORMAT || !varint_get(&at, end, &entries) ||
	    entries > AGGREGATE_ENTRIES)
		return false;
	for (enum field f = 0; f < FIELDS; f++) {
		if (!column_unpack(&at, end, value, (uint32_t)entries))
			return false;
		for (uint32_t i = 0; i < entries; i++) {
			if (!field_set(&p->entry[i], f, value[i]))
				return false;
		}
	}
	for (uint32_t i = 1; i < entries; i++) {
		if (p->entry[i].id <= p->entry[i - 1].id)
			return false;
	}
	p->count = (uint32_t)entries;
	return at == end;
}
