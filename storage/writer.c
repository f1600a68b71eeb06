/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store writer's loop: read, apply, publish; write and flush when due; release the journal.
 *
 * What fails is tried again once a second, without going on: the journal keeps what was not
 * applied, and says so when it is full. RocksDB stays in error after a failed background flush
 * and its C interface cannot resume it: only a restart heals that, and store_writer_failed says
 * so when it lasts. Thread: its own. Memory: one struct. Never acknowledges
 * anything and never touches the appending side.
 */
#include "storage/writer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define NAP_US_MIN       1000u
#define NAP_US_MAX       5000u
#define NAP_US_AWAITED   100u /* while somebody waits for what comes next */
#define RETRY_US         1000000u
#define SEGMENTS_IN_USE  8u       /* flush early beyond so many ... */
#define FLUSH_US_MIN     1000000u /* ... but not more often than this */
#define STATUS_US        100000u
#define RESTART_US       30000000u /* failing for so long: RocksDB does not heal by itself */

struct store_writer {
	struct journal *journal;
	struct store *store;
	uint64_t flush_us;
	uint64_t flushed_at_us, looked_at_us;
	pthread_t thread;
	enum result last_result;
	struct error last_error;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* visible rose, or stop was set */
	uint32_t awaited; /* threads in store_writer_wait_visible */
	bool stop;
	bool failed;
	uint64_t media_since_us; /* failing, not for want of space or memory; 0: it is not */
	char failure[ERROR_TEXT_BYTES];
	uint64_t visible[MAX_STAGE_WORKERS];
};

static void sleep_until_changed(struct store_writer *w, uint64_t us)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	pthread_mutex_lock(&w->lock);
	if (w->awaited > 0 && us > NAP_US_AWAITED && us <= NAP_US_MAX)
		us = NAP_US_AWAITED;
	uint64_t ns = (uint64_t)until.tv_nsec + us * 1000;
	until.tv_sec += (time_t)(ns / 1000000000u);
	until.tv_nsec = (long)(ns % 1000000000u);
	if (!w->stop)
		pthread_cond_timedwait(&w->changed, &w->lock, &until);
	pthread_mutex_unlock(&w->lock);
}

static bool stopping(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return stop;
}

/* Show a step's outcome; logs when it changes. True: it went well. */
static bool outcome(struct store_writer *w, enum result r, const struct error *err)
{
	bool good = r == RESULT_OK;
	uint64_t now = clock_mono_us();
	pthread_mutex_lock(&w->lock);
	if (good || r == RESULT_RESOURCE)
		w->media_since_us = 0;
	else if (w->media_since_us == 0)
		w->media_since_us = now;
	bool news = w->failed == good;
	w->failed = !good;
	if (!good)
		snprintf(w->failure, sizeof w->failure, "%s", err->text);
	pthread_mutex_unlock(&w->lock);
	w->last_result = r;
	if (!good)
		w->last_error = *err;
	if (news && good)
		log_info("store", "the store writer works again");
	if (news && !good)
		log_error("store", "the store writer is stuck, retrying: %s", err->text);
	return good;
}

