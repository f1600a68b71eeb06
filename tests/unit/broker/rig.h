/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's core between clients that are lines of text and a disk in memory. What the core
 * sends is appended to `log`, one event each:
 *
 *   1:connected 0 present;   1:pub a/b hi q1 #1 retain dup ids=3;   2:done 0;   1:close 8e;
 *
 * (the number is the connection's). The disk is a log of changes; a crash may lose what was not
 * synced.
 */
#ifndef HEADRACE_TESTS_BROKER_RIG_H
#define HEADRACE_TESTS_BROKER_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/broker/core.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define RIG_LOG_BYTES (1 << 20)
#define NO_EXPIRY     BROKER_NO_EXPIRY

struct rig_change {
	uint8_t *key, *value; /* value NULL: deleted */
	uint32_t key_bytes, value_bytes;
};

/* A topic that a connection was told the alias of; the oldest give way. */
struct rig_alias {
	uint64_t conn;
	uint16_t alias;
	uint16_t topic_bytes;
	uint8_t topic[64];
};

static struct rig {
	struct rig_alias aliases[4096];
	size_t alias_count;
	struct core *core;
	struct core_config config;
	struct core_hooks hooks;
	struct broker_watch watch;
	int64_t now_ms;
	uint64_t sequence;
	struct rig_change *changes;
	size_t change_count, change_capacity, synced;
	char *log;
	size_t log_used;
	/* called for each PUBLISH that is sent; for the model */
	void (*on_publish)(uint64_t conn, struct bytes topic, struct bytes payload, uint8_t qos,
	                   uint16_t packet_id, bool dup, bool retain);
	void (*on_pubrel)(uint64_t conn, uint16_t packet_id);
} rig;

static inline struct bytes rig_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, text ? (uint32_t)strlen(text) : 0};
}

__attribute__((format(printf, 1, 2))) static inline void rig_say(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(rig.log + rig.log_used, RIG_LOG_BYTES - rig.log_used, format, ap);
	va_end(ap);
	if (n > 0 && rig.log_used + (size_t)n < RIG_LOG_BYTES)
		rig.log_used += (size_t)n;
}

/* --- what comes out --- */

static inline uint32_t rig_varint(const uint8_t **at)
{
	uint32_t value = 0;
	for (unsigned shift = 0;; shift += 7) {
		uint8_t byte = *(*at)++;
		value |= (uint32_t)(byte & 127) << shift;
		if (byte < 128)
			return value;
	}
}

/* Returns the topic alias; 0: none. */
static inline uint16_t rig_props(const uint8_t *at, uint32_t bytes, bool say)
{
	const uint8_t *end = at + bytes;
	uint16_t alias = 0;
	while (at < end && (*at == 0x02 || *at == 0x0b || *at == 0x23)) {
		uint8_t property = *at++;
		uint32_t value = property == 0x0b   ? rig_varint(&at)
		                 : property == 0x02 ? get_be32(at)
		                                    : get_be16(at);
		at += property == 0x02 ? 4 : property == 0x23 ? 2 : 0;
		if (say)
			rig_say(" %s=%u", property == 0x02 ? "expiry"
			                  : property == 0x0b ? "id" : "alias", value);
		alias = property == 0x23 ? (uint16_t)value : alias;
	}
	if (at < end && say)
		rig_say(" props=%td", end - at);
	return alias;
}

/* What a client does: MQTT5 3.3.2.3.4. */
static inline struct bytes rig_resolve(uint64_t conn, uint16_t alias, struct bytes topic)
{
	if (alias == 0)
		return topic;
	size_t kept = sizeof rig.aliases / sizeof rig.aliases[0];
	if (topic.count > 0) {
		struct rig_alias *a = &rig.aliases[rig.alias_count++ % kept];
		*a = (struct rig_alias){conn, alias, (uint16_t)topic.count, {0}};
		assert_in_range(topic.count, 1, sizeof a->topic);
		memcpy(a->topic, topic.data, topic.count);
		return topic;
	}
	for (size_t i = 0; i < kept && i < rig.alias_count; i++) {
		struct rig_alias *a = &rig.aliases[(rig.alias_count - 1 - i) % kept];
		if (a->conn == conn && a->alias == alias)
			return (struct bytes){a->topic, a->topic_bytes};
	}
	fail_msg("connection %llu was never told alias %u", (unsigned long long)conn, alias);
	return topic;
}

