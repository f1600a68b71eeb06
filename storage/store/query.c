/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's reading side. Every answer is RocksDB's content and the run's together.
 *
 * A look-up asks the run first, then RocksDB: a run leaves memory only after RocksDB has it, so
 * nothing falls between. A scan takes a copy of the run's rows and an iterator in one critical
 * section, then works without the lock; what both have comes out once.
 *
 * Threads: any ordinary ones. Memory: malloc. Pages are never trusted (RESULT_MEDIA).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "storage/journal/record.h"
#include "storage/store/keys.h"
#include "storage/store/store_priv.h"

/* How far the effective time may be from the meter's: replaced timestamps differ by an hour at
 * most with the usual profile; a day and an hour cover every sensible one. */
#define REPLACED_MAX_MS (25 * 3600 * 1000ll)

static enum result no_memory(struct error *err)
{
	return fail(RESULT_RESOURCE, err, "store: no memory for the answer");
}

static enum result page_add(struct rows *rows, const struct page_place *place, uint32_t only,
                            const char *value, size_t bytes, struct error *err)
{
	switch (page_decode((const uint8_t *)value, bytes, place->page * PAGE_DEVICES, only,
	                    rows)) {
	case PAGE_OK:
		return RESULT_OK;
	case PAGE_NO_MEMORY:
		return no_memory(err);
	case PAGE_DAMAGED:
		break;
	}
	return fail(RESULT_MEDIA, err,
	            "store: the page of devices %" PRIu32 " to %" PRIu32 ", day %" PRId64
	            ", is damaged",
	            place->page * PAGE_DEVICES, place->page * PAGE_DEVICES + PAGE_DEVICES - 1,
	            place->day);
}

/* The rows of one device from the page at a key; none if there is no such page. */
static enum result page_get(struct store *s, const uint8_t *key, size_t key_bytes,
                            uint32_t device, struct rows *rows, struct error *err)
{
	char *message = NULL;
	size_t bytes = 0;
	struct page_place place;
	rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(
	    s->readings.db, s->readings.read, (const char *)key, key_bytes, &message);
	if (message)
		return db_failed("read a page", message, err);
	if (!slice)
		return RESULT_OK;
	enum result r = RESULT_BUG;
	const char *value = rocksdb_pinnableslice_value(slice, &bytes);
	if (key_page_parse(key, key_bytes, &place))
		r = page_add(rows, &place, device, value, bytes, err);
	rocksdb_pinnableslice_destroy(slice);
	return r;
}

static enum result find_absent(uint32_t device, int64_t meter_ts_ms, struct error *err)
{
	return fail(RESULT_ABSENT, err, "store: no reading of device %" PRIu32 " at %" PRId64,
	            device, meter_ts_ms);
}

enum result store_find(struct store *s, uint32_t device, int64_t meter_ts_ms,
                       struct stored_reading *out, struct error *err)
{
	pthread_mutex_lock(&s->lock);
	const struct stored_reading *r = run_find(&s->run, device, meter_ts_ms);
	if (r)
		*out = *r;
	pthread_mutex_unlock(&s->lock);
	if (r)
		return RESULT_OK;

	/* the generation after the run: what left the run since is in a newer generation */
	uint64_t generation = atomic_load_explicit(&s->runs_written, memory_order_acquire);
	struct page_place place = {day_of(meter_ts_ms), device / PAGE_DEVICES};
	switch (page_cache_find(&s->pages, place, generation, device, meter_ts_ms, out)) {
	case PAGE_CACHE_FOUND:
		return RESULT_OK;
	case PAGE_CACHE_ABSENT:
		return find_absent(device, meter_ts_ms, err);
	case PAGE_CACHE_UNKNOWN:
		break;
	}
	uint8_t key[KEY_BYTES_MAX];
	struct rows rows = {0};
	size_t key_bytes = key_page(key, place.day, place.page);
	enum result result = page_get(s, key, key_bytes, DEVICE_NONE, &rows, err);
	if (result != RESULT_OK) {
		rows_fini(&rows);
		return result;
	}
	r = page_rows_find(&rows, device, meter_ts_ms);
	if (r)
		*out = *r;
	page_cache_put(&s->pages, place, generation, &rows);
	return r ? RESULT_OK : find_absent(device, meter_ts_ms, err);
}

