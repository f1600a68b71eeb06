/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each device was heard last, in days; see newest.h.
 *
 * Readers see a day that was raised before the page is written: the run in memory has the reading
 * until then, and a page that is not there holds none. Threads: the run writer raises.
 * Memory: malloc. What comes from disk is never trusted.
 */
#include "storage/store/newest.h"

#include <stdlib.h>

#define FORMAT 1u
#define CHUNKS (UINT32_MAX / NEWEST_CHUNK + 1)

bool newest_init(struct newest *n)
{
	n->chunk = calloc(CHUNKS, sizeof n->chunk[0]); /* touched where there are devices */
	return n->chunk != NULL;
}

void newest_fini(struct newest *n)
{
	for (uint32_t i = 0; n->chunk && i < CHUNKS; i++)
		free(atomic_load_explicit(&n->chunk[i], memory_order_relaxed));
	free(n->chunk);
	n->chunk = NULL;
}

uint32_t newest_chunks(void)
{
	return CHUNKS;
}

static struct newest_chunk *chunk_get(const struct newest *n, uint32_t chunk)
{
	/* pairs with the release in chunk_make */
	return atomic_load_explicit(&n->chunk[chunk], memory_order_acquire);
}

bool newest_has_chunk(const struct newest *n, uint32_t chunk)
{
	return chunk_get(n, chunk) != NULL;
}

static void chunk_clear(struct newest_chunk *c)
{
	for (uint32_t i = 0; i < NEWEST_CHUNK; i++) {
		atomic_store_explicit(&c->day[i], NEWEST_NONE, memory_order_relaxed);
		atomic_store_explicit(&c->register_day[i], NEWEST_NONE, memory_order_relaxed);
	}
}

void newest_clear(struct newest *n)
{
	for (uint32_t i = 0; i < CHUNKS; i++) {
		struct newest_chunk *c = chunk_get(n, i);
		if (c)
			chunk_clear(c);
	}
}

static struct newest_chunk *chunk_make(struct newest *n, uint32_t chunk)
{
	struct newest_chunk *c = chunk_get(n, chunk);
	if (c)
		return c;
	c = malloc(sizeof *c);
	if (!c)
		return NULL;
	chunk_clear(c);
	struct newest_chunk *other = NULL;
	if (atomic_compare_exchange_strong_explicit(&n->chunk[chunk], &other, c,
	                                            memory_order_release, memory_order_acquire))
		return c;
	free(c);
	return other;
}

bool newest_expect(struct newest *n, uint32_t device)
{
	return chunk_make(n, device / NEWEST_CHUNK) != NULL;
}

struct newest_days newest_get(const struct newest *n, uint32_t device)
{
	const struct newest_chunk *c = chunk_get(n, device / NEWEST_CHUNK);
	uint32_t i = device % NEWEST_CHUNK;
	if (!c)
		return (struct newest_days){NEWEST_NONE, NEWEST_NONE};
	return (struct newest_days){
	    atomic_load_explicit(&c->day[i], memory_order_relaxed),
	    atomic_load_explicit(&c->register_day[i], memory_order_relaxed)};
}

static void raise_one(_Atomic int32_t *known, int64_t day, bool *changed)
{
	if (day > INT32_MAX || day <= atomic_load_explicit(known, memory_order_relaxed))
		return;
	atomic_store_explicit(known, (int32_t)day, memory_order_relaxed);
	*changed = true;
}

bool newest_raise(struct newest *n, uint32_t device, int64_t day, int64_t register_day,
                  bool *changed)
{
	struct newest_chunk *c = chunk_make(n, device / NEWEST_CHUNK);
	if (!c)
		return false;
	raise_one(&c->day[device % NEWEST_CHUNK], day, changed);
	raise_one(&c->register_day[device % NEWEST_CHUNK], register_day, changed);
	return true;
}

/* --- on disk --- */

static int32_t last_day(const struct newest_chunk *c)
{
	int32_t last = NEWEST_NONE + 1;
	for (uint32_t i = 0; i < NEWEST_CHUNK; i++) {
		int32_t day = atomic_load_explicit(&c->day[i], memory_order_relaxed);
		int32_t other = atomic_load_explicit(&c->register_day[i], memory_order_relaxed);
		last = day > last ? day : last;
		last = other > last ? other : last;
	}
	return last;
}

static uint8_t *days_put(uint8_t *at, const _Atomic int32_t *day, int32_t last)
{
	int64_t ago[NEWEST_CHUNK];
	for (uint32_t i = 0; i < NEWEST_CHUNK; i++) {
		int32_t d = atomic_load_explicit(&day[i], memory_order_relaxed);
		ago[i] = d == NEWEST_NONE ? 0 : (int64_t)last - d + 1;
	}
	return column_pack(at, ago, NEWEST_CHUNK);
}

size_t newest_pack(const struct newest *n, uint32_t chunk, uint8_t value[NEWEST_BYTES_MAX])
{
	const struct newest_chunk *c = chunk_get(n, chunk);
	int32_t last = last_day(c);
	uint8_t *at = value;
	*at++ = FORMAT;
	at = varint_put(at, zigzag(last));
	at = days_put(at, c->day, last);
	at = days_put(at, c->register_day, last);
	return (size_t)(at - value);
}

static bool days_get(const uint8_t **at, const uint8_t *end, _Atomic int32_t *day, int64_t last)
{
	int64_t ago[NEWEST_CHUNK];
	if (!column_unpack(at, end, ago, NEWEST_CHUNK))
		return false;
	for (uint32_t i = 0; i < NEWEST_CHUNK; i++) {
		if (ago[i] < 0 || ago[i] > last - NEWEST_NONE)
			return false;
		atomic_store_explicit(&day[i],
		                      ago[i] == 0 ? NEWEST_NONE : (int32_t)(last - ago[i] + 1),
		                      memory_order_relaxed);
	}
	return true;
}

enum result newest_unpack(struct newest *n, uint32_t chunk, const uint8_t *value, size_t bytes,
                          struct error *err)
{
	const uint8_t *at = value + 1, *end = value + bytes;
	uint64_t last;
	struct newest_chunk *c = chunk < CHUNKS ? chunk_make(n, chunk) : NULL;
	if (!c)
		return fail(RESULT_RESOURCE, err, "store: no memory for the devices' newest days");
	if (bytes > 0 && value[0] == FORMAT && varint_get(&at, end, &last) &&
	    unzigzag(last) <= INT32_MAX && unzigzag(last) > NEWEST_NONE &&
	    days_get(&at, end, c->day, unzigzag(last)) &&
	    days_get(&at, end, c->register_day, unzigzag(last)) && at == end)
		return RESULT_OK;
	return fail(RESULT_MEDIA, err, "store: the newest days of devices %u to %u are damaged",
	            chunk * NEWEST_CHUNK, chunk * NEWEST_CHUNK + NEWEST_CHUNK - 1);
}
