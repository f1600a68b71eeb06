/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: listeners, requests, routes. Input: requests, untrusted. Output: the endpoints'
 * answers. Threads: libmicrohttpd's, one per connection. Memory: per request, bounded.
 */
#include "control/api/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "control/api/api_priv.h"

#define CONNECTIONS_MAX  32
#define CONNECTIONS_HOST 8 /* from one TCP address */
#define IDLE_TIMEOUT_S   30
#define CONNECTION_BYTES 32768 /* headers */
#define STREAM_BYTES     (256u * 1024)

struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;
	bool monitoring; /* anybody on this machine may ask: nothing of the meters is told */
};

struct api {
	struct api_context context;
	struct sampler *sampler;
	struct listener unix_socket, tcp;
	atomic_bool stopping;
	atomic_flag receiving; /* one large body at a time: it is kept in memory */
};

static const struct route {
	const char *method, *path; /* a path that ends in '/' goes on */
	api_endpoint *endpoint;
	const char *parameters[API_PARAMETERS_MAX];
	size_t body_bytes_max;
	bool monitoring; /* answered at api.listen, too */
} routes[] = {
    {"GET", "/health", api_health, {NULL}, 0, true},
    {"GET", "/status", api_status, {NULL}, 0, true},
    {"GET", "/metrics", api_metrics, {NULL}, 0, true},
    {"GET", "/devices", api_devices, {"prefix", "state", "offset", "limit"}, 0, false},
    {"POST", "/devices/approve/", api_device_approve, {NULL}, 0, false},
    {"POST", "/devices/reject/", api_device_reject, {NULL}, 0, false},
    {"POST", "/devices/import", api_devices_import, {NULL}, API_IMPORT_BYTES_MAX, false},
    {"GET", "/devices/", api_device, {NULL}, 0, false},
    {"GET", "/readings/", api_readings, {"from", "to", "after", "limit", "format"}, 0, false},
    {"GET", "/aggregates/", api_aggregates, {"level", "from", "to", "format"}, 0, false},
    {"GET", "/retention", api_retention, {NULL}, 0, false},
    {"GET", "/usage/", api_usage, {"from", "to", "by"}, 0, false},
    {"GET", "/bills/", api_bill, {"month", "tariff"}, 0, false},
    {"GET", "/bills", api_bills, {"month", "prefix", "limit"}, 0, false},
    {"GET", "/billing", api_billing, {NULL}, 0, false},
    {"POST", "/billing/run", api_billing_run, {"month", "tariff", "prefix"}, 0, false},
    {"POST", "/billing/review", api_billing_review, {"month", "prefix"}, 0, false},
    {"GET", "/errors", api_errors, {"from", "limit", "reason"}, 0, false},
    {"GET", "/errors/", api_error, {NULL}, 0, false},
    {"POST", "/audit", api_audit, {NULL}, 0, false},
    {"GET", "/export", api_export, {"format", "from", "to", "meters", "prefix", "after"}, 0, false},
    {"POST", "/backup", api_backup, {"dir"}, 0, false},
};
#define ROUTES (sizeof routes / sizeof routes[0])

/* A request on its way in; libmicrohttpd keeps the pointer. */
struct incoming {
	const struct route *route; /* NULL: reply has the problem */
	const char *rest;
	struct api_reply reply;
	struct text body;
	bool too_long;
	atomic_flag *receiving; /* to be given back; NULL: not taken */
};

