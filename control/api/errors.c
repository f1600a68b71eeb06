/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /errors, GET /errors/NUMBER: conflicts and rejected readings, with the bytes that came, and
 * what became of them. What is done with them: error_actions.c.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "contract/reading.h"
#include "contract/reading_flags.h"
#include "control/api/api_priv.h"
#include "control/api/error_actions.h"
#include "control/api/topics.h"

static const char *fate_name(uint8_t fate)
{
	return fate < FATE_COUNT ? fate_info[fate].name : "unknown";
}

static void put_time(struct text *t, const char *key, int64_t ms)
{
	char text[TIME_TEXT_BYTES];
	text_add(t, ",\"%s\":\"%s\"", key, time_format(ms, text));
}

/* "10.77.0.2:40000", "[2001:db8::1]:40000" */
static void put_address(struct text *t, const struct stored_error *e)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];
	if (memcmp(e->address, mapped, sizeof mapped) == 0)
		text_add(t, ",\"from\":\"%s:%u\"",
		         inet_ntop(AF_INET, e->address + 12, text, sizeof text), e->port);
	else
		text_add(t, ",\"from\":\"[%s]:%u\"",
		         inet_ntop(AF_INET6, e->address, text, sizeof text), e->port);
}

static void put_entry(struct text *t, const struct stored_error *e)
{
	text_add(t, "\"number\":%" PRIu64 ",\"reason\":\"%s\",\"cause\":\"%s\"", e->number,
	         fate_name(e->fate), e->fate < FATE_COUNT ? fate_info[e->fate].help : "");
	put_time(t, "received", e->received_ms);
	if (e->meter_ts_ms)
		put_time(t, "meter_time", e->meter_ts_ms);
	text_add(t, ",\"device\":");
	text_json(t, e->device_id, e->device_id_bytes);
	text_add(t, ",\"known_device\":%s,\"client\":",
	         e->device == DEVICE_NONE ? "false" : "true");
	text_json(t, e->client_id, e->client_id_bytes);
	text_add(t, ",\"topic\":");
	text_json(t, e->topic, e->topic_bytes);
	text_add(t, ",\"protocol\":\"%s\",\"qos\":%u",
	         reading_protocol_name(e->protocol), e->qos);
	put_address(t, e);
	text_add(t, ",\"raw_bytes\":%" PRIu32, e->raw_bytes);
}

struct listing {
	const struct api_request *request;
	struct text *text;
	int reason; /* -1: any */
	enum error_state state; /* ERROR_STATES: any */
	uint64_t count, limit, next;
	bool more;
};

static bool on_listed(void *context, const struct stored_error *e)
{
	struct listing *l = context;
	if (api_is_stopping(l->request))
		return false;
	enum error_state state = error_queue_state(l->request->context->errors, e->number);
	if ((l->reason >= 0 && e->fate != l->reason) ||
	    (l->state != ERROR_STATES && state != l->state))
		return true;
	if (l->count == l->limit) {
		l->more = true;
		l->next = e->number;
		return false;
	}
	text_add(l->text, "%s{", l->count++ ? ",\n" : "\n");
	put_entry(l->text, e);
	text_add(l->text, ",\"state\":\"%s\"}", error_state_name[state]);
	return !l->text->failed;
}

bool api_error_reason(const struct api_request *request, struct api_reply *reply, int *reason)
{
	const char *name = api_parameter(request, "reason");
	struct text known = {0};
	*reason = -1;
	if (!name)
		return true;
	for (int f = FATE_CONFLICT; f < FATE_COUNT; f++) {
		if (strcmp(fate_info[f].name, name) == 0)
			*reason = f;
		text_add(&known, "%s%s", known.used ? ", " : "one of ", fate_info[f].name);
	}
	if (*reason < 0)
		api_problem(reply, 400, "Bad parameter", known.data ? known.data : "",
		            "reason is '%.80s'", name);
	text_free(&known);
	return *reason >= 0;
}

static bool take_state(const struct api_request *request, struct api_reply *reply,
                       enum error_state *state)
{
	const char *name = api_parameter(request, "state");
	*state = name ? error_state_find(name) : ERROR_STATES;
	if (name && *state == ERROR_STATES)
		api_problem(reply, 400, "Bad parameter",
		            "one of open, replayed, corrected, discarded", "state is '%.80s'",
		            name);
	return !name || *state != ERROR_STATES;
}

static void api_errors(const struct api_request *request, struct api_reply *reply)
{
	struct listing l = {.request = request, .text = &reply->text};
	uint64_t from;
	struct error err;

	if (!api_number(request, reply, "from", 0, UINT64_MAX, 0, &from) ||
	    !api_number(request, reply, "limit", 1, 10000, 100, &l.limit) ||
	    !api_error_reason(request, reply, &l.reason) || !take_state(request, reply, &l.state))
		return;
	if (!api_caught_up(request, reply))
		return;
	text_add(&reply->text, "{\"errors\":[");
	enum result result =
	    store_scan_errors(request->context->store, from, on_listed, &l, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	if (api_stopped(request, reply))
		return;
	text_add(&reply->text, "],\"count\":%" PRIu64 ",\"more\":%s", l.count,
	         l.more ? "true" : "false");
	if (l.more) {
		char number[24];
		snprintf(number, sizeof number, "%" PRIu64, l.next);
		text_add(&reply->text, ",\"next\":%s", number);
		api_next(request, reply, &(struct api_parameter){"from", number}, 1);
	}
	text_add(&reply->text, "}\n");
}

struct one {
	const struct api_request *request;
	struct text *text;
	uint64_t number;
	bool found;
};

static bool is_text(const uint8_t *raw, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes;) {
		uint32_t length = utf8_length(raw + i, bytes - i);
		bool control = raw[i] < 0x20 && raw[i] != '\t' && raw[i] != '\n' && raw[i] != '\r';
		bool c1 = raw[i] == 0xc2 && length == 2 && raw[i + 1] < 0xa0;
		if (length == 0 || control || c1 || raw[i] == 0x7f)
			return false;
		i += length;
	}
	return true;
}

