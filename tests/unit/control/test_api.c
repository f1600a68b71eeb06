/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API over a real Unix socket and TCP port, spoken to byte by byte; and the headrace command
 * against it. Store, journal and workers are in memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <jansson.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "contract/reading.h"
#include "control/api/api.h"
#include "api_client.h"
#include "fake_pipeline.h"
#include "fake_store.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct {
	struct config config;
	struct channel_catalogue channels;
	struct profile_set profiles;
	struct pipeline pipeline;
	struct journal journal;
	struct store_writer writer;
	struct store *store;
	struct registry *registry;
	struct api *api;
	struct api_context context;
} f;

static uint16_t tcp_port;

#define T0 1749996900000ll /* 2025-06-15T14:15:00Z */

static void add_reading(uint32_t device, int64_t meter_ts_ms, int64_t kwh, uint16_t flags)
{
	struct stored_reading r = {
	    .device = device,
	    .flags = flags,
	    .profile = 1,
	    .channel_count = 2,
	    .meter_ts_ms = meter_ts_ms,
	    .ts_ms = meter_ts_ms,
	    .received_ms = meter_ts_ms + 250,
	    .collected_ms = meter_ts_ms + 250,
	    .channel = {1, 6},
	    .value = {kwh, 239400},
	};
	fake_store_add_reading(f.store, &r);
}

static void add_error(uint64_t number, enum fate fate, const char *id, const void *raw,
                      uint32_t bytes)
{
	struct stored_error e = {
	    .number = number,
	    .fate = (uint8_t)fate,
	    .device = DEVICE_NONE,
	    .received_ms = T0,
	    .address = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 77, [14] = 0, [15] = 2},
	    .port = 40000,
	    .device_id = id,
	    .device_id_bytes = (uint32_t)strlen(id),
	    .client_id = "gw-1",
	    .client_id_bytes = 4,
	    .topic = "meters/x/readings",
	    .topic_bytes = 17,
	    .raw = raw,
	    .raw_bytes = bytes,
	};
	fake_store_add_error(f.store, &e);
}

static void fill(void)
{
	struct error err;
	struct registry_import report;
	const char *csv = "id,state,serial\nSM-1,active,S 1\nSM-2,suspended,\nX/Y Z,active,\n";
	assert_int_equal(registry_import_text(f.registry, REGISTRY_CSV, csv, strlen(csv), NULL,
	                                      NULL, &report, &err), RESULT_OK);
	add_reading(0, T0, 1247830000, 0);
	add_reading(0, T0 + 900000, 1248000001, READING_F_DRIFT | READING_F_LATE);
	add_reading(1, T0, -5, 1 << READING_PROTOCOL_SHIFT);
	add_error(1 << 20, FATE_CONFLICT, "SM-1", "{\"a\":\"\xc3\xa4\"}", 10);
	add_error((1 << 20) + 1, FATE_REJECT_PAYLOAD, "", "\x00\xff\x10", 3);
	add_error(2 << 20, FATE_REJECT_UNKNOWN, "SM-9\x1b[31m", "{}", 2);
	struct fate_totals *t = &f.journal.totals;
	t->count[FATE_STORED] = 3;
	t->count[FATE_DUPLICATE] = 2;
	t->count[FATE_CONFLICT] = t->count[FATE_REJECT_PAYLOAD] = 1;
	t->count[FATE_REJECT_UNKNOWN] = 1;
	for (int fate = 0; fate < FATE_COUNT; fate++)
		fake_store_set_total(f.store, (enum fate)fate, t->count[fate]);
	f.pipeline.received = 8;
	f.journal.status.durable_block = 7;
	counter_add(&f.pipeline.counters[0], (enum counter)0, 41);
	histogram_add(&f.pipeline.ack_us, 1500);
	histogram_add(&f.journal.write_us, 300);
	atomic_store(&f.pipeline.meters[0].items, 8);
	atomic_store(&f.pipeline.meters[0].cycles, 8000);
}

