/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/histogram.h"

static void histogram_buckets_tile_the_range(void **state)
{
	(void)state;
	for (uint32_t b = 0; b + 1 < HISTOGRAM_BUCKETS; b++) {
		assert_int_equal(histogram_bucket(histogram_floor_us(b)), b);
		assert_int_equal(histogram_bucket(histogram_floor_us(b + 1) - 1), b);
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void histogram_bucket_width_is_within_a_quarter(void **state)
{
	(void)state;
	for (uint32_t b = 4; b + 1 < HISTOGRAM_BUCKETS; b++) {
		uint64_t width = histogram_floor_us(b + 1) - histogram_floor_us(b);
		assert_true(width * 4 <= histogram_floor_us(b));
	}
}

static void histogram_percentiles_of_known_samples(void **state)
{
	(void)state;
	static struct histogram h;
	assert_int_equal(histogram_percentile_us(&h, 50), 0);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_add(&h, us);
	assert_int_equal(histogram_count(&h), 1000);
	uint64_t p50 = histogram_percentile_us(&h, 50), p99 = histogram_percentile_us(&h, 99);
	assert_in_range(p50, 500, 625);
	assert_in_range(p99, 990, 1000);
	assert_int_equal(histogram_percentile_us(&h, 100), 1000);
}

static void histogram_merge_adds_up(void **state)
{
	(void)state;
	static struct histogram a, b, sum;
	histogram_add(&a, 10);
	histogram_add(&b, 5000);
	histogram_merge(&sum, &a);
	histogram_merge(&sum, &b);
	assert_int_equal(histogram_count(&sum), 2);
	assert_int_equal(sum.sum_us, 5010);
	assert_int_equal(sum.max_us, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(histogram_buckets_tile_the_range),
	    cmocka_unit_test(histogram_bucket_width_is_within_a_quarter),
	    cmocka_unit_test(histogram_percentiles_of_known_samples),
	    cmocka_unit_test(histogram_merge_adds_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
