/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "contract/reading.h"
#include "control/usage/page.h"
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
	source = (struct usage_source){fake_store_new(), &profiles, calendar, &rules, INT64_MAX,
	                               NULL};
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

static void read_flagged(int64_t at_s, int64_t value, uint16_t flags)
{
	struct stored_reading r = {.device = DEVICE, .profile = 7, .channel_count = 1,
	                           .ts_ms = at_s * 1000, .meter_ts_ms = at_s * 1000,
	                           .flags = flags};
	r.channel[0] = CHANNEL;
	r.value[0] = value;
	fake_store_add_reading(source.store, &r);
}

static void read_register(int64_t at_s, int64_t value)
{
	read_flagged(at_s, value, 0);
}

static void must(enum result result)
{
	if (result != RESULT_OK)
		fail_msg("%s", err.text);
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

/* Each interval of local hour h uses (h + 1) Wh times `times`; all readings strictly between out[0]
 * and out[1] are missing. Returns the register at the end. */
static int64_t read_days_of(int32_t from_day, int32_t end_day, int64_t value, const int64_t *out,
                            int64_t times)
{
	int64_t end_s = calendar_day_start_s(calendar, end_day);
	for (int64_t at = calendar_day_start_s(calendar, from_day);; at += QUARTER_S) {
		if (!is_left_out(at, out))
			read_register(at, value);
		if (at >= end_s)
			return value;
		value += (calendar_local(calendar, at).second_of_day / 3600 + 1) * 1000 *
		         times;
	}
}

static int64_t read_days(int32_t from_day, int32_t end_day, int64_t value, const int64_t *out)
{
	return read_days_of(from_day, end_day, value, out, 1);
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

/* Days are alike by being work days or days off; holidays are days off. */
static void like_days_are_of_the_same_kind(void **state)
{
	(void)state;
	/* Mon 2025-06-02 .. Tue 2025-06-24; work days use twice as much */
	int32_t first = day_of(2025, 6, 2), day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day), value = 0;
	const int64_t out[2] = {start_s + 6 * 3600, start_s + 18 * 3600};
	rules.holidays[0] = day_of(2025, 6, 19); /* a Thursday */
	rules.holiday_count = 1;
	for (int32_t d = first; d < day; d++)
		value = read_days_of(d, d + 1, value, NULL, vee_is_day_off(&rules, d) ? 1 : 2);
	read_days_of(day, day + 1, value, out, 2);
	load(day, day + 1);
	assert_int_equal(u.like_count, 1);
	assert_int_equal(u.likes[0].day_count, 3);
	/* Monday 23rd, Friday 20th; Thursday was a holiday: Wednesday 18th */
	assert_int_equal(u.likes[0].days[0], day_of(2025, 6, 23));
	assert_int_equal(u.likes[0].days[1], day_of(2025, 6, 20));
	assert_int_equal(u.likes[0].days[2], day_of(2025, 6, 18));
	for (uint32_t i = 0; i < 96; i++)
		assert_int_equal(u.row.intervals[i].energy_mwh, (i / 4 + 1) * 2000);
	assert_int_equal(u.gaps[0].estimated_mwh, u.gaps[0].register_mwh); /* k is 1 */
}

static void days_with_gaps_outages_or_edits_are_like_no_other(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 26); /* Thursday */
	int64_t value = 0, mwh = 5;
	int32_t gap = day - 1, outage = day - 2, edited = day - 3;
	int64_t gap_s = calendar_day_start_s(calendar, gap);
	const int64_t lost[2] = {gap_s + 3600, gap_s + 3600 + 1800};
	int64_t start_s = calendar_day_start_s(calendar, day);
	const int64_t out[2] = {start_s + 6 * 3600, start_s + 18 * 3600};
	for (int32_t d = day_of(2025, 6, 2); d < day; d++)
		value = read_days_of(d, d + 1, value, d == gap ? lost : NULL, d != outage);
	read_days(day, day + 1, value, out);
	struct usage_edit e = {.from_s = calendar_day_start_s(calendar, edited) + 7200,
	                       .interval_s = 900, .count = 1, .energy_mwh = &mwh, .who = "eve",
	                       .reason = "display was read"};
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	load(day, day + 1);
	assert_int_equal(u.likes[0].days[0], day_of(2025, 6, 20));
	assert_int_equal(u.likes[0].days[1], day_of(2025, 6, 19));
	assert_int_equal(u.likes[0].days[2], day_of(2025, 6, 18));
	assert_int_equal(usage_edit_withdraw(source.store, DEVICE, 1, "eve", "typo", 1, &err),
	                 RESULT_OK);
	load(day, day + 1);
	assert_int_equal(u.likes[0].days[0], edited);
}

