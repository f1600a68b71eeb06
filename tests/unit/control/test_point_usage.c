/* SPDX-License-Identifier: Apache-2.0 */
/* Usage of a service point over its meters, with worked numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "contract/reading.h"
#include "control/usage/service_point.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define QUARTER_S 900
#define CHANNEL   1
#define KWH       INT64_C(1000000)
#define HOUR_S    INT64_C(3600)

static const struct registry_author tester = {"tester", INT64_C(1767225600000)};

static struct profile profile;
static struct profile_set profiles;
static struct vee_rules rules;
static struct usage_source source;
static struct calendar *calendar;
static struct registry *registry;
static struct error err;
static struct usage u;
static struct usage_parts parts;
static struct service_point point;
static int32_t day;
static int64_t start_s;

static int set_up(void **state)
{
	struct registry_import report;
	static const char csv[] = "id,dials\nA,5\nB,5\n";
	(void)state;
	profile = (struct profile){.id = 7,
				   .channel_count = 1,
				   .interval_ms = QUARTER_S * 1000,
				   .register_kwh_pow10 = 6,
				   .dials = 6};
	profile.channels[0].channel = CHANNEL;
	profiles.by_id[7] = &profile;
	vee_rules_default(&rules);
	if (calendar_new("America/Los_Angeles", &calendar, &err) != RESULT_OK)
		return -1;
	source = (struct usage_source){fake_store_new(), &profiles, calendar, &rules, INT64_MAX,
	                               NULL};
	if (registry_open(source.store, 10, NULL, NULL, &registry, &err) != RESULT_OK ||
	    registry_import_text(registry, REGISTRY_DEVICES, &tester, REGISTRY_CSV, csv,
				 sizeof csv - 1, NULL, NULL, &report, &err) != RESULT_OK)
		return -1;
	day = civil_to_day((struct civil_date){2025, 6, 24});
	start_s = calendar_day_start_s(calendar, day);
	memset(&point, 0, sizeof point);
	strcpy(point.id, "SP-1");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	usage_free(&u);
	registry_close(registry);
	fake_store_free(source.store);
	calendar_free(calendar);
	return 0;
}

static void read_at(uint32_t device, int64_t at_s, int64_t mwh, uint16_t flags)
{
	struct stored_reading r = {.device = device,
				   .profile = 7,
				   .channel_count = 1,
				   .ts_ms = at_s * 1000,
				   .meter_ts_ms = at_s * 1000,
				   .flags = flags};
	r.channel[0] = CHANNEL;
	r.value[0] = mwh;
	fake_store_add_reading(source.store, &r);
}

/* Every quarter hour from..to (both in seconds of the day), rising by `step`. */
static void read_quarters(uint32_t device, int64_t from_s, int64_t to_s, int64_t mwh, int64_t step)
{
	for (int64_t at_s = from_s; at_s <= to_s; at_s += QUARTER_S, mwh += step)
		read_at(device, start_s + at_s, mwh, 0);
}

static struct installation *install(const char *meter, int64_t from_s, int64_t to_s,
				    struct ratio ratio, int64_t initial_mwh, int64_t final_mwh)
{
	struct installation *in = &point.installations[point.installation_count++];
	*in = (struct installation){.from_s = start_s + from_s,
				    .to_s = to_s == INSTALLATION_OPEN ? to_s : start_s + to_s,
				    .ratio = ratio,
				    .initial_mwh = initial_mwh,
				    .final_mwh = final_mwh};
	strcpy(in->meter, meter);
	return in;
}

static void load_days(int32_t from_day, int32_t end_day)
{
	usage_free(&u);
	if (usage_load_point(&source, registry, &point, from_day, end_day, &u, &parts, &err) !=
	    RESULT_OK)
		fail_msg("%s", err.text);
}

#define FOR_EVER (-1000 * 24 * HOUR_S)
#define SWAP_S   (10 * HOUR_S + 420) /* 10:07 */

static const struct ratio one = {1, 1}, forty = {40, 1}, twenty = {20, 1};

/* A counts 0.25 kWh each quarter up to 110.0 at 10:00 and ends with 110.1; B begins with 5.0, has
 * 5.2 at 10:15, then 0.5 each quarter. With ratios 40 and 20 each interval has 10 kWh but that of
 * the swap: 0.1 * 40 + 0.2 * 20 = 8 kWh. */
