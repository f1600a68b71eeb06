/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request from its head to its answer. Input: what libmicrohttpd has parsed, untrusted. Output:
 * the endpoints' answers. Threads: libmicrohttpd's, one per connection. Memory: per request,
 * bounded: the path, the body that its route allows, the answer.
 */
#include "control/api/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/api/times.h"
#include "control/api/urgency.h"

/* What nobody wants is read so far, so that the answer arrives; then the connection ends. */
#define THROWN_AWAY_MAX (4u << 20)
/* The slowest sender of a body that is served. */
#define SENDER_BYTES_S 16384

static bool is_reading(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* --- changes: only if it is still what the client knows, and never unrecorded --- */

/* The tag of what GET says of the same path. False: there is no such route. */
static bool tag_now(const struct incoming *in, const struct api_request *request,
                    char etag[ETAG_BYTES])
{
	const struct api_route *other, *get;
	struct api_request again = *request;
	struct api_reply reply = {.status = MHD_HTTP_OK};
	get = api_route_find("GET", in->segments, (unsigned)in->segment_count, &other);
	if (!get)
		return false;
	again.route = get;
	again.parameter_count = 0;
	again.body = "";
	again.body_bytes = 0;
	get->endpoint(&again, &reply);
	strcpy(etag, "\"\""); /* what is not there matches nothing */
	if (reply.status == MHD_HTTP_OK && !reply.stream.more && !reply.text.failed)
		server_etag(&reply.text, etag);
	if (reply.stream.end)
		reply.stream.end(reply.stream.context);
	text_free(&reply.text);
	return true;
}

/* RFC 9110 §13.1.1. False: a problem was answered. */
static bool still_matches(struct MHD_Connection *connection, struct incoming *in,
                          const struct api_request *request)
{
	char etag[ETAG_BYTES];
	const char *list =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH);
	if (!list || !tag_now(in, request, etag) ||
	    (strcmp(etag, "\"\"") != 0 && server_etag_listed(list, etag)))
		return true;
	api_problem(&in->reply, MHD_HTTP_PRECONDITION_FAILED, "It has changed since",
	            "read it again, then decide", "If-Match names none of its state now, %s", etag);
	return false;
}

/* The change, between its two lines of the audit log. */
static void change(struct listener *l, struct incoming *in, const struct api_request *request)
{
	struct audit_log *log = l->api->audit_log;
	struct error err;
	uint64_t number;
	const struct audit_entry entry = {
	    .at_ms = clock_wall_ms(),
	    .who = in->who.name,
	    .role = api_role_name(in->who.role),
	    .from = in->who.from,
	    .method = in->route->method,
	    .target = in->target,
	};
	if (audit_log_begin(log, &entry, &number, &err) != RESULT_OK) {
		api_problem(&in->reply, 503, "The audit log can't be written",
		            "look at the store's disk; nothing was changed", "%s", err.text);
		return;
	}
	in->route->endpoint(request, &in->reply);
	const char *object = in->reply.object[0] ? in->reply.object : request->rest;
	if (audit_log_end(log, number, clock_wall_ms(), in->reply.status, object, &err) !=
	    RESULT_OK)
		log_warning("api", "audit log, the outcome of %" PRIu64 ": %s", number, err.text);
}

/* --- answers --- */

static void run(struct listener *l, struct MHD_Connection *connection, struct incoming *in,
                const struct api_request *request, const char *method)
{
	if (is_reading(method)) {
		in->route->endpoint(request, &in->reply);
		return;
	}
	bool conditional =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH);
	const struct api_route *other;
	bool tagged = conditional || api_route_find("GET", in->segments,
	                                            (unsigned)in->segment_count, &other);
	if (tagged)
		pthread_mutex_lock(&l->api->changing);
	if (!conditional || still_matches(connection, in, request))
		change(l, in, request);
	if (tagged)
		pthread_mutex_unlock(&l->api->changing);
}

static void answer(struct listener *l, struct MHD_Connection *connection, struct incoming *in,
                   const char *method)
{
	struct api_request request = {
	    .route = in->route,
	    .who = &in->who,
	    .target = in->target,
	    .api = l->api,
	    .context = &l->api->context,
	    .sampler = l->api->sampler,
	    .stopping = &l->api->stopping,
	    .content_type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                                MHD_HTTP_HEADER_CONTENT_TYPE),
	    .body = in->body.data ? in->body.data : "",
	    .body_bytes = in->body.used,
	};
	if (!server_take_arguments(connection, in, &request))
		return;
	in->reply.status = MHD_HTTP_OK;
	in->reply.content_type = "application/json";
	in->reply.text.places = &l->api->large_answers;
	run(l, connection, in, &request, method);
	if (in->reply.text.crowded)
		api_problem(&in->reply, 503, "Busy", "try again, or ask for less: set limit",
		            "%u answers of more than %u bytes are under way", LARGE_ANSWERS,
		            TEXT_LARGE);
	else if (in->reply.text.failed)
		api_problem(&in->reply, 413, "The answer is too long", "ask for less: set limit",
		            "the answer would be longer than %u bytes", TEXT_BYTES_MAX);
}

