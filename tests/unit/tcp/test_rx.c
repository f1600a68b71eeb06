/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static void open_taking(uint32_t take)
{
	h_init();
	h_start();
	h_open(true);
	h.take = take;
}

static void rx_in_order_data_is_lent_and_not_stored(void **state)
{
	(void)state;
	open_taking(UINT32_MAX);
	h_in(ACK, 1, 1, 1000, NULL, 0);
	assert_int_equal(h.data_bytes, 1000);
	assert_int_equal(h_conn()->rx_buffer, NONE);
	assert_int_equal(h.e->rx.used, 0);
}

static void rx_rest_is_kept_and_offered_with_the_next(void **state)
{
	(void)state;
	open_taking(900);
	h_in(ACK, 1, 1, 1000, NULL, 0);
	assert_int_equal(h_conn()->rx_bytes, 100);
	assert_int_equal(h.e->rx.used, 256);
	h.take = UINT32_MAX;
	h_in(ACK, 1001, 1, 50, NULL, 0);
	assert_int_equal(h.data_bytes, 150);
	assert_int_equal(h.e->rx.used, 0);
}

static void rx_resume_offers_kept_data_in_the_flush(void **state)
{
	(void)state;
	open_taking(0);
	h_in(ACK, 1, 1, 300, NULL, 0);
	h.take = 100;
	tcp_resume(h.e, h.conn);
	assert_int_equal(h.data_calls, 1);
	h_poll();
	assert_int_equal(h.data_calls, 2);
	assert_int_equal(h_conn()->rx_bytes, 200);
	h_poll();
	assert_int_equal(h.data_calls, 2);
}

static void rx_window_shrinks_by_what_is_kept(void **state)
{
	(void)state;
	open_taking(0);
	h_in(ACK, 1, 1, 1000, NULL, 0);
	h_in(ACK, 1001, 1, 1000, NULL, 0);
	assert_int_equal(h.out[0].window, 16384 - 2000);
	assert_int_equal(rx_window(h.e, h_conn()), 14384);
}

static void rx_window_shrinks_as_the_pool_fills(void **state)
{
	(void)state;
	open_taking(UINT32_MAX);
	uint32_t before = rx_window(h.e, h_conn());
	while (h.e->rx.used <= h.e->rx.size / 4 * 3)
		rxpool_get(&h.e->rx, 6);
	assert_int_equal(rx_window(h.e, h_conn()), before / 2);
	while (h.e->rx.used <= h.e->rx.size / 8 * 7)
		rxpool_get(&h.e->rx, 6);
	assert_int_equal(rx_window(h.e, h_conn()), before / 8);
}

static void rx_large_buffer_shrinks_with_its_content(void **state)
{
	(void)state;
	open_taking(0);
	for (uint32_t i = 0; i < 10; i++)
		h_in(ACK, 1 + 1000 * i, 1, 1000, NULL, 0);
	assert_int_equal(h.e->rx.used, 16384);
	h.take = 9900;
	tcp_resume(h.e, h.conn);
	h_poll();
	assert_int_equal(h_conn()->rx_bytes, 100);
	assert_int_equal(h.e->rx.used, 256);
}

static void rx_ranges_merge_and_are_delivered_together(void **state)
{
	(void)state;
	open_taking(UINT32_MAX);
	h_in(ACK, 301, 1, 100, NULL, 0);
	h_in(ACK, 101, 1, 100, NULL, 0);
	h_in(ACK, 201, 1, 100, NULL, 0);
	assert_int_equal(h.out[0].opt.sack_count, 1);
	assert_int_equal(h.out[0].opt.sack[0].start - HARNESS_ISS, 101);
	assert_int_equal(h.out[0].opt.sack[0].end - HARNESS_ISS, 401);
	assert_int_equal(h.data_calls, 0);
	h_in(ACK, 1, 1, 100, NULL, 0);
	assert_int_equal(h.data_bytes, 400);
	assert_int_equal(h_conn()->ext, NONE);
}

static void open_with_buffer(uint32_t bytes)
{
	h_init();
	h.config.rx_buffer_bytes = bytes;
	h_start();
	h_open(true);
}

