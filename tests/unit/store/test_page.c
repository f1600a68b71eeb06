/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: packed and unpacked is the same, small, and damage is found. */
#include "tests/unit/journal/test_common.h"

#include <stdlib.h>
#include <string.h>

#include "storage/store/page.h"
#include "tests/unit/journal/batch_make.h"

#define FIRST 192u

static void fill(struct rows *rows, uint32_t count, uint64_t seed)
{
	struct make m = {.random = seed, .devices = PAGE_DEVICES, .now_ms = 1750000000000};
	struct reading r;
	while (rows->count < count) {
		make_reading(&m, &r);
		r.device += FIRST;
		struct stored_reading s = make_expected(&r);
		assert_true(rows_add(rows, &s));
	}
	assert_true(rows_order(rows, KEEP_ALL));
}

static size_t encode(struct page_scratch *s, struct rows *rows)
{
	size_t bytes = 0;
	assert_true(page_encode(s, rows->order, rows->order_count, &bytes));
	return bytes;
}

static void random_rows_come_back(void **state)
{
	(void)state;
	struct page_scratch s = {0};
	for (uint32_t count = 1; count < 400; count = count * 3 / 2 + 1) {
		struct rows in = {0}, out = {0};
		fill(&in, count, count);
		size_t bytes = encode(&s, &in);
		assert_int_equal(page_decode(s.head, bytes, FIRST, DEVICE_NONE, &out), PAGE_OK);
		assert_int_equal(out.count, in.order_count);
		for (uint32_t i = 0; i < out.count; i++)
			assert_true(make_same(&out.row[i], in.order[i]));
		rows_fini(&in);
		rows_fini(&out);
	}
	page_scratch_fini(&s);
}

static void one_device_gives_its_rows_only(void **state)
{
	(void)state;
	struct page_scratch s = {0};
	struct rows in = {0};
	fill(&in, 200, 9);
	size_t bytes = encode(&s, &in);
	uint32_t at = 0;
	for (uint32_t d = FIRST; d < FIRST + PAGE_DEVICES; d++) {
		struct rows out = {0};
		assert_int_equal(page_decode(s.head, bytes, FIRST, d, &out), PAGE_OK);
		for (uint32_t i = 0; i < out.count; i++)
			assert_true(make_same(&out.row[i], in.order[at++]));
		rows_fini(&out);
	}
	assert_int_equal(at, in.order_count);
	struct rows none = {0};
	assert_int_equal(page_decode(s.head, bytes, FIRST, FIRST + PAGE_DEVICES, &none), PAGE_OK);
	assert_int_equal(none.count, 0);
	rows_fini(&in);
	page_scratch_fini(&s);
}

static void extreme_values_come_back(void **state)
{
	(void)state;
	static const int64_t edge[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN + 1};
	struct page_scratch s = {0};
	struct rows in = {0}, out = {0};
	for (uint32_t i = 0; i < 6; i++) {
		struct stored_reading r = {
		    .device = FIRST + i, .flags = 0xffff, .profile = 255, .channel_count = 8,
		    .meter_ts_ms = edge[i], .ts_ms = edge[(i + 1) % 6],
		    .received_ms = edge[(i + 2) % 6], .collected_ms = edge[(i + 3) % 6]};
		for (uint32_t c = 0; c < 8; c++) {
			r.channel[c] = (uint8_t)(255 - c);
			r.value[c] = edge[(i + c) % 6];
		}
		assert_true(rows_add(&in, &r));
	}
	assert_true(rows_order(&in, KEEP_ALL));
	size_t bytes = encode(&s, &in);
	assert_int_equal(page_decode(s.head, bytes, FIRST, DEVICE_NONE, &out), PAGE_OK);
	assert_int_equal(out.count, 6);
	for (uint32_t i = 0; i < 6; i++)
		assert_true(make_same(&out.row[i], in.order[i]));
	rows_fini(&in);
	rows_fini(&out);
	page_scratch_fini(&s);
}

static void regular_day_takes_few_bytes(void **state)
{
	(void)state;
	struct page_scratch s = {0};
	struct rows in = {0};
	for (uint32_t d = 0; d < PAGE_DEVICES; d++) {
		for (uint32_t i = 0; i < 96; i++) {
			struct stored_reading r = {
			    .device = FIRST + d, .profile = 1, .channel_count = 2};
			r.meter_ts_ms = r.ts_ms = 1750000000000 + (int64_t)i * 900000;
			r.received_ms = r.collected_ms = r.meter_ts_ms + 1000 + (i * 37 + d) % 50;
			r.channel[0] = 1;
			r.channel[1] = 5;
			r.value[0] = 5000000 + (int64_t)i * 250 + d;
			r.value[1] = 23000 + (i * 7) % 60;
			assert_true(rows_add(&in, &r));
		}
	}
	assert_true(rows_order(&in, KEEP_ALL));
	size_t bytes = encode(&s, &in);
	/* rhythm and register 0, lag and voltage 6 bits each, and a little */
	assert_true(bytes < PAGE_DEVICES * 96 * 18 / 10);
	rows_fini(&in);
	page_scratch_fini(&s);
}

/* Every cut and every changed byte gives damage or other rows, never a crash; all bytes count. */
static void cut_or_longer_page_is_damaged(void **state)
{
	(void)state;
	struct page_scratch s = {0};
	struct rows in = {0};
	fill(&in, 40, 4);
	size_t bytes = encode(&s, &in);
	uint8_t *copy = malloc(bytes + 1);
	memcpy(copy, s.head, bytes);
	copy[bytes] = 0;
	for (size_t cut = 0; cut <= bytes + 1; cut++) {
		struct rows out = {0};
		enum page_result r = page_decode(copy, cut, FIRST, DEVICE_NONE, &out);
		assert_int_equal(r, cut == bytes ? PAGE_OK : PAGE_DAMAGED);
		rows_fini(&out);
	}
	copy[0] ^= 3; /* an older format */
	struct rows out = {0};
	assert_int_equal(page_decode(copy, bytes, FIRST, DEVICE_NONE, &out), PAGE_DAMAGED);
	rows_fini(&out);
	free(copy);
	rows_fini(&in);
	page_scratch_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_rows_come_back),
	    cmocka_unit_test(one_device_gives_its_rows_only),
	    cmocka_unit_test(extreme_values_come_back),
	    cmocka_unit_test(regular_day_takes_few_bytes),
	    cmocka_unit_test(cut_or_longer_page_is_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
