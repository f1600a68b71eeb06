/* SPDX-License-Identifier: Apache-2.0 */
/* A scan under way: a few threads of the lowest priority share the list of meters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sched.h"
#include "control/scan/scan_priv.h"
#include "control/usage/check.h"

#define CHUNK    64u /* meters that a thread takes at once, and that are written together */
#define PAUSE_MS 20u

/* So many blocks of the journal wait for the store that nobody else should keep it busy. */
#define BEHIND_BLOCKS 8

struct scanning {
	struct scan *scan;
	struct usage_source usage;
	int32_t from_day, end_day;
	char period[SCAN_PERIOD_BYTES];
	uint32_t *numbers;
	uint64_t count;
	atomic_uint_fast64_t next;
	atomic_bool failed;
};

static bool is_ending(const struct scanning *w)
{
	return atomic_load_explicit(&w->scan->stopping, memory_order_relaxed) ||
	       atomic_load_explicit(&w->failed, memory_order_relaxed);
}

static bool is_behind(const struct scan_source *source)
{
	struct journal_status status;
	if (!source->journal)
		return false;
	journal_status_get(source->journal, &status);
	return status.durable_block > store_applied_block(source->store) + BEHIND_BLOCKS;
}

/* Readings go first: wait until they are stored. */
static uint64_t give_way(const struct scanning *w)
{
	const struct scan_source *source = &w->scan->source;
	uint64_t waited_ms = 0;
	sched_yield();
	while (is_behind(source) && !is_ending(w)) {
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
		waited_ms += PAUSE_MS;
	}
	return waited_ms;
}

static void count_meter(struct scan_status *sum, const struct scanning *w,
                        const struct usage_checked *checked)
{
	bool seen[VEE_RULE_COUNT] = {false};
	int32_t share = checked->usage.completeness;
	int32_t least = vee_rules_on(w->usage.rules, w->from_day)->completeness_min;
	sum->done++;
	sum->complete += share == 10000;
	sum->enough += share >= least;
	sum->silent += share == 0;
	sum->found += checked->count > 0;
	for (uint32_t i = 0; i < checked->count; i++) {
		uint8_t rule = checked->findings[i].rule;
		sum->rule[rule].findings++;
		sum->rule[rule].meters += !seen[rule];
		seen[rule] = true;
		atomic_fetch_add_explicit(&w->scan->counters[rule], 1, memory_order_relaxed);
	}
}

static enum result scan_meter(const struct scanning *w, uint32_t number, struct scan_status *sum,
                              struct scan_entry *entries, uint32_t *count, struct error *err)
{
	char id[DEVICE_ID_BYTES + 1];
	struct device d;
	struct usage_checked checked;
	if (!registry_id_of(w->scan->source.registry, number, id))
		return RESULT_OK;
	enum result result = registry_get(w->scan->source.registry, id, &d, err);
	if (result != RESULT_OK)
		return result == RESULT_ABSENT ? RESULT_OK : result;
	result = usage_check(&w->usage, number, d.dials, d.state == DEVICE_ACTIVE, w->from_day,
	                     w->end_day, &checked, err);
	if (result != RESULT_OK)
		return result;
	count_meter(sum, w, &checked);
	if (checked.count > 0) {
		result = scan_entry_make(w->period, id, checked.findings, checked.count,
		                         &entries[*count], err);
		*count += result == RESULT_OK;
	}
	usage_checked_free(&checked);
	return result;
}

static void add_up(struct scan *s, const struct scan_status *part, const struct error *err)
{
	pthread_mutex_lock(&s->lock);
	struct scan_status *t = &s->status;
	t->done += part->done;
	t->found += part->found;
	t->complete += part->complete;
	t->enough += part->enough;
	t->silent += part->silent;
	t->waited_ms += part->waited_ms;
	t->cpu_us += part->cpu_us;
	for (int i = 0; i < VEE_RULE_COUNT; i++) {
		t->rule[i].findings += part->rule[i].findings;
		t->rule[i].meters += part->rule[i].meters;
	}
	if (err && !*t->failure)
		snprintf(t->failure, sizeof t->failure, "%s", err->text);
	pthread_mutex_unlock(&s->lock);
}

