/* SPDX-License-Identifier: Apache-2.0 */
/* An operation on the error queue under way. Private to control/errors. */
#ifndef HEADRACE_ERRORS_QUEUE_PRIV_H
#define HEADRACE_ERRORS_QUEUE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/errors/queue.h"
#include "ingest/decode.h"
#include "ingest/match.h"

struct state_slot {
	uint64_t number; /* 0: free */
	uint8_t state;
};

struct error_queue {
	struct error_queue_config config;
	struct match_scratch *scratch;
	struct decoder *decoder;
	struct counters *counters; /* of the decoder: nobody's */
	struct reading decoded[READINGS_PER_MESSAGE];

	pthread_mutex_t working; /* held through an operation */
	uint64_t next_handle;
	uint32_t unanswered; /* asks without their tell */

	pthread_mutex_t lock; /* of the table */
	struct state_slot *slots;
	uint64_t slots_capacity, slots_used; /* a power of two */

	_Atomic uint64_t counts[ERROR_QUEUE_COUNT_COUNT];
};

/* An entry, and what is to be done with it. */
struct error_job {
	struct error_attempt attempt;
	struct stored_error entry; /* its texts lie in `text` */
	uint8_t *text;
	uint32_t device; /* of the first reading */
	int64_t meter_ts_ms;
	uint64_t refused_block;
	bool sent, answered;
	/* what is sent: from job_prepare to job_send */
	uint32_t count;
	uint8_t *payload; /* payload and ids */
	uint32_t payload_bytes, payload_capacity;
	bool vouched, accept_late;
};

static inline void queue_count(struct error_queue *q, enum error_queue_count id, uint64_t n)
{
	atomic_fetch_add_explicit(&q->counts[id], n, memory_order_relaxed);
}

/* Copy an entry out of the store's callback. False: no memory. */
bool job_take(struct error_job *job, const struct stored_error *entry);
void job_free(struct error_job *job);

/* It stays open, and why. */
__attribute__((format(printf, 2, 3))) void job_keep(struct error_job *job, const char *format, ...);

/* --- prepare.c --- */

/* Decode, correct (NULL: nothing is to be corrected) and judge what can be judged here: the job's
 * readings are in q->decoded then. False: the attempt says why it stays open. */
bool job_prepare(struct error_queue *q, struct error_job *job,
                 const struct error_correction *correction);

/* --- correct.c --- */

/* Apply the correction's `set` to a reading of a profile. False: `why` says what is wrong. */
bool correction_apply(const struct channel_catalogue *channels, const struct profile *profile,
                      const struct error_correction *c, struct reading *r,
                      char why[ERROR_WHY_BYTES]);

/* --- send.c --- */

/* Send what job_prepare left. False: it found no room in time, which the attempt says. */
bool job_send(struct error_queue *q, struct error_job *jobs, uint32_t index, uint64_t first_handle);
/* Wait until all that was sent is durable; then find what was refused. */
void jobs_await(struct error_queue *q, struct error_job *jobs, uint32_t count,
                uint64_t first_handle);

/* --- queue.c --- */

/* Write what became of the jobs that are done, then count them. */
MUST_USE enum result jobs_record(struct error_queue *q, struct error_job *jobs, uint32_t count,
                                 const struct error_operator *by, const char *how,
                                 struct error *err);

#endif
