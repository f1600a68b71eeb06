/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's writing side: journal blocks in, runs of packed pages out.
 *
 * One RocksDB batch carries a whole run and the number of the journal block it reaches, and
 * there is one column family, so whatever RocksDB has after a crash is all of some block and
 * nothing of the next.
 *
 * Thread: the store writer's (opening and closing: an ordinary one). Memory: malloc.
 */
#include "storage/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fetch.h"
#include "storage/journal/record.h"
#include "storage/store/keys.h"
#include "storage/store/store_priv.h"
#include "storage/varint.h"

#define PATH_BYTES 4096

/*
 * The value of the meta key; integers are little-endian:
 *    0        4       6       8               16
 *   +--------+-------+-------+---------------+------------------------+
 *   | format | fates | zero  | applied block | totals, 8 bytes a fate |
 *   +--------+-------+-------+---------------+------------------------+
 */
#define FORMAT         2u
#define META_HEAD      16u
#define META_BYTES     (META_HEAD + 8 * FATE_COUNT)

static void meta_write(uint8_t bytes[META_BYTES], uint64_t applied,
                       const struct fate_totals *totals)
{
	memset(bytes, 0, META_BYTES);
	put_le32(bytes, FORMAT);
	put_le16(bytes + 4, FATE_COUNT);
	put_le64(bytes + 8, applied);
	for (uint32_t i = 0; i < FATE_COUNT; i++)
		put_le64(bytes + META_HEAD + 8 * i, totals->count[i]);
}

enum result store_meta_parse(const uint8_t *bytes, size_t count, uint64_t *applied,
                             struct fate_totals *totals, struct error *err)
{
	if (count >= 4 && get_le32(bytes) != FORMAT)
		return fail(RESULT_INPUT, err,
		            "store: its format is version %u, this program's is %u; use the "
		            "program that wrote it, or another directory",
		            get_le32(bytes), FORMAT);
	uint32_t fates = count >= META_HEAD ? get_le16(bytes + 4) : 0;
	if (count < META_HEAD || fates > FATE_COUNT || count != META_HEAD + 8 * (size_t)fates)
		return fail(RESULT_MEDIA, err, "store: the meta entry is damaged (%zu bytes)",
		            count);
	*applied = get_le64(bytes + 8);
	*totals = (struct fate_totals){0};
	for (uint32_t i = 0; i < fates; i++)
		totals->count[i] = get_le64(bytes + META_HEAD + 8 * i);
	return RESULT_OK;
}

/* --- opening --- */

static enum result dir_make(const char *dir, struct error *err)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail(RESULT_RESOURCE, err, "store: make %s: %s", dir, strerror(errno));
	return RESULT_OK;
}

static enum result dir_sync(const char *dir, struct error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error == 0 ? RESULT_OK
	                  : fail(RESULT_MEDIA, err, "store: sync %s: %s", dir, strerror(error));
}

/* A new store gets its format version at once. */
static enum result meta_make(struct store *s, struct error *err)
{
	uint8_t key = KEY_META, bytes[META_BYTES];
	char *message = NULL;
	meta_write(bytes, 0, &s->totals);
	rocksdb_put(s->readings.db, s->readings.write, (const char *)&key, 1,
	            (const char *)bytes, sizeof bytes, &message);
	if (!message)
		rocksdb_flush(s->readings.db, s->readings.flush, &message);
	return message ? db_failed("write the format version", message, err) : RESULT_OK;
}

static enum result meta_load(struct store *s, struct error *err)
{
	uint8_t key = KEY_META;
	char *message = NULL;
	size_t bytes = 0;
	char *value = rocksdb_get(s->readings.db, s->readings.read, (const char *)&key, 1, &bytes,
	                          &message);
	if (message)
		return db_failed("read the journal position", message, err);
	if (!value)
		return meta_make(s, err);
	uint64_t applied = 0;
	enum result r = store_meta_parse((const uint8_t *)value, bytes, &applied, &s->totals, err);
	rocksdb_free(value);
	s->written_block = applied;
	atomic_store(&s->applied_block, applied);
	atomic_store(&s->durable_block, applied);
	return r;
}

