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

#include "control/vee/rules.h"

/* Where a value comes from. Kept on disk: numbers stay. */
enum vee_source {
	VEE_MISSING = 0,
	VEE_ACTUAL = 1,
	VEE_INTERPOLATED = 2, /* between its neighbours */
	VEE_LIKE_DAY = 3,     /* mean of like days */
	VEE_EVEN = 4,         /* the register's difference, spread evenly */
	VEE_EDITED = 5,
	VEE_NO_METER = 6, /* of a service point while none was installed: 0 */
};

struct vee_interval {
	int64_t energy_mwh; /* 0 where missing */
	uint8_t source;     /* enum vee_source */
	uint16_t flags;     /* READING_F_* of the reading at its end, where actual */
	int32_t drift_s;    /* of the meter's clock then, where flagged or replaced */
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
	int64_t sum_mwh;   /* what it has counted since the first point, rollovers included */
	int64_t parts_mwh; /* sum of its registers by time of use; -1: it has none */
	uint32_t run;      /* another after each reset: no difference between two runs */
	int32_t drift_s;
	uint16_t flags; /* READING_F_* */
};

/* "actual", "interpolated" ... */
const char *vee_source_name(uint8_t source);

/* --- from register to intervals --- */

struct vee_register {
	const struct vee_point *points; /* ascending in time */
	uint32_t count;
	int32_t tolerance_s; /* a reading this near to a boundary of the grid is the boundary's */
};

/* What the register counted from one point to a later one. False: it was reset in between. */
bool vee_difference(const struct vee_point *from, const struct vee_point *to,
                    int64_t *energy_mwh);

/* The point that stands for an instant: the nearest within the tolerance. NULL: none. */
const struct vee_point *vee_point_at(const struct vee_register *r, int64_t at_s);

/* Fill the row: an interval is actual where both its boundaries were read and the register was not
 * reset in between, else missing. */
void vee_from_register(const struct vee_register *r, struct vee_row *row);

/* --- validation --- */

/* The highest of a row's intervals beside the third highest. */
struct vee_spike {
	uint32_t at;            /* the highest, the first of them */
	int64_t highest, third; /* mWh */
	int64_t over;           /* (highest - third) / third, hundredths of a percent, rounded
	                         * down; -1: fewer than three values, or the third is 0 */
};
struct vee_spike vee_spike_of(const struct vee_row *row);

/* Sum of all values that are there. */
int64_t vee_sum_mwh(const struct vee_row *row);

/* A part of a whole in hundredths of a percent, rounded down. -1: of nothing. */
int64_t vee_share(int64_t part, int64_t whole);

/* The longest run of intervals that are there and 0. */
uint32_t vee_longest_zero(const struct vee_row *row);

/* Values that are actual, or edited by somebody who stands for them (or no meter was there), in
 * hundredths of a percent of the row, rounded down. */
int32_t vee_completeness(const struct vee_row *row);

/* --- estimation --- */

/* A run of missing intervals. */
struct vee_gap {
	uint32_t first, count;
};

/* The first gap at or behind `from`. False: none. */
bool vee_next_gap(const struct vee_row *row, uint32_t from, struct vee_gap *gap);

/* v0 + i * (v1 - v0) / (n + 1), to the nearest mWh, from the actual values on either side; where
 * there is only one, that. False: no neighbour is actual. */
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
