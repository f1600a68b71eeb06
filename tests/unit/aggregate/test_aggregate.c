/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates by hand: energy, demand, completeness, rollover, reset, gaps, days of 23 hours. */
#include "tests/unit/journal/test_common.h"

#include <string.h>

#include "contract/reading.h"
#include "storage/aggregate/aggregate.h"
#include "tests/unit/store/test_calendar.h"

#define HOUR     3600000ll
#define ROWS     400u
#define REGISTER 11
#define DEMAND   12

static const struct profile profile = {
    .id = 1, .register_slot = 0, .channels = {{.channel = REGISTER}}, .interval_ms = 900000,
    .dials = 4, .register_kwh_pow10 = 3};
static const struct profile_set set = {.by_id = {NULL, &profile}};
static const struct channel_catalogue channels = {
    .by_id = {[DEMAND] = {.id = DEMAND, .kind = CHANNEL_DEMAND}}};

static uint32_t six_dials(void *context, uint32_t device)
{
	(void)context;
	return device == 7 ? 6 : 0;
}

static const struct aggregate_rules rules = {
    .profiles = &set, .channels = &channels, .dials = six_dials, .zone = "test",
    .day_of = test_day_of, .day_start_ms = test_day_start_ms, .month_of = test_month_of,
    .month_first_day = test_month_first_day};

static struct stored_reading rows[ROWS];
static const struct stored_reading *order[ROWS];
static uint32_t count;

static struct stored_reading *add(int64_t ts_ms, int64_t value)
{
	struct stored_reading *r = &rows[count];
	*r = (struct stored_reading){.profile = 1, .channel_count = 1, .channel = {REGISTER},
	                             .value = {value}, .ts_ms = ts_ms, .meter_ts_ms = ts_ms};
	order[count++] = r;
	return r;
}

static int setup(void **state)
{
	(void)state;
	count = 0;
	return 0;
}

static void readings_at_the_end_of_an_interval_belong_to_it(void **state)
{
	(void)state;
	const int64_t bounds[3] = {10 * HOUR, 11 * HOUR, 12 * HOUR};
	struct aggregate a[2];
	for (int64_t i = 0; i <= 8; i++) /* 10:00 to 12:00: 100 Wh, 200 Wh ... */
		add(10 * HOUR + i * 900000, 5000 + i * (i + 1) * 50);
	aggregate_compute(&rules, order, count, bounds, 2, a);
	assert_true(a[0].energy == 100 + 200 + 300 + 400);
	assert_true(a[1].energy == 500 + 600 + 700 + 800);
	assert_int_equal(a[0].readings, 4);
	assert_int_equal(a[1].slots, 4);
	assert_int_equal(a[1].slots_expected, 4);
	assert_int_equal(a[0].flags,
	                 AGGREGATE_F_ENERGY | AGGREGATE_F_PEAK | AGGREGATE_F_DERIVED);
	assert_true(a[1].peak == 3200 && a[1].peak_ms == 12 * HOUR); /* 800 Wh in a quarter */
	assert_true(aggregate_mean(&a[1]) == 2600);
}

static void demand_channel_goes_before_what_is_derived(void **state)
{
	(void)state;
	const int64_t bounds[2] = {0, HOUR};
	struct aggregate a;
	add(0, 0);
	struct stored_reading *r = add(900000, 1000000);
	r->channel_count = 2;
	r->channel[1] = DEMAND;
	r->value[1] = 70;
	add(1800000, 9000000);
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.peak == 70 && a.peak_ms == 900000);
	assert_int_equal(a.demand_channel, DEMAND);
	assert_false(a.flags & AGGREGATE_F_DERIVED);
	assert_true(a.energy == 9000000);
}

static void rollover_adds_what_the_dials_hold(void **state)
{
	(void)state;
	const int64_t bounds[2] = {0, HOUR};
	struct aggregate a;
	add(-900000, 9999900);
	add(900000, 60)->flags = READING_F_ROLLOVER;
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.energy == 160); /* four dials of kWh: begins anew at 10,000,000 Wh */
	assert_true(a.flags & AGGREGATE_F_ROLLOVER);
	rows[0].device = rows[1].device = 7; /* whose register has six */
	rows[0].value[0] = 999999900;
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.energy == 160);
}

static void fall_without_rollover_is_a_reset_and_left_out(void **state)
{
	(void)state;
	const int64_t bounds[2] = {0, HOUR};
	struct aggregate a;
	add(0, 5000);
	add(900000, 5100);
	add(1800000, 20);
	add(2700000, 50);
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.energy == 130);
	assert_true(a.flags & AGGREGATE_F_RESET);
	assert_int_equal(a.readings, 3);
}

