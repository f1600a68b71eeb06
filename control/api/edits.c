/* SPDX-License-Identifier: Apache-2.0 */
/* Values that operators put in the place of a meter's: /edits/{id}. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/vee_json.h"
#include "control/config/decimal.h"

#define KWH_DECIMALS 6
#define MWH_MOST     INT64_C(1000000000000000) /* 10^9 kWh */

static void list_edits(const struct api_request *request, struct api_reply *reply)
{
	struct usage_edits edits;
	struct device d;
	struct error err;
	if (!api_meter(request, reply, &d))
		return;
	enum result result =
	    usage_edits_load(request->context->store, d.number, &edits, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	json_t *list = json_array();
	for (uint32_t i = 0; i < edits.count; i++)
		json_array_append_new(list, json_edit(&edits.edits[i]));
	usage_edits_free(&edits);
	reply_json(reply, json_pack("{s:s, s:o}", "meter", d.id, "edits", list));
}

/* --- a new one --- */

static bool bad(struct api_reply *reply, const char *remedy, const char *detail)
{
	api_problem(reply, 400, "Bad parameter", remedy, "%s", detail);
	return false;
}

static bool take_kwh(struct api_reply *reply, const char *text, int64_t *mwh)
{
	if (decimal_parse(text, KWH_DECIMALS, mwh) && *mwh >= 0 && *mwh <= MWH_MOST)
		return true;
	api_problem(reply, 400, "Bad parameter", "give kWh, such as 1.25, at most six digits "
	            "behind the point", "'%.40s' is no energy", text);
	return false;
}

/* The period must lie on the intervals of the meter's days, and be over. */
static bool take_period(const struct api_request *request, struct api_reply *reply,
                        const struct usage *u, int64_t from_s, int64_t to_s, uint32_t *first,
                        uint32_t *count)
{
	int32_t interval_s = u->row.interval_s;
	if (to_s > clock_wall_ms() / 1000)
		return bad(reply, "give a period that is over", "the period ends in the future");
	if ((from_s - u->row.start_s) % interval_s || (to_s - u->row.start_s) % interval_s) {
		api_problem(reply, 400, "Bad parameter", "let from and to be full intervals",
		            "the intervals of %.64s have %d minutes", request->rest,
		            interval_s / 60);
		return false;
	}
	*first = (uint32_t)((from_s - u->row.start_s) / interval_s);
	*count = (uint32_t)((to_s - from_s) / interval_s);
	return true;
}

/* "1.5,2,0": one for each interval. */
static bool take_values(struct api_reply *reply, const char *text, struct usage_edit *e)
{
	char value[DECIMAL_BYTES];
	uint32_t i = 0;
	for (; *text && i < e->count; i++) {
		size_t length = strcspn(text, ",");
		snprintf(value, sizeof value, "%.*s", (int)length, text);
		if (!take_kwh(reply, value, &e->energy_mwh[i]))
			return false;
		text += length + (text[length] == ',');
	}
	if (i == e->count && !*text)
		return true;
	api_problem(reply, 400, "Bad parameter", "give as many values as there are intervals",
	            "the period has %" PRIu32 " intervals, values has %s", e->count,
	            *text ? "more" : "fewer");
	return false;
}

/* The period's energy in the shape that its values have now. */
static void share_out(const struct usage *u, uint32_t first, int64_t total_mwh,
                      struct usage_edit *e)
{
	struct vee_row row = {e->from_s, e->interval_s, e->count, u->row.intervals + first};
	vee_scale(&row, &(struct vee_gap){0, e->count}, total_mwh);
	for (uint32_t i = 0; i < e->count; i++)
		e->energy_mwh[i] = row.intervals[i].energy_mwh;
}

static bool take_energy(const struct api_request *request, struct api_reply *reply,
                        const struct usage *u, uint32_t first, struct usage_edit *e)
{
	const char *value = api_parameter(request, "value");
	const char *values = api_parameter(request, "values");
	int64_t total_mwh;
	if (!value == !values)
		return bad(reply, "give value, the kWh of the period, or values, of each interval",
		           value ? "both value and values are given" : "there is no value");
	if (values)
		return take_values(reply, values, e);
	if (!take_kwh(reply, value, &total_mwh))
		return false;
	share_out(u, first, total_mwh, e);
	return true;
}

static void keep(const struct api_request *request, struct api_reply *reply,
                 const struct device *d, const struct usage *u, struct usage_edit *e)
{
	const char *reason = api_parameter(request, "reason");
	struct error err;
	if (strlen(reason) >= sizeof e->reason) {
		bad(reply, "say it in 255 bytes", "the reason is too long");
		return;
	}
	snprintf(e->who, sizeof e->who, "%s", request->who->name);
	snprintf(e->reason, sizeof e->reason, "%s", reason);
	e->interval_s = u->row.interval_s;
	e->made_ms = clock_wall_ms();
	enum result result = usage_edit_add(request->context->store, d->number, e, &err);
	if (result == RESULT_OK)
		reply_json(reply, json_edit(e));
	else
		api_failed(reply, result, &err);
}

static void make(const struct api_request *request, struct api_reply *reply,
                 const struct device *d, int64_t from_s, int64_t to_s, const struct usage *u)
{
	struct usage_edit e = {.from_s = from_s, .interval_s = u->row.interval_s};
	uint32_t first;
	if (!take_period(request, reply, u, from_s, to_s, &first, &e.count))
		return;
	e.energy_mwh = calloc(e.count, sizeof *e.energy_mwh);
	if (!e.energy_mwh)
		reply_json(reply, NULL);
	else if (take_energy(request, reply, u, first, &e))
		keep(request, reply, d, u, &e);
	free(e.energy_mwh);
}

static void add_edit(const struct api_request *request, struct api_reply *reply)
{
	const struct usage_source source = api_usage_source(request);
	int64_t from_ms, to_ms;
	struct device d;
	struct usage u;
	struct error err;
	if (!api_meter(request, reply, &d) ||
	    !api_local_time(request, reply, "from", 0, &from_ms) ||
	    !api_local_time(request, reply, "to", 0, &to_ms))
		return;
	if (from_ms >= to_ms || from_ms % 1000 || to_ms % 1000 ||
	    to_ms - from_ms > INT64_C(40) * 86400000) {
		bad(reply, "give from before to, at most 40 days, in whole seconds",
		    "that is no period to edit");
		return;
	}
	if (!api_caught_up(request, reply))
		return;
	int32_t from_day = calendar_day(source.calendar, from_ms / 1000);
	int32_t end_day = calendar_day(source.calendar, to_ms / 1000 - 1) + 1;
	enum result result = usage_load(&source, d.number, d.dials, from_day, end_day, &u, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	make(request, reply, &d, from_ms / 1000, to_ms / 1000, &u);
	usage_free(&u);
}

static void withdraw_edit(const struct api_request *request, struct api_reply *reply)
{
	const char *text = api_path(request, "number"), *reason = api_parameter(request, "reason");
	unsigned long number = strtoul(text, NULL, 10);
	struct device d;
	struct error err;
	if (!api_meter(request, reply, &d))
		return;
	if (strspn(text, "0123456789") != strlen(text) || number == 0 || number > UINT32_MAX) {
		bad(reply, "give the number of an edit: headrace edits list METER",
		    "that is no number of an edit");
		return;
	}
	enum result result =
	    usage_edit_withdraw(request->context->store, d.number, (uint32_t)number,
	                        request->who->name, reason, clock_wall_ms(), &err);
	if (result == RESULT_OK)
		reply_json(reply, json_pack("{s:s, s:i, s:b}", "meter", d.id, "number",
		                            (int)number, "withdrawn", 1));
	else
		api_failed(reply, result, &err);
}

/* clang-format off */
const struct api_topic api_topic_edits = {
    .name = "edits",
    .about = "Values that operators put in the place of a meter's",
    .routes = (const struct api_route[]){
	{"GET", "/edits/{id}", list_edits, API_VIEWER,
	 .summary = "All edits of a meter, withdrawn ones too",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, "{meter:string edits:[Edit]}"})},
	{"POST", "/edits/{id}", add_edit, API_OPERATOR,
	 .summary = "Lay values over a period's until they are withdrawn",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"from", "string!", "begin, a time or a local day"},
	     {"to", "string!", "end"},
	     {"value", "decimal", "kWh of the whole period, in the shape of its values now"},
	     {"values", "string", "kWh of each interval, with commas between"},
	     {"reason", "string!", "why"}),
	 .answers = API_ANSWERS({200, API_JSON, "Edit"})},
	{"POST", "/edits/{id}/{number}/withdraw", withdraw_edit, API_OPERATOR,
	 .summary = "Let what was under an edit count again; the edit is kept",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"number", "int", "of the edit"},
	     {"reason", "string!", "why"}),
	 .answers = API_ANSWERS({200, API_JSON, "{meter:string number:int withdrawn:bool}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Edit", "{number:int from:time to:time interval_s:int kwh:decimal values:[decimal] "
	 "who:string reason:string made:time withdrawn:bool withdrawn_at?:time "
	 "withdrawn_by?:string withdrawn_reason?:string}", "An operator's values for a period"},
	{0}},
};
/* clang-format on */