/* The clock's time counts: at the same hour of a day of 23 hours. */
static void like_days_across_a_change_of_the_clocks(void **state)
{
	(void)state;
	int32_t spring = day_of(2025, 3, 9), day = day_of(2025, 3, 15); /* Sunday, Saturday */
	int64_t start_s = calendar_day_start_s(calendar, day);
	const int64_t out[2] = {start_s + 6 * 3600, start_s + 18 * 3600};
	int64_t value = read_days(spring, day, 0, NULL);
	read_days(day, day + 1, value, out);
	load(day, day + 1);
	assert_int_equal(u.likes[0].day_count, 1);
	assert_int_equal(u.likes[0].days[0], spring);
	for (uint32_t i = 0; i < 96; i++)
		assert_int_equal(u.row.intervals[i].energy_mwh, (i / 4 + 1) * 1000);
}

/* A gap over midnight: each day by days of its own kind. */
static void each_day_of_a_gap_has_its_like_days(void **state)
{
	(void)state;
	int32_t first = day_of(2025, 6, 2), friday = day_of(2025, 6, 20);
	int64_t value = 0, friday_s = calendar_day_start_s(calendar, friday);
	const int64_t out[2] = {friday_s + 12 * 3600, friday_s + 36 * 3600};
	for (int32_t d = first; d < friday + 2; d++)
		value = read_days_of(d, d + 1, value, out, vee_is_day_off(&rules, d) ? 1 : 3);
	load(friday, friday + 2);
	assert_int_equal(u.gap_count, 1);
	assert_int_equal(u.like_count, 2);
	assert_int_equal(u.likes[0].day, friday);
	assert_int_equal(u.likes[0].days[0], friday - 1);
	assert_int_equal(u.likes[1].days[0], friday - 5);
	for (uint32_t i = 0; i < 192; i++)
		assert_int_equal(u.row.intervals[i].energy_mwh,
		                 (i % 96 / 4 + 1) * (i < 96 ? 3000 : 1000));
}

/* 75, four that are missing, 100: the domain's figures, behind registers that say 450 more. */
static void worked_gap_is_eighty_to_ninety_five(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	read_register(start_s, 0);
	read_register(start_s + 900, 75);
	read_register(start_s + 5 * 900, 75 + 350);
	read_register(start_s + 6 * 900, 75 + 350 + 100);
	source.now_s = start_s + 6 * 900;
	load(day, day + 1);
	static const int64_t expected[] = {75, 80, 85, 90, 95, 100};
	for (int i = 0; i < 6; i++)
		assert_int_equal(u.row.intervals[i].energy_mwh, expected[i]);
	assert_int_equal(u.gaps[0].estimated_mwh, 350);
	/* the register says 700: k = 2 */
	fake_store_free(source.store);
	source.store = fake_store_new();
	read_register(start_s, 0);
	read_register(start_s + 900, 75);
	read_register(start_s + 5 * 900, 75 + 700);
	read_register(start_s + 6 * 900, 75 + 700 + 100);
	load(day, day + 1);
	for (int i = 1; i < 5; i++)
		assert_int_equal(u.row.intervals[i].energy_mwh, expected[i] * 2);
	assert_int_equal(u.gaps[0].register_mwh, 700);
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
	read_flagged(start_s + 900, 600, READING_F_ROLLOVER); /* six dials: past 999,999 kWh */
	read_register(start_s + 1800, 500);
	load(day, day + 1);
	assert_int_equal(u.row.intervals[0].source, VEE_ACTUAL);
	assert_int_equal(u.row.intervals[0].energy_mwh, 1000);
	assert_int_equal(u.falls, 1);
	assert_int_equal(u.fall[0].at_s, start_s + 1800);
	assert_int_equal(u.fall[0].from_mwh, 600);
	assert_int_equal(u.fall[0].to_mwh, 500);
	assert_int_not_equal(u.row.intervals[1].source, VEE_ACTUAL);
}

/* --- edits --- */

static struct usage_edit edit_of(int64_t from_s, uint32_t count, int64_t *mwh)
{
	return (struct usage_edit){.from_s = from_s, .interval_s = QUARTER_S, .count = count,
	                           .energy_mwh = mwh, .who = "eve", .reason = "why"};
}

