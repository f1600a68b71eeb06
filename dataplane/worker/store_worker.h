/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store stage on a worker: judged batches into the journal, durable ones home to their io
 * worker. Private to worker/. The journal belongs to this thread's side of journal.h.
 */
#ifndef HEADRACE_WORKER_STORE_WORKER_H
#define HEADRACE_WORKER_STORE_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/ring.h"
#include "contract/batch.h"
#include "storage/journal/journal.h"
#include "worker/report.h"

struct store_worker {
	struct journal *journal;
	uint32_t stage_count;
	struct ring *from_stage[MAX_STAGE_WORKERS];
	struct ring *home[MAX_IO_WORKERS];
	struct batch *writing_head, *writing_tail; /* appended, not yet durable; in block order */
	uint32_t next_stage;
	_Atomic uint32_t writing_count;
	struct stage_meter meter;
};

/* Returns how many readings were appended or became durable. */
uint32_t store_worker_poll(struct store_worker *w);

#endif
