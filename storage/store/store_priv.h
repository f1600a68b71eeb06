/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's insides, shared by store.c (apply, write, flush), query.c (reading back) and kv.c
 * (the control plane's data). Private to storage/store.
 *
 * `lock` guards the run and what has been applied. The writer thread alone changes the run, so it
 * may read it without the lock, and sorts and packs it while others read.
 */
#ifndef HEADRACE_STORE_PRIV_H
#define HEADRACE_STORE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/store/db.h"
#include "storage/store/page.h"
#include "storage/store/page_cache.h"
#include "storage/store/run.h"
#include "storage/store/store.h"

struct store {
	struct store_config config;
	struct db readings;
	struct db control;
	struct page_scratch scratch; /* the writer's */
	const struct stored_reading **order;
	uint32_t order_room;
	uint64_t run_started_us; /* when the oldest unwritten block was applied; 0: none */
	uint64_t written_block;  /* in RocksDB, durable or not */

	struct page_cache pages; /* of generation runs_written */

	pthread_mutex_t lock;
	struct run run;
	struct fate_totals totals;

	_Atomic uint64_t applied_block, durable_block;
	_Atomic uint64_t run_readings, readings_written, runs_written;
};

/* The value of the meta key, taken apart. */
MUST_USE enum result store_meta_parse(const uint8_t *bytes, size_t count, uint64_t *applied,
                                      struct fate_totals *totals, struct error *err);

#endif
