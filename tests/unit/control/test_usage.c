/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "control/config/vee_file.h"
#include "control/usage/usage.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define QUARTER_S 900
#define DEVICE    3
#define CHANNEL   1
#define KWH       INT64_C(1000000)

static struct profile profile;
static struct profile_set profiles;
static struct vee_rules rules;
static struct usage_source source;
static struct calendar *calendar;
static struct error err;
static struct usage u;

static int32_t day_of(int32_t year, int32_t month, int32_t day)
{
	return civil_to_day((struct civil_date){year, month, day});
}

static int set_up(void **state)
{
	(void)state;
	profile = (struct profile){.id = 7, .channel_count = 1, .interval_ms = QUARTER_S * 1000,
	                           .register_kwh_pow10 = 6, .dials = 6};
	profile.channels[0].channel = CHANNEL;
	profiles.by_id[7] = &profile;
	vee_rules_default(&rules);
	if (calendar_new("America/Los_Angeles", &calendar, &err) != RESULT_OK)
		return -1;
	source = (struct usage_source){fake_store_new(), &profiles, calendar, &rules, INT64_MAX};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	usage_free(&u);
	fake_store_free(source.store);
	calendar_free(calendar);
	return 0;
}

static void read_register(int64_t at_s, int64_t value)
{
	struct stored_reading r = {.device = DEVICE, .profile = 7, .channel_count = 1,
	                           .ts_ms = at_s * 1000, .meter_ts_ms = at_s * 1000};
	r.channel[0] = CHANNEL;
	r.value[0] = value;
	fake_store_add_reading(source.store, &r);
}

