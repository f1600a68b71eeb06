/* SPDX-License-Identifier: Apache-2.0 */
/* Journal, writer and store together, on the real disk: what is durable is found, once. */
#include "tests/unit/journal/test_common.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "storage/writer.h"
#include "tests/unit/journal/batch_make.h"
#include "tests/unit/store/temp_dir.h"

struct fixture {
	char dir[256], journal_dir[300], store_dir[300];
	struct journal *journal;
	struct store *store;
	struct store_writer *writer;
	struct batch *batch;
	struct make make;
	struct stored_reading *expected;
	uint32_t expected_count;
	uint64_t errors;
	struct fate_totals totals;
};

static enum result apply(void *context, const struct journal_block *block, struct error *err)
{
	return store_apply(context, block, err);
}

static void open_all(struct fixture *f)
{
	struct error err;
	const struct store_config sc = {
	    .dir = f->store_dir, .run_readings_max = 2000, .run_age_ms = 50,
	    .cache_bytes = 8 << 20, .background_threads = 2};
	const struct journal_config jc = {
	    .dir = f->journal_dir, .segment_bytes = 4 << 20, .segments_spare = 2,
	    .block_bytes_max = 128 << 10, .buffers = 6, .inflight = 2};
	if (store_open(&sc, &f->store, &err) != RESULT_OK ||
	    journal_open(&jc, store_durable_block(f->store), apply, f->store, &f->journal, &err) !=
	        RESULT_OK ||
	    journal_attach(f->journal, &err) != RESULT_OK ||
	    store_writer_start(f->journal, f->journal_dir, f->store, 1, &f->writer, &err) !=
	        RESULT_OK)
		test_failed("%s", err.text);
}

static void close_all(struct fixture *f)
{
	struct error err;
	if (store_writer_stop(f->writer, &err) != RESULT_OK)
		test_failed("%s", err.text);
	journal_close(f->journal);
	store_close(f->store);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	temp_dir_make(f->dir);
	snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
	snprintf(f->store_dir, sizeof f->store_dir, "%s/store", f->dir);
	f->batch = aligned_alloc(64, (sizeof *f->batch + 63) / 64 * 64);
	f->make = (struct make){.random = 7, .devices = 100, .now_ms = 1750000000000};
	f->expected = calloc(200000, sizeof f->expected[0]);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	temp_dir_remove(f->dir);
	free(f->expected);
	free(f->batch);
	free(f);
	return 0;
}

static void expect(struct fixture *f)
{
	for (uint32_t i = 0; i < f->batch->count; i++) {
		const struct reading *r = &f->batch->readings[i];
		f->totals.count[r->fate] += r->fate != FATE_PENDING;
		if (r->fate == FATE_STORED)
			f->expected[f->expected_count++] = make_expected(r);
		f->errors += fate_is_error(r->fate);
	}
}

static void append_batches(struct fixture *f, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		make_batch(&f->make, f->batch, BATCH_READINGS);
		for (uint32_t i = 0; i < f->batch->count; i++) /* each identity once */
			f->batch->readings[i].meter_ts_ms = f->make.now_ms++;
		while (!journal_append(f->journal, f->batch)) {
			journal_wait(f->journal, 1000);
			journal_poll(f->journal);
		}
		expect(f);
		journal_submit(f->journal, false);
		journal_poll(f->journal);
	}
	while (journal_poll(f->journal) < journal_append_block(f->journal)) {
		journal_submit(f->journal, true);
		journal_wait(f->journal, 1000);
	}
}

static bool count_error(void *context, const struct stored_error *e)
{
	(void)e;
	++*(uint64_t *)context;
	return true;
}

static bool count_reading(void *context, const struct stored_reading *r)
{
	(void)r;
	++*(uint64_t *)context;
	return true;
}

static void check_all(struct fixture *f)
{
	struct error err;
	struct stored_reading got;
	struct fate_totals totals;
	uint64_t errors = 0, readings = 0;
	for (uint32_t i = 0; i < f->expected_count; i += 23) {
		const struct stored_reading *e = &f->expected[i];
		assert_int_equal(store_find(f->store, e->device, e->meter_ts_ms, &got, &err),
		                 RESULT_OK);
		assert_true(make_same(&got, e));
	}
	assert_int_equal(store_scan_all(f->store, count_reading, &readings, &err), RESULT_OK);
	assert_int_equal(readings, f->expected_count);
	assert_int_equal(store_scan_errors(f->store, 0, count_error, &errors, &err), RESULT_OK);
	assert_int_equal(errors, f->errors);
	store_totals(f->store, &totals);
	assert_memory_equal(&totals, &f->totals, sizeof totals);
	journal_totals_get(f->journal, &totals);
	assert_memory_equal(&totals, &f->totals, sizeof totals);
}

