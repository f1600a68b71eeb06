/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a meter used: its stored readings as a row of intervals over local days, with what was
 * missing estimated by rule, and what an operator has edited laid over.
 *
 * Usage is a function of the readings, the edits, the rules and the calendar, computed anew when
 * it is asked for. Nothing estimated is stored: an estimate gives way by itself when the actual
 * reading comes late, and each value can be explained. A bill keeps a digest of what it used.
 *
 * Threads: ordinary ones; each call works on its own memory.
 */
#ifndef HEADRACE_USAGE_USAGE_H
#define HEADRACE_USAGE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/profile.h"
#include "contract/stored.h"
#include "control/calendar/calendar.h"
#include "control/usage/edits.h"
#include "control/vee/vee.h"
#include "storage/store/store.h"

#define USAGE_DAYS_MAX  400
#define USAGE_FALLS_MAX 8
#define USAGE_REACH_DAYS 35 /* a gap at an end of the days is looked at so far beyond */

struct usage_page;

struct usage_source {
	struct store *store;
	const struct profile_set *profiles;
	const struct calendar *calendar;
	const struct vee_rules *rules; /* the newest; a day goes by the version of then */
	int64_t now_s; /* nothing that has not happened yet is estimated */
	const struct usage_page *page; /* readings at hand (page.h); NULL: all from the store */
};

/* What became of a gap. */
struct usage_gap {
	struct vee_gap gap;    /* what of it lies in the row */
	int64_t from_s, to_s;  /* all of it: it may begin before the row and end behind it */
	uint8_t source;  /* how it was filled; VEE_MISSING: not at all */
	bool scaled;     /* to what the register counted over it: */
	int64_t register_mwh;
	int64_t edited_mwh;    /* of that an operator has said */
	int64_t estimated_mwh; /* sum of the other intervals before they were scaled, by
	                        * k = (register - edited) / estimated */
	int64_t filled_mwh; /* all of it, as it is now */
	int32_t version; /* of the rules */
};

/* Intervals of one day in a gap, estimated by like days. */
struct usage_like {
	int32_t day; /* local */
	uint32_t day_count;
	int32_t days[VEE_LIKE_DAYS_MAX]; /* local, nearest first */
};

/* A register that fell and did not roll over. */
struct usage_fall {
	int64_t from_s, at_s;
	int64_t from_mwh, to_mwh; /* as shown by the register */
};

struct usage {
	uint32_t device;
	int32_t from_day, end_day; /* local, end exclusive */
	struct vee_row row;
	uint32_t readings;  /* that had the register */
	uint32_t falls;     /* resets, exchanges, faults; the first of them in fall[] */
	struct usage_fall fall[USAGE_FALLS_MAX];
	bool has_register;  /* readings at the beginning and at the end of the days: */
	int64_t register_mwh; /* the difference between them */
	uint32_t gap_count;
	struct usage_gap *gaps;
	uint32_t like_count;
	struct usage_like *likes;
	struct usage_edits edits; /* of the meter: all of them, withdrawn ones too */
	int32_t completeness; /* of actual and edited values, in hundredths of a percent */
};

/* Local days from_day .. end_day - 1 of a device. A value does not depend on which days are asked
 * for: gaps at their ends are looked at as a whole. `dials`: of its register, 0: the profile's.
 * RESULT_INPUT: too many days. A device without readings gives a row without values. On success
 * *out is freed by usage_free. */
MUST_USE enum result usage_load(const struct usage_source *source, uint32_t device,
                                uint32_t dials, int32_t from_day, int32_t end_day,
                                struct usage *out, struct error *err);
void usage_free(struct usage *u);

/* The intervals of one local day of the row. */
struct vee_row usage_day(const struct usage *u, const struct calendar *c, int32_t day);

/* Which interval of a day has the wall clock's time of another day's instant: the nearest, where
 * clocks were changed. `row` is all of that day. */
uint32_t usage_same_time(const struct calendar *c, const struct vee_row *row, int32_t day,
                         int64_t at_s);

#endif
