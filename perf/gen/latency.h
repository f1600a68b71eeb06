/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of latencies: 64 buckets per power of two, so that a percentile is within 1.6 % of
 * the truth over 1 us .. 71 minutes. One thread. Memory: the struct, 14 KB.
 */
#ifndef HEADRACE_GEN_LATENCY_H
#define HEADRACE_GEN_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB     64
#define LATENCY_BUCKETS (LATENCY_SUB * 27) /* 0..63 one each; then 64 per octave, up to 2^32 us */

struct latency {
	uint64_t count, sum_us, max_us;
	uint64_t bucket[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, uint64_t us);
/* Upper bound of the bucket in which `percent` (0..100) of the samples end; at most the maximum. */
uint64_t latency_percentile_us(const struct latency *l, double percent);
void latency_merge(struct latency *to, const struct latency *from);
/* Mean, us; 0 without samples. */
double latency_mean_us(const struct latency *l);

#endif
