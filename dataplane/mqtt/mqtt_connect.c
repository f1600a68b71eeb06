/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT (MQTT 3.1.1 3.1, MQTT5 3.1).
 *
 *   CONNECT  | 0x10 | remaining length
 *            | string "MQTT" | level 4 or 5 | connect flags | keep alive, 2 bytes, s |
 *            | 5.0: properties |
 *            | string client id | 5.0: will properties | will topic, will message |
 *            | user name | password |
 *   connect flags, bit 7 to 0:
 *            user name, password, will retain, will QoS (2 bits), will, clean session, reserved
 *
 * Input: untrusted bytes of one whole packet. Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

#define FLAG_RESERVED      0x01
#define FLAG_CLEAN_SESSION 0x02
#define FLAG_WILL          0x04
#define FLAG_WILL_QOS      0x18
#define FLAG_WILL_RETAIN   0x20
#define FLAG_PASSWORD      0x40
#define FLAG_USERNAME      0x80

/* Protocol name and level: first, since all that follows depends on them. */
static enum counter parse_version(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
	struct bytes name;
	if (!mqtt_get_bytes(c, &name))
		return COUNTER_MQTT_ERR_LENGTH;
	bool v3_1 = name.count == 6 && memcmp(name.data, "MQIsdp", 6) == 0;
	if (!v3_1 && (name.count != 4 || memcmp(name.data, "MQTT", 4) != 0))
		return COUNTER_MQTT_ERR_PROTOCOL_NAME; /* 3.1.2.1 */
	if (!mqtt_get_u8(c, &connect->version))
		return COUNTER_MQTT_ERR_LENGTH;
	if (v3_1 || (connect->version != MQTT_3_1_1 && connect->version != MQTT_5))
		return COUNTER_MQTT_REFUSED_VERSION; /* 3.1.2.2 */
	return MQTT_WELL_FORMED;
}

static enum counter parse_flags(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
	uint8_t flags;
	if (!mqtt_get_u8(c, &flags) || !mqtt_get_u16(c, &connect->keep_alive_s))
		return COUNTER_MQTT_ERR_LENGTH;
	connect->clean = flags & FLAG_CLEAN_SESSION;
	connect->has_will = flags & FLAG_WILL;
	connect->has_username = flags & FLAG_USERNAME;
	connect->has_password = flags & FLAG_PASSWORD;
	connect->will_retain = flags & FLAG_WILL_RETAIN;
	connect->will_qos = (flags & FLAG_WILL_QOS) >> 3;

	if (flags & FLAG_RESERVED)
		return COUNTER_MQTT_ERR_CONNECT_FLAGS; /* 3.1.2.3 */
	if (connect->will_qos == 3)
		return COUNTER_MQTT_ERR_CONNECT_WILL; /* 3.1.2.6 */
	if (!connect->has_will && (connect->will_qos != 0 || connect->will_retain))
		return COUNTER_MQTT_ERR_CONNECT_WILL; /* 3.1.2.6, 3.1.2.7 */
	if (connect->version == MQTT_3_1_1 && connect->has_password && !connect->has_username)
		return COUNTER_MQTT_ERR_CONNECT_PASSWORD; /* 3.1.2.9; allowed by MQTT5 3.1.2.9 */
	return MQTT_WELL_FORMED;
}

static enum counter parse_props(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
	mqtt_props_default(&connect->props);
	mqtt_props_default(&connect->will_props);
	if (connect->version != MQTT_5)
		return MQTT_WELL_FORMED;
	enum counter why = mqtt_props_parse(c, MQTT_CONNECT, &connect->props);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (mqtt_has(&connect->props, MQTT_P_AUTH_METHOD))
		return COUNTER_MQTT_REFUSED_METHOD; /* MQTT5 4.12: none is supported */
	if (mqtt_has(&connect->props, MQTT_P_AUTH_DATA))
		return COUNTER_MQTT_ERR_AUTH; /* MQTT5 3.1.2.11.10: data without a method */
	return MQTT_WELL_FORMED;
}

static enum counter parse_will(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
	enum counter why = MQTT_WELL_FORMED;
	if (connect->version == MQTT_5)
		why = mqtt_props_parse(c, MQTT_WILL, &connect->will_props);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (!mqtt_get_bytes(c, &connect->will_topic) || !mqtt_get_bytes(c, &connect->will_message))
		return COUNTER_MQTT_ERR_LENGTH;
	return mqtt_topic_name_check(connect->will_topic.data, connect->will_topic.count);
}

/* The payload's fields come in this order, each there if its flag says so (3.1.3). */
static enum counter parse_payload(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
	enum counter why = mqtt_get_string(c, &connect->client_id);
	if (why == MQTT_WELL_FORMED && connect->has_will)
		why = parse_will(c, connect);
	if (why == MQTT_WELL_FORMED && connect->has_username)
		why = mqtt_get_string(c, &connect->username);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (connect->has_password && !mqtt_get_bytes(c, &connect->password))
		return COUNTER_MQTT_ERR_LENGTH;
	if (mqtt_left(c) != 0)
		return COUNTER_MQTT_ERR_LENGTH; /* 2.2.3 */
	if (connect->version == MQTT_3_1_1 && connect->client_id.count == 0 && !connect->clean)
		return COUNTER_MQTT_REFUSED_CLIENT_ID; /* 3.1.3.1 */
	return MQTT_WELL_FORMED;
}

