/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run in memory: two open-addressing tables and chains over one array of readings.
 *
 * Input: readings and error bodies. Output: look-ups, and the rows sorted by device for packing.
 * Thread: the writer changes it under the store's lock. Memory: malloc, doubled when needed, kept
 * from run to run.
 */
#include "storage/store/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fetch.h"
#include "storage/store/keys.h"

#define SLOTS_MIN   1024u
#define RADIX_BITS  11
#define RADIX_SIZE  (1u << RADIX_BITS)
_Static_assert(SLOTS_MIN / 4 > RUN_ADD_MAX, "one doubling makes room");

bool run_init(struct run *r)
{
	*r = (struct run){.key = hash_key_random()};
	r->identity = calloc(SLOTS_MIN, sizeof r->identity[0]);
	r->device = malloc(SLOTS_MIN * sizeof r->device[0]);
	if (!r->identity || !r->device) {
		run_fini(r);
		return false;
	}
	r->identity_mask = r->device_mask = SLOTS_MIN - 1;
	run_clear(r);
	return true;
}

void run_fini(struct run *r)
{
	free(r->row);
	free(r->chain);
	free(r->ordered);
	free(r->identity);
	free(r->device);
	free(r->error);
	free(r->error_bytes);
	*r = (struct run){0};
}

void run_clear(struct run *r)
{
	if (r->identity_count > 0)
		memset(r->identity, 0, ((size_t)r->identity_mask + 1) * sizeof r->identity[0]);
	r->identity_count = 0;
	memset(r->device, 0xff, ((size_t)r->device_mask + 1) * sizeof r->device[0]);
	r->count = r->device_count = 0;
	r->error_count = 0;
	r->error_bytes_used = 0;
}

static uint32_t identity_hash(const struct run *r, uint32_t device, int64_t meter_ts_ms)
{
	uint8_t bytes[12];
	put_le32(bytes, device);
	put_le64(bytes + 4, (uint64_t)meter_ts_ms);
	return (uint32_t)siphash13(r->key, bytes, sizeof bytes);
}

