/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer when the store fails: what is due is tried again, blocks are applied until the store
 * is full, and RocksDB is opened anew when the disk takes writes. A write that takes long does
 * not keep blocks from being applied.
 *
 * Store and journal are played by this file: the journal has a block whenever it is asked.
 */
#include "tests/unit/journal/test_common.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/journal/inspect.h"
#include "storage/writer.h"

#define FULL 50u /* blocks that are applied and not written */

static _Atomic uint64_t blocks_read, blocks_applied, blocks_written, writes_tried, flushes;
static _Atomic bool write_hangs;
static _Atomic uint64_t blocks_there; /* the journal has so many */
static _Atomic enum result write_result, flush_result;
static _Atomic uint64_t released;

static _Atomic uint64_t probes, reopened, reopen_failures;
static _Atomic enum result probe_result;

enum result store_probe(struct store *s, struct error *err)
{
	(void)s;
	probes++;
	enum result r = probe_result;
	return r == RESULT_OK ? r : fail(r, err, "store: probe: injected");
}

enum result store_reopen(struct store *s, store_replay_fn *replay, store_again_fn *again,
                         void *context, struct error *err)
{
	(void)s;
	(void)replay; /* needs real files: test_writer.c */
	while (reopen_failures > 0) {
		reopen_failures--;
		fail(RESULT_MEDIA, err, "store: reopen: injected");
		if (!again(context, RESULT_MEDIA, err))
			return RESULT_MEDIA;
	}
	write_result = flush_result = RESULT_OK;
	reopened++;
	return RESULT_OK;
}

enum result journal_inspect_open(const char *dir, struct journal_inspect **out,
                                 struct error *err)
{
	(void)dir;
	(void)out;
	return fail(RESULT_ABSENT, err, "no files here");
}

void journal_inspect_close(struct journal_inspect *in)
{
	(void)in;
}

void journal_inspect_seek(struct journal_inspect *in, uint64_t number)
{
	(void)in;
	(void)number;
}

enum result journal_inspect_next(struct journal_inspect *in, struct inspect_found *found,
                                 struct error *err)
{
	(void)in;
	(void)found;
	return fail(RESULT_ABSENT, err, "no files here");
}

enum result journal_read(struct journal *j, struct journal_block *block, struct error *err)
{
	(void)j;
	if (blocks_read >= blocks_there)
		return RESULT_ABSENT;
	(void)err;
	*block = (struct journal_block){.number = ++blocks_read};
	block->stage_seq[0] = blocks_read;
	return RESULT_OK;
}

void journal_release(struct journal *j, uint64_t block)
{
	(void)j;
	released = block;
}

void journal_status_get(const struct journal *j, struct journal_status *status)
{
	(void)j;
	*status = (struct journal_status){.durable_block = blocks_there};
}

enum result store_apply(struct store *s, const struct journal_block *block, struct error *err)
{
	(void)s;
	(void)err;
	assert_int_equal(block->number, blocks_applied + 1);
	blocks_applied++;
	return RESULT_OK;
}

bool store_is_full(struct store *s)
{
	(void)s;
	return blocks_applied - blocks_written >= FULL;
}

enum result store_write_run(struct store *s, bool force, struct error *err)
{
	(void)s;
	(void)force;
	writes_tried++;
	while (write_hangs)
		usleep(1000);
	enum result r = write_result;
	if (r == RESULT_OK)
		blocks_written = (uint64_t)blocks_applied;
	return r == RESULT_OK ? r : fail(r, err, "store: write a run: injected");
}

enum result store_flush(struct store *s, struct error *err)
{
	(void)s;
	enum result r = flush_result;
	flushes++;
	return r == RESULT_OK ? r : fail(r, err, "store: flush: injected");
}

uint64_t store_durable_block(const struct store *s)
{
	(void)s;
	return blocks_written;
}

uint64_t store_applied_block(const struct store *s)
{
	(void)s;
	return blocks_applied;
}

static struct store_writer *start(void)
{
	struct store_writer *w;
	struct error err;
	int nothing; /* the fakes don't look at them */
	blocks_read = blocks_applied = blocks_written = writes_tried = flushes = released = 0;
	write_hangs = false;
	write_result = flush_result = RESULT_OK;
	blocks_there = 10;
	probes = reopened = reopen_failures = 0;
	probe_result = RESULT_OK;
	assert_ok(store_writer_start((struct journal *)&nothing, "", (struct store *)&nothing, 1,
	                             &w,
	                             &err),
	          err);
	assert_true(store_writer_wait_visible(w, 0, 10, 5000));
	return w;
}

