/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities accepted from detours that another detour under way may bring once more. Never
 * leaves this folder. Why it suffices: stage.c.
 *
 *	accepted_drop(barrier)  forget what every later detour can find in the store
 *	accepted_find(...)      at most one entry per identity
 *	accepted_add(...)       stage_seq never decreases
 *
 * A ring of entries in order of stage_seq, chained into hash buckets. Memory is taken in
 * accepted_init. One thread.
 */
#ifndef HEADRACE_INGEST_ACCEPTED_H
#define HEADRACE_INGEST_ACCEPTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "contract/reading.h"

struct accepted_entry {
	int64_t meter_ts_ms;
	uint64_t stage_seq;
	uint32_t device;
	uint32_t chained; /* older entry of the same bucket + 1; 0: none */
	uint8_t channel_count;
	uint8_t channel[READING_CHANNELS];
	int64_t value[READING_CHANNELS];
};

struct accepted {
	struct hash_key key;
	uint32_t capacity;
	uint32_t oldest, count; /* of the ring */
	uint32_t bucket_mask;
	struct accepted_entry *entries;
	uint32_t *buckets; /* newest entry + 1; 0: none */
};

/* False: no memory; accepted_fini is to be called all the same. */
bool accepted_init(struct accepted *a, uint32_t capacity);
void accepted_fini(struct accepted *a);

void accepted_drop(struct accepted *a, uint64_t barrier_seq);
const struct accepted_entry *accepted_find(const struct accepted *a, const struct reading *r);
/* More entries than the capacity are a broken invariant. */
void accepted_add(struct accepted *a, const struct reading *r, uint64_t stage_seq);

#endif
