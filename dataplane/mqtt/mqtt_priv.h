/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share. A _parse function looks at one whole packet's variable
 * header and payload (the "body"), changes nothing, and returns MQTT_WELL_FORMED or the counter
 * of the error. A _take function acts on a packet for a session.
 */
#ifndef HEADRACE_MQTT_MQTT_PRIV_H
#define HEADRACE_MQTT_MQTT_PRIV_H

#include "mqtt/mqtt.h"

#define MQTT_WELL_FORMED COUNTER_COUNT

/* MQTT 3.1.1 2.2.1 */
enum mqtt_type {
	MQTT_CONNECT = 1,
	MQTT_CONNACK = 2,
	MQTT_PUBLISH = 3,
	MQTT_PUBACK = 4,
	MQTT_PUBREC = 5,
	MQTT_PUBREL = 6,
	MQTT_PUBCOMP = 7,
	MQTT_SUBSCRIBE = 8,
	MQTT_SUBACK = 9,
	MQTT_UNSUBSCRIBE = 10,
	MQTT_UNSUBACK = 11,
	MQTT_PINGREQ = 12,
	MQTT_PINGRESP = 13,
	MQTT_DISCONNECT = 14,
};

/* ---- mqtt_fixed.c: the fixed header ---- */

struct mqtt_fixed {
	uint32_t header_bytes;
	uint32_t body_bytes; /* the remaining length */
};

enum mqtt_fixed_result { MQTT_FIXED_OK, MQTT_FIXED_PARTIAL, MQTT_FIXED_MALFORMED };

enum mqtt_fixed_result mqtt_fixed_parse_long(const uint8_t *bytes, uint32_t count,
                                             struct mqtt_fixed *fixed);

/* Hot: nearly every packet has a remaining length of one or two bytes. */
static inline enum mqtt_fixed_result mqtt_fixed_parse(const uint8_t *bytes, uint32_t count,
                                                      struct mqtt_fixed *fixed)
{
	if (count >= 2 && bytes[1] < 0x80) {
		*fixed = (struct mqtt_fixed){2, bytes[1]};
		return MQTT_FIXED_OK;
	}
	if (count >= 3 && bytes[2] < 0x80) {
		*fixed = (struct mqtt_fixed){3, (bytes[1] & 0x7fu) | (uint32_t)bytes[2] << 7};
		return MQTT_FIXED_OK;
	}
	return mqtt_fixed_parse_long(bytes, count, fixed);
}

/* Write a fixed header; returns its length, 2 to 5. `body_bytes` < 2^28. */
uint32_t mqtt_fixed_build(uint8_t out[5], uint8_t first, uint32_t body_bytes);

/* Are type and flags ones that a client may send? (2.2.1, 2.2.2) */
enum counter mqtt_fixed_check(uint8_t first);

/* ---- a body, taken from the front; false: it is too short ---- */

struct mqtt_cursor {
	const uint8_t *at;
	const uint8_t *end;
};

static inline uint32_t mqtt_left(const struct mqtt_cursor *c)
{
	return (uint32_t)(c->end - c->at);
}

static inline bool mqtt_get_u8(struct mqtt_cursor *c, uint8_t *value)
{
	if (mqtt_left(c) < 1)
		return false;
	*value = *c->at++;
	return true;
}

static inline bool mqtt_get_u16(struct mqtt_cursor *c, uint16_t *value)
{
	if (mqtt_left(c) < 2)
		return false;
	*value = get_be16(c->at);
	c->at += 2;
	return true;
}

/* A two-byte length and as many bytes (1.5.3; also binary data). */
static inline bool mqtt_get_bytes(struct mqtt_cursor *c, struct bytes *value)
{
	uint16_t count;
	if (!mqtt_get_u16(c, &count) || mqtt_left(c) < count)
		return false;
	*value = (struct bytes){c->at, count};
	c->at += count;
	return true;
}

/* As mqtt_get_bytes, and the bytes must be UTF-8. */
enum counter mqtt_get_string(struct mqtt_cursor *c, struct bytes *value);

/* ---- mqtt_utf8.c, mqtt_topic.c ---- */

/* Well-formed UTF-8 without surrogates and U+0000 (1.5.3). */
bool mqtt_utf8_valid(const uint8_t *text, uint32_t count);

/* A topic name (4.7.1, 4.7.3): not empty, UTF-8, no wildcard. */
enum counter mqtt_topic_name_check(const uint8_t *text, uint32_t count);

/* A topic filter (4.7.1, 4.7.3): not empty, UTF-8, wildcards in their places. */
enum counter mqtt_topic_filter_check(const uint8_t *text, uint32_t count);

/* ---- one file per packet type ---- */

enum counter mqtt_connect_parse(const uint8_t *body, uint32_t count,
                                struct mqtt_connect *connect);
void mqtt_connect_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                       uint32_t count);

enum counter mqtt_publish_parse(uint8_t first, const uint8_t *body, uint32_t count,
                                struct mqtt_publish *publish);
/* False: no room, offer it again. */
bool mqtt_publish_take(const struct mqtt *m, struct mqtt_session *s, uint8_t first,
                       const uint8_t *body, uint32_t count);

enum counter mqtt_puback_parse(const uint8_t *body, uint32_t count, uint16_t *packet_id);
void mqtt_puback_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                      uint32_t count);

/* `filters`: how many there are. */
enum counter mqtt_subscribe_parse(const uint8_t *body, uint32_t count, uint16_t *packet_id,
                                  uint32_t *filters);
void mqtt_subscribe_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                         uint32_t count);

enum counter mqtt_unsubscribe_parse(const uint8_t *body, uint32_t count, uint16_t *packet_id,
                                    uint32_t *filters);
void mqtt_unsubscribe_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                           uint32_t count);

/* ---- mqtt_session.c ---- */

static inline bool mqtt_open(const struct mqtt_session *s)
{
	return s->state == MQTT_AWAIT_CONNECT || s->state == MQTT_CONNECTED;
}

/* End the session, once; on_close may reuse *s, so the caller must not touch it afterwards but
 * through mqtt_open. */
void mqtt_end(const struct mqtt *m, struct mqtt_session *s, bool reset);

/* A protocol error: count it and end the session by reset. */
void mqtt_error(const struct mqtt *m, struct mqtt_session *s, enum counter why);

/* Queue bytes and add one to `what`; ends the session and returns false when they can't be. */
bool mqtt_send(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes, uint32_t count,
               enum counter what);

#endif