enum result store_last(struct store *s, uint32_t device, struct stored_reading *out,
                       struct error *err)
{
	struct rows rows = {0};
	bool room = true;
	pthread_mutex_lock(&s->lock);
	const struct run_device *d = run_device(&s->run, device);
	if (d)
		room = rows_add(&rows, &s->run.row[d->newest]);
	pthread_mutex_unlock(&s->lock);

	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_newest(key, device / PAGE_DEVICES);
	enum result r =
	    room ? page_get(s, key, key_bytes, device, &rows, err) : no_memory(err);
	if (r == RESULT_OK && !rows_order(&rows, KEEP_NEWEST))
		r = rows.count == 0 ? RESULT_OK : no_memory(err);
	if (r == RESULT_OK && rows.count == 0)
		r = fail(RESULT_ABSENT, err, "store: no reading of device %" PRIu32, device);
	if (r == RESULT_OK)
		*out = *rows.order[0];
	rows_fini(&rows);
	return r;
}

/* --- scans --- */

/* What a scan works on: taken under the lock, used without it. */
struct view {
	rocksdb_iterator_t *it;
	struct rows run; /* copies; run.order when sorted */
	uint32_t run_next;
};

static void view_fini(struct view *v)
{
	if (v->it)
		rocksdb_iter_destroy(v->it);
	rows_fini(&v->run);
}

static enum result iterator_end(const struct view *v, struct error *err)
{
	char *message = NULL;
	rocksdb_iter_get_error(v->it, &message);
	return message ? db_failed("scan", message, err) : RESULT_OK;
}

/* --- one device --- */

static enum result view_device(struct store *s, uint32_t device, struct view *v,
                               struct error *err)
{
	bool room = true;
	pthread_mutex_lock(&s->lock);
	const struct run_device *d = run_device(&s->run, device);
	for (uint32_t i = d ? d->chain : RUN_NONE; room && i != RUN_NONE; i = s->run.chain[i])
		room = rows_add(&v->run, &s->run.row[i]);
	v->it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	pthread_mutex_unlock(&s->lock);
	if (!room || (v->run.count > 0 && !rows_order(&v->run, KEEP_ALL)))
		return no_memory(err);
	return RESULT_OK;
}

struct device_scan {
	uint32_t device;
	int64_t from_ms, to_ms;
	store_reading_fn *fn;
	void *context;
	struct rows day;     /* of one day, by meter_ts */
	struct rows pending; /* in range, not shown yet */
	bool ended;
};

static int by_effective_time(const void *a, const void *b)
{
	const struct stored_reading *x = a, *y = b;
	if (x->ts_ms != y->ts_ms)
		return x->ts_ms < y->ts_ms ? -1 : 1;
	return x->meter_ts_ms < y->meter_ts_ms ? -1 : x->meter_ts_ms > y->meter_ts_ms;
}

/* Show the pending rows before `limit`: no row that comes later can be earlier. */
static void pending_show(struct device_scan *scan, int64_t limit)
{
	struct rows *p = &scan->pending;
	uint32_t shown = 0;
	if (p->count > 1)
		qsort(p->row, p->count, sizeof p->row[0], by_effective_time);
	while (!scan->ended && shown < p->count && p->row[shown].ts_ms < limit)
		scan->ended = !scan->fn(scan->context, &p->row[shown++]);
	if (shown > 0)
		memmove(p->row, p->row + shown, (p->count - shown) * sizeof p->row[0]);
	p->count -= shown;
}

