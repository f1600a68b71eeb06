/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/resolver_thread.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/sched.h"
#include "ingest/resolver.h"

#define WAIT_MS     100
#define IDLE_US_MIN 100
#define IDLE_US_MAX 1000
#define RETRY_US    100000

/* False: told to stop before it was done; nothing in it is acknowledged then. */
static bool resolve(struct resolver_thread *r, uint32_t stage, struct batch *b)
{
	while (!r->store.wait_visible(r->store.context, stage, b->barrier_seq, WAIT_MS))
		if (atomic_load(&r->stop))
			return false;
	while (!resolver_run(b, r->store.find, r->store.context)) {
		if (atomic_load(&r->stop))
			return false;
		log_error("resolver", "the store can't be read; trying again");
		usleep(RETRY_US);
	}
	return true;
}

static void *run(void *argument)
{
	struct resolver_thread *r = argument;
	uint32_t idle_us = IDLE_US_MIN;

	sched_soon(0); /* batches wait for it, and meters for them */
	while (!atomic_load(&r->stop)) {
		bool found = false;
		for (uint32_t s = 0; s < r->stage_count; s++) {
			struct batch *b = ring_pop(r->from_stage[s]);
			if (!b)
				continue;
			found = true;
			if (!resolve(r, s, b))
				return NULL;
			bool pushed = ring_push(r->to_stage[s], b);
			CHECK(pushed);
		}
		idle_us = found ? IDLE_US_MIN : idle_us < IDLE_US_MAX ? idle_us * 2 : IDLE_US_MAX;
		if (!found)
			usleep(idle_us);
	}
	return NULL;
}

enum result resolver_thread_start(struct resolver_thread *r, struct error *err)
{
	int rc = pthread_create(&r->thread, NULL, run, r);
	if (rc != 0)
		return fail(RESULT_RESOURCE, err, "resolver: no thread: %s", strerror(rc));
	pthread_setname_np(r->thread, "resolver");
	r->running = true;
	return RESULT_OK;
}

void resolver_thread_stop(struct resolver_thread *r)
{
	if (!r->running)
		return;
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	r->running = false;
}
