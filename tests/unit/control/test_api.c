/* SPDX-License-Identifier: Apache-2.0 */
/* The API over a real Unix socket and TCP port, spoken to byte by byte. */
#include <errno.h>

#include "api_fixture.h"

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
	assert_int_equal(json_integer_value(json_object_get(json_object_get(stage, "poll"),
	                                                    "max_us")), 1500);
	/* 4 connections: 4 x 192 + 2 x 128; those in TIME-WAIT are none */
	json_t *connections = json_object_get(s, "connections");
	assert_int_equal(json_integer_value(json_object_get(connections, "count")), 4);
	assert_int_equal(json_integer_value(json_object_get(connections, "used_bytes")), 1024);
	assert_true(json_real_value(json_object_get(connections, "bytes_per_connection")) == 256.0);
	json_t *pool = json_array_get(json_object_get(connections, "pools"), 1);
	assert_int_equal(json_integer_value(json_object_get(pool, "reserved_bytes")), 6400);
	assert_true(json_real_value(json_object_get(pool, "bytes_per_connection")) == 64.0);
	json_t *port = json_array_get(json_object_get(s, "ports"), 0);
	assert_string_equal(json_string_value(json_object_get(port, "device")), "net_test0");
	assert_string_equal(json_string_value(json_object_get(port, "distribution")), "software");
	assert_int_equal(json_integer_value(json_object_get(port, "ios")), 2);
	json_t *level = json_array_get(json_object_get(s, "levels"), 0);
	assert_int_equal(json_integer_value(json_object_get(level, "used")), 3);
	assert_true(json_is_object(json_object_get(json_object_get(s, "journal"), "write")));
	json_t *counters = json_object_get(s, "counters");
	assert_int_equal(json_integer_value(json_object_get(counters, counter_info[0].name)), 41);
	assert_int_equal(json_integer_value(json_object_get(counters, "parts_made")), 3);
	assert_int_equal(json_object_size(counters), 2);
	json_t *gauges = json_object_get(s, "gauges");
	assert_int_equal(json_integer_value(json_object_get(gauges, "parts_kept")), 2);
	assert_int_equal(json_object_size(gauges), 1);
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
	assert_has("\nheadrace_parts_made_total 3\n");
	assert_has("# TYPE headrace_parts_kept gauge\nheadrace_parts_kept 2\n");
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

static void pending_devices_are_approved_and_rejected(void **state)
{
	(void)state;
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv",
	                        "id,state\nP/1,pending\nP-2,pending\n"), 200);
	assert_int_equal(ask("/devices?state=pending"), 200);
	assert_has("\"id\":\"P/1\"");
	assert_has("\"id\":\"P-2\"");
	assert_lacks("SM-1");
	assert_int_equal(ask("/devices?state=pending&offset=1&limit=1"), 200);
	assert_has("P/1");
	assert_lacks("P-2");
	assert_int_equal(ask("/devices?state=asleep"), 400);
	assert_int_equal(ask_at(false, "POST", "/devices/approve/P%2F1", NULL, ""), 200);
	assert_string_equal(answer, "{\"id\":\"P/1\",\"state\":\"active\"}\n");
	assert_int_equal(ask_at(false, "POST", "/devices/approve/P%2F1", NULL, ""), 409);
	assert_int_equal(ask_at(false, "POST", "/devices/reject/P-2", NULL, ""), 200);
	assert_int_equal(ask("/devices/P-2"), 200);
	assert_has("\"state\":\"retired\"");
	assert_int_equal(ask_at(false, "POST", "/devices/approve/nobody", NULL, ""), 404);
	assert_int_equal(ask("/devices?state=pending"), 200);
	assert_has("\"count\":0");
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
	fake_store_fail_writes_after(f.store, 1, 1); /* the first is the audit log's */
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "id\nN-4\n"), 500);
	assert_has("the fake disk is full");
	fake_store_fail_writes(f.store, 1);
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "id\nN-5\n"), 503);
	assert_has("nothing was changed");
	assert_int_equal(registry_number_of(f.registry, "N-5", 3), DEVICE_NONE);
}

static void second_import_waits_for_the_first(void **state)
{
	(void)state;
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	int first = dial(f.config.api.socket, 0);
	const char *head = "POST /devices/import HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	                   "Content-Type: text/csv\r\nContent-Length: 8\r\n"
	                   "Expect: 100-continue\r\n\r\n";
	char got[sizeof go_on] = "";
	assert_int_equal(send(first, head, strlen(head), MSG_NOSIGNAL), strlen(head));
	/* that it may go on says that it has arrived and is the one import under way */
	assert_int_equal(recv(first, got, sizeof go_on - 1, MSG_WAITALL), sizeof go_on - 1);
	assert_string_equal(got, go_on);
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "id\n"), 503);
	assert_has("another import is under way");
	assert_int_equal(exchange(first, "id\nLAST\n", 8), 200);
	assert_has("\"added\":1");
	/* whoever has the answer may go on at once */
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv", "id\n"),
		                 200);
}

