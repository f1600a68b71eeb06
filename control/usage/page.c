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

#define WEEK_MS (7 * INT64_C(86400000))
/* Like days lie up to 60 days before a gap that begins up to 35 days before the days asked for; a
 * gap ends up to 35 days behind them. */
#define WEEKS_BEFORE 14u
#define WEEKS_BEHIND 6u
#define SPANS        (WEEKS_BEFORE + 1 + WEEKS_BEHIND)

struct rows {
	struct usage_row *all; /* ascending by ts_ms, then meter_ts_ms */
	uint32_t count, capacity;
	bool unsorted; /* while they come in */
};

struct usage_span {
	bool loaded;
	struct rows device[STORE_GROUP_DEVICES];
};

/* --- reading --- */

static bool grow(struct rows *rows)
{
	uint32_t capacity = rows->capacity ? rows->capacity * 2 : 1024;
	struct usage_row *more = realloc(rows->all, capacity * sizeof *more);
	if (!more)
		return false;
	rows->all = more;
	rows->capacity = capacity;
	return true;
}

struct loading {
	const struct usage_page *page;
	struct usage_span *span;
	bool no_memory;
};

static bool on_reading(void *context, const struct stored_reading *r)
{
	struct loading *l = context;
	struct rows *rows = &l->span->device[r->device - l->page->first_device];
	struct usage_row row;
	if (!usage_row_of(&l->page->source, r, &row))
		return true;
	if (rows->count == rows->capacity && !grow(rows)) {
		l->no_memory = true;
		return false;
	}
	rows->unsorted |= rows->count > 0 && by_time(&rows->all[rows->count - 1], &row) > 0;
	rows->all[rows->count++] = row;
	return true;
}

/* Where a span begins; that behind the last one is the end. */
static int64_t span_from_ms(const struct usage_page *page, uint32_t span)
{
	if (span <= WEEKS_BEFORE)
		return page->from_ms - (WEEKS_BEFORE - span) * WEEK_MS;
	return page->to_ms + (span - WEEKS_BEFORE - 1) * WEEK_MS;
}

static enum result span_load(const struct usage_page *page, uint32_t number, struct error *err)
{
	struct loading l = {page, &page->spans[number], false};
	if (l.span->loaded)
		return RESULT_OK;
	for (uint32_t i = 0; i < STORE_GROUP_DEVICES; i++) {
		l.span->device[i].count = 0;
		l.span->device[i].unsorted = false;
	}
	enum result result =
	    store_scan_group(page->source.store, page->first_device, span_from_ms(page, number),
	                     span_from_ms(page, number + 1), on_reading, &l, err);
	if (result == RESULT_OK && l.no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the readings of 64 meters");
	for (uint32_t i = 0; result == RESULT_OK && i < STORE_GROUP_DEVICES; i++) {
		struct rows *rows = &l.span->device[i];
		if (rows->unsorted)
			qsort(rows->all, rows->count, sizeof rows->all[0], by_time);
	}
	l.span->loaded = result == RESULT_OK;
	return result;
}

enum result usage_page_load(const struct usage_source *source, uint32_t first_device,
                            int32_t from_day, int32_t end_day, struct usage_page *page,
                            struct error *err)
{
	int64_t margin_s = usage_margin_s(source->rules) + 1;
	if (!page->spans)
		page->spans = calloc(SPANS, sizeof page->spans[0]);
	if (!page->spans)
		return fail(RESULT_RESOURCE, err, "no memory for the readings of 64 meters");
	for (uint32_t i = 0; i < SPANS; i++)
		page->spans[i].loaded = false;
	page->source = *source;
	page->source.page = NULL;
	page->first_device = first_device;
	page->from_ms = (calendar_day_start_s(source->calendar, from_day) - margin_s) * 1000;
	page->to_ms = (calendar_day_start_s(source->calendar, end_day) + margin_s) * 1000;
	enum result result = span_load(page, WEEKS_BEFORE, err);
	if (result != RESULT_OK)
		page->from_ms = page->to_ms = 0;
	return result;
}

void usage_page_free(struct usage_page *page)
{
	for (uint32_t s = 0; page->spans && s < SPANS; s++)
		for (uint32_t i = 0; i < STORE_GROUP_DEVICES; i++)
			free(page->spans[s].device[i].all);
	free(page->spans);
	*page = (struct usage_page){0};
}

/* --- asking --- */

/* The first row at or after an instant. */
static uint32_t lower_bound(const struct rows *rows, int64_t ts_ms)
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

enum result usage_page_each(const struct usage_page *page, uint32_t device, int64_t from_ms,
                            int64_t to_ms, usage_row_fn *fn, void *context, struct error *err)
{
	if (page->to_ms == 0 || device < page->first_device ||
	    device - page->first_device >= STORE_GROUP_DEVICES ||
	    from_ms < span_from_ms(page, 0) || to_ms > span_from_ms(page, SPANS))
		return RESULT_ABSENT;
	for (uint32_t s = 0; s < SPANS && span_from_ms(page, s) < to_ms; s++) {
		if (span_from_ms(page, s + 1) <= from_ms)
			continue;
		enum result result = span_load(page, s, err);
		if (result != RESULT_OK)
			return result;
		const struct rows *rows = &page->spans[s].device[device - page->first_device];
		for (uint32_t i = lower_bound(rows, from_ms);
		     i < rows->count && rows->all[i].ts_ms < to_ms; i++)
			if (!fn(context, &rows->all[i]))
				return RESULT_OK;
	}
	return RESULT_OK;
}

/* --- one boundary --- */

struct boundary {
	const struct usage_source *source;
	int64_t at_ms, best_ms;
	struct usage_shown shown;
	bool found;
};

static bool take_nearest(void *context, const struct usage_row *row)
{
	struct boundary *b = context;
	int64_t distance_ms = llabs(row->ts_ms - b->at_ms);
	if (distance_ms > b->best_ms)
		return true;
	b->best_ms = distance_ms;
	b->found = true;
	b->shown = (struct usage_shown){
	    row->ts_ms, row->meter_ts_ms,
	    usage_to_mwh(row->value, b->source->profiles->by_id[row->profile]), row->flags};
	return true;
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
	enum result result = source->page ? usage_page_each(source->page, device, from_ms, to_ms,
	                                                    take_nearest, &b, err)
	                                  : RESULT_ABSENT;
	if (result == RESULT_ABSENT)
		result = store_scan_device(source->store, device, from_ms, to_ms, on_boundary, &b,
		                           err);
	if (result == RESULT_OK && !b.found)
		result = fail(RESULT_ABSENT, err, "the register was not read");
	*out = b.shown;
	return result;
}
