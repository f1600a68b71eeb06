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

/* NOP NOP SACK with one block, numbers relative to the engine's initial one. */
static void put_sack(uint8_t out[12], uint32_t from, uint32_t to)
{
	memcpy(out, (uint8_t[]){1, 1, 5, 10}, 4);
	put_be32(out + 4, h.iss + from);
	put_be32(out + 8, h.iss + to);
}

static void h_in_sack(uint32_t ack, uint32_t from, uint32_t to)
{
	uint8_t options[12];
	put_sack(options, from, to);
	h_in(ACK, 1, ack, 0, options, sizeof options);
}

static void cwnd_initial_window_is_ten_segments_at_most(void **state)
{
	(void)state;
	struct conn c = {.mss = 1000};
	assert_int_equal(cwnd_initial(&c), 10000);
	c.mss = 1460;
	assert_int_equal(cwnd_initial(&c), 14600);
	c.mss = 8960;
	assert_int_equal(cwnd_initial(&c), 17920);
}

static void cwnd_slow_start_counts_bytes(void **state)
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

static void cwnd_idle_sender_gains_no_window(void **state)
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

static void cwnd_one_epoch_without_a_loss_grows_like_reno(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 32000);
	c->ssthresh = c->cwnd = 10000;
	for (uint32_t i = 1; i <= 10; i++)
		h_in(ACK, 1, 1 + 1000 * i, 0, NULL, 0);
	assert_in_range(c->cwnd, 10900, 11000);
}

/* RFC 9438 4.6 beta = 0.7, not of what limited transmit added (RFC 5681 3.2). */
static void cwnd_recovery_reduces_once(void **state)
{
	(void)state;
	struct conn *c = open_sending(false, 10000);
	for (uint32_t i = 0; i < 6; i++)
		h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
	assert_int_equal(c->ssthresh, 7000);
	h_in(ACK, 1, 10001, 0, NULL, 0);
	assert_int_equal(c->cwnd, 7000);
	assert_int_equal(c->flags & (C_RECOVERY | C_LOSS), 0);
}

static void cwnd_limited_transmit_is_not_counted(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 30000);
	h.now_us += 100000;
	h_in_sack(1, 1001, 3001);
	assert_int_equal(h.out_count, 2); /* two have left: two more */
	h_in_sack(1, 1001, 4001);
	assert_int_equal(c->snd_nxt - c->snd_una, 12000);
	assert_int_equal(c->ssthresh, 7000);
}

/* RFC 6937: over the round trip of the recovery 0.7 segments leave for each one delivered. */
static void cwnd_recovery_sends_in_proportion(void **state)
{
	(void)state;
	open_sending(true, 30000);
	h.now_us += 100000;
	uint32_t sent = 0;
	for (uint32_t i = 1; i <= 9; i++) {
		h_in_sack(1, 1001, 1001 + 1000 * i);
		sent += h.out_count;
	}
	/* two by limited transmit, the retransmission, and 0.7 of six more */
	assert_in_range(sent, 2 + 1 + 4, 2 + 1 + 5);
	h.now_us += 100000;
	h_in(ACK, 1, 10001, 0, NULL, 0);
	struct conn *c = h_conn();
	assert_in_range(score_pipe(h.e, c), 6000, 7500);
}

/* RFC 9438 4.2: after a loss at 10 segments the window is back there after K = cbrt(3 / 0.4) s. */
static void cwnd_cubic_returns_to_the_last_maximum(void **state)
{
	(void)state;
	h_init();
	h.config.tx_buffer_bytes = 1 << 19;
	h.config.tx_memory_bytes = 1 << 22;
	h_start();
	h_open(true);
	struct conn *c = h_conn();
	uint32_t acked = 1, k_ms = 0;
	uint64_t start = 0, back = 0;
	for (uint32_t i = 0; i < 400 && !back; i++) {
		while (tcp_send(h.e, h.conn, data, sizeof data))
			;
		h_poll();
		h.now_us += 100000;
		if (i == 0) { /* the first of ten is lost */
			h_in_sack(1, 1001, 10001);
			continue;
		}
		acked = c->snd_nxt - h.iss;
		h_in(ACK, 1, acked, 0, NULL, 0);
		struct ext *x = ext_of(h.e, c);
		if (!start && x && x->cubic_epoch) {
			start = h.now_us;
			k_ms = x->cubic_k_ms;
			assert_int_equal(x->w_max, 10000);
			assert_in_range(k_ms, 1900, 1960); /* cbrt(7.5) = 1.957 */
		}
		if (start && c->cwnd >= 10000)
			back = h.now_us;
	}
	assert_true(back > start);
	assert_in_range((back - start) / 1000, k_ms / 4, k_ms + 200);
}

