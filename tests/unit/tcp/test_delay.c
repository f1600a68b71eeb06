/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static void open_conn(void)
{
	h_init();
	h_start();
	h_open(true);
}

static void delay_data_unanswered_is_acknowledged_within_40_ms(void **state)
{
	(void)state;
	open_conn();
	h_in(ACK, 1, 1, 10, NULL, 0);
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h.e->ack_waiting, 1);
	h_pass(30000);
	assert_int_equal(h.out_count, 0);
	h_pass(11000);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 11);
	assert_int_equal(h.e->ack_waiting, 0);
}

static void delay_answer_takes_the_ack_along(void **state)
{
	(void)state;
	open_conn();
	h_in(ACK, 1, 1, 10, NULL, 0);
	assert_true(tcp_send(h.e, h.conn, "answer", 6));
	h_poll();
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 11);
	h_in(ACK, 11, 7, 0, NULL, 0);
	h_pass(50000);
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h.e->ack_waiting, 0);
}

/* The deadline of the second one counts, in the slot of the first. */
static void delay_of_the_next_message_counts_from_its_own_time(void **state)
{
	(void)state;
	open_conn();
	h_in(ACK, 1, 1, 10, NULL, 0);
	assert_true(tcp_send(h.e, h.conn, "answer", 6));
	h_poll();
	h.now_us += 30000;
	h_in(ACK, 11, 7, 10, NULL, 0);
	assert_int_equal(h.e->ack_waiting, 1);
	h_pass(20000);
	assert_int_equal(h.out_count, 0);
	h_pass(21000);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 21);
}

static void delay_long_pause_acknowledges_at_once(void **state)
{
	(void)state;
	open_conn();
	h_in(ACK, 1, 1, 10, NULL, 0);
	h.now_us += 10000000;
	h_in(ACK, 11, 1, 10, NULL, 0);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 21);
	h_pass(50000);
	assert_int_equal(h.e->ack_waiting, 0);
}

static void delay_of_a_connection_that_ends_is_forgotten(void **state)
{
	(void)state;
	open_conn();
	h_in(ACK, 1, 1, 10, NULL, 0);
	tcp_abort(h.e, h.conn);
	assert_int_equal(h.e->ack_waiting, 1);
	h_pass(50000);
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h.e->ack_waiting, 0);
	assert_true(tcp_next_timer_us(h.e) == UINT64_MAX);
}

static void delay_budget_leaves_the_rest_for_the_next_poll(void **state)
{
	(void)state;
	open_conn();
	uint32_t iss = h.iss;
	h.port++;
	h_open(true);
	h_in(ACK, 1, 1, 10, NULL, 0);
	h.port--;
	h.iss = iss;
	h_in(ACK, 1, 1, 10, NULL, 0);
	assert_int_equal(h.e->ack_waiting, 2);
	h.now_us += 150000;
	tcp_set_now(h.e, h.now_us);
	tcp_run_timers(h.e, 1);
	assert_int_equal(h.e->ack_waiting, 1);
	tcp_run_timers(h.e, 1);
	assert_int_equal(h.e->ack_waiting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(delay_data_unanswered_is_acknowledged_within_40_ms, h_stop),
	    cmocka_unit_test_teardown(delay_answer_takes_the_ack_along, h_stop),
	    cmocka_unit_test_teardown(delay_of_the_next_message_counts_from_its_own_time, h_stop),
	    cmocka_unit_test_teardown(delay_long_pause_acknowledges_at_once, h_stop),
	    cmocka_unit_test_teardown(delay_of_a_connection_that_ends_is_forgotten, h_stop),
	    cmocka_unit_test_teardown(delay_budget_leaves_the_rest_for_the_next_poll, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
