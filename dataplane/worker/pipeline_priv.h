/* SPDX-License-Identifier: Apache-2.0 */
/* What a pipeline is made of. Private to worker/. */
#ifndef HEADRACE_WORKER_PIPELINE_PRIV_H
#define HEADRACE_WORKER_PIPELINE_PRIV_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/ring.h"
#include "worker/io.h"
#include "worker/pipeline.h"
#include "worker/resolver_thread.h"
#include "worker/stage_worker.h"
#include "worker/store_worker.h"

struct rte_rcu_qsbr;

struct pipeline {
	struct pipeline_config config;
	uint32_t io_count, stage_count;
	_Atomic int phase; /* enum pipeline_phase */
	_Atomic(const struct registry_view *) registry;
	struct rte_rcu_qsbr *rcu; /* a thread per worker */
	struct matcher *matcher;
	struct decode_plan *plans[256]; /* by profile id */

	struct io *io[MAX_IO_WORKERS];
	struct stage_worker stages[MAX_STAGE_WORKERS];
	struct store_worker store;
	struct resolver_thread resolver;

	/* named by producer and consumer: [io][stage], [io], [stage] */
	struct ring to_stage[MAX_IO_WORKERS][MAX_STAGE_WORKERS];
	struct ring detour_return[MAX_IO_WORKERS][MAX_STAGE_WORKERS];
	struct ring home[MAX_IO_WORKERS];
	struct ring to_store[MAX_STAGE_WORKERS];
	struct ring to_resolver[MAX_STAGE_WORKERS];
	struct ring from_resolver[MAX_STAGE_WORKERS];

	_Atomic uint32_t running;      /* worker threads in their loop */
	_Atomic int attach_result;     /* of journal_attach, an enum result */
	struct error attach_error;
};

/* The loop of one worker thread; `argument` is its struct worker_start. */
struct worker_start {
	struct pipeline *pipeline;
	uint32_t index;
};
int worker_run(void *argument);

#endif
