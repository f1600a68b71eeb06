/* SPDX-License-Identifier: Apache-2.0 */
/* GET /usage/ID: what a meter used, by interval or local day, each value with its origin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/vee_json.h"
#include "control/api/topics.h"
#include "control/config/decimal.h"
#include "control/usage/service_point.h"

#define KWH_DECIMALS 6

/* What is asked for: a device, or, where there is none of that id, a service point. */
struct asked {
	bool is_point;
	struct usage usage;
	struct usage_parts parts; /* of a point */
};

static enum result load_point(const struct api_request *request, const struct usage_source *source,
			      int32_t from_day, int32_t end_day, struct asked *out,
			      struct error *err)
{
	struct registry *registry = request->context->registry;
	struct service_point point;
	enum result result = registry_point_get(registry, request->rest, &point, err);
	if (result == RESULT_ABSENT)
		return fail(RESULT_ABSENT, err, "there is no meter and no service point '%.80s'",
			    request->rest);
	out->is_point = true;
	return result == RESULT_OK ? usage_load_point(source, registry, &point, from_day, end_day,
						      &out->usage, &out->parts, err)
				   : result;
}

/* False: a problem was answered. */
static bool load(const struct api_request *request, struct api_reply *reply, int32_t from_day,
		 int32_t end_day, struct asked *out)
{
	const struct api_context *c = request->context;
	const struct usage_source source = {c->store, c->profiles, c->calendar, c->vee_rules,
	                                    clock_wall_ms() / 1000, NULL};
	struct device d;
	struct error err;
	enum result result = registry_get(c->registry, request->rest, &d, &err);
	out->is_point = false;
	if (result == RESULT_OK)
		result =
		    usage_load(&source, d.number, d.dials, from_day, end_day, &out->usage, &err);
	else if (result == RESULT_ABSENT)
		result = load_point(request, &source, from_day, end_day, out, &err);
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	return result == RESULT_OK;
}

/* --- usage --- */

static void put_kwh(struct text *t, const char *name, int64_t energy_mwh)
{
	char value[DECIMAL_BYTES];
	text_add(t, "\"%s\":\"%s\"", name, decimal_format(energy_mwh, KWH_DECIMALS, value));
}

static void put_percent(struct text *t, const char *name, int32_t hundredths)
{
	char value[DECIMAL_BYTES];
	text_add(t, "\"%s\":\"%s\"", name, decimal_format(hundredths, 2, value));
}

static void put_intervals(struct text *t, const struct usage *u)
{
	text_add(t, ",\"intervals\":[");
	for (uint32_t i = 0; i < u->row.count; i++) {
		json_t *interval = json_interval(u, i);
		char *text = json_dumps(interval, JSON_COMPACT);
		text_add(t, "%s\n%s", i ? "," : "", text ? text : "null");
		free(text);
		json_decref(interval);
	}
	text_add(t, "]");
}

static bool is_spike(const struct api_context *c, const struct vee_row *row, int32_t day)
{
	const struct vee_rules *rules = vee_rules_on(c->vee_rules, day);
	return vee_spike_of(row).over >= rules->rule[VEE_RULE_SPIKE].limit;
}

static void put_days(struct text *t, const struct usage *u, const struct api_context *c)
{
	char day[TIME_TEXT_BYTES];
	text_add(t, ",\"days\":[");
	for (int32_t d = u->from_day; d < u->end_day; d++) {
		struct vee_row row = usage_day(u, c->calendar, d);
		uint32_t actual = 0, missing = 0;
		for (uint32_t i = 0; i < row.count; i++) {
			actual += row.intervals[i].source == VEE_ACTUAL;
			missing += row.intervals[i].source == VEE_MISSING;
		}
		text_add(t, "%s\n{\"day\":\"%s\",", d > u->from_day ? "," : "",
		         day_format(d, day));
		put_kwh(t, "kwh", vee_sum_mwh(&row));
		text_add(t, ",\"intervals\":%u,\"actual\":%u,\"estimated\":%u,\"missing\":%u,",
		         row.count, actual, row.count - actual - missing, missing);
		put_percent(t, "completeness", vee_completeness(&row));
		text_add(t, ",\"spike\":%s}", is_spike(c, &row, d) ? "true" : "false");
	}
	text_add(t, "]");
}

