/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

/* Five segments of 1,000 bytes in flight, sent now. */
static struct conn *five(bool sack)
{
	static const uint8_t data[5000];
	h_init();
	h_start();
	h_open(sack);
	assert_true(tcp_send(h.e, h.conn, data, sizeof data));
	h_poll();
	assert_int_equal(h.out_count, 5);
	return h_conn();
}

static void sack(struct conn *c, struct segment *s, uint32_t from, uint32_t to)
{
	struct ack_result r = {0};
	memset(s, 0, sizeof *s);
	s->ack = c->snd_una;
	s->opt.sack_count = 1;
	s->opt.sack[0] = (struct range){h.iss + from, h.iss + to};
	score_sack(h.e, c, s, &r);
}

static uint32_t flags_of(struct conn *c, uint32_t i)
{
	uint32_t n;
	struct sent *s = score_segments(h.e, c, &n);
	assert_true(i < n);
	return s[i].flags;
}

static void score_single_segment_needs_no_extension(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(true);
	assert_true(tcp_send(h.e, h.conn, "ping", 4));
	h_poll();
	struct conn *c = h_conn();
	assert_int_equal(c->ext, NONE);
	assert_int_equal(score_pipe(h.e, c), 4);
	assert_true(tcp_send(h.e, h.conn, "pong", 4));
	h_poll();
	assert_int_not_equal(c->ext, NONE);
	assert_int_equal(score_pipe(h.e, c), 8);
	h_in(ACK, 1, 9, 0, NULL, 0);
	assert_int_equal(c->ext, NONE);
}

static void score_sacked_segments_leave_the_pipe(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	assert_int_equal(score_pipe(h.e, c), 5000);
	sack(c, &s, 1001, 3001);
	assert_int_equal(score_pipe(h.e, c), 3000);
	assert_int_equal(flags_of(c, 1) & SENT_SACKED, SENT_SACKED);
	assert_int_equal(flags_of(c, 2) & SENT_SACKED, SENT_SACKED);
	assert_int_equal(flags_of(c, 0), 0);
	sack(c, &s, 1001, 3001);
	assert_int_equal(score_pipe(h.e, c), 3000);
}

static void score_partial_sack_splits(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	sack(c, &s, 1501, 1601);
	assert_int_equal(score_pipe(h.e, c), 4900);
	assert_int_equal(flags_of(c, 1), 0);
	assert_int_equal(flags_of(c, 2) & SENT_SACKED, SENT_SACKED);
	assert_int_equal(flags_of(c, 3), 0);
	assert_int_equal(score_start(h.e, c, 3) - h.iss, 1601);
}

static void score_without_room_ignores_partial_sack(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	for (uint32_t i = 0; i < 100; i++)
		sack(c, &s, 1100 + 20 * i, 1110 + 20 * i);
	uint32_t n;
	score_segments(h.e, c, &n);
	assert_int_equal(n, SCORE_SEGS);
	/* two more for each block of 10 bytes */
	assert_int_equal(score_pipe(h.e, c), 5000 - (SCORE_SEGS - 5) / 2 * 10);
}

static void score_three_sacked_above_is_a_loss(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	h.now_us += 100000;
	tcp_set_now(h.e, h.now_us);
	uint32_t wait_us;
	sack(c, &s, 1001, 3001);
	assert_false(score_detect(h.e, c, &wait_us));
	assert_in_range(wait_us, 1, 100000); /* RACK waits for reordering */
	sack(c, &s, 3001, 4001);
	assert_true(score_detect(h.e, c, &wait_us));
	assert_int_equal(flags_of(c, 0) & SENT_LOST, SENT_LOST);
	assert_int_equal(score_first_lost(h.e, c), 0);
}

static void score_reordering_window_ends_in_a_loss(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	h.now_us += 100000;
	tcp_set_now(h.e, h.now_us);
	uint32_t wait_us;
	sack(c, &s, 1001, 2001);
	assert_false(score_detect(h.e, c, &wait_us));
	h.now_us += wait_us;
	tcp_set_now(h.e, h.now_us);
	assert_true(score_detect(h.e, c, &wait_us));
}

static void score_blocks_not_in_flight_are_ignored(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	sack(c, &s, 5001, 6001);
	sack(c, &s, 4001, 5002);
	sack(c, &s, 1, 1001);
	sack(c, &s, 3001, 2001);
	sack(c, &s, 2001, 2001);
	assert_int_equal(score_pipe(h.e, c), 5000);
	assert_int_equal(h_counter(COUNTER_TCP_SACK_INVALID), 5);
}

static void score_sacked_head_at_timeout_is_reneging(void **state)
{
	(void)state;
	struct segment s;
	struct conn *c = five(true);
	sack(c, &s, 1001, 3001);
	score_mark_all_lost(h.e, c);
	assert_int_equal(flags_of(c, 1) & SENT_LOST, 0);
	h_in(ACK, 1, 1001, 0, NULL, 0);
	score_mark_all_lost(h.e, c);
	assert_int_equal(h_counter(COUNTER_TCP_SACK_RENEGED), 1);
	assert_int_equal(flags_of(c, 0) & (SENT_SACKED | SENT_LOST), SENT_LOST);
}

static void score_resent_part_splits_the_segment(void **state)
{
	(void)state;
	struct conn *c = five(true);
	score_mark_all_lost(h.e, c);
	score_resent(h.e, c, 1, 400);
	assert_int_equal(flags_of(c, 1), SENT_RETX);
	assert_int_equal(flags_of(c, 2), SENT_LOST);
	assert_int_equal(score_start(h.e, c, 2) - h.iss, 1401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(score_single_segment_needs_no_extension, h_stop),
	    cmocka_unit_test_teardown(score_sacked_segments_leave_the_pipe, h_stop),
	    cmocka_unit_test_teardown(score_partial_sack_splits, h_stop),
	    cmocka_unit_test_teardown(score_without_room_ignores_partial_sack, h_stop),
	    cmocka_unit_test_teardown(score_three_sacked_above_is_a_loss, h_stop),
	    cmocka_unit_test_teardown(score_reordering_window_ends_in_a_loss, h_stop),
	    cmocka_unit_test_teardown(score_blocks_not_in_flight_are_ignored, h_stop),
	    cmocka_unit_test_teardown(score_sacked_head_at_timeout_is_reneging, h_stop),
	    cmocka_unit_test_teardown(score_resent_part_splits_the_segment, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
