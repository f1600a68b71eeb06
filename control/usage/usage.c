/* SPDX-License-Identifier: Apache-2.0 */
#include "control/usage/usage_priv.h"

#include <stdlib.h>
#include <string.h>

#define DAY_S              86400
#define INTERVAL_S_DEFAULT 900
#define KWH_POW10_MWH      6

/* --- the register as it was read --- */

struct reading_meter {
	const struct profile_set *profiles;
	struct usage_points *points;
	bool no_memory;
};

static int64_t to_mwh(int64_t value, int pow10)
{
	for (; pow10 < KWH_POW10_MWH; pow10++)
		value *= 10;
	for (; pow10 > KWH_POW10_MWH; pow10--)
		value /= 10;
	return value;
}

static bool register_of(const struct profile *p, const struct stored_reading *r, int64_t *value)
{
	if (!p || p->register_slot < 0)
		return false;
	for (unsigned i = 0; i < r->channel_count; i++)
		if (r->channel[i] == p->channels[p->register_slot].channel) {
			*value = to_mwh(r->value[i], p->register_kwh_pow10);
			return true;
		}
	return false;
}

bool usage_points_add(struct usage_points *p, int64_t at_s, int64_t value_mwh)
{
	if (p->count == p->capacity) {
		uint32_t capacity = p->capacity ? p->capacity * 2 : 4096;
		struct vee_point *more = realloc(p->all, capacity * sizeof *more);
		if (!more)
			return false;
		p->all = more;
		p->capacity = capacity;
	}
	p->falls += p->count > 0 && value_mwh < p->all[p->count - 1].value_mwh;
	p->all[p->count++] = (struct vee_point){at_s, value_mwh};
	return true;
}

static bool on_reading(void *context, const struct stored_reading *r)
{
	struct reading_meter *m = context;
	struct usage_points *p = m->points;
	const struct profile *profile = m->profiles->by_id[r->profile];
	int64_t value, at_s = r->ts_ms / 1000;
	if (!register_of(profile, r, &value))
		return true;
	if (p->count > 0 && p->all[p->count - 1].at_s >= at_s)
		return true; /* two readings within a second: the first stands */
	p->interval_s = profile->interval_ms / 1000;
	p->dials = profile->dials;
	m->no_memory = !usage_points_add(p, at_s, value);
	return !m->no_memory;
}