static void edits_lie_over_what_was_read_until_withdrawn(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day), two[] = {7, 8}, one[] = {9};
	read_days(day, day + 1, 0, NULL);
	struct usage_edit e = edit_of(start_s + 900, 2, two);
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	assert_int_equal(e.number, 1);
	e = edit_of(start_s + 1800, 1, one);
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	e = edit_of(start_s, 1, one);
	assert_int_equal(usage_edit_add(source.store, DEVICE + 1, &e, &err), RESULT_OK);
	load(day, day + 1);
	static const int64_t expected[] = {1000, 7, 9, 1000};
	static const uint8_t sources[] = {VEE_ACTUAL, VEE_EDITED, VEE_EDITED, VEE_ACTUAL};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(u.row.intervals[i].energy_mwh, expected[i]);
		assert_int_equal(u.row.intervals[i].source, sources[i]);
	}
	assert_int_equal(u.completeness, 10000);
	assert_int_equal(u.edits.count, 2);
	assert_string_equal(u.edits.edits[1].who, "eve");
	assert_int_equal(usage_edit_withdraw(source.store, DEVICE, 2, "adam", "wrong meter", 5,
	                                     &err), RESULT_OK);
	load(day, day + 1);
	assert_int_equal(u.row.intervals[2].energy_mwh, 8); /* the first edit's */
	assert_true(u.edits.edits[1].withdrawn);
	assert_string_equal(u.edits.edits[1].withdrawn_reason, "wrong meter");
	assert_string_equal(u.edits.edits[1].reason, "why");
	assert_int_equal(usage_edit_withdraw(source.store, DEVICE, 2, "a", "b", 5, &err),
	                 RESULT_INPUT);
	assert_int_equal(usage_edit_withdraw(source.store, DEVICE, 3, "a", "b", 5, &err),
	                 RESULT_ABSENT);
	assert_int_equal(usage_edit_withdraw(source.store, DEVICE, 1, "a", "", 5, &err),
	                 RESULT_INPUT);
}

static void the_rest_of_an_edited_gap_keeps_to_the_register(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day), half[] = {500};
	const int64_t out[2] = {start_s + 3600, start_s + 7200}; /* four of 2000 each */
	read_days(day, day + 1, 0, out);
	struct usage_edit e = edit_of(start_s + 3600, 1, half);
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	load(day, day + 1);
	assert_int_equal(u.row.intervals[4].energy_mwh, 500);
	assert_int_equal(u.row.intervals[4].source, VEE_EDITED);
	assert_int_equal(u.gaps[0].edited_mwh, 500);
	int64_t rest = 0;
	for (int i = 5; i < 8; i++)
		rest += u.row.intervals[i].energy_mwh;
	assert_int_equal(rest, 7500);
	assert_int_equal(vee_sum_mwh(&u.row), u.register_mwh);
	assert_int_equal(u.completeness, 9687);
	half[0] = 9000; /* more than the register counted: nothing can be scaled to it */
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	load(day, day + 1);
	assert_false(u.gaps[0].scaled);
}

static void edits_of_another_length_give_their_share(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day), hour[] = {1001}, five[] = {1, 2, 4};
	read_days(day, day + 1, 0, NULL);
	struct usage_edit e = edit_of(start_s, 1, hour);
	e.interval_s = 3600;
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	e = edit_of(start_s + 7200, 3, five);
	e.interval_s = 300;
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	load(day, day + 1);
	int64_t sum = 0;
	for (int i = 0; i < 4; i++) {
		sum += u.row.intervals[i].energy_mwh;
		assert_in_range(u.row.intervals[i].energy_mwh, 250, 251);
	}
	assert_int_equal(sum, 1001);
	assert_int_equal(u.row.intervals[8].energy_mwh, 7);
	assert_int_equal(u.row.intervals[9].source, VEE_ACTUAL);
}

static void bad_edits_change_nothing(void **state)
{
	(void)state;
	int64_t bad[] = {1, -1};
	struct usage_edit e = edit_of(0, 2, bad);
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_INPUT);
	e = edit_of(0, 0, bad);
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_INPUT);
	e = edit_of(0, 1, bad);
	e.reason[0] = '\0';
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_INPUT);
	e = edit_of(0, 1, bad);
	e.who[0] = '\0';
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_INPUT);
	e = edit_of(0, 1, bad);
	fake_store_fail_writes(source.store, 1);
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_MEDIA);
	struct usage_edits all;
	assert_int_equal(usage_edits_load(source.store, DEVICE, &all, &err), RESULT_OK);
	assert_int_equal(all.count, 0);
	static const char damaged[] = "{\"number\":1}";
	struct store_kv item = {"edit/0000000003/000001", 22, damaged, sizeof damaged - 1};
	assert_int_equal(store_kv_write(source.store, STORE_CONTROL, &item, 1, &err), RESULT_OK);
	assert_int_equal(usage_edits_load(source.store, DEVICE, &all, &err), RESULT_MEDIA);
}