/* All of a day is in scan->day: keep what is in the range, show what is safe to show. */
static bool day_done(struct device_scan *scan, int64_t day)
{
	if (scan->day.count > 0 && !rows_order(&scan->day, KEEP_ALL))
		return false;
	for (uint32_t i = 0; i < scan->day.order_count; i++) {
		const struct stored_reading *r = scan->day.order[i];
		if (r->ts_ms >= scan->from_ms && r->ts_ms < scan->to_ms &&
		    !rows_add(&scan->pending, r))
			return false;
	}
	rows_clear(&scan->day);
	pending_show(scan, (day + 1) * DAY_MS - REPLACED_MAX_MS);
	return true;
}

/* Move the iterator to the device's page of the first day >= `day` that has one.
 * False: there is none up to `last`. */
static bool seek_day(struct view *v, uint32_t page, int64_t day, int64_t last, int64_t *found)
{
	while (day <= last) {
		uint8_t key[KEY_BYTES_MAX];
		struct page_place at;
		size_t bytes = key_page(key, day, page);
		rocksdb_iter_seek(v->it, (const char *)key, bytes);
		if (!rocksdb_iter_valid(v->it))
			return false;
		const char *k = rocksdb_iter_key(v->it, &bytes);
		if (bytes != KEY_PAGE_BYTES || !key_page_parse(k, bytes, &at) || at.day > last)
			return false;
		if (at.page == page) {
			*found = at.day;
			return true;
		}
		day = at.page < page ? at.day : at.day + 1;
	}
	return false;
}

/* The run's rows of days before `day` (all of them on days that RocksDB does not have). */
static bool run_days_before(struct view *v, struct device_scan *scan, int64_t day)
{
	while (v->run_next < v->run.order_count && !scan->ended) {
		int64_t run_day = day_of(v->run.order[v->run_next]->meter_ts_ms);
		if (run_day >= day)
			break;
		while (v->run_next < v->run.order_count &&
		       day_of(v->run.order[v->run_next]->meter_ts_ms) == run_day) {
			if (!rows_add(&scan->day, v->run.order[v->run_next++]))
				return false;
		}
		if (!day_done(scan, run_day))
			return false;
	}
	return true;
}

static enum result scan_days(struct view *v, struct device_scan *scan, int64_t first, int64_t last,
                             struct error *err)
{
	struct page_place place = {.page = scan->device / PAGE_DEVICES};
	int64_t day = first;
	while (!scan->ended && seek_day(v, place.page, day, last, &place.day)) {
		size_t bytes;
		const char *value = rocksdb_iter_value(v->it, &bytes);
		if (!run_days_before(v, scan, place.day))
			return no_memory(err);
		enum result r = page_add(&scan->day, &place, scan->device, value, bytes, err);
		if (r != RESULT_OK)
			return r;
		/* the run's rows of the same day, behind the page's: the stored one stays */
		while (v->run_next < v->run.order_count &&
		       day_of(v->run.order[v->run_next]->meter_ts_ms) == place.day) {
			if (!rows_add(&scan->day, v->run.order[v->run_next++]))
				return no_memory(err);
		}
		if (!day_done(scan, place.day))
			return no_memory(err);
		day = place.day + 1;
	}
	enum result r = iterator_end(v, err);
	if (r != RESULT_OK)
		return r;
	if (!run_days_before(v, scan, INT64_MAX))
		return no_memory(err);
	pending_show(scan, INT64_MAX);
	return RESULT_OK;
}

enum result store_scan_device(struct store *s, uint32_t device, int64_t from_ms, int64_t to_ms,
                              store_reading_fn *fn, void *context, struct error *err)
{
	if (from_ms >= to_ms)
		return RESULT_OK;
	struct device_scan scan = {
	    .device = device, .from_ms = from_ms, .to_ms = to_ms, .fn = fn, .context = context};
	struct view v = {0};
	int64_t low = from_ms > INT64_MIN + REPLACED_MAX_MS ? from_ms - REPLACED_MAX_MS : INT64_MIN;
	int64_t high = to_ms < INT64_MAX - REPLACED_MAX_MS ? to_ms + REPLACED_MAX_MS : INT64_MAX;
	enum result r = view_device(s, device, &v, err);
	if (r == RESULT_OK)
		r = scan_days(&v, &scan, day_of(low), day_of(high), err);
	view_fini(&v);
	rows_fini(&scan.day);
	rows_fini(&scan.pending);
	return r;
}

