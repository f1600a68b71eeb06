/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The housekeeping loop; see keeper.h.
 *
 * A UTC day is closed some time after it has ended: its pages are packed once then, and its
 * aggregates computed; what comes late marks it again. Failures are logged and tried again.
 */
#include "storage/keeper.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sched.h"

#define DAY_MS      86400000ll
#define CLOSED_MS   (2 * 3600 * 1000ll) /* a day is closed so long after its end */
#define IDLE_US     1000000u
#define RETRY_US    60000000u
#define REST_FACTOR 3u /* rest so many times as long as a piece of work took */
#define REST_US_MIN 1000u

struct store_keeper {
	struct store *store;
	struct store_retention retention;
	struct aggregate_rules rules;
	pthread_t thread;
	int64_t merged_day; /* days before it were packed since the start */

	pthread_mutex_t lock;
	pthread_cond_t stop_set;
	bool stop;
};

struct store_cutoffs store_cutoffs_at(const struct store_retention *retention,
				      const struct aggregate_rules *rules, int64_t now_ms)
{
	int32_t today = rules->day_of(rules->calendar, now_ms);
	struct store_cutoffs c = {INT64_MIN, INT32_MIN, INT32_MIN};
	if (retention->raw_days > 0)
		c.raw_day = now_ms / DAY_MS - retention->raw_days;
	if (retention->hour_days > 0)
		c.hour_day = today - (int32_t)retention->hour_days;
	if (retention->day_days > 0)
		c.day_month =
		    rules->month_of(rules->calendar, today - (int32_t)retention->day_days);
	return c;
}

/* Pack the days that have been closed since. At a start only the last one: those before were. */
static enum result merge_closed(struct store_keeper *k, int64_t closed_end, struct error *err)
{
	if (k->merged_day == closed_end)
		return RESULT_ABSENT;
	int64_t first = k->merged_day == INT64_MIN ? closed_end - 1 : k->merged_day;
	enum result r = store_merge(k->store, first, closed_end, err);
	if (r == RESULT_OK)
		k->merged_day = closed_end;
	return r;
}

/* One piece of work. RESULT_ABSENT: there is none. */
static enum result work(struct store_keeper *k, struct error *err)
{
	int64_t now_ms = clock_wall_ms();
	int64_t closed_end = (now_ms - CLOSED_MS) / DAY_MS;
	struct store_cutoffs c = store_cutoffs_at(&k->retention, &k->rules, now_ms);
	enum result r = merge_closed(k, closed_end, err);
	if (r == RESULT_ABSENT)
		r = store_rollup(k->store, closed_end, err);
	if (r == RESULT_ABSENT)
		r = store_drop_readings(k->store, c.raw_day, err);
	if (r == RESULT_ABSENT)
		r = store_drop_aggregates(k->store, AGGREGATE_HOUR, c.hour_day, err);
	if (r == RESULT_ABSENT)
		r = store_drop_aggregates(k->store, AGGREGATE_DAY, c.day_month, err);
	return r;
}

/* True: stop. */
static bool rest(struct store_keeper *k, uint64_t us)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	uint64_t ns = (uint64_t)until.tv_nsec + us * 1000;
	until.tv_sec += (time_t)(ns / 1000000000u);
	until.tv_nsec = (long)(ns % 1000000000u);
	int error = 0;
	pthread_mutex_lock(&k->lock);
	while (!k->stop && error == 0)
		error = pthread_cond_timedwait(&k->stop_set, &k->lock, &until);
	bool stop = k->stop;
	pthread_mutex_unlock(&k->lock);
	return stop;
}

static void *keeper_main(void *context)
{
	struct store_keeper *k = context;
	struct error err;
	bool failing = false;
	uint64_t pause_us;
	sched_later();
	do {
		uint64_t start = clock_mono_us();
		enum result r = work(k, &err);
		uint64_t took = clock_mono_us() - start;
		bool failed = r != RESULT_OK && r != RESULT_ABSENT;
		if (failed && !failing)
			log_error("store", "housekeeping, tried again later: %s", err.text);
		failing = failed;
		pause_us = REST_FACTOR * took;
		if (r == RESULT_ABSENT)
			pause_us = IDLE_US;
		if (failed)
			pause_us = RETRY_US;
	} while (!rest(k, pause_us > REST_US_MIN ? pause_us : REST_US_MIN));
	return NULL;
}

enum result store_keeper_start(struct store *store, const struct store_retention *retention,
			       const struct aggregate_rules *rules, struct store_keeper **out,
			       struct error *err)
{
	struct store_keeper *k = calloc(1, sizeof *k);
	if (!k)
		return fail(RESULT_RESOURCE, err, "store: no memory");
	k->store = store;
	k->retention = *retention;
	k->rules = *rules;
	k->merged_day = INT64_MIN;
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&k->stop_set, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int error = pthread_create(&k->thread, NULL, keeper_main, k);
	if (error != 0) {
		free(k);
		return fail(RESULT_RESOURCE, err, "store: start the housekeeping thread: %s",
			    strerror(error));
	}
	*out = k;
	return RESULT_OK;
}

void store_keeper_stop(struct store_keeper *k)
{
	pthread_mutex_lock(&k->lock);
	k->stop = true;
	pthread_cond_broadcast(&k->stop_set);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	pthread_cond_destroy(&k->stop_set);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
