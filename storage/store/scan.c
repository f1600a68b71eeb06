/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans over all devices: a day, everything, or each device's newest.
 *
 * A scan takes a copy of the runs' rows and an iterator in one critical section, then works
 * without the lock; what both have comes out once. Threads: any ordinary ones. Memory: malloc.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "storage/store/keys.h"
#include "storage/store/store_priv.h"

struct page_scan {
	int64_t first_day, end_day;
	store_reading_fn *fn;
	void *context;
	rocksdb_iterator_t *it;
	struct rows run;                     /* copies of the runs' rows */
	const struct stored_reading **order; /* of them, by day, device and meter_ts, then age */
	uint32_t run_next;
	struct rows group; /* of one page */
	bool ended;
};

/* --- the view --- */

static int by_day_and_identity(const void *a, const void *b)
{
	const struct stored_reading *x = *(const struct stored_reading *const *)a;
	const struct stored_reading *y = *(const struct stored_reading *const *)b;
	int64_t day_x = day_of(x->meter_ts_ms), day_y = day_of(y->meter_ts_ms);
	if (day_x != day_y)
		return day_x < day_y ? -1 : 1;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->meter_ts_ms != y->meter_ts_ms)
		return x->meter_ts_ms < y->meter_ts_ms ? -1 : 1;
	return x < y ? -1 : x > y; /* copied first: older */
}

static bool run_copy(struct page_scan *scan, const struct run *run)
{
	bool room = rows_reserve(&scan->run, run->count);
	for (uint32_t i = 0; room && i < run->count; i++) {
		int64_t day = day_of(run->row[i].meter_ts_ms);
		if (day >= scan->first_day && day < scan->end_day)
			room = rows_add(&scan->run, &run->row[i]);
	}
	return room;
}

static enum result view_take(struct store *s, struct page_scan *scan, struct error *err)
{
	pthread_mutex_lock(&s->lock);
	bool room = (!s->frozen || run_copy(scan, s->frozen)) && run_copy(scan, s->active);
	scan->it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	pthread_mutex_unlock(&s->lock);
	scan->order = malloc((scan->run.count + 1) * sizeof scan->order[0]);
	if (!room || !scan->order)
		return query_no_memory(err);
	for (uint32_t i = 0; i < scan->run.count; i++)
		scan->order[i] = &scan->run.row[i];
	if (scan->run.count > 0)
		qsort(scan->order, scan->run.count, sizeof scan->order[0], by_day_and_identity);
	return RESULT_OK;
}

/* --- page by page --- */

static struct page_place run_place(const struct page_scan *scan)
{
	const struct stored_reading *r = scan->order[scan->run_next];
	return (struct page_place){day_of(r->meter_ts_ms), r->device / PAGE_DEVICES};
}

static int place_compare(struct page_place a, struct page_place b)
{
	if (a.day != b.day)
		return a.day < b.day ? -1 : 1;
	return a.page < b.page ? -1 : a.page > b.page;
}

/* Is the iterator on a page of the scan, and which? */
static bool db_place(const struct page_scan *scan, struct page_place *place)
{
	size_t bytes;
	if (!rocksdb_iter_valid(scan->it))
		return false;
	const char *key = rocksdb_iter_key(scan->it, &bytes);
	return key_page_parse(key, bytes, place) && place->day < scan->end_day;
}

/* Collect the next page, from RocksDB, the runs or both, in order. RESULT_ABSENT: that was all. */
static enum result group_next(struct page_scan *scan, struct error *err)
{
	struct page_place db, place;
	bool in_db = db_place(scan, &db), in_run = scan->run_next < scan->run.count;
	rows_clear(&scan->group);
	if (!in_db && !in_run)
		return RESULT_ABSENT;
	place = in_run ? run_place(scan) : db;
	if (in_db && place_compare(db, place) <= 0) {
		size_t bytes;
		const char *value = rocksdb_iter_value(scan->it, &bytes);
		place = db;
		enum result r =
		    query_page_add(&scan->group, &place, DEVICE_NONE, value, bytes, err);
		if (r != RESULT_OK)
			return r;
		rocksdb_iter_next(scan->it);
	}
	while (scan->run_next < scan->run.count && place_compare(run_place(scan), place) == 0) {
		if (!rows_add(&scan->group, scan->order[scan->run_next++]))
			return query_no_memory(err);
	}
	return rows_settle(&scan->group) ? RESULT_OK : query_no_memory(err);
}

static enum result scan_pages(struct store *s, struct page_scan *scan, struct error *err)
{
	STORE_READS(s);
	char *message = NULL;
	uint8_t start[KEY_BYTES_MAX];
	size_t start_bytes = key_page(start, scan->first_day, 0);
	bool before = merge_reading(true);
	enum result r = view_take(s, scan, err);
	if (r == RESULT_OK)
		rocksdb_iter_seek(scan->it, (const char *)start, start_bytes);
	while (r == RESULT_OK && !scan->ended) {
		r = group_next(scan, err);
		for (uint32_t i = 0; r == RESULT_OK && !scan->ended && i < scan->group.count; i++)
			scan->ended = !scan->fn(scan->context, &scan->group.row[i]);
	}
	if (r == RESULT_ABSENT) {
		rocksdb_iter_get_error(scan->it, &message);
		r = message ? db_failed("scan", message, err) : RESULT_OK;
	}
	merge_reading(before);
	if (scan->it)
		rocksdb_iter_destroy(scan->it);
	free(scan->order);
	rows_fini(&scan->run);
	rows_fini(&scan->group);
	return r;
}

