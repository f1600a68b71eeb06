/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of validation found in a meter's days, and the rules themselves. */
#include <string.h>

#include "control/api/vee_json.h"
#include "control/config/decimal.h"
#include "control/scan/scan.h"
#include "control/usage/check.h"

#define PERCENT_DECIMALS 2

/* --- a meter's days --- */

static json_t *checked_json(const struct api_context *c, const struct device *d,
                            const struct usage_checked *checked)
{
	const struct usage *u = &checked->usage;
	char complete[DECIMAL_BYTES];
	json_t *counts = json_object(), *list = json_array();
	for (uint32_t i = 0; i < checked->count; i++) {
		const char *name = vee_rule_info[checked->findings[i].rule].name;
		json_int_t before = json_integer_value(json_object_get(counts, name));
		json_object_set_new(counts, name, json_integer(before + 1));
		json_array_append_new(list, json_finding(&checked->findings[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "meter", d->id, "state",
	                 device_state_name(d->state), "timezone", calendar_zone(c->calendar),
	                 "from", json_day(u->from_day), "to", json_day(u->end_day), "kwh",
	                 json_kwh(vee_sum_mwh(&u->row)), "completeness",
	                 decimal_format(u->completeness, PERCENT_DECIMALS, complete), "counts",
	                 counts, "findings", list);
}

static void check_meter(const struct api_request *request, struct api_reply *reply)
{
	const struct usage_source source = api_usage_source(request);
	struct usage_checked checked;
	int32_t from_day, end_day;
	struct device d;
	struct error err;
	if (!api_days(request, reply, &from_day, &end_day) || !api_meter(request, reply, &d) ||
	    !api_caught_up(request, reply))
		return;
	enum result result = usage_check(&source, d.number, d.dials, d.state == DEVICE_ACTIVE,
	                                 from_day, end_day, &checked, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	reply_json(reply, checked_json(request->context, &d, &checked));
	usage_checked_free(&checked);
}

/* --- rules --- */

static json_t *setting_json(enum vee_rule rule, const char *profile,
                            const struct vee_rule_setting *s)
{
	const struct vee_rule_info *info = &vee_rule_info[rule];
	char limit[DECIMAL_BYTES];
	decimal_format(s->limit, info->decimals, limit);
	json_t *out =
	    json_pack("{s:s, s:b, s:s, s:s, s:s}", "rule", info->name, "enabled", (int)s->on,
	              "limit", limit, "unit", info->unit, "help", info->help);
	if (profile)
		json_object_set_new(out, "profile", json_string(profile));
	return out;
}

static json_t *version_json(const struct vee_rules *r)
{
	char complete[DECIMAL_BYTES];
	json_t *list = json_array(), *holidays = json_array();
	for (int i = 0; i < VEE_RULE_COUNT; i++)
		json_array_append_new(list, setting_json((enum vee_rule)i, NULL, &r->rule[i]));
	for (uint32_t i = 0; i < r->override_count; i++)
		json_array_append_new(list, setting_json((enum vee_rule)r->overrides[i].rule,
		                                         r->overrides[i].profile,
		                                         &r->overrides[i].setting));
	for (uint32_t i = 0; i < r->holiday_count; i++)
		json_array_append_new(holidays, json_day(r->holidays[i]));
	json_t *out = json_pack(
	    "{s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:o, s:o}", "version", (int)r->version,
	    "tolerance_s", (int)r->tolerance_s, "interpolate_max_min",
	    (int)r->interpolate_max_s / 60, "like_days", (int)r->like_days, "like_days_back",
	    (int)r->like_days_back, "outage_min", (int)r->outage_min, "completeness_percent",
	    decimal_format(r->completeness_min, PERCENT_DECIMALS, complete), "holidays", holidays,
	    "rules", list);
	if (r->from_day != INT32_MIN) /* built in: for ever */
		json_object_set_new(out, "from", json_day(r->from_day));
	return out;
}

static void list_rules(const struct api_request *request, struct api_reply *reply)
{
	json_t *versions = json_array();
	for (const struct vee_rules *r = request->context->vee_rules; r; r = r->before)
		json_array_append_new(versions, version_json(r));
	reply_json(reply, json_pack("{s:o}", "versions", versions));
}

/* --- scans of all meters --- */

/* The period that `day` or `month` names. False: a problem was answered. */
static bool take_period(const struct api_request *request, struct api_reply *reply,
                        const char **period)
{
	const char *day = api_parameter(request, "day"), *month = api_parameter(request, "month");
	int32_t from_day, end_day;
	struct error err;
	*period = day ? day : month;
	if (!day == !month)
		api_problem(reply, 400, "Bad parameter", "give day or month",
		            day ? "both day and month are given" : "there is no period");
	else if (strlen(*period) != (day ? 10 : 7) ||
	         scan_period(*period, &from_day, &end_day, &err) != RESULT_OK)
		api_problem(reply, 400, "Bad parameter", "give a day as 2026-03-29, a month as "
		            "2026-03", "'%.40s' is none", *period);
	else
		return true;
	return false;
}

static void run_scan(const struct api_request *request, struct api_reply *reply)
{
	const char *period, *prefix = api_parameter(request, "prefix");
	struct error err;
	if (!take_period(request, reply, &period) || !api_caught_up(request, reply))
		return;
	enum result result =
	    scan_begin(request->context->scan, period, prefix ? prefix : "", &err);
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else
		reply_json(reply, json_pack("{s:s, s:b}", "period", period, "running", 1));
}

static json_t *status_json(const struct scan_status *s)
{
	json_t *rules = json_object();
	for (int i = 0; i < VEE_RULE_COUNT; i++)
		json_object_set_new(
		    rules, vee_rule_info[i].name,
		    json_pack("{s:I, s:I}", "findings", (json_int_t)s->rule[i].findings, "meters",
		              (json_int_t)s->rule[i].meters));
	return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o}",
	                 "running", (int)s->running, "period", s->period, "total",
	                 (json_int_t)s->total, "done", (json_int_t)s->done, "found",
	                 (json_int_t)s->found, "complete", (json_int_t)s->complete, "enough",
	                 (json_int_t)s->enough, "silent", (json_int_t)s->silent, "waited_ms",
	                 (json_int_t)s->waited_ms, "cpu_us", (json_int_t)s->cpu_us, "began_ms",
	                 (json_int_t)s->began_ms, "ended_ms", (json_int_t)s->ended_ms, "failure",
	                 s->failure, "rules", rules);
}

static void scan_state(const struct api_request *request, struct api_reply *reply)
{
	struct scan_status status;
	struct error err;
	json_t *kept;
	scan_status_get(request->context->scan, &status);
	enum result result = scan_summaries(request->context->scan, &kept, &err);
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else
		reply_json(reply,
		           json_pack("{s:o, s:o}", "scan", status_json(&status), "kept", kept));
}

struct listing {
	const struct api_request *request;
	json_t *meters;
	uint64_t limit;
	bool more;
};

static bool on_found(void *context, const char *meter, const struct vee_finding *findings,
                     uint32_t count)
{
	struct listing *l = context;
	if (json_array_size(l->meters) == l->limit) {
		l->more = true;
		return false;
	}
	json_t *list = json_array();
	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(list, json_finding(&findings[i]));
	json_array_append_new(l->meters,
	                      json_pack("{s:s, s:o}", "meter", meter, "findings", list));
	return !api_is_stopping(l->request);
}

/* VEE_RULE_COUNT: all. False: a problem was answered. */
static bool take_rule(const struct api_request *request, struct api_reply *reply, unsigned *rule)
{
	const char *name = api_parameter(request, "rule");
	*rule = 0;
	while (name && *rule < VEE_RULE_COUNT && strcmp(vee_rule_info[*rule].name, name) != 0)
		++*rule;
	if (!name)
		*rule = VEE_RULE_COUNT;
	else if (*rule == VEE_RULE_COUNT)
		api_problem(reply, 400, "Bad parameter", "see: headrace vee rules",
		            "there is no rule '%.40s'", name);
	return !name || *rule < VEE_RULE_COUNT;
}

static void list_found(const struct api_request *request, struct api_reply *reply)
{
	struct listing l = {.request = request};
	const char *period, *after = api_parameter(request, "after");
	unsigned rule;
	struct error err;
	if (!take_period(request, reply, &period) || !take_rule(request, reply, &rule) ||
	    !api_number(request, reply, "limit", 1, 10000, 100, &l.limit))
		return;
	l.meters = json_array();
	enum result result = scan_list(request->context->scan, period, after ? after : "", rule,
	                               on_found, &l, &err);
	if (result != RESULT_OK) {
		json_decref(l.meters);
		api_failed(reply, result, &err);
		return;
	}
	reply_json(reply, json_pack("{s:s, s:o, s:b}", "period", period, "meters", l.meters,
	                            "more", (int)l.more));
}

/* clang-format off */
const struct api_topic api_topic_vee = {
    .name = "vee",
    .about = "Validation of stored intervals",
    .routes = (const struct api_route[]){
	{"GET", "/vee/check/{id}", check_meter, API_VIEWER,
	 .summary = "What the rules find in a meter's local days, with their numbers",
	 .parameters = API_PARAMETERS(
	     {"id", "string", "of the device"},
	     {"from", "day!", "first local day"},
	     {"to", "day", "the day after the last one"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{meter:string state:string timezone:string from:day to:day kwh:decimal "
	     "completeness:decimal counts:{...} findings:[Finding]}"})},
	{"GET", "/vee/rules", list_rules, API_VIEWER,
	 .summary = "All versions of the rules, the newest first",
	 .answers = API_ANSWERS({200, API_JSON, "{versions:[VeeRules]}"})},
	{"POST", "/vee/run", run_scan, API_OPERATOR,
	 .summary = "Begin a scan of all meters; it runs on idle processors only",
	 .parameters = API_PARAMETERS(
	     {"day", "day", "the local day; or"},
	     {"month", "month", "the month"},
	     {"prefix", "string", "only ids that begin with it"}),
	 .answers = API_ANSWERS({200, API_JSON, "{period:string running:bool}"})},
	{"GET", "/vee", scan_state, API_VIEWER,
	 .summary = "The scan under way, or the last one; the summaries that are kept",
	 .answers = API_ANSWERS({200, API_JSON, "{scan:{...} kept:[{...}]}"})},
	{"GET", "/vee/findings", list_found, API_VIEWER,
	 .summary = "What the last scan of a period found, by meter",
	 .parameters = API_PARAMETERS(
	     {"day", "day", "the local day; or"},
	     {"month", "month", "the month"},
	     {"rule", "string", "only what this rule found"},
	     {"after", "string", "only meters behind this id"},
	     {"limit", "int", "at most so many meters; default 100"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{period:string meters:[{meter:string findings:[Finding]}] more:bool}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Finding", "{rule:string version:int from:time to:time value:decimal limit:decimal "
	 "unit:string text:string}", "A rule that was met, and the numbers it judged by"},
	{"VeeRules", "{version:int from?:day tolerance_s:int interpolate_max_min:int like_days:int "
	 "like_days_back:int outage_min:int completeness_percent:decimal holidays:[day] "
	 "rules:[{rule:string enabled:bool limit:decimal unit:string help:string "
	 "profile?:string}]}", "A version of the rules"},
	{0}},
};
/* clang-format on */