static void swap_within_an_interval_is_exact(void **state)
{
	(void)state;
	install("A", FOR_EVER, SWAP_S, forty, REGISTER_UNKNOWN, 110100000);
	install("B", SWAP_S, INSTALLATION_OPEN, twenty, 5 * KWH, REGISTER_UNKNOWN);
	read_quarters(0, 0, 10 * HOUR_S, 100 * KWH, KWH / 4);
	read_quarters(1, 10 * HOUR_S + QUARTER_S, 24 * HOUR_S, 5200000, KWH / 2);
	load_days(day, day + 1);
	assert_int_equal(u.row.count, 96);
	for (uint32_t i = 0; i < 96; i++) {
		assert_int_equal(u.row.intervals[i].source, VEE_ACTUAL);
		assert_int_equal(u.row.intervals[i].energy_mwh, (i == 40 ? 8 : 10) * KWH);
	}
	assert_int_equal(u.completeness, 10000);
	assert_int_equal(u.falls, 0);
	assert_true(u.has_register);
	assert_int_equal(u.register_mwh, 958 * KWH);
	assert_int_equal(parts.count, 2);
	assert_string_equal(parts.list[0].installation.meter, "A");
	assert_int_equal(parts.list[0].register_mwh, 10100000);
	assert_int_equal(parts.list[0].energy_mwh, 404 * KWH);
	assert_int_equal(parts.list[0].to_s, start_s + SWAP_S);
	assert_int_equal(parts.list[1].energy_mwh, 554 * KWH);
	assert_int_equal(parts.list[1].device, 1);
}

/* The old meter has five dials: 99,999.9 at 10:00 and 0.1 when it is taken away; the new one comes
 * used, 99,999.7, and passes its last dial as well: 0.4 at 10:15 (0.7 kWh). */
static void rollovers_beside_a_swap_count_on(void **state)
{
	(void)state;
	install("A", FOR_EVER, SWAP_S, one, REGISTER_UNKNOWN, 100000);
	install("B", SWAP_S, INSTALLATION_OPEN, one, 99999700000, REGISTER_UNKNOWN);
	read_quarters(0, 0, 10 * HOUR_S, 99999900000 - 40 * 10000, 10000);
	read_quarters(1, 10 * HOUR_S + QUARTER_S, 24 * HOUR_S, 400000, 10000);
	load_days(day, day + 1);
	assert_int_equal(u.row.intervals[40].source, VEE_ACTUAL);
	assert_int_equal(u.row.intervals[40].energy_mwh, 200000 + 700000);
	assert_int_equal(u.row.intervals[39].energy_mwh, 10000);
	assert_int_equal(u.row.intervals[41].energy_mwh, 10000);
	assert_int_equal(u.falls, 0);
}

/* In the middle of the period the meter itself rolls over, by validation's word. */
static void rollover_in_mid_period_counts_on(void **state)
{
	(void)state;
	install("A", FOR_EVER, INSTALLATION_OPEN, forty, REGISTER_UNKNOWN, REGISTER_UNKNOWN);
	read_quarters(0, 0, 12 * HOUR_S, 99999900000 - 48 * 10000, 10000);
	read_at(0, start_s + 12 * HOUR_S + QUARTER_S, 50000, READING_F_ROLLOVER);
	read_quarters(0, 12 * HOUR_S + 2 * QUARTER_S, 24 * HOUR_S, 60000, 10000);
	load_days(day, day + 1);
	assert_int_equal(u.row.intervals[48].source, VEE_ACTUAL);
	assert_int_equal(u.row.intervals[48].energy_mwh, 150000 * 40);
	assert_int_equal(vee_sum_mwh(&u.row), (95 * 10000 + 150000) * 40);
}

static void unknown_final_value_makes_the_interval_an_estimate(void **state)
{
	(void)state;
	install("A", FOR_EVER, SWAP_S, one, REGISTER_UNKNOWN, REGISTER_UNKNOWN);
	install("B", SWAP_S, INSTALLATION_OPEN, one, 5 * KWH, REGISTER_UNKNOWN);
	read_quarters(0, 0, 10 * HOUR_S, 100 * KWH, KWH);
	read_quarters(1, 10 * HOUR_S + QUARTER_S, 24 * HOUR_S, 5200000, KWH);
	load_days(day, day + 1);
	assert_int_equal(u.row.intervals[40].source, VEE_INTERPOLATED);
	assert_int_equal(u.row.intervals[40].energy_mwh, KWH);
	assert_false(u.gaps[0].scaled);
	assert_false(u.has_register);
	assert_int_equal(u.gap_count, 1);
}