static void load(int32_t from_day, int32_t end_day)
{
	usage_free(&u);
	if (usage_load(&source, DEVICE, 0, from_day, end_day, &u, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static bool is_left_out(int64_t at_s, const int64_t out[2])
{
	return out && at_s > out[0] && at_s < out[1];
}

/* Each interval of local hour h uses (h + 1) Wh; all readings strictly between out[0] and out[1]
 * are missing. Returns the register at the end. */
static int64_t read_days(int32_t from_day, int32_t end_day, int64_t value, const int64_t *out)
{
	int64_t end_s = calendar_day_start_s(calendar, end_day);
	for (int64_t at = calendar_day_start_s(calendar, from_day);; at += QUARTER_S) {
		if (!is_left_out(at, out))
			read_register(at, value);
		if (at >= end_s)
			return value;
		value += (calendar_local(calendar, at).second_of_day / 3600 + 1) * 1000;
	}
}

static void days_of_dst_have_their_intervals(void **state)
{
	(void)state;
	int32_t spring = day_of(2025, 3, 9), autumn = day_of(2025, 11, 2);
	read_days(spring, spring + 1, 5 * KWH, NULL);
	load(spring, spring + 1);
	assert_int_equal(u.row.count, 92);
	assert_int_equal(u.completeness, 10000);
	assert_int_equal(u.gap_count, 0);
	assert_true(u.has_register);
	/* 4 * (1 + ... + 24) Wh without the hour that was left out, 2:00 */
	assert_int_equal(u.register_mwh, (1200 - 12) * 1000);
	assert_int_equal(vee_sum_mwh(&u.row), u.register_mwh);
	read_days(autumn, autumn + 1, 9 * KWH, NULL);
	load(autumn, autumn + 1);
	assert_int_equal(u.row.count, 100);
	assert_int_equal(vee_sum_mwh(&u.row), (1200 + 8) * 1000);
}

static void short_gap_is_interpolated_and_scaled(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 3);
	int64_t start_s = calendar_day_start_s(calendar, day);
	/* 10:00 .. 11:30: six intervals */
	const int64_t out[2] = {start_s + 36000, start_s + 41400};
	read_days(day, day + 1, 0, out);
	load(day, day + 1);
	assert_int_equal(u.gap_count, 1);
	assert_int_equal(u.gaps[0].gap.first, 40);
	assert_int_equal(u.gaps[0].gap.count, 6);
	assert_int_equal(u.gaps[0].source, VEE_INTERPOLATED);
	assert_true(u.gaps[0].scaled);
	assert_int_equal(u.gaps[0].register_mwh, (4 * 11 + 2 * 12) * 1000);
	assert_int_equal(vee_sum_mwh(&u.row), 1200 * 1000);
	assert_int_equal(u.completeness, 9375);
	assert_int_equal(u.row.intervals[39].source, VEE_ACTUAL);
	/* the late readings come: the estimate gives way */
	fake_store_free(source.store);
	source.store = fake_store_new();
	read_days(day, day + 1, 0, NULL);
	load(day, day + 1);
	assert_int_equal(u.gap_count, 0);
	assert_int_equal(u.completeness, 10000);
}

static void long_gap_takes_like_days(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	const int64_t out[2] = {start_s + 6 * 3600, start_s + 18 * 3600};
	int64_t value = read_days(day - 21, day, 0, NULL);
	read_days(day, day + 1, value, out);
	load(day, day + 1);
	assert_int_equal(u.gap_count, 1);
	assert_int_equal(u.gaps[0].source, VEE_LIKE_DAY);
	assert_true(u.gaps[0].scaled);
	/* like days are all alike here: the estimate is exact */
	for (uint32_t i = 0; i < 96; i++)
		assert_int_equal(u.row.intervals[i].energy_mwh, (i / 4 + 1) * 1000);
}

static void long_gap_without_like_days_is_shared_out_evenly(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	const int64_t out[2] = {start_s + 6 * 3600, start_s + 18 * 3600};
	read_days(day, day + 1, 0, out);
	load(day, day + 1);
	assert_int_equal(u.gaps[0].source, VEE_EVEN);
	assert_int_equal(vee_sum_mwh(&u.row), 1200 * 1000);
	assert_int_equal(u.row.intervals[24].energy_mwh, u.row.intervals[71].energy_mwh);
}

static void nothing_is_known_where_nothing_was_read(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	load(day, day + 2);
	assert_int_equal(u.row.count, 192);
	assert_int_equal(u.readings, 0);
	assert_int_equal(u.completeness, 0);
	assert_false(u.has_register);
	assert_int_equal(u.gap_count, 1);
	assert_int_equal(u.gaps[0].source, VEE_MISSING);
	assert_int_equal(usage_load(&source, DEVICE, 0, day, day, &u, &err), RESULT_INPUT);
	assert_int_equal(usage_load(&source, DEVICE, 0, day, day + 401, &u, &err), RESULT_INPUT);
}

static void the_future_is_not_estimated(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	for (int64_t i = 0; i <= 40; i++)
		read_register(start_s + i * QUARTER_S, i * 1000);
	source.now_s = start_s + 42 * QUARTER_S + 5;
	load(day, day + 1);
	assert_int_equal(u.gap_count, 1);
	assert_int_equal(u.gaps[0].gap.first, 40);
	assert_int_equal(u.gaps[0].gap.count, 2);
	assert_int_equal(u.row.intervals[41].source, VEE_INTERPOLATED);
	assert_int_equal(u.row.intervals[42].source, VEE_MISSING);
}

static void rollover_counts_on_and_a_reset_does_not(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	read_register(start_s, 1000000 * KWH - 400);
	read_register(start_s + 900, 600); /* six dials: past 999,999 kWh */
	read_register(start_s + 1800, 500);
	load(day, day + 1);
	assert_int_equal(u.row.intervals[0].source, VEE_ACTUAL);
	assert_int_equal(u.row.intervals[0].energy_mwh, 1000);
	assert_int_equal(u.falls, 2);
	assert_int_not_equal(u.row.intervals[1].source, VEE_ACTUAL);
}

static void a_day_of_the_row_is_found(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 11, 1);
	read_days(day, day + 3, 0, NULL);
	load(day, day + 3);
	struct vee_row d = usage_day(&u, calendar, day + 1);
	assert_int_equal(d.count, 100);
	assert_int_equal(d.intervals[0].energy_mwh, 1000);
	d = usage_day(&u, calendar, day + 2);
	assert_int_equal(d.count, 96);
	assert_int_equal(d.intervals[95].energy_mwh, 24000);
}

int main(void)
{
#define WITH_STORE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    WITH_STORE(days_of_dst_have_their_intervals),
	    WITH_STORE(short_gap_is_interpolated_and_scaled),
	    WITH_STORE(long_gap_takes_like_days),
	    WITH_STORE(long_gap_without_like_days_is_shared_out_evenly),
	    WITH_STORE(nothing_is_known_where_nothing_was_read),
	    WITH_STORE(the_future_is_not_estimated),
	    WITH_STORE(rollover_counts_on_and_a_reset_does_not),
	    WITH_STORE(a_day_of_the_row_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
