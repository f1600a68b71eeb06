/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's housekeeping: closed days are packed, aggregates computed, and what is past its
 * retention goes.
 *
 * It works when there is something to do, at most a quarter of the time, at the lowest priority:
 * it uses what the others leave. Everything it does can be interrupted at any instant and goes on
 * after the next start.
 *
 * Thread: one of its own, an ordinary one (sched_later). Memory: one struct.
 */
#ifndef HEADRACE_STORAGE_KEEPER_H
#define HEADRACE_STORAGE_KEEPER_H

#include <stdint.h>

#include "base/result.h"
#include "storage/store/store.h"

struct store_retention {
	uint32_t raw_days, hour_days, day_days; /* 0: for ever */
};

/* Where the levels end at an instant: what is before goes. */
struct store_cutoffs {
	int64_t raw_day;   /* UTC day; INT64_MIN: nothing goes */
	int32_t hour_day;  /* local day; INT32_MIN */
	int32_t day_month; /* year * 12 + 0..11; INT32_MIN */
};
struct store_cutoffs store_cutoffs_at(const struct store_retention *retention,
				      const struct aggregate_rules *rules, int64_t now_ms);

struct store_keeper;

/* `retention` and `rules` are copied; the store outlives the keeper. */
MUST_USE enum result store_keeper_start(struct store *store,
					const struct store_retention *retention,
					const struct aggregate_rules *rules,
					struct store_keeper **out, struct error *err);
void store_keeper_stop(struct store_keeper *k);

#endif