static void batches_appended_are_visible(void **state)
{
	struct fixture *f = *state;
	open_all(f);
	append_batches(f, 200);
	assert_true(store_writer_wait_visible(f->writer, 0, f->make.stage_seq, 20000));
	assert_false(store_writer_wait_visible(f->writer, 0, f->make.stage_seq + 1, 20));
	assert_false(store_writer_wait_visible(f->writer, 1, 1, 1));
	check_all(f);
	char text[100];
	assert_false(store_writer_failed(f->writer, text, sizeof text));
	assert_string_equal(text, "");
	close_all(f);
}

static void reopening_keeps_all_and_goes_on(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 3; round++) {
		open_all(f);
		f->make.stage_seq = 0;
		check_all(f);
		append_batches(f, 150);
		assert_true(store_writer_wait_visible(f->writer, 0, f->make.stage_seq, 20000));
		check_all(f);
		close_all(f);
	}
}

static void stop_flushes_so_that_nothing_is_replayed(void **state)
{
	struct fixture *f = *state;
	open_all(f);
	append_batches(f, 50);
	uint64_t last = journal_append_block(f->journal);
	close_all(f);
	open_all(f);
	assert_int_equal(store_durable_block(f->store), last);
	check_all(f);
	close_all(f);
}

/* Every write of a file fails until the writer says so. */
static void fail_for_a_while(struct fixture *f)
{
	char text[300] = "";
	struct rlimit before;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	const struct rlimit none = {0, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	bool failed = false;
	for (int i = 0; i < 20000 && !failed; i++) {
		usleep(1000);
		failed = store_writer_failed(f->writer, text, sizeof text);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(failed);
	for (int i = 0; store_writer_failed(f->writer, text, sizeof text); i++) {
		assert_true(i < 30000);
		usleep(1000);
	}
}

/* After which RocksDB is in error for good: it is opened anew, what it had in memory comes from
 * the journal's files, nothing is missing or twice. */
static void disk_that_fails_for_a_while_heals_without_restart(void **state)
{
	struct fixture *f = *state;
	open_all(f);
	append_batches(f, 200);
	assert_true(store_writer_wait_visible(f->writer, 0, f->make.stage_seq, 20000));
	append_batches(f, 50);
	fail_for_a_while(f);
	assert_true(store_writer_catch_up(f->writer, 20000));
	check_all(f);
	append_batches(f, 50);
	assert_true(store_writer_wait_visible(f->writer, 0, f->make.stage_seq, 20000));
	check_all(f);
	close_all(f);
	open_all(f);
	check_all(f);
	close_all(f);
}

static void check_last(struct fixture *f)
{
	struct error err;
	struct stored_reading got;
	const struct stored_reading *last[100] = {0};
	for (uint32_t i = 0; i < f->expected_count; i++) { /* time only rises: see append_batches */
		assert_true(f->expected[i].device < 100);
		last[f->expected[i].device] = &f->expected[i];
	}
	for (uint32_t device = 0; device < 100; device++) {
		if (!last[device])
			continue;
		assert_int_equal(store_last(f->store, device, &got, &err), RESULT_OK);
		assert_true(make_same(&got, last[device]));
	}
}

/* When a device was heard last is written when it changes; what RocksDB lost is written again. */
static void newest_days_lost_by_rocksdb_are_written_again(void **state)
{
	struct fixture *f = *state;
	open_all(f);
	append_batches(f, 20); /* in less than the second until the first flush */
	assert_true(store_writer_wait_visible(f->writer, 0, f->make.stage_seq, 20000));
	usleep(200000); /* a run is written when it is 50 ms old */
	fail_for_a_while(f);
	assert_true(store_writer_catch_up(f->writer, 20000));
	check_last(f);
	close_all(f);
	open_all(f);
	check_last(f);
	close_all(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(batches_appended_are_visible, setup, teardown),
	    cmocka_unit_test_setup_teardown(reopening_keeps_all_and_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(disk_that_fails_for_a_while_heals_without_restart,
	                                    setup, teardown),
	    cmocka_unit_test_setup_teardown(newest_days_lost_by_rocksdb_are_written_again, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(stop_flushes_so_that_nothing_is_replayed, setup,
	                                    teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
