/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's aggregates, as of everything applied.
 *
 * What is kept is used for the days before the first one that has changed since it was computed;
 * from there on the periods are computed from the readings, by the same function that computes
 * what is kept. So an answer never waits for the aggregates and never shows old ones.
 *
 * Threads: any ordinary ones. Memory: malloc. Disk is never trusted.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "storage/store/keys.h"
#include "storage/store/rollup.h"
#include "storage/store/store_priv.h"

#define YEAR_2100_MS 4102444800000ll

struct query {
	struct store *s;
	const struct aggregate_rules *rules;
	enum aggregate_level level;
	uint32_t device;
	int64_t from_ms, to_ms;
	int32_t first_day, last_day; /* local */
	int32_t fresh_day;           /* from here on computed; INT32_MAX: nothing is */
	struct rows rows;
	struct aggregate *fresh; /* hours or days from fresh_day on */
	uint32_t fresh_count;
	struct aggregate_page *page;
	store_aggregate_fn *fn;
	void *context;
	bool ended;
};

struct aggregate aggregate_month(const struct aggregate_rules *rules, int32_t first_day,
				 int32_t end_day)
{
	return (struct aggregate){.start_ms = rules->day_start_ms(rules->calendar, first_day),
				  .end_ms = rules->day_start_ms(rules->calendar, end_day)};
}

void aggregate_month_add(struct aggregate *month, const struct aggregate *day)
{
	if (month->slots_expected == 0 && day->slots_expected > 0) {
		int64_t interval = (day->end_ms - day->start_ms) / day->slots_expected;
		month->slots_expected = (uint32_t)((month->end_ms - month->start_ms) / interval);
	}
	aggregate_add(month, day);
}

/* --- what has changed --- */

static enum result has_mark(const struct query *q, int64_t day, bool *has, struct error *err)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_mark(key, day, q->device / PAGE_DEVICES);
	char *message = NULL;
	rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(q->s->readings.db, q->s->readings.read,
							    (const char *)key, key_bytes, &message);
	if (message)
		return db_failed("read a mark", message, err);
	*has = slice != NULL;
	if (slice)
		rocksdb_pinnableslice_destroy(slice);
	return RESULT_OK;
}

static void fresh_from(struct query *q, int64_t utc_day)
{
	int32_t local = aggregate_day_of(q->rules, utc_day * DAY_MS);
	q->fresh_day = local < q->fresh_day ? local : q->fresh_day;
}

/* Find the first day that has changed since it was computed: in the runs, then by the marks (a
 * run's readings are marked when they leave it). */
static enum result find_fresh(struct query *q, struct error *err)
{
	struct rows run = {0};
	enum result r = RESULT_OK;
	pthread_mutex_lock(&q->s->lock);
	bool room = query_runs_device(q->s, q->device, &run);
	pthread_mutex_unlock(&q->s->lock);
	q->fresh_day = INT32_MAX;
	for (uint32_t i = 0; i < run.count; i++)
		fresh_from(q, day_of(run.row[i].ts_ms));
	rows_fini(&run);
	if (!room)
		return query_no_memory(err);
	int64_t reach = q->from_ms - (AGGREGATE_REACH_DAYS + 1) * DAY_MS;
	int64_t day = store_first_day(q->s), last = newest_get(&q->s->newest, q->device).day;
	if (day == INT64_MAX || last == NEWEST_NONE)
		return RESULT_OK;
	day = day - 2 > day_of(reach) ? day - 2 : day_of(reach);
	for (bool has = false; r == RESULT_OK && !has && day <= last + 2; day++) {
		r = has_mark(q, day, &has, err);
		if (has)
			fresh_from(q, day);
	}
	return r;
}

/* --- computing what has --- */

static bool take_row(void *context, const struct stored_reading *reading)
{
	struct query *q = context;
	q->ended = !rows_add(&q->rows, reading);
	return !q->ended;
}

