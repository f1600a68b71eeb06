/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation, estimation, editing of stored intervals: pure functions on a row of intervals of one
 * meter. What they decide is kept with each value as its provenance.
 *
 * A row lies on a grid: interval i covers start_s + i * interval_s. Energies are whole mWh, so
 * estimates are rounded, but always so that a gap adds up to what its register says.
 *
 * Threads: any, on data of its own. Memory: the caller's.
 */
#ifndef HEADRACE_VEE_VEE_H
#define HEADRACE_VEE_VEE_H

#include <stdbool.h>
#include <stdint.h>

#define VEE_LIKE_DAYS_MAX 8

/* One version of the rules of validation and estimation (configs/vee.yaml). */
struct vee_rules {
	int32_t version;
	int32_t tolerance_s;       /* a reading so near to a boundary stands for it */
	int32_t interpolate_max_s; /* gaps up to this are interpolated */
	int32_t like_days;         /* longer ones: the mean of so many like days */
	int32_t like_days_back;    /* which are looked for so many days back, up to 60 */
	int32_t spike_percent;     /* a day's highest interval over its third highest */
	int32_t completeness_min;  /* hundredths of a percent of actual values; below: no bill */
};

/* Where a value comes from. Kept on disk: numbers stay. */
enum vee_source {
	VEE_MISSING = 0,
	VEE_ACTUAL = 1,
	VEE_INTERPOLATED = 2, /* between its neighbours */
	VEE_LIKE_DAY = 3,     /* mean of like days */
	VEE_EVEN = 4,         /* the register's difference, spread evenly */
	VEE_EDITED = 5,
};

struct vee_interval {
	int64_t energy_mwh; /* 0 where missing */
	uint8_t source;     /* enum vee_source */
};

struct vee_row {
	int64_t start_s; /* UTC */
	int32_t interval_s;
	uint32_t count;
	struct vee_interval *intervals;
};

/* A cumulative register, as read. */
struct vee_point {
	int64_t at_s;
	int64_t value_mwh;
};

/* "actual", "interpolated" ... */
const char *vee_source_name(uint8_t source);

/* --- from register to intervals --- */

struct vee_register {
	const struct vee_point *points; /* ascending in time */
	uint32_t count;
	int64_t modulus_mwh; /* the register rolls over to 0 there; 0: never */
	int32_t tolerance_s; /* a reading this near to a boundary of the grid is the boundary's */
};

/* What the register counted from one point to a later one, over at most one rollover.
 * False: it fell by more than a rollover explains (half of the modulus or more is no use). */
bool vee_difference(const struct vee_register *r, const struct vee_point *from,
                    const struct vee_point *to, int64_t *energy_mwh);

/* The point that stands for an instant: the nearest within the tolerance. NULL: none. */
const struct vee_point *vee_point_at(const struct vee_register *r, int64_t at_s);

/* Fill the row: an interval is actual where both its boundaries were read and the register rose
 * plausibly, else missing. */
void vee_from_register(const struct vee_register *r, struct vee_row *row);

/* --- validation --- */

/* The share by which the highest of the row's intervals exceeds the third highest, in percent,
 * rounded down. -1: fewer than three values, or the third highest is 0. */
int64_t vee_spike_percent(const struct vee_row *row);

/* Sum of all values that are there. */
int64_t vee_sum_mwh(const struct vee_row *row);

/* Use beside what is customary, in percent of it (100: as usual). -1: no history. */
int64_t vee_use_percent(int64_t energy_mwh, const int64_t *history_mwh, uint32_t count);

/* Values that are actual, in hundredths of a percent of the row, rounded down. */
int32_t vee_completeness(const struct vee_row *row);

/* --- estimation --- */

/* A run of missing intervals. */
struct vee_gap {
	uint32_t first, count;
};

/* The first gap at or behind `from`. False: none. */
bool vee_next_gap(const struct vee_row *row, uint32_t from, struct vee_gap *gap);

/* v0 + i * (v1 - v0) / (n + 1), to the nearest mWh, from the values on either side; at an end of
 * the row the one neighbour that there is. False: no neighbour has a value. */
bool vee_interpolate(struct vee_row *row, const struct vee_gap *gap);

/* The mean of the same intervals of like days, nearest first; a day without a value there is left
 * out. False: some interval has no value on any of the days; nothing was changed. */
bool vee_like_days(struct vee_row *row, const struct vee_gap *gap,
                   const struct vee_row *const *days, uint32_t day_count);

/* Scale the gap's estimates by k = total / their sum, so that they add up to exactly total_mwh >= 0
 * (what is left over by rounding is spread over the gap). Estimates that are all 0 become even
 * shares. */
void vee_scale(struct vee_row *row, const struct vee_gap *gap, int64_t total_mwh);

#endif