static void readings_are_shown_when_the_store_has_them_all(void **state)
{
	(void)state;
	f.writer.behind = true;
	assert_int_equal(ask("/readings/SM-1"), 503);
	assert_has("still on their way");
	assert_int_equal(ask("/errors"), 503);
	f.writer.behind = false;
	assert_int_equal(ask("/readings/SM-1"), 200);
}

static void aggregates_are_shown_as_json_and_csv(void **state)
{
	(void)state;
	assert_int_equal(ask("/aggregates/SM-1?from=2025-06-15&to=2025-06-17"), 200);
	assert_has("\"level\":\"day\",\"zone\":\"");
	assert_has("\"energy\":{\"value\":\"");
	assert_has("\"readings\":95,\"intervals\":95,\"expected\":96,"
	           "\"completeness\":\"98.95\",\"flags\":[]");
	assert_has("\"energy\":null,\"mean_power\":null,\"max_demand\":null");
	assert_has("\"load_profile\":{\"level\":\"hour\",\"from\":\"2025-06-15T00:00:00");
	assert_has("\"count\":2}");
	assert_int_equal(ask("/aggregates/SM-1?level=month&format=csv"), 200);
	assert_has("start,end,energy,energy_unit,");
	assert_has(",95,95,96,demand_derived gap_before\r\n");
	assert_int_equal(ask("/aggregates/SM-1?level=year"), 400);
	assert_has("give hour, day or month");
	assert_int_equal(ask("/aggregates/SM-1?format=xml"), 400);
	assert_int_equal(ask("/aggregates/SM-1?from=yesterday"), 400);
	assert_int_equal(ask("/aggregates/SM-77"), 404);
	f.writer.behind = true;
	assert_int_equal(ask("/aggregates/SM-1"), 503);
	f.writer.behind = false;
}

static void retention_says_what_is_kept(void **state)
{
	(void)state;
	assert_int_equal(ask("/retention"), 200);
	assert_has("{\"level\":\"readings\",\"keep_days\":");
	assert_has("{\"level\":\"months\",\"keep_days\":null,\"keeps_from\":null,"
	           "\"oldest\":null,\"past\":false,\"next_goes\":null}");
	assert_has("\"removed_readings\":0}");
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

static void usage_tells_where_values_come_from(void **state)
{
	(void)state;
	read_june(JUNE_S + 86400, JUNE_S + 86400 + 4500);
	assert_int_equal(ask("/usage/X%2FY%20Z?from=2025-06-01&to=2025-07-01&by=day"), 200);
	assert_has("\"timezone\":\"America/Los_Angeles\"");
	assert_has("\"kwh\":\"450.500000\"");
	assert_has("\"register_kwh\":\"450.500000\"");
	assert_has("{\"day\":\"2025-06-02\",\"kwh\":\"15.016667\",\"intervals\":96,"
	           "\"actual\":91,\"estimated\":5,\"missing\":0,\"completeness\":\"94.79\"");
	assert_has("{\"from\":\"2025-06-02T07:00:00Z\",\"to\":\"2025-06-02T08:15:00Z\","
	           "\"filled\":\"interpolated\",\"register_kwh\":\"0.782118\"}");
	assert_int_equal(ask("/usage/X%2FY%20Z?from=2025-06-02&to=2025-06-03"), 200);
	assert_has("{\"start\":\"2025-06-02T07:00:00Z\",\"kwh\":\"0.156423\","
	           "\"source\":\"interpolated\",\"rules\":0}");
	assert_has("{\"start\":\"2025-06-02T08:15:00Z\",\"kwh\":\"0.156424\","
	           "\"source\":\"actual\"}");
	assert_int_equal(ask("/usage/NONE?from=2025-06-02&to=2025-06-03"), 404);
	assert_int_equal(ask("/usage/SM-1?from=2025-06-02&by=day"), 200);
	assert_has("\"from\":\"2025-06-02\",\"to\":\"2025-06-03\"");
	assert_int_equal(ask("/usage/SM-1?to=2025-06-02"), 400);
	assert_has("from: is missing");
	assert_int_equal(ask("/usage/SM-1?from=2025-06-31&to=2025-07-01"), 400);
	assert_has("that month has 30 days");
	assert_int_equal(ask("/usage/SM-1?from=2025-06-02&to=2025-06-02"), 400);
	assert_int_equal(ask("/usage/SM-1?from=2025-06-02&to=2025-06-03&by=week"), 400);
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
	    {"GET", "/billing/run", 405, "/billing/run takes POST, not GET"},
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

static void tcp_address_without_a_token_is_for_monitoring_only(void **state)
{
	static const char *const closed[] = {"/devices", "/devices/SM-1", "/readings/SM-1",
	                                     "/errors", "/errors/1048576"};
	(void)state;
	assert_int_equal(ask_at(true, "GET", "/metrics", NULL, ""), 200);
	assert_int_equal(ask_at(true, "GET", "/health", NULL, ""), 200);
	assert_int_equal(ask_at(true, "GET", "/status", NULL, ""), 200);
	for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
		assert_int_equal(ask_at(true, "GET", closed[i], NULL, ""), 401);
		assert_has("or use the Unix socket");
		assert_non_null(strstr(headers, "WWW-Authenticate: Bearer"));
		assert_int_equal(ask(closed[i]), 200);
	}
	assert_int_equal(ask_at(true, "POST", "/devices/import", "text/csv", "id\nEVIL\n"), 401);
	assert_int_equal(ask_at(true, "POST", "/audit", NULL, ""), 401);
	assert_int_equal(registry_number_of(f.registry, "EVIL", 4), DEVICE_NONE);
}

static void tcp_address_refuses_a_foreign_host(void **state)
{
	static const char *const foreign[] = {"evil.example:9404", "10.0.0.1", "127.0.0.1.evil",
	                                      "localhost.evil", ""};
	static const char *const own[] = {"127.0.0.1", "127.1.2.3:9404", "LOCALHOST"};
	(void)state;
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		host = foreign[i];
		assert_int_equal(ask_at(true, "GET", "/metrics", NULL, ""), 403);
		assert_has("the Host header says");
		assert_int_equal(ask("/metrics"), 200);
	}
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		host = own[i];
		assert_int_equal(ask_at(true, "GET", "/metrics", NULL, ""), 200);
	}
	host = "localhost:9404";
}

