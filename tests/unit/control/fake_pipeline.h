/* SPDX-License-Identifier: Apache-2.0 */
/* Workers, journal and writer behind their real headers, with what a test puts in. */
#ifndef HEADRACE_TESTS_CONTROL_FAKE_PIPELINE_H
#define HEADRACE_TESTS_CONTROL_FAKE_PIPELINE_H

#include "storage/journal/journal.h"
#include "storage/writer.h"
#include "worker/report.h"

struct pipeline {
	struct stage_meter meters[3];
	struct counters counters[2];
	struct histogram ack_us;
	uint64_t received;
	uint64_t batches_used;
};

struct journal {
	struct journal_status status;
	struct fate_totals totals;
	struct histogram write_us;
};

struct store_writer {
	const char *trouble; /* NULL: none */
	bool behind;         /* what is acknowledged cannot be read yet */
};

#endif
