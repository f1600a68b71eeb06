/* SPDX-License-Identifier: Apache-2.0 */
#include "control/usage/page.h"

#include <stdlib.h>

#include "control/usage/usage_priv.h"

static int by_time(const void *a, const void *b)
{
	const struct usage_row *x = a, *y = b;
	if (x->ts_ms != y->ts_ms)
		return x->ts_ms < y->ts_ms ? -1 : 1;
	return x->meter_ts_ms < y->meter_ts_ms ? -1 : x->meter_ts_ms > y->meter_ts_ms;
}

static bool grow(struct usage_rows *rows)
{
	uint32_t capacity = rows->capacity ? rows->capacity * 2 : 1024;
	struct usage_row *more = realloc(rows->all, capacity * sizeof *more);
	if (!more)
		return false;
	rows->all = more;
	rows->capacity = capacity;
	return true;
}

static bool on_reading(void *context, const struct stored_reading *r)
{
	struct usage_page *page = context;
	struct usage_rows *rows = &page->device[r->device - page->first_device];
	struct usage_row row;
	if (!usage_row_of(page->source, r, &row))
		return true;
	if (rows->count == rows->capacity && !grow(rows)) {
		page->no_memory = true;
		return false;
	}
	rows->unsorted |= rows->count > 0 && by_time(&rows->all[rows->count - 1], &row) > 0;
	rows->all[rows->count++] = row;
	return true;
}

enum result usage_page_load(const struct usage_source *source, uint32_t first_device,
                            int32_t from_day, int32_t end_day, struct usage_page *page,
                            struct error *err)
{
	int64_t margin_s = source->rules->tolerance_s + 1;
	int64_t from_ms = (calendar_day_start_s(source->calendar, from_day) - margin_s) * 1000;
	int64_t to_ms = (calendar_day_start_s(source->calendar, end_day) + margin_s) * 1000;
	page->source = source;
	page->first_device = first_device;
	page->from_ms = page->to_ms = 0;
	page->no_memory = false;
	for (uint32_t i = 0; i < STORE_GROUP_DEVICES; i++) {
		page->device[i].count = 0;
		page->device[i].unsorted = false;
	}
	enum result result = store_scan_group(source->store, first_device, from_ms, to_ms,
	                                      on_reading, page, err);
	if (result == RESULT_OK && page->no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the readings of 64 meters");
	page->source = NULL;
	for (uint32_t i = 0; result == RESULT_OK && i < STORE_GROUP_DEVICES; i++) {
		struct usage_rows *rows = &page->device[i];
		if (rows->unsorted)
			qsort(rows->all, rows->count, sizeof rows->all[0], by_time);
	}
	if (result == RESULT_OK) {
		page->from_ms = from_ms;
		page->to_ms = to_ms;
	}
	return result;
}

void usage_page_free(struct usage_page *page)
{
	for (uint32_t i = 0; i < STORE_GROUP_DEVICES; i++)
		free(page->device[i].all);
	*page = (struct usage_page){0};
}

/* The first row at or after an instant. */
static uint32_t lower_bound(const struct usage_rows *rows, int64_t ts_ms)
{
	uint32_t low = 0, high = rows->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (rows->all[middle].ts_ms < ts_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct usage_row *usage_page_rows(const struct usage_page *page, uint32_t device,
                                        int64_t from_ms, int64_t to_ms, uint32_t *count)
{
	if (device < page->first_device || device - page->first_device >= STORE_GROUP_DEVICES ||
	    from_ms < page->from_ms || to_ms > page->to_ms)
		return NULL;
	const struct usage_rows *rows = &page->device[device - page->first_device];
	uint32_t first = lower_bound(rows, from_ms), end = lower_bound(rows, to_ms);
	static const struct usage_row none;
	*count = end > first ? end - first : 0;
	return *count ? rows->all + first : &none;
}

/* --- one boundary --- */

struct boundary {
	const struct usage_source *source;
	int64_t at_ms, best_ms;
	struct usage_shown shown;
	bool found;
};

static void take_nearest(struct boundary *b, const struct usage_row *row)
{
	int64_t distance_ms = llabs(row->ts_ms - b->at_ms);
	if (distance_ms > b->best_ms)
		return;
	b->best_ms = distance_ms;
	b->found = true;
	b->shown = (struct usage_shown){
	    row->ts_ms, row->meter_ts_ms,
	    usage_to_mwh(row->value, b->source->profiles->by_id[row->profile]), row->flags};
}

static bool on_boundary(void *context, const struct stored_reading *r)
{
	struct boundary *b = context;
	struct usage_row row;
	if (usage_row_of(b->source, r, &row))
		take_nearest(b, &row);
	return true;
}

enum result usage_shown_at(const struct usage_source *source, uint32_t device, int64_t at_s,
                           int64_t tolerance_s, struct usage_shown *out, struct error *err)
{
	struct boundary b = {source, at_s * 1000, tolerance_s * 1000 + 999, {0}, false};
	int64_t from_ms = (at_s - tolerance_s) * 1000, to_ms = (at_s + tolerance_s + 1) * 1000;
	uint32_t count = 0;
	enum result result = RESULT_OK;
	const struct usage_row *rows =
	    source->page ? usage_page_rows(source->page, device, from_ms, to_ms, &count) : NULL;
	for (uint32_t i = 0; i < count; i++)
		take_nearest(&b, &rows[i]);
	if (!rows)
		result = store_scan_device(source->store, device, from_ms, to_ms, on_boundary, &b,
		                           err);
	if (result == RESULT_OK && !b.found)
		result = fail(RESULT_ABSENT, err, "the register was not read");
	*out = b.shown;
	return result;
}
