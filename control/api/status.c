/* SPDX-License-Identifier: Apache-2.0 */
/* GET /status and GET /health: the daemon at a glance. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"

#define LEVELS_MAX 1024

static void put_fates(struct text *t, const struct fate_totals *totals)
{
	text_add(t, "{");
	for (int f = FATE_STORED; f < FATE_COUNT; f++)
		text_add(t, "%s\"%s\":%" PRIu64, f > FATE_STORED ? "," : "", fate_info[f].name,
		         totals->count[f]);
	text_add(t, "}");
}

static void put_readings(struct text *t, const struct api_context *c)
{
	struct api_balance b;
	api_balance_get(c, &b);
	text_add(t,
	         ",\n\"readings\":{\"received\":%" PRIu64 ",\"durable\":%" PRIu64
	         ",\"in_flight\":%" PRIu64 ",\"since_start\":",
	         b.received, b.durable, b.in_flight);
	put_fates(t, &b.since_start);
	text_add(t, ",\"totals\":");
	put_fates(t, &b.totals);
	text_add(t, "}");
}

static void put_rates(struct text *t, const struct sample *before, const struct sample *now)
{
	uint64_t us = now->at_us - before->at_us;
	double s = us > 0 ? (double)us / 1e6 : 1;
	text_add(t,
	         ",\n\"rates\":{\"readings_per_s\":%.1f,\"messages_per_s\":%.1f,\"window_s\":%.1f}",
	         (double)(now->readings - before->readings) / s,
	         (double)(now->messages - before->messages) / s, (double)us / 1e6);
}

static void put_histogram(struct text *t, const struct histogram *h)
{
	text_add(t,
	         "{\"count\":%" PRIu64 ",\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
	         ",\"p999_us\":%" PRIu64 ",\"max_us\":%" PRIu64 "}",
	         histogram_count(h), histogram_percentile_us(h, 50),
	         histogram_percentile_us(h, 99), histogram_percentile_us(h, 99.9),
	         atomic_load_explicit(&h->max_us, memory_order_relaxed));
}

static void put_stages(struct text *t, const struct api_context *c, const struct sample *before,
                       const struct sample *now)
{
	uint64_t us = now->at_us - before->at_us;
	uint32_t count = pipeline_stage_count(c->pipeline);
	text_add(t, ",\n\"stages\":[");
	for (uint32_t i = 0; i < count; i++) {
		struct report_stage s;
		pipeline_stage(c->pipeline, i, &s);
		uint64_t items = atomic_load_explicit(&s.meter->items, memory_order_relaxed);
		uint64_t cycles = atomic_load_explicit(&s.meter->cycles, memory_order_relaxed);
		uint64_t polls = atomic_load_explicit(&s.meter->polls, memory_order_relaxed);
		uint64_t busy = atomic_load_explicit(&s.meter->busy_polls, memory_order_relaxed);
		text_add(t,
		         "%s\n{\"name\":\"%s\",\"cpu\":%" PRIu32 ",\"items\":%" PRIu64
		         ",\"cycles\":%" PRIu64 ",\"polls\":%" PRIu64 ",\"busy_polls\":%" PRIu64
		         ",\"cycles_per_item\":%.1f",
		         i ? "," : "", s.name, s.cpu, items, cycles, polls, busy,
		         items ? (double)cycles / (double)items : 0.0);
		if (i < SAMPLE_STAGES_MAX && us > 0) {
			uint64_t n = now->items[i] - before->items[i];
			text_add(t, ",\"items_per_s\":%.1f,\"recent_cycles_per_item\":%.1f",
			         (double)n * 1e6 / (double)us,
			         n ? (double)(now->cycles[i] - before->cycles[i]) / (double)n
			           : 0.0);
		}
		if (s.poll_us) {
			text_add(t, ",\"poll\":");
			put_histogram(t, s.poll_us);
		}
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void put_latencies(struct text *t, const struct api_context *c)
{
	struct histogram all;
	memset(&all, 0, sizeof all);
	uint32_t count = pipeline_stage_count(c->pipeline);
	text_add(t, ",\n\"acknowledgement\":{");
	for (uint32_t i = 0; i < count; i++) {
		struct report_stage s;
		pipeline_stage(c->pipeline, i, &s);
		if (!s.ack_us)
			continue;
		histogram_merge(&all, s.ack_us);
		text_add(t, "\"%s\":", s.name);
		put_histogram(t, s.ack_us);
		text_add(t, ",");
	}
	text_add(t, "\"all\":");
	put_histogram(t, &all);
	text_add(t, "}");
}

static void put_pool(struct text *t, bool first, const struct report_pool *pool,
                     uint64_t connections)
{
	uint64_t bytes = pool->used * pool->record_bytes;
	text_add(t,
	         "%s\n{\"name\":\"%s\",\"each\":%s,\"record_bytes\":%" PRIu32
	         ",\"used\":%" PRIu64 ",\"capacity\":%" PRIu64 ",\"used_bytes\":%" PRIu64
	         ",\"reserved_bytes\":%" PRIu64 ",\"bytes_per_connection\":%.1f}",
	         first ? "" : ",", pool->name, pool->kind == REPORT_POOL_EACH ? "true" : "false",
	         pool->record_bytes, pool->used, pool->capacity, bytes,
	         pool->capacity * pool->record_bytes,
	         connections && pool->kind != REPORT_POOL_OTHER
	             ? (double)bytes / (double)connections
	             : 0.0);
}

/* The first pool's records are the connections. Memory of peers that are not connected (half open,
 * TIME-WAIT) is listed, but no connection's. */
