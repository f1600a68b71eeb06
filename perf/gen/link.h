/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator's port: frames in bursts, one at a time out, with loss and reordering on request.
 *
 * Input:  the device's arguments. Output: frames. Thread: the one that opened it.
 * Memory: packet buffers from one pool made at the start. Never waits.
 */
#ifndef HEADRACE_GEN_LINK_H
#define HEADRACE_GEN_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define LINK_BURST       64
#define LINK_FRAME_BYTES 1514
#define LINK_QUEUED_MAX  512
#define LINK_HELD_MAX    256

struct rte_mbuf;
struct rte_mempool;

struct link_config {
	const char *device, *file_prefix;
	const char *hugepages; /* auto, yes, no */
	uint32_t cpu, memory_mb;
	double loss, reorder; /* fractions of 1 */
	uint64_t seed;
};

struct link {
	uint16_t port;
	struct rte_mempool *pool;
	struct rte_mbuf *building; /* of the last link_new */
	uint32_t queued_count, held_count, received_count;
	uint64_t loss_below, reorder_below; /* of 2^32 */
	uint64_t random;
	uint64_t lost, reordered, dropped, sent;
	struct rte_mbuf *queued[LINK_QUEUED_MAX];
	struct rte_mbuf *received[LINK_BURST];
	struct {
		struct rte_mbuf *frame;
		uint64_t due_us;
	} held[LINK_HELD_MAX];
};

struct link_frame {
	const uint8_t *bytes;
	uint32_t count;
};

/* False: what failed is on stderr. */
bool link_open(const struct link_config *config, struct link *l, uint8_t mac[6]);
void link_close(struct link *l);
/* The other side is there. */
bool link_is_up(const struct link *l);

/* A buffer of LINK_FRAME_BYTES, or NULL; the one before that was not sent is taken back. */
uint8_t *link_new(struct link *l);
void link_send(struct link *l, uint32_t bytes, uint64_t now_us);
/* Hand over what was queued, and what was held back and is due. */
void link_flush(struct link *l, uint64_t now_us);
/* The port does not keep up: don't start anything new. */
static inline bool link_is_congested(const struct link *l)
{
	return l->queued_count > LINK_QUEUED_MAX / 2;
}

/* At most LINK_BURST frames, lent until link_release. */
uint32_t link_receive(struct link *l, struct link_frame frames[LINK_BURST]);
void link_release(struct link *l);

#endif
