/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups: the whole of a running head-end's storage in a folder, and back.
 *
 *   DIR/store/readings, DIR/store/control    checkpoints of both databases
 *   DIR/journal                              superblock, and the segments from the store's position
 *                                            on, up to what was durable when the backup ended
 *   DIR/config                               copies of the configuration's files
 *                                            (the broker's sessions are not in it)
 *   DIR/MANIFEST                             every file with its checksum; written last
 *
 * The journal may not recycle what is still to be copied (journal_hold), so a backup costs disk
 * space for what comes in meanwhile, never a reading and never an acknowledgement.
 *
 * Restoring to a point: the store's checkpoint is fixed, the journal behind it is cut after the
 * wanted block; headraced replays it at its next start as after any crash.
 *
 * Threads: ordinary ones, one backup at a time. Memory: a copy buffer and the manifest.
 */
#ifndef HEADRACE_BACKUP_BACKUP_H
#define HEADRACE_BACKUP_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/journal/journal.h"
#include "storage/store/store.h"

struct backup_progress {
	const char *phase;
	uint64_t done, total; /* bytes; total 0: not known */
};

/* False: break off. */
typedef bool backup_progress_fn(void *context, const struct backup_progress *progress);

/* A file or folder of the configuration; NULL paths are passed over. */
struct backup_extra {
	const char *path; /* where it is */
	const char *name; /* below DIR/config */
};

struct backup_source {
	struct store *store;
	const char *store_dir;
	struct journal *journal;
	const char *journal_dir;
	const struct backup_extra *extras;
	size_t extra_count;
	int64_t now_ms;
};

struct backup_report {
	uint64_t files, bytes;
	int64_t created_ms;
	uint64_t store_block; /* the store's checkpoint reaches it: no target lies before it */
	int64_t store_ms;
	uint64_t journal_block; /* the newest block of all */
	int64_t journal_ms;
};

/* `dir`: an absolute path, absent or empty. When it fails, what was written is removed. */
typedef enum result backup_make_fn(const struct backup_source *source, const char *dir,
                                   backup_progress_fn *progress, void *context,
                                   struct backup_report *report, struct error *err);
backup_make_fn backup_make;

enum backup_until { UNTIL_END, UNTIL_BLOCK, UNTIL_TIME };

struct backup_target {
	enum backup_until until;
	uint64_t block;
	int64_t time_ms; /* the last block that was written not later */
};

/* Check every checksum, then write `to` (absent or empty). report->journal_block and journal_ms:
 * where it ends. */
MUST_USE enum result backup_restore(const char *dir, const char *to,
                                    const struct backup_target *target,
                                    backup_progress_fn *progress, void *context,
                                    struct backup_report *report, struct error *err);

#endif
