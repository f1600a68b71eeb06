/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's heart: sessions, subscriptions, retained messages, wills and outbound QoS 1 and 2.
 * A pure library: records of the io workers (contract/broker.h) and the time come in; records for
 * the io workers and changes of what is on disk come out, for the caller to write, make durable
 * and send, in this order. So nothing is acknowledged or sent that a crash could undo.
 *
 * Call order: core_new; core_load for each stored pair in key order; core_loaded; then, again and
 * again, core_input and core_tick as records come, and the caller takes `disk` and `out`.
 *
 * Thread: one. Memory: the heap; what clients can make it grow to is limited by the configuration.
 * Never: reads a clock, waits, writes or sends.
 */
#ifndef HEADRACE_BROKER_CORE_H
#define HEADRACE_BROKER_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"
#include "contract/broker.h"
#include "control/broker/counters.h"
#include "control/broker/memory.h"

struct core_config {
	uint64_t memory_bytes;        /* of messages, queues and subscriptions */
	uint32_t queue_messages;      /* that wait in one session */
	uint32_t inflight_max;        /* unacknowledged ones to one client; also its receive max */
	uint32_t sessions_max;        /* persistent ones */
	uint32_t session_expiry_max_s; /* longest expiry granted; UINT32_MAX: none */
	uint32_t subscriptions_max;   /* of one session */
	uint32_t retained_max;        /* retained messages */
	bool identity_username;       /* hooks.take is told the user name as who it is from */
};

enum core_presence { CORE_CONNECTED, CORE_PUBLISHED, CORE_GONE };
enum core_access { CORE_PUBLISH, CORE_SUBSCRIBE };

/* A PUBLISH that somebody else answers: core_publish_done, sooner or later, in the same order. */
struct core_publisher {
	uint64_t conn;
	uint32_t io;
	uint32_t ticket; /* TICKET_NONE: nobody waits for an answer */
};

struct core_hooks {
	/* CONNECT: 0, or a CONNACK reason code. NULL: everybody is welcome. */
	uint8_t (*authenticate)(void *context, struct bytes client, const struct bytes *username,
	                        const struct bytes *password);
	/* May the client publish to this topic, or subscribe to this filter? NULL: yes. */
	bool (*allowed)(void *context, struct bytes client, struct bytes username,
	                struct bytes topic, enum core_access access);
	/* True: it took the message over (a registration); it must copy what it needs. */
	bool (*take)(void *context, const struct core_publisher *from, struct bytes identity,
	             struct bytes topic, struct bytes props, struct bytes payload);
	/* A message that is routed, and each retained one when they were loaded. NULL: nobody
	 * wants to know. */
	void (*routed)(void *context, struct bytes topic, struct bytes payload, bool retain);
	/* A client gave a sign of life, or is gone. NULL: nobody wants to know. */
	void (*presence)(void *context, struct bytes client, enum core_presence sign,
	                 uint16_t keep_alive_s);
};

struct core;

struct core *core_new(const struct core_config *config, const struct core_hooks *hooks,
                      void *context, struct broker_watch *watch, struct hash_key key);
void core_free(struct core *c);

/* What disk has, in key order; RESULT_MEDIA: it is damaged. Untrusted bytes. */
MUST_USE enum result core_load(struct core *c, struct bytes key, struct bytes value,
                               int64_t now_ms, struct error *err);
/* All was loaded: wills of connections that were lost with the daemon are due now. */
void core_loaded(struct core *c, int64_t now_ms);

/* A record of io worker `io`. Trusted. Milliseconds of the wall clock, which never go back. */
void core_input(struct core *c, uint32_t io, const void *record, int64_t now_ms);

/* Wills, expiries. At least every second. */
void core_tick(struct core *c, int64_t now_ms);

/* Publish on the server's own behalf. Returns how many it was meant for. */
uint32_t core_publish(struct core *c, struct bytes topic, struct bytes props,
                      struct bytes payload, uint8_t qos);
/* Likewise, and retained; an empty payload takes away what is retained. */
void core_publish_retained(struct core *c, struct bytes topic, struct bytes payload, uint8_t qos);
/* The answer to what core_hooks.take took. */
void core_publish_done(struct core *c, const struct core_publisher *to, uint8_t reason);

/*
 * Records for the io workers, one after the other:
 *   | io worker, 4 | bytes, 4 | the record, padded to 8 |
 */
struct buffer *core_out(struct core *c);

/*
 * Changes of what is on disk:
 *   | key bytes, 4 | value bytes, 4; UINT32_MAX: delete | key | value |
 * `must_sync`: something is acknowledged that must survive.
 */
struct buffer *core_disk(struct core *c, bool **must_sync);

const _Atomic uint64_t *core_counters(const struct core *c);
const _Atomic uint64_t *core_levels(const struct core *c);
void core_count(struct core *c, enum broker_counter counter, uint64_t n);

#endif
