/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage worker's work on a batch: deduplicate, then validate; every reading gets a fate.
 *
 * Deduplication is exact. Per device, one cache line of state knows the newest identity and a
 * bitmap of slots before it. Newer than the newest, or in an empty slot: surely new. Equal to the
 * newest: the value hash tells duplicate from conflict. Anything else (slot taken, beyond the
 * window) takes a detour: it is moved to a detour batch, which an ordinary thread (resolver.h)
 * checks against the store once everything this stage has handed on before is visible there.
 * stage_finish then completes it; a table of identities accepted that way while other detours
 * were under way catches the rest.
 *
 * Thread: the stage worker. Memory: taken in stage_new. Never waits.
 */
#ifndef HEADRACE_INGEST_STAGE_H
#define HEADRACE_INGEST_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/batch.h"
#include "contract/counters.h"
#include "contract/profile.h"
#include "contract/stored.h"

struct stage;

/* 64 bytes; see dedup.h. (enum device_state is the registry's.) */
struct device_track;

/* Zeroed state for devices 0..count-1, shared by all stages (each touches only its own devices);
 * NULL: no memory. */
struct device_track *device_states_new(uint32_t count);
void device_states_free(struct device_track *states);
/* At start, for every device that has a stored reading: the one with the greatest meter time and,
 * if that has no register, the one before it that has (else NULL). */
void device_state_warm(struct device_track *states, const struct profile_set *profiles,
                       const struct stored_reading *newest,
                       const struct stored_reading *with_register);
/* Has a stored reading the register of its profile? */
bool stored_has_register(const struct profile_set *profiles, const struct stored_reading *r);

struct stage_config {
	uint32_t index;
	struct device_track *states;
	uint32_t states_count;
	const struct profile_set *profiles;
	uint32_t detours; /* detour batches this stage owns */
	struct counters *counters;
};
struct stage *stage_new(const struct stage_config *config); /* NULL: no memory */
void stage_free(struct stage *s);

/* Touch the cache lines of a batch ahead of stage_run. */
void stage_prefetch(const struct stage *s, const struct batch *b);

/*
 * Batches and finished detours are handed on under rising stage_seq numbers. A detour's
 * barrier_seq is the highest number given to anything handed on before `b`, or that of `b` itself;
 * detours come back in the order in which they left.
 *
 * Judge every reading of `b` that is FATE_PENDING. Those that need the store are moved to
 * `detour` (empty, large enough by its nature) and stay FATE_PENDING in `b`, which says "counted
 * elsewhere" from there on. Returns true when detour->count > 0; its `io`, `stage` and ticket
 * fields are set, barrier_seq is the caller's.
 */
bool stage_run(struct stage *s, struct batch *b, struct batch *detour);

/* Complete a detour batch that came back from the resolver: what is still FATE_PENDING was not
 * in the store. `stage_seq` is the number under which the batch is handed on. */
void stage_finish(struct stage *s, struct batch *detour, uint64_t stage_seq);

#endif
