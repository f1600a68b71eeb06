/* SPDX-License-Identifier: Apache-2.0 */
#include "latency.h"

static uint32_t bucket_of(uint64_t us)
{
	if (us < LATENCY_SUB)
		return (uint32_t)us;
	uint32_t log2 = 63u - (uint32_t)__builtin_clzll(us);
	/* log2 >= 6; the six bits behind the leading one choose among the octave's 64 */
	uint32_t bucket =
	    (log2 - 5) * LATENCY_SUB + (uint32_t)(us >> (log2 - 6) & (LATENCY_SUB - 1));
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static uint64_t bucket_end(uint32_t bucket)
{
	if (bucket < LATENCY_SUB)
		return bucket;
	uint32_t shift = bucket / LATENCY_SUB - 1;
	return ((uint64_t)(LATENCY_SUB + bucket % LATENCY_SUB + 1) << shift) - 1;
}

void latency_add(struct latency *l, uint64_t us)
{
	l->bucket[bucket_of(us)]++;
	l->count++;
	l->sum_us += us;
	if (us > l->max_us)
		l->max_us = us;
}

uint64_t latency_percentile_us(const struct latency *l, double percent)
{
	uint64_t want = (uint64_t)(percent / 100 * (double)l->count + 0.9999999);
	uint64_t seen = 0;
	if (l->count == 0)
		return 0;
	if (want < 1)
		want = 1;
	for (uint32_t b = 0; b < LATENCY_BUCKETS; b++) {
		seen += l->bucket[b];
		if (seen >= want)
			return bucket_end(b) < l->max_us ? bucket_end(b) : l->max_us;
	}
	return l->max_us;
}

void latency_merge(struct latency *to, const struct latency *from)
{
	to->count += from->count;
	to->sum_us += from->sum_us;
	if (from->max_us > to->max_us)
		to->max_us = from->max_us;
	for (uint32_t b = 0; b < LATENCY_BUCKETS; b++)
		to->bucket[b] += from->bucket[b];
}

double latency_mean_us(const struct latency *l)
{
	return l->count ? (double)l->sum_us / (double)l->count : 0;
}
