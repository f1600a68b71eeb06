/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: whole ranges of days go.
 *
 * Keys begin with the day, so what is past is one range: a range deletion hides it in one durable
 * write, together with the count of the readings that went (the audit needs it); then table files
 * that hold nothing else are deleted at once, and compaction does the rest when it comes by.
 * Reads and writes go on. Threads: one at a time. Memory: malloc.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "storage/store/keys.h"
#include "storage/store/rollup.h"
#include "storage/store/store_priv.h"

#define REMOVED_BYTES 8u

enum result store_removed_load(struct store *s, struct error *err)
{
	const char key = KEY_REMOVED;
	char *message = NULL;
	size_t bytes = 0;
	char *value = rocksdb_get(s->readings.db, s->readings.read, &key, 1, &bytes, &message);
	if (message)
		return db_failed("read the count of what went", message, err);
	bool good = !value || bytes == REMOVED_BYTES;
	if (value && good)
		atomic_store_explicit(&s->removed, get_le64(value), memory_order_relaxed);
	rocksdb_free(value);
	return good ? RESULT_OK
		    : fail(RESULT_MEDIA, err, "store: the count of what went is damaged");
}

uint64_t store_removed(const struct store *s)
{
	return atomic_load_explicit(&s->removed, memory_order_relaxed);
}

/* The first page at or behind `day`. False: none. */
static bool page_find(rocksdb_iterator_t *it, int64_t day, struct page_place *place)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t bytes = key_page(key, day, 0);
	rocksdb_iter_seek(it, (const char *)key, bytes);
	if (!rocksdb_iter_valid(it))
		return false;
	const char *found = rocksdb_iter_key(it, &bytes);
	return key_page_parse(found, bytes, place);
}

int64_t store_first_day(struct store *s)
{
	STORE_READS(s);
	struct page_place place = {.day = INT64_MAX};
	bool before = merge_reading(true);
	rocksdb_iterator_t *it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	page_find(it, INT64_MIN, &place);
	rocksdb_iter_destroy(it);
	merge_reading(before);
	return place.day;
}

/* Count the readings of the pages of one day. */
static enum result day_count(struct store *s, int64_t day, uint64_t *count, struct error *err)
{
	struct rows rows = {0};
	struct page_place place;
	char *message = NULL;
	enum result r = RESULT_OK;
	bool before = merge_reading(true);
	rocksdb_iterator_t *it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	*count = 0;
	for (bool more = page_find(it, day, &place); more && r == RESULT_OK && place.day == day;) {
		size_t bytes;
		const char *value = rocksdb_iter_value(it, &bytes);
		rows_clear(&rows);
		r = query_page_add(&rows, &place, DEVICE_NONE, value, bytes, err);
		if (r == RESULT_OK && !rows_settle(&rows))
			r = query_no_memory(err);
		*count += rows.count;
		rocksdb_iter_next(it);
		more = rocksdb_iter_valid(it);
		const char *key = more ? rocksdb_iter_key(it, &bytes) : NULL;
		more = more && key_page_parse(key, bytes, &place);
	}
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	merge_reading(before);
	rows_fini(&rows);
	return message ? db_failed("count what goes", message, err) : r;
}

struct range {
	uint8_t from[KEY_BYTES_MAX], to[KEY_BYTES_MAX];
	size_t from_bytes, to_bytes;
};

static void range_delete(rocksdb_writebatch_t *batch, const struct range *r)
{
	rocksdb_writebatch_delete_range(batch, (const char *)r->from, r->from_bytes,
					(const char *)r->to, r->to_bytes);
}

/* Hide the ranges durably, then give the files back that hold nothing else than the first. */
static enum result ranges_drop(struct store *s, rocksdb_writebatch_t *batch,
			       const struct range *range, struct error *err)
{
	char *message = NULL;
	pthread_mutex_lock(&s->marks);
	rocksdb_write(s->readings.db, s->readings.write, batch, &message);
	pthread_mutex_unlock(&s->marks);
	if (!message)
		rocksdb_flush(s->readings.db, s->readings.flush, &message);
	if (!message)
		rocksdb_delete_file_in_range(s->readings.db, (const char *)range->from,
					     range->from_bytes, (const char *)range->to,
					     range->to_bytes, &message);
	return message ? db_failed("drop what is past its time", message, err) : RESULT_OK;
}

