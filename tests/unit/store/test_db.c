/* SPDX-License-Identifier: Apache-2.0 */
/* The merge operator on damaged pages: an error when read and flushed, never the process's end. */
#include "tests/unit/journal/test_common.h"

#include <stdio.h>
#include <string.h>

#include "storage/store/db.h"
#include "storage/store/keys.h"
#include "storage/store/store.h"
#include "tests/unit/store/temp_dir.h"

static const char garbage[] = "this is not a page";

typedef char *full_merge_fn(void *, const char *, size_t, const char *, size_t,
                            const char *const *, const size_t *, int, unsigned char *, size_t *);
typedef char *partial_merge_fn(void *, const char *, size_t, const char *const *, const size_t *,
                               int, unsigned char *, size_t *);

/* What the store gives to RocksDB, seen on its way. */
static full_merge_fn *full_merge;
static partial_merge_fn *partial_merge;

rocksdb_mergeoperator_t *__real_rocksdb_mergeoperator_create(
    void *state, void (*destroy)(void *), full_merge_fn *full, partial_merge_fn *partial,
    void (*delete_value)(void *, const char *, size_t), const char *(*name)(void *));
rocksdb_mergeoperator_t *__wrap_rocksdb_mergeoperator_create(
    void *state, void (*destroy)(void *), full_merge_fn *full, partial_merge_fn *partial,
    void (*delete_value)(void *, const char *, size_t), const char *(*name)(void *));
rocksdb_mergeoperator_t *__wrap_rocksdb_mergeoperator_create(
    void *state, void (*destroy)(void *), full_merge_fn *full, partial_merge_fn *partial,
    void (*delete_value)(void *, const char *, size_t), const char *(*name)(void *))
{
	full_merge = full;
	partial_merge = partial;
	return __real_rocksdb_mergeoperator_create(state, destroy, full, partial, delete_value,
	                                           name);
}

