/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /readings/ID: what is stored for a device, as JSON or CSV. Values are exact decimals made
 * from integers; with neither `from` nor `to`, the newest `limit` readings are shown. Who wants all
 * of them goes on with `from` and `after`: the time and the meter's time of the last row so far.
 * GET /readings/ID/last: the newest one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/topics.h"
#include "control/api/reading_text.h"
#include "control/config/decimal.h"

#define LIMIT_MOST 100000

/* The first `limit` rows, or (newest) the last: a ring then. */
struct rows {
	const struct api_request *request;
	struct stored_reading *rows;
	uint64_t limit, seen;
	uint64_t capacity;
	int64_t from, after; /* rows at `from` with a meter's time up to `after` are known */
	bool newest, no_memory;
};

static bool on_reading(void *context, const struct stored_reading *reading)
{
	struct rows *r = context;
	if (api_is_stopping(r->request))
		return false;
	if (reading->ts_ms == r->from && reading->meter_ts_ms <= r->after)
		return true;
	if (!r->newest && r->seen == r->limit) {
		r->seen++; /* there is more */
		return false;
	}
	uint64_t at = r->seen++ % r->limit;
	if (at >= r->capacity) {
		uint64_t capacity = r->capacity ? r->capacity * 2 : 64;
		struct stored_reading *rows = realloc(r->rows, capacity * sizeof *rows);
		if (!rows) {
			r->no_memory = true;
			return false;
		}
		r->rows = rows;
		r->capacity = capacity;
	}
	r->rows[at] = *reading;
	return true;
}

static uint64_t rows_count(const struct rows *r)
{
	return r->seen < r->limit ? r->seen : r->limit;
}

static const struct stored_reading *rows_get(const struct rows *r, uint64_t index)
{
	uint64_t first = r->newest && r->seen > r->limit ? r->seen % r->limit : 0;
	return &r->rows[(first + index) % r->limit];
}

static void json_reading(struct text *t, const struct api_context *c,
                         const struct stored_reading *r)
{
	char time[TIME_TEXT_BYTES], meter[TIME_TEXT_BYTES], received[TIME_TEXT_BYTES],
	    collected[TIME_TEXT_BYTES];
	text_add(t,
	         "{\"time\":\"%s\",\"meter_time\":\"%s\",\"received\":\"%s\","
	         "\"collected\":\"%s\",\"protocol\":\"%s\",\"profile\":\"",
	         time_format(r->ts_ms, time), time_format(r->meter_ts_ms, meter),
	         time_format(r->received_ms, received), time_format(r->collected_ms, collected),
	         reading_protocol(r));
	reading_put_profile(t, c, r->profile);
	text_add(t, "\",\"flags\":[");
	reading_put_flags(t, r->flags, "\"", "\"", ",");
	text_add(t, "],\"values\":{");
	reading_put_values(t, c->channels, r);
	text_add(t, "}}");
}

static void put_json(const struct api_request *request, const struct rows *rows,
                     struct text *t)
{
	uint64_t count = rows_count(rows);
	text_add(t, "{\"meter\":");
	text_json(t, request->rest, strlen(request->rest));
	text_add(t, ",\"readings\":[");
	for (uint64_t i = 0; i < count; i++) {
		text_put(t, i ? ",\n" : "\n", i ? 2 : 1);
		json_reading(t, request->context, rows_get(rows, i));
	}
	text_add(t, "],\"count\":%" PRIu64 ",\"more\":%s}\n", count,
	         rows->seen > rows->limit ? "true" : "false");
}

struct presence {
	const struct api_request *request;
	bool channel[256];
};

static bool on_presence(void *context, const struct stored_reading *r)
{
	struct presence *p = context;
	for (unsigned k = 0; k < r->channel_count; k++)
		p->channel[r->channel[k]] = true;
	return !api_is_stopping(p->request);
}

static void csv_header(const struct api_context *c, const bool present[256], struct text *t)
{
	text_add(t, "time,meter_time,received,protocol,profile,flags");
	for (unsigned id = 0; id < 256; id++) {
		const struct channel *ch = &c->channels->by_id[id];
		if (!present[id])
			continue;
		if (ch->id && strcmp(ch->unit, "1") == 0)
			text_add(t, ",%s", ch->name);
		else if (ch->id)
			text_add(t, ",%s_%s", ch->name, ch->unit);
		else
			text_add(t, ",channel_%u", id);
	}
	text_add(t, "\r\n");
}

static void csv_reading(const struct api_context *c, const struct stored_reading *r,
                        const bool present[256], struct text *t)
{
	char time[TIME_TEXT_BYTES], meter[TIME_TEXT_BYTES], received[TIME_TEXT_BYTES],
	    value[DECIMAL_BYTES];
	text_add(t, "%s,%s,%s,%s,", time_format(r->ts_ms, time),
	         time_format(r->meter_ts_ms, meter), time_format(r->received_ms, received),
	         reading_protocol(r));
	reading_put_profile(t, c, r->profile);
	text_put(t, ",", 1);
	reading_put_flags(t, r->flags, "", "", " ");
	for (unsigned id = 0; id < 256; id++) {
		if (!present[id])
			continue;
		text_put(t, ",", 1);
		for (unsigned i = 0; i < r->channel_count; i++)
			if (r->channel[i] == id)
				text_add(t, "%s", decimal_format(r->value[i],
				                                 c->channels->by_id[id].decimals,
				                                 value));
	}
	text_add(t, "\r\n");
}

