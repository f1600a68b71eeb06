/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CoAP server (RFC 7252) with block-wise transfer (RFC 7959), observing (RFC 7641) and group
 * requests: datagrams in, requests out, answers and notifications back. A pure library: the time
 * is an argument; memory is taken in coap_server_new.
 *
 * It does message-layer matching: duplicates of a request under way are absorbed, duplicates of
 * an answered one get the same answer (RFC 7252 4.5); an answer that comes late is sent
 * separately, as a CON with retransmission (5.2.2). Requests with options that it does not know
 * and that are critical are refused (5.4.1). A request that comes in blocks is put together
 * before the application sees it; an answer that is too long for a datagram is handed out in
 * blocks from a copy.
 *
 * Call order: coap_server_new; coap_input and coap_run_timers as datagrams and time come; for each
 * request that on_request took, one coap_respond or coap_answer, at once or later; for an observer
 * that an answer accepted, coap_notify until on_observer_gone.
 */
#ifndef HEADRACE_COAP_COAP_H
#define HEADRACE_COAP_COAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "contract/coap_service.h"
#include "contract/counters.h"

struct coap_server;

struct coap_peer {
	uint8_t address[16]; /* IPv6 or v4-mapped */
	uint8_t local[16];   /* ours, unicast: answers come from it */
	uint16_t port;
	uint16_t local_port;
};

/* An exchange or an observer: generation << 32 | index. */
typedef uint64_t coap_handle;

struct coap_request {
	struct coap_peer peer;
	bool confirmable;
	bool multicast; /* sent to a group: errors are not answered (RFC 7252 8.2) */
	bool observe;   /* wants to observe: accept by coap_response.observed */
	bool if_match, if_none_match;
	uint8_t method;          /* enum coap_method */
	uint16_t content_format; /* COAP_FORMAT_NONE: absent */
	uint16_t accept;         /* likewise */
	coap_handle observer;    /* of `observe` */
	/* of the ETag and If-Match options; an empty If-Match is not among them */
	uint8_t etag_count, match_count;
	struct coap_etag etags[COAP_ETAGS_MAX], matches[COAP_ETAGS_MAX];
	char path[COAP_PATH_BYTES]; /* "/a/b", percent-free; segments joined by '/'; ends in 0 */
	uint16_t path_bytes;
	char query[COAP_QUERY_BYTES]; /* the arguments joined by '&'; ends in 0 */
	uint16_t query_bytes;
	struct bytes payload;
};

enum coap_take {
	COAP_TAKEN,      /* an answer will follow for this handle (also for NON) */
	COAP_OVERLOADED, /* no room now: the server answers 5.03 with Max-Age */
	COAP_NOT_FOUND,  /* 4.04 */
	COAP_NOT_ALLOWED, /* 4.05 */
	COAP_BAD_FORMAT, /* 4.15 */
	COAP_BAD_CONDITION, /* 4.12 */
};

struct coap_response {
	uint8_t code;
	bool observed;           /* to a request that wants to observe: it may */
	bool in_order;           /* of a notification: say when it was acknowledged */
	bool non;                /* of a notification: NON also to who registered by CON */
	bool has_max_age;
	uint16_t content_format; /* COAP_FORMAT_NONE: not said */
	uint32_t max_age_s;
	struct coap_etag etag;   /* bytes 0: none */
	struct bytes location_path;  /* "a/b" */
	struct bytes location_query; /* "a=1&b=2" */
	struct bytes payload;        /* of any length; of an error: a diagnostic, cut to fit */
};

struct coap_app {
	/* `request` and what it points to live until it returns. */
	enum coap_take (*on_request)(void *app, coap_handle exchange,
	                             const struct coap_request *request);
	/* Send one datagram; false: it was dropped for lack of buffers. */
	bool (*on_send)(void *app, const struct coap_peer *peer, const uint8_t *bytes,
	                uint32_t count);
	/* Nobody listens behind this handle any more; said again for each notification to it. */
	void (*on_observer_gone)(void *app, coap_handle observer);
	/* The notification sent last, one that was in_order, has arrived. */
	void (*on_delivered)(void *app, coap_handle observer);
};

#define COAP_LEISURE_MS_MAX 60000

struct coap_config {
	uint32_t exchanges_max;     /* remembered for deduplication (EXCHANGE_LIFETIME, 247 s);
	                             * the oldest answered one makes room */
	uint32_t answers_max;       /* of them, with an answer of more than a few bytes */
	uint32_t separate_after_ms; /* an answer later than this is sent separately; < 2,000 */
	uint32_t overload_max_age_s; /* Max-Age of 5.03 */
	uint32_t payload_bytes_max; /* larger requests, in one or in blocks: 4.13 */
	uint32_t bodies_max;        /* requests being put together, answers handed out in blocks */
	uint32_t body_idle_ms;      /* a request whose next block is this late may be given up */
	uint32_t observers_max;
	uint32_t notify_con_every;  /* of a NON observer's notifications, one in so many is CON */
	uint32_t leisure_ms;        /* answers to groups are spread over this (RFC 7252 8.2);
	                             * at most COAP_LEISURE_MS_MAX */
	uint8_t szx_max;            /* largest block: 2^(szx + 4) bytes; 0..6 */
	uint64_t seed;              /* secret: hash key, message ids, retransmission jitter */
};

/* NULL: no memory. */
struct coap_server *coap_server_new(const struct coap_config *config, const struct coap_app *ops,
                                    void *app, struct counters *counters);
void coap_server_free(struct coap_server *c);

/* What coap_server_new takes. */
uint64_t coap_server_memory(const struct coap_config *config);

/* For a burst of datagrams, before coap_input is called for each: coap_fetch for all, then
 * coap_fetch_exchange for all with what it returned. They fetch what coap_input will look at, and
 * change nothing. */
uint32_t coap_fetch(const struct coap_server *c, const struct coap_peer *peer,
                    const uint8_t *bytes, uint32_t count);
void coap_fetch_exchange(const struct coap_server *c, uint32_t fetched);

/* One datagram's payload. Untrusted. `multicast`: it was sent to a group. */
void coap_input(struct coap_server *c, const struct coap_peer *peer, bool multicast,
                const uint8_t *bytes, uint32_t count, uint64_t now_us);

/* Answer a taken request, also from within on_request. A stale handle is ignored. */
void coap_answer(struct coap_server *c, coap_handle exchange, const struct coap_response *response,
                 uint64_t now_us);
/* The same with nothing but a text, a diagnostic (RFC 7252 5.5.2) or text/plain; may be empty. */
void coap_respond(struct coap_server *c, coap_handle exchange, uint8_t code, const char *text,
                  uint32_t text_bytes, uint64_t now_us);

/* Send an observer the new state, now or when the one on its way has arrived; a newer state takes
 * its place. A code that is no success ends the observation (RFC 7641 4.2). */
void coap_notify(struct coap_server *c, coap_handle observer, const struct coap_response *response,
                 uint64_t now_us);

/* Empty ACKs that are due, retransmissions, answers to groups; at most `budget` of each. (Old
 * exchanges need no timer: their age is looked at when they are found or room is needed.) */
void coap_run_timers(struct coap_server *c, uint64_t now_us, uint32_t budget);
/* When coap_run_timers has to be called at the latest, us; UINT64_MAX: nothing is due. */
uint64_t coap_next_timer_us(const struct coap_server *c);

/* Any thread. */
struct coap_levels {
	uint32_t bodies, observers;
};
void coap_levels_get(const struct coap_server *c, struct coap_levels *levels);

#endif
