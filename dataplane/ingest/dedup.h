/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stage remembers of a device, and what that says about a new identity.
 * Never leaves this folder. Why it is exact: stage.c.
 *
 *	slot number = floor(meter_ts / slot_ms); bit i = slot (newest - i)
 *
 *	... beyond | 191 ... 2 1 0 | newer ->
 *	    unsure | taken?        ^ slot of newest_ms
 *
 * One cache line per device. The line before a table's first holds the key of its value hashes.
 */
#ifndef HEADRACE_INGEST_DEDUP_H
#define HEADRACE_INGEST_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "contract/profile.h"
#include "contract/reading.h"

#define DEDUP_WORDS 3
#define DEDUP_SLOTS (DEDUP_WORDS * 64)

struct device_track {
	int64_t newest_ms;             /* greatest meter_ts accepted */
	uint64_t window[DEDUP_WORDS];  /* bit i: slot newest-i is taken, or not known to be free */
	uint64_t value_hash;           /* of the reading at newest_ms */
	int64_t last_ts_ms;            /* greatest effective time accepted */
	int64_t register_value;        /* the latest by effective time */
	uint32_t slot_ms;              /* fixed by the first reading; 0: nothing accepted yet */
	uint32_t register_channel : 8; /* 0: no register known */
	uint32_t register_age_s : 24;  /* it was read that long before last_ts_ms, rounded up */
};
_Static_assert(sizeof(struct device_track) == 64, "one cache line");

/* The line before the table. */
struct device_track_head {
	struct hash_key key;
	uint64_t spare[6];
};
_Static_assert(sizeof(struct device_track_head) == 64, "one cache line");

enum dedup_answer {
	DEDUP_NEW,       /* surely never accepted */
	DEDUP_DUPLICATE, /* of the newest */
	DEDUP_CONFLICT,  /* with the newest */
	DEDUP_UNSURE,    /* only the store knows */
};

static inline struct hash_key dedup_key(const struct device_track *table)
{
	return ((const struct device_track_head *)(const void *)table)[-1].key;
}

uint64_t dedup_hash(struct hash_key key, uint32_t count, const uint8_t *channel,
                    const int64_t *value);

enum dedup_answer dedup_judge(const struct device_track *t, struct hash_key key,
                              const struct reading *r);

/* Remember an accepted reading (fate and ts_ms set). `register_index` is where its register is
 * among its channels, or -1; `newer` is validate_newer's answer from before. */
void dedup_accept(struct device_track *t, struct hash_key key, const struct profile *profile,
                  const struct reading *r, int register_index, bool newer);

/* Effective time of the register; only when register_channel is not 0. */
static inline int64_t dedup_register_ts(const struct device_track *t)
{
	return t->last_ts_ms - (int64_t)t->register_age_s * 1000;
}

/* Where the profile's register is among `count` channels; -1: nowhere. */
int dedup_register_index(const struct profile *profile, uint32_t count, const uint8_t *channel);

#endif
