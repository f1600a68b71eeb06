/* SPDX-License-Identifier: Apache-2.0 */
#include "control/access/limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

#define ROWS   512u
#define PLACES 8u

struct bucket {
	uint64_t key; /* 0: free */
	uint64_t at_us;
	uint64_t level; /* millionths of a request */
};

struct limits {
	pthread_mutex_t lock;
	struct hash_key hash;
	uint64_t per_s, burst;
	struct bucket buckets[ROWS][PLACES];
};

enum result limits_new(uint32_t per_s, uint32_t burst, struct limits **out, struct error *err)
{
	struct limits *l = calloc(1, sizeof *l);
	if (!l)
		return fail(RESULT_RESOURCE, err, "limits: no memory");
	pthread_mutex_init(&l->lock, NULL);
	l->hash = hash_key_random();
	l->per_s = per_s;
	l->burst = (uint64_t)burst * 1000000;
	*out = l;
	return RESULT_OK;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The key's own, or the one that has been idle for longest. */
static struct bucket *bucket_of(struct limits *l, uint64_t key, uint64_t now_us)
{
	struct bucket *row = l->buckets[key % ROWS], *oldest = row;
	for (unsigned i = 0; i < PLACES; i++) {
		if (row[i].key == key)
			return &row[i];
		if (row[i].at_us < oldest->at_us)
			oldest = &row[i];
	}
	*oldest = (struct bucket){key, now_us, l->burst};
	return oldest;
}

bool limits_take(struct limits *l, const void *key, size_t key_bytes, uint32_t cost,
                 uint64_t now_us, uint32_t *wait_s)
{
	uint64_t hashed = siphash24(l->hash, key, key_bytes) | 1;
	uint64_t wanted = (uint64_t)cost * 1000000;
	pthread_mutex_lock(&l->lock);
	struct bucket *b = bucket_of(l, hashed, now_us);
	uint64_t gone_us = now_us > b->at_us ? now_us - b->at_us : 0;
	/* a long time fills any bucket, and does not overflow */
	uint64_t most_us = l->burst / l->per_s + 1;
	b->level += (gone_us < most_us ? gone_us : most_us) * l->per_s;
	if (b->level > l->burst)
		b->level = l->burst;
	b->at_us = now_us;
	bool good = b->level >= wanted;
	if (good)
		b->level -= wanted;
	*wait_s = good ? 0 : (uint32_t)((wanted - b->level) / (l->per_s * 1000000) + 1);
	pthread_mutex_unlock(&l->lock);
	return good;
}