static void gap_puts_its_energy_where_it_ends(void **state)
{
	(void)state;
	const int64_t bounds[5] = {0, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR};
	struct aggregate a[4];
	add(0, 100);
	add(900000, 110);
	add(2 * HOUR + 900000, 400);
	add(2 * HOUR + 900001, 400);
	aggregate_compute(&rules, order, count, bounds, 4, a);
	assert_true(a[0].energy == 10);
	assert_int_equal(a[0].slots, 1);
	assert_int_equal(a[1].readings, 0);
	assert_true(a[2].energy == 290);
	assert_true(a[2].flags & AGGREGATE_F_GAP);
	assert_int_equal(a[2].readings, 2);
	assert_int_equal(a[2].slots, 2); /* the second is a millisecond into the next */
	assert_int_equal(a[3].readings, 0);
}

static void gap_longer_than_the_reach_has_no_energy(void **state)
{
	(void)state;
	const int64_t day = 24 * HOUR, bounds[2] = {40 * day, 41 * day};
	struct aggregate a;
	add(4 * day, 100);
	add(40 * day + HOUR, 900);
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_int_equal(a.flags & AGGREGATE_F_ENERGY, 0);
	rows[0].ts_ms = 5 * day;
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.energy == 800);
}

static void readings_without_register_count_and_change_no_energy(void **state)
{
	(void)state;
	const int64_t bounds[2] = {0, HOUR};
	struct aggregate a;
	add(0, 100);
	add(900000, 77)->channel[0] = 44;
	add(1800000, 130);
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.energy == 30);
	assert_int_equal(a.readings, 2);
}

static void hours_add_up_to_the_day_and_days_to_the_month(void **state)
{
	(void)state;
	int64_t bounds[AGGREGATE_HOURS_MAX + 1];
	struct aggregate hour[AGGREGATE_HOURS_MAX], day;
	for (int32_t d = TEST_SHORT_DAY - 1; d <= TEST_SHORT_DAY + 1; d++) {
		uint32_t hours = aggregate_hours(&rules, d, bounds);
		assert_int_equal(hours, d == TEST_SHORT_DAY ? 23 : 24);
		count = 0;
		uint64_t seed = (uint64_t)d;
		for (int64_t i = -1, v = 0; i <= hours * 4; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			v += (int64_t)(seed >> 60);
			if (seed >> 50 & 7)
				add(bounds[0] + i * 900000, v);
		}
		const int64_t ends[2] = {bounds[0], bounds[hours]};
		aggregate_compute(&rules, order, count, bounds, hours, hour);
		aggregate_compute(&rules, order, count, ends, 1, &day);
		struct aggregate sum = {.start_ms = ends[0], .end_ms = ends[1]};
		for (uint32_t h = 0; h < hours; h++)
			aggregate_add(&sum, &hour[h]);
		assert_true(sum.energy == day.energy && sum.peak == day.peak);
		assert_true(sum.peak_ms == day.peak_ms);
		assert_int_equal(sum.readings, day.readings);
		assert_int_equal(sum.slots, day.slots);
		assert_int_equal(day.slots_expected, hours * 4);
	}
}

static void extreme_registers_do_not_overflow(void **state)
{
	(void)state;
	const int64_t bounds[2] = {0, HOUR};
	struct aggregate a;
	add(0, INT64_MIN);
	add(1, INT64_MAX);
	add(2, 0);
	add(3, INT64_MAX);
	add(4, INT64_MIN);
	add(5, INT64_MAX - 1);
	aggregate_compute(&rules, order, count, bounds, 1, &a);
	assert_true(a.energy == INT64_MAX);
	assert_true(a.flags & AGGREGATE_F_RESET);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
	    CASE(readings_at_the_end_of_an_interval_belong_to_it),
	    CASE(demand_channel_goes_before_what_is_derived),
	    CASE(rollover_adds_what_the_dials_hold),
	    CASE(fall_without_rollover_is_a_reset_and_left_out),
	    CASE(gap_puts_its_energy_where_it_ends),
	    CASE(gap_longer_than_the_reach_has_no_energy),
	    CASE(readings_without_register_count_and_change_no_energy),
	    CASE(hours_add_up_to_the_day_and_days_to_the_month),
	    CASE(extreme_registers_do_not_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
