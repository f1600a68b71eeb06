/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calendar of a service territory: where local days and months begin in UTC, and what the wall
 * clock says at an instant. Days have 23, 24 or 25 hours where the clocks change (92, 96 or 100
 * intervals of 15 minutes).
 *
 * The time zone's offsets from 1970 to 2100 are read once from ICU into a table; everything after
 * that is a search in it. Memory: a few kilobytes a calendar. Threads: immutable after
 * calendar_new, any thread. Never reads the clock or TZ.
 */
#ifndef HEADRACE_CALENDAR_CALENDAR_H
#define HEADRACE_CALENDAR_CALENDAR_H

#include <stdint.h>

#include "base/result.h"

#define CALENDAR_YEAR_MIN 1970
#define CALENDAR_YEAR_MAX 2100

struct calendar;

/* A date of the proleptic Gregorian calendar. */
struct civil_date {
	int32_t year;
	int32_t month; /* 1 .. 12 */
	int32_t day;   /* 1 .. 31 */
};

/* What a wall clock shows. */
struct local_time {
	struct civil_date date;
	int32_t second_of_day; /* 0 .. 86399, as the clock shows it: 1:30 comes twice in autumn */
	int32_t weekday;       /* 0: Monday .. 6: Sunday (ISO 8601 less one) */
	int32_t offset_s;      /* east of UTC */
};

/* `zone` is a name of the tz database ("America/Los_Angeles", "UTC"). RESULT_INPUT: unknown. */
MUST_USE enum result calendar_new(const char *zone, struct calendar **out, struct error *err);
void calendar_free(struct calendar *c);
const char *calendar_zone(const struct calendar *c);

/* --- days, counted from 1970-01-01 in the calendar alone, without a time zone --- */
int32_t civil_to_day(struct civil_date date);
struct civil_date civil_from_day(int32_t day);
/* "2025-06-15". Returns `out`. */
#define DAY_FORMAT_BYTES 40
const char *day_format(int32_t day, char out[DAY_FORMAT_BYTES]);
/* 28 .. 31. */
int32_t civil_month_days(int32_t year, int32_t month);
/* "2026-03-29": exactly so. RESULT_INPUT: malformed, no such date, or beyond the years above. */
MUST_USE enum result civil_parse(const char *text, struct civil_date *out, struct error *err);

/* --- the zone --- */
/* Seconds east of UTC at an instant (seconds since 1970, UTC). Beyond the table: its nearest. */
int32_t calendar_offset_s(const struct calendar *c, int64_t utc_s);
/* The local day that an instant belongs to. */
int32_t calendar_day(const struct calendar *c, int64_t utc_s);
/* The first instant of a local day, UTC seconds. Where midnight does not exist, the instant at
 * which the clock jumps over it; where it comes twice, the first. */
int64_t calendar_day_start_s(const struct calendar *c, int32_t day);
/* The first instant of a local month; month 13 is January of the next year. */
int64_t calendar_month_start_s(const struct calendar *c, int32_t year, int32_t month);
struct local_time calendar_local(const struct calendar *c, int64_t utc_s);
/* Whole intervals of a local day; interval_s divides 3600. */
int32_t calendar_intervals(const struct calendar *c, int32_t day, int32_t interval_s);

#endif
