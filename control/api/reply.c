/* SPDX-License-Identifier: Apache-2.0 */
/* Problems, parameters and the balance of readings: what the endpoints share. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/api/api_priv.h"

#define CATCH_UP_MS 10000

void api_problem(struct api_reply *reply, unsigned status, const char *title, const char *remedy,
                 const char *detail, ...)
{
	char words[1024];
	va_list ap;
	va_start(ap, detail);
	vsnprintf(words, sizeof words, detail, ap);
	va_end(ap);

	text_free(&reply->text);
	reply->status = status;
	reply->retry_after_s = status == 503 ? 1 : 0;
	reply->content_type = "application/problem+json";
	text_add(&reply->text, "{\"type\":\"about:blank\",\"title\":");
	text_json(&reply->text, title, strlen(title));
	text_add(&reply->text, ",\"status\":%u,\"detail\":", status);
	text_json(&reply->text, words, strlen(words));
	text_add(&reply->text, ",\"remedy\":");
	text_json(&reply->text, remedy, strlen(remedy));
	text_add(&reply->text, "}\n");
}

void api_failed(struct api_reply *reply, enum result result, const struct error *err)
{
	switch (result) {
	case RESULT_INPUT:
		api_problem(reply, 400, "The input can't be used", "correct it and try again", "%s",
		            err->text);
		break;
	case RESULT_ABSENT:
		api_problem(reply, 404, "Not found",
		            "look it up in the list: headrace devices list", "%s", err->text);
		break;
	case RESULT_RESOURCE:
		api_problem(reply, 503, "Out of resources", "try again later, or ask for less",
		            "%s", err->text);
		break;
	default:
		api_problem(reply, 500, "The daemon could not do it",
		            "look at headraced's log and at the disk", "%s", err->text);
	}
}

bool api_stopped(const struct api_request *request, struct api_reply *reply)
{
	if (!api_is_stopping(request))
		return false;
	api_problem(reply, 503, "Stopping", "try again when headraced runs again",
	            "headraced is about to end");
	return true;
}

bool api_caught_up(const struct api_request *request, struct api_reply *reply)
{
	struct store_writer *writer = request->context->writer;
	if (!writer || store_writer_catch_up(writer, CATCH_UP_MS))
		return true;
	api_problem(reply, 503, "The store is behind",
	            "try again; if it lasts, see: headrace status",
	            "readings that are acknowledged are still on their way into the store");
	return false;
}

const char *api_parameter(const struct api_request *request, const char *name)
{
	for (unsigned i = 0; i < request->parameter_count; i++)
		if (strcmp(request->parameters[i].name, name) == 0)
			return request->parameters[i].value;
	return NULL;
}

const char *api_path(const struct api_request *request, const char *name)
{
	int index = api_route_path_index(request->route, name);
	CHECK(index >= 0 && index < API_SEGMENTS_MAX);
	return request->path[index];
}

json_t *api_body_object(const struct api_request *request, struct api_reply *reply)
{
	json_error_t error;
	json_t *json =
	    json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(json))
		return json;
	if (json)
		api_problem(reply, 400, "The input can't be used", "send an object: {...}",
		            "the body is JSON, but no object");
	else
		api_problem(reply, 400, "The input can't be used", "send JSON (RFC 8259)",
		            "line %d, column %d: %s", error.line, error.column, error.text);
	json_decref(json);
	return NULL;
}

/* RFC 3986 §2.3 */
static void put_escaped(struct text *t, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "0123456789-._~";
	for (; *value; value++)
		if (strchr(plain, *value))
			text_put(t, value, 1);
		else
			text_add(t, "%%%02X", (unsigned char)*value);
}

static void put_parameter(struct text *t, const struct api_parameter *p, char *separator)
{
	text_put(t, separator, 1);
	put_escaped(t, p->name);
	text_put(t, "=", 1);
	put_escaped(t, p->value);
	*separator = '&';
}

void api_next(const struct api_request *request, struct api_reply *reply,
              const struct api_parameter *changed, unsigned count)
{
	struct text t = {.bytes_max = sizeof reply->next - 1};
	char separator = '?';
	if (!request->target)
		return;
	text_put(&t, request->target, strcspn(request->target, "?"));
	for (unsigned i = 0; i < request->parameter_count; i++) {
		bool other = false;
		for (unsigned k = 0; k < count; k++)
			other = other || strcmp(changed[k].name, request->parameters[i].name) == 0;
		if (!other)
			put_parameter(&t, &request->parameters[i], &separator);
	}
	for (unsigned k = 0; k < count; k++)
		put_parameter(&t, &changed[k], &separator);
	if (!t.failed)
		snprintf(reply->next, sizeof reply->next, "%s", t.data);
	text_free(&t);
}

bool api_number(const struct api_request *request, struct api_reply *reply, const char *name,
                uint64_t least, uint64_t most, uint64_t otherwise, uint64_t *out)
{
	const char *text = api_parameter(request, name);
	uint64_t value = 0;
	*out = otherwise;
	if (!text)
		return true;
	bool good = *text != '\0';
	for (const char *c = text; *c && good; c++)
		good = *c >= '0' && *c <= '9' && !__builtin_mul_overflow(value, 10u, &value) &&
		       !__builtin_add_overflow(value, (uint64_t)(*c - '0'), &value);
	if (!good || value < least || value > most) {
		char remedy[128];
		snprintf(remedy, sizeof remedy, "give a whole number from %" PRIu64 " to %" PRIu64,
		         least, most);
		api_problem(reply, 400, "Bad parameter", remedy, "%s is '%.80s'", name, text);
		return false;
	}
	*out = value;
	return true;
}

bool api_time(const struct api_request *request, struct api_reply *reply, const char *name,
              int64_t otherwise, int64_t *out)
{
	const char *text = api_parameter(request, name);
	*out = otherwise;
	if (!text || time_parse(text, out))
		return true;
	api_problem(reply, 400, "Bad parameter",
	            "give a time as 2026-01-31T08:15:00Z, or a day as 2026-01-31 (UTC)",
	            "%s is '%.80s'", name, text);
	return false;
}

void api_balance_get(const struct api_context *c, struct api_balance *balance)
{
	/* durable first: it can only be behind what was received */
	memset(balance, 0, sizeof *balance);
	journal_totals_get(c->journal, &balance->totals);
	balance->received = pipeline_readings_received(c->pipeline);
	for (int f = FATE_STORED; f < FATE_COUNT; f++) {
		balance->since_start.count[f] =
		    balance->totals.count[f] - c->totals_at_start.count[f];
		balance->durable += balance->since_start.count[f];
	}
	balance->in_flight =
	    balance->received > balance->durable ? balance->received - balance->durable : 0;
}

bool api_counters_repeated(const struct api_context *c, uint32_t index,
                           const struct counters *counters)
{
	for (uint32_t i = 0; i < index; i++) {
		struct report_stage s;
		pipeline_stage(c->pipeline, i, &s);
		if (s.counters == counters)
			return true;
	}
	return false;
}