static bool route_matches(const struct route *r, const char *path)
{
	size_t length = strlen(r->path);
	if (r->path[length - 1] == '/')
		return strncmp(path, r->path, length) == 0 && path[length] != '\0';
	return strcmp(path, r->path) == 0;
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

static void find_route(struct incoming *in, const struct listener *l, const char *method,
                       const char *path)
{
	const struct route *other = NULL;
	for (size_t i = 0; i < ROUTES && !in->route; i++) {
		if (!route_matches(&routes[i], path))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			in->route = &routes[i];
		else
			other = &routes[i];
	}
	if (in->route && l->monitoring && !in->route->monitoring) {
		in->route = NULL;
		api_problem(&in->reply, 403, "Not here", "use the Unix socket (headrace does)",
		            "this address answers /metrics, /health and /status only");
	} else if (in->route && in->route->body_bytes_max > 0 &&
	           atomic_flag_test_and_set(&l->api->receiving)) {
		in->route = NULL;
		api_problem(&in->reply, 503, "Busy", "try again when it is done",
		            "another import is under way");
	} else if (in->route) {
		in->receiving = in->route->body_bytes_max > 0 ? &l->api->receiving : NULL;
		in->rest = path + strlen(in->route->path);
	} else if (other) {
		api_problem(&in->reply, 405, "Wrong method", "use the method that the path takes",
		            "%s takes %s, not %.16s", other->path, other->method, method);
	} else {
		api_problem(&in->reply, 404, "No such path",
		            "one of /health /status /metrics /devices /devices/ID /devices/import "
		            "/devices/approve/ID /devices/reject/ID /readings/ID /usage/ID /bills "
		            "/bills/ID /billing /errors /errors/NUMBER /audit /backup",
		            "there is nothing at %.200s", path);
	}
}

struct parameters {
	struct api_request *request;
	struct incoming *in;
	bool bad;
};

static void explain_parameters(const struct route *r, char *out, size_t bytes)
{
	int used = snprintf(out, bytes, "this path takes %s",
	                    r->parameters[0] ? "" : "no parameters");
	for (unsigned i = 0; i < API_PARAMETERS_MAX && r->parameters[i]; i++)
		used += snprintf(out + used, bytes - (size_t)used, "%s, ", r->parameters[i]);
	if (r->parameters[0])
		snprintf(out + used, bytes - (size_t)used, "each once");
}

static enum MHD_Result on_parameter(void *context, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
	struct parameters *p = context;
	const struct route *r = p->in->route;
	unsigned i = 0;
	(void)kind;
	while (i < API_PARAMETERS_MAX && r->parameters[i] && strcmp(r->parameters[i], key) != 0)
		i++;
	bool known = i < API_PARAMETERS_MAX && r->parameters[i];
	if (!known || api_parameter(p->request, key) || !value) {
		char remedy[160];
		explain_parameters(r, remedy, sizeof remedy);
		api_problem(&p->in->reply, 400, "Bad parameter", remedy, "%s '%.80s'",
		            !known  ? "there is no parameter"
		            : value ? "given twice:"
		                    : "no value for",
		            key);
		p->bad = true;
		return MHD_NO;
	}
	p->request->parameters[p->request->parameter_count++] =
	    (struct api_parameter){r->parameters[i], value};
	return MHD_YES;
}

static void answer(struct listener *l, struct MHD_Connection *connection, struct incoming *in)
{
	struct api_request request = {
	    .context = &l->api->context,
	    .sampler = l->api->sampler,
	    .stopping = &l->api->stopping,
	    .rest = in->rest,
	    .content_type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                                MHD_HTTP_HEADER_CONTENT_TYPE),
	    .body = in->body.data ? in->body.data : "",
	    .body_bytes = in->body.used,
	};
	struct parameters p = {&request, in, false};
	if (in->too_long) {
		api_problem(&in->reply, 413, "Too long", "send it in parts",
		            "the body is longer than %zu bytes", in->route->body_bytes_max);
		return;
	}
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, on_parameter, &p);
	if (p.bad)
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
	struct MHD_Response *response =
	    reply->stream.more ? make_stream(reply) : make_text(reply);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/* A body nobody asked for is taken in and thrown away: the problem can be answered then. */
static void take_body(struct incoming *in, const char *data, size_t bytes)
{
	if (!in->route || in->too_long)
		return;
	in->body.bytes_max = in->route->body_bytes_max;
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

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *bytes, void **state)
{
	struct listener *l = context;
	struct incoming *in = *state;
	(void)version;
	if (!in) {
		in = calloc(1, sizeof *in);
		if (!in)
			return MHD_NO;
		*state = in;
		const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
		                                               MHD_HTTP_HEADER_HOST);
		if (l->monitoring && host && !is_loopback_host(host))
			api_problem(&in->reply, 403, "Not here",
			            "ask for localhost or an address of 127.0.0.0/8",
			            "the Host header says '%.80s'", host);
		else
			find_route(in, l, method, path);
		return MHD_YES;
	}
	if (*bytes > 0) {
		take_body(in, data, *bytes);
		*bytes = 0;
		return MHD_YES;
	}
	/* `path` may have moved since the first call */
	if (in->route) {
		in->rest = path + strlen(in->route->path);
		answer(l, connection, in);
	}
	/* before the answer goes out: who has it may import again */
	drop_body(in);
	return send_reply(connection, in);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
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

