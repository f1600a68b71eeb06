/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static uint64_t fetch(const uint8_t *segment, uint32_t bytes)
{
	struct conn *c = h_conn();
	struct tcp_address local = h.e->locals[c->key.local], peer;
	memcpy(peer.ip, c->key.ip, sizeof peer.ip);
	return tcp_fetch(h.e, &local, &peer, segment, bytes);
}

static void fetch_names_the_connection_of_a_segment(void **state)
{
	(void)state;
	uint8_t segment[20] = {0};
	h_init();
	h_start();
	h_open(false);
	put_be16(segment, h_conn()->key.peer_port);
	put_be16(segment + 2, h_conn()->key.local_port);
	uint64_t found = fetch(segment, sizeof segment);
	assert_int_equal(tcp_fetch_conn(h.e, found), tcp_index(h.conn));
	tcp_fetch_more(h.e, tcp_index(h.conn)); /* nothing hangs on it yet */
	assert_true(tcp_send(h.e, h.conn, segment, sizeof segment));
	tcp_fetch_more(h.e, tcp_index(h.conn));
}

/* A guess saves the look-up when it is right, and nothing comes of it when it is not. */
static void fetch_wrong_guess_still_finds_the_connection(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	uint32_t right = tcp_index(h.conn);
	const uint32_t guesses[] = {right, right + 1, h.config.conns_max, UINT32_MAX};
	uint8_t segment[20 + 4] = {[12] = 5 << 4, [13] = ACK, [14] = 0xf0};
	put_be16(segment, h.port);
	put_be16(segment + 2, 1883);
	put_be32(segment + 8, h.iss + 1);
	for (uint32_t i = 0; i < 4; i++) {
		put_be32(segment + 4, HARNESS_ISS + 1 + 4 * i);
		tcp_input_likely(h.e, guesses[i], &h.local, &h.peer, segment, sizeof segment);
		assert_int_equal(h.data_calls, i + 1);
	}
}

/* Whose place it had is gone: the segment is nobody's. */
static void fetch_guess_of_a_closed_connection_is_none(void **state)
{
	(void)state;
	h_init();
	h_start();
	h_open(false);
	uint32_t index = tcp_index(h.conn);
	tcp_abort(h.e, h.conn);
	uint8_t segment[20 + 4] = {[12] = 5 << 4, [13] = ACK, [14] = 0xf0};
	put_be16(segment, h.port);
	put_be16(segment + 2, 1883);
	put_be32(segment + 4, HARNESS_ISS + 1);
	put_be32(segment + 8, h.iss + 1);
	tcp_input_likely(h.e, index, &h.local, &h.peer, segment, sizeof segment);
	assert_int_equal(h.data_calls, 0);
	assert_int_equal(h_counter(COUNTER_TCP_NO_CONNECTION), 1);
}

static void fetch_of_nothing_known_is_nothing(void **state)
{
	(void)state;
	uint8_t segment[20] = {0};
	h_init();
	h_start();
	h_open(false);
	put_be16(segment, h_conn()->key.peer_port ^ 1);
	put_be16(segment + 2, h_conn()->key.local_port);
	assert_int_equal(tcp_fetch_conn(h.e, fetch(segment, sizeof segment)), UINT32_MAX);
	assert_int_equal(fetch(segment, 3), 0); /* cut before the ports */
	assert_int_equal(tcp_fetch_conn(h.e, 0), UINT32_MAX);
	struct tcp_address nobody = {.ip = {1}};
	assert_int_equal(tcp_fetch(h.e, &nobody, &nobody, segment, sizeof segment), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(fetch_names_the_connection_of_a_segment, h_stop),
	    cmocka_unit_test_teardown(fetch_wrong_guess_still_finds_the_connection, h_stop),
	    cmocka_unit_test_teardown(fetch_guess_of_a_closed_connection_is_none, h_stop),
	    cmocka_unit_test_teardown(fetch_of_nothing_known_is_nothing, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
