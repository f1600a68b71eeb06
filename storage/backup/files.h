/* SPDX-License-Identifier: Apache-2.0 */
/* Copying files with their checksum, durably. Private to storage/backup. */
#ifndef HEADRACE_BACKUP_FILES_H
#define HEADRACE_BACKUP_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/backup/backup.h"

#define PATH_MAX_BYTES 4096u

/* Who is told, and how far it is. */
struct meter {
	backup_progress_fn *fn;
	void *context;
	struct backup_progress progress;
};

/* Tell it; RESULT_RESOURCE when it is to be broken off. */
MUST_USE enum result meter_add(struct meter *m, uint64_t bytes, struct error *err);

/* "a/b"; RESULT_INPUT: too long. */
MUST_USE enum result path_join(char out[PATH_MAX_BYTES], const char *a, const char *b,
                               struct error *err);

/* Copy a file (a NULL `to`: only read it), folders of `to` included; synced. */
MUST_USE enum result file_copy(const char *from, const char *to, uint64_t *bytes, uint32_t *crc,
                               struct meter *m, struct error *err);

/* Make a folder and those above it, below `root` (which exists). */
MUST_USE enum result folders_make(const char *root, const char *path, struct error *err);

/* The whole of a small file, malloc'd and terminated. */
MUST_USE enum result file_read(const char *path, uint64_t bytes_max, char **text, size_t *bytes,
                               struct error *err);
/* Write it beside, sync, rename, sync the folder. */
MUST_USE enum result file_write(const char *dir, const char *name, const void *data, size_t bytes,
                                struct error *err);

MUST_USE enum result dir_sync(const char *dir, struct error *err);
/* Sync every folder of a tree. */
MUST_USE enum result tree_sync(const char *dir, struct error *err);

/* Remove a folder with all that is in it; one that is absent is fine. */
MUST_USE enum result tree_remove(const char *dir, struct error *err);

/* A folder to write to: made, or there and empty. */
MUST_USE enum result dir_make_empty(const char *dir, struct error *err);

/* Each plain file below `dir`, its path relative to it. */
typedef enum result file_fn(void *context, const char *path, struct error *err);
MUST_USE enum result tree_walk(const char *dir, file_fn *fn, void *context, struct error *err);

#endif
