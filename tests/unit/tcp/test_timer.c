/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const uint8_t data[4000];

static void open_conn(bool sack)
{
	h_init();
	h_start();
	h_open(sack);
}

static void timer_idle_connection_has_none(void **state)
{
	(void)state;
	open_conn(true);
	assert_true(tcp_next_timer_us(h.e) == UINT64_MAX);
	assert_int_equal(h.e->wheel.armed, 0);
}

static void timer_next_is_the_earliest_deadline(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 10));
	h_poll();
	/* possibly earlier, when the wheel has to move the node down */
	assert_in_range(tcp_next_timer_us(h.e), h.now_us, h.now_us + 1010000);
	h_in(ACK, 1, 1, 10, NULL, 0); /* a delayed ACK comes first */
	assert_in_range(tcp_next_timer_us(h.e), h.now_us, h.now_us + 41000);
}

static void timer_later_deadline_is_rechecked_not_rearmed(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 10));
	h_poll();
	uint32_t armed_for = h_conn()->timer.deadline;
	for (uint32_t i = 0; i < 5; i++) {
		h.now_us += 100000;
		h_in(ACK, 1, 11 + 10 * i, 0, NULL, 0);
		assert_true(tcp_send(h.e, h.conn, data, 10));
		h_poll();
		assert_int_equal(h_conn()->timer.deadline, armed_for);
	}
	h_pass(700000); /* past the old one: nothing is retransmitted */
	assert_int_equal(h.out_count, 0);
	h_pass(400000);
	assert_int_equal(h.out_count, 1);
}

static void timer_backoff_doubles_to_120_s(void **state)
{
	(void)state;
	open_conn(false);
	struct conn *c = h_conn();
	uint32_t before = rto_us(c);
	for (c->backoff = 1; c->backoff <= 7; c->backoff++)
		assert_int_equal(rto_us(c), min_u32(before << c->backoff, 120000000));
	c->backoff = 0;
}

static void timer_thousands_due_at_once_are_spread_over_polls(void **state)
{
	(void)state;
	h_init();
	h.config.conns_max = 3000;
	h.config.syn_cache_max = 4;
	h.config.first_data_timeout_ms = 1000;
	h_start();
	for (uint32_t i = 0; i < 3000; i++) {
		h.port = (uint16_t)(2000 + i);
		h_in(SYN, 0, 0, 0, NULL, 0);
		h_in(ACK, 1, 1, 0, NULL, 0);
	}
	assert_int_equal(h.accepted, 3000);
	h.now_us += 2000000;
	tcp_set_now(h.e, h.now_us);
	for (uint32_t polls = 0; h.e->conn_count > 0; polls++) {
		uint32_t before = h.closed;
		h.out_count = 0;
		tcp_run_timers(h.e, 100);
		assert_true(h.closed - before <= 100);
		assert_true(polls < 200);
	}
}

static void timer_first_data_ends_the_deadline(void **state)
{
	(void)state;
	h_init();
	h.config.first_data_timeout_ms = 1000;
	h_start();
	h_open(false);
	h_in(ACK, 1, 1, 1, NULL, 0);
	h_pass(5000000);
	assert_int_equal(h.closed, 0);
}

static void timer_orphan_without_progress_is_reset(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 10));
	tcp_close(h.e, h.conn);
	h_poll();
	for (uint32_t i = 0; i < 400 && h.closed == 0; i++) {
		/* acknowledges nothing, but lives */
		h.now_us += 1000000;
		h_in(ACK, 1, 1, 0, NULL, 0);
	}
	assert_int_equal(h.closed, 1);
	assert_int_equal(h.reason, TCP_CLOSED_TIMEOUT);
	assert_int_equal(h_counter(COUNTER_TCP_GIVEN_UP), 1);
}

/* Its window is shut, and it answers each probe: alive, but the application has gone. */
static void timer_orphan_with_a_shut_window_is_reset(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 10));
	tcp_close(h.e, h.conn);
	h_conn()->snd_wnd = 0;
	h_poll();
	for (uint32_t i = 0; i < 400 && h.closed == 0; i++) {
		h_pass(1000000);
		if (h.closed == 0)
			h_conn()->rtx_since = 0; /* as an answer with a window of 0 does */
	}
	assert_int_equal(h_counter(COUNTER_TCP_ORPHAN_TIMEOUT), 1);
	assert_int_equal(h.reason, TCP_CLOSED_TIMEOUT);
}

