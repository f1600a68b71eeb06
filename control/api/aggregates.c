/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /aggregates/ID: hours, days or months of a meter in the territory's calendar, as JSON or
 * CSV. GET /retention: what is kept for how long, and where it begins now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"
#include "control/config/decimal.h"
#include "storage/keeper.h"

#define DAY_MS     86400000ll
#define UNIT_BYTES (CHANNEL_NAME_BYTES + 4)

static const char *const level_names[AGGREGATE_LEVELS] = {"hour", "day", "month"};
/* Shown when `from` is not given. */
static const int64_t level_days[AGGREGATE_LEVELS] = {2, 31, 366};

bool api_local_time(const struct api_request *request, struct api_reply *reply, const char *name,
		    int64_t otherwise, int64_t *out)
{
	const char *text = api_parameter(request, name);
	struct civil_date date;
	struct error err;
	if (!text || civil_parse(text, &date, &err) != RESULT_OK)
		return api_time(request, reply, name, otherwise, out);
	*out = calendar_day_start_s(request->context->calendar, civil_to_day(date)) * 1000;
	return true;
}

/* --- one period --- */

struct listing {
	const struct api_request *request;
	struct text *text;
	enum aggregate_level level;
	bool csv;
	uint64_t count;
};

static const struct channel *channel_of(const struct listing *l, uint8_t id)
{
	return &l->request->context->channels->by_id[id];
}

/* The unit of power that goes with a unit of energy: "kWh" gives "kW". */
static const char *power_unit(const char *energy, char out[UNIT_BYTES])
{
	size_t length = strlen(energy);
	if (length > 1 && energy[length - 1] == 'h')
		snprintf(out, UNIT_BYTES, "%.*s", (int)(length - 1), energy);
	else
		snprintf(out, UNIT_BYTES, "%s/h", energy);
	return out;
}

static void put_value(struct text *t, int64_t value, uint8_t decimals, const char *unit)
{
	char number[DECIMAL_BYTES];
	text_add(t, "{\"value\":\"%s\",\"unit\":", decimal_format(value, decimals, number));
	text_json(t, unit, strlen(unit));
	text_put(t, "}", 1);
}

static void put_flags(struct text *t, const struct aggregate *a, const char *quote,
		      const char *separator)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {{AGGREGATE_F_DERIVED, "demand_derived"},
		     {AGGREGATE_F_ROLLOVER, "rollover"},
		     {AGGREGATE_F_RESET, "register_fell"},
		     {AGGREGATE_F_GAP, "gap_before"}};
	bool any = false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (a->flags & names[i].bit) {
			text_add(t, "%s%s%s%s", any ? separator : "", quote, names[i].name, quote);
			any = true;
		}
	}
}

/* Intervals that have a reading, in hundredths of a percent. */
static int64_t completeness(const struct aggregate *a)
{
	if (a->slots_expected == 0 || a->slots >= a->slots_expected)
		return 10000;
	return (int64_t)a->slots * 10000 / a->slots_expected;
}

/* Decimals and unit of the peak, which is a channel's or derived from the register's. */
static uint8_t peak_kind(const struct listing *l, const struct aggregate *a, char unit[UNIT_BYTES])
{
	const struct channel *demand = channel_of(l, a->demand_channel);
	const struct channel *energy = channel_of(l, a->register_channel);
	if (a->flags & AGGREGATE_F_DERIVED) {
		power_unit(energy->unit, unit);
		return energy->decimals;
	}
	snprintf(unit, UNIT_BYTES, "%s", demand->unit);
	return demand->decimals;
}

static void put_json_values(const struct listing *l, const struct aggregate *a)
{
	struct text *t = l->text;
	char unit[UNIT_BYTES], time[TIME_TEXT_BYTES];
	const struct channel *energy = channel_of(l, a->register_channel);
	if (a->flags & AGGREGATE_F_ENERGY) {
		text_add(t, ",\"energy\":");
		put_value(t, a->energy, energy->decimals, energy->unit);
		text_add(t, ",\"mean_power\":");
		put_value(t, aggregate_mean(a), energy->decimals, power_unit(energy->unit, unit));
	} else {
		text_add(t, ",\"energy\":null,\"mean_power\":null");
	}
	if (a->flags & AGGREGATE_F_PEAK) {
		uint8_t decimals = peak_kind(l, a, unit);
		text_add(t, ",\"max_demand\":");
		put_value(t, a->peak, decimals, unit);
		text_add(t, ",\"max_demand_time\":\"%s\"", time_format(a->peak_ms, time));
	} else {
		text_add(t, ",\"max_demand\":null,\"max_demand_time\":null");
	}
}

