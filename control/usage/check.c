/* SPDX-License-Identifier: Apache-2.0 */
#include "control/usage/check.h"

#include <stdlib.h>

#include "control/usage/usage_priv.h"

#define CUSTOM_DAYS_MIN 3 /* of like days; of fewer nothing is customary */

struct checking {
	const struct usage_source *source;
	struct usage_checked *out;
	const struct usage_points *points;
	struct usage_history *history;
	const char *profile; /* of the newest reading; NULL: there is none */
	bool active;
	uint32_t capacity;
	struct error *err;
};

/* A day, as far as it is over. */
struct day {
	int32_t day;
	const struct vee_rules *rules;
	struct vee_row row;
	bool over, whole; /* all of it; no value of it is missing */
	int64_t sum_mwh;
};

static enum result find(struct checking *k, const struct vee_finding *finding)
{
	struct usage_checked *out = k->out;
	if (out->count == k->capacity) {
		uint32_t capacity = k->capacity ? k->capacity * 2 : 8;
		struct vee_finding *more = realloc(out->findings, capacity * sizeof *more);
		if (!more)
			return fail(RESULT_RESOURCE, k->err, "no memory for findings");
		out->findings = more;
		k->capacity = capacity;
	}
	out->findings[out->count++] = *finding;
	return RESULT_OK;
}

static const struct vee_rule_setting *setting(const struct checking *k,
                                              const struct vee_rules *rules, enum vee_rule rule)
{
	return vee_rule_for(rules, rule, k->profile);
}

static int64_t end_of(const struct vee_row *row)
{
	return row->start_s + (int64_t)row->count * row->interval_s;
}

/* The rule's finding for all of a day. */
static enum result find_day(struct checking *k, const struct day *d, enum vee_rule rule,
                            int64_t value, int64_t is_mwh, int64_t against_mwh)
{
	return find(k, &(struct vee_finding){.rule = (uint8_t)rule,
	                                     .version = d->rules->version,
	                                     .from_s = d->row.start_s,
	                                     .to_s = end_of(&d->row),
	                                     .value = value,
	                                     .limit = setting(k, d->rules, rule)->limit,
	                                     .is_mwh = is_mwh,
	                                     .against_mwh = against_mwh});
}

/* --- the rules, in the order of their table --- */

static enum result check_spike(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *s = setting(k, d->rules, VEE_RULE_SPIKE);
	struct vee_spike spike = vee_spike_of(&d->row);
	int64_t from_s = d->row.start_s + (int64_t)spike.at * d->row.interval_s;
	if (!s->on || spike.over < 0 || spike.over < s->limit)
		return RESULT_OK;
	return find(k, &(struct vee_finding){.rule = VEE_RULE_SPIKE,
	                                     .version = d->rules->version,
	                                     .from_s = from_s,
	                                     .to_s = from_s + d->row.interval_s,
	                                     .value = spike.over,
	                                     .limit = s->limit,
	                                     .is_mwh = spike.highest,
	                                     .against_mwh = spike.third});
}

/* The readings at both ends of the day. False: one is missing. */
static bool ends_of(const struct checking *k, const struct day *d, const struct vee_point **from,
                    const struct vee_point **to)
{
	struct vee_register r = usage_points_register(k->points, d->rules, d->row.interval_s);
	*from = vee_point_at(&r, d->row.start_s);
	*to = vee_point_at(&r, end_of(&d->row));
	return *from && *to;
}

static enum result check_sum(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *s = setting(k, d->rules, VEE_RULE_SUM);
	const struct vee_point *from, *to;
	int64_t counted;
	if (!s->on || !d->whole || !ends_of(k, d, &from, &to) ||
	    !vee_difference(from, to, &counted))
		return RESULT_OK;
	int64_t off = llabs(d->sum_mwh - counted);
	return off > s->limit ? find_day(k, d, VEE_RULE_SUM, off, d->sum_mwh, counted) : RESULT_OK;
}