static int set_up(void **state)
{
	struct error err;
	(void)state;
	memset(&f, 0, sizeof f);
	folder_make();
	f.config.api.socket = strdup(folder_path("run/api.sock"));
	char listen[32];
	tcp_port = (uint16_t)(20000 + getpid() % 20000);
	snprintf(listen, sizeof listen, "127.0.0.1:%u", tcp_port);
	f.config.api.listen = strdup(listen);
	f.config.validation.drift_accept_s = 60;
	f.config.validation.drift_flag_s = 300;
	f.config.validation.drift_replace_s = 3600;
	f.config.validation.late_max_h = 48;
	if (config_load_channels(CONFIGS_DIR "/channels.yaml", &f.channels, &err) != RESULT_OK ||
	    config_load_profiles(CONFIGS_DIR "/profiles", &f.channels, &f.config, &f.profiles,
	                         &err) != RESULT_OK)
		fail_msg("%s", err.text);
	f.store = fake_store_new();
	assert_int_equal(registry_open(f.store, 100, NULL, NULL, &f.registry, &err), RESULT_OK);
	f.journal.totals.count[FATE_STORED] = 0;
	f.context = (struct api_context){
	    .config = &f.config,
	    .channels = &f.channels,
	    .profiles = &f.profiles,
	    .pipeline = &f.pipeline,
	    .journal = &f.journal,
	    .store = f.store,
	    .writer = &f.writer,
	    .registry = f.registry,
	    .started_ms = clock_wall_ms() - 3723000,
	    .memory_budget_bytes = 1 << 28,
	    .version = "0.1.0",
	};
	fill();
	if (api_start(&f.context, &f.api, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	api_stop(f.api);
	registry_close(f.registry);
	fake_store_free(f.store);
	free(f.config.api.socket);
	free(f.config.api.listen);
	folder_remove();
	return 0;
}

static int ask_at(bool tcp, const char *method, const char *path, const char *type,
                  const char *body)
{
	char request[8192];
	int length = snprintf(request, sizeof request,
	                      "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s%s%s"
	                      "Content-Length: %zu\r\n\r\n%s",
	                      method, path, type ? "Content-Type: " : "", type ? type : "",
	                      type ? "\r\n" : "", strlen(body), body);
	return exchange(dial(f.config.api.socket, tcp ? tcp_port : 0), request, (size_t)length);
}

static int ask(const char *path)
{
	return ask_at(false, "GET", path, NULL, "");
}

static json_t *parsed(void)
{
	json_error_t error;
	json_t *json = json_loads(answer, 0, &error);
	if (!json)
		fail_msg("%s at %d: %s", error.text, error.position, answer);
	return json;
}

static void assert_has(const char *text)
{
	if (!strstr(answer, text))
		fail_msg("'%s' is not in: %s", text, answer);
}

static void assert_lacks(const char *text)
{
	if (strstr(answer, text))
		fail_msg("'%s' is in: %s", text, answer);
}

/* --- the API --- */

static void status_tells_rates_fates_and_levels(void **state)
{
	(void)state;
	assert_int_equal(ask("/status"), 200);
	json_t *s = parsed();
	json_t *readings = json_object_get(s, "readings");
	assert_int_equal(json_integer_value(json_object_get(readings, "received")), 8);
	assert_int_equal(json_integer_value(json_object_get(readings, "durable")), 8);
	assert_int_equal(json_integer_value(json_object_get(readings, "in_flight")), 0);
	json_t *fates = json_object_get(readings, "since_start");
	assert_int_equal(json_integer_value(json_object_get(fates, "duplicate")), 2);
	assert_int_equal(json_integer_value(json_object_get(s, "devices")), 3);
	assert_int_equal(json_integer_value(json_object_get(s, "uptime_s")), 3723);
	json_t *stage = json_array_get(json_object_get(s, "stages"), 0);
	assert_string_equal(json_string_value(json_object_get(stage, "name")), "io0");
	assert_true(json_real_value(json_object_get(stage, "cycles_per_item")) == 1000.0);
	json_t *ack = json_object_get(json_object_get(s, "acknowledgement"), "all");
	assert_int_equal(json_integer_value(json_object_get(ack, "max_us")), 1500);
	json_t *level = json_array_get(json_object_get(s, "levels"), 0);
	assert_int_equal(json_integer_value(json_object_get(level, "used")), 3);
	assert_true(json_is_object(json_object_get(json_object_get(s, "journal"), "write")));
	json_t *counters = json_object_get(s, "counters");
	assert_int_equal(json_integer_value(json_object_get(counters, counter_info[0].name)), 41);
	assert_int_equal(json_object_size(counters), 1);
	json_decref(s);
}

static void metrics_are_prometheus_text(void **state)
{
	char line[256];
	(void)state;
	assert_int_equal(ask("/metrics"), 200);
	assert_non_null(strstr(headers, "text/plain; version=0.0.4"));
	snprintf(line, sizeof line, "\nheadrace_%s_total{worker=\"io0\"} 41\n",
	         counter_info[0].name);
	assert_has(line);
	snprintf(line, sizeof line, "# HELP headrace_%s_total ", counter_info[0].name);
	assert_has(line);
	assert_has("\nheadrace_readings_total{fate=\"stored\"} 3\n");
	assert_has("\nheadrace_readings_total{fate=\"unknown_device\"} 1\n");
	assert_has("\nheadrace_readings_received_total 8\n");
	/* 1.5 ms lies in the bucket below 2.048 ms, and stays in all above */
	assert_has("acknowledgement_seconds_bucket{worker=\"io0\",le=\"0.001024\"} 0\n");
	assert_has("acknowledgement_seconds_bucket{worker=\"io0\",le=\"0.002048\"} 1\n");
	assert_has("acknowledgement_seconds_bucket{worker=\"io0\",le=\"+Inf\"} 1\n");
	assert_has("acknowledgement_seconds_sum{worker=\"io0\"} 0.001500\n");
	assert_has("headrace_journal_write_seconds_count 1\n");
	/* every line is a comment or "name[{labels}] value" */
	for (char *at = strtok(answer, "\n"); at; at = strtok(NULL, "\n")) {
		double value;
		char *space = strrchr(at, ' ');
		if (strncmp(at, "# HELP headrace_", 16) == 0 ||
		    strncmp(at, "# TYPE headrace_", 16) == 0)
			continue;
		assert_int_equal(strncmp(at, "headrace_", 9), 0);
		assert_non_null(space);
		assert_int_equal(sscanf(space, "%lf", &value), 1);
	}
}

static void health_says_what_is_wrong(void **state)
{
	(void)state;
	assert_int_equal(ask("/health"), 200);
	f.journal.status.stalled = true;
	strcpy(f.journal.status.alarm, "segment 12: No space left on device");
	assert_int_equal(ask("/health"), 503);
	assert_has("segment 12: No space left on device");
	f.journal.status.stalled = false;
	f.writer.trouble = "the disk is read-only";
	assert_int_equal(ask("/health"), 503);
	assert_has("the disk is read-only");
	f.writer.trouble = NULL;
}

static void devices_are_listed_and_shown(void **state)
{
	(void)state;
	assert_int_equal(ask("/devices?prefix=SM&limit=1"), 200);
	assert_has("\"id\":\"SM-1\"");
	assert_lacks("SM-2");
	assert_has("\"more\":true");
	assert_int_equal(ask("/devices?prefix=SM&offset=1"), 200);
	assert_has("\"id\":\"SM-2\",\"state\":\"suspended\"");
	assert_has("\"count\":1,\"more\":false");
	assert_int_equal(ask("/devices/SM-1"), 200);
	assert_string_equal(answer, "{\"number\":0,\"id\":\"SM-1\",\"state\":\"active\","
	                            "\"serial\":\"S 1\"}\n");
	assert_int_equal(ask("/devices/X%2FY%20Z"), 200);
	assert_int_equal(ask("/devices/SM-7"), 404);
	assert_non_null(strstr(headers, "application/problem+json"));
	assert_has("there is no device 'SM-7'");
	assert_has("\"remedy\":");
}

static void import_takes_csv_and_json(void **state)
{
	(void)state;
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv; charset=utf-8",
	                        "id,dials\nN-1,6\nN-2,x\n"), 200);
	assert_has("\"lines\":2,\"added\":1,\"changed\":0,\"unchanged\":0,\"failed\":1,"
	           "\"complete\":true");
	assert_has("{\"line\":3,\"cause\":\"dials is 'x'; expected a whole number from 0 to 12\"}");
	assert_int_equal(ask_at(false, "POST", "/devices/import", "application/json",
	                        "[{\"id\":\"N-3\"}]"), 200);
	assert_int_equal(registry_number_of(f.registry, "N-3", 3), 4);
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/html", "x"), 415);
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "x\n"), 400);
	assert_has("line 1: unknown column 'x'");
	fake_store_fail_writes(f.store, 1);
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "id\nN-4\n"), 500);
	assert_has("the fake disk is full");
}

