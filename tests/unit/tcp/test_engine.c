/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const uint8_t data[40000];

static void engine_memory_is_what_its_pools_take(void **state)
{
	(void)state;
	h_init();
	uint64_t small = tcp_engine_memory(&h.config);
	h.config.conns_max += 1000;
	assert_true(tcp_engine_memory(&h.config) >= small + 1000 * sizeof(struct conn));
	h.config.tx_memory_bytes += 1 << 20;
	h.config.rx_memory_bytes += 1 << 20;
	assert_true(tcp_engine_memory(&h.config) >= small + 1000 * sizeof(struct conn) + (2 << 20));
}

static void engine_idle_connection_stays_within_its_budget(void **state)
{
	(void)state;
	h_init();
	h.config.conns_max = 100000;
	h.config.syn_cache_max = 1000;
	h.config.time_wait_max = 1000;
	h_start();
	struct tcp_levels l;
	tcp_levels_get(h.e, &l);
	assert_true(l.bytes_per_idle_conn <= 256);
	assert_int_equal(sizeof(struct conn), 192);
	assert_true(sizeof(struct time_wait) <= 48);
}

static void engine_send_is_all_or_nothing(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	assert_true(tcp_send(h.e, h.conn, data, 30000));
	assert_false(tcp_send(h.e, h.conn, data, 3000)); /* of 32,768 */
	assert_int_equal(h_conn()->tx_bytes, 30000);
	assert_true(tcp_send(h.e, h.conn, data, 2768));
	assert_false(tcp_send(h.e, h.conn, data, 1));
}

static void engine_writable_follows_a_refused_send(void **state)
{
	(void)state;
	h_init();
	h.config.tx_buffer_bytes = 4000;
	h_start();
	h_open(false);
	assert_true(tcp_send(h.e, h.conn, data, 4000));
	assert_false(tcp_send(h.e, h.conn, data, 1));
	assert_int_equal(h_counter(COUNTER_TCP_SEND_BUFFER_FULL), 1);
	h_poll();
	h_in(ACK, 1, 1001, 0, NULL, 0);
	assert_int_equal(h.writable, 0);
	h_in(ACK, 1, 3001, 0, NULL, 0);
	assert_int_equal(h.writable, 1);
	h_in(ACK, 1, 4001, 0, NULL, 0);
	assert_int_equal(h.writable, 1);
}

static void engine_replies_of_a_poll_coalesce(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	for (uint32_t i = 0; i < 50; i++)
		assert_true(tcp_send(h.e, h.conn, data, 4));
	h_poll();
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].bytes, 200);
}

static void engine_stale_handle_is_ignored(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	tcp_handle old = h.conn;
	tcp_abort(h.e, old);
	assert_int_equal(h.closed, 1);
	assert_int_equal(h.reason, TCP_CLOSED_ABORTED);
	h_open(false);
	assert_int_equal(tcp_index(old), tcp_index(h.conn)); /* the same record */
	struct tcp_peer peer;
	assert_false(tcp_peer_of(h.e, old, &peer));
	assert_false(tcp_send(h.e, old, data, 1));
	tcp_close(h.e, old);
	tcp_abort(h.e, old);
	tcp_resume(h.e, old);
	h_poll();
	assert_int_equal(h.out_count, 0);
	assert_true(tcp_peer_of(h.e, h.conn, &peer));
	assert_int_equal(peer.port, 5000);
	assert_int_equal(peer.local_port, 1883);
	assert_memory_equal(&peer.address, &h.peer, sizeof peer.address);
	assert_false(tcp_peer_of(h.e, 0, &peer));
	assert_false(tcp_peer_of(h.e, UINT64_MAX, &peer));
}

static void engine_wide_receive_buffer_is_scaled(void **state)
{
	(void)state;
	static const uint8_t ws[] = {1, 3, 3, 2};
	h_init();
	h.config.rx_buffer_bytes = 300000;
	h_start();
	assert_int_equal(h.e->rcv_wscale, 3);
	h_in(SYN, 0, 0, 0, ws, sizeof ws);
	assert_int_equal(h.out[0].opt.wscale, 3);
	assert_int_equal(h.out[0].window, 65535); /* never scaled in a SYN, RFC 7323 2.2 */
	h_in(ACK, 1, 1, 100, NULL, 0);
	h_pass(50000);
	assert_int_equal(h.out[0].window, 300000 >> 3);
}

