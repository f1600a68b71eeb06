/* SPDX-License-Identifier: Apache-2.0 */
#include "control/usage/usage_priv.h"

#include <stdlib.h>
#include <string.h>

#define DAY_S              86400
#define INTERVAL_S_DEFAULT 900

struct building {
	const struct usage_source *source;
	const struct usage_points *points;
	struct usage_history *history;
	struct usage *u;           /* its row reaches over the wide days while it is built */
	int32_t from_day, end_day; /* wide enough that gaps at the ends of u's days are whole */
	struct error *err;
};

static const struct vee_rules *rules_at(const struct building *b, int64_t at_s)
{
	return vee_rules_on(b->source->rules, calendar_day(b->source->calendar, at_s));
}

static int64_t start_of(const struct vee_row *row, uint32_t interval)
{
	return row->start_s + (int64_t)interval * row->interval_s;
}

/* --- like days --- */

uint32_t usage_same_time(const struct calendar *c, const struct vee_row *row, int32_t day,
                         int64_t at_s)
{
	int64_t clock_s = (int64_t)day * DAY_S + calendar_local(c, at_s).second_of_day;
	int64_t guess_s = clock_s - calendar_offset_s(c, row->start_s);
	int64_t then_s = clock_s - calendar_offset_s(c, guess_s);
	if (then_s + calendar_offset_s(c, then_s) != clock_s)
		then_s = guess_s; /* the clock jumped over that time */
	int64_t interval = (then_s - row->start_s) / row->interval_s;
	if (then_s < row->start_s)
		return 0;
	return interval < row->count ? (uint32_t)interval : row->count - 1;
}

/* The like days' values at the piece's times by the clock. */
static enum result aligned(const struct building *b, const struct vee_row *piece, int32_t day,
                           struct vee_row *out)
{
	const struct vee_row *whole;
	enum result result = usage_history_day(b->history, day, &whole, b->err);
	if (result != RESULT_OK)
		return result;
	*out = *piece;
	out->intervals = calloc(piece->count, sizeof *out->intervals);
	if (!out->intervals)
		return fail(RESULT_RESOURCE, b->err, "no memory for like days");
	for (uint32_t i = 0; i < piece->count; i++)
		out->intervals[i] = whole->intervals[usage_same_time(
		    b->source->calendar, whole, day, start_of(piece, i))];
	return RESULT_OK;
}

static enum result note_likes(struct building *b, const struct usage_like *like)
{
	struct usage *u = b->u;
	struct usage_like *more = realloc(u->likes, (u->like_count + 1) * sizeof *more);
	if (!more)
		return fail(RESULT_RESOURCE, b->err, "no memory for like days");
	u->likes = more;
	u->likes[u->like_count++] = *like;
	return RESULT_OK;
}

/* A part of a gap within a local day. */
static enum result fill_piece(struct building *b, const struct vee_gap *part,
                              struct usage_like *like)
{
	const struct vee_rules *rules = vee_rules_on(b->source->rules, like->day);
	struct vee_row rows[VEE_LIKE_DAYS_MAX] = {0};
	const struct vee_row *list[VEE_LIKE_DAYS_MAX];
	struct vee_row piece = {start_of(&b->u->row, part->first), b->u->row.interval_s,
	                        part->count, b->u->row.intervals + part->first};
	enum result result = usage_history_like(b->history, like->day, (uint32_t)rules->like_days,
	                                       like->days, &like->day_count, b->err);
	for (uint32_t i = 0; i < like->day_count && result == RESULT_OK; i++) {
		result = aligned(b, &piece, like->days[i], &rows[i]);
		list[i] = &rows[i];
	}
	if (result == RESULT_OK && like->day_count > 0 &&
	    vee_like_days(&piece, &(struct vee_gap){0, piece.count}, list, like->day_count))
		result = note_likes(b, like);
	for (uint32_t i = 0; i < like->day_count; i++)
		free(rows[i].intervals);
	return result;
}

