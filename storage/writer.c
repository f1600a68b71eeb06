/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store writer's two loops. The first: read a block, apply, publish. The second: write the
 * run and flush when they are due, release the journal. So what was acknowledged is visible within
 * milliseconds, however long a write takes.
 *
 * What fails is tried again once a second, without going on: while runs can't be written, blocks
 * are applied until the store is full; the journal keeps what was not, and says so when it is
 * full. RocksDB stays in error after a failed background write: when the disk takes writes again,
 * it is opened anew, and what it had in memory comes from the journal's files once more.
 * Threads: two of its own. Memory: one struct. Never acknowledges anything and never touches the
 * appending side.
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
#include "storage/journal/inspect.h"

#define NAP_US_MIN       1000u
#define NAP_US_MAX       5000u
#define NAP_US_AWAITED   100u  /* while somebody waits for what comes next */
#define NAP_US_RUN       20000u /* between looks whether a run is due */
#define RETRY_US         1000000u
#define SEGMENTS_IN_USE  8u       /* flush early beyond so many ... */
#define FLUSH_US_MIN     1000000u /* ... but not more often than this */
#define STATUS_US        100000u
#define HEAL_US          2000000u  /* failing for so long: RocksDB is opened anew */

/* How the last step of a loop went. Under the lock, but for what the loop keeps for itself. */
struct loop {
	const char *name;
	bool failed;
	uint64_t failing_since_us; /* 0: it is not */
	char failure[ERROR_TEXT_BYTES];
	enum result result; /* for store_writer_stop, when the thread has ended */
	struct error err;
};

struct store_writer {
	struct journal *journal;
	struct store *store;
	const char *journal_dir; /* NULL: nothing can be replayed */
	uint64_t flush_us;
	uint64_t flushed_at_us, looked_at_us; /* the run thread's */
	pthread_t apply_thread, run_thread;
	struct loop apply, run;

	pthread_mutex_t applying; /* held while a block is applied, and while RocksDB is reopened */

	pthread_mutex_t lock;
	pthread_cond_t changed;  /* visible or applied rose, or stop was set */
	pthread_cond_t run_wake; /* a run may be due, or applied_all was set */
	pthread_cond_t written;  /* a run was written */
	uint32_t awaited; /* threads that wait for what comes next */
	bool stop, applied_all;
	uint64_t applied_block;
	uint64_t visible[MAX_STAGE_WORKERS];
};

static struct timespec deadline(uint64_t us)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	uint64_t ns = (uint64_t)until.tv_nsec + us * 1000;
	until.tv_sec += (time_t)(ns / 1000000000u);
	until.tv_nsec = (long)(ns % 1000000000u);
	return until;
}

