/* SPDX-License-Identifier: Apache-2.0 */
#include "net/neighbours.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define WAYS           4
#define FRESH_US       (30ull * 1000000)
#define READ_TRIES_MAX 8

struct neighbour {
	_Atomic uint32_t sequence; /* odd: being written */
	uint8_t mac[6];
	uint8_t used;
	uint8_t spare;
	uint8_t address[16];
	uint64_t learned_us;
};

struct neighbours {
	struct hash_key key;
	uint32_t bucket_mask;
	struct neighbour entries[];
};

struct neighbours *neighbours_new(uint32_t entries)
{
	uint32_t buckets = 1;
	while (buckets * WAYS < entries)
		buckets *= 2;
	struct neighbours *n = calloc(1, sizeof *n + sizeof n->entries[0] * buckets * WAYS);
	if (n) {
		n->key = hash_key_random();
		n->bucket_mask = buckets - 1;
	}
	return n;
}

void neighbours_free(struct neighbours *n)
{
	free(n);
}

static uint32_t bucket_of(const struct neighbours *n, const uint8_t address[16])
{
	return ((uint32_t)siphash13(n->key, address, 16) & n->bucket_mask) * WAYS;
}

/* A consistent copy; false when a writer kept getting in the way. */
static bool entry_read(const struct neighbour *e, struct neighbour *copy)
{
	for (int i = 0; i < READ_TRIES_MAX; i++) {
		/* pairs with the release at the end of entry_write */
		uint32_t before = atomic_load_explicit(&e->sequence, memory_order_acquire);
		if (before & 1)
			continue;
		memcpy(copy->mac, e->mac, sizeof copy->mac);
		memcpy(copy->address, e->address, sizeof copy->address);
		copy->used = e->used;
		copy->learned_us = e->learned_us;
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&e->sequence, memory_order_relaxed) == before)
			return copy->used;
	}
	return false;
}

/* The entry for the address, else a free one, else the oldest of its bucket. */
static struct neighbour *entry_for(struct neighbours *n, const uint8_t address[16])
{
	struct neighbour *bucket = &n->entries[bucket_of(n, address)];
	struct neighbour *choice = &bucket[0];
	for (uint32_t i = 0; i < WAYS; i++) {
		struct neighbour *e = &bucket[i];
		if (e->used && memcmp(e->address, address, 16) == 0)
			return e;
		if (choice->used && (!e->used || e->learned_us < choice->learned_us))
			choice = e;
	}
	return choice;
}

static void entry_write(struct neighbours *n, const uint8_t address[16], const uint8_t mac[6],
                        uint64_t learned_us)
{
	struct neighbour *e = entry_for(n, address);
	uint32_t sequence = atomic_load_explicit(&e->sequence, memory_order_relaxed);
	if (sequence & 1 ||
	    !atomic_compare_exchange_strong_explicit(&e->sequence, &sequence, sequence + 1,
	                                             memory_order_acquire, memory_order_relaxed))
		return;
	atomic_thread_fence(memory_order_release);
	memcpy(e->address, address, 16);
	memcpy(e->mac, mac, 6);
	e->used = 1;
	e->learned_us = learned_us;
	/* pairs with the acquire in entry_read */
	atomic_store_explicit(&e->sequence, sequence + 2, memory_order_release);
}

void neighbours_learn(struct neighbours *n, const uint8_t address[16], const uint8_t mac[6],
                      uint64_t now_us)
{
	entry_write(n, address, mac, now_us);
}

void neighbours_hint(struct neighbours *n, const uint8_t address[16], const uint8_t mac[6],
                     uint64_t now_us)
{
	uint8_t known[6];
	if (neighbours_find(n, address, now_us, known) == NEIGHBOUR_UNKNOWN ||
	    memcmp(known, mac, 6) != 0)
		entry_write(n, address, mac, now_us > FRESH_US ? now_us - FRESH_US : 0);
}

enum neighbour_state neighbours_find(const struct neighbours *n, const uint8_t address[16],
                                     uint64_t now_us, uint8_t mac[6])
{
	const struct neighbour *bucket = &n->entries[bucket_of(n, address)];
	for (uint32_t i = 0; i < WAYS; i++) {
		struct neighbour copy;
		if (!entry_read(&bucket[i], &copy) || memcmp(copy.address, address, 16) != 0)
			continue;
		memcpy(mac, copy.mac, 6);
		return now_us < copy.learned_us + FRESH_US ? NEIGHBOUR_FRESH : NEIGHBOUR_STALE;
	}
	return NEIGHBOUR_UNKNOWN;
}
