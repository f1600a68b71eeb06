/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share. A _parse function looks at one whole packet's variable
 * header and payload (the "body"), changes nothing, and returns MQTT_WELL_FORMED or the counter
 * of the error. A _take function acts on a packet for a session.
 *
 * Section numbers without a name are those of MQTT 3.1.1; where MQTT 5.0 has another one it is
 * given as "MQTT5".
 */
#ifndef HEADRACE_MQTT_MQTT_PRIV_H
#define HEADRACE_MQTT_MQTT_PRIV_H

#include "mqtt/mqtt.h"

#define MQTT_WELL_FORMED COUNTER_COUNT

#define MQTT_3_1_1 4
#define MQTT_5     5

/* 2.2.1, MQTT5 2.1.2 */
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
	MQTT_AUTH = 15,
	MQTT_WILL = 16, /* not a packet: whose properties */
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

/* Write a variable byte integer (MQTT5 1.5.5) < 2^28; returns its length, 1 to 4. */
uint32_t mqtt_varint_build(uint8_t out[4], uint32_t value);

/* Write a fixed header; returns its length, 2 to 5. `body_bytes` < 2^28. */
uint32_t mqtt_fixed_build(uint8_t out[5], uint8_t first, uint32_t body_bytes);

/* Are type and flags ones that a client may send? (2.2.1, 2.2.2) */
enum counter mqtt_fixed_check(uint8_t first, uint8_t version);

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

