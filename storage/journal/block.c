/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block headers and the superblock: structs in, bytes out, and back.
 *
 * A block, at a multiple of 4,096 bytes in its segment; integers are little-endian:
 *     0         8        12    16     32      40       48        56       64
 *   +---------+--------+-----+------+-------+--------+---------+--------+
 *   |HRBLOCK\n| format | crc | uuid | epoch | number | segment | offset |
 *   +---------+--------+-----+------+-------+--------+---------+--------+
 *    64            72             80           84            88           92       94
 *   +-------------+--------------+------------+-------------+------------+--------+-------+
 *   | durable_    | written_ms   | block_     | record_     | record_    | stages | fates |
 *   | before      |              | bytes      | bytes       | count      |        |       |
 *   +-------------+--------------+------------+-------------+------------+--------+-------+
 *    96                           224                                  1024
 *   +----------------------------+------------------------------------+---------+--------+
 *   | stage_seq, 16 of 8 bytes   | totals, 8 bytes a fate; then zeros | records | zeros  |
 *   +----------------------------+------------------------------------+---------+--------+
 * The CRC-32C covers the header (with its own field zero) and the records.
 *
 * The superblock, a file of its own, replaced by rename at each opening:
 *     0         8        12    16     32      40           48      64
 *   +---------+--------+-----+------+-------+------------+-------+
 *   |HRSUPER\n| format | crc | uuid | epoch | created_ms | zeros |
 *   +---------+--------+-----+------+-------+------------+-------+
 */
#include "storage/journal/block.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"

#define CRC_AT        12
#define STAGE_SEQ_AT  96
#define TOTALS_AT     224
#define FATES_MAX     ((BLOCK_HEADER_BYTES - TOTALS_AT) / 8)

_Static_assert(STAGE_SEQ_AT + MAX_STAGE_WORKERS * 8 == TOTALS_AT, "fields follow each other");
_Static_assert(FATE_COUNT <= FATES_MAX, "the totals fit the header");

static const uint8_t block_magic[8] = "HRBLOCK\n";
static const uint8_t super_magic[8] = "HRSUPER\n";

static uint32_t crc_without_field(const uint8_t *bytes, uint32_t count)
{
	static const uint8_t zero[4];
	uint32_t crc = crc32c(0, bytes, CRC_AT);
	crc = crc32c(crc, zero, sizeof zero);
	return crc32c(crc, bytes + CRC_AT + 4, count - CRC_AT - 4);
}

void block_seal(uint8_t *block, const struct block_header *h)
{
	CHECK_OP(h->block_bytes, ==, block_bytes_for(h->record_bytes));
	uint32_t used = BLOCK_HEADER_BYTES + h->record_bytes;
	memset(block, 0, BLOCK_HEADER_BYTES);
	memset(block + used, 0, h->block_bytes - used);

	memcpy(block, block_magic, sizeof block_magic);
	put_le32(block + 8, JOURNAL_FORMAT);
	put_le64(block + 16, h->uuid.half[0]);
	put_le64(block + 24, h->uuid.half[1]);
	put_le64(block + 32, h->epoch);
	put_le64(block + 40, h->number);
	put_le64(block + 48, h->segment);
	put_le64(block + 56, h->offset);
	put_le64(block + 64, h->durable_before);
	put_le64(block + 72, (uint64_t)h->written_ms);
	put_le32(block + 80, h->block_bytes);
	put_le32(block + 84, h->record_bytes);
	put_le32(block + 88, h->record_count);
	put_le16(block + 92, MAX_STAGE_WORKERS);
	put_le16(block + 94, FATE_COUNT);
	for (uint32_t i = 0; i < MAX_STAGE_WORKERS; i++)
		put_le64(block + STAGE_SEQ_AT + 8 * i, h->stage_seq[i]);
	for (uint32_t i = 0; i < FATE_COUNT; i++)
		put_le64(block + TOTALS_AT + 8 * i, h->totals.count[i]);
	put_le32(block + CRC_AT, crc_without_field(block, used));
}

static bool sizes_possible(const struct block_header *h)
{
	return h->record_bytes <= BLOCK_BYTES_MAX - BLOCK_HEADER_BYTES &&
	       h->block_bytes == block_bytes_for(h->record_bytes) &&
	       h->block_bytes <= BLOCK_BYTES_MAX && h->record_count <= h->record_bytes;
}

bool block_header_parse(const uint8_t *block, struct block_header *h)
{
	if (memcmp(block, block_magic, sizeof block_magic) != 0 ||
	    get_le32(block + 8) != JOURNAL_FORMAT)
		return false;
	uint32_t fates = get_le16(block + 94);
	if (get_le16(block + 92) != MAX_STAGE_WORKERS || fates > FATE_COUNT)
		return false;
	*h = (struct block_header){
	    .uuid = {{get_le64(block + 16), get_le64(block + 24)}},
	    .epoch = get_le64(block + 32),
	    .number = get_le64(block + 40),
	    .segment = get_le64(block + 48),
	    .offset = get_le64(block + 56),
	    .durable_before = get_le64(block + 64),
	    .written_ms = (int64_t)get_le64(block + 72),
	    .block_bytes = get_le32(block + 80),
	    .record_bytes = get_le32(block + 84),
	    .record_count = get_le32(block + 88),
	};
	for (uint32_t i = 0; i < MAX_STAGE_WORKERS; i++)
		h->stage_seq[i] = get_le64(block + STAGE_SEQ_AT + 8 * i);
	for (uint32_t i = 0; i < fates; i++)
		h->totals.count[i] = get_le64(block + TOTALS_AT + 8 * i);
	return sizes_possible(h);
}

bool block_crc_good(const uint8_t *block, const struct block_header *h)
{
	return get_le32(block + CRC_AT) ==
	       crc_without_field(block, BLOCK_HEADER_BYTES + h->record_bytes);
}

void super_write(uint8_t bytes[SUPER_BYTES], const struct super *super)
{
	memset(bytes, 0, SUPER_BYTES);
	memcpy(bytes, super_magic, sizeof super_magic);
	put_le32(bytes + 8, JOURNAL_FORMAT);
	put_le64(bytes + 16, super->uuid.half[0]);
	put_le64(bytes + 24, super->uuid.half[1]);
	put_le64(bytes + 32, super->epoch);
	put_le64(bytes + 40, (uint64_t)super->created_ms);
	put_le32(bytes + CRC_AT, crc_without_field(bytes, SUPER_BYTES));
}

enum super_state super_parse(const uint8_t *bytes, uint32_t count, struct super *super)
{
	if (count < SUPER_BYTES || memcmp(bytes, super_magic, sizeof super_magic) != 0)
		return SUPER_DAMAGED;
	super->format = get_le32(bytes + 8);
	if (super->format != JOURNAL_FORMAT)
		return SUPER_OTHER_VERSION;
	if (get_le32(bytes + CRC_AT) != crc_without_field(bytes, SUPER_BYTES))
		return SUPER_DAMAGED;
	*super = (struct super){
	    .format = JOURNAL_FORMAT,
	    .uuid = {{get_le64(bytes + 16), get_le64(bytes + 24)}},
	    .epoch = get_le64(bytes + 32),
	    .created_ms = (int64_t)get_le64(bytes + 40),
	};
	return SUPER_GOOD;
}