static uint64_t thread_cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static enum result scan_chunk(struct scanning *w, uint64_t first, struct scan_status *sum,
                              struct error *err)
{
	struct scan_entry entries[CHUNK];
	struct error ignored;
	uint32_t count = 0;
	uint64_t end = first + CHUNK < w->count ? first + CHUNK : w->count;
	enum result result = RESULT_OK;
	for (uint64_t i = first; i < end && result == RESULT_OK && !is_ending(w); i++) {
		sum->waited_ms += give_way(w);
		result = scan_meter(w, w->numbers[i], sum, entries, &count, err);
	}
	enum result put = scan_entries_put(w->scan->source.store, entries, count,
	                                   result == RESULT_OK ? err : &ignored);
	return result == RESULT_OK ? put : result;
}

static void *scan_part(void *context)
{
	struct scanning *w = context;
	for (;;) {
		struct scan_status sum = {0};
		struct error err;
		uint64_t before_us = thread_cpu_us();
		uint64_t first = atomic_fetch_add(&w->next, CHUNK);
		if (first >= w->count || is_ending(w))
			return NULL;
		enum result result = scan_chunk(w, first, &sum, &err);
		sum.cpu_us = thread_cpu_us() - before_us;
		add_up(w->scan, &sum, result == RESULT_OK ? NULL : &err);
		if (result != RESULT_OK)
			atomic_store(&w->failed, true);
	}
}

/* --- all of it --- */

static enum result prepare(struct scanning *w, struct error *err)
{
	struct scan *s = w->scan;
	enum result result = scan_period(s->status.period, &w->from_day, &w->end_day, err);
	if (result == RESULT_OK)
		result = scan_forget(s->source.store, w->period, err);
	if (result == RESULT_OK)
		result = registry_numbers(s->source.registry, s->prefix, NULL, &w->numbers,
		                          &w->count, err);
	pthread_mutex_lock(&s->lock);
	s->status.total = w->count;
	pthread_mutex_unlock(&s->lock);
	return result;
}

static void run_threads(struct scanning *w)
{
	pthread_t threads[SCAN_THREADS_MAX];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t count = 0;
	while (count < SCAN_THREADS_MAX && count < processors &&
	       pthread_create(&threads[count], NULL, scan_part, w) == 0)
		count++;
	if (count == 0)
		scan_part(w);
	while (count > 0)
		pthread_join(threads[--count], NULL);
}

static void finish(struct scanning *w)
{
	struct scan *s = w->scan;
	struct scan_status done;
	struct error err;
	pthread_mutex_lock(&s->lock);
	s->status.ended_ms = clock_wall_ms();
	if (atomic_load(&s->stopping) && !*s->status.failure)
		snprintf(s->status.failure, sizeof s->status.failure, "the daemon is ending");
	done = s->status;
	pthread_mutex_unlock(&s->lock);
	enum result result = scan_summary_put(s->source.store, &done, &err);
	if (result == RESULT_OK)
		result = scan_forget_old(s->source.store, &err);
	if (result != RESULT_OK)
		add_up(s, &(struct scan_status){0}, &err);
	pthread_mutex_lock(&s->lock);
	s->status.running = false;
	pthread_mutex_unlock(&s->lock);
	log_info("vee", "scan of %s: %llu meters, something found on %llu%s%s", done.period,
	         (unsigned long long)done.done, (unsigned long long)done.found,
	         *done.failure ? "; ended early: " : "", done.failure);
}

void *scan_work(void *context)
{
	struct scan *s = context;
	struct scanning w = {.scan = s,
	                     .usage = {.store = s->source.store,
	                               .profiles = s->source.profiles,
	                               .calendar = s->source.calendar,
	                               .rules = s->source.rules,
	                               .now_s = clock_wall_ms() / 1000}};
	struct error err;
	sched_later(); /* the others inherit it */
	snprintf(w.period, sizeof w.period, "%s", s->status.period);
	if (prepare(&w, &err) == RESULT_OK)
		run_threads(&w);
	else
		add_up(s, &(struct scan_status){0}, &err);
	free(w.numbers);
	finish(&w);
	return NULL;
}
