/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay, correct, discard: which entries, what is done with them, what is told of them. Thread:
 * the operator's request; one operation at a time. Memory: one part's entries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/errors/queue_priv.h"

/* Entries looked at for one part: a rare reason in a long queue must not take for ever. */
#define LOOKED_AT_MAX 200000

bool job_take(struct error_job *job, const struct stored_error *e)
{
	size_t bytes = (size_t)e->device_id_bytes + e->client_id_bytes + e->topic_bytes +
	               e->raw_bytes;
	uint8_t *at = malloc(bytes + 1);
	*job = (struct error_job){.attempt.number = e->number, .entry = *e, .text = at};
	if (!at)
		return false;
	memcpy(at, e->device_id, e->device_id_bytes);
	job->entry.device_id = (const char *)at;
	at += e->device_id_bytes;
	memcpy(at, e->client_id, e->client_id_bytes);
	job->entry.client_id = (const char *)at;
	at += e->client_id_bytes;
	memcpy(at, e->topic, e->topic_bytes);
	job->entry.topic = (const char *)at;
	at += e->topic_bytes;
	memcpy(at, e->raw, e->raw_bytes);
	job->entry.raw = at;
	return true;
}

void job_free(struct error_job *job)
{
	free(job->text);
	free(job->payload);
	job->text = job->payload = NULL;
}

/* --- which --- */

struct part {
	struct error_queue *q;
	const struct error_selection *which;
	struct error_job *jobs;
	uint32_t count;
	uint64_t looked_at, next;
	bool no_memory;
};

static bool take_into(struct part *p, const struct stored_error *e)
{
	p->no_memory = !job_take(&p->jobs[p->count], e);
	p->count += !p->no_memory;
	return !p->no_memory;
}

static bool on_found(void *context, const struct stored_error *e)
{
	struct part *p = context;
	const struct error_selection *w = p->which;
	if (e->number >= w->end)
		return false;
	if (p->count == ERROR_PART_MAX || p->looked_at++ == LOOKED_AT_MAX) {
		p->next = e->number;
		return false;
	}
	if ((w->reason >= 0 && e->fate != w->reason) || e->received_ms < w->from_ms ||
	    e->received_ms >= w->to_ms || error_queue_state(p->q, e->number) != ERROR_OPEN)
		return true;
	return take_into(p, e);
}

static bool on_numbered(void *context, const struct stored_error *e)
{
	struct part *p = context;
	if (e->number == p->jobs[p->count].attempt.number)
		take_into(p, e);
	return false;
}

/* By number, in the order in which they were given. */
static enum result gather_numbers(struct part *p, struct error *err)
{
	const struct error_selection *w = p->which;
	enum result r = RESULT_OK;
	for (uint32_t i = 0; i < w->number_count && r == RESULT_OK; i++) {
		uint32_t before = p->count;
		p->jobs[before] = (struct error_job){.attempt.number = w->numbers[i]};
		r = store_scan_errors(p->q->config.store, w->numbers[i], on_numbered, p, err);
		if (r != RESULT_OK || p->no_memory)
			break;
		struct error_attempt *a = &p->jobs[before].attempt;
		if (p->count == before) {
			p->count++;
			a->outcome = ERROR_ABSENT;
			snprintf(a->why, sizeof a->why, "there is no such error entry");
			continue;
		}
		a->state = error_queue_state(p->q, a->number);
		if (a->state != ERROR_OPEN) {
			a->outcome = ERROR_NOT_OPEN;
			snprintf(a->why, sizeof a->why, "it is %s already",
			         error_state_name[a->state]);
		}
	}
	return r;
}

static enum result gather(struct part *p, struct error *err)
{
	if (p->which->number_count > ERROR_PART_MAX)
		return fail(RESULT_INPUT, err, "%u numbers at once; at most %d",
		            p->which->number_count, ERROR_PART_MAX);
	p->jobs = calloc(ERROR_PART_MAX, sizeof *p->jobs);
	if (!p->jobs)
		return fail(RESULT_RESOURCE, err, "error queue: no memory");
	enum result r = p->which->number_count
	                    ? gather_numbers(p, err)
	                    : store_scan_errors(p->q->config.store, p->which->first, on_found, p,
	                                        err);
	return r == RESULT_OK && p->no_memory ? fail(RESULT_RESOURCE, err, "error queue: no memory")
	                                      : r;
}

static void end_part(struct part *p, enum result r, error_attempt_fn *fn, void *context)
{
	for (uint32_t i = 0; p->jobs && i < p->count; i++) {
		if (r == RESULT_OK)
			fn(context, &p->jobs[i].attempt);
		job_free(&p->jobs[i]);
	}
	free(p->jobs);
}

/* --- what --- */

