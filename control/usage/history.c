/* SPDX-License-Identifier: Apache-2.0 */
/* The days before those that are asked for: like days for estimates, customary use for checks. */
#include <stdlib.h>

#include "control/usage/usage_priv.h"

static int32_t days_back(const struct vee_rules *rules)
{
	int32_t most = 0;
	for (; rules; rules = rules->before)
		most = rules->like_days_back > most ? rules->like_days_back : most;
	return most;
}

void usage_history_init(struct usage_history *h, const struct usage_source *source,
                        const struct usage_subject *subject, const struct usage *u,
                        int32_t from_day, int32_t end_day)
{
	*h = (struct usage_history){
	    .source = source,
	    .subject = subject,
	    .edits = &u->edits,
	    .interval_s = u->row.interval_s,
	    .from_day = from_day - days_back(source->rules),
	    .end_day = end_day,
	};
}

void usage_history_free(struct usage_history *h)
{
	for (int32_t i = 0; h->days && i < h->end_day - h->from_day; i++)
		free(h->days[i].intervals);
	free(h->days);
	if (h->loaded)
		free(h->points.all);
	*h = (struct usage_history){0};
}

static enum result load(struct usage_history *h, struct error *err)
{
	const struct calendar *c = h->source->calendar;
	if (h->loaded)
		return RESULT_OK;
	h->days = calloc((size_t)(h->end_day - h->from_day), sizeof *h->days);
	if (!h->days)
		return fail(RESULT_RESOURCE, err, "no memory for like days");
	enum result result = usage_points_load(
	    h->source, h->subject, calendar_day_start_s(c, h->from_day),
	    calendar_day_start_s(c, h->end_day), &h->points, err);
	if (result != RESULT_OK) {
		free(h->days);
		h->days = NULL;
	}
	h->loaded = result == RESULT_OK;
	return result;
}

enum result usage_history_day(struct usage_history *h, int32_t day, const struct vee_row **out,
                              struct error *err)
{
	const struct calendar *c = h->source->calendar;
	if (day < h->from_day || day >= h->end_day)
		return fail(RESULT_ABSENT, err, "that day is beyond the history");
	enum result result = load(h, err);
	if (result != RESULT_OK)
		return result;
	struct vee_row *row = &h->days[day - h->from_day];
	if (!row->intervals) {
		row->start_s = calendar_day_start_s(c, day);
		row->interval_s = h->interval_s;
		row->count = (uint32_t)calendar_intervals(c, day, h->interval_s);
		row->intervals = calloc(row->count, sizeof *row->intervals);
		if (!row->intervals)
			return fail(RESULT_RESOURCE, err, "no memory for like days");
		struct vee_register r = usage_points_register(
		    &h->points, vee_rules_on(h->source->rules, day), h->interval_s);
		vee_from_register(&r, row);
	}
	*out = row;
	return RESULT_OK;
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
