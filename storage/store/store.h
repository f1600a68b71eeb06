/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: what is durable in the journal, arranged for reading, in RocksDB (without a log of
 * its own: the journal is the log).
 *
 * store_apply takes journal blocks in order into a run in memory; a run that is full or old
 * enough is sorted, packed in columns and written as one batch together with the journal block
 * number it reaches. store_flush makes that durable, after which the journal may be cut.
 * Every read sees everything applied, whether it is still in the run or in RocksDB.
 *
 * Threads: ordinary ones only; all functions may be called concurrently, but store_apply from one
 * thread at a time, and store_write_run, store_flush and store_merge from one, which may be
 * another: applying goes on while a run is written. They lock and allocate.
 */
#ifndef HEADRACE_STORE_STORE_H
#define HEADRACE_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/fate.h"
#include "contract/stored.h"
#include "storage/aggregate/aggregate.h"
#include "storage/journal/journal.h"

struct store;

/* Does a reading have a register, by its profile? */
typedef bool store_register_fn(void *context, const struct stored_reading *reading);

/* Somebody who sees everything that is applied, in the thread that applies it and under the store's
 * lock: it must not call back. What a crash has applied again is shown again. */
struct store_watch {
	void (*reading)(void *context, const struct stored_reading *reading); /* NULL: nobody */
	void (*error)(void *context, const struct stored_error *error);
	/* before what was shown goes to RocksDB, and so may leave the journal; may wait */
	void (*writing)(void *context);
	void *context;
};

struct store_config {
	const char *dir;           /* made if absent, with mode 0700 */
	uint32_t run_readings_max; /* a run is written at this size ... */
	uint32_t run_age_ms;       /* ... or this age */
	uint64_t cache_bytes;
	uint32_t background_threads;
	store_register_fn *has_register; /* NULL: none has */
	void *register_context;
	const struct aggregate_rules *aggregates; /* outlives the store; NULL: none are kept */
	struct store_watch watch;
};

/* A store of another format version is refused with a clear message. */
MUST_USE enum result store_open(const struct store_config *config, struct store **out,
                                struct error *err);
void store_close(struct store *s);

/* Last journal block that RocksDB has durably; replay starts behind it. */
uint64_t store_durable_block(const struct store *s);
/* Last journal block applied (visible to reads). */
uint64_t store_applied_block(const struct store *s);

/* Apply the next block. A block that was applied before is ignored (replay is idempotent). */
MUST_USE enum result store_apply(struct store *s, const struct journal_block *block,
                                 struct error *err);

/* So much is applied and not written that more should wait. */
bool store_is_full(struct store *s);

/* Write the run if it is due (or `force`). After a failure the next call tries again. */
MUST_USE enum result store_write_run(struct store *s, bool force, struct error *err);

/* Write the run and make everything applied durable in RocksDB; raises store_durable_block. */
MUST_USE enum result store_flush(struct store *s, struct error *err);

/* Pack the pages of the days first_day <= day < end_day (UTC days since 1970), whose readings
 * have come but for late ones; what comes late is packed with them. */
MUST_USE enum result store_merge(struct store *s, int64_t first_day, int64_t end_day,
                                 struct error *err);

/* Compute the aggregates of the oldest change that has not been, of UTC days before `end_day`, for
 * 64 devices. RESULT_ABSENT: all are done. From one thread at a time. */
MUST_USE enum result store_rollup(struct store *s, int64_t end_day, struct error *err);

/* --- after a failure of the disk; from the thread that writes runs, nothing being applied --- */

/* RESULT_OK: the store's disk takes writes. */
MUST_USE enum result store_probe(struct store *s, struct error *err);

/* store_apply the journal's blocks after < number <= through, store_write_run now and then. */
typedef enum result store_replay_fn(void *context, uint64_t after, uint64_t through,
                                    struct error *err);
/* It failed: false, to give up. */
typedef bool store_again_fn(void *context, enum result r, const struct error *err);

/* Open RocksDB anew and have the journal replayed behind what it has durably; whoever reads waits.
 * Again until it succeeds or `again` gives up: then the store can only be closed. */
MUST_USE enum result store_reopen(struct store *s, store_replay_fn *replay,
                                  store_again_fn *again, void *context, struct error *err);

/* --- retention; all from one thread at a time --- */

/* Drop all readings of the oldest UTC day, if that is before `end_day`. RESULT_ABSENT: it is not,
 * or its aggregates are still to be computed. */
MUST_USE enum result store_drop_readings(struct store *s, int64_t end_day, struct error *err);
/* Drop the aggregates of groups before end_group: local days of hours, months (year * 12 + 0..11)
 * of days. RESULT_ABSENT: there are none. */
MUST_USE enum result store_drop_aggregates(struct store *s, enum aggregate_level level,
                                           int32_t end_group, struct error *err);

