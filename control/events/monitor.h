/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that watches the fleet's health: it takes the feed's occurrences, looks over all
 * devices again and again, and raises and clears events.
 *
 *   store applies -> feed  -> | occurrences at once, all devices  |
 *   registry, every minute -> | looked over at 1,000,000 a second | -> events
 *   broker's connections   -> |                                   |
 *
 * It starts before readings can come and ends after the store's last write: monitor_settle is
 * called before each, so that no occurrence leaves the journal before its event is durable.
 *
 * Threads: one of its own; all functions may be called from any ordinary one. Memory: 15 bytes a
 * device, taken at start. The workers know nothing of it.
 */
#ifndef HEADRACE_EVENTS_MONITOR_H
#define HEADRACE_EVENTS_MONITOR_H

#include "base/result.h"
#include "contract/profile.h"
#include "control/events/events.h"
#include "control/events/feed.h"
#include "control/events/gateways.h"
#include "control/registry/registry.h"

struct monitor;

/* True: storage is in trouble, `text` says which. */
typedef bool monitor_trouble_fn(void *context, char *text, size_t bytes);

struct monitor_config {
	const struct health_rules *rules;
	const struct profile_set *profiles;
	struct feed *feed;
	struct registry *registry;
	struct store *store;
};

/* Looks through the registry once, then starts the thread. */
MUST_USE enum result monitor_start(const struct monitor_config *config, struct monitor **out,
                                   struct error *err);
/* Everything is durable, or was counted. NULL is fine. */
void monitor_stop(struct monitor *m);

struct events *monitor_events(struct monitor *m);
struct gateways *monitor_gateways(struct monitor *m);

/* Whom to ask about storage; NULL: nobody (any more). */
void monitor_set_trouble(struct monitor *m, monitor_trouble_fn *fn, void *context);

/* What was fed so far is an event, and durable. */
void monitor_settle(void *monitor);

/* --- the fleet at a glance --- */

#define FIRMWARE_MAX 256
struct firmware_count {
	char manufacturer[DEVICE_TEXT_BYTES], model[DEVICE_TEXT_BYTES], version[DEVICE_TEXT_BYTES];
	uint64_t devices;
};

/* |drift| up to 5, 60, 300, 3,600 s, and beyond. */
#define DRIFT_BUCKETS 5
extern const uint32_t drift_bucket_s[DRIFT_BUCKETS - 1];

struct fleet_health {
	uint64_t active, heard, silent, never_heard; /* active devices */
	uint64_t low_battery, tamper;                /* by their newest reading */
	uint64_t drift[DRIFT_BUCKETS];
	uint64_t gateways, gateways_connected, gateways_silent;
	uint64_t firmware_others; /* devices of versions beyond FIRMWARE_MAX */
	uint32_t firmware_count;
	struct firmware_count firmware[FIRMWARE_MAX]; /* most devices first */
};
/* Looks over all devices: milliseconds for a million. */
void monitor_fleet(struct monitor *m, struct fleet_health *out);

#endif
