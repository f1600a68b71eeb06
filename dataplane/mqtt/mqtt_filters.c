/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SUBSCRIBE, UNSUBSCRIBE and their answers (MQTT 3.1.1 3.8 to 3.11, MQTT5 3.8 to 3.11).
 *
 *   SUBSCRIBE    | 0x82 | remaining length | packet identifier, 2 bytes | 5.0: properties |
 *                | string topic filter | options, 1 byte | ... one or more
 *   UNSUBSCRIBE  | 0xa2 | remaining length | packet identifier, 2 bytes | 5.0: properties |
 *                | string topic filter | ... one or more
 *   SUBACK       | 0x90 | remaining length | packet identifier | 5.0: properties |
 *                | a code for each filter |
 *   UNSUBACK     | 0xb0 | likewise; 3.1.1: without codes |
 *   options (MQTT5 3.8.3.1), bit 7 to 0:
 *                reserved (2 bits), retain handling (2), retain as published, no local, QoS (2);
 *                3.1.1 has the QoS alone
 *
 * Input: untrusted bytes of one whole packet. Called by the io worker that owns the session.
 */
#include "mqtt/mqtt_priv.h"

#include "base/check.h"

#define OPTION_NO_LOCAL 0x04

static enum counter check_options(uint8_t version, uint8_t options, struct bytes filter)
{
	bool v5 = version == MQTT_5;
	if (options & (v5 ? 0xc0 : 0xfc) || (options & 3) == 3)
		return COUNTER_MQTT_ERR_SUBSCRIBE_QOS; /* 3.8.3, MQTT5 3.8.3.1 */
	if ((options & 0x30) == 0x30)
		return COUNTER_MQTT_ERR_SUBSCRIBE_OPTIONS; /* MQTT5 3.8.3.1: retain handling 3 */
	if (options & OPTION_NO_LOCAL && mqtt_filter_is_shared(filter.data, filter.count))
		return COUNTER_MQTT_ERR_SUBSCRIBE_OPTIONS; /* MQTT5 3.8.3.1: no local, shared */
	return MQTT_WELL_FORMED;
}

static enum counter check_filter(struct mqtt_cursor *c, uint8_t version,
				 struct mqtt_filters *filters)
{
	struct bytes filter;
	uint8_t options = 0;
	if (!mqtt_get_bytes(c, &filter) || (filters->subscribe && !mqtt_get_u8(c, &options)))
		return COUNTER_MQTT_ERR_LENGTH;
	enum counter why = mqtt_topic_filter_check(filter.data, filter.count);
	if (why == MQTT_WELL_FORMED && filters->subscribe)
		why = check_options(version, options, filter);
	filters->count++;
	filters->text_bytes += filter.count;
	return why;
}

enum counter mqtt_filters_parse(bool subscribe, uint8_t version, const uint8_t *body,
				uint32_t count, struct mqtt_filters *filters)
{
	struct mqtt_cursor c = {body, body + count};
	struct mqtt_props props;
	*filters = (struct mqtt_filters){.subscribe = subscribe};
	if (!mqtt_get_u16(&c, &filters->packet_id))
		return COUNTER_MQTT_ERR_LENGTH;
	if (filters->packet_id == 0)
		return COUNTER_MQTT_ERR_PACKET_ID; /* 2.3.1 */
	enum counter why = MQTT_WELL_FORMED;
	if (version == MQTT_5) {
		why = mqtt_props_parse(&c, subscribe ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE, &props);
		filters->subscription_id = props.subscription_id;
	}
	filters->left = (struct bytes){c.at, mqtt_left(&c)};
	while (why == MQTT_WELL_FORMED && mqtt_left(&c) > 0)
		why = check_filter(&c, version, filters);
	if (why == MQTT_WELL_FORMED && filters->count == 0)
		why = COUNTER_MQTT_ERR_SUBSCRIBE_EMPTY; /* 3.8.3, 3.10.3 */
	return why;
}

bool mqtt_filter_next(struct mqtt_filters *filters, struct bytes *filter, uint8_t *options)
{
	struct mqtt_cursor c = {filters->left.data, filters->left.data + filters->left.count};
	*options = 0;
	if (!mqtt_get_bytes(&c, filter) || (filters->subscribe && !mqtt_get_u8(&c, options)))
		return false;
	filters->left = (struct bytes){c.at, mqtt_left(&c)};
	return true;
}

bool mqtt_filters_take(const struct mqtt *m, struct mqtt_session *s, bool subscribe,
		       const uint8_t *body, uint32_t count)
{
	struct mqtt_filters filters;
	enum counter why = mqtt_filters_parse(subscribe, s->version, body, count, &filters);
	if (why == MQTT_WELL_FORMED && filters.subscription_id != 0 &&
	    m->config.no_subscription_ids)
		why = COUNTER_MQTT_ERR_PROPERTY; /* MQTT5 3.2.2.3.12 */
	if (why != MQTT_WELL_FORMED) {
		mqtt_error(m, s, why);
		return true;
	}
	if (m->ops->on_filters(m->app, s, &filters) == MQTT_NO_ROOM)
		return false;
	counter_add(m->counters,
		    subscribe ? COUNTER_MQTT_IN_SUBSCRIBE : COUNTER_MQTT_IN_UNSUBSCRIBE, 1);
	return true;
}

/* 3.9.3: 3.1.1 knows one failure. */
static uint8_t code_for(const struct mqtt *m, const struct mqtt_session *s, uint8_t code)
{
	if (code >= 0x80)
		counter_add(m->counters, COUNTER_MQTT_FILTERS_REFUSED, 1);
	return code >= 0x80 && s->version != MQTT_5 ? 0x80 : code;
}

/* In pieces: a long SUBSCRIBE can hold thousands of filters. */
static void send_codes(const struct mqtt *m, struct mqtt_session *s, uint8_t *piece, uint32_t n,
		       const uint8_t *codes, uint32_t count, enum counter what)
{
	for (uint32_t at = 0; at < count; at++) {
		piece[n++] = code_for(m, s, codes[at]);
		if (n < 256 || at + 1 == count)
			continue;
		if (!mqtt_send_piece(m, s, piece, n, MQTT_WELL_FORMED))
			return;
		n = 0;
	}
	mqtt_send_piece(m, s, piece, n, what);
}

void mqtt_suback(const struct mqtt *m, struct mqtt_session *s, bool subscribe, uint16_t packet_id,
		 const uint8_t *codes, uint32_t count)
{
	if (s->state != MQTT_CONNECTED)
		return;
	uint8_t piece[256 + 16];
	uint32_t props = s->version == MQTT_5;
	if (!subscribe && !props)
		count = 0;
	uint8_t first = (uint8_t)((subscribe ? MQTT_SUBACK : MQTT_UNSUBACK) << 4);
	uint32_t n = mqtt_fixed_build(piece, first, 2 + props + count);
	if (n + 2 + props + count > s->client_packet_max) {
		mqtt_disconnect(m, s, MQTT_TOO_LARGE, COUNTER_MQTT_CLIENT_LIMIT);
		return;
	}
	put_be16(piece + n, packet_id);
	n += 2;
	if (props)
		piece[n++] = 0;
	send_codes(m, s, piece, n, codes, count,
		   subscribe ? COUNTER_MQTT_OUT_SUBACK : COUNTER_MQTT_OUT_UNSUBACK);
}