/* Each day of the gap has like days of its own. */
static enum result fill_by_like_days(struct building *b, const struct vee_gap *gap)
{
	const struct calendar *c = b->source->calendar;
	uint32_t end = gap->first + gap->count;
	enum result result = RESULT_OK;
	for (uint32_t at = gap->first; at < end && result == RESULT_OK;) {
		int32_t day = calendar_day(c, start_of(&b->u->row, at));
		int64_t midnight_s = calendar_day_start_s(c, day + 1);
		struct usage_like like = {.day = day};
		struct vee_gap part = {.first = at};
		while (at < end && start_of(&b->u->row, at) < midnight_s)
			at++;
		part.count = at - part.first;
		result = fill_piece(b, &part, &like);
	}
	return result;
}

/* --- gaps --- */

/* What the register counted over a gap, if it was read at both ends. */
static bool gap_register(const struct building *b, const struct vee_gap *gap, int64_t *energy_mwh)
{
	const struct vee_row *row = &b->u->row;
	int64_t from_s = start_of(row, gap->first), to_s = start_of(row, gap->first + gap->count);
	struct vee_register before =
	    usage_points_register(b->points, rules_at(b, from_s), row->interval_s);
	struct vee_register behind =
	    usage_points_register(b->points, rules_at(b, to_s - 1), row->interval_s);
	const struct vee_point *from = vee_point_at(&before, from_s);
	const struct vee_point *to = vee_point_at(&behind, to_s);
	return from && to && vee_difference(from, to, energy_mwh);
}

static enum result fill_gap(struct building *b, struct usage_gap *g)
{
	const struct vee_row *row = &b->u->row;
	const struct vee_rules *rules = rules_at(b, start_of(row, g->gap.first));
	g->version = rules->version;
	g->scaled = gap_register(b, &g->gap, &g->register_mwh);
	if ((int64_t)g->gap.count * row->interval_s <= rules->interpolate_max_s &&
	    vee_interpolate(&b->u->row, &g->gap))
		return RESULT_OK;
	return fill_by_like_days(b, &g->gap);
}

/* A reading within the gap, alone among missing ones, says how much of it came before: the gap ends
 * there, and the next one begins. */
static void cut_gap(const struct building *b, struct vee_gap *gap)
{
	for (uint32_t i = 1; i < gap->count; i++) {
		int64_t at_s = start_of(&b->u->row, gap->first + i);
		struct vee_register r =
		    usage_points_register(b->points, rules_at(b, at_s), b->u->row.interval_s);
		if (vee_point_at(&r, at_s)) {
			gap->count = i;
			return;
		}
	}
}

/* How many intervals of the row are over at an instant. */
static uint32_t intervals_until(const struct vee_row *row, int64_t at_s)
{
	int64_t count = (at_s - row->start_s) / row->interval_s;
	return count < 0 ? 0 : count < row->count ? (uint32_t)count : row->count;
}

/* Does any of it lie in the days that were asked for? */
static bool is_asked_for(const struct building *b, const struct vee_gap *gap)
{
	const struct calendar *c = b->source->calendar;
	return start_of(&b->u->row, gap->first) < calendar_day_start_s(c, b->u->end_day) &&
	       start_of(&b->u->row, gap->first + gap->count) >
	           calendar_day_start_s(c, b->u->from_day);
}

static enum result fill_gaps(struct building *b)
{
	struct usage *u = b->u;
	struct vee_gap gap;
	enum result result = RESULT_OK;
	struct vee_row past = u->row;
	past.count = intervals_until(&u->row, b->source->now_s);
	for (uint32_t at = 0; result == RESULT_OK && vee_next_gap(&past, at, &gap);
	     at = gap.first + gap.count) {
		cut_gap(b, &gap);
		if (!is_asked_for(b, &gap))
			continue;
		struct usage_gap *more = realloc(u->gaps, (u->gap_count + 1) * sizeof *more);
		if (!more)
			return fail(RESULT_RESOURCE, b->err, "no memory for gaps");
		u->gaps = more;
		u->gaps[u->gap_count] = (struct usage_gap){
		    .gap = gap, .from_s = start_of(&u->row, gap.first),
		    .to_s = start_of(&u->row, gap.first + gap.count)};
		result = fill_gap(b, &u->gaps[u->gap_count++]);
	}
	return result;
}

/* A day of the gap without like days: nobody knows its shape, so the whole gap has none. */
static void forget_shape(struct vee_interval *rest, uint32_t count)
{
	bool known = true;
	for (uint32_t i = 0; i < count; i++)
		known = known && rest[i].source != VEE_MISSING;
	for (uint32_t i = 0; i < count && !known; i++)
		rest[i].energy_mwh = 0;
}

