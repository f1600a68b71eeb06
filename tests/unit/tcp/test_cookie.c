/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const uint8_t full_syn[] = {2, 4, 5, 20, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 9};

/* No room for half-open connections: each SYN is answered by a cookie. */
static uint32_t cookie_syn(bool options)
{
	h_init();
	h.config.syn_cache_max = 0;
	h_start();
	h_in(SYN, 0, 0, 0, full_syn, options ? sizeof full_syn : 4);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].flags, SYN | ACK);
	assert_int_equal(h_counter(COUNTER_TCP_COOKIES_SENT), 1);
	return h.out[0].opt.tsval;
}

static void cookie_keeps_all_options_in_the_timestamp(void **state)
{
	(void)state;
	uint32_t tsval = cookie_syn(true);
	uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 2};
	put_be32(ts + 8, tsval);
	h_in(ACK, 1, 1, 0, ts, sizeof ts);
	assert_int_equal(h.accepted, 1);
	struct conn *c = h_conn();
	assert_int_equal(c->flags & (C_SACK | C_TS | C_WSCALE), C_SACK | C_TS | C_WSCALE);
	assert_int_equal(c->snd_wscale, 9);
	assert_int_equal(c->mss, 1220); /* 1,300 rounded down to a size that a cookie can tell */
}

static void cookie_timestamp_is_never_ahead_of_the_clock(void **state)
{
	(void)state;
	for (uint32_t ms = 0; ms < 200; ms++) {
		h_init();
		h.config.syn_cache_max = 0;
		h.now_us += ms * 1000;
		h_start();
		h_in(SYN, 0, 0, 0, full_syn, sizeof full_syn);
		struct key key = {.peer_port = 5000, .local_port = 1883};
		memcpy(key.ip, h.peer.ip, sizeof key.ip);
		uint32_t now = ts_now(h.e, ts_offset_make(h.e, &key));
		assert_true(seq_le(h.out[0].opt.tsval, now));
		assert_true(now - h.out[0].opt.tsval < 128);
		h_stop(NULL);
	}
}

static void cookie_without_timestamps_opens_plainly(void **state)
{
	(void)state;
	cookie_syn(false);
	h_in(ACK, 1, 1, 10, NULL, 0);
	assert_int_equal(h.accepted, 1);
	assert_int_equal(h.data_bytes, 10);
	assert_int_equal(h_conn()->flags & (C_SACK | C_TS | C_WSCALE), 0);
}

static void cookie_forged_is_refused(void **state)
{
	(void)state;
	cookie_syn(false);
	for (uint32_t i = 2; i < 10000; i++)
		h_in(ACK, 1, i, 0, NULL, 0);
	h_in(ACK, 2, 1, 0, NULL, 0); /* another initial number of the peer's */
	h.port = 5001;
	h_in(ACK, 1, 1, 0, NULL, 0); /* another port */
	assert_int_equal(h.accepted, 0);
	assert_int_equal(h_counter(COUNTER_TCP_COOKIES_WRONG), 10000);
}

static void cookie_stale_is_refused(void **state)
{
	(void)state;
	cookie_syn(false);
	h.now_us += 140ull * 1000000;
	h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h.accepted, 0);
	assert_int_equal(h.out[0].flags, RST); /* the flood is over: the ordinary answer */
}

static void cookie_after_half_a_minute_is_accepted(void **state)
{
	(void)state;
	cookie_syn(false);
	h.now_us += 60ull * 1000000; /* NB-IoT: latencies of 30 s */
	h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h.accepted, 1);
}

static void cookie_replayed_is_refused(void **state)
{
	(void)state;
	cookie_syn(false);
	h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h.accepted, 1);
	h_in(RST, 1, 0, 0, NULL, 0);
	assert_int_equal(h.closed, 1);
	h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h.accepted, 1);
	assert_int_equal(h_counter(COUNTER_TCP_COOKIES_REPLAYED), 1);
}

static void cookie_never_sent_costs_nothing(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_in(ACK, 1, 77, 0, NULL, 0);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].flags, RST);
	assert_int_equal(h_counter(COUNTER_TCP_COOKIES_WRONG), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(cookie_keeps_all_options_in_the_timestamp, h_stop),
	    cmocka_unit_test_teardown(cookie_timestamp_is_never_ahead_of_the_clock, h_stop),
	    cmocka_unit_test_teardown(cookie_without_timestamps_opens_plainly, h_stop),
	    cmocka_unit_test_teardown(cookie_forged_is_refused, h_stop),
	    cmocka_unit_test_teardown(cookie_stale_is_refused, h_stop),
	    cmocka_unit_test_teardown(cookie_after_half_a_minute_is_accepted, h_stop),
	    cmocka_unit_test_teardown(cookie_replayed_is_refused, h_stop),
	    cmocka_unit_test_teardown(cookie_never_sent_costs_nothing, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
