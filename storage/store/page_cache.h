/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few unpacked day pages for look-ups by identity: the readings of one gateway's message lie
 * in the same pages, and unpacking one costs a hundred times a search in it.
 *
 * An entry is good for one generation: as long as no run has been written since it was made.
 * Any thread; a lock of its own, held for a search only.
 */
#ifndef HEADRACE_STORE_PAGE_CACHE_H
#define HEADRACE_STORE_PAGE_CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/store/keys.h"
#include "storage/store/page.h"

#define PAGE_CACHE_ENTRIES  64u
#define PAGE_CACHE_ROWS_MAX 8192u /* larger pages are not kept: 64 * 8,192 rows are 59 MB */

struct page_cache {
	pthread_mutex_t lock;
	struct page_cache_entry {
		struct page_place place;
		uint64_t generation;
		bool used;
		struct rows rows; /* in order of device and meter_ts */
	} entry[PAGE_CACHE_ENTRIES];
};

enum page_cache_answer { PAGE_CACHE_UNKNOWN, PAGE_CACHE_ABSENT, PAGE_CACHE_FOUND };

void page_cache_init(struct page_cache *c);
void page_cache_fini(struct page_cache *c);

/* PAGE_CACHE_UNKNOWN: the page is not here, or of another generation. */
enum page_cache_answer page_cache_find(struct page_cache *c, struct page_place place,
                                       uint64_t generation, uint32_t device, int64_t meter_ts_ms,
                                       struct stored_reading *out);

/* Keep a whole page's rows (empty: there is no such page); takes them over. */
void page_cache_put(struct page_cache *c, struct page_place place, uint64_t generation,
                    struct rows *rows);

/* The row of that identity among rows in order; NULL: none. */
const struct stored_reading *page_rows_find(const struct rows *rows, uint32_t device,
                                            int64_t meter_ts_ms);

#endif
