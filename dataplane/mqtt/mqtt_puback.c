/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUBACK, both ways (MQTT 3.1.1 3.4).
 *
 *   | 0x40 | 2 | packet identifier, 2 bytes |
 *
 * The server publishes nothing in this release, so a client's PUBACK answers nothing: it is
 * counted and ignored. Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

#include "base/check.h"

enum counter mqtt_puback_parse(const uint8_t *body, uint32_t count, uint16_t *packet_id)
{
	if (count != 2)
		return COUNTER_MQTT_ERR_LENGTH; /* 3.4.1 */
	*packet_id = get_be16(body);
	return *packet_id != 0 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_PACKET_ID; /* 2.3.1 */
}

void mqtt_puback_take(const struct mqtt *m, struct mqtt_session *s, const uint8_t *body,
                      uint32_t count)
{
	uint16_t packet_id;
	enum counter why = mqtt_puback_parse(body, count, &packet_id);
	if (why != MQTT_WELL_FORMED)
		mqtt_error(m, s, why);
	else
		counter_add(m->counters, COUNTER_MQTT_IN_PUBACK, 1);
}

void mqtt_puback(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id)
{
	if (s->state != MQTT_CONNECTED)
		return;
	CHECK_OP(s->inflight, >, 0);
	s->inflight--;
	uint8_t packet[4] = {MQTT_PUBACK << 4, 2};
	put_be16(packet + 2, packet_id);
	mqtt_send(m, s, packet, sizeof packet, COUNTER_MQTT_OUT_PUBACK);
}
