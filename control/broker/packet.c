/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   PUBLISH (MQTT 3.1.1 3.3, MQTT5 3.3)
 *   | 0011 dup qos qos retain | remaining length, 1-4 | topic length, 2 | topic |
 *   | packet id, 2: QoS 1, 2 | property length, 1-4 and properties: 5.0 | payload |
 *
 *   PUBREL (3.6)
 *   | 0110 0010 | 2, or 3 with a reason | packet id, 2 | reason, 1: 5.0 |
 */
#include "control/broker/packet.h"

#define PUBLISH         0x30
#define PUBREL          0x62
#define PROPERTY_EXPIRY 0x02
#define PROPERTY_ID     0x0b
#define PROPERTY_ALIAS  0x23

static uint32_t varint_bytes(uint32_t value)
{
	return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

static uint8_t *varint_put(uint8_t *out, uint32_t value)
{
	while (value > 127) {
		*out++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*out++ = (uint8_t)value;
	return out;
}

static uint32_t props_bytes(const struct packet_publish *p)
{
	uint32_t bytes = p->message->props_bytes;
	if (p->expiry_s != UINT32_MAX)
		bytes += 5;
	for (uint32_t i = 0; i < p->id_count; i++)
		bytes += 1 + varint_bytes(p->subscription_ids[i]);
	return bytes + (p->alias ? 3 : 0);
}

static struct bytes topic_of(const struct packet_publish *p)
{
	return p->alias_stands ? (struct bytes){0} : message_topic(p->message);
}

static uint32_t remaining(const struct packet_publish *p)
{
	uint32_t bytes = 2u + topic_of(p).count + (p->qos > 0 ? 2 : 0) +
	                 p->message->payload_bytes;
	if (p->version >= 5) {
		uint32_t props = props_bytes(p);
		bytes += varint_bytes(props) + props;
	}
	return bytes;
}

uint32_t packet_publish_bytes(const struct packet_publish *p)
{
	uint32_t rest = remaining(p);
	return 1 + varint_bytes(rest) + rest;
}

static uint8_t *put(uint8_t *out, struct bytes from)
{
	if (from.count > 0)
		memcpy(out, from.data, from.count);
	return out + from.count;
}

static uint8_t *put_props(const struct packet_publish *p, uint8_t *out)
{
	out = varint_put(out, props_bytes(p));
	if (p->expiry_s != UINT32_MAX) {
		*out++ = PROPERTY_EXPIRY;
		put_be32(out, p->expiry_s);
		out += 4;
	}
	for (uint32_t i = 0; i < p->id_count; i++) {
		*out++ = PROPERTY_ID;
		out = varint_put(out, p->subscription_ids[i]);
	}
	if (p->alias) {
		*out++ = PROPERTY_ALIAS;
		put_be16(out, p->alias);
		out += 2;
	}
	return put(out, message_props(p->message));
}

void packet_publish_put(const struct packet_publish *p, uint8_t *out)
{
	*out++ = (uint8_t)(PUBLISH | p->dup << 3 | p->qos << 1 | p->retain);
	out = varint_put(out, remaining(p));
	struct bytes topic = topic_of(p);
	put_be16(out, (uint16_t)topic.count);
	out = put(out + 2, topic);
	if (p->qos > 0) {
		put_be16(out, p->packet_id);
		out += 2;
	}
	if (p->version >= 5)
		out = put_props(p, out);
	put(out, message_payload(p->message));
}

uint32_t packet_pubrel_put(uint8_t version, uint16_t packet_id, uint8_t reason,
                           uint8_t out[PACKET_PUBREL_BYTES])
{
	bool with_reason = version >= 5 && reason != 0;
	out[0] = PUBREL;
	out[1] = with_reason ? 3 : 2;
	put_be16(out + 2, packet_id);
	out[4] = reason;
	return with_reason ? 5 : 4;
}
