/* SPDX-License-Identifier: Apache-2.0 */
/* GET /events, /events/NUMBER, POST .../ack, .../clear, and GET /fleet: the fleet's health. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"
#include "control/events/monitor.h"

static bool is_there(const struct api_request *request, struct api_reply *reply)
{
	if (!request->context->monitor)
		api_problem(reply, 503, "No events", "ask headraced itself",
		            "nobody watches the fleet here");
	return request->context->monitor != NULL;
}

static void put_time(struct text *t, const char *key, int64_t ms)
{
	char text[TIME_TEXT_BYTES];
	if (ms)
		text_add(t, ",\"%s\":\"%s\"", key, time_format(ms, text));
}

static void put_text(struct text *t, const char *key, const char *text)
{
	if (!text)
		return;
	text_add(t, ",\"%s\":", key);
	text_json(t, text, strlen(text));
}

static void put_event(struct text *t, const struct event *v)
{
	text_add(t,
	         "{\"number\":%" PRIu64 ",\"severity\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\","
	         "\"subject\":",
	         v->number, event_severity_name[v->severity], event_kind_name[v->kind],
	         event_state_name[v->state]);
	text_json(t, v->subject, strlen(v->subject));
	put_time(t, "first", v->first_ms);
	put_time(t, "last", v->last_ms);
	text_add(t, ",\"count\":%" PRIu64, v->count);
	put_text(t, "text", v->text);
	put_time(t, "acknowledged", v->acknowledged_ms);
	put_text(t, "acknowledged_by", v->acknowledged_by);
	put_text(t, "note", v->note);
	put_time(t, "cleared", v->cleared_ms);
	put_text(t, "cleared_by", v->cleared_by);
	put_text(t, "cleared_why", v->cleared_why);
	text_put(t, "}", 1);
}

/* --- list --- */

struct listing {
	struct text *text;
	const char *subject;
	int state, kind, severity; /* -1: any; state EVENT_STATES: not cleared */
	uint64_t count, limit, next;
	bool more;
};

static bool is_wanted(const struct listing *l, const struct event *v)
{
	bool state = l->state < 0 || (int)v->state == l->state ||
	             (l->state == EVENT_STATES && v->state != EVENT_CLEARED);
	return state && (l->kind < 0 || (int)v->kind == l->kind) &&
	       (l->severity < 0 || (int)v->severity >= l->severity) &&
	       (!l->subject || strcmp(v->subject, l->subject) == 0);
}

static bool on_event(void *context, const struct event *v)
{
	struct listing *l = context;
	if (!is_wanted(l, v))
		return true;
	if (l->count == l->limit) {
		l->more = true;
		l->next = v->number;
		return false;
	}
	text_add(l->text, "%s", l->count++ ? ",\n" : "\n");
	put_event(l->text, v);
	return !l->text->failed;
}

/* A parameter that is one of some words; `found` == `none`: it isn't. */
static bool take_word(struct api_reply *reply, const char *name, const char *value, int found,
                      int none, const char *expected, int *out)
{
	*out = value ? found : -1;
	if (value && found == none)
		api_problem(reply, 400, "Bad parameter", expected, "%s is '%.60s'", name, value);
	return !value || found != none;
}

static bool take_filters(const struct api_request *request, struct api_reply *reply,
                         struct listing *l)
{
	const char *state = api_parameter(request, "state"), *kind = api_parameter(request, "kind");
	const char *severity = api_parameter(request, "severity");
	bool all = state && strcmp(state, "all") == 0;
	bool active = state && strcmp(state, "active") == 0;
	l->subject = api_parameter(request, "subject");
	if (!take_word(reply, "kind", kind, kind ? (int)event_kind_find(kind) : 0,
	               EVENT_KIND_COUNT, "one of the kinds of docs/EVENTS.md", &l->kind) ||
	    !take_word(reply, "severity", severity,
	               severity ? (int)event_severity_find(severity) : 0, EVENT_SEVERITIES,
	               "info, warning or critical", &l->severity))
		return false;
	if (!state || all || active) {
		l->state = all ? -1 : EVENT_STATES;
		return true;
	}
	return take_word(reply, "state", state, (int)event_state_find(state), EVENT_STATES,
	                 "open, acknowledged, cleared, active (not cleared) or all", &l->state);
}

