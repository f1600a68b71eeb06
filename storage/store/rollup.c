/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's aggregates: marks of what has changed, and computing it anew.
 *
 * A run that brings readings of a UTC day (of effective time) to a page marks (day, page) in the
 * same write. store_rollup takes a mark, computes the local days that the day touches from the
 * readings, and writes them and the mark's removal at once: after a crash the mark is still there,
 * or the aggregates are. A mark that a newer run has set meanwhile stays. A late reading also
 * changes the first step behind it, so the day of the next reading is computed, too.
 *
 * Threads: one for store_rollup. Memory: malloc. Disk is never trusted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "storage/store/keys.h"
#include "storage/store/rollup.h"
#include "storage/store/store_priv.h"

#define LOCAL_DAYS_MAX (AGGREGATE_REACH_DAYS + 8)

struct rollup {
	struct store *s;
	const struct aggregate_rules *rules;
	uint32_t page;
	struct rows rows; /* of all devices of the page */
	const struct stored_reading **order;
	uint32_t order_room;
	struct aggregate_page *hours, *days, *months;
	bool has_year; /* months holds those of `year`, with what the batch changes */
	int32_t year;
	uint8_t *bytes;
	rocksdb_writebatch_t *batch;
};

/* --- reading what there is --- */

enum result aggregate_page_read(struct store *s, enum aggregate_level level, int32_t group,
				uint32_t page, struct aggregate_page *out, struct error *err)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_aggregate(key, (uint8_t)level, group, page), bytes;
	char *message = NULL;
	out->count = 0;
	rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(s->readings.db, s->readings.read,
							    (const char *)key, key_bytes, &message);
	if (message)
		return db_failed("read aggregates", message, err);
	if (!slice)
		return RESULT_OK;
	const char *value = rocksdb_pinnableslice_value(slice, &bytes);
	bool good = aggregate_page_unpack(out, (const uint8_t *)value, bytes);
	rocksdb_pinnableslice_destroy(slice);
	if (!good)
		return fail(
		    RESULT_MEDIA, err,
		    "store: aggregates of devices %u to %u, level %d, group %d, are damaged",
		    page * PAGE_DEVICES, page * PAGE_DEVICES + PAGE_DEVICES - 1, (int)level,
		    (int)group);
	return RESULT_OK;
}

static enum result day_rows(struct rollup *r, int64_t day, uint32_t only, struct error *err)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_page(key, day, r->page);
	return query_page_get(r->s, key, key_bytes, only, &r->rows, err);
}

static int by_device_and_effective_time(const void *a, const void *b)
{
	const struct stored_reading *x = *(const struct stored_reading *const *)a;
	const struct stored_reading *y = *(const struct stored_reading *const *)b;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return aggregate_by_time(x, y);
}

int aggregate_by_time(const struct stored_reading *x, const struct stored_reading *y)
{
	if (x->ts_ms != y->ts_ms)
		return x->ts_ms < y->ts_ms ? -1 : 1;
	return x->meter_ts_ms < y->meter_ts_ms ? -1 : x->meter_ts_ms > y->meter_ts_ms;
}

/* r->order := the rows by device and effective time. */
static enum result rows_by_time(struct rollup *r, struct error *err)
{
	if (!rows_settle(&r->rows))
		return query_no_memory(err);
	if (r->order_room < r->rows.count) {
		free(r->order);
		r->order = malloc(r->rows.count * sizeof r->order[0]);
		r->order_room = r->order ? r->rows.count : 0;
		if (!r->order)
			return query_no_memory(err);
	}
	bool sorted = true;
	for (uint32_t i = 0; i < r->rows.count; i++) {
		r->order[i] = &r->rows.row[i];
		sorted &=
		    i == 0 || by_device_and_effective_time(&r->order[i - 1], &r->order[i]) < 0;
	}
	if (!sorted)
		qsort(r->order, r->rows.count, sizeof r->order[0], by_device_and_effective_time);
	return RESULT_OK;
}

/* Rows of one device in r->order from `first`; returns where they end. */
static uint32_t device_end(const struct rollup *r, uint32_t first)
{
	uint32_t end = first + 1;
	while (end < r->rows.count && r->order[end]->device == r->order[first]->device)
		end++;
	return end;
}

