/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/broker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/broker/acl.h"
#include "control/broker/auth.h"
#include "control/broker/live.h"
#include "control/broker/registering.h"
#include "storage/store/kvdb.h"

#define RECORDS_PER_TURN 512 /* of one io worker, between two commits */
#define IDLE_US_MIN      20
#define IDLE_US_MAX      1000
#define ROOM_WAIT_US     50
#define RETRY_US         200000
#define OWN_BYTES_MAX    (4u << 20) /* of what others publish through us */
#define OWN_PER_TURN     256

#define REASON_NOT_AUTHORISED  0x87
#define REASON_BAD_CREDENTIALS 0x86

struct broker {
	struct broker_config config;
	struct kvdb *db;
	struct core *core;
	struct auth *auth;
	struct acl *acl;
	struct registering *registering;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	int64_t wall_ms; /* when the monotonic clock said mono_us */
	uint64_t mono_us;
	uint64_t register_again_us; /* after a failed write; 0: at once */
	bool failing;               /* the last commit did; it was logged */
	/* what others publish through us: | retain, 1 | topic, 0 | payload, 0 | ... */
	pthread_mutex_t own_lock;
	struct buffer own;
	size_t own_at;
};

/* The wall clock as it was at start, going on evenly: expiries are not upset by its being set. */
static int64_t now_ms(const struct broker *b)
{
	return b->wall_ms + (int64_t)((clock_mono_us() - b->mono_us) / 1000);
}

/* --- hooks --- */

static uint8_t authenticate(void *context, struct bytes client, const struct bytes *username,
                            const struct bytes *password)
{
	struct broker *b = context;
	(void)client;
	if (!username) {
		if (b->config.anonymous)
			return 0;
		core_count(b->core, BROKER_COUNT_REFUSED_ANONYMOUS, 1);
		return REASON_NOT_AUTHORISED;
	}
	if (!b->auth && b->config.anonymous)
		return 0; /* no password file: a name is only a name */
	if (b->auth && password && auth_check(b->auth, *username, *password))
		return 0;
	core_count(b->core, BROKER_COUNT_REFUSED_CREDENTIALS, 1);
	return REASON_BAD_CREDENTIALS;
}

static bool allowed(void *context, struct bytes client, struct bytes username,
                    struct bytes topic, enum core_access access)
{
	const struct broker *b = context;
	return acl_allows(b->acl, client, username, topic,
	                  access == CORE_PUBLISH ? ACL_WRITE : ACL_READ);
}

static bool take(void *context, const struct core_publisher *from, struct bytes identity,
                 struct bytes topic, struct bytes props, struct bytes payload)
{
	struct broker *b = context;
	return registering_take(b->registering, from, identity, topic, props, payload);
}

static void routed(void *context, struct bytes topic, struct bytes payload, bool retain)
{
	const struct broker_tap *tap = &((struct broker *)context)->config.tap;
	size_t prefix = strlen(tap->prefix);
	if (topic.count >= prefix && memcmp(topic.data, tap->prefix, prefix) == 0)
		tap->on_message(tap->context, (const char *)topic.data, topic.count, payload.data,
		                payload.count, retain);
}

static void presence(void *context, struct bytes client, enum core_presence sign,
                     uint16_t keep_alive_s)
{
	const struct broker_presence *p = &((struct broker *)context)->config.presence;
	static const enum broker_sign signs[] = {[CORE_CONNECTED] = BROKER_SIGN_CONNECTED,
	                                         [CORE_PUBLISHED] = BROKER_SIGN_PUBLISHED,
	                                         [CORE_GONE] = BROKER_SIGN_GONE};
	p->on_sign(p->context, client.data, client.count, signs[sign], keep_alive_s);
}

/* --- what others publish through us --- */

bool broker_publish(struct broker *b, const char *topic, const char *payload, bool retain)
{
	size_t topic_bytes = strlen(topic) + 1, payload_bytes = strlen(payload) + 1;
	pthread_mutex_lock(&b->own_lock);
	bool room = b->own.used + 1 + topic_bytes + payload_bytes <= OWN_BYTES_MAX;
	if (room) {
		uint8_t flag = retain;
		buffer_put(&b->own, &flag, 1);
		buffer_put(&b->own, topic, topic_bytes);
		buffer_put(&b->own, payload, payload_bytes);
	}
	pthread_mutex_unlock(&b->own_lock);
	return room;
}