static void put_json(struct listing *l, const struct aggregate *a)
{
	struct text *t = l->text;
	char start[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES], day[TIME_TEXT_BYTES];
	char percent[DECIMAL_BYTES];
	const struct calendar *calendar = l->request->context->calendar;
	time_format(a->start_ms, start);
	time_format(a->end_ms, end);
	day_format(calendar_day(calendar, a->start_ms / 1000), day);
	text_add(t, "%s\n{\"start\":\"%s\",\"end\":\"%s\",\"day\":\"%s\"", l->count ? "," : "",
		 start, end, day);
	put_json_values(l, a);
	text_add(t,
		 ",\"readings\":%u,\"intervals\":%u,\"expected\":%u,\"completeness\":\"%s\","
		 "\"flags\":[",
		 a->readings, a->slots, a->slots_expected,
		 decimal_format(completeness(a), 2, percent));
	put_flags(t, a, "\"", ",");
	text_add(t, "]");
	if (l->level == AGGREGATE_DAY)
		text_add(t, ",\"load_profile\":{\"level\":\"hour\",\"from\":\"%s\",\"to\":\"%s\"}",
			 start, end);
	text_add(t, "}");
}

static void put_csv(struct listing *l, const struct aggregate *a)
{
	struct text *t = l->text;
	char start[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES], unit[UNIT_BYTES] = "";
	char number[DECIMAL_BYTES], mean[DECIMAL_BYTES];
	const struct channel *energy = channel_of(l, a->register_channel);
	text_add(t, "%s,%s,", time_format(a->start_ms, start), time_format(a->end_ms, end));
	if (a->flags & AGGREGATE_F_ENERGY)
		text_add(t, "%s,%s,%s,%s,", decimal_format(a->energy, energy->decimals, number),
			 energy->unit, decimal_format(aggregate_mean(a), energy->decimals, mean),
			 power_unit(energy->unit, unit));
	else
		text_add(t, ",,,,");
	if (a->flags & AGGREGATE_F_PEAK) {
		uint8_t decimals = peak_kind(l, a, unit);
		text_add(t, "%s,%s,%s,", decimal_format(a->peak, decimals, number), unit,
			 time_format(a->peak_ms, start));
	} else {
		text_add(t, ",,,");
	}
	text_add(t, "%u,%u,%u,", a->readings, a->slots, a->slots_expected);
	put_flags(t, a, "", " ");
	text_add(t, "\r\n");
}

static bool on_aggregate(void *context, const struct aggregate *a)
{
	struct listing *l = context;
	if (l->csv)
		put_csv(l, a);
	else
		put_json(l, a);
	l->count++;
	return !api_is_stopping(l->request);
}

/* --- the request --- */

/* False: a problem was answered. */
static bool take_kind(const struct api_request *request, struct api_reply *reply, struct listing *l)
{
	const char *level = api_parameter(request, "level");
	const char *format = api_parameter(request, "format");
	l->level = AGGREGATE_DAY;
	if (level) {
		for (l->level = 0; l->level < AGGREGATE_LEVELS; l->level++) {
			if (strcmp(level, level_names[l->level]) == 0)
				break;
		}
	}
	l->csv = format && strcmp(format, "csv") == 0;
	if (l->level == AGGREGATE_LEVELS)
		api_problem(reply, 400, "Bad parameter", "give hour, day or month",
			    "level is '%.80s'", level);
	else if (format && !l->csv && strcmp(format, "json") != 0)
		api_problem(reply, 400, "Bad parameter", "give json or csv", "format is '%.80s'",
			    format);
	else
		return true;
	return false;
}

