/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose bill: of a service point's customers, each for the days that the point's agreements say,
 * or of a meter that was at no point in the month. Input: the registry. Thread: any ordinary one.
 * Memory: the caller's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/invoices/invoices_priv.h"

static enum result begin(struct bill_subject *s, const char *month, struct error *err)
{
	*s = (struct bill_subject){.month = month, .number = 1};
	enum result result = month_days(month, &s->period_from, &s->period_end, err);
	s->from_day = s->period_from;
	s->end_day = s->period_end;
	return result;
}

enum result subject_of_meter(struct bill_subject *s, const struct device *device,
                             const char *month, struct error *err)
{
	enum result result = begin(s, month, err);
	s->device = device;
	snprintf(s->ref, sizeof s->ref, "%s", device->id);
	return result;
}

void subject_set_number(struct bill_subject *s, unsigned number)
{
	s->number = number;
	ref_of_point(s->ref, s->point->id, number);
}

enum result subject_of_point(struct bill_subject *s, const struct service_point *point,
                             const char *month, struct error *err)
{
	enum result result = begin(s, month, err);
	s->point = point;
	subject_set_number(s, 1);
	return result;
}

uint32_t point_parts(const struct service_point *p, int32_t from_day, int32_t end_day,
                     struct point_part parts[POINT_PARTS_MAX])
{
	uint32_t count = 0;
	int32_t until;
	for (int32_t day = from_day; day < end_day; day = until) {
		struct agreement a = point_agreement_on(p, day, &until);
		until = until < end_day ? until : end_day;
		struct point_part *last = count > 0 ? &parts[count - 1] : NULL;
		if (last && strcmp(last->customer, a.customer) == 0) {
			last->end_day = until;
			continue;
		}
		last = &parts[count++]; /* each has a day at least, a month has 31 */
		*last = (struct point_part){.from_day = day, .end_day = until};
		snprintf(last->customer, sizeof last->customer, "%s", a.customer);
	}
	return count;
}

const struct installation *point_last_meter(const struct service_point *p, int64_t from_s,
                                            int64_t end_s)
{
	for (uint32_t i = p->installation_count; i-- > 0;) {
		const struct installation *in = &p->installations[i];
		if (in->from_s < end_s && installation_end_s(in) > from_s)
			return in;
	}
	return NULL;
}

/* --- by name --- */

struct last_point {
	const char *meter;
	int64_t from_s, end_s; /* the month */
	int64_t at_s;          /* it was at *out since then */
	struct service_point *out;
	bool found;
};

static bool on_point(void *context, const struct service_point *p)
{
	struct last_point *l = context;
	for (uint32_t i = 0; i < p->installation_count; i++) {
		const struct installation *in = &p->installations[i];
		if (strcmp(in->meter, l->meter) != 0 || in->from_s >= l->end_s ||
		    installation_end_s(in) <= l->from_s || (l->found && in->from_s <= l->at_s))
			continue;
		l->found = true;
		l->at_s = in->from_s;
		*l->out = *p;
	}
	return true;
}

enum result point_of_meter(const struct invoices_source *source, const char *meter,
                           const char *month, struct service_point *out, struct error *err)
{
	struct last_point l = {.meter = meter, .out = out};
	int32_t from_day, end_day;
	enum result result = month_days(month, &from_day, &end_day, err);
	if (result != RESULT_OK)
		return result;
	l.from_s = calendar_day_start_s(source->calendar, from_day);
	l.end_s = calendar_day_start_s(source->calendar, end_day);
	result = registry_points_of(source->registry, meter, on_point, &l, err);
	if (result == RESULT_OK && !l.found)
		return fail(RESULT_ABSENT, err, "meter '%.64s' was at no service point in %s",
		            meter, month);
	return result;
}

/* The part that is meant. */
static enum result choose_part(struct bill_subject *s, const struct bill_name *name,
                               struct error *err)
{
	struct point_part parts[POINT_PARTS_MAX];
	uint32_t count = point_parts(s->point, s->period_from, s->period_end, parts);
	uint32_t i = name->number ? name->number - 1 : 0;
	while (!name->number && name->day && i + 1 < count && parts[i].end_day <= name->day)
		i++;
	if (i >= count)
		return fail(RESULT_ABSENT, err, "service point '%s' has %u bills of %s; there is "
		            "no number %u", s->point->id, count, s->month, name->number);
	s->from_day = parts[i].from_day;
	s->end_day = parts[i].end_day;
	memcpy(s->customer, parts[i].customer, sizeof s->customer);
	subject_set_number(s, i + 1);
	return RESULT_OK;
}

enum result subject_find(const struct invoices_source *source, const struct bill_name *name,
                         struct device *device, struct service_point *point,
                         struct bill_subject *s, struct error *err)
{
	struct error why;
	enum result result = registry_get(source->registry, name->id, device, &why);
	if (result == RESULT_OK) {
		result = point_of_meter(source, name->id, name->month, point, &why);
		if (result == RESULT_ABSENT)
			return subject_of_meter(s, device, name->month, err);
	} else if (result == RESULT_ABSENT) {
		result = registry_point_get(source->registry, name->id, point, &why);
	}
	if (result == RESULT_ABSENT)
		return fail(RESULT_ABSENT, err, "there is no meter and no service point '%.80s'",
		            name->id);
	if (result != RESULT_OK) {
		*err = why;
		return result;
	}
	result = subject_of_point(s, point, name->month, err);
	return result == RESULT_OK ? choose_part(s, name, err) : result;
}
