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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ack_rtt_follows_rfc6298),
	    cmocka_unit_test(ack_rto_is_bounded),
	    cmocka_unit_test_teardown(ack_karn_takes_no_sample_of_a_retransmission, h_stop),
	    cmocka_unit_test_teardown(ack_retransmission_answered_in_time_ends_the_backoff, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
