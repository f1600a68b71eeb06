/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run in memory: two open-addressing tables over one array of readings.
 *
 * Input: readings and error bodies. Output: look-ups, and the rows sorted for packing (radix
 * sort: 13 to 20 ns a reading). Thread: the writer changes it under the store's lock. Memory:
 * malloc, doubled when needed, kept from run to run.
 */
#include "storage/store/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
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
	free(r->identity);
	free(r->device);
	free(r->error);
	free(r->error_bytes);
	*r = (struct run){0};
}

void run_clear(struct run *r)
{
	memset(r->identity, 0, ((size_t)r->identity_mask + 1) * sizeof r->identity[0]);
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
	if (r->count + RUN_ADD_MAX < r->identity_mask / 2)
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
	if (!row || !chain)
		return false;
	r->room = (uint32_t)room;
	return true;
}

static void add_one(struct run *r, uint32_t hash, const struct stored_reading *reading)
{
	uint64_t *slot = identity_slot(r, hash, reading->device, reading->meter_ts_ms);
	if (*slot != 0)
		return;
	uint32_t index = r->count++;
	r->row[index] = *reading;
	*slot = (uint64_t)hash << 32 | (index + 1);

	struct run_device *d = device_slot(r, reading->device);
	if (d->newest == RUN_NONE) {
		*d = (struct run_device){reading->device, index, RUN_NONE, reading->meter_ts_ms};
		r->device_count++;
	}
	r->chain[index] = d->chain;
	d->chain = index;
	if (reading->meter_ts_ms > d->newest_ts_ms) {
		d->newest_ts_ms = reading->meter_ts_ms;
		d->newest = index;
	}
}

bool run_add(struct run *r, const struct stored_reading *reading, uint32_t count)
{
	uint32_t hash[RUN_ADD_MAX];
	CHECK_OP(count, <=, RUN_ADD_MAX);
	if (!rows_grow(r) || !identities_grow(r) || !devices_grow(r))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		hash[i] = identity_hash(r, reading[i].device, reading[i].meter_ts_ms);
		__builtin_prefetch(&r->identity[hash[i] & r->identity_mask], 1);
		__builtin_prefetch(
		    &r->device[device_hash(r, reading[i].device) & r->device_mask], 1);
	}
	for (uint32_t i = 0; i < count; i++)
		add_one(r, hash[i], &reading[i]);
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
	uint32_t hash = identity_hash(r, device, meter_ts_ms);
	uint64_t slot = *identity_slot(r, hash, device, meter_ts_ms);
	return slot == 0 ? NULL : &r->row[(uint32_t)slot - 1];
}

const struct run_device *run_device(const struct run *r, uint32_t device)
{
	const struct run_device *d = device_slot(r, device);
	return d->newest == RUN_NONE ? NULL : d;
}

/* --- sorting --- */

struct sort_item {
	uint64_t key; /* device << 27 | ms of the day: less than 2^59 */
	uint64_t day;
	uint32_t row;
};
_Static_assert(DAY_MS < 1ll << 27, "a day's milliseconds take 27 bits");

/* One pass of a radix sort by RADIX_BITS bits of the day or the key, from `shift`. */
static void radix_pass(const struct sort_item *from, struct sort_item *to, uint32_t count,
                       bool by_day, uint32_t shift)
{
	uint32_t place[RADIX_SIZE] = {0};
	for (uint32_t i = 0; i < count; i++)
		place[(by_day ? from[i].day : from[i].key) >> shift & (RADIX_SIZE - 1)]++;
	for (uint32_t i = 0, sum = 0; i < RADIX_SIZE; i++) {
		uint32_t n = place[i];
		place[i] = sum;
		sum += n;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = by_day ? from[i].day : from[i].key;
		to[place[v >> shift & (RADIX_SIZE - 1)]++] = from[i];
	}
}

/* Bits that are the same in all items need no pass. Returns where the result lies. */
static struct sort_item *radix_sort(struct sort_item *items, struct sort_item *spare,
                                    uint32_t count)
{
	uint64_t key_bits = 0, day_bits = 0;
	for (uint32_t i = 1; i < count; i++) {
		key_bits |= items[i].key ^ items[0].key;
		day_bits |= items[i].day ^ items[0].day;
	}
	for (int by_day = 0; by_day < 2; by_day++) {
		uint64_t bits = by_day ? day_bits : key_bits;
		for (uint32_t shift = 0; shift < 64; shift += RADIX_BITS) {
			if ((bits >> shift & (RADIX_SIZE - 1)) == 0)
				continue;
			radix_pass(items, spare, count, by_day, shift);
			struct sort_item *swap = items;
			items = spare;
			spare = swap;
		}
	}
	return items;
}

static uint32_t *sort_items(struct sort_item *items, uint32_t count)
{
	struct sort_item *spare = malloc((count + 1) * sizeof *spare);
	uint32_t *order = malloc((count + 1) * sizeof *order);
	if (items && spare && order) {
		const struct sort_item *sorted = radix_sort(items, spare, count);
		for (uint32_t i = 0; i < count; i++)
			order[i] = sorted[i].row;
	} else {
		free(order);
		order = NULL;
	}
	free(items);
	free(spare);
	return order;
}

uint32_t *run_sorted(const struct run *r)
{
	struct sort_item *items = malloc((r->count + 1) * sizeof *items);
	for (uint32_t i = 0; items && i < r->count; i++) {
		const struct stored_reading *row = &r->row[i];
		int64_t day = day_of(row->meter_ts_ms);
		uint64_t ms = (uint64_t)row->meter_ts_ms - (uint64_t)day * DAY_MS;
		items[i] = (struct sort_item){(uint64_t)row->device << 27 | ms,
		                              (uint64_t)day ^ 1ull << 63, i};
	}
	return sort_items(items, r->count);
}

uint32_t *run_sorted_newest(const struct run *r)
{
	struct sort_item *items = malloc((r->device_count + 1) * sizeof *items);
	uint32_t n = 0;
	for (size_t i = 0; items && i <= r->device_mask; i++) {
		if (r->device[i].newest != RUN_NONE)
			items[n++] = (struct sort_item){r->device[i].device, 0,
			                                r->device[i].newest};
	}
	return sort_items(items, r->device_count);
}
