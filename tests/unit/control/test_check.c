/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule by numbers that were worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "contract/reading.h"
#include "control/usage/check.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define QUARTER_S 900
#define DEVICE    3
#define REGISTER  1
#define DAY_T1    15
#define DAY_T2    16

static struct profile profile = {.id = 7, .name = "flat", .channel_count = 1,
                                 .interval_ms = QUARTER_S * 1000, .register_kwh_pow10 = 6,
                                 .dials = 6, .channels = {{.channel = REGISTER}}};
static struct profile_set profiles;
static struct vee_rules rules;
static struct usage_source source;
static struct calendar *calendar;
static struct usage_checked checked;
static struct error err;
static int32_t monday; /* 2025-06-16 */

static int set_up(void **state)
{
	(void)state;
	profiles.by_id[7] = &profile;
	vee_rules_default(&rules);
	if (calendar_new("America/Los_Angeles", &calendar, &err) != RESULT_OK)
		return -1;
	source = (struct usage_source){fake_store_new(), &profiles, calendar, &rules, INT64_MAX,
	                               NULL};
	monday = civil_to_day((struct civil_date){2025, 6, 16});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	usage_checked_free(&checked);
	fake_store_free(source.store);
	calendar_free(calendar);
	return 0;
}

static int64_t start_of(int32_t day)
{
	return calendar_day_start_s(calendar, day);
}

static void read_parts(int64_t at_s, int64_t value, int64_t t1, int64_t t2)
{
	struct stored_reading r = {.device = DEVICE, .profile = 7, .channel_count = t1 < 0 ? 1 : 3,
	                           .ts_ms = at_s * 1000, .meter_ts_ms = at_s * 1000,
	                           .channel = {REGISTER, DAY_T1, DAY_T2}, .value = {value, t1, t2}};
	fake_store_add_reading(source.store, &r);
}

/* Days of 96 quarter hours of `each` mWh, from a register's value; returns the one at the end. */
static int64_t read_days(int32_t from_day, int32_t end_day, int64_t value, int64_t each)
{
	for (int64_t at = start_of(from_day); at < start_of(end_day); at += QUARTER_S) {
		read_parts(at, value, -1, 0);
		value += each;
	}
	return value;
}

