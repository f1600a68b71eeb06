/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is supplied at a service point, by which tariff, from which local day on. Input: what an
 * operator says. Output: the point's agreements in order, or the cause why it can't be so. Thread:
 * any; changes with the registry's lock held. Memory: the caller's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/registry/points_priv.h"

#define DAY_MS     INT64_C(86400000)
#define AHEAD_DAYS 3660 /* what is agreed on for later than in ten years is a slip of the pen */

static void copy(char *to, const char *from, size_t bytes)
{
	snprintf(to, bytes, "%s", from);
}

struct agreement point_agreement_on(const struct service_point *p, int32_t day, int32_t *end_day)
{
	struct agreement a = {.from_day = FIELD_NO_DAY};
	*end_day = INT32_MAX;
	if (p->agreement_count == 0) {
		copy(a.customer, p->customer, sizeof a.customer);
		copy(a.tariff, p->tariff, sizeof a.tariff);
	}
	for (uint32_t i = 0; i < p->agreement_count; i++) {
		if (p->agreements[i].from_day > day) {
			*end_day = p->agreements[i].from_day;
			break;
		}
		a = p->agreements[i];
	}
	return a;
}

/* --- what a line says --- */

/* What held since ever holds until now as an agreement like the others. */
static void begin_list(struct service_point *p)
{
	if (p->agreement_count > 0 || (p->customer[0] == '\0' && p->tariff[0] == '\0'))
		return;
	p->agreements[0] = (struct agreement){.from_day = 0};
	copy(p->agreements[0].customer, p->customer, sizeof p->agreements[0].customer);
	copy(p->agreements[0].tariff, p->tariff, sizeof p->agreements[0].tariff);
	p->agreement_count = 1;
}

/* The one that begins on a day; a new one is empty, or like the one before. NULL: no room. */
static struct agreement *find_or_add(struct service_point *p, int32_t day, bool like_before)
{
	uint32_t at = p->agreement_count;
	while (at > 0 && p->agreements[at - 1].from_day > day)
		at--;
	if (at > 0 && p->agreements[at - 1].from_day == day)
		return &p->agreements[at - 1];
	if (p->agreement_count == AGREEMENTS_MAX)
		return NULL;
	memmove(&p->agreements[at + 1], &p->agreements[at],
		(p->agreement_count - at) * sizeof p->agreements[0]);
	p->agreement_count++;
	p->agreements[at] = like_before && at > 0 ? p->agreements[at - 1] : (struct agreement){0};
	p->agreements[at].from_day = day;
	return &p->agreements[at];
}

static bool agree(struct service_point *p, const struct agreement *a, uint32_t given,
		  bool like_before, char *cause)
{
	begin_list(p);
	struct agreement *known = find_or_add(p, a->from_day, like_before);
	if (!known) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "point '%s' has had %d agreements; there is no room for more", p->id,
			 AGREEMENTS_MAX);
		return false;
	}
	for (int f = 0; f < AGREEMENT_FIELD_COUNT; f++)
		if (given & 1u << f)
			fields_copy(&agreement_fields, known, a, f);
	return true;
}

/* The customer and tariff of the line itself. */
static bool merge_own(struct service_point *p, const struct point_line *line, char *cause)
{
	bool customer = line->given & 1u << POINT_FIELD_CUSTOMER;
	bool tariff = line->given & 1u << POINT_FIELD_TARIFF;
	bool dated = line->given & 1u << POINT_FIELD_SINCE && line->point.since_day != FIELD_NO_DAY;
	struct agreement a = {.from_day = dated ? line->point.since_day : p->since_day};
	copy(a.customer, line->point.customer, sizeof a.customer);
	copy(a.tariff, line->point.tariff, sizeof a.tariff);
	uint32_t given = (customer ? 1u << AGREEMENT_FIELD_CUSTOMER : 0) |
			 (tariff ? 1u << AGREEMENT_FIELD_TARIFF : 0);
	if (dated && !given) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "'since' says from which day on customer and tariff hold; expected one of "
			 "them, too");
		return false;
	}
	if (given && (dated || p->agreement_count > 0))
		return agree(p, &a, given, true, cause);
	if (customer)
		copy(p->customer, a.customer, sizeof p->customer);
	if (tariff)
		copy(p->tariff, a.tariff, sizeof p->tariff);
	return true;
}

