/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of the disk under RocksDB, injected into its own calls: a write or sync that fails, a
 * short write, no space, a bit that flips on reading. Each is reported as what it is, what is
 * called durable is, and when there is space again the next attempt succeeds without a restart.
 */
#include "tests/unit/journal/test_common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/journal/record.h"
#include "storage/store/store.h"
#include "tests/sim/storage/record_fs.h"
#include "tests/unit/journal/batch_make.h"
#include "tests/unit/store/temp_dir.h"

#define T0   1750000000000
#define ROWS 40u

struct bench {
	char dir[256];
	struct store *store;
	struct batch *batch;
	uint64_t blocks;
	uint32_t first_device; /* of the next block */
	uint32_t found;
};

/* Not to be compressed. */
static int64_t value_of(int64_t block, uint32_t device)
{
	return (int64_t)((uint64_t)(block * 64 + device + 1) * 0x9e3779b97f4a7c15u >> 20);
}

static enum result try_open(struct bench *b, struct error *err)
{
	const struct store_config config = {
	    .dir = b->dir, .run_readings_max = 100000, .run_age_ms = 600000,
	    .cache_bytes = 1 << 20, .background_threads = 2};
	return store_open(&config, &b->store, err);
}

static void open_store(struct bench *b)
{
	struct error err;
	assert_ok(try_open(b, &err), err);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	temp_dir_make(b->dir);
	b->batch = aligned_alloc(64, (sizeof *b->batch + 63) / 64 * 64);
	open_store(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	fault_set(FAULT_NONE, NULL, 0);
	store_close(b->store);
	temp_dir_remove(b->dir);
	free(b->batch);
	free(b);
	return 0;
}

static void apply_block(struct bench *b)
{
	static uint8_t records[128 * 1024];
	uint8_t *end = records;
	struct error err;
	batch_reset(b->batch);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct reading *r = &b->batch->readings[i];
		*r = (struct reading){
		    .device = b->first_device + i,
		    .channel_count = 1,
		    .fate = FATE_STORED,
		    .meter_ts_ms = T0 + (int64_t)b->blocks * 60000,
		    .ts_ms = T0 + (int64_t)b->blocks * 60000,
		    .channel = {1},
		    .value = {value_of((int64_t)b->blocks, b->first_device + i)},
		};
		end = record_put(end, b->batch, i);
	}
	struct journal_block block = {.number = ++b->blocks,
	                              .record_count = ROWS,
	                              .record_bytes = (uint32_t)(end - records),
	                              .records = records};
	block.totals.count[FATE_STORED] = b->blocks * ROWS;
	assert_ok(store_apply(b->store, &block, &err), err);
}

static bool on_row(void *context, const struct stored_reading *r)
{
	struct bench *b = context;
	int64_t block = (r->meter_ts_ms - T0) / 60000;
	assert_int_equal(r->value[0], value_of(block, r->device));
	b->found++;
	return true;
}

static void expect_all(struct bench *b)
{
	struct error err;
	b->found = 0;
	assert_ok(store_scan_all(b->store, on_row, b, &err), err);
	assert_int_equal(b->found, b->blocks * ROWS);
}

/* Block 1 is durable; the flush that carries block 2 fails as it should. */
static void flush_fails(struct bench *b, enum fault_kind kind, int error, enum result expected,
                        const char *words)
{
	struct error err;
	apply_block(b);
	assert_ok(store_flush(b->store, &err), err);
	apply_block(b);
	fault_set(kind, ".sst", error);
	assert_int_equal(store_flush(b->store, &err), expected);
	if (!strstr(err.text, words))
		test_failed("\"%s\" does not say \"%s\"", err.text, words);
	assert_true(fault_count() > 0);
	assert_int_equal(store_durable_block(b->store), 1);
	expect_all(b); /* what is not durable is seen all the same */
	assert_int_not_equal(store_flush(b->store, &err), RESULT_OK);
	assert_int_equal(store_durable_block(b->store), 1);
	fault_set(FAULT_NONE, NULL, 0);
}

static void reopen(struct bench *b)
{
	store_close(b->store);
	open_store(b);
}

