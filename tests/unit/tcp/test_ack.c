/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const uint8_t data[32768];

static struct conn *open_sending(bool sack, uint32_t bytes)
{
	h_init();
	h_start();
	h_open(sack);
	assert_true(tcp_send(h.e, h.conn, data, bytes));
	h_poll();
	return h_conn();
}

static void ack_rtt_follows_rfc6298(void **state)
{
	(void)state;
	struct conn c = {0};
	assert_int_equal(rto_us(&c), 1000000);
	rtt_sample(&c, 2000000);
	assert_int_equal(c.srtt_us, 2000000);
	assert_int_equal(c.rttvar_us, 1000000);
	assert_int_equal(rto_us(&c), 6000000);
	rtt_sample(&c, 4000000);
	/* rttvar = 3/4 * 1 s + 1/4 * |2 - 4| s, srtt = 7/8 * 2 s + 1/8 * 4 s */
	assert_int_equal(c.rttvar_us, 1250000);
	assert_int_equal(c.srtt_us, 2250000);
	assert_int_equal(rto_us(&c), 7250000);
}

static void ack_rto_is_bounded(void **state)
{
	(void)state;
	struct conn c = {0};
	rtt_sample(&c, 10);
	assert_int_equal(rto_us(&c), 1000000);
	rtt_sample(&c, UINT32_MAX);
	c.backoff = 7;
	assert_int_equal(rto_us(&c), 120000000);
	struct conn reopened = {.flags = C_SLOW_OPEN};
	assert_int_equal(rto_us(&reopened), 3000000);
}

static void ack_initial_window_is_ten_segments_at_most(void **state)
{
	(void)state;
	struct conn c = {.mss = 1000};
	assert_int_equal(cwnd_initial(&c), 10000);
	c.mss = 1460;
	assert_int_equal(cwnd_initial(&c), 14600);
	c.mss = 8960;
	assert_int_equal(cwnd_initial(&c), 17920);
}

static void ack_slow_start_counts_bytes(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 20000);
	assert_int_equal(c->cwnd, 10000);
	h_in(ACK, 1, 2001, 0, NULL, 0);
	assert_int_equal(c->cwnd, 12000);
	/* RFC 3465: at most two segments for one ACK */
	h_in(ACK, 1, 6001, 0, NULL, 0);
	assert_int_equal(c->cwnd, 14000);
}

static void ack_idle_sender_gains_no_window(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 10);
	for (uint32_t i = 1; i < 50; i++) {
		h_in(ACK, 1, 1 + 10 * i, 0, NULL, 0);
		assert_true(tcp_send(h.e, h.conn, data, 10));
		h_poll();
	}
	assert_int_equal(c->cwnd, 10000);
}

static void ack_congestion_avoidance_adds_a_segment_per_window(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 32000);
	c->ssthresh = c->cwnd = 10000;
	for (uint32_t i = 1; i <= 10; i++)
		h_in(ACK, 1, 1 + 1000 * i, 0, NULL, 0);
	assert_in_range(c->cwnd, 10900, 11000);
}

static void ack_recovery_halves_once(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 10000);
	for (uint32_t i = 0; i < 6; i++)
		h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
	assert_int_equal(c->ssthresh, 5000);
	h_in(ACK, 1, 10001, 0, NULL, 0);
	assert_int_equal(c->cwnd, 5000);
	assert_int_equal(c->flags & (C_RECOVERY | C_LOSS), 0);
}

static void ack_karn_takes_no_sample_of_a_retransmission(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 100);
	uint32_t before = c->srtt_us;
	h_pass(1100000);
	assert_int_equal(h.out_count, 1);
	h.now_us += 20000000;
	h_in(ACK, 1, 101, 0, NULL, 0);
	assert_int_equal(c->srtt_us, before);
	assert_int_equal(c->backoff, 1); /* kept */
}

static void ack_retransmission_answered_in_time_ends_the_backoff(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 100);
	h_pass(1100000);
	h.now_us += 100000;
	h_in(ACK, 1, 101, 0, NULL, 0);
	assert_int_equal(c->backoff, 0);
}

/* RFC 3522: the timestamp echoed is older than the retransmission. */
static void ack_of_the_original_undoes_the_timeout(void **state)
{
	(void)state;
	static const uint8_t syn[] = {2, 4, 0x03, 0xe8, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
	uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 2};
	h_init();
	h_start();
	h_in(SYN, 0, 0, 0, syn, sizeof syn);
	h.now_us += 100000;
	put_be32(ts + 8, h.out[0].opt.tsval);
	h_in(ACK, 1, 1, 0, ts, sizeof ts);
	assert_true(tcp_send(h.e, h.conn, data, 8000));
	h_poll();
	struct conn *c = h_conn();
	uint32_t cwnd = c->cwnd, sent = h.out[0].opt.tsval;
	h_pass(1200000);
	assert_int_equal(h_counter(COUNTER_TCP_TIMEOUTS), 1);
	assert_true(c->cwnd < 1001);
	put_be32(ts + 8, sent);
	h_in(ACK, 1, 989, 0, ts, sizeof ts);
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_TIMEOUTS), 1);
	assert_in_range(c->cwnd, cwnd, cwnd + 1000); /* and the ACK's own growth */
	assert_int_equal(h.out_count, 0); /* nothing else is sent again */
}

/* RFC 5682: without timestamps, by an ACK of what was never retransmitted. */
static void ack_beyond_the_retransmission_undoes_the_timeout(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 8000);
	c->flags |= C_TLP; /* no tail probe before the timeout */
	rtx_arm(h.e, c);
	uint32_t cwnd = c->cwnd;
	h_pass(1200000);
	assert_int_equal(h_counter(COUNTER_TCP_TIMEOUTS), 1);
	h_in(ACK, 1, 3001, 0, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_TIMEOUTS), 1);
	assert_true(c->cwnd >= cwnd);
}

static void ack_true_timeout_is_not_undone(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 8000);
	c->flags |= C_TLP;
	rtx_arm(h.e, c);
	h_pass(1200000);
	h_in(ACK, 1, 1001, 0, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_TIMEOUTS), 0);
	assert_true(c->cwnd <= 2000);
	assert_true(h.out_count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ack_rtt_follows_rfc6298),
	    cmocka_unit_test(ack_rto_is_bounded),
	    cmocka_unit_test(ack_initial_window_is_ten_segments_at_most),
	    cmocka_unit_test_teardown(ack_slow_start_counts_bytes, h_stop),
	    cmocka_unit_test_teardown(ack_idle_sender_gains_no_window, h_stop),
	    cmocka_unit_test_teardown(ack_congestion_avoidance_adds_a_segment_per_window, h_stop),
	    cmocka_unit_test_teardown(ack_recovery_halves_once, h_stop),
	    cmocka_unit_test_teardown(ack_karn_takes_no_sample_of_a_retransmission, h_stop),
	    cmocka_unit_test_teardown(ack_retransmission_answered_in_time_ends_the_backoff, h_stop),
	    cmocka_unit_test_teardown(ack_of_the_original_undoes_the_timeout, h_stop),
	    cmocka_unit_test_teardown(ack_beyond_the_retransmission_undoes_the_timeout, h_stop),
	    cmocka_unit_test_teardown(ack_true_timeout_is_not_undone, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
