/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: who asks, which route, its parameters and body; and their answers. Input: requests,
 * untrusted. Output: the endpoints' answers. Threads: libmicrohttpd's, one per connection. Memory:
 * per request, bounded.
 */
#include "control/api/server.h"
#include "control/api/page.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define STREAM_BYTES (256u * 1024)
#define PATH_BYTES   4096

/* A request on its way in; libmicrohttpd keeps the pointer. */
struct incoming {
	char path[PATH_BYTES];
	const char *segments[API_SEGMENTS_MAX];
	int segment_count; /* -1: the path is malformed */
	bool looked_at;    /* its headers were */
	const struct api_route *route; /* NULL: reply has the problem */
	const struct api_who *who;
	struct api_reply reply;
	struct text body;
	bool too_long;
	atomic_flag *receiving; /* to be given back; NULL: not taken */
};

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

/* --- who --- */

static void who_of_unix(int fd, struct api_who *who)
{
	struct ucred peer;
	struct passwd entry, *found = NULL;
	char words[1024];
	socklen_t bytes = sizeof peer;
	who->role = API_ADMIN;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		peer = (struct ucred){.uid = (uid_t)-1};
	if (getpwuid_r(peer.uid, &entry, words, sizeof words, &found) == 0 && found)
		snprintf(who->name, sizeof who->name, "%s", entry.pw_name);
	else
		snprintf(who->name, sizeof who->name, "uid %u", (unsigned)peer.uid);
	snprintf(who->from, sizeof who->from, "unix:%d", (int)peer.pid);
}

static void who_of_tcp(const struct sockaddr *address, struct api_who *who)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	char text[INET_ADDRSTRLEN];
	who->role = API_MONITOR;
	snprintf(who->from, sizeof who->from, "%s:%u",
	         inet_ntop(AF_INET, &in->sin_addr, text, sizeof text), ntohs(in->sin_port));
}

void server_on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
	const struct listener *l = context;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(*state);
		*state = NULL;
		return;
	}
	struct api_who *who = *state = calloc(1, sizeof *who);
	if (!who)
		return; /* its requests are refused */
	if (l->tcp)
		who_of_tcp(MHD_get_connection_info(connection,
		                                   MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
		           who);
	else
		who_of_unix(MHD_get_connection_info(connection,
		                                    MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
		            who);
}

/* What a browser was talked into asking for under another name is refused (DNS rebinding). */
static bool is_loopback_host(const char *host)
{
	char name[INET_ADDRSTRLEN];
	struct in_addr address;
	size_t length = strcspn(host, ":");
	if (length >= sizeof name)
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return strcasecmp(name, "localhost") == 0 ||
	       (inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* --- the head of a request --- */

static void answer_no_route(struct incoming *in, const char *method, const struct api_route *other)
{
	char words[256];
	if (in->segment_count < 0) {
		api_problem(&in->reply, 400, "Bad path", "see: GET /openapi.json",
		            "the path is malformed, or longer than %u bytes or %u segments",
		            PATH_BYTES - 1, API_SEGMENTS_MAX);
	} else if (other) {
		api_route_methods(in->segments, (unsigned)in->segment_count, words, sizeof words);
		api_problem(&in->reply, 405, "Wrong method", "use a method that the path takes",
		            "%s takes %s, not %.16s", other->path, words, method);
	} else {
		snprintf(words, sizeof words, "%.200s",
		         in->segment_count > 0 ? in->segments[0] : "");
		api_problem(&in->reply, 404, "No such path", "see: GET /openapi.json",
		            "there is nothing at /%s%s", words,
		            in->segment_count > 1 ? "/..." : "");
	}
}

/* True: the route may be asked by who asks. */
static bool check_role(struct incoming *in, const struct api_route *route)
{
	if (in->who->role >= route->role)
		return true;
	api_problem(&in->reply, 403, "Not here", "use the Unix socket (headrace does)",
	            "this address answers /metrics, /health and /status only");
	return false;
}

static void find_route(struct incoming *in, const struct listener *l, const char *method)
{
	const struct api_route *other = NULL, *route = NULL;
	if (in->segment_count >= 0)
		route = api_route_find(method, in->segments, (unsigned)in->segment_count, &other);
	if (!route) {
		answer_no_route(in, method, other);
		return;
	}
	if (!check_role(in, route))
		return;
	if (route->body.bytes_max > API_BODY_LARGE) {
		if (atomic_flag_test_and_set(&l->api->receiving)) {
			api_problem(&in->reply, 503, "Busy", "try again when it is done",
			            "another import is under way");
			return;
		}
		in->receiving = &l->api->receiving;
	}
	in->route = route;
}

static void look_at_head(struct incoming *in, const struct listener *l,
                         struct MHD_Connection *connection, const char *method)
{
	const char *host =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	in->looked_at = true;
	in->who = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	              ->socket_context;
	if (!in->who)
		api_problem(&in->reply, 503, "Out of resources", "try again later", "no memory");
	else if (l->tcp && host && !is_loopback_host(host))
		api_problem(&in->reply, 403, "Not here",
		            "ask for localhost or an address of 127.0.0.0/8",
		            "the Host header says '%.80s'", host);
	else
		find_route(in, l, method);
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

/* False: a problem was answered. */
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
		if (api_param_required(known) && !api_parameter(request, known->name)) {
			answer_missing(&in->reply, known);
			return false;
		}
	return true;
}

/* --- answers --- */

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

/* False: a problem was answered. */
static bool check_body(struct incoming *in, const char *type)
{
	if (in->too_long && in->route->body.bytes_max == 0)
		api_problem(&in->reply, 413, "Too long", "send none", "the path takes no body");
	else if (in->too_long)
		api_problem(&in->reply, 413, "Too long", "send it in parts",
		            "the body is longer than %zu bytes", in->route->body.bytes_max);
	else if (in->route->body.required && in->body.used == 0)
		api_problem(&in->reply, 400, "No body", "send one", "%s %s needs a body",
		            in->route->method, in->route->path);
	else if (in->body.used > 0 && !(type && is_kind(in->route->body.kinds, type)))
		answer_bad_kind(&in->reply, in->route->body.kinds, type);
	else
		return true;
	return false;
}

static void answer(struct listener *l, struct MHD_Connection *connection, struct incoming *in)
{
	struct api_request request = {
	    .route = in->route,
	    .who = in->who,
	    .context = &l->api->context,
	    .sampler = l->api->sampler,
	    .stopping = &l->api->stopping,
	    .content_type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                                MHD_HTTP_HEADER_CONTENT_TYPE),
	    .body = in->body.data ? in->body.data : "",
	    .body_bytes = in->body.used,
	};
	if (!check_body(in, request.content_type) || !take_parameters(connection, in, &request))
		return;
	in->reply.status = MHD_HTTP_OK;
	in->reply.content_type = "application/json";
	in->route->endpoint(&request, &in->reply);
	if (in->reply.text.failed)
		api_problem(&in->reply, 413, "The answer is too long", "ask for less: set limit",
		            "the answer would be longer than %u bytes", TEXT_BYTES_MAX);
}

static ssize_t on_stream(void *context, uint64_t position, char *to, size_t max)
{
	struct api_stream *stream = context;
	(void)position;
	ssize_t n = stream->more(stream->context, to, max);
	if (n == API_STREAM_BROKEN)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n == API_STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void on_stream_end(void *context)
{
	struct api_stream *stream = context;
	stream->end(stream->context);
	free(stream);
}

static void drop_stream(struct api_reply *reply)
{
	if (reply->stream.end)
		reply->stream.end(reply->stream.context);
	reply->stream = (struct api_stream){0};
}

static struct MHD_Response *make_stream(struct api_reply *reply)
{
	struct api_stream *stream = malloc(sizeof *stream);
	struct MHD_Response *response = NULL;
	if (stream) {
		*stream = reply->stream;
		response = MHD_create_response_from_callback(
		    MHD_SIZE_UNKNOWN, STREAM_BYTES, on_stream, stream, on_stream_end);
	}
	if (!response)
		free(stream);
	else
		reply->stream = (struct api_stream){0}; /* the response's now */
	return response;
}

static struct MHD_Response *make_text(struct api_reply *reply)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    reply->text.used, reply->text.data, MHD_RESPMEM_MUST_FREE);
	if (response)
		reply->text = (struct text){0}; /* the response's now */
	return response;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct incoming *in)
{
	struct api_reply *reply = &in->reply;
	char words[256];
	if (reply->file)
		return page_send(connection, reply->file);
	struct MHD_Response *response =
	    reply->stream.more ? make_stream(reply) : make_text(reply);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (reply->location)
		MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
		api_route_methods(in->segments, (unsigned)in->segment_count, words, sizeof words);
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, words);
	}
	enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/* --- libmicrohttpd's calls --- */

