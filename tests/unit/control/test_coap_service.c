/* SPDX-License-Identifier: Apache-2.0 */
/* The CoAP service behind its rings, over a registry and a store in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "control/coap/service.h"
#include "control/config/config.h"
#include "fake_store.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static const struct registry_author tester = {"tester", 1700000000000};

#define CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))
#define PATIENCE_MS 60000

static struct fixture {
	struct store *store;
	struct registry *registry;
	struct registration *registration;
	struct channel_catalogue channels;
	struct profile_set profiles;
	struct coap_service *service;
	struct coap_link *link;
	uint64_t exchange;
} f;

/* An answer or notification; its texts terminated. */
struct told {
	struct coap_tell head;
	char location[128], location_query[128], body[4096];
};

static void ignore_complaint(void *context, uint64_t line, const char *cause)
{
	(void)context;
	fail_msg("line %u: %s", (unsigned)line, cause);
}

static int set_up(void **state)
{
	struct error err;
	struct registry_import report;
	static const char devices[] = "id\nSM-1\nSM-2\n";
	(void)state;
	folder_make();
	f = (struct fixture){.store = fake_store_new()};
	struct registration_config policy = {.policy = REGISTRATION_POLICY_PENDING,
	                                     .pending_max = 10};
	if (registry_open(f.store, 8, NULL, NULL, &f.registry, &err) != RESULT_OK ||
	    registry_import_text(f.registry, REGISTRY_DEVICES, &tester, REGISTRY_CSV, devices,
				 strlen(devices), ignore_complaint, NULL, &report,
				 &err) != RESULT_OK ||
	    registration_open(&policy, f.registry, &f.registration, &err) != RESULT_OK ||
	    config_load_channels(CONFIGS_DIR "/channels.yaml", &f.channels, &err) != RESULT_OK)
		return -1;
	struct coap_service_config c = {
	    .channels = &f.channels,
	    .profiles = &f.profiles,
	    .store = f.store,
	    .registry = f.registry,
	    .registration = f.registration,
	    .io_count = 1,
	    .observers_max = 4,
	    .registrations_max = 2,
	};
	fake_store_add_reading(f.store, &(struct stored_reading){.device = 0,
	                                                         .channel_count = 1,
	                                                         .meter_ts_ms = 1750000000500,
	                                                         .ts_ms = 1750000000500,
	                                                         .channel = {1},
	                                                         .value = {5}});
	if (coap_service_start(&c, &f.service, &err) != RESULT_OK)
		return -1;
	f.link = coap_service_link(f.service);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	coap_service_stop(f.service);
	registration_close(f.registration);
	registry_close(f.registry);
	fake_store_free(f.store);
	folder_remove();
	return 0;
}

static void push(const struct coap_ask *head, const char *path, const char *query,
                 const char *payload)
{
	struct coap_ask ask = *head;
	ask.path_bytes = (uint16_t)strlen(path);
	ask.query_bytes = (uint16_t)strlen(query);
	ask.payload_bytes = (uint32_t)strlen(payload);
	uint32_t bytes = (uint32_t)sizeof ask + ask.path_bytes + ask.query_bytes +
	                 ask.payload_bytes;
	char *at = record_ring_reserve(&f.link->ask[0], bytes, 0);
	assert_non_null(at);
	memcpy(at, &ask, sizeof ask);
	sprintf(at + sizeof ask, "%s%s", path, query);
	memcpy(at + sizeof ask + ask.path_bytes + ask.query_bytes, payload, ask.payload_bytes);
	record_ring_commit(&f.link->ask[0], bytes);
}

/* The next record that the service tells; false: none in so many ms. */
static bool told_within(struct told *t, uint32_t ms)
{
	const uint8_t *record;
	uint32_t bytes;
	for (uint32_t ms_left = ms; !(record = record_ring_peek(&f.link->tell[0], &bytes));) {
		struct timespec ts = {.tv_nsec = 1000000};
		if (ms_left-- == 0)
			return false;
		nanosleep(&ts, NULL);
	}
	memset(t, 0, sizeof *t);
	memcpy(&t->head, record, sizeof t->head);
	record += sizeof t->head;
	memcpy(t->location, record, t->head.location_path_bytes);
	record += t->head.location_path_bytes;
	memcpy(t->location_query, record, t->head.location_query_bytes);
	record += t->head.location_query_bytes;
	assert_in_range(t->head.payload_bytes, 0, sizeof t->body - 1);
	memcpy(t->body, record, t->head.payload_bytes);
	record_ring_release(&f.link->tell[0]);
	return true;
}

