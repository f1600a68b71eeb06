/* SPDX-License-Identifier: Apache-2.0 */
/* The register of a device as it was read, as a running sum of its steps (register.h). */
#include <stdlib.h>

#include "contract/reading.h"
#include "control/usage/usage_priv.h"
#include "storage/aggregate/register.h"

#define KWH_POW10_MWH 6
#define KWH_MWH       INT64_C(1000000)

static int64_t scaled(int64_t value, int pow10)
{
	for (; pow10 > 0; pow10--)
		value *= 10;
	for (; pow10 < 0; pow10++)
		value /= 10;
	return value;
}

int64_t usage_to_mwh(int64_t value, const struct profile *p)
{
	return scaled(value, KWH_POW10_MWH - p->register_kwh_pow10);
}

static int64_t parts_mwh(const struct vee_rules *rules, const struct stored_reading *r)
{
	int64_t sum = -1;
	for (uint32_t i = 0; i < r->channel_count; i++)
		for (uint32_t k = 0; k < rules->part_count; k++)
			if (rules->parts[k].channel == r->channel[i])
				sum = (sum < 0 ? 0 : sum) +
				      scaled(r->value[i], rules->parts[k].pow10);
	return sum;
}

bool usage_row_of(const struct usage_source *source, const struct stored_reading *r,
                  struct usage_row *row)
{
	int index = register_index(source->profiles->by_id[r->profile], r);
	if (index < 0)
		return false;
	*row = (struct usage_row){.ts_ms = r->ts_ms,
	                          .meter_ts_ms = r->meter_ts_ms,
	                          .value = r->value[index],
	                          .parts_mwh = parts_mwh(source->rules, r),
	                          .flags = r->flags,
	                          .profile = r->profile,
	                          .channel = r->channel[index]};
	if (r->flags & (READING_F_DRIFT | READING_F_TS_REPLACED))
		row->drift_s = (int32_t)((r->meter_ts_ms - r->collected_ms) / 1000);
	return true;
}

bool usage_points_add(struct usage_points *p, const struct vee_point *point)
{
	if (p->count == p->capacity) {
		uint32_t capacity = p->capacity ? p->capacity * 2 : 4096;
		struct vee_point *more = realloc(p->all, capacity * sizeof *more);
		if (!more)
			return false;
		p->all = more;
		p->capacity = capacity;
	}
	p->all[p->count++] = *point;
	return true;
}

/* --- a meter's --- */

struct reading_meter {
	const struct usage_source *source;
	struct usage_points *points;
	uint32_t dials;        /* of the device; 0: the profile's */
	struct usage_row last; /* of those so far */
	const struct usage_ends *ends; /* NULL: none */
	bool no_memory;
};

static void note_fall(struct usage_points *p, const struct usage_fall *fall)
{
	if (p->falls < USAGE_FALLS_MAX)
		p->fall[p->falls] = *fall;
	p->falls++;
}

/* The point that the row makes, after those before. */
static struct vee_point next_point(struct reading_meter *m, const struct usage_row *row)
{
	struct usage_points *p = m->points;
	const struct vee_point *before = p->count ? &p->all[p->count - 1] : NULL;
	const struct profile *profile = m->source->profiles->by_id[row->profile];
	struct vee_point point = {.at_s = row->ts_ms / 1000,
	                          .parts_mwh = row->parts_mwh,
	                          .drift_s = row->drift_s,
	                          .flags = row->flags};
	int64_t step;
	if (!before)
		return point;
	point.run = before->run + (row->channel != m->last.channel);
	point.sum_mwh = before->sum_mwh;
	if (point.run != before->run)
		return point; /* another register */
	struct register_read from = {m->last.value, m->last.ts_ms, m->last.flags};
	struct register_read to = {row->value, row->ts_ms, row->flags};
	int64_t modulus = register_modulus(profile, m->dials);
	if (register_step(profile, modulus, &from, &to, &step) == REGISTER_FELL) {
		point.run++;
		note_fall(p, &(struct usage_fall){before->at_s, point.at_s,
		                                  usage_to_mwh(from.value, profile),
		                                  usage_to_mwh(to.value, profile)});
	}
	point.sum_mwh += usage_to_mwh(step, profile);
	return point;
}

static bool take_row(struct reading_meter *m, const struct usage_row *row)
{
	struct usage_points *p = m->points;
	struct vee_point point = next_point(m, row);
	if (p->count > 0 && p->all[p->count - 1].at_s == point.at_s)
		p->count--; /* within a second the last one stands */
	m->no_memory = !usage_points_add(p, &point);
	m->last = *row;
	p->profile = m->source->profiles->by_id[row->profile];
	p->interval_s = p->profile->interval_ms / 1000;
	return !m->no_memory;
}

/* An end, as if it had been read; as late as can be, so that the meter's capacity says whether the
 * register rolled over, which no validation did. `like` is a reading of the same register. */
