/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings by which the io workers of one port share its queues. Private to net/, but for the
 * levels.
 *
 *            rx[a][b]: frames of b's flows that a received
 *   worker a ───────────────────────────────────────────► worker b
 *            ◄───────────────────────────────────────────
 *            tx[b]: what b sends, when the port has no queue for it and a owns the one it shares
 *
 * Packet buffers travel as pointers; who takes one out of a ring owns it. A full ring is a drop
 * that the sending side counts, as a NIC's full queue would be. Each ring has one producer and one
 * consumer. Memory: all in spread_new.
 */
#ifndef HEADRACE_NET_SPREAD_H
#define HEADRACE_NET_SPREAD_H

#include "base/hash.h"
#include "base/ring.h"
#include "contract/limits.h"

#define SPREAD_SLOTS 1024 /* of each ring */

struct spread {
	struct hash_key key; /* of flow_hash */
	uint32_t count;      /* io workers of the port */
	struct ring rx[MAX_IO_WORKERS][MAX_IO_WORKERS]; /* [from][to] */
	struct ring tx[MAX_IO_WORKERS];                 /* of the workers without a queue */
};

/* NULL: no memory. */
struct spread *spread_new(uint32_t count);
/* Gives back the packet buffers that are still under way. */
void spread_free(struct spread *s);

#endif
