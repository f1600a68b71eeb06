/* SPDX-License-Identifier: Apache-2.0 */
/* The days before those that are asked for: like days for estimates, customary use for checks. */
#include <stdlib.h>

#include "control/usage/usage_priv.h"

#define WEEK_DAYS 7

struct usage_week {
	bool read;
	struct usage_points points;
};

static int32_t days_back(const struct vee_rules *rules)
{
	int32_t most = 0;
	for (; rules; rules = rules->before)
		most = rules->like_days_back > most ? rules->like_days_back : most;
	return most;
}

void usage_history_init(struct usage_history *h, const struct usage_source *source,
                        const struct usage_subject *subject, const struct usage *u,
                        const struct usage_points *points, int32_t from_day, int32_t end_day)
{
	*h = (struct usage_history){
	    .source = source,
	    .subject = subject,
	    .edits = &u->edits,
	    .points = points,
	    .interval_s = u->row.interval_s,
	    .from_day = from_day - days_back(source->rules),
	    .known_day = from_day,
	    .end_day = end_day,
	};
}

static size_t week_count(const struct usage_history *h)
{
	return (size_t)(h->known_day - h->from_day) / WEEK_DAYS + 1;
}

void usage_history_free(struct usage_history *h)
{
	for (int32_t i = 0; h->days && i < h->end_day - h->from_day; i++)
		free(h->days[i].intervals);
	for (size_t i = 0; h->weeks && i < week_count(h); i++)
		free(h->weeks[i].points.all);
	free(h->days);
	free(h->weeks);
	*h = (struct usage_history){0};
}

static enum result prepare(struct usage_history *h, struct error *err)
{
	if (!h->days)
		h->days = calloc((size_t)(h->end_day - h->from_day), sizeof *h->days);
	if (!h->weeks)
		h->weeks = calloc(week_count(h), sizeof *h->weeks);
	if (h->days && h->weeks)
		return RESULT_OK;
	return fail(RESULT_RESOURCE, err, "no memory for like days");
}

/* The points of a day: those at hand, or of its week. */
static enum result points_of(struct usage_history *h, int32_t day, const struct usage_points **out,
                             struct error *err)
{
	const struct calendar *c = h->source->calendar;
	enum result result = RESULT_OK;
	*out = h->points;
	if (day >= h->known_day)
		return result;
	int32_t back = (h->known_day - 1 - day) / WEEK_DAYS;
	int32_t end_day = h->known_day - back * WEEK_DAYS;
	struct usage_week *week = &h->weeks[back];
	*out = &week->points;
	if (week->read)
		return result;
	result = usage_points_load(h->source, h->subject,
	                           calendar_day_start_s(c, end_day - WEEK_DAYS),
	                           calendar_day_start_s(c, end_day), &week->points, err);
	if (result != RESULT_OK)
		week->points = (struct usage_points){0};
	week->read = result == RESULT_OK;
	return result;
}

static enum result make_day(struct usage_history *h, int32_t day, struct vee_row *row,
                            struct error *err)
{
	const struct calendar *c = h->source->calendar;
	const struct usage_points *points;
	enum result result = points_of(h, day, &points, err);
	if (result != RESULT_OK)
		return result;
	row->start_s = calendar_day_start_s(c, day);
	row->interval_s = h->interval_s;
	row->count = (uint32_t)calendar_intervals(c, day, h->interval_s);
	row->intervals = calloc(row->count, sizeof *row->intervals);
	if (!row->intervals)
		return fail(RESULT_RESOURCE, err, "no memory for like days");
	struct vee_register r =
	    usage_points_register(points, vee_rules_on(h->source->rules, day), h->interval_s);
	vee_from_register(&r, row);
	return RESULT_OK;
}

enum result usage_history_day(struct usage_history *h, int32_t day, const struct vee_row **out,
                              struct error *err)
{
	if (day < h->from_day || day >= h->end_day)
		return fail(RESULT_ABSENT, err, "that day is beyond the history");
	enum result result = prepare(h, err);
	struct vee_row *row = h->days ? &h->days[day - h->from_day] : NULL;
	if (result == RESULT_OK && !row->intervals)
		result = make_day(h, day, row, err);
	*out = row;
	return result;
}

static bool is_sound(const struct usage_history *h, const struct vee_row *row,
                     const struct vee_rules *rules)
{
	int64_t end_s = row->start_s + (int64_t)row->count * row->interval_s;
	int64_t zero_s = (int64_t)vee_longest_zero(row) * row->interval_s;
	bool outage = rules->outage_min > 0 && zero_s >= rules->outage_min * 60;
	return vee_completeness(row) == 10000 && !outage &&
	       !usage_edits_touch(h->edits, row->start_s, end_s);
}

enum result usage_history_like(struct usage_history *h, int32_t day, uint32_t most,
                               int32_t days[VEE_LIKE_DAYS_MAX], uint32_t *count,
                               struct error *err)
{
	const struct vee_rules *rules = vee_rules_on(h->source->rules, day);
	bool off = vee_is_day_off(rules, day);
	*count = 0;
	for (int32_t back = 1; back <= rules->like_days_back && *count < most; back++) {
		const struct vee_row *row;
		if (vee_is_day_off(rules, day - back) != off)
			continue;
		enum result result = usage_history_day(h, day - back, &row, err);
		if (result != RESULT_OK)
			return result;
		if (is_sound(h, row, rules))
			days[(*count)++] = day - back;
	}
	return RESULT_OK;
}
