/* SPDX-License-Identifier: Apache-2.0 */
#include "control/vee/vee.h"

#include <stddef.h>

#include "base/check.h"

const char *vee_source_name(uint8_t source)
{
	static const char *const names[] = {"missing", "actual", "interpolated", "like_day",
					    "even",    "edited", "no_meter"};
	return source < sizeof names / sizeof names[0] ? names[source] : "other";
}

/* --- from register to intervals --- */

bool vee_difference(const struct vee_point *from, const struct vee_point *to,
                    int64_t *energy_mwh)
{
	if (from->run != to->run || to->sum_mwh < from->sum_mwh)
		return false;
	*energy_mwh = to->sum_mwh - from->sum_mwh;
	return true;
}

/* The first point at or after an instant; count: none. */
static uint32_t lower_bound(const struct vee_register *r, int64_t at_s)
{
	uint32_t low = 0, high = r->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (r->points[middle].at_s < at_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* `after`: the first point at or after the instant. */
static const struct vee_point *nearest(const struct vee_register *r, uint32_t after, int64_t at_s)
{
	const struct vee_point *best = NULL;
	int64_t best_s = (int64_t)r->tolerance_s + 1;
	if (after < r->count && r->points[after].at_s - at_s < best_s) {
		best = &r->points[after];
		best_s = best->at_s - at_s;
	}
	if (after > 0 && at_s - r->points[after - 1].at_s < best_s)
		best = &r->points[after - 1];
	return best;
}

const struct vee_point *vee_point_at(const struct vee_register *r, int64_t at_s)
{
	return nearest(r, lower_bound(r, at_s), at_s);
}

void vee_from_register(const struct vee_register *r, struct vee_row *row)
{
	CHECK(r->tolerance_s * 2 < row->interval_s); /* a point stands for one boundary */
	uint32_t after = lower_bound(r, row->start_s);
	const struct vee_point *from = nearest(r, after, row->start_s);
	for (uint32_t i = 0; i < row->count; i++) {
		int64_t end_s = row->start_s + (int64_t)(i + 1) * row->interval_s;
		while (after < r->count && r->points[after].at_s < end_s)
			after++;
		const struct vee_point *to = nearest(r, after, end_s);
		struct vee_interval *v = &row->intervals[i];
		int64_t energy_mwh;
		*v = (struct vee_interval){.source = VEE_MISSING};
		if (from && to && vee_difference(from, to, &energy_mwh))
			*v = (struct vee_interval){energy_mwh, VEE_ACTUAL, to->flags, to->drift_s};
		from = to;
	}
}

/* --- validation --- */

struct vee_spike vee_spike_of(const struct vee_row *row)
{
	int64_t highest[3] = {-1, -1, -1};
	struct vee_spike spike = {.over = -1};
	for (uint32_t i = 0; i < row->count; i++) {
		int64_t value = row->intervals[i].energy_mwh;
		if (row->intervals[i].source == VEE_MISSING)
			continue;
		if (value > highest[0])
			spike.at = i;
		for (int k = 0; k < 3; k++)
			if (value > highest[k]) {
				int64_t lower = highest[k];
				highest[k] = value;
				value = lower;
			}
	}
	spike.highest = highest[0];
	spike.third = highest[2];
	if (spike.third > 0)
		spike.over = vee_share(spike.highest - spike.third, spike.third);
	return spike;
}

int64_t vee_sum_mwh(const struct vee_row *row)
{
	int64_t sum = 0;
	for (uint32_t i = 0; i < row->count; i++)
		if (row->intervals[i].source != VEE_MISSING)
			sum += row->intervals[i].energy_mwh;
	return sum;
}

int64_t vee_share(int64_t part, int64_t whole)
{
	return whole <= 0 ? -1 : (int64_t)((__int128)part * 10000 / whole);
}

uint32_t vee_longest_zero(const struct vee_row *row)
{
	uint32_t longest = 0, run = 0;
	for (uint32_t i = 0; i < row->count; i++) {
		const struct vee_interval *v = &row->intervals[i];
		run = v->source != VEE_MISSING && v->energy_mwh == 0 ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

int32_t vee_completeness(const struct vee_row *row)
{
	uint64_t actual = 0;
	for (uint32_t i = 0; i < row->count; i++)
		actual += row->intervals[i].source == VEE_ACTUAL ||
			  row->intervals[i].source == VEE_EDITED ||
			  row->intervals[i].source == VEE_NO_METER;
	return row->count ? (int32_t)(actual * 10000 / row->count) : 0;
}

/* --- estimation --- */

bool vee_next_gap(const struct vee_row *row, uint32_t from, struct vee_gap *gap)
{
	uint32_t i = from;
	while (i < row->count && row->intervals[i].source != VEE_MISSING)
		i++;
	gap->first = i;
	while (i < row->count && row->intervals[i].source == VEE_MISSING)
		i++;
	gap->count = i - gap->first;
	return gap->count > 0;
}

static __int128 divide_nearest(__int128 value, int64_t by)
{
	return value < 0 ? -((-value + by / 2) / by) : (value + by / 2) / by;
}

/* A neighbour must have been read. */
static const struct vee_interval *neighbour(const struct vee_row *row, int64_t interval)
{
	if (interval < 0 || interval >= row->count ||
	    row->intervals[interval].source != VEE_ACTUAL)
		return NULL;
	return &row->intervals[interval];
}

bool vee_interpolate(struct vee_row *row, const struct vee_gap *gap)
{
	const struct vee_interval *before = neighbour(row, (int64_t)gap->first - 1);
	const struct vee_interval *after = neighbour(row, (int64_t)gap->first + gap->count);
	if (!before && !after)
		return false;
	int64_t v0 = before ? before->energy_mwh : after->energy_mwh;
	int64_t v1 = after ? after->energy_mwh : v0;
	for (uint32_t i = 1; i <= gap->count; i++)
		row->intervals[gap->first + i - 1] = (struct vee_interval){
		    .energy_mwh =
		        v0 + (int64_t)divide_nearest((__int128)(v1 - v0) * i, gap->count + 1),
		    .source = VEE_INTERPOLATED};
	return true;
}

/* -1: no like day has a value there. */
static int64_t like_mean(uint32_t interval, const struct vee_row *const *days, uint32_t day_count)
{
	int64_t sum = 0, found = 0;
	for (uint32_t d = 0; d < day_count; d++) {
		if (interval >= days[d]->count ||
		    days[d]->intervals[interval].source != VEE_ACTUAL)
			continue;
		sum += days[d]->intervals[interval].energy_mwh;
		found++;
	}
	return found ? (int64_t)divide_nearest(sum, found) : -1;
}

bool vee_like_days(struct vee_row *row, const struct vee_gap *gap,
                   const struct vee_row *const *days, uint32_t day_count)
{
	uint32_t end = gap->first + gap->count;
	for (uint32_t i = gap->first; i < end; i++)
		if (like_mean(i, days, day_count) < 0)
			return false;
	for (uint32_t i = gap->first; i < end; i++)
		row->intervals[i] = (struct vee_interval){
		    .energy_mwh = like_mean(i, days, day_count), .source = VEE_LIKE_DAY};
	return true;
}

/* Cumulated shares are rounded, not the shares: what rounding takes here it gives there. */
void vee_scale(struct vee_row *row, const struct vee_gap *gap, int64_t total_mwh)
{
	struct vee_interval *v = row->intervals + gap->first;
	int64_t weight = 0, weights = 0, given = 0;
	CHECK(total_mwh >= 0);
	for (uint32_t i = 0; i < gap->count; i++)
		weights += v[i].energy_mwh;
	bool even = weights <= 0;
	if (even)
		weights = gap->count;
	for (uint32_t i = 0; i < gap->count; i++) {
		weight += even ? 1 : v[i].energy_mwh;
		int64_t until = (int64_t)divide_nearest((__int128)total_mwh * weight, weights);
		v[i].energy_mwh = until - given;
		given = until;
		if (even)
			v[i].source = VEE_EVEN;
	}
}