/* The clock of the window's growth does not run while nothing is sent; reassembly may keep the
 * extension block alive meanwhile. */
static void cwnd_cubic_epoch_ends_with_idleness(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 10000);
	h_in(ACK, 101, 1, 100, NULL, 0); /* ahead of a gap */
	h_in(ACK, 1, 10001, 0, NULL, 0);
	struct ext *x = ext_of(h.e, c);
	assert_non_null(x);
	x->cubic_epoch = true;
	h_pass(60000000);
	assert_true(tcp_send(h.e, h.conn, data, 1000));
	h_poll();
	assert_int_equal(h.out_count, 1);
	assert_false(x->cubic_epoch);
}

/* RFC 9438 4.8: the old maximum says nothing any more. */
static void cwnd_cubic_forgets_its_maximum_after_a_timeout(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 10000);
	struct ext *x = ext_of(h.e, c);
	x->w_max = 12000;
	cwnd_timeout(h.e, c);
	assert_int_equal(x->w_max, 0);
	assert_int_equal(c->ssthresh, 7000);
	assert_int_equal(c->cwnd, 1000);
	c->cwnd = c->ssthresh;
	cwnd_grow(h.e, c, 1000, 7000);
	assert_int_equal(x->w_max, 7000);
	assert_int_equal(x->cubic_k_ms, 0);
}

/* RFC 9438 4.7: a window that falls again gives way to others. */
static void cwnd_cubic_converges_fast(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 10000);
	struct ext *x = ext_of(h.e, c);
	x->w_max = 12000;
	enter_recovery(h.e, c);
	assert_int_equal(x->w_max, 8500);
	assert_int_equal(x->cwnd_prior, 10000);
	assert_int_equal(c->ssthresh, 7000);
}

/* RFC 3522: the timestamp echoed is older than the retransmission. */
static void cwnd_of_the_original_undoes_the_timeout(void **state)
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
static void cwnd_beyond_the_retransmission_undoes_the_timeout(void **state)
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

static void cwnd_true_timeout_is_not_undone(void **state)
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

/* RFC 3522: an ACK with a timestamp from before the fast retransmission. */
static void cwnd_of_the_original_undoes_the_recovery(void **state)
{
	(void)state;
	static const uint8_t syn[] = {2, 4, 0x03, 0xe8, 4,  2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
	uint8_t ts[24] = {1, 1, 8, 10, 0, 0, 0, 2};
	h_init();
	h_start();
	h_in(SYN, 0, 0, 0, syn, sizeof syn);
	h.now_us += 100000;
	put_be32(ts + 8, h.out[0].opt.tsval);
	h_in(ACK, 1, 1, 0, ts, 12);
	assert_true(tcp_send(h.e, h.conn, data, 8000));
	h_poll();
	struct conn *c = h_conn();
	uint32_t cwnd = c->cwnd, sent = h.out[0].opt.tsval;
	h.now_us += 100000;
	put_be32(ts + 8, sent);
	put_sack(ts + 12, 989, 3953);
	h_in(ACK, 1, 1, 0, ts, 24);
	assert_int_equal(h_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
	assert_true(c->ssthresh < cwnd);
	h.now_us += 20000;
	h_in(ACK, 1, 3953, 0, ts, 12);
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_RECOVERIES), 1);
	assert_true(c->cwnd >= cwnd);
	assert_int_equal(c->flags & C_RECOVERY, 0);
}

