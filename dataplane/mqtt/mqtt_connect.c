/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT and its answer CONNACK (MQTT 3.1.1 3.1, 3.2).
 *
 *   CONNECT  | 0x10 | remaining length
 *            | string "MQTT" | level 4 | connect flags | keep alive, 2 bytes, s |
 *            | string client id | will topic, will message | user name | password |
 *   connect flags, bit 7 to 0:
 *            user name, password, will retain, will QoS (2 bits), will, clean session, reserved
 *
 *   CONNACK  | 0x20 | 2 | session present (bit 0) | return code |
 *
 * Input: untrusted bytes of one whole packet. Called by the io worker that owns the session.
 * No session outlives its connection in this release, so "session present" is always 0.
 */
#include "mqtt/mqtt_priv.h"

#define LEVEL_3_1_1 4

#define FLAG_RESERVED      0x01
#define FLAG_CLEAN_SESSION 0x02
#define FLAG_WILL          0x04
#define FLAG_WILL_QOS      0x18
#define FLAG_WILL_RETAIN   0x20
#define FLAG_PASSWORD      0x40
#define FLAG_USERNAME      0x80

/* Protocol name and level: first, since all that follows depends on them. */
static enum counter parse_version(struct mqtt_cursor *c)
{
	struct bytes name;
	uint8_t level;
	if (!mqtt_get_bytes(c, &name))
		return COUNTER_MQTT_ERR_LENGTH;
	bool v3_1 = name.count == 6 && memcmp(name.data, "MQIsdp", 6) == 0;
	if (!v3_1 && (name.count != 4 || memcmp(name.data, "MQTT", 4) != 0))
		return COUNTER_MQTT_ERR_PROTOCOL_NAME; /* 3.1.2.1 */
	if (!mqtt_get_u8(c, &level))
		return COUNTER_MQTT_ERR_LENGTH;
	if (v3_1 || level != LEVEL_3_1_1)
		return COUNTER_MQTT_REFUSED_VERSION; /* 3.1.2.2 */
	return MQTT_WELL_FORMED;
}

static enum counter parse_flags(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
	uint8_t flags;
	if (!mqtt_get_u8(c, &flags) || !mqtt_get_u16(c, &connect->keep_alive_s))
		return COUNTER_MQTT_ERR_LENGTH;
	connect->clean_session = flags & FLAG_CLEAN_SESSION;
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
	if (connect->has_password && !connect->has_username)
		return COUNTER_MQTT_ERR_CONNECT_PASSWORD; /* 3.1.2.9 */
	return MQTT_WELL_FORMED;
}

static enum counter parse_will(struct mqtt_cursor *c, struct mqtt_connect *connect)
{
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
	if (connect->client_id.count == 0 && !connect->clean_session)
		return COUNTER_MQTT_REFUSED_CLIENT_ID; /* 3.1.3.1 */
	return MQTT_WELL_FORMED;
}

enum counter mqtt_connect_parse(const uint8_t *body, uint32_t count, struct mqtt_connect *connect)
{
	struct mqtt_cursor c = {body, body + count};
	memset(connect, 0, sizeof *connect);
	enum counter why = parse_version(&c);
	if (why == MQTT_WELL_FORMED)
		why = parse_flags(&c, connect);
	if (why == MQTT_WELL_FORMED)
		why = parse_payload(&c, connect);
	return why;
}

/* False: the session has ended. */
static bool send_connack(const struct mqtt *m, struct mqtt_session *s, enum mqtt_connack code)
{
	const uint8_t packet[4] = {MQTT_CONNACK << 4, 2, 0, (uint8_t)code};
	return mqtt_send(m, s, packet, sizeof packet, COUNTER_MQTT_OUT_CONNACK);
}

/* 3.2.2.3: after a CONNACK other than 0 the server must close. */
static void refuse(const struct mqtt *m, struct mqtt_session *s, enum mqtt_connack code,
                   enum counter why)
{
	counter_add(m->counters, why, 1);
	if (send_connack(m, s, code))
		mqtt_end(m, s, false);
}

static enum counter refusal_counter(enum mqtt_connack code)
{
	switch (code) {
	case MQTT_CONNACK_BAD_VERSION:
		return COUNTER_MQTT_REFUSED_VERSION;
	case MQTT_CONNACK_BAD_CLIENT_ID:
		return COUNTER_MQTT_REFUSED_CLIENT_ID;
	case MQTT_CONNACK_BAD_CREDENTIALS:
		return COUNTER_MQTT_REFUSED_CREDENTIALS;
	case MQTT_CONNACK_NOT_AUTHORISED:
		return COUNTER_MQTT_REFUSED_AUTHORISED;
	default:
		return COUNTER_MQTT_REFUSED_UNAVAILABLE;
	}
}

/* Keep what fits of the client id, cut between characters. */
static void keep_client_id(struct mqtt_session *s, struct bytes id)
{
	uint32_t count = id.count;
	if (count > sizeof s->client_id - 1) {
		count = sizeof s->client_id - 1;
		while (count > 0 && (id.data[count] & 0xc0) == 0x80)
			count--;
	}
	memcpy(s->client_id, id.data, count);
	s->client_id[count] = '\0';
	s->client_bytes = (uint8_t)count;
}

static uint32_t keep_alive_s(const struct mqtt_config *config, uint16_t wanted_s)
{
	uint16_t max_s = config->keep_alive_max_s;
	return max_s != 0 && (wanted_s == 0 || wanted_s > max_s) ? max_s : wanted_s;
}

void mqtt_connect_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                       uint32_t count)
{
	struct mqtt_connect connect;
	enum counter why = mqtt_connect_parse(body, count, &connect);
	if (why == COUNTER_MQTT_REFUSED_VERSION) {
		refuse(m, s, MQTT_CONNACK_BAD_VERSION, why);
		return;
	}
	if (why == COUNTER_MQTT_REFUSED_CLIENT_ID) {
		refuse(m, s, MQTT_CONNACK_BAD_CLIENT_ID, why);
		return;
	}
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return;
	}

	keep_client_id(s, connect.client_id);
	s->keep_alive_s = keep_alive_s(&m->config, connect.keep_alive_s);
	enum mqtt_connack code = m->ops->on_connect(m->app, s, &connect);
	if (!mqtt_open(s))
		return;
	if (code != MQTT_CONNACK_ACCEPTED) {
		refuse(m, s, code, refusal_counter(code));
		return;
	}
	counter_add(m->counters, COUNTER_MQTT_IN_CONNECT, 1);
	s->state = MQTT_CONNECTED;
	send_connack(m, s, MQTT_CONNACK_ACCEPTED);
}
