/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of the fleet's health: what it does when. See monitor.h. */
#include "control/events/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/events/monitor_priv.h"

#define TICK_MS           200
#define DEVICES_PER_TICK  200000u /* 1,000,000 a second */
#define STORAGE_US        1000000u
#define FLUSH_US          5000000u /* what only repeats becomes durable this late */
#define TIDY_US           10000000u
#define REGISTRY_PAUSE    20 /* times as long as the last look took, at least */

const uint32_t drift_bucket_s[DRIFT_BUCKETS - 1] = {5, 60, 300, 3600};

/* --- the daemon itself --- */

static void raise_own(struct monitor *m, enum event_kind kind, const char *text, int64_t now_ms)
{
	events_raise(m->events, &(struct event_occurrence){.kind = kind,
	                                                   .subject = "headraced",
	                                                   .device = DEVICE_NONE,
	                                                   .at_ms = now_ms,
	                                                   .text = text});
}

static void look_at_storage(struct monitor *m, int64_t now_ms)
{
	char text[EVENT_TEXT_BYTES] = "";
	pthread_mutex_lock(&m->lock);
	bool asked = m->trouble != NULL;
	bool trouble = asked && m->trouble(m->trouble_context, text, sizeof text);
	pthread_mutex_unlock(&m->lock);
	if (trouble)
		raise_own(m, EVENT_STORAGE, text, now_ms);
	else if (asked)
		events_cause_gone(m->events, EVENT_STORAGE, "headraced", now_ms,
		                  "it can be written again");
}

static void look_at_drops(struct monitor *m, int64_t now_ms)
{
	static const enum event_count drops[] = {EVENT_COUNT_DROPPED, EVENT_COUNT_FEED_DROPPED,
	                                         EVENT_COUNT_MQTT_DROPPED,
	                                         EVENT_COUNT_WEBHOOK_DROPPED};
	uint64_t sum = 0;
	for (uint32_t i = 0; i < sizeof drops / sizeof drops[0]; i++)
		sum += atomic_load_explicit(&events_counts(m->events)[drops[i]],
		                            memory_order_relaxed);
	if (sum != m->drops_seen)
		raise_own(m, EVENT_OVERFLOW, event_kind_help[EVENT_OVERFLOW], now_ms);
	m->drops_seen = sum;
}

static void flush(struct monitor *m, bool all)
{
	struct error err;
	bool failed = events_flush(m->events, all, &err) != RESULT_OK;
	if (failed && !m->write_failing)
		log_error("events", "%s; they are kept in memory and tried again", err.text);
	m->write_failing = failed;
}

/* --- ticks --- */

static bool is_due(uint64_t *last_us, uint64_t every_us, uint64_t now_us)
{
	if (now_us - *last_us < every_us)
		return false;
	*last_us = now_us;
	return true;
}

static void tick(struct monitor *m)
{
	uint64_t now_us = clock_mono_us();
	int64_t now_ms = clock_wall_ms();
	pthread_mutex_lock(&m->working);
	m->tick_us = now_us;
	monitor_drain(m);
	monitor_sweep(m, DEVICES_PER_TICK, now_ms);
	if (is_due(&m->storage_us, STORAGE_US, now_us)) {
		look_at_storage(m, now_ms);
		look_at_drops(m, now_ms);
	}
	if (is_due(&m->tidy_us, TIDY_US, now_us))
		events_tick(m->events, now_ms);
	flush(m, is_due(&m->flush_us, FLUSH_US, now_us));
	pthread_mutex_unlock(&m->working);
}

void monitor_settle(void *monitor)
{
	struct monitor *m = monitor;
	pthread_mutex_lock(&m->working);
	monitor_drain(m);
	flush(m, true);
	pthread_mutex_unlock(&m->working);
}

static void look(struct monitor *m)
{
	uint64_t began_us = clock_mono_us();
	monitor_look(m, tick);
	uint64_t now_us = clock_mono_us();
	uint64_t least_us = m->config.rules->registry_every_s * 1000000ull;
	m->registry_pause_us = (now_us - began_us) * REGISTRY_PAUSE;
	if (m->registry_pause_us < least_us)
		m->registry_pause_us = least_us;
	m->registry_us = now_us;
}

static void *run(void *argument)
{
	struct monitor *m = argument;
	pthread_setname_np(pthread_self(), "events");
	while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
		tick(m);
		if (clock_mono_us() - m->registry_us >= m->registry_pause_us)
			look(m);
		nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000l}, NULL);
	}
	return NULL;
}

/* --- the fleet --- */

static uint32_t drift_bucket(int16_t drift_s)
{
	uint32_t b = 0, drift = (uint32_t)abs(drift_s);
	while (b < DRIFT_BUCKETS - 1 && drift > drift_bucket_s[b])
		b++;
	return b;
}

