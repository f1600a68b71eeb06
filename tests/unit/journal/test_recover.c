/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery: the end is found, what is behind it never counts, damage before it is reported. */
#include "tests/unit/journal/sim_journal.h"

#include "base/bytes.h"

/* `count` blocks of 4 KiB: number n lies at (n - 1) * 4096 of segment 1. */
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

static void expect_media(struct bench *t, uint64_t after, const char *words)
{
	struct error err;
	assert_int_equal(bench_try_open(t, after, &err), RESULT_MEDIA);
	if (!strstr(err.text, words))
		test_failed("\"%s\" does not say \"%s\"", err.text, words);
}

static void new_journal_is_empty(void **state)
{
	struct bench *t = *state;
	struct fate_totals totals, none = {0};
	bench_open(t, 0);
	assert_int_equal(t->replayed, 0);
	assert_int_equal(t->j->epoch, 1);
	journal_totals_get(t->j, &totals);
	assert_memory_equal(&totals, &none, sizeof none);
}

static void replay_starts_behind_after(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 10);
	bench_open(t, 7);
	assert_int_equal(t->replayed_first, 8);
	assert_int_equal(t->replayed_last, 10);
	bench_close(t);
	bench_open(t, 10);
	assert_int_equal(t->replayed, 0);
	bench_close(t);
	bench_open(t, 0);
	assert_int_equal(t->replayed, 10);
	struct fate_totals totals;
	journal_totals_get(t->j, &totals);
	assert_int_equal(totals.count[FATE_REJECT_PAYLOAD], 10);
	assert_int_equal(t->j->epoch, 4);
}

static void replay_that_fails_ends_the_opening(void **state)
{
	struct bench *t = *state;
	struct error err;
	write_blocks(t, 2);
	assert_int_equal(bench_try_open(t, 3, &err), RESULT_MEDIA);
}

static void torn_last_block_is_cut_off(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 5);
	block_at(t, 1, 5)[1100] ^= 1;
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 4);
	write_block(t, 200); /* number 5 again */
	assert_int_equal(journal_append_block(t->j), 5);
	bench_close(t);
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 5);
}

/* n torn, n + 1 whole: it was never acknowledged. It must not come back when n is written anew
 * and takes the same space. */
static void stale_block_behind_a_torn_one_never_counts(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 5);
	struct block_header h;
	uint8_t *five = block_at(t, 1, 5);
	assert_true(block_header_parse(five, &h));
	h.durable_before = 3; /* as it is when 4 and 5 were in flight together */
	block_seal(five, &h);
	block_at(t, 1, 4)[1100] ^= 1;
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 3);
	write_block(t, 100);
	assert_int_equal(journal_append_block(t->j), 4);
	bench_close(t);
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 4); /* and not the old 5 behind it */
}

/* A kill leaves a whole block in the disk's cache. Once it is replayed it must outlive a power
 * cut: the store has it. */
static void block_left_by_a_kill_is_durable_when_replayed(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 4);
	bench_open(t, 0);
	t->disk.stuck = true;
	assert_true(append_big(t, 100));
	journal_submit(t->j, true);
	sim_disk_kill(&t->disk);
	bench_close(t);
	assert_int_equal(t->disk.cached_count, 1);
	bench_open(t, 4);
	assert_int_equal(t->replayed_last, 5);
	assert_int_equal(t->disk.cached_count, 0);
	t->disk.cut = true; /* the power goes */
	bench_close(t);
	bench_open(t, 5);
	assert_int_equal(t->j->durable, 5);
}

static void opening_without_sync_fails(void **state)
{
	struct bench *t = *state;
	struct error err;
	write_blocks(t, 4);
	t->disk.cut_after = 1; /* the first operation of an opening is the sync */
	assert_int_equal(bench_try_open(t, 0, &err), RESULT_MEDIA);
	assert_int_equal(t->replayed, 0);
	sim_disk_restart(&t->disk);
	bench_open(t, 0);
	assert_int_equal(t->replayed, 4);
}

static void damage_before_the_end_is_media(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 6);
	block_at(t, 1, 3)[1030] ^= 1;
	expect_media(t, 0, "block 3 is damaged at segment 1 offset 8192");
	block_at(t, 1, 3)[1030] ^= 1;
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 6);
}

static void damage_of_the_first_block_is_media(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 3);
	block_at(t, 1, 1)[0] ^= 1;
	expect_media(t, 0, "block 1 is damaged at segment 1 offset 0");
}

