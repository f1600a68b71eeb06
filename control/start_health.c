/* SPDX-License-Identifier: Apache-2.0 */
#include "control/start_health.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static void settle(void *health)
{
	struct health *h = health;
	struct monitor *m = atomic_load(&h->monitor);
	if (m)
		monitor_settle(m);
}

static void on_reading(void *health, const struct stored_reading *r)
{
	const struct health *h = health;
	feed_reading(h->feed, r);
}

static void on_error(void *health, const struct stored_error *e)
{
	const struct health *h = health;
	feed_error(h->feed, e);
}

enum result health_feed(struct health *h, uint32_t devices, struct store_watch *watch,
                        struct error *err)
{
	h->feed = feed_new(devices);
	*watch = (struct store_watch){on_reading, on_error, settle, h};
	return h->feed ? RESULT_OK
	               : fail(RESULT_RESOURCE, err, "events: no memory for %u devices", devices);
}

enum result health_start(struct health *h, struct registry *registry, struct store *store,
                         const struct profile_set *profiles, struct error *err)
{
	struct monitor *m = NULL;
	const struct monitor_config c = {.rules = &h->rules,
	                                 .profiles = profiles,
	                                 .feed = h->feed,
	                                 .registry = registry,
	                                 .store = store};
	enum result r = monitor_start(&c, &m, err);
	if (r != RESULT_OK)
		return r;
	atomic_store(&h->monitor, m);
	return alerts_start(&h->rules, monitor_events(m), &h->alerts, err);
}

void health_stop(struct health *h)
{
	struct monitor *m = atomic_load(&h->monitor);
	if (m)
		monitor_settle(m);
	alerts_stop(h->alerts);
	h->alerts = NULL;
	atomic_store(&h->monitor, NULL);
	monitor_stop(m);
}

void health_free(struct health *h)
{
	feed_free(h->feed);
	h->feed = NULL;
}

/* --- storage --- */

static bool trouble(void *context, char *text, size_t bytes)
{
	const struct health *h = context;
	struct journal_status j;
	journal_status_get(h->journal, &j);
	if (j.stalled || j.alarm[0]) {
		snprintf(text, bytes, "journal: %s", j.alarm[0] ? j.alarm : "it is stalled");
		return true;
	}
	return store_writer_failed(h->writer, text, bytes);
}

void health_watch_storage(struct health *h, struct journal *journal, struct store_writer *writer)
{
	struct monitor *m = atomic_load(&h->monitor);
	if (!m)
		return;
	monitor_set_trouble(m, NULL, NULL);
	h->journal = journal;
	h->writer = writer;
	if (journal && writer)
		monitor_set_trouble(m, trouble, h);
}

/* --- the broker --- */

static bool publish(void *broker, const char *topic, const char *payload, bool retain)
{
	return broker_publish(broker, topic, payload, retain);
}

void health_publish(struct health *h, struct broker *broker)
{
	alerts_set_publish(h->alerts, broker ? publish : NULL, broker);
}

static void on_presence(void *context, const uint8_t *client, uint32_t client_bytes,
                        enum broker_sign sign, uint16_t keep_alive_s)
{
	struct health *h = context;
	struct monitor *m = atomic_load(&h->monitor);
	static const enum gateway_sign signs[] = {[BROKER_SIGN_CONNECTED] = GATEWAY_CONNECTED,
	                                          [BROKER_SIGN_PUBLISHED] = GATEWAY_PUBLISHED,
	                                          [BROKER_SIGN_GONE] = GATEWAY_GONE};
	if (m)
		gateways_sign(monitor_gateways(m), (const char *)client, client_bytes, signs[sign],
		              keep_alive_s, (uint32_t)(clock_wall_ms() / 1000));
}

struct broker_presence health_presence(struct health *h)
{
	return (struct broker_presence){on_presence, h};
}
