/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the store from disk. Whatever the bytes: no row outside the page's devices, one device
 * alone gives the same rows as the whole page does, and what was read, ordered and packed again,
 * is read back as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "storage/store/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define FIRST_DEVICE 4096u

static int same(const struct stored_reading *a, const struct stored_reading *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static void check_rows(const struct rows *rows)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct stored_reading *r = &rows->row[i];
		CHECK_OP(r->device - FIRST_DEVICE, <, PAGE_DEVICES);
		CHECK_OP(r->channel_count, <=, READING_CHANNELS);
	}
}

static void check_one_device(const uint8_t *data, size_t bytes, const struct rows *all)
{
	uint32_t seen = 0;
	for (uint32_t d = FIRST_DEVICE; d < FIRST_DEVICE + PAGE_DEVICES; d++) {
		struct rows one = {0};
		uint32_t at = 0;
		CHECK(page_decode(data, bytes, FIRST_DEVICE, d, &one) == PAGE_OK);
		for (uint32_t i = 0; i < all->count; i++) {
			if (all->row[i].device == d)
				CHECK(at < one.count && same(&one.row[at++], &all->row[i]));
		}
		CHECK_OP(at, ==, one.count);
		seen += at;
		rows_fini(&one);
	}
	CHECK_OP(seen, ==, all->count);
}

static void check_again(struct rows *rows)
{
	struct page_scratch scratch = {0};
	struct rows back = {0};
	size_t bytes;
	CHECK(rows_settle(rows));
	CHECK(rows_order(rows, KEEP_ALL));
	CHECK_OP(rows->order_count, ==, rows->count);
	CHECK(page_encode(&scratch, rows->order, rows->order_count, &bytes));
	CHECK(page_decode(scratch.head, bytes, FIRST_DEVICE, DEVICE_NONE, &back) == PAGE_OK);
	CHECK_OP(back.count, ==, rows->count);
	for (uint32_t i = 0; i < back.count; i++)
		CHECK(same(&back.row[i], &rows->row[i]));
	rows_fini(&back);
	page_scratch_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct rows rows = {0};
	if (page_decode(data, bytes, FIRST_DEVICE, DEVICE_NONE, &rows) == PAGE_OK) {
		check_rows(&rows);
		check_one_device(data, bytes, &rows);
		check_again(&rows);
	}
	rows_fini(&rows);
	return 0;
}
