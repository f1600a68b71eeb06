/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /export?format=csv|columns: stored readings of many devices as one stream, in bounded memory.
 *
 * Order: the devices by their number in the registry (or as `meters` lists them), each one's
 * readings by time, then meter's time. The order never changes, so that an export that broke off
 * goes on behind its last row: after=METER,TIME,METER_TIME. Each part is a scan of its own: rows
 * that come in behind the export's place are in it, those before it are not.
 *
 * csv: RFC 4180; the columns are those of the channel catalogue, whatever the readings have.
 *
 * columns: frames for one file a column, little-endian:
 *    0       4       8
 *   +-------+-------+------
 *   | file  | bytes | data       file: its place in the schema's list of files
 *   +-------+-------+------
 * The first frame has file 0xffffffff: the schema, JSON. The last one 0xfffffffe: the rows, 8
 * bytes.
 *
 * Thread: the request's. Memory: one part of rows and its text. Ingest is not held up: a scan takes
 * the store's lock as any look-up does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "contract/reading.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"
#include "control/api/reading_text.h"
#include "control/config/decimal.h"

#define PART_ROWS    4096u
#define METERS_MAX   4096u
#define FILE_SCHEMA  0xffffffffu
#define FILE_END     0xfffffffeu
#define FIXED_FILES  9u /* before those of the channels */

struct export {
	const struct api_context *context;
	const atomic_bool *stopping;
	bool columns;
	int64_t from, to;
	uint32_t *meters; /* NULL: all of the registry, by number */
	uint32_t meter_count, next; /* the place in them */
	char prefix[DEVICE_ID_BYTES + 1];
	int64_t at, after; /* within the device: rows at `at` up to meter's time `after` are out */
	uint64_t rows_out;
	uint32_t dictionary; /* devices in the column of meters so far */
	bool begun, ended;
	struct text text;
	size_t sent;
	uint32_t count;
	bool full;
	uint32_t device; /* of the part */
	uint32_t known; /* the newest device in the dictionary */
	struct stored_reading row[PART_ROWS];
};

static bool is_stopping(const struct export *e)
{
	return e->stopping && atomic_load_explicit(e->stopping, memory_order_relaxed);
}

static bool on_row(void *context, const struct stored_reading *r)
{
	struct export *e = context;
	if (is_stopping(e))
		return false;
	if (r->ts_ms == e->at && r->meter_ts_ms <= e->after)
		return true;
	e->full = e->count == PART_ROWS;
	if (!e->full)
		e->row[e->count++] = *r;
	return !e->full;
}

static uint32_t device_at(const struct export *e, uint32_t index)
{
	return e->meters ? e->meters[index] : index;
}

/* Is it in the registry, and wanted? Its id then. */
static bool device_wanted(const struct export *e, uint32_t device, char id[DEVICE_ID_BYTES + 1])
{
	return registry_id_of(e->context->registry, device, id) &&
	       strncmp(id, e->prefix, strlen(e->prefix)) == 0;
}

/* The next rows of one device, at most a part. */
static enum result fill(struct export *e, char id[DEVICE_ID_BYTES + 1], struct error *err)
{
	e->count = 0;
	for (; e->next < e->meter_count; e->next++, e->at = e->from, e->after = INT64_MIN) {
		uint32_t device = device_at(e, e->next);
		if (!device_wanted(e, device, id))
			continue;
		e->full = false;
		e->device = device;
		enum result r = store_scan_device(e->context->store, device, e->at, e->to, on_row,
		                                  e, err);
		if (r != RESULT_OK)
			return r;
		if (is_stopping(e))
			return fail(RESULT_RESOURCE, err, "headraced is about to end");
		if (e->full) {
			e->at = e->row[e->count - 1].ts_ms;
			e->after = e->row[e->count - 1].meter_ts_ms;
			return RESULT_OK;
		}
		if (e->count > 0) {
			e->next++;
			e->at = e->from;
			e->after = INT64_MIN;
			return RESULT_OK;
		}
	}
	e->ended = true;
	return RESULT_OK;
}

/* --- CSV --- */

static void csv_header(struct text *t, const struct api_context *c)
{
	text_add(t, "meter,time,meter_time,received,collected,protocol,profile,flags");
	for (unsigned id = 1; id < 256; id++) {
		const struct channel *ch = &c->channels->by_id[id];
		if (ch->id && strcmp(ch->unit, "1") == 0)
			text_add(t, ",%s", ch->name);
		else if (ch->id)
			text_add(t, ",%s_%s", ch->name, ch->unit);
	}
	text_add(t, "\r\n");
}

