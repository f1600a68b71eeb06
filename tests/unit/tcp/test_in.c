/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

/* What an established connection with a window of `window` says to one segment: true when it is
 * acceptable (RFC 9293 3.10.7.4, table 6), told by the counter. */
static bool is_taken(uint32_t window, uint32_t seq, uint32_t bytes)
{
	h_init();
	h_start();
	h_open(false);
	struct conn *c = h_conn();
	c->rcv_adv = c->rcv_nxt + window;
	h_in(ACK, seq, 1, bytes, NULL, 0);
	bool taken = h_counter(COUNTER_TCP_UNACCEPTABLE) == 0;
	h_stop(NULL);
	return taken;
}

static void in_acceptability_follows_table_6(void **state)
{
	(void)state;
	/* no data, window 0 */
	assert_true(is_taken(0, 1, 0));
	assert_false(is_taken(0, 0, 0));
	assert_false(is_taken(0, 2, 0));
	/* no data, window 100 */
	assert_true(is_taken(100, 1, 0));
	assert_true(is_taken(100, 100, 0));
	assert_true(is_taken(100, 101, 0)); /* the right edge: see the code */
	assert_false(is_taken(100, 102, 0));
	assert_false(is_taken(100, 0, 0));
	/* data, window 0: only the ACK of the expected segment counts */
	assert_false(is_taken(0, 2, 1));
	/* data, window 100 */
	assert_true(is_taken(100, 1, 1));
	assert_true(is_taken(100, 100, 50));
	assert_false(is_taken(100, 101, 1));
	assert_true(is_taken(100, (uint32_t)-3, 5));  /* its last byte is new */
	assert_false(is_taken(100, (uint32_t)-4, 5)); /* all of it is old */
}

static void in_window_of_zero_still_takes_acknowledgements(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	assert_true(tcp_send(h.e, h.conn, "abcd", 4));
	h_poll();
	struct conn *c = h_conn();
	c->rcv_adv = c->rcv_nxt;
	h_in(ACK, 1, 5, 10, NULL, 0);
	assert_int_equal(c->tx_bytes, 0);
	assert_int_equal(h.data_calls, 0);
	assert_int_equal(h.out_count, 1); /* and is answered */
}

static void in_malformed_segments_have_their_counters(void **state)
{
	(void)state;
	h_init();
	h_start();
	struct segment s;
	uint8_t bytes[20] = {[12] = 5 << 4};
	assert_true(segment_parse(h.e, bytes, 20, &s));
	for (uint32_t n = 0; n < 20; n++)
		assert_false(segment_parse(h.e, bytes, n, &s));
	assert_int_equal(h_counter(COUNTER_TCP_DROP_SHORT), 20);
	for (uint32_t words = 0; words < 16; words++) {
		bytes[12] = (uint8_t)(words << 4);
		assert_int_equal(segment_parse(h.e, bytes, 20, &s), words == 5);
	}
	assert_int_equal(h_counter(COUNTER_TCP_DROP_DATA_OFFSET), 15);
}

static void in_listens_on_its_ports_only(void **state)
{
	(void)state;
	h_init();
	h.config.ports[1] = 8883;
	h_start();
	assert_true(port_is_open(h.e, 1883));
	assert_true(port_is_open(h.e, 8883));
	assert_false(port_is_open(h.e, 0));
	assert_false(port_is_open(h.e, 80));
}

static void in_finished_comes_once_and_after_the_data(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	h_in(FIN | ACK, 11, 1, 0, NULL, 0); /* ahead of a gap */
	assert_int_equal(h.finished, 0);
	h_in(FIN | ACK, 1, 1, 10, NULL, 0);
	assert_int_equal(h.finished, 1);
	h_in(FIN | ACK, 1, 1, 10, NULL, 0);
	h_in(FIN | ACK, 11, 1, 0, NULL, 0);
	assert_int_equal(h.finished, 1);
	assert_int_equal(h_conn()->state, STATE_CLOSE_WAIT);
}

/* An application that waits for the rest of a packet learns that there is none. */
static void in_fin_behind_kept_bytes_offers_them_again(void **state)
{
	(void)state;
	h_init();
	h.packet = 8;
	h_start();
	h_open(false);
	h_in(ACK, 1, 1, 11, NULL, 0);
	assert_int_equal(h.data_calls, 1);
	assert_false(tcp_is_finished(h.e, h.conn));
	h_in(FIN | ACK, 12, 1, 0, NULL, 0);
	assert_true(tcp_is_finished(h.e, h.conn));
	assert_int_equal(h.data_calls, 2);
	assert_int_equal(h.data_bytes, 3);
	assert_int_equal(h.finished, 0); /* they were not consumed */
	tcp_close(h.e, h.conn);
	h_poll();
	assert_int_equal(h.out[0].flags & FIN, FIN);
	h_in(ACK, 13, 2, 0, NULL, 0);
	assert_int_equal(h.closed, 1);
	assert_int_equal(h.reason, TCP_CLOSED_NORMAL);
	assert_false(tcp_is_finished(h.e, h.conn));
}

static void in_fin_with_the_cut_off_bytes_offers_them_again(void **state)
{
	(void)state;
	h_init();
	h.packet = 8;
	h_start();
	h_open(false);
	h_in(FIN | ACK, 1, 1, 11, NULL, 0);
	assert_int_equal(h.data_calls, 2);
	assert_int_equal(h.data_bytes, 3);
	assert_true(tcp_is_finished(h.e, h.conn));
}

static void in_fin_voids_what_lies_behind_it(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(true);
	h_in(ACK, 101, 1, 100, NULL, 0);
	assert_true(h.e->rx.used > 0);
	h_in(FIN | ACK, 1, 1, 0, NULL, 0);
	assert_int_equal(h.finished, 1);
	assert_int_equal(h.e->rx.used, 0);
	assert_int_equal(h_conn()->ext, NONE);
}

static void in_segment_without_ack_is_dropped(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	h_in(PSH, 1, 1, 10, NULL, 0);
	assert_int_equal(h.data_calls, 0);
	assert_int_equal(h_counter(COUNTER_TCP_DROP_NO_ACK), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_acceptability_follows_table_6),
	    cmocka_unit_test_teardown(in_window_of_zero_still_takes_acknowledgements, h_stop),
	    cmocka_unit_test_teardown(in_malformed_segments_have_their_counters, h_stop),
	    cmocka_unit_test_teardown(in_listens_on_its_ports_only, h_stop),
	    cmocka_unit_test_teardown(in_finished_comes_once_and_after_the_data, h_stop),
	    cmocka_unit_test_teardown(in_fin_behind_kept_bytes_offers_them_again, h_stop),
	    cmocka_unit_test_teardown(in_fin_with_the_cut_off_bytes_offers_them_again, h_stop),
	    cmocka_unit_test_teardown(in_fin_voids_what_lies_behind_it, h_stop),
	    cmocka_unit_test_teardown(in_segment_without_ack_is_dropped, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