/* What of a gap nobody has edited, scaled so that all of it adds up to its register. Without like
 * days (all 0) that is shared out evenly. */
static enum result scale_gap(struct building *b, struct usage_gap *g)
{
	struct vee_interval *v = b->u->row.intervals + g->gap.first;
	struct vee_interval *rest = malloc(g->gap.count * sizeof *rest);
	uint32_t count = 0;
	if (!rest)
		return fail(RESULT_RESOURCE, b->err, "no memory for a gap");
	for (uint32_t i = 0; i < g->gap.count; i++) {
		if (v[i].source == VEE_EDITED) {
			g->edited_mwh += v[i].energy_mwh;
		} else {
			g->estimated_mwh += v[i].energy_mwh;
			rest[count++] = v[i];
		}
	}
	g->scaled = g->scaled && count > 0 && g->register_mwh >= g->edited_mwh;
	if (g->scaled) {
		struct vee_row row = {0, b->u->row.interval_s, count, rest};
		forget_shape(rest, count);
		vee_scale(&row, &(struct vee_gap){0, count}, g->register_mwh - g->edited_mwh);
		for (uint32_t i = 0, k = 0; i < g->gap.count; i++)
			if (v[i].source != VEE_EDITED)
				v[i] = rest[k++];
	}
	for (uint32_t i = 0; i < g->gap.count; i++)
		g->filled_mwh += v[i].energy_mwh;
	g->source = count ? rest[0].source : VEE_EDITED;
	free(rest);
	return RESULT_OK;
}

/* --- all of it --- */

/* Each day by the version of the rules that ruled then. */
static void fill_actual(const struct building *b)
{
	for (int32_t day = b->from_day; day < b->end_day; day++) {
		struct vee_row row = usage_day(b->u, b->source->calendar, day);
		struct vee_register r = usage_points_register(
		    b->points, vee_rules_on(b->source->rules, day), row.interval_s);
		vee_from_register(&r, &row);
	}
}

static int32_t interval_of(const struct usage_points *p)
{
	return p->interval_s >= 60 && 3600 % p->interval_s == 0 ? (int32_t)p->interval_s
	                                                        : INTERVAL_S_DEFAULT;
}

/* The wide days as they were read. */
static enum result read_days(struct building *b, const struct usage_subject *subject,
                             struct usage_points *points)
{
	struct usage *u = b->u;
	const struct calendar *c = b->source->calendar;
	int64_t end_s = calendar_day_start_s(c, b->end_day);
	u->row.start_s = calendar_day_start_s(c, b->from_day);
	enum result result =
	    usage_points_load(b->source, subject, u->row.start_s, end_s, points, b->err);
	if (result != RESULT_OK)
		return result;
	u->row.interval_s = interval_of(points);
	u->row.count = (uint32_t)((end_s - u->row.start_s) / u->row.interval_s);
	u->row.intervals = calloc(u->row.count, sizeof *u->row.intervals);
	if (!u->row.intervals) {
		free(points->all);
		return fail(RESULT_RESOURCE, b->err, "no memory for intervals");
	}
	fill_actual(b);
	return RESULT_OK;
}

/* Where the first or last value is missing its gap goes on beyond: look further, in two steps. */
static bool widen(struct building *b)
{
	const struct usage *u = b->u;
	const struct vee_row *row = &u->row;
	int64_t end_s = start_of(row, row->count);
	int32_t from_day = b->from_day, end_day = b->end_day;
	if (row->intervals[0].source == VEE_MISSING && from_day > u->from_day - USAGE_REACH_DAYS)
		from_day = u->from_day - (from_day == u->from_day ? 2 : USAGE_REACH_DAYS);
	if (row->intervals[row->count - 1].source == VEE_MISSING && end_s < b->source->now_s &&
	    end_day < u->end_day + USAGE_REACH_DAYS)
		end_day = u->end_day + (end_day == u->end_day ? 2 : USAGE_REACH_DAYS);
	bool wider = from_day != b->from_day || end_day != b->end_day;
	b->from_day = from_day;
	b->end_day = end_day;
	return wider;
}

