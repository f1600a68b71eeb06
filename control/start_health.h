/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the fleet's health, in the daemon's start-up order. Thread: main's. */
#ifndef HEADRACE_START_HEALTH_H
#define HEADRACE_START_HEALTH_H

#include <stdatomic.h>

#include "control/broker/broker.h"
#include "control/events/alerts.h"
#include "control/events/monitor.h"
#include "storage/journal/journal.h"
#include "storage/writer.h"

struct health {
	struct health_rules rules;
	struct feed *feed;
	_Atomic(struct monitor *) monitor;
	struct alerts *alerts;
	struct journal *journal;
	struct store_writer *writer;
};

/* Before the store opens: what it is to call. `health` must stay where it is. */
MUST_USE enum result health_feed(struct health *h, uint32_t devices, struct store_watch *watch,
                                 struct error *err);
/* With the registry there, before the store's writer starts; ended after it. */
MUST_USE enum result health_start(struct health *h, struct registry *registry,
                                  struct store *store, const struct profile_set *profiles,
                                  struct error *err);
void health_stop(struct health *h);
/* After the store is closed. */
void health_free(struct health *h);

/* NULL: they end. */
void health_watch_storage(struct health *h, struct journal *journal, struct store_writer *writer);
void health_publish(struct health *h, struct broker *broker);

/* What the broker is told of its clients. */
struct broker_presence health_presence(struct health *h);

#endif
