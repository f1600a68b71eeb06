/* SPDX-License-Identifier: Apache-2.0 */
/* Load profiles: a meter's local days interval by interval, with peak, mean and completeness. */
#include <stdio.h>
#include <string.h>

#include "control/api/vee_json.h"
#include "control/config/decimal.h"

#define DAYS_MAX    62
#define KW_DECIMALS 6

/* Mean power of an interval: mWh to mW. */
static int64_t power(int64_t energy_mwh, int64_t seconds)
{
	return (int64_t)(((__int128)energy_mwh * 3600 + seconds / 2) / seconds);
}

static json_t *local_time(const struct calendar *c, int64_t at_s)
{
	struct local_time l = calendar_local(c, at_s);
	int offset_min = l.offset_s / 60, minutes = offset_min < 0 ? -offset_min : offset_min;
	return json_sprintf("%04d-%02d-%02dT%02d:%02d%c%02d:%02d", l.date.year, l.date.month,
	                    l.date.day, l.second_of_day / 3600, l.second_of_day / 60 % 60,
	                    offset_min < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static json_t *intervals_of(const struct usage *u, const struct calendar *c,
                            const struct vee_row *day)
{
	json_t *list = json_array();
	uint32_t first = (uint32_t)(day->intervals - u->row.intervals);
	for (uint32_t i = 0; i < day->count; i++) {
		const struct vee_interval *v = &day->intervals[i];
		json_t *interval = json_interval(u, first + i);
		json_object_set_new(interval, "local",
		                    local_time(c, day->start_s + (int64_t)i * day->interval_s));
		json_object_set_new(interval, "kw",
		                    v->source == VEE_MISSING
		                        ? json_null()
		                        : json_kwh(power(v->energy_mwh, day->interval_s)));
		json_array_append_new(list, interval);
	}
	return list;
}

/* What is there of a day. */
struct load {
	uint32_t there, actual, peak;
	int64_t sum_mwh;
};

static struct load load_of(const struct vee_row *day)
{
	struct load l = {.peak = UINT32_MAX};
	for (uint32_t i = 0; i < day->count; i++) {
		const struct vee_interval *v = &day->intervals[i];
		if (v->source == VEE_MISSING)
			continue;
		l.there++;
		l.actual += v->source == VEE_ACTUAL;
		l.sum_mwh += v->energy_mwh;
		if (l.peak == UINT32_MAX || v->energy_mwh > day->intervals[l.peak].energy_mwh)
			l.peak = i;
	}
	return l;
}

static void put_power(json_t *out, const struct calendar *c, const struct vee_row *day,
                      const struct load *l)
{
	char factor[DECIMAL_BYTES];
	if (l->there == 0)
		return;
	int64_t peak_s = day->start_s + (int64_t)l->peak * day->interval_s;
	int64_t peak_mwh = day->intervals[l->peak].energy_mwh;
	json_object_set_new(out, "mean_kw",
	                    json_kwh(power(l->sum_mwh, (int64_t)l->there * day->interval_s)));
	json_object_set_new(out, "peak_kw", json_kwh(power(peak_mwh, day->interval_s)));
	json_object_set_new(out, "peak_start", json_time(peak_s));
	json_object_set_new(out, "peak_local", local_time(c, peak_s));
	if (peak_mwh > 0)
		json_object_set_new(out, "load_factor",
		                    json_string(decimal_format(
		                        vee_share(l->sum_mwh / l->there, peak_mwh), 4, factor)));
}

static json_t *day_of(const struct usage *u, const struct calendar *c, int32_t day)
{
	struct vee_row row = usage_day(u, c, day);
	struct load l = load_of(&row);
	char complete[DECIMAL_BYTES];
	json_t *out = json_pack(
	    "{s:o, s:o, s:o, s:i, s:i, s:i, s:s, s:o}", "day", json_day(day), "start",
	    json_time(row.start_s), "end", json_time(calendar_day_start_s(c, day + 1)), "intervals",
	    (int)row.count, "actual", (int)l.actual, "missing", (int)(row.count - l.there),
	    "completeness", decimal_format(vee_completeness(&row), 2, complete), "kwh",
	    json_kwh(l.sum_mwh));
	if (out) {
		put_power(out, c, &row, &l);
		json_object_set_new(out, "profile", intervals_of(u, c, &row));
	}
	return out;
}

/* --- the highest demand that the meter itself has told, by day --- */

struct demand {
	const struct api_context *context;
	json_t *days;
	int32_t from_day;
};

static bool on_aggregate(void *context, const struct aggregate *a)
{
	struct demand *d = context;
	const struct channel *ch = &d->context->channels->by_id[a->demand_channel];
	int32_t day = calendar_day(d->context->calendar, a->start_ms / 1000);
	char value[DECIMAL_BYTES];
	if (a->flags & AGGREGATE_F_PEAK && !(a->flags & AGGREGATE_F_DERIVED) && ch->id != 0)
		json_object_set_new(
		    json_array_get(d->days, (size_t)(day - d->from_day)), "max_demand",
		    json_pack("{s:s, s:s, s:o, s:s}", "value",
		              decimal_format(a->peak, ch->decimals, value), "unit", ch->unit,
		              "time", json_time(a->peak_ms / 1000), "channel", ch->name));
	return true;
}

static enum result put_demand(const struct api_request *request, const struct usage *u,
                              json_t *days, struct error *err)
{
	const struct api_context *c = request->context;
	struct demand d = {c, days, u->from_day};
	return store_aggregates(c->store, u->device, AGGREGATE_DAY,
	                        calendar_day_start_s(c->calendar, u->from_day) * 1000,
	                        calendar_day_start_s(c->calendar, u->end_day) * 1000, on_aggregate,
	                        &d, err);
}

/* --- as CSV --- */

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static void put_csv(struct text *t, const json_t *days)
{
	const json_t *day, *interval;
	size_t i, k;
	text_add(t, "day,start,local,kwh,kw,source\r\n");
	json_array_foreach(days, i, day)
	{
		json_array_foreach(json_object_get(day, "profile"), k, interval)
		{
			text_add(t, "%s,%s,%s,%s,%s,%s\r\n", text_at(day, "day"),
			         text_at(interval, "start"), text_at(interval, "local"),
			         text_at(interval, "kwh"), text_at(interval, "kw"),
			         text_at(interval, "source"));
		}
	}
}

/* --- the request --- */

static void answer(const struct api_request *request, struct api_reply *reply,
                   const struct device *d, const struct usage *u, bool csv)
{
	const struct calendar *c = request->context->calendar;
	struct error err;
	json_t *days = json_array();
	for (int32_t day = u->from_day; day < u->end_day; day++)
		json_array_append_new(days, day_of(u, c, day));
	enum result result = put_demand(request, u, days, &err);
	if (result != RESULT_OK) {
		json_decref(days);
		api_failed(reply, result, &err);
	} else if (csv) {
		reply->content_type = "text/csv; charset=utf-8";
		put_csv(&reply->text, days);
		json_decref(days);
	} else {
		reply_json(reply, json_pack("{s:s, s:s, s:i, s:o}", "meter", d->id, "timezone",
		                            calendar_zone(c), "interval_s",
		                            (int)u->row.interval_s, "days", days));
	}
}

static void api_profile(const struct api_request *request, struct api_reply *reply)
{
	const struct usage_source source = api_usage_source(request);
	const char *format = api_parameter(request, "format");
	int32_t from_day, end_day;
	struct device d;
	struct usage u;
	struct error err;
	if (!api_days(request, reply, &from_day, &end_day) || !api_meter(request, reply, &d))
		return;
	if (format && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0) {
		api_problem(reply, 400, "Bad parameter", "give json or csv", "format is '%.80s'",
		            format);
		return;
	}
	if (end_day <= from_day || end_day - from_day > DAYS_MAX) {
		api_problem(reply, 400, "Bad parameter", "give from 1 to 62 days",
		            "that are %d days", end_day - from_day);
		return;
	}
	if (!api_caught_up(request, reply))
		return;
	enum result result = usage_load(&source, d.number, d.dials, from_day, end_day, &u, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	answer(request, reply, &d, &u, format && strcmp(format, "csv") == 0);
	usage_free(&u);
}

/* clang-format off */
const struct api_topic api_topic_profile = {
    .name = "profile",
    .about = "Load profiles of local days",
    .routes = (const struct api_route[]){
	{"GET", "/profile/{id}", api_profile, API_VIEWER,
	 .summary = "A meter's days interval by interval, with peak, mean power and completeness",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"from", "day!", "first local day"},
	     {"to", "day", "the day after the last one, at most 62 later"},
	     {"format", "'json'|'csv'", "of the answer; default json"}),
	 .answers = API_ANSWERS({200, API_JSON | API_CSV,
	     "{meter:string timezone:string interval_s:int days:[LoadProfile]}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"LoadProfile", "{day:day start:time end:time intervals:int actual:int missing:int "
	 "completeness:decimal kwh:decimal mean_kw?:decimal peak_kw?:decimal peak_start?:time "
	 "peak_local?:string load_factor?:decimal "
	 "max_demand?:{value:decimal unit:string time:time channel:string} profile:[{start:time "
	 "local:string kwh:decimal? kw:decimal? source:string rules?:int edit?:int "
	 "time_replaced?:bool drift_s?:int late?:bool}]}", "A local day of a meter"},
	{0}},
};
/* clang-format on */
