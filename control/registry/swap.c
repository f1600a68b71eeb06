/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters come and go at a service point, and registers are reset. Input: what an operator says
 * happened. Output: one change of the registry, or why it can't have been so. Thread: any.
 * Memory: the change's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/calendar/time_text.h"
#include "control/registry/points_priv.h"

#define DAY_S 86400

/* The installation that ends at `at_s`: the one that is there. NULL: none is. */
static enum result find_present(struct service_point *p, int64_t at_s, struct installation **out,
				struct error *err)
{
	char time[TIME_TEXT_BYTES];
	struct installation *last =
	    p->installation_count > 0 ? &p->installations[p->installation_count - 1] : NULL;
	*out = NULL;
	if (last && at_s <= last->from_s)
		return fail(RESULT_INPUT, err,
			    "point '%s' has had meter '%s' since %s; expected a later time", p->id,
			    last->meter, time_format(last->from_s * 1000, time));
	if (last && last->to_s != INSTALLATION_OPEN && at_s < last->to_s)
		return fail(RESULT_INPUT, err,
			    "point '%s' had meter '%s' until %s; expected no earlier time", p->id,
			    last->meter, time_format(last->to_s * 1000, time));
	if (last && last->to_s == INSTALLATION_OPEN)
		*out = last;
	return RESULT_OK;
}

static enum result end_present(struct service_point *p, int64_t at_s, int64_t final_mwh,
			       struct installation **present, struct error *err)
{
	enum result result = find_present(p, at_s, present, err);
	if (result != RESULT_OK)
		return result;
	if (!*present && final_mwh != REGISTER_UNKNOWN)
		return fail(RESULT_INPUT, err,
			    "point '%s' has no meter now, so nothing has a final value", p->id);
	if (*present) {
		(*present)->to_s = at_s;
		(*present)->final_mwh = final_mwh;
	}
	return RESULT_OK;
}

static enum result begin_next(struct service_point *p, const struct installation *present,
			      const struct point_swap *swap, struct error *err)
{
	if (p->installation_count == INSTALLATIONS_MAX)
		return fail(RESULT_INPUT, err,
			    "point '%s' has had %d meters; there is no room for more", p->id,
			    INSTALLATIONS_MAX);
	if (strlen(swap->meter) > DEVICE_ID_BYTES)
		return fail(RESULT_ABSENT, err, "there is no device '%.80s'", swap->meter);
	struct installation *next = &p->installations[p->installation_count];
	installation_defaults(next);
	snprintf(next->meter, sizeof next->meter, "%s", swap->meter);
	next->from_s = swap->at_s;
	next->initial_mwh = swap->initial_mwh;
	next->dials = swap->dials;
	if (next->dials == 0 && present && strcmp(present->meter, next->meter) == 0)
		next->dials = present->dials;
	if (swap->ratio.denominator != 0)
		next->ratio = swap->ratio;
	else if (present)
		next->ratio = present->ratio;
	p->installation_count++;
	return RESULT_OK;
}

static enum result put(struct change *c, struct service_point *now, const struct service_point *old,
		       struct error *err)
{
	char cause[FIELD_CAUSE_BYTES];
	enum change_kind kind;
	enum result result = change_put_point(c, now, old, &kind, cause, err);
	if (result == RESULT_OK && kind == CHANGE_REFUSED)
		return fail(RESULT_INPUT, err, "%s", cause);
	return result;
}

/* `next` NULL: the meter is taken away only. */
static enum result swap_in(struct change *c, const char *point, int64_t at_s, int64_t final_mwh,
			   const struct point_swap *next, struct error *err)
{
	struct installation *present;
	struct device d;
	struct service_point *both = malloc(2 * sizeof *both);
	if (!both)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	struct service_point *old = &both[0], *now = &both[1];
	enum result result = change_point(c, point, old, err);
	if (result == RESULT_OK && next) /* before the dates: a wrong name is told as one */
		result = change_read(c, next->meter, &d, err);
	if (result == RESULT_OK) {
		*now = *old;
		result = end_present(now, at_s, final_mwh, &present, err);
	}
	if (result == RESULT_OK && !next && !present)
		result = fail(RESULT_INPUT, err, "point '%s' has no meter now", point);
	if (result == RESULT_OK && next)
		result = begin_next(now, present, next, err);
	if (result == RESULT_OK)
		result = put(c, now, old, err);
	free(both);
	return result;
}

enum result registry_point_swap(struct registry *r, const struct registry_author *author,
				const char *point, const struct point_swap *swap, struct error *err)
{
	enum result result;
	struct change *c = change_open(r, author, "swap", &result, err);
	if (!c)
		return result;
	return change_close(c, swap_in(c, point, swap->at_s, swap->final_mwh, swap, err), err);
}

enum result registry_point_remove(struct registry *r, const struct registry_author *author,
				  const char *point, int64_t at_s, int64_t final_mwh,
				  struct error *err)
{
	enum result result;
	struct change *c = change_open(r, author, "remove", &result, err);
	if (!c)
		return result;
	return change_close(c, swap_in(c, point, at_s, final_mwh, NULL, err), err);
}

/* --- resets --- */

static enum result check_reset(const struct change *c, const struct device *d, int64_t at_s,
			       struct error *err)
{
	char time[TIME_TEXT_BYTES];
	if (at_s < 0 || at_s > c->author->at_ms / 1000 + DAY_S)
		return fail(RESULT_INPUT, err,
			    "a register can't have been reset at %s; expected a time from 1970 to "
			    "today",
			    time_format(at_s * 1000, time));
	if (at_s <= d->register_from_s)
		return fail(RESULT_INPUT, err,
			    "the register of '%s' counts anew since %s already; expected a later "
			    "time",
			    d->id, time_format(d->register_from_s * 1000, time));
	return RESULT_OK;
}

static enum result reset_at_point(struct change *c, const struct device *d,
				  const struct point_swap *swap, struct service_point *p,
				  struct error *err)
{
	enum result result = change_point_of(c, d->id, swap->at_s - 1, p, err);
	if (result == RESULT_ABSENT) {
		struct device now = *d;
		now.register_from_s = swap->at_s;
		return change_replace(c, &now, err);
	}
	return result == RESULT_OK ? swap_in(c, p->id, swap->at_s, swap->final_mwh, swap, err)
				   : result;
}

static enum result reset(struct change *c, const struct point_swap *swap, struct error *err)
{
	struct device d;
	struct service_point *p = malloc(sizeof *p);
	if (!p)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	enum result result = change_read(c, swap->meter, &d, err);
	if (result == RESULT_OK)
		result = check_reset(c, &d, swap->at_s, err);
	if (result == RESULT_OK)
		result = reset_at_point(c, &d, swap, p, err);
	free(p);
	return result;
}

enum result registry_device_reset(struct registry *r, const struct registry_author *author,
				  const char *meter, int64_t at_s, int64_t final_mwh,
				  int64_t initial_mwh, struct error *err)
{
	enum result result;
	struct point_swap swap = {
	    .meter = meter, .at_s = at_s, .final_mwh = final_mwh, .initial_mwh = initial_mwh};
	struct change *c = change_open(r, author, "reset", &result, err);
	if (!c)
		return result;
	return change_close(c, reset(c, &swap, err), err);
}