void *server_on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct incoming *in = calloc(1, sizeof *in);
	(void)context, (void)connection;
	if (!in)
		return NULL;
	size_t bytes = strcspn(uri, "?");
	in->segment_count = -1;
	if (bytes < sizeof in->path) {
		memcpy(in->path, uri, bytes);
		in->segment_count = server_split_path(in->path, in->segments);
	}
	return in;
}

/* A body nobody asked for is taken in and thrown away: the problem can be answered then. */
static void take_body(struct incoming *in, const char *data, size_t bytes)
{
	if (!in->route || in->too_long)
		return;
	in->body.bytes_max = in->route->body.bytes_max;
	if (in->body.bytes_max > 0)
		text_put(&in->body, data, bytes);
	if (in->body.failed || in->body.bytes_max == 0) {
		in->too_long = true;
		text_free(&in->body);
	}
}

static void drop_body(struct incoming *in)
{
	text_free(&in->body);
	if (in->receiving)
		atomic_flag_clear(in->receiving);
	in->receiving = NULL;
}

enum MHD_Result server_on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *bytes, void **state)
{
	struct listener *l = context;
	struct incoming *in = *state;
	(void)path, (void)version;
	if (!in)
		return MHD_NO;
	if (!in->looked_at) {
		look_at_head(in, l, connection, method);
		return MHD_YES;
	}
	if (*bytes > 0) {
		take_body(in, data, *bytes);
		*bytes = 0;
		return MHD_YES;
	}
	if (in->route)
		answer(l, connection, in);
	/* before the answer goes out: who has it may import again */
	drop_body(in);
	return send_reply(connection, in);
}

void server_on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
	struct incoming *in = *state;
	(void)context, (void)connection, (void)code;
	if (in) {
		drop_body(in);
		drop_stream(&in->reply);
		text_free(&in->reply.text);
		free(in);
	}
	*state = NULL;
}
