/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/wheel.h"

#define NODES 2000

struct item {
	uint32_t other; /* the node is not at the start */
	struct wheel_node node;
	uint64_t deadline_us; /* the model: UINT64_MAX is not armed */
	uint64_t fired_us;
};

struct fixture {
	struct wheel wheel;
	struct item items[NODES];
	uint64_t now_us;
	uint32_t fired;
	uint32_t last;
	uint64_t rearm_us; /* the callback arms again so much later; 0: not */
	uint64_t random;
};

static void fixture_init(struct fixture *f, uint32_t shift, uint64_t now_us)
{
	memset(f, 0, sizeof *f);
	f->now_us = now_us;
	f->random = 42;
	wheel_init(&f->wheel, &f->items[0].node, sizeof f->items[0], shift, now_us);
	for (uint32_t i = 0; i < NODES; i++) {
		wheel_node_init(&f->items[i].node);
		f->items[i].deadline_us = UINT64_MAX;
	}
}

static uint64_t random_next(struct fixture *f)
{
	uint64_t z = f->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void arm(struct fixture *f, uint32_t i, uint64_t deadline_us)
{
	f->items[i].deadline_us = deadline_us;
	wheel_arm(&f->wheel, i, deadline_us);
}

static void fired(void *context, uint32_t index)
{
	struct fixture *f = context;
	struct item *item = &f->items[index];
	assert_false(wheel_is_armed(&item->node));
	assert_true(item->deadline_us <= f->now_us);
	item->deadline_us = UINT64_MAX;
	item->fired_us = f->now_us;
	f->fired++;
	f->last = index;
	if (f->rearm_us)
		arm(f, index, f->now_us + f->rearm_us);
}

static void expire(struct fixture *f, uint64_t now_us)
{
	f->now_us = now_us;
	while (wheel_expire(&f->wheel, now_us, 100, fired, f) == 100)
		;
}

static void wheel_deadline_fires_never_early_and_within_a_tick(void **state)
{
	(void)state;
	static struct fixture f;
	static const uint64_t waits[] = {0,       1,       4095,     4096,      4097,
	                                 1000000, 1048576, 1u << 30, 1ull << 38};
	for (uint32_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		fixture_init(&f, 12, 777777);
		uint64_t at = 777777 + waits[i];
		arm(&f, 5, at);
		if (waits[i] > 0) {
			expire(&f, at - 1);
			assert_int_equal(f.fired, 0);
		}
		expire(&f, at + 4096);
		assert_int_equal(f.fired, 1);
		assert_int_equal(f.last, 5);
		assert_int_equal(f.wheel.armed, 0);
	}
}

static void wheel_cancelled_timer_does_not_fire(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 10, 0);
	arm(&f, 1, 5000);
	arm(&f, 2, 5000);
	arm(&f, 3, 5000);
	wheel_cancel(&f.wheel, 2);
	wheel_cancel(&f.wheel, 2);
	assert_false(wheel_is_armed(&f.items[2].node));
	f.items[2].deadline_us = UINT64_MAX;
	expire(&f, 10000);
	assert_int_equal(f.fired, 2);
	assert_int_equal(f.items[2].fired_us, 0);
}

static void wheel_rearmed_timer_fires_once_at_the_new_deadline(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 10, 0);
	arm(&f, 1, 5000);
	arm(&f, 1, 9000000);
	expire(&f, 8000000);
	assert_int_equal(f.fired, 0);
	expire(&f, 9002000);
	assert_int_equal(f.fired, 1);
}

static void wheel_past_deadline_fires_at_once(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 10, 1000000);
	arm(&f, 1, 5);
	expire(&f, 1000000);
	assert_int_equal(f.fired, 1);
}

static void wheel_budget_bounds_the_nodes_touched(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 10, 0);
	for (uint32_t i = 0; i < NODES; i++)
		arm(&f, i, 70000000); /* two levels up: moved down before they fire */
	f.now_us = 70002000;
	uint32_t calls = 0, before = 0;
	while (f.wheel.armed > 0) {
		assert_true(wheel_expire(&f.wheel, f.now_us, 64, fired, &f) <= 64);
		assert_true(f.fired - before <= 64);
		before = f.fired;
		assert_true(++calls < 10000);
	}
	assert_int_equal(f.fired, NODES);
}