static uint32_t publish_own(struct broker *b)
{
	uint32_t count = 0;
	pthread_mutex_lock(&b->own_lock);
	for (; count < OWN_PER_TURN && b->own_at < b->own.used; count++) {
		const uint8_t *at = b->own.data + b->own_at;
		struct bytes topic = {at + 1, (uint32_t)strlen((const char *)at + 1)};
		struct bytes payload = {at + 1 + topic.count + 1, 0};
		payload.count = (uint32_t)strlen((const char *)payload.data);
		if (*at)
			core_publish_retained(b->core, topic, payload, 1);
		else
			core_publish(b->core, topic, (struct bytes){0}, payload, 1);
		b->own_at += 3 + topic.count + payload.count;
	}
	if (b->own_at == b->own.used) {
		buffer_clear(&b->own);
		b->own_at = 0;
	}
	pthread_mutex_unlock(&b->own_lock);
	return count;
}

/* --- one turn: records in, durable, records out --- */

static void publish_reading(struct broker *b, const struct broker_reading *r)
{
	static const char prefix[] = "readings/";
	char topic[sizeof prefix + UINT16_MAX], json[LIVE_JSON_BYTES];
	struct bytes id = {(const uint8_t *)(r + 1), r->id_bytes};
	if (id.count > DEVICE_ID_BYTES || memchr(id.data, '+', id.count) ||
	    memchr(id.data, '#', id.count))
		return; /* no topic name can have it */
	memcpy(topic, prefix, sizeof prefix - 1);
	memcpy(topic + sizeof prefix - 1, id.data, id.count);
	size_t bytes = live_json(b->config.channels, &r->reading, id, json);
	core_count(b->core, BROKER_COUNT_IN_READINGS, 1);
	core_publish(b->core,
	             (struct bytes){(const uint8_t *)topic,
	                            (uint32_t)(sizeof prefix - 1) + id.count},
	             (struct bytes){0}, (struct bytes){(const uint8_t *)json, (uint32_t)bytes}, 0);
}

static uint32_t take_records(struct broker *b)
{
	uint32_t taken = 0;
	for (uint32_t io = 0; io < b->config.link->io_count; io++) {
		struct record_ring *ring = &b->config.link->to_broker[io];
		const struct broker_head *head;
		uint32_t bytes;
		for (uint32_t n = 0; n < RECORDS_PER_TURN; n++) {
			head = record_ring_peek(ring, &bytes);
			if (!head)
				break;
			if (head->kind == BROKER_READING)
				publish_reading(b, (const struct broker_reading *)head);
			else
				core_input(b->core, io, head, now_ms(b));
			record_ring_release(ring);
			taken++;
		}
	}
	return taken;
}

static void submit_registrations(struct broker *b)
{
	struct error err;
	if (b->register_again_us > clock_mono_us())
		return;
	b->register_again_us = 0;
	if (registering_submit(b->registering, b->core, &err) != RESULT_OK) {
		log_error("broker", "registrations wait: %s", err.text);
		b->register_again_us = clock_mono_us() + RETRY_US;
	}
}

/* Until it worked: nothing is sent before. False: it did not, and the broker must stop. */
static bool commit(struct broker *b)
{
	bool *must_sync;
	struct error err;
	struct buffer *disk = core_disk(b->core, &must_sync);
	if (disk->used == 0)
		return true;
	for (size_t at = 0; at < disk->used;) {
		uint32_t key = get_le32(disk->data + at), value = get_le32(disk->data + at + 4);
		const uint8_t *from = disk->data + at + 8;
		bool gone = value == UINT32_MAX;
		if (gone)
			kvdb_delete(b->db, from, key);
		else
			kvdb_put(b->db, from, key, from + key, value);
		at += 8 + key + (gone ? 0 : value);
	}
	while (kvdb_commit(b->db, *must_sync, &err) != RESULT_OK) {
		core_count(b->core, BROKER_COUNT_COMMIT_FAILED, 1);
		if (!b->failing)
			log_error("broker", "%s; nothing is acknowledged until it works", err.text);
		b->failing = true;
		if (atomic_load(&b->stop))
			return false;
		usleep(RETRY_US);
	}
	if (b->failing)
		log_info("broker", "sessions and messages can be written again");
	b->failing = false;
	*must_sync = false;
	buffer_clear(disk);
	core_count(b->core, BROKER_COUNT_COMMITS, 1);
	return true;
}

/* An io worker empties its ring at every poll; when it has ended, nobody waits for records. */
static void *room(struct broker *b, struct record_ring *ring, uint32_t bytes)
{
	void *to;
	while (!(to = record_ring_reserve(ring, bytes, 0)) && !atomic_load(&b->stop))
		usleep(ROOM_WAIT_US);
	return to;
}