/* RFC 3708: every retransmission was reported as a duplicate. */
static void cwnd_dsack_undoes_the_recovery(void **state)
{
	(void)state;
	struct conn *c = open_sending(true, 30000);
	uint32_t cwnd = c->cwnd;
	h.now_us += 100000;
	h_in_sack(1, 1001, 4001);
	assert_int_equal(h_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
	h.now_us += 10000;
	h_in(ACK, 1, 4001, 0, NULL, 0); /* the original was late only */
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_RECOVERIES), 0);
	h.now_us += 90000;
	h_in_sack(4001, 1, 1001);
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_RECOVERIES), 1);
	assert_true(c->cwnd >= cwnd);
	assert_int_equal(h_counter(COUNTER_TCP_DSACK_SEEN), 1);
	h_in_sack(4001, 1, 1001); /* once only */
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_RECOVERIES), 1);
}

/* A retransmission that is needed is SACKed while the ACK still echoes an old timestamp. */
static void cwnd_true_recovery_is_not_undone(void **state)
{
	(void)state;
	static const uint8_t syn[] = {2, 4, 0x03, 0xe8, 4,  2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
	uint8_t ts[24] = {1, 1, 8, 10, 0, 0, 0, 2};
	h_init();
	h_start();
	h_in(SYN, 0, 0, 0, syn, sizeof syn);
	h.now_us += 100000;
	put_be32(ts + 8, h.out[0].opt.tsval);
	h_in(ACK, 1, 1, 0, ts, 12);
	assert_true(tcp_send(h.e, h.conn, data, 8892)); /* nine of 988 */
	h_poll();
	put_be32(ts + 8, h.out[0].opt.tsval);
	h.now_us += 100000;
	put_sack(ts + 12, 1977, 4941); /* the first two are lost */
	h_in(ACK, 1, 1, 0, ts, 24);
	put_sack(ts + 12, 1977, 5929);
	h_in(ACK, 1, 1, 0, ts, 24);
	assert_int_equal(h_counter(COUNTER_TCP_RETRANSMITS), 2);
	h.now_us += 100000;
	put_sack(ts + 12, 989, 5929); /* of their retransmissions only the second arrives */
	h_in(ACK, 1, 1, 0, ts, 24);
	assert_int_equal(h_counter(COUNTER_TCP_SPURIOUS_RECOVERIES), 0);
	assert_int_equal(h_conn()->flags & C_RECOVERY, C_RECOVERY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cwnd_initial_window_is_ten_segments_at_most),
	    cmocka_unit_test_teardown(cwnd_slow_start_counts_bytes, h_stop),
	    cmocka_unit_test_teardown(cwnd_idle_sender_gains_no_window, h_stop),
	    cmocka_unit_test_teardown(cwnd_one_epoch_without_a_loss_grows_like_reno, h_stop),
	    cmocka_unit_test_teardown(cwnd_recovery_reduces_once, h_stop),
	    cmocka_unit_test_teardown(cwnd_limited_transmit_is_not_counted, h_stop),
	    cmocka_unit_test_teardown(cwnd_recovery_sends_in_proportion, h_stop),
	    cmocka_unit_test_teardown(cwnd_cubic_returns_to_the_last_maximum, h_stop),
	    cmocka_unit_test_teardown(cwnd_cubic_epoch_ends_with_idleness, h_stop),
	    cmocka_unit_test_teardown(cwnd_cubic_forgets_its_maximum_after_a_timeout, h_stop),
	    cmocka_unit_test_teardown(cwnd_cubic_converges_fast, h_stop),
	    cmocka_unit_test_teardown(cwnd_of_the_original_undoes_the_timeout, h_stop),
	    cmocka_unit_test_teardown(cwnd_beyond_the_retransmission_undoes_the_timeout, h_stop),
	    cmocka_unit_test_teardown(cwnd_true_timeout_is_not_undone, h_stop),
	    cmocka_unit_test_teardown(cwnd_of_the_original_undoes_the_recovery, h_stop),
	    cmocka_unit_test_teardown(cwnd_dsack_undoes_the_recovery, h_stop),
	    cmocka_unit_test_teardown(cwnd_true_recovery_is_not_undone, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