static void wheel_callback_may_arm_its_own_node(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 10, 0);
	f.rearm_us = 300000;
	arm(&f, 9, 300000);
	for (uint64_t t = 0; t <= 3200000; t += 1000)
		expire(&f, t);
	assert_in_range(f.fired, 9, 10);
}

static void wheel_far_deadline_fires_at_the_horizon(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 0, 0);
	arm(&f, 1, UINT64_MAX);
	f.items[1].deadline_us = WHEEL_HORIZON_TICKS;
	expire(&f, WHEEL_HORIZON_TICKS - 1ull);
	assert_int_equal(f.fired, 0);
	expire(&f, WHEEL_HORIZON_TICKS);
	assert_int_equal(f.fired, 1);
}

static uint64_t model_earliest(const struct fixture *f)
{
	uint64_t earliest = UINT64_MAX;
	for (uint32_t i = 0; i < NODES; i++)
		if (f->items[i].deadline_us < earliest)
			earliest = f->items[i].deadline_us;
	return earliest;
}

static void wheel_next_is_never_later_than_the_earliest_deadline(void **state)
{
	(void)state;
	static struct fixture f;
	fixture_init(&f, 12, 123456789);
	assert_true(wheel_next_us(&f.wheel) == UINT64_MAX);
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t i = (uint32_t)(random_next(&f) % NODES);
		arm(&f, i, f.now_us + random_next(&f) % (1ull << random_next(&f) % 40));
		uint64_t earliest = model_earliest(&f);
		assert_true(wheel_next_us(&f.wheel) <= earliest + 4096);
		expire(&f, f.now_us + random_next(&f) % 1000000);
	}
	/* driven by it alone, everything fires, and in few steps */
	uint32_t steps = 0;
	while (f.wheel.armed > 0) {
		uint64_t next = wheel_next_us(&f.wheel);
		expire(&f, next > f.now_us ? next : f.now_us);
		assert_true(++steps < 5000);
	}
}

/* Against the plain model: after each step exactly the overdue ones have fired. */
static void wheel_random_operations_match_a_list(void **state)
{
	(void)state;
	static struct fixture f;
	for (uint32_t shift = 0; shift <= 12; shift += 6) {
		fixture_init(&f, shift, (1ull << (32 + shift)) - 1000);
		for (uint32_t round = 0; round < 30000; round++) {
			uint32_t i = (uint32_t)(random_next(&f) % NODES);
			uint64_t pick = random_next(&f) % 16;
			if (pick < 10) {
				uint64_t wait = random_next(&f) % (1ull << random_next(&f) % 30);
				arm(&f, i, f.now_us + wait);
			} else if (pick < 13) {
				wheel_cancel(&f.wheel, i);
				f.items[i].deadline_us = UINT64_MAX;
			} else {
				uint64_t step = random_next(&f) % (1ull << random_next(&f) % 27);
				expire(&f, f.now_us + step);
				assert_true(model_earliest(&f) > f.now_us - (1ull << shift));
			}
		}
		uint32_t armed = 0;
		for (uint32_t i = 0; i < NODES; i++)
			armed += f.items[i].deadline_us != UINT64_MAX;
		assert_int_equal(armed, f.wheel.armed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wheel_deadline_fires_never_early_and_within_a_tick),
	    cmocka_unit_test(wheel_cancelled_timer_does_not_fire),
	    cmocka_unit_test(wheel_rearmed_timer_fires_once_at_the_new_deadline),
	    cmocka_unit_test(wheel_past_deadline_fires_at_once),
	    cmocka_unit_test(wheel_budget_bounds_the_nodes_touched),
	    cmocka_unit_test(wheel_callback_may_arm_its_own_node),
	    cmocka_unit_test(wheel_far_deadline_fires_at_the_horizon),
	    cmocka_unit_test(wheel_next_is_never_later_than_the_earliest_deadline),
	    cmocka_unit_test(wheel_random_operations_match_a_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