static struct told told(void)
{
	struct told t;
	assert_true(told_within(&t, PATIENCE_MS));
	return t;
}

static struct coap_ask request(enum coap_method method)
{
	return (struct coap_ask){
	    .exchange = ++f.exchange,
	    .kind = COAP_ASK_REQUEST,
	    .method = (uint8_t)method,
	    .content_format = COAP_FORMAT_NONE,
	    .accept = COAP_FORMAT_NONE,
	    .address = {[10] = 0xff, 0xff, 192, 0, 2, 7},
	    .port = 40000,
	};
}

static struct told ask(enum coap_method method, const char *path, const char *query,
                       const char *payload)
{
	struct coap_ask head = request(method);
	head.content_format = payload[0] == '{' ? 50 : payload[0] ? 40 : COAP_FORMAT_NONE;
	push(&head, path, query, payload);
	struct told t = told();
	assert_int_equal(t.head.kind, COAP_TELL_ANSWER);
	assert_int_equal(t.head.handle, f.exchange);
	return t;
}

static struct told observe(const char *path, uint64_t observer)
{
	struct coap_ask head = request(COAP_GET);
	head.flags = COAP_ASK_OBSERVE;
	head.observer = observer;
	push(&head, path, "", "");
	return told();
}

static void assert_has(const struct told *t, const char *word)
{
	if (!strstr(t->body, word))
		fail_msg("no %s in %s", word, t->body);
}

static void core_lists_and_filters(void **state)
{
	(void)state;
	struct told t = ask(COAP_GET, "/.well-known/core", "", "");
	assert_int_equal(t.head.code, CODE(2, 5));
	assert_int_equal(t.head.content_format, 40);
	assert_true(t.head.etag.bytes > 0);
	assert_has(&t, "</rd>;rt=\"core.rd\"");
	assert_null(strstr(t.body, "</test>")); /* not unless configured */
	struct coap_ask again = request(COAP_GET);
	again.etag_count = 1;
	again.etags[0] = t.head.etag;
	push(&again, "/.well-known/core", "", "");
	t = told();
	assert_int_equal(t.head.code, CODE(2, 3));
	assert_int_equal(t.head.payload_bytes, 0);
	t = ask(COAP_GET, "/.well-known/core", "rt=core.rd-lookup-res", "");
	assert_string_equal(t.body, "</rd-lookup/res>;rt=\"core.rd-lookup-res\";ct=40");
	t = ask(COAP_GET, "/.well-known/core", "rt=none", "");
	assert_int_equal(t.head.code, CODE(2, 5));
	assert_string_equal(t.body, "");
	assert_int_equal(ask(COAP_POST, "/.well-known/core", "", "").head.code, CODE(4, 5));
	assert_int_equal(ask(COAP_GET, "/test", "", "").head.code, CODE(4, 4));
	assert_false(coap_link_serves(f.link, "/test", 5));
	assert_true(coap_link_serves(f.link, "/rd/1", 5));
	assert_false(coap_link_serves(f.link, "/rdx", 4));
}

static void reading_is_shown_in_both_formats(void **state)
{
	(void)state;
	struct told t = ask(COAP_GET, "/readings/SM-1", "", "");
	assert_int_equal(t.head.code, CODE(2, 5));
	assert_int_equal(t.head.content_format, 50);
	assert_has(&t, "\"device\":\"SM-1\"");
	assert_has(&t, "\"time\":\"2025-06-15T15:06:40.500Z\"");
	struct coap_ask senml = request(COAP_GET);
	senml.accept = 110;
	push(&senml, "/readings/SM-1", "", "");
	t = told();
	assert_int_equal(t.head.content_format, 110);
	assert_has(&t, "[{\"bn\":\"SM-1/\",\"bt\":1750000000.500,\"n\":");
	t = ask(COAP_GET, "/readings/SM-2", "", "");
	assert_string_equal(t.body, "{\"device\":\"SM-2\"}");
	assert_int_equal(ask(COAP_GET, "/readings/SM-9", "", "").head.code, CODE(4, 4));
	assert_int_equal(ask(COAP_GET, "/readings", "", "").head.code, CODE(4, 4));
	assert_int_equal(ask(COAP_DELETE, "/readings/SM-1", "", "").head.code, CODE(4, 5));
}

static void command(const char *topic, const char *payload)
{
	coap_service_command(f.service, topic, strlen(topic), (const uint8_t *)payload,
	                     strlen(payload), false);
}

static void delivered(uint64_t observer)
{
	push(&(struct coap_ask){.kind = COAP_ASK_DELIVERED, .observer = observer}, "", "", "");
}

