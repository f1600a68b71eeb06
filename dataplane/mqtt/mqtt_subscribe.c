/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SUBSCRIBE and its answer SUBACK (MQTT 3.1.1 3.8, 3.9).
 *
 *   SUBSCRIBE  | 0x82 | remaining length | packet identifier, 2 bytes |
 *              | string topic filter | requested QoS, 1 byte | ... one or more
 *   SUBACK     | 0x90 | remaining length | packet identifier | return code, 1 byte | ...
 *
 * Nothing is delivered to clients in this release, so each filter gets the return code 0x80,
 * failure (3.9.3). Input: untrusted bytes of one whole packet. Called by the io worker that owns
 * the session.
 */
#include "mqtt/mqtt_priv.h"

#define SUBACK_FAILURE 0x80

enum counter mqtt_subscribe_parse(const uint8_t *body, uint32_t count, uint16_t *packet_id,
                                  uint32_t *filters)
{
	struct mqtt_cursor c = {body, body + count};
	*filters = 0;
	if (!mqtt_get_u16(&c, packet_id))
		return COUNTER_MQTT_ERR_LENGTH;
	if (*packet_id == 0)
		return COUNTER_MQTT_ERR_PACKET_ID; /* 2.3.1 */
	while (mqtt_left(&c) > 0) {
		struct bytes filter;
		uint8_t qos;
		if (!mqtt_get_bytes(&c, &filter) || !mqtt_get_u8(&c, &qos))
			return COUNTER_MQTT_ERR_LENGTH;
		enum counter why = mqtt_topic_filter_check(filter.data, filter.count);
		if (why != MQTT_WELL_FORMED)
			return why;
		if (qos > 2)
			return COUNTER_MQTT_ERR_SUBSCRIBE_QOS; /* 3.8.3 */
		++*filters;
	}
	return *filters > 0 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_SUBSCRIBE_EMPTY; /* 3.8.3 */
}

/* In pieces: a long SUBSCRIBE can hold thousands of filters. */
static void send_suback(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id,
                        uint32_t filters)
{
	uint8_t piece[256];
	uint32_t n = mqtt_fixed_build(piece, MQTT_SUBACK << 4, 2 + filters);
	put_be16(piece + n, packet_id);
	n += 2;
	for (uint32_t left = filters;;) {
		uint32_t codes = sizeof piece - n < left ? (uint32_t)sizeof piece - n : left;
		memset(piece + n, SUBACK_FAILURE, codes);
		left -= codes;
		if (left == 0) {
			mqtt_send(m, s, piece, n + codes, COUNTER_MQTT_OUT_SUBACK);
			return;
		}
		if (!mqtt_send(m, s, piece, n + codes, MQTT_WELL_FORMED))
			return;
		n = 0;
	}
}

void mqtt_subscribe_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                         uint32_t count)
{
	uint16_t packet_id;
	uint32_t filters;
	enum counter why = mqtt_subscribe_parse(body, count, &packet_id, &filters);
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return;
	}
	counter_add(m->counters, COUNTER_MQTT_IN_SUBSCRIBE, 1);
	counter_add(m->counters, COUNTER_MQTT_FILTERS_REFUSED, filters);
	send_suback(m, s, packet_id, filters);
}
