/* SPDX-License-Identifier: Apache-2.0 */
/* The look from outside: every block is shown, damage is told from a torn end and gone over. */
#include "tests/unit/journal/sim_journal.h"

#include "base/bytes.h"
#include "storage/journal/inspect.h"

#define BLOCKS_SEEN_MAX 64u

struct seen {
	uint32_t blocks, damages, problems;
	uint64_t first, last;
	uint64_t missing_first, missing_last; /* of the newest damage */
	struct inspect_found end;
};

static void write_blocks(struct bench *t, uint32_t count)
{
	bench_open(t, 0);
	for (uint32_t i = 0; i < count; i++)
		write_block(t, 100);
	bench_close(t);
}

static uint8_t *block_at(struct bench *t, uint64_t segment, uint64_t number)
{
	return sim_disk_segment(&t->disk, segment)->data + (number - 1) * BLOCK_ALIGN;
}

static void look(struct bench *t, struct seen *seen)
{
	struct journal_inspect *in;
	struct error err;
	*seen = (struct seen){0};
	assert_ok(journal_inspect_open_io("here", &t->disk.io, &in, &err), err);
	for (uint32_t i = 0; i < BLOCKS_SEEN_MAX; i++) {
		assert_ok(journal_inspect_next(in, &seen->end, &err), err);
		if (seen->end.kind == INSPECT_END)
			break;
		if (seen->end.kind == INSPECT_DAMAGE) {
			seen->damages++;
			seen->missing_first = seen->end.missing_first;
			seen->missing_last = seen->end.missing_last;
			continue;
		}
		assert_int_equal(seen->end.kind, INSPECT_BLOCK);
		seen->first = seen->blocks++ ? seen->first : seen->end.block.number;
		seen->last = seen->end.block.number;
		seen->problems += seen->end.problem[0] != '\0';
	}
	assert_int_equal(seen->end.kind, INSPECT_END);
	struct inspect_summary summary;
	journal_inspect_summary(in, &summary);
	assert_true(summary.done <= summary.bytes);
	journal_inspect_close(in);
}

static void sound_journal_shows_every_block(void **state)
{
	struct bench *t = *state;
	struct seen seen;
	write_blocks(t, 10);
	look(t, &seen);
	assert_int_equal(seen.blocks, 10);
	assert_int_equal(seen.first, 1);
	assert_int_equal(seen.last, 10);
	assert_int_equal(seen.damages, 0);
	assert_int_equal(seen.problems, 0);
	assert_false(seen.end.torn);
	assert_int_equal(seen.end.beyond, 0);
}

static void torn_last_block_is_an_end(void **state)
{
	struct bench *t = *state;
	struct seen seen;
	write_blocks(t, 10);
	block_at(t, 1, 10)[BLOCK_HEADER_BYTES + 3] ^= 1;
	look(t, &seen);
	assert_int_equal(seen.blocks, 9);
	assert_int_equal(seen.damages, 0);
	assert_true(seen.end.torn);
	assert_int_equal(seen.end.offset, 9 * BLOCK_ALIGN);
}

static void block_that_was_durable_is_damage(void **state)
{
	struct bench *t = *state;
	struct seen seen;
	write_blocks(t, 10);
	block_at(t, 1, 4)[BLOCK_HEADER_BYTES + 3] ^= 1;
	look(t, &seen);
	assert_int_equal(seen.blocks, 9);
	assert_int_equal(seen.last, 10);
	assert_int_equal(seen.damages, 1);
	assert_int_equal(seen.missing_first, 4);
	assert_int_equal(seen.missing_last, 4);
	assert_int_equal(seen.problems, 0);
}

static void damage_at_the_very_start_is_found(void **state)
{
	struct bench *t = *state;
	struct seen seen;
	write_blocks(t, 10);
	memset(block_at(t, 1, 1), 0, 2 * BLOCK_ALIGN);
	look(t, &seen);
	assert_int_equal(seen.blocks, 8);
	assert_int_equal(seen.first, 3);
	assert_int_equal(seen.damages, 1);
	assert_int_equal(seen.missing_last, 2);
}

static void every_damage_is_told(void **state)
{
	struct bench *t = *state;
	struct seen seen;
	write_blocks(t, 20);
	memset(block_at(t, 1, 3), 0xff, BLOCK_ALIGN);
	memset(block_at(t, 1, 8), 0, 3 * BLOCK_ALIGN);
	look(t, &seen);
	assert_int_equal(seen.blocks, 16);
	assert_int_equal(seen.damages, 2);
	assert_int_equal(seen.missing_first, 8);
	assert_int_equal(seen.missing_last, 10);
}

/* The CRC is right, but the totals contradict the records: a bug of ours would look so. */
static void totals_that_do_not_add_up_are_a_problem(void **state)
{
	struct bench *t = *state;
	struct seen seen;
	struct block_header h;
	write_blocks(t, 5);
	uint8_t *block = block_at(t, 1, 3);
	assert_true(block_header_parse(block, &h));
	h.totals.count[FATE_STORED] += 7;
	block_seal(block, &h);
	look(t, &seen);
	assert_int_equal(seen.blocks, 5);
	assert_int_equal(seen.damages, 0);
	assert_int_equal(seen.problems, 2); /* its own growth, and the next one's */
}

static void superblock_is_needed(void **state)
{
	struct bench *t = *state;
	struct journal_inspect *in;
	struct error err;
	assert_int_equal(journal_inspect_open_io("here", &t->disk.io, &in, &err), RESULT_ABSENT);
	assert_non_null(strstr(err.text, "no journal here"));
}

static void other_format_is_refused_by_its_version(void **state)
{
	struct bench *t = *state;
	struct journal_inspect *in;
	struct error err;
	write_blocks(t, 1);
	put_le32(t->disk.super + 8, 7);
	assert_int_equal(journal_inspect_open_io("here", &t->disk.io, &in, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "format is version 7, this program's is 1"));
	assert_int_equal(bench_try_open(t, 0, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "format is version 7, this program's is 1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	    CASE(sound_journal_shows_every_block),
	    CASE(torn_last_block_is_an_end),
	    CASE(block_that_was_durable_is_damage),
	    CASE(damage_at_the_very_start_is_found),
	    CASE(every_damage_is_told),
	    CASE(totals_that_do_not_add_up_are_a_problem),
	    CASE(superblock_is_needed),
	    CASE(other_format_is_refused_by_its_version),
#undef CASE
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
