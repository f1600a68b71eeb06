/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparkplug B: topics, metrics, and what is remembered of edge nodes. Never leaves this folder.
 *
 * A node's (or device's) BIRTH names its metrics and may give each an alias; DATA then comes with
 * aliases alone. So for each edge node whose messages this worker sees, the aliases (and types) of
 * metrics that the profile names are kept, in pools taken at start. A node has one MQTT connection
 * and a connection has one worker; after a new connection it must send its births again.
 * Full pools: the node heard longest ago makes room for a new node, a metric that finds no
 * room is not known by its alias; both are counted.
 */
#ifndef HEADRACE_INGEST_SPARKPLUG_H
#define HEADRACE_INGEST_SPARKPLUG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ingest/decode.h"
#include "ingest/plan.h"

enum sparkplug_type {
	SPARKPLUG_NBIRTH,
	SPARKPLUG_NDEATH,
	SPARKPLUG_DBIRTH,
	SPARKPLUG_DDEATH,
	SPARKPLUG_NDATA,
	SPARKPLUG_DDATA,
};

/* spBv1.0/<group>/<type>/<node>[/<device>] */
struct sparkplug_topic {
	enum sparkplug_type type;
	struct bytes group, node;
	struct bytes device; /* the node itself where there is none */
};

/* False: another kind of message, or none of Sparkplug's. */
bool sparkplug_topic(const char *topic, uint32_t bytes, struct sparkplug_topic *t);

enum sparkplug_value { VALUE_NONE, VALUE_BITS, VALUE_FLOAT, VALUE_DOUBLE, VALUE_BOOLEAN,
	               VALUE_TEXT, VALUE_OTHER };

struct sparkplug_metric {
	struct bytes name; /* no bytes: none */
	uint64_t alias, timestamp_ms, bits;
	struct bytes text;
	uint32_t datatype; /* 0: not said */
	bool has_alias, has_timestamp, historical, null;
	enum sparkplug_value value;
};

/* False: malformed. */
bool sparkplug_metric(const struct bytes *bytes, struct sparkplug_metric *metric);

struct sparkplug;
struct sparkplug *sparkplug_new(uint32_t nodes, uint32_t aliases, struct counters *counters);
void sparkplug_free(struct sparkplug *s);
uint64_t sparkplug_memory(uint32_t nodes, uint32_t aliases);

/* Whom a message is from, as the pools know it. */
struct sparkplug_sender {
	uint64_t node, device; /* hashes */
	bool born;             /* the births that its aliases need were seen */
};
struct sparkplug_sender sparkplug_sender(const struct sparkplug *s, const struct decode_plan *plan,
                                         const struct sparkplug_topic *t);

/* What a birth said of a metric: by alias, or by the place of its name in the plan. */
bool sparkplug_find_alias(const struct sparkplug *s, const struct sparkplug_sender *sender,
                          uint64_t alias, uint16_t *name, uint32_t *datatype);
bool sparkplug_find_name(const struct sparkplug *s, const struct sparkplug_sender *sender,
                         uint16_t name, uint32_t *datatype);

/* Learn from a message that was taken: births, deaths, sequence numbers. */
void sparkplug_commit(struct sparkplug *s, const struct decode_plan *plan,
                      const struct decode_source *in);

#endif