static void second_import_waits_for_the_first(void **state)
{
	(void)state;
	int first = dial(f.config.api.socket, 0);
	const char *half = "POST /devices/import HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	                   "Content-Type: text/csv\r\nContent-Length: 8\r\n\r\nid\n";
	assert_int_equal(send(first, half, strlen(half), MSG_NOSIGNAL), strlen(half));
	int status = 200;
	for (int i = 0; i < 500 && status != 503; i++) /* until the first has arrived */
		status = ask_at(false, "POST", "/devices/import", "text/csv", "id\n");
	assert_int_equal(status, 503);
	assert_has("another import is under way");
	assert_int_equal(exchange(first, "LAST\n", 5), 200);
	assert_has("\"added\":1");
	/* whoever has the answer may go on at once */
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "id\n"),
		                 200);
}

static void readings_are_exact_decimals(void **state)
{
	(void)state;
	assert_int_equal(ask("/readings/SM-1"), 200);
	json_t *s = parsed();
	json_t *r = json_array_get(json_object_get(s, "readings"), 1);
	assert_string_equal(json_string_value(json_object_get(r, "time")), "2025-06-15T14:30:00Z");
	assert_string_equal(json_string_value(json_object_get(r, "received")),
	                    "2025-06-15T14:30:00.250Z");
	assert_string_equal(json_string_value(json_object_get(r, "profile")), "sm-flat/1");
	json_t *kwh = json_object_get(json_object_get(r, "values"), "active_energy");
	assert_string_equal(json_string_value(json_object_get(kwh, "value")), "1248.000001");
	assert_string_equal(json_string_value(json_object_get(kwh, "unit")), "kWh");
	assert_int_equal(json_array_size(json_object_get(r, "flags")), 2);
	json_decref(s);
	assert_int_equal(ask("/readings/SM-2?format=csv"), 200);
	assert_string_equal(answer,
	                    "time,meter_time,received,protocol,profile,flags,active_energy_kWh,"
	                    "voltage_V\r\n"
	                    "2025-06-15T14:15:00Z,2025-06-15T14:15:00Z,2025-06-15T14:15:00.250Z,"
	                    "coap,sm-flat/1,,-0.000005,239.400\r\n");
}

