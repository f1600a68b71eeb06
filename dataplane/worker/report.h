/* SPDX-License-Identifier: Apache-2.0 */
/* What the control plane sees of the workers: counters, meters, levels. Read-only, any thread. */
#ifndef HEADRACE_WORKER_REPORT_H
#define HEADRACE_WORKER_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/tally.h"
#include "contract/counters.h"

/* Work of one stage, written by its worker. */
struct stage_meter {
	_Atomic uint64_t cycles; /* spent in polls that found work */
	_Atomic uint64_t items;  /* frames, readings or records handled */
	_Atomic uint64_t polls;  /* all polls */
	_Atomic uint64_t busy_polls;
};

/* By the owning worker: one busy poll's (or message's) work. */
static inline void meter_add(struct stage_meter *m, uint64_t cycles, uint64_t items)
{
	tally_add(&m->cycles, cycles);
	tally_add(&m->items, items);
	tally_add(&m->busy_polls, 1);
}

/* By the owning worker: a poll was made, with or without work. */
static inline void meter_poll(struct stage_meter *m)
{
	tally_add(&m->polls, 1);
}

enum report_stage_kind { REPORT_IO, REPORT_DECODE, REPORT_STAGE, REPORT_STORE };

struct report_stage {
	char name[16]; /* "io0", "decode0", "stage1", "store" */
	enum report_stage_kind kind;
	uint32_t cpu;
	const struct stage_meter *meter;
	const struct counters *counters;       /* of io and stage workers, else NULL */
	const struct histogram *ack_us;        /* io: message taken to answer sent; else NULL */
	const struct histogram *poll_us;       /* io: polls that found work; else NULL */
};

enum report_pool_kind {
	REPORT_POOL_EACH,  /* each connection has one record, idle or not */
	REPORT_POOL_SOME,  /* connections have some while they need them */
	REPORT_POOL_OTHER, /* of peers that are not connected */
};

/* Memory that connections take, over all io workers. */
struct report_pool {
	const char *name;
	enum report_pool_kind kind;
	uint32_t record_bytes;
	uint64_t used, capacity; /* records */
};

struct report_level {
	char name[48]; /* "io0 to stage0", "io0 free batches", "io0 connections" */
	const char *kind; /* "ring" or "pool" */
	uint64_t used, capacity;
};

/* A port and how its frames come to its io stages. */
struct report_port {
	const char *device;
	uint32_t queues;          /* of the device */
	uint32_t io_first, ios;   /* its io stages, by number */
	const char *distribution; /* "alone", "device", "software" */
};

struct pipeline;

/* False: no such port. */
bool pipeline_port(const struct pipeline *p, uint32_t index, struct report_port *out);

uint32_t pipeline_stage_count(const struct pipeline *p);
void pipeline_stage(const struct pipeline *p, uint32_t index, struct report_stage *out);

/* Fills at most `max` levels, returns how many there are. */
uint32_t pipeline_levels(const struct pipeline *p, struct report_level *out, uint32_t max);

/* False: no such pool. */
bool pipeline_pool(const struct pipeline *p, uint32_t index, struct report_pool *out);

/* Bytes that an idle MQTT connection takes, all told: of REPORT_POOL_EACH. */
uint32_t pipeline_bytes_per_connection(const struct pipeline *p);

/* Memory reserved at start for connections, batches and messages of all workers, bytes. */
uint64_t pipeline_memory_bytes(const struct pipeline *p);

/* Readings taken from messages since start (handed to the stages). The counters say the rest:
 * received - what became durable since start = not yet acknowledged. */
uint64_t pipeline_readings_received(const struct pipeline *p);

#endif