static void sleep_until_changed(struct store_writer *w, uint64_t us)
{
	pthread_mutex_lock(&w->lock);
	if (w->awaited > 0 && us > NAP_US_AWAITED && us <= NAP_US_MAX)
		us = NAP_US_AWAITED;
	struct timespec until = deadline(us);
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
static bool outcome(struct store_writer *w, struct loop *loop, enum result r,
                    const struct error *err)
{
	bool good = r == RESULT_OK;
	uint64_t now = clock_mono_us();
	pthread_mutex_lock(&w->lock);
	if (good)
		loop->failing_since_us = 0;
	else if (loop->failing_since_us == 0)
		loop->failing_since_us = now;
	bool news = loop->failed == good;
	loop->failed = !good;
	if (!good)
		snprintf(loop->failure, sizeof loop->failure, "%s", err->text);
	pthread_mutex_unlock(&w->lock);
	loop->result = r;
	if (!good)
		loop->err = *err;
	if (news && good)
		log_info("store", "%s again", loop->name);
	if (news && !good)
		log_error("store", "stuck, retrying: %s", err->text);
	return good;
}

static void publish(struct store_writer *w, const struct journal_block *block)
{
	pthread_mutex_lock(&w->lock);
	memcpy(w->visible, block->stage_seq, sizeof w->visible);
	w->applied_block = block->number;
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

/* --- the thread that writes runs --- */

static bool applied_all(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool all = w->applied_all;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void run_sleep(struct store_writer *w, uint64_t us)
{
	pthread_mutex_lock(&w->lock);
	struct timespec until = deadline(us);
	if (!w->applied_all)
		pthread_cond_timedwait(&w->run_wake, &w->lock, &until);
	pthread_mutex_unlock(&w->lock);
}

/* Apply the journal's blocks after < number <= through from its files. */
static enum result replay(void *context, uint64_t after, uint64_t through, struct error *err)
{
	struct store_writer *w = context;
	struct journal_inspect *in;
	struct inspect_found found;
	enum result r = journal_inspect_open(w->journal_dir, &in, err);
	if (r != RESULT_OK)
		return r;
	journal_inspect_seek(in, after + 1);
	while (r == RESULT_OK && store_applied_block(w->store) < through) {
		r = journal_inspect_next(in, &found, err);
		if (r == RESULT_OK && found.kind == INSPECT_BLOCK)
			r = store_apply(w->store, &found.block, err);
		else if (r == RESULT_OK && found.kind != INSPECT_RELEASED)
			r = fail(RESULT_MEDIA, err,
			         "journal: block %" PRIu64 " can't be read again",
			         store_applied_block(w->store) + 1);
		if (r == RESULT_OK)
			r = store_write_run(w->store, false, err);
	}
	journal_inspect_close(in);
	return r;
}

static bool heal_again(void *context, enum result r, const struct error *err)
{
	struct store_writer *w = context;
	outcome(w, &w->run, r, err);
	run_sleep(w, RETRY_US);
	return !applied_all(w) && !stopping(w);
}

/* Open RocksDB anew, if it has been failing for a while and the disk takes writes. */
static void heal(struct store_writer *w)
{
	struct error err;
	if (!w->journal_dir || clock_mono_us() - w->run.failing_since_us < HEAL_US ||
	    store_probe(w->store, &err) != RESULT_OK)
		return;
	log_info("store", "the disk takes writes: RocksDB is opened anew");
	pthread_mutex_lock(&w->applying);
	enum result r = store_reopen(w->store, replay, heal_again, w, &err);
	pthread_mutex_unlock(&w->applying);
	outcome(w, &w->run, r, &err);
}

static void *run_main(void *context)
{
	struct store_writer *w = context;
	struct error err;
	for (;;) {
		bool last = applied_all(w);
		enum result r = store_write_run(w->store, last, &err);
		if (r == RESULT_OK && (last || flush_is_due(w)))
			r = flush(w, &err);
		bool good = outcome(w, &w->run, r, &err);
		pthread_mutex_lock(&w->lock);
		pthread_cond_broadcast(&w->written);
		pthread_mutex_unlock(&w->lock);
		if (last)
			return NULL;
		if (!good)
			heal(w);
		run_sleep(w, good ? NAP_US_RUN : RETRY_US);
	}
}

/* --- the thread that applies --- */

/* As long as so much is not written that no more should be applied, let the other thread write.
 * False: it still is. */
static bool make_room(struct store_writer *w)
{
	if (!store_is_full(w->store))
		return true;
	pthread_mutex_lock(&w->lock);
	pthread_cond_signal(&w->run_wake);
	struct timespec until = deadline(NAP_US_RUN);
	if (!w->stop)
		pthread_cond_timedwait(&w->written, &w->lock, &until);
	pthread_mutex_unlock(&w->lock);
	return !store_is_full(w->store);
}

/*
 * Apply one block, if there is one. RESULT_ABSENT: there was none, all is well; also while the
 * store is full: the journal keeps the rest.
 */
static enum result step(struct store_writer *w, struct journal_block *block, bool *pending,
                        struct error *err)
{
	if (!make_room(w))
		return RESULT_ABSENT;
	if (!*pending) {
		enum result r = journal_read(w->journal, block, err);
		if (r != RESULT_OK)
			return r;
		*pending = true;
	}
	pthread_mutex_lock(&w->applying);
	enum result r = store_apply(w->store, block, err);
	pthread_mutex_unlock(&w->applying);
	if (r == RESULT_OK) {
		*pending = false;
		publish(w, block);
	}
	return r;
}

static void *apply_main(void *context)
{
	struct store_writer *w = context;
	struct journal_block block;
	bool pending = false; /* `block` was read and is not applied */
	uint64_t nap_us = NAP_US_MIN;
	struct error err;

	for (;;) {
		enum result r = step(w, &block, &pending, &err);
		if (r == RESULT_OK) {
			nap_us = NAP_US_MIN;
			outcome(w, &w->apply, r, &err);
			continue;
		}
		bool good = r == RESULT_ABSENT;
		outcome(w, &w->apply, good ? RESULT_OK : r, &err);
		if (stopping(w))
			return NULL;
		sleep_until_changed(w, good ? nap_us : RETRY_US);
		nap_us = nap_us * 2 < NAP_US_MAX ? nap_us * 2 : NAP_US_MAX;
	}
}

static enum result threads_start(struct store_writer *w, struct error *err)
{
	int error = pthread_create(&w->apply_thread, NULL, apply_main, w);
	if (error == 0) {
		error = pthread_create(&w->run_thread, NULL, run_main, w);
		if (error != 0) {
			pthread_mutex_lock(&w->lock);
			w->stop = true;
			pthread_cond_broadcast(&w->changed);
			pthread_mutex_unlock(&w->lock);
			pthread_join(w->apply_thread, NULL);
		}
	}
	if (error != 0)
		return fail(RESULT_RESOURCE, err, "store: start the writer's threads: %s",
		            strerror(error));
	return RESULT_OK;
}

enum result store_writer_start(struct journal *journal, const char *journal_dir,
                               struct store *store, uint32_t flush_s, struct store_writer **out,
                               struct error *err)
{
	if (flush_s == 0)
		return fail(RESULT_INPUT, err, "store: flush_s must be at least 1");
	struct store_writer *w = calloc(1, sizeof *w);
	if (!w)
		return fail(RESULT_RESOURCE, err, "store: no memory");
	w->journal = journal;
	w->store = store;
	w->journal_dir = journal_dir;
	w->flush_us = (uint64_t)flush_s * 1000000u;
	w->flushed_at_us = clock_mono_us();
	w->apply.name = "blocks are applied";
	w->run.name = "runs are written";
	w->applied_block = store_applied_block(store);
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->applying, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &monotonic);
	pthread_cond_init(&w->run_wake, &monotonic);
	pthread_cond_init(&w->written, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enum result r = threads_start(w, err);
	if (r != RESULT_OK) {
		free(w);
		return r;
	}
	*out = w;
	return RESULT_OK;
}

enum result store_writer_stop(struct store_writer *w, struct error *err)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->changed);
	pthread_cond_broadcast(&w->written);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->apply_thread, NULL);
	pthread_mutex_lock(&w->lock);
	w->applied_all = true;
	pthread_cond_broadcast(&w->run_wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->run_thread, NULL);
	const struct loop *loop = w->apply.result != RESULT_OK ? &w->apply : &w->run;
	enum result r = loop->result;
	if (r != RESULT_OK && err)
		*err = loop->err;
	pthread_cond_destroy(&w->changed);
	pthread_cond_destroy(&w->run_wake);
	pthread_cond_destroy(&w->written);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->applying);
	free(w);
	return r;
}

