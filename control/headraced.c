/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headraced: the daemon. Reads the configuration, opens what is on disk, builds the pipeline, and
 * then waits for a signal. The start-up order is the table `steps`; the end is the same table
 * backwards.
 *
 * Exit codes: 0 ended in order, 1 a step failed, something was left unanswered or the store's last
 * flush failed, 2 the configuration or the command line is wrong (nothing was started).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sched.h"
#include "control/aggregation.h"
#include "control/api/api.h"
#include "control/broker/broker.h"
#include "control/calendar/calendar.h"
#include "control/coap/service.h"
#include "control/command_line.h"
#include "control/config/config.h"
#include "control/config/health_file.h"
#include "control/config/tariffs.h"
#include "control/config/vee_file.h"
#include "control/errors/queue.h"
#include "control/registry/registration.h"
#include "control/registry/registry.h"
#include "control/registry/service_point.h"
#include "control/scan/scan.h"
#include "control/start_broker.h"
#include "control/start_health.h"
#include "control/start_pipeline.h"
#include "control/start_ports.h"
#include "net/port.h"
#include "storage/backup/backup.h"
#include "storage/journal/journal.h"
#include "storage/keeper.h"
#include "storage/store/store.h"
#include "storage/writer.h"
#include "worker/pipeline.h"

#define VERSION       HEADRACE_VERSION
#define DRAIN_MS      10000
#define REPLAY_MS     10000

struct daemon {
	struct config *config;
	char *config_file;
	struct channel_catalogue channels;
	struct profile_set profiles;
	struct calendar *calendar;
	struct vee_rules *vee_rules;
	struct tariff_book tariffs;
	struct invoices *invoices;
	struct scan *scan;
	struct aggregate_rules aggregates;
	struct store *store;
	struct store_keeper *keeper;
	struct journal *journal;
	struct store_writer *writer;
	struct registry *registry;
	struct registration *registration;
	struct broker_link *broker_link;
	struct broker *broker;
	struct device_track *tracks;
	struct port *ports;
	uint32_t ports_open;
	struct coap_service *coap;
	struct replay_link *replay_link;
	struct error_queue *errors;
	struct health health;
	struct pipeline *pipeline;
	struct api *api;
	bool dpdk_running, pipeline_running, unanswered, unflushed;
	uint64_t replayed_blocks;
	struct fate_totals totals_at_start;
	int64_t started_ms;
};

/* --- storage --- */

static bool has_register(void *context, const struct stored_reading *reading)
{
	return stored_has_register(context, reading);
}

static enum result start_store(struct daemon *d, struct error *err)
{
	struct store_config c = {
	    .dir = d->config->store.dir,
	    .run_readings_max = d->config->store.run_readings,
	    .run_age_ms = d->config->store.run_age_ms,
	    .cache_bytes = (uint64_t)d->config->store.cache_mb << 20,
	    .background_threads = 1,
	    .has_register = has_register,
	    .register_context = &d->profiles,
	    .aggregates = &d->aggregates,
	};
	aggregation_rules(&d->aggregates, d->calendar, &d->profiles, &d->channels, &d->registry);
	enum result r = health_feed(&d->health, d->config->limits.devices, &c.watch, err);
	return r == RESULT_OK ? store_open(&c, &d->store, err) : r;
}

static void stop_store(struct daemon *d)
{
	if (d->store)
		store_close(d->store);
	health_free(&d->health);
}

static enum result replay(void *context, const struct journal_block *block, struct error *err)
{
	struct daemon *d = context;
	d->replayed_blocks++;
	enum result r = store_apply(d->store, block, err);
	return r == RESULT_OK ? store_write_run(d->store, false, err) : r;
}

static enum result start_journal(struct daemon *d, struct error *err)
{
	struct journal_config c = {
	    .dir = d->config->journal.dir,
	    .segment_bytes = (uint64_t)d->config->journal.segment_mb << 20,
	    .segments_spare = d->config->journal.segments_spare,
	    .bytes_max = (uint64_t)d->config->journal.size_max_mb << 20,
	    .block_bytes_max = d->config->journal.block_kb << 10,
	    .buffers = d->config->journal.buffers,
	    .inflight = d->config->journal.inflight,
	};
	enum result r =
	    journal_open(&c, store_durable_block(d->store), replay, d, &d->journal, err);
	if (r == RESULT_OK) {
		log_info("journal", "%llu blocks replayed",
		         (unsigned long long)d->replayed_blocks);
		journal_totals_get(d->journal, &d->totals_at_start);
	}
	return r;
}

static void stop_journal(struct daemon *d)
{
	if (d->journal)
		journal_close(d->journal);
}

