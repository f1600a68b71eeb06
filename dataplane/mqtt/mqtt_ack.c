/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBACK, PUBREC, PUBREL, PUBCOMP, both ways (MQTT 3.1.1 3.4 to 3.7, MQTT5 3.4 to 3.7).
 *
 *   3.1.1  | type << 4 (PUBREL: | 2) | 2 | packet identifier, 2 bytes |
 *   5.0    | type << 4 (PUBREL: | 2) | length | packet identifier | reason code | properties |
 *          (reason code 0 and no properties may be left out, properties too)
 *
 * Which packet identifiers are in use is the application's to know. Called by the io worker that
 * owns the session.
 */
#include "mqtt/mqtt_priv.h"

#include "base/check.h"

#define TEXT_MAX 120

/* MQTT5 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1: tables 3-4 to 3-7 */
static bool reason_fits(enum mqtt_type type, uint8_t reason)
{
	if (reason == 0)
		return true;
	if (type == MQTT_PUBREL || type == MQTT_PUBCOMP)
		return reason == MQTT_NO_SUCH_PACKET_ID;
	return reason == 0x10 || reason == 0x80 || reason == 0x83 || reason == 0x87 ||
	       reason == 0x90 || reason == 0x91 || reason == 0x97 || reason == 0x99;
}

enum counter mqtt_ack_parse(enum mqtt_type type, uint8_t version, const uint8_t *body,
			    uint32_t count, uint16_t *packet_id, uint8_t *reason)
{
	struct mqtt_cursor c = {body, body + count};
	struct mqtt_props props;
	enum counter why = MQTT_WELL_FORMED;
	*reason = 0;
	if (!mqtt_get_u16(&c, packet_id))
		return COUNTER_MQTT_ERR_LENGTH; /* 3.4.1 */
	if (version == MQTT_5 && mqtt_left(&c) > 0) {
		mqtt_get_u8(&c, reason);
		if (!reason_fits(type, *reason))
			return COUNTER_MQTT_ERR_REASON;
		if (mqtt_left(&c) > 0)
			why = mqtt_props_parse(&c, type, &props);
	}
	if (why == MQTT_WELL_FORMED && mqtt_left(&c) != 0)
		why = COUNTER_MQTT_ERR_LENGTH;
	if (why == MQTT_WELL_FORMED && *packet_id == 0)
		why = COUNTER_MQTT_ERR_PACKET_ID; /* 2.3.1 */
	return why;
}

static enum counter counter_of(enum mqtt_type type)
{
	switch (type) {
	case MQTT_PUBACK:
		return COUNTER_MQTT_IN_PUBACK;
	case MQTT_PUBREC:
		return COUNTER_MQTT_IN_PUBREC;
	case MQTT_PUBREL:
		return COUNTER_MQTT_IN_PUBREL;
	default:
		return COUNTER_MQTT_IN_PUBCOMP;
	}
}

bool mqtt_ack_take(const struct mqtt *m, struct mqtt_session *s, enum mqtt_type type,
		   const uint8_t *body, uint32_t count)
{
	uint16_t packet_id;
	uint8_t reason;
	enum counter why = mqtt_ack_parse(type, s->version, body, count, &packet_id, &reason);
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return true;
	}
	enum mqtt_taken taken = type == MQTT_PUBREL
				    ? m->ops->on_pubrel(m->app, s, packet_id)
				    : m->ops->on_ack(m->app, s, (uint8_t)type, packet_id, reason);
	if (taken == MQTT_TAKEN)
		counter_add(m->counters, counter_of(type), 1);
	return taken == MQTT_TAKEN;
}

/* A reason string for this packet? */
static bool wants_text(const struct mqtt_session *s, const char *text, uint32_t packet_bytes)
{
	return text && s->version == MQTT_5 && !(s->flags & MQTT_S_NO_PROBLEM) &&
	       packet_bytes <= s->client_packet_max;
}

static void send_ack(const struct mqtt *m, struct mqtt_session *s, uint8_t first,
		     uint16_t packet_id, uint8_t reason, const char *text, enum counter what)
{
	uint8_t packet[2 + 3 + 1 + 3 + TEXT_MAX] = {first, 2};
	put_be16(packet + 2, packet_id);
	if (s->version != MQTT_5 || reason == 0) {
		mqtt_send(m, s, packet, 4, what);
		return;
	}
	packet[1] = 3;
	packet[4] = reason;
	uint32_t text_bytes = text ? (uint32_t)strlen(text) : 0;
	CHECK_OP(text_bytes, <=, (uint32_t)TEXT_MAX);
	if (wants_text(s, text, 9 + text_bytes)) {
		packet[1] = (uint8_t)(7 + text_bytes);
		packet[5] = (uint8_t)(3 + text_bytes);
		packet[6] = MQTT_P_REASON_STRING;
		put_be16(packet + 7, (uint16_t)text_bytes);
		memcpy(packet + 9, text, text_bytes);
	}
	mqtt_send(m, s, packet, 2u + packet[1], what);
}

void mqtt_puback(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id, uint8_t reason,
		 const char *text)
{
	if (s->state != MQTT_CONNECTED)
		return;
	CHECK_OP(s->inflight, >, 0);
	s->inflight--;
	send_ack(m, s, MQTT_PUBACK << 4, packet_id, reason, text, COUNTER_MQTT_OUT_PUBACK);
}

void mqtt_pubrec(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id, uint8_t reason,
		 const char *text)
{
	if (s->state != MQTT_CONNECTED)
		return;
	CHECK_OP(s->inflight, >, 0);
	s->inflight--;
	if ((reason < 0x80 || s->version != MQTT_5) && s->unreleased < UINT16_MAX)
		s->unreleased++; /* MQTT5 4.3.3: a refusal ends the exchange */
	send_ack(m, s, MQTT_PUBREC << 4, packet_id, reason, text, COUNTER_MQTT_OUT_PUBREC);
}

void mqtt_pubcomp(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id, uint8_t reason)
{
	if (s->state != MQTT_CONNECTED)
		return;
	if (s->unreleased > 0)
		s->unreleased--;
	send_ack(m, s, MQTT_PUBCOMP << 4, packet_id, reason, NULL, COUNTER_MQTT_OUT_PUBCOMP);
}