static enum result databases_open(struct store *s, struct error *err)
{
	char path[PATH_BYTES];
	enum result r = dir_make(s->config.dir, err);
	if (r != RESULT_OK)
		return r;
	if (asprintf(&s->readings_dir, "%s/readings", s->config.dir) < 0) {
		s->readings_dir = NULL;
		return fail(RESULT_RESOURCE, err, "store: no memory");
	}
	r = db_open_readings(&s->readings, s->readings_dir, s->config.cache_bytes,
	                     s->config.background_threads, &s->merge, err);
	if (r != RESULT_OK)
		return r;
	snprintf(path, sizeof path, "%s/control", s->config.dir);
	r = db_open_control(&s->control, path, err);
	/* RocksDB syncs what is in its folders, not that they are there */
	if (r == RESULT_OK)
		r = dir_sync(s->config.dir, err);
	snprintf(path, sizeof path, "%s/..", s->config.dir);
	return r == RESULT_OK ? dir_sync(path, err) : r;
}

static enum result newest_load(struct store *s, struct error *err)
{
	const char start = KEY_NEWEST;
	char *message = NULL;
	enum result r = RESULT_OK;
	bool before = merge_reading(true); /* the last step may meet a page */
	rocksdb_iterator_t *it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	for (rocksdb_iter_seek(it, &start, 1); r == RESULT_OK && rocksdb_iter_valid(it);
	     rocksdb_iter_next(it)) {
		size_t key_bytes, bytes;
		const char *key = rocksdb_iter_key(it, &key_bytes);
		const char *value = rocksdb_iter_value(it, &bytes);
		if (key_bytes != KEY_NEWEST_BYTES || key[0] != KEY_NEWEST)
			break;
		r = newest_unpack(&s->newest, get_be32(key + 1), (const uint8_t *)value, bytes,
		                  err);
	}
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	merge_reading(before);
	return message ? db_failed("read the newest days", message, err) : r;
}

/* The days of the aggregates are those of one time zone; it is written down with the first. */
static enum result zone_check(struct store *s, const char *zone, struct error *err)
{
	const char key = KEY_ZONE;
	char *message = NULL;
	size_t bytes = 0;
	char *kept =
	    rocksdb_get(s->readings.db, s->readings.read, &key, 1, &bytes, &message);
	if (!message && !kept)
		rocksdb_put(s->readings.db, s->readings.write, &key, 1, zone, strlen(zone),
		            &message);
	if (message)
		return db_failed("read the time zone", message, err);
	enum result r = RESULT_OK;
	if (kept && (bytes != strlen(zone) || memcmp(kept, zone, bytes) != 0))
		r = fail(RESULT_INPUT, err,
		         "store: its hours, days and months are those of %.*s, the territory's "
		         "time zone is %s; set it back, or start with an empty store",
		         (int)bytes, kept, zone);
	rocksdb_free(kept);
	return r;
}

enum result store_load(struct store *s, struct error *err)
{
	enum result r = meta_load(s, err);
	if (r == RESULT_OK)
		r = newest_load(s, err);
	if (r == RESULT_OK)
		r = store_removed_load(s, err);
	if (r == RESULT_OK && s->config.aggregates)
		r = zone_check(s, s->config.aggregates->zone, err);
	return r;
}

static void memory_free(struct store *s)
{
	run_fini(&s->run[0]);
	run_fini(&s->run[1]);
	newest_fini(&s->newest);
	free(s->readings_dir);
	free(s->order);
	free(s->rest);
	free(s);
}

enum result store_open(const struct store_config *config, struct store **out, struct error *err)
{
	if (strlen(config->dir) + sizeof "/readings" > PATH_BYTES || config->dir[0] == '\0')
		return fail(RESULT_INPUT, err, "store: the directory's name is empty or too long");
	if (config->run_readings_max == 0 || config->run_readings_max > 1u << 27)
		return fail(RESULT_INPUT, err, "store: run_readings_max %u must be 1 to %u",
		            config->run_readings_max, 1u << 27);
	if (config->background_threads == 0 || config->background_threads > 64)
		return fail(RESULT_INPUT, err, "store: background_threads %u must be 1 to 64",
		            config->background_threads);
	struct store *s = calloc(1, sizeof *s);
	if (!s || !run_init(&s->run[0]) || !run_init(&s->run[1]) || !newest_init(&s->newest)) {
		if (s)
			memory_free(s);
		return fail(RESULT_RESOURCE, err, "store: no memory");
	}
	s->active = &s->run[0];
	s->config = *config;
	atomic_init(&s->merge.closed_end, INT64_MIN);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->marks, NULL);
	pthread_rwlock_init(&s->open, NULL);
	page_cache_init(&s->pages);
	enum result r = databases_open(s, err);
	if (r == RESULT_OK)
		r = store_load(s, err);
	s->config.dir = NULL; /* the caller's */
	if (r != RESULT_OK) {
		store_close(s);
		return r;
	}
	*out = s;
	return RESULT_OK;
}

