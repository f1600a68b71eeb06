/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server's listeners: start, stop. Input: the configuration. Threads: libmicrohttpd's, one
 * per connection (server.c). Memory: bounded by the connections.
 */
#include "control/api/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "control/api/server.h"
#include "control/api/times.h"

/* Of libmicrohttpd, for a head and its fields (72 bytes each beside their text): enough for one of
 * HEAD_BYTES, and for those somewhat longer, so that they are told. */
#define CONNECTION_BYTES 131072
/* More than configured, so that those who come too many are told. */
#define SPARE_CONNECTIONS 16
#define SPARE_OF_ADDRESS  4
#define PEM_BYTES_MAX    65536
/* TLS 1.2 and 1.3, with forward secrecy (RFC 9325 §4.2) */
#define TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"

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
	    chmod(path, 0660) != 0 || listen(fd, SOMAXCONN) != 0) {
		enum result result = fail(RESULT_RESOURCE, err, "api.socket %s: %s", path,
		                          strerror(errno));
		if (fd >= 0)
			close(fd);
		return result;
	}
	*out = fd;
	return RESULT_OK;
}

static enum result listen_tcp(const struct config *c, int *out, struct error *err)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(c->api.port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(c->api.port)};
	const struct sockaddr *address = (const struct sockaddr *)&in;
	socklen_t bytes = sizeof in;
	int one = 1;
	memcpy(&in.sin_addr, c->api.address, 4);
	memcpy(&in6.sin6_addr, c->api.address, 16);
	if (c->api.ipv6) {
		address = (const struct sockaddr *)&in6;
		bytes = sizeof in6;
	}
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    bind(fd, address, bytes) != 0 || listen(fd, SOMAXCONN) != 0) {
		enum result result = fail(RESULT_RESOURCE, err, "api.listen %s: %s",
		                          c->api.listen, strerror(errno));
		if (fd >= 0)
			close(fd);
		return result;
	}
	*out = fd;
	return RESULT_OK;
}

/* A PEM file as text. NULL: `err` says why. */
static char *read_pem(const char *path, struct error *err)
{
	char *text = calloc(1, PEM_BYTES_MAX + 1);
	FILE *f = text ? fopen(path, "re") : NULL;
	size_t bytes = f ? fread(text, 1, PEM_BYTES_MAX + 1, f) : 0;
	if (!f || ferror(f))
		(void)fail(RESULT_INPUT, err, "%s: %s", path, strerror(errno));
	else if (bytes > PEM_BYTES_MAX || !strstr(text, "-----BEGIN "))
		(void)fail(RESULT_INPUT, err, "%s: expected a PEM file of at most %d bytes", path,
		           PEM_BYTES_MAX);
	else
		bytes = SIZE_MAX;
	if (f)
		fclose(f);
	if (bytes == SIZE_MAX)
		return text;
	free(text);
	return NULL;
}

/* A server on the descriptor, which it closes in the end. */
static struct MHD_Daemon *serve(struct listener *l, int fd, const char *certificate,
                                const char *key)
{
	const struct config *c = l->api->context.config;
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
	    {MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
	                 MHD_USE_POLL | MHD_USE_ITC | (certificate ? MHD_USE_TLS : 0) |
	                 (l->tcp && c->api.ipv6 ? MHD_USE_IPv6 : 0);
	return MHD_start_daemon(
	    flags, 0, NULL, NULL, server_on_request, l, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT,
	    (l->tcp ? (unsigned)c->api.connections : CONNECTIONS_UNIX) + SPARE_CONNECTIONS,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    l->tcp ? (unsigned)c->api.connections_per_address + SPARE_OF_ADDRESS
	           : 0u, /* 0: no limit */
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)c->api.request_timeout_s,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	    MHD_OPTION_URI_LOG_CALLBACK, server_on_uri, l, MHD_OPTION_NOTIFY_CONNECTION,
	    server_on_connection, l, MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, l,
	    MHD_OPTION_ARRAY, certificate ? tls : &tls[3], MHD_OPTION_END);
}