/* The row, the gaps and the counts are those of the days that were asked for. */
static void cut_days(struct building *b)
{
	struct usage *u = b->u;
	const struct calendar *c = b->source->calendar;
	struct vee_row *row = &u->row;
	int64_t start_s = calendar_day_start_s(c, u->from_day);
	int64_t end_s = calendar_day_start_s(c, u->end_day);
	uint32_t first = (uint32_t)((start_s - row->start_s) / row->interval_s);
	uint32_t count = (uint32_t)((end_s - start_s) / row->interval_s);
	for (uint32_t i = 0; i < u->gap_count; i++) {
		struct vee_gap *g = &u->gaps[i].gap;
		uint32_t from = g->first > first ? g->first : first, to = g->first + g->count;
		to = to < first + count ? to : first + count;
		*g = (struct vee_gap){from - first, to - from};
	}
	memmove(row->intervals, row->intervals + first, count * sizeof *row->intervals);
	row->start_s = start_s;
	row->count = count;
	u->completeness = vee_completeness(row);
	u->has_register = gap_register(b, &(struct vee_gap){0, count}, &u->register_mwh);
	for (uint32_t i = 0; i < b->points->count; i++) {
		int64_t at_s = b->points->all[i].at_s;
		u->readings += at_s >= start_s && at_s <= end_s;
	}
	for (uint32_t i = 0; i < b->points->falls && i < USAGE_FALLS_MAX; i++) {
		const struct usage_fall *f = &b->points->fall[i];
		if (f->at_s > start_s && f->at_s <= end_s)
			u->fall[u->falls++] = *f;
	}
}

static enum result estimate(struct building *b)
{
	struct usage *u = b->u;
	enum result result = fill_gaps(b);
	usage_edits_apply(&u->edits, &u->row);
	for (uint32_t i = 0; i < u->gap_count && result == RESULT_OK; i++)
		result = scale_gap(b, &u->gaps[i]);
	if (result == RESULT_OK)
		cut_days(b);
	return result;
}

enum result usage_build(const struct usage_source *source, const struct usage_subject *subject,
                        int32_t from_day, int32_t end_day, struct usage *out,
                        struct usage_points *points, struct usage_history *history,
                        struct error *err)
{
	struct building b = {source, points, history, out, from_day, end_day, err};
	enum result result = RESULT_OK;
	if (end_day <= from_day || end_day - from_day > USAGE_DAYS_MAX)
		return fail(RESULT_INPUT, err, "expected from 1 to %d days", USAGE_DAYS_MAX);
	*out = (struct usage){
	    .device = subject->device, .from_day = from_day, .end_day = end_day};
	if (subject->edited)
		result = subject->edited(source, subject, &out->edits, err);
	else if (subject->device != DEVICE_NONE)
		result = usage_edits_load(source->store, subject->device, &out->edits, err);
	if (result == RESULT_OK)
		result = read_days(&b, subject, points);
	while (result == RESULT_OK && widen(&b)) {
		free(points->all);
		free(out->row.intervals);
		out->row.intervals = NULL;
		result = read_days(&b, subject, points);
	}
	if (result != RESULT_OK) {
		usage_free(out);
		return result;
	}
	usage_history_init(history, source, subject, out, points, b.from_day, b.end_day);
	result = estimate(&b);
	if (result != RESULT_OK) {
		usage_history_free(history);
		free(points->all);
		usage_free(out);
	}
	return result;
}

enum result usage_load_subject(const struct usage_source *source,
                               const struct usage_subject *subject, int32_t from_day,
                               int32_t end_day, struct usage *out, struct error *err)
{
	struct usage_points points;
	struct usage_history history;
	enum result result =
	    usage_build(source, subject, from_day, end_day, out, &points, &history, err);
	if (result == RESULT_OK) {
		usage_history_free(&history);
		free(points.all);
	}
	return result;
}

enum result usage_load(const struct usage_source *source, uint32_t device, uint32_t dials,
                       int32_t from_day, int32_t end_day, struct usage *out, struct error *err)
{
	struct usage_subject meter = {.read = usage_read_meter, .device = device, .dials = dials};
	return usage_load_subject(source, &meter, from_day, end_day, out, err);
}

void usage_free(struct usage *u)
{
	usage_edits_free(&u->edits);
	free(u->row.intervals);
	free(u->gaps);
	free(u->likes);
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