/* Bounds of the periods from fresh_day to last_day, malloc'd; *count periods. */
static int64_t *fresh_bounds(const struct query *q, uint32_t *count)
{
	const struct aggregate_rules *rules = q->rules;
	size_t days = (size_t)(q->last_day - q->fresh_day) + 1;
	size_t each = q->level == AGGREGATE_HOUR ? AGGREGATE_HOURS_MAX : 1;
	int64_t *bounds = malloc((days * each + 1) * sizeof bounds[0]);
	*count = 0;
	for (int32_t day = q->fresh_day; bounds && day <= q->last_day; day++) {
		int64_t hours[AGGREGATE_HOURS_MAX + 1];
		uint32_t n = 1;
		if (q->level == AGGREGATE_HOUR)
			n = aggregate_hours(rules, day, hours);
		else
			hours[0] = rules->day_start_ms(rules->calendar, day);
		memcpy(bounds + *count, hours, n * sizeof hours[0]);
		*count += n;
	}
	if (bounds)
		bounds[*count] = rules->day_start_ms(rules->calendar, q->last_day + 1);
	return bounds;
}

static enum result fresh_compute(struct query *q, struct error *err)
{
	if (q->fresh_day < q->first_day)
		q->fresh_day = q->first_day;
	if (q->fresh_day > q->last_day)
		return RESULT_OK;
	int64_t *bounds = fresh_bounds(q, &q->fresh_count);
	q->fresh = malloc((q->fresh_count + 1) * sizeof q->fresh[0]);
	enum result r = RESULT_OK;
	if (bounds && q->fresh)
		r = store_scan_device(q->s, q->device,
				      bounds[0] - (AGGREGATE_REACH_DAYS + 1) * DAY_MS,
				      bounds[q->fresh_count] + 1, take_row, q, err);
	const struct stored_reading **order = malloc((q->rows.count + 1) * sizeof order[0]);
	if (!bounds || !q->fresh || !order || q->ended)
		r = query_no_memory(err);
	if (r == RESULT_OK) {
		for (uint32_t i = 0; i < q->rows.count; i++)
			order[i] = &q->rows.row[i];
		aggregate_compute(q->rules, order, q->rows.count, bounds, q->fresh_count, q->fresh);
	}
	free(order);
	free(bounds);
	return r;
}

/* --- showing --- */

static void show(struct query *q, const struct aggregate *a)
{
	if (a->readings > 0 && a->end_ms > q->from_ms && a->start_ms < q->to_ms && !q->ended)
		q->ended = !q->fn(q->context, a);
}

/* Read a page of aggregates; *first, *count: the device's entries. */
static enum result entries_read(struct query *q, enum aggregate_level level, int32_t group,
				uint32_t *first, uint32_t *count, struct error *err)
{
	uint32_t slot = q->device % PAGE_DEVICES;
	enum result r =
	    aggregate_page_read(q->s, level, group, q->device / PAGE_DEVICES, q->page, err);
	*first = *count = 0;
	for (uint32_t i = 0; r == RESULT_OK && i < q->page->count; i++) {
		uint32_t owner = q->page->entry[i].id / AGGREGATE_PERIODS;
		*first += owner < slot;
		*count += owner == slot;
	}
	return r;
}

static enum result show_kept_hours(struct query *q, struct error *err)
{
	enum result r = RESULT_OK;
	for (int32_t day = q->first_day;
	     r == RESULT_OK && !q->ended && day <= q->last_day && day < q->fresh_day; day++) {
		uint32_t first, count;
		r = entries_read(q, AGGREGATE_HOUR, day, &first, &count, err);
		for (uint32_t i = first; r == RESULT_OK && i < first + count; i++)
			show(q, &q->page->entry[i].a);
	}
	return r;
}

/* The kept days of a month before fresh_day: shown, or added to *sum. */
static enum result take_kept_days(struct query *q, int32_t month, struct aggregate *sum,
				  struct error *err)
{
	uint32_t first, count;
	int32_t begin = q->rules->month_first_day(q->rules->calendar, month);
	enum result r = entries_read(q, AGGREGATE_DAY, month, &first, &count, err);
	for (uint32_t i = first; r == RESULT_OK && i < first + count; i++) {
		int32_t day = begin + q->page->entry[i].id % (int32_t)AGGREGATE_PERIODS;
		if (day < q->first_day || day > q->last_day || day >= q->fresh_day)
			continue;
		if (sum)
			aggregate_month_add(sum, &q->page->entry[i].a);
		else
			show(q, &q->page->entry[i].a);
	}
	return r;
}

