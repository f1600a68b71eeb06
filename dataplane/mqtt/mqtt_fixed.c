/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed header of a control packet (MQTT 3.1.1 2.2).
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

uint32_t mqtt_fixed_build(uint8_t out[5], uint8_t first, uint32_t body_bytes)
{
	CHECK_OP(body_bytes, <, 1u << 28);
	uint32_t n = 0;
	out[n++] = first;
	do {
		uint8_t byte = body_bytes & 0x7f;
		body_bytes >>= 7;
		out[n++] = (uint8_t)(byte | (body_bytes > 0 ? 0x80 : 0));
	} while (body_bytes > 0);
	return n;
}

enum counter mqtt_fixed_check(uint8_t first)
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
	default:
		return COUNTER_MQTT_ERR_TYPE; /* 2.2.1: reserved, or server to client */
	}
}
