/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNSUBSCRIBE and its answer UNSUBACK (MQTT 3.1.1 3.10, 3.11).
 *
 *   UNSUBSCRIBE  | 0xa2 | remaining length | packet identifier, 2 bytes |
 *                | string topic filter | ... one or more
 *   UNSUBACK     | 0xb0 | 2 | packet identifier |
 *
 * There are no subscriptions in this release; UNSUBACK is due all the same (3.10.4). Input:
 * untrusted bytes of one whole packet. Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

enum counter mqtt_unsubscribe_parse(const uint8_t *body, uint32_t count, uint16_t *packet_id,
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
		if (!mqtt_get_bytes(&c, &filter))
			return COUNTER_MQTT_ERR_LENGTH;
		enum counter why = mqtt_topic_filter_check(filter.data, filter.count);
		if (why != MQTT_WELL_FORMED)
			return why;
		++*filters;
	}
	return *filters > 0 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_SUBSCRIBE_EMPTY; /* 3.10.3 */
}

void mqtt_unsubscribe_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                           uint32_t count)
{
	uint16_t packet_id;
	uint32_t filters;
	enum counter why = mqtt_unsubscribe_parse(body, count, &packet_id, &filters);
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return;
	}
	counter_add(m->counters, COUNTER_MQTT_IN_UNSUBSCRIBE, 1);
	uint8_t packet[4] = {MQTT_UNSUBACK << 4, 2};
	put_be16(packet + 2, packet_id);
	mqtt_send(m, s, packet, sizeof packet, COUNTER_MQTT_OUT_UNSUBACK);
}
