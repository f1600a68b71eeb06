/* SPDX-License-Identifier: Apache-2.0 */
#include "gen_rig.h"

static struct latency l, other;

static int reset(void **state)
{
	(void)state;
	memset(&l, 0, sizeof l);
	memset(&other, 0, sizeof other);
	return 0;
}

static void percentile_of_nothing_is_zero(void **state)
{
	(void)state;
	assert_int_equal(latency_percentile_us(&l, 50), 0);
}

static void percentile_of_small_values_is_exact(void **state)
{
	(void)state;
	for (uint64_t us = 1; us <= 60; us++)
		latency_add(&l, us);
	assert_int_equal(latency_percentile_us(&l, 50), 30);
	assert_int_equal(latency_percentile_us(&l, 90), 54);
	assert_int_equal(latency_percentile_us(&l, 100), 60);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void percentile_of_wide_values_is_within_two_percent(void **state)
{
	enum { COUNT = 20000 };
	static uint64_t all[COUNT];
	(void)state;
	srand(7);
	for (uint32_t i = 0; i < COUNT; i++) {
		all[i] = (uint64_t)1 << rand() % 31;
		all[i] += (uint64_t)rand() % all[i];
		latency_add(&l, all[i]);
	}
	qsort(all, COUNT, sizeof all[0], compare);
	for (uint32_t percent = 1; percent <= 100; percent++) {
		uint64_t want = all[COUNT * percent / 100 - 1];
		uint64_t got = latency_percentile_us(&l, percent);
		assert_true(got >= want);
		assert_true((double)got <= (double)want * 1.016 + 1);
	}
}

static void percentile_is_at_most_the_maximum(void **state)
{
	(void)state;
	latency_add(&l, 1000003);
	assert_int_equal(latency_percentile_us(&l, 99.9), 1000003);
}

static void add_beyond_the_range_keeps_count_and_maximum(void **state)
{
	(void)state;
	latency_add(&l, 1ull << 40);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.max_us, 1ull << 40);
}

static void merge_adds_samples(void **state)
{
	(void)state;
	latency_add(&l, 10);
	latency_add(&other, 30);
	latency_add(&other, 50);
	latency_merge(&l, &other);
	assert_int_equal(l.count, 3);
	assert_int_equal(latency_percentile_us(&l, 50), 30);
	assert_int_equal(l.max_us, 50);
	assert_true(latency_mean_us(&l) == 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(percentile_of_nothing_is_zero, reset),
	    cmocka_unit_test_setup(percentile_of_small_values_is_exact, reset),
	    cmocka_unit_test_setup(percentile_of_wide_values_is_within_two_percent, reset),
	    cmocka_unit_test_setup(percentile_is_at_most_the_maximum, reset),
	    cmocka_unit_test_setup(add_beyond_the_range_keeps_count_and_maximum, reset),
	    cmocka_unit_test_setup(merge_adds_samples, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