static bool take_end(struct reading_meter *m, int64_t at_s, int64_t value_mwh,
		     const struct usage_row *like)
{
	const struct profile *profile = m->source->profiles->by_id[like->profile];
	struct usage_row row = {.ts_ms = at_s * 1000,
				.meter_ts_ms = at_s * 1000,
				.value =
				    scaled(value_mwh, profile->register_kwh_pow10 - KWH_POW10_MWH),
				.parts_mwh = -1,
				.flags = READING_F_LATE,
				.profile = like->profile,
				.channel = like->channel};
	bool taken = take_row(m, &row);
	if (taken)
		m->points->all[m->points->count - 1].flags = 0;
	return taken;
}

/* The next one of a meter; in front of the first the initial value. */
static bool take_next(struct reading_meter *m, struct usage_row row)
{
	if (m->points->count == 0 && m->ends && m->ends->initial_mwh != INT64_MIN) {
		if (!take_end(m, m->ends->from_s, m->ends->initial_mwh, &row))
			return false;
		row.flags &= (uint16_t)~READING_F_RESET; /* the initial value is the reset */
	}
	return take_row(m, &row);
}

static bool on_reading(void *context, const struct stored_reading *r)
{
	struct reading_meter *m = context;
	struct usage_row row;
	return !usage_row_of(m->source, r, &row) || take_next(m, row);
}

static bool on_row(void *context, const struct usage_row *row)
{
	return take_next(context, *row);
}

static enum result read_rows(struct reading_meter *m, uint32_t device, int64_t from_s,
			     int64_t to_s, struct error *err)
{
	enum result result = RESULT_ABSENT;
	if (m->source->page) /* it may not have them */
		result = usage_page_each(m->source->page, device, from_s * 1000, to_s * 1000,
					 on_row, m, err);
	if (result == RESULT_ABSENT)
		result = store_scan_device(m->source->store, device, from_s * 1000, to_s * 1000,
					   on_reading, m, err);
	if (result == RESULT_OK && m->no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the readings of a meter");
	return result;
}

enum result usage_read_meter(const struct usage_source *source,
                             const struct usage_subject *subject, int64_t from_s, int64_t to_s,
                             struct usage_points *out, struct error *err)
{
	struct reading_meter m = {.source = source, .points = out, .dials = subject->dials};
	return read_rows(&m, subject->device, from_s, to_s, err);
}

/* Nothing was read in between: both ends at least, if they are known. */
static bool take_ends_alone(struct reading_meter *m)
{
	const struct usage_ends *e = m->ends;
	struct usage_points *p = m->points;
	int64_t modulus = KWH_MWH;
	struct vee_point from = {.at_s = e->from_s, .parts_mwh = -1};
	struct vee_point to = {.at_s = e->to_s, .parts_mwh = -1};
	bool starts = e->initial_mwh != INT64_MIN, ends = e->final_mwh != INT64_MIN;
	for (uint32_t i = 0; i < m->dials; i++)
		modulus *= 10;
	if (starts && ends && e->final_mwh >= e->initial_mwh)
		to.sum_mwh = e->final_mwh - e->initial_mwh;
	else if (starts && ends && m->dials > 0 && e->initial_mwh >= modulus - modulus / 10 &&
		 e->final_mwh < modulus / 10)
		to.sum_mwh = e->final_mwh - e->initial_mwh + modulus;
	else if (starts && ends)
		to.run = 1;
	return (!starts || usage_points_add(p, &from)) && (!ends || usage_points_add(p, &to));
}

enum result usage_read_between(const struct usage_source *source,
			       const struct usage_subject *subject, int64_t from_s, int64_t to_s,
			       const struct usage_ends *ends, struct usage_points *out,
			       struct error *err)
{
	struct reading_meter m = {
	    .source = source, .points = out, .dials = subject->dials, .ends = ends};
	enum result result = read_rows(&m, subject->device, from_s, to_s, err);
	bool good = result == RESULT_OK;
	if (good && out->count == 0)
		good = take_ends_alone(&m);
	else if (good && ends->final_mwh != INT64_MIN)
		good = take_end(&m, ends->to_s, ends->final_mwh, &m.last);
	if (result == RESULT_OK && !good)
		result = fail(RESULT_RESOURCE, err, "no memory for the readings of a meter");
	return result;
}

/* --- anybody's --- */

/* The largest of all versions: a few readings too many do no harm. */
int64_t usage_margin_s(const struct vee_rules *rules)
{
	int64_t most_s = 0;
	for (; rules; rules = rules->before)
		most_s = rules->tolerance_s > most_s ? rules->tolerance_s : most_s;
	return most_s;
}

enum result usage_points_load(const struct usage_source *source,
                              const struct usage_subject *subject, int64_t from_s, int64_t to_s,
                              struct usage_points *out, struct error *err)
{
	int64_t margin = usage_margin_s(source->rules);
	*out = (struct usage_points){0};
	enum result result =
	    subject->read(source, subject, from_s - margin, to_s + margin + 1, out, err);
	if (result != RESULT_OK)
		free(out->all);
	return result;
}

struct vee_register usage_points_register(const struct usage_points *p,
                                          const struct vee_rules *rules, int32_t interval_s)
{
	int32_t tolerance_s = rules->tolerance_s;
	if (tolerance_s * 2 >= interval_s) /* a reading stands for one boundary */
		tolerance_s = (interval_s - 1) / 2;
	return (struct vee_register){p->all, p->count, tolerance_s};
}