static enum result start_writer(struct daemon *d, struct error *err)
{
	enum result r = store_writer_start(d->journal, d->config->journal.dir, d->store,
	                                   d->config->store.flush_s, &d->writer, err);
	if (r == RESULT_OK)
		health_watch_storage(&d->health, d->journal, d->writer);
	return r;
}

static void stop_writer(struct daemon *d)
{
	struct error err;
	health_watch_storage(&d->health, NULL, NULL);
	if (d->writer && store_writer_stop(d->writer, &err) != RESULT_OK) {
		log_error("store", "%s", err.text);
		d->unflushed = true;
	}
	d->writer = NULL;
}

static enum result start_keeper(struct daemon *d, struct error *err)
{
	const struct store_retention retention = {
	    .raw_days = d->config->retention.raw_days,
	    .hour_days = d->config->retention.hour_days,
	    .day_days = d->config->retention.day_days,
	};
	return store_keeper_start(d->store, &retention, &d->aggregates, &d->keeper, err);
}

static void stop_keeper(struct daemon *d)
{
	if (d->keeper)
		store_keeper_stop(d->keeper);
	d->keeper = NULL;
}

struct warming {
	const struct daemon *daemon;
	uint64_t devices;
};

static bool warm(void *context, const struct stored_reading *newest,
                 const struct stored_reading *with_register)
{
	struct warming *w = context;
	if (newest->device < w->daemon->config->limits.devices) {
		device_state_warm(w->daemon->tracks, &w->daemon->profiles, newest, with_register);
		feed_warm(w->daemon->health.feed, newest);
		w->devices++;
	}
	return true;
}

static enum result start_tracks(struct daemon *d, struct error *err)
{
	struct warming w = {.daemon = d};
	d->tracks = device_states_new(d->config->limits.devices);
	if (!d->tracks)
		return fail(RESULT_RESOURCE, err, "no memory for %u devices; lower limits.devices",
		            d->config->limits.devices);
	enum result r = store_scan_last(d->store, warm, &w, err);
	if (r == RESULT_OK)
		log_info("ingest", "%llu devices warmed up", (unsigned long long)w.devices);
	return r;
}

static void stop_tracks(struct daemon *d)
{
	if (d->tracks)
		device_states_free(d->tracks);
}

/* --- registry --- */

static void publish(void *context, struct registry_view *view)
{
	struct daemon *d = context;
	if (d->pipeline)
		pipeline_publish_registry(d->pipeline, view);
}

static void complain(void *context, uint64_t line, const char *cause)
{
	const struct daemon *d = context;
	log_warning("registry", "%s:%llu: %s", d->config->registry.file,
	            (unsigned long long)line, cause);
}

static enum result import_devices(struct daemon *d, struct error *err)
{
	struct registry_import report;
	struct registry_author author = {"registry.file", clock_wall_ms()};
	enum result r = registry_import_file(d->registry, &author, d->config->registry.file,
					     complain, d, &report, err);
	if (r == RESULT_OK)
		log_info("registry", "%s: %llu new, %llu changed, %llu unchanged, %llu refused",
		         d->config->registry.file, (unsigned long long)report.added,
		         (unsigned long long)report.changed, (unsigned long long)report.unchanged,
		         (unsigned long long)report.failed);
	return r;
}

static bool is_tariff(void *context, const char *tariff)
{
	uint32_t count;
	return tariff_book_find(context, tariff, &count) != NULL;
}

static enum result start_registry(struct daemon *d, struct error *err)
{
	const struct config *c = d->config;
	struct registration_config g = {
	    .policy = (enum registration_policy)c->registry.registration,
	    .allow_list = c->registry.allow_list,
	    .pending_max = c->registry.pending_max,
	    .strict = c->registry.authorisation == AUTHORISATION_STRICT,
	};
	_Static_assert((int)REGISTER_OFF == (int)REGISTRATION_POLICY_OFF &&
	                   (int)REGISTER_PENDING == (int)REGISTRATION_POLICY_PENDING &&
	                   (int)REGISTER_OPEN == (int)REGISTRATION_POLICY_OPEN, "same order");
	enum result r =
	    registry_open(d->store, c->limits.devices, publish, d, &d->registry, err);
	if (r == RESULT_OK)
		registry_set_calendar(d->registry, d->calendar);
	if (r == RESULT_OK && d->tariffs.count > 0)
		registry_set_tariffs(d->registry, is_tariff, &d->tariffs);
	if (r == RESULT_OK && c->registry.file)
		r = import_devices(d, err);
	if (r == RESULT_OK)
		r = registration_open(&g, d->registry, &d->registration, err);
	return r;
}