enum result store_scan_all(struct store *s, store_reading_fn *fn, void *context, struct error *err)
{
	struct page_scan scan = {
	    .first_day = INT64_MIN, .end_day = INT64_MAX, .fn = fn, .context = context};
	return scan_pages(s, &scan, err);
}

enum result store_scan_day(struct store *s, int64_t day, store_reading_fn *fn, void *context,
			   struct error *err)
{
	struct page_scan scan = {
	    .first_day = day, .end_day = day + 1, .fn = fn, .context = context};
	return scan_pages(s, &scan, err);
}

/* --- the newest of each device --- */

/* The days that hold what is wanted of a page's devices; returns how many. */
static uint32_t page_days(const struct store *s, uint32_t page, int64_t days[2 * PAGE_DEVICES])
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < PAGE_DEVICES; i++) {
		struct newest_days d = newest_get(&s->newest, page * PAGE_DEVICES + i);
		const int32_t wanted[2] = {d.day, d.register_day};
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t n = 0;
			while (n < count && days[n] != wanted[k])
				n++;
			if (n == count && wanted[k] != NEWEST_NONE)
				days[count++] = wanted[k];
		}
	}
	return count;
}

/* All rows that may be the wanted ones of a page's devices, in order. */
static enum result page_rows(struct store *s, uint32_t page, struct rows *rows, struct error *err)
{
	int64_t days[2 * PAGE_DEVICES];
	struct rows run = {0};
	rows_clear(rows);
	pthread_mutex_lock(&s->lock);
	bool room = true;
	for (uint32_t i = 0; room && i < PAGE_DEVICES; i++)
		room = query_runs_device(s, page * PAGE_DEVICES + i, &run);
	pthread_mutex_unlock(&s->lock);
	enum result r = room ? RESULT_OK : query_no_memory(err);
	uint32_t count = page_days(s, page, days);
	for (uint32_t i = 0; r == RESULT_OK && i < count; i++) {
		uint8_t key[KEY_BYTES_MAX];
		size_t key_bytes = key_page(key, days[i], page);
		r = query_page_get(s, key, key_bytes, DEVICE_NONE, rows, err);
	}
	for (uint32_t i = 0; r == RESULT_OK && i < run.count; i++)
		r = rows_add(rows, &run.row[i]) ? RESULT_OK : query_no_memory(err);
	if (r == RESULT_OK && !rows_settle(rows))
		r = query_no_memory(err);
	rows_fini(&run);
	return r;
}

static bool has_register(const struct store *s, const struct stored_reading *r)
{
	return s->config.has_register && s->config.has_register(s->config.register_context, r);
}

/* False: the callback has enough. */
static bool page_show(const struct store *s, const struct rows *rows, store_last_fn *fn,
		      void *context)
{
	for (uint32_t i = 0, end; i < rows->count; i = end) {
		const struct stored_reading *with_register = NULL;
		for (end = i + 1;
		     end < rows->count && rows->row[end].device == rows->row[i].device;)
			end++;
		const struct stored_reading *newest = &rows->row[end - 1];
		if (!has_register(s, newest)) {
			for (uint32_t k = end - 1; !with_register && k-- > i;) {
				if (has_register(s, &rows->row[k]))
					with_register = &rows->row[k];
			}
		}
		if (!fn(context, newest, with_register))
			return false;
	}
	return true;
}

/* Devices that are in a run only have a chunk too after this. */
static enum result runs_expect(struct store *s, struct error *err)
{
	bool room = true;
	pthread_mutex_lock(&s->lock);
	for (uint32_t k = 0; k < 2; k++) {
		const struct run *run = k == 0 ? s->active : s->frozen;
		for (uint32_t i = 0; run && room && i < run->count; i++)
			room = newest_expect(&s->newest, run->row[i].device);
	}
	pthread_mutex_unlock(&s->lock);
	return room ? RESULT_OK : query_no_memory(err);
}

enum result store_scan_last(struct store *s, store_last_fn *fn, void *context, struct error *err)
{
	STORE_READS(s);
	const uint32_t pages = NEWEST_CHUNK / PAGE_DEVICES;
	struct rows rows = {0};
	enum result r = runs_expect(s, err);
	bool more = true;
	for (uint32_t chunk = 0; r == RESULT_OK && more && chunk < newest_chunks(); chunk++) {
		if (!newest_has_chunk(&s->newest, chunk))
			continue;
		for (uint32_t i = 0; r == RESULT_OK && more && i < pages; i++) {
			r = page_rows(s, chunk * pages + i, &rows, err);
			more = r == RESULT_OK && page_show(s, &rows, fn, context);
		}
	}
	rows_fini(&rows);
	return r;
}
