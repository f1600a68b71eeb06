/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties (MQTT5 2.2.2).
 *
 *   | property length: variable byte integer | identifier, 1 byte | value | identifier | ...
 *
 * Identifiers are variable byte integers, but none of them has more than one byte. Each may come
 * once, but for user properties. Input: untrusted bytes. Pure; values stay where they lie.
 */
#include "mqtt/mqtt_priv.h"

#define PROPERTY_COUNT 64

enum kind { BOOLEAN = 1, TWO, FOUR, VARINT, STRING, BINARY, PAIR, TOPIC };

#define IN(type) (1u << (type))
#define ACKS     (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))

/* MQTT5 2.2.2.2, table 2-4, as far as a client may send them. */
static const struct property {
	uint8_t kind;
	uint32_t packets;
} properties[PROPERTY_COUNT] = {
    [MQTT_P_PAYLOAD_FORMAT] = {BOOLEAN, IN(MQTT_PUBLISH) | IN(MQTT_WILL)},
    [MQTT_P_MESSAGE_EXPIRY] = {FOUR, IN(MQTT_PUBLISH) | IN(MQTT_WILL)},
    [MQTT_P_CONTENT_TYPE] = {STRING, IN(MQTT_PUBLISH) | IN(MQTT_WILL)},
    [MQTT_P_RESPONSE_TOPIC] = {TOPIC, IN(MQTT_PUBLISH) | IN(MQTT_WILL)},
    [MQTT_P_CORRELATION] = {BINARY, IN(MQTT_PUBLISH) | IN(MQTT_WILL)},
    [MQTT_P_SUBSCRIPTION_ID] = {VARINT, IN(MQTT_SUBSCRIBE)},
    [MQTT_P_SESSION_EXPIRY] = {FOUR, IN(MQTT_CONNECT) | IN(MQTT_DISCONNECT)},
    [MQTT_P_AUTH_METHOD] = {STRING, IN(MQTT_CONNECT)},
    [MQTT_P_AUTH_DATA] = {BINARY, IN(MQTT_CONNECT)},
    [MQTT_P_REQUEST_PROBLEM] = {BOOLEAN, IN(MQTT_CONNECT)},
    [MQTT_P_WILL_DELAY] = {FOUR, IN(MQTT_WILL)},
    [MQTT_P_REQUEST_RESPONSE] = {BOOLEAN, IN(MQTT_CONNECT)},
    [MQTT_P_REASON_STRING] = {STRING, ACKS | IN(MQTT_DISCONNECT)},
    [MQTT_P_RECEIVE_MAX] = {TWO, IN(MQTT_CONNECT)},
    [MQTT_P_TOPIC_ALIAS_MAX] = {TWO, IN(MQTT_CONNECT)},
    [MQTT_P_TOPIC_ALIAS] = {TWO, IN(MQTT_PUBLISH)},
    [MQTT_P_USER_PROPERTY] = {PAIR, ACKS | IN(MQTT_CONNECT) | IN(MQTT_PUBLISH) | IN(MQTT_WILL) |
					IN(MQTT_SUBSCRIBE) | IN(MQTT_UNSUBSCRIBE) |
					IN(MQTT_DISCONNECT)},
    [MQTT_P_PACKET_MAX] = {FOUR, IN(MQTT_CONNECT)},
};

#define FORWARDED                                                                                  \
	(1ull << MQTT_P_PAYLOAD_FORMAT | 1ull << MQTT_P_CONTENT_TYPE |                             \
	 1ull << MQTT_P_RESPONSE_TOPIC | 1ull << MQTT_P_CORRELATION |                              \
	 1ull << MQTT_P_USER_PROPERTY)

/* What must not be 0: MQTT5 3.1.2.11.3, 3.1.2.11.4, 3.3.2.3.4, 3.8.2.1.2. */
#define NOT_ZERO                                                                                   \
	(1ull << MQTT_P_RECEIVE_MAX | 1ull << MQTT_P_PACKET_MAX | 1ull << MQTT_P_TOPIC_ALIAS |     \
	 1ull << MQTT_P_SUBSCRIPTION_ID)

void mqtt_props_default(struct mqtt_props *props)
{
	*props = (struct mqtt_props){
	    .message_expiry_s = UINT32_MAX,
	    .packet_bytes_max = UINT32_MAX,
	    .receive_max = UINT16_MAX,
	    .request_problem = 1,
	};
}