static inline void rig_say_publish(uint64_t conn, const uint8_t *packet, bool v5)
{
	const uint8_t *at = packet + 1;
	uint32_t left = rig_varint(&at);
	const uint8_t *end = at + left, *props = NULL;
	uint8_t qos = packet[0] >> 1 & 3;
	struct bytes topic = {at + 2, get_be16(at)};
	uint16_t id = 0;
	uint32_t props_bytes = 0;
	at += 2 + topic.count;
	if (qos > 0) {
		id = get_be16(at);
		at += 2;
	}
	if (v5) {
		props_bytes = rig_varint(&at);
		props = at;
		at += props_bytes;
	}
	struct bytes payload = {at, (uint32_t)(end - at)};
	topic = rig_resolve(conn, rig_props(props, props_bytes, false), topic);
	rig_say("%llu:pub %.*s %.*s q%u", (unsigned long long)conn, (int)topic.count, topic.data,
	        payload.count < 20 ? (int)payload.count : 20, payload.data, qos);
	if (id)
		rig_say(" #%u", id);
	rig_say("%s%s", packet[0] & 1 ? " retain" : "", packet[0] & 8 ? " dup" : "");
	if (v5)
		rig_props(props, props_bytes, true);
	rig_say(";");
	if (rig.on_publish)
		rig.on_publish(conn, topic, payload, qos, id, packet[0] & 8, packet[0] & 1);
}

/* Connections from 1000 on speak 5.0. */
static inline bool rig_is_v5(uint64_t conn)
{
	return conn >= 1000;
}

static inline void rig_say_send(uint64_t conn, const struct broker_send *r)
{
	const uint8_t *packet = (const uint8_t *)(r + 1);
	if (packet[0] >> 4 == 3) {
		rig_say_publish(conn, packet, rig_is_v5(conn));
		return;
	}
	assert_int_equal(packet[0], 0x62);
	uint16_t id = get_be16(packet + 2);
	rig_say("%llu:pubrel #%u", (unsigned long long)conn, id);
	if (r->packet_bytes > 4)
		rig_say(" %02x", packet[4]);
	rig_say(";");
	if (rig.on_pubrel)
		rig.on_pubrel(conn, id);
}

static inline void rig_say_record(const struct broker_head *h)
{
	unsigned long long conn = h->conn;
	switch (h->kind) {
	case BROKER_CONNECTED: {
		const struct broker_connected *r = (const void *)h;
		rig_say("%llu:connected %02x%s;", conn, r->reason,
		        r->session_present ? " present" : "");
		break;
	}
	case BROKER_PUBLISH_DONE:
		rig_say("%llu:done %02x;", conn, ((const struct broker_publish_done *)h)->reason);
		break;
	case BROKER_PUBREL_DONE:
		rig_say("%llu:pubcomp #%u %02x;", conn, ((const struct broker_ack *)h)->packet_id,
		        ((const struct broker_ack *)h)->reason);
		break;
	case BROKER_SUBACK:
	case BROKER_UNSUBACK: {
		const struct broker_codes *r = (const void *)h;
		rig_say("%llu:%s", conn, h->kind == BROKER_SUBACK ? "suback" : "unsuback");
		for (unsigned i = 0; i < r->count; i++)
			rig_say(" %02x", ((const uint8_t *)(r + 1))[i]);
		rig_say(";");
		break;
	}
	case BROKER_SEND:
		rig_say_send(conn, (const void *)h);
		break;
	case BROKER_CLOSE:
		rig_say("%llu:close %02x;", conn, ((const struct broker_close *)h)->reason);
		break;
	default:
		fail_msg("record %u", h->kind);
	}
}