static const uint8_t many[30000];

/* The connection sends `bytes`, and nothing is heard until `timeouts` have passed. */
static void lose(uint32_t bytes, uint32_t timeouts)
{
	assert_true(tcp_send(h.e, h.conn, many, bytes));
	h_poll();
	for (uint64_t i = 0; i < timeouts; i++)
		h_pass(h.timeout_us << i);
}

static void ack_all(void)
{
	for (uint32_t i = 0; i < 100 && h_conn()->tx_bytes > 0; i++)
		h_in(ACK, 1, h_conn()->snd_nxt - h.iss, 0, NULL, 0);
	assert_int_equal(h_conn()->tx_bytes, 0);
}

static struct conn *fall_back(void)
{
	open_conn(false);
	h.timeout_us = 1100000;
	lose(1000, 2);
	assert_int_equal(h_conn()->mss, MSS_DEFAULT_V4);
	assert_int_equal(h_counter(COUNTER_TCP_BLACK_HOLE), 1);
	return h_conn();
}

/* The ACK is for small ones: the large one was sent anew in two. */
static void take_small(void)
{
	h_in(ACK, 1, h_conn()->snd_una - h.iss + 536, 0, NULL, 0);
	ack_all();
}

static void timer_black_hole_fallback_is_tried_again(void **state)
{
	(void)state;
	struct conn *c = fall_back();
	take_small();
	assert_int_equal(c->mss, MSS_DEFAULT_V4);
	h_pass(11000000);
	assert_true(tcp_send(h.e, h.conn, many, 30000));
	h_poll();
	assert_int_equal(h.out[0].bytes, 536);
	h_in(ACK, 1, c->snd_una - h.iss + 536, 0, NULL, 0);
	assert_int_equal(c->mss, 1000);
	assert_int_equal(c->holes, 1);
	ack_all();
	assert_int_equal(c->holes, 0);
	assert_true(c->flags & C_FULL_SEEN);
}

