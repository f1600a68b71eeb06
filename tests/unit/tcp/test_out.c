/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static uint8_t data[20000];

static struct conn *open_conn(bool sack)
{
	for (uint32_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 13 + i / 256);
	h_init();
	h_start();
	h_open(sack);
	return h_conn();
}

static void out_segments_carry_the_queue_in_order(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 2500));
	h_poll();
	assert_int_equal(h.out_count, 3);
	uint32_t at = 0;
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(h.out[i].seq, 1 + at);
		assert_memory_equal(h.out[i].data, data + at, h.out[i].bytes);
		at += h.out[i].bytes;
	}
	assert_int_equal(at, 2500);
	assert_int_equal(h.out[1].flags, ACK);
	assert_int_equal(h.out[2].flags, ACK | PSH); /* the last one */
}

static void out_retransmission_carries_the_same_bytes(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 2500));
	h_poll();
	h_in(ACK, 1, 1001, 0, NULL, 0);
	h_pass(1100000);
	assert_int_equal(h.out[0].seq, 1001);
	assert_memory_equal(h.out[0].data, data + 1000, 1000);
}

static void out_congestion_window_limits_the_flight(void **state)
{
	(void)state;
	struct conn *c = open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 20000));
	h_poll();
	assert_int_equal(h.out_count, 10);
	assert_int_equal(c->snd_nxt - c->snd_una, 10000);
}

static void out_idle_connection_starts_from_the_restart_window(void **state)
{
	(void)state;
	struct conn *c = open_conn(false);
	c->cwnd = 20000;
	h_pass(5000000);
	assert_true(tcp_send(h.e, h.conn, data, 20000));
	h_poll();
	assert_int_equal(h.out_count, 10); /* RFC 5681 4.1 */
}

static void out_fin_rides_on_the_last_data(void **state)
{
	(void)state;
	open_conn(false);
	assert_true(tcp_send(h.e, h.conn, data, 1500));
	tcp_close(h.e, h.conn);
	h_poll();
	assert_int_equal(h.out_count, 2);
	assert_int_equal(h.out[0].flags, ACK);
	assert_int_equal(h.out[1].flags, FIN | ACK | PSH);
	assert_int_equal(h.out[1].bytes, 500);
	assert_false(tcp_send(h.e, h.conn, data, 1));
}

static void out_right_edge_never_moves_left(void **state)
{
	(void)state;
	open_conn(false);
	uint32_t edge = h_conn()->rcv_adv;
	while (h.e->rx.used <= h.e->rx.size / 8 * 7)
		rxpool_get(&h.e->rx, 6);
	h_in(ACK, 1, 1, 100, NULL, 0);
	h_pass(50000);
	assert_int_equal(h.out[0].ack + h.out[0].window + HARNESS_ISS, edge);
	assert_int_equal(h_conn()->rcv_adv, edge);
}

static void out_resets_are_rate_limited(void **state)
{
	(void)state;
	h_init();
	h_start();
	uint32_t sent = 0;
	for (uint32_t i = 0; i < 3000; i++) {
		h.port = (uint16_t)(2000 + i);
		h_in(ACK, 1, 1, 0, NULL, 0);
		sent += h.out_count;
	}
	assert_int_equal(sent, 1000);
	assert_int_equal(h_counter(COUNTER_TCP_RST_THROTTLED), 2000);
	h.now_us += 500000;
	for (uint32_t i = 0; i < 3000; i++) {
		h_in(ACK, 1, 1, 0, NULL, 0);
		sent += h.out_count;
	}
	assert_in_range(sent, 1480, 1510);
}

static void out_payload_leaves_room_for_timestamps(void **state)
{
	(void)state;
	struct conn *c = open_conn(false);
	assert_int_equal(payload_max(c), 1000);
	c->flags |= C_TS;
	assert_int_equal(payload_max(c), 988);
	c->flags &= ~(uint32_t)C_TS;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(out_segments_carry_the_queue_in_order, h_stop),
	    cmocka_unit_test_teardown(out_retransmission_carries_the_same_bytes, h_stop),
	    cmocka_unit_test_teardown(out_congestion_window_limits_the_flight, h_stop),
	    cmocka_unit_test_teardown(out_idle_connection_starts_from_the_restart_window, h_stop),
	    cmocka_unit_test_teardown(out_fin_rides_on_the_last_data, h_stop),
	    cmocka_unit_test_teardown(out_right_edge_never_moves_left, h_stop),
	    cmocka_unit_test_teardown(out_resets_are_rate_limited, h_stop),
	    cmocka_unit_test_teardown(out_payload_leaves_room_for_timestamps, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