struct fixture {
	char dir[256], store_dir[300], readings[320];
	struct db db;
	struct merge_state merge;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct error err;
	temp_dir_make(f->dir);
	snprintf(f->store_dir, sizeof f->store_dir, "%s/store", f->dir);
	snprintf(f->readings, sizeof f->readings, "%s/readings", f->store_dir);
	assert_int_equal(mkdir(f->store_dir, 0700), 0);
	assert_ok(db_open_readings(&f->db, f->readings, 8 << 20, 2, &f->merge, &err), err);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	db_close(&f->db);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static void put(struct fixture *f, const uint8_t *key, size_t bytes)
{
	char *message = NULL;
	rocksdb_put(f->db.db, f->db.write, (const char *)key, bytes, garbage, sizeof garbage,
	            &message);
	assert_null(message);
}

static void merge(struct fixture *f, const uint8_t *key, size_t bytes)
{
	char *message = NULL;
	rocksdb_merge(f->db.db, f->db.write, (const char *)key, bytes, garbage, sizeof garbage,
	              &message);
	assert_null(message);
}

static enum result get(struct fixture *f, const uint8_t *key, size_t bytes, struct error *err)
{
	char *message = NULL;
	size_t count;
	char *value = rocksdb_get(f->db.db, f->db.read, (const char *)key, bytes, &count, &message);
	rocksdb_free(value);
	return message ? db_failed("read", message, err) : RESULT_OK;
}

static char *flush(struct fixture *f)
{
	char *message = NULL;
	rocksdb_flush(f->db.db, f->db.flush, &message);
	return message;
}

/* RocksDB's wrapper copies *new_bytes bytes of the result without having set it before. */
static void merge_that_fails_gives_no_bytes(void **state)
{
	(void)state;
	uint8_t key[KEY_BYTES_MAX];
	struct merge_state merge = {0};
	const char *operands[2] = {garbage, garbage};
	const size_t sizes[2] = {sizeof garbage, sizeof garbage};
	for (int bad_key = 0; bad_key < 2; bad_key++) {
		size_t key_bytes = key_page(key, 20000, 3) - (size_t)bad_key, bytes = SIZE_MAX;
		unsigned char success = 1;
		assert_null(full_merge(&merge, (char *)key, key_bytes, garbage, sizeof garbage,
		                       operands, sizes, 2, &success, &bytes));
		assert_int_equal(success, 0);
		assert_int_equal(bytes, 0);
		bytes = SIZE_MAX;
		success = 1;
		assert_null(partial_merge(&merge, (char *)key, key_bytes, operands, sizes, 2,
		                          &success, &bytes));
		assert_int_equal(success, 0);
		assert_int_equal(bytes, 0);
	}
}

/* Two operands and nothing below: a partial merge, which may be left undone. */
static void garbage_operands_are_media_when_read(void **state)
{
	struct fixture *f = *state;
	struct error err;
	uint8_t key[KEY_BYTES_MAX];
	size_t bytes = key_page(key, 20000, 3);
	merge(f, key, bytes);
	merge(f, key, bytes);
	assert_int_equal(get(f, key, bytes, &err), RESULT_MEDIA);
	rocksdb_free(flush(f));
	assert_int_equal(get(f, key, bytes, &err), RESULT_MEDIA);
}

/* A value below: the flush itself must merge, and says that it can't. */
static void garbage_under_a_value_fails_the_flush(void **state)
{
	struct fixture *f = *state;
	struct error err;
	uint8_t key[KEY_BYTES_MAX];
	size_t bytes = key_page(key, 20000, 3);
	put(f, key, bytes);
	merge(f, key, bytes);
	assert_int_equal(get(f, key, bytes, &err), RESULT_MEDIA);
	char *message = flush(f);
	assert_non_null(message);
	assert_int_equal(db_failed("flush", message, &err), RESULT_MEDIA);
}

static void store_over_garbage_pages_says_media(void **state)
{
	struct fixture *f = *state;
	struct error err;
	struct store *store;
	struct stored_reading reading;
	uint8_t key[KEY_BYTES_MAX];
	for (uint32_t i = 0; i < 2; i++)
		merge(f, key, key_page(key, 20000, 3));
	rocksdb_free(flush(f));
	db_close(&f->db);
	const struct store_config config = {.dir = f->store_dir, .run_readings_max = 300,
	                                    .run_age_ms = 60000, .cache_bytes = 8 << 20,
	                                    .background_threads = 2};
	assert_ok(store_open(&config, &store, &err), err);
	assert_int_equal(store_find(store, 3 * PAGE_DEVICES, 20000 * DAY_MS, &reading, &err),
	                 RESULT_MEDIA);
	store_close(store);
}

static void damaged_newest_days_refuse_to_open(void **state)
{
	struct fixture *f = *state;
	struct error err;
	struct store *store;
	uint8_t key[KEY_BYTES_MAX];
	const struct store_config config = {.dir = f->store_dir, .run_readings_max = 300,
	                                    .run_age_ms = 60000, .cache_bytes = 8 << 20,
	                                    .background_threads = 2};
	db_close(&f->db);
	assert_ok(store_open(&config, &store, &err), err);
	store_close(store);
	assert_ok(db_open_readings(&f->db, f->readings, 8 << 20, 2, &f->merge, &err), err);
	put(f, key, key_newest(key, 3));
	rocksdb_free(flush(f));
	db_close(&f->db);
	assert_int_equal(store_open(&config, &store, &err), RESULT_MEDIA);
	assert_non_null(strstr(err.text, "devices 3072 to 4095 are damaged"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(merge_that_fails_gives_no_bytes),
	    CASE(garbage_operands_are_media_when_read),
	    CASE(garbage_under_a_value_fails_the_flush),
	    CASE(store_over_garbage_pages_says_media),
	    CASE(damaged_newest_days_refuse_to_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