static void rx_far_segment_in_the_window_is_reassembled(void **state)
{
	(void)state;
	open_with_buffer(65535);
	h_in(ACK, 60001, 1, 1000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_LIMIT), 0);
	assert_int_equal(h.out[0].opt.sack_count, 1);
	assert_int_equal(h.out[0].opt.sack[0].start - HARNESS_ISS, 60001);
	assert_int_equal(h_conn()->ext != NONE, 1);
}

static void rx_more_than_16_kb_waits_while_the_pool_is_half_used(void **state)
{
	(void)state;
	open_with_buffer(65535);
	h_in(ACK, 36001, 1, 1000, NULL, 0); /* the buffer is large enough from now on */
	while (h.e->rx.used <= h.e->rx.size / 2)
		rxpool_get(&h.e->rx, 6);
	for (uint32_t i = 0; i < 15; i++)
		h_in(ACK, 20001 + 1000 * i, 1, 1000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_LIMIT), 0);
	h_in(ACK, 35001, 1, OOO_BYTES - 16000 + 1, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_LIMIT), 1);
	/* what overlaps is counted once */
	h_in(ACK, 34001, 1, 1000 + OOO_BYTES - 16000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_LIMIT), 1);
	h_in(ACK, 30001, 1, 1000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_LIMIT), 1);
	assert_int_equal(h_counter(COUNTER_TCP_DSACK_SENT), 1);
}

static void rx_whole_window_is_reassembled_while_there_is_room(void **state)
{
	(void)state;
	open_with_buffer(65535);
	for (uint32_t i = 1; i < 60; i++)
		h_in(ACK, 1 + 1000 * i, 1, 1000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_LIMIT), 0);
	assert_int_equal(ext_of(h.e, h_conn())->ooo_count, 1);
	h_in(ACK, 1, 1, 1000, NULL, 0);
	assert_int_equal(h.data_bytes, 60000);
	assert_int_equal(h.e->rx.used, 0);
}

static void rx_far_segment_waits_while_the_pool_is_half_used(void **state)
{
	(void)state;
	open_with_buffer(65535);
	while (h.e->rx.used <= h.e->rx.size / 2)
		rxpool_get(&h.e->rx, 6);
	h_in(ACK, 60001, 1, 1000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_NO_MEMORY), 1);
	h_in(ACK, 15001, 1, 1000, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_NO_MEMORY), 1);
	assert_int_equal(h_conn()->rx_order + RX_BLOCK_SHIFT, 14);
}

static void rx_ranges_move_whole_when_the_front_is_consumed(void **state)
{
	(void)state;
	open_with_buffer(65535);
	h_in(ACK, 40001, 1, 3000, NULL, 0);
	h_in(ACK, 2001, 1, 3000, NULL, 0);
	h_in(ACK, 10001, 1, 3000, NULL, 0);
	uint8_t *base = rxpool_at(&h.e->rx, h_conn()->rx_buffer);
	static const uint32_t at[] = {2000, 10000, 40000};
	for (uint32_t i = 0; i < 3; i++)
		memset(base + at[i], (int)(i + 1), 3000);
	h_in(ACK, 1, 1, 700, NULL, 0);
	base = rxpool_at(&h.e->rx, h_conn()->rx_buffer);
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t k = 0; k < 3000; k++)
			assert_int_equal(base[at[i] - 700 + k], i + 1);
}

/* RFC 5681 4.2. */
static void rx_flight_of_one_poll_is_acked_every_second_full_segment(void **state)
{
	(void)state;
	open_with_buffer(65535);
	h_in_poll(1, 1000, 10);
	assert_int_equal(h.out_count, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(h.out[i].ack, 2001 + 2000 * i);
	h_in_poll(10001, 1000, 3); /* the odd one is delayed */
	assert_int_equal(h.out_count, 1);
	h_pass(45000);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 13001);
}

static void rx_small_segments_of_one_poll_share_an_ack(void **state)
{
	(void)state;
	open_with_buffer(65535);
	h_in_poll(1, 150, 10);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 1501);
}

