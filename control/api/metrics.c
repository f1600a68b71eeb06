/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: the text format of Prometheus, version 0.0.4. Names: headrace_, the unit, and
 * _total for what only rises; a label says which worker. Help texts are the counters' own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/server.h"
#include "control/api/times.h"
#include "control/config/decimal.h"

#define LEVELS_MAX 1024

static void head(struct text *t, const char *name, const char *type, const char *help)
{
	text_add(t, "# HELP headrace_%s ", name);
	for (; *help; help++)
		text_add(t, *help == '\\' ? "\\\\" : *help == '\n' ? "\\n" : "%c", *help);
	text_add(t, "\n# TYPE headrace_%s %s\n", name, type);
}

static void gauge(struct text *t, const char *name, const char *help, uint64_t value)
{
	head(t, name, "gauge", help);
	text_add(t, "headrace_%s %" PRIu64 "\n", name, value);
}

static void counter(struct text *t, const char *name, const char *help, uint64_t value)
{
	head(t, name, "counter", help);
	text_add(t, "headrace_%s %" PRIu64 "\n", name, value);
}

static void put_counters(struct text *t, const struct api_context *c)
{
	uint32_t count = pipeline_stage_count(c->pipeline);
	for (int id = 0; id < COUNTER_COUNT; id++) {
		char name[96];
		snprintf(name, sizeof name, "%s_total", counter_info[id].name);
		head(t, name, "counter", counter_info[id].help);
		for (uint32_t i = 0; i < count; i++) {
			struct report_stage s;
			pipeline_stage(c->pipeline, i, &s);
			if (s.counters && !api_counters_repeated(c, i, s.counters))
				text_add(t, "headrace_%s{worker=\"%s\"} %" PRIu64 "\n", name,
				         s.name, counter_get(s.counters, (enum counter)id));
		}
	}
}

static void put_tallies(struct text *t, const struct api_context *c)
{
	for (uint32_t i = 0; i < API_TALLIES_MAX && c->tallies[i].info; i++)
		for (uint32_t n = 0; n < c->tallies[i].count; n++) {
			const struct counter_info *info = &c->tallies[i].info[n];
			uint64_t value = atomic_load_explicit(&c->tallies[i].values[n],
			                                      memory_order_relaxed);
			char name[96];
			snprintf(name, sizeof name, "%s_total", info->name);
			if (c->tallies[i].levels)
				gauge(t, info->name, info->help, value);
			else
				counter(t, name, info->help, value);
		}
}

static void put_readings(struct text *t, const struct api_context *c)
{
	struct api_balance b;
	api_balance_get(c, &b);
	counter(t, "readings_received_total", "Readings taken from messages since start",
	        b.received);
	gauge(t, "readings_in_flight", "Readings received whose fate is not yet durable",
	      b.in_flight);
	head(t, "readings_total", "counter",
	     "Readings by durable fate since the store was created");
	for (int f = FATE_STORED; f < FATE_COUNT; f++)
		text_add(t, "headrace_readings_total{fate=\"%s\"} %" PRIu64 "\n",
		         fate_info[f].name, b.totals.count[f]);
	gauge(t, "devices", "Devices in the registry", registry_count(c->registry));
}

static void put_stages(struct text *t, const struct api_context *c)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} meters[] = {
	    {"stage_items_total", "Frames, readings or records handled",
	     offsetof(struct stage_meter, items)},
	    {"stage_cycles_total", "CPU cycles spent in polls that found work",
	     offsetof(struct stage_meter, cycles)},
	    {"stage_polls_total", "Polls", offsetof(struct stage_meter, polls)},
	    {"stage_busy_polls_total", "Polls that found work",
	     offsetof(struct stage_meter, busy_polls)},
	};
	uint32_t count = pipeline_stage_count(c->pipeline);
	for (size_t m = 0; m < sizeof meters / sizeof meters[0]; m++) {
		head(t, meters[m].name, "counter", meters[m].help);
		for (uint32_t i = 0; i < count; i++) {
			struct report_stage s;
			pipeline_stage(c->pipeline, i, &s);
			const _Atomic uint64_t *value =
			    (const _Atomic uint64_t *)((const char *)s.meter + meters[m].offset);
			text_add(t, "headrace_%s{stage=\"%s\",cpu=\"%" PRIu32 "\"} %" PRIu64 "\n",
			         meters[m].name, s.name, s.cpu,
			         atomic_load_explicit(value, memory_order_relaxed));
		}
	}
}

