/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /whoami. Tokens: GET, POST /tokens, DELETE /tokens/NAME. GET /audit-log: who changed what.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/server.h"
#include "control/api/topics.h"

#define DAYS_MOST 36500

static void put_string(struct text *t, const char *key, const char *value)
{
	text_add(t, "\"%s\":", key);
	text_json(t, value, strlen(value));
}

static void api_whoami(const struct api_request *request, struct api_reply *reply)
{
	struct text *t = &reply->text;
	text_add(t, "{");
	put_string(t, "name", request->who->name);
	text_add(t, ",\"role\":\"%s\",", api_role_name(request->who->role));
	put_string(t, "from", request->who->from);
	text_add(t, "}\n");
}

/* --- tokens --- */

static void put_time(struct text *t, const char *key, int64_t ms)
{
	char time[TIME_TEXT_BYTES];
	if (ms)
		text_add(t, ",\"%s\":\"%s\"", key, time_format(ms, time));
	else
		text_add(t, ",\"%s\":null", key);
}

static void put_token(struct text *t, const struct token *token)
{
	text_add(t, "\"name\":\"%s\",\"id\":\"%s\",\"role\":\"%s\"", token->name, token->id,
	         api_role_name((enum api_role)token->role));
	put_time(t, "created", token->created_ms);
	put_time(t, "expires", token->expires_ms);
	put_time(t, "last_used", token->last_used_ms);
	text_add(t, ",\"expired\":%s",
	         token->expires_ms && token->expires_ms <= clock_wall_ms() ? "true" : "false");
}

static void api_tokens(const struct api_request *request, struct api_reply *reply)
{
	struct token *list = calloc(TOKENS_MAX, sizeof *list);
	if (!list) {
		api_problem(reply, 503, "Out of resources", "try again later", "no memory");
		return;
	}
	uint32_t count = tokens_list(request->api->tokens, list, TOKENS_MAX);
	text_add(&reply->text, "{\"tokens\":[");
	for (uint32_t i = 0; i < count; i++) {
		text_add(&reply->text, "%s\n{", i ? "," : "");
		put_token(&reply->text, &list[i]);
		text_add(&reply->text, "}");
	}
	text_add(&reply->text, "],\"count\":%" PRIu32 "}\n", count);
	free(list);
}

/* -1: none of that name can be a token's. */
static int role_of(const char *name)
{
	for (int role = API_MONITOR; name && role < API_ROLE_COUNT; role++)
		if (strcmp(api_role_name((enum api_role)role), name) == 0)
			return role;
	return -1;
}

struct wish {
	const char *name;
	int role;
	json_int_t days;
};

/* False: a problem was answered. */
static bool take_wish(const json_t *body, struct api_reply *reply, struct wish *w)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)body, key, value)
		if (strcmp(key, "name") && strcmp(key, "role") && strcmp(key, "expires_days")) {
			api_problem(reply, 400, "The input can't be used",
			            "give name, role and perhaps expires_days",
			            "there is no member '%.60s'", key);
			return false;
		}
	const json_t *days = json_object_get(body, "expires_days");
	w->name = json_string_value(json_object_get(body, "name"));
	w->role = role_of(json_string_value(json_object_get(body, "role")));
	w->days = days ? json_integer_value(days) : 0;
	if (!w->name)
		api_problem(reply, 400, "The input can't be used", "give name: whose token it is",
		            "name is missing, or no string");
	else if (w->role < 0)
		api_problem(reply, 400, "The input can't be used",
		            "give role: monitor, viewer, operator or admin",
		            "role is missing, or none of these");
	else if (days && (!json_is_integer(days) || w->days < 1 || w->days > DAYS_MOST))
		api_problem(reply, 400, "The input can't be used",
		            "give expires_days: a whole number from 1 to 36500",
		            "expires_days is no such number");
	else
		return true;
	return false;
}

