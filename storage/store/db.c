/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB's options and the merge operator that makes day pages out of the pages of runs.
 *
 * Each run adds one operand per page it touches; RocksDB combines operands when it flushes,
 * compacts or reads, so day pages come about as a by-product of compaction. Of two readings with
 * the same identity the older operand's stays: applying a block twice changes nothing.
 *
 * Threads: the merge runs on RocksDB's own and on readers'. Memory: malloc.
 */
#include "storage/store/db.h"

#include <stdlib.h>
#include <string.h>

#include "storage/store/keys.h"
#include "storage/store/page.h"

#define MIB (1024u * 1024u)

enum result db_failed(const char *what, char *message, struct error *err)
{
	enum result r = RESULT_MEDIA;
	if (strstr(message, "No space") || strstr(message, "Too many open") ||
	    strstr(message, "lock"))
		r = RESULT_RESOURCE;
	r = fail(r, err, "store: %s: %s", what, message);
	rocksdb_free(message);
	return r;
}

/* --- merge --- */

static const char *merge_name(void *state)
{
	(void)state;
	return "headrace.page.1";
}

static void merge_destroy(void *state)
{
	(void)state;
}

static void merge_delete(void *state, const char *value, size_t bytes)
{
	(void)state;
	(void)bytes;
	free((void *)value);
}

static bool add_page(struct rows *rows, uint32_t page, const char *value, size_t bytes)
{
	return page_decode((const uint8_t *)value, bytes, page * PAGE_DEVICES, DEVICE_NONE,
	                   rows) == PAGE_OK;
}

/* All pieces in one page, malloc'd. NULL: damaged, or no memory; *new_bytes is 0 then, because
 * RocksDB copies so many bytes before it looks at *success. */
static char *merge_pages(const char *key, size_t key_bytes, const char *existing,
                         size_t existing_bytes, const char *const *operands,
                         const size_t *operand_bytes, int count, unsigned char *success,
                         size_t *new_bytes)
{
	struct page_place place;
	struct rows rows = {0};
	struct page_scratch scratch = {0};
	char *merged = NULL;
	size_t bytes = 0;
	bool good = key_page_parse(key, key_bytes, &place);

	if (good && existing)
		good = add_page(&rows, place.page, existing, existing_bytes);
	for (int i = 0; good && i < count; i++)
		good = add_page(&rows, place.page, operands[i], operand_bytes[i]);
	good = good && rows.count > 0 &&
	       rows_order(&rows, key[0] == KEY_NEWEST ? KEEP_NEWEST : KEEP_ALL) &&
	       page_encode(&scratch, rows.order, rows.order_count, &bytes);
	if (good)
		merged = malloc(bytes);
	if (merged)
		memcpy(merged, scratch.head, bytes);
	*new_bytes = merged ? bytes : 0;
	*success = merged != NULL;
	rows_fini(&rows);
	page_scratch_fini(&scratch);
	return merged;
}

static char *merge_full(void *state, const char *key, size_t key_bytes, const char *existing,
                        size_t existing_bytes, const char *const *operands,
                        const size_t *operand_bytes, int count, unsigned char *success,
                        size_t *new_bytes)
{
	(void)state;
	return merge_pages(key, key_bytes, existing, existing_bytes, operands, operand_bytes,
	                   count, success, new_bytes);
}

static char *merge_partial(void *state, const char *key, size_t key_bytes,
                           const char *const *operands, const size_t *operand_bytes, int count,
                           unsigned char *success, size_t *new_bytes)
{
	(void)state;
	return merge_pages(key, key_bytes, NULL, 0, operands, operand_bytes, count, success,
	                   new_bytes);
}

/* --- opening --- */

static void quiet_log(rocksdb_options_t *o)
{
	rocksdb_options_set_info_log_level(o, 2); /* warnings */
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
                             uint32_t threads, struct error *err)
{
	rocksdb_options_t *o = d->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_merge_operator(
	    o, rocksdb_mergeoperator_create(NULL, merge_destroy, merge_full, merge_partial,
	                                    merge_delete, merge_name));
	rocksdb_options_set_max_background_jobs(o, (int)threads);
	rocksdb_options_set_write_buffer_size(o, 64ull * MIB);
	rocksdb_options_set_max_write_buffer_number(o, 3);
	rocksdb_options_set_target_file_size_base(o, 64ull * MIB);
	rocksdb_options_set_max_bytes_for_level_base(o, 256ull * MIB);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_set_max_open_files(o, 512);
	rocksdb_options_set_bytes_per_sync(o, MIB);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	rocksdb_options_set_bottommost_compression(o, rocksdb_zstd_compression);
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
	if (d->options)
		rocksdb_options_destroy(d->options);
	if (d->cache)
		rocksdb_cache_destroy(d->cache);
	*d = (struct db){0};
}