static void wait_failed(struct store_writer *w, bool failed)
{
	char text[300];
	for (int i = 0; store_writer_failed(w, text, sizeof text) != failed; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
}

static void stop(struct store_writer *w, enum result expected)
{
	struct error err;
	assert_int_equal(store_writer_stop(w, &err), expected);
}

static void wait_above(const _Atomic uint64_t *rising, uint64_t least)
{
	for (int i = 0; *rising <= least; i++) {
		assert_true(i < 20000);
		usleep(1000);
	}
}

static void run_that_fails_is_retried_and_the_store_fills_up(void **state)
{
	(void)state;
	struct store_writer *w = start();
	probe_result = RESULT_RESOURCE;
	write_result = RESULT_MEDIA;
	wait_failed(w, true);
	uint64_t tried = writes_tried;
	blocks_there = 1000;
	wait_above(&blocks_applied, FULL - 1);
	wait_above(&writes_tried, tried + 1);
	assert_true(blocks_applied <= FULL + 10);
	assert_true(blocks_read <= FULL + 11);
	write_result = RESULT_OK;
	assert_true(store_writer_wait_visible(w, 0, 1000, 20000));
	wait_failed(w, false);
	stop(w, RESULT_OK);
	assert_int_equal(released, 1000);
}

static void flush_that_fails_is_retried_and_nothing_released(void **state)
{
	(void)state;
	struct store_writer *w = start();
	probe_result = RESULT_RESOURCE;
	flush_result = RESULT_MEDIA;
	wait_failed(w, true); /* after flush_s */
	uint64_t tried = flushes;
	wait_above(&flushes, tried);
	stop(w, RESULT_MEDIA);
	assert_true(released <= 10);
}

static void long_write_keeps_nothing_from_being_visible(void **state)
{
	(void)state;
	struct store_writer *w = start();
	write_hangs = true;
	uint64_t tried = writes_tried;
	wait_above(&writes_tried, tried);
	blocks_there = FULL;
	assert_true(store_writer_catch_up(w, 20000));
	assert_int_equal(blocks_applied, FULL);
	blocks_there = 10 * FULL;
	assert_false(store_writer_catch_up(w, 50)); /* but it does not grow for ever */
	assert_true(blocks_applied <= FULL + 10);
	write_hangs = false;
	assert_true(store_writer_catch_up(w, 20000));
	stop(w, RESULT_OK);
}

/* The fakes of what heals: the probe says whether the disk takes writes; opening anew ends the
 * trouble, after the journal's blocks came again. */
static void failing_store_is_reopened_when_the_disk_takes_writes(void **state)
{
	(void)state;
	char text[300];
	struct store_writer *w = start();
	probe_result = RESULT_RESOURCE;
	write_result = RESULT_MEDIA;
	wait_failed(w, true);
	assert_true(store_writer_failed(w, text, sizeof text));
	assert_string_equal(text, "store: write a run: injected");
	wait_above(&probes, 1);
	assert_int_equal(reopened, 0);
	probe_result = RESULT_OK;
	wait_failed(w, false);
	assert_int_equal(reopened, 1);
	assert_false(store_writer_failed(w, text, sizeof text));
	assert_string_equal(text, "");
	blocks_there = 20;
	assert_true(store_writer_catch_up(w, 20000));
	stop(w, RESULT_OK);
}

static void reopening_that_fails_is_tried_again(void **state)
{
	(void)state;
	struct store_writer *w = start();
	reopen_failures = 2;
	write_result = RESULT_MEDIA;
	wait_above(&reopened, 0);
	wait_failed(w, false);
	assert_int_equal(reopen_failures, 0);
	stop(w, RESULT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(run_that_fails_is_retried_and_the_store_fills_up),
	    cmocka_unit_test(flush_that_fails_is_retried_and_nothing_released),
	    cmocka_unit_test(long_write_keeps_nothing_from_being_visible),
	    cmocka_unit_test(failing_store_is_reopened_when_the_disk_takes_writes),
	    cmocka_unit_test(reopening_that_fails_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