static void create(const struct api_request *request, struct api_reply *reply,
                   const struct wish *w)
{
	char text[TOKEN_TEXT_BYTES];
	struct error err;
	int64_t now_ms = clock_wall_ms();
	int64_t expires_ms = w->days ? now_ms + w->days * 86400000 : 0;
	enum result result = tokens_create(request->api->tokens, w->name, (uint8_t)w->role, now_ms,
	                                   expires_ms, text, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	snprintf(reply->object, sizeof reply->object, "%s", w->name);
	snprintf(reply->location, sizeof reply->location, "/tokens/%s", w->name);
	reply->status = 201;
	text_add(&reply->text, "{\"name\":\"%s\",\"role\":\"%s\",\"token\":\"%s\"", w->name,
	         api_role_name((enum api_role)w->role), text);
	put_time(&reply->text, "expires", expires_ms);
	text_add(&reply->text, "}\n");
	explicit_bzero(text, sizeof text);
}

static void api_token_create(const struct api_request *request, struct api_reply *reply)
{
	struct wish w;
	json_t *body = api_body_object(request, reply);
	if (body && take_wish(body, reply, &w))
		create(request, reply, &w);
	json_decref(body);
}

static void api_token_revoke(const struct api_request *request, struct api_reply *reply)
{
	struct error err;
	enum result result = tokens_revoke(request->api->tokens, request->rest, &err);
	if (result == RESULT_ABSENT)
		api_problem(reply, 404, "Not found", "see: headrace tokens list", "%s", err.text);
	else if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else
		text_add(&reply->text, "{\"name\":\"%s\",\"revoked\":true}\n", request->rest);
}

/* --- the audit log --- */

struct listing {
	const struct api_request *request;
	const char *who, *method, *path, *object;
	int64_t since, until;
	bool newest; /* a ring of the last ones, else the first ones */
	uint64_t limit, seen;
	struct text *rows; /* one for each entry */
	bool no_memory;
};

static void put_entry(struct text *t, const struct audit_entry *e)
{
	text_add(t, "{\"number\":%" PRIu64, e->number);
	put_time(t, "at", e->at_ms);
	text_add(t, ",");
	put_string(t, "who", e->who);
	text_add(t, ",");
	put_string(t, "role", e->role);
	text_add(t, ",");
	put_string(t, "from", e->from);
	text_add(t, ",");
	put_string(t, "method", e->method);
	text_add(t, ",");
	put_string(t, "target", e->target);
	text_add(t, ",");
	put_string(t, "object", e->object);
	if (e->status)
		text_add(t, ",\"status\":%u,\"outcome\":\"%s\"", e->status,
		         e->status < 400 ? "done" : "refused");
	else
		text_add(t, ",\"status\":null,\"outcome\":\"unknown\"");
	put_time(t, "done", e->done_ms);
	text_add(t, "}");
}

static bool is_wanted(const struct listing *l, const struct audit_entry *e)
{
	return (!l->who || strcmp(l->who, e->who) == 0) &&
	       (!l->method || strcasecmp(l->method, e->method) == 0) &&
	       (!l->path || strncmp(l->path, e->target, strlen(l->path)) == 0) &&
	       (!l->object || strcmp(l->object, e->object) == 0) && e->at_ms >= l->since &&
	       e->at_ms < l->until;
}

static bool on_entry(void *context, const struct audit_entry *e)
{
	struct listing *l = context;
	if (api_is_stopping(l->request))
		return false;
	if (!is_wanted(l, e))
		return true;
	if (!l->newest && l->seen == l->limit) {
		l->seen = e->number; /* there is more */
		l->limit = 0;
		return false;
	}
	struct text *row = &l->rows[l->seen++ % l->limit];
	row->used = 0;
	put_entry(row, e);
	l->no_memory = row->failed;
	return !row->failed;
}

static bool take_filters(const struct api_request *request, struct api_reply *reply,
                         struct listing *l, uint64_t *from)
{
	*l = (struct listing){.request = request,
	                      .who = api_parameter(request, "who"),
	                      .method = api_parameter(request, "method"),
	                      .path = api_parameter(request, "path"),
	                      .object = api_parameter(request, "object"),
	                      .newest = !api_parameter(request, "from") &&
	                                !api_parameter(request, "since")};
	return api_number(request, reply, "from", 0, UINT64_MAX, 0, from) &&
	       api_number(request, reply, "limit", 1, 1000, 100, &l->limit) &&
	       api_local_time(request, reply, "since", INT64_MIN, &l->since) &&
	       api_local_time(request, reply, "until", INT64_MAX, &l->until);
}

static void put_list(const struct api_request *request, struct api_reply *reply,
                     struct listing *l, uint64_t most)
{
	bool more = l->limit == 0;
	uint64_t next = l->seen, count = more ? most : l->seen < most ? l->seen : most;
	uint64_t first = l->newest && l->seen > most ? l->seen % most : 0;
	text_add(&reply->text, "{\"entries\":[");
	for (uint64_t i = 0; i < count; i++) {
		const struct text *row = &l->rows[(first + i) % most];
		text_put(&reply->text, i ? ",\n" : "\n", i ? 2 : 1);
		text_put(&reply->text, row->data, row->used);
	}
	text_add(&reply->text, "],\"count\":%" PRIu64 ",\"more\":%s}\n", count,
	         more || (l->newest && l->seen > most) ? "true" : "false");
	if (more) {
		char number[24];
		snprintf(number, sizeof number, "%" PRIu64, next);
		api_next(request, reply, &(struct api_parameter){"from", number}, 1);
	}
}

static void api_audit_log(const struct api_request *request, struct api_reply *reply)
{
	struct listing l;
	struct error err;
	uint64_t from;
	if (!take_filters(request, reply, &l, &from))
		return;
	uint64_t most = l.limit;
	const struct audit_log_extent extent = audit_log_extent_get(request->api->audit_log);
	bool all = !l.who && !l.method && !l.path && !l.object && l.until == INT64_MAX;
	if (l.newest && all && extent.newest > most)
		from = extent.newest - most; /* one more, to know that there is more */
	l.rows = calloc(most, sizeof *l.rows);
	enum result result =
	    l.rows ? audit_log_scan(request->api->audit_log, from, on_entry, &l, &err)
	           : fail(RESULT_RESOURCE, &err, "no memory");
	if (result == RESULT_OK && l.no_memory)
		result = fail(RESULT_RESOURCE, &err, "no memory");
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else if (!api_stopped(request, reply))
		put_list(request, reply, &l, most);
	for (uint64_t i = 0; l.rows && i < most; i++)
		text_free(&l.rows[i]);
	free(l.rows);
}

/* --- routes --- */

/* clang-format off */

const struct api_topic api_topic_access = {
    .name = "access",
    .about = "Who may ask, and who changed what",
    .routes = (const struct api_route[]){
	{"GET", "/whoami", api_whoami, API_MONITOR,
	 .summary = "Who asks, by the server's understanding",
	 .answers = API_ANSWERS({200, API_JSON, "{name:string role:Role from:string}"})},
	{"GET", "/tokens", api_tokens, API_ADMIN,
	 .summary = "The tokens, without their secrets",
	 .answers = API_ANSWERS({200, API_JSON, "{tokens:[Token] count:int}"})},
	{"POST", "/tokens", api_token_create, API_ADMIN,
	 .summary = "Make a token; its secret is in this answer and nowhere else",
	 .body = {.kinds = API_JSON, .bytes_max = 4096, .required = true,
	          .shape = "{name:string role:'monitor'|'viewer'|'operator'|'admin' "
	                   "expires_days?:int}"},
	 .answers = API_ANSWERS({201, API_JSON,
	     "{name:string role:Role token:string expires:time?}"})},
	{"DELETE", "/tokens/{name}", api_token_revoke, API_ADMIN,
	 .summary = "Revoke a token; it is of no use from now on",
	 .parameters = API_PARAMETERS({"name", "string", "of the token"}),
	 .answers = API_ANSWERS({200, API_JSON, "{name:string revoked:bool}"})},
	{"GET", "/audit-log", api_audit_log, API_ADMIN,
	 .summary = "Who asked for which change, and what came of it; the newest ones unless from or "
	            "since is given",
	 .parameters = API_PARAMETERS(
	     {"from", "int", "begin with this number"},
	     {"since", "time", "not before; a day is the territory's"},
	     {"until", "time", "before"},
	     {"who", "string", "a user's or a token's name"},
	     {"method", "string", "POST, PUT, DELETE ..."},
	     {"path", "string", "the beginning of path and query, as /devices"},
	     {"object", "string", "what was changed, as a device's id"},
	     {"limit", "int", "at most so many, 1 to 1000; default 100"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{entries:[AuditEntry] count:int more:bool}"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Role", "'anybody'|'monitor'|'viewer'|'operator'|'admin'",
	 "Each may what those before it may"},
	{"Token", "{name:string id:string role:Role created:time expires:time? last_used:time? "
	 "expired:bool}",
	 "A token without its secret; last_used since the daemon started"},
	{"AuditEntry", "{number:int at:time who:string role:string from:string method:string "
	 "target:string object:string status:int? outcome:'done'|'refused'|'unknown' done:time?}",
	 "A change that was asked for; outcome unknown: the daemon ended before it was done, or it "
	 "is under way"},
	{0}},
};
/* clang-format on */