/* Make durable, then send: what the thread does. */
static inline void rig_flush(void)
{
	bool *must_sync;
	struct buffer *disk = core_disk(rig.core, &must_sync), *out = core_out(rig.core);
	for (size_t at = 0; at < disk->used;) {
		uint32_t key = get_le32(disk->data + at), value = get_le32(disk->data + at + 4);
		struct rig_change c = {.key_bytes = key};
		at += 8;
		c.key = malloc(key);
		memcpy(c.key, disk->data + at, key);
		at += key;
		if (value != UINT32_MAX) {
			c.value = malloc(value + 1);
			c.value_bytes = value;
			memcpy(c.value, disk->data + at, value);
			at += value;
		}
		if (rig.change_count == rig.change_capacity) {
			rig.change_capacity = rig.change_capacity ? rig.change_capacity * 2 : 256;
			rig.changes = realloc(rig.changes,
			                      rig.change_capacity * sizeof rig.changes[0]);
		}
		rig.changes[rig.change_count++] = c;
	}
	if (*must_sync)
		rig.synced = rig.change_count;
	*must_sync = false;
	buffer_clear(disk);
	for (size_t at = 0; at < out->used;) {
		uint32_t bytes = get_le32(out->data + at + 4);
		rig_say_record((const struct broker_head *)(out->data + at + 8));
		at += 8 + ((bytes + 7) & ~7u);
	}
	buffer_clear(out);
}

/* --- starting, crashing --- */

static inline int rig_by_key(const void *a, const void *b)
{
	const struct rig_change *x = *(const struct rig_change *const *)a,
	                        *y = *(const struct rig_change *const *)b;
	uint32_t shorter = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
	int order = memcmp(x->key, y->key, shorter);
	if (order == 0 && x->key_bytes != y->key_bytes)
		order = x->key_bytes < y->key_bytes ? -1 : 1;
	return order ? order : x < y ? 1 : x > y ? -1 : 0; /* the newest first */
}

/* How many records there are in what is kept. */
static inline unsigned rig_load(void)
{
	const struct rig_change **sorted = malloc((rig.change_count + 1) * sizeof sorted[0]);
	unsigned records = 0;
	struct error err;
	for (size_t i = 0; i < rig.change_count; i++)
		sorted[i] = &rig.changes[i];
	qsort(sorted, rig.change_count, sizeof sorted[0], rig_by_key);
	for (size_t i = 0; i < rig.change_count; i++) {
		const struct rig_change *c = sorted[i];
		bool older = i > 0 && sorted[i - 1]->key_bytes == c->key_bytes &&
		             memcmp(sorted[i - 1]->key, c->key, c->key_bytes) == 0;
		if (older || !c->value)
			continue;
		records++;
		if (core_load(rig.core, (struct bytes){c->key, c->key_bytes},
		              (struct bytes){c->value, c->value_bytes}, rig.now_ms,
		              &err) != RESULT_OK)
			fail_msg("%s", err.text);
	}
	free(sorted);
	core_loaded(rig.core, rig.now_ms);
	rig_flush();
	return records;
}

static inline void rig_start(void)
{
	rig.core = core_new(&rig.config, &rig.hooks, NULL, &rig.watch, (struct hash_key){3, 4});
}

/* kill -9: of what was not synced, `kept` changes survive. */
static inline unsigned rig_crash(size_t kept)
{
	core_free(rig.core);
	memset(&rig.watch, 0, sizeof rig.watch);
	size_t end = rig.synced + kept < rig.change_count ? rig.synced + kept : rig.change_count;
	for (size_t i = end; i < rig.change_count; i++) {
		free(rig.changes[i].key);
		free(rig.changes[i].value);
	}
	rig.change_count = rig.synced = end;
	rig_start();
	return rig_load();
}