static void api_events(const struct api_request *request, struct api_reply *reply)
{
	struct listing l = {.text = &reply->text};
	uint64_t from;
	if (!is_there(request, reply) || !take_filters(request, reply, &l) ||
	    !api_number(request, reply, "from", 0, UINT64_MAX, UINT64_MAX, &from) ||
	    !api_number(request, reply, "limit", 1, 10000, 100, &l.limit))
		return;
	text_add(&reply->text, "{\"events\":[");
	events_each(monitor_events(request->context->monitor), from, on_event, &l);
	text_add(&reply->text, "],\"count\":%" PRIu64 ",\"more\":%s", l.count,
	         l.more ? "true" : "false");
	if (l.more)
		text_add(&reply->text, ",\"next\":%" PRIu64, l.next);
	text_add(&reply->text, "}\n");
}

/* --- one --- */

static bool take_number(const struct api_request *request, struct api_reply *reply,
                        uint64_t *number)
{
	char *end;
	*number = strtoull(request->rest, &end, 10);
	if (*end == '\0' && request->rest[0] >= '0' && request->rest[0] <= '9')
		return is_there(request, reply);
	api_problem(reply, 400, "Bad number", "give a number from: headrace events list",
	            "'%.80s' is no number of an event", request->rest);
	return false;
}

static bool on_one(void *context, const struct event *v)
{
	put_event(context, v);
	return false;
}

static void answer_one(const struct api_request *request, struct api_reply *reply,
                       uint64_t number)
{
	if (events_one(monitor_events(request->context->monitor), number, on_one, &reply->text))
		text_put(&reply->text, "\n", 1);
	else
		api_problem(reply, 404, "Not found", "see: headrace events list --state all",
		            "there is no event %" PRIu64, number);
}

static void api_event(const struct api_request *request, struct api_reply *reply)
{
	uint64_t number;
	if (take_number(request, reply, &number))
		answer_one(request, reply, number);
}

typedef enum result event_act_fn(struct events *e, uint64_t number, const char *who,
                                 const char *words, int64_t now_ms, struct error *err);

static void act(const struct api_request *request, struct api_reply *reply, const char *parameter,
                event_act_fn *fn)
{
	const char *words = api_parameter(request, parameter);
	uint64_t number;
	struct error err;
	if (!take_number(request, reply, &number))
		return;
	enum result result = fn(monitor_events(request->context->monitor), number,
	                        request->who ? request->who->name : "local", words ? words : "",
	                        clock_wall_ms(), &err);
	if (result == RESULT_INPUT)
		api_problem(reply, 409, "Not open", "see: headrace events list", "%s", err.text);
	else if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else
		answer_one(request, reply, number);
}

static void api_event_ack(const struct api_request *request, struct api_reply *reply)
{
	act(request, reply, "note", events_acknowledge);
}

static void api_event_clear(const struct api_request *request, struct api_reply *reply)
{
	act(request, reply, "why", events_clear);
}

/* --- the fleet --- */

static void put_events_open(struct text *t, struct events *e)
{
	uint64_t by_kind[EVENT_KIND_COUNT], by_severity[EVENT_SEVERITIES];
	bool any = false;
	events_open_counts(e, by_kind, by_severity);
	text_add(t, ",\n\"events\":{");
	for (int s = EVENT_SEVERITIES - 1; s >= 0; s--)
		text_add(t, "\"%s\":%" PRIu64 "%s", event_severity_name[s], by_severity[s],
		         s ? "," : "},\n\"events_by_kind\":{");
	for (int k = 0; k < EVENT_KIND_COUNT; k++) {
		if (by_kind[k] == 0)
			continue;
		text_add(t, "%s\"%s\":%" PRIu64, any ? "," : "", event_kind_name[k], by_kind[k]);
		any = true;
	}
	text_add(t, "}");
}

static void put_firmware(struct text *t, const struct fleet_health *f)
{
	text_add(t, ",\n\"firmware\":[");
	for (uint32_t i = 0; i < f->firmware_count; i++) {
		const struct firmware_count *row = &f->firmware[i];
		text_add(t, "%s\n{\"manufacturer\":", i ? "," : "");
		text_json(t, row->manufacturer, strlen(row->manufacturer));
		text_add(t, ",\"model\":");
		text_json(t, row->model, strlen(row->model));
		text_add(t, ",\"version\":");
		text_json(t, row->version, strlen(row->version));
		text_add(t, ",\"devices\":%" PRIu64 "}", row->devices);
	}
	text_add(t, "],\n\"firmware_others\":%" PRIu64, f->firmware_others);
}