static void readings_are_chosen_by_period_and_limit(void **state)
{
	(void)state;
	assert_int_equal(ask("/readings/SM-1?from=2025-06-15T14:30:00Z"), 200);
	assert_has("\"count\":1,\"more\":false");
	assert_has("14:30:00Z");
	assert_int_equal(ask("/readings/SM-1?to=2025-06-15T16:30:00%2B02:00"), 200);
	assert_has("\"count\":1");
	assert_lacks("\"time\":\"2025-06-15T14:30");
	assert_int_equal(ask("/readings/SM-1?from=2025-06-15&limit=1"), 200);
	assert_has("\"time\":\"2025-06-15T14:15:00Z\"");
	assert_has("\"more\":true");
	/* without a period the newest ones */
	assert_int_equal(ask("/readings/SM-1?limit=1"), 200);
	assert_has("\"time\":\"2025-06-15T14:30:00Z\"");
	assert_int_equal(ask("/readings/NONE"), 404);
}

static void bad_requests_are_refused_with_a_remedy(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *text;
	} cases[] = {
	    {"GET", "/readings/SM-1?from=yesterday", 400, "from is 'yesterday'"},
	    {"GET", "/readings/SM-1?from=2025-02-30", 400, "from is '2025-02-30'"},
	    {"GET", "/readings/SM-1?limit=0", 400, "give a whole number from 1 to 100000"},
	    {"GET", "/readings/SM-1?limit=1e3", 400, "limit is '1e3'"},
	    {"GET", "/readings/SM-1?limit=99999999999999999999999", 400, "limit is"},
	    {"GET", "/readings/SM-1?format=xml", 400, "give json or csv"},
	    {"GET", "/readings/SM-1?form=csv", 400, "there is no parameter 'form'"},
	    {"GET", "/readings/SM-1?limit=1&limit=2", 400, "given twice: 'limit'"},
	    {"GET", "/readings/SM-1?limit", 400, "no value for 'limit'"},
	    {"GET", "/readings/SM-1?from=2025-06-16&to=2025-06-15", 400, "is empty"},
	    {"GET", "/readings/", 404, "there is nothing at /readings/"},
	    {"GET", "/errors?reason=none", 400, "one of conflict, empty, bad_payload"},
	    {"GET", "/errors/x", 400, "is no number of an error entry"},
	    {"GET", "/errors/5", 404, "there is no error entry 5"},
	    {"GET", "/nothing", 404, "there is nothing at /nothing"},
	    {"GET", "/audit", 405, "/audit takes POST, not GET"},
	    {"DELETE", "/devices", 405, "/devices takes GET"},
	    {"GET", "/status?x=1", 400, "this path takes no parameters"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int status = ask_at(false, cases[i].method, cases[i].path, NULL, "");
		if (status != cases[i].status)
			fail_msg("%s: %d", cases[i].path, status);
		assert_has(cases[i].text);
		assert_non_null(strstr(headers, "application/problem+json"));
		json_t *problem = parsed();
		assert_int_equal(json_integer_value(json_object_get(problem, "status")), status);
		assert_true(json_is_string(json_object_get(problem, "detail")));
		assert_true(json_is_string(json_object_get(problem, "remedy")));
		json_decref(problem);
	}
}

