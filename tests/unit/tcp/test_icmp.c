/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const uint8_t data[3000];

static void quote(uint32_t seq, uint32_t bytes, uint32_t mtu)
{
	uint8_t q[8];
	put_be16(q, 1883);
	put_be16(q + 2, h.port);
	put_be32(q + 4, h.iss + seq);
	uint8_t *exact = malloc(bytes ? bytes : 1);
	assert_non_null(exact);
	memcpy(exact, q, bytes);
	tcp_input_icmp(h.e, &h.local, &h.peer, exact, bytes, mtu);
	free(exact);
	h_poll();
}

static void open_with_flight(void)
{
	h_init();
	h_start();
	h_open(true);
	assert_true(tcp_send(h.e, h.conn, data, 3000));
	h_poll();
	assert_int_equal(h.out_count, 3);
}

static void icmp_smaller_mtu_resends_what_is_in_flight(void **state)
{
	(void)state;
	open_with_flight();
	uint32_t cwnd = h_conn()->cwnd;
	quote(1, 8, 700);
	assert_int_equal(h_conn()->mss, 660);
	assert_int_equal(h_conn()->cwnd, cwnd); /* not congestion */
	uint32_t bytes = 0;
	for (uint32_t i = 0; i < h.out_count; i++) {
		assert_true(h.out[i].bytes <= 660);
		bytes += h.out[i].bytes;
	}
	assert_int_equal(bytes, 3000);
}

static void icmp_mtu_never_goes_below_the_floor(void **state)
{
	(void)state;
	open_with_flight();
	quote(1, 8, 1);
	assert_int_equal(h_conn()->mss, 536);
}

static void icmp_outside_the_flight_is_not_believed(void **state)
{
	(void)state;
	open_with_flight();
	quote(0, 8, 600);
	quote(3001, 8, 600);
	assert_int_equal(h_conn()->mss, 1000);
	assert_int_equal(h_counter(COUNTER_TCP_ICMP_NOT_IN_FLIGHT), 2);
}

static void icmp_short_quotes_are_dropped(void **state)
{
	(void)state;
	open_with_flight();
	for (uint32_t bytes = 0; bytes < 8; bytes++)
		quote(1, bytes, 600);
	assert_int_equal(h_conn()->mss, 1000);
	assert_int_equal(h_counter(COUNTER_TCP_ICMP_SHORT), 8);
}

static void icmp_unreachable_is_soft(void **state)
{
	(void)state;
	open_with_flight();
	quote(1, 8, 0);
	assert_int_equal(h.closed, 0);
	assert_int_equal(h_counter(COUNTER_TCP_ICMP_SOFT), 1);
}

static void icmp_for_strangers_is_dropped(void **state)
{
	(void)state;
	open_with_flight();
	h.port = 1;
	quote(1, 8, 600);
	assert_int_equal(h_counter(COUNTER_TCP_ICMP_NO_CONNECTION), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(icmp_smaller_mtu_resends_what_is_in_flight, h_stop),
	    cmocka_unit_test_teardown(icmp_mtu_never_goes_below_the_floor, h_stop),
	    cmocka_unit_test_teardown(icmp_outside_the_flight_is_not_believed, h_stop),
	    cmocka_unit_test_teardown(icmp_short_quotes_are_dropped, h_stop),
	    cmocka_unit_test_teardown(icmp_unreachable_is_soft, h_stop),
	    cmocka_unit_test_teardown(icmp_for_strangers_is_dropped, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