static void put_levels(struct text *t, const struct api_context *c)
{
	struct report_level *levels = calloc(LEVELS_MAX, sizeof *levels);
	uint32_t count = levels ? pipeline_levels(c->pipeline, levels, LEVELS_MAX) : 0;
	if (count > LEVELS_MAX)
		count = LEVELS_MAX;
	head(t, "level_used", "gauge", "Items in a ring or taken from a pool");
	for (uint32_t i = 0; i < count; i++)
		text_add(t, "headrace_level_used{kind=\"%s\",name=\"%s\"} %" PRIu64 "\n",
		         levels[i].kind, levels[i].name, levels[i].used);
	head(t, "level_capacity", "gauge", "Room of a ring or pool");
	for (uint32_t i = 0; i < count; i++)
		text_add(t, "headrace_level_capacity{kind=\"%s\",name=\"%s\"} %" PRIu64 "\n",
		         levels[i].kind, levels[i].name, levels[i].capacity);
	free(levels);
}

/* Buckets at powers of two: every fourth of the histogram's. */
static void put_histogram(struct text *t, const char *name, const char *label,
                          const struct histogram *h)
{
	char seconds[DECIMAL_BYTES];
	uint64_t below = 0;
	const char *comma = *label ? "," : "";
	for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
		below += atomic_load_explicit(&h->count[b], memory_order_relaxed);
		if (b % 4 == 3 && b + 1 < HISTOGRAM_BUCKETS)
			text_add(t, "headrace_%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, label,
			         comma,
			         decimal_format((int64_t)histogram_floor_us(b + 1), 6, seconds),
			         below);
	}
	text_add(t, "headrace_%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma,
	         below);
	uint64_t sum = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
	const char *open = *label ? "{" : "", *close = *label ? "}" : "";
	text_add(t, "headrace_%s_sum%s%s%s %s\n", name, open, label, close,
	         decimal_format((int64_t)sum, 6, seconds));
	text_add(t, "headrace_%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, below);
}

/* --- the API's own --- */

struct putting {
	struct text *text;
	bool counts; /* else the histogram */
};

static void put_request_time(void *context, const struct request_time *time)
{
	const struct putting *p = context;
	char label[160];
	snprintf(label, sizeof label, "method=\"%s\",route=\"%s\"",
	         time->route ? time->route->method : "", time->route ? time->route->path : "");
	if (!p->counts) {
		put_histogram(p->text, "api_request_seconds", label, &time->us);
		return;
	}
	for (unsigned outcome = 1; outcome < OUTCOMES; outcome++)
		if (time->outcomes[outcome] > 0)
			text_add(p->text,
			         "headrace_api_requests_total{%s,code=\"%uxx\"} %" PRIu64 "\n",
			         label, outcome, time->outcomes[outcome]);
}

static void put_api(struct text *t, const struct api *api)
{
	uint64_t now, late, over;
	head(t, "api_request_seconds", "histogram",
	     "From a request's head to its answer, by route; an empty route: there was none");
	request_times_each(api->times, put_request_time, &(struct putting){t, false});
	head(t, "api_requests_total", "counter", "Requests by route and class of status");
	request_times_each(api->times, put_request_time, &(struct putting){t, true});
	const struct audit_log_extent audit = audit_log_extent_get(api->audit_log);
	peers_counts(api->peers, &now, &late, &over);
	gauge(t, "api_connections", "Connections to the API", now);
	counter(t, "api_connections_late_total",
	        "Connections to the API that were ended because their client was too slow", late);
	counter(t, "api_connections_over_total",
	        "Connections to the API that were turned away because there were enough", over);
	gauge(t, "api_audit_log_entries", "Entries of the audit log",
	      audit.newest + 1 - audit.oldest);
	counter(t, "api_audit_log_removed_total",
	        "Entries of the audit log that made room for newer ones since start",
	        audit.removed);
}

