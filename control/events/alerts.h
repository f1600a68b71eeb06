/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts: each opening and clearing of an event, once it is durable, told to those who asked: to
 * the subscribers of the broker, and by POST to webhooks.
 *
 *   MQTT     events/<severity>/<kind>/<subject>, retained while the event is open; its clearing is
 *            one message more, and then the retained one is taken away
 *   webhook  the event as JSON, one after the other; what fails is tried again, the pause doubling
 *            up to the configured one, before the next; what has no room in the queue is counted
 *
 * After a start, events that are open are published again, and those that nobody has acknowledged
 * are posted again: an alert may come twice, but a crash between an event and its alert loses none.
 *
 * Threads: one for each webhook; events_sink_fn and alerts_set_publish from any. It never makes
 * who raises an event wait. Memory: bounded queues.
 */
#ifndef HEADRACE_EVENTS_ALERTS_H
#define HEADRACE_EVENTS_ALERTS_H

#include "base/result.h"
#include "control/events/events.h"

struct alerts;

MUST_USE enum result alerts_start(const struct health_rules *rules, struct events *events,
                                  struct alerts **out, struct error *err);
/* What no webhook took until now is counted as dropped. NULL is fine. */
void alerts_stop(struct alerts *a);

/* The broker; an empty payload takes a retained message away. It must not wait; false: no room. */
typedef bool alerts_publish_fn(void *context, const char *topic, const char *payload,
                               bool retain);
/* NULL: there is none (any more). */
void alerts_set_publish(struct alerts *a, alerts_publish_fn *fn, void *context);

#endif