static void api_aggregates(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	struct listing l = {.request = request, .text = &reply->text};
	int64_t from, to;
	struct error err;
	if (!take_kind(request, reply, &l) ||
	    !api_local_time(request, reply, "from", clock_wall_ms() - level_days[l.level] * DAY_MS,
			    &from) ||
	    !api_local_time(request, reply, "to", INT64_MAX, &to))
		return;
	uint32_t device = registry_number_of(c->registry, request->rest, strlen(request->rest));
	if (device == DEVICE_NONE) {
		fail(RESULT_ABSENT, &err, "there is no device '%.80s'", request->rest);
		api_failed(reply, RESULT_ABSENT, &err);
		return;
	}
	if (!api_caught_up(request, reply))
		return;
	if (l.csv) {
		reply->content_type = "text/csv; charset=utf-8";
		text_add(l.text, "start,end,energy,energy_unit,mean_power,mean_power_unit,"
				 "max_demand,max_demand_unit,max_demand_time,readings,intervals,"
				 "expected,flags\r\n");
	} else {
		text_add(l.text, "{\"meter\":");
		text_json(l.text, request->rest, strlen(request->rest));
		text_add(l.text, ",\"level\":\"%s\",\"zone\":\"%s\",\"aggregates\":[",
			 level_names[l.level], calendar_zone(c->calendar));
	}
	enum result result =
	    store_aggregates(c->store, device, l.level, from, to, on_aggregate, &l, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	if (!l.csv)
		text_add(l.text, "],\"count\":%" PRIu64 "}\n", l.count);
	api_stopped(request, reply);
}

/* --- retention --- */

struct level_shown {
	const char *name;
	uint32_t days;
	bool has_oldest, goes;
	int32_t oldest, keeps_from; /* local days */
};

static void put_level(struct text *t, const struct level_shown *v, bool first)
{
	char day[TIME_TEXT_BYTES];
	text_add(t, "%s\n{\"level\":\"%s\",\"keep_days\":", first ? "" : ",", v->name);
	if (v->days > 0)
		text_add(t, "%u,\"keeps_from\":\"%s\",", v->days, day_format(v->keeps_from, day));
	else
		text_add(t, "null,\"keeps_from\":null,");
	if (v->has_oldest)
		text_add(t, "\"oldest\":\"%s\",", day_format(v->oldest, day));
	else
		text_add(t, "\"oldest\":null,");
	text_add(t, "\"past\":%s,", v->goes ? "true" : "false");
	if (v->has_oldest && v->days > 0)
		text_add(t, "\"next_goes\":\"%s\"}",
			 day_format(v->oldest + (int32_t)v->days + 1, day));
	else
		text_add(t, "\"next_goes\":null}");
}

static void api_retention(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	const struct config *k = c->config;
	struct text *t = &reply->text;
	int32_t today = calendar_day(c->calendar, clock_wall_ms() / 1000);
	int64_t raw = store_first_day(c->store);
	int32_t hour = store_first_aggregate(c->store, AGGREGATE_HOUR);
	int32_t month = store_first_aggregate(c->store, AGGREGATE_DAY);
	int32_t year = store_first_aggregate(c->store, AGGREGATE_MONTH);
	struct level_shown v[4] = {
	    {.name = "readings",
	     .days = k->retention.raw_days,
	     .has_oldest = raw != INT64_MAX,
	     .oldest = (int32_t)raw},
	    {.name = "hours",
	     .days = k->retention.hour_days,
	     .has_oldest = hour != INT32_MAX,
	     .oldest = hour},
	    {.name = "days", .days = k->retention.day_days, .has_oldest = month != INT32_MAX},
	    {.name = "months", .has_oldest = year != INT32_MAX},
	};
	if (v[2].has_oldest)
		v[2].oldest = civil_to_day((struct civil_date){month / 12, month % 12 + 1, 1});
	if (v[3].has_oldest)
		v[3].oldest = civil_to_day((struct civil_date){year, 1, 1});
	text_add(t, "{\"levels\":[");
	for (uint32_t i = 0; i < 4; i++) {
		v[i].keeps_from = today - (int32_t)v[i].days;
		v[i].goes = v[i].has_oldest && v[i].days > 0 && v[i].oldest < v[i].keeps_from;
		put_level(t, &v[i], i == 0);
	}
	text_add(t, "],\"removed_readings\":%" PRIu64 "}\n", store_removed(c->store));
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_aggregates = {
    .name = "aggregates",
    .about = "Hours, days and months of meters, and what is kept for how long",
    .routes = (const struct api_route[]){
	{"GET", "/aggregates/{id}", api_aggregates, API_VIEWER,
	 .summary = "Energy, mean power, maximum demand and completeness by period",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"level", "'hour'|'day'|'month'", "of the periods; default day"},
	     {"from", "time", "first period; a day is the territory's"},
	     {"to", "time", "end"},
	     {"format", "'json'|'csv'", "of the answer; default json"}),
	 .answers = API_ANSWERS({200, API_JSON | API_CSV,
	     "{meter:string level:string zone:string aggregates:[Aggregate] count:int}"})},
	{"GET", "/retention", api_retention, API_VIEWER,
	 .summary = "What is kept for how long, and what goes next",
	 .answers = API_ANSWERS({200, API_JSON,
	     "{levels:[{level:string keep_days:int? keeps_from:day? oldest:day? past:bool "
	     "next_goes:day?}] removed_readings:int}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Aggregate", "{start:time end:time day:day energy:Value? mean_power:Value? "
	 "max_demand:Value? max_demand_time:time? readings:int intervals:int expected:int "
	 "completeness:decimal flags:[string] load_profile?:{level:string from:time to:time}}",
	 "An hour, a day or a month of a meter"},
	{0}},
};
/* clang-format on */
