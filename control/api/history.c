/* SPDX-License-Identifier: Apache-2.0 */
/* See history.h. Pure. */
#include "control/api/history.h"

#include <string.h>

static uint64_t get(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

/* A later look at counters that others write can't be behind an earlier one; a restarted part's
 * can. */
static uint64_t rise(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

static struct history_latency latency(const struct histogram *before, const struct histogram *now)
{
	struct histogram between;
	memset(&between, 0, sizeof between);
	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++)
		between.count[b] = rise(get(&before->count[b]), get(&now->count[b]));
	between.max_us = get(&now->max_us); /* a bound */
	return (struct history_latency){
	    .count = histogram_count(&between),
	    .p50_us = (uint32_t)histogram_percentile_us(&between, 50),
	    .p99_us = (uint32_t)histogram_percentile_us(&between, 99),
	    .p999_us = (uint32_t)histogram_percentile_us(&between, 99.9),
	};
}

static void put_fates(struct history_sample *s, const struct fate_totals *before,
                      const struct fate_totals *now)
{
	s->stored = rise(before->count[FATE_STORED], now->count[FATE_STORED]);
	s->duplicate = rise(before->count[FATE_DUPLICATE], now->count[FATE_DUPLICATE]);
	s->conflict = rise(before->count[FATE_CONFLICT], now->count[FATE_CONFLICT]);
	for (int f = FATE_STORED; f < FATE_COUNT; f++)
		s->rejected += rise(before->count[f], now->count[f]);
	s->rejected -= s->stored + s->duplicate + s->conflict;
}

void history_add(struct history *h, const struct history_point *now)
{
	const struct history_point *before = &h->last;
	if (h->started) {
		struct history_sample *s = &h->samples[h->count % HISTORY_SAMPLES];
		*s = (struct history_sample){
		    .number = ++h->count,
		    .wall_ms = now->wall_ms,
		    .elapsed_us = rise(before->at_us, now->at_us),
		    .readings = rise(before->readings, now->readings),
		    .messages = rise(before->messages, now->messages),
		    .in_flight = now->in_flight,
		    .connections = now->connections,
		    .ack = latency(&before->ack, &now->ack),
		    .write = latency(&before->write, &now->write),
		};
		put_fates(s, &before->fates, &now->fates);
		for (uint32_t i = 0; i < HISTORY_STAGES_MAX; i++)
			s->items[i] = (uint32_t)rise(before->items[i], now->items[i]);
	}
	h->last = *now;
	h->started = true;
}

uint32_t history_after(const struct history *h, uint64_t after,
                       struct history_sample out[HISTORY_SAMPLES])
{
	uint64_t oldest = h->count > HISTORY_SAMPLES ? h->count - HISTORY_SAMPLES : 0;
	uint64_t from = after > h->count || after < oldest ? oldest : after;
	for (uint64_t n = from; n < h->count; n++)
		out[n - from] = h->samples[n % HISTORY_SAMPLES];
	return (uint32_t)(h->count - from);
}
