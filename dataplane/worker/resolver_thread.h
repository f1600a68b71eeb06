/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver's thread: detour batches of all stages, looked up in the store once everything
 * that their stage accepted before is visible there. An ordinary thread; workers never wait for
 * it. Private to worker/.
 */
#ifndef HEADRACE_WORKER_RESOLVER_THREAD_H
#define HEADRACE_WORKER_RESOLVER_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "base/ring.h"
#include "worker/pipeline.h"

struct resolver_thread {
	struct pipeline_store_access store;
	uint32_t stage_count;
	struct ring *from_stage[MAX_STAGE_WORKERS];
	struct ring *to_stage[MAX_STAGE_WORKERS];
	pthread_t thread;
	_Atomic bool stop;
	bool running;
};

MUST_USE enum result resolver_thread_start(struct resolver_thread *r, struct error *err);
void resolver_thread_stop(struct resolver_thread *r);

#endif