static void count_device(const struct monitor *m, uint32_t device, struct fleet_health *out)
{
	struct feed_cell c = feed_cell(m->config.feed, device);
	uint8_t state = atomic_load_explicit(&m->state[device], memory_order_relaxed);
	if (state != DEVICE_ACTIVE + 1)
		return;
	out->active++;
	if (c.heard_s == 0) {
		out->never_heard++;
		return;
	}
	out->heard++;
	out->low_battery += (c.flags & FEED_LOW_BATTERY) != 0;
	out->tamper += (c.flags & FEED_TAMPER) != 0;
	out->drift[drift_bucket(c.drift_s)]++;
}

void monitor_fleet(struct monitor *m, struct fleet_health *out)
{
	uint64_t by_kind[EVENT_KIND_COUNT], by_severity[EVENT_SEVERITIES];
	struct gateway g;
	memset(out, 0, sizeof *out);
	for (uint32_t d = 0; d < m->devices; d++)
		count_device(m, d, out);
	events_open_counts(m->events, by_kind, by_severity);
	out->silent = by_kind[EVENT_SILENCE];
	for (uint32_t i = 1; gateways_get(m->gateways, i, &g); i++) {
		out->gateways += g.meters > 0;
		out->gateways_connected += g.connected;
		out->gateways_silent += g.silent;
	}
	pthread_mutex_lock(&m->lock);
	out->firmware_count = m->firmwares.count;
	out->firmware_others = m->firmwares.others;
	memcpy(out->firmware, m->firmwares.rows,
	       m->firmwares.count * sizeof m->firmwares.rows[0]);
	pthread_mutex_unlock(&m->lock);
}

/* --- start and end --- */

static bool take_memory(struct monitor *m)
{
	m->gateways = gateways_new();
	m->state = calloc(m->devices, sizeof m->state[0]);
	m->gateway = calloc(m->devices, sizeof m->gateway[0]);
	m->since_s = calloc(m->devices, sizeof m->since_s[0]);
	m->firmware = calloc(m->devices, sizeof m->firmware[0]);
	m->open = calloc(m->devices, sizeof m->open[0]);
	return m->gateways && m->state && m->gateway && m->since_s && m->firmware && m->open;
}

/* The events that were open when the daemon ended. */
static bool on_known(void *context, const struct event *v)
{
	struct monitor *m = context;
	if (v->state == EVENT_CLEARED)
		return true;
	if (v->device < m->devices)
		m->open[v->device] |= (uint16_t)(1u << v->kind);
	if (v->kind == EVENT_GATEWAY_SILENCE)
		gateways_set_silent(m->gateways, gateways_add(m->gateways, v->subject), true);
	return true;
}

enum result monitor_start(const struct monitor_config *config, struct monitor **out,
                          struct error *err)
{
	struct monitor *m = calloc(1, sizeof *m);
	if (!m)
		return fail(RESULT_RESOURCE, err, "events: no memory");
	m->config = *config;
	m->devices = feed_devices(config->feed);
	m->started_s = (uint32_t)(clock_wall_ms() / 1000);
	pthread_mutex_init(&m->working, NULL);
	pthread_mutex_init(&m->lock, NULL);
	enum result r = events_open(config->store, config->rules, &m->events, err);
	if (r == RESULT_OK && !take_memory(m))
		r = fail(RESULT_RESOURCE, err, "events: no memory for %u devices", m->devices);
	if (r == RESULT_OK) {
		events_each(m->events, UINT64_MAX, on_known, m);
		monitor_look(m, NULL);
		for (uint32_t d = 0; d < m->devices; d++)
			m->since_s[d] = 0; /* known before: started_s counts */
		m->registry_us = clock_mono_us();
		m->registry_pause_us = config->rules->registry_every_s * 1000000ull;
		if (pthread_create(&m->thread, NULL, run, m) != 0)
			r = fail(RESULT_RESOURCE, err, "events: no thread");
		else
			m->running = true;
	}
	if (r != RESULT_OK) {
		monitor_stop(m);
		return r;
	}
	*out = m;
	return RESULT_OK;
}

void monitor_stop(struct monitor *m)
{
	if (!m)
		return;
	atomic_store(&m->stop, true);
	if (m->running) {
		pthread_join(m->thread, NULL);
		monitor_settle(m);
	}
	events_close(m->events);
	gateways_free(m->gateways);
	free(m->state);
	free(m->gateway);
	free(m->since_s);
	free(m->firmware);
	free(m->open);
	pthread_mutex_destroy(&m->working);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct events *monitor_events(struct monitor *m)
{
	return m->events;
}

struct gateways *monitor_gateways(struct monitor *m)
{
	return m->gateways;
}

void monitor_set_trouble(struct monitor *m, monitor_trouble_fn *fn, void *context)
{
	pthread_mutex_lock(&m->lock);
	m->trouble = fn;
	m->trouble_context = context;
	pthread_mutex_unlock(&m->lock);
}
