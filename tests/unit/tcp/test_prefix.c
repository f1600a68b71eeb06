/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static struct key key_of(const char *hex, uint16_t port)
{
	struct key key = {.peer_port = port, .local_port = 1883};
	for (uint32_t i = 0; i < 16; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
		key.ip[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return key;
}

static void start(uint32_t most)
{
	h_init();
	h.config.conns_per_prefix_max = most;
	h_start();
}

static void prefix_counts_an_ipv6_64_as_one(void **state)
{
	(void)state;
	start(2);
	struct key a = key_of("20010db8000000010000000000000001", 1);
	struct key b = key_of("20010db80000000100000000ffff0002", 2);
	struct key other = key_of("20010db8000000020000000000000001", 3);
	struct conn c[2] = {{.key = a}, {.key = b}};
	prefix_add(h.e, &c[0]);
	assert_false(prefix_is_full(h.e, &b));
	prefix_add(h.e, &c[1]);
	assert_true(prefix_is_full(h.e, &a));
	assert_false(prefix_is_full(h.e, &other));
	prefix_remove(h.e, &c[0]);
	assert_false(prefix_is_full(h.e, &a));
	prefix_remove(h.e, &c[1]);
}

static void prefix_counts_ipv4_addresses_apart(void **state)
{
	(void)state;
	start(1);
	struct key a = key_of("00000000000000000000ffff0a000001", 1);
	struct key b = key_of("00000000000000000000ffff0a000002", 1);
	struct conn c = {.key = a};
	prefix_add(h.e, &c);
	assert_true(prefix_is_full(h.e, &a));
	assert_false(prefix_is_full(h.e, &b));
}

static void prefix_without_cap_is_never_full(void **state)
{
	(void)state;
	start(0);
	struct conn c = {.key = key_of("00000000000000000000ffff0a000001", 1)};
	prefix_add(h.e, &c);
	assert_false(prefix_is_full(h.e, &c.key));
	assert_int_equal(c.flags & C_PREFIX, 0);
	prefix_remove(h.e, &c);
}

static void prefix_connections_give_their_share_back(void **state)
{
	(void)state;
	start(2);
	for (uint32_t round = 0; round < 20; round++) {
		h.port = (uint16_t)(5000 + 2 * round);
		h_open(false);
		tcp_handle first = h.conn;
		h.port++;
		h_open(false);
		tcp_abort(h.e, first);
		tcp_abort(h.e, h.conn);
	}
	assert_int_equal(h.accepted, 40);
	assert_int_equal(h_counter(COUNTER_TCP_SYN_PREFIX_FULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(prefix_counts_an_ipv6_64_as_one, h_stop),
	    cmocka_unit_test_teardown(prefix_counts_ipv4_addresses_apart, h_stop),
	    cmocka_unit_test_teardown(prefix_without_cap_is_never_full, h_stop),
	    cmocka_unit_test_teardown(prefix_connections_give_their_share_back, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
