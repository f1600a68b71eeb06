/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage. In: batches of decoded readings, and detours that came back from the resolver. Out: a
 * fate and an effective time for each reading. Thread: the stage worker. Memory: taken in
 * stage_new. Never waits, never looks into the store.
 *
 * Why an identity (device, meter_ts) is accepted at most once
 * ----------------------------------------------------------
 * All readings of a device come to one stage, which accepts them one after the other: at
 * run(b), on the spot, or at finish(d), after a detour. Let T be the newest identity accepted
 * of the device and W its window: a bit for each slot, set when an identity in the slot was
 * accepted, or (after a restart) when it may have been.
 *
 * (1) T never falls, and a slot's bit once set stays set until the slot leaves the window,
 *     into which it never returns. So "m <= T and its slot is set or beyond the window" (call
 *     it m unsure), once true, stays true while the process lives.
 * (2) An accepted identity m is T, or below T with its slot set or beyond: m = T or m unsure. By
 *     (1) that stays so. Hence m > T, or a clear slot, says that m was never accepted, in this
 *     life or (by the warm start: T from the store, all bits set) in an earlier one. Those run
 *     accepts; the identity T it compares by value hash; the unsure go on a detour.
 *     Readings within one batch are judged in turn, so this holds among them as well.
 * (3) A reading on a detour is unsure when it leaves, so by (1) until it is finished no reading
 *     with its identity can be accepted by a run: every copy takes a detour too, and T can't
 *     become m. What was accepted before it left is
 *       - in a batch numbered <= barrier_seq: the resolver looks when that is visible; or
 *       - in the very batch it leaves (whose number the barrier need not cover): run compares
 *         with the batch's own accepted readings first.
 *     There remains what was accepted while it was under way, that is by finish of another detour.
 * (4) finish(d) therefore keeps each identity that it accepts, with the stage_seq under which d
 *     is handed on, and looks its pending readings up there, those of the same d included. An
 *     entry is needed only by detours whose barrier is below its stage_seq. Detours come back in
 *     the order in which they left, with barriers that never fall; so when one comes back whose
 *     barrier covers an entry, all later ones are covered as well and the entry is dropped.
 * (5) The table is large enough: when d is finished and handed on as n, at most detours-1 others
 *     are under way with barriers below n; any that leaves later has a barrier >= n. So
 *     entries of d are gone when the next `detours` detours have been finished, and at most
 *     detours * BATCH_READINGS live at once.
 * (6) After a crash, what was on a detour was never acknowledged nor stored; the meter sends
 *     it again, and (2) holds from the warm start.
 *
 * A duplicate's fate becomes durable after the reading it repeats: both are handed on by this
 * stage, in order. Only accepted readings change a device's track, so a rejected one says nothing
 * about later ones. Deduplication comes before the rules: a repeated reading is a duplicate even
 * when it would by now be too late.
 */
#include "ingest/stage.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/fetch.h"
#include "ingest/accepted.h"
#include "ingest/dedup.h"
#include "ingest/validate.h"

#define AHEAD 12 /* states on their way into the cache: about as many as a core can wait for */

struct stage {
	struct stage_config config;
	struct hash_key key;  /* of value hashes */
	uint64_t barrier_seq; /* of the detour finished last */
	struct accepted accepted;
};

struct stage *stage_new(const struct stage_config *config)
{
	struct stage *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->config = *config;
	s->key = dedup_key(config->states);
	if (!accepted_init(&s->accepted, config->detours * BATCH_READINGS)) {
		stage_free(s);
		return NULL;
	}
	return s;
}

void stage_free(struct stage *s)
{
	if (!s)
		return;
	accepted_fini(&s->accepted);
	free(s);
}

static void fetch_state(const struct stage *s, const struct reading *r)
{
	if (r->device < s->config.states_count)
		fetch_line(&s->config.states[r->device]);
}

