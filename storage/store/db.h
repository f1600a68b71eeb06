/* SPDX-License-Identifier: Apache-2.0 */
/* RocksDB as the store needs it: opening, options, errors. Private to storage/store. */
#ifndef HEADRACE_STORE_DB_H
#define HEADRACE_STORE_DB_H

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/store/merge.h"

struct db {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *write;
	rocksdb_readoptions_t *read;
	rocksdb_flushoptions_t *flush;
	rocksdb_compactionfilter_t *filter;
};

/* The readings: no log of its own, pages are merged. `merge` outlives the database. */
MUST_USE enum result db_open_readings(struct db *d, const char *dir, uint64_t cache_bytes,
                                      uint32_t threads, struct merge_state *merge,
                                      struct error *err);
/* The control plane's: every write is in a synced log. */
MUST_USE enum result db_open_control(struct db *d, const char *dir, struct error *err);
void db_close(struct db *d);

/* Make everything written durable. */
MUST_USE enum result db_flush(struct db *d, struct error *err);

/* Turn RocksDB's message (freed here) into ours. */
MUST_USE enum result db_failed(const char *what, char *message, struct error *err);

#endif
