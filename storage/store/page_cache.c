/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of unpacked pages: direct-mapped by day and page. Input: rows that a look-up unpacked
 * anyway. Threads: any. Memory: the rows, taken over from the caller. Never reads RocksDB.
 */
#include "storage/store/page_cache.h"

#include <string.h>

void page_cache_init(struct page_cache *c)
{
	memset(c, 0, sizeof *c);
	pthread_mutex_init(&c->lock, NULL);
}

void page_cache_fini(struct page_cache *c)
{
	for (uint32_t i = 0; i < PAGE_CACHE_ENTRIES; i++)
		rows_fini(&c->entry[i].rows);
	pthread_mutex_destroy(&c->lock);
}

static struct page_cache_entry *entry_for(struct page_cache *c, struct page_place place)
{
	uint64_t h = ((uint64_t)place.day << 32 ^ place.page) * 0x9e3779b97f4a7c15u;
	return &c->entry[(h >> 32) % PAGE_CACHE_ENTRIES];
}

static bool goes_before(const struct stored_reading *r, uint32_t device, int64_t meter_ts_ms)
{
	return r->device != device ? r->device < device : r->meter_ts_ms < meter_ts_ms;
}

const struct stored_reading *page_rows_find(const struct rows *rows, uint32_t device,
                                            int64_t meter_ts_ms)
{
	uint32_t low = 0, high = rows->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (goes_before(&rows->row[middle], device, meter_ts_ms))
			low = middle + 1;
		else
			high = middle;
	}
	const struct stored_reading *r = low < rows->count ? &rows->row[low] : NULL;
	return r && r->device == device && r->meter_ts_ms == meter_ts_ms ? r : NULL;
}

enum page_cache_answer page_cache_find(struct page_cache *c, struct page_place place,
                                       uint64_t generation, uint32_t device, int64_t meter_ts_ms,
                                       struct stored_reading *out)
{
	enum page_cache_answer answer = PAGE_CACHE_UNKNOWN;
	pthread_mutex_lock(&c->lock);
	const struct page_cache_entry *e = entry_for(c, place);
	if (e->used && e->generation == generation && e->place.day == place.day &&
	    e->place.page == place.page) {
		const struct stored_reading *r = page_rows_find(&e->rows, device, meter_ts_ms);
		answer = r ? PAGE_CACHE_FOUND : PAGE_CACHE_ABSENT;
		if (r)
			*out = *r;
	}
	pthread_mutex_unlock(&c->lock);
	return answer;
}

void page_cache_put(struct page_cache *c, struct page_place place, uint64_t generation,
                    struct rows *rows)
{
	struct rows old = *rows;
	if (rows->count <= PAGE_CACHE_ROWS_MAX) {
		pthread_mutex_lock(&c->lock);
		struct page_cache_entry *e = entry_for(c, place);
		old = e->rows;
		*e = (struct page_cache_entry){place, generation, true, *rows};
		pthread_mutex_unlock(&c->lock);
	}
	rows_fini(&old);
	*rows = (struct rows){0};
}