static enum result check_tou_sum(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *s = setting(k, d->rules, VEE_RULE_TOU_SUM);
	const struct vee_point *from, *to;
	int64_t counted;
	if (!s->on || !d->over || !ends_of(k, d, &from, &to) ||
	    !vee_difference(from, to, &counted) || from->parts_mwh < 0 ||
	    to->parts_mwh < from->parts_mwh) /* one of them rolled over or was reset */
		return RESULT_OK;
	int64_t parts = to->parts_mwh - from->parts_mwh, off = llabs(parts - counted);
	return off > s->limit ? find_day(k, d, VEE_RULE_TOU_SUM, off, parts, counted) : RESULT_OK;
}

/* Mean of the like days; -1: too few. */
static enum result customary(struct checking *k, int32_t day, int64_t *mean_mwh)
{
	int32_t days[VEE_LIKE_DAYS_MAX];
	uint32_t count;
	const struct vee_row *row;
	int64_t sum = 0;
	enum result result =
	    usage_history_like(k->history, day, VEE_LIKE_DAYS_MAX, days, &count, k->err);
	for (uint32_t i = 0; i < count && result == RESULT_OK; i++) {
		result = usage_history_day(k->history, days[i], &row, k->err);
		if (result == RESULT_OK)
			sum += vee_sum_mwh(row);
	}
	*mean_mwh = count < CUSTOM_DAYS_MIN ? -1 : sum / count;
	return result;
}

static enum result check_custom(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *high = setting(k, d->rules, VEE_RULE_HIGH_USE);
	const struct vee_rule_setting *low = setting(k, d->rules, VEE_RULE_LOW_USE);
	int64_t mean;
	if ((!high->on && !low->on) || !d->whole || d->sum_mwh == 0)
		return RESULT_OK;
	enum result result = customary(k, d->day, &mean);
	int64_t share = vee_share(d->sum_mwh, mean);
	if (result != RESULT_OK || share < 0)
		return result;
	if (high->on && share > high->limit)
		return find_day(k, d, VEE_RULE_HIGH_USE, share, d->sum_mwh, mean);
	if (low->on && share < low->limit)
		return find_day(k, d, VEE_RULE_LOW_USE, share, d->sum_mwh, mean);
	return RESULT_OK;
}

/* Days in a row up to this one on which nothing was used, as far as the rule asks. */
static enum result check_zero(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *s = setting(k, d->rules, VEE_RULE_ZERO_USE);
	int64_t days = 1;
	enum result result = RESULT_OK;
	if (!s->on || !k->active || !d->whole || d->sum_mwh != 0)
		return RESULT_OK;
	for (bool zero = true; zero && days < s->limit; days += zero) {
		const struct vee_row *row;
		result = usage_history_day(k->history, d->day - (int32_t)days, &row, k->err);
		if (result != RESULT_OK)
			break;
		zero = vee_completeness(row) == 10000 && vee_sum_mwh(row) == 0;
	}
	if (result != RESULT_OK)
		return result == RESULT_ABSENT ? RESULT_OK : result;
	return days >= s->limit ? find_day(k, d, VEE_RULE_ZERO_USE, days, 0, 0) : RESULT_OK;
}

static enum result check_inactive(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *s = setting(k, d->rules, VEE_RULE_INACTIVE);
	if (!s->on || k->active || d->sum_mwh <= s->limit)
		return RESULT_OK;
	return find_day(k, d, VEE_RULE_INACTIVE, d->sum_mwh, d->sum_mwh, 0);
}

static enum result check_incomplete(struct checking *k, const struct day *d)
{
	const struct vee_rule_setting *s = setting(k, d->rules, VEE_RULE_INCOMPLETE);
	int64_t share = vee_completeness(&d->row);
	if (!s->on || share >= s->limit)
		return RESULT_OK;
	return find_day(k, d, VEE_RULE_INCOMPLETE, share, 0, 0);
}

/* --- all of it --- */