/* --- all devices --- */

struct page_scan {
	char kind; /* KEY_PAGE or KEY_NEWEST */
	enum rows_keep keep;
	store_reading_fn *fn;
	void *context;
	struct rows group; /* of one page */
	bool ended;
};

/* Copy all rows of the run, or each device's newest, in the order of the pages. */
static enum result view_all(struct store *s, bool newest, struct view *v, struct error *err)
{
	bool room = true;
	pthread_mutex_lock(&s->lock);
	uint32_t count = newest ? s->run.device_count : s->run.count;
	uint32_t *index = newest ? run_sorted_newest(&s->run) : run_sorted(&s->run);
	room = index && rows_reserve(&v->run, count);
	for (uint32_t i = 0; room && i < count; i++)
		room = rows_add(&v->run, &s->run.row[index[i]]);
	v->it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	pthread_mutex_unlock(&s->lock);
	free(index);
	return room ? RESULT_OK : no_memory(err);
}

static struct page_place run_place(const struct view *v, char kind)
{
	const struct stored_reading *r = &v->run.row[v->run_next];
	return (struct page_place){kind == KEY_PAGE ? day_of(r->meter_ts_ms) : 0,
	                           r->device / PAGE_DEVICES};
}

static int place_compare(struct page_place a, struct page_place b)
{
	if (a.day != b.day)
		return a.day < b.day ? -1 : 1;
	return a.page < b.page ? -1 : a.page > b.page;
}

/* Is the iterator on a page of this kind, and which? */
static bool db_place(const struct view *v, char kind, struct page_place *place)
{
	size_t bytes;
	if (!rocksdb_iter_valid(v->it))
		return false;
	const char *key = rocksdb_iter_key(v->it, &bytes);
	return bytes > 0 && key[0] == kind && key_page_parse(key, bytes, place);
}

/* Collect the next page, from RocksDB, the run or both. RESULT_ABSENT: that was all. */
static enum result group_next(struct view *v, struct page_scan *scan, struct error *err)
{
	struct page_place db, place;
	bool in_db = db_place(v, scan->kind, &db);
	bool in_run = v->run_next < v->run.count;
	if (!in_db && !in_run)
		return RESULT_ABSENT;
	place = in_run ? run_place(v, scan->kind) : db;
	if (in_db && place_compare(db, place) <= 0) {
		size_t bytes;
		const char *value = rocksdb_iter_value(v->it, &bytes);
		place = db;
		enum result r = page_add(&scan->group, &place, DEVICE_NONE, value, bytes, err);
		if (r != RESULT_OK)
			return r;
		rocksdb_iter_next(v->it);
	}
	while (v->run_next < v->run.count &&
	       place_compare(run_place(v, scan->kind), place) == 0) {
		if (!rows_add(&scan->group, &v->run.row[v->run_next++]))
			return no_memory(err);
	}
	return RESULT_OK;
}

static enum result scan_pages(struct store *s, struct page_scan *scan, struct error *err)
{
	struct view v = {0};
	enum result r = view_all(s, scan->kind == KEY_NEWEST, &v, err);
	if (r == RESULT_OK)
		rocksdb_iter_seek(v.it, &scan->kind, 1);
	while (r == RESULT_OK && !scan->ended) {
		rows_clear(&scan->group);
		r = group_next(&v, scan, err);
		if (r == RESULT_OK && !rows_order(&scan->group, scan->keep))
			r = no_memory(err);
		for (uint32_t i = 0; r == RESULT_OK && !scan->ended && i < scan->group.order_count;
		     i++)
			scan->ended = !scan->fn(scan->context, scan->group.order[i]);
	}
	if (r == RESULT_ABSENT)
		r = iterator_end(&v, err);
	view_fini(&v);
	rows_fini(&scan->group);
	return r;
}

