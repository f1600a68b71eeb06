/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's thread between real rings and a real database. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/broker/broker.h"
#include "fake_store.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define PATIENCE_US 20000000

static struct fixture {
	struct store *store;
	struct registry *registry;
	struct registration *registration;
	struct broker_link *link;
	struct broker *broker;
	struct channel_catalogue channels;
	uint64_t sequence;
	char tapped[64];
} f;

static void on_tap(void *context, const char *topic, size_t topic_bytes, const uint8_t *payload,
                   size_t payload_bytes, bool retain)
{
	(void)context;
	snprintf(f.tapped, sizeof f.tapped, "%.*s %.*s %d", (int)topic_bytes, topic,
	         (int)payload_bytes, (const char *)payload, retain);
}

static void start(void)
{
	struct error err;
	f.link = broker_link_new(2, 16, 65000);
	struct broker_config c = {.core = {.memory_bytes = 1 << 24,
	                                   .queue_messages = 1000,
	                                   .inflight_max = 64,
	                                   .sessions_max = 100,
	                                   .session_expiry_max_s = BROKER_NO_EXPIRY,
	                                   .subscriptions_max = 10,
	                                   .retained_max = 100},
	                          .dir = folder_path("broker"),
	                          .anonymous = true,
	                          .channels = &f.channels,
	                          .registration = f.registration,
	                          .link = f.link,
	                          .tap = {.prefix = "cmd/", .on_message = on_tap}};
	if (broker_start(&c, &f.broker, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static void stop(void)
{
	broker_stop(f.broker);
	broker_link_free(f.link);
	f.broker = NULL;
}

static int set_up(void **state)
{
	struct error err;
	(void)state;
	folder_make();
	f = (struct fixture){.store = fake_store_new()};
	f.channels.by_id[1] = (struct channel){.id = 1, .decimals = 6, .name = "active_energy",
	                                       .unit = "kWh"};
	struct registration_config g = {.policy = REGISTRATION_POLICY_OPEN, .pending_max = 10};
	if (registry_open(f.store, 100, NULL, NULL, &f.registry, &err) != RESULT_OK ||
	    registration_open(&g, f.registry, &f.registration, &err) != RESULT_OK)
		return -1;
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop();
	registration_close(f.registration);
	registry_close(f.registry);
	fake_store_free(f.store);
	folder_remove();
	return 0;
}

/* --- as an io worker --- */

static void *reserve(uint32_t io, uint64_t conn, enum broker_kind kind, uint32_t bytes)
{
	struct broker_head *h = record_ring_reserve(&f.link->to_broker[io], bytes, 0);
	assert_non_null(h);
	memset(h, 0, bytes);
	*h = (struct broker_head){.conn = conn, .kind = kind};
	return h;
}

/* The next record, which must be of this kind; it is copied. */
static const void *next(uint32_t io, enum broker_kind kind)
{
	static uint64_t copy[1024];
	struct record_ring *ring = &f.link->to_io[io];
	const void *record = NULL;
	uint32_t bytes = 0;
	for (unsigned us = 0; !record && us < PATIENCE_US; us += 100) {
		record = record_ring_peek(ring, &bytes);
		if (!record)
			usleep(100);
	}
	assert_non_null(record);
	assert_true(bytes <= sizeof copy);
	memcpy(copy, record, bytes);
	record_ring_release(ring);
	assert_int_equal(((const struct broker_head *)copy)->kind, kind);
	return copy;
}

static void connect_as(uint32_t io, uint64_t conn, const char *client, uint32_t expiry_s)
{
	uint32_t bytes = (uint32_t)strlen(client);
	struct broker_connect *r =
	    reserve(io, conn, BROKER_CONNECT, sizeof *r + bytes);
	r->sequence = ++f.sequence;
	r->session_expiry_s = expiry_s;
	r->packet_bytes_max = BROKER_NO_LIMIT;
	r->credit_bytes = 1 << 20;
	r->receive_max = 100;
	r->version = 4;
	r->flags = BROKER_CONNECT_WAITS;
	r->client_bytes = (uint16_t)bytes;
	memcpy(r + 1, client, bytes);
	record_ring_commit(&f.link->to_broker[io], sizeof *r + bytes);
}

static void subscribe(uint32_t io, uint64_t conn, const char *filter, uint8_t qos)
{
	uint32_t bytes = (uint32_t)strlen(filter);
	struct broker_filters *r =
	    reserve(io, conn, BROKER_SUBSCRIBE, sizeof *r + 3 + bytes);
	uint8_t *at = (uint8_t *)(r + 1);
	r->packet_id = r->count = 1;
	r->filters_bytes = 3 + bytes;
	put_le16(at, (uint16_t)bytes);
	at[2] = qos;
	memcpy(at + 3, filter, bytes);
	record_ring_commit(&f.link->to_broker[io], sizeof *r + 3 + bytes);
	next(io, BROKER_SUBACK);
}

static void publish(uint32_t io, uint64_t conn, const char *topic, const char *payload,
                    uint8_t flags)
{
	uint32_t topic_bytes = (uint32_t)strlen(topic), payload_bytes = (uint32_t)strlen(payload);
	uint32_t bytes = sizeof(struct broker_publish) + topic_bytes + payload_bytes;
	struct broker_publish *r = reserve(io, conn, BROKER_PUBLISH, bytes);
	r->ticket = 5;
	r->expiry_s = BROKER_NO_EXPIRY;
	r->packet_id = 1;
	r->qos = 1;
	r->flags = flags;
	r->topic_bytes = (uint16_t)topic_bytes;
	r->payload_bytes = payload_bytes;
	memcpy(r + 1, topic, topic_bytes);
	memcpy((uint8_t *)(r + 1) + topic_bytes, payload, payload_bytes);
	record_ring_commit(&f.link->to_broker[io], bytes);
}

static uint8_t done(uint32_t io)
{
	const struct broker_publish_done *r = next(io, BROKER_PUBLISH_DONE);
	assert_int_equal(r->ticket, 5);
	return r->reason;
}

static void assert_sent(uint32_t io, const char *has)
{
	const struct broker_send *r = next(io, BROKER_SEND);
	if (!memmem(r + 1, r->packet_bytes, has, strlen(has)))
		fail_msg("'%s' is not in: %.*s", has, (int)r->packet_bytes, (const char *)(r + 1));
}

/* --- tests --- */

static void messages_cross_between_io_workers(void **state)
{
	(void)state;
	connect_as(0, 1, "sub", 0);
	next(0, BROKER_CONNECTED);
	subscribe(0, 1, "a/+", 1);
	connect_as(1, 1, "pub", 0);
	next(1, BROKER_CONNECTED);
	publish(1, 1, "a/b", "hello", 0);
	assert_int_equal(done(1), 0);
	assert_sent(0, "a/b");
	publish(1, 1, "cmd/SM-1/x", "on", BROKER_PUBLISH_RETAIN);
	assert_int_equal(done(1), 0);
	assert_string_equal(f.tapped, "cmd/SM-1/x on 1");
	f.tapped[0] = '\0';
	stop();
	start(); /* what is retained is told again */
	assert_string_equal(f.tapped, "cmd/SM-1/x on 1");
}

static void session_and_message_survive_a_restart(void **state)
{
	(void)state;
	connect_as(0, 1, "sub", BROKER_NO_EXPIRY);
	next(0, BROKER_CONNECTED);
	subscribe(0, 1, "a", 1);
	struct broker_disconnected *r = reserve(0, 1, BROKER_DISCONNECTED, sizeof *r);
	r->session_expiry_s = BROKER_NO_EXPIRY;
	record_ring_commit(&f.link->to_broker[0], sizeof *r);
	connect_as(0, 2, "pub", 0);
	next(0, BROKER_CONNECTED);
	publish(0, 2, "a", "kept", 0);
	assert_int_equal(done(0), 0);
	stop();
	start();
	assert_int_equal(broker_levels(f.broker)[BROKER_LEVEL_SESSIONS], 1);
	assert_int_equal(broker_levels(f.broker)[BROKER_LEVEL_QUEUED], 1);
	connect_as(1, 3, "sub", BROKER_NO_EXPIRY);
	const struct broker_connected *c = next(1, BROKER_CONNECTED);
	assert_true(c->session_present);
	assert_sent(1, "kept");
}

static void device_registers_and_is_answered(void **state)
{
	struct device d;
	struct error err;
	(void)state;
	connect_as(0, 1, "SM-1", 0);
	next(0, BROKER_CONNECTED);
	subscribe(0, 1, "register/SM-1/answer", 1);
	publish(0, 1, "register/SM-1", "{\"deviceId\":\"SM-1\",\"modelNumber\":\"M7\"}", 0);
	assert_sent(0, "{\"deviceId\":\"SM-1\",\"result\":\"active\",\"detail\":\"registered\","
	               "\"state\":\"active\"}");
	assert_int_equal(done(0), 0);
	assert_int_equal(registry_get(f.registry, "SM-1", &d, &err), RESULT_OK);
	assert_string_equal(d.model, "M7");
	publish(0, 1, "register/SM-1", "{\"colour\":1}", 0);
	assert_sent(0, "\"result\":\"invalid\"");
	assert_int_equal(done(0), 0x99);
}

static void registration_waits_for_a_failing_store(void **state)
{
	(void)state;
	connect_as(0, 1, "SM-1", 0);
	next(0, BROKER_CONNECTED);
	fake_store_fail_writes(f.store, 1);
	publish(0, 1, "register/SM-1", "", 0);
	assert_int_equal(done(0), 0);
	assert_int_equal(registry_count(f.registry), 1);
	assert_true(fake_store_writes(f.store) >= 2);
}

static void watched_readings_are_published(void **state)
{
	(void)state;
	connect_as(0, 1, "tool", 0);
	next(0, BROKER_CONNECTED);
	subscribe(0, 1, "readings/SM-1", 0);
	assert_true(broker_watches(&f.link->watch, "SM-1", 4));
	struct broker_reading *r = reserve(1, 0, BROKER_READING, sizeof *r + 4);
	r->reading.channel_count = 1;
	r->reading.channel[0] = 1;
	r->reading.value[0] = 1247830000;
	r->id_bytes = 4;
	memcpy(r + 1, "SM-1", 4);
	record_ring_commit(&f.link->to_broker[1], sizeof *r + 4);
	assert_sent(0, "\"active_energy\":{\"value\":\"1247.830000\",\"unit\":\"kWh\"}");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(messages_cross_between_io_workers),
	    CASE(session_and_message_survive_a_restart),
	    CASE(device_registers_and_is_answered),
	    CASE(registration_waits_for_a_failing_store),
	    CASE(watched_readings_are_published),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
