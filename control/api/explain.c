/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole story of one interval of a meter, or of the meter that was at a service point: which
 * readings it stands on and how they came, what was refused beside them, how its value was made,
 * which rules were met, and what it counts in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/reading.h"
#include "control/api/reading_text.h"
#include "control/api/vee_json.h"
#include "control/config/decimal.h"
#include "control/usage/check.h"
#include "control/usage/service_point.h"
#include "storage/journal/inspect.h"
#include "storage/journal/record.h"

#define JOURNALED_MS   60000 /* a reading is in the journal so soon after it came */
#define READINGS_SHOWN 32
#define ERRORS_SHOWN   32

struct story {
	const struct api_request *request;
	const struct api_context *context;
	struct device device;
	struct service_point *point; /* at which the meter was then; NULL: at none */
	struct usage_source source;
	struct usage_checked checked; /* of the local day */
	int32_t day;
	uint32_t interval; /* of the day */
	int64_t at_s; /* what was asked for */
	int64_t start_s, end_s;
	int64_t tolerance_s;
	struct stored_reading readings[READINGS_SHOWN];
	uint32_t reading_count;
	json_t *out;
	struct error err;
};

static const struct vee_interval *value_of(const struct story *s)
{
	return &s->checked.usage.row.intervals[s->interval];
}

static const struct usage_gap *gap_of(const struct story *s)
{
	const struct usage *u = &s->checked.usage;
	for (uint32_t i = 0; i < u->gap_count; i++)
		if (u->gaps[i].from_s < s->end_s && u->gaps[i].to_s > s->start_s)
			return &u->gaps[i];
	return NULL;
}

/* --- readings: those near the ends, or near the ends of the gap --- */

static bool on_reading(void *context, const struct stored_reading *r)
{
	struct story *s = context;
	if (s->reading_count < READINGS_SHOWN)
		s->readings[s->reading_count++] = *r;
	return !api_is_stopping(s->request);
}

static enum result find_near(struct story *s, int64_t at_s)
{
	return store_scan_device(s->context->store, s->device.number,
	                         (at_s - s->tolerance_s) * 1000,
	                         (at_s + s->tolerance_s + 1) * 1000, on_reading, s, &s->err);
}

static json_t *hex_of(const uint8_t *bytes, size_t count)
{
	char text[2 * 512 + 1];
	size_t i;
	for (i = 0; i < count && i < 512; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * i] = '\0';
	return json_string(text);
}

/* The record of a reading in a journal block. */
static json_t *record_in(const struct inspect_found *found, const struct stored_reading *r)
{
	const uint8_t *at = found->block.records, *end = at + found->block.record_bytes;
	struct record record;
	for (uint32_t i = 0; i < found->block.record_count; i++) {
		const uint8_t *begin = at;
		if (record_get(&at, end, &record) == RECORD_DAMAGED)
			return NULL;
		if (record.kind == RECORD_READING && record.reading.device == r->device &&
		    record.reading.meter_ts_ms == r->meter_ts_ms)
			return json_pack("{s:I, s:I, s:o, s:o}", "block",
			                 (json_int_t)found->block.number, "segment",
			                 (json_int_t)found->segment, "written",
			                 json_time(found->block.written_ms / 1000), "record_hex",
			                 hex_of(begin, (size_t)(at - begin)));
	}
	return NULL;
}

/* Go to the last segment that begins before a time: its first block tells. */
static void seek_time(struct journal_inspect *in, uint64_t first, uint64_t last, int64_t ms)
{
	struct inspect_found found;
	struct error err;
	uint64_t best = first;
	while (first < last) {
		uint64_t middle = first + (last - first) / 2;
		journal_inspect_seek(in, middle);
		if (journal_inspect_next(in, &found, &err) != RESULT_OK ||
		    found.kind != INSPECT_BLOCK)
			break;
		if (found.block.written_ms < ms) {
			best = found.block.number;
			first = middle + 1;
		} else {
			last = found.block.number < middle ? found.block.number : middle;
			last = last > first ? last : first;
		}
	}
	journal_inspect_seek(in, best);
}

