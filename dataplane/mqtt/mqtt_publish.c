/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBLISH from a client (MQTT 3.1.1 3.3, MQTT5 3.3): the hot path.
 *
 *   | 0x3 : DUP QoS QoS RETAIN | remaining length
 *   | topic name: 2-byte length and UTF-8 | packet identifier, 2 bytes, if QoS > 0 |
 *   | 5.0: properties | payload |
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
	if (publish->dup && publish->qos == 0)
		return COUNTER_MQTT_ERR_PUBLISH_DUP; /* 3.3.1.1 */
	return MQTT_WELL_FORMED;
}

static enum counter parse_topic(struct mqtt_cursor *c, uint8_t version,
				struct mqtt_publish *publish)
{
	if (!mqtt_get_bytes(c, &publish->topic))
		return COUNTER_MQTT_ERR_LENGTH; /* 3.3.2.1 */
	if (publish->topic.count == 0 && version == MQTT_5)
		return MQTT_WELL_FORMED; /* there must be an alias: looked at later */
	return mqtt_topic_name_check(publish->topic.data, publish->topic.count);
}

static enum counter parse_packet_id(struct mqtt_cursor *c, struct mqtt_publish *publish)
{
	publish->packet_id = 0;
	if (publish->qos == 0)
		return MQTT_WELL_FORMED;
	if (!mqtt_get_u16(c, &publish->packet_id))
		return COUNTER_MQTT_ERR_LENGTH; /* 3.3.2.2 */
	return publish->packet_id != 0 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_PACKET_ID; /* 2.3.1 */
}

/* What nearly every 5.0 PUBLISH has is no properties at all. */
static enum counter parse_props(struct mqtt_cursor *c, uint8_t version,
				struct mqtt_publish *publish)
{
	bool none = version != MQTT_5 || (mqtt_left(c) > 0 && *c->at == 0);
	if (!none)
		return mqtt_props_parse(c, MQTT_PUBLISH, &publish->props);
	c->at += version == MQTT_5;
	mqtt_props_default(&publish->props);
	return MQTT_WELL_FORMED;
}

enum counter mqtt_publish_parse(uint8_t first, uint8_t version, const uint8_t *body, uint32_t count,
				struct mqtt_publish *publish)
{
	struct mqtt_cursor c = {body, body + count};
	publish->dup = first & 8;
	publish->qos = first >> 1 & 3;
	publish->retain = first & 1;

	enum counter why = check_flags(publish);
	if (why == MQTT_WELL_FORMED)
		why = parse_topic(&c, version, publish);
	if (why == MQTT_WELL_FORMED)
		why = parse_packet_id(&c, publish);
	if (why == MQTT_WELL_FORMED)
		why = parse_props(&c, version, publish);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (publish->topic.count == 0 && publish->props.topic_alias == 0)
		return COUNTER_MQTT_ERR_TOPIC_EMPTY; /* MQTT5 3.3.2.1, 4.7.3 */
	publish->payload = (struct bytes){c.at, mqtt_left(&c)};
	return MQTT_WELL_FORMED;
}

/* MQTT5 3.3.2.3.4. Setting one again, when the packet is offered again, changes nothing. */
static enum counter resolve_alias(const struct mqtt *m, struct mqtt_session *s,
				  struct mqtt_publish *publish)
{
	uint16_t alias = publish->props.topic_alias;
	if (alias == 0)
		return MQTT_WELL_FORMED;
	if (alias > m->config.topic_alias_max || !m->aliases)
		return COUNTER_MQTT_ERR_TOPIC_ALIAS;
	if (publish->topic.count == 0)
		return mqtt_alias_get(m->aliases, s->alias_head, alias, &publish->topic)
			   ? MQTT_WELL_FORMED
			   : COUNTER_MQTT_ERR_TOPIC_ALIAS_UNKNOWN;
	return mqtt_alias_set(m->aliases, &s->alias_head, alias, publish->topic)
		   ? MQTT_WELL_FORMED
		   : COUNTER_MQTT_ALIASES_EXHAUSTED;
}

/* What depends on what was agreed at CONNECT. */
static enum counter check_session(const struct mqtt *m, struct mqtt_session *s,
				  struct mqtt_publish *publish)
{
	if (s->version != MQTT_5)
		return MQTT_WELL_FORMED;
	if (publish->retain && m->config.no_retain)
		return COUNTER_MQTT_ERR_RETAIN; /* MQTT5 3.3.1.3, 3.2.2.3.5 */
	uint32_t under_way = (uint32_t)s->inflight + s->unreleased;
	if (publish->qos > 0 && m->config.receive_max != 0 && under_way >= m->config.receive_max)
		return COUNTER_MQTT_ERR_RECEIVE_MAX; /* MQTT5 3.3.4 */
	return resolve_alias(m, s, publish);
}

static void count_taken(const struct mqtt *m, const struct mqtt_publish *publish)
{
	static const enum counter by_qos[3] = {COUNTER_MQTT_IN_PUBLISH_QOS0,
					       COUNTER_MQTT_IN_PUBLISH_QOS1,
					       COUNTER_MQTT_IN_PUBLISH_QOS2};
	counter_add(m->counters, by_qos[publish->qos], 1);
	if (publish->dup)
		counter_add(m->counters, COUNTER_MQTT_IN_PUBLISH_DUP, 1);
}

bool mqtt_publish_take(const struct mqtt *m, struct mqtt_session *s, uint8_t first,
		       const uint8_t *body, uint32_t count)
{
	struct mqtt_publish publish;
	enum counter why = mqtt_publish_parse(first, s->version, body, count, &publish);
	if (why == MQTT_WELL_FORMED)
		why = check_session(m, s, &publish);
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return true;
	}
	/* counted first: the application may acknowledge from within on_publish */
	uint16_t add = publish.qos > 0;
	bool room = s->inflight <= UINT16_MAX - add;
	if (room) {
		s->inflight += add;
		room = m->ops->on_publish(m->app, s, &publish) == MQTT_TAKEN;
		if (!room && mqtt_open(s))
			s->inflight -= add;
	}
	if (room)
		count_taken(m, &publish);
	else
		counter_add(m->counters, COUNTER_MQTT_PUBLISH_DEFERRED, 1);
	return room;
}
