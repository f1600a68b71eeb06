/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: names and values from an operator's file, untrusted. Output: service points, customers, or
 * the cause why not. Thread: any. Memory: jansson's while parsing, else none.
 */
#include "control/registry/point_text.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/device_text.h"

#define AT(type, member) FIELD_AT(type, member), 0

static const struct field point_list[POINT_FIELD_COUNT] = {
    {"id", {"id", "point", "servicepoint"}, FIELD_ID, AT(service_point, id)},
    {"state", {"state"}, FIELD_STATE, AT(service_point, state)},
    {"customer", {"customer", "customerid"}, FIELD_ID, AT(service_point, customer)},
    {"tariff", {"tariff", "tariffid"}, FIELD_ID, AT(service_point, tariff)},
    {"address", {"address"}, FIELD_TEXT, AT(service_point, address)},
    {"groups", {"groups", "group"}, FIELD_GROUPS, AT(service_point, groups)},
    {"latitude", {"latitude", "lat"}, FIELD_LATITUDE, AT(service_point, latitude)},
    {"longitude", {"longitude", "lon", "lng"}, FIELD_LONGITUDE, AT(service_point, longitude)},
    {"since", {"since"}, FIELD_DAY, AT(service_point, since_day)},
};

static const struct field installation_list[INSTALLATION_FIELD_COUNT] = {
    {"meter", {"meter", "meterid", "device"}, FIELD_ID, AT(installation, meter)},
    {"from", {"from", "installed"}, FIELD_INSTANT, AT(installation, from_s)},
    {"to", {"to", "removed"}, FIELD_INSTANT, AT(installation, to_s)},
    {"ratio", {"ratio", "multiplier", "ctratio"}, FIELD_RATIO, AT(installation, ratio)},
    {"dials", {"dials"}, FIELD_NUMBER, FIELD_AT(installation, dials), DIALS_MAX},
    {"initial", {"initial", "initialkwh"}, FIELD_ENERGY, AT(installation, initial_mwh)},
    {"final", {"final", "finalkwh"}, FIELD_ENERGY, AT(installation, final_mwh)},
};

static const struct field agreement_list[AGREEMENT_FIELD_COUNT] = {
    {"since", {"since"}, FIELD_DAY, AT(agreement, from_day)},
    {"customer", {"customer", "customerid"}, FIELD_ID, AT(agreement, customer)},
    {"tariff", {"tariff", "tariffid"}, FIELD_ID, AT(agreement, tariff)},
};

static const struct field customer_list[CUSTOMER_FIELD_COUNT] = {
    {"id", {"id", "customer", "customerid"}, FIELD_ID, AT(customer, id)},
    {"name", {"name"}, FIELD_TEXT, AT(customer, name)},
    {"contact", {"contact", "phone"}, FIELD_TEXT, AT(customer, contact)},
    {"address", {"address", "billingaddress"}, FIELD_TEXT, AT(customer, address)},
    {"email", {"email", "e-mail"}, FIELD_TEXT, AT(customer, email)},
};

static const struct field group_list[GROUP_FIELD_COUNT] = {
    {"group", {"group", "name"}, FIELD_TEXT, AT(group_line, group)},
    {"device", {"device", "deviceid", "meter"}, FIELD_ID, AT(group_line, device)},
    {"point", {"point", "servicepoint"}, FIELD_ID, AT(group_line, point)},
};

const struct fields point_fields = {
    point_list, POINT_FIELD_COUNT,
    "id, state, customer, tariff, since, address, groups, latitude, longitude, and of an "
    "installation meter, from, to, ratio, dials, initial, final",
    NULL};
const struct fields installation_fields = {installation_list, INSTALLATION_FIELD_COUNT,
					   "meter, from, to, ratio, dials, initial, final", NULL};
const struct fields agreement_fields = {agreement_list, AGREEMENT_FIELD_COUNT,
					"since, customer, tariff", NULL};
const struct fields customer_fields = {customer_list, CUSTOMER_FIELD_COUNT,
				       "id, name, contact, address, email", NULL};
const struct fields group_fields = {group_list, GROUP_FIELD_COUNT, "group, device, point", NULL};

_Static_assert(INSTALLATION_OPEN == FIELD_NOT_GIVEN, "an empty time is an open end");
_Static_assert(REGISTER_UNKNOWN == FIELD_NOT_GIVEN, "an empty value is not known");

