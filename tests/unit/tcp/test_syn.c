/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static void start(void)
{
	h_init();
	h_start();
}

static struct key key_now(void)
{
	struct key key = {.peer_port = h.port, .local_port = 1883};
	memcpy(key.ip, h.peer.ip, sizeof key.ip);
	return key;
}

static void syn_numbers_advance_by_one_in_4_us(void **state)
{
	(void)state;
	start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	struct key key = key_now();
	uint32_t a = isn_make(h.e, &key);
	h.now_us += 4000;
	tcp_set_now(h.e, h.now_us);
	assert_int_equal(isn_make(h.e, &key) - a, 1000);
	key.peer_port++;
	assert_true(isn_make(h.e, &key) - a > 100000); /* unrelated */
}

static void syn_timestamps_start_elsewhere_per_connection(void **state)
{
	(void)state;
	start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	struct key a = key_now(), b = key_now();
	b.peer_port++;
	assert_int_not_equal(ts_offset_make(h.e, &a), ts_offset_make(h.e, &b));
	assert_int_equal(ts_offset_make(h.e, &a), ts_offset_make(h.e, &a));
}

static void syn_mss_is_bounded_both_ways(void **state)
{
	(void)state;
	static const struct {
		bool given;
		uint16_t mss, result;
	} cases[] = {{false, 0, 536}, {true, 0, 216}, {true, 1, 216}, {true, 216, 216},
	             {true, 1000, 1000}, {true, 1460, 1460}, {true, 65535, 1460}};
	start();
	struct key key = key_now();
	for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct segment s = {.opt = {.has_mss = cases[i].given, .mss = cases[i].mss}};
		struct offer o;
		offer_make(h.e, &key, &s, &o);
		assert_int_equal(o.mss, cases[i].result);
	}
	key.ip[0] = 0x20; /* IPv6 */
	struct segment s = {0};
	struct offer o;
	offer_make(h.e, &key, &s, &o);
	assert_int_equal(o.mss, 1220);
	assert_int_equal(mss_of_link(h.e, &key), 1440);
}

static void syn_options_are_answered_only_when_offered(void **state)
{
	(void)state;
	start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_true(h.out[0].opt.has_mss);
	assert_false(h.out[0].opt.has_ts || h.out[0].opt.has_wscale ||
	             h.out[0].opt.has_sack_permitted);
}

static void syn_repeated_gets_the_same_answer(void **state)
{
	(void)state;
	start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	uint32_t iss = h.iss;
	h.now_us += 500000;
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.iss, iss);
	assert_int_equal(h.e->syn_count, 1);
}

static void syn_handshake_gives_the_first_rtt_sample(void **state)
{
	(void)state;
	start();
	h_open(false);
	assert_int_equal(h_conn()->srtt_us, 100000);
	assert_int_equal(h_conn()->cwnd, 10000);
}

static void syn_repeated_gives_no_rtt_sample(void **state)
{
	(void)state;
	start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	h.now_us += 100000;
	h_in(SYN, 0, 0, 0, NULL, 0);
	h_in(ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h_conn()->srtt_us, 0);
}

static void syn_ack_timestamp_must_not_be_older(void **state)
{
	(void)state;
	static const uint8_t new_ts[12] = {1, 1, 8, 10, 0, 0, 1, 0};
	static const uint8_t old_ts[12] = {1, 1, 8, 10, 0, 0, 0, 255};
	start();
	h_in(SYN, 0, 0, 0, new_ts, sizeof new_ts);
	h_in(ACK, 1, 1, 0, old_ts, sizeof old_ts);
	assert_int_equal(h.accepted, 0);
	h_in(ACK, 1, 1, 0, new_ts, sizeof new_ts);
	assert_int_equal(h.accepted, 1);
}

static void syn_ack_that_finds_no_buffer_is_sent_later(void **state)
{
	(void)state;
	start();
	h.no_buffer = true;
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_int_equal(h.out_count, 0);
	h.no_buffer = false;
	h_pass(1010000);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].flags, SYN | ACK);
}

/* The table's probes are bounded: where all buckets are full, a SYN waits for its repetition. */
static void syn_without_a_place_in_the_table_is_dropped(void **state)
{
	(void)state;
	h_init();
	h_start();
	struct table *t = &h.e->table;
	for (uint32_t b = 0; b <= t->mask; b++)
		t->buckets[b].count = BUCKET_SLOTS;
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h_counter(COUNTER_TCP_TABLE_FULL), 1);
	assert_int_equal(h.e->syn_count, 0);
	for (uint32_t b = 0; b <= t->mask; b++)
		t->buckets[b].count = 0;
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_int_equal(h.out_count, 1);
}

static void syn_above_the_memory_watermark_is_refused(void **state)
{
	(void)state;
	start();
	while (!memory_is_short(h.e))
		assert_int_not_equal(rxpool_get(&h.e->rx, 2), NONE);
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h_counter(COUNTER_TCP_SYN_REFUSED), 1);
}

/* A flood of spoofed SYNs: a legitimate connect still succeeds, established ones stay. */
static void syn_flood_lets_the_legitimate_in(void **state)
{
	(void)state;
	start();
	h_open(false);
	tcp_handle first = h.conn;
	for (uint32_t i = 0; i < 5000; i++) {
		h.port = (uint16_t)(10000 + i);
		h_in(SYN, i, 0, 0, NULL, 0);
	}
	h.port = 6000;
	h_in(SYN, 0, 0, 0, NULL, 0);
	h_in(ACK, 1, 1, 5, NULL, 0);
	assert_int_equal(h.accepted, 2);
	assert_int_equal(h.data_bytes, 5);
	assert_non_null(conn_get(h.e, first));
	assert_int_equal(h.e->syn_count, h.config.syn_cache_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(syn_numbers_advance_by_one_in_4_us, h_stop),
	    cmocka_unit_test_teardown(syn_timestamps_start_elsewhere_per_connection, h_stop),
	    cmocka_unit_test_teardown(syn_mss_is_bounded_both_ways, h_stop),
	    cmocka_unit_test_teardown(syn_options_are_answered_only_when_offered, h_stop),
	    cmocka_unit_test_teardown(syn_repeated_gets_the_same_answer, h_stop),
	    cmocka_unit_test_teardown(syn_handshake_gives_the_first_rtt_sample, h_stop),
	    cmocka_unit_test_teardown(syn_repeated_gives_no_rtt_sample, h_stop),
	    cmocka_unit_test_teardown(syn_ack_timestamp_must_not_be_older, h_stop),
	    cmocka_unit_test_teardown(syn_ack_that_finds_no_buffer_is_sent_later, h_stop),
	    cmocka_unit_test_teardown(syn_without_a_place_in_the_table_is_dropped, h_stop),
	    cmocka_unit_test_teardown(syn_above_the_memory_watermark_is_refused, h_stop),
	    cmocka_unit_test_teardown(syn_flood_lets_the_legitimate_in, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
