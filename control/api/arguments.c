/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says: its path, its parameters, its body's type. Input: from the network, not
 * trusted. Memory: the request's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/api/server.h"

/* --- paths --- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; false: malformed, or a NUL. */
static bool decode(char *text)
{
	char *to = text;
	for (; *text; text++) {
		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		int high = hex_digit(text[1]);
		int low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || high + low == 0)
			return false;
		*to++ = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return true;
}

int server_split_path(char *uri, const char *segments[API_SEGMENTS_MAX])
{
	int count = 0;
	uri[strcspn(uri, "?#")] = '\0';
	if (uri[0] != '/')
		return -1;
	if (uri[1] == '\0')
		return 0;
	for (char *at = uri; at; count++) {
		char *next = strchr(++at, '/');
		if (next)
			*next = '\0';
		if (count == API_SEGMENTS_MAX || !decode(at))
			return -1;
		segments[count] = at;
		at = next;
	}
	return count;
}

/* --- parameters --- */

struct parameters {
	struct api_request *request;
	struct incoming *in;
	bool bad;
};

static void explain_parameters(const struct api_route *r, char *out, size_t bytes)
{
	unsigned count = 0;
	size_t used = 0;
	for (const struct api_param *p = r->parameters; p && p->name && used < bytes; p++)
		if (api_route_path_index(r, p->name) < 0)
			used += (size_t)snprintf(out + used, bytes - used, "%s%s",
			                         count++ ? ", " : "this path takes ", p->name);
	if (count == 0)
		snprintf(out, bytes, "this path takes no parameters");
	else if (used < bytes)
		snprintf(out + used, bytes - used, ", each once");
}

static enum MHD_Result on_parameter(void *context, enum MHD_ValueKind kind, const char *key,
                                    size_t key_bytes, const char *value, size_t value_bytes)
{
	struct parameters *p = context;
	const struct api_route *r = p->in->route;
	const struct api_param *known = api_route_parameter(r, key);
	(void)kind;
	if (known && api_route_path_index(r, key) >= 0)
		known = NULL;
	/* a %00 would cut the text short */
	bool whole = strlen(key) == key_bytes && value && strlen(value) == value_bytes;
	if (known && whole && !api_parameter(p->request, key) &&
	    p->request->parameter_count < API_PARAMETERS_MAX) {
		p->request->parameters[p->request->parameter_count++] =
		    (struct api_parameter){known->name, value};
		return MHD_YES;
	}
	char remedy[512];
	explain_parameters(r, remedy, sizeof remedy);
	api_problem(&p->in->reply, 400, "Bad parameter", remedy, "%s '%.80s'",
	            !known   ? "there is no parameter"
	            : !whole ? "no value for"
	                     : "given twice:",
	            key);
	p->bad = true;
	return MHD_NO;
}

static void answer_missing(struct api_reply *reply, const struct api_param *param)
{
	static const char *const hints[][2] = {
	    {"month!", "give a month, such as 2026-03"},
	    {"day!", "give a day, such as 2026-03-29"},
	    {"time!", "give a time, such as 2026-01-31T08:15:00Z"}};
	char remedy[160];
	snprintf(remedy, sizeof remedy, "give %s: %s", param->name, param->about);
	for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
		if (strcmp(param->type, hints[i][0]) == 0)
			snprintf(remedy, sizeof remedy, "%s", hints[i][1]);
	api_problem(reply, 400, "Bad parameter", remedy, "%s: is missing", param->name);
}

static bool take_parameters(struct MHD_Connection *connection, struct incoming *in,
                            struct api_request *request)
{
	struct parameters p = {request, in, false};
	const char *path = in->route->path;
	unsigned parameters = 0;
	for (int i = 0; i < in->segment_count; i++) {
		size_t length = strcspn(++path, "/");
		if (api_segment_parameter(path, length) > 0)
			request->path[parameters++] = in->segments[i];
		path += length;
	}
	request->rest = parameters > 0 ? request->path[0] : "";
	MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, on_parameter, &p);
	if (p.bad)
		return false;
	for (const struct api_param *known = in->route->parameters; known && known->name; known++)
		if (api_param_required(known) && api_route_path_index(in->route, known->name) < 0 &&
		    !api_parameter(request, known->name)) {
			answer_missing(&in->reply, known);
			return false;
		}
	return true;
}

/* --- the body --- */

static bool is_kind(unsigned kinds, const char *type)
{
	size_t length = strcspn(type, "; ");
	if (length == strlen("application/jsonl") && !strncmp(type, "application/jsonl", length))
		return kinds & API_NDJSON;
	for (unsigned bit = 0; bit < API_KIND_COUNT; bit++)
		if ((kinds & 1u << bit) && strlen(api_kind_type(bit)) == length &&
		    strncasecmp(type, api_kind_type(bit), length) == 0)
			return true;
	return kinds & API_OTHER;
}

static void answer_bad_kind(struct api_reply *reply, unsigned kinds, const char *type)
{
	char remedy[256];
	int used = snprintf(remedy, sizeof remedy, "set Content-Type to");
	for (unsigned bit = 0; bit < API_KIND_COUNT; bit++)
		if (kinds & 1u << bit)
			used += snprintf(remedy + used, sizeof remedy - (size_t)used, "%s %s",
			                 kinds & ((1u << bit) - 1) ? " or" : "",
			                 api_kind_type(bit));
	api_problem(reply, 415, "Unknown type of body", remedy, "Content-Type is '%.80s'",
	            type ? type : "not set");
}

static bool check_body(struct incoming *in, const char *type)
{
	const struct api_body *body = &in->route->body;
	if (in->too_long && body->bytes_max == 0)
		api_problem(&in->reply, 413, "Too long", "send none", "the path takes no body");
	else if (in->too_long)
		api_problem(&in->reply, 413, "Too long", "send it in parts",
		            "the body is longer than %zu bytes", body->bytes_max);
	else if (body->required && in->body.used == 0)
		api_problem(&in->reply, 400, "No body", "send one", "%s %s needs a body",
		            in->route->method, in->route->path);
	else if (in->body.used > 0 && !(type && is_kind(body->kinds, type)))
		answer_bad_kind(&in->reply, body->kinds, type);
	else
		return true;
	return false;
}

bool server_take_arguments(struct MHD_Connection *connection, struct incoming *in,
                           struct api_request *request)
{
	return check_body(in, request->content_type) && take_parameters(connection, in, request);
}
