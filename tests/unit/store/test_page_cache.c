/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of unpacked pages: answers for its generation only, and knows absence. */
#include "tests/unit/journal/test_common.h"

#include "storage/store/page_cache.h"

static const struct page_place place = {20000, 3};

static void put(struct page_cache *c, uint64_t generation, uint32_t count)
{
	struct rows rows = {0};
	for (uint32_t i = 0; i < count; i++) {
		struct stored_reading r = {.device = 48 + i / 10, .meter_ts_ms = i % 10 * 100,
		                           .flags = (uint16_t)i};
		assert_true(rows_add(&rows, &r));
	}
	page_cache_put(c, place, generation, &rows);
	assert_null(rows.row);
}

static void kept_page_answers_for_its_generation_only(void **state)
{
	(void)state;
	struct page_cache c;
	struct stored_reading r;
	page_cache_init(&c);
	assert_int_equal(page_cache_find(&c, place, 0, 48, 0, &r), PAGE_CACHE_UNKNOWN);
	put(&c, 7, 30);
	for (uint32_t i = 0; i < 30; i++) {
		assert_int_equal(page_cache_find(&c, place, 7, 48 + i / 10, i % 10 * 100, &r),
		                 PAGE_CACHE_FOUND);
		assert_int_equal(r.flags, i);
	}
	assert_int_equal(page_cache_find(&c, place, 7, 48, 50, &r), PAGE_CACHE_ABSENT);
	assert_int_equal(page_cache_find(&c, place, 7, 51, 0, &r), PAGE_CACHE_ABSENT);
	assert_int_equal(page_cache_find(&c, place, 8, 48, 0, &r), PAGE_CACHE_UNKNOWN);
	const struct page_place other = {20001, 3};
	assert_int_equal(page_cache_find(&c, other, 7, 48, 0, &r), PAGE_CACHE_UNKNOWN);
	page_cache_fini(&c);
}

static void absent_page_is_remembered(void **state)
{
	(void)state;
	struct page_cache c;
	struct stored_reading r;
	page_cache_init(&c);
	put(&c, 1, 0);
	assert_int_equal(page_cache_find(&c, place, 1, 48, 0, &r), PAGE_CACHE_ABSENT);
	put(&c, 2, 5);
	assert_int_equal(page_cache_find(&c, place, 2, 48, 0, &r), PAGE_CACHE_FOUND);
	page_cache_fini(&c);
}

static void overlarge_page_is_not_kept(void **state)
{
	(void)state;
	struct page_cache c;
	struct stored_reading r;
	page_cache_init(&c);
	put(&c, 1, PAGE_CACHE_ROWS_MAX + 1);
	assert_int_equal(page_cache_find(&c, place, 1, 48, 0, &r), PAGE_CACHE_UNKNOWN);
	page_cache_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kept_page_answers_for_its_generation_only),
	    cmocka_unit_test(absent_page_is_remembered),
	    cmocka_unit_test(overlarge_page_is_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