static inline int rig_set_up(void **state)
{
	(void)state;
	rig = (struct rig){.now_ms = 1000000,
	                   .config = {.memory_bytes = 1 << 20,
	                              .queue_messages = 4,
	                              .inflight_max = 3,
	                              .sessions_max = 100,
	                              .session_expiry_max_s = NO_EXPIRY,
	                              .subscriptions_max = 5,
	                              .retained_max = 4}};
	rig.log = calloc(1, RIG_LOG_BYTES);
	rig_start();
	core_loaded(rig.core, rig.now_ms);
	return 0;
}

static inline int rig_tear_down(void **state)
{
	(void)state;
	core_free(rig.core);
	for (size_t i = 0; i < rig.change_count; i++) {
		free(rig.changes[i].key);
		free(rig.changes[i].value);
	}
	free(rig.changes);
	free(rig.log);
	return 0;
}

/* --- clients --- */

static inline uint8_t *rig_append(uint8_t *to, struct bytes b)
{
	if (b.count)
		memcpy(to, b.data, b.count);
	return to + b.count;
}

static inline void rig_input(const void *record)
{
	core_input(rig.core, 0, record, rig.now_ms);
	rig_flush();
}

struct rig_connect {
	uint64_t conn, sequence;
	const char *client, *username, *password;
	const char *will_topic, *will_payload;
	uint32_t expiry_s, credit, packet_bytes_max;
	uint32_t will_delay_s;
	uint16_t receive_max, alias_max;
	uint8_t will_qos;
	bool clean, will_retain, light;
};

static inline void rig_connect_with(struct rig_connect o)
{
	static uint64_t memory[512];
	struct broker_connect *r = (struct broker_connect *)memory;
	struct bytes client = rig_bytes(o.client), user = rig_bytes(o.username),
	             password = rig_bytes(o.password), topic = rig_bytes(o.will_topic),
	             payload = rig_bytes(o.will_payload);
	*r = (struct broker_connect){
	    .head = {.conn = o.conn, .kind = BROKER_CONNECT},
	    .sequence = o.sequence ? o.sequence : ++rig.sequence,
	    .session_expiry_s = o.expiry_s,
	    .packet_bytes_max = o.packet_bytes_max ? o.packet_bytes_max : BROKER_NO_LIMIT,
	    .credit_bytes = o.credit ? o.credit : 1 << 20,
	    .receive_max = o.receive_max ? o.receive_max : 65535,
	    .topic_alias_max = o.alias_max,
	    .version = rig_is_v5(o.conn) ? 5 : 4,
	    .will_qos = o.will_qos,
	    .will_delay_s = o.will_delay_s,
	    .will_expiry_s = NO_EXPIRY,
	    .flags = (uint16_t)((o.light ? 0 : BROKER_CONNECT_WAITS) |
	                        (o.clean ? BROKER_CONNECT_CLEAN : 0) |
	                        (o.username ? BROKER_CONNECT_USERNAME : 0) |
	                        (o.password ? BROKER_CONNECT_PASSWORD : 0) |
	                        (o.will_topic ? BROKER_CONNECT_WILL : 0) |
	                        (o.will_retain ? BROKER_CONNECT_WILL_RETAIN : 0)),
	    .client_bytes = (uint16_t)client.count,
	    .username_bytes = (uint16_t)user.count,
	    .password_bytes = (uint16_t)password.count,
	    .will_topic_bytes = (uint16_t)topic.count,
	    .will_payload_bytes = (uint16_t)payload.count,
	};
	uint8_t *at = rig_append((uint8_t *)(r + 1), client);
	at = rig_append(rig_append(at, user), password);
	rig_append(rig_append(at, topic), payload);
	rig_input(r);
}

/* Clean (expiry 0) or persistent. */
static inline void rig_connect(uint64_t conn, const char *client, bool clean)
{
	rig_connect_with((struct rig_connect){.conn = conn, .client = client, .clean = clean,
	                                      .expiry_s = clean ? 0 : NO_EXPIRY});
}