enum result store_scan_last(struct store *s, store_reading_fn *fn, void *context,
                            struct error *err)
{
	struct page_scan scan = {
	    .kind = KEY_NEWEST, .keep = KEEP_NEWEST, .fn = fn, .context = context};
	return scan_pages(s, &scan, err);
}

enum result store_scan_all(struct store *s, store_reading_fn *fn, void *context,
                           struct error *err)
{
	struct page_scan scan = {.kind = KEY_PAGE, .keep = KEEP_ALL, .fn = fn, .context = context};
	return scan_pages(s, &scan, err);
}

/* --- errors --- */

struct error_view {
	struct run_error *entry;
	uint8_t *bytes;
	size_t count;
	rocksdb_iterator_t *it;
};

static enum result view_errors(struct store *s, uint64_t from, struct error_view *v,
                               struct error *err)
{
	pthread_mutex_lock(&s->lock);
	size_t first = 0, all = s->run.error_count;
	while (first < all && s->run.error[first].number < from)
		first++;
	v->entry = malloc((all - first + 1) * sizeof v->entry[0]);
	v->bytes = malloc(s->run.error_bytes_used + 1);
	bool room = v->entry && v->bytes;
	if (room && all > first) {
		v->count = all - first;
		memcpy(v->entry, s->run.error + first, v->count * sizeof v->entry[0]);
		memcpy(v->bytes, s->run.error_bytes, s->run.error_bytes_used);
	}
	v->it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	pthread_mutex_unlock(&s->lock);
	return room ? RESULT_OK : no_memory(err);
}

static enum result error_show(uint64_t number, const uint8_t *body, size_t bytes,
                              store_error_fn *fn, void *context, bool *ended, struct error *err)
{
	struct stored_error e;
	if (bytes > UINT32_MAX || !record_error_parse(body, (uint32_t)bytes, &e))
		return fail(RESULT_MEDIA, err, "store: error entry %" PRIu64 " is damaged", number);
	e.number = number;
	*ended = !fn(context, &e);
	return RESULT_OK;
}

enum result store_scan_errors(struct store *s, uint64_t from, store_error_fn *fn, void *context,
                              struct error *err)
{
	struct error_view v = {0};
	uint64_t next = from; /* nothing below it any more: it was shown */
	bool ended = false;
	uint8_t start[KEY_BYTES_MAX];
	size_t start_bytes = key_error(start, from);
	char *message = NULL;

	enum result r = view_errors(s, from, &v, err);
	if (r == RESULT_OK)
		rocksdb_iter_seek(v.it, (const char *)start, start_bytes);
	for (; r == RESULT_OK && !ended && rocksdb_iter_valid(v.it); rocksdb_iter_next(v.it)) {
		size_t key_bytes, bytes;
		const char *key = rocksdb_iter_key(v.it, &key_bytes);
		if (key_bytes != KEY_ERROR_BYTES || key[0] != KEY_ERROR)
			break;
		uint64_t number = get_be64(key + 1);
		const char *body = rocksdb_iter_value(v.it, &bytes);
		r = error_show(number, (const uint8_t *)body, bytes, fn, context, &ended, err);
		next = number + 1;
	}
	if (r == RESULT_OK) {
		rocksdb_iter_get_error(v.it, &message);
		if (message)
			r = db_failed("scan errors", message, err);
	}
	for (size_t i = 0; r == RESULT_OK && !ended && i < v.count; i++) {
		if (v.entry[i].number >= next)
			r = error_show(v.entry[i].number, v.bytes + v.entry[i].offset,
			               v.entry[i].bytes, fn, context, &ended, err);
	}
	if (v.it)
		rocksdb_iter_destroy(v.it);
	free(v.entry);
	free(v.bytes);
	return r;
}