/* True: the answer is no without the body, which is not waited for. */
static bool look_at_head(struct incoming *in, const struct listener *l,
                         struct MHD_Connection *connection, const char *method,
                         const char *version)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                                 MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t bytes = length ? strtoull(length, NULL, 10) : 0;
	uint32_t timeout_s = l->api->context.config->api.request_timeout_s;
	in->looked_at = true;
	in->begun_us = clock_mono_us();
	if (server_admit(l, connection, in) && server_check_head(connection, in, version))
		server_find_route(l, in, method);
	size_t most = in->route ? in->route->body.bytes_max : 0;
	in->too_long = in->route && bytes > most;
	if (!length)
		bytes = most;
	if (in->peer && bytes <= SIZE_MAX / 2)
		peer_allow_s(in->peer, timeout_s + (uint32_t)(bytes / SENDER_BYTES_S));
	bool asks = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                        MHD_HTTP_HEADER_EXPECT);
	return in->reply.close ||
	       ((!in->route || in->too_long) && (bytes > THROWN_AWAY_MAX || asks));
}

/* --- libmicrohttpd's calls --- */

void server_on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
	const struct listener *l = context;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		peers_remove(l->api->peers, *state);
		*state = NULL;
		return;
	}
	int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	const struct sockaddr *address =
	    l->tcp ? MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
	                 ->client_addr
	           : NULL;
	const struct config *c = l->api->context.config;
	const struct peer_limits most = {
	    .connections = l->tcp ? c->api.connections : CONNECTIONS_UNIX,
	    .of_address = l->tcp ? c->api.connections_per_address : CONNECTIONS_UNIX,
	};
	struct peer *peer = *state = peers_add(l->api->peers, fd, address, &most);
	if (peer)
		peer_allow_s(peer, c->api.request_timeout_s);
}

void *server_on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct incoming *in = calloc(1, sizeof *in);
	(void)context;
	if (!in)
		return NULL;
	in->peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	               ->socket_context;
	snprintf(in->target, sizeof in->target, "%s", uri);
	size_t bytes = strcspn(uri, "?");
	in->segment_count = -1;
	if (bytes < sizeof in->path) {
		memcpy(in->path, uri, bytes);
		in->segment_count = server_split_path(in->path, in->segments);
	}
	return in;
}

/* A body nobody asked for is taken in and thrown away: the problem can be answered then. False: it
 * is too much. */
static bool take_body(struct incoming *in, const char *data, size_t bytes)
{
	if (!in->route || in->too_long) {
		in->thrown_away += bytes;
		return in->thrown_away <= THROWN_AWAY_MAX;
	}
	in->body.bytes_max = in->route->body.bytes_max;
	if (in->body.bytes_max > 0)
		text_put(&in->body, data, bytes);
	if (in->body.failed || in->body.bytes_max == 0) {
		in->too_long = true;
		text_free(&in->body);
	}
	return true;
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
	(void)path;
	if (!in)
		return MHD_NO;
	bool refused = false;
	if (!in->looked_at) {
		refused = look_at_head(in, l, connection, method, version);
		if (!in->route || !in->route->quick)
			urgency_drop();
		if (!refused)
			return MHD_YES;
	} else if (*bytes > 0) {
		bool goes_on = take_body(in, data, *bytes);
		*bytes = 0;
		return goes_on ? MHD_YES : MHD_NO;
	}
	if (in->peer)
		peer_allow_s(in->peer, 0); /* it has done its part */
	if (in->route)
		answer(l, connection, in, method);
	/* before the answer goes out: who has it may import again */
	drop_body(in);
	request_times_add(l->api->times, in->route, in->reply.status,
	                  clock_mono_us() - in->begun_us);
	return server_send(l, connection, in, is_reading(method));
}

void server_on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
	const struct listener *l = context;
	struct incoming *in = *state;
	(void)connection, (void)code;
	if (in) {
		if (in->peer)
			peer_allow_s(in->peer, 2 * l->api->context.config->api.request_timeout_s);
		drop_body(in);
		if (in->reply.stream.end)
			in->reply.stream.end(in->reply.stream.context);
		text_free(&in->reply.text);
		if (in->route && in->route->quick && in->reply.status == MHD_HTTP_OK)
			urgency_raise();
		else
			urgency_drop();
		free(in);
	}
	*state = NULL;
}