/* 8 are served, 4 more are told why not, and what is beyond is closed without a word. */
static void tcp_address_limits_connections_of_one_host(void **state)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int held[16], served = 0, told = 0, closed = 0;
	char got[1024];
	(void)state;
	for (int i = 0; i < 16; i++)
		held[i] = dial("", tcp_port);
	for (int i = 0; i < 16; i++) {
		(void)send(held[i], request, strlen(request), MSG_NOSIGNAL);
		ssize_t n = recv(held[i], got, sizeof got - 1, 0);
		got[n > 0 ? n : 0] = '\0';
		served += strncmp(got, "HTTP/1.1 200 ", 13) == 0;
		told += strncmp(got, "HTTP/1.1 503 ", 13) == 0 &&
		        strstr(got, "Retry-After: 1\r\n") && strstr(got, "Connection: close\r\n");
		closed += n <= 0;
	}
	assert_int_equal(served, 8);
	assert_int_equal(told, 4);
	assert_int_equal(closed, 4);
	assert_int_equal(ask("/metrics"), 200); /* at the socket */
	assert_has("\nheadrace_api_connections_over_total 4\n");
	for (int i = 0; i < 16; i++)
		close(held[i]);
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(status_tells_rates_fates_and_levels),
	    CASE(metrics_are_prometheus_text),
	    CASE(health_says_what_is_wrong),
	    CASE(devices_are_listed_and_shown),
	    CASE(pending_devices_are_approved_and_rejected),
	    CASE(import_takes_csv_and_json),
	    CASE(second_import_waits_for_the_first),
	    CASE(aggregates_are_shown_as_json_and_csv),
	    CASE(retention_says_what_is_kept),
	    CASE(readings_are_shown_when_the_store_has_them_all),
	    CASE(readings_are_exact_decimals),
	    CASE(readings_are_chosen_by_period_and_limit),
	    CASE(usage_tells_where_values_come_from),
	    CASE(bad_requests_are_refused_with_a_remedy),
	    CASE(errors_are_listed_by_reason_and_in_parts),
	    CASE(error_entry_shows_what_came),
	    CASE(audit_balances_and_notices_when_not),
	    CASE(tcp_address_without_a_token_is_for_monitoring_only),
	    CASE(tcp_address_refuses_a_foreign_host),
	    CASE(tcp_address_limits_connections_of_one_host),
	    CASE(hostile_requests_leave_the_api_working),
	    CASE(second_daemon_is_refused_and_left_over_socket_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
