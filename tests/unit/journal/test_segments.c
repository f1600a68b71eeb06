/* SPDX-License-Identifier: Apache-2.0 */
/* The helper: segments ahead, used again after release, limits and a full disk. */
#include "tests/unit/journal/sim_journal.h"

static uint32_t segments_on_disk(struct bench *t)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
		count += t->disk.file[i].exists;
	return count;
}

static void read_all(struct bench *t)
{
	struct journal_block b;
	struct error err;
	while (journal_read(t->j, &b, &err) == RESULT_OK)
		;
}

/* Until the active segment is `number`. */
static void write_up_to_segment(struct bench *t, uint64_t number)
{
	while (!t->j->active || t->j->active->number < number)
		write_block(t, 60000);
}

static void spare_segments_are_prepared(void **state)
{
	struct bench *t = *state;
	t->config.segments_spare = 3;
	bench_open(t, 0);
	assert_int_equal(segments_on_disk(t), 3);
	write_block(t, 10);
	journal_helper_step(t->j);
	assert_int_equal(segments_on_disk(t), 4);
}

static void released_segments_are_used_again(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	for (uint64_t n = 2; n < 12; n++) {
		write_up_to_segment(t, n);
		read_all(t);
		journal_release(t->j, journal_poll(t->j));
		journal_helper_step(t->j);
	}
	assert_true(segments_on_disk(t) <= 4);
	uint64_t last = t->j->durable;
	bench_close(t);
	bench_open(t, last);
	assert_int_equal(t->replayed, 0);
	assert_int_equal(t->j->durable, last);
}

static void unreleased_segments_are_kept(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	write_up_to_segment(t, 4);
	read_all(t);
	journal_release(t->j, 3);
	journal_helper_step(t->j);
	assert_non_null(sim_disk_segment(&t->disk, 1));
	bench_close(t);
	bench_open(t, 3);
	assert_int_equal(t->replayed_first, 4);
}

/* All is released, and the active segment has just been changed: the newest block must stay, or
 * the journal would forget its number. */
static void newest_block_never_leaves_the_disk(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	write_up_to_segment(t, 2);
	while (t->j->active->bytes - t->j->cursor >= 64u * 1024)
		write_block(t, 60000);
	uint64_t newest = t->j->durable;
	assert_int_equal(newest, journal_append_block(t->j));
	read_all(t);
	journal_release(t->j, newest);
	assert_true(append_big(t, 60000)); /* opens a block in segment 3, which stays unwritten */
	assert_int_equal(t->j->active->number, 3);
	for (int i = 0; i < 3; i++)
		journal_helper_step(t->j);
	bench_close(t);
	bench_open(t, newest);
	assert_int_equal(t->j->durable, newest);
	write_block(t, 10);
	assert_true(journal_append_block(t->j) > newest);
}

static void bytes_max_pushes_back_until_release(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	t->config.bytes_max = 12u << 20; /* 3 segments */
	bench_open(t, 0);
	uint64_t last = 0;
	for (int i = 0; i < 1000 && append_big(t, 60000); i++) {
		last = journal_append_block(t->j);
		assert_true(poll_until(t, last));
	}
	assert_false(append_big(t, 60000));
	journal_helper_step(t->j);
	assert_int_equal(segments_on_disk(t), 3);
	journal_status_get(t->j, &status);
	assert_true(status.stalled);
	assert_non_null(strstr(status.alarm, "bytes_max"));
	read_all(t);
	journal_release(t->j, last);
	journal_helper_step(t->j);
	assert_true(append_big(t, 60000));
	assert_true(poll_until(t, last + 1));
	journal_status_get(t->j, &status);
	assert_false(status.stalled);
	assert_string_equal(status.alarm, "");
}

static void full_disk_is_tried_again_once_a_second(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	t->disk.fail_prepare = 1;
	bench_open(t, 0);
	assert_false(append_big(t, 10));
	for (int i = 0; i < 100; i++) {
		journal_helper_step(t->j);
		t->disk.now_us += 10000;
	}
	assert_true(t->disk.failures == 1 || t->disk.failures == 2);
	journal_status_get(t->j, &status);
	assert_true(status.stalled);
	assert_non_null(strstr(status.alarm, "No space left"));
	t->disk.fail_prepare = 0;
	t->disk.now_us += 1000000;
	journal_helper_step(t->j);
	assert_true(append_big(t, 10));
	assert_true(poll_until(t, 1));
	journal_status_get(t->j, &status);
	assert_string_equal(status.alarm, "");
}

