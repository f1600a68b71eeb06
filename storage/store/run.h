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

struct run_device {
	uint32_t device;
	uint32_t newest; /* row with the newest meter_ts_ms; RUN_NONE: the slot is free */
	uint32_t chain;  /* the row added last; run.chain leads to the others */
	int64_t newest_ts_ms; /* its meter_ts_ms: so that its row need not be touched */
};

struct run_error {
	uint64_t number;
	size_t offset; /* of its body in error_bytes */
	uint32_t bytes;
};

struct run {
	struct hash_key key;
	struct stored_reading *row;
	uint32_t *chain; /* the row of the same device that was added before */
	uint32_t count, room;
	uint64_t *identity; /* hash << 32 | (row + 1); 0: free */
	uint32_t identity_mask;
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

/* Rows in the order (day of meter_ts_ms, device, meter_ts_ms): their numbers, malloc'd.
 * NULL: no memory. */
uint32_t *run_sorted(const struct run *r);

/* The devices' newest rows, in order of the device: row numbers, malloc'd; r->device_count of
 * them. NULL: no memory. */
uint32_t *run_sorted_newest(const struct run *r);

#endif
