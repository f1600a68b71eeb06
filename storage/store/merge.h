/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How RocksDB puts the pieces of a page together. Private to storage/store.
 *
 * Reading puts them side by side and unpacks what it needs. RocksDB's own threads put them side
 * by side too, and pack pieces into one only where it pays: eight of a size make one of the next
 * size, and a closed day's pieces become one. So a reading is packed two or three times in its
 * life, however often compaction moves it.
 */
#ifndef HEADRACE_STORE_MERGE_H
#define HEADRACE_STORE_MERGE_H

#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/store/page.h"

struct merge_state {
	_Atomic int64_t closed_end; /* days before it are closed */
	_Atomic uint64_t packed_readings; /* by the background threads */
};

/* Both refer to `state`, which outlives the database. */
rocksdb_mergeoperator_t *merge_operator_new(struct merge_state *state);
/* Packs closed days' pages that no operand comes to any more. */
rocksdb_compactionfilter_t *merge_filter_new(struct merge_state *state);

/* Around reads on this thread: pieces are not packed then. Returns what it was before. */
bool merge_reading(bool reading);

/* What a merge on this thread works with; kept from one to the next, freed with the thread. */
struct merger {
	struct rows rows;
	struct page_scratch scratch;
};

/* All rows of some pieces in one, packed into m->scratch.head. False: damaged, or no memory. */
MUST_USE bool merge_pack(struct merger *m, const uint8_t *pieces, size_t bytes,
                         uint32_t first_device, size_t *packed_bytes);

#endif
