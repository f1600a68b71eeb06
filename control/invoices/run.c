/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs and reviews: every meter of the registry, and the service points, page by page of meters.
 *
 * One thread lists the meters and what is closed already, then several go through them at the
 * lowest priority: each takes the next meters whose readings lie together on disk, reads them in
 * one go, draws their bills, and keeps all of them in one write. Killed at any instant, a run has
 * closed a bill or it has not; the next one goes on with those that are not.
 *
 * Memory: four bytes and a bit for each meter, and for each thread the readings of 64 meters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sched.h"
#include "control/invoices/run_priv.h"

#define THREADS_MAX 16

/* What the threads share. */
struct work {
	struct invoices *iv;
	struct job begun; /* what each thread begins as */
	uint32_t *numbers; /* of the meters, ascending */
	uint64_t count;
	uint8_t *closed; /* a bit for each number */
	uint32_t closed_end;
	uint64_t next; /* under iv->lock */
	struct error err; /* the first failure's; under iv->lock */
	bool failed;
};

static bool is_stopping(const struct work *w)
{
	return atomic_load_explicit(&w->iv->stopping, memory_order_relaxed);
}

/* --- the lists --- */

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Each once. */
static void sort_numbers(struct work *w)
{
	uint64_t count = 0;
	if (w->count > 0)
		qsort(w->numbers, w->count, sizeof w->numbers[0], by_number);
	for (uint64_t i = 0; i < w->count; i++)
		if (count == 0 || w->numbers[i] != w->numbers[count - 1])
			w->numbers[count++] = w->numbers[i];
	w->count = count;
}

/* Where only some ids are meant: the meters with which the points of such ids are drawn. */
struct adding {
	struct work *w;
	int64_t from_s, end_s;
	bool no_memory;
};

static bool on_point(void *context, const struct service_point *p)
{
	struct adding *a = context;
	const struct installation *last = point_last_meter(p, a->from_s, a->end_s);
	uint32_t number =
	    last ? registry_number_of(a->w->iv->source.registry, last->meter, strlen(last->meter))
	         : DEVICE_NONE;
	if (number == DEVICE_NONE)
		return !is_stopping(a->w);
	uint32_t *more = realloc(a->w->numbers, (a->w->count + 1) * sizeof *more);
	a->no_memory = !more;
	if (!more)
		return false;
	a->w->numbers = more;
	a->w->numbers[a->w->count++] = number;
	return !is_stopping(a->w);
}