/* In what the journal still has; it lets go of what the store has durably. */
static json_t *find_in_journal(const struct story *s, const struct stored_reading *r)
{
	struct journal_inspect *in;
	struct journal_status status;
	struct inspect_found found;
	struct error err;
	json_t *record = NULL;
	const char *dir = s->context->config->journal.dir;
	if (!dir || journal_inspect_open(dir, &in, &err) != RESULT_OK)
		return NULL;
	journal_status_get(s->context->journal, &status);
	seek_time(in, status.released_block + 1, status.durable_block, r->received_ms);
	while (!record && !api_is_stopping(s->request) &&
	       journal_inspect_next(in, &found, &err) == RESULT_OK && found.kind != INSPECT_END) {
		if (found.kind == INSPECT_BLOCK &&
		    found.block.written_ms > r->received_ms + JOURNALED_MS)
			break;
		if (found.kind == INSPECT_BLOCK)
			record = record_in(&found, r);
	}
	journal_inspect_close(in);
	return record;
}

static json_t *text_json_of(const struct text *t)
{
	return t->data ? json_loadb(t->data, t->used, 0, NULL) : NULL;
}

static json_t *reading_json(const struct story *s, const struct stored_reading *r)
{
	struct text values = {0}, flags = {0}, profile = {0};
	text_put(&values, "{", 1);
	reading_put_values(&values, s->context->channels, r);
	text_put(&values, "}", 1);
	text_put(&flags, "[", 1);
	reading_put_flags(&flags, r->flags, "\"", "\"", ",");
	text_put(&flags, "]", 1);
	reading_put_profile(&profile, s->context, r->profile);
	char time[4][TIME_TEXT_BYTES];
	/* a collection time so long ago is not kept exactly: it says nothing of the clock */
	bool exact = r->received_ms - r->collected_ms < -(int64_t)INT32_MIN;
	json_t *json = json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o*, s:o*}", "time",
	    time_format(r->ts_ms, time[0]), "meter_time", time_format(r->meter_ts_ms, time[1]),
	    "received", time_format(r->received_ms, time[2]), "collected",
	    time_format(r->collected_ms, time[3]), "protocol", reading_protocol(r), "profile",
	    profile.data ? profile.data : "", "clock_off_ms",
	    exact ? json_integer(r->meter_ts_ms - r->collected_ms) : json_null(), "flags",
	    text_json_of(&flags),
	    "values", text_json_of(&values));
	text_free(&values);
	text_free(&flags);
	text_free(&profile);
	json_t *record = find_in_journal(s, r);
	if (record)
		json_object_set_new(json, "journal", record);
	json_object_set_new(json, "raw", json_null());
	json_object_set_new(
	    json, "raw_note",
	    json_string(record ? "accepted: of the message its values are kept, here as the "
	                         "journal has them; its bytes are not"
	                       : "accepted: of the message its values are kept, not its bytes; the "
	                         "journal has let go of the record, the store has it"));
	return json;
}

static enum result tell_readings(struct story *s)
{
	const struct usage_gap *gap = gap_of(s);
	json_t *list = json_array();
	enum result result = find_near(s, gap ? gap->from_s : s->start_s);
	if (result == RESULT_OK)
		result = find_near(s, gap ? gap->to_s : s->end_s);
	for (uint32_t i = 0; i < s->reading_count; i++)
		json_array_append_new(list, reading_json(s, &s->readings[i]));
	json_object_set_new(s->out, "readings", list);
	return result;
}

/* --- what was refused at that time --- */

struct refused {
	struct story *story;
	json_t *list;
	uint32_t count;
};

