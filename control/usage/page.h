/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of 64 neighbouring meters, read in one go: for who goes through all meters. Put
 * into usage_source, usage_load takes a meter's readings from it where it covers them, and from
 * the store where it does not. The usage is the same.
 *
 * Estimates look at days before those that are asked for, a gap at an end on either side: those
 * weeks are read when the first of the meters needs them, for all of them.
 *
 * Threads: ordinary ones, each with a page of its own, which a question may fill. Memory: malloc,
 * 48 bytes a reading, kept from one load to the next.
 */
#ifndef HEADRACE_USAGE_PAGE_H
#define HEADRACE_USAGE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "control/usage/usage.h"

struct usage_row; /* a reading of a register */

struct usage_span; /* a week, or the days that were asked for */

struct usage_page {
	struct usage_source source;
	uint32_t first_device;
	int64_t from_ms, to_ms; /* what was asked for; both 0: nothing */
	struct usage_span *spans;
};

/* Read the meters first_device (a multiple of 64) .. + 63 over local days and what lies next to
 * them. All that `source` points to outlives it. `page` is all zero, or was loaded before. On
 * failure it covers nothing. */
MUST_USE enum result usage_page_load(const struct usage_source *source, uint32_t first_device,
                                     int32_t from_day, int32_t end_day, struct usage_page *page,
                                     struct error *err);
void usage_page_free(struct usage_page *page);

/* A meter's rows with from_ms <= time < to_ms, ascending; false from `fn` ends it. RESULT_ABSENT,
 * without a word: another page's meter, or further away than the page goes. */
typedef bool usage_row_fn(void *context, const struct usage_row *row);
MUST_USE enum result usage_page_each(const struct usage_page *page, uint32_t device,
                                     int64_t from_ms, int64_t to_ms, usage_row_fn *fn,
                                     void *context, struct error *err);

/* What a register showed. */
struct usage_shown {
	int64_t ts_ms, meter_ts_ms;
	int64_t value_mwh;
	uint16_t flags;
};
/* A meter's register at a boundary of intervals: the reading nearest to it within `tolerance_s`, of
 * two the later. RESULT_ABSENT: it was not read there. */
MUST_USE enum result usage_shown_at(const struct usage_source *source, uint32_t device,
                                    int64_t at_s, int64_t tolerance_s, struct usage_shown *out,
                                    struct error *err);

#endif
