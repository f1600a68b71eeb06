/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table from an address pair to a record: open addressing over buckets of one cache line.
 *
 * An entry lies in the bucket that its keyed hash names or in one of the next PROBES - 1. Each
 * bucket counts the entries that passed it by, so that a search ends at the first bucket which
 * nothing passed, and a removal leaves no tombstone. The hash is SipHash-1-3 under a boot key:
 * a peer can't choose ports that collide.
 */
#include "tcp/tcp_priv.h"

#include <stdlib.h>

#include "base/fetch.h"

#define PROBES 64

static uint32_t bucket_count(uint32_t entries)
{
	/* at most 5/6 full: there 16 full buckets in a row do happen in a large table, 64 do not;
	 * a search goes so far only where entries did */
	uint64_t want = (uint64_t)entries * 6 / (5 * BUCKET_SLOTS) + 1;
	uint32_t n = 1;
	while (n < want)
		n *= 2;
	return n;
}

uint64_t table_bytes(uint32_t entries)
{
	return (uint64_t)bucket_count(entries) * sizeof(struct bucket);
}

bool table_init(struct table *t, uint32_t entries, struct hash_key hash_key)
{
	uint32_t n = bucket_count(entries);
	t->mask = n - 1;
	t->hash_key = hash_key;
	t->buckets = pages_new(n, sizeof *t->buckets);
	return t->buckets != NULL;
}

void table_fini(struct table *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

struct place {
	uint32_t home;
	uint16_t tag;
};

static struct place place_from(const struct table *t, uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);
	return (struct place){(uint32_t)hash & t->mask, tag ? tag : 1};
}

static uint64_t hash_of(const struct table *t, const struct key *key)
{
	return siphash13(t->hash_key, key, sizeof *key);
}

static struct place place_of(const struct table *t, const struct key *key)
{
	return place_from(t, hash_of(t, key));
}

const struct key *entry_key(const struct tcp_engine *e, uint32_t entry)
{
	uint32_t index = ENTRY_INDEX(entry);
	switch (ENTRY_KIND(entry)) {
	case ENTRY_CONN:
		return &e->conns[index].key;
	case ENTRY_SYN:
		return &e->syns[index].key;
	default:
		return &e->time_waits[index].key;
	}
}

static uint32_t probes_of(const struct table *t)
{
	return min_u32(PROBES, t->mask + 1);
}

uint32_t table_find(struct tcp_engine *e, const struct key *key)
{
	struct table *t = &e->table;
	struct place at = place_of(t, key);
	for (uint32_t p = 0; p < probes_of(t); p++) {
		const struct bucket *b = &t->buckets[(at.home + p) & t->mask];
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++) {
			if (b->tag[i] == at.tag &&
			    memcmp(entry_key(e, b->entry[i]), key, sizeof *key) == 0)
				return b->entry[i];
		}
		if (b->passed == 0)
			break;
	}
	return NONE;
}

uint64_t table_fetch(const struct table *t, const struct key *key)
{
	uint64_t hash = hash_of(t, key);
	fetch_line(&t->buckets[place_from(t, hash).home]);
	return hash;
}

uint32_t table_peek(const struct table *t, uint64_t fetched)
{
	struct place at = place_from(t, fetched);
	const struct bucket *b = &t->buckets[at.home];
	for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
		if (b->tag[i] == at.tag)
			return b->entry[i];
	return NONE;
}

static void pass_by(struct table *t, uint32_t home, uint32_t probes, int change)
{
	for (uint32_t p = 0; p < probes; p++) {
		struct bucket *b = &t->buckets[(home + p) & t->mask];
		b->passed = (uint16_t)(b->passed + change);
	}
}

bool table_add(struct tcp_engine *e, const struct key *key, uint32_t entry)
{
	struct table *t = &e->table;
	struct place at = place_of(t, key);
	for (uint32_t p = 0; p < probes_of(t); p++) {
		struct bucket *b = &t->buckets[(at.home + p) & t->mask];
		if (b->count == BUCKET_SLOTS) {
			if (b->passed == UINT16_MAX)
				return false;
			continue;
		}
		uint32_t i = 0;
		while (b->tag[i] != 0)
			i++;
		b->tag[i] = at.tag;
		b->entry[i] = entry;
		b->count++;
		pass_by(t, at.home, p, 1);
		return true;
	}
	return false;
}

/* The slot of an entry; it must be there. Returns how many buckets it passed. */
static uint32_t locate(struct table *t, struct place at, uint32_t entry, struct bucket **bucket,
                       uint32_t *slot)
{
	for (uint32_t p = 0; p < probes_of(t); p++) {
		struct bucket *b = &t->buckets[(at.home + p) & t->mask];
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++) {
			if (b->tag[i] == at.tag && b->entry[i] == entry) {
				*bucket = b;
				*slot = i;
				return p;
			}
		}
	}
	check_failed(__FILE__, __LINE__, "the entry is in the table");
}

void table_remove(struct tcp_engine *e, const struct key *key, uint32_t entry)
{
	struct table *t = &e->table;
	struct place at = place_of(t, key);
	struct bucket *b;
	uint32_t slot;
	uint32_t passed = locate(t, at, entry, &b, &slot);
	b->tag[slot] = 0;
	b->count--;
	pass_by(t, at.home, passed, -1);
}

void table_replace(struct tcp_engine *e, const struct key *key, uint32_t from, uint32_t to)
{
	struct place at = place_of(&e->table, key);
	struct bucket *b;
	uint32_t slot;
	locate(&e->table, at, from, &b, &slot);
	b->entry[slot] = to;
}
