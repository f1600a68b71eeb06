/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

/* Open from `port` and close from our side, up to TIME-WAIT. */
static void through(uint16_t port)
{
	h.port = port;
	h_open(false);
	tcp_close(h.e, h.conn);
	h_poll();
	assert_int_equal(h.out[0].flags, FIN | ACK);
	h_in(FIN | ACK, 1, 2, 0, NULL, 0);
}

static void timewait_holds_a_record_and_no_connection(void **state)
{
	(void)state;
	h_init();
	h_start();
	through(5000);
	assert_int_equal(h.closed, 1);
	assert_int_equal(h.reason, TCP_CLOSED_NORMAL);
	assert_int_equal(h.e->conn_count, 0);
	assert_int_equal(h.e->tw_count, 1);
}

static void timewait_ends_after_a_minute(void **state)
{
	(void)state;
	h_init();
	h_start();
	through(5000);
	assert_true(tcp_next_timer_us(h.e) <= h.now_us + 61000000);
	h_pass(59000000);
	assert_int_equal(h.e->tw_count, 1);
	h_pass(2000000);
	assert_int_equal(h.e->tw_count, 0);
	assert_true(tcp_next_timer_us(h.e) == UINT64_MAX);
}

static void timewait_fin_again_restarts_it(void **state)
{
	(void)state;
	h_init();
	h_start();
	through(5000);
	h_pass(50000000);
	h_in(FIN | ACK, 1, 2, 0, NULL, 0);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].ack, 2);
	h_pass(50000000);
	assert_int_equal(h.e->tw_count, 1);
	h_pass(11000000);
	assert_int_equal(h.e->tw_count, 0);
}

static void timewait_oldest_makes_room(void **state)
{
	(void)state;
	h_init();
	h.config.time_wait_max = 2;
	h_start();
	through(5000);
	through(5001);
	through(5002);
	assert_int_equal(h.e->tw_count, 2);
	assert_int_equal(h_counter(COUNTER_TCP_TIME_WAIT_RECYCLED), 1);
	h.port = 5000; /* unknown again */
	h_in(ACK, 2, 2, 0, NULL, 0);
	assert_int_equal(h.out[0].flags, RST);
	h.port = 5001;
	h_in(RST, 2, 0, 0, NULL, 0);
	assert_int_equal(h.e->tw_count, 2);
}

static void timewait_without_records_just_closes(void **state)
{
	(void)state;
	h_init();
	h.config.time_wait_max = 0;
	h_start();
	through(5000);
	assert_int_equal(h.closed, 1);
	assert_int_equal(h.reason, TCP_CLOSED_NORMAL);
	assert_int_equal(h.e->conn_count, 0);
}

static void timewait_pure_ack_is_not_answered(void **state)
{
	(void)state;
	h_init();
	h_start();
	through(5000);
	h_in(ACK, 2, 2, 0, NULL, 0);
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h_counter(COUNTER_TCP_TIME_WAIT_ACK_IGNORED), 1);
	h_in(ACK, 2, 2, 10, NULL, 0);
	assert_int_equal(h.out_count, 1);
}

static void timewait_expiry_is_bounded_per_poll(void **state)
{
	(void)state;
	h_init();
	h_start();
	for (uint16_t port = 5000; port < 5006; port++)
		through(port);
	h.now_us += 70000000;
	tcp_set_now(h.e, h.now_us);
	tcp_run_timers(h.e, 4);
	assert_int_equal(h.e->tw_count, 2);
	tcp_run_timers(h.e, 4);
	assert_int_equal(h.e->tw_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(timewait_holds_a_record_and_no_connection, h_stop),
	    cmocka_unit_test_teardown(timewait_ends_after_a_minute, h_stop),
	    cmocka_unit_test_teardown(timewait_fin_again_restarts_it, h_stop),
	    cmocka_unit_test_teardown(timewait_oldest_makes_room, h_stop),
	    cmocka_unit_test_teardown(timewait_without_records_just_closes, h_stop),
	    cmocka_unit_test_teardown(timewait_pure_ack_is_not_answered, h_stop),
	    cmocka_unit_test_teardown(timewait_expiry_is_bounded_per_poll, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