static inline bool mqtt_get_u32(struct mqtt_cursor *c, uint32_t *value)
{
	if (mqtt_left(c) < 4)
		return false;
	*value = get_be32(c->at);
	c->at += 4;
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

/* A variable byte integer (MQTT5 1.5.5). */
enum counter mqtt_get_varint(struct mqtt_cursor *c, uint32_t *value);

/* ---- mqtt_utf8.c, mqtt_topic.c ---- */

/* Well-formed UTF-8 without surrogates and U+0000 (1.5.3). */
bool mqtt_utf8_valid(const uint8_t *text, uint32_t count);

/* A topic name (4.7.1, 4.7.3): not empty, UTF-8, no wildcard. */
enum counter mqtt_topic_name_check(const uint8_t *text, uint32_t count);

/* A topic filter (4.7.1, 4.7.3): not empty, UTF-8, wildcards in their places; "$share" with a
 * name and a filter (MQTT5 4.8.2). */
enum counter mqtt_topic_filter_check(const uint8_t *text, uint32_t count);

bool mqtt_filter_is_shared(const uint8_t *text, uint32_t count);

/* ---- mqtt_props.c ---- */

/* The property length and the properties of a packet of this type (MQTT5 2.2.2). */
enum counter mqtt_props_parse(struct mqtt_cursor *c, enum mqtt_type type, struct mqtt_props *props);

/* The defaults, for a packet that has none. */
void mqtt_props_default(struct mqtt_props *props);

static inline bool mqtt_has(const struct mqtt_props *props, uint32_t id)
{
	return props->present >> id & 1;
}

enum mqtt_property {
	MQTT_P_PAYLOAD_FORMAT = 0x01,
	MQTT_P_MESSAGE_EXPIRY = 0x02,
	MQTT_P_CONTENT_TYPE = 0x03,
	MQTT_P_RESPONSE_TOPIC = 0x08,
	MQTT_P_CORRELATION = 0x09,
	MQTT_P_SUBSCRIPTION_ID = 0x0b,
	MQTT_P_SESSION_EXPIRY = 0x11,
	MQTT_P_ASSIGNED_ID = 0x12,
	MQTT_P_SERVER_KEEP_ALIVE = 0x13,
	MQTT_P_AUTH_METHOD = 0x15,
	MQTT_P_AUTH_DATA = 0x16,
	MQTT_P_REQUEST_PROBLEM = 0x17,
	MQTT_P_WILL_DELAY = 0x18,
	MQTT_P_REQUEST_RESPONSE = 0x19,
	MQTT_P_RESPONSE_INFO = 0x1a,
	MQTT_P_REASON_STRING = 0x1f,
	MQTT_P_RECEIVE_MAX = 0x21,
	MQTT_P_TOPIC_ALIAS_MAX = 0x22,
	MQTT_P_TOPIC_ALIAS = 0x23,
	MQTT_P_RETAIN_AVAILABLE = 0x25,
	MQTT_P_USER_PROPERTY = 0x26,
	MQTT_P_PACKET_MAX = 0x27,
	MQTT_P_WILDCARD_AVAILABLE = 0x28,
	MQTT_P_IDS_AVAILABLE = 0x29,
	MQTT_P_SHARED_AVAILABLE = 0x2a,
};

/* ---- mqtt_alias.c ---- */

/* Room to offer a connection `count` aliases? */
bool mqtt_alias_offered(const struct mqtt_aliases *a, uint32_t count);
/* Set or replace. False: the pool is empty. */
bool mqtt_alias_set(struct mqtt_aliases *a, uint32_t *head, uint16_t alias, struct bytes topic);
/* The topic, valid until the next call; false: not set. */
bool mqtt_alias_get(struct mqtt_aliases *a, uint32_t head, uint16_t alias, struct bytes *topic);
void mqtt_alias_clear(struct mqtt_aliases *a, uint32_t *head);

/* ---- mqtt_reason.c ---- */

/* The reason code of an error's counter (MQTT5 4.13). */
enum mqtt_reason mqtt_reason_of(enum counter why);

/* ---- one file per packet type ---- */

/* On COUNTER_MQTT_REFUSED_VERSION and later errors connect->version is known (0: not yet). */
enum counter mqtt_connect_parse(const uint8_t *body, uint32_t count, struct mqtt_connect *connect);
/* False: no room, offer it again. So for all that return bool here. */
bool mqtt_connect_take(struct mqtt *m, struct mqtt_session *s, const uint8_t *body, uint32_t count);

/* As mqtt_connack, without counting a refusal. */
void mqtt_connack_send(const struct mqtt *m, struct mqtt_session *s,
		       const struct mqtt_connack *answer);

/* The topic may be empty when a topic alias is there; it is not resolved here. */
enum counter mqtt_publish_parse(uint8_t first, uint8_t version, const uint8_t *body, uint32_t count,
				struct mqtt_publish *publish);
bool mqtt_publish_take(const struct mqtt *m, struct mqtt_session *s, uint8_t first,
		       const uint8_t *body, uint32_t count);

/* PUBACK, PUBREC, PUBREL, PUBCOMP */
enum counter mqtt_ack_parse(enum mqtt_type type, uint8_t version, const uint8_t *body,
			    uint32_t count, uint16_t *packet_id, uint8_t *reason);
bool mqtt_ack_take(const struct mqtt *m, struct mqtt_session *s, enum mqtt_type type,
		   const uint8_t *body, uint32_t count);

/* SUBSCRIBE and UNSUBSCRIBE */
enum counter mqtt_filters_parse(bool subscribe, uint8_t version, const uint8_t *body,
				uint32_t count, struct mqtt_filters *filters);
bool mqtt_filters_take(const struct mqtt *m, struct mqtt_session *s, bool subscribe,
		       const uint8_t *body, uint32_t count);

enum counter mqtt_disconnect_parse(uint8_t version, const uint8_t *body, uint32_t count,
				   uint8_t *reason, struct mqtt_props *props);
void mqtt_disconnect_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
			  uint32_t count);

/* ---- mqtt_session.c ---- */

static inline bool mqtt_open(const struct mqtt_session *s)
{
	return s->state >= MQTT_AWAIT_CONNECT && s->state <= MQTT_CONNECTED;
}

/* End the session, once; on_close may reuse *s, so the caller must not touch it afterwards but
 * through mqtt_open. */
void mqtt_end(const struct mqtt *m, struct mqtt_session *s, bool reset);

/* A protocol error: count it, tell a connected 5.0 client the reason, end the session. */
void mqtt_error(const struct mqtt *m, struct mqtt_session *s, enum counter why);

/* Queue a whole packet and add one to `what`; ends the session and returns false when it can't be
 * queued or is longer than the client takes. */
bool mqtt_send(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes, uint32_t count,
	       enum counter what);

/* As mqtt_send for a piece of a packet, whose whole length the caller has checked. */
bool mqtt_send_piece(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes,
		     uint32_t count, enum counter what);

#endif