void store_close(struct store *s)
{
	db_close(&s->readings);
	db_close(&s->control);
	page_scratch_fini(&s->scratch);
	page_cache_fini(&s->pages);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->marks);
	pthread_rwlock_destroy(&s->open);
	memory_free(s);
}

/* --- applying --- */

static enum result apply_failed(const struct journal_block *block, bool damaged, uint64_t index,
                                struct error *err)
{
	if (!damaged)
		return fail(RESULT_RESOURCE, err,
		            "store: no memory to apply journal block %" PRIu64, block->number);
	return fail(RESULT_MEDIA, err,
	            "store: journal block %" PRIu64 ": record %" PRIu64 " is damaged",
	            block->number, index);
}

static void show_readings(const struct store *s, const struct stored_reading *readings,
                          uint32_t count)
{
	const struct store_watch *w = &s->config.watch;
	for (uint32_t i = 0; w->reading && i < count; i++)
		w->reading(w->context, &readings[i]);
}

static void show_error(const struct store *s, struct stored_error *e, uint64_t number)
{
	e->number = number;
	if (s->config.watch.error)
		s->config.watch.error(s->config.watch.context, e);
}

static enum result records_apply(struct store *s, const struct journal_block *block,
                                 struct error *err)
{
	const uint8_t *at = block->records, *end = at + block->record_bytes;
	struct stored_reading readings[RUN_ADD_MAX];
	uint32_t count = 0;
	for (uint64_t index = 0;; index++) {
		struct record record;
		enum record_kind kind = record_get(&at, end, &record);
		if (kind == RECORD_READING)
			readings[count++] = record.reading;
		if (kind == RECORD_DAMAGED)
			return apply_failed(block, true, index, err);
		if ((kind == RECORD_END || count == RUN_ADD_MAX) && count > 0) {
			if (!run_add(s->active, readings, count))
				return apply_failed(block, false, index, err);
			show_readings(s, readings, count);
			count = 0;
		}
		if (kind == RECORD_ERROR) {
			uint64_t number = block->number << 20 | index;
			if (!run_add_error(s->active, number, record.body, record.body_bytes))
				return apply_failed(block, false, index, err);
			show_error(s, &record.error, number);
		}
		if (kind == RECORD_END)
			return RESULT_OK;
	}
}

/* Under the lock. */
static void run_readings_show(struct store *s)
{
	atomic_store_explicit(&s->run_readings,
	                      s->active->count + (s->frozen ? s->frozen->count : 0),
	                      memory_order_relaxed);
}

bool store_is_full(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool full = s->frozen && s->active->count >= s->config.run_readings_max;
	pthread_mutex_unlock(&s->lock);
	return full;
}

