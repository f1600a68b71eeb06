/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of aggregates: those of 64 devices in a group of periods (the hours of a day, the days of
 * a month, the months of a year). Private to storage/store.
 *
 *   +-----------+----------+--------------------------------------------------------------+
 *   | format, 1 | v: count | columns over all entries (column.h): device * 32 + period,   |
 *   | byte      |          | start, end - start, energy, peak, peak time - start,         |
 *   |           |          | readings, slots, slots expected, channels and flags          |
 *   +-----------+----------+--------------------------------------------------------------+
 * Entries are by device, then by period. Pure functions; memory is the caller's list, which grows
 * by malloc. Never trusts a page.
 */
#ifndef HEADRACE_STORE_AGGREGATE_PAGE_H
#define HEADRACE_STORE_AGGREGATE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/aggregate/aggregate.h"
#include "storage/store/page.h"

#define AGGREGATE_PERIODS 32u /* of a group, at most */
#define AGGREGATE_ENTRIES (PAGE_DEVICES * AGGREGATE_PERIODS)

struct aggregate_page {
	uint32_t count;
	struct aggregate_entry {
		uint16_t id; /* device % 64 * 32 + period */
		struct aggregate a;
	} entry[AGGREGATE_ENTRIES];
};

/* Put an entry where it belongs, in place of one with its id; readings == 0: take that out. */
void aggregate_page_set(struct aggregate_page *p, uint16_t id, const struct aggregate *a);

#define AGGREGATE_PAGE_BYTES_MAX (16 + 10 * (32 + 8 * (size_t)AGGREGATE_ENTRIES))
size_t aggregate_page_pack(const struct aggregate_page *p,
                           uint8_t bytes[AGGREGATE_PAGE_BYTES_MAX]);
/* False: damaged. */
MUST_USE bool aggregate_page_unpack(struct aggregate_page *p, const uint8_t *bytes, size_t count);

#endif
