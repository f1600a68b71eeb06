/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of readings, and their order: by device, then by the meter's time.
 *
 * Input: rows in any order, mostly several sorted stretches one after the other (pages, runs).
 * Output: pointers in order, without duplicates. A natural merge sort: stable, and as cheap as
 * the number of stretches. Threads: any, each with its own list. Memory: malloc.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/store/page.h"

bool rows_reserve(struct rows *r, uint32_t more)
{
	if (more <= r->room - r->count)
		return true;
	uint64_t room = (uint64_t)r->count + more;
	if (room < 2 * (uint64_t)r->room)
		room = 2 * (uint64_t)r->room;
	if (room > UINT32_MAX)
		return false;
	void *grown = realloc(r->row, room * sizeof r->row[0]);
	if (!grown)
		return false;
	r->row = grown;
	r->room = (uint32_t)room;
	return true;
}

bool rows_add(struct rows *r, const struct stored_reading *row)
{
	if (!rows_reserve(r, 1))
		return false;
	r->row[r->count++] = *row;
	return true;
}

void rows_clear(struct rows *r)
{
	r->count = 0;
	r->order_count = 0;
}

void rows_fini(struct rows *r)
{
	free(r->row);
	free(r->order);
	free(r->spare);
	*r = (struct rows){0};
}

static inline bool goes_after(const struct stored_reading *a, const struct stored_reading *b)
{
	return a->device != b->device ? a->device > b->device : a->meter_ts_ms > b->meter_ts_ms;
}

/* End of the sorted stretch that begins at `from`. */
static uint32_t stretch_end(const struct stored_reading *const *p, uint32_t from, uint32_t count)
{
	uint32_t i = from + 1;
	while (i < count && !goes_after(p[i - 1], p[i]))
		i++;
	return i;
}

static void merge(const struct stored_reading *const *from, const struct stored_reading **to,
                  uint32_t a, uint32_t b, uint32_t end)
{
	uint32_t i = a, k = b, at = a;
	while (i < b && k < end)
		to[at++] = goes_after(from[i], from[k]) ? from[k++] : from[i++];
	memcpy(to + at, from + i, (b - i) * sizeof to[0]);
	at += b - i;
	memcpy(to + at, from + k, (end - k) * sizeof to[0]);
}

static void sort(const struct stored_reading **order, const struct stored_reading **spare,
                 uint32_t count)
{
	const struct stored_reading **from = order, **to = spare;
	while (count > 0) {
		uint32_t stretches = 0;
		for (uint32_t a = 0; a < count; stretches++) {
			uint32_t b = stretch_end(from, a, count);
			if (stretches == 0 && b == count) {
				if (from != order)
					memcpy(order, from, count * sizeof order[0]);
				return;
			}
			uint32_t end = b < count ? stretch_end(from, b, count) : b;
			merge(from, to, a, b, end);
			a = end;
		}
		const struct stored_reading **swap = from;
		from = to;
		to = swap;
	}
}

static bool replaced_by_next(const struct stored_reading *a, const struct stored_reading *b,
                             enum rows_keep keep)
{
	return keep == KEEP_NEWEST && a->device == b->device && a->meter_ts_ms < b->meter_ts_ms;
}

uint32_t pointers_order(const struct stored_reading **order, const struct stored_reading **spare,
                        uint32_t count, enum rows_keep keep)
{
	uint32_t kept = 0;
	sort(order, spare, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct stored_reading *r = order[i];
		if (kept > 0 && order[kept - 1]->device == r->device &&
		    order[kept - 1]->meter_ts_ms == r->meter_ts_ms)
			continue; /* the first one stays */
		if (kept > 0 && replaced_by_next(order[kept - 1], r, keep))
			kept--;
		order[kept++] = r;
	}
	return kept;
}

bool rows_order(struct rows *r, enum rows_keep keep)
{
	if (r->order_room < r->count) {
		free(r->order);
		free(r->spare);
		r->order = malloc(r->room * sizeof r->order[0]);
		r->spare = malloc(r->room * sizeof r->spare[0]);
		r->order_room = r->order && r->spare ? r->room : 0;
		if (r->order_room == 0)
			return false;
	}
	for (uint32_t i = 0; i < r->count; i++)
		r->order[i] = &r->row[i];
	r->order_count = pointers_order(r->order, r->spare, r->count, keep);
	return true;
}

bool rows_settle(struct rows *r)
{
	uint32_t i = 1;
	while (i < r->count && goes_after(&r->row[i], &r->row[i - 1]))
		i++;
	if (i >= r->count)
		return true;
	if (!rows_order(r, KEEP_ALL))
		return false;
	struct stored_reading *row = malloc(r->room * sizeof row[0]);
	if (!row)
		return false;
	for (i = 0; i < r->order_count; i++)
		row[i] = *r->order[i];
	free(r->row);
	r->row = row;
	r->count = r->order_count;
	return true;
}
