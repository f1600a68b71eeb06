/* SPDX-License-Identifier: Apache-2.0 */
/* Appending: group commit, durable order, what a failing disk does. */
#include "tests/unit/journal/sim_journal.h"

static void first_append_is_written_at_once(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	assert_true(append_big(t, 10));
	assert_int_equal(t->disk.write_count, 0);
	journal_submit(t->j, false);
	assert_int_equal(t->disk.write_count, 1);
	assert_int_equal(journal_append_block(t->j), 1);
	assert_true(poll_until(t, 1));
}

static void appends_gather_while_a_write_is_under_way(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	t->disk.stuck = true;
	assert_true(append_big(t, 10));
	journal_submit(t->j, false);
	for (int i = 0; i < 5; i++) {
		assert_true(append_big(t, 10));
		assert_int_equal(journal_append_block(t->j), 2);
		journal_submit(t->j, false);
	}
	assert_int_equal(t->disk.write_count, 1);
	t->disk.stuck = false;
	while (journal_poll(t->j) < 1)
		;
	journal_submit(t->j, false); /* a write ended: now the second one goes */
	assert_int_equal(t->disk.write_count, 1);
	assert_true(poll_until(t, 2));
}

static void half_full_block_is_written_beside_another(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	t->disk.stuck = true;
	assert_true(append_big(t, 10));
	journal_submit(t->j, false);
	assert_true(append_big(t, 60000));
	journal_submit(t->j, false);
	assert_int_equal(t->disk.write_count, 1);
	assert_true(append_big(t, 10000));
	journal_submit(t->j, false);
	assert_int_equal(t->disk.write_count, 2);
}

static void flush_skips_the_rule_but_not_the_queue_depth(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	t->disk.stuck = true;
	for (uint64_t n = 1; n <= 4; n++) {
		assert_true(append_big(t, 10));
		journal_submit(t->j, true);
		assert_int_equal(t->disk.write_count, n < 2 ? n : 2);
	}
	assert_int_equal(journal_append_block(t->j), 3);
	assert_int_equal(journal_poll(t->j), 0);
}

static void stuck_disk_pushes_back_and_loses_nothing(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	t->disk.stuck = true;
	uint64_t taken = 0;
	while (append_big(t, 50000)) {
		taken++;
		journal_submit(t->j, false);
		assert_true(taken < 100);
	}
	/* 6 buffers, two such records a block, but the first went out with one */
	assert_int_equal(taken, 6 * 2 - 1);
	assert_false(append_big(t, 50000));
	t->disk.stuck = false;
	assert_true(poll_until(t, 6));
	struct fate_totals totals;
	journal_totals_get(t->j, &totals);
	assert_int_equal(totals.count[FATE_REJECT_PAYLOAD], taken);
	assert_true(append_big(t, 50000));
}

static void duplicates_alone_make_a_block(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	big_batch(t, 10);
	t->batch->readings[0].fate = FATE_DUPLICATE;
	assert_true(journal_append(t->j, t->batch));
	assert_true(poll_until(t, 1));
	struct journal_block b;
	struct error err;
	assert_ok(journal_read(t->j, &b, &err), err);
	assert_int_equal(b.record_count, 0);
	assert_int_equal(b.totals.count[FATE_DUPLICATE], 1);
	assert_int_equal(b.stage_seq[0], 1);
}

static void pending_readings_count_nowhere_but_their_batch_is_seen(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	big_batch(t, 10);
	t->batch->readings[0].fate = FATE_PENDING;
	t->batch->stage = 3;
	t->batch->stage_seq = 77;
	assert_true(journal_append(t->j, t->batch));
	assert_true(poll_until(t, 1));
	struct journal_block b;
	struct error err;
	assert_ok(journal_read(t->j, &b, &err), err);
	assert_int_equal(b.record_count, 0);
	assert_int_equal(b.stage_seq[3], 77);
	for (int i = 0; i < FATE_COUNT; i++)
		assert_int_equal(b.totals.count[i], 0);
}

