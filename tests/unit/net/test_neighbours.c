/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/address.h"
#include "net/neighbours.h"

static void address(uint8_t out[16], uint32_t n)
{
	uint8_t ipv4[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	address_from_ipv4(out, ipv4);
}

static void neighbour_learned_is_found_and_ages(void **state)
{
	(void)state;
	struct neighbours *n = neighbours_new(64);
	uint8_t a[16], mac[6] = {2, 1, 2, 3, 4, 5}, found[6];
	address(a, 1);
	assert_int_equal(neighbours_find(n, a, 0, found), NEIGHBOUR_UNKNOWN);
	neighbours_learn(n, a, mac, 1000);
	assert_int_equal(neighbours_find(n, a, 2000, found), NEIGHBOUR_FRESH);
	assert_memory_equal(found, mac, 6);
	assert_int_equal(neighbours_find(n, a, 31000000 + 1000, found), NEIGHBOUR_STALE);
	mac[5] = 9;
	neighbours_learn(n, a, mac, 40000000);
	assert_int_equal(neighbours_find(n, a, 40000001, found), NEIGHBOUR_FRESH);
	assert_memory_equal(found, mac, 6);
	neighbours_free(n);
}

static void neighbours_flood_keeps_the_newest(void **state)
{
	(void)state;
	struct neighbours *n = neighbours_new(256);
	uint8_t a[16], mac[6] = {2}, found[6];
	for (uint32_t i = 0; i < 100000; i++) {
		address(a, i);
		mac[5] = (uint8_t)i;
		neighbours_learn(n, a, mac, i);
		assert_int_equal(neighbours_find(n, a, i, found), NEIGHBOUR_FRESH);
		assert_memory_equal(found, mac, 6);
	}
	neighbours_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(neighbour_learned_is_found_and_ages),
	    cmocka_unit_test(neighbours_flood_keeps_the_newest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