static bool on_one(void *context, const struct stored_error *e)
{
	struct one *one = context;
	if (e->number != one->number)
		return false;
	one->found = true;
	text_add(one->text, "{");
	put_entry(one->text, e);
	text_add(one->text, ",\"raw\":");
	if (is_text(e->raw, e->raw_bytes))
		text_json(one->text, (const char *)e->raw, e->raw_bytes);
	else
		text_add(one->text, "null");
	text_add(one->text, ",\"raw_base64\":\"");
	text_base64(one->text, e->raw, e->raw_bytes);
	text_add(one->text, "\",\"state\":\"%s\"",
	         error_state_name[error_queue_state(one->request->context->errors, e->number)]);
	return false;
}

bool api_error_number(const struct api_request *request, struct api_reply *reply,
                      uint64_t *number)
{
	const char *text = request->rest;
	char *end;
	*number = strtoull(text, &end, 10);
	if (*end == '\0' && text[0] >= '0' && text[0] <= '9')
		return true;
	api_problem(reply, 400, "Bad number", "give a number from: headrace errors list",
	            "'%.80s' is no number of an error entry", text);
	return false;
}

static void api_error(const struct api_request *request, struct api_reply *reply)
{
	struct one one = {.request = request, .text = &reply->text};
	struct error err;
	char *record = NULL;
	if (!api_error_number(request, reply, &one.number) || !api_caught_up(request, reply))
		return;
	enum result result =
	    store_scan_errors(request->context->store, one.number, on_one, &one, &err);
	if (result == RESULT_OK)
		result = error_queue_record(request->context->errors, one.number, &record, &err);
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else if (!one.found)
		api_problem(reply, 404, "Not found", "see: headrace errors list",
		            "there is no error entry %" PRIu64, one.number);
	else
		text_add(&reply->text, "%s%s}\n", record ? ",\"record\":" : "",
		         record ? record : "");
	free(record);
}

/* --- routes --- */

/* clang-format off */
#define ENTRY                                                                                      \
	"number:int reason:string cause:string received:time meter_time?:time device:string "      \
	"known_device:bool client:string topic:string protocol:string qos:int from:string "        \
	"raw_bytes:int state:string"

#define SELECTION                                                                                  \
	{"numbers", "string", "these entries: 1,2,3"},                                             \
	{"reason", "string", "or open ones with this reason"},                                     \
	{"from", "time", "and received then or later"}, {"to", "time", "and received before"},     \
	{"first", "int", "go on with this number"},                                                \
	{"until", "int", "end before this number; default: as of now"}

const struct api_topic api_topic_errors = {
    .name = "errors",
    .about = "The error queue: conflicts and rejected readings",
    .routes = (const struct api_route[]){
	{"GET", "/errors", api_errors, API_VIEWER,
	 .summary = "Entries in the order of their numbers",
	 .parameters = API_PARAMETERS(
	     {"from", "int", "begin with this number"},
	     {"limit", "int", "at most so many, 1 to 10000; default 100"},
	     {"reason", "string", "only these"},
	     {"state", "'open'|'replayed'|'corrected'|'discarded'", "only these"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{errors:[{" ENTRY " ...}] count:int more:bool next?:int}"})},
	{"GET", "/errors/{number}", api_error, API_VIEWER,
	 .summary = "One entry with the bytes that came",
	 .parameters = API_PARAMETERS({"number", "int", "of the entry"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{" ENTRY " raw:string? raw_base64:string record?:{state:string ...}}"})},
	{"POST", "/errors/replay", api_errors_replay, API_OPERATOR,
	 .summary = "Send entries once more, up to 500 at a time",
	 .parameters = API_PARAMETERS(SELECTION,
	     {"accept_late", "'yes'|'no'", "also what is too late; default no"},
	     {"why", "string", "for the record"}),
	 .answers = API_ANSWERS({200, API_JSON, "ErrorActions"})},
	{"POST", "/errors/discard", api_errors_discard, API_OPERATOR,
	 .summary = "Give entries up, up to 500 at a time",
	 .parameters = API_PARAMETERS(SELECTION, {"why", "string!", "for the record"}),
	 .answers = API_ANSWERS({200, API_JSON, "ErrorActions"})},
	{"POST", "/errors/{number}/correct", api_error_correct, API_OPERATOR,
	 .summary = "Send a corrected copy of an entry",
	 .parameters = API_PARAMETERS({"number", "int", "of the entry"},
	     {"accept_late", "'yes'|'no'", "also when it is too late; default no"},
	     {"why", "string", "for the record"}),
	 .body = {API_JSON, 200000,
	     "{set?:{...} device?:string payload_base64?:string}", true},
	 .answers = API_ANSWERS({200, API_JSON, "ErrorAction"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"ErrorAction",
	 "{number:int outcome:string state:string stored:int duplicate:int refused:int "
	 "reason?:string refused_as?:int why?:string}",
	 "What became of an entry: outcome is done, kept_open, unanswered, not_open or absent"},
	{"ErrorActions",
	 "{entries:[ErrorAction] done:int stored:int duplicate:int refused:int kept_open:int "
	 "not_open:int until:int next?:int}",
	 "Go on with first = next and the same until"},
	{0}},
};
/* clang-format on */