static void commands_reach_their_observers_in_order(void **state)
{
	(void)state;
	const uint64_t all = 7ull << 32 | 1, valve = 9ull << 32 | 2;
	struct told t = observe("/cmd/SM-1", all);
	assert_int_equal(t.head.code, CODE(2, 5));
	assert_true(t.head.flags & COAP_TELL_OBSERVED);
	t = observe("/cmd/SM-1/valve", valve);
	assert_true(t.head.flags & COAP_TELL_OBSERVED);
	assert_int_equal(observe("/cmd/SM-9", 3).head.code, CODE(4, 4));

	command("cmd/SM-1/valve", "open");
	command("cmd/SM-1/valve", "close");
	command("cmd/SM-2/valve", "for somebody else");
	for (int i = 0; i < 2; i++) { /* the first to each of them */
		t = told();
		assert_int_equal(t.head.kind, COAP_TELL_NOTIFY);
		assert_true(t.head.flags & COAP_TELL_IN_ORDER);
		if (t.head.handle == all)
			assert_string_equal(t.body,
			                    "{\"topic\":\"cmd/SM-1/valve\",\"payload\":\"open\"}");
		else
			assert_string_equal(t.body, "open");
	}
	assert_false(told_within(&t, 20)); /* the second waits */
	delivered(valve);
	t = told();
	assert_true(t.head.handle == valve);
	assert_string_equal(t.body, "close");
	delivered(all);
	t = told();
	assert_true(t.head.handle == all);
	/* who is gone gets nothing; the last command can be read */
	push(&(struct coap_ask){.kind = COAP_ASK_GONE, .observer = all}, "", "", "");
	delivered(valve);
	command("cmd/SM-1/valve", "half");
	t = told();
	assert_true(t.head.handle == valve);
	assert_false(told_within(&t, 20));
	assert_string_equal(ask(COAP_GET, "/cmd/SM-1/valve", "", "").body, "half");
}

static void queue_of_commands_is_bounded(void **state)
{
	(void)state;
	const uint64_t observer = 1ull << 32;
	observe("/cmd/SM-1/x", observer);
	for (int i = 0; i < 100; i++)
		command("cmd/SM-1/x", "go");
	told();
	const _Atomic uint64_t *counts = coap_service_counts(f.service);
	/* one under way, 32 in the queue */
	for (int i = 0; i < PATIENCE_MS && counts[COAP_SERVICE_COMMANDS_DROPPED] < 67; i++) {
		struct timespec ts = {.tv_nsec = 1000000};
		nanosleep(&ts, NULL);
	}
	assert_int_equal(counts[COAP_SERVICE_COMMANDS], 100);
	assert_int_equal(counts[COAP_SERVICE_COMMANDS_DROPPED], 67);
}

static void endpoint_registers_is_found_and_removed(void **state)
{
	(void)state;
	struct told t = ask(COAP_POST, "/rd", "ep=N1&lt=100&et=meter&serialNumber=S7",
	                    "</t>;rt=\"temp x\",</l>;rt=\"light\";anchor=\"/z\"");
	assert_int_equal(t.head.code, CODE(2, 1));
	assert_string_equal(t.location, "rd/1");
	t = ask(COAP_GET, "/rd-lookup/ep", "", "");
	assert_string_equal(t.body, "</rd/1>;ep=\"N1\";base=\"coap://192.0.2.7:40000\""
	                            ";et=\"meter\";serialNumber=\"S7\";rt=\"core.rd-ep\"");
	t = ask(COAP_GET, "/rd-lookup/res", "rt=temp", "");
	assert_string_equal(t.body, "<coap://192.0.2.7:40000/t>;rt=\"temp x\"");
	t = ask(COAP_GET, "/rd-lookup/res", "ep=N1&rt=light", "");
	assert_string_equal(t.body, "<coap://192.0.2.7:40000/l>;rt=\"light\";"
	                            "anchor=\"coap://192.0.2.7:40000/z\"");
	assert_string_equal(ask(COAP_GET, "/rd-lookup/ep", "rt=light", "").location, "");
	assert_string_equal(ask(COAP_GET, "/rd-lookup/res", "et=other", "").body, "");
	t = ask(COAP_GET, "/rd-lookup/res", "page=1&count=1", "");
	assert_non_null(strstr(t.body, "/l>"));
	assert_null(strstr(t.body, "/t>"));
	/* the same name again keeps its place */
	t = ask(COAP_POST, "/rd", "ep=N1&base=coap://[2001:db8::1]/x", "</t>");
	assert_string_equal(t.location, "rd/1");
	t = ask(COAP_GET, "/rd-lookup/res", "", "");
	assert_string_equal(t.body, "<coap://[2001:db8::1]/t>");
	assert_int_equal(ask(COAP_POST, "/rd/1", "lt=5000", "").head.code, CODE(2, 4));
	assert_int_equal(ask(COAP_POST, "/rd/1", "ep=other", "").head.code, CODE(4, 0));
	assert_int_equal(ask(COAP_POST, "/rd/1", "", "</x>").head.code, CODE(4, 0));
	assert_int_equal(ask(COAP_POST, "/rd/2", "", "").head.code, CODE(4, 4));
	assert_int_equal(ask(COAP_DELETE, "/rd/1", "", "").head.code, CODE(2, 2));
	assert_string_equal(ask(COAP_GET, "/rd-lookup/ep", "", "").body, "");
}