static const int64_t *value_of(const struct stored_reading *r, unsigned channel)
{
	for (unsigned i = 0; i < r->channel_count; i++)
		if (r->channel[i] == channel)
			return &r->value[i];
	return NULL;
}

static void csv_row(struct text *t, const struct api_context *c, const char *id,
                    const struct stored_reading *r)
{
	const int64_t times[] = {r->ts_ms, r->meter_ts_ms, r->received_ms, r->collected_ms};
	char text[TIME_TEXT_BYTES], decimal[DECIMAL_BYTES];
	text_csv(t, id);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		text_add(t, ",%s", time_format(times[i], text));
	text_add(t, ",%s,", reading_protocol(r));
	reading_put_profile(t, c, r->profile);
	text_put(t, ",", 1);
	reading_put_flags(t, r->flags, "", "", " ");
	for (unsigned channel = 1; channel < 256; channel++) {
		const struct channel *ch = &c->channels->by_id[channel];
		if (!ch->id)
			continue;
		const int64_t *v = value_of(r, channel);
		text_put(t, ",", 1);
		if (v)
			text_add(t, "%s", decimal_format(*v, ch->decimals, decimal));
	}
	text_add(t, "\r\n");
}

/* --- columns --- */

static const struct {
	const char *name, *file, *type;
} fixed[FIXED_FILES] = {
    {"meter", "meter.i32", "int32"},       {"meter", "meter.txt", "dictionary"},
    {"time", "time.i64", "int64"},         {"meter_time", "meter_time.i64", "int64"},
    {"received", "received.i64", "int64"}, {"collected", "collected.i64", "int64"},
    {"protocol", "protocol.u8", "uint8"},  {"profile", "profile.u8", "uint8"},
    {"flags", "flags.u16", "uint16"},
};

/* Each entry is one file, in the order of the frames' numbers. */
static void schema(struct text *t, const struct api_context *c)
{
	text_add(t, "{\"format\":\"headrace columns\",\"version\":1,\"byte_order\":\"little\",\n"
	            "\"profiles\":{");
	for (unsigned id = 0, count = 0; id < 256; id++) {
		const struct profile *p = c->profiles->by_id[id];
		if (p)
			text_add(t, "%s\"%u\":\"%s/%u\"", count++ ? "," : "", id, p->name,
			         p->version);
	}
	text_add(t, "},\n\"protocols\":[\"mqtt\",\"coap\",\"replay\"],\n\"flag_bits\":{");
	for (unsigned bit = 0; bit < 12; bit++) {
		text_add(t, "%s\"%u\":\"", bit ? "," : "", bit);
		reading_put_flags(t, (uint16_t)(1u << bit), "", "", "");
		text_add(t, "\"");
	}
	text_add(t, "},\n\"files\":[");
	for (unsigned i = 0; i < FIXED_FILES; i++)
		text_add(t, "%s\n{\"column\":\"%s\",\"file\":\"%s\",\"type\":\"%s\"%s}",
		         i ? "," : "", fixed[i].name, fixed[i].file, fixed[i].type,
		         strcmp(fixed[i].type, "int64") == 0
		             ? ",\"unit\":\"ms since 1970-01-01T00:00:00Z\""
		             : "");
	for (unsigned id = 1; id < 256; id++) {
		const struct channel *ch = &c->channels->by_id[id];
		if (!ch->id)
			continue;
		text_add(t,
		         ",\n{\"column\":\"%s\",\"file\":\"%s.i64\",\"type\":\"int64\","
		         "\"unit\":",
		         ch->name, ch->name);
		text_json(t, ch->unit, strlen(ch->unit));
		text_add(t,
		         ",\"decimals\":%u},\n{\"column\":\"%s\",\"file\":\"%s.valid\",\"type\":"
		         "\"validity\"}",
		         ch->decimals, ch->name, ch->name);
	}
	text_add(t, "]}\n");
}

static void frame(struct text *t, uint32_t file, const void *data, size_t bytes)
{
	uint8_t head[8];
	put_le32(head, file);
	put_le32(head + 4, (uint32_t)bytes);
	text_put(t, head, sizeof head);
	text_put(t, data, bytes);
}

static void frame_times(struct export *e, uint32_t file, size_t offset)
{
	static const size_t bytes = PART_ROWS * 8;
	uint8_t *data = malloc(bytes);
	if (!data) {
		e->text.failed = true;
		return;
	}
	for (uint32_t i = 0; i < e->count; i++) {
		int64_t v;
		memcpy(&v, (const uint8_t *)&e->row[i] + offset, sizeof v);
		put_le64(data + 8 * i, (uint64_t)v);
	}
	frame(&e->text, file, data, 8 * (size_t)e->count);
	free(data);
}

