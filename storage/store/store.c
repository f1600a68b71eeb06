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
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "storage/journal/record.h"
#include "storage/store/keys.h"
#include "storage/store/store_priv.h"

#define PATH_BYTES 4096

/*
 * The value of the meta key; integers are little-endian:
 *    0        4       6       8               16
 *   +--------+-------+-------+---------------+------------------------+
 *   | format | fates | zero  | applied block | totals, 8 bytes a fate |
 *   +--------+-------+-------+---------------+------------------------+
 */
#define FORMAT         1u
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
		            "program that wrote it",
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
	snprintf(path, sizeof path, "%s/readings", s->config.dir);
	r = db_open_readings(&s->readings, path, s->config.cache_bytes,
	                     s->config.background_threads, err);
	if (r != RESULT_OK)
		return r;
	snprintf(path, sizeof path, "%s/control", s->config.dir);
	return db_open_control(&s->control, path, err);
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
	if (!s || !run_init(&s->run)) {
		free(s);
		return fail(RESULT_RESOURCE, err, "store: no memory");
	}
	s->config = *config;
	pthread_mutex_init(&s->lock, NULL);
	page_cache_init(&s->pages);
	enum result r = databases_open(s, err);
	if (r == RESULT_OK)
		r = meta_load(s, err);
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
	run_fini(&s->run);
	page_scratch_fini(&s->scratch);
	page_cache_fini(&s->pages);
	free(s->order);
	pthread_mutex_destroy(&s->lock);
	free(s);
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
			if (!run_add(&s->run, readings, count))
				return apply_failed(block, false, index, err);
			count = 0;
		}
		if (kind == RECORD_ERROR &&
		    !run_add_error(&s->run, block->number << 20 | index, record.body,
		                   record.body_bytes))
			return apply_failed(block, false, index, err);
		if (kind == RECORD_END)
			return RESULT_OK;
	}
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
	size_t errors = s->run.error_count, error_bytes = s->run.error_bytes_used;
	enum result r = records_apply(s, block, err);
	if (r == RESULT_OK) {
		s->totals = block->totals;
		atomic_store_explicit(&s->applied_block, block->number, memory_order_release);
	} else {
		s->run.error_count = errors;
		s->run.error_bytes_used = error_bytes;
	}
	atomic_store_explicit(&s->run_readings, s->run.count, memory_order_relaxed);
	pthread_mutex_unlock(&s->lock);
	if (s->run_started_us == 0)
		s->run_started_us = clock_mono_us();
	return r;
}

/* --- writing a run --- */

static enum result no_memory(struct error *err)
{
	return fail(RESULT_RESOURCE, err, "store: no memory to write the run");
}

/* Rows first..first+count of s->order make one page. */
static bool page_put(struct store *s, rocksdb_writebatch_t *batch, bool newest, uint32_t first,
                     uint32_t count)
{
	const struct stored_reading *r = s->order[first];
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = newest ? key_newest(key, r->device / PAGE_DEVICES)
	                          : key_page(key, day_of(r->meter_ts_ms), r->device / PAGE_DEVICES);
	size_t bytes;
	if (!page_encode(&s->scratch, s->order + first, count, &bytes))
		return false;
	rocksdb_writebatch_merge(batch, (const char *)key, key_bytes,
	                         (const char *)s->scratch.head, bytes);
	return true;
}

static bool same_page(const struct stored_reading *a, const struct stored_reading *b, bool newest)
{
	return a->device / PAGE_DEVICES == b->device / PAGE_DEVICES &&
	       (newest || day_of(a->meter_ts_ms) == day_of(b->meter_ts_ms));
}

/* Pack rows in the given order (malloc'd, freed here) into pages. */
static bool pages_put(struct store *s, rocksdb_writebatch_t *batch, uint32_t *index,
                      uint32_t count, bool newest)
{
	bool good = index != NULL;
	if (good && s->order_room < count) {
		free(s->order);
		s->order = malloc(count * sizeof s->order[0]);
		s->order_room = s->order ? count : 0;
		good = s->order != NULL;
	}
	for (uint32_t i = 0; good && i < count; i++)
		s->order[i] = &s->run.row[index[i]];
	free(index);
	for (uint32_t i = 0; good && i < count;) {
		uint32_t n = 1;
		while (i + n < count && same_page(s->order[i], s->order[i + n], newest))
			n++;
		good = page_put(s, batch, newest, i, n);
		i += n;
	}
	return good;
}

static void errors_put(struct store *s, rocksdb_writebatch_t *batch)
{
	for (size_t i = 0; i < s->run.error_count; i++) {
		const struct run_error *e = &s->run.error[i];
		uint8_t key[KEY_BYTES_MAX];
		size_t key_bytes = key_error(key, e->number);
		rocksdb_writebatch_put(batch, (const char *)key, key_bytes,
		                       (const char *)s->run.error_bytes + e->offset, e->bytes);
	}
}

static enum result run_write(struct store *s, uint64_t applied, struct error *err)
{
	uint8_t key = KEY_META, meta[META_BYTES];
	char *message = NULL;
	enum result r = RESULT_OK;
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();

	if (!pages_put(s, batch, run_sorted(&s->run), s->run.count, false) ||
	    !pages_put(s, batch, run_sorted_newest(&s->run), s->run.device_count, true)) {
		r = no_memory(err);
	} else {
		errors_put(s, batch);
		meta_write(meta, applied, &s->totals);
		rocksdb_writebatch_put(batch, (const char *)&key, 1, (const char *)meta,
		                       sizeof meta);
		rocksdb_write(s->readings.db, s->readings.write, batch, &message);
		if (message)
			r = db_failed("write a run", message, err);
	}
	rocksdb_writebatch_destroy(batch);
	return r;
}

static bool run_is_due(const struct store *s)
{
	return s->run.count >= s->config.run_readings_max ||
	       (s->run_started_us != 0 &&
	        clock_mono_us() - s->run_started_us >= (uint64_t)s->config.run_age_ms * 1000);
}

enum result store_write_run(struct store *s, bool force, struct error *err)
{
	uint64_t applied = atomic_load_explicit(&s->applied_block, memory_order_relaxed);
	if (applied == s->written_block || (!force && !run_is_due(s)))
		return RESULT_OK;
	enum result r = run_write(s, applied, err);
	if (r != RESULT_OK)
		return r;
	s->written_block = applied;
	s->run_started_us = 0;
	atomic_fetch_add_explicit(&s->readings_written, s->run.count, memory_order_relaxed);
	/* before the run is cleared: pages unpacked until now no longer count (store_find) */
	atomic_fetch_add_explicit(&s->runs_written, 1, memory_order_release);
	/* from here on readers find in RocksDB what they found in the run */
	pthread_mutex_lock(&s->lock);
	run_clear(&s->run);
	atomic_store_explicit(&s->run_readings, 0, memory_order_relaxed);
	pthread_mutex_unlock(&s->lock);
	return RESULT_OK;
}

enum result store_flush(struct store *s, struct error *err)
{
	enum result r = store_write_run(s, true, err);
	if (r != RESULT_OK || s->written_block == store_durable_block(s))
		return r;
	char *message = NULL;
	rocksdb_flush(s->readings.db, s->readings.flush, &message);
	if (message)
		return db_failed("flush", message, err);
	atomic_store_explicit(&s->durable_block, s->written_block, memory_order_release);
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
