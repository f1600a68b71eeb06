/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a journal block and the journal's superblock, as they lie on disk. Private to
 * storage/journal. Pure functions; what comes from disk is never trusted.
 */
#ifndef HEADRACE_JOURNAL_BLOCK_H
#define HEADRACE_JOURNAL_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/fate.h"
#include "contract/limits.h"

#define JOURNAL_FORMAT      1u /* of blocks and superblock */
#define BLOCK_ALIGN         4096u /* blocks begin and end at multiples of it */
#define BLOCK_HEADER_BYTES  1024u
#define BLOCK_BYTES_MAX     (1024u * 1024u)
#define BLOCK_BYTES_MIN_MAX (128u * 1024u) /* least block_bytes_max: RECORD_BATCH_BYTES_MAX fits */

struct journal_uuid {
	uint64_t half[2];
};

struct block_header {
	struct journal_uuid uuid;
	uint64_t epoch;
	uint64_t number;
	uint64_t segment;
	uint64_t offset;         /* in the segment */
	uint64_t durable_before; /* blocks up to it were durable when this one was closed */
	int64_t written_ms;
	uint32_t block_bytes;    /* header, records and padding */
	uint32_t record_bytes;
	uint32_t record_count;
	uint64_t stage_seq[MAX_STAGE_WORKERS];
	struct fate_totals totals;
};

/* Bytes on disk of a block with that many bytes of records. */
static inline uint32_t block_bytes_for(uint32_t record_bytes)
{
	return (BLOCK_HEADER_BYTES + record_bytes + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
}

/* Write header and padding around the records that lie at `block` + BLOCK_HEADER_BYTES.
 * h->block_bytes is block_bytes_for(h->record_bytes). */
void block_seal(uint8_t *block, const struct block_header *h);

/* Take a header apart, all but its CRC: `bytes` (>= BLOCK_HEADER_BYTES) are at hand.
 * False: not a header, or its sizes can't be. */
bool block_header_parse(const uint8_t *block, struct block_header *h);

/* Is the CRC over header and records right? All of h->block_bytes are at hand. */
bool block_crc_good(const uint8_t *block, const struct block_header *h);

#define SUPER_BYTES 64u

struct super {
	uint32_t format;
	struct journal_uuid uuid;
	uint64_t epoch;      /* of the newest opening */
	int64_t created_ms;
};

void super_write(uint8_t bytes[SUPER_BYTES], const struct super *super);

enum super_state { SUPER_GOOD, SUPER_DAMAGED, SUPER_OTHER_VERSION };
/* SUPER_OTHER_VERSION: super->format says which. */
enum super_state super_parse(const uint8_t *bytes, uint32_t count, struct super *super);

#endif
