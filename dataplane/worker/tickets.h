/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets: messages whose sender waits for an answer, one pool per io worker.
 *
 * A ticket counts the readings of its message that have no durable fate yet. The MQTT tickets of
 * a connection form a queue, because PUBACKs leave in the order of the PUBLISHes (MQTT 3.1.1
 * 4.6.0). A ticket whose connection went away stays until its readings are home.
 */
#ifndef HEADRACE_WORKER_TICKETS_H
#define HEADRACE_WORKER_TICKETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "contract/fate.h"
#include "contract/limits.h"

enum ticket_kind { TICKET_MQTT, TICKET_MQTT_QOS2, TICKET_COAP, TICKET_ORPHAN, TICKET_REPLAY };

struct ticket {
	uint64_t owner; /* tcp_handle, coap_handle or that of a replay */
	union {
		uint64_t taken_us;      /* when the message was taken */
		uint64_t refused_block; /* TICKET_REPLAY: as in its answer */
	};
	uint32_t next;     /* in the connection's queue or the free list; TICKET_NONE ends it */
	uint32_t pending;  /* readings without a durable fate */
	uint16_t readings; /* 0: not telemetry, the broker answers */
	uint16_t refused;  /* conflicts and rejections among them */
	union {
		uint16_t packet_id;
		uint16_t stored; /* TICKET_REPLAY: how many of the readings */
	};
	union {
		uint8_t first_refusal; /* enum fate; FATE_PENDING: none */
		uint8_t reason;        /* the broker's answer */
	};
	uint8_t kind;          /* enum ticket_kind */
};
_Static_assert(sizeof(struct ticket) == 32, "two tickets per cache line");

struct tickets {
	struct ticket *all;
	uint32_t count;
	uint32_t free; /* head of the free list */
	_Atomic uint32_t used;
};

bool tickets_init(struct tickets *t, uint32_t count);
void tickets_fini(struct tickets *t);

/* TICKET_NONE: all are in use. */
uint32_t ticket_get(struct tickets *t);
void ticket_put(struct tickets *t, uint32_t index);

/* One reading of the message has its durable fate. True: it was the last. */
static inline bool ticket_settle(struct ticket *t, enum fate fate)
{
	if (fate_is_error(fate)) {
		if (t->refused++ == 0)
			t->first_refusal = (uint8_t)fate;
	}
	return --t->pending == 0;
}

#endif