enum result usage_read_meter(const struct usage_source *source,
                             const struct usage_subject *subject, int64_t from_s, int64_t to_s,
                             struct usage_points *out, struct error *err)
{
	struct reading_meter m = {.profiles = source->profiles, .points = out};
	enum result result = store_scan_device(source->store, subject->device, from_s * 1000,
	                                       to_s * 1000, on_reading, &m, err);
	if (result == RESULT_OK && m.no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the readings of a meter");
	return result;
}

/* With what lies near the ends. */
static enum result load_points(const struct usage_source *source,
                               const struct usage_subject *subject, int64_t from_s, int64_t to_s,
                               struct usage_points *p, struct error *err)
{
	int64_t margin_s = source->rules->tolerance_s;
	*p = (struct usage_points){0};
	enum result result = subject->read(source, subject, from_s - margin_s,
	                                   to_s + margin_s + 1, p, err);
	if (result != RESULT_OK)
		free(p->all);
	return result;
}

static struct vee_register register_of_points(const struct usage_source *source,
                                              const struct usage_points *p, uint32_t dials,
                                              int32_t interval_s)
{
	int32_t tolerance_s = source->rules->tolerance_s;
	if (tolerance_s * 2 >= interval_s) /* a reading stands for one boundary */
		tolerance_s = (interval_s - 1) / 2;
	uint32_t digits = dials ? dials : p->dials;
	int64_t modulus = digits ? to_mwh(1, 0) : 0;
	for (uint32_t i = 0; i < digits && modulus < INT64_MAX / 10; i++)
		modulus *= 10;
	return (struct vee_register){p->all, p->count, modulus, tolerance_s};
}

/* --- gaps --- */

/* What the register counted over a gap, if it was read at both ends. */
static bool gap_register(const struct vee_register *r, const struct vee_row *row,
                         const struct vee_gap *gap, int64_t *energy_mwh)
{
	int64_t from_s = row->start_s + (int64_t)gap->first * row->interval_s;
	const struct vee_point *from = vee_point_at(r, from_s);
	const struct vee_point *to =
	    vee_point_at(r, from_s + (int64_t)gap->count * row->interval_s);
	return from && to && vee_difference(r, from, to, energy_mwh);
}

/* The same hours of earlier days, where all of them are actual. */
struct like_days {
	struct vee_row rows[VEE_LIKE_DAYS_MAX];
	const struct vee_row *list[VEE_LIKE_DAYS_MAX];
	uint32_t count;
};

static void like_days_free(struct like_days *days)
{
	for (uint32_t i = 0; i < days->count; i++)
		free(days->rows[i].intervals);
}

/* The gap as it was `days_back` days before, at the same time by the clock. */
static enum result load_shifted(const struct usage_source *source,
                                const struct usage_subject *subject, const struct vee_row *gap,
                                int32_t days_back, struct vee_row *out, struct error *err)
{
	struct usage_points p;
	const struct calendar *c = source->calendar;
	*out = *gap;
	out->start_s -= (int64_t)days_back * DAY_S;
	out->start_s += calendar_offset_s(c, gap->start_s) - calendar_offset_s(c, out->start_s);
	out->intervals = calloc(out->count, sizeof *out->intervals);
	if (!out->intervals)
		return fail(RESULT_RESOURCE, err, "no memory for like days");
	enum result result =
	    load_points(source, subject, out->start_s,
	                out->start_s + (int64_t)out->count * out->interval_s, &p, err);
	if (result != RESULT_OK) {
		free(out->intervals);
		return result;
	}
	struct vee_register r = register_of_points(source, &p, subject->dials, out->interval_s);
	vee_from_register(&r, out);
	free(p.all);
	return RESULT_OK;
}

/* Whole weeks back, so that weekday falls on weekday; nearest first. */
static enum result find_like_days(const struct usage_source *source,
                                  const struct usage_subject *subject,
                                  const struct vee_row *gap, struct like_days *days,
                                  struct error *err)
{
	const struct vee_rules *rules = source->rules;
	for (int32_t back = 7;
	     back <= rules->like_days_back && days->count < (uint32_t)rules->like_days;
	     back += 7) {
		struct vee_row *row = &days->rows[days->count];
		enum result result =
		    load_shifted(source, subject, gap, back, row, err);
		if (result != RESULT_OK)
			return result;
		if (vee_completeness(row) == 10000)
			days->list[days->count++] = row;
		else
			free(row->intervals);
	}
	return RESULT_OK;
}

static enum result fill_gap(const struct usage_source *source,
                            const struct usage_subject *subject, const struct vee_register *r,
                            struct usage *u, struct usage_gap *g, struct error *err)
{
	struct like_days days = {.count = 0};
	enum result result = RESULT_OK;
	bool filled = false;
	g->scaled = gap_register(r, &u->row, &g->gap, &g->register_mwh);
	if ((int64_t)g->gap.count * u->row.interval_s <= source->rules->interpolate_max_s)
		filled = vee_interpolate(&u->row, &g->gap);
	if (!filled) {
		struct vee_row row = {u->row.start_s + (int64_t)g->gap.first * u->row.interval_s,
		                      u->row.interval_s, g->gap.count,
		                      u->row.intervals + g->gap.first};
		result = find_like_days(source, subject, &row, &days, err);
		if (result == RESULT_OK && days.count > 0)
			vee_like_days(&row, &(struct vee_gap){0, row.count}, days.list, days.count);
		like_days_free(&days);
	}
	/* without like days the register alone is known: shared out evenly */
	if (result == RESULT_OK && g->scaled)
		vee_scale(&u->row, &g->gap, g->register_mwh);
	g->source = u->row.intervals[g->gap.first].source;
	return result;
}

/* How many intervals of the row are over at an instant. */
static uint32_t intervals_until(const struct vee_row *row, int64_t at_s)
{
	int64_t count = (at_s - row->start_s) / row->interval_s;
	return count < 0 ? 0 : count < row->count ? (uint32_t)count : row->count;
}

static enum result fill_gaps(const struct usage_source *source,
                             const struct usage_subject *subject, const struct vee_register *r,
                             struct usage *u, struct error *err)
{
	struct vee_gap gap;
	enum result result = RESULT_OK;
	struct vee_row past = u->row;
	past.count = intervals_until(&u->row, source->now_s);
	for (uint32_t at = 0; result == RESULT_OK && vee_next_gap(&past, at, &gap);
	     at = gap.first + gap.count) {
		struct usage_gap *more =
		    realloc(u->gaps, (u->gap_count + 1) * sizeof *more);
		if (!more)
			return fail(RESULT_RESOURCE, err, "no memory for gaps");
		u->gaps = more;
		u->gaps[u->gap_count] = (struct usage_gap){.gap = gap};
		result = fill_gap(source, subject, r, u, &u->gaps[u->gap_count++], err);
	}
	return result;
}

/* --- all of it --- */

static int32_t interval_of(const struct usage_points *p)
{
	return p->interval_s >= 60 && 3600 % p->interval_s == 0 ? (int32_t)p->interval_s
	                                                        : INTERVAL_S_DEFAULT;
}

static enum result build(const struct usage_source *source, const struct usage_subject *subject,
                         const struct usage_points *p, struct usage *u, struct error *err)
{
	u->row.interval_s = interval_of(p);
	struct vee_register r = register_of_points(source, p, subject->dials, u->row.interval_s);
	int64_t end_s = calendar_day_start_s(source->calendar, u->end_day);
	u->row.count = (uint32_t)((end_s - u->row.start_s) / u->row.interval_s);
	u->row.intervals = calloc(u->row.count, sizeof *u->row.intervals);
	if (!u->row.intervals)
		return fail(RESULT_RESOURCE, err, "no memory for intervals");
	vee_from_register(&r, &u->row);
	u->completeness = vee_completeness(&u->row);
	u->has_register = gap_register(&r, &u->row, &(struct vee_gap){0, u->row.count},
	                               &u->register_mwh);
	return fill_gaps(source, subject, &r, u, err);
}

enum result usage_load_subject(const struct usage_source *source,
                               const struct usage_subject *subject, int32_t from_day,
                               int32_t end_day, struct usage *out, struct error *err)
{
	struct usage_points p;
	if (end_day <= from_day || end_day - from_day > USAGE_DAYS_MAX)
		return fail(RESULT_INPUT, err, "expected from 1 to %d days", USAGE_DAYS_MAX);
	*out = (struct usage){
	    .device = subject->device, .from_day = from_day, .end_day = end_day};
	out->row.start_s = calendar_day_start_s(source->calendar, from_day);
	enum result result =
	    load_points(source, subject, out->row.start_s,
	                calendar_day_start_s(source->calendar, end_day), &p, err);
	if (result != RESULT_OK)
		return result;
	out->readings = p.count;
	out->falls = p.falls;
	result = build(source, subject, &p, out, err);
	free(p.all);
	if (result != RESULT_OK)
		usage_free(out);
	return result;
}

enum result usage_load(const struct usage_source *source, uint32_t device, uint32_t dials,
                       int32_t from_day, int32_t end_day, struct usage *out, struct error *err)
{
	struct usage_subject meter = {usage_read_meter, device, dials, NULL};
	return usage_load_subject(source, &meter, from_day, end_day, out, err);
}

void usage_free(struct usage *u)
{
	free(u->row.intervals);
	free(u->gaps);
	*u = (struct usage){0};
}

struct vee_row usage_day(const struct usage *u, const struct calendar *c, int32_t day)
{
	struct vee_row row = u->row;
	int64_t end_s = calendar_day_start_s(c, day + 1);
	row.start_s = calendar_day_start_s(c, day);
	row.intervals += (row.start_s - u->row.start_s) / row.interval_s;
	row.count = (uint32_t)((end_s - row.start_s) / row.interval_s);
	return row;
}
