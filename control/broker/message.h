/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application message on its way through the broker: one block, shared by all who wait for it.
 * Private to control/broker. Never changed after message_new but for the counts.
 */
#ifndef HEADRACE_BROKER_MESSAGE_H
#define HEADRACE_BROKER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define MESSAGE_NO_EXPIRY INT64_MAX

struct message {
	uint64_t id;        /* of its record on disk */
	int64_t expires_ms; /* wall clock; MESSAGE_NO_EXPIRY */
	uint32_t uses;      /* entries and places in memory that have it */
	uint32_t stored;    /* entries on disk that name it */
	uint32_t payload_bytes;
	uint16_t topic_bytes, props_bytes;
	uint8_t qos; /* as published */
	uint8_t data[]; /* topic, properties, payload */
};

/* What all messages together take, and the queues' entries. */
struct message_pool {
	uint64_t count, bytes;
	uint64_t last_id;
};

/* With one use. Properties are as in struct broker_publish. */
struct message *message_new(struct message_pool *pool, struct bytes topic, struct bytes props,
                            struct bytes payload, uint8_t qos, int64_t expires_ms);

static inline struct message *message_use(struct message *m)
{
	m->uses++;
	return m;
}

/* One use fewer; the last frees it. NULL is fine. */
void message_put(struct message_pool *pool, struct message *m);

static inline struct bytes message_topic(const struct message *m)
{
	return (struct bytes){m->data, m->topic_bytes};
}

static inline struct bytes message_props(const struct message *m)
{
	return (struct bytes){m->data + m->topic_bytes, m->props_bytes};
}

static inline struct bytes message_payload(const struct message *m)
{
	return (struct bytes){m->data + m->topic_bytes + m->props_bytes, m->payload_bytes};
}

static inline bool message_expired(const struct message *m, int64_t now_ms)
{
	return now_ms >= m->expires_ms;
}

/* What it takes in memory. */
uint64_t message_bytes(const struct message *m);

#endif
