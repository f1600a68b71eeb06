/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#define MANY 20000

static struct tcp_engine engine;

static struct key key_of(uint32_t i)
{
	struct key k = {.peer_port = (uint16_t)(i % 60000 + 1), .local_port = 1883};
	memcpy(k.ip, (uint8_t[]){[10] = 0xff, 0xff, 10, 0}, 14);
	put_be16(k.ip + 14, (uint16_t)(i / 60000));
	return k;
}

static void setup_many(uint32_t entries)
{
	memset(&engine, 0, sizeof engine);
	assert_true(table_init(&engine.table, entries, (struct hash_key){1, 2}));
	engine.conns = calloc(MANY, sizeof *engine.conns);
	assert_non_null(engine.conns);
	for (uint32_t i = 0; i < MANY; i++)
		engine.conns[i].key = key_of(i);
}

static void teardown(void)
{
	table_fini(&engine.table);
	free(engine.conns);
}

static void table_full_to_its_size_finds_everything(void **state)
{
	(void)state;
	setup_many(MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_true(table_add(&engine, &engine.conns[i].key, ENTRY(ENTRY_CONN, i)));
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(table_find(&engine, &engine.conns[i].key), ENTRY(ENTRY_CONN, i));
	struct key absent = key_of(MANY);
	assert_int_equal(table_find(&engine, &absent), NONE);
	for (uint32_t i = 0; i < MANY; i += 2)
		table_remove(&engine, &engine.conns[i].key, ENTRY(ENTRY_CONN, i));
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(table_find(&engine, &engine.conns[i].key),
		                 i % 2 ? ENTRY(ENTRY_CONN, i) : NONE);
	teardown();
}

/* At 5/6, the most that a table is sized for, whatever the boot key. */
static void table_at_its_highest_load_takes_every_entry(void **state)
{
	(void)state;
	const uint32_t entries = 8192 * BUCKET_SLOTS / 6 * 5 - BUCKET_SLOTS;
	memset(&engine, 0, sizeof engine);
	for (uint64_t boot = 1; boot <= 16; boot++) {
		assert_true(table_init(&engine.table, entries, (struct hash_key){boot, 2}));
		assert_int_equal(engine.table.mask, 8191);
		for (uint32_t i = 0; i < entries; i++) {
			struct key key = key_of(i);
			assert_true(table_add(&engine, &key, ENTRY(ENTRY_CONN, i)));
		}
		table_fini(&engine.table);
	}
}

static void table_overfull_refuses_and_stays_whole(void **state)
{
	(void)state;
	setup_many(100);
	uint32_t added = 0;
	while (added < MANY && table_add(&engine, &engine.conns[added].key, added))
		added++;
	assert_in_range(added, 100, 400);
	for (uint32_t i = 0; i < added; i++)
		assert_int_equal(table_find(&engine, &engine.conns[i].key), i);
	teardown();
}

/* Addresses chosen to collide need the key: those of one bucket under one key are strewn over the
 * whole table under another. */
static void table_collisions_under_one_key_are_none_under_another(void **state)
{
	(void)state;
	uint32_t chosen[200], count_ = 0;
	setup_many(MANY);
	for (uint32_t i = 0; i < MANY && count_ < 200; i++) {
		/* where does it fall in an empty table? */
		assert_true(table_add(&engine, &engine.conns[i].key, i));
		const struct bucket *at = engine.table.buckets;
		while (at->count == 0)
			at++;
		/* the table has 4,096 buckets: its first 64 as one target */
		if (at - engine.table.buckets < 64)
			chosen[count_++] = i;
		table_remove(&engine, &engine.conns[i].key, i);
	}
	assert_true(count_ >= 100);
	table_fini(&engine.table);
	assert_true(table_init(&engine.table, MANY, (struct hash_key){3, 4}));
	uint32_t in_target = 0;
	for (uint32_t i = 0; i < count_; i++)
		assert_true(table_add(&engine, &engine.conns[chosen[i]].key, chosen[i]));
	for (uint32_t b = 0; b < 64; b++)
		in_target += engine.table.buckets[b].count;
	assert_true(in_target < count_ / 8);
	teardown();
}

static void table_removal_leaves_no_trace(void **state)
{
	(void)state;
	setup_many(100);
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 100; i++)
			assert_true(table_add(&engine, &engine.conns[round + i].key, round + i));
		for (uint32_t i = 0; i < 100; i++)
			table_remove(&engine, &engine.conns[round + i].key, round + i);
	}
	for (uint32_t i = 0; i <= engine.table.mask; i++) {
		assert_int_equal(engine.table.buckets[i].count, 0);
		assert_int_equal(engine.table.buckets[i].passed, 0);
	}
	teardown();
}

static void table_replace_changes_the_record_only(void **state)
{
	(void)state;
	setup_many(100);
	engine.time_waits = calloc(MANY, sizeof *engine.time_waits);
	engine.time_waits[9].key = engine.conns[5].key;
	assert_true(table_add(&engine, &engine.conns[5].key, ENTRY(ENTRY_CONN, 5)));
	table_replace(&engine, &engine.conns[5].key, ENTRY(ENTRY_CONN, 5),
	              ENTRY(ENTRY_TIME_WAIT, 9));
	assert_int_equal(table_find(&engine, &engine.conns[5].key), ENTRY(ENTRY_TIME_WAIT, 9));
	free(engine.time_waits);
	teardown();
}

/* A flood of ports chosen by an attacker who does not know the key spreads like any other. */
static void table_sequential_keys_spread_evenly(void **state)
{
	(void)state;
	setup_many(MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_true(table_add(&engine, &engine.conns[i].key, i));
	uint32_t passed = 0;
	for (uint32_t i = 0; i <= engine.table.mask; i++)
		passed += engine.table.buckets[i].passed;
	assert_true(passed < MANY / 2);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_full_to_its_size_finds_everything),
	    cmocka_unit_test(table_at_its_highest_load_takes_every_entry),
	    cmocka_unit_test(table_overfull_refuses_and_stays_whole),
	    cmocka_unit_test(table_collisions_under_one_key_are_none_under_another),
	    cmocka_unit_test(table_removal_leaves_no_trace),
	    cmocka_unit_test(table_replace_changes_the_record_only),
	    cmocka_unit_test(table_sequential_keys_spread_evenly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