static bool is_due(const struct error_job *job)
{
	return job->attempt.outcome == ERROR_DONE;
}

/* Send every job that is due, wait, and say what became of them. */
static void run_jobs(struct error_queue *q, struct error_job *jobs, uint32_t count,
                     const struct error_correction *c, bool accept_late, enum error_state state)
{
	uint64_t first_handle = q->next_handle;
	bool room = true;
	q->next_handle += count;
	for (uint32_t i = 0; i < count && room; i++) {
		if (!is_due(&jobs[i]))
			continue;
		jobs[i].accept_late = accept_late;
		if (job_prepare(q, &jobs[i], c))
			room = job_send(q, jobs, i, first_handle);
	}
	jobs_await(q, jobs, count, first_handle);
	for (uint32_t i = 0; i < count; i++) {
		struct error_attempt *a = &jobs[i].attempt;
		if (!is_due(&jobs[i]))
			continue;
		if (jobs[i].answered) {
			a->state = state;
			continue;
		}
		a->outcome = ERROR_UNANSWERED;
		snprintf(a->why, sizeof a->why,
		         "it is not durable yet: see headrace status, then try again; it counts "
		         "once");
	}
}

enum result error_queue_replay(struct error_queue *q, const struct error_selection *which,
                               bool accept_late, const struct error_operator *by,
                               error_attempt_fn *fn, void *context, uint64_t *next,
                               struct error *err)
{
	struct part p = {.q = q, .which = which};
	pthread_mutex_lock(&q->working);
	enum result r = gather(&p, err);
	if (r == RESULT_OK) {
		run_jobs(q, p.jobs, p.count, NULL, accept_late, ERROR_REPLAYED);
		r = jobs_record(q, p.jobs, p.count, by, accept_late ? "late accepted" : "", err);
	}
	pthread_mutex_unlock(&q->working);
	*next = p.next;
	end_part(&p, r, fn, context);
	return r;
}

enum result error_queue_discard(struct error_queue *q, const struct error_selection *which,
                                const struct error_operator *by, error_attempt_fn *fn,
                                void *context, uint64_t *next, struct error *err)
{
	struct part p = {.q = q, .which = which};
	pthread_mutex_lock(&q->working);
	enum result r = gather(&p, err);
	for (uint32_t i = 0; r == RESULT_OK && i < p.count; i++)
		if (is_due(&p.jobs[i]))
			p.jobs[i].attempt.state = ERROR_DISCARDED;
	if (r == RESULT_OK)
		r = jobs_record(q, p.jobs, p.count, by, "", err);
	pthread_mutex_unlock(&q->working);
	*next = p.next;
	end_part(&p, r, fn, context);
	return r;
}

/* What was corrected, in words: the record's "how". */
static void describe(const struct error_correction *c, char how[ERROR_WHY_BYTES])
{
	int used = snprintf(how, ERROR_WHY_BYTES, "%s", c->payload ? "other payload" : "");
	if (c->device)
		used += snprintf(how + used, ERROR_WHY_BYTES - (size_t)used, "%sdevice=%s",
		                 used ? ", " : "", c->device);
	for (uint32_t i = 0; i < c->set_count && used < ERROR_WHY_BYTES; i++)
		used += snprintf(how + used, ERROR_WHY_BYTES - (size_t)used, "%s%.32s=%.48s",
		                 used ? ", " : "", c->set[i].name, c->set[i].value);
}

static void keep_attempt(void *context, const struct error_attempt *a)
{
	*(struct error_attempt *)context = *a;
}

enum result error_queue_correct(struct error_queue *q, uint64_t number,
                                const struct error_correction *c,
                                const struct error_operator *by, struct error_attempt *attempt,
                                struct error *err)
{
	const struct error_selection which = {.numbers = &number, .number_count = 1};
	struct part p = {.q = q, .which = &which};
	char how[ERROR_WHY_BYTES];
	if (c->set_count == 0 && !c->device && !c->payload)
		return fail(RESULT_INPUT, err, "nothing is to be corrected: give a value, a device "
		                               "or a payload");
	if (c->device && (c->device[0] == '\0' || strlen(c->device) > DEVICE_ID_BYTES))
		return fail(RESULT_INPUT, err, "a device id has 1 to %d bytes", DEVICE_ID_BYTES);
	describe(c, how);
	pthread_mutex_lock(&q->working);
	enum result r = gather(&p, err);
	if (r == RESULT_OK) {
		run_jobs(q, p.jobs, p.count, c, c->accept_late, ERROR_CORRECTED);
		r = jobs_record(q, p.jobs, p.count, by, how, err);
	}
	pthread_mutex_unlock(&q->working);
	end_part(&p, r, keep_attempt, attempt);
	return r;
}