static void provenance_tells_of_corrected_clocks(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	read_register(start_s, 0);
	read_flagged(start_s + 900, 10, READING_F_TS_REPLACED);
	fake_store_last_reading(source.store)->meter_ts_ms = (start_s + 900 + 700) * 1000;
	fake_store_last_reading(source.store)->collected_ms = (start_s + 900) * 1000;
	load(day, day + 1);
	assert_int_equal(u.row.intervals[0].flags, READING_F_TS_REPLACED);
	assert_int_equal(u.row.intervals[0].drift_s, 700);
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

static bool count_row(void *context, const struct usage_row *row)
{
	(void)row;
	++*(uint32_t *)context;
	return true;
}

/* A gap that needs earlier days, which the page reads for it, and a reading whose effective time
 * is not in the order of the meter's own. */
static void a_page_of_meters_gives_the_same(void **state)
{
	(void)state;
	int32_t day = day_of(2025, 6, 24);
	int64_t start_s = calendar_day_start_s(calendar, day);
	const int64_t out[2] = {start_s + 20000, start_s + 50000};
	struct usage_page page = {0};
	int64_t value = read_days(day - 10, day, 7 * KWH, NULL);
	struct stored_reading odd = {.device = DEVICE, .profile = 7, .channel_count = 1,
	                             .channel = {CHANNEL}, .ts_ms = (start_s + 25200) * 1000,
	                             .meter_ts_ms = (start_s + 90000) * 1000};
	for (int64_t at = start_s + 900; at <= start_s + 86400; at += 900) {
		value += 5000;
		odd.value[0] = value;
		if (at == start_s + 25200)
			fake_store_add_reading(source.store, &odd);
		else if (!is_left_out(at, out))
			read_register(at, value);
	}
	load(day, day + 1);
	struct usage whole = u;
	u = (struct usage){0};
	must(usage_page_load(&source, 0, day, day + 1, &page, &err));
	source.page = &page;
	load(day, day + 1);
	source.page = NULL;
	assert_int_equal(u.readings, whole.readings);
	assert_int_equal(u.gap_count, whole.gap_count);
	assert_true(u.gap_count > 0);
	assert_int_equal(u.row.count, whole.row.count);
	for (uint32_t i = 0; i < u.row.count; i++) {
		assert_int_equal(u.row.intervals[i].energy_mwh, whole.row.intervals[i].energy_mwh);
		assert_int_equal(u.row.intervals[i].source, whole.row.intervals[i].source);
	}
	/* a week before, other meters, too far, nothing there */
	static const struct {
		uint32_t device;
		int64_t days_back;
		enum result result;
		uint32_t count;
	} asked[] = {{DEVICE, 1, RESULT_OK, 96},
	             {DEVICE, 9, RESULT_OK, 96},
	             {DEVICE, 99, RESULT_ABSENT, 0},
	             {STORE_GROUP_DEVICES, 0, RESULT_ABSENT, 0},
	             {DEVICE + 1, 0, RESULT_OK, 0}};
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		uint32_t count = 0;
		int64_t from_ms = (start_s - asked[i].days_back * 86400) * 1000;
		assert_int_equal(usage_page_each(&page, asked[i].device, from_ms,
		                                 from_ms + 86400000, count_row, &count, &err),
		                 asked[i].result);
		assert_int_equal(count, asked[i].count);
	}
	usage_free(&whole);
	usage_page_free(&page);
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
	    WITH_STORE(like_days_are_of_the_same_kind),
	    WITH_STORE(days_with_gaps_outages_or_edits_are_like_no_other),
	    WITH_STORE(like_days_across_a_change_of_the_clocks),
	    WITH_STORE(each_day_of_a_gap_has_its_like_days),
	    WITH_STORE(worked_gap_is_eighty_to_ninety_five),
	    WITH_STORE(edits_lie_over_what_was_read_until_withdrawn),
	    WITH_STORE(the_rest_of_an_edited_gap_keeps_to_the_register),
	    WITH_STORE(edits_of_another_length_give_their_share),
	    WITH_STORE(bad_edits_change_nothing),
	    WITH_STORE(provenance_tells_of_corrected_clocks),
	    WITH_STORE(a_day_of_the_row_is_found),
	    WITH_STORE(a_page_of_meters_gives_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