static bool has_mark_before(struct store *s, int64_t day)
{
	const char start = KEY_MARK;
	struct page_place place;
	size_t bytes;
	bool before = merge_reading(true);
	rocksdb_iterator_t *it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	rocksdb_iter_seek(it, &start, 1);
	const char *key = rocksdb_iter_valid(it) ? rocksdb_iter_key(it, &bytes) : NULL;
	bool has = key && key_mark_parse(key, bytes, &place) && place.day < day;
	rocksdb_iter_destroy(it);
	merge_reading(before);
	return has;
}

enum result store_drop_readings(struct store *s, int64_t end_day, struct error *err)
{
	STORE_READS(s);
	const char removed_key = KEY_REMOVED;
	uint8_t removed[REMOVED_BYTES];
	int64_t day = store_first_day(s);
	uint64_t count;
	if (day >= end_day)
		return fail(RESULT_ABSENT, err, "store: no readings of days before %" PRId64,
			    end_day);
	if (s->config.aggregates && has_mark_before(s, day + 2))
		return fail(RESULT_ABSENT, err, "store: aggregates of what goes are not done yet");
	enum result r = day_count(s, day, &count, err);
	if (r != RESULT_OK)
		return r;
	struct range pages;
	pages.from_bytes = key_page(pages.from, day, 0);
	pages.to_bytes = key_page(pages.to, day + 1, 0);
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	range_delete(batch, &pages);
	put_le64(removed, store_removed(s) + count);
	rocksdb_writebatch_put(batch, &removed_key, 1, (const char *)removed, sizeof removed);
	r = ranges_drop(s, batch, &pages, err);
	rocksdb_writebatch_destroy(batch);
	if (r == RESULT_OK)
		atomic_fetch_add_explicit(&s->removed, count, memory_order_relaxed);
	return r;
}

/* The first group of a level; INT32_MAX: none. */
static int32_t first_group(struct store *s, enum aggregate_level level)
{
	uint8_t from[KEY_BYTES_MAX];
	int32_t group = INT32_MAX;
	size_t bytes = key_aggregate(from, (uint8_t)level, INT32_MIN, 0);
	rocksdb_iterator_t *it = rocksdb_create_iterator(s->readings.db, s->readings.read);
	rocksdb_iter_seek(it, (const char *)from, bytes);
	if (rocksdb_iter_valid(it)) {
		const uint8_t *key = (const uint8_t *)rocksdb_iter_key(it, &bytes);
		if (bytes == KEY_AGGREGATE_BYTES && key[0] == KEY_AGGREGATE && key[1] == level)
			group = (int32_t)(get_be32(key + 2) ^ 1u << 31);
	}
	rocksdb_iter_destroy(it);
	return group;
}

int32_t store_first_aggregate(struct store *s, enum aggregate_level level)
{
	STORE_READS(s);
	bool before = merge_reading(true); /* the iterator may step onto a page */
	int32_t group = first_group(s, level);
	merge_reading(before);
	return group;
}

enum result store_drop_aggregates(struct store *s, enum aggregate_level level, int32_t end_group,
				  struct error *err)
{
	STORE_READS(s);
	struct range range;
	if (store_first_aggregate(s, level) >= end_group)
		return fail(RESULT_ABSENT, err, "store: no aggregates before group %d",
			    (int)end_group);
	range.from_bytes = key_aggregate(range.from, (uint8_t)level, INT32_MIN, 0);
	range.to_bytes = key_aggregate(range.to, (uint8_t)level, end_group, 0);
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	range_delete(batch, &range);
	enum result r = ranges_drop(s, batch, &range, err);
	rocksdb_writebatch_destroy(batch);
	return r;
}
