/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

static struct error err;

static int64_t utc(int32_t year, int32_t month, int32_t day, int32_t hour, int32_t minute)
{
	return (int64_t)day_of(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

static void assert_told(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
}

static void periods_follow_the_local_clock(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("America/Los_Angeles");
	sample_b(&t, false);
	/* summer: 7 hours behind UTC */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 1, 12, 59)), 0);  /* 05:59 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 1, 13, 0)), 1);   /* 06:00 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 1, 21, 0)), 2);   /* 14:00 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 2, 1, 59)), 2);   /* 18:59 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 2, 2, 0)), 1);    /* 19:00 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 2, 5, 0)), 0);    /* 22:00 */
	/* winter: 8 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 1, 1, 13, 59)), 0); /* 05:59 */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 1, 1, 14, 0)), 1);
	calendar_free(c);
}

static void holidays_have_times_of_their_own(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("UTC");
	sample_b(&t, false);
	t.holidays[t.holiday_count++] = day_of(2026, 12, 25);
	t.holidays[t.holiday_count++] = day_of(2026, 7, 4);
	must(tariff_check(&t, NULL, &err), &err); /* without times: as any weekday */
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 4, 15, 0)), 2);
	must(tariff_use_holidays(&t, 0, 96, 0, &err), &err);
	must(tariff_check(&t, NULL, &err), &err);
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 4, 15, 0)), 0);
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 12, 25, 15, 0)), 0);
	assert_int_equal(tariff_period_at(&t, c, utc(2026, 7, 5, 15, 0)), 2);
	calendar_free(c);
}

/* Both changes of the clocks, a holiday, and every day between. */
static void days_say_what_instants_say(void **state)
{
	(void)state;
	struct tariff b;
	struct calendar *c = zone("America/Los_Angeles");
	uint32_t days_without_change = 0, asked = 0;
	sample_b(&b, 0);
	for (uint32_t q = 0; q < TARIFF_QUARTERS; q++)
		b.holiday_use[q] = 1;
	b.holidays[b.holiday_count++] = day_of(2025, 7, 4);
	for (int64_t at = calendar_day_start_s(c, day_of(2025, 1, 1));
	     at < calendar_day_start_s(c, day_of(2026, 1, 1)); at += 900, asked++) {
		struct tariff_day d = tariff_day_at(&b, c, at);
		assert_true(at >= d.start_s && at < d.end_s);
		if (d.use) {
			assert_int_equal(d.use[(at - d.start_s) / 900],
			                 tariff_period_at(&b, c, at));
			days_without_change++;
		}
	}
	assert_int_equal(asked, 365 * 96);
	assert_int_equal(days_without_change, 363 * 96);
	calendar_free(c);
}

static void gaps_and_overlaps_are_told(void **state)
{
	(void)state;
	struct tariff t;
	name_it(&t, "X", 1);
	add_tier(&t, INT64_MAX, 10);
	uint8_t night = add_period(&t, "night", MULTIPLIER_ONE);
	uint8_t day = add_period(&t, "day", MULTIPLIER_ONE);
	use(&t, 22, 6, night);
	assert_int_equal(tariff_use(&t, ALL_MONTHS, ALL_DAYS, 5 * 4 + 2, 40, day, &err),
	                 RESULT_INPUT);
	assert_told("Mondays in January at 05:30 are in two periods, 'night' and 'day'");
	name_it(&t, "X", 1);
	add_tier(&t, INT64_MAX, 10);
	night = add_period(&t, "night", MULTIPLIER_ONE);
	use(&t, 22, 6, night);
	must(tariff_use(&t, ALL_MONTHS, 0x1f, 24, 88, night, &err), &err);
	assert_int_equal(tariff_check(&t, NULL, &err), RESULT_INPUT);
	assert_told("Saturdays in January at 06:00 are in no period");
	/* a holiday half said */
	sample_a(&t);
	must(tariff_use_holidays(&t, 0, 40, 0, &err), &err);
	assert_int_equal(tariff_check(&t, NULL, &err), RESULT_INPUT);
	assert_told("holidays at 23:45 are in no period");
	assert_int_equal(tariff_use_holidays(&t, 39, 41, 0, &err), RESULT_INPUT);
	assert_told("holidays at 09:45 are in two periods");
}

static void tiers_must_rise_and_end_open(void **state)
{
	(void)state;
	static const struct {
		int64_t limits[3];
		uint32_t count;
		const char *words;
	} cases[] = {
	    {{0}, 0, "there is no tier"},
	    {{100, 400}, 2, "the last tier ends at a limit"},
	    {{100, INT64_MAX, INT64_MAX}, 3, "tier 2 is open, but others follow"},
	    {{100, 100, INT64_MAX}, 3, "tier 2 ends at or below the one before it"},
	    {{0, INT64_MAX}, 2, "tier 1 ends at or below"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tariff t;
		sample_a(&t);
		t.tier_count = 0;
		for (uint32_t k = 0; k < cases[i].count; k++)
			add_tier(&t, cases[i].limits[k], 10);
		assert_int_equal(tariff_check(&t, NULL, &err), RESULT_INPUT);
		assert_told(cases[i].words);
	}
	struct tariff t;
	sample_a(&t);
	t.tiers[1].price = -1;
	assert_int_equal(tariff_check(&t, NULL, &err), RESULT_INPUT);
	assert_told("tier 2: the price must be");
	sample_a(&t);
	t.end_day = t.from_day;
	assert_int_equal(tariff_check(&t, NULL, &err), RESULT_INPUT);
	assert_told("it ends before it begins");
}

static void versions_may_not_overlap(void **state)
{
	(void)state;
	struct tariff one, two, three;
	sample_a(&one), sample_a(&two), sample_a(&three);
	one.end_day = two.from_day = day_of(2026, 7, 1);
	two.version = 2;
	const struct tariff *all[3] = {&two, &one, &three};
	must(tariff_sort(all, 2, &err), &err);
	assert_ptr_equal(all[0], &one);
	assert_ptr_equal(tariff_on(all, 2, day_of(2026, 6, 30)), &one);
	assert_ptr_equal(tariff_on(all, 2, day_of(2026, 7, 1)), &two);
	assert_null(tariff_on(all, 2, day_of(2019, 12, 31)));
	two.from_day--;
	assert_int_equal(tariff_sort(all, 2, &err), RESULT_INPUT);
	assert_told("tariff A: versions 1 and 2 both rule on 2026-06-30");
	two.from_day++;
	three.from_day = day_of(2030, 1, 1);
	two.end_day = three.from_day;
	assert_int_equal(tariff_sort(all, 3, &err), RESULT_INPUT);
	assert_told("two versions 1");
	three.version = 3;
	snprintf(three.currency, sizeof three.currency, "EUR");
	assert_int_equal(tariff_sort(all, 3, &err), RESULT_INPUT);
	assert_told("differ in currency");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(periods_follow_the_local_clock),
	    cmocka_unit_test(holidays_have_times_of_their_own),
	    cmocka_unit_test(days_say_what_instants_say),
	    cmocka_unit_test(gaps_and_overlaps_are_told),
	    cmocka_unit_test(tiers_must_rise_and_end_open),
	    cmocka_unit_test(versions_may_not_overlap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
