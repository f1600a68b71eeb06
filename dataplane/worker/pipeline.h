/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline: all stages, the rings between them, the worker threads that run them.
 *
 *   io[i] --to_stage[i][s]--> stage[s] --to_store[s]--> store --home[i]--> io[i]
 *                               |  ^
 *                     to_resolver  from_resolver      (ordinary thread)
 *
 * A worker runs its stages in the order of the data. Built and ended by the control plane;
 * between pipeline_start and pipeline_stop only the workers touch what is inside.
 */
#ifndef HEADRACE_WORKER_PIPELINE_H
#define HEADRACE_WORKER_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "coap/coap.h"
#include "contract/broker.h"
#include "contract/limits.h"
#include "contract/profile.h"
#include "contract/registry_view.h"
#include "contract/replay.h"
#include "ingest/decode.h"
#include "ingest/match.h"
#include "ingest/resolver.h"
#include "ingest/stage.h"
#include "mqtt/mqtt.h"
#include "net/port.h"
#include "storage/journal/journal.h"
#include "worker/report.h"

struct pipeline_worker_config {
	uint32_t cpu;
	uint32_t io_mask;    /* bit i: io stage i */
	uint32_t stage_mask; /* bit s: ingest stage s */
	bool store;
};

/* What the resolver thread needs of the store. */
struct pipeline_store_access {
	resolver_find_fn *find;
	/* Wait until batches 1..seq of the stage can be found, at most `timeout_ms`. */
	bool (*wait_visible)(void *context, uint32_t stage, uint64_t seq, uint32_t timeout_ms);
	void *context;
};

struct pipeline_config {
	struct port *ports; /* opened; io stages are numbered over all ports in order */
	uint32_t port_count;
	struct pipeline_worker_config workers[MAX_WORKERS];
	uint32_t worker_count;
	bool spin; /* never nap */

	uint16_t mqtt_port, coap_port; /* 0: off */
	struct mqtt_config mqtt;
	uint32_t mqtt_inflight_max;
	struct broker_link *broker; /* to the MQTT broker of the control plane */
	bool mqtt_auth; /* every CONNECT waits for the broker's judgement */
	bool mqtt_identity_username; /* who sends is told by the user name, not the client id */
	uint64_t mqtt_alias_bytes; /* per io worker: for the topics behind aliases */
	struct coap_config coap;
	struct coap_link *coap_service; /* NULL: none */
	struct replay_link *replay;     /* NULL: nobody replays */
	bool strict_authorisation;

	/* per io worker */
	uint32_t connections, batches, messages;
	uint64_t rx_memory_bytes, tx_memory_bytes;
	struct decoder_config decoder; /* taken only where a profile needs it */
	/* per stage worker */
	uint32_t detours;

	const struct profile_set *profiles;
	struct device_track *device_tracks;
	uint32_t devices;
	const struct registry_view *registry; /* the first; pipeline_publish_registry follows */
	struct journal *journal;              /* opened, not attached */
	struct pipeline_store_access store;
};

/* Everything is allocated here. */
MUST_USE enum result pipeline_new(const struct pipeline_config *config, struct pipeline **out,
                                  struct error *err);
/* Start the worker threads and the resolver; returns when all of them run. */
MUST_USE enum result pipeline_start(struct pipeline *p, struct error *err);

/* Put a new registry snapshot in place and return when no worker looks at the old one. */
void pipeline_publish_registry(struct pipeline *p, const struct registry_view *view);

/* Take nothing new, wait at most `timeout_ms` until all that was taken is durable and answered,
 * close the connections, end the threads. False: something was left unanswered. */
bool pipeline_stop(struct pipeline *p, uint32_t timeout_ms);

/* What decodes messages: built once, immutable; good until pipeline_free. Plans by profile id. */
const struct matcher *pipeline_matcher(const struct pipeline *p);
struct decode_plan *const *pipeline_plans(const struct pipeline *p);

/* After pipeline_stop, or without a start. */
void pipeline_free(struct pipeline *p);

#endif
