/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/vee_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "contract/reading.h"
#include "control/api/reading_text.h"
#include "control/config/decimal.h"

#define KWH_DECIMALS  6
#define NUMBER_BYTES  DECIMAL_BYTES
#define FINDING_BYTES 256

/* Without zeros at the end. */
static const char *number(int64_t value, unsigned decimals, char out[NUMBER_BYTES])
{
	decimal_format(value, decimals, out);
	if (decimals > 0) {
		char *end = out + strlen(out);
		while (end[-1] == '0')
			*--end = '\0';
		if (end[-1] == '.')
			end[-1] = '\0';
	}
	return out;
}

json_t *json_kwh(int64_t energy_mwh)
{
	char text[NUMBER_BYTES];
	return json_string(number(energy_mwh, KWH_DECIMALS, text));
}

json_t *json_time(int64_t at_s)
{
	char text[TIME_TEXT_BYTES];
	return json_string(time_format(at_s * 1000, text));
}

json_t *json_day(int32_t day)
{
	char text[DAY_FORMAT_BYTES];
	return json_string(day_format(day, text));
}

/* --- findings --- */

/* %1: value, %2: limit, %3: the energy judged, %4: what it was held against. */
static const char *const forms[VEE_RULE_COUNT] = {
    [VEE_RULE_SPIKE] = "the highest interval, %3$s kWh, is %1$s %% above the third highest, %4$s "
                       "kWh; limit %2$s %%",
    [VEE_RULE_SUM] = "the intervals add up to %3$s kWh, the register counted %4$s kWh: %1$s kWh "
                     "apart; limit %2$s kWh",
    [VEE_RULE_TOU_SUM] = "the registers by time of use counted %3$s kWh, the total %4$s kWh: %1$s "
                         "kWh apart; limit %2$s kWh",
    [VEE_RULE_HIGH_USE] = "%3$s kWh are %1$s %% of the %4$s kWh customary on like days; limit %2$s "
                          "%%",
    [VEE_RULE_LOW_USE] = "%3$s kWh are %1$s %% of the %4$s kWh customary on like days; limit %2$s "
                         "%%",
    [VEE_RULE_ZERO_USE] = "an active meter counted nothing for %1$s days in a row; limit %2$s",
    [VEE_RULE_INACTIVE] = "%1$s kWh on a meter that is not active; limit %2$s kWh",
    [VEE_RULE_GAP] = "no readings for %1$s minutes: %3$s kWh estimated",
    [VEE_RULE_INCOMPLETE] = "%1$s %% of the intervals are actual values; limit %2$s %%",
    [VEE_RULE_FELL] = "the register fell from %4$s to %3$s kWh and did not roll over",
};

static void finding_text(const struct vee_finding *f, char out[FINDING_BYTES])
{
	const struct vee_rule_info *info = &vee_rule_info[f->rule];
	char value[NUMBER_BYTES], limit[NUMBER_BYTES], is[NUMBER_BYTES], against[NUMBER_BYTES];
	number(f->value, info->decimals, value);
	number(f->limit, info->decimals, limit);
	number(f->is_mwh, KWH_DECIMALS, is);
	number(f->against_mwh, KWH_DECIMALS, against);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(out, FINDING_BYTES, forms[f->rule], value, limit, is, against);
#pragma GCC diagnostic pop
}

json_t *json_finding(const struct vee_finding *f)
{
	const struct vee_rule_info *info = &vee_rule_info[f->rule];
	char text[FINDING_BYTES], value[NUMBER_BYTES], limit[NUMBER_BYTES];
	finding_text(f, text);
	return json_pack("{s:s, s:i, s:o, s:o, s:s, s:s, s:s, s:s}", "rule", info->name, "version",
	                 (int)f->version, "from", json_time(f->from_s), "to", json_time(f->to_s),
	                 "value", number(f->value, info->decimals, value), "limit",
	                 number(f->limit, info->decimals, limit), "unit", info->unit, "text", text);
}

/* --- edits --- */