/*
 * Is the register reading before start_ms among the rows of a device? With all days of
 * the meter's time from `loaded` on, no row is missing of effective times from REPLACED_MAX_MS
 * behind its beginning on.
 */
static bool has_beginning(const struct rollup *r, uint32_t device, int64_t start_ms, int64_t loaded)
{
	for (uint32_t i = 0; i < r->rows.count; i++) {
		const struct stored_reading *row = &r->rows.row[i];
		if (row->device == device && row->ts_ms <= start_ms &&
		    row->ts_ms >= loaded * DAY_MS + REPLACED_MAX_MS &&
		    aggregate_register(r->rules, row) >= 0)
			return true;
	}
	return false;
}

/* The devices of a page whose beginning is not among the sorted rows; a bit each. */
static uint64_t lacking_beginning(const struct rollup *r, int64_t start_ms, int64_t loaded)
{
	uint64_t present = 0, has = 0;
	for (uint32_t i = 0; i < r->rows.count; i++) {
		const struct stored_reading *row = &r->rows.row[i];
		uint64_t bit = 1ull << row->device % PAGE_DEVICES;
		present |= bit;
		if (!(has & bit) && row->ts_ms <= start_ms &&
		    row->ts_ms >= loaded * DAY_MS + REPLACED_MAX_MS &&
		    aggregate_register(r->rules, row) >= 0)
			has |= bit;
	}
	return present & ~has;
}

/* Load the rows that matter for effective times in (start_ms, end_ms]. */
static enum result period_load(struct rollup *r, int64_t start_ms, int64_t end_ms,
			       struct error *err)
{
	int64_t first = day_of(start_ms - REPLACED_MAX_MS), last = day_of(end_ms + REPLACED_MAX_MS);
	int64_t limit = day_of(start_ms - AGGREGATE_REACH_DAYS * DAY_MS - REPLACED_MAX_MS);
	enum result result = RESULT_OK;
	rows_clear(&r->rows);
	for (int64_t day = first; result == RESULT_OK && day <= last; day++)
		result = day_rows(r, day, DEVICE_NONE, err);
	if (result != RESULT_OK)
		return result;
	uint64_t lacking = lacking_beginning(r, start_ms, first);
	for (; lacking != 0 && result == RESULT_OK; lacking &= lacking - 1) {
		uint32_t device = r->page * PAGE_DEVICES + (uint32_t)__builtin_ctzll(lacking);
		for (int64_t day = first - 1; result == RESULT_OK && day >= limit; day--) {
			result = day_rows(r, day, device, err);
			if (has_beginning(r, device, start_ms, day))
				break;
		}
	}
	return result == RESULT_OK ? rows_by_time(r, err) : result;
}

/* --- computing --- */

static void page_write(struct rollup *r, enum aggregate_level level, int32_t group,
		       const struct aggregate_page *page)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_aggregate(key, (uint8_t)level, group, r->page);
	size_t bytes = aggregate_page_pack(page, r->bytes);
	rocksdb_writebatch_put(r->batch, (const char *)key, key_bytes, (const char *)r->bytes,
			       bytes);
}

/* r->months := those of a year, unless they are there: two months may be computed at once. */
static enum result months_read(struct rollup *r, int32_t year, struct error *err)
{
	if (r->has_year && r->year == year)
		return RESULT_OK;
	r->year = year;
	enum result result =
	    aggregate_page_read(r->s, AGGREGATE_MONTH, year, r->page, r->months, err);
	r->has_year = result == RESULT_OK;
	return result;
}