static void put_gaps(struct text *t, const struct usage *u)
{
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
	text_add(t, ",\"gaps\":[");
	for (uint32_t i = 0; i < u->gap_count; i++) {
		const struct usage_gap *g = &u->gaps[i];
		text_add(t, "%s\n{\"from\":\"%s\",\"to\":\"%s\",\"filled\":\"%s\"",
		         i ? "," : "", time_format(g->from_s * 1000, from),
		         time_format(g->to_s * 1000, to), vee_source_name(g->source));
		if (g->scaled) {
			text_add(t, ",");
			put_kwh(t, "register_kwh", g->register_mwh);
		}
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void put_parts(struct text *t, const struct usage_parts *parts)
{
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES], ratio[RATIO_TEXT_BYTES];
	text_add(t, ",\"meters\":[");
	for (uint32_t i = 0; i < parts->count; i++) {
		const struct usage_part *p = &parts->list[i];
		text_add(t, "%s\n{\"meter\":", i ? "," : "");
		text_json(t, p->installation.meter, strlen(p->installation.meter));
		text_add(t, ",\"from\":\"%s\",\"to\":\"%s\",\"ratio\":\"%s\",\"readings\":%u,",
			 time_format(p->from_s * 1000, from), time_format(p->to_s * 1000, to),
			 ratio_format(&p->installation.ratio, ratio), p->readings);
		put_kwh(t, "register_kwh", p->register_mwh);
		text_add(t, ",");
		put_kwh(t, "kwh", p->energy_mwh);
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void api_usage(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	const char *by = api_parameter(request, "by");
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
	int32_t from_day, end_day;
	struct asked asked;
	struct text *t = &reply->text;

	if (!api_days(request, reply, &from_day, &end_day))
		return;
	bool days = by && strcmp(by, "day") == 0;
	if (by && !days && strcmp(by, "interval") != 0) {
		api_problem(reply, 400, "Bad parameter", "give interval or day", "by is '%.80s'",
		            by);
		return;
	}
	if (!load(request, reply, from_day, end_day, &asked))
		return;
	struct usage u = asked.usage;
	text_add(t, "{\"%s\":", asked.is_point ? "point" : "meter");
	text_json(t, request->rest, strlen(request->rest));
	text_add(t, ",\"timezone\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"interval_s\":%d,"
	            "\"rules\":%d,", calendar_zone(c->calendar), day_format(from_day, from),
	         day_format(end_day, to), u.row.interval_s,
	         vee_rules_on(c->vee_rules, end_day - 1)->version);
	put_kwh(t, "kwh", vee_sum_mwh(&u.row));
	text_add(t, ",");
	put_percent(t, "completeness", u.completeness);
	text_add(t, ",\"readings\":%u,\"register_falls\":%u", u.readings, u.falls);
	if (u.has_register) {
		text_add(t, ",");
		put_kwh(t, "register_kwh", u.register_mwh);
	}
	if (days)
		put_days(t, &u, c);
	else
		put_intervals(t, &u);
	put_gaps(t, &u);
	if (asked.is_point)
		put_parts(t, &asked.parts);
	text_add(t, "}\n");
	usage_free(&u);
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_usage = {
    .name = "usage",
    .about = "What meters used, each value with its origin",
    .routes = (const struct api_route[]){
	{"GET", "/usage/{id}", api_usage, API_VIEWER,
	 .summary = "By interval or local day, with gaps and how they were filled",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"from", "day!", "first local day"},
	     {"to", "day", "the day after the last one; default: one day"},
	     {"by", "'interval'|'day'", "default interval"}),
	 .answers = API_ANSWERS({200, API_JSON, "Usage"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Usage", "{meter?:string point?:string meters?:[{meter:string from:time to:time "
	 "ratio:string readings:int register_kwh:decimal kwh:decimal}] "
	 "timezone:string from:day to:day interval_s:int rules:int "
	 "kwh:decimal completeness:decimal readings:int register_falls:int "
	 "register_kwh?:decimal "
	 "intervals?:[{start:time kwh:decimal? source:string rules?:int edit?:int "
	 "time_replaced?:bool drift_s?:int late?:bool}] "
	 "days?:[{day:day kwh:decimal intervals:int actual:int estimated:int missing:int "
	 "completeness:decimal spike:bool}] "
	 "gaps:[{from:time to:time filled:string register_kwh?:decimal}] ...}",
	 "What a meter used in a period"},
	{0}},
};
/* clang-format on */
