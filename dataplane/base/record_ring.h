/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPSC ring of records of any size: one producer thread, one consumer thread, no locks, no waiting.
 *
 *   | bytes, 4 | spare, 4 | the record, padded to 8 | bytes, 4 | ...
 *
 * A record lies in one piece, aligned to 8 bytes. One that does not fit before the end of the
 * memory starts over at its beginning; the rest of the end is a record of RECORD_SKIP bytes. The
 * order of a producer is reserve, fill, commit; of a consumer peek, read, release. Memory is
 * allocated once by record_ring_init.
 */
#ifndef HEADRACE_BASE_RECORD_RING_H
#define HEADRACE_BASE_RECORD_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ring.h"

#define RECORD_HEADER_BYTES 8
#define RECORD_SKIP         UINT32_MAX

struct record_header {
	uint32_t bytes; /* of the record, without header and padding; RECORD_SKIP: to the end */
	uint32_t spare;
};
_Static_assert(sizeof(struct record_header) == RECORD_HEADER_BYTES, "the diagram above");

struct record_ring {
	/* read by both, written by record_ring_init only */
	_Alignas(CACHE_LINE) uint8_t *memory;
	uint32_t mask;
	/* written by the producer; positions count bytes since the start and never wrap */
	_Alignas(CACHE_LINE) _Atomic uint64_t tail;
	uint64_t head_seen;
	uint64_t reserved_at; /* where the reserved record's header lies */
	uint32_t reserved_bytes;
	/* written by the consumer */
	_Alignas(CACHE_LINE) _Atomic uint64_t head;
	uint64_t tail_seen;
};

/* `bytes` of memory, rounded up to a power of two, at most 2^30. False: no memory. */
bool record_ring_init(struct record_ring *r, uint32_t bytes);
void record_ring_fini(struct record_ring *r);

/* What a record of `bytes` takes in the ring. */
static inline uint32_t record_ring_space(uint32_t bytes)
{
	return RECORD_HEADER_BYTES + ((bytes + 7) & ~7u);
}

/* The largest record that a ring of this size always takes when it is empty, wherever its
 * position: half of it. */
static inline uint32_t record_ring_record_max(const struct record_ring *r)
{
	return (r->mask + 1) / 2 - RECORD_HEADER_BYTES;
}

/* Producer only. Room for a record of `bytes` that leaves `keep` bytes free for others; NULL:
 * none now. A second call takes the place of the first. */
void *record_ring_reserve(struct record_ring *r, uint32_t bytes, uint32_t keep);

/* Producer only. Hand the reserved record over; `bytes` may be fewer than were reserved. */
void record_ring_commit(struct record_ring *r, uint32_t bytes);

/* Consumer only. The oldest record, valid until record_ring_release; NULL: none. */
const void *record_ring_peek(struct record_ring *r, uint32_t *bytes);

/* Consumer only. Give the peeked record's memory back. */
void record_ring_release(struct record_ring *r);

/* Bytes in use: a snapshot, any thread. */
static inline uint64_t record_ring_used(const struct record_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	return atomic_load_explicit(&r->tail, memory_order_acquire) - head;
}

#endif