static void send(struct broker *b)
{
	struct buffer *out = core_out(b->core);
	for (size_t at = 0; at < out->used;) {
		uint32_t io = get_le32(out->data + at), bytes = get_le32(out->data + at + 4);
		struct record_ring *ring = &b->config.link->to_io[io];
		void *to = room(b, ring, bytes);
		if (to) {
			memcpy(to, out->data + at + 8, bytes);
			record_ring_commit(ring, bytes);
		}
		at += 8 + ((bytes + 7) & ~7u);
	}
	buffer_clear(out);
}

/* How many records it took. */
static uint32_t turn(struct broker *b)
{
	uint32_t taken = take_records(b) + publish_own(b);
	submit_registrations(b);
	core_tick(b->core, now_ms(b));
	if (commit(b))
		send(b);
	return taken;
}

static void *run(void *argument)
{
	struct broker *b = argument;
	uint32_t idle_us = IDLE_US_MIN;
	while (!atomic_load(&b->stop)) {
		if (turn(b) > 0) {
			idle_us = IDLE_US_MIN;
			continue;
		}
		usleep(idle_us);
		idle_us = idle_us < IDLE_US_MAX ? idle_us * 2 : IDLE_US_MAX;
	}
	while (turn(b) > 0 && !b->failing)
		; /* what the io workers left */
	return NULL;
}

/* --- starting, stopping --- */

static enum result load_one(void *context, const void *key, size_t key_bytes, const void *value,
                            size_t value_bytes, struct error *err)
{
	struct broker *b = context;
	return core_load(b->core, (struct bytes){key, (uint32_t)key_bytes},
	                 (struct bytes){value, (uint32_t)value_bytes}, now_ms(b), err);
}

static enum result load_files(struct broker *b, struct error *err)
{
	enum result result = RESULT_OK;
	if (b->config.password_file)
		result = auth_load(b->config.password_file, &b->auth, err);
	if (result == RESULT_OK && b->config.acl_file)
		result = acl_load(b->config.acl_file, &b->acl, err);
	return result;
}

static enum result start_thread(struct broker *b, struct error *err)
{
	int rc = pthread_create(&b->thread, NULL, run, b);
	if (rc != 0)
		return fail(RESULT_RESOURCE, err, "broker: no thread: %s", strerror(rc));
	pthread_setname_np(b->thread, "broker");
	b->running = true;
	return RESULT_OK;
}

static void log_loaded(const struct broker *b)
{
	const _Atomic uint64_t *levels = core_levels(b->core);
	log_info("broker", "%llu sessions, %llu subscriptions, %llu retained, %llu queued messages",
	         (unsigned long long)levels[BROKER_LEVEL_SESSIONS],
	         (unsigned long long)levels[BROKER_LEVEL_SUBSCRIPTIONS],
	         (unsigned long long)levels[BROKER_LEVEL_RETAINED],
	         (unsigned long long)levels[BROKER_LEVEL_QUEUED]);
}

enum result broker_start(const struct broker_config *config, struct broker **out,
                         struct error *err)
{
	struct broker *b = memory_new(sizeof *b);
	b->config = *config;
	pthread_mutex_init(&b->own_lock, NULL);
	b->wall_ms = clock_wall_ms();
	b->mono_us = clock_mono_us();
	bool ask = config->password_file || !config->anonymous;
	const struct core_hooks hooks = {.authenticate = ask ? authenticate : NULL,
	                                 .allowed = config->acl_file ? allowed : NULL,
	                                 .take = take,
	                                 .routed = config->tap.on_message ? routed : NULL,
	                                 .presence =
	                                     config->presence.on_sign ? presence : NULL};
	b->core = core_new(&config->core, &hooks, b, &config->link->watch, hash_key_random());
	b->registering = registering_new(config->registration);
	enum result result = load_files(b, err);
	if (result == RESULT_OK)
		result = kvdb_open(config->dir, &b->db, err);
	if (result == RESULT_OK)
		result = kvdb_scan(b->db, load_one, b, err);
	if (result == RESULT_OK) {
		core_loaded(b->core, now_ms(b));
		core_tick(b->core, now_ms(b));
		log_loaded(b);
		result = start_thread(b, err);
	}
	if (result != RESULT_OK) {
		broker_stop(b);
		return result;
	}
	*out = b;
	return RESULT_OK;
}

void broker_stop(struct broker *b)
{
	if (!b)
		return;
	atomic_store(&b->stop, true);
	if (b->running)
		pthread_join(b->thread, NULL);
	kvdb_close(b->db);
	core_free(b->core);
	buffer_free(&b->own);
	pthread_mutex_destroy(&b->own_lock);
	registering_free(b->registering);
	auth_free(b->auth);
	acl_free(b->acl);
	free(b);
}

const _Atomic uint64_t *broker_counters(const struct broker *b)
{
	return core_counters(b->core);
}

const _Atomic uint64_t *broker_levels(const struct broker *b)
{
	return core_levels(b->core);
}