/* Old segments can't be taken back: the appender gets new ones all the same, at once. */
static void reuse_that_fails_does_not_hold_up_new_segments(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	t->disk.fail_recycle = 1;
	bench_open(t, 0);
	for (uint64_t n = 2; n < 8; n++) {
		while (!t->j->active || t->j->active->number < n) {
			for (int i = 0; !append_big(t, 60000); i++) {
				assert_true(i < 3);
				journal_helper_step(t->j);
			}
			assert_true(poll_until(t, journal_append_block(t->j)));
		}
		read_all(t);
		journal_release(t->j, journal_poll(t->j));
		journal_helper_step(t->j);
		t->disk.now_us += 1000000;
	}
	assert_true(t->disk.failures > 2);
	journal_status_get(t->j, &status);
	assert_non_null(strstr(status.alarm, "reuse"));
	t->disk.fail_recycle = 0;
	t->disk.now_us += 1000000;
	journal_helper_step(t->j);
	journal_status_get(t->j, &status);
	assert_string_equal(status.alarm, "");
	assert_int_equal(status.segments, segments_on_disk(t));
	assert_null(sim_disk_segment(&t->disk, 1));
	uint64_t last = t->j->durable;
	bench_close(t);
	bench_open(t, last);
	assert_int_equal(t->j->durable, last);
}

/* Removed, but the directory was not durable: the second attempt finds nothing to remove. */
static void removal_is_tried_again_until_it_is_durable(void **state)
{
	struct bench *t = *state;
	struct journal_status status;
	bench_open(t, 0);
	write_up_to_segment(t, 4);
	bench_close(t);
	t->config.segment_bytes = 8u << 20; /* the old ones can only be removed */
	bench_open(t, 0);
	write_up_to_segment(t, 6);
	t->disk.fail_remove = 1;
	read_all(t);
	journal_release(t->j, t->j->durable);
	for (int i = 0; i < 8; i++) {
		journal_helper_step(t->j);
		t->disk.now_us += 1000000;
	}
	assert_true(t->disk.failures > 2);
	journal_status_get(t->j, &status);
	assert_non_null(strstr(status.alarm, "reuse"));
	t->disk.fail_remove = 0;
	journal_helper_step(t->j);
	journal_status_get(t->j, &status);
	assert_string_equal(status.alarm, "");
	assert_int_equal(status.segments, segments_on_disk(t));
	assert_null(sim_disk_segment(&t->disk, 1));
}

static void other_segment_size_is_taken_over(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	write_up_to_segment(t, 3);
	uint64_t last = t->j->durable;
	bench_close(t);
	t->config.segment_bytes = 8u << 20;
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, last);
	write_up_to_segment(t, 6);
	read_all(t);
	journal_release(t->j, t->j->durable);
	for (int i = 0; i < 3; i++)
		journal_helper_step(t->j);
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
		if (t->disk.file[i].exists)
			assert_int_equal(t->disk.file[i].bytes, 8u << 20);
	}
}

static void config_out_of_range_is_refused(void **state)
{
	struct bench *t = *state;
	const struct journal_config good = t->config;
	struct error err;
#define REFUSED(field, v)                                                                          \
	do {                                                                                       \
		t->config = good;                                                                  \
		t->config.field = (v);                                                             \
		assert_int_equal(bench_try_open(t, 0, &err), RESULT_INPUT);                        \
		assert_non_null(strstr(err.text, #field));                                         \
	} while (0)
	REFUSED(segment_bytes, 1u << 20);
	REFUSED(segment_bytes, (4u << 20) + 4096);
	REFUSED(block_bytes_max, 64u << 10);
	REFUSED(block_bytes_max, (128u << 10) + 1);
	REFUSED(inflight, 0);
	REFUSED(inflight, 9);
	REFUSED(buffers, 3);
	REFUSED(buffers, 65);
	REFUSED(segments_spare, 0);
	REFUSED(bytes_max, 8u << 20);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    CASE(spare_segments_are_prepared),
	    CASE(released_segments_are_used_again),
	    CASE(unreleased_segments_are_kept),
	    CASE(newest_block_never_leaves_the_disk),
	    CASE(bytes_max_pushes_back_until_release),
	    CASE(full_disk_is_tried_again_once_a_second),
	    CASE(reuse_that_fails_does_not_hold_up_new_segments),
	    CASE(removal_is_tried_again_until_it_is_durable),
	    CASE(other_segment_size_is_taken_over),
	    CASE(config_out_of_range_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
