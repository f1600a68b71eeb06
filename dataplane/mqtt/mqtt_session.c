/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one connection: which packet may come when, and when silence ends it.
 *
 *   AWAIT_CONNECT --CONNECT--> AWAIT_CONNACK --CONNACK--> CONNECTED
 *         |                         |                        |
 *         +-------------------------+------------------------+--DISCONNECT, error, silence-->
 * CLOSED
 *
 * Input: the in-order byte stream, untrusted, offered again from the first byte that was not
 * consumed. Output: calls to the application. Owned by one io worker; memory is the caller's.
 * It never copies a payload, allocates, or reads a clock.
 */
#include "mqtt/mqtt_priv.h"

#include "base/check.h"

void mqtt_session_init(const struct mqtt *m, struct mqtt_session *s, uint64_t now_us)
{
	memset(s, 0, sizeof *s);
	s->last_packet_us = now_us;
	s->state = MQTT_AWAIT_CONNECT;
	s->alias_head = MQTT_ALIAS_NONE;
	counter_add(m->counters, COUNTER_MQTT_SESSIONS, 1);
}

void mqtt_session_fini(const struct mqtt *m, struct mqtt_session *s)
{
	if (s->alias_head != MQTT_ALIAS_NONE)
		mqtt_alias_clear(m->aliases, &s->alias_head);
	s->state = MQTT_FREE;
}

void mqtt_end(const struct mqtt *m, struct mqtt_session *s, bool reset)
{
	DEBUG_CHECK(mqtt_open(s));
	s->state = MQTT_CLOSED;
	m->ops->on_close(m->app, s, reset);
}

void mqtt_error(const struct mqtt *m, struct mqtt_session *s, enum counter why)
{
	mqtt_disconnect(m, s, mqtt_reason_of(why), why);
}

bool mqtt_send_piece(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes,
		     uint32_t count, enum counter what)
{
	if (!m->ops->on_send(m->app, s, bytes, count)) {
		counter_add(m->counters, COUNTER_MQTT_SEND_FAILED, 1);
		mqtt_end(m, s, true);
		return false;
	}
	if (what != MQTT_WELL_FORMED)
		counter_add(m->counters, what, 1);
	return true;
}

bool mqtt_send(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes, uint32_t count,
	       enum counter what)
{
	if (count <= s->client_packet_max)
		return mqtt_send_piece(m, s, bytes, count, what);
	mqtt_disconnect(m, s, MQTT_TOO_LARGE, COUNTER_MQTT_CLIENT_LIMIT); /* MQTT5 3.1.2.11.4 */
	return false;
}

/* 3.12: | 0xc0 | 0 |, answered by 3.13: | 0xd0 | 0 | */
static void take_pingreq(const struct mqtt *m, struct mqtt_session *s, uint32_t body_bytes)
{
	static const uint8_t pingresp[2] = {MQTT_PINGRESP << 4, 0};
	if (body_bytes != 0) {
		mqtt_error(m, s, COUNTER_MQTT_ERR_LENGTH); /* 3.12.1 */
		return;
	}
	counter_add(m->counters, COUNTER_MQTT_IN_PINGREQ, 1);
	mqtt_send(m, s, pingresp, sizeof pingresp, COUNTER_MQTT_OUT_PINGRESP);
}

/* May a packet that starts with this byte come now? If not, the session ends. */
static bool check_first(const struct mqtt *m, struct mqtt_session *s, uint8_t first)
{
	bool connect = first >> 4 == MQTT_CONNECT;
	enum counter why = MQTT_WELL_FORMED;
	if (s->state == MQTT_AWAIT_CONNECT && !connect)
		why = COUNTER_MQTT_ERR_NOT_CONNECT; /* 3.1 */
	else if (s->state == MQTT_CONNECTED && connect)
		why = COUNTER_MQTT_ERR_SECOND_CONNECT; /* 3.1 */
	else
		why = mqtt_fixed_check(first, s->version);
	if (why != MQTT_WELL_FORMED)
		mqtt_error(m, s, why);
	return why == MQTT_WELL_FORMED;
}