/* The options count: 530 bytes and timestamps are more than fits any path. */
static void timer_black_hole_counts_the_options(void **state)
{
	(void)state;
	static const uint8_t syn[] = {2, 4, 0x03, 0xe8, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
	static const uint8_t ts[] = {1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0};
	h_init();
	h_start();
	h_in(SYN, 0, 0, 0, syn, sizeof syn);
	h.now_us += 100000;
	h_in(ACK, 1, 1, 0, ts, sizeof ts);
	assert_true(tcp_send(h.e, h.conn, many, MSS_DEFAULT_V4 - 6));
	h_poll();
	assert_int_equal(h.out[0].bytes, MSS_DEFAULT_V4 - 6);
	h_pass(1500000);
	h_pass(3000000);
	assert_int_equal(h_counter(COUNTER_TCP_BLACK_HOLE), 1);
	assert_int_equal(h.out[0].bytes, MSS_DEFAULT_V4 - 12);
}

/* A window of two segments never reaches eight: it is time that brings the full size back. */
static void timer_black_hole_fallback_ends_with_a_small_window(void **state)
{
	(void)state;
	struct conn *c = fall_back();
	take_small();
	c->cwnd = 2 * MSS_DEFAULT_V4;
	h_pass(11000000);
	assert_true(tcp_send(h.e, h.conn, many, 10));
	h_poll();
	ack_all();
	assert_int_equal(c->mss, 1000);
}

static void timer_black_hole_again_is_found_by_one_timeout_and_waits_longer(void **state)
{
	(void)state;
	struct conn *c = fall_back();
	take_small();
	h_pass(11000000);
	assert_true(tcp_send(h.e, h.conn, many, 10));
	h_poll();
	ack_all();
	assert_int_equal(c->mss, 1000);
	lose(1000, 1);
	assert_int_equal(c->mss, MSS_DEFAULT_V4);
	assert_int_equal(c->holes, 2);
	take_small();
	for (uint32_t s = 11; s <= 66; s += 11) {
		h_pass(11000000);
		assert_int_equal(c->mss, MSS_DEFAULT_V4);
		assert_true(tcp_send(h.e, h.conn, many, 10));
		h_poll();
		ack_all();
		assert_int_equal(c->mss, s < 60 ? MSS_DEFAULT_V4 : 1000);
	}
}

static void timer_black_hole_needs_more_proof_after_full_segments(void **state)
{
	(void)state;
	open_conn(false);
	h.timeout_us = 1100000;
	struct conn *c = h_conn();
	assert_true(tcp_send(h.e, h.conn, many, 1000));
	h_poll();
	h_in(ACK, 1, 1001, 0, NULL, 0);
	assert_true(c->flags & C_FULL_SEEN);
	lose(1000, 2);
	assert_int_equal(c->mss, 1000);
	h_pass(h.timeout_us << 2);
	assert_int_equal(c->mss, MSS_DEFAULT_V4);
}

static void timer_black_hole_with_small_segments_lost_is_none(void **state)
{
	(void)state;
	struct conn *c = fall_back();
	h_pass(h.timeout_us << 2);
	assert_int_equal(h.out[0].bytes, 536);
	take_small();
	assert_int_equal(c->mss, 1000);
}

static void timer_black_hole_ends_when_a_full_segment_had_arrived(void **state)
{
	(void)state;
	open_conn(false);
	h.timeout_us = 1100000;
	struct conn *c = h_conn();
	lose(3000, 2);
	assert_int_equal(c->mss, MSS_DEFAULT_V4);
	h_in(ACK, 1, 2001, 0, NULL, 0); /* the second came whole, nobody sent it anew */
	assert_int_equal(c->mss, 1000);
	assert_int_equal(c->holes, 0);
}

static void timer_probe_does_not_touch_the_congestion_window(void **state)
{
	(void)state;
	open_conn(false);
	struct conn *c = h_conn();
	c->snd_wnd = 0;
	uint32_t cwnd = c->cwnd;
	assert_true(tcp_send(h.e, h.conn, data, 1000));
	h_poll();
	assert_int_equal(h.out_count, 0);
	h_pass(1100000);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].bytes, 1);
	assert_int_equal(c->cwnd, cwnd);
	assert_int_equal(h_counter(COUNTER_TCP_TIMEOUTS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(timer_idle_connection_has_none, h_stop),
	    cmocka_unit_test_teardown(timer_next_is_the_earliest_deadline, h_stop),
	    cmocka_unit_test_teardown(timer_later_deadline_is_rechecked_not_rearmed, h_stop),
	    cmocka_unit_test_teardown(timer_backoff_doubles_to_120_s, h_stop),
	    cmocka_unit_test_teardown(timer_thousands_due_at_once_are_spread_over_polls, h_stop),
	    cmocka_unit_test_teardown(timer_first_data_ends_the_deadline, h_stop),
	    cmocka_unit_test_teardown(timer_orphan_without_progress_is_reset, h_stop),
	    cmocka_unit_test_teardown(timer_orphan_with_a_shut_window_is_reset, h_stop),
	    cmocka_unit_test_teardown(timer_black_hole_fallback_is_tried_again, h_stop),
	    cmocka_unit_test_teardown(timer_black_hole_counts_the_options, h_stop),
	    cmocka_unit_test_teardown(timer_black_hole_fallback_ends_with_a_small_window, h_stop),
	    cmocka_unit_test_teardown(
	        timer_black_hole_again_is_found_by_one_timeout_and_waits_longer, h_stop),
	    cmocka_unit_test_teardown(timer_black_hole_needs_more_proof_after_full_segments,
	                              h_stop),
	    cmocka_unit_test_teardown(timer_black_hole_with_small_segments_lost_is_none, h_stop),
	    cmocka_unit_test_teardown(timer_black_hole_ends_when_a_full_segment_had_arrived,
	                              h_stop),
	    cmocka_unit_test_teardown(timer_probe_does_not_touch_the_congestion_window, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
