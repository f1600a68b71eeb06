/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of the installations of a service point. Input: a point as an operator wants
 * it. Output: whether it can be so, or the cause why not. Thread: any, with the registry's lock
 * held. Memory: the heap, given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/calendar/time_text.h"
#include "control/registry/points_priv.h"

#define DAY_S 86400

static int by_beginning(const void *a, const void *b)
{
	const struct installation *x = a, *y = b;
	return (x->from_s > y->from_s) - (x->from_s < y->from_s);
}

static bool overlap(const struct installation *a, const struct installation *b)
{
	return a->from_s < installation_end_s(b) && b->from_s < installation_end_s(a);
}

static const char *when(int64_t at_s, char out[TIME_TEXT_BYTES])
{
	return time_format(at_s * 1000, out);
}

/* Clocks may differ by a day; what has not happened yet has no register values. */
static bool check_dates(const struct change *c, const struct installation *in, char *cause)
{
	int64_t latest_s = c->author->at_ms / 1000 + DAY_S;
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
	if (in->from_s == FIELD_NOT_GIVEN) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "'from' is missing; when was meter '%s' installed?", in->meter);
		return false;
	}
	if (in->from_s < 0 || in->from_s > latest_s) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "meter '%s' can't be installed at %s: expected a time from 1970 to today",
			 in->meter, when(in->from_s, from));
		return false;
	}
	if (in->to_s == INSTALLATION_OPEN)
		return true;
	if (in->to_s <= in->from_s || in->to_s > latest_s) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "meter '%s' can't be there from %s to %s: expected an end behind the "
			 "beginning, not in the future",
			 in->meter, when(in->from_s, from), when(in->to_s, to));
		return false;
	}
	return true;
}

static bool check_register(const struct installation *in, uint32_t dials, char *cause)
{
	int64_t modulus = 1000000; /* mWh in a kWh */
	for (uint32_t i = 0; i < dials; i++)
		modulus *= 10;
	if (in->to_s == INSTALLATION_OPEN && in->final_mwh != REGISTER_UNKNOWN) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "meter '%s' has a final value but no end: give 'to'", in->meter);
		return false;
	}
	if (dials > 0 && (in->initial_mwh >= modulus || in->final_mwh >= modulus)) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "the register of meter '%s' has %u dials: its values are below 10^%u kWh",
			 in->meter, dials, dials);
		return false;
	}
	return true;
}

static bool check_neighbours(const struct service_point *p, char *cause)
{
	char from[TIME_TEXT_BYTES];
	for (uint32_t i = 1; i < p->installation_count; i++) {
		const struct installation *a = &p->installations[i - 1], *b = &p->installations[i];
		if (!overlap(a, b))
			continue;
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "meters '%s' and '%s' overlap at point '%s': at %s the first is still "
			 "there; end it before",
			 a->meter, b->meter, p->id, when(b->from_s, from));
		return false;
	}
	return true;
}

/* --- the meter's other points --- */

static enum result check_other(struct change *c, const struct installation *in, const char *id,
			       bool *good, char *cause, struct error *err)
{
	struct service_point *other = malloc(sizeof *other);
	char from[TIME_TEXT_BYTES];
	if (!other)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	enum result result = change_point(c, id, other, err);
	for (uint32_t i = 0; result == RESULT_OK && i < other->installation_count && *good; i++) {
		const struct installation *o = &other->installations[i];
		if (strcmp(o->meter, in->meter) != 0 || !overlap(o, in))
			continue;
		*good = false;
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "meter '%s' is at point '%s' from %s on; end that first", in->meter,
			 other->id, when(o->from_s, from));
	}
	free(other);
	return result;
}

static enum result check_elsewhere(struct change *c, const struct service_point *p,
				   const struct installation *in, bool *good, char *cause,
				   struct error *err)
{
	struct places places;
	enum result result = places_find(c->r->store, c, in->meter, &places, err);
	if (result != RESULT_OK)
		return result;
	for (uint32_t i = 0; result == RESULT_OK && i < places.count && *good; i++)
		if (strcmp(places.ids[i], p->id) != 0)
			result = check_other(c, in, places.ids[i], good, cause, err);
	free(places.ids);
	return result;
}

/* --- all of it --- */

static enum result check_one(struct change *c, const struct service_point *p,
			     const struct installation *in, bool *good, char *cause,
			     struct error *err)
{
	struct device d;
	*good = false;
	if (in->meter[0] == '\0') {
		snprintf(cause, FIELD_CAUSE_BYTES, "an installation without 'meter'");
		return RESULT_OK;
	}
	enum result result = change_read(c, in->meter, &d, err);
	if (result == RESULT_ABSENT) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "there is no meter '%s'; import it with 'headrace devices import'",
			 in->meter);
		return RESULT_OK;
	}
	if (result != RESULT_OK)
		return result;
	*good =
	    check_dates(c, in, cause) && check_register(in, in->dials ? in->dials : d.dials, cause);
	return *good ? check_elsewhere(c, p, in, good, cause, err) : RESULT_OK;
}

enum result installations_check(struct change *c, struct service_point *p, bool *good,
				char cause[FIELD_CAUSE_BYTES], struct error *err)
{
	enum result result = RESULT_OK;
	qsort(p->installations, p->installation_count, sizeof p->installations[0], by_beginning);
	*good = true;
	for (uint32_t i = 0; result == RESULT_OK && i < p->installation_count && *good; i++)
		result = check_one(c, p, &p->installations[i], good, cause, err);
	if (result == RESULT_OK && *good)
		*good = check_neighbours(p, cause);
	return result;
}
