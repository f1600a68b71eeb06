/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static void rxpool_gives_all_of_its_memory_and_no_more(void **state)
{
	(void)state;
	struct rxpool p;
	assert_true(rxpool_init(&p, 65536, 4096));
	assert_int_equal(p.size, 65536);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_not_equal(rxpool_get(&p, 4), NONE);
	assert_int_equal(rxpool_get(&p, 4), NONE);
	assert_int_equal(rxpool_get(&p, 0), NONE);
	assert_int_equal(p.used, 65536);
	rxpool_fini(&p);
}

static void rxpool_buddies_merge_again(void **state)
{
	(void)state;
	struct rxpool p;
	uint32_t small[16];
	assert_true(rxpool_init(&p, 4096, 4096));
	for (uint32_t i = 0; i < 16; i++)
		assert_int_not_equal(small[i] = rxpool_get(&p, 0), NONE);
	for (uint32_t i = 0; i < 16; i++)
		rxpool_put(&p, small[(i * 7) % 16], 0);
	assert_int_equal(p.used, 0);
	assert_int_not_equal(rxpool_get(&p, 4), NONE);
	rxpool_fini(&p);
}

static void rxpool_orders_are_enough(void **state)
{
	(void)state;
	assert_int_equal(rxpool_order(0), 0);
	assert_int_equal(rxpool_order(256), 0);
	assert_int_equal(rxpool_order(257), 1);
	assert_int_equal(rxpool_order(65536), 8);
	assert_int_equal(rxpool_order(65537), 9);
}

static void rxpool_odd_sizes_are_rounded_up(void **state)
{
	(void)state;
	struct rxpool p;
	assert_true(rxpool_init(&p, 10000, 3000));
	assert_int_equal(p.size, 3 * 4096);
	assert_true(rxpool_bytes(10000, 3000) >= p.size);
	rxpool_fini(&p);
}

/* Blocks in use never overlap: each is filled with its number and checked when given back. */
static void rxpool_random_use_never_overlaps(void **state)
{
	(void)state;
	struct rxpool p;
	struct {
		uint32_t block, order;
	} held[64];
	uint64_t random = 7;
	memset(held, 0xff, sizeof held);
	assert_true(rxpool_init(&p, 128 * 1024, 16384));
	for (uint32_t round = 0; round < 20000; round++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		uint32_t i = (uint32_t)(random >> 40) % 64;
		if (held[i].block == NONE) {
			uint32_t order = (uint32_t)(random >> 33) % 7;
			held[i].order = order;
			held[i].block = rxpool_get(&p, order);
			if (held[i].block != NONE)
				memset(rxpool_at(&p, held[i].block), (int)i, 256u << order);
			continue;
		}
		const uint8_t *at = rxpool_at(&p, held[i].block);
		for (uint32_t b = 0; b < 256u << held[i].order; b++)
			assert_int_equal(at[b], i);
		rxpool_put(&p, held[i].block, held[i].order);
		held[i].block = NONE;
	}
	for (uint32_t i = 0; i < 64; i++)
		if (held[i].block != NONE)
			rxpool_put(&p, held[i].block, held[i].order);
	assert_int_equal(p.used, 0);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_not_equal(rxpool_get(&p, 6), NONE);
	rxpool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rxpool_gives_all_of_its_memory_and_no_more),
	    cmocka_unit_test(rxpool_buddies_merge_again),
	    cmocka_unit_test(rxpool_orders_are_enough),
	    cmocka_unit_test(rxpool_odd_sizes_are_rounded_up),
	    cmocka_unit_test(rxpool_random_use_never_overlaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
