/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what is known of the devices to events. Input: the feed, the registry's states. Output:
 * events raised and cleared. Thread: whoever holds monitor.working.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/events/monitor_priv.h"

#define NOTES_PER_TAKE 256
#define BIT(kind)      ((uint16_t)(1u << EVENT_##kind))

_Static_assert(EVENT_KIND_COUNT <= 16, "a bit each in monitor.open");

/* Kinds that hold as long as the device's state shows their cause. */
#define BY_STATE                                                                                   \
	(BIT(SILENCE) | BIT(LOW_BATTERY) | BIT(METER_STATUS) | BIT(CLOCK_DRIFT) |                  \
	 BIT(CLOCK_REPLACED) | BIT(REGISTER_DECREASED) | BIT(REGISTRATION))

static void time_text(uint32_t s, char out[32])
{
	time_t when = (time_t)s;
	struct tm tm;
	if (s == 0 || !gmtime_r(&when, &tm))
		snprintf(out, 32, "the start");
	else
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* --- occurrences --- */

static void drift_text(enum event_kind kind, int64_t drift_s, char *out, size_t bytes)
{
	const char *what = kind == EVENT_CLOCK_DRIFT ? "readings are rejected"
	                                             : "the collection time takes its place";
	snprintf(out, bytes, "the meter's clock is %lld s %s: %s", llabs(drift_s),
	         drift_s < 0 ? "behind" : "ahead", what);
}

static void cause_text(enum event_kind kind, int64_t drift_s, char *out, size_t bytes)
{
	if (kind == EVENT_CLOCK_DRIFT || kind == EVENT_CLOCK_REPLACED)
		drift_text(kind, drift_s, out, bytes);
	else
		snprintf(out, bytes, "%s", event_kind_help[kind]);
}

static bool raise_for(struct monitor *m, uint32_t device, enum event_kind kind, int64_t at_ms,
                      const char *text)
{
	char id[DEVICE_ID_BYTES + 1];
	if (!registry_id_of(m->config.registry, device, id))
		return false;
	return events_raise(m->events, &(struct event_occurrence){.kind = kind,
	                                                          .subject = id,
	                                                          .device = device,
	                                                          .at_ms = at_ms,
	                                                          .text = text});
}

void monitor_drain(struct monitor *m)
{
	struct feed_note notes[NOTES_PER_TAKE];
	char text[EVENT_TEXT_BYTES];
	uint32_t count;
	while ((count = feed_take(m->config.feed, notes, NOTES_PER_TAKE)) > 0)
		for (uint32_t i = 0; i < count; i++) {
			const struct feed_note *n = &notes[i];
			cause_text(n->kind, n->drift_s, text, sizeof text);
			if (raise_for(m, n->device, n->kind, n->at_ms, text))
				m->open[n->device] |= (uint16_t)(1u << n->kind);
		}
	uint64_t dropped = feed_dropped(m->config.feed);
	if (dropped)
		events_count(m->events, EVENT_COUNT_FEED_DROPPED, dropped);
}

/* --- devices --- */

static uint32_t silence_of(const struct monitor *m, uint8_t profile)
{
	uint32_t own = m->config.rules->profile_silence_s[profile];
	return own ? own : m->config.rules->silence_s;
}

static uint32_t last_sign(const struct monitor *m, uint32_t device, uint32_t heard_s)
{
	uint32_t s = heard_s > m->since_s[device] ? heard_s : m->since_s[device];
	return s > m->started_s ? s : m->started_s;
}

static bool gateway_is_silent(struct monitor *m, uint32_t device)
{
	struct gateway g;
	return m->gateway[device] != GATEWAY_NONE &&
	       gateways_get(m->gateways, m->gateway[device], &g) && g.silent;
}

/* One silent gateway is one event, not one for each meter behind it. */
static bool is_silent(struct monitor *m, uint32_t device, struct feed_cell c, uint32_t now_s)
{
	uint32_t last = last_sign(m, device, c.heard_s);
	if (now_s <= last || now_s - last <= silence_of(m, c.profile))
		return false;
	return m->open[device] & BIT(SILENCE) || !gateway_is_silent(m, device);
}

static uint16_t wanted(struct monitor *m, uint32_t device, struct feed_cell c, uint32_t now_s)
{
	uint8_t state = atomic_load_explicit(&m->state[device], memory_order_relaxed);
	if (state == DEVICE_PENDING + 1)
		return BIT(REGISTRATION);
	if (state != DEVICE_ACTIVE + 1)
		return 0;
	return (uint16_t)((is_silent(m, device, c, now_s) ? BIT(SILENCE) : 0) |
	                  (c.flags & FEED_LOW_BATTERY ? BIT(LOW_BATTERY) : 0) |
	                  (c.flags & FEED_STATUS ? BIT(METER_STATUS) : 0) |
	                  (c.flags & FEED_DRIFT ? BIT(CLOCK_DRIFT) : 0) |
	                  (c.flags & FEED_REPLACED ? BIT(CLOCK_REPLACED) : 0) |
	                  (c.flags & FEED_REGISTER ? BIT(REGISTER_DECREASED) : 0));
}

static bool raise_state(struct monitor *m, uint32_t device, enum event_kind kind,
                        struct feed_cell c, int64_t now_ms)
{
	char text[EVENT_TEXT_BYTES], since[32];
	int64_t at_ms = kind == EVENT_SILENCE || kind == EVENT_REGISTRATION
	                    ? now_ms
	                    : (int64_t)c.heard_s * 1000 + 999; /* not once more for its note */
	if (kind == EVENT_SILENCE) {
		time_text(c.heard_s, since);
		snprintf(text, sizeof text, "not heard since %s; silent after %u s", since,
		         silence_of(m, c.profile));
	} else {
		cause_text(kind, c.drift_s, text, sizeof text);
	}
	return raise_for(m, device, kind, at_ms, text);
}

static const char *gone_text(enum event_kind kind)
{
	switch (kind) {
	case EVENT_SILENCE:
		return "the meter was heard again";
	case EVENT_REGISTRATION:
		return "it was decided";
	default:
		return "a reading came without it";
	}
}

static void change(struct monitor *m, uint32_t device, uint16_t want, uint16_t diff,
                   struct feed_cell c, int64_t now_ms)
{
	char id[DEVICE_ID_BYTES + 1];
	for (int k = 0; k < EVENT_KIND_COUNT; k++) {
		uint16_t bit = (uint16_t)(1u << k);
		enum event_kind kind = (enum event_kind)k;
		if (!(diff & bit))
			continue;
		if (want & bit) {
			if (raise_state(m, device, kind, c, now_ms))
				m->open[device] |= bit;
		} else if (registry_id_of(m->config.registry, device, id)) {
			events_cause_gone(m->events, kind, id, now_ms, gone_text(kind));
			m->open[device] &= (uint16_t)~bit;
		}
	}
}

/* --- gateways --- */

static void judge_gateway(struct monitor *m, uint32_t index, const struct gateway *g,
                          int64_t now_ms)
{
	uint32_t now_s = (uint32_t)(now_ms / 1000);
	uint32_t silence_s = m->config.rules->gateway_silence_s;
	uint32_t alive = gateway_alive_s(g, silence_s, now_s);
	char text[EVENT_TEXT_BYTES], since[32];
	uint32_t last = alive > m->started_s ? alive : m->started_s;
	bool silent = g->meters > 0 && now_s > last && now_s - last > silence_s;
	if (silent == g->silent)
		return;
	if (silent) {
		time_text(alive, since);
		snprintf(text, sizeof text, "no sign of life since %s; %u meters behind it", since,
		         g->meters);
		silent = events_raise(m->events,
		                      &(struct event_occurrence){.kind = EVENT_GATEWAY_SILENCE,
		                                                 .subject = g->id,
		                                                 .device = DEVICE_NONE,
		                                                 .at_ms = now_ms,
		                                                 .text = text});
	} else {
		events_cause_gone(m->events, EVENT_GATEWAY_SILENCE, g->id, now_ms,
		                  "it gave a sign of life");
	}
	gateways_set_silent(m->gateways, index, silent);
}

static void judge_gateways(struct monitor *m, int64_t now_ms)
{
	struct gateway g;
	for (uint32_t i = 1; gateways_get(m->gateways, i, &g); i++)
		judge_gateway(m, i, &g, now_ms);
}

void monitor_sweep(struct monitor *m, uint32_t count, int64_t now_ms)
{
	uint32_t now_s = (uint32_t)(now_ms / 1000);
	for (uint32_t i = 0; i < count && m->swept < m->known; i++, m->swept++) {
		uint32_t device = m->swept;
		struct feed_cell c = feed_cell(m->config.feed, device);
		uint16_t want = wanted(m, device, c, now_s);
		uint16_t diff = (uint16_t)((want ^ m->open[device]) & BY_STATE);
		if (diff)
			change(m, device, want, diff, c, now_ms);
		if (m->gateway[device] != GATEWAY_NONE)
			gateways_heard(m->gateways, m->gateway[device], c.heard_s);
	}
	if (m->swept >= m->known) {
		m->swept = 0;
		judge_gateways(m, now_ms);
	}
}