static void stop_registry(struct daemon *d)
{
	registration_close(d->registration);
	if (d->registry)
		registry_close(d->registry);
}

static enum result start_health(struct daemon *d, struct error *err)
{
	return health_start(&d->health, d->registry, d->store, &d->profiles, err);
}

static void stop_health(struct daemon *d)
{
	health_stop(&d->health);
}

/* --- the broker --- */

static uint32_t io_stages(const struct config *c)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < c->workers_count; i++)
		count += (uint32_t)__builtin_popcount(c->workers[i].io_mask);
	return count;
}

static enum result start_broker(struct daemon *d, struct error *err)
{
	const struct config *k = d->config;
	d->broker_link = broker_link_new(io_stages(k), k->limits.connections,
	                                 k->mqtt.packet_bytes_max);
	if (!d->broker_link)
		return fail(RESULT_RESOURCE, err, "no memory for the broker's rings");
	struct broker_config c = start_broker_config(k);
	c.channels = &d->channels;
	c.registration = d->registration;
	c.link = d->broker_link;
	if (d->coap)
		c.tap = (struct broker_tap){"cmd/", coap_service_command, d->coap};
	c.presence = health_presence(&d->health);
	enum result r = broker_start(&c, &d->broker, err);
	if (r == RESULT_OK)
		health_publish(&d->health, d->broker);
	return r;
}

static void stop_broker(struct daemon *d)
{
	health_publish(&d->health, NULL);
	broker_stop(d->broker);
	broker_link_free(d->broker_link);
}

/* --- ports and workers --- */

static enum result init_dpdk(struct daemon *d, struct error *err)
{
	enum result r = start_dpdk(d->config, err);
	d->dpdk_running = r == RESULT_OK;
	return r;
}

static void stop_dpdk(struct daemon *d)
{
	if (d->dpdk_running)
		dpdk_fini();
}

static enum result open_ports(struct daemon *d, struct error *err)
{
	return start_ports(d->config, &d->ports, &d->ports_open, err);
}

static void stop_ports(struct daemon *d)
{
	for (uint32_t i = 0; i < d->ports_open; i++)
		port_close(&d->ports[i]);
	free(d->ports);
}

static enum resolver_found find(void *context, uint32_t device, int64_t meter_ts_ms,
                                struct stored_reading *out)
{
	struct daemon *d = context;
	struct error err;
	enum result r = store_find(d->store, device, meter_ts_ms, out, &err);
	if (r == RESULT_OK)
		return RESOLVER_FOUND;
	if (r == RESULT_ABSENT)
		return RESOLVER_ABSENT;
	log_error("store", "%s", err.text);
	return RESOLVER_FAILED;
}

static bool wait_visible(void *context, uint32_t stage, uint64_t seq, uint32_t timeout_ms)
{
	struct daemon *d = context;
	return store_writer_wait_visible(d->writer, stage, seq, timeout_ms);
}

static void fill_pipeline_config(struct daemon *d, struct pipeline_config *c)
{
	start_pipeline_config(d->config, c);
	c->ports = d->ports;
	c->broker = d->broker_link;
	c->coap_service = d->coap ? coap_service_link(d->coap) : NULL;
	c->replay = d->replay_link;
	c->profiles = &d->profiles;
	c->device_tracks = d->tracks;
	c->registry = registry_view_current(d->registry);
	c->journal = d->journal;
	c->store = (struct pipeline_store_access){
	    .find = find, .wait_visible = wait_visible, .context = d};
}

static enum result start_coap(struct daemon *d, struct error *err)
{
	if (d->config->coap.port == 0)
		return RESULT_OK;
	struct coap_service_config c = {
	    .channels = &d->channels,
	    .profiles = &d->profiles,
	    .store = d->store,
	    .registry = d->registry,
	    .registration = d->registration,
	    .observers_max = d->config->coap.observers_max,
	    .registrations_max = d->config->coap.registrations_max,
	    .interop = d->config->coap.interop,
	};
	c.io_count = io_stages(d->config);
	return coap_service_start(&c, &d->coap, err);
}

static void stop_coap(struct daemon *d)
{
	coap_service_stop(d->coap);
	d->coap = NULL;
}

static enum result start_pipeline(struct daemon *d, struct error *err)
{
	struct pipeline_config c;
	d->replay_link = replay_link_new();
	if (!d->replay_link)
		return fail(RESULT_RESOURCE, err, "no memory for the error queue's rings");
	fill_pipeline_config(d, &c);
	enum result r = pipeline_new(&c, &d->pipeline, err);
	if (r == RESULT_OK)
		r = pipeline_start(d->pipeline, err);
	d->pipeline_running = r == RESULT_OK;
	return r;
}

