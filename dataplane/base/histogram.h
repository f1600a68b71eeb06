/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of durations: log-linear, four buckets per power of two, so that a percentile is
 * within 25 % of the truth over 1 us .. 18 minutes. One thread writes, anybody reads.
 */
#ifndef HEADRACE_BASE_HISTOGRAM_H
#define HEADRACE_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/tally.h"

/* 0..3 have a bucket each; then 4 per power of two up to 2^30 us. */
#define HISTOGRAM_BUCKETS 116

struct histogram {
	_Atomic uint64_t count[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_us;
	_Atomic uint64_t max_us;
};

static inline uint32_t histogram_bucket(uint64_t us)
{
	if (us < 4)
		return (uint32_t)us;
	uint32_t log2 = 63u - (uint32_t)__builtin_clzll(us);
	uint32_t bucket = (log2 - 1) * 4 + (uint32_t)(us >> (log2 - 2) & 3);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* Smallest duration (us) that falls into a bucket; the next bucket's is the upper bound. */
static inline uint64_t histogram_floor_us(uint32_t bucket)
{
	if (bucket < 4)
		return bucket;
	return (uint64_t)(4 + bucket % 4) << (bucket / 4 - 1);
}

static inline void histogram_add(struct histogram *h, uint64_t us)
{
	tally_add(&h->count[histogram_bucket(us)], 1);
	tally_add(&h->sum_us, us);
	if (us > atomic_load_explicit(&h->max_us, memory_order_relaxed))
		atomic_store_explicit(&h->max_us, us, memory_order_relaxed);
}

/* Add a snapshot of `from` to `to` (which nobody else writes meanwhile). */
void histogram_merge(struct histogram *to, const struct histogram *from);

uint64_t histogram_count(const struct histogram *h);

/* The duration (us) below or at which `percent` (0..100) of the samples lie; upper bound of the
 * bucket, but never above the maximum seen. 0 when there are no samples. */
uint64_t histogram_percentile_us(const struct histogram *h, double percent);

#endif
