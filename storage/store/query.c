/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's reading side. Every answer is RocksDB's content and the runs' together.
 *
 * A look-up asks the runs first, then RocksDB: a run leaves memory only after RocksDB has it, so
 * nothing falls between. A scan takes a copy of the runs' rows and an iterator in one critical
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

enum result query_no_memory(struct error *err)
{
	return fail(RESULT_RESOURCE, err, "store: no memory for the answer");
}

enum result query_page_add(struct rows *rows, const struct page_place *place, uint32_t only,
                            const char *value, size_t bytes, struct error *err)
{
	switch (page_decode((const uint8_t *)value, bytes, place->page * PAGE_DEVICES, only,
	                    rows)) {
	case PAGE_OK:
		return RESULT_OK;
	case PAGE_NO_MEMORY:
		return query_no_memory(err);
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
enum result query_page_get(struct store *s, const uint8_t *key, size_t key_bytes,
                            uint32_t device, struct rows *rows, struct error *err)
{
	char *message = NULL;
	size_t bytes = 0;
	struct page_place place;
	bool before = merge_reading(true);
	rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(
	    s->readings.db, s->readings.read, (const char *)key, key_bytes, &message);
	merge_reading(before);
	if (message)
		return db_failed("read a page", message, err);
	if (!slice)
		return RESULT_OK;
	enum result r = RESULT_BUG;
	const char *value = rocksdb_pinnableslice_value(slice, &bytes);
	if (key_page_parse(key, key_bytes, &place))
		r = query_page_add(rows, &place, device, value, bytes, err);
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
	STORE_READS(s);
	pthread_mutex_lock(&s->lock);
	const struct stored_reading *r = run_find(s->active, device, meter_ts_ms);
	if (!r && s->frozen)
		r = run_find(s->frozen, device, meter_ts_ms);
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
	enum result result = query_page_get(s, key, key_bytes, DEVICE_NONE, &rows, err);
	if (result != RESULT_OK) {
		rows_fini(&rows);
		return result;
	}
	if (!rows_settle(&rows)) {
		rows_fini(&rows);
		return query_no_memory(err);
	}
	r = page_rows_find(&rows, device, meter_ts_ms);
	if (r)
		*out = *r;
	page_cache_put(&s->pages, place, generation, &rows);
	return r ? RESULT_OK : find_absent(device, meter_ts_ms, err);
}

/* Under the lock: the newest of a device in the runs. NULL: none. */
static const struct stored_reading *runs_newest(const struct store *s, uint32_t device)
{
	const struct run_device *a = run_device(s->active, device);
	const struct run_device *f = s->frozen ? run_device(s->frozen, device) : NULL;
	if (a && (!f || a->newest_ts_ms >= f->newest_ts_ms))
		return &s->active->row[a->newest];
	return f ? &s->frozen->row[f->newest] : NULL;
}

enum result store_last(struct store *s, uint32_t device, struct stored_reading *out,
                       struct error *err)
{
	STORE_READS(s);
	pthread_mutex_lock(&s->lock);
	const struct stored_reading *newest = runs_newest(s, device);
	if (newest)
		*out = *newest;
	pthread_mutex_unlock(&s->lock);

	int32_t day = newest_get(&s->newest, device).day;
	if (newest && (day == NEWEST_NONE || day_of(out->meter_ts_ms) > day))
		return RESULT_OK;
	if (day == NEWEST_NONE)
		return fail(RESULT_ABSENT, err, "store: no reading of device %" PRIu32, device);
	uint8_t key[KEY_BYTES_MAX];
	struct rows rows = {0};
	size_t key_bytes = key_page(key, day, device / PAGE_DEVICES);
	enum result r = query_page_get(s, key, key_bytes, device, &rows, err);
	bool found = newest != NULL;
	for (uint32_t i = 0; r == RESULT_OK && i < rows.count; i++) {
		/* of equal identities the older piece's stays, and a page before the run */
		if (!found || rows.row[i].meter_ts_ms > out->meter_ts_ms ||
		    (i == 0 && rows.row[i].meter_ts_ms == out->meter_ts_ms))
			*out = rows.row[i];
		found = true;
	}
	rows_fini(&rows);
	if (r == RESULT_OK && !found) /* its day is past the retention */
		r = fail(RESULT_ABSENT, err, "store: no reading of device %" PRIu32, device);
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

static bool run_device_rows(const struct run *run, uint32_t device, struct rows *rows)
{
	const struct run_device *d = run_device(run, device);
	bool room = true;
	for (uint32_t i = d ? d->chain : RUN_NONE; room && i != RUN_NONE; i = run->chain[i])
		room = rows_add(rows, &run->row[i]);
	return room;
}

/* Under the lock: copy a device's rows, the frozen run's first. */
bool query_runs_device(const struct store *s, uint32_t device, struct rows *rows)
{
	return (!s->frozen || run_device_rows(s->frozen, device, rows)) &&
	       run_device_rows(s->active, device, rows);
}

static enum result view_device(struct store *s, uint32_t device, struct view *v,
                               struct error *err)
{
	pthread_mutex_lock(&s->lock);
	bool room = query_runs_device(s, device, &v->run);
	v->it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	pthread_mutex_unlock(&s->lock);
	if (!room || (v->run.count > 0 && !rows_order(&v->run, KEEP_ALL)))
		return query_no_memory(err);
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
			return query_no_memory(err);
		enum result r = query_page_add(&scan->day, &place, scan->device, value, bytes, err);
		if (r != RESULT_OK)
			return r;
		/* the run's rows of the same day, behind the page's: the stored one stays */
		while (v->run_next < v->run.order_count &&
		       day_of(v->run.order[v->run_next]->meter_ts_ms) == place.day) {
			if (!rows_add(&scan->day, v->run.order[v->run_next++]))
				return query_no_memory(err);
		}
		if (!day_done(scan, place.day))
			return query_no_memory(err);
		day = place.day + 1;
	}
	enum result r = iterator_end(v, err);
	if (r != RESULT_OK)
		return r;
	if (!run_days_before(v, scan, INT64_MAX))
		return query_no_memory(err);
	pending_show(scan, INT64_MAX);
	return RESULT_OK;
}

enum result store_scan_device(struct store *s, uint32_t device, int64_t from_ms, int64_t to_ms,
                              store_reading_fn *fn, void *context, struct error *err)
{
	STORE_READS(s);
	if (from_ms >= to_ms)
		return RESULT_OK;
	struct device_scan scan = {
	    .device = device, .from_ms = from_ms, .to_ms = to_ms, .fn = fn, .context = context};
	struct view v = {0};
	int64_t low = from_ms > INT64_MIN + REPLACED_MAX_MS ? from_ms - REPLACED_MAX_MS : INT64_MIN;
	int64_t high = to_ms < INT64_MAX - REPLACED_MAX_MS ? to_ms + REPLACED_MAX_MS : INT64_MAX;
	bool before = merge_reading(true);
	enum result r = view_device(s, device, &v, err);
	if (r == RESULT_OK)
		r = scan_days(&v, &scan, day_of(low), day_of(high), err);
	merge_reading(before);
	view_fini(&v);
	rows_fini(&scan.day);
	rows_fini(&scan.pending);
	return r;
}

/* --- errors --- */

struct error_view {
	struct run_error *entry;
	uint8_t *bytes;
	size_t count;
	rocksdb_iterator_t *it;
};

/* Entries from number `from` on; their bytes go to `at` of v->bytes. */
static void errors_copy(struct error_view *v, const struct run *run, size_t at, uint64_t from)
{
	if (run->error_bytes_used > 0)
		memcpy(v->bytes + at, run->error_bytes, run->error_bytes_used);
	for (size_t i = 0; i < run->error_count; i++) {
		struct run_error e = run->error[i];
		e.offset += at;
		if (e.number >= from)
			v->entry[v->count++] = e;
	}
}

static enum result view_errors(struct store *s, uint64_t from, struct error_view *v,
                               struct error *err)
{
	pthread_mutex_lock(&s->lock);
	const struct run *f = s->frozen;
	size_t frozen = f ? f->error_count : 0, frozen_bytes = f ? f->error_bytes_used : 0;
	v->entry = malloc((frozen + s->active->error_count + 1) * sizeof v->entry[0]);
	v->bytes = malloc(frozen_bytes + s->active->error_bytes_used + 1);
	bool room = v->entry && v->bytes;
	if (room && f)
		errors_copy(v, f, 0, from);
	if (room)
		errors_copy(v, s->active, frozen_bytes, from);
	v->it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	pthread_mutex_unlock(&s->lock);
	return room ? RESULT_OK : query_no_memory(err);
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
	STORE_READS(s);
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
