/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as libmicrohttpd brings them. Private to control/api; only it sees microhttpd.h. */
#ifndef HEADRACE_API_SERVER_H
#define HEADRACE_API_SERVER_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "control/api/api_priv.h"

struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;
	bool tcp;
};

struct api {
	struct api_context context;
	struct sampler *sampler;
	struct listener unix_socket, tcp;
	atomic_bool stopping;
	atomic_flag receiving; /* one large body at a time: it is kept in memory */
};

/* libmicrohttpd's callbacks; `context` is the listener. */
void *server_on_uri(void *context, const char *uri, struct MHD_Connection *connection);
enum MHD_Result server_on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *bytes, void **state);
void server_on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code);
/* Who a connection belongs to is found out once. */
void server_on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code);

/* The path of a URI in decoded segments, in place: `uri` is overwritten. -1: malformed (RFC 3986
 * §2.1), a NUL byte, or more than API_SEGMENTS_MAX. "/" has no segment. */
int server_split_path(char *uri, const char *segments[API_SEGMENTS_MAX]);

#endif
