/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/store_worker.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/tally.h"

#define BATCHES_PER_POLL 64

/* False: the journal has no room now. */
static bool append(struct store_worker *w, struct batch *b)
{
	if (!journal_append(w->journal, b))
		return false;
	b->journal_block = journal_append_block(w->journal);
	b->next = NULL;
	if (w->writing_tail)
		w->writing_tail->next = b;
	else
		w->writing_head = b;
	w->writing_tail = b;
	level_add(&w->writing_count, 1);
	return true;
}

/* Batches of each stage in turn. What finds no room stays in its ring: the io workers run out of
 * batches then, and the senders are pushed back. */
static uint32_t take_judged(struct store_worker *w)
{
	uint32_t readings = 0, empty = 0;
	for (uint32_t n = 0; n < BATCHES_PER_POLL && empty < w->stage_count; n++) {
		struct ring *ring = w->from_stage[w->next_stage];
		struct batch *b = ring_peek(ring);
		if (b) {
			uint32_t count = b->count;
			if (!append(w, b))
				break;
			ring_pop(ring);
			readings += count;
		}
		empty = b ? 0 : empty + 1;
		w->next_stage = w->next_stage + 1 < w->stage_count ? w->next_stage + 1 : 0;
	}
	return readings;
}

static uint32_t send_home(struct store_worker *w, uint64_t durable_block)
{
	uint32_t readings = 0;
	while (w->writing_head && w->writing_head->journal_block <= durable_block) {
		struct batch *b = w->writing_head;
		w->writing_head = b->next;
		if (!w->writing_head)
			w->writing_tail = NULL;
		readings += b->count;
		level_add(&w->writing_count, -1);
		bool pushed = ring_push(w->home[b->io], b);
		CHECK(pushed); /* rings have room for every batch */
	}
	return readings;
}

uint32_t store_worker_poll(struct store_worker *w)
{
	uint64_t started = clock_cycles();
	meter_poll(&w->meter);
	uint32_t durable = send_home(w, journal_poll(w->journal));
	uint32_t appended = take_judged(w);
	journal_submit(w->journal, false);
	if (durable || appended)
		meter_add(&w->meter, clock_cycles() - started, appended);
	return durable + appended;
}
