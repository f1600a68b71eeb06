/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPSC ring of pointers: one producer thread, one consumer thread, no locks, no waiting.
 *
 * Each side keeps a private copy of the other side's index and looks at the shared one only when
 * its copy says "full" or "empty", so in the steady state a push or pop touches one shared line.
 * Memory is allocated once by ring_init.
 */
#ifndef HEADRACE_BASE_RING_H
#define HEADRACE_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

struct ring {
	/* read by both, written by ring_init only */
	_Alignas(CACHE_LINE) void **slots;
	uint32_t mask;
	/* written by the producer */
	_Alignas(CACHE_LINE) _Atomic uint32_t tail;
	uint32_t head_seen;
	/* written by the consumer */
	_Alignas(CACHE_LINE) _Atomic uint32_t head;
	uint32_t tail_seen;
};

/* Room for at least `count` pointers (rounded up to a power of two, at most 2^30).
 * False: no memory. */
bool ring_init(struct ring *r, uint32_t count);
void ring_fini(struct ring *r);

/* Producer only. False: full. */
static inline bool ring_push(struct ring *r, void *item)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (tail - r->head_seen > r->mask) {
		/* pairs with the release in ring_pop: the slot was read before it is reused */
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail - r->head_seen > r->mask)
			return false;
	}
	r->slots[tail & r->mask] = item;
	/* pairs with the acquire in ring_pop and ring_peek: the slot and what it points to */
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

/* Consumer only. The oldest item without taking it; NULL: empty. */
static inline void *ring_peek(struct ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	if (head == r->tail_seen) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head == r->tail_seen)
			return NULL;
	}
	return r->slots[head & r->mask];
}

/* Consumer only. Takes the oldest item; NULL: empty. */
static inline void *ring_pop(struct ring *r)
{
	void *item = ring_peek(r);
	if (item) {
		uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
		atomic_store_explicit(&r->head, head + 1, memory_order_release);
	}
	return item;
}

/* How many items fit. */
static inline uint32_t ring_slots(const struct ring *r)
{
	return r->mask + 1;
}

/* Items in the ring: exact for its two ends, a snapshot for any other thread. */
static inline uint32_t ring_count(const struct ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	return atomic_load_explicit(&r->tail, memory_order_acquire) - head;
}

#endif