static void put_connections(struct text *t, const struct api_context *c)
{
	struct report_pool pool;
	uint64_t connections = 0, bytes = 0;
	text_add(t, ",\n\"connections\":{\"pools\":[");
	for (uint32_t i = 0; pipeline_pool(c->pipeline, i, &pool); i++) {
		if (i == 0)
			connections = pool.used;
		put_pool(t, i == 0, &pool, connections);
		if (pool.kind != REPORT_POOL_OTHER)
			bytes += pool.used * pool.record_bytes;
	}
	text_add(t,
	         "],\n\"count\":%" PRIu64 ",\"used_bytes\":%" PRIu64
	         ",\"bytes_per_connection\":%.1f,\"bytes_per_idle_connection\":%" PRIu32 "}",
	         connections, bytes, connections ? (double)bytes / (double)connections : 0.0,
	         pipeline_bytes_per_connection(c->pipeline));
}

static void put_ports(struct text *t, const struct api_context *c)
{
	struct report_port port;
	text_add(t, ",\n\"ports\":[");
	for (uint32_t i = 0; pipeline_port(c->pipeline, i, &port); i++) {
		text_add(t, "%s\n{\"device\":", i ? "," : "");
		text_json(t, port.device, strlen(port.device));
		text_add(t,
		         ",\"queues\":%" PRIu32 ",\"io_first\":%" PRIu32 ",\"ios\":%" PRIu32
		         ",\"distribution\":\"%s\"}",
		         port.queues, port.io_first, port.ios, port.distribution);
	}
	text_add(t, "]");
}

static void put_levels(struct text *t, const struct api_context *c)
{
	struct report_level *levels = calloc(LEVELS_MAX, sizeof *levels);
	uint32_t count = levels ? pipeline_levels(c->pipeline, levels, LEVELS_MAX) : 0;
	text_add(t, ",\n\"levels\":[");
	for (uint32_t i = 0; i < count && i < LEVELS_MAX; i++)
		text_add(t,
		         "%s\n{\"name\":\"%s\",\"kind\":\"%s\",\"used\":%" PRIu64
		         ",\"capacity\":%" PRIu64 "}",
		         i ? "," : "", levels[i].name, levels[i].kind, levels[i].used,
		         levels[i].capacity);
	text_add(t, "]");
	free(levels);
}