/* --- listeners --- */

/* True: somebody answers there. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 &&
	             connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
	if (fd >= 0)
		close(fd);
	return alive;
}

/* The socket's folder is made if it is absent; its parents are not. */
static void make_folder(const char *path)
{
	char folder[sizeof((struct sockaddr_un *)0)->sun_path];
	snprintf(folder, sizeof folder, "%s", path);
	char *slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = '\0';
		mkdir(folder, 0755);
	}
}

static enum result listen_unix(const char *path, int *out, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return fail(RESULT_INPUT, err, "api.socket '%s' is too long", path);
	strcpy(address.sun_path, path);
	make_folder(path);
	if (is_alive(&address))
		return fail(RESULT_RESOURCE, err,
		            "%s: another headraced answers there; stop it or set another socket",
		            path);
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    chmod(path, 0660) != 0 || listen(fd, CONNECTIONS_MAX) != 0) {
		enum result result = fail(RESULT_RESOURCE, err, "api.socket %s: %s", path,
		                          strerror(errno));
		if (fd >= 0)
			close(fd);
		return result;
	}
	*out = fd;
	return RESULT_OK;
}

static enum result listen_tcp(const char *text, int *out, struct error *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char host[INET_ADDRSTRLEN];
	unsigned port;
	int one = 1;
	if (sscanf(text, "%15[0-9.]:%5u", host, &port) != 2 || port > 65535 ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return fail(RESULT_INPUT, err, "api.listen '%s' is no address and port", text);
	address.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(fd, CONNECTIONS_MAX) != 0) {
		enum result result = fail(RESULT_RESOURCE, err, "api.listen %s: %s", text,
		                          strerror(errno));
		if (fd >= 0)
			close(fd);
		return result;
	}
	*out = fd;
	return RESULT_OK;
}

static enum result start_listener(struct listener *l, int fd, struct error *err)
{
	l->daemon = MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, NULL,
	    NULL, on_request, l, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    l->monitoring ? (unsigned)CONNECTIONS_HOST : 0u, /* 0: no limit */
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (l->daemon)
		return RESULT_OK;
	close(fd);
	return fail(RESULT_RESOURCE, err, "api: the HTTP server does not start: %s",
	            strerror(errno));
}

enum result api_start(const struct api_context *context, struct api **out, struct error *err)
{
	int fd;
	struct api *api = calloc(1, sizeof *api);
	if (!api)
		return fail(RESULT_RESOURCE, err, "api: no memory");
	api->context = *context;
	atomic_flag_clear(&api->receiving);
	api->unix_socket.api = api->tcp.api = api;
	api->tcp.monitoring = true;
	enum result result = sampler_start(context->pipeline, &api->sampler, err);
	if (result == RESULT_OK)
		result = listen_unix(context->config->api.socket, &fd, err);
	if (result == RESULT_OK)
		result = start_listener(&api->unix_socket, fd, err);
	if (result == RESULT_OK && context->config->api.listen) {
		result = listen_tcp(context->config->api.listen, &fd, err);
		if (result == RESULT_OK)
			result = start_listener(&api->tcp, fd, err);
	}
	if (result != RESULT_OK) {
		api_stop(api);
		return result;
	}
	log_info("api", "listening at %s%s%s", context->config->api.socket,
	         context->config->api.listen ? " and, for monitoring, " : "",
	         context->config->api.listen ? context->config->api.listen : "");
	*out = api;
	return RESULT_OK;
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	/* a scan under way breaks off */
	atomic_store_explicit(&api->stopping, true, memory_order_relaxed);
	if (api->tcp.daemon)
		MHD_stop_daemon(api->tcp.daemon);
	if (api->unix_socket.daemon) {
		MHD_stop_daemon(api->unix_socket.daemon);
		unlink(api->context.config->api.socket);
	}
	sampler_stop(api->sampler);
	free(api);
}