/* With the certificate as it is in its file now. The listener keeps its descriptor. */
static enum result start_listener(struct listener *l, struct error *err)
{
	const struct config *c = l->api->context.config;
	char *certificate = NULL, *key = NULL;
	enum result result = RESULT_OK;
	if (l->tcp && c->api.certificate &&
	    (!(certificate = read_pem(c->api.certificate, err)) ||
	     !(key = read_pem(c->api.key, err))))
		result = RESULT_INPUT;
	int fd = result == RESULT_OK ? fcntl(l->fd, F_DUPFD_CLOEXEC, 0) : -1;
	struct MHD_Daemon *daemon = fd >= 0 ? serve(l, fd, certificate, key) : NULL;
	if (result == RESULT_OK && !daemon) {
		result = fail(RESULT_RESOURCE, err, "api: the HTTP%s server does not start: %s",
		              certificate ? "S" : "",
		              certificate ? "are certificate and key a pair?" : strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (daemon) {
		l->before = l->daemon;
		l->daemon = daemon;
	}
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
	free(certificate);
	return result;
}

static void stop_listener(struct listener *l)
{
	if (l->before)
		MHD_stop_daemon(l->before);
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	if (l->fd >= 0)
		close(l->fd);
	l->before = l->daemon = NULL;
}

enum result api_reload(struct api *api, struct error *err)
{
	struct listener *l = &api->tcp;
	if (!l->daemon || !api->context.config->api.certificate)
		return RESULT_OK;
	struct MHD_Daemon *oldest = l->before;
	enum result result = start_listener(l, err);
	if (result != RESULT_OK)
		return result;
	/* the one before serves the connections it has until the next reload */
	int fd = MHD_quiesce_daemon(l->before);
	if (fd >= 0)
		close(fd);
	if (oldest)
		MHD_stop_daemon(oldest);
	log_info("api", "certificate read again: %s", api->context.config->api.certificate);
	return RESULT_OK;
}

/* --- start and stop --- */

static enum result start_parts(struct api *api, struct error *err)
{
	const struct api_context *c = &api->context;
	uint32_t per_s = c->config->api.requests_per_s;
	enum result result = sampler_start(&api->context, &api->sampler, err);
	if (result == RESULT_OK)
		result = peers_start(&api->peers, err);
	if (result == RESULT_OK)
		result = tokens_open(c->store, &api->tokens, err);
	if (result == RESULT_OK)
		result = audit_log_open(c->store, c->config->api.audit_log_entries,
		                        &api->audit_log, err);
	if (result == RESULT_OK)
		result = limits_new(per_s, 2 * per_s, &api->address_limits, err);
	if (result == RESULT_OK)
		result = limits_new(per_s, 2 * per_s, &api->token_limits, err);
	api->times = request_times_new();
	if (result == RESULT_OK && !api->times)
		result = fail(RESULT_RESOURCE, err, "api: no memory");
	return result;
}

enum result api_start(const struct api_context *context, struct api **out, struct error *err)
{
	const struct config *c = context->config;
	struct api *api = calloc(1, sizeof *api);
	if (!api)
		return fail(RESULT_RESOURCE, err, "api: no memory");
	api->context = *context;
	atomic_flag_clear(&api->receiving);
	atomic_init(&api->large_answers, LARGE_ANSWERS);
	pthread_mutex_init(&api->changing, NULL);
	api->unix_socket.api = api->tcp.api = api;
	api->unix_socket.fd = api->tcp.fd = -1;
	api->tcp.tcp = true;
	enum result result = start_parts(api, err);
	if (result == RESULT_OK)
		result = listen_unix(c->api.socket, &api->unix_socket.fd, err);
	if (result == RESULT_OK)
		result = start_listener(&api->unix_socket, err);
	if (result == RESULT_OK && c->api.listen)
		result = listen_tcp(c, &api->tcp.fd, err);
	if (result == RESULT_OK && c->api.listen)
		result = start_listener(&api->tcp, err);
	if (result != RESULT_OK) {
		api_stop(api);
		return result;
	}
	log_info("api", "listening at %s%s%s%s", c->api.socket, c->api.listen ? " and " : "",
	         c->api.listen ? c->api.listen : "", c->api.certificate ? " (TLS)" : "");
	*out = api;
	return RESULT_OK;
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	/* a scan under way breaks off */
	atomic_store_explicit(&api->stopping, true, memory_order_relaxed);
	bool bound = api->unix_socket.daemon;
	stop_listener(&api->tcp);
	stop_listener(&api->unix_socket);
	if (bound)
		unlink(api->context.config->api.socket);
	peers_stop(api->peers);
	sampler_stop(api->sampler);
	tokens_close(api->tokens);
	audit_log_close(api->audit_log);
	limits_free(api->address_limits);
	limits_free(api->token_limits);
	request_times_free(api->times);
	pthread_mutex_destroy(&api->changing);
	free(api);
}
