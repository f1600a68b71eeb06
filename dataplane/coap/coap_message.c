/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CoAP message format (RFC 7252 3).
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |Ver| T |  TKL  |      Code     |          Message ID           |
 *   | Token (TKL bytes, 0..8) ...
 *   | Options ...
 *   |1 1 1 1 1 1 1 1| Payload, at least one byte ...
 *
 * Input: one datagram, untrusted. Pure; called by the io worker.
 */
#include "coap/coap_message.h"

#include "base/check.h"

#define VERSION        1
#define PAYLOAD_MARKER 0xff

static bool class_reserved(uint8_t code)
{
	uint8_t class = COAP_CLASS(code);
	return class == 1 || class > 5;
}

/* What follows the token. */
static enum counter parse_rest(const uint8_t *at, const uint8_t *end, struct coap_message *msg)
{
	struct coap_options o = {at, end, 0};
	struct coap_option option;
	while (coap_options_more(&o)) {
		enum counter why = coap_options_next(&o, &option);
		if (why != COAP_WELL_FORMED)
			return why;
	}
	msg->options = (struct bytes){at, (uint32_t)(o.at - at)};
	if (o.at < end) {
		msg->payload = (struct bytes){o.at + 1, (uint32_t)(end - o.at - 1)};
		if (msg->payload.count == 0)
			return COUNTER_COAP_ERR_PAYLOAD; /* 3 */
	}
	return COAP_WELL_FORMED;
}

enum counter coap_message_parse(const uint8_t *bytes, uint32_t count, struct coap_message *msg)
{
	memset(msg, 0, sizeof *msg);
	if (count < COAP_HEADER_BYTES)
		return COUNTER_COAP_ERR_SHORT; /* 3 */
	msg->type = bytes[0] >> 4 & 3;
	msg->code = bytes[1];
	msg->id = get_be16(bytes + 2);
	uint8_t token_bytes = bytes[0] & 0x0f;

	if (bytes[0] >> 6 != VERSION)
		return COUNTER_COAP_ERR_VERSION; /* 3 */
	msg->options = (struct bytes){bytes + COAP_HEADER_BYTES, 0};
	if (msg->code == COAP_EMPTY)
		return token_bytes == 0 && count == COAP_HEADER_BYTES
		           ? COAP_WELL_FORMED
		           : COUNTER_COAP_ERR_EMPTY; /* 4.1 */
	if (token_bytes > COAP_TOKEN_BYTES || count < COAP_HEADER_BYTES + (uint32_t)token_bytes)
		return COUNTER_COAP_ERR_TOKEN; /* 3 */
	if (class_reserved(msg->code))
		return COUNTER_COAP_ERR_CLASS; /* 4.2, 4.3 */
	msg->token_bytes = token_bytes;
	memcpy(msg->token, bytes + COAP_HEADER_BYTES, token_bytes);
	return parse_rest(bytes + COAP_HEADER_BYTES + token_bytes, bytes + count, msg);
}

/* Room for `bytes` more? Says so once and for all when there is not. */
static bool has_room(struct coap_builder *b, uint32_t bytes)
{
	if ((uint32_t)(b->end - b->at) < bytes)
		b->full = true;
	return !b->full;
}

static void put_bytes(struct coap_builder *b, const void *data, uint32_t bytes)
{
	if (bytes > 0)
		memcpy(b->at, data, bytes);
	b->at += bytes;
}

void coap_build_start(struct coap_builder *b, uint8_t *out, uint32_t room,
                      const struct coap_message *header)
{
	CHECK_OP(header->token_bytes, <=, COAP_TOKEN_BYTES);
	*b = (struct coap_builder){.start = out, .at = out, .end = out + room};
	if (!has_room(b, COAP_HEADER_BYTES + (uint32_t)header->token_bytes))
		return;
	out[0] = (uint8_t)(VERSION << 6 | header->type << 4 | header->token_bytes);
	out[1] = header->code;
	put_be16(out + 2, header->id);
	b->at += COAP_HEADER_BYTES;
	put_bytes(b, header->token, header->token_bytes);
}

/* 3.1: values from 13 on take one more byte, from 269 on two. */
static uint8_t nibble_of(uint32_t value)
{
	return value < 13 ? (uint8_t)value : value < 269 ? 13 : 14;
}

static uint32_t put_extended(uint8_t *at, uint32_t value)
{
	if (value < 13)
		return 0;
	if (value < 269) {
		*at = (uint8_t)(value - 13);
		return 1;
	}
	put_be16(at, (uint16_t)(value - 269));
	return 2;
}

void coap_build_option(struct coap_builder *b, uint16_t number, const void *value, uint32_t bytes)
{
	CHECK_OP(number, >=, b->number);
	CHECK_OP(bytes, <=, 65535u + 269u);
	uint32_t delta = (uint32_t)number - b->number;
	uint8_t head[5];
	uint32_t n = 1;
	head[0] = (uint8_t)(nibble_of(delta) << 4 | nibble_of(bytes));
	n += put_extended(head + n, delta);
	n += put_extended(head + n, bytes);
	if (!has_room(b, n + bytes))
		return;
	put_bytes(b, head, n);
	put_bytes(b, value, bytes);
	b->number = number;
}

void coap_build_uint(struct coap_builder *b, uint16_t number, uint32_t value)
{
	uint8_t bytes[4];
	uint32_t skip = value ? (uint32_t)__builtin_clz(value) / 8 : 4; /* 3.2: no leading zeros */
	put_be32(bytes, value);
	coap_build_option(b, number, bytes + skip, 4 - skip);
}

void coap_build_block(struct coap_builder *b, uint16_t number, const struct coap_block *block)
{
	coap_build_uint(b, number, block->number << 4 | (uint32_t)block->more << 3 | block->szx);
}

void coap_build_parts(struct coap_builder *b, uint16_t number, struct bytes joined, char separator)
{
	if (joined.count == 0)
		return;
	for (uint32_t at = 0; at <= joined.count;) {
		const uint8_t *part = joined.data + at;
		const uint8_t *stop = memchr(part, separator, joined.count - at);
		uint32_t bytes = stop ? (uint32_t)(stop - part) : joined.count - at;
		coap_build_option(b, number, part, bytes);
		at += bytes + 1;
	}
}

void coap_build_payload(struct coap_builder *b, const void *data, uint32_t bytes)
{
	if (bytes == 0 || !has_room(b, 1 + bytes))
		return;
	*b->at++ = PAYLOAD_MARKER;
	put_bytes(b, data, bytes);
}

uint32_t coap_build_end(const struct coap_builder *b)
{
	return b->full ? 0 : (uint32_t)(b->at - b->start);
}
