/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading back: durable blocks in order, for the store writer.
 *
 * A block that is still in a buffer is pinned there and shown as it lies; the appender takes
 * unpinned ones when it needs room, after which the block is read from its segment. So a slow
 * reader costs reads, never an append.
 *
 * Thread: the reader. Memory: one block's, taken when the journal was opened.
 */
#include <inttypes.h>

#include "storage/journal/journal_priv.h"

static void unpin(struct journal *j)
{
	if (j->pinned < 0)
		return;
	/* pairs with the acquire in buffer_take: the reader is done with the bytes */
	atomic_store_explicit(&j->buffers[j->pinned].state, buffer_word(0, BUFFER_FREE),
	                      memory_order_release);
	j->pinned = -1;
}

static bool pin(struct journal *j, uint64_t number)
{
	uint64_t wanted = buffer_word(number, BUFFER_DURABLE);
	for (uint32_t i = 0; i < j->config.buffers; i++) {
		uint64_t word = wanted;
		/* acquire pairs with the appender's release in state_set */
		if (atomic_load_explicit(&j->buffers[i].state, memory_order_relaxed) == wanted &&
		    atomic_compare_exchange_strong_explicit(
		        &j->buffers[i].state, &word, buffer_word(number, BUFFER_PINNED),
		        memory_order_acquire, memory_order_relaxed)) {
			j->pinned = (int)i;
			return true;
		}
	}
	return false;
}

enum result journal_read(struct journal *j, struct journal_block *block, struct error *err)
{
	struct walk *w = &j->reader;
	unpin(j);
	/* pairs with the release in durable_advance */
	if (w->next > atomic_load_explicit(&j->durable_block, memory_order_acquire))
		return RESULT_ABSENT;
	if (pin(j, w->next)) {
		const struct buffer *b = &j->buffers[j->pinned];
		journal_block_view(b->data, &b->header, block);
		w->next++;
		w->segment = b->header.segment;
		w->offset = b->header.offset + b->header.block_bytes;
		w->epoch = b->header.epoch;
		return RESULT_OK;
	}
	struct block_header h;
	/* pairs with the release in segment_switch */
	w->last_segment = atomic_load_explicit(&j->active_number, memory_order_acquire);
	enum result r = walk_next(w, &h, err);
	if (r == RESULT_OK)
		journal_block_view(w->buffer, &h, block);
	if (r != RESULT_ABSENT)
		return r;
	return fail(RESULT_MEDIA, err,
	            "journal: durable block %" PRIu64 " is not where it was written (segment "
	            "%" PRIx64 " offset %" PRIu64 ")",
	            w->next, w->segment, w->offset);
}

void journal_release(struct journal *j, uint64_t number)
{
	/* pairs with the acquire in recycle_released: what was read is no longer needed */
	atomic_store_explicit(&j->released, number, memory_order_release);
	sem_post(&j->helper_wake);
}

void journal_hold(struct journal *j, uint64_t number)
{
	/* pairs with the load in recycle_released: sequentially consistent, so that a helper which
	 * has not seen the hold recycles only what was released before it */
	atomic_store(&j->held, number);
	sem_post(&j->helper_wake);
}
