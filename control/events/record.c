/* SPDX-License-Identifier: Apache-2.0 */
#include "control/events/record.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

static void set_time(json_t *o, const char *key, int64_t ms)
{
	if (ms)
		json_object_set_new(o, key, json_integer((json_int_t)ms));
}

char *event_json(const struct event *v)
{
	json_t *o = json_pack("{s:I,s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "number", (json_int_t)v->number,
	                      "kind", event_kind_name[v->kind], "severity",
	                      event_severity_name[v->severity], "state",
	                      event_state_name[v->state], "subject", v->subject, "first_ms",
	                      (json_int_t)v->first_ms, "last_ms", (json_int_t)v->last_ms, "count",
	                      (json_int_t)v->count);
	if (!o)
		return NULL;
	if (v->device != DEVICE_NONE)
		json_object_set_new(o, "device", json_integer(v->device));
	set_text(o, "text", v->text);
	set_time(o, "acknowledged_ms", v->acknowledged_ms);
	set_text(o, "acknowledged_by", v->acknowledged_by);
	set_text(o, "note", v->note);
	set_time(o, "cleared_ms", v->cleared_ms);
	set_text(o, "cleared_by", v->cleared_by);
	set_text(o, "cleared_why", v->cleared_why);
	char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static char *get_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? strdup(text) : NULL;
}

static int64_t get_number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static const char *word(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

bool event_parse(struct event *v, uint64_t number, const void *json, size_t bytes)
{
	json_t *o = json_loadb(json, bytes, 0, NULL);
	const json_t *device = json_object_get(o, "device");
	v->number = number;
	v->kind = event_kind_find(word(o, "kind"));
	v->severity = event_severity_find(word(o, "severity"));
	v->state = event_state_find(word(o, "state"));
	snprintf(v->subject, sizeof v->subject, "%s", word(o, "subject"));
	v->device = device ? (uint32_t)json_integer_value(device) : DEVICE_NONE;
	v->first_ms = get_number(o, "first_ms");
	v->last_ms = get_number(o, "last_ms");
	v->count = (uint64_t)get_number(o, "count");
	v->acknowledged_ms = get_number(o, "acknowledged_ms");
	v->cleared_ms = get_number(o, "cleared_ms");
	v->text = get_text(o, "text");
	v->acknowledged_by = get_text(o, "acknowledged_by");
	v->note = get_text(o, "note");
	v->cleared_by = get_text(o, "cleared_by");
	v->cleared_why = get_text(o, "cleared_why");
	bool good = o && v->kind < EVENT_KIND_COUNT && v->severity < EVENT_SEVERITIES &&
	            v->state < EVENT_STATES && v->subject[0] && v->text;
	json_decref(o);
	return good;
}
