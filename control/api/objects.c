/* SPDX-License-Identifier: Apache-2.0 */
/* Imports, histories, selections and bodies of the registry's objects. */
#include "control/api/objects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/calendar/instant.h"
#include "control/config/decimal.h"
#include "control/registry/service_point.h"

#define COMPLAINTS_MAX 1000 /* told one by one; the rest is counted */
#define KWH_DECIMALS   6

/* --- imports --- */

void api_complain(void *context, uint64_t line, const char *cause)
{
	struct api_complaints *c = context;
	if (c->count++ >= COMPLAINTS_MAX)
		return;
	text_add(&c->text, "%s{\"line\":%" PRIu64 ",\"cause\":", c->count > 1 ? ",\n" : "", line);
	text_json(&c->text, cause, strlen(cause));
	text_put(&c->text, "}", 1);
}

void api_put_report(struct api_reply *reply, enum result result, const struct error *err,
		    const struct registry_import *report, struct api_complaints *complaints)
{
	if (result != RESULT_OK && report->added + report->changed == 0) {
		api_failed(reply, result, err);
		text_free(&complaints->text);
		return;
	}
	text_add(&reply->text,
		 "{\"lines\":%" PRIu64 ",\"added\":%" PRIu64 ",\"changed\":%" PRIu64
		 ",\"unchanged\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"complete\":%s",
		 report->lines, report->added, report->changed, report->unchanged, report->failed,
		 result == RESULT_OK ? "true" : "false");
	if (result != RESULT_OK) {
		reply->status = 500;
		text_add(&reply->text, ",\"detail\":");
		text_json(&reply->text, err->text, strlen(err->text));
	}
	text_add(&reply->text, ",\"errors\":[%s]}\n",
		 complaints->text.data ? complaints->text.data : "");
	text_free(&complaints->text);
}

static bool import_format(const struct api_request *request, enum registry_format *format)
{
	const char *type = request->content_type ? request->content_type : "";
	size_t length = strcspn(type, "; ");
	static const struct {
		const char *type;
		enum registry_format format;
	} types[] = {{"text/csv", REGISTRY_CSV},
		     {"application/json", REGISTRY_JSON},
		     {"application/x-ndjson", REGISTRY_JSON},
		     {"application/jsonl", REGISTRY_JSON}};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strlen(types[i].type) == length && strncmp(types[i].type, type, length) == 0) {
			*format = types[i].format;
			return true;
		}
	return false;
}

void api_registry_import(const struct api_request *request, struct api_reply *reply,
			 enum registry_kind kind)
{
	struct registry_author author = {request->who->name, clock_wall_ms()};
	enum registry_format format;
	struct registry_import report;
	struct api_complaints complaints = {0};
	struct error err;

	if (!import_format(request, &format)) {
		api_problem(reply, 415, "Unknown type of body",
			    "set Content-Type to text/csv, application/json or "
			    "application/x-ndjson",
			    "Content-Type is '%.80s'",
			    request->content_type ? request->content_type : "not set");
		return;
	}
	enum result result =
	    registry_import_text(request->context->registry, kind, &author, format, request->body,
				 request->body_bytes, api_complain, &complaints, &report, &err);
	api_put_report(reply, result, &err, &report, &complaints);
}

/* --- history --- */

struct entries {
	struct text *text;
	uint64_t count;
};

static bool on_entry(void *context, const struct registry_history *h)
{
	struct entries *e = context;
	char time[TIME_TEXT_BYTES];
	text_add(e->text, "%s\n{\"at\":\"%s\",\"who\":", e->count++ ? "," : "",
		 time_format(h->at_ms, time));
	text_json(e->text, h->who, strlen(h->who));
	text_add(e->text, ",\"action\":\"%s\",\"changes\":", h->action);
	text_put(e->text, h->changes, h->changes_bytes);
	text_put(e->text, "}", 1);
	return !e->text->failed;
}

/* Is there such an object? Its history outlives nothing: objects are never removed. */
static enum result find_object(struct registry *r, enum registry_kind kind, const char *id,
			       struct error *err)
{
	struct device d;
	struct customer c;
	if (kind == REGISTRY_DEVICES)
		return registry_get(r, id, &d, err);
	if (kind == REGISTRY_CUSTOMERS)
		return registry_customer_get(r, id, &c, err);
	struct service_point *p = malloc(sizeof *p);
	enum result result = p ? registry_point_get(r, id, p, err)
			       : fail(RESULT_RESOURCE, err, "no memory for a service point");
	free(p);
	return result;
}

void api_registry_history(const struct api_request *request, struct api_reply *reply,
			  enum registry_kind kind)
{
	struct registry *r = request->context->registry;
	struct entries e = {.text = &reply->text};
	struct error err;
	enum result result = find_object(r, kind, request->rest, &err);
	if (result == RESULT_OK) {
		text_add(e.text, "{\"id\":");
		text_json(e.text, request->rest, strlen(request->rest));
		text_add(e.text, ",\"history\":[");
		result = registry_history(r, kind, request->rest, on_entry, &e, &err);
	}
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(e.text, "],\"count\":%" PRIu64 "}\n", e.count);
}

/* --- selections --- */

bool api_selection(const struct api_request *request, struct api_reply *reply,
		   struct registry_selection *out)
{
	const char *state = api_parameter(request, "state");
	*out = (struct registry_selection){
	    .prefix = api_parameter(request, "prefix"),
	    .after = api_parameter(request, "after"),
	    .group = api_parameter(request, "group"),
	    .search = api_parameter(request, "search"),
	    .state = -1,
	};
	for (int i = 0; state && device_state_name((enum device_state)i); i++)
		if (strcmp(device_state_name((enum device_state)i), state) == 0)
			out->state = i;
	if (!state || out->state >= 0)
		return true;
	api_problem(reply, 400, "Bad parameter", "one of pending, active, suspended, retired",
		    "there is no state '%.40s'", state);
	return false;
}

/* --- bodies --- */

const char *api_member(const json_t *body, const char *name)
{
	return json_string_value(json_object_get(body, name));
}

bool api_member_instant(const struct api_request *request, struct api_reply *reply,
			const json_t *body, const char *name, int64_t *at_s)
{
	const char *text = api_member(body, name);
	if (text && instant_parse(request->context->calendar, text, at_s))
		return true;
	api_problem(reply, 400, "Bad time", "give a time as 2026-03-29T10:07:00Z or a local day",
		    "'%s' is %s", name, text ? text : "missing");
	return false;
}

bool api_member_energy(struct api_reply *reply, const json_t *body, const char *name,
		       int64_t *energy_mwh)
{
	const json_t *value = json_object_get(body, name);
	const char *text = json_string_value(value);
	char number[32];
	*energy_mwh = REGISTER_UNKNOWN;
	if (!value || json_is_null(value))
		return true;
	if (json_is_integer(value)) {
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = number;
	}
	if (text && decimal_parse(text, KWH_DECIMALS, energy_mwh) && *energy_mwh >= 0)
		return true;
	api_problem(reply, 400, "Bad energy",
		    "give kWh as a decimal in quotes, not negative, at most 6 decimals",
		    "'%s' is '%.40s'", name, text ? text : "not text");
	return false;
}

bool api_members_known(struct api_reply *reply, const json_t *body, const char *const *names)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)body, key, value)
	{
		size_t i = 0;
		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (names[i])
			continue;
		api_problem(reply, 400, "Unknown member", "leave it out", "there is no '%.40s'",
			    key);
		return false;
	}
	return true;
}