static void errors_are_listed_by_reason_and_in_parts(void **state)
{
	(void)state;
	assert_int_equal(ask("/errors"), 200);
	json_t *s = parsed();
	assert_int_equal(json_array_size(json_object_get(s, "errors")), 3);
	json_t *e = json_array_get(json_object_get(s, "errors"), 0);
	assert_int_equal(json_integer_value(json_object_get(e, "number")), 1 << 20);
	assert_string_equal(json_string_value(json_object_get(e, "reason")), "conflict");
	assert_string_equal(json_string_value(json_object_get(e, "from")), "10.77.0.2:40000");
	assert_string_equal(json_string_value(json_object_get(e, "topic")), "meters/x/readings");
	json_decref(s);
	assert_int_equal(ask("/errors?limit=2"), 200);
	assert_has("\"count\":2,\"more\":true,\"next\":2097152");
	assert_int_equal(ask("/errors?from=2097152"), 200);
	assert_has("\"count\":1,\"more\":false}");
	assert_int_equal(ask("/errors?reason=bad_payload"), 200);
	assert_has("\"count\":1,\"more\":false}");
	assert_has("\"number\":1048577");
}

static void error_entry_shows_what_came(void **state)
{
	(void)state;
	assert_int_equal(ask("/errors/1048576"), 200);
	assert_has("\"raw\":\"{\\\"a\\\":\\\"\xc3\xa4\\\"}\",\"raw_base64\":\"eyJhIjoiw6QifQ==\"");
	assert_int_equal(ask("/errors/1048577"), 200);
	assert_has("\"raw\":null,\"raw_base64\":\"AP8Q\"");
}

static void audit_balances_and_notices_when_not(void **state)
{
	(void)state;
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	assert_has("\"balanced\":true");
	assert_lacks("\"ok\":false");
	assert_has("since start: 8 = 3 + 2 + 1 + 2 + 0");

	/* a reading that was received and is nowhere */
	f.pipeline.received = 9;
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	assert_has("\"balanced\":false");
	/* it may well be under way */
	f.pipeline.batches_used = 1;
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	assert_has("\"balanced\":true");
	f.pipeline.batches_used = 0;
	/* durable, but never received */
	f.pipeline.received = 7;
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	assert_has("\"balanced\":false");
	f.pipeline.received = 8;

	/* the same identity twice */
	add_reading(1, T0, -5, 0);
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	json_t *s = parsed();
	assert_true(json_is_false(json_object_get(s, "balanced")));
	json_t *checks = json_object_get(s, "checks");
	assert_true(json_is_false(json_object_get(json_array_get(checks, 1), "ok")));
	assert_true(json_is_false(json_object_get(json_array_get(checks, 2), "ok")));
	assert_has("4 found, 3 by the totals");
	assert_has("1 of 4 rows are not after the one before");
	json_decref(s);

	/* the counts agree, an error entry is missing */
	f.journal.totals.count[FATE_CONFLICT]++;
	fake_store_set_total(f.store, FATE_CONFLICT, 2);
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	assert_has("{\"check\":\"every conflict has its error entry\",\"ok\":false,"
	           "\"detail\":\"1 found, 2 by the totals\"}");
	/* journal and store differ though all is applied */
	f.journal.totals.count[FATE_DUPLICATE]++;
	assert_int_equal(ask_at(false, "POST", "/audit", NULL, ""), 200);
	assert_has("{\"check\":\"journal and store agree on the totals\",\"ok\":false");
}