void point_defaults(struct service_point *p)
{
	memset(p, 0, sizeof *p);
	p->state = DEVICE_ACTIVE;
	p->latitude = p->longitude = FIELD_NO_DEGREES;
	p->since_day = FIELD_NO_DAY;
}

void installation_defaults(struct installation *in)
{
	memset(in, 0, sizeof *in);
	in->from_s = in->to_s = FIELD_NOT_GIVEN;
	in->initial_mwh = in->final_mwh = FIELD_NOT_GIVEN;
	in->ratio = (struct ratio){1, 1};
}

/* --- as JSON --- */

size_t installations_json(const struct service_point *p, char *out, size_t at, size_t bytes)
{
	out[at++] = '[';
	for (uint32_t i = 0; i < p->installation_count; i++) {
		at += (size_t)sprintf(out + at, "%s{", i > 0 ? "," : "");
		at = fields_json(&installation_fields, &p->installations[i], out, at, bytes);
		out[at++] = '}';
	}
	out[at++] = ']';
	return at;
}

static size_t agreements_json(const struct service_point *p, char *out, size_t at, size_t bytes)
{
	out[at++] = '[';
	for (uint32_t i = 0; i < p->agreement_count; i++) {
		at += (size_t)sprintf(out + at, "%s{", i > 0 ? "," : "");
		at = fields_json(&agreement_fields, &p->agreements[i], out, at, bytes);
		out[at++] = '}';
	}
	out[at++] = ']';
	return at;
}

size_t point_json(const struct service_point *p, char out[POINT_JSON_BYTES])
{
	size_t at = fields_json(&point_fields, p, strcpy(out, "{"), 1, POINT_JSON_BYTES);
	if (p->agreement_count > 0) {
		at += (size_t)sprintf(out + at, ",\"agreements\":");
		at = agreements_json(p, out, at, POINT_JSON_BYTES);
	}
	if (p->installation_count > 0) {
		at += (size_t)sprintf(out + at, ",\"installations\":");
		at = installations_json(p, out, at, POINT_JSON_BYTES);
	}
	strcpy(out + at, "}");
	CHECK_OP(at + 2, <, (size_t)POINT_JSON_BYTES);
	return at + 1;
}

size_t customer_json(const struct customer *c, char out[CUSTOMER_JSON_BYTES])
{
	size_t at = fields_json(&customer_fields, c, strcpy(out, "{"), 1, CUSTOMER_JSON_BYTES);
	strcpy(out + at, "}");
	return at + 1;
}

static bool same_installations(const struct service_point *a, const struct service_point *b)
{
	if (a->installation_count != b->installation_count)
		return false;
	for (uint32_t i = 0; i < a->installation_count; i++)
		for (int f = 0; f < INSTALLATION_FIELD_COUNT; f++)
			if (!fields_equal(&installation_fields, &a->installations[i],
					  &b->installations[i], f))
				return false;
	return true;
}

static bool same_agreements(const struct service_point *a, const struct service_point *b)
{
	if (a->agreement_count != b->agreement_count)
		return false;
	for (uint32_t i = 0; i < a->agreement_count; i++)
		for (int f = 0; f < AGREEMENT_FIELD_COUNT; f++)
			if (!fields_equal(&agreement_fields, &a->agreements[i], &b->agreements[i],
					  f))
				return false;
	return true;
}

/* "name":[old,new] of a list. */
typedef size_t list_json(const struct service_point *p, char *out, size_t at, size_t bytes);
static size_t put_lists(const char *name, list_json *put, const struct service_point *old,
			const struct service_point *now, char *out, size_t at)
{
	at += (size_t)sprintf(out + at, "%s\"%s\":[", at > 0 ? "," : "", name);
	at = put(old, out, at, POINT_CHANGES_BYTES);
	out[at++] = ',';
	at = put(now, out, at, POINT_CHANGES_BYTES);
	out[at++] = ']';
	return at;
}