static void publish(struct store_writer *w, const struct journal_block *block)
{
	pthread_mutex_lock(&w->lock);
	memcpy(w->visible, block->stage_seq, sizeof w->visible);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static bool flush_is_due(struct store_writer *w)
{
	uint64_t now = clock_mono_us(), since = now - w->flushed_at_us;
	if (since >= w->flush_us)
		return true;
	if (since < FLUSH_US_MIN || now - w->looked_at_us < STATUS_US)
		return false;
	struct journal_status status;
	w->looked_at_us = now;
	journal_status_get(w->journal, &status);
	return status.segments - status.segments_free > SEGMENTS_IN_USE || status.stalled;
}

static enum result flush(struct store_writer *w, struct error *err)
{
	enum result r = store_flush(w->store, err);
	if (r == RESULT_OK) {
		w->flushed_at_us = clock_mono_us();
		journal_release(w->journal, store_durable_block(w->store));
	}
	return r;
}

/* Write the run, flush and release the journal, as far as they are due. */
static enum result write_due(struct store_writer *w, struct error *err)
{
	enum result r = store_write_run(w->store, false, err);
	if (r == RESULT_OK && flush_is_due(w))
		r = flush(w, err);
	return r;
}

/*
 * What is due, then one block, if there is one. RESULT_ABSENT: there was none, all is well.
 * While what is due fails nothing is applied: the run stays as large as it is, the journal keeps
 * the rest.
 */
static enum result step(struct store_writer *w, struct journal_block *block, bool *pending,
                        struct error *err)
{
	enum result r = write_due(w, err);
	if (r == RESULT_OK && !*pending) {
		r = journal_read(w->journal, block, err);
		*pending = r == RESULT_OK;
	}
	if (r != RESULT_OK)
		return r;
	r = store_apply(w->store, block, err);
	if (r == RESULT_OK) {
		*pending = false;
		publish(w, block);
	}
	return r;
}

static void *writer_main(void *context)
{
	struct store_writer *w = context;
	struct journal_block block;
	bool pending = false; /* `block` was read and is not applied */
	uint64_t nap_us = NAP_US_MIN;
	struct error err;

	for (;;) {
		enum result r = step(w, &block, &pending, &err);
		bool stop = r != RESULT_OK && stopping(w);
		if (r == RESULT_ABSENT && !stop) {
			outcome(w, RESULT_OK, &err);
			sleep_until_changed(w, nap_us);
			nap_us = nap_us * 2 < NAP_US_MAX ? nap_us * 2 : NAP_US_MAX;
			continue;
		}
		nap_us = NAP_US_MIN;
		if (r == RESULT_ABSENT)
			r = flush(w, &err); /* all is applied: the last thing to do */
		bool good = outcome(w, r, &err);
		if (stop)
			return NULL;
		if (!good)
			sleep_until_changed(w, RETRY_US);
	}
}

enum result store_writer_start(struct journal *journal, struct store *store, uint32_t flush_s,
                               struct store_writer **out, struct error *err)
{
	if (flush_s == 0)
		return fail(RESULT_INPUT, err, "store: flush_s must be at least 1");
	struct store_writer *w = calloc(1, sizeof *w);
	if (!w)
		return fail(RESULT_RESOURCE, err, "store: no memory");
	w->journal = journal;
	w->store = store;
	w->flush_us = (uint64_t)flush_s * 1000000u;
	w->flushed_at_us = clock_mono_us();
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int error = pthread_create(&w->thread, NULL, writer_main, w);
	if (error != 0) {
		free(w);
		return fail(RESULT_RESOURCE, err, "store: start the writer thread: %s",
		            strerror(error));
	}
	*out = w;
	return RESULT_OK;
}

enum result store_writer_stop(struct store_writer *w, struct error *err)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	enum result r = w->last_result;
	if (r != RESULT_OK && err)
		*err = w->last_error;
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return r;
}

bool store_writer_wait_visible(struct store_writer *w, uint32_t stage, uint64_t seq,
                               uint32_t timeout_ms)
{
	CHECK_OP((int)stage, <, MAX_STAGE_WORKERS);
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)timeout_ms * 1000000u;
	until.tv_sec += (time_t)(ns / 1000000000u);
	until.tv_nsec = (long)(ns % 1000000000u);

	int error = 0;
	pthread_mutex_lock(&w->lock);
	w->awaited++;
	if (w->visible[stage] < seq)
		pthread_cond_broadcast(&w->changed); /* end the writer's nap */
	while (w->visible[stage] < seq && error == 0)
		error = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	w->awaited--;
	bool visible = w->visible[stage] >= seq;
	pthread_mutex_unlock(&w->lock);
	return visible;
}

bool store_writer_failed(struct store_writer *w, char *text, size_t bytes)
{
	uint64_t now = clock_mono_us();
	pthread_mutex_lock(&w->lock);
	bool failed = w->failed;
	uint64_t since = w->media_since_us;
	if (failed && since != 0 && now >= since + RESTART_US)
		snprintf(text, bytes,
		         "restart headraced: the journal will be replayed; stuck for %" PRIu64
		         " s: %s",
		         (now - since) / 1000000, w->failure);
	else
		snprintf(text, bytes, "%s", failed ? w->failure : "");
	pthread_mutex_unlock(&w->lock);
	return failed;
}
