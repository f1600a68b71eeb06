/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a backup: what it holds, with checksums, and which part of the journal it
 * reaches. A text file, written last: a folder without it is no backup. Private to storage/backup
 * and its tests.
 */
#ifndef HEADRACE_BACKUP_MANIFEST_H
#define HEADRACE_BACKUP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

#define MANIFEST_NAME       "MANIFEST"
#define MANIFEST_PATH_BYTES 512u
#define MANIFEST_FILES_MAX  1000000u

struct manifest_file {
	uint32_t crc;
	uint64_t bytes;
	char *path; /* relative, '/' between its parts */
};

struct manifest {
	int64_t created_ms;
	uint64_t store_block;   /* what the store in it has */
	int64_t store_ms;       /* when that block was written, or a little later */
	uint64_t journal_block; /* the newest of all */
	int64_t journal_ms;
	struct manifest_file *files;
	size_t count, room;
	uint64_t bytes; /* of all files */
};

/* Copies `path`. */
MUST_USE enum result manifest_add(struct manifest *m, const char *path, uint64_t bytes,
                                  uint32_t crc, struct error *err);

/* The text, malloc'd; its length in *bytes. NULL: no memory. */
char *manifest_text(const struct manifest *m, size_t *bytes);

/* Untrusted bytes. On success *m is freed with manifest_fini. */
MUST_USE enum result manifest_parse(const char *text, size_t bytes, struct manifest *m,
                                    struct error *err);
void manifest_fini(struct manifest *m);

#endif