static void damage_seen_only_from_the_next_segment_is_media(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	uint64_t last_of_first = 0;
	while (!sim_disk_segment(&t->disk, 2) || t->j->active->number == 1) {
		last_of_first = t->j->next - 1;
		write_block(t, 60000);
	}
	write_block(t, 100);
	bench_close(t);
	struct sim_file *f = sim_disk_segment(&t->disk, 1);
	uint64_t at = 0;
	struct block_header h;
	for (uint64_t off = 0; off < f->bytes; off += BLOCK_ALIGN) {
		if (block_header_parse(f->data + off, &h) && h.number == last_of_first)
			at = off;
	}
	f->data[at + 40] ^= 0xff;
	expect_media(t, 0, "is damaged at segment 1");
}

static void misdirected_block_does_not_count(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 4);
	struct block_header h;
	uint8_t *four = block_at(t, 1, 4);
	assert_true(block_header_parse(four, &h));
	h.offset += BLOCK_ALIGN;
	block_seal(four, &h);
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 3);
	bench_close(t);
	h.offset -= BLOCK_ALIGN;
	h.segment++;
	block_seal(block_at(t, 1, 4), &h);
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 3);
}

static void block_of_another_journal_does_not_count(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 4);
	struct block_header h;
	assert_true(block_header_parse(block_at(t, 1, 4), &h));
	h.uuid.half[1]++;
	block_seal(block_at(t, 1, 4), &h);
	bench_open(t, 0);
	assert_int_equal(t->replayed_last, 3);
}

static void store_ahead_of_the_journal_is_refused(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 4);
	expect_media(t, 5, "the store has block 5 already");
}

static void new_journal_under_an_old_store_is_refused(void **state)
{
	struct bench *t = *state;
	expect_media(t, 3, "not the store's");
}

static void missing_blocks_are_media(void **state)
{
	struct bench *t = *state;
	bench_open(t, 0);
	while (t->j->next < 4 || t->j->active->number < 2)
		write_block(t, 60000);
	write_block(t, 100);
	uint64_t first = 0;
	struct block_header h;
	bench_close(t);
	assert_true(block_header_parse(sim_disk_segment(&t->disk, 2)->data, &h));
	first = h.number;
	sim_disk_segment(&t->disk, 1)->exists = false;
	expect_media(t, 0, "are missing before segment 2");
	bench_open(t, first - 1);
	assert_int_equal(t->replayed_first, first);
}

static void lost_superblock_is_media(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 2);
	t->disk.super_bytes = 0;
	expect_media(t, 0, "superblock is missing");
}

static void damaged_superblock_is_media(void **state)
{
	struct bench *t = *state;
	write_blocks(t, 2);
	t->disk.super[33] ^= 1;
	expect_media(t, 0, "superblock is damaged");
	t->disk.super[33] ^= 1;
	put_le32(t->disk.super + 8, 2);
	struct error err;
	assert_int_equal(bench_try_open(t, 0, &err), RESULT_INPUT);
}

static void old_superblock_is_media(void **state)
{
	struct bench *t = *state;
	uint8_t old[256];
	write_blocks(t, 1);
	memcpy(old, t->disk.super, sizeof old);
	bench_open(t, 0);
	write_block(t, 100);
	bench_close(t);
	memcpy(t->disk.super, old, sizeof old);
	expect_media(t, 0, "old copy");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    CASE(new_journal_is_empty),
	    CASE(replay_starts_behind_after),
	    CASE(replay_that_fails_ends_the_opening),
	    CASE(torn_last_block_is_cut_off),
	    CASE(stale_block_behind_a_torn_one_never_counts),
	    CASE(block_left_by_a_kill_is_durable_when_replayed),
	    CASE(opening_without_sync_fails),
	    CASE(damage_before_the_end_is_media),
	    CASE(damage_of_the_first_block_is_media),
	    CASE(damage_seen_only_from_the_next_segment_is_media),
	    CASE(misdirected_block_does_not_count),
	    CASE(block_of_another_journal_does_not_count),
	    CASE(store_ahead_of_the_journal_is_refused),
	    CASE(new_journal_under_an_old_store_is_refused),
	    CASE(missing_blocks_are_media),
	    CASE(lost_superblock_is_media),
	    CASE(damaged_superblock_is_media),
	    CASE(old_superblock_is_media),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
