/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version of a tariff: tiers, time of use, holidays, fixed charges, from a date on. Made by the
 * reader of tariff files (control/config/tariffs.h) and immutable after that.
 *
 * Time of use is a table of quarter hours: for each month and weekday 96 numbers of periods, so
 * that gaps and overlaps show when the file is read, and looking one up is one load.
 */
#ifndef HEADRACE_BILLING_TARIFF_H
#define HEADRACE_BILLING_TARIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "control/billing/money.h"
#include "control/calendar/calendar.h"

#define TARIFF_NAME_BYTES   48
#define TARIFF_TIERS_MAX    16
#define TARIFF_PERIODS_MAX  8
#define TARIFF_FIXED_MAX    8
#define TARIFF_HOLIDAYS_MAX 400
#define TARIFF_QUARTERS     96
#define TARIFF_NO_PERIOD    UINT8_MAX
#define TARIFF_PLACE_BYTES  80

struct tariff_tier {
	int64_t up_to_mwh; /* of the whole billing period; INT64_MAX in the last */
	int64_t price;     /* money.h */
};

struct tariff_period {
	char name[TARIFF_NAME_BYTES];
	int64_t multiplier; /* money.h */
};

struct tariff_fixed {
	char name[TARIFF_NAME_BYTES];
	int64_t price; /* 10^-9 of the currency for each day, or for a whole billing period */
	bool daily;
};

struct tariff {
	char place[TARIFF_PLACE_BYTES]; /* where its first day is written, "a.yaml:4"; may be "" */
	char id[TARIFF_NAME_BYTES];
	int32_t version;
	char currency[4]; /* ISO 4217 */
	uint8_t decimals; /* of the currency: bills are rounded to it */
	int32_t from_day; /* first local day */
	int32_t end_day;  /* first local day it is over; INT32_MAX: open */

	uint32_t tier_count;
	struct tariff_tier tiers[TARIFF_TIERS_MAX];
	uint32_t period_count; /* 1, all the time, when there is no time of use */
	struct tariff_period periods[TARIFF_PERIODS_MAX];
	uint32_t fixed_count;
	struct tariff_fixed fixed[TARIFF_FIXED_MAX];

	uint8_t use[12][7][TARIFF_QUARTERS]; /* month, Monday first, quarter hour: period */
	uint8_t holiday_use[TARIFF_QUARTERS];
	uint32_t holiday_count;
	int32_t holidays[TARIFF_HOLIDAYS_MAX]; /* local days, ascending */
};

/* An empty tariff: no tiers, no periods, each quarter hour without one. */
void tariff_init(struct tariff *t);

/* Say that `period` rules in these months and weekdays (bits, 1: January, Monday) from one quarter
 * hour to another (exclusive; 22:00 to 06:00 runs over midnight and belongs to the day on which
 * it is written, by the clock). RESULT_INPUT: a quarter hour has a period already. */
MUST_USE enum result tariff_use(struct tariff *t, uint32_t months, uint32_t weekdays,
                                uint32_t from_quarter, uint32_t to_quarter, uint8_t period,
                                struct error *err);
/* The same for holidays. */
MUST_USE enum result tariff_use_holidays(struct tariff *t, uint32_t from_quarter,
                                         uint32_t to_quarter, uint8_t period,
                                         struct error *err);

/* Whole and sensible: tiers rise and end open, each quarter hour has a period, bounds kept.
 * Sorts the holidays. Holidays without times of their own follow the weekday. On failure `where`
 * (NULL: nobody asks) is the part that is wrong, as in a tariff file: "tiers[1]". */
MUST_USE enum result tariff_check(struct tariff *t, char where[TARIFF_PLACE_BYTES],
                                  struct error *err);

/* A currency in use, by its code of ISO 4217? */
bool tariff_is_currency(const char *code);

/* Which period an instant belongs to. */
uint8_t tariff_period_at(const struct tariff *t, const struct calendar *c, int64_t utc_s);

/* A local day's periods, for who asks for many instants of it. */
struct tariff_day {
	int64_t start_s, end_s; /* UTC */
	const uint8_t *use;     /* by quarter hours since start_s; NULL: the clocks change */
};
struct tariff_day tariff_day_at(const struct tariff *t, const struct calendar *c, int64_t utc_s);

/* The versions of one tariff, sorted by tariff_sort: which one rules on a local day. NULL: none. */
const struct tariff *tariff_on(const struct tariff *const *versions, uint32_t count, int32_t day);

/* Sort the versions of one tariff by date. RESULT_INPUT: two rule on one day, two share a version
 * number, or they differ in currency. */
MUST_USE enum result tariff_sort(const struct tariff **versions, uint32_t count,
                                 struct error *err);

#endif
