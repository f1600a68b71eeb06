/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what operators should know of meters, gateways and the daemon itself. One that comes
 * again while it is open is folded into it. Kept in memory and in the store's control space:
 *
 *   "v/" | number, 8, big-endian   -> JSON of the event
 *
 *   open -> acknowledged -> cleared     (cleared from open as well; cleared ones go with time)
 *
 * What is opened, acknowledged or cleared becomes durable with events_flush, and is handed to the
 * sinks only then; a mere repetition becomes durable within seconds. Never reads a clock.
 *
 * Threads: any ordinary ones; a lock inside. Memory: malloc, at most open_max + cleared_max events;
 * what finds no room is counted.
 */
#ifndef HEADRACE_EVENTS_EVENTS_H
#define HEADRACE_EVENTS_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/counters.h"
#include "contract/limits.h"
#include "control/events/rules.h"
#include "storage/store/store.h"

enum event_state { EVENT_OPEN, EVENT_ACKNOWLEDGED, EVENT_CLEARED, EVENT_STATES };
extern const char *const event_state_name[EVENT_STATES];
/* EVENT_STATES: there is none of the name. */
enum event_state event_state_find(const char *name);

#define EVENT_SUBJECT_BYTES (DEVICE_ID_BYTES + 1)
#define EVENT_TEXT_BYTES    192

/* COUNT(identifier, name, help) */
#define EVENT_COUNTS(COUNT)                                                                        \
	COUNT(OPENED, "events_opened", "events opened")                                            \
	COUNT(REPEATED, "events_repeated", "occurrences folded into an open event")                \
	COUNT(CLEARED, "events_cleared", "events cleared, by themselves or by hand")               \
	COUNT(DROPPED, "events_dropped", "events without room: health's open_max is reached")      \
	COUNT(FEED_DROPPED, "events_feed_dropped",                                                 \
	      "occurrences for which the feed from the store had no room")                         \
	COUNT(WRITE_FAILED, "events_write_failed", "attempts to store events that failed")         \
	COUNT(MQTT_SENT, "alerts_mqtt_sent", "alerts handed to the broker")                        \
	COUNT(MQTT_DROPPED, "alerts_mqtt_dropped", "alerts for which the broker had no room")      \
	COUNT(WEBHOOK_SENT, "alerts_webhook_sent", "alerts that a webhook took")                   \
	COUNT(WEBHOOK_FAILED, "alerts_webhook_failed", "attempts at a webhook that failed")        \
	COUNT(WEBHOOK_DROPPED, "alerts_webhook_dropped",                                           \
	      "alerts given up: a webhook's queue was full, or the daemon ended")

enum event_count {
#define EVENT_COUNT_ID(id, name, help) EVENT_COUNT_##id,
	EVENT_COUNTS(EVENT_COUNT_ID)
#undef EVENT_COUNT_ID
	    EVENT_COUNT_COUNT
};
extern const struct counter_info event_count_info[EVENT_COUNT_COUNT];

struct event {
	uint64_t number; /* from 1, in the order of opening */
	enum event_kind kind;
	enum event_severity severity;
	enum event_state state;
	char subject[EVENT_SUBJECT_BYTES]; /* device, gateway or "headraced" */
	uint32_t device;                   /* DEVICE_NONE: none */
	int64_t first_ms, last_ms;
	uint64_t count;
	int64_t acknowledged_ms, cleared_ms; /* 0: not yet */
	char *text;                          /* the cause */
	char *acknowledged_by, *note;        /* NULL: none */
	char *cleared_by, *cleared_why;      /* by NULL: by itself */
	/* not stored */
	struct event *hash_next;
	bool dirty, urgent, opened, cleared; /* since events_flush */
};

struct events;

/* Each opening and clearing, when it is durable. Called with the lock held: it must not call back,
 * nor wait. */
typedef void events_sink_fn(void *context, const struct event *event);

MUST_USE enum result events_open(struct store *store, const struct health_rules *rules,
                                 struct events **out, struct error *err);
void events_close(struct events *e);
void events_set_sink(struct events *e, events_sink_fn *fn, void *context);

struct event_occurrence {
	enum event_kind kind;
	const char *subject;
	uint32_t device;
	int64_t at_ms;
	const char *text;
};

/* Open one, or fold it into the one that is open. An occurrence not newer than the last one known
 * changes nothing (it is told again after a crash). False: none is open: no room, or the kind is
 * off. */
bool events_raise(struct events *e, const struct event_occurrence *o);
/* The cause is gone; no open one: nothing happens. Kinds that only an operator clears stay. */
void events_cause_gone(struct events *e, enum event_kind kind, const char *subject, int64_t now_ms,
                       const char *why);
bool events_is_open(struct events *e, enum event_kind kind, const char *subject);

/* Write what changed; then the sink gets it. `all`: repetitions, too. */
MUST_USE enum result events_flush(struct events *e, bool all, struct error *err);
/* Clear what has been quiet for long; forget what was cleared long ago. */
void events_tick(struct events *e, int64_t now_ms);

/* An operator's; durable on return. RESULT_ABSENT: no such event; RESULT_INPUT: it is cleared. */
MUST_USE enum result events_acknowledge(struct events *e, uint64_t number, const char *who,
                                        const char *note, int64_t now_ms, struct error *err);
MUST_USE enum result events_clear(struct events *e, uint64_t number, const char *who,
                                  const char *why, int64_t now_ms, struct error *err);

/* Newest first, from number <= from on. False ends it. Called with the lock held. */
typedef bool events_each_fn(void *context, const struct event *event);
void events_each(struct events *e, uint64_t from, events_each_fn *fn, void *context);
/* Likewise, one. False: none of this number. */
bool events_one(struct events *e, uint64_t number, events_each_fn *fn, void *context);
/* How many are not cleared. */
void events_open_counts(struct events *e, uint64_t by_kind[EVENT_KIND_COUNT],
                        uint64_t by_severity[EVENT_SEVERITIES]);

const _Atomic uint64_t *events_counts(const struct events *e);
void events_count(struct events *e, enum event_count id, uint64_t n);

/* Compact JSON as it is stored and sent; to be freed. NULL: no memory. */
char *event_json(const struct event *event);

#endif