json_t *json_edit(const struct usage_edit *e)
{
	int64_t sum = 0;
	json_t *values = json_array();
	for (uint32_t i = 0; i < e->count; i++) {
		sum += e->energy_mwh[i];
		json_array_append_new(values, json_kwh(e->energy_mwh[i]));
	}
	json_t *json = json_pack(
	    "{s:i, s:o, s:o, s:i, s:o, s:o, s:s, s:s, s:o, s:b}", "number", (int)e->number, "from",
	    json_time(e->from_s), "to", json_time(usage_edit_end_s(e)), "interval_s",
	    (int)e->interval_s, "kwh", json_kwh(sum), "values", values, "who", e->who, "reason",
	    e->reason, "made", json_time(e->made_ms / 1000), "withdrawn", (int)e->withdrawn);
	if (e->withdrawn) {
		json_object_set_new(json, "withdrawn_at", json_time(e->withdrawn_ms / 1000));
		json_object_set_new(json, "withdrawn_by", json_string(e->withdrawn_who));
		json_object_set_new(json, "withdrawn_reason", json_string(e->withdrawn_reason));
	}
	return json;
}

/* --- intervals --- */

static const struct usage_gap *gap_of(const struct usage *u, uint32_t interval)
{
	for (uint32_t i = 0; i < u->gap_count; i++)
		if (interval - u->gaps[i].gap.first < u->gaps[i].gap.count)
			return &u->gaps[i];
	return NULL;
}

/* Of those that are not withdrawn the last. */
static uint32_t edit_of(const struct usage *u, int64_t from_s)
{
	uint32_t number = 0;
	for (uint32_t i = 0; i < u->edits.count; i++) {
		const struct usage_edit *e = &u->edits.edits[i];
		if (!e->withdrawn && e->from_s <= from_s &&
		    usage_edit_end_s(e) >= from_s + u->row.interval_s)
			number = e->number;
	}
	return number;
}

json_t *json_interval(const struct usage *u, uint32_t interval)
{
	const struct vee_interval *v = &u->row.intervals[interval];
	int64_t start_s = u->row.start_s + (int64_t)interval * u->row.interval_s;
	const struct usage_gap *gap = gap_of(u, interval);
	json_t *json = json_pack("{s:o, s:o, s:s}", "start", json_time(start_s), "kwh",
	                         v->source == VEE_MISSING ? json_null() : json_kwh(v->energy_mwh),
	                         "source", vee_source_name(v->source));
	if (v->source == VEE_EDITED)
		json_object_set_new(json, "edit", json_integer(edit_of(u, start_s)));
	else if (gap && v->source != VEE_MISSING)
		json_object_set_new(json, "rules", json_integer(gap->version));
	if (v->flags & READING_F_TS_REPLACED)
		json_object_set_new(json, "time_replaced", json_true());
	if (v->flags & (READING_F_TS_REPLACED | READING_F_DRIFT))
		json_object_set_new(json, "drift_s", json_integer(v->drift_s));
	if (v->flags & READING_F_LATE)
		json_object_set_new(json, "late", json_true());
	return json;
}

/* --- requests and answers --- */

void reply_json(struct api_reply *reply, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	struct error err;
	if (text) {
		text_put(&reply->text, text, strlen(text));
		text_put(&reply->text, "\n", 1);
	} else {
		api_failed(reply, fail(RESULT_RESOURCE, &err, "no memory for the answer"), &err);
	}
	free(text);
	json_decref(json);
}

static bool take_day(const struct api_request *request, struct api_reply *reply, const char *name,
                     int32_t *day)
{
	const char *text = api_parameter(request, name);
	struct civil_date date;
	struct error err;
	if (text && civil_parse(text, &date, &err) == RESULT_OK) {
		*day = civil_to_day(date);
		return true;
	}
	api_problem(reply, 400, "Bad parameter", "give a day, such as 2026-03-29", "%s: %s", name,
	            text ? err.text : "is missing");
	return false;
}

bool api_days(const struct api_request *request, struct api_reply *reply, int32_t *from_day,
              int32_t *end_day)
{
	if (!take_day(request, reply, "from", from_day))
		return false;
	*end_day = *from_day + 1;
	return !api_parameter(request, "to") || take_day(request, reply, "to", end_day);
}

bool api_meter(const struct api_request *request, struct api_reply *reply, struct device *d)
{
	struct error err;
	enum result result = registry_get(request->context->registry, request->rest, d, &err);
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	return result == RESULT_OK;
}

struct usage_source api_usage_source(const struct api_request *request)
{
	const struct api_context *c = request->context;
	return (struct usage_source){.store = c->store,
	                             .profiles = c->profiles,
	                             .calendar = c->calendar,
	                             .rules = c->vee_rules,
	                             .now_s = clock_wall_ms() / 1000};
}