static void frame_channel(struct export *e, uint32_t file, unsigned channel)
{
	uint8_t *data = malloc(PART_ROWS * 8), *valid = malloc(PART_ROWS);
	if (data && valid) {
		for (uint32_t i = 0; i < e->count; i++) {
			const int64_t *v = value_of(&e->row[i], channel);
			put_le64(data + 8 * i, v ? (uint64_t)*v : 0);
			valid[i] = v != NULL;
		}
		frame(&e->text, file, data, 8 * (size_t)e->count);
		frame(&e->text, file + 1, valid, e->count);
	} else {
		e->text.failed = true;
	}
	free(data);
	free(valid);
}

/* A part is of one device. */
static void frames(struct export *e, const char *id)
{
	static const size_t times[] = {
	    offsetof(struct stored_reading, ts_ms), offsetof(struct stored_reading, meter_ts_ms),
	    offsetof(struct stored_reading, received_ms),
	    offsetof(struct stored_reading, collected_ms)};
	uint8_t small[PART_ROWS * 4];
	struct text *t = &e->text;
	if (e->known != e->device) {
		char line[DEVICE_ID_BYTES + 2];
		frame(t, 1, line, (size_t)snprintf(line, sizeof line, "%s\n", id));
		e->dictionary++;
		e->known = e->device;
	}
	for (uint32_t i = 0; i < e->count; i++)
		put_le32(small + 4 * i, e->dictionary - 1);
	frame(t, 0, small, 4 * (size_t)e->count);
	for (uint32_t i = 0; i < 4; i++)
		frame_times(e, 2 + i, times[i]);
	for (uint32_t i = 0; i < e->count; i++)
		small[i] = (uint8_t)(e->row[i].flags >> READING_PROTOCOL_SHIFT);
	frame(t, 6, small, e->count);
	for (uint32_t i = 0; i < e->count; i++)
		small[i] = e->row[i].profile;
	frame(t, 7, small, e->count);
	for (uint32_t i = 0; i < e->count; i++)
		put_le16(small + 2 * i, e->row[i].flags & 0x0fff);
	frame(t, 8, small, 2 * (size_t)e->count);
	uint32_t file = FIXED_FILES;
	for (unsigned channel = 1; channel < 256; channel++)
		if (e->context->channels->by_id[channel].id) {
			frame_channel(e, file, channel);
			file += 2;
		}
}

/* --- the stream --- */

static void put_begin(struct export *e)
{
	e->begun = true;
	if (e->columns) {
		struct text t = {0};
		schema(&t, e->context);
		frame(&e->text, FILE_SCHEMA, t.data, t.used);
		e->text.failed = e->text.failed || t.failed;
		text_free(&t);
	} else if (e->after == INT64_MIN) {
		csv_header(&e->text, e->context); /* one that goes on has it already */
	}
}

static void put_part(struct export *e, const char *id)
{
	uint8_t rows[8];
	e->rows_out += e->count;
	if (e->columns && e->count > 0)
		frames(e, id);
	for (uint32_t i = 0; !e->columns && i < e->count; i++)
		csv_row(&e->text, e->context, id, &e->row[i]);
	if (e->columns && e->ended) {
		put_le64(rows, e->rows_out);
		frame(&e->text, FILE_END, rows, sizeof rows);
	}
}

static ssize_t more(void *context, char *to, size_t max)
{
	struct export *e = context;
	char id[DEVICE_ID_BYTES + 1] = "";
	struct error err;
	while (e->sent == e->text.used) {
		if (e->ended)
			return API_STREAM_END;
		e->text.used = e->sent = 0;
		if (!e->begun) {
			put_begin(e);
			continue;
		}
		if (fill(e, id, &err) != RESULT_OK) {
			log_warning("export", "%s", err.text);
			return API_STREAM_BROKEN;
		}
		put_part(e, id);
		if (e->text.failed)
			return API_STREAM_BROKEN;
	}
	size_t bytes = e->text.used - e->sent;
	if (bytes > max)
		bytes = max;
	memcpy(to, e->text.data + e->sent, bytes);
	e->sent += bytes;
	return (ssize_t)bytes;
}

static void end(void *context)
{
	struct export *e = context;
	text_free(&e->text);
	free(e->meters);
	free(e);
}

/* --- the request --- */

static bool bad(struct api_reply *reply, const char *remedy, const char *name, const char *value)
{
	api_problem(reply, 400, "Bad parameter", remedy, "%s is '%.80s'", name, value);
	return false;
}