/* Device numbers are ours, not the network's: a multiplication spreads them well enough. */
static uint32_t device_hash(const struct run *r, uint32_t device)
{
	uint64_t h = (device ^ (uint32_t)r->key.k0) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

/* The slot that holds the identity, or the free one where it belongs. Of the rows on the way
 * only those with the same hash are touched. */
static uint64_t *identity_slot(const struct run *r, uint32_t hash, uint32_t device,
                               int64_t meter_ts_ms)
{
	for (uint32_t i = hash;; i++) {
		uint64_t *slot = &r->identity[i & r->identity_mask];
		if (*slot == 0)
			return slot;
		if (*slot >> 32 != hash)
			continue;
		const struct stored_reading *row = &r->row[(uint32_t)*slot - 1];
		if (row->device == device && row->meter_ts_ms == meter_ts_ms)
			return slot;
	}
}

static struct run_device *device_slot(const struct run *r, uint32_t device)
{
	uint32_t i = device_hash(r, device);
	for (;; i++) {
		struct run_device *slot = &r->device[i & r->device_mask];
		if (slot->newest == RUN_NONE || slot->device == device)
			return slot;
	}
}

/* Both tables stay at most half full. */
static bool identities_grow(struct run *r)
{
	if (r->identity_count + RUN_ADD_MAX < r->identity_mask / 2)
		return true;
	size_t old_slots = (size_t)r->identity_mask + 1;
	uint64_t *old = r->identity;
	uint64_t *grown = calloc(2 * old_slots, sizeof grown[0]);
	if (!grown)
		return false;
	r->identity = grown;
	r->identity_mask = (uint32_t)(2 * old_slots - 1);
	for (size_t i = 0; i < old_slots; i++) {
		uint32_t at = (uint32_t)(old[i] >> 32);
		if (old[i] == 0)
			continue;
		while (grown[at & r->identity_mask] != 0)
			at++;
		grown[at & r->identity_mask] = old[i];
	}
	free(old);
	return true;
}

static bool devices_grow(struct run *r)
{
	if (r->device_count + RUN_ADD_MAX < r->device_mask / 2)
		return true;
	size_t old_slots = (size_t)r->device_mask + 1;
	struct run_device *old = r->device;
	struct run_device *grown = malloc(2 * old_slots * sizeof grown[0]);
	if (!grown)
		return false;
	memset(grown, 0xff, 2 * old_slots * sizeof grown[0]);
	r->device = grown;
	r->device_mask = (uint32_t)(2 * old_slots - 1);
	for (size_t i = 0; i < old_slots; i++) {
		if (old[i].newest != RUN_NONE)
			*device_slot(r, old[i].device) = old[i];
	}
	free(old);
	return true;
}

static bool rows_grow(struct run *r)
{
	if (r->count + RUN_ADD_MAX <= r->room)
		return true;
	size_t room = r->room ? 2 * (size_t)r->room : SLOTS_MIN;
	void *row = realloc(r->row, room * sizeof r->row[0]);
	if (row)
		r->row = row;
	void *chain = realloc(r->chain, room * sizeof r->chain[0]);
	if (chain)
		r->chain = chain;
	void *ordered = realloc(r->ordered, room * sizeof r->ordered[0]);
	if (ordered)
		r->ordered = ordered;
	if (!row || !chain || !ordered)
		return false;
	r->room = (uint32_t)room;
	return true;
}

/* The row in order with that time. */
static uint32_t ordered_find(const struct run *r, const struct run_device *d, int64_t meter_ts_ms)
{
	uint32_t i = d->ordered;
	while (i != RUN_NONE && r->row[i].meter_ts_ms > meter_ts_ms)
		i = r->ordered[i];
	return i != RUN_NONE && r->row[i].meter_ts_ms == meter_ts_ms ? i : RUN_NONE;
}

static void add_one(struct run *r, const struct stored_reading *reading)
{
	struct run_device *d = device_slot(r, reading->device);
	int64_t ts = reading->meter_ts_ms;
	if (d->newest == RUN_NONE) {
		*d = (struct run_device){reading->device, r->count, RUN_NONE, RUN_NONE, 0, ts};
		r->device_count++;
	} else if (ts <= d->newest_ts_ms || d->ordered_count == RUN_ORDERED_MAX) {
		uint32_t hash = identity_hash(r, reading->device, ts);
		uint64_t *slot = identity_slot(r, hash, reading->device, ts);
		if (*slot != 0 || ordered_find(r, d, ts) != RUN_NONE)
			return;
		*slot = (uint64_t)hash << 32 | (r->count + 1);
		r->identity_count++;
	}
	uint32_t index = r->count++;
	r->row[index] = *reading;
	r->chain[index] = d->chain;
	d->chain = index;
	if ((ts > d->newest_ts_ms || d->newest == index) && d->ordered_count < RUN_ORDERED_MAX) {
		r->ordered[index] = d->ordered;
		d->ordered = index;
		d->ordered_count++;
	}
	if (ts > d->newest_ts_ms) {
		d->newest_ts_ms = ts;
		d->newest = index;
	}
}

bool run_add(struct run *r, const struct stored_reading *reading, uint32_t count)
{
	CHECK_OP(count, <=, RUN_ADD_MAX);
	if (!rows_grow(r) || !identities_grow(r) || !devices_grow(r))
		return false;
	for (uint32_t i = 0; i < count; i++)
		fetch_line(&r->device[device_hash(r, reading[i].device) & r->device_mask]);
	for (uint32_t i = 0; i < count; i++)
		add_one(r, &reading[i]);
	return true;
}

bool run_add_error(struct run *r, uint64_t number, const uint8_t *body, uint32_t bytes)
{
	if (r->error_count == r->error_room) {
		size_t room = r->error_room ? 2 * r->error_room : 256;
		void *grown = realloc(r->error, room * sizeof r->error[0]);
		if (!grown)
			return false;
		r->error = grown;
		r->error_room = room;
	}
	if (r->error_bytes_room - r->error_bytes_used < bytes) {
		size_t room = 2 * r->error_bytes_room + bytes;
		void *grown = realloc(r->error_bytes, room);
		if (!grown)
			return false;
		r->error_bytes = grown;
		r->error_bytes_room = room;
	}
	if (bytes > 0)
		memcpy(r->error_bytes + r->error_bytes_used, body, bytes);
	r->error[r->error_count++] = (struct run_error){number, r->error_bytes_used, bytes};
	r->error_bytes_used += bytes;
	return true;
}

const struct stored_reading *run_find(const struct run *r, uint32_t device, int64_t meter_ts_ms)
{
	const struct run_device *d = device_slot(r, device);
	if (d->newest == RUN_NONE || meter_ts_ms > d->newest_ts_ms)
		return NULL;
	uint32_t i = ordered_find(r, d, meter_ts_ms);
	if (i == RUN_NONE && r->identity_count > 0) {
		uint32_t hash = identity_hash(r, device, meter_ts_ms);
		i = (uint32_t)*identity_slot(r, hash, device, meter_ts_ms) - 1;
	}
	return i == RUN_NONE ? NULL : &r->row[i];
}

const struct run_device *run_device(const struct run *r, uint32_t device)
{
	const struct run_device *d = device_slot(r, device);
	return d->newest == RUN_NONE ? NULL : d;
}

/* --- sorting --- */

/* One pass of a radix sort by RADIX_BITS bits of the device, from `shift`. */
static void radix_pass(const struct run_place *from, struct run_place *to, uint32_t count,
                       uint32_t shift)
{
	uint32_t place[RADIX_SIZE] = {0};
	for (uint32_t i = 0; i < count; i++)
		place[from[i].device >> shift & (RADIX_SIZE - 1)]++;
	for (uint32_t i = 0, sum = 0; i < RADIX_SIZE; i++) {
		uint32_t n = place[i];
		place[i] = sum;
		sum += n;
	}
	for (uint32_t i = 0; i < count; i++)
		to[place[from[i].device >> shift & (RADIX_SIZE - 1)]++] = from[i];
}

/* Bits that are the same in all items need no pass. */
struct run_place *run_by_device(const struct run *r)
{
	size_t bytes = (r->count + 1) * sizeof(struct run_place);
	struct run_place *items = malloc(bytes), *spare = malloc(bytes);
	uint32_t bits = 0;
	if (!items || !spare) {
		free(items);
		free(spare);
		return NULL;
	}
	for (uint32_t i = 0; i < r->count; i++) {
		items[i] = (struct run_place){r->row[i].device, i};
		bits |= r->row[i].device ^ r->row[0].device;
	}
	for (uint32_t shift = 0; shift < 32; shift += RADIX_BITS) {
		if ((bits >> shift & (RADIX_SIZE - 1)) == 0)
			continue;
		radix_pass(items, spare, r->count, shift);
		struct run_place *swap = items;
		items = spare;
		spare = swap;
	}
	free(spare);
	return items;
}
