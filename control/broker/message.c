/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/memory.h"

#define ALLOCATION_BYTES 16 /* what the heap adds */

uint64_t message_bytes(const struct message *m)
{
	return sizeof *m + ALLOCATION_BYTES + m->topic_bytes + m->props_bytes + m->payload_bytes;
}

static uint8_t *append(uint8_t *to, struct bytes from)
{
	if (from.count > 0)
		memcpy(to, from.data, from.count);
	return to + from.count;
}

struct message *message_new(struct message_pool *pool, struct bytes topic, struct bytes props,
                            struct bytes payload, uint8_t qos, int64_t expires_ms)
{
	struct message *m = memory_new(sizeof *m + topic.count + props.count + payload.count);
	m->id = ++pool->last_id;
	m->expires_ms = expires_ms;
	m->uses = 1;
	m->payload_bytes = payload.count;
	m->topic_bytes = (uint16_t)topic.count;
	m->props_bytes = (uint16_t)props.count;
	m->qos = qos;
	append(append(append(m->data, topic), props), payload);
	pool->count++;
	pool->bytes += message_bytes(m);
	return m;
}

void message_put(struct message_pool *pool, struct message *m)
{
	if (!m || --m->uses > 0)
		return;
	CHECK_OP(m->stored, ==, 0u);
	pool->count--;
	pool->bytes -= message_bytes(m);
	free(m);
}