static void put_drift(struct text *t, const struct fleet_health *f)
{
	text_add(t, ",\n\"clock_drift\":[");
	for (uint32_t i = 0; i < DRIFT_BUCKETS; i++)
		if (i < DRIFT_BUCKETS - 1)
			text_add(t, "{\"up_to_s\":%" PRIu32 ",\"devices\":%" PRIu64 "},",
			         drift_bucket_s[i], f->drift[i]);
		else
			text_add(t, "{\"devices\":%" PRIu64 "}]", f->drift[i]);
}

static void api_fleet(const struct api_request *request, struct api_reply *reply)
{
	struct text *t = &reply->text;
	if (!is_there(request, reply))
		return;
	struct fleet_health *f = malloc(sizeof *f);
	if (!f) {
		api_problem(reply, 500, "No memory", "try again", "there is no memory");
		return;
	}
	monitor_fleet(request->context->monitor, f);
	text_add(t,
	         "{\"devices\":{\"active\":%" PRIu64 ",\"heard\":%" PRIu64
	         ",\"never_heard\":%" PRIu64 ",\"silent\":%" PRIu64 ",\"low_battery\":%" PRIu64
	         ",\"tamper\":%" PRIu64 "}",
	         f->active, f->heard, f->never_heard, f->silent, f->low_battery, f->tamper);
	text_add(t,
	         ",\n\"gateways\":{\"known\":%" PRIu64 ",\"connected\":%" PRIu64
	         ",\"silent\":%" PRIu64 "}",
	         f->gateways, f->gateways_connected, f->gateways_silent);
	put_events_open(t, monitor_events(request->context->monitor));
	put_drift(t, f);
	put_firmware(t, f);
	text_add(t, "}\n");
	free(f);
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_events = {
    .name = "events",
    .about = "Events of meters, gateways and the daemon; the fleet's health",
    .routes = (const struct api_route[]){
	{"GET", "/events", api_events, API_VIEWER,
	 .summary = "Events, the newest first",
	 .parameters = API_PARAMETERS(
	     {"state", "'open'|'acknowledged'|'cleared'|'active'|'all'",
	      "default active: those not cleared"},
	     {"kind", "string", "only these"},
	     {"severity", "'info'|'warning'|'critical'", "this one or worse"},
	     {"subject", "string", "of this device or gateway"},
	     {"from", "int", "begin with this number and go down"},
	     {"limit", "int", "at most so many, 1 to 10000; default 100"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{events:[Event] count:int more:bool next?:int}"})},
	{"GET", "/events/{number}", api_event, API_VIEWER,
	 .summary = "One event",
	 .parameters = API_PARAMETERS({"number", "int", "of the event"}),
	 .answers = API_ANSWERS({200, API_JSON, "Event"})},
	{"POST", "/events/{number}/ack", api_event_ack, API_OPERATOR,
	 .summary = "Say that somebody looks after it",
	 .parameters = API_PARAMETERS({"number", "int", "of the event"},
	     {"note", "string", "for others"}),
	 .answers = API_ANSWERS({200, API_JSON, "Event"})},
	{"POST", "/events/{number}/clear", api_event_clear, API_OPERATOR,
	 .summary = "End it by hand",
	 .parameters = API_PARAMETERS({"number", "int", "of the event"},
	     {"why", "string", "for the record"}),
	 .answers = API_ANSWERS({200, API_JSON, "Event"})},
	{"GET", "/fleet", api_fleet, API_VIEWER,
	 .summary = "The fleet's health: silent meters, batteries, clocks, firmware",
	 .answers = API_ANSWERS({200, API_JSON,
	     "{devices:{active:int heard:int never_heard:int silent:int low_battery:int tamper:int} "
	     "gateways:{known:int connected:int silent:int} "
	     "events:{critical:int warning:int info:int} events_by_kind:{...} "
	     "clock_drift:[{up_to_s?:int devices:int}] "
	     "firmware:[{manufacturer:string model:string version:string devices:int}] "
	     "firmware_others:int}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Event",
	 "{number:int severity:string kind:string state:string subject:string first:time last:time "
	 "count:int text?:string acknowledged?:time acknowledged_by?:string note?:string "
	 "cleared?:time cleared_by?:string cleared_why?:string}",
	 "cleared_by is absent where its cause went"},
	{0}},
};
/* clang-format on */
