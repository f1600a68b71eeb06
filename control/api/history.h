/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened in each of the last seconds: a ring of samples, each the difference of two points.
 * Input: points, in order. Owned by who locks it (the sampler); no clock, no allocation.
 */
#ifndef HEADRACE_API_HISTORY_H
#define HEADRACE_API_HISTORY_H

#include <stdbool.h>

#include "base/histogram.h"
#include "contract/fate.h"

#define HISTORY_SAMPLES    600 /* ten minutes at one a second */
#define HISTORY_STAGES_MAX 64

/* Everything that only rises, at one moment; and two levels. */
struct history_point {
	uint64_t at_us;  /* monotonic */
	int64_t wall_ms;
	uint64_t readings, messages;
	struct fate_totals fates;
	struct histogram ack, write;
	uint64_t items[HISTORY_STAGES_MAX];
	uint64_t in_flight, connections;
};

struct history_latency {
	uint64_t count;
	uint32_t p50_us, p99_us, p999_us;
};

struct history_sample {
	uint64_t number; /* from 1 */
	int64_t wall_ms; /* at its end */
	uint64_t elapsed_us;
	uint64_t readings, messages, stored, duplicate, conflict, rejected;
	uint64_t in_flight, connections;
	struct history_latency ack, write;
	uint32_t items[HISTORY_STAGES_MAX];
};

struct history {
	struct history_point last;
	uint64_t count; /* samples so far */
	bool started;   /* `last` is set */
	struct history_sample samples[HISTORY_SAMPLES];
};

void history_add(struct history *h, const struct history_point *now);

/* Copies the samples after number `after`, oldest first, at most HISTORY_SAMPLES; all when `after`
 * is not one of ours. Returns how many. */
uint32_t history_after(const struct history *h, uint64_t after,
                       struct history_sample out[HISTORY_SAMPLES]);

#endif
