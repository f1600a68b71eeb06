/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every counter of a worker, defined once: COUNTER(identifier, name, help text). The name is what
 * /metrics and `headrace status` show; a drop's or a protocol error's help cites its section.
 * Each module's list is in a .def file of its own; counter values are not stored, so the order
 * is free. One worker thread writes a struct counters, anybody may read it.
 */
#ifndef HEADRACE_CONTRACT_COUNTERS_H
#define HEADRACE_CONTRACT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/tally.h"

enum counter {
#define COUNTER(id, name, help) COUNTER_##id,
#include "contract/counters_net.def"
#include "contract/counters_tcp.def"
#include "contract/counters_mqtt.def"
#include "contract/counters_coap.def"
#include "contract/counters_ingest.def"
#include "contract/counters_worker.def"
#undef COUNTER
	COUNTER_COUNT
};

struct counter_info {
	const char *name; /* snake_case, unique */
	const char *help;
};

/* Indexed by enum counter. */
extern const struct counter_info counter_info[COUNTER_COUNT];

struct counters {
	_Atomic uint64_t value[COUNTER_COUNT];
};

/* By the owning thread only: a plain add, but readers elsewhere never see a torn value. */
static inline void counter_add(struct counters *c, enum counter id, uint64_t n)
{
	tally_add(&c->value[id], n);
}

static inline uint64_t counter_get(const struct counters *c, enum counter id)
{
	return atomic_load_explicit(&c->value[id], memory_order_relaxed);
}

#endif
