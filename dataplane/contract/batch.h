/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of readings on its round trip: io worker -> stage -> store -> back to the io worker.
 *
 * The round trip *is* the acknowledgement: a batch comes home when all in it is durable, and its
 * io worker then answers the messages. Batches are allocated at start; when none is left, the io
 * worker stops taking messages (TCP windows close, CoAP answers 5.03). Every ring has room for
 * every batch that exists, so a push between stages can't fail.
 *
 * Two kinds: an io worker's own, and a stage's "detour" batch, into which the stage moves the
 * readings that only the store can judge. Both go home to the io worker whose tickets they
 * carry; a detour batch then goes on to the stage that owns it.
 */
#ifndef HEADRACE_CONTRACT_BATCH_H
#define HEADRACE_CONTRACT_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "contract/reading.h"

struct batch {
	struct batch *next; /* for the list its present holder keeps it in */
	uint8_t io;         /* the io worker that answers for the readings */
	uint8_t stage;      /* the stage worker that judges them */
	bool detour;        /* owned by `stage`, not by `io` */
	uint16_t count;     /* readings used */
	uint32_t arena_bytes; /* arena used */
	/* Number of this batch among all that `stage` has handed to the store worker, from 1.
	 * When the store says stage_seq n is visible, all readings in batches 1..n can be found. */
	uint64_t stage_seq;
	/* For a detour: stage_seq that must be visible before its readings may be looked up. */
	uint64_t barrier_seq;
	uint64_t journal_block; /* the block that carries it; set by the store worker */

	_Alignas(64) struct reading readings[BATCH_READINGS];
	_Alignas(8) uint8_t arena[BATCH_ARENA_BYTES + 1];
};

static inline void batch_reset(struct batch *b)
{
	b->next = NULL;
	b->count = 0;
	b->arena_bytes = 0;
	b->stage_seq = 0;
	b->barrier_seq = 0;
}

/* Room for one more reading whose raw bytes and origin take `arena_bytes`? (8 bytes of slack
 * cover the origin's alignment.) */
static inline bool batch_has_room(const struct batch *b, uint32_t arena_bytes)
{
	return b->count < BATCH_READINGS && b->arena_bytes + arena_bytes + 8 <= BATCH_ARENA_BYTES;
}

/* Copy `bytes` to the arena; returns its offset. Call batch_has_room first. */
static inline uint16_t batch_put(struct batch *b, const void *data, uint32_t bytes)
{
	uint16_t offset = (uint16_t)b->arena_bytes;
	memcpy(b->arena + offset, data, bytes);
	b->arena_bytes += bytes;
	return offset;
}

static inline const struct origin *batch_origin(const struct batch *b, const struct reading *r)
{
	return (const struct origin *)(b->arena + r->origin_offset);
}

static inline const uint8_t *batch_raw(const struct batch *b, const struct reading *r)
{
	return b->arena + r->raw_offset;
}

#endif
