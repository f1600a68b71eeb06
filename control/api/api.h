/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API: HTTP/JSON on a Unix socket, whose users are admins, and on an optional TCP address,
 * with or without TLS, where a token says who asks. Programs on this machine may ask for rates and
 * counters without one. Only this folder sees libmicrohttpd.
 *
 * Threads: libmicrohttpd's own, one per connection, at most a few dozen. They read the workers'
 * meters, lock in the store and the registry, and never make a worker wait.
 * Memory: bounded per connection; request bodies and answers have limits.
 */
#ifndef HEADRACE_API_API_H
#define HEADRACE_API_API_H

#include <stdint.h>

#include "base/result.h"
#include "contract/channel.h"
#include "contract/counters.h"
#include "contract/profile.h"
#include "control/calendar/calendar.h"
#include "control/config/config.h"
#include "control/errors/queue.h"
#include "control/events/monitor.h"
#include "control/invoices/invoices.h"
#include "control/registry/registry.h"
#include "control/scan/scan.h"
#include "control/vee/vee.h"
#include "worker/report.h"
#include "storage/backup/backup.h"
#include "storage/journal/journal.h"
#include "storage/store/store.h"
#include "storage/writer.h"

/* Counters of a part of the control plane; they are shown beside the workers'. */
struct api_tallies {
	const struct counter_info *info; /* NULL: the end of the list */
	const _Atomic uint64_t *values;
	uint32_t count;
	bool levels; /* they also fall: gauges */
};

#define API_TALLIES_MAX 8

/* All of it outlives the API. */
struct api_context {
	const struct config *config;
	const char *config_file; /* where it was read from, absolute; NULL: not told */
	const struct channel_catalogue *channels;
	const struct profile_set *profiles;
	const struct calendar *calendar; /* of the territory */
	const struct vee_rules *vee_rules;
	struct invoices *invoices;
	struct scan *scan;
	const struct pipeline *pipeline;
	struct journal *journal;
	struct store *store;
	struct store_writer *writer; /* may be NULL: nothing is said of it */
	struct registry *registry;
	struct error_queue *errors;
	struct monitor *monitor;
	int64_t started_ms;          /* wall clock */
	/* journal_totals_get before the workers started: what came in since then is compared with
	 * pipeline_readings_received */
	struct fate_totals totals_at_start;
	backup_make_fn *backup_make;  /* NULL: no backups */
	uint64_t memory_budget_bytes; /* what start-up reserved; 0: not told */
	const char *version;
	struct api_tallies tallies[API_TALLIES_MAX];
};

struct api;

/* Listens at config->api.socket (mode 0660; a left-over socket is replaced, a living one is
 * an error) and at config->api.listen when set. */
MUST_USE enum result api_start(const struct api_context *context, struct api **out,
                               struct error *err);

/* The certificate and key of the TCP address are read again; connections that are open go on with
 * those before. On an error everything stays as it is. */
MUST_USE enum result api_reload(struct api *api, struct error *err);

/* Ends the listeners and the scans of requests under way, waits for these, removes the socket.
 * NULL is fine. */
void api_stop(struct api *api);

#endif
