/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ingest stage on a worker: batches from all io workers in, judged batches to the store;
 * detour batches to the resolver and back. Private to worker/.
 */
#ifndef HEADRACE_WORKER_STAGE_WORKER_H
#define HEADRACE_WORKER_STAGE_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/result.h"
#include "base/ring.h"
#include "contract/batch.h"
#include "ingest/stage.h"
#include "worker/pipeline.h"
#include "worker/report.h"

struct stage_worker {
	uint32_t index, io_count;
	struct stage *stage;
	struct ring *from_io[MAX_IO_WORKERS];
	struct ring *detour_return[MAX_IO_WORKERS];
	struct ring *to_store, *to_resolver, *from_resolver;
	struct batch *detours; /* all of them, one block */
	struct batch *free_detours;
	_Atomic uint32_t free_count;
	uint32_t next_io;   /* whose turn it is */
	uint64_t stage_seq; /* of the last batch handed to the store */
	struct counters *counters;
	struct stage_meter meter;
};

/* The caller sets index, io_count and the rings afterwards. */
MUST_USE enum result stage_worker_init(struct stage_worker *w, const struct pipeline_config *c,
                                       uint32_t index, struct error *err);
void stage_worker_fini(struct stage_worker *w);

/* Returns how many readings there were. */
uint32_t stage_worker_poll(struct stage_worker *w);

#endif
