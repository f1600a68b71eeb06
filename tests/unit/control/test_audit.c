/* SPDX-License-Identifier: Apache-2.0 */
/* Registry, audit, readings and errors over the real store on a real disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "contract/batch.h"
#include "control/api/api_priv.h"
#include "fake_pipeline.h"
#include "folder.h"
#include "storage/journal/record.h"

#include <cmocka.h> /* last: it has a macro named fail */

static const struct registry_author tester = {"tester", 1700000000000};

#define DEVICES 100000
#define T0      1749996900000ll /* 2025-06-15T14:15:00Z */

static struct {
	struct store *store;
	struct registry *registry;
	struct pipeline pipeline;
	struct journal journal;
	struct channel_catalogue channels;
	struct profile_set profiles;
	struct api_context context;
} f;

static void open_all(void)
{
	struct error err;
	struct store_config config = {
	    .dir = folder_path("store"),
	    .run_readings_max = 65536,
	    .run_age_ms = 1000,
	    .cache_bytes = 8 << 20,
	    .background_threads = 1,
	};
	if (store_open(&config, &f.store, &err) != RESULT_OK ||
	    registry_open(f.store, DEVICES, NULL, NULL, &f.registry, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	f.context = (struct api_context){
	    .channels = &f.channels,
	    .profiles = &f.profiles,
	    .pipeline = &f.pipeline,
	    .journal = &f.journal,
	    .store = f.store,
	    .registry = f.registry,
	    .version = "test",
	};
}

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	folder_make();
	open_all();
	return 0;
}

static void close_all(void)
{
	registry_close(f.registry);
	store_close(f.store);
}

static int tear_down(void **state)
{
	(void)state;
	close_all();
	folder_remove();
	return 0;
}

static struct registry_import import(const char *csv)
{
	struct registry_import report;
	struct error err;
	if (registry_import_text(f.registry, REGISTRY_DEVICES, &tester, REGISTRY_CSV, csv,
				 strlen(csv), NULL, NULL, &report, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return report;
}

/* One journal block out of readings with these fates, one per fate and second. */
static void apply_block(uint64_t number, const enum fate *fates, unsigned count)
{
	static struct batch batch;
	static uint8_t records[65536];
	struct error err;
	uint8_t *end = records;

	batch_reset(&batch);
	uint64_t zero[sizeof(struct origin) / 8] = {0};
	uint16_t origin = batch_put(&batch, zero, sizeof zero);
	for (unsigned i = 0; i < count; i++) {
		struct reading *r = &batch.readings[batch.count];
		*r = (struct reading){
		    .meter_ts_ms = T0 + (int64_t)(number * 1000 + i) * 1000,
		    .received_ms = T0,
		    .ts_ms = T0 + (int64_t)(number * 1000 + i) * 1000,
		    .device = i % 3,
		    .raw_offset = batch_put(&batch, "{}", 2),
		    .raw_bytes = 2,
		    .origin_offset = origin,
		    .profile = 1,
		    .channel_count = 1,
		    .fate = (uint8_t)fates[i],
		    .channel = {1},
		    .value = {1000 + i},
		};
		end = record_put(end, &batch, batch.count++);
		f.journal.totals.count[fates[i]]++;
	}
	struct journal_block block = {
	    .number = number,
	    .epoch = 1,
	    .written_ms = T0,
	    .totals = f.journal.totals,
	    .record_bytes = (uint32_t)(end - records),
	    .records = records,
	};
	for (unsigned i = 0; i < count; i++)
		block.record_count += fates[i] != FATE_DUPLICATE;
	if (store_apply(f.store, &block, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	f.journal.status.durable_block = number;
	f.pipeline.received += count;
}

static const struct {
	const char *method, *segments[2];
} scans[] = {{"POST", {"audit"}},
             {"GET", {"readings", "A"}},
             {"GET", {"errors"}},
             {"GET", {"audit"}}}; /* the last is no scan */

static void call(unsigned scan, struct api_request *request, struct api_reply *reply)
{
	const struct api_route *other;
	const char *const *segments = scans[scan].segments;
	request->route = api_route_find(scans[scan].method, segments, segments[1] ? 2 : 1, &other);
	assert_non_null(request->route);
	request->rest = segments[1] ? segments[1] : "";
	request->route->endpoint(request, reply);
}

static struct api_reply audit(void)
{
	struct api_request request = {.context = &f.context};
	struct api_reply reply = {.status = 200};
	call(0, &request, &reply);
	assert_int_equal(reply.status, 200);
	return reply;
}

static void assert_progress(const char *expected)
{
	struct api_request request = {.context = &f.context};
	struct api_reply reply = {.status = 200};
	call(3, &request, &reply);
	assert_string_equal(reply.text.data, expected);
	text_free(&reply.text);
}

static void audit_of_a_real_store_balances(void **state)
{
	static const enum fate fates[] = {FATE_STORED, FATE_STORED,   FATE_DUPLICATE,
	                                  FATE_STORED, FATE_CONFLICT, FATE_REJECT_UNKNOWN};
	(void)state;
	import("id\nA\nB\nC\n");
	for (uint64_t block = 1; block <= 20; block++)
		apply_block(block, fates, 6);
	struct api_reply reply = audit();
	if (!strstr(reply.text.data, "\"balanced\":true"))
		fail_msg("%s", reply.text.data);
	assert_non_null(strstr(reply.text.data, "60 found, 60 by the totals"));
	assert_non_null(strstr(reply.text.data, "since start: 120 = 60 + 20 + 20 + 20 + 0"));
	text_free(&reply.text);
	assert_progress("{\"running\":false,\"done\":60,\"total\":60}\n");

	/* written to RocksDB and opened again: the same */
	struct error err;
	assert_int_equal(store_flush(f.store, &err), RESULT_OK);
	close_all();
	open_all();
	reply = audit();
	assert_non_null(strstr(reply.text.data, "\"balanced\":true"));
	text_free(&reply.text);
}

static void audit_of_a_real_store_notices_a_block_that_is_missing(void **state)
{
	static const enum fate fates[] = {FATE_STORED, FATE_CONFLICT};
	(void)state;
	import("id\nA\nB\nC\n");
	apply_block(1, fates, 2);
	/* the totals of the next block speak of readings that it does not have */
	f.journal.totals.count[FATE_STORED]++;
	f.pipeline.received++;
	apply_block(2, fates, 2);
	struct api_reply reply = audit();
	assert_non_null(strstr(reply.text.data, "\"balanced\":false"));
	assert_non_null(strstr(reply.text.data, "2 found, 3 by the totals"));
	text_free(&reply.text);
}

static void readings_and_errors_come_back_from_a_real_store(void **state)
{
	static const enum fate fates[] = {FATE_STORED, FATE_CONFLICT, FATE_STORED, FATE_STORED};
	(void)state;
	import("id\nA\nB\nC\n");
	apply_block(1, fates, 4);
	struct api_request request = {.context = &f.context};
	struct api_reply reply = {.status = 200};
	call(1, &request, &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.text.data, "\"count\":2,\"more\":false"));
	assert_non_null(strstr(reply.text.data, "\"time\":\"2025-06-15T14:31:43Z\""));
	text_free(&reply.text);
	reply = (struct api_reply){.status = 200};
	call(2, &request, &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.text.data, "\"reason\":\"conflict\""));
	assert_non_null(strstr(reply.text.data, "\"count\":1,\"more\":false"));
	text_free(&reply.text);
}

static void scans_break_off_when_the_api_stops(void **state)
{
	static const enum fate fates[] = {FATE_STORED, FATE_CONFLICT};
	atomic_bool stopping = true;
	(void)state;
	import("id\nA\nB\nC\n");
	apply_block(1, fates, 2);
	for (unsigned i = 0; i < 3; i++) {
		struct api_request request = {.context = &f.context, .stopping = &stopping};
		struct api_reply reply = {.status = 200};
		call(i, &request, &reply);
		assert_int_equal(reply.status, 503);
		assert_non_null(strstr(reply.text.data, "headraced is about to end"));
		text_free(&reply.text);
	}
}

static void registry_of_100000_devices_is_durable(void **state)
{
	(void)state;
	char *csv = malloc(DEVICES * 32 + 64), *at = csv;
	at += sprintf(at, "id,gateway,dials\n");
	for (int i = 0; i < DEVICES; i++)
		at += sprintf(at, "SM-%06d,GW-%04d,6\n", i, i / 100);
	struct registry_import report = import(csv);
	assert_int_equal(report.added, DEVICES);
	close_all();
	open_all();
	assert_int_equal(registry_count(f.registry), DEVICES);
	assert_int_equal(registry_number_of(f.registry, "SM-054321", 9), 54321);
	report = import(csv);
	assert_int_equal(report.unchanged, DEVICES);
	struct device d;
	struct error err;
	assert_int_equal(registry_get(f.registry, "SM-099999", &d, &err), RESULT_OK);
	assert_string_equal(d.gateway, "GW-0999");
	free(csv);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(audit_of_a_real_store_balances),
	    CASE(audit_of_a_real_store_notices_a_block_that_is_missing),
	    CASE(readings_and_errors_come_back_from_a_real_store),
	    CASE(scans_break_off_when_the_api_stops),
	    CASE(registry_of_100000_devices_is_durable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