enum counter mqtt_connect_parse(const uint8_t *body, uint32_t count, struct mqtt_connect *connect)
{
	struct mqtt_cursor c = {body, body + count};
	memset(connect, 0, sizeof *connect);
	enum counter why = parse_version(&c, connect);
	if (why == MQTT_WELL_FORMED)
		why = parse_flags(&c, connect);
	if (why == MQTT_WELL_FORMED)
		why = parse_props(&c, connect);
	if (why == MQTT_WELL_FORMED)
		why = parse_payload(&c, connect);
	return why;
}

/* Keep what fits of the client id, cut between characters. */
static void keep_client_id(struct mqtt_session *s, struct bytes id)
{
	uint32_t count = id.count;
	if (count > MQTT_CLIENT_BYTES) {
		count = MQTT_CLIENT_BYTES;
		while (count > 0 && (id.data[count] & 0xc0) == 0x80)
			count--;
	}
	memcpy(s->client_id, id.data, count);
	s->client_bytes = (uint8_t)count;
}

/* 3.1.3.1: an id that nobody else has, for a client without one. "hr-" and 16 digits that come
 * from a bijection of a counter, so that they repeat after 2^64 only. */
static void assign_client_id(struct mqtt *m, struct mqtt_session *s)
{
	static const char digits[16] = "0123456789abcdef";
	uint64_t number = (m->id_seed + m->ids_made++) * 0x9e3779b97f4a7c15u;
	number ^= number >> 32;
	memcpy(s->client_id, "hr-", 3);
	for (uint32_t i = 0; i < 16; i++)
		s->client_id[3 + i] = digits[number >> 4 * i & 15];
	s->client_bytes = 3 + 16;
	s->flags |= MQTT_S_ASSIGNED;
}

static void keep_what_was_agreed(struct mqtt *m, struct mqtt_session *s,
				 struct mqtt_connect *connect)
{
	uint16_t max_s = m->config.keep_alive_max_s;
	s->flags = 0;
	s->keep_alive_s = connect->keep_alive_s;
	if (max_s != 0 && (s->keep_alive_s == 0 || s->keep_alive_s > max_s)) {
		s->keep_alive_s = max_s;
		s->flags |= MQTT_S_LIMITED;
	}
	s->client_packet_max = connect->props.packet_bytes_max;
	s->session_expiry_s = connect->props.session_expiry_s;
	if (connect->version == MQTT_3_1_1)
		s->session_expiry_s = connect->clean ? 0 : UINT32_MAX;
	if (s->session_expiry_s == 0)
		s->flags |= MQTT_S_EXPIRY_0;
	if (!connect->props.request_problem)
		s->flags |= MQTT_S_NO_PROBLEM;
	if (connect->client_id.count == 0) {
		assign_client_id(m, s);
		connect->client_id = (struct bytes){(const uint8_t *)s->client_id, s->client_bytes};
	} else {
		keep_client_id(s, connect->client_id);
	}
}

/* An error of a CONNECT whose version is known is answered by a CONNACK, else by silence. */
static void refuse(const struct mqtt *m, struct mqtt_session *s, enum counter why)
{
	bool answered = s->version == MQTT_5 || why == COUNTER_MQTT_REFUSED_VERSION ||
			why == COUNTER_MQTT_REFUSED_CLIENT_ID;
	if (!answered) {
		mqtt_error(m, s, why);
		return;
	}
	counter_add(m->counters, why, 1);
	s->state = MQTT_AWAIT_CONNACK;
	mqtt_connack_send(m, s, &(struct mqtt_connack){.reason = (uint8_t)mqtt_reason_of(why)});
}

bool mqtt_connect_take(struct mqtt *m, struct mqtt_session *s, const uint8_t *body, uint32_t count)
{
	struct mqtt_connect connect;
	enum counter why = mqtt_connect_parse(body, count, &connect);
	/* MQTT5 3.1.2.2: a level above ours can read our CONNACK, one below gets 3.1.1's */
	s->version = connect.version == 5 || connect.version == 6 ? MQTT_5 : MQTT_3_1_1;
	if (why == MQTT_WELL_FORMED && connect.will_retain && m->config.no_retain &&
	    connect.version == MQTT_5)
		why = COUNTER_MQTT_ERR_RETAIN; /* MQTT5 3.2.2.3.5 */
	if (why != MQTT_WELL_FORMED) {
		s->client_packet_max = UINT32_MAX;
		refuse(m, s, why);
		return true;
	}
	keep_what_was_agreed(m, s, &connect);
	s->state = MQTT_AWAIT_CONNACK;
	enum mqtt_taken taken = m->ops->on_connect(m->app, s, &connect);
	if (taken == MQTT_NO_ROOM && s->state == MQTT_AWAIT_CONNACK)
		s->state = MQTT_AWAIT_CONNECT;
	return taken == MQTT_TAKEN;
}