static void stop_pipeline(struct daemon *d)
{
	if (d->pipeline_running && !pipeline_stop(d->pipeline, DRAIN_MS)) {
		log_warning("worker", "messages were left without an answer");
		d->unanswered = true;
	}
}

static enum result start_errors(struct daemon *d, struct error *err)
{
	struct error_queue_config c = {
	    .store = d->store,
	    .writer = d->writer,
	    .registry = d->registry,
	    .profiles = &d->profiles,
	    .channels = &d->channels,
	    .link = d->replay_link,
	    .matcher = pipeline_matcher(d->pipeline),
	    .plans = pipeline_plans(d->pipeline),
	    .strict_authorisation = d->config->registry.authorisation == AUTHORISATION_STRICT,
	    .answer_ms = REPLAY_MS,
	};
	return error_queue_open(&c, &d->errors, err);
}

static void stop_errors(struct daemon *d)
{
	error_queue_close(d->errors);
}

static enum result start_billing(struct daemon *d, struct error *err)
{
	struct invoices_source source = {
	    .store = d->store,
	    .registry = d->registry,
	    .profiles = &d->profiles,
	    .calendar = d->calendar,
	    .rules = d->vee_rules,
	    .tariffs = &d->tariffs,
	};
	return invoices_new(&source, &d->invoices, err);
}

static void stop_billing(struct daemon *d)
{
	invoices_free(d->invoices);
}

static enum result start_scan(struct daemon *d, struct error *err)
{
	struct scan_source source = {d->store,     d->journal,  d->registry,
	                             &d->profiles, d->calendar, d->vee_rules};
	return scan_new(&source, &d->scan, err);
}

static void stop_scan(struct daemon *d)
{
	scan_free(d->scan);
}

static enum result start_api(struct daemon *d, struct error *err)
{
	struct api_context c = {
	    .config = d->config,
	    .config_file = d->config_file,
	    .channels = &d->channels,
	    .profiles = &d->profiles,
	    .calendar = d->calendar,
	    .vee_rules = d->vee_rules,
	    .invoices = d->invoices,
	    .scan = d->scan,
	    .pipeline = d->pipeline,
	    .journal = d->journal,
	    .store = d->store,
	    .writer = d->writer,
	    .registry = d->registry,
	    .errors = d->errors,
	    .monitor = atomic_load(&d->health.monitor),
	    .started_ms = d->started_ms,
	    .totals_at_start = d->totals_at_start,
	    .backup_make = backup_make,
	    .memory_budget_bytes = pipeline_memory_bytes(d->pipeline),
	    .version = VERSION,
	    .tallies = {{registration_info, registration_counts(d->registration),
	                 REGISTRATION_OUTCOME_COUNT, .levels = false},
	                {broker_counter_info, broker_counters(d->broker),
	                 BROKER_COUNTER_COUNT, .levels = false},
	                {broker_level_info, broker_levels(d->broker), BROKER_LEVEL_COUNT,
	                 .levels = true},
	                {error_queue_info, error_queue_counts(d->errors),
	                 ERROR_QUEUE_COUNT_COUNT, .levels = false},
	                {scan_counter_info, scan_counters(d->scan), VEE_RULE_COUNT,
	                 .levels = false},
	                {event_count_info,
	                 events_counts(monitor_events(atomic_load(&d->health.monitor))),
	                 EVENT_COUNT_COUNT, .levels = false}},
	};
	if (d->coap)
		c.tallies[6] = (struct api_tallies){.info = coap_service_info,
		                                    .values = coap_service_counts(d->coap),
		                                    .count = COAP_SERVICE_COUNT_COUNT};
	return api_start(&c, &d->api, err);
}

static void stop_api(struct daemon *d)
{
	api_stop(d->api);
}

/* The pipeline's memory goes after everything that looks at it: the API's meters, and a port whose
 * queue may still hold its packet buffers. */
static enum result start_nothing(struct daemon *d, struct error *err)
{
	(void)d;
	(void)err;
	return RESULT_OK;
}

static void free_pipeline(struct daemon *d)
{
	pipeline_free(d->pipeline);
	d->pipeline = NULL;
	replay_link_free(d->replay_link);
}

/* --- the order --- */

struct step {
	const char *name;
	enum result (*start)(struct daemon *d, struct error *err);
	void (*stop)(struct daemon *d);
};

