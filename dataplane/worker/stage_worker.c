/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/stage_worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/tally.h"

#define BATCHES_PER_POLL 16

static void free_detour(struct stage_worker *w, struct batch *b)
{
	b->next = w->free_detours;
	w->free_detours = b;
	level_add(&w->free_count, 1);
}

/* There is one: the caller has looked. */
static struct batch *take_free_detour(struct stage_worker *w)
{
	struct batch *b = w->free_detours;
	w->free_detours = b->next;
	level_add(&w->free_count, -1);
	batch_reset(b);
	return b;
}

enum result stage_worker_init(struct stage_worker *w, const struct pipeline_config *c,
                              uint32_t index, struct error *err)
{
	w->index = index;
	w->counters = calloc(1, sizeof *w->counters);
	w->detours = aligned_alloc(CACHE_LINE, sizeof w->detours[0] * c->detours);
	if (w->counters)
		w->stage = stage_new(&(struct stage_config){
		    .index = index,
		    .states = c->device_tracks,
		    .states_count = c->devices,
		    .profiles = c->profiles,
		    .detours = c->detours,
		    .counters = w->counters,
		});
	if (!w->counters || !w->detours || !w->stage)
		return fail(RESULT_RESOURCE, err, "stage%u: no memory", index);
	for (uint32_t i = 0; i < c->detours; i++) {
		struct batch *b = &w->detours[i];
		batch_reset(b);
		b->detour = true;
		b->stage = (uint8_t)index;
		free_detour(w, b);
	}
	return RESULT_OK;
}

void stage_worker_fini(struct stage_worker *w)
{
	if (w->stage)
		stage_free(w->stage);
	free(w->detours);
	free(w->counters);
}

static void push(struct ring *ring, struct batch *b)
{
	bool pushed = ring_push(ring, b);
	CHECK(pushed); /* rings have room for every batch */
}

static void hand_to_store(struct stage_worker *w, struct batch *b)
{
	b->stage_seq = w->stage_seq;
	push(w->to_store, b);
}

/* Detour batches that were answered for are free again. */
static void take_returned(struct stage_worker *w)
{
	struct batch *b;
	for (uint32_t i = 0; i < w->io_count; i++)
		while ((b = ring_pop(w->detour_return[i])) != NULL)
			free_detour(w, b);
}

static uint32_t take_resolved(struct stage_worker *w)
{
	uint32_t readings = 0;
	struct batch *b;
	while ((b = ring_pop(w->from_resolver)) != NULL) {
		readings += b->count;
		stage_finish(w->stage, b, ++w->stage_seq);
		hand_to_store(w, b);
	}
	return readings;
}

static void judge(struct stage_worker *w, struct batch *b)
{
	struct batch *detour = take_free_detour(w);
	detour->io = b->io;
	detour->stage = b->stage;
	bool took_detour = stage_run(w->stage, b, detour);
	w->stage_seq++;
	hand_to_store(w, b);
	if (!took_detour) {
		free_detour(w, detour);
		return;
	}
	/* what this stage has accepted so far, that batch included, must be visible */
	detour->barrier_seq = w->stage_seq;
	push(w->to_resolver, detour);
}

/* One batch of each io worker in turn, so that none starves another. */
static uint32_t take_inbound(struct stage_worker *w)
{
	uint32_t readings = 0, empty = 0;
	for (uint32_t n = 0; n < BATCHES_PER_POLL && empty < w->io_count; n++) {
		/* a batch may need a detour: without one in hand it has to wait in its ring */
		if (!w->free_detours)
			break;
		struct batch *b = ring_pop(w->from_io[w->next_io]);
		w->next_io = w->next_io + 1 < w->io_count ? w->next_io + 1 : 0;
		empty = b ? 0 : empty + 1;
		if (!b)
			continue;
		const struct batch *next = ring_peek(w->from_io[w->next_io]);
		if (next)
			stage_prefetch(w->stage, next);
		readings += b->count;
		judge(w, b);
	}
	return readings;
}

uint32_t stage_worker_poll(struct stage_worker *w)
{
	uint64_t started = clock_cycles();
	meter_poll(&w->meter);
	take_returned(w);
	uint32_t readings = take_resolved(w) + take_inbound(w);
	if (readings)
		meter_add(&w->meter, clock_cycles() - started, readings);
	return readings;
}
