/* SPDX-License-Identifier: Apache-2.0 */
/* Reading back: from memory or from the file, always in order, and never in the way of appends. */
#include "tests/unit/journal/sim_journal.h"

#include "storage/journal/record.h"

/* The next block holds one batch of big_batch(), the `n`-th one made. */
static void expect_block(struct bench *t, uint64_t number, uint8_t fill)
{
	struct journal_block b;
	struct error err;
	struct record record;
	assert_ok(journal_read(t->j, &b, &err), err);
	assert_int_equal(b.number, number);
	const uint8_t *at = b.records;
	assert_int_equal(record_get(&at, at + b.record_bytes, &record), RECORD_ERROR);
	assert_int_equal(record.error.raw[0], fill);
	assert_int_equal(b.stage_seq[0], number);
}

static void nothing_durable_is_absent(void **state)
{
	struct bench *t = *state;
	struct journal_block b;
	struct error err;
	bench_open(t, 0);
	assert_int_equal(journal_read(t->j, &b, &err), RESULT_ABSENT);
	t->disk.stuck = true;
	assert_true(append_big(t, 10));
	journal_submit(t->j, true);
	journal_poll(t->j);
	assert_int_equal(journal_read(t->j, &b, &err), RESULT_ABSENT);
}

static void block_comes_from_memory_when_reader_keeps_up(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	for (uint8_t n = 1; n < 100; n++) {
		write_block(t, 5000);
		/* proves it: what lies on the disk is not what is shown */
		memset(sim_disk_segment(&t->disk, 1)->data, 0, 4u << 20);
		expect_block(t, n, n);
	}
}

static void slow_reader_gets_all_from_the_file_and_stalls_nothing(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	for (int n = 1; n < 200; n++)
		write_block(t, 60000); /* over several segments */
	assert_true(t->j->active->number > 2);
	for (int n = 1; n < 200; n++)
		expect_block(t, (uint64_t)n, (uint8_t)n);
	struct journal_block b;
	struct error err;
	assert_int_equal(journal_read(t->j, &b, &err), RESULT_ABSENT);
}

static void pinned_block_stays_while_appends_go_on(void **state)
{
	struct bench *t = *state;
	struct journal_block b;
	struct error err;
	t->config.buffers = 4; /* inflight + 2, the least */
	bench_open(t, 0);
	write_block(t, 40000);
	assert_ok(journal_read(t->j, &b, &err), err);
	uint8_t *copy = malloc(b.record_bytes);
	memcpy(copy, b.records, b.record_bytes);
	for (int n = 0; n < 50; n++)
		write_block(t, 50000);
	assert_memory_equal(copy, b.records, b.record_bytes);
	free(copy);
	expect_block(t, 2, 2);
}

static void damaged_file_is_media_when_memory_is_gone(void **state)
{
	struct bench *t = *state;
	struct journal_block b;
	struct error err;
	bench_open(t, 0);
	for (int n = 0; n < 20; n++)
		write_block(t, 5000);
	sim_disk_segment(&t->disk, 1)->data[1500] ^= 1;
	assert_int_equal(journal_read(t->j, &b, &err), RESULT_MEDIA);
	assert_non_null(strstr(err.text, "block 1 "));
	sim_disk_segment(&t->disk, 1)->data[1500] ^= 1;
	expect_block(t, 1, 1); /* once the disk is well again, it goes on */
}

static void reading_goes_on_after_reopening(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	write_block(t, 10);
	write_block(t, 10);
	bench_close(t);
	bench_open(t, 0);
	assert_int_equal(t->replayed, 2);
	for (int n = 0; n < 20; n++)
		write_block(t, 10);
	for (uint64_t n = 3; n < 23; n++)
		expect_block(t, n, (uint8_t)n);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    CASE(nothing_durable_is_absent),
	    CASE(block_comes_from_memory_when_reader_keeps_up),
	    CASE(slow_reader_gets_all_from_the_file_and_stalls_nothing),
	    CASE(pinned_block_stays_while_appends_go_on),
	    CASE(damaged_file_is_media_when_memory_is_gone),
	    CASE(reading_goes_on_after_reopening),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
