/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service point's register, made of its meters'. Input: stored readings and installations.
 * Output: points of one running sum (usage_priv.h). Thread: the caller's. Memory: malloc, given
 * back.
 */
#include "control/usage/service_point.h"

#include <stdlib.h>
#include <string.h>

#include "contract/reading.h"
#include "control/usage/usage_priv.h"

#define STEP_S 300 /* of points where there is no meter: divides every interval from 5 minutes */

/* What is given to the reading of points. */
struct point_meters {
	const struct service_point *point;
	uint32_t device[INSTALLATIONS_MAX]; /* numbers of the installations' meters */
	uint32_t dials[INSTALLATIONS_MAX];
	int64_t start_s, end_s; /* of the days that are asked for */
	struct usage_parts *parts;
};

/* The sum so far. */
struct composing {
	const struct usage_source *source;
	const struct point_meters *meters;
	int64_t from_s, to_s; /* what is read */
	bool whole; /* the days that are asked for are among it */
	struct usage_points *out;
	int64_t sum_mwh; /* of the installations before */
	uint32_t run;
	bool joined;       /* nothing is unknown between them and what comes */
	int64_t reached_s; /* no meter since then */
	struct error *err;
};

static bool within(const struct composing *c, int64_t at_s)
{
	return at_s >= c->from_s && at_s < c->to_s;
}

static enum result add(struct composing *c, const struct vee_point *point)
{
	struct usage_points *p = c->out;
	if (p->count > 0 && p->all[p->count - 1].at_s >= point->at_s)
		p->count--; /* a swap: the old meter's end is the new one's beginning */
	if (!usage_points_add(p, point))
		return fail(RESULT_RESOURCE, c->err, "no memory for the readings of a point");
	return RESULT_OK;
}

/* --- one installation --- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum result read_installation(struct composing *c, uint32_t i, struct usage_points *p)
{
	const struct installation *in = &c->meters->point->installations[i];
	struct usage_ends ends = {REGISTER_UNKNOWN, REGISTER_UNKNOWN, in->from_s, in->to_s};
	struct usage_subject meter = {
	    .read = usage_read_meter, .device = c->meters->device[i], .dials = c->meters->dials[i]};
	if (within(c, in->from_s))
		ends.initial_mwh = in->initial_mwh;
	if (in->to_s != INSTALLATION_OPEN && within(c, in->to_s))
		ends.final_mwh = in->final_mwh;
	*p = (struct usage_points){0};
	return usage_read_between(c->source, &meter, later(c->from_s, in->from_s),
				  earlier(c->to_s, installation_end_s(in)), &ends, p, c->err);
}

/* Its points behind those before. */
static enum result join(struct composing *c, const struct installation *in,
			const struct usage_points *p, bool starts_known)
{
	uint32_t first_run =
	    c->out->count == 0 || (c->joined && starts_known) ? c->run : c->run + 1;
	int64_t sum = 0;
	enum result result = RESULT_OK;
	for (uint32_t k = 0; k < p->count && result == RESULT_OK; k++) {
		struct vee_point point = p->all[k];
		if (!ratio_apply(&in->ratio, point.sum_mwh - p->all[0].sum_mwh, &sum) ||
		    __builtin_add_overflow(sum, c->sum_mwh, &point.sum_mwh))
			return fail(
			    RESULT_INPUT, c->err,
			    "point '%s': what meter '%s' counted times its ratio is too much",
			    c->meters->point->id, in->meter);
		point.parts_mwh = -1; /* those are looked at meter by meter */
		point.run = first_run + (point.run - p->all[0].run);
		c->run = point.run;
		result = add(c, &point);
	}
	c->sum_mwh += sum;
	return result;
}

/* What of its points lies within the days that are asked for. */
static void note_part(struct composing *c, uint32_t i, const struct usage_points *p)
{
	const struct installation *in = &c->meters->point->installations[i];
	int64_t from_s = later(c->meters->start_s, in->from_s);
	int64_t to_s = earlier(c->meters->end_s, installation_end_s(in));
	uint32_t first = 0, end = p->count;
	if (!c->whole || !c->meters->parts || from_s >= to_s)
		return;
	while (first < end && p->all[first].at_s < from_s)
		first++;
	while (end > first && p->all[end - 1].at_s > to_s)
		end--;
	struct usage_part *part = &c->meters->parts->list[c->meters->parts->count++];
	*part = (struct usage_part){.installation = *in,
	                            .device = c->meters->device[i],
	                            .from_s = from_s,
	                            .to_s = to_s,
	                            .readings = end - first};
	if (end > first)
		part->register_mwh = p->all[end - 1].sum_mwh - p->all[first].sum_mwh;
	if (!ratio_apply(&in->ratio, part->register_mwh, &part->energy_mwh))
		part->energy_mwh = 0; /* it was refused as too much before */
}

