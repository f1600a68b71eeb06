/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's thread: it takes the io workers' records, lets the core work on them, makes what
 * changed durable in one write, and only then sends the records that came of it. While it writes,
 * more come in: the next write is for all of them (group commit).
 *
 * Thread: one of its own, an ordinary one; it may wait for the disk. The io workers never wait for
 * it: what their rings have no room for stays in TCP. Memory: the heap, limited by the
 * configuration.
 */
#ifndef HEADRACE_BROKER_BROKER_H
#define HEADRACE_BROKER_BROKER_H

#include "base/result.h"
#include "contract/broker.h"
#include "contract/channel.h"
#include "control/broker/core.h"
#include "control/registry/registration.h"

/* Somebody else who wants what is published under a prefix (CoAP's observers of commands). Called
 * in the broker's thread, also for what is retained at start; it must not call back. */
struct broker_tap {
	const char *prefix;
	void (*on_message)(void *context, const char *topic, size_t topic_bytes,
	                   const uint8_t *payload, size_t payload_bytes, bool retain);
	void *context;
};

/* Somebody who wants to know of the clients' signs of life; in the broker's thread. */
enum broker_sign { BROKER_SIGN_CONNECTED, BROKER_SIGN_PUBLISHED, BROKER_SIGN_GONE };
struct broker_presence {
	void (*on_sign)(void *context, const uint8_t *client, uint32_t client_bytes,
	                enum broker_sign sign, uint16_t keep_alive_s); /* NULL: nobody */
	void *context;
};

struct broker_config {
	struct core_config core;
	const char *dir;           /* of the database; made if absent */
	const char *password_file; /* NULL: none is asked for one */
	const char *acl_file;      /* NULL: everything is allowed */
	bool anonymous;            /* who names no user is welcome */
	const struct channel_catalogue *channels; /* stays */
	struct registration *registration;        /* stays */
	struct broker_link *link;                 /* stays */
	struct broker_tap tap; /* on_message NULL: nobody */
	struct broker_presence presence;
};

struct broker;

/* Load what is on disk; the thread starts. */
MUST_USE enum result broker_start(const struct broker_config *config, struct broker **out,
                                  struct error *err);

/* After the io workers have ended: takes what they left, makes it durable, ends. NULL is fine. */
void broker_stop(struct broker *b);

/* Publish on the server's behalf, retained or not, with QoS 1; an empty retained one takes the
 * retained message away. Any thread; it doesn't wait. False: no room now. */
bool broker_publish(struct broker *b, const char *topic, const char *payload, bool retain);

/* As described by broker_counter_info and broker_level_info; any thread. */
const _Atomic uint64_t *broker_counters(const struct broker *b);
const _Atomic uint64_t *broker_levels(const struct broker *b);

#endif
