/* SPDX-License-Identifier: Apache-2.0 */
/* A request and its answer, as the endpoints see them. Private to control/api. */
#ifndef HEADRACE_API_API_PRIV_H
#define HEADRACE_API_API_PRIV_H

#include <stdatomic.h>
#include <sys/types.h>

#include <jansson.h>

#include "control/api/api.h"
#include "control/api/routes.h"
#include "control/api/text.h"
#include "control/api/sampler.h"

#define API_IMPORT_BYTES_MAX (256u << 20)

struct api_parameter {
	const char *name, *value;
};

/* Who asks: a user of this machine at the Unix socket (always an admin), a token's name, or nobody
 * in particular. */
struct api_who {
	char name[64];
	enum api_role role;
	char from[64]; /* "unix:1234" (its process), "192.0.2.7:40000" */
};

struct api_request {
	const struct api_route *route;
	const struct api_who *who;
	const char *target; /* path and query as they came */
	struct api *api;    /* the server's own parts; NULL in tests of endpoints */
	const struct api_context *context;
	struct sampler *sampler;
	const atomic_bool *stopping; /* api_stop waits for us; NULL: never */
	const char *rest; /* the path's first parameter, decoded; "": it has none */
	const char *path[API_SEGMENTS_MAX]; /* all of them, in order (api_path by name) */
	const char *content_type; /* NULL: not told */
	const char *body;
	size_t body_bytes;
	struct api_parameter parameters[API_PARAMETERS_MAX];
	unsigned parameter_count;
};

/* A body that is made while it is sent. `more` may block, though not for long without a byte: up to
 * `max` bytes, API_STREAM_END or API_STREAM_BROKEN. `end` is called once, whatever happens. */
enum { API_STREAM_END = -1, API_STREAM_BROKEN = -2 };
struct api_stream {
	ssize_t (*more)(void *context, char *to, size_t max);
	void (*end)(void *context);
	void *context;
};

struct web_file;

struct api_reply {
	unsigned status; /* HTTP */
	char object[128]; /* what was changed, for the audit log; "": the path's parameter */
	char next[1024];  /* the target of the following part of a list (api_next); "": none */
	char location[256]; /* of what was made; "": not told */
	unsigned retry_after_s; /* 0: not told */
	bool close; /* the connection ends with this answer */
	const char *content_type;
	struct text text;
	struct api_stream stream; /* more is not NULL: instead of `text` */
	const struct web_file *file; /* not NULL: instead of both */
};

/* RFC 9457; `remedy` says what to do next. Replaces what the answer has so far. */
__attribute__((format(printf, 5, 6))) void api_problem(struct api_reply *reply, unsigned status,
                                                       const char *title, const char *remedy,
                                                       const char *detail, ...);
/* The same for a failed call. */
void api_failed(struct api_reply *reply, enum result result, const struct error *err);

/* A long scan looks at it at every row. */
static inline bool api_is_stopping(const struct api_request *request)
{
	return request->stopping &&
	       atomic_load_explicit(request->stopping, memory_order_relaxed);
}
/* The same; true: a problem was answered. */
bool api_stopped(const struct api_request *request, struct api_reply *reply);

/* What was acknowledged before the request came is in the store. False: a problem was answered. */
bool api_caught_up(const struct api_request *request, struct api_reply *reply);

/* Of the query; NULL: not given. Of the path; never NULL. */
/* The body, which must be a JSON object without names twice. NULL: a problem was answered. */
json_t *api_body_object(const struct api_request *request, struct api_reply *reply);

const char *api_parameter(const struct api_request *request, const char *name);
const char *api_path(const struct api_request *request, const char *name);
/* There is more: the same request with these parameters instead gets it. Is answered as Link:
 * rel="next" (RFC 8288). */
void api_next(const struct api_request *request, struct api_reply *reply,
              const struct api_parameter *changed, unsigned count);
/* A whole number, a time: `otherwise` when absent. False: a problem was answered. */
bool api_number(const struct api_request *request, struct api_reply *reply, const char *name,
                uint64_t least, uint64_t most, uint64_t otherwise, uint64_t *out);
bool api_time(const struct api_request *request, struct api_reply *reply, const char *name,
              int64_t otherwise, int64_t *out);
/* The same; a day without a time is the territory's, from its first instant. */
bool api_local_time(const struct api_request *request, struct api_reply *reply, const char *name,
                    int64_t otherwise, int64_t *out);

api_endpoint api_metrics;

/* Totals by fate since this start; and readings taken but not yet durable. */
struct api_balance {
	struct fate_totals since_start, totals;
	uint64_t received, durable, in_flight;
};
void api_balance_get(const struct api_context *c, struct api_balance *balance);

/* A stage may be reported in several parts that share their counters: is this set one of those
 * before `index`? Each set counts once. */
bool api_counters_repeated(const struct api_context *c, uint32_t index,
                           const struct counters *counters);

#endif
