/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as libmicrohttpd brings them. Private to control/api; its server alone includes this. */
#ifndef HEADRACE_API_SERVER_H
#define HEADRACE_API_SERVER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "control/access/audit_log.h"
#include "control/access/limits.h"
#include "control/access/tokens.h"
#include "control/api/api_priv.h"
#include "control/api/peers.h"

#define PATH_BYTES 4096
#define HEAD_BYTES 32768
#define CONNECTIONS_UNIX 64u
#define LARGE_ANSWERS 4u

struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;
	struct MHD_Daemon *before; /* with the certificate before; serves what it has */
	int fd;
	bool tcp;
};

struct api {
	struct api_context context;
	struct sampler *sampler;
	struct peers *peers;
	struct tokens *tokens;
	struct audit_log *audit_log;
	struct limits *address_limits, *token_limits;
	struct request_times *times;
	struct listener unix_socket, tcp;
	atomic_bool stopping;
	atomic_flag receiving; /* one large body at a time: it is kept in memory */
	atomic_uint large_answers; /* how many more may be kept in memory */
	pthread_mutex_t changing; /* changes of what has an ETag, one at a time */
};

/* A request on its way in; libmicrohttpd keeps the pointer. */
struct incoming {
	char target[PATH_BYTES]; /* as it came, cut */
	char path[PATH_BYTES];
	const char *segments[API_SEGMENTS_MAX];
	int segment_count; /* -1: the path is malformed */
	bool looked_at;    /* its headers were */
	struct peer *peer;
	struct api_who who;
	const struct api_route *route; /* NULL: reply has the problem */
	struct api_reply reply;
	struct text body;
	bool too_long;
	uint64_t thrown_away; /* bytes of a body that nobody reads */
	uint64_t begun_us;
	atomic_flag *receiving; /* to be given back; NULL: not taken */
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

/* May it be asked at all, and by whom? Sets in->who. False: a problem was answered. (admit.c) */
bool server_admit(const struct listener *l, struct MHD_Connection *connection,
                  struct incoming *in);
/* Does its head mean one thing only (RFC 9112)? False: a problem was answered. (head.c) */
bool server_check_head(struct MHD_Connection *connection, struct incoming *in,
                       const char *version);
/* The route, and may its role ask it? False: a problem was answered. (admit.c) */
bool server_find_route(const struct listener *l, struct incoming *in, const char *method);

/* The parameters of path and query, and the body's type. False: a problem was answered.
 * (arguments.c) */
bool server_take_arguments(struct MHD_Connection *connection, struct incoming *in,
                           struct api_request *request);

/* The path of a URI in decoded segments, in place: `uri` is overwritten. -1: malformed (RFC 3986
 * §2.1), a NUL byte, or more than API_SEGMENTS_MAX. "/" has no segment. (arguments.c) */
int server_split_path(char *uri, const char *segments[API_SEGMENTS_MAX]);

/* The answer: coded, compared with what the client has, and queued. (send.c) */
enum MHD_Result server_send(const struct listener *l, struct MHD_Connection *connection,
                            struct incoming *in, bool head_or_get);

/* Of an answer's bytes, in quotes. (send.c) */
#define ETAG_BYTES 20
void server_etag(const struct text *text, char out[ETAG_BYTES]);
/* Does a list of them (If-Match, If-None-Match) name it? (send.c) */
bool server_etag_listed(const char *list, const char *etag);
/* Does an Accept-Encoding (NULL: there is none) take gzip? (send.c) */
bool server_takes_gzip(const char *accepted);

#endif
