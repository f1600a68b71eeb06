/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a journal's files from outside: block by block, with every check that recovery makes
 * and some more, without writing a byte. For `headrace journal`, and for backups.
 *
 * It goes over damage instead of stopping there, and tells it from a torn end: what follows a
 * missing block may prove (by the header's durable_before) that the block was durable once. Then it
 * was acknowledged, and its loss is damage; otherwise it is the end that a power cut leaves.
 *
 * It may run beside the daemon that writes the journal: segments that are recycled meanwhile are
 * passed over (INSPECT_RELEASED), and the end is wherever the daemon had got to.
 *
 * Threads: ordinary ones, one for each look. Memory: two blocks' and a list of the segments.
 */
#ifndef HEADRACE_JOURNAL_INSPECT_H
#define HEADRACE_JOURNAL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/journal/journal.h"

struct journal_inspect;

enum inspect_kind {
	INSPECT_BLOCK,    /* the next good block */
	INSPECT_DAMAGE,   /* blocks missing_first..missing_last were durable and can't be read */
	INSPECT_RELEASED, /* blocks up to missing_last were given back while we looked */
	INSPECT_END,      /* no more blocks; `torn`: the end of one that was being written */
};

struct inspect_found {
	enum inspect_kind kind;
	uint64_t segment, offset; /* where it lies, or should */
	/* INSPECT_BLOCK */
	uint32_t block_bytes;
	uint64_t durable_before;
	struct journal_block block; /* valid until the next call */
	char problem[128]; /* what its records or totals contradict; "": sound */
	/* INSPECT_DAMAGE, INSPECT_RELEASED */
	uint64_t missing_first, missing_last;
	char cause[128];
	/* INSPECT_END */
	bool torn;
	uint32_t beyond; /* whole blocks behind the end: written, never acknowledged */
};

struct inspect_summary {
	uint64_t uuid[2];
	uint64_t epoch;     /* of the newest opening */
	int64_t created_ms;
	uint64_t segments, bytes; /* of all segment files */
	uint64_t done;      /* bytes looked at so far */
};

/* RESULT_ABSENT: there is no journal in `dir`. RESULT_INPUT: one of another format version. */
MUST_USE enum result journal_inspect_open(const char *dir, struct journal_inspect **out,
                                          struct error *err);
void journal_inspect_close(struct journal_inspect *in);

/* Not RESULT_OK: the files can't be read at all. After INSPECT_END: the same again, or what was
 * written meanwhile. */
MUST_USE enum result journal_inspect_next(struct journal_inspect *in, struct inspect_found *found,
                                          struct error *err);

/* Go on with the newest segment that begins with block `number` or an older one; with the oldest
 * when none does. Its first block may have any number. */
void journal_inspect_seek(struct journal_inspect *in, uint64_t number);

void journal_inspect_summary(const struct journal_inspect *in, struct inspect_summary *summary);

/* The block's bytes as they lie on disk, found->block_bytes of them; after INSPECT_BLOCK. */
const uint8_t *journal_inspect_bytes(const struct journal_inspect *in);

#endif