/* The month of a year anew, from the days in r->days. */
static enum result month_write(struct rollup *r, int32_t month, struct error *err)
{
	const struct aggregate_rules *rules = r->rules;
	int32_t first = rules->month_first_day(rules->calendar, month);
	int32_t end = rules->month_first_day(rules->calendar, month + 1);
	struct aggregate sum[PAGE_DEVICES];
	int32_t year = floor_div(month, 12);
	enum result result = months_read(r, year, err);
	if (result != RESULT_OK)
		return result;
	for (uint32_t i = 0; i < PAGE_DEVICES; i++)
		sum[i] = aggregate_month(rules, first, end);
	for (uint32_t i = 0; i < r->days->count; i++)
		aggregate_month_add(&sum[r->days->entry[i].id / AGGREGATE_PERIODS],
				    &r->days->entry[i].a);
	int32_t period = month - year * 12;
	for (uint32_t i = 0; i < PAGE_DEVICES; i++)
		aggregate_page_set(r->months, (uint16_t)(i * AGGREGATE_PERIODS + (uint32_t)period),
				   &sum[i]);
	page_write(r, AGGREGATE_MONTH, year, r->months);
	return RESULT_OK;
}

/* One local day of all devices: its hours, and its entry among the days of its month. */
static void day_compute(struct rollup *r, int32_t day, uint32_t day_of_month)
{
	int64_t bounds[AGGREGATE_HOURS_MAX + 1];
	struct aggregate hour[AGGREGATE_HOURS_MAX], whole;
	uint32_t hours = aggregate_hours(r->rules, day, bounds);
	const int64_t ends[2] = {bounds[0], bounds[hours]};
	const struct aggregate none = {0};
	r->hours->count = 0;
	for (uint32_t slot = 0; slot < PAGE_DEVICES; slot++)
		aggregate_page_set(r->days, (uint16_t)(slot * AGGREGATE_PERIODS + day_of_month),
				   &none);
	for (uint32_t i = 0, end; i < r->rows.count; i = end) {
		end = device_end(r, i);
		uint32_t id = r->order[i]->device % PAGE_DEVICES * AGGREGATE_PERIODS;
		aggregate_compute(r->rules, r->order + i, end - i, ends, 1, &whole);
		aggregate_page_set(r->days, (uint16_t)(id + day_of_month), &whole);
		if (whole.readings == 0)
			continue;
		aggregate_compute(r->rules, r->order + i, end - i, bounds, hours, hour);
		for (uint32_t h = 0; h < hours; h++)
			aggregate_page_set(r->hours, (uint16_t)(id + h), &hour[h]);
	}
	page_write(r, AGGREGATE_HOUR, day, r->hours);
}

/* Local days first..last of the page anew, into the batch. */
static enum result days_compute(struct rollup *r, int32_t first, int32_t last, struct error *err)
{
	const struct aggregate_rules *rules = r->rules;
	int64_t start = rules->day_start_ms(rules->calendar, first);
	int64_t end = rules->day_start_ms(rules->calendar, last + 1);
	enum result result = period_load(r, start, end, err);
	for (int32_t day = first; result == RESULT_OK && day <= last;) {
		int32_t month = rules->month_of(rules->calendar, day);
		int32_t begin = rules->month_first_day(rules->calendar, month);
		int32_t next = rules->month_first_day(rules->calendar, month + 1);
		result = aggregate_page_read(r->s, AGGREGATE_DAY, month, r->page, r->days, err);
		for (; result == RESULT_OK && day <= last && day < next; day++)
			day_compute(r, day, (uint32_t)(day - begin));
		if (result == RESULT_OK) {
			page_write(r, AGGREGATE_DAY, month, r->days);
			result = month_write(r, month, err);
		}
	}
	return result;
}

/* --- what a changed day touches --- */

/* The last local day that the change of UTC day `day` touches: that of each device's next
 * register reading, when it is within reach. */
static enum result last_touched(struct rollup *r, int64_t day, int32_t *last, struct error *err)
{
	int64_t end_ms = (day + 1) * DAY_MS - 1, limit = day + AGGREGATE_REACH_DAYS + 3;
	uint64_t waiting = 0;
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < PAGE_DEVICES; i++) {
		if (newest_get(&r->s->newest, r->page * PAGE_DEVICES + i).register_day > day)
			waiting |= 1ull << i;
	}
	for (int64_t d = day - 1; waiting != 0 && d <= limit && result == RESULT_OK; d++) {
		rows_clear(&r->rows);
		result = day_rows(r, d, DEVICE_NONE, err);
		for (uint32_t i = 0; result == RESULT_OK && i < r->rows.count; i++) {
			const struct stored_reading *row = &r->rows.row[i];
			uint64_t bit = 1ull << row->device % PAGE_DEVICES;
			if (!(waiting & bit) || row->ts_ms <= end_ms ||
			    aggregate_register(r->rules, row) < 0)
				continue;
			int32_t local = aggregate_day_of(r->rules, row->ts_ms);
			*last = local > *last ? local : *last;
			waiting &= ~bit;
		}
	}
	return result;
}