/* Out of order: whatever order the writes end in, durable never runs ahead of a hole. */
static void durability_is_reported_in_order(void **state)
{
	struct bench *t = *state;
	t->config.inflight = 8;
	t->config.buffers = 12;
	bench_open(t, 0);
	bool hole_seen = false;
	for (int round = 0; round < 300; round++) {
		if (append_big(t, 1000))
			journal_submit(t->j, true);
		uint64_t durable = journal_poll(t->j);
		for (uint32_t i = 0; i < t->disk.write_count; i++) {
			uint64_t number = t->j->buffers[t->disk.write[i].tag].header.number;
			assert_true(number > durable);
			hole_seen |= number + 1 < t->j->next - 1 &&
			             t->j->inflight < t->j->next - 1 - durable;
		}
		journal_helper_step(t->j);
	}
	assert_true(hole_seen);
}

static void failed_write_is_repeated_until_it_succeeds(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	bench_open(t, 0);
	t->disk.fail_write = 1; /* always */
	assert_true(append_big(t, 100));
	assert_false(poll_until(t, 1));
	journal_status_get(t->j, &status);
	assert_true(status.stalled);
	assert_non_null(strstr(status.alarm, "segment 1: write: "));
	assert_true(t->disk.failures > 2); /* it went on trying ... */
	assert_true(t->disk.failures < 200); /* ... with pauses */
	t->disk.fail_write = 0;
	assert_true(poll_until(t, 1));
	journal_status_get(t->j, &status);
	assert_false(status.stalled);
	assert_string_equal(status.alarm, "");
	assert_int_equal(status.durable_block, 1);
}

static void short_write_is_not_durable(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	bench_open(t, 0);
	t->disk.short_write = 1;
	assert_true(append_big(t, 50000));
	assert_false(poll_until(t, 1));
	journal_status_get(t->j, &status);
	assert_non_null(strstr(status.alarm, "ended early"));
	t->disk.short_write = 0;
	assert_true(poll_until(t, 1));
}

/* Block 1 fails while block 2 succeeds: 2 must wait for 1. */
static void later_block_waits_for_a_failed_one(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	t->disk.stuck = true;
	assert_true(append_big(t, 100));
	journal_submit(t->j, true);
	assert_true(append_big(t, 100));
	journal_submit(t->j, true);
	assert_int_equal(t->disk.write_count, 2);
	/* fail the first by hand */
	struct sim_write second = t->disk.write[1];
	t->disk.write_count = 1;
	t->disk.stuck = false;
	t->disk.fail_write = 1;
	while (t->disk.write_count > 0)
		journal_poll(t->j);
	t->disk.fail_write = 0;
	t->disk.write[0] = second;
	t->disk.write_count = 1;
	uint64_t before = t->disk.writes_done;
	for (int i = 0; i < 10000 && t->disk.writes_done == before; i++)
		assert_true(journal_poll(t->j) == 0 || t->disk.writes_done > before + 1);
	assert_true(poll_until(t, 2));
}

static void status_shows_what_was_written(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	bench_open(t, 0);
	for (int i = 0; i < 5; i++)
		write_block(t, 100);
	journal_status_get(t->j, &status);
	assert_int_equal(status.durable_block, 5);
	assert_int_equal(status.blocks_written, 5);
	assert_int_equal(status.bytes_written, 5 * BLOCK_ALIGN);
	assert_int_equal(status.inflight, 0);
	assert_int_equal(histogram_count(status.write_us), 5);
	assert_false(status.stalled);
	assert_false(journal_wait(t->j, 1000));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    CASE(first_append_is_written_at_once),
	    CASE(appends_gather_while_a_write_is_under_way),
	    CASE(half_full_block_is_written_beside_another),
	    CASE(flush_skips_the_rule_but_not_the_queue_depth),
	    CASE(stuck_disk_pushes_back_and_loses_nothing),
	    CASE(duplicates_alone_make_a_block),
	    CASE(pending_readings_count_nowhere_but_their_batch_is_seen),
	    CASE(durability_is_reported_in_order),
	    CASE(failed_write_is_repeated_until_it_succeeds),
	    CASE(short_write_is_not_durable),
	    CASE(later_block_waits_for_a_failed_one),
	    CASE(status_shows_what_was_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