/* RocksDB stays in error: opened anew, it has what it called durable, and takes the rest again. */
static void heals_when_opened_anew(struct bench *b)
{
	struct error err;
	assert_int_not_equal(store_flush(b->store, &err), RESULT_OK);
	reopen(b);
	assert_int_equal(store_applied_block(b->store), 1);
	b->blocks = 1;
	apply_block(b);
	assert_ok(store_flush(b->store, &err), err);
	reopen(b);
	assert_int_equal(store_applied_block(b->store), 2);
	expect_all(b);
}

static void failed_write_is_media_trouble_until_opened_anew(void **state)
{
	flush_fails(*state, FAULT_WRITE, EIO, RESULT_MEDIA, "Input/output error");
	heals_when_opened_anew(*state);
}

static void failed_sync_is_media_trouble_until_opened_anew(void **state)
{
	flush_fails(*state, FAULT_SYNC, EIO, RESULT_MEDIA, "Input/output error");
	heals_when_opened_anew(*state);
}

static enum result flush_until_ok(struct bench *b, struct error *err)
{
	enum result r;
	for (int i = 0; (r = store_flush(b->store, err)) != RESULT_OK && i < 600; i++) {
		assert_int_equal(r, RESULT_RESOURCE);
		usleep(100000); /* RocksDB looks every few seconds */
	}
	return r;
}

/* By itself. What it then calls durable is: RocksDB's own word for it is not enough. */
static void full_disk_is_want_of_space_and_heals(void **state)
{
	struct bench *b = *state;
	struct error err;
	flush_fails(b, FAULT_WRITE, ENOSPC, RESULT_RESOURCE, "No space");
	apply_block(b);
	assert_ok(flush_until_ok(b, &err), err);
	assert_int_equal(store_durable_block(b->store), 3);
	reopen(b);
	assert_int_equal(store_applied_block(b->store), 3);
	expect_all(b);
}

/* A run that RocksDB refused is written with all that belongs to it when it is repeated. */
static void devices_of_a_refused_run_have_their_newest_days(void **state)
{
	struct bench *b = *state;
	struct error err;
	struct stored_reading got;
	flush_fails(b, FAULT_WRITE, ENOSPC, RESULT_RESOURCE, "No space");
	b->first_device = 5000; /* nobody near it was heard before */
	apply_block(b);
	assert_int_equal(store_write_run(b->store, true, &err), RESULT_RESOURCE);
	assert_non_null(strstr(err.text, "write a run"));
	assert_ok(flush_until_ok(b, &err), err);
	reopen(b);
	expect_all(b);
	assert_ok(store_last(b->store, b->first_device, &got, &err), err);
}

static void short_writes_are_completed(void **state)
{
	struct bench *b = *state;
	struct error err;
	fault_set(FAULT_SHORT_WRITE, ".sst", 0);
	apply_block(b);
	assert_ok(store_flush(b->store, &err), err);
	assert_true(fault_count() > 0);
	fault_set(FAULT_NONE, NULL, 0);
	store_close(b->store);
	open_store(b);
	expect_all(b);
}

static void flipped_bit_on_reading_is_reported_never_shown(void **state)
{
	struct bench *b = *state;
	struct error err;
	while (b->blocks < 1500) /* several blocks of the table */
		apply_block(b);
	assert_ok(store_flush(b->store, &err), err);
	store_close(b->store);
	fault_set(FAULT_READ_FLIP, ".sst", 0);
	enum result r = try_open(b, &err);
	if (r == RESULT_OK) { /* opening may read all there is, or little of it */
		r = store_scan_all(b->store, on_row, b, &err);
		store_close(b->store);
	}
	assert_true(fault_count() > 0);
	assert_int_equal(r, RESULT_MEDIA);
	fault_set(FAULT_NONE, NULL, 0);
	open_store(b);
	expect_all(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    CASE(failed_write_is_media_trouble_until_opened_anew),
	    CASE(failed_sync_is_media_trouble_until_opened_anew),
	    CASE(full_disk_is_want_of_space_and_heals),
	    CASE(devices_of_a_refused_run_have_their_newest_days),
	    CASE(short_writes_are_completed),
	    CASE(flipped_bit_on_reading_is_reported_never_shown),
#undef CASE
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