static void put_storage(struct text *t, const struct api_context *c)
{
	struct journal_status j;
	struct store_status s;
	char trouble[256] = "";
	journal_status_get(c->journal, &j);
	store_status_get(c->store, &s);
	bool stuck = c->writer && store_writer_failed(c->writer, trouble, sizeof trouble);
	text_add(t,
	         ",\n\"journal\":{\"durable_block\":%" PRIu64 ",\"released_block\":%" PRIu64
	         ",\"bytes_written\":%" PRIu64 ",\"blocks_written\":%" PRIu64
	         ",\"segments\":%" PRIu64 ",\"segments_free\":%" PRIu64
	         ",\"inflight\":%" PRIu32 ",\"stalled\":%s,\"alarm\":",
	         j.durable_block, j.released_block, j.bytes_written, j.blocks_written, j.segments,
	         j.segments_free, j.inflight, j.stalled ? "true" : "false");
	text_json(t, j.alarm, strlen(j.alarm));
	text_add(t, ",\"write\":");
	if (j.write_us)
		put_histogram(t, j.write_us);
	else
		text_add(t, "null");
	text_add(t,
	         "},\n\"store\":{\"applied_block\":%" PRIu64 ",\"durable_block\":%" PRIu64
	         ",\"run_readings\":%" PRIu64 ",\"disk_bytes\":%" PRIu64
	         ",\"readings_written\":%" PRIu64 ",\"runs_written\":%" PRIu64
	         ",\"stuck\":%s,\"alarm\":",
	         s.applied_block, s.durable_block, s.run_readings, s.disk_bytes,
	         s.readings_written, s.runs_written, stuck ? "true" : "false");
	text_json(t, stuck ? trouble : "", stuck ? strlen(trouble) : 0);
	text_add(t, "}");
}

static bool put_count(struct text *t, const char *name, uint64_t value, bool any)
{
	if (value == 0)
		return any;
	text_add(t, "%s\n\"%s\":%" PRIu64, any ? "," : "", name, value);
	return true;
}

/* The control plane's own: what only rises, or levels. */
static void put_tallies(struct text *t, const struct api_context *c, bool levels, bool any)
{
	for (uint32_t i = 0; i < API_TALLIES_MAX && c->tallies[i].info; i++)
		for (uint32_t n = 0; n < c->tallies[i].count; n++)
			if (c->tallies[i].levels == levels)
				any = put_count(t, c->tallies[i].info[n].name,
				                atomic_load_explicit(&c->tallies[i].values[n],
				                                     memory_order_relaxed),
				                any);
}

/* Sums over the workers, without what is zero: /metrics has them all. */
static void put_counters(struct text *t, const struct api_context *c)
{
	uint32_t count = pipeline_stage_count(c->pipeline);
	bool any = false;
	text_add(t, ",\n\"counters\":{");
	for (int id = 0; id < COUNTER_COUNT; id++) {
		uint64_t sum = 0;
		for (uint32_t i = 0; i < count; i++) {
			struct report_stage s;
			pipeline_stage(c->pipeline, i, &s);
			if (s.counters && !api_counters_repeated(c, i, s.counters))
				sum += counter_get(s.counters, (enum counter)id);
		}
		any = put_count(t, counter_info[id].name, sum, any);
	}
	put_tallies(t, c, false, any);
	text_add(t, "},\n\"gauges\":{");
	put_tallies(t, c, true, false);
	text_add(t, "}");
}

static void api_status(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	struct text *t = &reply->text;
	struct sample before, now;
	char started[TIME_TEXT_BYTES];

	sampler_window(request->sampler, &before, &now);
	text_add(t, "{\"version\":");
	text_json(t, c->version, strlen(c->version));
	text_add(t, ",\"timezone\":\"%s\"", calendar_zone(c->calendar));
	text_add(t,
	         ",\"started\":\"%s\",\"uptime_s\":%" PRId64 ",\"devices\":%" PRIu32
	         ",\"profiles\":%" PRIu32 ",\"bytes_per_connection\":%" PRIu32
	         ",\"memory_budget_bytes\":%" PRIu64,
	         time_format(c->started_ms, started), (clock_wall_ms() - c->started_ms) / 1000,
	         registry_count(c->registry), c->profiles->count,
	         pipeline_bytes_per_connection(c->pipeline), c->memory_budget_bytes);
	put_readings(t, c);
	put_rates(t, &before, &now);
	put_latencies(t, c);
	put_ports(t, c);
	put_connections(t, c);
	put_stages(t, c, &before, &now);
	put_levels(t, c);
	put_storage(t, c);
	put_counters(t, c);
	text_add(t, "}\n");
}