static enum result show_month(struct query *q, int32_t month, struct error *err)
{
	const struct aggregate_rules *rules = q->rules;
	int32_t begin = rules->month_first_day(rules->calendar, month);
	int32_t end = rules->month_first_day(rules->calendar, month + 1);
	struct aggregate sum = aggregate_month(rules, begin, end);
	uint32_t first, count;
	enum result r;
	if (end <= q->fresh_day) {
		int32_t year = floor_div(month, 12);
		r = entries_read(q, AGGREGATE_MONTH, year, &first, &count, err);
		for (uint32_t i = first; r == RESULT_OK && i < first + count; i++) {
			const struct aggregate_entry *e = &q->page->entry[i];
			if (e->id % AGGREGATE_PERIODS == (uint32_t)(month - year * 12))
				sum = e->a;
		}
	} else {
		r = take_kept_days(q, month, &sum, err);
		for (uint32_t i = 0; r == RESULT_OK && i < q->fresh_count; i++) {
			const struct aggregate *day = &q->fresh[i];
			if (day->readings > 0 && day->start_ms >= sum.start_ms &&
			    day->start_ms < sum.end_ms)
				aggregate_month_add(&sum, day);
		}
	}
	if (r == RESULT_OK)
		show(q, &sum);
	return r;
}

static enum result show_all(struct query *q, struct error *err)
{
	int32_t month = q->rules->month_of(q->rules->calendar, q->first_day);
	int32_t last = q->rules->month_of(q->rules->calendar, q->last_day);
	enum result r = RESULT_OK;
	if (q->level == AGGREGATE_HOUR)
		r = show_kept_hours(q, err);
	for (; q->level != AGGREGATE_HOUR && r == RESULT_OK && !q->ended && month <= last; month++)
		r = q->level == AGGREGATE_MONTH ? show_month(q, month, err)
						: take_kept_days(q, month, NULL, err);
	for (uint32_t i = 0; q->level != AGGREGATE_MONTH && r == RESULT_OK && i < q->fresh_count;
	     i++)
		show(q, &q->fresh[i]);
	return r;
}

/* The local days asked for, within those that can have readings. False: none. */
static bool take_days(struct query *q)
{
	const struct aggregate_rules *rules = q->rules;
	struct stored_reading newest;
	struct error none;
	if (store_last(q->s, q->device, &newest, &none) != RESULT_OK)
		return false;
	int64_t most = newest.meter_ts_ms + REPLACED_MAX_MS;
	if (q->from_ms < 0)
		q->from_ms = 0;
	if (q->to_ms > most)
		q->to_ms = most;
	if (q->to_ms > YEAR_2100_MS)
		q->to_ms = YEAR_2100_MS;
	if (q->from_ms >= q->to_ms)
		return false;
	q->first_day = rules->day_of(rules->calendar, q->from_ms);
	q->last_day = rules->day_of(rules->calendar, q->to_ms - 1);
	if (q->level == AGGREGATE_MONTH) {
		int32_t first = rules->month_of(rules->calendar, q->first_day);
		int32_t last = rules->month_of(rules->calendar, q->last_day);
		q->first_day = rules->month_first_day(rules->calendar, first);
		q->last_day = rules->month_first_day(rules->calendar, last + 1) - 1;
	}
	return true;
}

enum result store_aggregates(struct store *s, uint32_t device, enum aggregate_level level,
			     int64_t from_ms, int64_t to_ms, store_aggregate_fn *fn, void *context,
			     struct error *err)
{
	STORE_READS(s);
	struct query q = {.s = s,
			  .rules = s->config.aggregates,
			  .level = level,
			  .device = device,
			  .from_ms = from_ms,
			  .to_ms = to_ms,
			  .fn = fn,
			  .context = context};
	if (!q.rules)
		return fail(RESULT_ABSENT, err, "store: no aggregates are kept");
	if (!take_days(&q))
		return RESULT_OK;
	q.page = malloc(sizeof *q.page);
	enum result r = q.page ? find_fresh(&q, err) : query_no_memory(err);
	if (r == RESULT_OK)
		r = fresh_compute(&q, err);
	if (r == RESULT_OK)
		r = show_all(&q, err);
	free(q.page);
	free(q.fresh);
	rows_fini(&q.rows);
	return r;
}
