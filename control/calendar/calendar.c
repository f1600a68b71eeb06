/* SPDX-License-Identifier: Apache-2.0 */
#include "control/calendar/calendar.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unicode/ucal.h>
#include <unicode/ustring.h>

#define DAY_S      86400
#define ZONE_BYTES 64
#define EPOCH_MS(year) ((double)civil_to_day((struct civil_date){(year), 1, 1}) * DAY_S * 1000.0)

/* From `from_s` on the clock is `offset_s` ahead of UTC. */
struct period {
	int64_t from_s;
	int32_t offset_s;
};

struct calendar {
	char zone[ZONE_BYTES];
	uint32_t count;
	struct period *periods; /* [0].from_s is INT64_MIN */
};

/* --- dates --- */

/* Days from 1970-01-01: years are counted from March, so that the leap day comes last; an era is
 * 400 years or 146097 days. */
int32_t civil_to_day(struct civil_date date)
{
	int32_t year = date.month <= 2 ? date.year - 1 : date.year;
	int32_t era = (year >= 0 ? year : year - 399) / 400;
	int32_t year_of_era = year - era * 400;
	int32_t month_from_march = (date.month + 9) % 12;
	int32_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
	int32_t day_of_era =
	    year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

struct civil_date civil_from_day(int32_t day)
{
	int32_t shifted = day + 719468;
	int32_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int32_t day_of_era = shifted - era * 146097;
	int32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
	                       day_of_era / 146096) / 365;
	int32_t day_of_year =
	    day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int32_t month_from_march = (5 * day_of_year + 2) / 153;
	int32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	return (struct civil_date){
	    .year = era * 400 + year_of_era + (month <= 2),
	    .month = month,
	    .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
	};
}

const char *day_format(int32_t day, char out[DAY_FORMAT_BYTES])
{
	struct civil_date d = civil_from_day(day);
	snprintf(out, DAY_FORMAT_BYTES, "%04d-%02d-%02d", d.year, d.month, d.day);
	return out;
}

int32_t civil_month_days(int32_t year, int32_t month)
{
	struct civil_date next = {month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1};
	return civil_to_day(next) - civil_to_day((struct civil_date){year, month, 1});
}

static bool digits(const char *text, int count, int32_t *out)
{
	*out = 0;
	for (int i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (text[i] - '0');
	}
	return true;
}

enum result civil_parse(const char *text, struct civil_date *out, struct error *err)
{
	struct civil_date d;
	if (strlen(text) != 10 || !digits(text, 4, &d.year) || text[4] != '-' ||
	    !digits(text + 5, 2, &d.month) || text[7] != '-' || !digits(text + 8, 2, &d.day))
		return fail(RESULT_INPUT, err,
		            "'%.40s' is no date; expected YYYY-MM-DD, such as 2026-03-29", text);
	if (d.year < CALENDAR_YEAR_MIN || d.year >= CALENDAR_YEAR_MAX)
		return fail(RESULT_INPUT, err, "%s: the year must be from %d to %d", text,
		            CALENDAR_YEAR_MIN, CALENDAR_YEAR_MAX - 1);
	if (d.month < 1 || d.month > 12)
		return fail(RESULT_INPUT, err, "%s: there is no month %d", text, d.month);
	if (d.day < 1 || d.day > civil_month_days(d.year, d.month))
		return fail(RESULT_INPUT, err, "%s: that month has %d days", text,
		            civil_month_days(d.year, d.month));
	*out = d;
	return RESULT_OK;
}

/* --- the table --- */

static enum result add_period(struct calendar *c, int64_t from_s, int32_t offset_s,
                              struct error *err)
{
	if (c->count > 0 && c->periods[c->count - 1].offset_s == offset_s)
		return RESULT_OK;
	struct period *more = realloc(c->periods, (c->count + 1) * sizeof *more);
	if (!more)
		return fail(RESULT_RESOURCE, err, "no memory for time zone %s", c->zone);
	c->periods = more;
	c->periods[c->count++] = (struct period){from_s, offset_s};
	return RESULT_OK;
}

static int32_t icu_offset_s(UCalendar *icu, double utc_ms, UErrorCode *status)
{
	ucal_setMillis(icu, utc_ms, status);
	int32_t zone_ms = ucal_get(icu, UCAL_ZONE_OFFSET, status);
	return (zone_ms + ucal_get(icu, UCAL_DST_OFFSET, status)) / 1000;
}

/* Bounded: no zone changes its clocks more than a few times a year. */
static enum result read_transitions(struct calendar *c, UCalendar *icu, struct error *err)
{
	UErrorCode status = U_ZERO_ERROR;
	double at_ms = EPOCH_MS(CALENDAR_YEAR_MIN), next_ms;
	int32_t offset_s = icu_offset_s(icu, at_ms, &status);
	enum result result = add_period(c, INT64_MIN, offset_s, err);
	for (int i = 0; i < 4000 && result == RESULT_OK && U_SUCCESS(status); i++) {
		ucal_setMillis(icu, at_ms, &status);
		if (!ucal_getTimeZoneTransitionDate(icu, UCAL_TZ_TRANSITION_NEXT, &next_ms,
		                                    &status) ||
		    next_ms >= EPOCH_MS(CALENDAR_YEAR_MAX))
			break;
		at_ms = next_ms;
		offset_s = icu_offset_s(icu, at_ms, &status);
		if (U_SUCCESS(status))
			result = add_period(c, (int64_t)(at_ms / 1000.0), offset_s, err);
	}
	if (result == RESULT_OK && U_FAILURE(status))
		return fail(RESULT_RESOURCE, err, "time zone %s: ICU: %s", c->zone,
		            u_errorName(status));
	return result;
}

