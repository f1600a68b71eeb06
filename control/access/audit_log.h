/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: who asked for which change, when, from where, and what came of it. Nothing changes
 * an entry; the newest ones are kept, as many as configured: the oldest goes, in the same write,
 * when a new one comes. Kept in the store (STORE_CONTROL), durable when a call
 * returns, as two records of JSON:
 *
 *   audit-log/<number: 20 digits>/0   before the change: at_ms, who, role, from, method, target
 *   audit-log/<number: 20 digits>/1   after it: done_ms, status, object
 *
 * An entry without the second one was under way when the daemon ended (or is now).
 *
 * Threads: any ordinary ones. Memory: one entry at a time.
 */
#ifndef HEADRACE_ACCESS_AUDIT_LOG_H
#define HEADRACE_ACCESS_AUDIT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/store/store.h"

struct audit_entry {
	uint64_t number; /* from 1, without gaps but for those that could not be written */
	int64_t at_ms, done_ms;
	const char *who, *role, *from, *method;
	const char *target; /* path and query as they came, cut after 512 bytes */
	unsigned status;    /* HTTP; 0: not known */
	const char *object; /* "": not told */
};

struct audit_log;

/* Keeps the newest `most` entries; 0: all. What is older goes at once. */
MUST_USE enum result audit_log_open(struct store *store, uint64_t most, struct audit_log **out,
                                    struct error *err);
void audit_log_close(struct audit_log *log); /* NULL is fine */

/* Sets *number. What can't be written must not be done. */
MUST_USE enum result audit_log_begin(struct audit_log *log, const struct audit_entry *entry,
                                     uint64_t *number, struct error *err);
MUST_USE enum result audit_log_end(struct audit_log *log, uint64_t number, int64_t done_ms,
                                   unsigned status, const char *object, struct error *err);

/* The oldest and the newest entry's number (newest < oldest: there is none), and how many went
 * since the start. */
struct audit_log_extent {
	uint64_t oldest, newest, removed;
};
struct audit_log_extent audit_log_extent_get(struct audit_log *log);

/* false: enough */
typedef bool audit_log_fn(void *context, const struct audit_entry *entry);
/* Entries from a number on, oldest first. */
MUST_USE enum result audit_log_scan(struct audit_log *log, uint64_t from, audit_log_fn *fn,
                                    void *context, struct error *err);

#endif