static bool on_error(void *context, const struct stored_error *e)
{
	struct refused *r = context;
	const struct story *s = r->story;
	int64_t from_ms = (s->start_s - s->tolerance_s) * 1000;
	int64_t to_ms = (s->end_s + s->tolerance_s) * 1000;
	int64_t at_ms = e->meter_ts_ms ? e->meter_ts_ms : e->received_ms;
	bool its = e->device == s->device.number ||
	           (e->device_id_bytes == strlen(s->device.id) &&
	            memcmp(e->device_id, s->device.id, e->device_id_bytes) == 0);
	if (its && at_ms >= from_ms && at_ms <= to_ms && r->count < ERRORS_SHOWN) {
		struct text raw = {0};
		text_base64(&raw, e->raw, e->raw_bytes);
		r->count++;
		json_array_append_new(
		    r->list,
		    json_pack("{s:I, s:s, s:s, s:o, s:o, s:s%, s:s}", "number",
		              (json_int_t)e->number, "reason", fate_info[e->fate].name, "cause",
		              fate_info[e->fate].help, "received",
		              json_time(e->received_ms / 1000), "meter_time",
		              e->meter_ts_ms ? json_time(e->meter_ts_ms / 1000) : json_null(),
		              "client", e->client_id ? e->client_id : "",
		              (size_t)e->client_id_bytes, "raw_base64",
		              raw.data ? raw.data : ""));
		text_free(&raw);
	}
	return !api_is_stopping(s->request);
}

static enum result tell_refused(struct story *s)
{
	struct refused r = {s, json_array(), 0};
	enum result result = store_scan_errors(s->context->store, 0, on_error, &r, &s->err);
	json_object_set_new(s->out, "refused", r.list);
	json_object_set_new(s->out, "refused_note",
	                    json_string("conflicts and rejections of this time, with their bytes; "
	                                "duplicates are counted, not kept"));
	return result;
}

/* --- how an estimate was made --- */

/* The interval at the same time of a like day. */
static enum result tell_like_day(struct story *s, int32_t day, json_t *list, int64_t *sum_mwh)
{
	struct usage u;
	enum result result = usage_load(&s->source, s->device.number, s->device.dials, day, day + 1,
	                                &u, &s->err);
	if (result != RESULT_OK)
		return result;
	uint32_t i = usage_same_time(s->source.calendar, &u.row, day, s->start_s);
	int64_t mwh = u.row.intervals[i].energy_mwh;
	*sum_mwh += mwh;
	json_array_append_new(
	    list, json_pack("{s:o, s:o, s:o}", "day", json_day(day), "start",
	                    json_time(u.row.start_s + (int64_t)i * u.row.interval_s), "kwh",
	                    json_kwh(mwh)));
	usage_free(&u);
	return RESULT_OK;
}

static enum result tell_like_days(struct story *s, json_t *estimate)
{
	const struct usage *u = &s->checked.usage;
	json_t *list = json_array();
	int64_t sum_mwh = 0;
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < u->like_count && result == RESULT_OK; i++) {
		const struct usage_like *like = &u->likes[i];
		if (like->day != s->day)
			continue;
		for (uint32_t k = 0; k < like->day_count && result == RESULT_OK; k++)
			result = tell_like_day(s, like->days[k], list, &sum_mwh);
		if (like->day_count > 0)
			json_object_set_new(estimate, "mean_kwh",
			                    json_kwh((sum_mwh + like->day_count / 2) /
			                             like->day_count));
		break;
	}
	json_object_set_new(estimate, "like_days", list);
	return result;
}

/* An actual neighbour of the gap. */
static json_t *neighbour(const struct story *s, int64_t start_s, int64_t *mwh, bool *there)
{
	struct usage u;
	struct error err;
	int32_t day = calendar_day(s->source.calendar, start_s);
	*there = false;
	if (usage_load(&s->source, s->device.number, s->device.dials, day, day + 1, &u, &err) !=
	    RESULT_OK)
		return json_null();
	uint32_t i = (uint32_t)((start_s - u.row.start_s) / u.row.interval_s);
	json_t *json = json_interval(&u, i);
	*mwh = u.row.intervals[i].energy_mwh;
	*there = u.row.intervals[i].source == VEE_ACTUAL;
	usage_free(&u);
	return json;
}

