/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/accepted.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

bool accepted_init(struct accepted *a, uint32_t capacity)
{
	uint32_t buckets = 16;

	CHECK_OP(capacity, <=, 1u << 24);
	while (buckets < capacity * 2)
		buckets *= 2;
	memset(a, 0, sizeof *a);
	a->key = hash_key_random();
	a->capacity = capacity;
	a->bucket_mask = buckets - 1;
	a->entries = calloc(capacity ? capacity : 1, sizeof a->entries[0]);
	a->buckets = calloc(buckets, sizeof a->buckets[0]);
	return a->entries && a->buckets;
}

void accepted_fini(struct accepted *a)
{
	free(a->entries);
	free(a->buckets);
	memset(a, 0, sizeof *a);
}

static uint32_t *bucket_of(const struct accepted *a, uint32_t device, int64_t meter_ts_ms)
{
	uint64_t words[2] = {device, (uint64_t)meter_ts_ms};
	return &a->buckets[siphash13(a->key, words, sizeof words) & a->bucket_mask];
}

/* The oldest entry is the last in its bucket's chain. */
static void drop_oldest(struct accepted *a)
{
	const struct accepted_entry *e = &a->entries[a->oldest];
	uint32_t *link = bucket_of(a, e->device, e->meter_ts_ms);

	while (*link != a->oldest + 1) {
		CHECK_OP(*link, !=, 0u);
		link = &a->entries[*link - 1].chained;
	}
	*link = e->chained;
	a->oldest = a->oldest + 1 == a->capacity ? 0 : a->oldest + 1;
	a->count--;
}

void accepted_drop(struct accepted *a, uint64_t barrier_seq)
{
	while (a->count > 0 && a->entries[a->oldest].stage_seq <= barrier_seq)
		drop_oldest(a);
}

const struct accepted_entry *accepted_find(const struct accepted *a, const struct reading *r)
{
	uint32_t i = *bucket_of(a, r->device, r->meter_ts_ms);

	while (i != 0) {
		const struct accepted_entry *e = &a->entries[i - 1];
		if (e->device == r->device && e->meter_ts_ms == r->meter_ts_ms)
			return e;
		i = e->chained;
	}
	return NULL;
}

void accepted_add(struct accepted *a, const struct reading *r, uint64_t stage_seq)
{
	CHECK_OP(a->count, <, a->capacity);
	uint32_t at = (a->oldest + a->count) % a->capacity;
	struct accepted_entry *e = &a->entries[at];
	uint32_t *bucket = bucket_of(a, r->device, r->meter_ts_ms);

	e->meter_ts_ms = r->meter_ts_ms;
	e->stage_seq = stage_seq;
	e->device = r->device;
	e->channel_count = r->channel_count;
	memcpy(e->channel, r->channel, sizeof e->channel);
	memcpy(e->value, r->value, sizeof e->value);
	e->chained = *bucket;
	*bucket = at + 1;
	a->count++;
}