/* "A,B,C" to numbers. */
static bool take_meters(const struct api_request *request, struct api_reply *reply,
                        struct export *e)
{
	const char *list = api_parameter(request, "meters");
	e->meter_count = registry_count(e->context->registry);
	if (!list)
		return true;
	e->meter_count = 0;
	e->meters = calloc(METERS_MAX, sizeof e->meters[0]);
	while (e->meters && *list) {
		size_t length = strcspn(list, ",");
		uint32_t device = registry_number_of(e->context->registry, list, length);
		if (device == DEVICE_NONE || e->meter_count == METERS_MAX)
			return bad(reply, "give ids that the registry has, at most 4,096 of them",
			           "the rest of meters", list);
		e->meters[e->meter_count++] = device;
		list += length + (list[length] == ',');
	}
	return e->meters != NULL;
}

/* "METER,TIME,METER_TIME": go on behind that row. Ids may have commas, times have none. */
static bool take_after(const struct api_request *request, struct api_reply *reply,
                       struct export *e)
{
	static const char remedy[] = "give the last row's meter, time and meter_time: "
	                             "SM-1,2026-01-31T08:15:00Z,2026-01-31T08:15:00Z";
	const char *after = api_parameter(request, "after");
	char copy[DEVICE_ID_BYTES + 2 * TIME_TEXT_BYTES];
	if (!after)
		return true;
	if (snprintf(copy, sizeof copy, "%s", after) >= (int)sizeof copy)
		return bad(reply, remedy, "after", after);
	char *second = strrchr(copy, ',');
	if (second)
		*second++ = '\0';
	char *first = second ? strrchr(copy, ',') : NULL;
	if (first)
		*first++ = '\0';
	if (!first || !time_parse(first, &e->at) || !time_parse(second, &e->after))
		return bad(reply, remedy, "after", after);
	uint32_t device = registry_number_of(e->context->registry, copy, strlen(copy));
	while (e->next < e->meter_count && device_at(e, e->next) != device)
		e->next++;
	return e->next < e->meter_count ? true : bad(reply, remedy, "after", after);
}

static bool take_request(const struct api_request *request, struct api_reply *reply,
                         struct export *e)
{
	const char *format = api_parameter(request, "format");
	const char *prefix = api_parameter(request, "prefix");
	e->columns = format && strcmp(format, "columns") == 0;
	if (format && !e->columns && strcmp(format, "csv") != 0)
		return bad(reply, "give csv or columns", "format", format);
	if (prefix && strlen(prefix) > DEVICE_ID_BYTES)
		return bad(reply, "give the beginning of an id", "prefix", prefix);
	snprintf(e->prefix, sizeof e->prefix, "%s", prefix ? prefix : "");
	if (!api_time(request, reply, "from", INT64_MIN, &e->from) ||
	    !api_time(request, reply, "to", INT64_MAX, &e->to))
		return false;
	if (e->from >= e->to)
		return bad(reply, "give from before to", "from",
		           api_parameter(request, "from"));
	e->at = e->from;
	e->after = INT64_MIN;
	return take_meters(request, reply, e) && take_after(request, reply, e);
}

static void api_export(const struct api_request *request, struct api_reply *reply)
{
	struct export *e = calloc(1, sizeof *e);
	if (!e) {
		api_problem(reply, 503, "Out of resources", "try again later", "no memory");
		return;
	}
	e->context = request->context;
	e->stopping = request->stopping;
	e->known = DEVICE_NONE;
	if (!take_request(request, reply, e)) {
		end(e);
		return;
	}
	reply->content_type =
	    e->columns ? "application/octet-stream" : "text/csv; charset=utf-8";
	reply->stream = (struct api_stream){more, end, e};
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_export = {
    .name = "export",
    .about = "Readings of many devices as one stream",
    .routes = (const struct api_route[]){
	{"GET", "/export", api_export, API_VIEWER,
	 .summary = "Stored readings by device and time, in bounded memory",
	 .parameters = API_PARAMETERS(
	     {"format", "'csv'|'columns'", "default csv; columns: one file for each"},
	     {"from", "time", "begin of the period"},
	     {"to", "time", "end of the period"},
	     {"meters", "string", "these only: ids with commas"},
	     {"prefix", "string", "the beginning of the id"},
	     {"after", "string", "METER,TIME,METER_TIME: go on behind that row"}),
	 .answers = API_ANSWERS({200, API_CSV | API_BYTES, NULL})},
	{0}},
};
/* clang-format on */
