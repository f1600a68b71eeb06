/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call and its answer, as the resources see them. Private to control/coap.
 *
 *   service.c    the thread: rings, who answers what, notifications
 *   call.c       helpers for resources: queries, formats, entity tags, answers
 *   watches.c    who observes what
 *   core.c readings.c commands.c rd.c interop.c   the resources
 */
#ifndef HEADRACE_CONTROL_COAP_SERVICE_PRIV_H
#define HEADRACE_CONTROL_COAP_SERVICE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/tally.h"
#include "contract/fate.h"
#include "control/api/text.h"
#include "control/coap/link.h"
#include "control/coap/service.h"

enum {
	CODE_CREATED = COAP_CODE(2, 1),
	CODE_DELETED = COAP_CODE(2, 2),
	CODE_VALID = COAP_CODE(2, 3),
	CODE_CHANGED = COAP_CODE(2, 4),
	CODE_CONTENT = COAP_CODE(2, 5),
	CODE_BAD_REQUEST = COAP_CODE(4, 0),
	CODE_FORBIDDEN = COAP_CODE(4, 3),
	CODE_NOT_FOUND = COAP_CODE(4, 4),
	CODE_NOT_ALLOWED = COAP_CODE(4, 5),
	CODE_NOT_ACCEPTABLE = COAP_CODE(4, 6),
	CODE_PRECONDITION = COAP_CODE(4, 12),
	CODE_TOO_LARGE = COAP_CODE(4, 13),
	CODE_BAD_FORMAT = COAP_CODE(4, 15),
	CODE_INTERNAL = COAP_CODE(5, 0),
	CODE_UNAVAILABLE = COAP_CODE(5, 3),
};

enum { /* content formats: RFC 7252 12.3, RFC 8428 12.3 */
	CONTENT_TEXT = 0,
	CONTENT_LINKS = 40,
	CONTENT_XML = 41,
	CONTENT_BYTES = 42,
	CONTENT_JSON = 50,
	CONTENT_SENML = 110,
};

#define LOCATION_BYTES 128

/* What is said in an answer or notification. */
struct coap_reply {
	uint8_t code;
	uint16_t format; /* COAP_FORMAT_NONE: not said */
	bool has_max_age, in_order, non;
	uint32_t max_age_s;
	struct coap_etag etag; /* bytes 0: made from a GET's body */
	char location_path[LOCATION_BYTES], location_query[LOCATION_BYTES];
	struct text body;
};

struct coap_call {
	struct coap_service *service;
	uint32_t io;
	const struct coap_ask *ask;
	char path[COAP_PATH_BYTES];
	char query[COAP_QUERY_BYTES];
	const char *rest; /* of the path, behind the resource's and its '/'; "": nothing */
	struct bytes payload;
	bool observed; /* it may observe: watch_begin did that */
	bool later;    /* it is answered by later_answer */
	struct coap_reply reply;
};

struct resource {
	const char *path;       /* "/rd" */
	bool below;             /* also /rd/... */
	const char *attributes; /* in /.well-known/core; NULL: not listed */
	void (*serve)(struct coap_call *call);
};

/* ---- watches.c ---- */

enum watch_kind { WATCH_NONE, WATCH_READING, WATCH_COMMAND, WATCH_INTEROP };

struct command; /* on its way to an observer */

struct watch {
	uint64_t observer; /* the worker's handle */
	uint64_t version;  /* of what it was told last */
	uint32_t io;
	uint32_t subject; /* device number, or the interop resource's index */
	uint16_t accept;
	uint8_t kind; /* enum watch_kind */
	bool waiting; /* for the delivery of a command */
	uint64_t sent_ms;
	char *topic; /* WATCH_COMMAND: "cmd/DEVICE" and what may follow */
	struct command *first, *last;
	uint32_t queued;
	uint32_t prev, next; /* in the list of those in use */
};

#define WATCH_END UINT32_MAX

/* The caller observes: it will be told of changes. */
struct watch *watch_begin(struct coap_call *call, enum watch_kind kind, uint32_t subject);
void watch_end(struct coap_service *s, uint32_t io, uint64_t observer);
struct watch *watch_find(struct coap_service *s, uint32_t io, uint64_t observer);
struct watch *watch_first(struct coap_service *s);
struct watch *watch_next(struct coap_service *s, const struct watch *w);

/* ---- the service ---- */

#define RESOURCES_MAX 48

struct directory;
struct commands;
struct interop;

struct coap_service {
	struct coap_service_config config;
	struct coap_link *link;
	const struct resource *resources[RESOURCES_MAX];
	uint32_t resource_count;
	struct watch *watches; /* io * observers_max + the handle's index */
	uint32_t watch_head;
	struct directory *directory;
	struct commands *commands;
	struct interop *interop; /* NULL: off */
	uint64_t now_ms;         /* monotonic */
	uint64_t store_block;    /* up to which observers of readings were told */
	_Atomic uint64_t counts[COAP_SERVICE_COUNT_COUNT];
	atomic_bool stopping;
	pthread_t thread;
	bool running;
};

static inline void service_count(struct coap_service *s, enum coap_service_count id)
{
	tally_add(&s->counts[id], 1);
}

void service_offer(struct coap_service *s, const struct resource *resources, uint32_t count);
/* To an observer. The reply's body is freed. */
void service_notify(struct coap_service *s, struct watch *w, struct coap_reply *reply);
void service_answer(struct coap_service *s, uint32_t io, uint64_t exchange, bool observed,
                    struct coap_reply *reply);

/* ---- call.c ---- */

/* A code and a diagnostic (RFC 7252 5.5.2). */
__attribute__((format(printf, 3, 4))) void call_problem(struct coap_call *call, uint8_t code,
                                                        const char *format, ...);
/* Is the method one of these? Otherwise 4.05. */
bool call_method(struct coap_call *call, uint32_t allowed);
#define ALLOW_GET    (1u << COAP_GET)
#define ALLOW_POST   (1u << COAP_POST)
#define ALLOW_PUT    (1u << COAP_PUT)
#define ALLOW_DELETE (1u << COAP_DELETE)

/* Which of `count` formats (the first is preferred) the caller accepts; false: 4.06. */
bool call_format(struct coap_call *call, const uint16_t *formats, uint32_t count, uint16_t *out);
/* The value of a query argument; false: there is none. */
bool call_query(const struct coap_call *call, const char *name, struct bytes *value);
/* 5.10.8: the conditions against what exists (NULL: nothing does); false: 4.12. */
bool call_condition(struct coap_call *call, const struct coap_etag *existing);
struct coap_etag etag_of(const void *bytes, size_t count, uint16_t format);
/* Sets ETag of a successful GET, and makes 2.03 of it where the caller has it (5.10.6). */
void call_validate(struct coap_call *call);

/* ---- resources ---- */

void core_serve(struct coap_call *call);
void readings_serve(struct coap_call *call);
void readings_run(struct coap_service *s);
void commands_serve(struct coap_call *call);
void commands_run(struct coap_service *s);
void commands_delivered(struct coap_service *s, struct watch *w);
void commands_watch_end(struct watch *w);
MUST_USE enum result commands_new(struct coap_service *s, struct error *err);
void commands_free(struct coap_service *s);
MUST_USE enum result directory_new(struct coap_service *s, struct error *err);
void directory_free(struct coap_service *s);
void directory_run(struct coap_service *s);
MUST_USE enum result interop_new(struct coap_service *s, struct error *err);
void interop_free(struct coap_service *s);
void interop_run(struct coap_service *s);

#endif
