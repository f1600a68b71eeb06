/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's insides, shared by store.c (apply, write, flush), query.c and scan.c (reading back)
 * and kv.c (the control plane's data). Private to storage/store.
 *
 * `lock` guards the runs, and what has been applied. `active` takes new readings; the run writer
 * exchanges it for an empty one and writes what is `frozen` then, which nobody changes while it
 * is there, so the writer reads it without the lock. A frozen run leaves memory only after
 * RocksDB has it: whoever looks into active, frozen and RocksDB in this order misses nothing.
 */
#ifndef HEADRACE_STORE_PRIV_H
#define HEADRACE_STORE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/store/db.h"
#include "storage/store/newest.h"
#include "storage/store/page.h"
#include "storage/store/page_cache.h"
#include "storage/store/run.h"
#include "storage/store/store.h"

struct store {
	struct store_config config;
	struct db readings;
	char *readings_dir;
	struct db control;
	struct merge_state merge;
	struct newest newest;
	bool newest_behind; /* the frozen run was refused: what it raised is not written yet */

	/* the run writer's */
	struct page_scratch scratch;
	const struct stored_reading **order, **rest; /* of one page */
	uint32_t order_room;
	uint64_t written_block; /* in RocksDB, durable or not */

	struct page_cache pages; /* of generation runs_written */

	/* Whoever uses `readings` holds it for reading (the run writer needs not); store_reopen for
	 * writing. Taken before the other locks, and again by those who have it. */
	pthread_rwlock_t open;
	pthread_mutex_t marks; /* held while a run is written, and while a mark is taken away */

	pthread_mutex_t lock;
	struct run run[2];
	struct run *active, *frozen; /* frozen: NULL when there is none */
	struct fate_totals totals, frozen_totals;
	uint64_t frozen_block; /* the last one applied to it */
	uint64_t run_started_us; /* when active's oldest block was applied; 0: none */

	_Atomic uint64_t applied_block, durable_block;
	_Atomic uint64_t removed; /* by retention */
	_Atomic uint64_t run_readings, readings_written, runs_written;
};

/* The value of the meta key, taken apart. */
MUST_USE enum result store_meta_parse(const uint8_t *bytes, size_t count, uint64_t *applied,
                                      struct fate_totals *totals, struct error *err);

/* How far the effective time may be from the meter's: replaced timestamps differ by an hour at
 * most with the usual profile; a day and an hour cover every sensible one. */
#define REPLACED_MAX_MS (25 * 3600 * 1000ll)

/* What an opened database says of itself: position, totals, newest days ... */
MUST_USE enum result store_load(struct store *s, struct error *err);

/* The count of what retention took away. */
MUST_USE enum result store_removed_load(struct store *s, struct error *err);

static inline void store_open_unlock(struct store **s)
{
	pthread_rwlock_unlock(&(*s)->open);
}

static inline struct store *store_open_lock(struct store *s)
{
	pthread_rwlock_rdlock(&s->open);
	return s;
}

/* Hold s->open to the end of the function. */
#define STORE_READS(s)                                                                             \
	__attribute__((cleanup(store_open_unlock), unused)) struct store *store_held_ =            \
	    store_open_lock(s)

/* --- shared by the queries (query.c, scan.c) --- */

enum result query_no_memory(struct error *err);

/* Unpack a page's rows, of all devices or of `only`. */
MUST_USE enum result query_page_add(struct rows *rows, const struct page_place *place,
                                    uint32_t only, const char *value, size_t bytes,
                                    struct error *err);

/* The rows of one device (DEVICE_NONE: all) from the page at a key; none if there is no page. */
MUST_USE enum result query_page_get(struct store *s, const uint8_t *key, size_t key_bytes,
                                    uint32_t device, struct rows *rows, struct error *err);

/* Under the lock: copy a device's rows from the runs, the older run's first. */
MUST_USE bool query_runs_device(const struct store *s, uint32_t device, struct rows *rows);

#endif
