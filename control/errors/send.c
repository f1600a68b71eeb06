/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings to the io worker and its answers back (contract/replay.h). The worker never waits for
 * us; we wait for it and for the disk, but not for ever. Thread: the operation's.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "control/errors/queue_priv.h"

#define NAP_US      200
#define CATCH_UP_MS 10000

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = NAP_US * 1000}, NULL);
}

/* An answer to an operation before this one, which gave up waiting, is not of these jobs. */
static void take_tells(struct error_queue *q, struct error_job *jobs, uint32_t count,
                       uint64_t first_handle)
{
	struct record_ring *ring = &q->config.link->tell;
	const struct replay_tell *tell;
	uint32_t bytes;
	while ((tell = record_ring_peek(ring, &bytes))) {
		uint64_t index = tell->handle - first_handle;
		if (tell->handle >= first_handle && index < count && jobs[index].sent) {
			struct error_job *job = &jobs[index];
			job->answered = true;
			job->refused_block = tell->refused_block;
			job->attempt.stored = tell->stored;
			job->attempt.refused = tell->refused;
			job->attempt.duplicate =
			    (uint16_t)(tell->readings - tell->stored - tell->refused);
			job->attempt.fate = (enum fate)tell->first_refusal;
		}
		q->unanswered--;
		record_ring_release(ring);
	}
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t count)
{
	if (count > 0)
		memcpy(at, bytes, count);
	return at + count;
}

static void fill(const struct error_queue *q, const struct error_job *job, uint64_t handle,
                 struct replay_ask *ask)
{
	const struct stored_error *e = &job->entry;
	*ask = (struct replay_ask){
	    .handle = handle,
	    .port = e->port,
	    .client_bytes = (uint16_t)e->client_id_bytes,
	    .topic_bytes = (uint16_t)e->topic_bytes,
	    .qos = e->qos,
	    .vouched = job->vouched,
	    .sender_bytes = e->client_id_bytes,
	    .count = job->count,
	    .payload_bytes = job->payload_bytes,
	};
	memcpy(ask->address, e->address, sizeof ask->address);
	uint8_t *at = put((uint8_t *)(ask + 1), q->decoded, job->count * sizeof q->decoded[0]);
	at = put(at, job->payload, job->payload_bytes);
	at = put(at, e->client_id, e->client_id_bytes);
	put(at, e->topic, e->topic_bytes);
}

bool job_send(struct error_queue *q, struct error_job *jobs, uint32_t index, uint64_t first_handle)
{
	struct error_job *job = &jobs[index];
	uint32_t bytes = (uint32_t)(sizeof(struct replay_ask) +
	                            job->count * sizeof(struct reading) + job->payload_bytes +
	                            job->entry.client_id_bytes + job->entry.topic_bytes);
	uint64_t until_us = clock_mono_us() + (uint64_t)q->config.answer_ms * 1000;
	struct replay_ask *ask = NULL;
	do {
		take_tells(q, jobs, index, first_handle);
		if (q->unanswered < REPLAY_ASKS_MAX)
			ask = record_ring_reserve(&q->config.link->ask, bytes, 0);
		if (!ask)
			nap();
	} while (!ask && clock_mono_us() < until_us);
	if (ask) {
		fill(q, job, first_handle + index, ask);
		record_ring_commit(&q->config.link->ask, bytes);
		q->unanswered++;
		job->sent = true;
	}
	free(job->payload);
	job->payload = NULL;
	return job->sent;
}

static bool all_answered(const struct error_job *jobs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (jobs[i].sent && !jobs[i].answered)
			return false;
	return true;
}

/* --- what was refused once more --- */

struct refusals {
	struct error_job *jobs;
	uint32_t count;
	uint64_t last_block;
};

static bool is_refusal_of(const struct error_job *job, const struct stored_error *e)
{
	return job->attempt.refused > 0 && job->attempt.refused_as == 0 &&
	       e->number >> 20 <= job->refused_block && e->device == job->device &&
	       e->meter_ts_ms == job->meter_ts_ms &&
	       (e->fate == (uint8_t)job->attempt.fate || job->attempt.refused > 1) &&
	       e->received_ms == job->entry.received_ms;
}

static bool on_entry(void *context, const struct stored_error *e)
{
	struct refusals *r = context;
	if (e->number >> 20 > r->last_block)
		return false;
	if (e->protocol != PROTOCOL_REPLAY)
		return true;
	for (uint32_t i = 0; i < r->count; i++)
		if (is_refusal_of(&r->jobs[i], e)) {
			r->jobs[i].attempt.refused_as = e->number;
			break;
		}
	return true;
}

/* The new entries; where they can't be found, nothing is said of them. */
static void find_refusals(struct error_queue *q, struct error_job *jobs, uint32_t count)
{
	struct refusals r = {.jobs = jobs, .count = count};
	uint64_t first = UINT64_MAX;
	struct error err;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t block = jobs[i].refused_block;
		if (!jobs[i].answered || block == 0)
			continue;
		first = block < first ? block : first;
		r.last_block = block > r.last_block ? block : r.last_block;
	}
	if (first == UINT64_MAX)
		return;
	if (!q->config.writer || store_writer_catch_up(q->config.writer, CATCH_UP_MS)) {
		enum result result =
		    store_scan_errors(q->config.store, first << 20, on_entry, &r, &err);
		(void)result;
	}
}

void jobs_await(struct error_queue *q, struct error_job *jobs, uint32_t count,
                uint64_t first_handle)
{
	uint64_t until_us = clock_mono_us() + (uint64_t)q->config.answer_ms * 1000;
	take_tells(q, jobs, count, first_handle);
	while (!all_answered(jobs, count) && clock_mono_us() < until_us) {
		nap();
		take_tells(q, jobs, count, first_handle);
	}
	find_refusals(q, jobs, count);
}