static void rx_reassembly_leaves_the_last_quarter_of_the_pool(void **state)
{
	(void)state;
	open_taking(UINT32_MAX);
	while (h.e->rx.used <= h.e->rx.size / 4 * 3)
		rxpool_get(&h.e->rx, 6);
	h_in(ACK, 101, 1, 100, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_NO_MEMORY), 1);
	assert_int_equal(h_conn()->ext, NONE);
}

static void rx_last_quarter_of_the_pool_is_for_who_holds_something(void **state)
{
	(void)state;
	open_taking(0);
	h_in(ACK, 1, 1, 100, NULL, 0);
	while (h.e->rx.used <= h.e->rx.size / 4 * 3)
		rxpool_get(&h.e->rx, 6);
	h_in(ACK, 101, 1, 1000, NULL, 0);
	assert_int_equal(h_conn()->rx_bytes, 1100);
	assert_int_equal(h_counter(COUNTER_TCP_RX_NO_MEMORY), 0);
	h.port = 5001;
	h_open(true);
	h_in(ACK, 1, 1, 100, NULL, 0);
	assert_int_equal(h_conn()->rx_bytes, 0);
	assert_int_equal(h_counter(COUNTER_TCP_RX_NO_MEMORY), 1);
	h.take = UINT32_MAX; /* what is consumed at once needs no memory */
	h_in(ACK, 1, 1, 100, NULL, 0);
	assert_int_equal(h_conn()->rcv_nxt - HARNESS_ISS, 101);
}

#define CROWD  40
#define PACKET 4096u

static struct member {
	tcp_handle conn;
	uint32_t iss;
	bool silent;
} crowd[CROWD];

static void crowd_open(void)
{
	h_init();
	h.config.conns_max = 64;
	h.config.rx_memory_bytes = 65536;
	h_start();
	h.packet = PACKET;
	for (uint16_t i = 0; i < CROWD; i++) {
		h.port = (uint16_t)(5000 + i);
		h_open(true);
		crowd[i] = (struct member){.conn = h.conn, .iss = h.iss};
	}
}

/* The next segment of each, up to `end`; those that could not be kept come again. */
static void crowd_round(uint32_t end)
{
	h.now_us += 1000000;
	for (uint16_t i = 0; i < CROWD; i++) {
		const struct conn *c = conn_get(h.e, crowd[i].conn);
		uint32_t at = c ? c->rcv_nxt - HARNESS_ISS : end;
		if (at >= end || crowd[i].silent)
			continue;
		h.port = (uint16_t)(5000 + i);
		h.iss = crowd[i].iss;
		h_in(ACK, at, 1, min_u32(1000, end - at), NULL, 0);
	}
}

static uint32_t crowd_done(void)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < CROWD; i++) {
		const struct conn *c = conn_get(h.e, crowd[i].conn);
		done += c && c->rcv_nxt - HARNESS_ISS == 1 + PACKET && c->rx_bytes == 0;
	}
	return done;
}

static void rx_pool_full_of_parts_is_freed_and_the_rest_completes(void **state)
{
	(void)state;
	crowd_open();
	for (uint32_t i = 0; i < 5; i++)
		crowd_round(1 + PACKET / 4 * 3);
	assert_true(h_counter(COUNTER_TCP_RX_NO_MEMORY) > 0);
	for (uint32_t i = 0; i < 100; i++)
		crowd_round(1 + PACKET);
	assert_int_equal(crowd_done() + h.closed, CROWD);
	assert_int_equal(h_counter(COUNTER_TCP_RX_EVICTED), h.closed);
	assert_in_range(h.closed, 1, CROWD / 2);
	assert_int_equal(h.e->rx.used, 0);
}

static void rx_silent_holders_give_way_to_those_that_go_on(void **state)
{
	(void)state;
	crowd_open();
	for (uint32_t i = 0; i < 5; i++)
		crowd_round(1 + PACKET / 4 * 3);
	for (uint32_t i = 0; i < CROWD; i++)
		crowd[i].silent = i % 4 != 0;
	for (uint32_t i = 0; i < 200; i++)
		crowd_round(1 + PACKET);
	uint32_t lost = 0;
	for (uint32_t i = 0; i < CROWD; i += 4)
		lost += conn_get(h.e, crowd[i].conn) == NULL;
	assert_int_equal(crowd_done() + lost, CROWD / 4);
	assert_true(lost < 5);
}

