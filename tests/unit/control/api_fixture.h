/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API at a socket and a TCP port of its own, with a few devices, readings and errors. Store,
 * journal and workers are in memory. For the tests of the API and of the headrace command.
 */
#ifndef HEADRACE_TESTS_CONTROL_API_FIXTURE_H
#define HEADRACE_TESTS_CONTROL_API_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <jansson.h>

#include "base/clock.h"
#include "contract/reading.h"
#include "control/api/api.h"
#include "api_client.h"
#include "fake_pipeline.h"
#include "fake_store.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static const struct registry_author tester = {"tester", 1700000000000};

static struct {
	struct config config;
	struct channel_catalogue channels;
	struct profile_set profiles;
	struct calendar *calendar;
	struct vee_rules vee_rules;
	struct tariff_book tariffs;
	struct invoices *invoices;
	struct scan *scan;
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

static inline void add_reading(uint32_t device, int64_t meter_ts_ms, int64_t kwh, uint16_t flags)
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

static inline void add_error(uint64_t number, enum fate fate, const char *id, const void *raw,
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

static inline void fill(void)
{
	struct error err;
	struct registry_import report;
	const char *csv = "id,state,serial\nSM-1,active,S 1\nSM-2,suspended,\nX/Y Z,active,\n";
	assert_int_equal(registry_import_text(f.registry, REGISTRY_DEVICES, &tester, REGISTRY_CSV,
					      csv, strlen(csv), NULL, NULL, &report, &err),
			 RESULT_OK);
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

/* June 2025 in the territory's time: 450.5 kWh, as evenly as a register of whole mWh can. */
#define JUNE_S   1748761200ll
#define JULY_S   1751353200ll
#define JUNE_MWH 450500000ll

static inline void read_june(int64_t except_from_s, int64_t except_to_s)
{
	int64_t count = (JULY_S - JUNE_S) / 900;
	for (int64_t i = 0; i <= count; i++) {
		int64_t at_s = JUNE_S + i * 900;
		if (at_s <= except_from_s || at_s >= except_to_s)
			add_reading(2, at_s * 1000, 7000000 + JUNE_MWH * i / count, 0);
	}
}

/* A part of the control plane that counts. */
static const struct counter_info part_made[] = {{"parts_made", "Parts made"},
                                                {"parts_lost", "Parts lost"}};
static const struct counter_info part_kept[] = {{"parts_kept", "Parts kept now"}};
static const _Atomic uint64_t parts_made[] = {3, 0}, parts_kept[] = {2};

static inline int set_up(void **state)
{
	struct error err;
	(void)state;
	memset(&f, 0, sizeof f);
	folder_make();
	f.config.api.socket = strdup(folder_path("run/api.sock"));
	char listen[32];
	tcp_port = (uint16_t)(20000 + getpid() % 12000);
	snprintf(listen, sizeof listen, "127.0.0.1:%u", tcp_port);
	f.config.api.listen = strdup(listen);
	memcpy(f.config.api.address, (uint8_t[]){127, 0, 0, 1}, 4);
	f.config.api.port = tcp_port;
	f.config.api.loopback = true;
	f.config.api.requests_per_s = 1000;
	f.config.api.connections = 64;
	f.config.api.connections_per_address = 8;
	f.config.api.request_timeout_s = 30;
	f.config.validation.drift_accept_s = 60;
	f.config.validation.drift_flag_s = 300;
	f.config.validation.drift_replace_s = 3600;
	f.config.validation.late_max_h = 48;
	if (config_load_channels(CONFIGS_DIR "/channels.yaml", &f.channels, &err) != RESULT_OK ||
	    config_load_profiles(CONFIGS_DIR "/profiles", &f.channels, &f.config, &f.profiles,
	                         &err) != RESULT_OK ||
	    tariff_book_load(CONFIGS_DIR "/tariffs", &f.tariffs, &err) != RESULT_OK ||
	    calendar_new("America/Los_Angeles", &f.calendar, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	vee_rules_default(&f.vee_rules);
	f.store = fake_store_new();
	assert_int_equal(registry_open(f.store, 100, NULL, NULL, &f.registry, &err), RESULT_OK);
	f.journal.totals.count[FATE_STORED] = 0;
	struct invoices_source billed = {f.store, f.registry, &f.profiles, f.calendar,
	                                 &f.vee_rules, &f.tariffs};
	assert_int_equal(invoices_new(&billed, &f.invoices, &err), RESULT_OK);
	struct scan_source scanned = {f.store,     NULL,       f.registry,
	                              &f.profiles, f.calendar, &f.vee_rules};
	assert_int_equal(scan_new(&scanned, &f.scan, &err), RESULT_OK);
	f.context = (struct api_context){
	    .config = &f.config,
	    .channels = &f.channels,
	    .profiles = &f.profiles,
	    .calendar = f.calendar,
	    .vee_rules = &f.vee_rules,
	    .invoices = f.invoices,
	    .scan = f.scan,
	    .pipeline = &f.pipeline,
	    .journal = &f.journal,
	    .store = f.store,
	    .writer = &f.writer,
	    .registry = f.registry,
	    .started_ms = clock_wall_ms() - 3723000,
	    .memory_budget_bytes = 1 << 28,
	    .version = "0.1.0",
	    .tallies = {{part_made, parts_made, 2, false}, {part_kept, parts_kept, 1, true}},
	};
	fill();
	if (api_start(&f.context, &f.api, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	api_stop(f.api);
	invoices_free(f.invoices);
	scan_free(f.scan);
	registry_close(f.registry);
	tariff_book_free(&f.tariffs);
	calendar_free(f.calendar);
	fake_store_free(f.store);
	free(f.config.api.socket);
	free(f.config.api.listen);
	folder_remove();
	return 0;
}

static const char *host = "localhost:9404";

static inline int ask_at(bool tcp, const char *method, const char *path, const char *type,
                  const char *body)
{
	char request[8192];
	int length = snprintf(request, sizeof request,
	                      "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s%s"
	                      "Content-Length: %zu\r\n\r\n%s",
	                      method, path, host, type ? "Content-Type: " : "", type ? type : "",
	                      type ? "\r\n" : "", strlen(body), body);
	return exchange(dial(f.config.api.socket, tcp ? tcp_port : 0), request, (size_t)length);
}

static inline int ask(const char *path)
{
	return ask_at(false, "GET", path, NULL, "");
}

static inline json_t *parsed(void)
{
	json_error_t error;
	json_t *json = json_loads(answer, 0, &error);
	if (!json)
		fail_msg("%s at %d: %s", error.text, error.position, answer);
	return json;
}

static inline void assert_has(const char *text)
{
	if (!strstr(answer, text))
		fail_msg("'%s' is not in: %s", text, answer);
}

static inline void assert_lacks(const char *text)
{
	if (strstr(answer, text))
		fail_msg("'%s' is in: %s", text, answer);
}

#endif
