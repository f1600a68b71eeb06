/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server's listeners: start, stop. Input: the configuration. Threads: libmicrohttpd's, one
 * per connection (server.c). Memory: bounded by the connections.
 */
#include "control/api/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "control/api/server.h"

#define CONNECTIONS_MAX  32
#define CONNECTIONS_HOST 8 /* from one TCP address */
#define IDLE_TIMEOUT_S   30
#define CONNECTION_BYTES 32768 /* headers */

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
	    NULL, server_on_request, l, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    l->tcp ? (unsigned)CONNECTIONS_HOST : 0u, /* 0: no limit */
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	    MHD_OPTION_URI_LOG_CALLBACK, server_on_uri, l,
	    MHD_OPTION_NOTIFY_CONNECTION, server_on_connection, l,
	    MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, l, MHD_OPTION_END);
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
	api->tcp.tcp = true;
	enum result result = sampler_start(&api->context, &api->sampler, err);
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