/* ICU takes an unknown name for GMT: its canonical form tells. */
static enum result open_icu(const char *zone, UCalendar **icu, struct error *err)
{
	UChar name[ZONE_BYTES], canonical[ZONE_BYTES];
	UErrorCode status = U_ZERO_ERROR;
	UBool known = false;
	if (!*zone || strlen(zone) >= ZONE_BYTES)
		return fail(RESULT_INPUT, err, "'%.80s' is no time zone's name", zone);
	u_charsToUChars(zone, name, (int32_t)strlen(zone) + 1);
	ucal_getCanonicalTimeZoneID(name, -1, canonical, ZONE_BYTES, &known, &status);
	if (U_FAILURE(status) || !known)
		return fail(RESULT_INPUT, err,
		            "there is no time zone '%s'; expected a name of the tz database, such "
		            "as America/Los_Angeles or UTC", zone);
	*icu = ucal_open(name, -1, "en_US_POSIX", UCAL_GREGORIAN, &status);
	if (U_FAILURE(status))
		return fail(RESULT_RESOURCE, err, "time zone %s: ICU: %s", zone,
		            u_errorName(status));
	return RESULT_OK;
}

enum result calendar_new(const char *zone, struct calendar **out, struct error *err)
{
	UCalendar *icu = NULL;
	enum result result = open_icu(zone, &icu, err);
	if (result != RESULT_OK)
		return result;
	struct calendar *c = calloc(1, sizeof *c);
	if (!c) {
		ucal_close(icu);
		return fail(RESULT_RESOURCE, err, "no memory for time zone %s", zone);
	}
	snprintf(c->zone, sizeof c->zone, "%s", zone);
	result = read_transitions(c, icu, err);
	ucal_close(icu);
	if (result != RESULT_OK)
		calendar_free(c);
	else
		*out = c;
	return result;
}

void calendar_free(struct calendar *c)
{
	if (c)
		free(c->periods);
	free(c);
}

const char *calendar_zone(const struct calendar *c)
{
	return c->zone;
}

/* --- questions --- */

static const struct period *period_at(const struct calendar *c, int64_t utc_s)
{
	uint32_t low = 0, high = c->count; /* the answer is in [low, high) */
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (c->periods[middle].from_s <= utc_s)
			low = middle;
		else
			high = middle;
	}
	return &c->periods[low];
}

int32_t calendar_offset_s(const struct calendar *c, int64_t utc_s)
{
	return period_at(c, utc_s)->offset_s;
}

static int64_t floor_day(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY_S : -((DAY_S - 1 - seconds) / DAY_S);
}

int32_t calendar_day(const struct calendar *c, int64_t utc_s)
{
	return (int32_t)floor_day(utc_s + calendar_offset_s(c, utc_s));
}

/* The first instant whose local time is at or after the day's midnight: within each period the
 * local clock runs steadily, so the candidate of a period is its midnight or its beginning. */
int64_t calendar_day_start_s(const struct calendar *c, int32_t day)
{
	int64_t local_s = (int64_t)day * DAY_S;
	const struct period *end = c->periods + c->count;
	/* no clock is more than a day off UTC: begin with the period of the day before */
	for (const struct period *p = period_at(c, local_s - DAY_S);; p++) {
		int64_t midnight_s = local_s - p->offset_s;
		int64_t start_s = midnight_s > p->from_s ? midnight_s : p->from_s;
		if (p + 1 == end || start_s < p[1].from_s)
			return start_s;
	}
}

int64_t calendar_month_start_s(const struct calendar *c, int32_t year, int32_t month)
{
	struct civil_date first = {month > 12 ? year + 1 : year, month > 12 ? month - 12 : month,
	                           1};
	return calendar_day_start_s(c, civil_to_day(first));
}

struct local_time calendar_local(const struct calendar *c, int64_t utc_s)
{
	int32_t offset_s = calendar_offset_s(c, utc_s);
	int64_t day = floor_day(utc_s + offset_s);
	return (struct local_time){
	    .date = civil_from_day((int32_t)day),
	    .second_of_day = (int32_t)(utc_s + offset_s - day * DAY_S),
	    .weekday = (int32_t)(((day + 3) % 7 + 7) % 7), /* 1970-01-01 was a Thursday */
	    .offset_s = offset_s,
	};
}

int32_t calendar_intervals(const struct calendar *c, int32_t day, int32_t interval_s)
{
	return (int32_t)((calendar_day_start_s(c, day + 1) - calendar_day_start_s(c, day)) /
	                 interval_s);
}