static enum result touched_compute(struct rollup *r, int64_t day, struct error *err)
{
	int32_t first = aggregate_day_of(r->rules, day * DAY_MS);
	int32_t last = aggregate_day_of(r->rules, (day + 1) * DAY_MS - 1);
	enum result result = last_touched(r, day, &last, err);
	if (last - first > LOCAL_DAYS_MAX)
		last = first + LOCAL_DAYS_MAX;
	return result == RESULT_OK ? days_compute(r, first, last, err) : result;
}

/* --- marks --- */

/* The oldest mark, of a day before `end_day`. */
static bool mark_find(struct store *s, int64_t end_day, struct page_place *place,
		      uint64_t *value_of)
{
	const char start = KEY_MARK;
	bool found = false, before = merge_reading(true);
	rocksdb_iterator_t *it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	rocksdb_iter_seek(it, &start, 1);
	if (rocksdb_iter_valid(it)) {
		size_t key_bytes, bytes;
		const char *key = rocksdb_iter_key(it, &key_bytes);
		found = key_mark_parse(key, key_bytes, place) && place->day < end_day;
		const char *value = found ? rocksdb_iter_value(it, &bytes) : NULL;
		*value_of = found && bytes == 8 ? get_le64(value) : 0;
	}
	rocksdb_iter_destroy(it);
	merge_reading(before);
	return found;
}

/* Write the batch; the mark goes with it unless a newer run has set it again. */
static enum result commit(struct rollup *r, struct page_place place, uint64_t value,
			  struct error *err)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_mark(key, place.day, place.page), bytes;
	char *message = NULL;
	pthread_mutex_lock(&r->s->marks); /* no run is written meanwhile */
	char *now = rocksdb_get(r->s->readings.db, r->s->readings.read, (const char *)key,
				key_bytes, &bytes, &message);
	if (!message && (!now || bytes != 8 || get_le64(now) == value))
		rocksdb_writebatch_delete(r->batch, (const char *)key, key_bytes);
	rocksdb_free(now);
	if (!message)
		rocksdb_write(r->s->readings.db, r->s->readings.write, r->batch, &message);
	pthread_mutex_unlock(&r->s->marks);
	return message ? db_failed("write aggregates", message, err) : RESULT_OK;
}

static bool rollup_init(struct rollup *r, struct store *s)
{
	*r = (struct rollup){.s = s, .rules = s->config.aggregates};
	r->hours = malloc(sizeof *r->hours);
	r->days = malloc(sizeof *r->days);
	r->months = malloc(sizeof *r->months);
	r->bytes = malloc(AGGREGATE_PAGE_BYTES_MAX);
	r->batch = rocksdb_writebatch_create();
	return r->hours && r->days && r->months && r->bytes;
}

static void rollup_fini(struct rollup *r)
{
	rows_fini(&r->rows);
	free(r->order);
	free(r->hours);
	free(r->days);
	free(r->months);
	free(r->bytes);
	rocksdb_writebatch_destroy(r->batch);
}

enum result store_rollup(struct store *s, int64_t end_day, struct error *err)
{
	STORE_READS(s);
	struct page_place place;
	uint64_t value;
	struct rollup r;
	if (!s->config.aggregates || !mark_find(s, end_day, &place, &value))
		return fail(RESULT_ABSENT, err, "store: all aggregates are up to date");
	enum result result = RESULT_OK;
	if (!rollup_init(&r, s))
		result = query_no_memory(err);
	r.page = place.page;
	if (result == RESULT_OK)
		result = touched_compute(&r, place.day, err);
	if (result == RESULT_OK)
		result = commit(&r, place, value, err);
	rollup_fini(&r);
	return result;
}
