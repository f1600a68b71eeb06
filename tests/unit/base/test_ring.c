/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/ring.h"

static void ring_pop_empty_gives_null(void **state)
{
	(void)state;
	struct ring r;
	assert_true(ring_init(&r, 4));
	assert_null(ring_pop(&r));
	assert_null(ring_peek(&r));
	assert_int_equal(ring_count(&r), 0);
	ring_fini(&r);
}

static void ring_push_full_refuses_and_keeps_order(void **state)
{
	(void)state;
	struct ring r;
	int items[9];
	assert_true(ring_init(&r, 5)); /* rounded up to 8 */
	for (int i = 0; i < 8; i++)
		assert_true(ring_push(&r, &items[i]));
	assert_false(ring_push(&r, &items[8]));
	assert_int_equal(ring_count(&r), 8);
	for (int i = 0; i < 8; i++) {
		assert_ptr_equal(ring_peek(&r), &items[i]);
		assert_ptr_equal(ring_pop(&r), &items[i]);
	}
	assert_null(ring_pop(&r));
	ring_fini(&r);
}

static void ring_index_wrap_keeps_order(void **state)
{
	(void)state;
	struct ring r;
	assert_true(ring_init(&r, 4));
	/* start just before the 32-bit indices wrap */
	atomic_store(&r.head, UINT32_MAX - 5);
	atomic_store(&r.tail, UINT32_MAX - 5);
	r.head_seen = r.tail_seen = UINT32_MAX - 5;
	for (uintptr_t i = 1; i < 100; i++) {
		assert_true(ring_push(&r, (void *)i));
		assert_true(ring_push(&r, (void *)(i + 1000)));
		assert_ptr_equal(ring_pop(&r), (void *)i);
		assert_ptr_equal(ring_pop(&r), (void *)(i + 1000));
	}
	ring_fini(&r);
}

#define TRANSFERS 200000

static void *produce(void *argument)
{
	struct ring *r = argument;
	for (uintptr_t i = 1; i <= TRANSFERS; i++)
		while (!ring_push(r, (void *)i))
			sched_yield();
	return NULL;
}

static void ring_two_threads_lose_nothing(void **state)
{
	(void)state;
	struct ring r;
	pthread_t producer;
	assert_true(ring_init(&r, 64));
	assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
	for (uintptr_t expected = 1; expected <= TRANSFERS;) {
		void *item = ring_pop(&r);
		if (!item) {
			sched_yield();
			continue;
		}
		assert_int_equal((uintptr_t)item, expected);
		expected++;
	}
	pthread_join(producer, NULL);
	assert_null(ring_pop(&r));
	ring_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ring_pop_empty_gives_null),
	    cmocka_unit_test(ring_push_full_refuses_and_keeps_order),
	    cmocka_unit_test(ring_index_wrap_keeps_order),
	    cmocka_unit_test(ring_two_threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