enum result store_apply(struct store *s, const struct journal_block *block, struct error *err)
{
	uint64_t applied = atomic_load_explicit(&s->applied_block, memory_order_relaxed);
	if (block->number <= applied)
		return RESULT_OK;
	if (block->number != applied + 1)
		return fail(RESULT_BUG, err,
		            "store: journal block %" PRIu64 " follows block %" PRIu64,
		            block->number, applied);
	pthread_mutex_lock(&s->lock);
	/* after a failure half of the block may be in the run: the next attempt finds it there */
	size_t errors = s->active->error_count, error_bytes = s->active->error_bytes_used;
	enum result r = records_apply(s, block, err);
	if (r == RESULT_OK) {
		s->totals = block->totals;
		atomic_store_explicit(&s->applied_block, block->number, memory_order_release);
	} else {
		s->active->error_count = errors;
		s->active->error_bytes_used = error_bytes;
	}
	if (s->run_started_us == 0)
		s->run_started_us = clock_mono_us();
	run_readings_show(s);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* --- writing a run --- */

#define PREFETCH 128u /* rows ahead: they lie in the order of arrival, not of devices */

static enum result no_memory(struct error *err)
{
	return fail(RESULT_RESOURCE, err, "store: no memory to write the run");
}

/* A run on its way into a batch. */
struct run_writing {
	struct store *s;
	rocksdb_writebatch_t *batch;
	uint32_t chunk; /* of devices, whose newest days are being raised */
	bool chunk_changed;
};

static void chunk_put(struct run_writing *w)
{
	uint8_t key[KEY_BYTES_MAX], value[NEWEST_BYTES_MAX];
	if (!w->chunk_changed)
		return;
	size_t key_bytes = key_newest(key, w->chunk);
	size_t bytes = newest_pack(&w->s->newest, w->chunk, value);
	rocksdb_writebatch_put(w->batch, (const char *)key, key_bytes, (const char *)value, bytes);
	w->chunk_changed = false;
}

static void prefetch_row(const struct stored_reading *r)
{
	fetch_lines(r, 2 * FETCH_LINE);
}

/* Rows first..end of s->order are one device's on one day, the newest at the end. */
static bool device_raise(struct run_writing *w, uint32_t first, uint32_t end, int64_t day)
{
	struct store *s = w->s;
	uint32_t device = s->order[first]->device, chunk = device / NEWEST_CHUNK, i = end;
	bool has_register = false;
	while (s->config.has_register && !has_register && i-- > first)
		has_register = s->config.has_register(s->config.register_context, s->order[i]);
	if (chunk != w->chunk)
		chunk_put(w);
	w->chunk = chunk;
	w->chunk_changed |= s->newest_behind;
	return newest_raise(&s->newest, device, day, has_register ? day : NEWEST_NONE,
	                    &w->chunk_changed);
}

/* Mark the days of effective time of these rows: their aggregates are to be computed. */
static void marks_put(struct run_writing *w, uint32_t first, uint32_t count)
{
	struct store *s = w->s;
	int64_t marked = INT64_MIN;
	uint8_t value[8], key[KEY_BYTES_MAX];
	put_le64(value, s->frozen_block);
	for (uint32_t i = first; i < first + count; i++) {
		int64_t day = day_of(s->order[i]->ts_ms);
		if (day == marked)
			continue;
		size_t key_bytes = key_mark(key, day, s->order[i]->device / PAGE_DEVICES);
		rocksdb_writebatch_put(w->batch, (const char *)key, key_bytes,
		                       (const char *)value, sizeof value);
		marked = day;
	}
}

/* Rows first..first+count of s->order make one page. */
static bool page_put(struct run_writing *w, int64_t day, uint32_t first, uint32_t count)
{
	struct store *s = w->s;
	const struct stored_reading *r = s->order[first];
	uint8_t key[KEY_BYTES_MAX];
	size_t bytes, key_bytes = key_page(key, day, r->device / PAGE_DEVICES);
	for (uint32_t i = first, n; i < first + count; i += n) {
		uint32_t device = s->order[i]->device;
		for (n = 1; i + n < first + count && s->order[i + n]->device == device;)
			n++;
		if (!device_raise(w, i, i + n, day))
			return false;
	}
	if (s->config.aggregates)
		marks_put(w, first, count);
	if (!page_encode(&s->scratch, s->order + first, count, &bytes))
		return false;
	rocksdb_writebatch_merge(w->batch, (const char *)key, key_bytes,
	                         (const char *)s->scratch.head, bytes);
	return true;
}

/* order[0..count) are rows of one page's devices, maybe of several days: one page a day. */
static bool days_put(struct run_writing *w, uint32_t count)
{
	const struct stored_reading **order = w->s->order;
	for (uint32_t first = 0; first < count;) {
		int64_t day = INT64_MAX;
		uint32_t n = first;
		for (uint32_t i = first; i < count; i++) {
			int64_t d = day_of(order[i]->meter_ts_ms);
			day = d < day ? d : day;
		}
		/* the day's rows in front, as they were; the others behind, as they were */
		const struct stored_reading **rest = w->s->rest;
		uint32_t rest_count = 0;
		for (uint32_t i = first; i < count; i++) {
			if (day_of(order[i]->meter_ts_ms) == day)
				order[n++] = order[i];
			else
				rest[rest_count++] = order[i];
		}
		memcpy(order + n, rest, rest_count * sizeof order[0]);
		if (!page_put(w, day, first, n - first))
			return false;
		first = n;
	}
	return true;
}

/* Sort the rows of one page's devices; mostly they are, and of one day. */
static bool group_put(struct run_writing *w, uint32_t count)
{
	const struct stored_reading **order = w->s->order;
	int64_t day = day_of(order[0]->meter_ts_ms);
	bool one_day = true, sorted = true;
	for (uint32_t i = 1; i < count; i++) {
		const struct stored_reading *a = order[i - 1], *b = order[i];
		int64_t since = wrap_sub(b->meter_ts_ms, day * DAY_MS);
		one_day &= since >= 0 && since < DAY_MS;
		sorted &= a->device < b->device || a->meter_ts_ms < b->meter_ts_ms;
	}
	if (!sorted)
		count = pointers_order(order, w->s->rest, count, KEEP_ALL);
	return one_day ? page_put(w, day, 0, count) : days_put(w, count);
}

static bool order_reserve(struct store *s, uint32_t count)
{
	if (s->order_room >= count)
		return true;
	free(s->order);
	free(s->rest);
	s->order = malloc(count * sizeof s->order[0]);
	s->rest = malloc(count * sizeof s->rest[0]);
	s->order_room = s->order && s->rest ? count : 0;
	return s->order_room > 0;
}

static bool pages_put(struct run_writing *w)
{
	struct store *s = w->s;
	const struct run *run = s->frozen;
	struct run_place *place = run_by_device(run);
	bool good = place != NULL;
	for (uint32_t i = 0, n; good && i < run->count; i += n) {
		uint32_t page = place[i].device / PAGE_DEVICES;
		for (n = 1; i + n < run->count && place[i + n].device / PAGE_DEVICES == page;)
			n++;
		good = order_reserve(s, n);
		for (uint32_t k = 0; good && k < n; k++) {
			if (i + k + PREFETCH < run->count)
				prefetch_row(&run->row[place[i + k + PREFETCH].row]);
			s->order[k] = &run->row[place[i + k].row];
		}
		good = good && group_put(w, n);
	}
	free(place);
	if (good)
		chunk_put(w);
	return good;
}

static void errors_put(const struct run *run, rocksdb_writebatch_t *batch)
{
	for (size_t i = 0; i < run->error_count; i++) {
		const struct run_error *e = &run->error[i];
		uint8_t key[KEY_BYTES_MAX];
		size_t key_bytes = key_error(key, e->number);
		rocksdb_writebatch_put(batch, (const char *)key, key_bytes,
		                       (const char *)run->error_bytes + e->offset, e->bytes);
	}
}

static enum result frozen_write(struct store *s, struct error *err)
{
	uint8_t key = KEY_META, meta[META_BYTES];
	char *message = NULL;
	enum result r = RESULT_OK;
	struct run_writing w = {.s = s, .batch = rocksdb_writebatch_create()};

