/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed header of a control packet (MQTT 3.1.1 2.2, MQTT5 2.1), and the variable byte integer
 * that its length is (MQTT5 1.5.5).
 *
 *     bit    7 6 5 4      3 2 1 0
 *   byte 1  | type      | flags  |
 *   byte 2  | remaining length: 1 to 4 bytes, 7 bits each, least significant first;
 *   ..      | bit 7 says that another byte follows
 *
 * Input: untrusted bytes, perhaps not all of them yet. Pure; called by the io worker.
 */
#include "mqtt/mqtt_priv.h"

#include "base/check.h"

#define LENGTH_BYTES_MAX 4

enum mqtt_fixed_result mqtt_fixed_parse_long(const uint8_t *bytes, uint32_t count,
					     struct mqtt_fixed *fixed)
{
	uint32_t length = 0;
	for (uint32_t i = 0; i < LENGTH_BYTES_MAX; i++) {
		if (1 + i >= count)
			return MQTT_FIXED_PARTIAL;
		uint8_t byte = bytes[1 + i];
		length |= (byte & 0x7fu) << (7 * i);
		if (byte < 0x80) {
			*fixed = (struct mqtt_fixed){2 + i, length};
			return MQTT_FIXED_OK;
		}
	}
	return MQTT_FIXED_MALFORMED; /* 2.2.3: at most four bytes */
}

uint32_t mqtt_varint_build(uint8_t out[4], uint32_t value)
{
	CHECK_OP(value, <, 1u << 28);
	uint32_t n = 0;
	do {
		uint8_t byte = value & 0x7f;
		value >>= 7;
		out[n++] = (uint8_t)(byte | (value > 0 ? 0x80 : 0));
	} while (value > 0);
	return n;
}

uint32_t mqtt_fixed_build(uint8_t out[5], uint8_t first, uint32_t body_bytes)
{
	out[0] = first;
	return 1 + mqtt_varint_build(out + 1, body_bytes);
}

enum counter mqtt_get_varint(struct mqtt_cursor *c, uint32_t *value)
{
	*value = 0;
	for (uint32_t i = 0; i < LENGTH_BYTES_MAX; i++) {
		uint8_t byte;
		if (!mqtt_get_u8(c, &byte))
			return COUNTER_MQTT_ERR_LENGTH;
		*value |= (byte & 0x7fu) << (7 * i);
		if (byte < 0x80)
			return i == 0 || byte != 0 ? MQTT_WELL_FORMED
						   : COUNTER_MQTT_ERR_VARINT; /* not the shortest */
	}
	return COUNTER_MQTT_ERR_VARINT; /* MQTT5 1.5.5: at most four bytes */
}

enum counter mqtt_fixed_check(uint8_t first, uint8_t version)
{
	uint8_t flags = first & 0x0f;
	switch (first >> 4) {
	case MQTT_PUBLISH:
		return MQTT_WELL_FORMED; /* the flags are its own: 3.3.1 */
	case MQTT_PUBREL:
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return flags == 2 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_FLAGS; /* 2.2.2 */
	case MQTT_CONNECT:
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBCOMP:
	case MQTT_PINGREQ:
	case MQTT_DISCONNECT:
		return flags == 0 ? MQTT_WELL_FORMED : COUNTER_MQTT_ERR_FLAGS; /* 2.2.2 */
	case MQTT_AUTH: /* reserved in 3.1.1; MQTT5 4.12: no CONNECT had a method */
		if (version != MQTT_5)
			return COUNTER_MQTT_ERR_TYPE;
		return flags == 0 ? COUNTER_MQTT_ERR_AUTH : COUNTER_MQTT_ERR_FLAGS;
	default:
		return COUNTER_MQTT_ERR_TYPE; /* 2.2.1: reserved, or server to client */
	}
}
