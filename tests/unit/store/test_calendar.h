/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A territory of its own: midnight at 05:00 UTC, until one day of 23 hours moves it to 04:00;
 * months of 30 days.
 */
#ifndef HEADRACE_TESTS_TEST_CALENDAR_H
#define HEADRACE_TESTS_TEST_CALENDAR_H

#include <stdint.h>

#define TEST_SHORT_DAY 20251 /* 2025-06-13: has 23 hours */

static inline int64_t test_day_start_ms(const void *calendar, int32_t day)
{
	(void)calendar;
	return day * 86400000ll + (day <= TEST_SHORT_DAY ? 5 : 4) * 3600000ll;
}

static inline int32_t test_day_of(const void *calendar, int64_t utc_ms)
{
	int32_t day = (int32_t)(utc_ms / 86400000) + 1;
	while (test_day_start_ms(calendar, day) > utc_ms)
		day--;
	return day;
}

static inline int32_t test_month_of(const void *calendar, int32_t day)
{
	(void)calendar;
	return day / 30;
}

static inline int32_t test_month_first_day(const void *calendar, int32_t month)
{
	(void)calendar;
	return month * 30;
}

#endif