static struct day day_of(const struct checking *k, int32_t day)
{
	const struct usage_source *source = k->source;
	struct day d = {.day = day,
	                .rules = vee_rules_on(source->rules, day),
	                .row = usage_day(&k->out->usage, source->calendar, day)};
	uint32_t count = d.row.count;
	if (end_of(&d.row) > source->now_s) {
		int64_t past_s = source->now_s - d.row.start_s;
		d.row.count = past_s < 0 ? 0 : (uint32_t)(past_s / d.row.interval_s);
	}
	d.over = d.row.count == count;
	d.whole = d.over;
	for (uint32_t i = 0; i < d.row.count; i++)
		d.whole = d.whole && d.row.intervals[i].source != VEE_MISSING;
	d.sum_mwh = vee_sum_mwh(&d.row);
	return d;
}

static enum result check_day(struct checking *k, int32_t day)
{
	static enum result (*const checks[])(struct checking *, const struct day *) = {
	    check_spike, check_sum,      check_tou_sum,   check_custom,
	    check_zero,  check_inactive, check_incomplete};
	struct day d = day_of(k, day);
	enum result result = RESULT_OK;
	if (d.row.count == 0)
		return RESULT_OK;
	for (size_t i = 0; i < sizeof checks / sizeof checks[0] && result == RESULT_OK; i++)
		result = checks[i](k, &d);
	return result;
}

static enum result check_gaps(struct checking *k)
{
	const struct usage *u = &k->out->usage;
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < u->gap_count && result == RESULT_OK; i++) {
		const struct usage_gap *g = &u->gaps[i];
		int32_t day = calendar_day(k->source->calendar, g->from_s);
		const struct vee_rule_setting *s =
		    setting(k, vee_rules_on(k->source->rules, day), VEE_RULE_GAP);
		int64_t minutes = (g->to_s - g->from_s) / 60;
		if (s->on && minutes > s->limit)
			result = find(k, &(struct vee_finding){
			                     VEE_RULE_GAP, g->version, g->from_s, g->to_s, minutes,
			                     s->limit, g->filled_mwh, g->register_mwh});
	}
	return result;
}

static enum result check_falls(struct checking *k)
{
	const struct usage *u = &k->out->usage;
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < u->falls && i < USAGE_FALLS_MAX && result == RESULT_OK; i++) {
		const struct usage_fall *f = &u->fall[i];
		int32_t day = calendar_day(k->source->calendar, f->at_s);
		const struct vee_rules *rules = vee_rules_on(k->source->rules, day);
		if (setting(k, rules, VEE_RULE_FELL)->on)
			result = find(k, &(struct vee_finding){VEE_RULE_FELL, rules->version,
			                                       f->from_s, f->at_s, 0, 0, f->to_mwh,
			                                       f->from_mwh});
	}
	return result;
}

enum result usage_check(const struct usage_source *source, uint32_t device, uint32_t dials,
                        bool active, int32_t from_day, int32_t end_day,
                        struct usage_checked *out, struct error *err)
{
	struct usage_subject meter = {
	    .read = usage_read_meter, .device = device, .dials = dials};
	struct usage_points points;
	struct usage_history history;
	*out = (struct usage_checked){0};
	enum result result = usage_build(source, &meter, from_day, end_day, &out->usage, &points,
	                                 &history, err);
	if (result != RESULT_OK)
		return result;
	struct checking k = {.source = source, .out = out, .points = &points,
	                     .history = &history, .active = active, .err = err,
	                     .profile = points.profile ? points.profile->name : NULL};
	for (int32_t day = from_day; day < end_day && result == RESULT_OK; day++)
		result = check_day(&k, day);
	if (result == RESULT_OK)
		result = check_gaps(&k);
	if (result == RESULT_OK)
		result = check_falls(&k);
	usage_history_free(&history);
	free(points.all);
	if (result != RESULT_OK)
		usage_checked_free(out);
	return result;
}

void usage_checked_free(struct usage_checked *checked)
{
	free(checked->findings);
	usage_free(&checked->usage);
	*checked = (struct usage_checked){0};
}