static void engine_shared_nothing_engines_differ_in_nothing_but_keys(void **state)
{
	(void)state;
	/* CVE-2020-35685: the same address pair gets unrelated numbers under another key */
	h_init();
	h_start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	uint32_t first = h.iss, again;
	h_stop(NULL);
	h_init();
	h_start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	assert_int_equal(h.iss, first);
	h_stop(NULL);
	h_init();
	h.config.secret[31] ^= 1;
	h_start();
	h_in(SYN, 0, 0, 0, NULL, 0);
	again = h.iss;
	assert_int_not_equal(again, first);
}

static void engine_send_larger_than_its_queue_is_counted(void **state)
{
	(void)state;
	h_init();
	h.config.tx_buffer_bytes = 4000;
	h_start();
	h_open(false);
	assert_false(tcp_send(h.e, h.conn, data, 4001));
	assert_int_equal(h_counter(COUNTER_TCP_SEND_TOO_LARGE), 1);
}

/* The numbers that stand for our addresses are few; one more than that is refused and counted. */
static void engine_knows_so_many_local_addresses(void **state)
{
	(void)state;
	h_init();
	h_start();
	for (uint32_t i = 0; i <= LOCALS_MAX; i++) {
		assert_int_equal(h_counter(COUNTER_TCP_DROP_LOCAL_ADDRESSES), 0);
		h.local.ip[14] = (uint8_t)i;
		h_in(SYN, 0, 0, 0, NULL, 0);
	}
	assert_int_equal(h.out_count, 0);
	assert_int_equal(h_counter(COUNTER_TCP_DROP_LOCAL_ADDRESSES), 1);
}

/* One segment in flight at a time, and nothing is reassembled: slow, but alive. */
static void engine_without_extension_blocks_goes_on(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(true);
	h.e->ext_free = NONE;
	assert_true(tcp_send(h.e, h.conn, data, 2500));
	h_poll();
	assert_int_equal(h.out_count, 1);
	assert_true(h_counter(COUNTER_TCP_EXT_EMPTY) > 0);
	h_in(ACK, 1, 1001, 0, NULL, 0);
	assert_int_equal(h.out_count, 1);
	h_in(ACK, 1, 2001, 0, NULL, 0);
	assert_int_equal(h.out_count, 1);
	h_in(ACK, 101, 2501, 100, NULL, 0);
	assert_int_equal(h.out[0].ack, 1);
	h_in(ACK, 1, 2501, 100, NULL, 0);
	assert_int_equal(h.data_bytes, 100);
}

static void engine_without_buffers_recovers(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	h.no_buffer = true;
	assert_true(tcp_send(h.e, h.conn, data, 2500));
	for (uint32_t i = 0; i < 20; i++)
		h_pass(500000);
	assert_int_equal(h.out_count, 0);
	h.no_buffer = false;
	h_pass(1000);
	assert_int_equal(h.out_count, 3);
	h_in(ACK, 1, 2501, 0, NULL, 0);
	assert_int_equal(h.closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(engine_memory_is_what_its_pools_take),
	    cmocka_unit_test_teardown(engine_idle_connection_stays_within_its_budget, h_stop),
	    cmocka_unit_test_teardown(engine_send_is_all_or_nothing, h_stop),
	    cmocka_unit_test_teardown(engine_writable_follows_a_refused_send, h_stop),
	    cmocka_unit_test_teardown(engine_replies_of_a_poll_coalesce, h_stop),
	    cmocka_unit_test_teardown(engine_stale_handle_is_ignored, h_stop),
	    cmocka_unit_test_teardown(engine_wide_receive_buffer_is_scaled, h_stop),
	    cmocka_unit_test_teardown(engine_shared_nothing_engines_differ_in_nothing_but_keys,
	                              h_stop),
	    cmocka_unit_test_teardown(engine_send_larger_than_its_queue_is_counted, h_stop),
	    cmocka_unit_test_teardown(engine_knows_so_many_local_addresses, h_stop),
	    cmocka_unit_test_teardown(engine_without_extension_blocks_goes_on, h_stop),
	    cmocka_unit_test_teardown(engine_without_buffers_recovers, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