/* Readings are missing from 9:00 to 11:00. Over it A counted 2 * 40 and B 1 * 20 kWh. */
static void gap_over_a_swap_is_scaled_to_both_registers(void **state)
{
	(void)state;
	install("A", FOR_EVER, SWAP_S, forty, REGISTER_UNKNOWN, 38 * KWH);
	install("B", SWAP_S, INSTALLATION_OPEN, twenty, 5 * KWH, REGISTER_UNKNOWN);
	read_quarters(0, 0, 9 * HOUR_S, 0, KWH);
	read_quarters(1, 11 * HOUR_S, 24 * HOUR_S, 6 * KWH, KWH);
	load_days(day, day + 1);
	assert_int_equal(u.gap_count, 1);
	assert_int_equal(u.gaps[0].gap.first, 36);
	assert_int_equal(u.gaps[0].gap.count, 8);
	assert_true(u.gaps[0].scaled);
	assert_int_equal(u.gaps[0].register_mwh, 100 * KWH);
	assert_int_equal(vee_sum_mwh(&u.row), (36 * 40 + 100 + 52 * 20) * KWH);
	assert_int_equal(u.register_mwh, vee_sum_mwh(&u.row));
}

static void without_a_meter_nothing_is_used_and_nothing_is_missing(void **state)
{
	(void)state;
	install("A", FOR_EVER, 6 * HOUR_S + 300, one, REGISTER_UNKNOWN, 24500000);
	install("B", 18 * HOUR_S + 300, INSTALLATION_OPEN, one, 0, REGISTER_UNKNOWN);
	read_quarters(0, 0, 6 * HOUR_S, 0, KWH);
	read_quarters(1, 18 * HOUR_S + QUARTER_S, 24 * HOUR_S, KWH / 2, KWH);
	load_days(day, day + 1);
	assert_int_equal(u.completeness, 10000);
	assert_int_equal(u.gap_count, 0);
	for (uint32_t i = 0; i < 96; i++)
		assert_int_equal(u.row.intervals[i].source,
				 i > 24 && i < 72 ? VEE_NO_METER : VEE_ACTUAL);
	assert_int_equal(u.row.intervals[24].energy_mwh, KWH / 2);
	assert_int_equal(u.row.intervals[72].energy_mwh, KWH / 2);
	assert_int_equal(vee_sum_mwh(&u.row), (24 + 23) * KWH + KWH);
	/* days before the first one, and days without any */
	load_days(day - 1, day + 1);
	assert_int_equal(u.row.count, 192);
	point.installation_count = 0;
	assert_int_equal(usage_load_point(&source, registry, &point, day, day + 1, &u, NULL, &err),
			 RESULT_INPUT);
	assert_non_null(strstr(err.text, "had no meter"));
}

/* Installed in the morning: what was before is nobody's. */
static void first_meter_in_mid_period_leaves_nothing_missing(void **state)
{
	(void)state;
	install("B", 6 * HOUR_S, INSTALLATION_OPEN, one, 7 * KWH, REGISTER_UNKNOWN);
	read_quarters(1, 6 * HOUR_S + QUARTER_S, 24 * HOUR_S, 8 * KWH, KWH);
	/* the same meter counted elsewhere before: no business of this point */
	load_days(day, day + 1);
	assert_int_equal(u.completeness, 10000);
	assert_int_equal(u.row.intervals[23].source, VEE_NO_METER);
	assert_int_equal(u.row.intervals[24].source, VEE_ACTUAL);
	assert_int_equal(vee_sum_mwh(&u.row), 72 * KWH);
}

static void readings_beyond_the_effective_dates_do_not_count(void **state)
{
	(void)state;
	install("A", FOR_EVER, SWAP_S, one, REGISTER_UNKNOWN, 41 * KWH);
	install("B", SWAP_S, INSTALLATION_OPEN, one, 5 * KWH, REGISTER_UNKNOWN);
	read_quarters(0, 0, 24 * HOUR_S, 0, KWH);   /* A goes on in a workshop */
	read_quarters(1, 0, 24 * HOUR_S, 900, 900); /* B was counting before */
	for (uint32_t i = 0; i < 2; i++)
		load_days(day, day + 1);
	assert_int_equal(parts.list[0].energy_mwh, 41 * KWH);
	assert_int_equal(u.row.intervals[39].energy_mwh, KWH);
	assert_int_equal(u.row.intervals[50].energy_mwh, 900);
}

