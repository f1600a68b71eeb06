/* SPDX-License-Identifier: Apache-2.0 */
#include "base/record_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define RING_BYTES_MIN 64u

bool record_ring_init(struct record_ring *r, uint32_t bytes)
{
	CHECK_OP(bytes, <=, 1u << 30);
	uint32_t size = RING_BYTES_MIN;
	while (size < bytes)
		size *= 2;
	memset(r, 0, sizeof *r);
	r->mask = size - 1;
	r->memory = aligned_alloc(CACHE_LINE, size);
	return r->memory != NULL;
}

void record_ring_fini(struct record_ring *r)
{
	free(r->memory);
	r->memory = NULL;
}

static struct record_header *header_at(const struct record_ring *r, uint64_t position)
{
	return (struct record_header *)(r->memory + (position & r->mask));
}

void *record_ring_reserve(struct record_ring *r, uint32_t bytes, uint32_t keep)
{
	if (bytes > record_ring_record_max(r))
		return NULL;
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t space = record_ring_space(bytes);
	uint32_t to_end = r->mask + 1 - (uint32_t)(tail & r->mask);
	uint32_t skip = to_end < space ? to_end : 0;
	uint64_t end = tail + skip + space;
	if (end + keep - r->head_seen > r->mask + 1ull) {
		/* pairs with the release in record_ring_release: read before it is reused */
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (end + keep - r->head_seen > r->mask + 1ull)
			return NULL;
	}
	if (skip)
		header_at(r, tail)->bytes = RECORD_SKIP;
	r->reserved_at = tail + skip;
	r->reserved_bytes = bytes;
	return header_at(r, r->reserved_at) + 1;
}

void record_ring_commit(struct record_ring *r, uint32_t bytes)
{
	CHECK_OP(bytes, <=, r->reserved_bytes);
	header_at(r, r->reserved_at)->bytes = bytes;
	/* pairs with the acquire in record_ring_peek: header, record and a skip before it */
	atomic_store_explicit(&r->tail, r->reserved_at + record_ring_space(bytes),
			      memory_order_release);
}

const void *record_ring_peek(struct record_ring *r, uint32_t *bytes)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	if (head == r->tail_seen) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head == r->tail_seen)
			return NULL;
	}
	const struct record_header *h = header_at(r, head);
	if (h->bytes == RECORD_SKIP) {
		/* never the newest: it is handed over together with the record behind it */
		head += r->mask + 1 - (uint32_t)(head & r->mask);
		atomic_store_explicit(&r->head, head, memory_order_release);
		h = header_at(r, head);
	}
	*bytes = h->bytes;
	return h + 1;
}

void record_ring_release(struct record_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	CHECK_OP(head, <, r->tail_seen);
	head += record_ring_space(header_at(r, head)->bytes);
	/* pairs with the acquire in record_ring_reserve */
	atomic_store_explicit(&r->head, head, memory_order_release);
}
