/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static bool parse(const void *bytes, uint32_t count_, bool syn, struct options *o)
{
	uint8_t *exact = malloc(count_ ? count_ : 1);
	assert_non_null(exact);
	memcpy(exact, bytes, count_);
	bool good = options_parse(exact, count_, syn, o);
	free(exact);
	return good;
}

static void options_all_of_a_syn_are_read(void **state)
{
	(void)state;
	struct options o;
	uint8_t ws = 7;
	uint8_t bytes[40];
	uint32_t n = options_put_syn(bytes, 1460, &ws, true, true, 0x01020304, 0x05060708);
	assert_int_equal(n, 20);
	assert_true(parse(bytes, n, true, &o));
	assert_true(o.has_mss && o.has_wscale && o.has_sack_permitted && o.has_ts);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.wscale, 7);
	assert_int_equal(o.tsval, 0x01020304);
	assert_int_equal(o.tsecr, 0x05060708);
	assert_int_equal(o.ignored, 0);
}

static void options_syn_without_timestamps_keeps_words_whole(void **state)
{
	(void)state;
	struct options o;
	uint8_t bytes[40];
	uint32_t n = options_put_syn(bytes, 1000, NULL, true, false, 0, 0);
	assert_int_equal(n % 4, 0);
	assert_true(parse(bytes, n, true, &o));
	assert_true(o.has_sack_permitted && !o.has_ts && !o.has_wscale);
}

static void options_bad_lengths_are_malformed(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[4];
		uint32_t count;
	} bad[] = {
	    {{2, 0, 0, 0}, 4}, {{2, 1, 0, 0}, 4}, {{8, 10, 0, 0}, 4}, {{1, 1, 1, 2}, 4},
	    {{254, 5, 0, 0}, 4}, {{3}, 1}, {{254, 0}, 2},
	};
	struct options o;
	for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(parse(bad[i].bytes, bad[i].count, true, &o));
}

static void options_known_kind_of_wrong_length_is_ignored(void **state)
{
	(void)state;
	struct options o;
	assert_true(parse((uint8_t[]){2, 3, 5, 1}, 4, true, &o));
	assert_false(o.has_mss);
	assert_int_equal(o.ignored, 1);
	assert_true(parse((uint8_t[]){5, 6, 0, 0, 0, 1, 1, 1}, 8, false, &o));
	assert_int_equal(o.sack_count, 0);
	assert_int_equal(o.ignored, 1);
}

static void options_syn_only_kinds_are_ignored_elsewhere(void **state)
{
	(void)state;
	struct options o;
	assert_true(parse((uint8_t[]){2, 4, 5, 0xb4, 4, 2, 3, 3, 7, 0}, 10, false, &o));
	assert_false(o.has_mss || o.has_sack_permitted || o.has_wscale);
	assert_int_equal(o.ignored, 3);
}

static void options_window_scale_is_at_most_14(void **state)
{
	(void)state;
	struct options o;
	assert_true(parse((uint8_t[]){3, 3, 255, 1}, 4, true, &o));
	assert_int_equal(o.wscale, 14);
}

static void options_end_of_list_stops(void **state)
{
	(void)state;
	struct options o;
	assert_true(parse((uint8_t[]){0, 2, 0, 0}, 4, true, &o));
	assert_false(o.has_mss);
}

static void options_sack_blocks_round_trip(void **state)
{
	(void)state;
	struct range r[4] = {{1, 2}, {3, 0xffffffff}, {0x80000000, 5}, {6, 7}};
	struct options o;
	uint8_t bytes[40];
	assert_int_equal(options_put_sack(bytes, r, 0), 0);
	uint32_t n = options_put_sack(bytes, r, 4);
	assert_int_equal(n, 36);
	assert_true(parse(bytes, n, false, &o));
	assert_int_equal(o.sack_count, 4);
	assert_memory_equal(o.sack, r, sizeof r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_all_of_a_syn_are_read),
	    cmocka_unit_test(options_syn_without_timestamps_keeps_words_whole),
	    cmocka_unit_test(options_bad_lengths_are_malformed),
	    cmocka_unit_test(options_known_kind_of_wrong_length_is_ignored),
	    cmocka_unit_test(options_syn_only_kinds_are_ignored_elsewhere),
	    cmocka_unit_test(options_window_scale_is_at_most_14),
	    cmocka_unit_test(options_end_of_list_stops),
	    cmocka_unit_test(options_sack_blocks_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