static void keep(struct mqtt_props *p, uint8_t id, uint32_t value)
{
	switch (id) {
	case MQTT_P_PAYLOAD_FORMAT:
		p->payload_format = (uint8_t)value;
		break;
	case MQTT_P_MESSAGE_EXPIRY:
		p->message_expiry_s = value;
		break;
	case MQTT_P_SUBSCRIPTION_ID:
		p->subscription_id = value;
		break;
	case MQTT_P_SESSION_EXPIRY:
		p->session_expiry_s = value;
		break;
	case MQTT_P_REQUEST_PROBLEM:
		p->request_problem = (uint8_t)value;
		break;
	case MQTT_P_WILL_DELAY:
		p->will_delay_s = value;
		break;
	case MQTT_P_REQUEST_RESPONSE:
		p->request_response = (uint8_t)value;
		break;
	case MQTT_P_RECEIVE_MAX:
		p->receive_max = (uint16_t)value;
		break;
	case MQTT_P_TOPIC_ALIAS_MAX:
		p->topic_alias_max = (uint16_t)value;
		break;
	case MQTT_P_TOPIC_ALIAS:
		p->topic_alias = (uint16_t)value;
		break;
	case MQTT_P_PACKET_MAX:
		p->packet_bytes_max = value;
		break;
	default: /* text: only whether it is there */
		break;
	}
}

static enum counter get_texts(struct mqtt_cursor *c, enum kind kind)
{
	struct bytes text;
	enum counter why = MQTT_WELL_FORMED;
	if (kind == BINARY)
		return mqtt_get_bytes(c, &text) ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_LENGTH;
	why = mqtt_get_string(c, &text);
	if (why == MQTT_WELL_FORMED && kind == PAIR)
		why = mqtt_get_string(c, &text);
	if (why == MQTT_WELL_FORMED && kind == TOPIC)
		why = mqtt_topic_name_check(text.data, text.count); /* MQTT5 3.3.2.3.5 */
	return why;
}

static enum counter get_value(struct mqtt_cursor *c, enum kind kind, uint32_t *value)
{
	uint8_t one;
	uint16_t two;
	*value = 0;
	switch (kind) {
	case BOOLEAN:
		if (!mqtt_get_u8(c, &one))
			return COUNTER_MQTT_ERR_LENGTH;
		*value = one;
		return one <= 1 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_PROPERTY_VALUE;
	case TWO:
		if (!mqtt_get_u16(c, &two))
			return COUNTER_MQTT_ERR_LENGTH;
		*value = two;
		return MQTT_WELL_FORMED;
	case FOUR:
		return mqtt_get_u32(c, value) ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_LENGTH;
	case VARINT:
		return mqtt_get_varint(c, value);
	default:
		return get_texts(c, kind);
	}
}

/* What a value of 0 is where none is allowed. */
static enum counter zero_error(uint8_t id)
{
	return id == MQTT_P_TOPIC_ALIAS ? COUNTER_MQTT_ERR_TOPIC_ALIAS
					: COUNTER_MQTT_ERR_PROPERTY_VALUE;
}

static enum counter parse_one(struct mqtt_cursor *c, enum mqtt_type type, struct mqtt_props *props)
{
	const uint8_t *start = c->at;
	uint8_t id = *c->at++;
	if (id >= PROPERTY_COUNT || !(properties[id].packets & IN(type)))
		return COUNTER_MQTT_ERR_PROPERTY; /* MQTT5 2.2.2.2 */
	uint64_t bit = 1ull << id;
	if (props->present & bit && id != MQTT_P_USER_PROPERTY)
		return COUNTER_MQTT_ERR_PROPERTY_TWICE;
	uint32_t value;
	enum counter why = get_value(c, properties[id].kind, &value);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (NOT_ZERO & bit && value == 0)
		return zero_error(id);
	keep(props, id, value);
	if (id == MQTT_P_CONTENT_TYPE) /* behind its identifier and two bytes of length */
		props->content_type = (struct bytes){start + 3, (uint32_t)(c->at - start) - 3};
	props->present |= bit;
	if (FORWARDED & bit)
		props->forward_bytes += (uint32_t)(c->at - start);
	return MQTT_WELL_FORMED;
}

enum counter mqtt_props_parse(struct mqtt_cursor *c, enum mqtt_type type, struct mqtt_props *props)
{
	uint32_t bytes;
	mqtt_props_default(props);
	enum counter why = mqtt_get_varint(c, &bytes);
	if (why != MQTT_WELL_FORMED)
		return why;
	if (bytes > mqtt_left(c))
		return COUNTER_MQTT_ERR_LENGTH;
	struct mqtt_cursor in = {c->at, c->at + bytes};
	props->all = (struct bytes){c->at, bytes};
	c->at += bytes;
	while (mqtt_left(&in) > 0) {
		why = parse_one(&in, type, props);
		if (why != MQTT_WELL_FORMED)
			return why;
	}
	return MQTT_WELL_FORMED;
}

void mqtt_props_forward(const struct mqtt_props *props, uint8_t *out)
{
	if (props->forward_bytes == 0)
		return; /* there may be none at all */
	struct mqtt_cursor c = {props->all.data, props->all.data + props->all.count};
	while (mqtt_left(&c) > 0) {
		const uint8_t *start = c.at;
		uint8_t id = *c.at++;
		uint32_t value;
		get_value(&c, properties[id].kind, &value); /* it was well-formed */
		if (!(FORWARDED >> id & 1))
			continue;
		memcpy(out, start, (size_t)(c.at - start));
		out += c.at - start;
	}
}
