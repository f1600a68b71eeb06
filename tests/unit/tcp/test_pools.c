/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static const uint8_t data[5000];

static struct tcp_pool pool_named(const char *name)
{
	struct tcp_pool pool;
	for (uint32_t i = 0; tcp_pool_get(h.e, i, &pool); i++)
		if (strcmp(pool.name, name) == 0)
			return pool;
	fail_msg("there is no pool %s", name);
	return pool;
}

static void expect_used(const char *name, uint64_t used)
{
	uint64_t got = pool_named(name).used;
	if (got != used)
		fail_msg("%s: %llu used, expected %llu", name, (unsigned long long)got,
		         (unsigned long long)used);
}

static void pools_follow_a_connections_life(void **state)
{
	(void)state;
	h_init();
	h_start();
	expect_used("connection blocks", 0);
	h_open(false);
	expect_used("connection blocks", 1);
	expect_used("connection table", 1);
	expect_used("extension blocks", 0);
	expect_used("send chunks", 0);
	assert_true(tcp_send(h.e, h.conn, data, sizeof data));
	h_poll();
	expect_used("extension blocks", 1); /* several segments in flight */
	expect_used("send chunks", (sizeof data + CHUNK_BYTES - 1) / CHUNK_BYTES);
	struct tcp_levels l;
	tcp_levels_get(h.e, &l);
	assert_int_equal(l.exts, 1);
	assert_int_equal(l.timers, 1);
	h_in(RST, 1, 0, 0, NULL, 0);
	expect_used("connection blocks", 0);
	expect_used("extension blocks", 0);
	expect_used("send chunks", 0);
}

/* What an idle connection has: its block and its share of the table. */
static void idle_bytes_are_those_of_the_pools_that_each_has(void **state)
{
	struct tcp_pool pool;
	struct tcp_levels l;
	uint32_t bytes = 0;
	(void)state;
	h_init();
	h_start();
	for (uint32_t i = 0; tcp_pool_get(h.e, i, &pool); i++) {
		assert_true(pool.record_bytes > 0 && pool.used <= pool.capacity);
		assert_true(pool.of_connections || !pool.each);
		bytes += pool.each ? pool.record_bytes : 0;
	}
	tcp_levels_get(h.e, &l);
	assert_int_equal(bytes, l.bytes_per_idle_conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(pools_follow_a_connections_life, h_stop),
	    cmocka_unit_test_teardown(idle_bytes_are_those_of_the_pools_that_each_has, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