void stage_prefetch(const struct stage *s, const struct batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		fetch_line(&b->readings[i].value);
		fetch_state(s, &b->readings[i]);
	}
}

static void count_flags(struct counters *c, uint16_t flags)
{
	static const struct {
		uint16_t flag;
		enum counter counter;
	} named[] = {
	    {READING_F_DRIFT, COUNTER_INGEST_DRIFT_FLAGGED},
	    {READING_F_TS_REPLACED, COUNTER_INGEST_TS_REPLACED},
	    {READING_F_LATE, COUNTER_INGEST_LATE},
	    {READING_F_ROLLOVER, COUNTER_INGEST_ROLLOVERS},
	    {READING_F_RESET, COUNTER_INGEST_RESETS},
	    {READING_F_LOW_BATTERY, COUNTER_INGEST_LOW_BATTERY},
	    {READING_F_TAMPER, COUNTER_INGEST_TAMPER},
	    {READING_F_STATUS, COUNTER_INGEST_STATUS},
	};

	for (uint32_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (flags & named[i].flag)
			counter_add(c, named[i].counter, 1);
}

/* A reading that is surely new: the rules decide. */
static void judge_new(struct stage *s, struct reading *r)
{
	const struct profile *profile = s->config.profiles->by_id[r->profile];
	struct device_track *t = &s->config.states[r->device];

	CHECK(profile != NULL);
	struct verdict v = validate(profile, t, r);
	r->fate = (uint8_t)v.fate;
	r->ts_ms = v.ts_ms;
	if (v.fate != FATE_STORED)
		return;
	r->flags |= v.flags;
	dedup_accept(t, s->key, profile, r, v.register_index, v.newer);
	counter_add(s->config.counters, COUNTER_INGEST_ACCEPTED, 1);
	count_flags(s->config.counters, r->flags);
}

static enum fate compare(const struct reading *r, uint32_t count, const uint8_t *channel,
                         const int64_t *value)
{
	bool same = r->channel_count == count && memcmp(r->channel, channel, count) == 0 &&
	            memcmp(r->value, value, count * sizeof value[0]) == 0;
	return same ? FATE_DUPLICATE : FATE_CONFLICT;
}

/* The identity among the batch's readings before `r` that were accepted; NULL: not there. */
static const struct reading *find_before(const struct batch *b, const struct reading *r)
{
	for (const struct reading *o = b->readings; o < r; o++)
		if (o->fate == FATE_STORED && o->device == r->device &&
		    o->meter_ts_ms == r->meter_ts_ms)
			return o;
	return NULL;
}

/* Raw bytes and origin keep their places in the arena: what fitted there fits here, and readings
 * of one message go on sharing their origin. */
static void move_to_detour(const struct batch *b, const struct reading *r, struct batch *detour)
{
	const struct origin *o = batch_origin(b, r);
	uint32_t origin_bytes = sizeof *o + o->client_bytes + o->topic_bytes;

	CHECK_OP(detour->count, <, BATCH_READINGS);
	CHECK_OP((uint32_t)r->raw_offset + r->raw_bytes, <=, b->arena_bytes);
	CHECK_OP(r->origin_offset + origin_bytes, <=, b->arena_bytes);
	CHECK_OP((uint32_t)r->raw_offset + r->id_offset + r->id_bytes, <=, b->arena_bytes);
	const struct reading *last = detour->count ? &detour->readings[detour->count - 1] : NULL;
	if (!last || last->raw_offset != r->raw_offset || last->raw_bytes != r->raw_bytes)
		memcpy(detour->arena + r->raw_offset, b->arena + r->raw_offset, r->raw_bytes);
	if (r->id_offset >= r->raw_bytes)
		memcpy(detour->arena + r->raw_offset + r->id_offset,
		       b->arena + r->raw_offset + r->id_offset, r->id_bytes);
	memcpy(detour->arena + r->origin_offset, o, origin_bytes);
	detour->arena_bytes = b->arena_bytes;
	detour->readings[detour->count++] = *r;
}

/* A fate without the rules: the meter's own time is the effective one. */
static void settle(struct reading *r, enum fate fate)
{
	r->fate = (uint8_t)fate;
	r->ts_ms = r->meter_ts_ms;
}

/* True: the reading has a fate now; false: only the store knows it. */
static bool judge(struct stage *s, const struct batch *b, struct reading *r)
{
	struct counters *c = s->config.counters;

	if (r->device >= s->config.states_count) {
		settle(r, FATE_REJECT_UNKNOWN);
		counter_add(c, COUNTER_INGEST_BEYOND_TABLE, 1);
		return true;
	}
	switch (dedup_judge(&s->config.states[r->device], s->key, r)) {
	case DEDUP_NEW:
		judge_new(s, r);
		return true;
	case DEDUP_DUPLICATE:
		settle(r, FATE_DUPLICATE);
		break;
	case DEDUP_CONFLICT:
		settle(r, FATE_CONFLICT);
		break;
	case DEDUP_UNSURE: {
		const struct reading *first = find_before(b, r);
		if (!first)
			return false;
		settle(r, compare(r, first->channel_count, first->channel, first->value));
	}
	}
	counter_add(c, COUNTER_INGEST_KNOWN_NEWEST, 1);
	return true;
}

bool stage_run(struct stage *s, struct batch *b, struct batch *detour)
{
	uint32_t judged = 0;

	CHECK_OP(detour->count, ==, 0);
	for (uint32_t i = 0; i < b->count && i < AHEAD; i++)
		fetch_state(s, &b->readings[i]);
	for (uint32_t i = 0; i < b->count; i++) {
		struct reading *r = &b->readings[i];
		if (i + AHEAD < b->count)
			fetch_state(s, r + AHEAD);
		if (r->fate != FATE_PENDING)
			continue;
		if (judge(s, b, r))
			judged++;
		else
			move_to_detour(b, r, detour);
	}
	counter_add(s->config.counters, COUNTER_INGEST_JUDGED, judged);
	if (detour->count == 0)
		return false;
	detour->io = b->io;
	detour->stage = (uint8_t)s->config.index;
	detour->detour = true;
	counter_add(s->config.counters, COUNTER_INGEST_DETOURS, detour->count);
	counter_add(s->config.counters, COUNTER_INGEST_DETOUR_BATCHES, 1);
	return true;
}

/* Not in the store when the resolver looked: another detour's since then, or new. */
static void finish_reading(struct stage *s, struct reading *r, uint64_t stage_seq)
{
	const struct accepted_entry *e = accepted_find(&s->accepted, r);

	if (e) {
		settle(r, compare(r, e->channel_count, e->channel, e->value));
		counter_add(s->config.counters, COUNTER_INGEST_DETOUR_RACED, 1);
		return;
	}
	judge_new(s, r);
	if (r->fate == FATE_STORED)
		accepted_add(&s->accepted, r, stage_seq);
}

void stage_finish(struct stage *s, struct batch *detour, uint64_t stage_seq)
{
	uint32_t known = 0;

	CHECK_OP(detour->stage, ==, s->config.index);
	CHECK_OP(detour->barrier_seq, >=, s->barrier_seq);
	CHECK_OP(stage_seq, >, detour->barrier_seq);
	s->barrier_seq = detour->barrier_seq;
	accepted_drop(&s->accepted, detour->barrier_seq);
	for (uint32_t i = 0; i < detour->count; i++) {
		struct reading *r = &detour->readings[i];
		if (r->fate == FATE_PENDING)
			finish_reading(s, r, stage_seq);
		else {
			settle(r, r->fate);
			known++;
		}
	}
	counter_add(s->config.counters, COUNTER_INGEST_JUDGED, detour->count);
	counter_add(s->config.counters, COUNTER_INGEST_DETOUR_KNOWN, known);
}