static void tcp_address_only_reads(void **state)
{
	(void)state;
	assert_int_equal(ask_at(true, "GET", "/metrics", NULL, ""), 200);
	assert_int_equal(ask_at(true, "GET", "/devices/SM-1", NULL, ""), 200);
	assert_int_equal(ask_at(true, "POST", "/devices/import", "text/csv", "id\nEVIL\n"), 403);
	assert_int_equal(ask_at(true, "POST", "/audit", NULL, ""), 403);
	assert_int_equal(registry_number_of(f.registry, "EVIL", 4), DEVICE_NONE);
}

static void hostile_requests_leave_the_api_working(void **state)
{
	static char big[100000];
	(void)state;
	memset(big, 'a', sizeof big);
	memcpy(big, "GET /", 5);
	int status = exchange(dial(f.config.api.socket, 0), big, sizeof big);
	assert_true(status == 0 || status >= 400);
	int half = dial(f.config.api.socket, 0); /* no request, and nothing more comes */
	assert_int_equal(send(half, "\x00\xff\r\n", 4, MSG_NOSIGNAL), 4);
	close(half);
	const char *lie = "POST /status HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	                  "Content-Length: 5\r\n\r\nhello";
	assert_int_equal(exchange(dial(f.config.api.socket, 0), lie, strlen(lie)), 405);
	const char *body = "POST /audit HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	                   "Content-Length: 5\r\n\r\nhello";
	assert_int_equal(exchange(dial(f.config.api.socket, 0), body, strlen(body)), 413);
	close(dial(f.config.api.socket, 0));
	assert_int_equal(ask("/health"), 200);
}

