/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/calendar/calendar.h"

#include <cmocka.h>

#define QUARTER_S 900

static struct calendar *zone(const char *name)
{
	struct calendar *c = NULL;
	struct error err = {""};
	if (calendar_new(name, &c, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return c;
}

static int32_t day_of(int32_t year, int32_t month, int32_t day)
{
	return civil_to_day((struct civil_date){year, month, day});
}

static int64_t utc(int32_t year, int32_t month, int32_t day, int32_t hour, int32_t minute)
{
	return (int64_t)day_of(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

static void civil_dates_round_trip(void **state)
{
	(void)state;
	assert_int_equal(day_of(1970, 1, 1), 0);
	assert_int_equal(day_of(2000, 2, 29), 11016);
	for (int32_t day = -800000; day < 100000; day += 7) {
		struct civil_date d = civil_from_day(day);
		assert_int_equal(civil_to_day(d), day);
		assert_in_range(d.month, 1, 12);
		assert_in_range(d.day, 1, civil_month_days(d.year, d.month));
	}
	assert_int_equal(civil_month_days(1900, 2), 28);
	assert_int_equal(civil_month_days(2000, 2), 29);
	assert_int_equal(civil_month_days(2026, 12), 31);
}

static void civil_parse_takes_dates_that_exist(void **state)
{
	(void)state;
	static const char *const bad[] = {"",           "2026-3-29",  "2026-03-29 ", "2026/03/29",
	                                  "2026-13-01", "2026-00-10", "2026-02-29",  "2026-04-31",
	                                  "1969-12-31", "2100-01-01", "20a6-01-01",  "2026-01-00"};
	struct civil_date d;
	struct error err;
	assert_int_equal(civil_parse("2024-02-29", &d, &err), RESULT_OK);
	assert_int_equal(civil_to_day(d), day_of(2024, 2, 29));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		memset(&err, 0, sizeof err);
		assert_int_equal(civil_parse(bad[i], &d, &err), RESULT_INPUT);
		assert_true(err.text[0]);
	}
}

static void dst_days_have_92_and_100_intervals(void **state)
{
	(void)state;
	struct calendar *c = zone("America/Los_Angeles");
	/* 2025: second Sunday in March, first Sunday in November */
	assert_int_equal(calendar_intervals(c, day_of(2025, 3, 9), QUARTER_S), 92);
	assert_int_equal(calendar_intervals(c, day_of(2025, 11, 2), QUARTER_S), 100);
	assert_int_equal(calendar_intervals(c, day_of(2025, 3, 8), QUARTER_S), 96);
	assert_int_equal(calendar_intervals(c, day_of(2025, 3, 10), QUARTER_S), 96);
	assert_int_equal(calendar_day_start_s(c, day_of(2025, 3, 9)), utc(2025, 3, 9, 8, 0));
	assert_int_equal(calendar_day_start_s(c, day_of(2025, 3, 10)), utc(2025, 3, 10, 7, 0));
	struct local_time t = calendar_local(c, utc(2025, 3, 9, 9, 59));
	assert_int_equal(t.second_of_day, 1 * 3600 + 59 * 60);
	assert_int_equal(t.offset_s, -8 * 3600);
	assert_int_equal(t.weekday, 6);
	t = calendar_local(c, utc(2025, 3, 9, 10, 0));
	assert_int_equal(t.second_of_day, 3 * 3600);
	/* 1:30 twice */
	assert_int_equal(calendar_local(c, utc(2025, 11, 2, 8, 30)).second_of_day, 5400);
	assert_int_equal(calendar_local(c, utc(2025, 11, 2, 9, 30)).second_of_day, 5400);
	calendar_free(c);
}

static void midnight_may_not_exist_or_come_twice(void **state)
{
	(void)state;
	/* Sao Paulo, 2018-11-04: from 00:00 -03 to 01:00 -02; 2018-02-18 00:00 -02 back to 23:00 */
	struct calendar *c = zone("America/Sao_Paulo");
	assert_int_equal(calendar_day_start_s(c, day_of(2018, 11, 4)), utc(2018, 11, 4, 3, 0));
	assert_int_equal(calendar_local(c, utc(2018, 11, 4, 3, 0)).second_of_day, 3600);
	assert_int_equal(calendar_intervals(c, day_of(2018, 11, 4), QUARTER_S), 92);
	assert_int_equal(calendar_intervals(c, day_of(2018, 2, 17), QUARTER_S), 100);
	calendar_free(c);
	/* Samoa skipped 2011-12-30 altogether */
	c = zone("Pacific/Apia");
	assert_int_equal(calendar_day_start_s(c, day_of(2011, 12, 30)),
	                 calendar_day_start_s(c, day_of(2011, 12, 31)));
	calendar_free(c);
}

/* A day begins where the instant before it belongs to an earlier day, in every zone. */
static void days_follow_each_other_without_gaps(void **state)
{
	(void)state;
	static const char *const zones[] = {"UTC",           "America/Los_Angeles", "Europe/Berlin",
	                                    "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Beirut",
	                                    "America/Havana", "Africa/Casablanca"};
	for (size_t z = 0; z < sizeof zones / sizeof zones[0]; z++) {
		struct calendar *c = zone(zones[z]);
		for (int32_t day = day_of(2000, 1, 1); day < day_of(2040, 1, 1); day++) {
			int64_t start_s = calendar_day_start_s(c, day);
			assert_int_equal(calendar_day(c, start_s), day);
			assert_true(calendar_day(c, start_s - 1) < day ||
			            calendar_local(c, start_s - 1).second_of_day < 7200);
			assert_true(start_s < calendar_day_start_s(c, day + 1));
		}
		calendar_free(c);
	}
}

/* The C library's own tables are the independent judge; of the past only, as the two may differ in
 * age. */
static void local_time_agrees_with_the_c_library(void **state)
{
	(void)state;
	static const char *const zones[] = {"America/Los_Angeles", "Europe/London",
	                                    "America/Sao_Paulo", "Australia/Sydney"};
	for (size_t z = 0; z < sizeof zones / sizeof zones[0]; z++) {
		struct calendar *c = zone(zones[z]);
		setenv("TZ", zones[z], 1);
		tzset();
		for (int64_t at = utc(1990, 1, 1, 0, 0); at < utc(2020, 1, 1, 0, 0); at += 35999) {
			time_t seconds = at;
			struct tm tm;
			localtime_r(&seconds, &tm);
			struct local_time t = calendar_local(c, at);
			assert_int_equal(t.date.year, tm.tm_year + 1900);
			assert_int_equal(t.date.month, tm.tm_mon + 1);
			assert_int_equal(t.date.day, tm.tm_mday);
			assert_int_equal(t.second_of_day,
			                 tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
			assert_int_equal((t.weekday + 1) % 7, tm.tm_wday);
		}
		calendar_free(c);
	}
	unsetenv("TZ");
	tzset();
}

static void unknown_zones_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "Mars/Olympus", "PST8PDTX", "../etc/passwd"};
	struct calendar *c = NULL;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct error err = {""};
		assert_int_equal(calendar_new(bad[i], &c, &err), RESULT_INPUT);
		assert_true(err.text[0]);
		assert_null(c);
	}
}

static void months_begin_at_local_midnight(void **state)
{
	(void)state;
	struct calendar *c = zone("Europe/Berlin");
	assert_int_equal(calendar_month_start_s(c, 2026, 7), utc(2026, 6, 30, 22, 0));
	assert_int_equal(calendar_month_start_s(c, 2026, 13), utc(2026, 12, 31, 23, 0));
	assert_string_equal(calendar_zone(c), "Europe/Berlin");
	calendar_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(civil_dates_round_trip),
	    cmocka_unit_test(civil_parse_takes_dates_that_exist),
	    cmocka_unit_test(dst_days_have_92_and_100_intervals),
	    cmocka_unit_test(midnight_may_not_exist_or_come_twice),
	    cmocka_unit_test(days_follow_each_other_without_gaps),
	    cmocka_unit_test(local_time_agrees_with_the_c_library),
	    cmocka_unit_test(unknown_zones_are_refused),
	    cmocka_unit_test(months_begin_at_local_midnight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
