/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ingest/decode.h"

static void expect(const char *text, int64_t ms)
{
	int64_t got = 0;

	if (!decode_rfc3339(text, (uint32_t)strlen(text), &got))
		fail_msg("refused: %s", text);
	if (got != ms)
		fail_msg("%s: %lld, not %lld", text, (long long)got, (long long)ms);
}

static void time_in_utc_is_milliseconds(void **state)
{
	(void)state;
	expect("1970-01-01T00:00:00Z", 0);
	expect("2025-06-15T14:15:00Z", 1749996900000);
	expect("2026-02-08t14:15:00z", 1770560100000);
	expect("1969-12-31T23:59:59.999Z", -1);
	expect("0000-01-01T00:00:00Z", -62167219200000);
	expect("9999-12-31T23:59:59.999Z", 253402300799999);
	expect("2000-02-29T00:00:00Z", 951782400000);
}

static void time_with_offset_is_utc(void **state)
{
	(void)state;
	expect("2025-06-15T16:15:00+02:00", 1749996900000);
	expect("2025-06-15T08:45:00-05:30", 1749996900000);
	expect("2025-06-15T14:15:00-00:00", 1749996900000);
}

static void fraction_is_cut_to_milliseconds(void **state)
{
	(void)state;
	expect("2025-06-15T14:15:00.5Z", 1749996900500);
	expect("2025-06-15T14:15:00.123456789+00:00", 1749996900123);
	expect("2025-06-15T14:15:00.999999999Z", 1749996900999);
	expect("2025-06-15T14:15:00.07Z", 1749996900070);
}

static void leap_second_at_the_end_of_a_month_is_the_next_second(void **state)
{
	(void)state;
	expect("1990-12-31T23:59:60Z", 662688000000);
	expect("1990-12-31T15:59:60-08:00", 662688000000);
	expect("1991-01-01T00:59:60+01:00", 662688000000);
}

static void bad_time_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "2025-06-15",
	    "2025-06-15T14:15:00",
	    "2025-06-15 14:15:00Z",
	    "2025-06-15T14:15Z",
	    "2025-13-15T14:15:00Z",
	    "2025-00-15T14:15:00Z",
	    "2025-06-31T14:15:00Z",
	    "2025-06-00T14:15:00Z",
	    "2025-02-29T14:15:00Z",
	    "1900-02-29T14:15:00Z",
	    "2025-06-15T24:00:00Z",
	    "2025-06-15T14:60:00Z",
	    "2025-06-15T14:15:61Z",
	    "2025-06-15T14:15:60Z",
	    "2025-06-15T23:59:60Z",
	    "2025-06-15T14:15:00.Z",
	    "2025-06-15T14:15:00.1234567890Z",
	    "2025-06-15T14:15:00+0200",
	    "2025-06-15T14:15:00+24:00",
	    "2025-06-15T14:15:00+02:60",
	    "2025-06-15T14:15:00ZZ",
	    "2025-06-15T14:15:00Z ",
	    " 2025-06-15T14:15:00Z",
	    "2o25-06-15T14:15:00Z",
	    "-025-06-15T14:15:00Z",
	    "2025-06-15T14:15:0/Z",
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (decode_rfc3339(bad[i], (uint32_t)strlen(bad[i]), &ms))
			fail_msg("taken: %s", bad[i]);
}

static void every_day_of_eleven_centuries_agrees_with_the_c_library(void **state)
{
	(void)state;
	for (int64_t day = -400 * 366; day < 700 * 366; day++) {
		time_t t = (time_t)(day * 86400 + (day & 0xffff));
		struct tm tm;
		char text[40];
		gmtime_r(&t, &tm);
		snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
		         tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		expect(text, (int64_t)t * 1000);
	}
}

static void date_of_the_last_time_changes_nothing(void **state)
{
	static const char *const texts[] = {
	    "2025-06-15T14:15:00Z",       "2025-06-15T23:59:59.999Z",  "2025-06-15t00:00:00+02:00",
	    "2025-06-15T24:00:00Z",       "2025-06-15T14:60:00Z",      "2025-06-15T14:15:60Z",
	    "2025-06-15T1a:15:00Z",       "2025-06-15T14-15:00Z",      "2025-06-15T14:15:0:Z",
	    "2025-06-15T14:15:00.Z",      "2025-06-30T23:59:60Z",      "2025-06-30T23:59:59Z",
	    "2025-06-15T14:15:00.5-0100", "2025-06-15T14:15:00.1234Z", "2025-06-15x14:15:00Z",
	};
	struct decode_date date = {{0}, 0};
	int64_t plain, after;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
			uint32_t bytes = (uint32_t)strlen(texts[i]);
			plain = after = 0;
			assert_int_equal(decode_rfc3339(texts[i], bytes, &plain),
			                 decode_rfc3339_after(&date, texts[i], bytes, &after));
			assert_true(plain == after);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_in_utc_is_milliseconds),
	    cmocka_unit_test(time_with_offset_is_utc),
	    cmocka_unit_test(fraction_is_cut_to_milliseconds),
	    cmocka_unit_test(leap_second_at_the_end_of_a_month_is_the_next_second),
	    cmocka_unit_test(bad_time_is_refused),
	    cmocka_unit_test(every_day_of_eleven_centuries_agrees_with_the_c_library),
	    cmocka_unit_test(date_of_the_last_time_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