static void rx_stale_ranges_give_way_when_memory_is_short(void **state)
{
	(void)state;
	open_taking(UINT32_MAX);
	tcp_handle holder = h.conn;
	h_in(ACK, 101, 1, 100, NULL, 0);
	h.port = 5001;
	h_open(true);
	/* all but what one buffer takes above the mark */
	while (h.e->rx.used <= h.e->rx.size / 4 * 3)
		rxpool_get(&h.e->rx, 0);
	h_in(ACK, 101, 1, 100, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_EVICTED), 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_NO_MEMORY), 1);
	h.now_us += 31000000;
	h_in(ACK, 101, 1, 100, NULL, 0);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_EVICTED), 1);
	assert_int_equal(h_counter(COUNTER_TCP_OOO_NO_MEMORY), 1);
	/* the evicted one gets its data again and is whole */
	h.port = 5000;
	h.conn = holder;
	h.iss = h_conn()->snd_una - 1;
	h_in(ACK, 1, 1, 100, NULL, 0);
	assert_int_equal(h.data_bytes, 100);
	h_in(ACK, 101, 1, 100, NULL, 0);
	assert_int_equal(h.data_bytes, 100);
	assert_int_equal(h_conn()->rcv_nxt - HARNESS_ISS, 201);
}

static void rx_without_memory_is_not_acknowledged(void **state)
{
	(void)state;
	open_taking(10);
	while (rxpool_get(&h.e->rx, 0) != NONE)
		;
	h_in(ACK, 1, 1, 100, NULL, 0);
	assert_int_equal(h.out[0].ack, 11);
	assert_int_equal(h_counter(COUNTER_TCP_RX_NO_MEMORY), 1);
	h.take = UINT32_MAX;
	h_in(ACK, 1, 1, 100, NULL, 0);
	assert_int_equal(h.data_bytes, 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(rx_in_order_data_is_lent_and_not_stored, h_stop),
	    cmocka_unit_test_teardown(rx_rest_is_kept_and_offered_with_the_next, h_stop),
	    cmocka_unit_test_teardown(rx_resume_offers_kept_data_in_the_flush, h_stop),
	    cmocka_unit_test_teardown(rx_window_shrinks_by_what_is_kept, h_stop),
	    cmocka_unit_test_teardown(rx_window_shrinks_as_the_pool_fills, h_stop),
	    cmocka_unit_test_teardown(rx_large_buffer_shrinks_with_its_content, h_stop),
	    cmocka_unit_test_teardown(rx_ranges_merge_and_are_delivered_together, h_stop),
	    cmocka_unit_test_teardown(rx_far_segment_in_the_window_is_reassembled, h_stop),
	    cmocka_unit_test_teardown(rx_more_than_16_kb_waits_while_the_pool_is_half_used,
	                              h_stop),
	    cmocka_unit_test_teardown(rx_whole_window_is_reassembled_while_there_is_room, h_stop),
	    cmocka_unit_test_teardown(rx_far_segment_waits_while_the_pool_is_half_used, h_stop),
	    cmocka_unit_test_teardown(rx_ranges_move_whole_when_the_front_is_consumed, h_stop),
	    cmocka_unit_test_teardown(rx_flight_of_one_poll_is_acked_every_second_full_segment,
	                              h_stop),
	    cmocka_unit_test_teardown(rx_small_segments_of_one_poll_share_an_ack, h_stop),
	    cmocka_unit_test_teardown(rx_reassembly_leaves_the_last_quarter_of_the_pool, h_stop),
	    cmocka_unit_test_teardown(rx_last_quarter_of_the_pool_is_for_who_holds_something,
	                              h_stop),
	    cmocka_unit_test_teardown(rx_pool_full_of_parts_is_freed_and_the_rest_completes,
	                              h_stop),
	    cmocka_unit_test_teardown(rx_silent_holders_give_way_to_those_that_go_on, h_stop),
	    cmocka_unit_test_teardown(rx_stale_ranges_give_way_when_memory_is_short, h_stop),
	    cmocka_unit_test_teardown(rx_without_memory_is_not_acknowledged, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
