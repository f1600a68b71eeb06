/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->count[i] += atomic_load_explicit(&from->count[i], memory_order_relaxed);
	to->sum_us += atomic_load_explicit(&from->sum_us, memory_order_relaxed);
	uint64_t max = atomic_load_explicit(&from->max_us, memory_order_relaxed);
	if (max > to->max_us)
		to->max_us = max;
}

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += atomic_load_explicit(&h->count[i], memory_order_relaxed);
	return total;
}

uint64_t histogram_percentile_us(const struct histogram *h, double percent)
{
	uint64_t total = histogram_count(h);
	uint64_t max = atomic_load_explicit(&h->max_us, memory_order_relaxed);
	double rank = (double)total * percent / 100.0;
	uint64_t below = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += atomic_load_explicit(&h->count[i], memory_order_relaxed);
		if (total > 0 && (double)below >= rank && below > 0) {
			uint64_t upper = histogram_floor_us(i + 1);
			return upper < max ? upper : max;
		}
	}
	return 0;
}
