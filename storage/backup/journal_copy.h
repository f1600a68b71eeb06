/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a journal block by block, each to its own place. Private to storage/backup. */
#ifndef HEADRACE_BACKUP_JOURNAL_COPY_H
#define HEADRACE_BACKUP_JOURNAL_COPY_H

#include "storage/backup/files.h"
#include "storage/journal/inspect.h"

struct journal_copy {
	const char *to; /* the folder */
	struct journal_inspect *in;
	int fd; /* of the segment that is being written; -1: none */
	uint64_t segment;
	uint64_t last; /* newest block copied */
	int64_t last_ms;
	uint64_t store_block; /* what the store has already */
	int64_t store_ms; /* when that block, or the first one behind it, was written */
	bool begun;
};

/* From the segment on that a journal needs whose store has block `store_block`. */
MUST_USE enum result journal_copy_begin(struct journal_copy *c, const char *from, const char *to,
                                        uint64_t store_block, struct error *err);
/* Look at the next block. RESULT_ABSENT: there is none. */
MUST_USE enum result journal_copy_next(struct journal_copy *c, struct inspect_found *found,
                                       struct error *err);
/* Write it. */
MUST_USE enum result journal_copy_put(struct journal_copy *c, const struct inspect_found *found,
                                      struct error *err);
/* What was written is durable. */
MUST_USE enum result journal_copy_sync(struct journal_copy *c, struct error *err);
void journal_copy_end(struct journal_copy *c);

#endif
