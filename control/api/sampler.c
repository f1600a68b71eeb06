/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "control/api/api_priv.h"

#define SAMPLES 6 /* a window of five seconds */

struct sampler {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_asked;
	bool stop;
	const struct api_context *context;
	struct sample samples[SAMPLES];
	uint64_t count; /* taken since start */
	struct history_point point; /* the thread's */
	struct history history;
};

static void take(const struct pipeline *pipeline, struct sample *s)
{
	uint32_t stages = pipeline_stage_count(pipeline);
	memset(s, 0, sizeof *s);
	s->at_us = clock_mono_us();
	s->readings = pipeline_readings_received(pipeline);
	for (uint32_t i = 0; i < stages && i < SAMPLE_STAGES_MAX; i++) {
		struct report_stage stage;
		pipeline_stage(pipeline, i, &stage);
		s->cycles[i] = atomic_load_explicit(&stage.meter->cycles, memory_order_relaxed);
		s->items[i] = atomic_load_explicit(&stage.meter->items, memory_order_relaxed);
		if (stage.ack_us)
			s->messages += histogram_count(stage.ack_us);
	}
}

static void take_latencies(const struct api_context *c, struct history_point *p)
{
	struct journal_status journal;
	uint32_t stages = pipeline_stage_count(c->pipeline);
	for (uint32_t i = 0; i < stages; i++) {
		struct report_stage stage;
		pipeline_stage(c->pipeline, i, &stage);
		if (stage.ack_us)
			histogram_merge(&p->ack, stage.ack_us);
	}
	journal_status_get(c->journal, &journal);
	if (journal.write_us)
		histogram_merge(&p->write, journal.write_us);
}

static void take_point(const struct api_context *c, const struct sample *sample,
                       struct history_point *p)
{
	struct api_balance balance;
	struct report_pool pool;
	memset(p, 0, sizeof *p);
	api_balance_get(c, &balance);
	p->at_us = sample->at_us;
	p->wall_ms = clock_wall_ms();
	p->readings = sample->readings;
	p->messages = sample->messages;
	p->fates = balance.totals;
	p->in_flight = balance.in_flight;
	if (pipeline_pool(c->pipeline, 0, &pool))
		p->connections = pool.used; /* the first pool's records are the connections */
	memcpy(p->items, sample->items, sizeof p->items);
	take_latencies(c, p);
}

static void *run(void *argument)
{
	struct sampler *s = argument;
	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		struct sample *sample = &s->samples[s->count % SAMPLES];
		take(s->context->pipeline, sample);
		take_point(s->context, sample, &s->point);
		history_add(&s->history, &s->point);
		s->count++;
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		while (!s->stop &&
		       pthread_cond_timedwait(&s->stop_asked, &s->lock, &until) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

enum result sampler_start(const struct api_context *context, struct sampler **out,
                          struct error *err)
{
	struct sampler *s = calloc(1, sizeof *s);
	if (!s)
		return fail(RESULT_RESOURCE, err, "api: no memory");
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->stop_asked, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&s->lock, NULL);
	s->context = context;
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		free(s);
		return fail(RESULT_RESOURCE, err, "api: no thread for the sampler");
	}
	pthread_setname_np(s->thread, "sampler");
	*out = s;
	return RESULT_OK;
}

void sampler_stop(struct sampler *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->stop_asked);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->stop_asked);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void sampler_window(struct sampler *s, struct sample *before, struct sample *now)
{
	take(s->context->pipeline, now);
	pthread_mutex_lock(&s->lock);
	uint64_t oldest = s->count > SAMPLES ? s->count - SAMPLES : 0;
	*before = s->count ? s->samples[oldest % SAMPLES] : *now;
	pthread_mutex_unlock(&s->lock);
}

uint32_t sampler_history(struct sampler *s, uint64_t after,
                         struct history_sample out[HISTORY_SAMPLES])
{
	pthread_mutex_lock(&s->lock);
	uint32_t count = history_after(&s->history, after, out);
	pthread_mutex_unlock(&s->lock);
	return count;
}
