/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry, looked through: states, gateways, firmware. One pass costs a scan of the registry;
 * passes take at most a twentieth of a core (monitor.c). Thread: the monitor's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "control/events/monitor_priv.h"

#define TICK_US 200000u

struct looking {
	struct monitor *m;
	void (*meanwhile)(struct monitor *m);
	uint32_t known;
};

static void count_firmware(struct firmware_table *t, const struct device *d)
{
	uint32_t i = 0;
	while (i < t->count && (strcmp(t->rows[i].version, d->firmware) != 0 ||
	                        strcmp(t->rows[i].model, d->model) != 0 ||
	                        strcmp(t->rows[i].manufacturer, d->manufacturer) != 0))
		i++;
	if (i == FIRMWARE_MAX) {
		t->others++;
		return;
	}
	struct firmware_count *row = &t->rows[i];
	if (i == t->count) {
		t->count++;
		*row = (struct firmware_count){.devices = 0};
		snprintf(row->manufacturer, sizeof row->manufacturer, "%s", d->manufacturer);
		snprintf(row->model, sizeof row->model, "%s", d->model);
		snprintf(row->version, sizeof row->version, "%s", d->firmware);
	}
	row->devices++;
	/* the frequent ones are found first */
	if (i > 0 && row->devices > t->rows[i - 1].devices) {
		struct firmware_count other = t->rows[i - 1];
		t->rows[i - 1] = *row;
		*row = other;
	}
}

static void see_firmware(struct monitor *m, const struct device *d)
{
	uint32_t hash = crc32c(1, d->firmware, (uint32_t)strlen(d->firmware)) | 1u;
	uint32_t before = m->firmware[d->number];
	char text[EVENT_TEXT_BYTES];
	m->firmware[d->number] = hash;
	if (before == 0 || before == hash)
		return;
	snprintf(text, sizeof text, "the firmware is %s now",
	         d->firmware[0] ? d->firmware : "none");
	events_raise(m->events, &(struct event_occurrence){.kind = EVENT_FIRMWARE,
	                                                   .subject = d->id,
	                                                   .device = d->number,
	                                                   .at_ms = clock_wall_ms(),
	                                                   .text = text});
}

static bool on_device(void *context, const struct device *d)
{
	struct looking *l = context;
	struct monitor *m = l->m;
	if (atomic_load_explicit(&m->stop, memory_order_relaxed))
		return false;
	if (d->number < m->devices) {
		uint8_t state = (uint8_t)(d->state + 1);
		pthread_mutex_lock(&m->working);
		m->gateway[d->number] =
		    d->gateway[0] ? gateways_add(m->gateways, d->gateway) : GATEWAY_NONE;
		if (d->state == DEVICE_ACTIVE && m->state[d->number] != DEVICE_ACTIVE + 1)
			m->since_s[d->number] = (uint32_t)(clock_wall_ms() / 1000);
		atomic_store_explicit(&m->state[d->number], state, memory_order_relaxed);
		see_firmware(m, d);
		if (d->number >= m->known)
			m->known = d->number + 1;
		pthread_mutex_unlock(&m->working);
		if (m->gateway[d->number] != GATEWAY_NONE && d->state == DEVICE_ACTIVE)
			gateways_meter(m->gateways, m->gateway[d->number]);
		if (d->state != DEVICE_RETIRED)
			count_firmware(&m->counting, d);
	}
	if (l->meanwhile && clock_mono_us() - m->tick_us > TICK_US)
		l->meanwhile(m);
	return true;
}

static int by_count(const void *a, const void *b)
{
	const struct firmware_count *x = a, *y = b;
	return x->devices > y->devices ? -1 : x->devices < y->devices;
}

void monitor_look(struct monitor *m, void (*meanwhile)(struct monitor *m))
{
	struct looking l = {.m = m, .meanwhile = meanwhile};
	struct error err;
	gateways_begin(m->gateways);
	m->counting.count = 0;
	m->counting.others = 0;
	enum result r =
	    registry_list(m->config.registry, "", 0, UINT64_MAX, on_device, &l, &err);
	if (r != RESULT_OK) {
		log_warning("events", "the registry was not looked through: %s", err.text);
		return;
	}
	if (atomic_load_explicit(&m->stop, memory_order_relaxed))
		return;
	gateways_end(m->gateways, (uint32_t)(clock_wall_ms() / 1000));
	qsort(m->counting.rows, m->counting.count, sizeof m->counting.rows[0], by_count);
	pthread_mutex_lock(&m->lock);
	m->firmwares = m->counting;
	pthread_mutex_unlock(&m->lock);
}