static enum result add_points(struct work *w, struct error *err)
{
	const struct invoices_source *source = &w->iv->source;
	struct adding a = {.w = w};
	int32_t from_day, end_day;
	enum result result = month_days(w->begun.month, &from_day, &end_day, err);
	if (result != RESULT_OK)
		return result;
	a.from_s = calendar_day_start_s(source->calendar, from_day);
	a.end_s = calendar_day_start_s(source->calendar, end_day);
	result = registry_points(source->registry, w->iv->prefix, NULL, on_point, &a, err);
	if (result == RESULT_OK && a.no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the list of meters");
	return result;
}

static bool on_bill(void *context, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
	struct work *w = context;
	const size_t head = strlen("bill/") + MONTH_BYTES;
	if (key_bytes <= head || !document_is_closed(value, value_bytes))
		return !is_stopping(w);
	uint32_t number = registry_number_of(w->iv->source.registry, (const char *)key + head,
	                                     key_bytes - head);
	if (number < w->closed_end)
		w->closed[number / 8] |= (uint8_t)(1u << number % 8);
	return !is_stopping(w);
}

/* Which bills of the month are closed: one scan instead of a look-up for each meter. */
static enum result find_closed(struct work *w, struct error *err)
{
	char key[KEY_BYTES];
	w->closed_end = w->count ? w->numbers[w->count - 1] + 1 : 0;
	w->closed = calloc(w->closed_end / 8 + 1, 1);
	if (!w->closed)
		return fail(RESULT_RESOURCE, err, "no memory for the list of bills");
	key_of_bill(key, w->begun.month, w->iv->prefix);
	return store_kv_scan(w->iv->source.store, STORE_CONTROL, key, strlen(key), on_bill, w,
	                     err);
}

static enum result list_all(struct work *w, struct error *err)
{
	enum result result = registry_numbers(w->iv->source.registry, w->iv->prefix,
	                                      &w->iv->stopping, &w->numbers, &w->count, err);
	if (result == RESULT_OK && w->iv->prefix[0])
		result = add_points(w, err);
	if (result != RESULT_OK)
		return result;
	sort_numbers(w);
	pthread_mutex_lock(&w->iv->lock);
	w->iv->status.total = w->count;
	pthread_mutex_unlock(&w->iv->lock);
	return find_closed(w, err);
}

/* --- what one thread does --- */

/* The next meters that lie together. False: there are none, or it is over. */
static bool take_group(struct work *w, uint64_t *first, uint64_t *end)
{
	pthread_mutex_lock(&w->iv->lock);
	bool more = !w->failed && !is_stopping(w) && w->next < w->count;
	*first = *end = w->next;
	while (more && *end < w->count &&
	       w->numbers[*end] / STORE_GROUP_DEVICES == w->numbers[*first] / STORE_GROUP_DEVICES)
		++*end;
	w->next = *end;
	pthread_mutex_unlock(&w->iv->lock);
	return more;
}

static uint64_t thread_cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void publish(struct work *w, struct job *job, uint64_t done, enum result result)
{
	struct invoices_status *s = &w->iv->status;
	uint64_t cpu_us = thread_cpu_us();
	pthread_mutex_lock(&w->iv->lock);
	s->done += done;
	s->closed += job->count.closed;
	s->kept += job->count.kept;
	s->not_billed += job->count.not_billed;
	s->adjusted += job->count.adjusted;
	s->cpu_us += cpu_us - job->cpu_us;
	if (result != RESULT_OK && !w->failed) {
		w->failed = true;
		w->err = job->err;
	}
	pthread_mutex_unlock(&w->iv->lock);
	job->count = (struct job_count){0};
	job->cpu_us = cpu_us;
}

static enum result do_meter(struct work *w, struct job *job, uint32_t number)
{
	bool closed = w->closed[number / 8] >> number % 8 & 1;
	char id[DEVICE_ID_BYTES + 1];
	return registry_id_of(job->source->registry, number, id)
	           ? bill_job_meter(job, id, number, closed)
	           : RESULT_OK;
}

static void do_group(struct work *w, struct job *job, uint64_t first, uint64_t end)
{
	enum result result = RESULT_OK;
	uint64_t done = 0; /* who ends the daemon waits for a meter, not for a page */
	while (first + done < end && result == RESULT_OK && !is_stopping(w))
		result = do_meter(w, job, w->numbers[first + done++]);
	struct error err; /* what is drawn is kept even if the next one failed */
	enum result kept = bill_job_keep(job, &err);
	if (kept != RESULT_OK) {
		job->count = (struct job_count){0};
		job->err = result == RESULT_OK ? err : job->err;
		result = kept;
	}
	publish(w, job, done, result);
}

static void *thread_main(void *context)
{
	struct work *w = context;
	struct job job = w->begun;
	uint64_t first, end;
	sched_later();
	pthread_setname_np(pthread_self(), "billing");
	while (take_group(w, &first, &end))
		do_group(w, &job, first, end);
	bill_job_fini(&job);
	return NULL;
}

/* --- all of it --- */

static uint32_t thread_count(const struct work *w)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t groups = w->count / STORE_GROUP_DEVICES + 1;
	uint32_t count = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (uint32_t)cores;
	return groups < count ? (uint32_t)groups : count;
}

static enum result work_all(struct work *w, struct error *err)
{
	pthread_t threads[THREADS_MAX];
	uint32_t started = 0, wanted = thread_count(w);
	while (started < wanted &&
	       pthread_create(&threads[started], NULL, thread_main, w) == 0)
		started++;
	if (started == 0 && wanted > 0)
		return fail(RESULT_RESOURCE, err, "no thread for the run");
	for (uint32_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (w->failed)
		*err = w->err;
	return w->failed ? RESULT_MEDIA : RESULT_OK;
}

static void end(struct invoices *iv, const char *failure)
{
	pthread_mutex_lock(&iv->lock);
	struct invoices_status *s = &iv->status;
	snprintf(s->failure, sizeof s->failure, "%s", failure);
	s->running = false;
	s->elapsed_us = clock_mono_us() - iv->begun_us;
	log_info("billing", "%s of %s: %llu closed, %llu kept, %llu not billed, %llu adjusted%s%s",
	         s->work == INVOICES_RUN ? "run" : "review", s->month,
	         (unsigned long long)s->closed, (unsigned long long)s->kept,
	         (unsigned long long)s->not_billed, (unsigned long long)s->adjusted,
	         *s->failure ? "; ended early: " : "", s->failure);
	pthread_mutex_unlock(&iv->lock);
}

void *invoices_work(void *context)
{
	struct invoices *iv = context;
	struct work w = {.iv = iv};
	struct error err;
	w.begun = (struct job){
	    .source = &iv->source, .work = iv->status.work, .prefix = iv->prefix};
	snprintf(w.begun.month, sizeof w.begun.month, "%s", iv->status.month);
	snprintf(w.begun.tariff, sizeof w.begun.tariff, "%s", iv->status.tariff);
	enum result result = list_all(&w, &err);
	if (result == RESULT_OK && !is_stopping(&w))
		result = work_all(&w, &err);
	end(iv, result != RESULT_OK ? err.text : is_stopping(&w) ? "the daemon is ending" : "");
	free(w.numbers);
	free(w.closed);
	return NULL;
}