static void note_falls(struct usage_points *to, const struct usage_points *from)
{
	for (uint32_t i = 0; i < from->falls && i < USAGE_FALLS_MAX; i++)
		if (to->falls + i < USAGE_FALLS_MAX)
			to->fall[to->falls + i] = from->fall[i];
	to->falls += from->falls;
}

/* --- no meter --- */

/* From reached_s until `until_s` nothing was counted. */
static enum result nothing(struct composing *c, int64_t until_s)
{
	int64_t from_s = later(c->reached_s, c->from_s), to_s = earlier(until_s, c->to_s);
	enum result result = RESULT_OK;
	if (from_s >= to_s)
		return RESULT_OK;
	if (!c->joined)
		c->run++;
	c->joined = true;
	for (int64_t at_s = (from_s + STEP_S - 1) / STEP_S * STEP_S;
	     at_s < to_s && result == RESULT_OK; at_s += STEP_S)
		result = add(
		    c, &(struct vee_point){
			   .at_s = at_s, .sum_mwh = c->sum_mwh, .run = c->run, .parts_mwh = -1});
	return result;
}

static enum result compose(struct composing *c, uint32_t i)
{
	const struct installation *in = &c->meters->point->installations[i];
	struct usage_points p;
	bool starts_known = in->initial_mwh != REGISTER_UNKNOWN && within(c, in->from_s);
	if (in->from_s >= c->to_s || installation_end_s(in) <= c->from_s)
		return RESULT_OK;
	enum result result = nothing(c, in->from_s);
	if (result == RESULT_OK) {
		result = read_installation(c, i, &p);
		if (result == RESULT_OK)
			result = join(c, in, &p, starts_known);
		if (result == RESULT_OK)
			note_part(c, i, &p);
		note_falls(c->out, &p);
		if (p.profile) {
			c->out->profile = p.profile;
			c->out->interval_s = p.interval_s;
		}
		free(p.all);
	}
	c->joined = in->final_mwh != REGISTER_UNKNOWN;
	c->reached_s = installation_end_s(in);
	return result;
}

static enum result read_point(const struct usage_source *source,
			      const struct usage_subject *subject, int64_t from_s, int64_t to_s,
			      struct usage_points *out, struct error *err)
{
	const struct point_meters *m = subject->context;
	struct composing c = {.source = source,
			      .meters = m,
			      .from_s = from_s,
			      .to_s = to_s,
			      .out = out,
			      .joined = true,
			      .reached_s = INT64_MIN,
			      .err = err};
	enum result result = RESULT_OK;
	c.whole = from_s <= m->start_s && to_s > m->end_s;
	if (c.whole && m->parts)
		m->parts->count = 0; /* they may be read again, with more days around */
	for (uint32_t i = 0; i < m->point->installation_count && result == RESULT_OK; i++)
		result = compose(&c, i);
	if (result == RESULT_OK && c.reached_s != INT64_MAX)
		result = nothing(&c, INT64_MAX);
	return result;
}

/* --- edits --- */

/* The intervals of an edit that lie within the installation, at the point. False: too much. */
static bool take_edit(const struct usage_edit *e, const struct installation *in,
		      struct usage_edits *out, bool *no_memory)
{
	struct usage_edit part = *e;
	int64_t end_s = earlier(usage_edit_end_s(e), installation_end_s(in));
	uint32_t first = 0;
	while (first < e->count && e->from_s + (int64_t)first * e->interval_s < in->from_s)
		first++;
	part.from_s += (int64_t)first * e->interval_s;
	part.count = part.from_s < end_s ? (uint32_t)((end_s - part.from_s) / e->interval_s) : 0;
	if (part.count == 0 || e->withdrawn)
		return true;
	struct usage_edit *more = realloc(out->edits, (out->count + 1) * sizeof *more);
	if (more)
		out->edits = more;
	part.energy_mwh = more ? malloc(part.count * sizeof *part.energy_mwh) : NULL;
	*no_memory = !part.energy_mwh;
	if (*no_memory)
		return true;
	out->edits[out->count++] = part;
	for (uint32_t i = 0; i < part.count; i++)
		if (!ratio_apply(&in->ratio, e->energy_mwh[first + i], &part.energy_mwh[i]))
			return false;
	return true;
}

