/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates: what a device's readings say about an hour, a day, a month of the territory.
 *
 * A period is (start, end]: a reading stamped with the end of its interval belongs to the
 * interval. Energy is the sum of the register's steps from the last reading at or before the start
 * to the last one at or before the end, so hours add up to days and days to months exactly. The
 * functions are pure: the same readings give the same aggregates, however often and in which
 * order they came.
 *
 * Threads: any. Memory: the caller's. Never reads a clock.
 */
#ifndef HEADRACE_AGGREGATE_AGGREGATE_H
#define HEADRACE_AGGREGATE_AGGREGATE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/channel.h"
#include "contract/profile.h"
#include "contract/stored.h"

/* A reading's step is taken over from at most so far before its period: a longer gap has no
 * energy. */
#define AGGREGATE_REACH_DAYS 35

enum aggregate_level { AGGREGATE_HOUR, AGGREGATE_DAY, AGGREGATE_MONTH, AGGREGATE_LEVELS };

enum {
	AGGREGATE_F_ENERGY = 1 << 0,   /* energy is known */
	AGGREGATE_F_PEAK = 1 << 1,     /* peak is known */
	AGGREGATE_F_DERIVED = 1 << 2,  /* peak: the mean power between two readings */
	AGGREGATE_F_ROLLOVER = 1 << 3, /* the register passed its last dial */
	AGGREGATE_F_RESET = 1 << 4,    /* it fell otherwise: that step is not counted */
	AGGREGATE_F_GAP = 1 << 5,      /* energy has some of the time before the start */
};

struct aggregate {
	int64_t start_ms, end_ms;
	int64_t energy;  /* canonical units of register_channel */
	int64_t peak;    /* of demand_channel; derived: register units an hour */
	int64_t peak_ms; /* effective time of its reading */
	uint32_t readings;
	uint32_t slots, slots_expected; /* intervals with a reading; that there are */
	uint8_t register_channel, demand_channel; /* 0: none */
	uint8_t flags;
};

/* What aggregation must know of the world. */
struct aggregate_rules {
	const struct profile_set *profiles;
	const struct channel_catalogue *channels;
	/* Decimal digits of a device's register in kWh; 0: the profile's. */
	uint32_t (*dials)(void *context, uint32_t device);
	void *dials_context;
	/* The territory's calendar: local days since 1970, their first instant, UTC; months are
	 * year * 12 + 0..11. */
	const char *zone;
	const void *calendar;
	int32_t (*day_of)(const void *calendar, int64_t utc_ms);
	int64_t (*day_start_ms)(const void *calendar, int32_t day);
	int32_t (*month_of)(const void *calendar, int32_t day);
	int32_t (*month_first_day)(const void *calendar, int32_t month);
};

/* The local day whose period an effective time is in. */
static inline int32_t aggregate_day_of(const struct aggregate_rules *rules, int64_t ts_ms)
{
	return rules->day_of(rules->calendar, ts_ms - 1);
}

#define AGGREGATE_HOURS_MAX 27 /* of a day: 25, and an odd piece */

/* The bounds of a day's hours; returns how many hours: one less. */
uint32_t aggregate_hours(const struct aggregate_rules *rules, int32_t day,
                         int64_t bounds[AGGREGATE_HOURS_MAX + 1]);

/* A device's readings by effective time, with some before bounds[0] to begin from, in the periods
 * bounds[i], bounds[i + 1]. out[i].readings == 0: there are none. */
void aggregate_compute(const struct aggregate_rules *rules,
                       const struct stored_reading *const *row, uint32_t count,
                       const int64_t *bounds, uint32_t periods, struct aggregate *out);

/* Add a period to a longer one that it is part of (which has start, end and slots_expected). */
void aggregate_add(struct aggregate *sum, const struct aggregate *part);

/* Where the register of a reading is; -1: nowhere. */
int aggregate_register(const struct aggregate_rules *rules, const struct stored_reading *r);

/* Mean power of a period, in register units an hour; only with AGGREGATE_F_ENERGY. */
int64_t aggregate_mean(const struct aggregate *a);

#endif
