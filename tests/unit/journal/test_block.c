/* SPDX-License-Identifier: Apache-2.0 */
/* Block headers and the superblock: round trips, and what is refused. */
#include "tests/unit/journal/test_common.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "storage/journal/block.h"

static struct block_header example(uint32_t record_bytes)
{
	struct block_header h = {
	    .uuid = {{11, 22}},
	    .epoch = 3,
	    .number = 1ull << 40,
	    .segment = 5,
	    .offset = 4096,
	    .durable_before = (1ull << 40) - 2,
	    .written_ms = -1,
	    .record_bytes = record_bytes,
	    .record_count = record_bytes / 50,
	    .block_bytes = block_bytes_for(record_bytes),
	};
	for (uint32_t i = 0; i < MAX_STAGE_WORKERS; i++)
		h.stage_seq[i] = 100 + i;
	for (uint32_t i = 1; i < FATE_COUNT; i++)
		h.totals.count[i] = 1000 + i;
	return h;
}

static uint8_t *sealed(const struct block_header *h)
{
	uint8_t *block = malloc(h->block_bytes);
	memset(block, 0xaa, h->block_bytes);
	block_seal(block, h);
	return block;
}

static void sealed_header_comes_back(void **state)
{
	(void)state;
	for (uint32_t bytes = 0; bytes < 20000; bytes = bytes * 2 + 1) {
		struct block_header h = example(bytes), back;
		uint8_t *block = sealed(&h);
		assert_true(block_header_parse(block, &back));
		assert_memory_equal(&h, &back, sizeof h);
		assert_true(block_crc_good(block, &back));
		for (uint32_t i = BLOCK_HEADER_BYTES + bytes; i < h.block_bytes; i++)
			assert_int_equal(block[i], 0);
		free(block);
	}
}

static void any_flipped_bit_is_found(void **state)
{
	(void)state;
	struct block_header h = example(3000), back;
	uint8_t *block = sealed(&h);
	for (uint32_t i = 0; i < (BLOCK_HEADER_BYTES + 3000) * 8; i += 3) {
		block[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(block_header_parse(block, &back) &&
		             back.block_bytes <= h.block_bytes && block_crc_good(block, &back));
		block[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	free(block);
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	struct block_header h = example(3000), back;
	uint8_t *block = sealed(&h);
	put_le32(block + 84, BLOCK_BYTES_MAX);
	assert_false(block_header_parse(block, &back));
	put_le32(block + 84, 3000);
	put_le32(block + 80, h.block_bytes + BLOCK_ALIGN);
	assert_false(block_header_parse(block, &back));
	put_le32(block + 80, h.block_bytes);
	put_le32(block + 88, 3001);
	assert_false(block_header_parse(block, &back));
	put_le32(block + 88, 60);
	assert_true(block_header_parse(block, &back));
	put_le16(block + 94, FATE_COUNT + 1); /* fates of a later version */
	assert_false(block_header_parse(block, &back));
	free(block);
}

static void superblock_comes_back(void **state)
{
	(void)state;
	uint8_t bytes[SUPER_BYTES];
	struct super back, super = {
	    .format = JOURNAL_FORMAT, .uuid = {{7, 8}}, .epoch = 9, .created_ms = 10};
	super_write(bytes, &super);
	assert_int_equal(super_parse(bytes, sizeof bytes, &back), SUPER_GOOD);
	assert_memory_equal(&super, &back, sizeof super);
}

static void damaged_superblock_is_told_from_another_version(void **state)
{
	(void)state;
	uint8_t bytes[SUPER_BYTES];
	struct super super = {.uuid = {{7, 8}}, .epoch = 9}, back;
	super_write(bytes, &super);
	assert_int_equal(super_parse(bytes, SUPER_BYTES - 1, &back), SUPER_DAMAGED);
	bytes[40] ^= 1;
	assert_int_equal(super_parse(bytes, sizeof bytes, &back), SUPER_DAMAGED);
	bytes[40] ^= 1;
	put_le32(bytes + 8, 99);
	assert_int_equal(super_parse(bytes, sizeof bytes, &back), SUPER_OTHER_VERSION);
	bytes[0] ^= 1;
	assert_int_equal(super_parse(bytes, sizeof bytes, &back), SUPER_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sealed_header_comes_back),
	    cmocka_unit_test(any_flipped_bit_is_found),
	    cmocka_unit_test(impossible_sizes_are_refused),
	    cmocka_unit_test(superblock_comes_back),
	    cmocka_unit_test(damaged_superblock_is_told_from_another_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