static const struct step steps[] = {
    {"store", start_store, stop_store},
    {"journal", start_journal, stop_journal}, /* replays into the store */
    {"device tracks", start_tracks, stop_tracks},
    {"DPDK", init_dpdk, stop_dpdk},
    {"pipeline memory", start_nothing, free_pipeline},
    {"ports", open_ports, stop_ports},
    {"registry", start_registry, stop_registry},
    {"events", start_health, stop_health},
    {"store writer", start_writer, stop_writer},
    {"housekeeping", start_keeper, stop_keeper},
    {"CoAP service", start_coap, stop_coap},
    {"broker", start_broker, stop_broker},
    {"pipeline", start_pipeline, stop_pipeline},
    {"error queue", start_errors, stop_errors},
    {"billing", start_billing, stop_billing},
    {"scans", start_scan, stop_scan},
    {"API", start_api, stop_api},
};
#define STEP_COUNT (sizeof steps / sizeof steps[0])

static int run(struct daemon *d, const sigset_t *signals)
{
	struct error err = {""};
	uint32_t started = 0;
	int code = EXIT_SUCCESS;

	for (; started < STEP_COUNT; started++) {
		if (steps[started].start(d, &err) == RESULT_OK)
			continue;
		log_error(steps[started].name, "%s", err.text);
		code = EXIT_FAILED;
		break;
	}
	if (code == EXIT_SUCCESS) {
		int signal_number = 0;
		if (sched_has_autogroups())
			log_info("headraced", "kernel.sched_autogroup_enabled is 1: beside billing "
				 "and other work acknowledgements can wait; set it to 0");
		log_info("headraced", "ready");
		while (sigwait(signals, &signal_number) == 0 && signal_number == SIGHUP)
			if (api_reload(d->api, &err) != RESULT_OK)
				log_error("headraced", "%s; as before", err.text);
		log_info("headraced", "signal %d: draining", signal_number);
	} else {
		started++; /* it may be half open: every stop copes with that */
	}
	while (started > 0)
		steps[--started].stop(d);
	if (code == EXIT_SUCCESS)
		log_info("headraced", "stopped");
	return d->unanswered || d->unflushed ? EXIT_FAILED : code;
}

static enum result load(struct daemon *d, const char *path, struct error *err)
{
	enum result r = config_load(path, &d->config, err);
	if (r == RESULT_OK)
		r = config_load_channels(d->config->channels_file, &d->channels, err);
	if (r == RESULT_OK)
		r = config_load_profiles(d->config->profiles_dir, &d->channels, d->config,
		                         &d->profiles, err);
	if (r == RESULT_OK)
		r = aggregation_check(d->config, &d->profiles, err);
	if (r == RESULT_OK)
		r = vee_rules_load(d->config->vee_dir, &d->channels, &d->profiles, &d->vee_rules,
		                   err);
	health_rules_default(&d->health.rules);
	if (r == RESULT_OK && d->config->health_file)
		r = health_rules_load(d->config->health_file, &d->profiles, &d->health.rules, err);
	if (r == RESULT_OK && d->config->tariffs_dir)
		r = tariff_book_load(d->config->tariffs_dir, &d->tariffs, err);
	if (r == RESULT_OK)
		r = calendar_new(d->config->territory.timezone, &d->calendar, err);
	return r;
}

int main(int argc, char **argv)
{
	struct command_line o;
	int code = command_line_read(argc, argv, &o);
	if (code >= 0)
		return code;

	struct daemon *d = calloc(1, sizeof *d);
	struct error err;
	if (!d || load(d, o.path, &err) != RESULT_OK) {
		fprintf(stderr, "%s\n", d ? err.text : "headraced: no memory");
		return EXIT_CONFIG;
	}
	if (o.check) {
		printf("%s: good: %u profiles, %u tariffs\n", o.path, d->profiles.count,
		       d->tariffs.count);
		code = EXIT_SUCCESS;
	} else {
		/* the threads that start below inherit the mask, so main's sigwait gets them all */
		sigset_t signals;
		sigemptyset(&signals);
		sigaddset(&signals, SIGTERM);
		sigaddset(&signals, SIGINT);
		sigaddset(&signals, SIGHUP);
		pthread_sigmask(SIG_BLOCK, &signals, NULL);
		signal(SIGPIPE, SIG_IGN);
		d->started_ms = clock_wall_ms();
		d->config_file = realpath(o.path, NULL);
		code = run(d, &signals);
	}
	calendar_free(d->calendar);
	tariff_book_free(&d->tariffs);
	vee_rules_free(d->vee_rules);
	config_free(d->config);
	free(d->config_file);
	free(d);
	return code;
}
