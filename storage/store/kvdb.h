/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small database of keys and values in a folder of its own: changes are collected and written
 * together, with or without waiting for the disk; all of it is read back at start.
 *
 * A crash loses at most the commits since the last one that was synced, never a part of one, and
 * never one before one that survived. Thread: one at a time.
 */
#ifndef HEADRACE_STORE_KVDB_H
#define HEADRACE_STORE_KVDB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"

struct kvdb;

/* The folder is made if absent; its parents are not. */
MUST_USE enum result kvdb_open(const char *dir, struct kvdb **out, struct error *err);
/* What was collected but not committed is dropped. NULL is fine. */
void kvdb_close(struct kvdb *k);

void kvdb_put(struct kvdb *k, const void *key, size_t key_bytes, const void *value,
              size_t value_bytes);
void kvdb_delete(struct kvdb *k, const void *key, size_t key_bytes);

/* Write what was collected, all of it or nothing. `sync`: it is on disk on return. When it fails,
 * the collected changes stay: call it again. */
MUST_USE enum result kvdb_commit(struct kvdb *k, bool sync, struct error *err);

/* Anything but RESULT_OK ends the scan and is returned. */
typedef enum result kvdb_fn(void *context, const void *key, size_t key_bytes, const void *value,
                            size_t value_bytes, struct error *err);
/* Everything, in key order. */
MUST_USE enum result kvdb_scan(struct kvdb *k, kvdb_fn *fn, void *context, struct error *err);

#endif
