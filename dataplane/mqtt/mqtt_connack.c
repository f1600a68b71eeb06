/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNACK (MQTT 3.1.1 3.2, MQTT5 3.2).
 *
 *   3.1.1  | 0x20 | 2 | session present (bit 0) | return code |
 *   5.0    | 0x20 | remaining length | session present | reason code | properties |
 *
 * Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

#include "base/check.h"

#define RESPONSE_MAX 255
/* Fixed header 3, flags and code 2, property length 2; expiry 5, receive maximum 3, packet size 5,
 * alias maximum 3, client id 3 + 23, keep alive 3, four flags of 2, response information. */
#define CONNACK_MAX (3 + 2 + 2 + 5 + 3 + 5 + 3 + 3 + MQTT_CLIENT_BYTES + 3 + 8 + 3 + RESPONSE_MAX)

/* 3.2.2.3, table 3.1: the return code that says most of a 5.0 reason. */
static uint8_t return_code(uint8_t reason)
{
	switch (reason) {
	case MQTT_SUCCESS:
		return 0;
	case MQTT_BAD_VERSION:
		return 1;
	case MQTT_BAD_CLIENT_ID:
		return 2;
	case MQTT_BAD_CREDENTIALS:
		return 4;
	case MQTT_NOT_AUTHORISED:
	case MQTT_BANNED:
		return 5;
	default:
		return 3;
	}
}

static uint8_t *put_u16_property(uint8_t *at, uint8_t id, uint16_t value)
{
	at[0] = id;
	put_be16(at + 1, value);
	return at + 3;
}

static uint8_t *put_u32_property(uint8_t *at, uint8_t id, uint32_t value)
{
	at[0] = id;
	put_be32(at + 1, value);
	return at + 5;
}

static uint8_t *put_text_property(uint8_t *at, uint8_t id, const void *text, uint32_t count)
{
	at = put_u16_property(at, id, (uint16_t)count);
	memcpy(at, text, count);
	return at + count;
}

static uint8_t *put_not_available(uint8_t *at, uint8_t id, bool not_available)
{
	if (not_available) {
		*at++ = id;
		*at++ = 0;
	}
	return at;
}

/* MQTT5 3.2.2.3: what differs from what the client asked for or would take for granted. */
static uint8_t *put_properties(const struct mqtt *m, struct mqtt_session *s,
			       const struct mqtt_connack *a, uint8_t *at)
{
	const struct mqtt_config *c = &m->config;
	if (a->session_expiry_s != s->session_expiry_s)
		at = put_u32_property(at, MQTT_P_SESSION_EXPIRY, a->session_expiry_s);
	if (c->receive_max != 0)
		at = put_u16_property(at, MQTT_P_RECEIVE_MAX, c->receive_max);
	at = put_u32_property(at, MQTT_P_PACKET_MAX, c->packet_bytes_max);
	if (c->topic_alias_max > 0 && mqtt_alias_offered(m->aliases, c->topic_alias_max))
		at = put_u16_property(at, MQTT_P_TOPIC_ALIAS_MAX, c->topic_alias_max);
	if (s->flags & MQTT_S_ASSIGNED)
		at = put_text_property(at, MQTT_P_ASSIGNED_ID, s->client_id, s->client_bytes);
	if (s->flags & MQTT_S_LIMITED)
		at = put_u16_property(at, MQTT_P_SERVER_KEEP_ALIVE, s->keep_alive_s);
	at = put_not_available(at, MQTT_P_RETAIN_AVAILABLE, c->no_retain);
	at = put_not_available(at, MQTT_P_WILDCARD_AVAILABLE, c->no_wildcards);
	at = put_not_available(at, MQTT_P_IDS_AVAILABLE, c->no_subscription_ids);
	at = put_not_available(at, MQTT_P_SHARED_AVAILABLE, c->no_shared);
	if (a->response.count > 0)
		at = put_text_property(at, MQTT_P_RESPONSE_INFO, a->response.data,
				       a->response.count);
	return at;
}

/* False: the session has ended. */
static bool send_5(const struct mqtt *m, struct mqtt_session *s, const struct mqtt_connack *a)
{
	uint8_t props[CONNACK_MAX], packet[CONNACK_MAX + 8];
	uint32_t count = 0;
	if (a->reason < 0x80)
		count = (uint32_t)(put_properties(m, s, a, props) - props);
	uint8_t length[4];
	uint32_t length_bytes = mqtt_varint_build(length, count);
	uint32_t n = mqtt_fixed_build(packet, MQTT_CONNACK << 4, 2 + length_bytes + count);
	packet[n++] = a->session_present;
	packet[n++] = a->reason;
	memcpy(packet + n, length, length_bytes);
	n += length_bytes;
	memcpy(packet + n, props, count);
	return mqtt_send(m, s, packet, n + count, COUNTER_MQTT_OUT_CONNACK);
}

static bool send_3_1_1(const struct mqtt *m, struct mqtt_session *s, const struct mqtt_connack *a)
{
	const uint8_t packet[4] = {MQTT_CONNACK << 4, 2, a->session_present,
				   return_code(a->reason)};
	return mqtt_send(m, s, packet, sizeof packet, COUNTER_MQTT_OUT_CONNACK);
}

static enum counter refusal_counter(uint8_t reason)
{
	switch (reason) {
	case MQTT_BAD_CLIENT_ID:
		return COUNTER_MQTT_REFUSED_CLIENT_ID;
	case MQTT_BAD_CREDENTIALS:
		return COUNTER_MQTT_REFUSED_CREDENTIALS;
	case MQTT_NOT_AUTHORISED:
	case MQTT_BANNED:
		return COUNTER_MQTT_REFUSED_AUTHORISED;
	default:
		return COUNTER_MQTT_REFUSED_UNAVAILABLE;
	}
}

void mqtt_connack(const struct mqtt *m, struct mqtt_session *s, const struct mqtt_connack *answer)
{
	if (s->state != MQTT_AWAIT_CONNACK)
		return;
	if (answer->reason >= 0x80)
		counter_add(m->counters, refusal_counter(answer->reason), 1);
	mqtt_connack_send(m, s, answer);
}

void mqtt_connack_send(const struct mqtt *m, struct mqtt_session *s,
		       const struct mqtt_connack *answer)
{
	CHECK_OP(answer->response.count, <=, (uint32_t)RESPONSE_MAX);
	bool accepted = answer->reason < 0x80;
	CHECK(accepted || !answer->session_present); /* 3.2.2.2 */
	if (accepted) {
		counter_add(m->counters, COUNTER_MQTT_IN_CONNECT, 1);
		s->state = MQTT_CONNECTED;
	}
	bool sent = s->version == MQTT_5 ? send_5(m, s, answer) : send_3_1_1(m, s, answer);
	if (sent && accepted)
		s->session_expiry_s = answer->session_expiry_s;
	if (sent && !accepted) /* 3.2.2.3: the server must close */
		mqtt_end(m, s, false);
}