	if (!pages_put(&w)) {
		r = no_memory(err);
	} else {
		errors_put(s->frozen, w.batch);
		meta_write(meta, s->frozen_block, &s->frozen_totals);
		rocksdb_writebatch_put(w.batch, (const char *)&key, 1, (const char *)meta,
		                       sizeof meta);
		pthread_mutex_lock(&s->marks);
		rocksdb_write(s->readings.db, s->readings.write, w.batch, &message);
		pthread_mutex_unlock(&s->marks);
		if (message)
			r = db_failed("write a run", message, err);
	}
	rocksdb_writebatch_destroy(w.batch);
	s->newest_behind = r != RESULT_OK;
	return r;
}

/* Under the lock. */
static bool run_is_due(const struct store *s)
{
	return s->active->count >= s->config.run_readings_max ||
	       (s->run_started_us != 0 &&
	        clock_mono_us() - s->run_started_us >= (uint64_t)s->config.run_age_ms * 1000);
}

/* Freeze the active run if it is due, or `force`. False: there is none to write. */
static bool freeze(struct store *s, bool force)
{
	pthread_mutex_lock(&s->lock);
	uint64_t applied = atomic_load_explicit(&s->applied_block, memory_order_relaxed);
	if (!s->frozen && applied != s->written_block && (force || run_is_due(s))) {
		s->frozen = s->active;
		s->active = s->frozen == &s->run[0] ? &s->run[1] : &s->run[0];
		s->frozen_block = applied;
		s->frozen_totals = s->totals;
		s->run_started_us = 0;
	}
	bool frozen = s->frozen != NULL;
	pthread_mutex_unlock(&s->lock);
	return frozen;
}

/* RocksDB has it: from here on readers find there what they found in the frozen run. */
static void thaw(struct store *s)
{
	struct run *run = s->frozen;
	s->written_block = s->frozen_block;
	atomic_fetch_add_explicit(&s->readings_written, run->count, memory_order_relaxed);
	/* before the run is gone: pages unpacked until now no longer count (store_find) */
	atomic_fetch_add_explicit(&s->runs_written, 1, memory_order_release);
	pthread_mutex_lock(&s->lock);
	s->frozen = NULL;
	run_readings_show(s);
	pthread_mutex_unlock(&s->lock);
	run_clear(run); /* nobody looks into it before it is active again */
}

static enum result run_write(struct store *s, bool force, struct error *err)
{
	if (!freeze(s, force))
		return RESULT_OK;
	if (s->config.watch.writing)
		s->config.watch.writing(s->config.watch.context);
	enum result r = frozen_write(s, err);
	if (r == RESULT_OK)
		thaw(s);
	return r;
}

enum result store_write_run(struct store *s, bool force, struct error *err)
{
	if (!s->readings.db) /* store_reopen gave up */
		return fail(RESULT_MEDIA, err, "store: the readings' database is closed");
	bool rest = s->frozen != NULL; /* a write that failed: `force` means what came since too */
	enum result r = run_write(s, force, err);
	return rest && r == RESULT_OK ? run_write(s, force, err) : r;
}

enum result store_flush(struct store *s, struct error *err)
{
	enum result r = store_write_run(s, true, err);
	if (r != RESULT_OK || s->written_block == store_durable_block(s))
		return r;
	r = db_flush(&s->readings, err);
	if (r != RESULT_OK)
		return r;
	atomic_store_explicit(&s->durable_block, s->written_block, memory_order_release);
	return RESULT_OK;
}

enum result store_merge(struct store *s, int64_t first_day, int64_t end_day, struct error *err)
{
	STORE_READS(s);
	uint8_t from[KEY_BYTES_MAX], to[KEY_BYTES_MAX];
	size_t from_bytes = key_page(from, first_day, 0), to_bytes = key_page(to, end_day, 0);
	char *message = NULL;
	if (end_day > atomic_load_explicit(&s->merge.closed_end, memory_order_relaxed))
		atomic_store_explicit(&s->merge.closed_end, end_day, memory_order_relaxed);
	rocksdb_flush(s->readings.db, s->readings.flush, &message);
	if (message)
		return db_failed("flush", message, err);
	rocksdb_compactoptions_t *o = rocksdb_compactoptions_create();
	rocksdb_compactoptions_set_exclusive_manual_compaction(o, 0);
	rocksdb_compactoptions_set_bottommost_level_compaction(o, 3); /* each file once */
	rocksdb_compact_range_opt(s->readings.db, o, (const char *)from, from_bytes,
	                          (const char *)to, to_bytes);
	rocksdb_compactoptions_destroy(o);
	return RESULT_OK;
}

/* --- positions --- */

uint64_t store_durable_block(const struct store *s)
{
	return atomic_load_explicit(&s->durable_block, memory_order_acquire);
}

uint64_t store_applied_block(const struct store *s)
{
	return atomic_load_explicit(&s->applied_block, memory_order_acquire);
}

void store_totals(struct store *s, struct fate_totals *totals)
{
	pthread_mutex_lock(&s->lock);
	*totals = s->totals;
	pthread_mutex_unlock(&s->lock);
}

void store_status_get(struct store *s, struct store_status *status)
{
	STORE_READS(s);
	uint64_t disk = 0;
	rocksdb_property_int(s->readings.db, "rocksdb.live-sst-files-size", &disk);
	*status = (struct store_status){
	    .applied_block = store_applied_block(s),
	    .durable_block = store_durable_block(s),
	    .run_readings = atomic_load_explicit(&s->run_readings, memory_order_relaxed),
	    .disk_bytes = disk,
	    .readings_written =
	        atomic_load_explicit(&s->readings_written, memory_order_relaxed),
	    .runs_written = atomic_load_explicit(&s->runs_written, memory_order_relaxed),
	};
}
