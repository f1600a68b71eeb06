/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of aggregates and of newest days from disk. Whatever the bytes: entries in order, and what
 * was read, packed again, is read back as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "storage/store/aggregate_page.h"
#include "storage/store/newest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int same(const struct aggregate_entry *a, const struct aggregate_entry *b)
{
	return a->id == b->id && a->a.start_ms == b->a.start_ms && a->a.end_ms == b->a.end_ms &&
	       a->a.energy == b->a.energy && a->a.peak == b->a.peak &&
	       a->a.peak_ms == b->a.peak_ms && a->a.readings == b->a.readings &&
	       a->a.slots == b->a.slots && a->a.slots_expected == b->a.slots_expected &&
	       a->a.register_channel == b->a.register_channel &&
	       a->a.demand_channel == b->a.demand_channel && a->a.flags == b->a.flags;
}

static void check_aggregates(const uint8_t *data, size_t bytes)
{
	static struct aggregate_page page, back;
	static uint8_t packed[AGGREGATE_PAGE_BYTES_MAX];
	if (!aggregate_page_unpack(&page, data, bytes))
		return;
	size_t packed_bytes = aggregate_page_pack(&page, packed);
	CHECK_OP(packed_bytes, <=, sizeof packed);
	CHECK(aggregate_page_unpack(&back, packed, packed_bytes));
	CHECK_OP(back.count, ==, page.count);
	for (uint32_t i = 0; i < page.count; i++)
		CHECK(same(&page.entry[i], &back.entry[i]));
	for (uint32_t i = 0; i < page.count; i++) { /* set and taken away again */
		const struct aggregate none = {0};
		uint32_t before = back.count;
		aggregate_page_set(&back, page.entry[i].id, &page.entry[i].a);
		CHECK_OP(back.count, ==, before);
		aggregate_page_set(&back, page.entry[i].id, &none);
		CHECK_OP(back.count, ==, before - 1);
	}
}

static void check_newest(const uint8_t *data, size_t bytes)
{
	static struct newest n;
	static uint8_t packed[NEWEST_BYTES_MAX];
	struct error err;
	if (!n.chunk && !newest_init(&n))
		return;
	if (newest_unpack(&n, 0, data, bytes, &err) != RESULT_OK)
		return;
	struct newest_days before = newest_get(&n, 5);
	size_t packed_bytes = newest_pack(&n, 0, packed);
	CHECK(newest_unpack(&n, 0, packed, packed_bytes, &err) == RESULT_OK);
	CHECK_OP(newest_get(&n, 5).day, ==, before.day);
	CHECK_OP(newest_get(&n, 5).register_day, ==, before.register_day);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	check_aggregates(data, bytes);
	check_newest(data, bytes);
	return 0;
}