static void put_latencies(struct text *t, const struct api_context *c)
{
	uint32_t count = pipeline_stage_count(c->pipeline);
	head(t, "acknowledgement_seconds", "histogram",
	     "From a message's last byte to its acknowledgement, durable");
	for (uint32_t i = 0; i < count; i++) {
		struct report_stage s;
		char label[40];
		pipeline_stage(c->pipeline, i, &s);
		if (!s.ack_us)
			continue;
		snprintf(label, sizeof label, "worker=\"%s\"", s.name);
		put_histogram(t, "acknowledgement_seconds", label, s.ack_us);
	}
	head(t, "poll_seconds", "histogram", "Polls of an io stage that found work");
	for (uint32_t i = 0; i < count; i++) {
		struct report_stage s;
		char label[40];
		pipeline_stage(c->pipeline, i, &s);
		if (!s.poll_us)
			continue;
		snprintf(label, sizeof label, "worker=\"%s\"", s.name);
		put_histogram(t, "poll_seconds", label, s.poll_us);
	}
}

static void put_storage(struct text *t, const struct api_context *c)
{
	struct journal_status j;
	struct store_status s;
	journal_status_get(c->journal, &j);
	store_status_get(c->store, &s);
	counter(t, "journal_bytes_written_total", "Bytes written to the journal since start",
	        j.bytes_written);
	counter(t, "journal_blocks_written_total", "Journal blocks (group commits) since start",
	        j.blocks_written);
	gauge(t, "journal_durable_block", "Newest journal block on disk", j.durable_block);
	gauge(t, "journal_released_block", "Newest block that the store has, too",
	      j.released_block);
	gauge(t, "journal_segments", "Segment files of the journal", j.segments);
	gauge(t, "journal_segments_free", "Segment files ready for use", j.segments_free);
	gauge(t, "journal_stalled", "1: nothing can be written, nothing is acknowledged",
	      j.stalled);
	if (j.write_us) {
		head(t, "journal_write_seconds", "histogram", "Durations of durable block writes");
		put_histogram(t, "journal_write_seconds", "", j.write_us);
	}
	gauge(t, "store_applied_block", "Newest journal block visible to queries",
	      s.applied_block);
	gauge(t, "store_durable_block", "Newest journal block durable in the store",
	      s.durable_block);
	gauge(t, "store_run_readings", "Readings applied but not yet written as a run",
	      s.run_readings);
	gauge(t, "store_disk_bytes", "Bytes of the store's table files", s.disk_bytes);
	counter(t, "store_readings_written_total", "Readings written to the store since start",
	        s.readings_written);
	counter(t, "store_runs_written_total", "Runs written since start", s.runs_written);
	char words[256];
	gauge(t, "store_stuck", "1: the store can't be written, the journal keeps all",
	      c->writer && store_writer_failed(c->writer, words, sizeof words));
}

void api_metrics(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	struct text *t = &reply->text;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	head(t, "info", "gauge", "The version that runs");
	text_add(t, "headrace_info{version=\"%s\"} 1\n", c->version);
	gauge(t, "uptime_seconds", "Since the daemon started",
	      (uint64_t)(clock_wall_ms() - c->started_ms) / 1000);
	gauge(t, "memory_budget_bytes", "Memory reserved at start", c->memory_budget_bytes);
	gauge(t, "connection_bytes", "Memory of an idle MQTT connection",
	      pipeline_bytes_per_connection(c->pipeline));
	put_readings(t, c);
	put_stages(t, c);
	put_levels(t, c);
	put_latencies(t, c);
	put_storage(t, c);
	put_counters(t, c);
	put_tallies(t, c);
	put_api(t, request->api);
}
