/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run: what was applied and is not in RocksDB yet. Private to storage/store.
 *
 * Readings by identity and by device, error entries by number. One thread changes it, under the
 * store's lock; others read it under the lock.
 */
#ifndef HEADRACE_STORE_RUN_H
#define HEADRACE_STORE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/result.h"
#include "contract/stored.h"

#define RUN_NONE UINT32_MAX

/*
 * Most rows come in the order of their time: they are found along a chain that leads from the
 * newest to older ones. The others (late, or beyond RUN_ORDERED_MAX) are in a table.
 */
struct run_device {
	uint32_t device;
	uint32_t newest;  /* row with the newest meter_ts_ms; RUN_NONE: the slot is free */
	uint32_t chain;   /* the row added last; run.chain leads to the others */
	uint32_t ordered; /* the last row in order; run.ordered leads to the others */
	uint32_t ordered_count;
	int64_t newest_ts_ms; /* its meter_ts_ms: so that its row need not be touched */
};

#define RUN_ORDERED_MAX 256u /* a search along the chain stays short */

struct run_error {
	uint64_t number;
	size_t offset; /* of its body in error_bytes */
	uint32_t bytes;
};

struct run {
	struct hash_key key;
	struct stored_reading *row;
	uint32_t *chain;   /* the row of the same device that was added before */
	uint32_t *ordered; /* of a row in order the one in order before it */
	uint32_t count, room;
	uint64_t *identity; /* of rows not in order: hash << 32 | (row + 1); 0: free */
	uint32_t identity_mask, identity_count;
	struct run_device *device;
	uint32_t device_mask, device_count;
	struct run_error *error;
	size_t error_count, error_room;
	uint8_t *error_bytes;
	size_t error_bytes_used, error_bytes_room;
};

MUST_USE bool run_init(struct run *r);
void run_fini(struct run *r);
/* Empty it; memory is kept. */
void run_clear(struct run *r);

#define RUN_ADD_MAX 32u /* readings added at once: their table slots are fetched together */

/* False: no memory; nothing was added. A reading whose identity is there already is left out. */
MUST_USE bool run_add(struct run *r, const struct stored_reading *reading, uint32_t count);
MUST_USE bool run_add_error(struct run *r, uint64_t number, const uint8_t *body, uint32_t bytes);

/* NULL: not here. */
const struct stored_reading *run_find(const struct run *r, uint32_t device, int64_t meter_ts_ms);
const struct run_device *run_device(const struct run *r, uint32_t device);

struct run_place {
	uint32_t device, row;
};

/* Where the rows are: by device, those of a device as they were added; malloc'd. NULL: no
 * memory. */
struct run_place *run_by_device(const struct run *r);

#endif
