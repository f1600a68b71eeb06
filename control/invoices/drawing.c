/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bill is drawn: the usage of its days, the tariffs that rule on them, the computation. Input:
 * readings, registry, tariffs. Output: a struct drawing. Thread: any ordinary one. Memory: the
 * caller's, and the usage's.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "control/config/decimal.h"
#include "control/invoices/invoices_priv.h"
#include "control/usage/page.h"

struct usage_source usage_source_of(const struct invoices_source *source,
                                    const struct usage_page *page)
{
	return (struct usage_source){.store = source->store,
	                             .profiles = source->profiles,
	                             .calendar = source->calendar,
	                             .rules = source->rules,
	                             .now_s = clock_wall_ms() / 1000,
	                             .page = page};
}

/* --- tariffs --- */

static enum result no_tariff(const struct drawing *d, const char *own, const char *chosen,
                             struct error *err)
{
	const struct service_point *p = d->subject->point;
	if (*own)
		return fail(RESULT_INPUT, err, "service point '%s' has the tariff '%s', which is "
		            "not in tariffs_dir", p->id, own);
	if (*chosen)
		return fail(RESULT_ABSENT, err, "there is no tariff '%.60s' in tariffs_dir",
		            chosen);
	if (p)
		return fail(RESULT_INPUT, err, "there is no tariff: service point '%s' names none, "
		            "nor does the run", p->id);
	return fail(RESULT_INPUT, err, "there is no tariff: the meter is at no service point, and "
	            "the run names none");
}

/* `own` is the point's; "": it has none. */
static enum result add_span(const struct invoices_source *source, struct drawing *d,
                            const char *own, int32_t end_day, struct error *err)
{
	const char *name = *own && !d->tariff.always ? own : d->tariff.name;
	struct bill_span *last = d->span_count > 0 ? &d->spans[d->span_count - 1] : NULL;
	struct bill_span span = {.end_day = end_day};
	span.versions = tariff_book_find(source->tariffs, name, &span.version_count);
	if (!span.versions)
		return no_tariff(d, name == own ? own : "", name, err);
	d->by_choice = d->by_choice || name != own;
	if (last && last->versions == span.versions)
		last->end_day = end_day;
	else
		d->spans[d->span_count++] = span; /* one for each agreement at most */
	return RESULT_OK;
}

static enum result find_tariffs(const struct invoices_source *source, struct drawing *d,
                                struct error *err)
{
	const struct bill_subject *s = d->subject;
	enum result result = RESULT_OK;
	int32_t until;
	d->span_count = 0;
	if (!s->point)
		return add_span(source, d, "", s->end_day, err);
	for (int32_t day = s->from_day; day < s->end_day && result == RESULT_OK; day = until) {
		struct agreement a = point_agreement_on(s->point, day, &until);
		until = until < s->end_day ? until : s->end_day;
		result = add_span(source, d, a.tariff, until, err);
	}
	return result;
}

/* --- usage --- */

static enum result check_billable(const struct invoices_source *source, const struct usage *u,
                                  struct error *err)
{
	char is[DECIMAL_BYTES], least[DECIMAL_BYTES];
	int32_t at_least = vee_rules_on(source->rules, u->from_day)->completeness_min;
	uint32_t missing = 0;
	for (uint32_t i = 0; i < u->row.count; i++)
		missing += u->row.intervals[i].source == VEE_MISSING;
	if (u->completeness < at_least)
		return fail(RESULT_INPUT, err,
		            "only %s %% of the intervals are actual values; expected %s %%",
		            decimal_format(u->completeness, 2, is),
		            decimal_format(at_least, 2, least));
	if (missing > 0)
		return fail(RESULT_INPUT, err,
		            "%u intervals have no value and can't be estimated", missing);
	return RESULT_OK;
}

static enum result load_usage(const struct invoices_source *source, struct drawing *d,
                              struct error *err)
{
	const struct bill_subject *s = d->subject;
	if (s->point)
		return usage_load_point(&d->from, source->registry, s->point, s->from_day,
		                        s->end_day, &d->usage, &d->parts, err);
	return usage_load(&d->from, s->device->number, s->device->dials, s->from_day, s->end_day,
	                  &d->usage, err);
}

/* --- all of it --- */

static enum result compute(struct drawing *d, struct error *err)
{
	const struct usage *u = &d->usage;
	struct bill_interval *intervals = malloc((u->row.count + 1) * sizeof *intervals);
	if (!intervals)
		return fail(RESULT_RESOURCE, err, "no memory for a bill");
	for (uint32_t i = 0; i < u->row.count; i++)
		intervals[i] = (struct bill_interval){
		    u->row.start_s + (int64_t)i * u->row.interval_s,
		    u->row.intervals[i].energy_mwh};
	struct bill_request r = {
	    .calendar = d->from.calendar,
	    .spans = d->spans,
	    .span_count = d->span_count,
	    .from_day = u->from_day,
	    .end_day = u->end_day,
	    .period_from = d->subject->period_from,
	    .period_end = d->subject->period_end,
	    .intervals = intervals,
	    .interval_count = u->row.count,
	    .trace = d->trace,
	    .trace_context = d->trace_context,
	};
	enum result result = bill_compute(&r, &d->bill, err);
	free(intervals);
	return result;
}

enum result drawing_make(const struct invoices_source *source, struct drawing *d,
                         struct error *err)
{
	d->from = usage_source_of(source, d->page);
	enum result result = find_tariffs(source, d, err);
	if (result == RESULT_OK)
		result = load_usage(source, d, err);
	if (result != RESULT_OK)
		return result;
	result = check_billable(source, &d->usage, err);
	if (result == RESULT_OK)
		result = compute(d, err);
	if (result != RESULT_OK)
		usage_free(&d->usage);
	return result;
}