static void check(int32_t from_day, int32_t end_day, bool active)
{
	usage_checked_free(&checked);
	if (usage_check(&source, DEVICE, 0, active, from_day, end_day, &checked, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

/* The rule's only finding; NULL: none. */
static const struct vee_finding *found(enum vee_rule rule)
{
	const struct vee_finding *f = NULL;
	for (uint32_t i = 0; i < checked.count; i++) {
		if (checked.findings[i].rule != rule)
			continue;
		assert_null(f);
		f = &checked.findings[i];
	}
	return f;
}

static void an_ordinary_day_meets_no_rule(void **state)
{
	(void)state;
	int64_t end = read_days(monday - 14, monday + 1, 0, 100);
	read_parts(start_of(monday + 1), end, -1, 0);
	check(monday - 14, monday + 1, true);
	assert_int_equal(checked.count, 0);
	assert_int_equal(checked.usage.completeness, 10000);
}

static void spike_is_180_percent_over_the_third_highest(void **state)
{
	(void)state;
	int64_t value = 0;
	for (int i = 0; i <= 96; i++) {
		read_parts(start_of(monday) + i * QUARTER_S, value, -1, 0);
		value += i == 40 ? 280 : i == 50 ? 200 : 100;
	}
	check(monday, monday + 1, true);
	const struct vee_finding *f = found(VEE_RULE_SPIKE);
	assert_non_null(f);
	assert_int_equal(f->value, 18000); /* (280 - 100) / 100 */
	assert_int_equal(f->is_mwh, 280);
	assert_int_equal(f->against_mwh, 100);
	assert_int_equal(f->from_s, start_of(monday) + 40 * QUARTER_S);
	rules.rule[VEE_RULE_SPIKE].limit = 18001;
	check(monday, monday + 1, true);
	assert_null(found(VEE_RULE_SPIKE));
	/* the profile's own limit goes before that for all */
	rules.overrides[0] = (struct vee_override){"flat", VEE_RULE_SPIKE, {true, 9000}};
	rules.override_count = 1;
	check(monday, monday + 1, true);
	assert_int_equal(found(VEE_RULE_SPIKE)->limit, 9000);
	rules.overrides[0].setting.on = false;
	check(monday, monday + 1, true);
	assert_null(found(VEE_RULE_SPIKE));
}

static void sum_is_off_by_what_was_edited(void **state)
{
	(void)state;
	int64_t end = read_days(monday, monday + 1, 0, 10000), mwh[] = {12500};
	read_parts(start_of(monday + 1), end, -1, 0);
	struct usage_edit e = {.from_s = start_of(monday) + 7200, .interval_s = QUARTER_S,
	                       .count = 1, .energy_mwh = mwh, .who = "eve", .reason = "why"};
	assert_int_equal(usage_edit_add(source.store, DEVICE, &e, &err), RESULT_OK);
	check(monday, monday + 1, true);
	const struct vee_finding *f = found(VEE_RULE_SUM);
	assert_non_null(f);
	assert_int_equal(f->value, 2500);
	assert_int_equal(f->is_mwh, 962500);
	assert_int_equal(f->against_mwh, 960000);
	rules.rule[VEE_RULE_SUM].limit = 2500;
	check(monday, monday + 1, true);
	assert_null(found(VEE_RULE_SUM));
}

static void registers_by_time_of_use_make_the_total(void **state)
{
	(void)state;
	rules.parts[0] = (struct vee_part){DAY_T1, 0};
	rules.parts[1] = (struct vee_part){DAY_T2, 0};
	rules.part_count = 2;
	read_parts(start_of(monday), 1000000, 400000, 600000);
	read_parts(start_of(monday + 1), 2000000, 900000, 1100000);
	read_parts(start_of(monday + 2), 3000000, 1200000, 1600001); /* 199,999 are missing */
	check(monday, monday + 2, true);
	const struct vee_finding *f = found(VEE_RULE_TOU_SUM);
	assert_non_null(f);
	assert_int_equal(f->from_s, start_of(monday + 1));
	assert_int_equal(f->value, 199999);
	assert_int_equal(f->is_mwh, 800001);
	assert_int_equal(f->against_mwh, 1000000);
}

static void use_is_held_against_like_days(void **state)
{
	(void)state;
	/* four work days of 96 * 100, then 301 % and 19 % of it */
	int64_t value = read_days(monday, monday + 4, 0, 100);
	value = read_days(monday + 4, monday + 5, value, 301);
	value = read_days(monday + 5, monday + 7, value, 5000); /* Saturday and Sunday: not alike */
	value = read_days(monday + 7, monday + 8, value, 19);
	read_parts(start_of(monday + 8), value, -1, 0);
	check(monday + 4, monday + 5, true);
	const struct vee_finding *f = found(VEE_RULE_HIGH_USE);
	assert_non_null(f);
	assert_int_equal(f->value, 30100);
	assert_int_equal(f->is_mwh, 96 * 301);
	assert_int_equal(f->against_mwh, 96 * 100);
	assert_null(found(VEE_RULE_LOW_USE));
	check(monday + 7, monday + 8, true);
	f = found(VEE_RULE_LOW_USE);
	assert_non_null(f);
	/* the mean of 301 and four times 100 is 140.2: 19 of it are 13.55 % */
	assert_int_equal(f->against_mwh, 96 * 701 / 5);
	assert_int_equal(f->value, 1355);
	/* three like days are needed */
	check(monday + 2, monday + 3, true);
	assert_int_equal(checked.count, 0);
}

static void an_active_meter_that_counts_nothing(void **state)
{
	(void)state;
	int64_t end = read_days(monday, monday + 1, 0, 10);
	read_days(monday + 1, monday + 4, end, 0);
	read_parts(start_of(monday + 4), end, -1, 0);
	check(monday, monday + 1, true);
	assert_null(found(VEE_RULE_ZERO_USE));
	check(monday + 1, monday + 2, true);
	assert_int_equal(found(VEE_RULE_ZERO_USE)->value, 1);
	rules.rule[VEE_RULE_ZERO_USE].limit = 3;
	check(monday + 1, monday + 4, true);
	assert_int_equal(found(VEE_RULE_ZERO_USE)->from_s, start_of(monday + 3));
	assert_int_equal(found(VEE_RULE_ZERO_USE)->value, 3);
	check(monday + 3, monday + 4, false);
	assert_null(found(VEE_RULE_ZERO_USE));
}

static void an_inactive_meter_that_counts(void **state)
{
	(void)state;
	int64_t end = read_days(monday, monday + 1, 0, 10);
	read_days(monday + 1, monday + 2, end, 0);
	read_parts(start_of(monday + 2), end, -1, 0);
	check(monday, monday + 2, false);
	const struct vee_finding *f = found(VEE_RULE_INACTIVE);
	assert_non_null(f);
	assert_int_equal(f->value, 960);
	assert_int_equal(f->from_s, start_of(monday));
	check(monday, monday + 2, true);
	assert_null(found(VEE_RULE_INACTIVE));
}

static void gaps_and_incomplete_days(void **state)
{
	(void)state;
	for (int i = 0; i <= 96; i++)
		if (i <= 10 || i >= 15)
			read_parts(start_of(monday) + i * QUARTER_S, i * 100, -1, 0);
	check(monday, monday + 1, true);
	const struct vee_finding *f = found(VEE_RULE_GAP);
	assert_non_null(f);
	assert_int_equal(f->value, 75); /* 10 to 15: five intervals */
	assert_int_equal(f->from_s, start_of(monday) + 10 * QUARTER_S);
	assert_int_equal(f->to_s, start_of(monday) + 15 * QUARTER_S);
	assert_int_equal(f->is_mwh, 500);
	assert_int_equal(f->against_mwh, 500);
	f = found(VEE_RULE_INCOMPLETE);
	assert_non_null(f);
	assert_int_equal(f->value, 9479); /* 91 of 96 */
	rules.rule[VEE_RULE_GAP].limit = 75;
	rules.rule[VEE_RULE_INCOMPLETE].limit = 9479;
	check(monday, monday + 1, true);
	assert_int_equal(checked.count, 0);
}

static void a_register_that_fell(void **state)
{
	(void)state;
	int64_t end = read_days(monday, monday + 1, 5000000, 100);
	read_days(monday + 1, monday + 2, 40, 100);
	check(monday, monday + 2, true);
	const struct vee_finding *f = found(VEE_RULE_FELL);
	assert_non_null(f);
	assert_int_equal(f->from_s, start_of(monday + 1) - QUARTER_S);
	assert_int_equal(f->to_s, start_of(monday + 1));
	assert_int_equal(f->against_mwh, end - 100);
	assert_int_equal(f->is_mwh, 40);
}

/* What has not happened yet is not missing. */
static void a_day_is_judged_as_far_as_it_is_over(void **state)
{
	(void)state;
	for (int i = 0; i <= 10; i++)
		read_parts(start_of(monday) + i * QUARTER_S, i * 100, -1, 0);
	source.now_s = start_of(monday) + 10 * QUARTER_S + 60;
	check(monday, monday + 3, true);
	assert_int_equal(checked.count, 0);
	source.now_s = start_of(monday) + 20 * QUARTER_S;
	check(monday, monday + 3, true);
	assert_int_equal(found(VEE_RULE_INCOMPLETE)->value, 5000);
	assert_int_equal(found(VEE_RULE_INCOMPLETE)->to_s, source.now_s);
}

static void findings_name_the_version_of_their_day(void **state)
{
	(void)state;
	static struct vee_rules later;
	later = rules;
	later.version = 2;
	later.from_day = monday + 1;
	later.before = &rules;
	rules.version = 1;
	source.rules = &later;
	int64_t end = read_days(monday, monday + 2, 0, 0);
	read_parts(start_of(monday + 2), end, -1, 0);
	check(monday, monday + 2, true);
	assert_int_equal(checked.count, 2);
	assert_int_equal(checked.findings[0].version, 1);
	assert_int_equal(checked.findings[1].version, 2);
	rules.before = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(an_ordinary_day_meets_no_rule),
	    TEST(spike_is_180_percent_over_the_third_highest),
	    TEST(sum_is_off_by_what_was_edited),
	    TEST(registers_by_time_of_use_make_the_total),
	    TEST(use_is_held_against_like_days),
	    TEST(an_active_meter_that_counts_nothing),
	    TEST(an_inactive_meter_that_counts),
	    TEST(gaps_and_incomplete_days),
	    TEST(a_register_that_fell),
	    TEST(a_day_is_judged_as_far_as_it_is_over),
	    TEST(findings_name_the_version_of_their_day),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
