/* SPDX-License-Identifier: Apache-2.0 */
/* One MQTT session and an application that writes down all that it is told. */
#ifndef HEADRACE_TESTS_MQTT_RIG_H
#define HEADRACE_TESTS_MQTT_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mqtt/mqtt_priv.h"

#define RIG_SECOND UINT64_C(1000000)

struct rig {
	struct mqtt m;
	struct mqtt_session s;
	struct counters counters;
	/* how the application answers */
	struct mqtt_connack connack;
	bool connack_later;
	int without_room; /* so many packets find none */
	bool send_fails;
	bool ack_at_once; /* mqtt_puback or mqtt_pubrec from within on_publish */
	uint8_t code;     /* for each filter */
	/* what it was told */
	int connects, publishes, pubrels, acks, filters, closes;
	bool close_reset;
	struct mqtt_connect connect;
	struct mqtt_publish publish; /* the last */
	struct mqtt_filters filter_list;
	uint8_t ack_type, ack_reason;
	uint16_t ack_id;
	uint8_t topic[65536];
	uint8_t out[65536];
	uint32_t out_bytes;
};

static bool rig_no_room(struct rig *rig)
{
	if (rig->without_room == 0)
		return false;
	rig->without_room--;
	return true;
}

static enum mqtt_taken rig_on_connect(void *app, struct mqtt_session *s,
				      const struct mqtt_connect *connect)
{
	struct rig *rig = app;
	assert_ptr_equal(s, &rig->s);
	if (rig_no_room(rig))
		return MQTT_NO_ROOM;
	rig->connects++;
	rig->connect = *connect;
	if (!rig->connack_later)
		mqtt_connack(&rig->m, s, &rig->connack);
	return MQTT_TAKEN;
}

static enum mqtt_taken rig_on_publish(void *app, struct mqtt_session *s,
				      const struct mqtt_publish *publish)
{
	struct rig *rig = app;
	if (rig_no_room(rig))
		return MQTT_NO_ROOM;
	rig->publishes++;
	rig->publish = *publish;
	if (publish->topic.count <= sizeof rig->topic)
		memcpy(rig->topic, publish->topic.data, publish->topic.count);
	if (rig->ack_at_once && publish->qos == 1)
		mqtt_puback(&rig->m, s, publish->packet_id, 0, NULL);
	if (rig->ack_at_once && publish->qos == 2)
		mqtt_pubrec(&rig->m, s, publish->packet_id, 0, NULL);
	return MQTT_TAKEN;
}

static enum mqtt_taken rig_on_pubrel(void *app, struct mqtt_session *s, uint16_t packet_id)
{
	struct rig *rig = app;
	if (rig_no_room(rig))
		return MQTT_NO_ROOM;
	rig->pubrels++;
	mqtt_pubcomp(&rig->m, s, packet_id, s->unreleased > 0 ? 0 : MQTT_NO_SUCH_PACKET_ID);
	return MQTT_TAKEN;
}

static enum mqtt_taken rig_on_filters(void *app, struct mqtt_session *s,
				      const struct mqtt_filters *filters)
{
	struct rig *rig = app;
	static uint8_t codes[65536];
	if (rig_no_room(rig))
		return MQTT_NO_ROOM;
	rig->filters++;
	rig->filter_list = *filters;
	memset(codes, rig->code, filters->count);
	mqtt_suback(&rig->m, s, filters->subscribe, filters->packet_id, codes, filters->count);
	return MQTT_TAKEN;
}

static enum mqtt_taken rig_on_ack(void *app, struct mqtt_session *s, uint8_t type,
				  uint16_t packet_id, uint8_t reason)
{
	struct rig *rig = app;
	(void)s;
	if (rig_no_room(rig))
		return MQTT_NO_ROOM;
	rig->acks++;
	rig->ack_type = type;
	rig->ack_id = packet_id;
	rig->ack_reason = reason;
	return MQTT_TAKEN;
}

static bool rig_on_send(void *app, struct mqtt_session *s, const void *bytes, uint32_t count)
{
	struct rig *rig = app;
	assert_ptr_equal(s, &rig->s);
	assert_int_equal(rig->closes, 0);
	if (rig->send_fails)
		return false;
	assert_in_range(count, 1, sizeof rig->out - rig->out_bytes);
	memcpy(rig->out + rig->out_bytes, bytes, count);
	rig->out_bytes += count;
	return true;
}

