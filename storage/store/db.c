/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB's options, for a load that is written in time order and read by day.
 *
 * Keys begin with the day, so a level's files of past days overlap nothing new: they move down by
 * being renamed, and only today's are merged again and again, eight flushed files at a time.
 * Pages are packed already; light compression is for the error queue.
 */
#include "storage/store/db.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1024u * 1024u)

/* RocksDB's memory before a flush. After the disk was full it waits until so much is free. */
#define WRITE_BUFFER_MIB 64u
#define WRITE_BUFFERS    3u

enum result db_failed(const char *what, char *message, struct error *err)
{
	enum result r = RESULT_MEDIA;
	if (strstr(message, "No space") || strstr(message, "Too many open") ||
	    strstr(message, "/LOCK: "))
		r = RESULT_RESOURCE;
	r = fail(r, err, "store: %s: %s", what, message);
	rocksdb_free(message);
	return r;
}

/* --- opening --- */

/* RocksDB's own log has its head only: what fails is returned to us and logged by us, and when the
 * disk is full, the second line that RocksDB 7.8 writes to its log fails an assertion: the process
 * ends. */
static void quiet_log(rocksdb_options_t *o)
{
	rocksdb_options_set_info_log_level(o, 5); /* headers */
	rocksdb_options_set_max_log_file_size(o, MIB);
	rocksdb_options_set_keep_log_file_num(o, 2);
	rocksdb_options_set_stats_dump_period_sec(o, 0);
}

static enum result open_with(struct db *d, const char *dir, struct error *err)
{
	char *message = NULL;
	d->write = rocksdb_writeoptions_create();
	d->read = rocksdb_readoptions_create();
	d->flush = rocksdb_flushoptions_create();
	rocksdb_flushoptions_set_wait(d->flush, 1);
	d->db = rocksdb_open(d->options, dir, &message);
	return message ? db_failed("open", message, err) : RESULT_OK;
}

static void table_options(struct db *d, uint64_t cache_bytes)
{
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
	d->cache = rocksdb_cache_create_lru(cache_bytes);
	rocksdb_block_based_options_set_block_cache(t, d->cache);
	rocksdb_block_based_options_set_block_size(t, 16 * 1024);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
	rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom(10));
	rocksdb_options_set_block_based_table_factory(d->options, t);
	rocksdb_block_based_options_destroy(t);
}

enum result db_open_readings(struct db *d, const char *dir, uint64_t cache_bytes,
                             uint32_t threads, struct merge_state *merge, struct error *err)
{
	rocksdb_options_t *o = d->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_merge_operator(o, merge_operator_new(merge));
	d->filter = merge_filter_new(merge);
	rocksdb_options_set_compaction_filter(o, d->filter);
	rocksdb_options_set_level0_file_num_compaction_trigger(o, 8);
	rocksdb_options_set_max_background_jobs(o, (int)threads);
	rocksdb_options_set_write_buffer_size(o, (size_t)WRITE_BUFFER_MIB * MIB);
	rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFERS);
	rocksdb_options_set_target_file_size_base(o, 64ull * MIB);
	rocksdb_options_set_max_bytes_for_level_base(o, 256ull * MIB);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_set_max_open_files(o, 512);
	rocksdb_options_set_bytes_per_sync(o, MIB);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	quiet_log(o);
	table_options(d, cache_bytes);
	enum result r = open_with(d, dir, err);
	if (r == RESULT_OK)
		rocksdb_writeoptions_disable_WAL(d->write, 1);
	return r;
}

enum result db_open_control(struct db *d, const char *dir, struct error *err)
{
	rocksdb_options_t *o = d->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_write_buffer_size(o, 4ull * MIB);
	rocksdb_options_set_max_open_files(o, 64);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	quiet_log(o);
	enum result r = open_with(d, dir, err);
	if (r == RESULT_OK)
		rocksdb_writeoptions_set_sync(d->write, 1);
	return r;
}

void db_close(struct db *d)
{
	if (d->db)
		rocksdb_close(d->db);
	if (d->read)
		rocksdb_readoptions_destroy(d->read);
	if (d->write)
		rocksdb_writeoptions_destroy(d->write);
	if (d->flush)
		rocksdb_flushoptions_destroy(d->flush);
	if (d->filter)
		rocksdb_compactionfilter_destroy(d->filter);
	if (d->options)
		rocksdb_options_destroy(d->options);
	if (d->cache)
		rocksdb_cache_destroy(d->cache);
	*d = (struct db){0};
}

static bool memory_of(struct db *d, uint64_t *entries, uint64_t *tables)
{
	return rocksdb_property_int(d->db, "rocksdb.num-entries-active-mem-table", entries) == 0 &&
	       rocksdb_property_int(d->db, "rocksdb.num-immutable-mem-table", tables) == 0;
}

/*
 * While RocksDB recovers from a full disk its flush may say that all is well without having written
 * anything: a memory that still holds what it held proves that. (What others write meanwhile is in
 * it, too, but that is less than a run.)
 */
enum result db_flush(struct db *d, struct error *err)
{
	char *message = NULL;
	uint64_t before = 0, after = 0, tables = 0;
	bool known = memory_of(d, &before, &tables);
	rocksdb_flush(d->db, d->flush, &message);
	if (message)
		return db_failed("flush", message, err);
	if (!known || !memory_of(d, &after, &tables))
		return fail(RESULT_BUG, err, "store: RocksDB does not tell what its memory holds");
	if ((before > 0 && after >= before) || tables > 0)
		return fail(RESULT_RESOURCE, err,
		            "store: RocksDB has not written its memory yet; after the disk was "
		            "full it goes on by itself within seconds when %u MiB are free",
		            WRITE_BUFFERS * WRITE_BUFFER_MIB);
	return RESULT_OK;
}