static void tell_interpolation(const struct story *s, const struct usage_gap *gap,
                               json_t *estimate)
{
	const int32_t interval_s = s->checked.usage.row.interval_s;
	int64_t v0 = 0, v1 = 0, n = (gap->to_s - gap->from_s) / interval_s;
	int64_t i = (s->start_s - gap->from_s) / interval_s + 1;
	bool before, after;
	char a[DECIMAL_BYTES], b[DECIMAL_BYTES];
	json_object_set_new(estimate, "before",
	                    neighbour(s, gap->from_s - interval_s, &v0, &before));
	json_object_set_new(estimate, "after", neighbour(s, gap->to_s, &v1, &after));
	if (!before)
		v0 = v1;
	if (!after)
		v1 = v0;
	json_object_set_new(estimate, "formula",
	                    json_sprintf("v0 + i (v1 - v0) / (n + 1) with v0 = %s, v1 = %s, i = "
	                                 "%d, n = %d", decimal_format(v0, 6, a),
	                                 decimal_format(v1, 6, b), (int)i, (int)n));
	__int128 part = (__int128)(v1 - v0) * i, half = (n + 1) / 2;
	json_object_set_new(estimate, "before_scaling_kwh",
	                    json_kwh(v0 + (int64_t)((part < 0 ? part - half : part + half) /
	                                            (n + 1))));
}

static json_t *scaling_json(const struct usage_gap *gap)
{
	char register_[DECIMAL_BYTES], edited[DECIMAL_BYTES], sum[DECIMAL_BYTES];
	return json_sprintf("k = (register %s - edited %s) / estimated %s",
	                    decimal_format(gap->register_mwh, 6, register_),
	                    decimal_format(gap->edited_mwh, 6, edited),
	                    decimal_format(gap->estimated_mwh, 6, sum));
}

static enum result tell_estimate(struct story *s)
{
	const struct usage_gap *gap = gap_of(s);
	uint8_t source = value_of(s)->source;
	enum result result = RESULT_OK;
	if (!gap)
		return RESULT_OK;
	json_t *estimate = json_pack("{s:s, s:o, s:o, s:i}", "method", vee_source_name(source),
	                             "gap_from", json_time(gap->from_s), "gap_to",
	                             json_time(gap->to_s), "rules", (int)gap->version);
	if (source == VEE_INTERPOLATED)
		tell_interpolation(s, gap, estimate);
	if (source == VEE_LIKE_DAY)
		result = tell_like_days(s, estimate);
	if (gap->scaled) {
		json_object_set_new(estimate, "register_kwh", json_kwh(gap->register_mwh));
		json_object_set_new(estimate, "edited_kwh", json_kwh(gap->edited_mwh));
		json_object_set_new(estimate, "estimated_kwh", json_kwh(gap->estimated_mwh));
		json_t *how = source == VEE_EVEN ? json_string("the register's, shared out evenly")
		                                 : scaling_json(gap);
		json_object_set_new(estimate, "scaling", how);
	} else {
		json_object_set_new(estimate, "scaling",
		                    json_string("not scaled: the register was not read at both "
		                                "ends, or fell"));
	}
	json_object_set_new(s->out, "estimate", estimate);
	return result;
}

/* --- rules and edits --- */

static enum result tell_findings(struct story *s)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < s->checked.count; i++) {
		const struct vee_finding *f = &s->checked.findings[i];
		if (f->from_s < s->end_s && f->to_s > s->start_s)
			json_array_append_new(list, json_finding(f));
	}
	json_object_set_new(s->out, "findings", list);
	return RESULT_OK;
}

static enum result tell_edits(struct story *s)
{
	const struct usage_edits *edits = &s->checked.usage.edits;
	json_t *list = json_array();
	for (uint32_t i = 0; i < edits->count; i++) {
		const struct usage_edit *e = &edits->edits[i];
		if (e->from_s < s->end_s && usage_edit_end_s(e) > s->start_s)
			json_array_append_new(list, json_edit(e));
	}
	json_object_set_new(s->out, "edits", list);
	return RESULT_OK;
}

/* --- at the service point --- */