/* Wait until *rising is at least `least`. Under the lock. */
static bool wait_risen(struct store_writer *w, const uint64_t *rising, uint64_t least,
                       uint32_t timeout_ms)
{
	struct timespec until = deadline((uint64_t)timeout_ms * 1000);
	int error = 0;
	w->awaited++;
	if (*rising < least)
		pthread_cond_broadcast(&w->changed); /* end the nap */
	while (*rising < least && error == 0)
		error = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	w->awaited--;
	return *rising >= least;
}

bool store_writer_wait_visible(struct store_writer *w, uint32_t stage, uint64_t seq,
                               uint32_t timeout_ms)
{
	CHECK_OP((int)stage, <, MAX_STAGE_WORKERS);
	pthread_mutex_lock(&w->lock);
	bool visible = wait_risen(w, &w->visible[stage], seq, timeout_ms);
	pthread_mutex_unlock(&w->lock);
	return visible;
}

bool store_writer_catch_up(struct store_writer *w, uint32_t timeout_ms)
{
	struct journal_status status;
	journal_status_get(w->journal, &status);
	pthread_mutex_lock(&w->lock);
	bool visible = wait_risen(w, &w->applied_block, status.durable_block, timeout_ms);
	pthread_mutex_unlock(&w->lock);
	return visible;
}

bool store_writer_failed(struct store_writer *w, char *text, size_t bytes)
{
	pthread_mutex_lock(&w->lock);
	const struct loop *loop = w->run.failed ? &w->run : &w->apply;
	bool failed = loop->failed;
	snprintf(text, bytes, "%s", failed ? loop->failure : "");
	pthread_mutex_unlock(&w->lock);
	return failed;
}
