/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "control/vee/vee.h"

#include <cmocka.h>

#define ROW_MAX 100
#define VALUE(mwh, from)                                                                           \
	((struct vee_interval){.energy_mwh = (mwh), .source = (from)})
#define POINT(s, mwh, r) {.at_s = (s), .sum_mwh = (mwh), .run = (r)}

static struct vee_interval values[ROW_MAX];

static struct vee_row row_of(const int64_t *energies, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = energies[i] < 0 ? VALUE(0, VEE_MISSING)
		                            : VALUE(energies[i], VEE_ACTUAL);
	return (struct vee_row){.start_s = 0, .interval_s = 900, .count = count,
	                        .intervals = values};
}

static void assert_values(const int64_t *expected, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(values[i].energy_mwh, expected[i]);
}

/* --- register --- */

static void register_differences_become_intervals(void **state)
{
	(void)state;
	static const struct vee_point points[] = {
	    POINT(-20, 100, 0),  POINT(890, 150, 0),  POINT(1800, 150, 0),
	    POINT(3600, 400, 0), POINT(4503, 410, 0), POINT(5500, 500, 0)};
	struct vee_register r = {points, 6, 60};
	struct vee_row row = {0, 900, 6, values};
	vee_from_register(&r, &row);
	/* 2700 was not read; 5500 is no boundary */
	static const int64_t expected[] = {50, 0, 0, 0, 10, 0};
	static const uint8_t sources[] = {VEE_ACTUAL,  VEE_ACTUAL, VEE_MISSING,
	                                  VEE_MISSING, VEE_ACTUAL, VEE_MISSING};
	assert_values(expected, 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(values[i].source, sources[i]);
}

static void no_difference_goes_over_a_reset(void **state)
{
	(void)state;
	static const struct vee_point points[] = {POINT(0, 990, 0), POINT(900, 1015, 0),
	                                          POINT(1800, 1015, 1), POINT(2700, 1020, 1)};
	struct vee_register r = {points, 4, 60};
	struct vee_row row = {0, 900, 3, values};
	vee_from_register(&r, &row);
	assert_int_equal(values[0].source, VEE_ACTUAL);
	assert_int_equal(values[0].energy_mwh, 25);
	assert_int_equal(values[1].source, VEE_MISSING);
	assert_int_equal(values[2].energy_mwh, 5);
}

static void nearest_point_stands_for_the_boundary(void **state)
{
	(void)state;
	static const struct vee_point points[] = {POINT(840, 1, 0), POINT(899, 2, 0),
	                                          POINT(905, 3, 0), POINT(961, 4, 0)};
	struct vee_register r = {points, 4, 60};
	assert_ptr_equal(vee_point_at(&r, 900), &points[1]);
	assert_ptr_equal(vee_point_at(&r, 905), &points[2]);
	assert_ptr_equal(vee_point_at(&r, 1021), &points[3]);
	assert_null(vee_point_at(&r, 1022));
	assert_null(vee_point_at(&r, 779));
	assert_ptr_equal(vee_point_at(&r, 780), &points[0]);
}

/* --- validation --- */

static void spike_is_measured_against_the_third_highest(void **state)
{
	(void)state;
	static const int64_t day[] = {10, 280, 100, 90, -1, 100, 5};
	static const int64_t flat[] = {7, 7, 7};
	static const int64_t two[] = {7, -1, 7};
	static const int64_t zeros[] = {100, 0, 0, 0};
	struct vee_row row = row_of(day, 7);
	struct vee_spike spike = vee_spike_of(&row);
	assert_int_equal(spike.over, 18000);
	assert_int_equal(spike.at, 1);
	assert_int_equal(spike.highest, 280);
	assert_int_equal(spike.third, 100);
	row = row_of(flat, 3);
	assert_int_equal(vee_spike_of(&row).over, 0);
	row = row_of(two, 3);
	assert_int_equal(vee_spike_of(&row).over, -1);
	row = row_of(zeros, 4);
	assert_int_equal(vee_spike_of(&row).over, -1);
}

static void sums_history_and_completeness(void **state)
{
	(void)state;
	static const int64_t day[] = {10, 20, -1, 30};
	struct vee_row row = row_of(day, 4);
	assert_int_equal(vee_sum_mwh(&row), 60);
	assert_int_equal(vee_completeness(&row), 7500);
	values[2] = VALUE(25, VEE_INTERPOLATED);
	assert_int_equal(vee_sum_mwh(&row), 85);
	assert_int_equal(vee_completeness(&row), 7500);
	values[2].source = VEE_EDITED;
	assert_int_equal(vee_completeness(&row), 10000);
	assert_int_equal(vee_share(500, 200), 25000);
	assert_int_equal(vee_share(INT64_MAX, INT64_MAX), 10000);
	assert_int_equal(vee_share(500, 0), -1);
	static const int64_t zeros[] = {0, 0, 5, 0, 0, 0, -1, 0};
	row = row_of(zeros, 8);
	assert_int_equal(vee_longest_zero(&row), 3);
}

/* --- estimation --- */

static void four_missing_between_75_and_100(void **state)
{
	(void)state;
	static const int64_t day[] = {75, -1, -1, -1, -1, 100};
	static const int64_t expected[] = {75, 80, 85, 90, 95, 100};
	struct vee_row row = row_of(day, 6);
	struct vee_gap gap;
	assert_true(vee_next_gap(&row, 0, &gap));
	assert_int_equal(gap.first, 1);
	assert_int_equal(gap.count, 4);
	assert_true(vee_interpolate(&row, &gap));
	assert_values(expected, 6);
	assert_int_equal(values[3].source, VEE_INTERPOLATED);
	assert_false(vee_next_gap(&row, 0, &gap));
}

static void gaps_at_the_ends_take_their_one_neighbour(void **state)
{
	(void)state;
	static const int64_t day[] = {-1, -1, 30, -1};
	static const int64_t expected[] = {30, 30, 30, 30};
	struct vee_row row = row_of(day, 4);
	struct vee_gap gap;
	for (uint32_t at = 0; vee_next_gap(&row, at, &gap); at = gap.first + gap.count)
		assert_true(vee_interpolate(&row, &gap));
	assert_values(expected, 4);
	static const int64_t none[] = {-1, -1};
	row = row_of(none, 2);
	assert_true(vee_next_gap(&row, 0, &gap));
	assert_false(vee_interpolate(&row, &gap));
	assert_int_equal(values[0].source, VEE_MISSING);
}

static void like_days_give_their_mean(void **state)
{
	(void)state;
	struct vee_interval d1[] = {VALUE(1, 1), VALUE(10, VEE_ACTUAL), VALUE(30, VEE_ACTUAL)};
	struct vee_interval d2[] = {VALUE(1, 1), VALUE(20, VEE_ACTUAL),
	                            VALUE(99, VEE_INTERPOLATED)};
	struct vee_interval d3[] = {VALUE(1, 1), VALUE(31, VEE_ACTUAL)};
	const struct vee_row r1 = {0, 900, 3, d1}, r2 = {0, 900, 3, d2}, r3 = {0, 900, 2, d3};
	const struct vee_row *const days[] = {&r1, &r2, &r3};
	static const int64_t day[] = {5, -1, -1};
	static const int64_t expected[] = {5, 20, 30};
	struct vee_row row = row_of(day, 3);
	struct vee_gap gap;
	assert_true(vee_next_gap(&row, 0, &gap));
	assert_false(vee_like_days(&row, &gap, days + 1, 2));
	assert_int_equal(values[1].source, VEE_MISSING);
	assert_true(vee_like_days(&row, &gap, days, 3));
	assert_values(expected, 3);
	assert_int_equal(values[1].source, VEE_LIKE_DAY);
}

static void scaled_estimates_add_up_to_the_register(void **state)
{
	(void)state;
	struct vee_row row = {0, 900, ROW_MAX, values};
	uint64_t seed = 7;
	for (int round = 0; round < 2000; round++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		struct vee_gap gap = {(uint32_t)(seed >> 33) % 50, 1 + (uint32_t)(seed >> 50) % 50};
		int64_t total = (int64_t)(seed >> 20) % 1000003, sum = 0;
		for (uint32_t i = 0; i < ROW_MAX; i++)
			values[i] = VALUE(round % 7 ? (int64_t)(i * 37 % 101) : 0, VEE_LIKE_DAY);
		vee_scale(&row, &gap, total);
		for (uint32_t i = 0; i < gap.count; i++) {
			assert_true(values[gap.first + i].energy_mwh >= 0);
			sum += values[gap.first + i].energy_mwh;
		}
		assert_int_equal(sum, total);
		if (round % 7 == 0)
			assert_int_equal(values[gap.first].source, VEE_EVEN);
	}
	static const int64_t day[] = {10, 20, 30};
	static const int64_t doubled[] = {20, 40, 60};
	row = row_of(day, 3);
	vee_scale(&row, &(struct vee_gap){0, 3}, 120);
	assert_values(doubled, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(register_differences_become_intervals),
	    cmocka_unit_test(no_difference_goes_over_a_reset),
	    cmocka_unit_test(nearest_point_stands_for_the_boundary),
	    cmocka_unit_test(spike_is_measured_against_the_third_highest),
	    cmocka_unit_test(sums_history_and_completeness),
	    cmocka_unit_test(four_missing_between_75_and_100),
	    cmocka_unit_test(gaps_at_the_ends_take_their_one_neighbour),
	    cmocka_unit_test(like_days_give_their_mean),
	    cmocka_unit_test(scaled_estimates_add_up_to_the_register),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