static enum result tell_point(struct story *s)
{
	char ratio[RATIO_TEXT_BYTES];
	struct usage u;
	if (!s->point)
		return RESULT_OK;
	const struct installation *in = point_installation_at(s->point, s->at_s);
	enum result result = usage_load_point(&s->source, s->context->registry, s->point, s->day,
	                                      s->day + 1, &u, NULL, &s->err);
	if (result != RESULT_OK)
		return result;
	int64_t i = (s->start_s - u.row.start_s) / u.row.interval_s;
	json_object_set_new(
	    s->out, "point",
	    json_pack("{s:s, s:s, s:o, s:s}", "id", s->point->id, "ratio",
	              in ? ratio_format(&in->ratio, ratio) : "", "kwh",
	              json_kwh(u.row.intervals[i].energy_mwh), "source",
	              vee_source_name(u.row.intervals[i].source)));
	usage_free(&u);
	return RESULT_OK;
}

/* --- what it counts in --- */

static bool on_aggregate(void *context, const struct aggregate *a)
{
	struct story *s = context;
	const struct channel *ch = &s->context->channels->by_id[a->register_channel];
	char value[DECIMAL_BYTES];
	if (a->end_ms <= s->start_s * 1000 || a->start_ms >= s->end_s * 1000)
		return true;
	json_t *json = json_pack("{s:o, s:o, s:i}", "start", json_time(a->start_ms / 1000), "end",
	                         json_time(a->end_ms / 1000), "readings", (int)a->readings);
	if (a->flags & AGGREGATE_F_ENERGY && ch->id != 0) {
		json_object_set_new(json, "energy",
		                    json_string(decimal_format(a->energy, ch->decimals, value)));
		json_object_set_new(json, "unit", json_string(ch->unit));
	}
	json_object_set_new(s->out, "found", json);
	return true;
}

static enum result tell_aggregate(struct story *s, json_t *counts, const char *name,
                                  enum aggregate_level level)
{
	enum result result = store_aggregates(s->context->store, s->device.number, level,
	                                      s->start_s * 1000, s->end_s * 1000, on_aggregate, s,
	                                      &s->err);
	json_t *found = json_object_get(s->out, "found");
	json_object_set(counts, name, found ? found : json_null());
	json_object_del(s->out, "found");
	return result;
}

static json_t *bill_json(struct story *s, const char *month)
{
	static const char *const keys[] = {"state", "cause", "service_point", "number", "customer",
	                                   "from",  "to",    "tariff",        "total",  "currency"};
	const struct bill_name name = {.id = s->point ? s->point->id : s->device.id,
	                               .month = month,
	                               .day = s->day};
	json_t *bill = NULL, *lines = NULL;
	struct error err;
	if (invoices_get(s->context->invoices, &name, &bill, &err) != RESULT_OK)
		return json_pack("{s:s, s:s}", "month", month, "state", "not billed yet");
	json_t *out = json_pack("{s:s}", "month", month);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (json_object_get(bill, keys[i]))
			json_object_set(out, keys[i], json_object_get(bill, keys[i]));
	if (invoices_lines(s->context->invoices, &name, s->start_s, &lines, &err) == RESULT_OK)
		json_object_set_new(out, "lines", lines);
	json_decref(bill);
	return out;
}

static enum result tell_counts(struct story *s)
{
	char month[MONTH_BYTES + 24];
	struct civil_date date = civil_from_day(s->day);
	json_t *counts = json_object();
	enum result result = tell_aggregate(s, counts, "hour", AGGREGATE_HOUR);
	if (result == RESULT_OK)
		result = tell_aggregate(s, counts, "day", AGGREGATE_DAY);
	if (result == RESULT_OK)
		result = tell_aggregate(s, counts, "month", AGGREGATE_MONTH);
	snprintf(month, sizeof month, "%04d-%02d", date.year, date.month);
	if (result == RESULT_OK)
		json_object_set_new(counts, "bill", bill_json(s, month));
	json_object_set_new(s->out, "counts_in", counts);
	return result;
}

/* --- all of it --- */

