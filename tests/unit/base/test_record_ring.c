/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/record_ring.h"

static bool put(struct record_ring *r, uint8_t fill, uint32_t bytes)
{
	void *record = record_ring_reserve(r, bytes, 0);
	if (!record)
		return false;
	memset(record, fill, bytes);
	record_ring_commit(r, bytes);
	return true;
}

static void expect(struct record_ring *r, uint8_t fill, uint32_t bytes)
{
	uint32_t got;
	const uint8_t *record = record_ring_peek(r, &got);
	assert_non_null(record);
	assert_int_equal((uintptr_t)record % 8, 0);
	assert_int_equal(got, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		assert_int_equal(record[i], fill);
	record_ring_release(r);
}

static void record_ring_empty_gives_nothing(void **state)
{
	(void)state;
	struct record_ring r;
	uint32_t bytes;
	assert_true(record_ring_init(&r, 100)); /* rounded up to 128 */
	assert_null(record_ring_peek(&r, &bytes));
	assert_int_equal(record_ring_used(&r), 0);
	assert_int_equal(record_ring_record_max(&r), 56);
	record_ring_fini(&r);
}

static void record_ring_full_refuses_and_keeps_order(void **state)
{
	(void)state;
	struct record_ring r;
	uint32_t bytes;
	assert_true(record_ring_init(&r, 128));
	for (uint8_t i = 0; i < 8; i++)
		assert_true(put(&r, i, 8 - i)); /* 16 bytes each */
	assert_false(put(&r, 9, 0));
	for (uint8_t i = 0; i < 8; i++)
		expect(&r, i, 8 - i);
	assert_null(record_ring_peek(&r, &bytes));
	record_ring_fini(&r);
}

static void record_ring_record_longer_than_half_is_refused(void **state)
{
	(void)state;
	struct record_ring r;
	assert_true(record_ring_init(&r, 128));
	assert_null(record_ring_reserve(&r, 57, 0));
	assert_true(put(&r, 1, 56));
	assert_true(put(&r, 2, 56));
	record_ring_fini(&r);
}

static void record_ring_end_of_memory_is_skipped(void **state)
{
	(void)state;
	struct record_ring r;
	uint32_t bytes;
	assert_true(record_ring_init(&r, 128));
	assert_true(put(&r, 1, 40));  /* 0..48 */
	assert_true(put(&r, 2, 40));  /* 48..96 */
	assert_false(put(&r, 3, 40)); /* 32 left, and nothing at the beginning */
	expect(&r, 1, 40);
	assert_true(put(&r, 3, 40)); /* from 0: the last 32 bytes are skipped */
	expect(&r, 2, 40);
	expect(&r, 3, 40);
	assert_null(record_ring_peek(&r, &bytes));
	assert_int_equal(record_ring_used(&r), 0);
	record_ring_fini(&r);
}

static void record_ring_kept_bytes_are_left_to_others(void **state)
{
	(void)state;
	struct record_ring r;
	assert_true(record_ring_init(&r, 128));
	assert_non_null(record_ring_reserve(&r, 24, 96));
	assert_null(record_ring_reserve(&r, 24, 97));
	record_ring_fini(&r);
}

static void record_ring_commit_of_less_gives_the_rest_back(void **state)
{
	(void)state;
	struct record_ring r;
	assert_true(record_ring_init(&r, 128));
	void *record = record_ring_reserve(&r, 56, 0);
	assert_non_null(record);
	memset(record, 7, 5);
	record_ring_commit(&r, 5);
	assert_int_equal(record_ring_used(&r), 16);
	expect(&r, 7, 5);
	record_ring_fini(&r);
}

#define TRANSFERS 200000u

static uint32_t length_of(uint32_t number)
{
	return 4 + number * 7 % 90;
}

static void *produce(void *argument)
{
	struct record_ring *r = argument;
	for (uint32_t i = 0; i < TRANSFERS; i++) {
		uint8_t *record;
		while (!(record = record_ring_reserve(r, length_of(i), 0)))
			sched_yield();
		memcpy(record, &i, sizeof i);
		memset(record + sizeof i, (int)(i & 0xff), length_of(i) - sizeof i);
		record_ring_commit(r, length_of(i));
	}
	return NULL;
}

static void record_ring_two_threads_lose_nothing(void **state)
{
	(void)state;
	struct record_ring r;
	pthread_t producer;
	uint32_t bytes;
	assert_true(record_ring_init(&r, 1024));
	assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
	for (uint32_t expected = 0; expected < TRANSFERS;) {
		const uint8_t *record = record_ring_peek(&r, &bytes);
		if (!record) {
			sched_yield();
			continue;
		}
		assert_int_equal(bytes, length_of(expected));
		assert_memory_equal(record, &expected, sizeof expected);
		for (uint32_t i = sizeof expected; i < bytes; i++)
			if (record[i] != (expected & 0xff))
				fail();
		record_ring_release(&r);
		expected++;
	}
	pthread_join(producer, NULL);
	assert_null(record_ring_peek(&r, &bytes));
	record_ring_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(record_ring_empty_gives_nothing),
	    cmocka_unit_test(record_ring_full_refuses_and_keeps_order),
	    cmocka_unit_test(record_ring_record_longer_than_half_is_refused),
	    cmocka_unit_test(record_ring_end_of_memory_is_skipped),
	    cmocka_unit_test(record_ring_kept_bytes_are_left_to_others),
	    cmocka_unit_test(record_ring_commit_of_less_gives_the_rest_back),
	    cmocka_unit_test(record_ring_two_threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