size_t point_changes(const struct service_point *old, const struct service_point *now,
		     char out[POINT_CHANGES_BYTES])
{
	static const struct service_point none;
	size_t at = fields_changes(&point_fields, old, now, out, 0, POINT_CHANGES_BYTES);
	const struct service_point *before = old ? old : &none;
	if (!same_agreements(before, now))
		at = put_lists("agreements", agreements_json, before, now, out, at);
	if (!same_installations(before, now))
		at = put_lists("installations", installations_json, before, now, out, at);
	return at;
}

/* --- from JSON --- */

static bool take_installation(struct point_line *line, const struct fields *fields,
			      const json_t *value, char *cause)
{
	struct service_point *p = &line->point;
	const char *key;
	json_t *member;
	if (!json_is_object(value) || p->installation_count == INSTALLATIONS_MAX) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "installations are not a list of at most %d objects", INSTALLATIONS_MAX);
		return false;
	}
	uint32_t i = p->installation_count++;
	installation_defaults(&p->installations[i]);
	line->installation_given[i] = 0;
	json_object_foreach((json_t *)value, key,
			    member) if (!fields_take(fields, &p->installations[i], key, member,
						     &line->installation_given[i],
						     cause)) return false;
	return true;
}

static bool take_installations(struct point_line *line, const struct calendar *calendar,
			       const json_t *list, char *cause)
{
	struct fields fields = installation_fields;
	fields.calendar = calendar;
	if (!json_is_array(list)) {
		snprintf(cause, FIELD_CAUSE_BYTES, "installations are not a list of objects");
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!take_installation(line, &fields, json_array_get(list, i), cause))
			return false;
	return true;
}

static bool take_agreement(struct point_line *line, const json_t *value, char *cause)
{
	struct service_point *p = &line->point;
	const char *key;
	json_t *member;
	if (!json_is_object(value) || p->agreement_count == AGREEMENTS_MAX) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "agreements are not a list of at most %d objects", AGREEMENTS_MAX);
		return false;
	}
	uint32_t i = p->agreement_count++;
	p->agreements[i] = (struct agreement){.from_day = FIELD_NO_DAY};
	line->agreement_given[i] = 0;
	json_object_foreach((json_t *)value, key,
			    member) if (!fields_take(&agreement_fields, &p->agreements[i], key,
						     member, &line->agreement_given[i],
						     cause)) return false;
	return true;
}

/* Each has a day of its own. */
static bool check_agreement_days(const struct service_point *p, char *cause)
{
	char day[FIELD_TEXT_BYTES];
	for (uint32_t i = 0; i < p->agreement_count; i++) {
		if (p->agreements[i].from_day == FIELD_NO_DAY) {
			snprintf(cause, FIELD_CAUSE_BYTES,
				 "an agreement without 'since'; expected its first day");
			return false;
		}
		for (uint32_t k = 0; k < i; k++) {
			if (p->agreements[k].from_day != p->agreements[i].from_day)
				continue;
			snprintf(cause, FIELD_CAUSE_BYTES,
				 "two agreements overlap: both begin on %s",
				 fields_text(&agreement_fields, &p->agreements[i],
					     AGREEMENT_FIELD_SINCE, day));
			return false;
		}
	}
	return true;
}

static bool take_agreements(struct point_line *line, const json_t *list, char *cause)
{
	if (!json_is_array(list)) {
		snprintf(cause, FIELD_CAUSE_BYTES, "agreements are not a list of objects");
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!take_agreement(line, json_array_get(list, i), cause))
			return false;
	return check_agreement_days(&line->point, cause);
}

bool point_line_parse(struct point_line *line, const struct calendar *calendar, const char *json,
		      size_t bytes, char cause[FIELD_CAUSE_BYTES])
{
	json_error_t error;
	const char *key;
	json_t *value;
	bool good = true;
	json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error);

	point_defaults(&line->point);
	line->given = 0;
	if (!json_is_object(root)) {
		snprintf(cause, FIELD_CAUSE_BYTES, "not a JSON object: %.160s",
			 root ? "another type" : error.text);
		json_decref(root);
		return false;
	}
	json_object_foreach(root, key, value)
	{
		if (strcmp(key, "installations") == 0)
			good = take_installations(line, calendar, value, cause);
		else if (strcmp(key, "agreements") == 0)
			good = take_agreements(line, value, cause);
		else
			good = fields_take(&point_fields, &line->point, key, value, &line->given,
					   cause);
		if (!good)
			break;
	}
	json_decref(root);
	return good;
}
