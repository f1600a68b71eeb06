/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DISCONNECT, both ways (MQTT 3.1.1 3.14, MQTT5 3.14).
 *
 *   3.1.1  | 0xe0 | 0 |                                        from the client only
 *   5.0    | 0xe0 | length | reason code | properties |        either; both may be left out
 *
 * Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

#define TEXT_MAX 240

/* MQTT5 3.14.2.1, table 3-10: what a client may say. */
static bool reason_fits(uint8_t reason)
{
	static const uint8_t fit[] = {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90,
				      0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99};
	return memchr(fit, reason, sizeof fit) != NULL;
}

enum counter mqtt_disconnect_parse(uint8_t version, const uint8_t *body, uint32_t count,
				   uint8_t *reason, struct mqtt_props *props)
{
	struct mqtt_cursor c = {body, body + count};
	enum counter why = MQTT_WELL_FORMED;
	*reason = 0;
	mqtt_props_default(props);
	if (version == MQTT_5 && mqtt_left(&c) > 0) {
		mqtt_get_u8(&c, reason);
		if (!reason_fits(*reason))
			return COUNTER_MQTT_ERR_REASON;
		if (mqtt_left(&c) > 0)
			why = mqtt_props_parse(&c, MQTT_DISCONNECT, props);
	}
	if (why == MQTT_WELL_FORMED && mqtt_left(&c) != 0)
		why = COUNTER_MQTT_ERR_LENGTH; /* 3.14.1 */
	return why;
}

void mqtt_disconnect_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
			  uint32_t count)
{
	uint8_t reason;
	struct mqtt_props props;
	enum counter why = mqtt_disconnect_parse(s->version, body, count, &reason, &props);
	bool expiry = mqtt_has(&props, MQTT_P_SESSION_EXPIRY);
	if (why == MQTT_WELL_FORMED && expiry && props.session_expiry_s != 0 &&
	    s->flags & MQTT_S_EXPIRY_0)
		why = COUNTER_MQTT_ERR_SESSION_EXPIRY; /* MQTT5 3.14.2.2.2 */
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return;
	}
	counter_add(m->counters, COUNTER_MQTT_IN_DISCONNECT, 1);
	if (expiry)
		s->session_expiry_s = props.session_expiry_s;
	/* 3.14.4: the will is forgotten after 0x00 */
	s->end = reason == 0 ? MQTT_END_NORMAL : MQTT_END_WITH_WILL;
	mqtt_end(m, s, false);
}

/* The reason string is what the manual says about the counter, with the section. */
static uint32_t build(const struct mqtt_session *s, enum mqtt_reason reason, enum counter why,
		      uint8_t *packet)
{
	const char *text = counter_info[why].help;
	uint32_t bytes = (uint32_t)strlen(text);
	if (bytes > TEXT_MAX)
		bytes = 0;
	uint8_t *tail = packet + 5;
	uint32_t body = 1;
	if (bytes > 0 && 16 + bytes <= s->client_packet_max) {
		uint8_t length[4];
		uint32_t length_bytes = mqtt_varint_build(length, 3 + bytes);
		body = 1 + length_bytes + 3 + bytes;
		memcpy(tail + 1, length, length_bytes);
		tail[1 + length_bytes] = MQTT_P_REASON_STRING;
		put_be16(tail + 2 + length_bytes, (uint16_t)bytes);
		memcpy(tail + 4 + length_bytes, text, bytes);
	}
	tail[0] = (uint8_t)reason;
	uint32_t header = mqtt_fixed_build(packet, MQTT_DISCONNECT << 4, body);
	memmove(packet + header, tail, body);
	return header + body;
}

void mqtt_disconnect(const struct mqtt *m, struct mqtt_session *s, enum mqtt_reason reason,
		     enum counter why)
{
	if (!mqtt_open(s))
		return;
	counter_add(m->counters, why, 1);
	bool told = false;
	if (s->state == MQTT_CONNECTED && s->version == MQTT_5) {
		uint8_t packet[5 + 8 + TEXT_MAX];
		uint32_t count = build(s, reason, why, packet);
		/* a client that takes no more bytes is not told */
		told = count <= s->client_packet_max && m->ops->on_send(m->app, s, packet, count);
	}
	if (told)
		counter_add(m->counters, COUNTER_MQTT_OUT_DISCONNECT, 1);
	mqtt_end(m, s, !told);
}