/* The rows behind these. */
static void put_next(const struct api_request *request, const struct rows *rows,
                     struct api_reply *reply)
{
	char time[TIME_TEXT_BYTES], meter[TIME_TEXT_BYTES];
	if (rows->newest || rows->seen <= rows->limit)
		return;
	const struct stored_reading *last = rows_get(rows, rows_count(rows) - 1);
	const struct api_parameter changed[] = {{"from", time_format(last->ts_ms, time)},
	                                        {"after", time_format(last->meter_ts_ms, meter)}};
	api_next(request, reply, changed, 2);
}

/* Columns: those channels that any reading of the device has, by number, so that every part of a
 * long list has the same ones. Read behind the rows: whatever these have is there. */
static enum result put_csv(const struct api_request *request, uint32_t device,
                           const struct rows *rows, struct text *t, struct error *err)
{
	struct presence p = {.request = request};
	uint64_t count = rows_count(rows);
	enum result result = store_scan_device(request->context->store, device, INT64_MIN,
	                                       INT64_MAX, on_presence, &p, err);
	if (result != RESULT_OK)
		return result;
	csv_header(request->context, p.channel, t);
	for (uint64_t i = 0; i < count; i++)
		csv_reading(request->context, rows_get(rows, i), p.channel, t);
	return RESULT_OK;
}

/* The period, the limit and where to go on. False: a problem was answered. */
static bool take_period(const struct api_request *request, struct api_reply *reply,
                        struct rows *rows, int64_t *to)
{
	const char *from = api_parameter(request, "from");
	if (!api_time(request, reply, "from", INT64_MIN, &rows->from) ||
	    !api_time(request, reply, "to", INT64_MAX, to) ||
	    !api_time(request, reply, "after", INT64_MIN, &rows->after) ||
	    !api_number(request, reply, "limit", 1, LIMIT_MOST, 1000, &rows->limit))
		return false;
	rows->newest = !from && !api_parameter(request, "to");
	if (api_parameter(request, "after") && !from)
		api_problem(reply, 400, "Bad parameter", "give from: the last row's time",
		            "after is given without from");
	else if (rows->from >= *to)
		api_problem(reply, 400, "Bad parameter", "give from before to",
		            "the period from %s to %s is empty", from,
		            api_parameter(request, "to"));
	else
		return true;
	return false;
}

static void api_readings(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	const char *format = api_parameter(request, "format");
	struct rows rows = {.request = request};
	int64_t to;
	struct error err;

	if (!take_period(request, reply, &rows, &to))
		return;
	bool csv = format && strcmp(format, "csv") == 0;
	if (format && !csv && strcmp(format, "json") != 0) {
		api_problem(reply, 400, "Bad parameter", "give json or csv", "format is '%.80s'",
		            format);
		return;
	}
	uint32_t device = registry_number_of(c->registry, request->rest, strlen(request->rest));
	if (device == DEVICE_NONE) {
		fail(RESULT_ABSENT, &err, "there is no device '%.80s'", request->rest);
		api_failed(reply, RESULT_ABSENT, &err);
		return;
	}
	if (!api_caught_up(request, reply))
		return;
	enum result result =
	    store_scan_device(c->store, device, rows.from, to, on_reading, &rows, &err);
	if (result == RESULT_OK && rows.no_memory)
		result = fail(RESULT_RESOURCE, &err, "no memory for %" PRIu64 " readings",
		              rows.limit);
	if (result == RESULT_OK && csv) {
		reply->content_type = "text/csv; charset=utf-8";
		result = put_csv(request, device, &rows, &reply->text, &err);
	} else if (result == RESULT_OK) {
		put_json(request, &rows, &reply->text);
	}
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else if (!api_stopped(request, reply))
		put_next(request, &rows, reply);
	free(rows.rows);
}

/* What the meter said last. It is not waited for what is still on its way into the store: this is
 * asked for while somebody is on the telephone. */
static void api_reading_last(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	struct stored_reading r;
	struct error err;
	uint32_t device = registry_number_of(c->registry, request->rest, strlen(request->rest));
	if (device == DEVICE_NONE) {
		fail(RESULT_ABSENT, &err, "there is no device '%.80s'", request->rest);
		api_failed(reply, RESULT_ABSENT, &err);
		return;
	}
	enum result result = store_last(c->store, device, &r, &err);
	if (result != RESULT_OK && result != RESULT_ABSENT) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(&reply->text, "{\"meter\":");
	text_json(&reply->text, request->rest, strlen(request->rest));
	text_add(&reply->text, ",\"reading\":");
	if (result == RESULT_OK)
		json_reading(&reply->text, c, &r);
	else
		text_add(&reply->text, "null");
	text_add(&reply->text, "}\n");
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_readings = {
    .name = "readings",
    .about = "Stored readings",
    .routes = (const struct api_route[]){
	{"GET", "/readings/{id}", api_readings, API_VIEWER,
	 .summary = "What is stored for a device; without a period the newest readings",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"from", "time", "begin of the period"},
	     {"to", "time", "end of the period"},
	     {"after", "time", "with from: go on behind the row of that time and this meter_time"},
	     {"limit", "int", "at most so many, 1 to 100000; default 1000"},
	     {"format", "'json'|'csv'", "of the answer; default json"}),
	 .answers = API_ANSWERS({200, API_JSON | API_CSV,
	     "{meter:string readings:[Reading] count:int more:bool}"})},
	{"GET", "/readings/{id}/last", api_reading_last, API_VIEWER, .quick = true,
	 .summary = "The newest reading of a device, at once; null when there is none",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, "{meter:string reading:Reading?}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Value", "{value:decimal unit:string}", "An exact decimal and its unit"},
	{"Reading", "{time:time meter_time:time received:time collected:time protocol:string "
	 "profile:string flags:[string] values:<Value>}",
	 "What a meter said at one time"},
	{0}},
};
/* clang-format on */