/* The oldest there is: UTC day of readings (INT64_MAX: none), group of aggregates (INT32_MAX). */
int64_t store_first_day(struct store *s);
int32_t store_first_aggregate(struct store *s, enum aggregate_level level);
/* Stored readings that retention has taken away since the store was made. */
uint64_t store_removed(const struct store *s);

/* --- reading back --- */

/* The reading with exactly this identity. RESULT_ABSENT: none. */
MUST_USE enum result store_find(struct store *s, uint32_t device, int64_t meter_ts_ms,
                                struct stored_reading *out, struct error *err);

/* The reading with the newest meter_ts_ms of a device. */
MUST_USE enum result store_last(struct store *s, uint32_t device, struct stored_reading *out,
                                struct error *err);

/* False ends the scan. */
typedef bool store_reading_fn(void *context, const struct stored_reading *reading);
typedef bool store_error_fn(void *context, const struct stored_error *error);
typedef bool store_kv_fn(void *context, const void *key, size_t key_bytes, const void *value,
                         size_t value_bytes);

/* A device's readings with from <= effective time < to, by effective time. */
MUST_USE enum result store_scan_device(struct store *s, uint32_t device, int64_t from_ms,
                                       int64_t to_ms, store_reading_fn *fn, void *context,
                                       struct error *err);

/* The same of 64 neighbouring devices, the first of which is a multiple of 64, in one go: by UTC
 * day of meter_ts_ms, then device, then meter_ts_ms. */
#define STORE_GROUP_DEVICES 64u
MUST_USE enum result store_scan_group(struct store *s, uint32_t first_device, int64_t from_ms,
                                      int64_t to_ms, store_reading_fn *fn, void *context,
                                      struct error *err);

/* The newest reading of every device and, when that has no register, the newest that has one
 * (else NULL): for warming up at start. In no particular order. */
typedef bool store_last_fn(void *context, const struct stored_reading *newest,
                           const struct stored_reading *with_register);
MUST_USE enum result store_scan_last(struct store *s, store_last_fn *fn, void *context,
                                     struct error *err);

/* Every reading of a UTC day (of meter_ts_ms), by device and meter_ts_ms. */
MUST_USE enum result store_scan_day(struct store *s, int64_t day, store_reading_fn *fn,
                                    void *context, struct error *err);

/* Every reading, by day and device: for the audit. */
MUST_USE enum result store_scan_all(struct store *s, store_reading_fn *fn, void *context,
                                    struct error *err);

/* Error entries with number >= from, oldest first. */
MUST_USE enum result store_scan_errors(struct store *s, uint64_t from, store_error_fn *fn,
                                       void *context, struct error *err);

/* A device's hours, days or months that have a reading and lie, as far as that, within
 * from <= time < to; they are as of everything applied. Days before 1970 have none. */
typedef bool store_aggregate_fn(void *context, const struct aggregate *aggregate);
MUST_USE enum result store_aggregates(struct store *s, uint32_t device,
                                      enum aggregate_level level, int64_t from_ms, int64_t to_ms,
                                      store_aggregate_fn *fn, void *context, struct error *err);

/* Totals by fate as of store_applied_block. */
void store_totals(struct store *s, struct fate_totals *totals);

struct store_status {
	uint64_t applied_block, durable_block;
	uint64_t run_readings;    /* not yet in RocksDB */
	uint64_t disk_bytes;      /* live table files */
	uint64_t readings_written; /* since start */
	uint64_t runs_written;
};
void store_status_get(struct store *s, struct store_status *status);

/* --- checkpoints: for backups, while everything goes on --- */

/* The readings as they are in RocksDB now, in `dir` (which must not exist, on the store's own file
 * system: table files are linked, not copied). *position: the journal block that it reaches, not
 * below what store_durable_block was before. Any ordinary thread. */
MUST_USE enum result store_checkpoint_readings(struct store *s, const char *dir,
                                               uint64_t *position, struct error *err);
/* The control plane's data, likewise. */
MUST_USE enum result store_checkpoint_control(struct store *s, const char *dir,
                                              struct error *err);

/* --- the control plane's own data: small, durable when the call returns --- */

enum store_space { STORE_REGISTRY, STORE_CONTROL, STORE_SPACE_COUNT };

struct store_kv {
	const void *key;
	size_t key_bytes;
	const void *value; /* NULL: delete */
	size_t value_bytes;
};
/* All of them or none. */
MUST_USE enum result store_kv_write(struct store *s, enum store_space space,
                                    const struct store_kv *items, size_t count, struct error *err);
/* Entries whose key starts with the prefix, in key order; store_kv_scan_after: those behind the
 * key `after` (which has the prefix). */
MUST_USE enum result store_kv_scan_after(struct store *s, enum store_space space,
					 const void *prefix, size_t prefix_bytes, const void *after,
					 size_t after_bytes, store_kv_fn *fn, void *context,
					 struct error *err);
MUST_USE enum result store_kv_scan(struct store *s, enum store_space space, const void *prefix,
                                   size_t prefix_bytes, store_kv_fn *fn, void *context,
                                   struct error *err);

#endif