/* The meter of that id; else the one that was at the service point of that id. */
static enum result find_meter(struct story *s)
{
	const char *id = s->request->rest;
	struct registry *r = s->context->registry;
	enum result result = registry_get(r, id, &s->device, &s->err);
	if (result == RESULT_OK) {
		result = registry_point_of(r, id, s->at_s, s->point, &s->err);
		if (result != RESULT_ABSENT)
			return result;
		free(s->point);
		s->point = NULL;
		return RESULT_OK;
	}
	if (result == RESULT_ABSENT)
		result = registry_point_get(r, id, s->point, &s->err);
	if (result == RESULT_ABSENT)
		return fail(RESULT_ABSENT, &s->err,
		            "there is no meter and no service point '%.80s'", id);
	if (result != RESULT_OK)
		return result;
	const struct installation *in = point_installation_at(s->point, s->at_s);
	return in ? registry_get(r, in->meter, &s->device, &s->err)
	          : fail(RESULT_INPUT, &s->err, "service point '%s' had no meter at that time", id);
}

static enum result begin(struct story *s)
{
	const int64_t at_s = s->at_s;
	const struct calendar *c = s->source.calendar;
	s->day = calendar_day(c, at_s);
	s->tolerance_s = vee_rules_on(s->source.rules, s->day)->tolerance_s;
	enum result result = usage_check(&s->source, s->device.number, s->device.dials,
	                                 s->device.state == DEVICE_ACTIVE, s->day, s->day + 1,
	                                 &s->checked, &s->err);
	if (result != RESULT_OK)
		return result;
	const struct vee_row *row = &s->checked.usage.row;
	s->interval = (uint32_t)((at_s - row->start_s) / row->interval_s);
	s->start_s = row->start_s + (int64_t)s->interval * row->interval_s;
	s->end_s = s->start_s + row->interval_s;
	json_t *interval = json_interval(&s->checked.usage, s->interval);
	json_object_set_new(interval, "end", json_time(s->end_s));
	json_object_set_new(interval, "day", json_day(s->day));
	s->out = json_pack("{s:s, s:s, s:s, s:s, s:o}", "meter", s->device.id, "state",
	                   device_state_name(s->device.state), "gateway", s->device.gateway,
	                   "timezone", calendar_zone(c), "interval", interval);
	return s->out ? RESULT_OK : fail(RESULT_RESOURCE, &s->err, "no memory for the story");
}

static void api_explain(const struct api_request *request, struct api_reply *reply)
{
	static enum result (*const parts[])(struct story *) = {
	    tell_readings, tell_refused, tell_estimate, tell_findings, tell_edits, tell_point,
	    tell_counts};
	struct story s = {.request = request, .context = request->context,
	                  .source = api_usage_source(request)};
	int64_t at_ms;
	if (!api_local_time(request, reply, "time", 0, &at_ms) || !api_caught_up(request, reply))
		return;
	s.at_s = at_ms / 1000;
	s.point = malloc(sizeof *s.point);
	enum result result = s.point ? find_meter(&s)
	                             : fail(RESULT_RESOURCE, &s.err, "no memory for the story");
	if (result == RESULT_OK)
		result = begin(&s);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0] && result == RESULT_OK; i++)
		result = parts[i](&s);
	if (result == RESULT_OK && !api_stopped(request, reply))
		reply_json(reply, json_incref(s.out));
	else if (result != RESULT_OK)
		api_failed(reply, result, &s.err);
	json_decref(s.out);
	free(s.point);
	usage_checked_free(&s.checked);
}

/* clang-format off */
const struct api_topic api_topic_explain = {
    .name = "explain",
    .about = "Where a value comes from and what it counts in",
    .routes = (const struct api_route[]){
	{"GET", "/explain/{id}", api_explain, API_VIEWER,
	 .summary = "The story of the interval that a time lies in",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device, or of a service point: its meter then"},
	     {"time", "string!", "within the interval"}),
	 .answers = API_ANSWERS({200, API_JSON, "Story"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Story", "{meter:string state:string gateway:string timezone:string interval:{...} "
	 "readings:[{...}] refused:[{...}] refused_note:string estimate?:{...} "
	 "findings:[Finding] edits:[Edit] point?:{...} counts_in:{...}}", "All that is known of an interval"},
	{0}},
};
/* clang-format on */