static void registration_reaches_the_registry(void **state)
{
	(void)state;
	struct device d;
	struct error err;
	ask(COAP_POST, "/rd", "ep=N1&serialNumber=S7&firmwareVersion=1.2", "</t>");
	assert_int_equal(registry_get(f.registry, "N1", &d, &err), RESULT_OK);
	assert_int_equal(d.state, DEVICE_PENDING);
	assert_string_equal(d.serial, "S7");
	assert_string_equal(d.firmware, "1.2");
	assert_string_equal(d.capabilities, "[\"/t\"]");
	/* or as JSON, with the fields of a registration */
	struct told t = ask(COAP_POST, "/rd", "ep=N2", "{\"serialNumber\":\"S8\"}");
	assert_int_equal(t.head.code, CODE(2, 1));
	assert_int_equal(registry_get(f.registry, "N2", &d, &err), RESULT_OK);
	assert_string_equal(d.serial, "S8");
}

static void registration_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	static const char *const queries[] = {
	    "lt=100", "ep=", "ep=a&lt=0", "ep=a&lt=x", "ep=a&lt=99999999999", "ep=a&base=nothing",
	    "ep=a&base=", "ep=a\"b", "ep=a&x=\"", "ep=a&sp ace=1",
	    "ep=0123456789012345678901234567890123456789012345678901234567890123"};
	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
		if (ask(COAP_POST, "/rd", queries[i], "").head.code != CODE(4, 0))
			fail_msg("taken: %s", queries[i]);
	assert_int_equal(ask(COAP_POST, "/rd", "ep=a", "nonsense").head.code, CODE(4, 0));
	assert_int_equal(ask(COAP_POST, "/rd", "ep=a", "<relative>").head.code, CODE(4, 0));
	assert_int_equal(ask(COAP_GET, "/rd", "", "").head.code, CODE(4, 5));
	struct coap_ask text = request(COAP_POST);
	text.content_format = 0;
	push(&text, "/rd", "ep=a", "</a>");
	assert_int_equal(told().head.code, CODE(4, 15));
	assert_int_equal(ask(COAP_GET, "/rd-lookup/ep", "count=x", "").head.code, CODE(4, 0));
	/* two at most */
	assert_int_equal(ask(COAP_POST, "/rd", "ep=A1", "").head.code, CODE(2, 1));
	assert_int_equal(ask(COAP_POST, "/rd", "ep=A1&d=x", "").head.code, CODE(2, 1));
	assert_int_equal(ask(COAP_POST, "/rd", "ep=A2", "").head.code, CODE(5, 3));
}

static void registration_ends_with_its_lifetime(void **state)
{
	(void)state;
	ask(COAP_POST, "/rd", "ep=N1&lt=1", "");
	const _Atomic uint64_t *counts = coap_service_counts(f.service);
	for (int i = 0; i < PATIENCE_MS && !counts[COAP_SERVICE_REGISTRATIONS_EXPIRED]; i++) {
		struct timespec ts = {.tv_nsec = 1000000};
		nanosleep(&ts, NULL);
	}
	assert_string_equal(ask(COAP_GET, "/rd-lookup/ep", "", "").body, "");
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SERVICE_TEST(core_lists_and_filters),
	    SERVICE_TEST(reading_is_shown_in_both_formats),
	    SERVICE_TEST(commands_reach_their_observers_in_order),
	    SERVICE_TEST(queue_of_commands_is_bounded),
	    SERVICE_TEST(endpoint_registers_is_found_and_removed),
	    SERVICE_TEST(registration_reaches_the_registry),
	    SERVICE_TEST(registration_that_makes_no_sense_is_refused),
	    SERVICE_TEST(registration_ends_with_its_lifetime),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