static void reset_that_ingest_flagged_is_bridged_by_the_values(void **state)
{
	(void)state;
	install("A", FOR_EVER, SWAP_S, one, REGISTER_UNKNOWN, 140500000);
	install("A", SWAP_S, INSTALLATION_OPEN, one, 0, REGISTER_UNKNOWN);
	read_quarters(0, 0, 10 * HOUR_S, 100 * KWH, KWH);
	read_at(0, start_s + 10 * HOUR_S + QUARTER_S, KWH / 4, READING_F_RESET);
	read_quarters(0, 10 * HOUR_S + 2 * QUARTER_S, 24 * HOUR_S, KWH, KWH);
	load_days(day, day + 1);
	assert_int_equal(u.row.intervals[40].source, VEE_ACTUAL);
	assert_int_equal(u.row.intervals[40].energy_mwh, 750000);
	assert_int_equal(u.completeness, 10000);
	/* the meter alone knows only that it fell */
	usage_free(&u);
	assert_int_equal(usage_load(&source, 0, 5, day, day + 1, &u, &err), RESULT_OK);
	assert_int_not_equal(u.row.intervals[40].source, VEE_ACTUAL);
	assert_int_equal(u.falls, 1);
}

/* 1 kWh at a ratio of 1/3: parts are rounded, their sum is not off by more than one mWh. */
static void awkward_ratios_do_not_drift(void **state)
{
	(void)state;
	install("A", FOR_EVER, INSTALLATION_OPEN, (struct ratio){1, 3}, REGISTER_UNKNOWN,
		REGISTER_UNKNOWN);
	read_quarters(0, 0, 24 * HOUR_S, 0, KWH + 1);
	load_days(day, day + 1);
	assert_int_equal(vee_sum_mwh(&u.row), 32 * (KWH + 1));
	for (uint32_t i = 0; i < 96; i++)
		assert_in_range(u.row.intervals[i].energy_mwh, 333333, 333334);
}

static void energy_beyond_64_bits_is_refused(void **state)
{
	(void)state;
	install("A", FOR_EVER, INSTALLATION_OPEN, (struct ratio){1000000000, 1}, REGISTER_UNKNOWN,
		REGISTER_UNKNOWN);
	read_quarters(0, 0, 24 * HOUR_S, 0, 1000 * KWH);
	assert_int_equal(usage_load_point(&source, registry, &point, day, day + 1, &u, NULL, &err),
			 RESULT_INPUT);
	assert_non_null(strstr(err.text, "too much"));
	u = (struct usage){0};
}

static void edits_of_the_meters_count_at_the_point(void **state)
{
	(void)state;
	int64_t values[] = {3 * KWH, 4 * KWH};
	struct usage_edit edit = {.from_s = start_s + 12 * HOUR_S,
				  .interval_s = QUARTER_S,
				  .count = 2,
				  .energy_mwh = values,
				  .made_ms = 1,
				  .who = "anna",
				  .reason = "read on site"};
	install("A", FOR_EVER, SWAP_S, forty, REGISTER_UNKNOWN, 41 * KWH);
	install("B", SWAP_S, INSTALLATION_OPEN, twenty, 5 * KWH, REGISTER_UNKNOWN);
	read_quarters(0, 0, 10 * HOUR_S, 0, KWH);
	read_quarters(1, 10 * HOUR_S + QUARTER_S, 24 * HOUR_S, 5200000, KWH);
	assert_int_equal(usage_edit_add(source.store, 1, &edit, &err), RESULT_OK);
	/* of the time when the meter was not there */
	assert_int_equal(usage_edit_add(source.store, 0, &edit, &err), RESULT_OK);
	load_days(day, day + 1);
	assert_int_equal(u.row.intervals[48].source, VEE_EDITED);
	assert_int_equal(u.row.intervals[48].energy_mwh, 60 * KWH);
	assert_int_equal(u.row.intervals[49].energy_mwh, 80 * KWH);
	assert_int_equal(u.row.intervals[50].energy_mwh, 20 * KWH);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(swap_within_an_interval_is_exact),
	    CASE(rollovers_beside_a_swap_count_on),
	    CASE(rollover_in_mid_period_counts_on),
	    CASE(unknown_final_value_makes_the_interval_an_estimate),
	    CASE(gap_over_a_swap_is_scaled_to_both_registers),
	    CASE(without_a_meter_nothing_is_used_and_nothing_is_missing),
	    CASE(first_meter_in_mid_period_leaves_nothing_missing),
	    CASE(readings_beyond_the_effective_dates_do_not_count),
	    CASE(reset_that_ingest_flagged_is_bridged_by_the_values),
	    CASE(awkward_ratios_do_not_drift),
	    CASE(energy_beyond_64_bits_is_refused),
	    CASE(edits_of_the_meters_count_at_the_point),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
