/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by what computes aggregates (rollup.c) and what answers with them (aggregates.c). Private
 * to storage/store.
 */
#ifndef HEADRACE_STORE_ROLLUP_H
#define HEADRACE_STORE_ROLLUP_H

#include "storage/store/aggregate_page.h"
#include "storage/store/store.h"

static inline int32_t floor_div(int32_t a, int32_t b)
{
	return a / b - (a % b < 0);
}

/* The aggregates of a page's devices; none if there is no such page. */
MUST_USE enum result aggregate_page_read(struct store *s, enum aggregate_level level,
                                         int32_t group, uint32_t page,
                                         struct aggregate_page *out, struct error *err);

/* By effective time, then by the meter's. */
int aggregate_by_time(const struct stored_reading *x, const struct stored_reading *y);

/* An empty month, and a day of it added. */
struct aggregate aggregate_month(const struct aggregate_rules *rules, int32_t first_day,
                                 int32_t end_day);
void aggregate_month_add(struct aggregate *month, const struct aggregate *day);

#endif