bool agreements_merge(struct service_point *p, const struct point_line *line,
		      char cause[FIELD_CAUSE_BYTES])
{
	bool good = true;
	for (uint32_t i = 0; i < line->point.agreement_count && good; i++)
		good = agree(p, &line->point.agreements[i], line->agreement_given[i], false, cause);
	agreements_settle(p);
	good = good && merge_own(p, line, cause);
	agreements_settle(p);
	return good;
}

/* --- can it be so? --- */

static bool check_day(const struct change *c, const struct agreement *a, char *cause)
{
	char day[FIELD_TEXT_BYTES];
	int64_t latest = c->author->at_ms / DAY_MS + AHEAD_DAYS;
	if (a->from_day >= 0 && a->from_day <= latest)
		return true;
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "an agreement can't begin on %s; expected a day from 1970 to ten years from now",
		 fields_text(&agreement_fields, a, AGREEMENT_FIELD_SINCE, day));
	return false;
}

/* A name that was taken before stays: its file may be gone by now. */
static bool had_tariff(const struct service_point *old, const char *tariff)
{
	if (old && strcmp(old->tariff, tariff) == 0)
		return true;
	for (uint32_t i = 0; old && i < old->agreement_count; i++)
		if (strcmp(old->agreements[i].tariff, tariff) == 0)
			return true;
	return false;
}

static bool check_tariff(const struct change *c, const struct service_point *old,
			 const char *tariff, char *cause)
{
	const struct registry *r = c->r;
	if (tariff[0] == '\0' || !r->tariff_known || had_tariff(old, tariff) ||
	    r->tariff_known(r->tariff_context, tariff))
		return true;
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "there is no tariff '%s'; expected one of those in tariffs_dir", tariff);
	return false;
}

bool agreements_check(const struct change *c, const struct service_point *p,
		      const struct service_point *old, char cause[FIELD_CAUSE_BYTES])
{
	bool good = check_tariff(c, old, p->tariff, cause);
	for (uint32_t i = 0; i < p->agreement_count && good; i++)
		good = check_day(c, &p->agreements[i], cause) &&
		       check_tariff(c, old, p->agreements[i].tariff, cause);
	return good;
}

/* --- one point --- */

void registry_set_tariffs(struct registry *r, registry_tariff_fn *known, void *context)
{
	r->tariff_known = known;
	r->tariff_context = context;
}

static enum result put(struct change *c, const struct point_line *line, struct error *err)
{
	char cause[FIELD_CAUSE_BYTES];
	enum change_kind kind;
	struct service_point *there = malloc(sizeof *there);
	if (!there)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	enum result result = change_point(c, line->point.id, there, err);
	free(there);
	if (result == RESULT_OK)
		result = change_put_line(c, line, &kind, cause, err);
	if (result == RESULT_OK && kind == CHANGE_REFUSED)
		return fail(RESULT_INPUT, err, "%s", cause);
	return result;
}

enum result registry_point_set(struct registry *r, const struct registry_author *author,
			       const char *point, const char *json, size_t bytes, struct error *err)
{
	char cause[FIELD_CAUSE_BYTES];
	enum result result;
	if (strlen(point) > POINT_ID_BYTES)
		return fail(RESULT_ABSENT, err, "there is no service point '%.80s'", point);
	struct point_line *line = malloc(sizeof *line);
	if (!line)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	if (!point_line_parse(line, r->calendar, json, bytes, cause))
		result = fail(RESULT_INPUT, err, "%s", cause);
	else if (line->given & 1u << POINT_FIELD_ID)
		result = fail(RESULT_INPUT, err, "a point's id can't be set");
	else if (!line->given && !line->point.installation_count && !line->point.agreement_count)
		result = fail(RESULT_INPUT, err, "nothing is given; expected some of %s",
			      point_fields.all);
	else
		result = RESULT_OK;
	copy(line->point.id, point, sizeof line->point.id);
	struct change *c =
	    result == RESULT_OK ? change_open(r, author, "set", &result, err) : NULL;
	if (c)
		result = change_close(c, put(c, line, err), err);
	free(line);
	return result;
}