static inline void rig_end(uint64_t conn, enum broker_end end, uint32_t expiry_s)
{
	struct broker_disconnected r = {.head = {.conn = conn, .kind = BROKER_DISCONNECTED},
	                                .session_expiry_s = expiry_s, .end = (uint8_t)end};
	rig_input(&r);
}

static inline void rig_disconnect(uint64_t conn)
{
	rig_end(conn, BROKER_END_NORMAL, NO_EXPIRY);
}

struct rig_publish {
	uint64_t conn;
	const char *topic, *payload, *props;
	uint32_t expiry_s, payload_bytes;
	uint16_t packet_id;
	uint8_t qos;
	bool retain;
};

static inline void rig_publish_with(struct rig_publish o)
{
	static uint64_t memory[65536 / 8];
	struct broker_publish *r = (struct broker_publish *)memory;
	struct bytes topic = rig_bytes(o.topic), props = rig_bytes(o.props),
	             payload = rig_bytes(o.payload);
	if (o.payload_bytes)
		payload.count = o.payload_bytes;
	*r = (struct broker_publish){
	    .head = {.conn = o.conn, .kind = BROKER_PUBLISH},
	    .ticket = o.qos ? 77 : TICKET_NONE,
	    .expiry_s = o.expiry_s ? o.expiry_s : NO_EXPIRY,
	    .packet_id = o.packet_id,
	    .qos = o.qos,
	    .flags = o.retain ? BROKER_PUBLISH_RETAIN : 0,
	    .topic_bytes = (uint16_t)topic.count,
	    .props_bytes = (uint16_t)props.count,
	    .payload_bytes = payload.count,
	};
	rig_append(rig_append(rig_append((uint8_t *)(r + 1), topic), props), payload);
	rig_input(r);
}

static inline void rig_publish(uint64_t conn, const char *topic, const char *payload, uint8_t qos)
{
	rig_publish_with((struct rig_publish){.conn = conn, .topic = topic, .payload = payload,
	                                      .qos = qos, .packet_id = 9});
}

static inline void rig_filters(uint64_t conn, enum broker_kind kind, const char *filter,
                               uint8_t options, uint32_t id)
{
	static uint64_t memory[512];
	struct broker_filters *r = (struct broker_filters *)memory;
	uint8_t *at = (uint8_t *)(r + 1);
	struct bytes f = rig_bytes(filter);
	put_le16(at, (uint16_t)f.count);
	at[2] = options;
	rig_append(at + 3, f);
	*r = (struct broker_filters){.head = {.conn = conn, .kind = kind},
	                             .subscription_id = id, .packet_id = 5, .count = 1,
	                             .filters_bytes = 3 + f.count};
	rig_input(r);
}

static inline void rig_subscribe(uint64_t conn, const char *filter, uint8_t options)
{
	rig_filters(conn, BROKER_SUBSCRIBE, filter, options, 0);
}

static inline void rig_ack(uint64_t conn, enum broker_kind kind, uint16_t packet_id)
{
	struct broker_ack r = {.head = {.conn = conn, .kind = kind}, .packet_id = packet_id};
	rig_input(&r);
}

static inline void rig_credit(uint64_t conn, uint32_t bytes)
{
	struct broker_credit r = {.head = {.conn = conn, .kind = BROKER_CREDIT}, .bytes = bytes};
	rig_input(&r);
}

static inline void rig_wait(int64_t ms)
{
	rig.now_ms += ms;
	core_tick(rig.core, rig.now_ms);
	rig_flush();
}

/* What was sent since the last call. */
static inline void rig_expect(const char *expected)
{
	rig.log[rig.log_used] = '\0';
	assert_string_equal(rig.log, expected);
	rig.log_used = 0;
}

static inline void rig_forget(void)
{
	rig.log_used = 0;
}

static inline uint64_t rig_counter(enum broker_counter counter)
{
	return core_counters(rig.core)[counter];
}

static inline uint64_t rig_level(enum broker_level level)
{
	core_tick(rig.core, rig.now_ms);
	return core_levels(rig.core)[level];
}

#endif