static void second_daemon_is_refused_and_left_over_socket_replaced(void **state)
{
	struct error err;
	struct api *other;
	(void)state;
	struct api_context context = f.context;
	assert_int_equal(api_start(&context, &other, &err), RESULT_RESOURCE);
	assert_non_null(strstr(err.text, "another headraced answers there"));
	assert_int_equal(ask("/health"), 200);

	/* what kill -9 leaves behind: a socket on which nobody listens */
	api_stop(f.api);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, f.config.api.socket);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	assert_int_equal(api_start(&f.context, &f.api, &err), RESULT_OK);
	struct stat st;
	assert_int_equal(stat(f.config.api.socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(ask("/health"), 200);
}

/* --- the command --- */

/* Runs headrace; its stdout and stderr are in `answer`. Returns its exit code. */
static int headrace(const char *arguments)
{
	char line[1024];
	snprintf(line, sizeof line, "HEADRACE_SOCKET=%s %s %s 2>&1", f.config.api.socket,
	         HEADRACE_PROGRAM, arguments);
	FILE *p = popen(line, "r");
	assert_non_null(p);
	size_t used = fread(answer, 1, sizeof answer - 1, p);
	answer[used] = '\0';
	return WEXITSTATUS(pclose(p));
}

static void command_shows_what_the_api_says(void **state)
{
	(void)state;
	assert_int_equal(headrace("status"), 0);
	assert_has("headraced 0.1.0, up 1 h 2 min 3 s, 3 devices, 2 profiles");
	assert_has("duplicate        2");
	assert_lacks("\033");
	assert_int_equal(headrace("status --json"), 0);
	json_decref(parsed());
	assert_int_equal(headrace("devices list --prefix SM"), 0);
	assert_has("ID    STATE      NUMBER  GATEWAY");
	assert_has("\nSM-2  suspended       1");
	assert_int_equal(headrace("devices show 'X/Y Z'"), 0);
	assert_has("X/Y Z");
	assert_int_equal(headrace("readings SM-1 --from 2025-06-15"), 0);
	assert_has("TIME (UTC)            active_energy kWh  voltage V  PROTOCOL  FLAGS");
	assert_has("2025-06-15T14:15:00Z        1247.830000      239.4  mqtt");
	assert_has("2025-06-15T14:30:00Z        1248.000001      239.4  mqtt      drift late");
	assert_has("\n2 readings\n");
	assert_int_equal(headrace("readings SM-2 --format=csv"), 0);
	assert_has("-0.000005,239.400\r\n");
	assert_int_equal(headrace("errors list --reason unknown_device"), 0);
	assert_has("unknown_device");
	assert_lacks("\033"); /* a device id must not steer the terminal */
	assert_int_equal(headrace("errors show 1048577"), 0);
	assert_has("  000000  00 ff 10 ");
	assert_int_equal(headrace("errors show 1048576"), 0);
	assert_has("{\"a\":\"\xc3\xa4\"}");
	assert_int_equal(headrace("audit"), 0);
	assert_has("The accounts balance");
	assert_int_equal(headrace("metrics"), 0);
	assert_has("headrace_readings_received_total 8");
}

static void command_imports_a_file(void **state)
{
	char line[512];
	(void)state;
	folder_write("d.csv", "id\nN-1\nN-2\n");
	folder_write("bad.jsonl", "{\"id\":\"N-3\"}\n{\"id\":\n");
	snprintf(line, sizeof line, "devices import %s", folder_path("d.csv"));
	assert_int_equal(headrace(line), 0);
	assert_has("2 lines: 2 added, 0 changed, 0 unchanged, 0 failed");
	snprintf(line, sizeof line, "devices import %s", folder_path("bad.jsonl"));
	assert_int_equal(headrace(line), 1);
	assert_has("bad.jsonl:2: ");
	assert_has("2 lines: 1 added, 0 changed, 0 unchanged, 1 failed");
	assert_int_equal(headrace("devices import /nonexistent"), 1);
	assert_has("/nonexistent: No such file or directory");
}

static void command_exit_codes_and_messages_help(void **state)
{
	static const struct {
		const char *arguments;
		int code;
		const char *text;
	} cases[] = {
	    {"--help", 0, "devices import FILE"},
	    {"-h", 0, "Exit codes: 0 done"},
	    {"help readings", 0, "Usage: headrace readings METER [OPTIONS]"},
	    {"readings --help", 0, "--from X"},
	    {"devices import -h", 0, "Usage: headrace devices import FILE"},
	    {"--version", 0, "headrace "},
	    {"", 2, "Commands:"},
	    {"staus", 2, "did you mean 'status'?"},
	    {"devices lst", 2, "did you mean 'devices list'?"},
	    {"devices", 2, "'devices' needs a subcommand"},
	    {"xyzzyxyzzy", 2, "All commands: headrace --help"},
	    {"help xyzzyxyzzy", 2, "there is no command 'xyzzyxyzzy'"},
	    {"status --wach", 2, "did you mean '--watch'?"},
	    {"audit --from 1", 2, "there is no option '--from' for 'audit'"},
	    {"readings", 2, "METER is missing"},
	    {"readings A B", 2, "'B' is one word too many"},
	    {"readings A --from", 2, "--from needs a value"},
	    {"status --json=1", 2, "--json takes no value"},
	    {"readings SM-1 --format xml", 2, "expected table, json or csv"},
	    {"readings SM-1 --from soon", 2, "What to do: give a time as"},
	    {"readings NONE", 1, "there is no device 'NONE'"},
	    {"errors show 7", 1, "there is no error entry 7"},
	    {"status --socket /nonexistent/x", 1, "Start it with: headraced"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int code = headrace(cases[i].arguments);
		if (code != cases[i].code)
			fail_msg("%s: exit code %d: %s", cases[i].arguments, code, answer);
		assert_has(cases[i].text);
	}
	f.pipeline.received = 9;
	assert_int_equal(headrace("audit"), 1);
	assert_has("NOT OK");
	assert_has("The accounts do NOT balance");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(status_tells_rates_fates_and_levels),
	    CASE(metrics_are_prometheus_text),
	    CASE(health_says_what_is_wrong),
	    CASE(devices_are_listed_and_shown),
	    CASE(import_takes_csv_and_json),
	    CASE(second_import_waits_for_the_first),
	    CASE(readings_are_exact_decimals),
	    CASE(readings_are_chosen_by_period_and_limit),
	    CASE(bad_requests_are_refused_with_a_remedy),
	    CASE(errors_are_listed_by_reason_and_in_parts),
	    CASE(error_entry_shows_what_came),
	    CASE(audit_balances_and_notices_when_not),
	    CASE(tcp_address_only_reads),
	    CASE(hostile_requests_leave_the_api_working),
	    CASE(second_daemon_is_refused_and_left_over_socket_replaced),
	    CASE(command_shows_what_the_api_says),
	    CASE(command_imports_a_file),
	    CASE(command_exit_codes_and_messages_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