/* A whole packet. False: it found no room. */
static bool take_packet(struct mqtt *m, struct mqtt_session *s, uint8_t first, const uint8_t *body,
			uint32_t count)
{
	enum mqtt_type type = first >> 4;
	switch (type) {
	case MQTT_PUBLISH:
		return mqtt_publish_take(m, s, first, body, count);
	case MQTT_CONNECT:
		return mqtt_connect_take(m, s, body, count);
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
		return mqtt_ack_take(m, s, type, body, count);
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return mqtt_filters_take(m, s, type == MQTT_SUBSCRIBE, body, count);
	case MQTT_PINGREQ:
		take_pingreq(m, s, count);
		return true;
	default: /* check_first lets nothing else pass */
		CHECK(type == MQTT_DISCONNECT);
		mqtt_disconnect_take(m, s, body, count);
		return true;
	}
}

enum frame { FRAME_WHOLE, FRAME_PARTIAL, FRAME_BAD };

/* Is there a whole packet at `bytes`? What can be known from its first bytes is judged before
 * the rest has arrived. FRAME_BAD: the session has ended. */
static enum frame next_frame(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes,
			     uint32_t count, struct mqtt_fixed *fixed)
{
	if (!check_first(m, s, bytes[0]))
		return FRAME_BAD;
	switch (mqtt_fixed_parse(bytes, count, fixed)) {
	case MQTT_FIXED_PARTIAL:
		return FRAME_PARTIAL;
	case MQTT_FIXED_MALFORMED:
		mqtt_error(m, s, COUNTER_MQTT_ERR_REMAINING_LENGTH); /* 2.2.3 */
		return FRAME_BAD;
	case MQTT_FIXED_OK:
		break;
	}
	uint32_t packet_bytes = fixed->header_bytes + fixed->body_bytes;
	if (packet_bytes > m->config.packet_bytes_max) {
		mqtt_error(m, s, COUNTER_MQTT_ERR_OVERSIZE);
		return FRAME_BAD;
	}
	return packet_bytes <= count ? FRAME_WHOLE : FRAME_PARTIAL;
}

static void set_waiting(struct mqtt_session *s, bool waiting)
{
	s->flags = (uint8_t)(waiting ? s->flags | MQTT_S_WAITING : s->flags & ~MQTT_S_WAITING);
}

uint32_t mqtt_input(struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes, uint32_t count,
		    uint64_t now_us)
{
	uint32_t used = 0;
	if (!mqtt_open(s))
		return count;
	while (used < count && s->state != MQTT_AWAIT_CONNACK) {
		const uint8_t *packet = bytes + used;
		struct mqtt_fixed fixed;
		enum frame frame = next_frame(m, s, packet, count - used, &fixed);
		if (frame == FRAME_BAD)
			return count;
		if (frame == FRAME_PARTIAL)
			return used;
		s->last_packet_us = now_us;
		bool taken =
		    take_packet(m, s, packet[0], packet + fixed.header_bytes, fixed.body_bytes);
		if (!mqtt_open(s))
			return count;
		set_waiting(s, !taken);
		if (!taken)
			return used;
		used += fixed.header_bytes + fixed.body_bytes;
	}
	return used;
}

uint64_t mqtt_deadline_us(const struct mqtt *m, const struct mqtt_session *s)
{
	if (!mqtt_open(s) || s->flags & MQTT_S_WAITING)
		return UINT64_MAX;
	if (s->state != MQTT_CONNECTED)
		return s->last_packet_us + m->config.connect_timeout_ms * UINT64_C(1000);
	if (s->keep_alive_s > 0)
		return s->last_packet_us + s->keep_alive_s * UINT64_C(1500000); /* 3.1.2.10 */
	return UINT64_MAX;
}

void mqtt_check(const struct mqtt *m, struct mqtt_session *s, uint64_t now_us)
{
	if (now_us < mqtt_deadline_us(m, s))
		return;
	mqtt_error(m, s,
		   s->state == MQTT_CONNECTED ? COUNTER_MQTT_TIMEOUT_KEEP_ALIVE
					      : COUNTER_MQTT_TIMEOUT_CONNECT);
}
