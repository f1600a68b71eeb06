/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/events. */
#ifndef HEADRACE_EVENTS_MONITOR_PRIV_H
#define HEADRACE_EVENTS_MONITOR_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/events/monitor.h"

struct firmware_table {
	uint32_t count;
	uint64_t others;
	struct firmware_count rows[FIRMWARE_MAX];
};

struct monitor {
	struct monitor_config config;
	struct events *events;
	struct gateways *gateways;
	uint32_t devices;

	/* by device; written by the thread that works */
	_Atomic uint8_t *state; /* enum device_state + 1; 0: not known */
	uint32_t *gateway;      /* index, GATEWAY_NONE: none */
	uint32_t *since_s;      /* when it was seen active first */
	uint32_t *firmware;     /* hash; 0: not known */
	uint16_t *open;         /* bit of each kind whose event was raised, and its cause lasts */

	pthread_mutex_t working; /* held for a tick */
	uint32_t swept;          /* the next device */
	uint32_t known;          /* devices are below it */
	uint32_t started_s;
	uint64_t tick_us, storage_us, tidy_us, flush_us, registry_us, registry_pause_us;
	uint64_t drops_seen;
	bool write_failing;

	pthread_mutex_t lock; /* of what follows */
	monitor_trouble_fn *trouble;
	void *trouble_context;
	struct firmware_table firmwares;
	struct firmware_table counting; /* the working thread's */

	pthread_t thread;
	bool running;
	atomic_bool stop;
};

/* --- sweep.c --- */

/* The feed's occurrences become events. */
void monitor_drain(struct monitor *m);
/* Look over the next devices; at the end of a round, the gateways. */
void monitor_sweep(struct monitor *m, uint32_t count, int64_t now_ms);

/* --- look.c --- */

/* Look through the registry; ticks go on meanwhile. */
void monitor_look(struct monitor *m, void (*meanwhile)(struct monitor *m));

#endif