static void api_health(const struct api_request *request, struct api_reply *reply)
{
	struct journal_status j;
	char trouble[256] = "";
	journal_status_get(request->context->journal, &j);
	bool stuck = request->context->writer &&
	             store_writer_failed(request->context->writer, trouble, sizeof trouble);
	if (j.stalled)
		api_problem(reply, 503, "The journal is stalled",
		            "look at the journal's disk; nothing is acknowledged until it goes on",
		            "%s", j.alarm);
	else if (stuck)
		api_problem(reply, 503, "The store can't be written",
		            "look at the store's disk: readings are safe in the journal meanwhile; "
		            "it goes on by itself when the disk takes writes",
		            "%s", trouble);
	else
		text_add(&reply->text, "{\"status\":\"ok\"}\n");
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_status = {
    .name = "status",
    .about = "The daemon at a glance, for people and for monitoring",
    .routes = (const struct api_route[]){
	{"GET", "/health", api_health, API_MONITOR,
	 .summary = "Is everything in order? 503 with the cause when not",
	 .answers = API_ANSWERS({200, API_JSON, "{status:'ok'}"})},
	{"GET", "/status", api_status, API_MONITOR,
	 .summary = "Accounts, rates, latencies, stages, levels, journal, store and counters",
	 .answers = API_ANSWERS({200, API_JSON, "Status"})},
	{"GET", "/metrics", api_metrics, API_MONITOR,
	 .summary = "Everything that is counted, in the text format of Prometheus",
	 .answers = API_ANSWERS({200, API_TEXT, NULL})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Fates", "<int>", "Readings by what became of them"},
	{"Histogram", "{count:int p50_us:int p99_us:int p999_us:int max_us:int}",
	 "Durations in microseconds"},
	{"Pool", "{name:string each:bool record_bytes:int used:int capacity:int used_bytes:int "
	 "reserved_bytes:int bytes_per_connection:number}",
	 "Memory reserved at start for records of one kind"},
	{"Port", "{...}", "A DPDK port and the io stages that serve it"},
	{"Stage", "{name:string cpu:int items:int cycles:int polls:int busy_polls:int "
	 "cycles_per_item:number items_per_s?:number recent_cycles_per_item?:number "
	 "poll?:Histogram}",
	 "A stage of the data path"},
	{"Level", "{name:string kind:string used:int capacity:int}", "A ring or a pool"},
	{"Status",
	 "{version:string timezone:string started:time uptime_s:int devices:int profiles:int "
	 "bytes_per_connection:int memory_budget_bytes:int "
	 "readings:{received:int durable:int in_flight:int since_start:Fates totals:Fates} "
	 "rates:{readings_per_s:number messages_per_s:number window_s:number} "
	 "acknowledgement:<Histogram> ports:[Port] "
	 "connections:{pools:[Pool] count:int used_bytes:int bytes_per_connection:number "
	 "bytes_per_idle_connection:int} stages:[Stage] levels:[Level] "
	 "journal:{durable_block:int released_block:int bytes_written:int blocks_written:int "
	 "segments:int segments_free:int inflight:int stalled:bool alarm:string write:Histogram?} "
	 "store:{applied_block:int durable_block:int run_readings:int disk_bytes:int "
	 "readings_written:int runs_written:int stuck:bool alarm:string} "
	 "counters:<int> gauges:<int> ...}",
	 "The daemon at a glance; counters that are zero are left out"},
	{0}},
};
/* clang-format on */
