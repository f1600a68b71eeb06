/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One CoAP message as bytes and as a struct (RFC 7252 3). Pure functions: nothing is copied but
 * the token; options and payload point into the datagram.
 */
#ifndef HEADRACE_COAP_COAP_MESSAGE_H
#define HEADRACE_COAP_COAP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "contract/counters.h"

#define COAP_WELL_FORMED COUNTER_COUNT

#define COAP_HEADER_BYTES 4
#define COAP_TOKEN_BYTES  8

enum coap_type { COAP_CON = 0, COAP_NON = 1, COAP_ACK = 2, COAP_RST = 3 };

#define COAP_EMPTY                0
#define COAP_CODE_OF(cls, detail) ((uint8_t)((cls) << 5 | (detail)))
#define COAP_CLASS(code)          ((code) >> 5)

/* RFC 7252 5.10, RFC 7641 2, RFC 7959 2.1 and 4, RFC 7967 2, RFC 8768 3, RFC 9175 3.2 */
enum coap_option_number {
	COAP_IF_MATCH = 1,
	COAP_URI_HOST = 3,
	COAP_ETAG = 4,
	COAP_IF_NONE_MATCH = 5,
	COAP_OBSERVE = 6,
	COAP_URI_PORT = 7,
	COAP_LOCATION_PATH = 8,
	COAP_URI_PATH = 11,
	COAP_CONTENT_FORMAT = 12,
	COAP_MAX_AGE = 14,
	COAP_URI_QUERY = 15,
	COAP_HOP_LIMIT = 16,
	COAP_ACCEPT = 17,
	COAP_LOCATION_QUERY = 20,
	COAP_BLOCK2 = 23,
	COAP_BLOCK1 = 27,
	COAP_SIZE2 = 28,
	COAP_PROXY_URI = 35,
	COAP_PROXY_SCHEME = 39,
	COAP_SIZE1 = 60,
	COAP_NO_RESPONSE = 258,
	COAP_REQUEST_TAG = 292,
};

struct coap_message {
	uint8_t type; /* enum coap_type */
	uint8_t code;
	uint16_t id;
	uint8_t token_bytes;
	uint8_t token[COAP_TOKEN_BYTES];
	struct bytes options; /* as encoded, without the payload marker */
	struct bytes payload; /* data is NULL when there is no marker */
};

/* COAP_WELL_FORMED or the counter of the error. When at least COAP_HEADER_BYTES are there, type,
 * code and id are valid whatever it returns. Untrusted. */
enum counter coap_message_parse(const uint8_t *bytes, uint32_t count, struct coap_message *msg);

/* ---- options, in order ---- */

struct coap_options {
	const uint8_t *at;
	const uint8_t *end;
	uint32_t number; /* of the last one taken */
};

struct coap_option {
	uint16_t number;
	struct bytes value;
};

/* Is there another one? (The payload marker ends them.) */
static inline bool coap_options_more(const struct coap_options *o)
{
	return o->at < o->end && *o->at != 0xff;
}

/* Take the next; only after coap_options_more. Untrusted. */
enum counter coap_options_next(struct coap_options *o, struct coap_option *option);

/* An unsigned integer of at most four bytes (RFC 7252 3.2). */
uint32_t coap_option_uint(struct bytes value);

static inline bool coap_option_critical(uint16_t number)
{
	return number & 1; /* 5.4.6 */
}

/* What the option's definition says of its length and repetition (tables 4 in 5.10, RFC 7959 2.1,
 * RFC 7967 2). NULL: an option that this server does not know. */
struct coap_option_rule {
	uint16_t number;
	uint16_t bytes_min, bytes_max;
	bool repeatable;
};
const struct coap_option_rule *coap_option_rule(uint16_t number);

/* ---- Block1 and Block2 (RFC 7959 2.2) ---- */

#define COAP_SZX_MAX      6 /* blocks of 1,024 bytes; 7 is reserved */
#define COAP_BLOCK_NUMBERS (1u << 20)

struct coap_block {
	uint32_t number;
	uint8_t szx; /* blocks of 2^(szx + 4) bytes */
	bool more;
	bool present;
};

/* Of a value of at most three bytes. A reserved szx of 7 is left for the caller to refuse. */
struct coap_block coap_block_read(struct bytes value);

static inline uint32_t coap_block_bytes(uint8_t szx)
{
	return 16u << szx;
}

/* ---- building; options in rising order ---- */

struct coap_builder {
	uint8_t *start, *at, *end;
	uint16_t number; /* of the last option */
	bool full;       /* something did not fit */
};

void coap_build_start(struct coap_builder *b, uint8_t *out, uint32_t room,
                      const struct coap_message *header);
void coap_build_option(struct coap_builder *b, uint16_t number, const void *value, uint32_t bytes);
void coap_build_uint(struct coap_builder *b, uint16_t number, uint32_t value);
void coap_build_block(struct coap_builder *b, uint16_t number, const struct coap_block *block);
/* One option per part of `joined` between separators; nothing when it is empty. */
void coap_build_parts(struct coap_builder *b, uint16_t number, struct bytes joined, char separator);
/* Nothing when `bytes` is 0. */
void coap_build_payload(struct coap_builder *b, const void *data, uint32_t bytes);
/* Bytes in all; 0: it did not fit. */
uint32_t coap_build_end(const struct coap_builder *b);

#endif
