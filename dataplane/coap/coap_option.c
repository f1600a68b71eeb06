/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options (RFC 7252 3.1, 5.4, 5.10).
 *
 *    0   1   2   3   4   5   6   7
 *   | option delta  | option length |
 *   | delta, extended: 0..2 bytes   |   nibble 13: one byte, plus 13
 *   | length, extended: 0..2 bytes  |   nibble 14: two bytes, plus 269
 *   | value: `length` bytes ...     |   nibble 15: reserved
 *
 * Input: untrusted bytes. Pure; nothing is copied.
 */
#include "coap/coap_message.h"

/* The value that a nibble and its extension stand for; *at moves on. */
static enum counter extend(const uint8_t **at, const uint8_t *end, uint32_t nibble, uint32_t *value)
{
	*value = nibble;
	if (nibble < 13)
		return COAP_WELL_FORMED;
	if (nibble == 15)
		return COUNTER_COAP_ERR_OPTION_RESERVED; /* 3.1 */
	uint32_t bytes = nibble - 12;
	if ((uint32_t)(end - *at) < bytes)
		return COUNTER_COAP_ERR_OPTION_LENGTH; /* 3.1 */
	*value = bytes == 1 ? (*at)[0] + 13u : get_be16(*at) + 269u;
	*at += bytes;
	return COAP_WELL_FORMED;
}

enum counter coap_options_next(struct coap_options *o, struct coap_option *option)
{
	const uint8_t *at = o->at;
	uint8_t nibbles = *at++;
	uint32_t delta, bytes;
	enum counter why = extend(&at, o->end, nibbles >> 4, &delta);
	if (why == COAP_WELL_FORMED)
		why = extend(&at, o->end, nibbles & 0x0f, &bytes);
	if (why != COAP_WELL_FORMED)
		return why;
	if (o->number + delta > UINT16_MAX || (uint32_t)(o->end - at) < bytes)
		return COUNTER_COAP_ERR_OPTION_LENGTH; /* 3.1, 12.2 */
	o->number += delta;
	o->at = at + bytes;
	option->number = (uint16_t)o->number;
	option->value = (struct bytes){at, bytes};
	return COAP_WELL_FORMED;
}

uint32_t coap_option_uint(struct bytes value)
{
	uint32_t v = 0;
	for (uint32_t i = 0; i < value.count; i++)
		v = v << 8 | value.data[i];
	return v;
}

/*
 *    0 1 2 3 4 5 6 7
 *   |  NUM  |M| SZX |   one to three bytes, NUM in the upper ones; none: 0
 */
struct coap_block coap_block_read(struct bytes value)
{
	uint32_t v = coap_option_uint(value);
	return (struct coap_block){
	    .number = v >> 4, .szx = v & 7, .more = v >> 3 & 1, .present = true};
}

static const struct coap_option_rule rules[] = {
    {COAP_IF_MATCH, 0, 8, true},
    {COAP_URI_HOST, 1, 255, false},
    {COAP_ETAG, 1, 8, true},
    {COAP_IF_NONE_MATCH, 0, 0, false},
    {COAP_OBSERVE, 0, 3, false},
    {COAP_URI_PORT, 0, 2, false},
    {COAP_LOCATION_PATH, 0, 255, true},
    {COAP_URI_PATH, 0, 255, true},
    {COAP_CONTENT_FORMAT, 0, 2, false},
    {COAP_MAX_AGE, 0, 4, false},
    {COAP_URI_QUERY, 0, 255, true},
    {COAP_HOP_LIMIT, 1, 1, false},
    {COAP_ACCEPT, 0, 2, false},
    {COAP_LOCATION_QUERY, 0, 255, true},
    {COAP_BLOCK2, 0, 3, false},
    {COAP_BLOCK1, 0, 3, false},
    {COAP_SIZE2, 0, 4, false},
    {COAP_PROXY_URI, 1, 1034, false},
    {COAP_PROXY_SCHEME, 1, 255, false},
    {COAP_SIZE1, 0, 4, false},
    {COAP_NO_RESPONSE, 0, 1, false},
    {COAP_REQUEST_TAG, 0, 8, true},
};

const struct coap_option_rule *coap_option_rule(uint16_t number)
{
	for (uint32_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].number == number)
			return &rules[i];
	return NULL;
}
