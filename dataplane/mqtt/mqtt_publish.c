/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBLISH from a client (MQTT 3.1.1 3.3): the hot path.
 *
 *   | 0x3 : DUP QoS QoS RETAIN | remaining length
 *   | topic name: 2-byte length and UTF-8 | packet identifier, 2 bytes, if QoS > 0 | payload |
 *
 * Input: untrusted bytes of one whole packet; topic and payload are handed on where they lie.
 * Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

/* 3.3.1: what the flags alone rule out. */
static enum counter check_flags(const struct mqtt_publish *publish)
{
	if (publish->qos == 3)
		return COUNTER_MQTT_ERR_PUBLISH_QOS3; /* 3.3.1.2 */
	if (publish->qos == 2)
		return COUNTER_MQTT_ERR_QOS2; /* 4.3.3, not in this release */
	if (publish->dup && publish->qos == 0)
		return COUNTER_MQTT_ERR_PUBLISH_DUP; /* 3.3.1.1 */
	return MQTT_WELL_FORMED;
}

enum counter mqtt_publish_parse(uint8_t first, const uint8_t *body, uint32_t count,
                                struct mqtt_publish *publish)
{
	struct mqtt_cursor c = {body, body + count};
	publish->dup = first & 8;
	publish->qos = first >> 1 & 3;
	publish->retain = first & 1;
	publish->packet_id = 0;

	enum counter why = check_flags(publish);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (!mqtt_get_bytes(&c, &publish->topic))
		return COUNTER_MQTT_ERR_LENGTH; /* 3.3.2.1 */
	why = mqtt_topic_name_check(publish->topic.data, publish->topic.count);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (publish->qos > 0) {
		if (!mqtt_get_u16(&c, &publish->packet_id))
			return COUNTER_MQTT_ERR_LENGTH; /* 3.3.2.2 */
		if (publish->packet_id == 0)
			return COUNTER_MQTT_ERR_PACKET_ID; /* 2.3.1 */
	}
	publish->payload = (struct bytes){c.at, mqtt_left(&c)};
	return MQTT_WELL_FORMED;
}

static void count_taken(const struct mqtt *m, const struct mqtt_publish *publish)
{
	counter_add(m->counters,
	            publish->qos ? COUNTER_MQTT_IN_PUBLISH_QOS1 : COUNTER_MQTT_IN_PUBLISH_QOS0, 1);
	if (publish->dup)
		counter_add(m->counters, COUNTER_MQTT_IN_PUBLISH_DUP, 1);
}

bool mqtt_publish_take(const struct mqtt *m, struct mqtt_session *s, uint8_t first,
                       const uint8_t *body, uint32_t count)
{
	struct mqtt_publish publish;
	enum counter why = mqtt_publish_parse(first, body, count, &publish);
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return true;
	}
	/* counted first: the application may acknowledge from within on_publish */
	uint16_t add = publish.qos;
	bool room = s->inflight <= UINT16_MAX - add;
	if (room) {
		s->inflight += add;
		room = m->ops->on_publish(m->app, s, &publish);
		if (!room && mqtt_open(s))
			s->inflight -= add;
	}
	if (room)
		count_taken(m, &publish);
	else
		counter_add(m->counters, COUNTER_MQTT_PUBLISH_DEFERRED, 1);
	return room;
}
