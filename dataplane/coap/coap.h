/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CoAP server (RFC 7252): datagrams in, requests out, answers back. A pure library: the time is
 * an argument; memory is taken in coap_server_new.
 *
 * It does message-layer matching: duplicates of a request under way are absorbed, duplicates of
 * an answered one get the same answer (RFC 7252 4.5); an answer that comes late is sent
 * separately, as a CON with retransmission (5.2.2). Requests with options that it does not know
 * and that are critical are refused (5.4.1).
 */
#ifndef HEADRACE_COAP_COAP_H
#define HEADRACE_COAP_COAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "contract/counters.h"

struct coap_server;

struct coap_peer {
	uint8_t address[16]; /* IPv6 or v4-mapped */
	uint8_t local[16];
	uint16_t port;
	uint16_t local_port;
};

enum coap_method { COAP_GET = 1, COAP_POST = 2, COAP_PUT = 3, COAP_DELETE = 4 };

#define COAP_FORMAT_NONE UINT16_MAX

struct coap_request {
	struct coap_peer peer;
	bool confirmable;
	uint8_t method;
	uint16_t content_format; /* COAP_FORMAT_NONE: absent */
	char path[256]; /* "/a/b", percent-free; segments as sent, joined by '/'; ends in 0 */
	uint16_t path_bytes;
	struct bytes query; /* first Uri-Query option, or empty */
	struct bytes payload;
};

/* An exchange: generation << 32 | index. */
typedef uint64_t coap_handle;

enum coap_take {
	COAP_TAKEN,      /* coap_respond will follow for this handle (also for NON) */
	COAP_OVERLOADED, /* no room now: the server answers 5.03 with Max-Age */
	COAP_NOT_FOUND,  /* 4.04 */
	COAP_NOT_ALLOWED, /* 4.05 */
	COAP_BAD_FORMAT, /* 4.15 */
};

struct coap_app {
	enum coap_take (*on_request)(void *app, coap_handle exchange,
	                             const struct coap_request *request);
	/* Send one datagram; false: it was dropped for lack of buffers. */
	bool (*on_send)(void *app, const struct coap_peer *peer, const uint8_t *bytes,
	                uint32_t count);
};

struct coap_config {
	uint32_t exchanges_max;     /* remembered for deduplication (EXCHANGE_LIFETIME, 247 s);
	                             * the oldest answered one makes room */
	uint32_t separate_after_ms; /* an answer later than this is sent separately; < 2,000 */
	uint32_t overload_max_age_s; /* Max-Age of 5.03 */
	uint32_t payload_bytes_max; /* larger requests: 4.13 */
	uint64_t seed;              /* secret: hash key, message ids, retransmission jitter */
};

/* NULL: no memory. */
struct coap_server *coap_server_new(const struct coap_config *config, const struct coap_app *ops,
                                    void *app, struct counters *counters);
void coap_server_free(struct coap_server *c);

/* One datagram's payload. Untrusted. */
void coap_input(struct coap_server *c, const struct coap_peer *peer, const uint8_t *bytes,
                uint32_t count, uint64_t now_us);

/* Answer a taken request, also from within on_request. `diagnostic` is plain text (RFC 7252
 * 5.5.2), may be empty; about 65 bytes of it are kept. A stale handle is ignored. */
void coap_respond(struct coap_server *c, coap_handle exchange, uint8_t code,
                  const char *diagnostic, uint32_t diagnostic_bytes, uint64_t now_us);

/* Empty ACKs that are due and retransmissions; at most `budget` of them. (Old exchanges need no
 * timer: their age is looked at when they are found or when room is needed.) */
void coap_run_timers(struct coap_server *c, uint64_t now_us, uint32_t budget);
/* When coap_run_timers has to be called at the latest, us; UINT64_MAX: nothing is due. */
uint64_t coap_next_timer_us(const struct coap_server *c);

#endif