static enum result edits_of(const struct usage_source *source, const struct point_meters *m,
			    uint32_t i, struct usage_edits *out, struct error *err)
{
	const struct installation *in = &m->point->installations[i];
	struct usage_edits edits;
	bool good = true, no_memory = false;
	enum result result = usage_edits_load(source->store, m->device[i], &edits, err);
	if (result != RESULT_OK)
		return result;
	for (uint32_t k = 0; k < edits.count && good && !no_memory; k++)
		good = take_edit(&edits.edits[k], in, out, &no_memory);
	usage_edits_free(&edits);
	if (no_memory)
		return fail(RESULT_RESOURCE, err, "no memory for edits");
	return good ? RESULT_OK
		    : fail(RESULT_INPUT, err, "an edit of meter '%s' times its ratio is too much",
			   in->meter);
}

static enum result read_edits(const struct usage_source *source,
			      const struct usage_subject *subject, struct usage_edits *out,
			      struct error *err)
{
	const struct point_meters *m = subject->context;
	enum result result = RESULT_OK;
	*out = (struct usage_edits){0};
	for (uint32_t i = 0; i < m->point->installation_count && result == RESULT_OK; i++)
		result = edits_of(source, m, i, out, err);
	if (result != RESULT_OK)
		usage_edits_free(out);
	return result;
}

/* --- all of it --- */

static enum result find_meters(struct registry *registry, struct point_meters *m, struct error *err)
{
	const struct service_point *p = m->point;
	bool any = false;
	for (uint32_t i = 0; i < p->installation_count; i++) {
		const struct installation *in = &p->installations[i];
		struct device d;
		enum result result = registry_get(registry, in->meter, &d, err);
		if (result != RESULT_OK)
			return result;
		m->device[i] = d.number;
		m->dials[i] = in->dials ? in->dials : d.dials;
		any = any || (in->from_s < m->end_s && installation_end_s(in) > m->start_s);
	}
	return any ? RESULT_OK
		   : fail(RESULT_INPUT, err, "service point '%s' had no meter on these days",
			  p->id);
}

static bool has_meter(const struct service_point *p, int64_t from_s, int64_t to_s)
{
	for (uint32_t i = 0; i < p->installation_count; i++)
		if (p->installations[i].from_s < to_s &&
		    installation_end_s(&p->installations[i]) > from_s)
			return true;
	return false;
}

/* What is 0 because nothing was there does not say that it was read. */
static void mark_no_meter(const struct service_point *p, struct usage *u)
{
	for (uint32_t i = 0; i < u->row.count; i++) {
		int64_t from_s = u->row.start_s + (int64_t)i * u->row.interval_s;
		struct vee_interval *v = &u->row.intervals[i];
		if (v->source == VEE_ACTUAL && v->energy_mwh == 0 &&
		    !has_meter(p, from_s, from_s + u->row.interval_s))
			v->source = VEE_NO_METER;
	}
}

enum result usage_load_point(const struct usage_source *source, struct registry *registry,
			     const struct service_point *point, int32_t from_day, int32_t end_day,
			     struct usage *out, struct usage_parts *parts, struct error *err)
{
	if (end_day <= from_day || end_day - from_day > USAGE_DAYS_MAX)
		return fail(RESULT_INPUT, err, "expected from 1 to %d days", USAGE_DAYS_MAX);
	struct point_meters m = {.point = point,
				 .start_s = calendar_day_start_s(source->calendar, from_day),
				 .end_s = calendar_day_start_s(source->calendar, end_day),
				 .parts = parts};
	struct usage_subject subject = {
	    .read = read_point, .edited = read_edits, .device = DEVICE_NONE, .context = &m};
	if (parts)
		parts->count = 0;
	enum result result = find_meters(registry, &m, err);
	if (result == RESULT_OK)
		result = usage_load_subject(source, &subject, from_day, end_day, out, err);
	if (result != RESULT_OK)
		return result;
	out->readings = 0;
	for (uint32_t i = 0; parts && i < parts->count; i++)
		out->readings += parts->list[i].readings;
	mark_no_meter(point, out);
	return RESULT_OK;
}