static void rig_on_close(void *app, struct mqtt_session *s, bool reset)
{
	struct rig *rig = app;
	assert_ptr_equal(s, &rig->s);
	rig->closes++;
	rig->close_reset = reset;
}

static const struct mqtt_app rig_ops = {
    .on_connect = rig_on_connect,
    .on_publish = rig_on_publish,
    .on_pubrel = rig_on_pubrel,
    .on_filters = rig_on_filters,
    .on_ack = rig_on_ack,
    .on_send = rig_on_send,
    .on_close = rig_on_close,
};

static inline void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof *rig);
	rig->m.config = (struct mqtt_config){
	    .packet_bytes_max = 60000, .keep_alive_max_s = 0, .connect_timeout_ms = 5000};
	rig->m.ops = &rig_ops;
	rig->m.app = rig;
	rig->m.counters = &rig->counters;
	mqtt_session_init(&rig->m, &rig->s, 0);
}

/* Input from a buffer of exactly that size, so that a sanitizer sees the first byte too far. */
static inline uint32_t rig_input(struct rig *rig, const void *bytes, uint32_t count, uint64_t now)
{
	uint8_t *exact = malloc(count ? count : 1);
	assert_non_null(exact);
	memcpy(exact, bytes, count);
	uint32_t used = mqtt_input(&rig->m, &rig->s, exact, count, now);
	free(exact);
	return used;
}

#define RIG_INPUT(rig, ...)                                                                        \
	rig_input(rig, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), 0)

/* A CONNECT that is accepted; what was sent and told is forgotten afterwards. */
static inline void rig_connect(struct rig *rig)
{
	rig_init(rig);
	RIG_INPUT(rig, 0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'a');
	assert_int_equal(rig->s.state, MQTT_CONNECTED);
	rig->out_bytes = 0;
	rig->connects = 0;
}

/* The same for 5.0, with topic aliases up to 4 from `aliases` and a receive maximum of 3. */
static inline void rig_connect_5(struct rig *rig, struct mqtt_aliases *aliases)
{
	rig_init(rig);
	rig->m.aliases = aliases;
	rig->m.config.topic_alias_max = 4;
	rig->m.config.receive_max = 3;
	RIG_INPUT(rig, 0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 1, 'a');
	assert_int_equal(rig->s.state, MQTT_CONNECTED);
	rig->out_bytes = 0;
	rig->connects = 0;
}

static inline uint64_t rig_count(const struct rig *rig, enum counter id)
{
	return counter_get(&rig->counters, id);
}

/* The session was reset, for that reason and no other answer was sent. */
#define assert_protocol_error(rig, id)                                                             \
	do {                                                                                       \
		assert_int_equal((rig)->closes, 1);                                                \
		assert_true((rig)->close_reset);                                                   \
		assert_int_equal((rig)->s.state, MQTT_CLOSED);                                     \
		assert_int_equal((rig)->out_bytes, 0);                                             \
		assert_int_equal(rig_count(rig, COUNTER_##id), 1);                                 \
	} while (0)

/* A 5.0 session was told why, with the section, and ended in order. */
#define assert_disconnected(rig, reason, id)                                                       \
	do {                                                                                       \
		assert_int_equal((rig)->closes, 1);                                                \
		assert_false((rig)->close_reset);                                                  \
		assert_int_equal((rig)->s.state, MQTT_CLOSED);                                     \
		assert_in_range((rig)->out_bytes, 3, 260);                                         \
		assert_int_equal((rig)->out[0], 0xe0);                                             \
		assert_int_equal((rig)->out[(rig)->out[1] & 0x80 ? 3 : 2], reason);                \
		assert_int_equal(rig_count(rig, COUNTER_##id), 1);                                 \
	} while (0)

#define assert_sent(rig, ...)                                                                      \
	do {                                                                                       \
		const uint8_t expected_[] = {__VA_ARGS__};                                         \
		assert_int_equal((rig)->out_bytes, sizeof expected_);                              \
		assert_memory_equal((rig)->out, expected_, sizeof expected_);                      \
	} while (0)

#define assert_text(value, text)                                                                   \
	do {                                                                                       \
		assert_int_equal((value).count, strlen(text));                                     \
		assert_memory_equal((value).data, text, strlen(text));                             \
	} while (0)

#endif
