/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP messages for tests, in one line each: `frame_make(out, &(struct frame){...})`. Built with
 * the project's own builder, whose bytes test_coap_message checks against the RFC's.
 */
#ifndef HEADRACE_TESTS_COAP_FRAME_H
#define HEADRACE_TESTS_COAP_FRAME_H

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coap/coap_message.h"

#define FRAME_BYTES   2048
#define FRAME_OPTIONS 8

struct frame_option {
	uint16_t number; /* 0: none; in rising order */
	const void *value;
	uint32_t bytes;
};

struct frame {
	uint8_t type; /* enum coap_type */
	uint8_t code; /* method or response code */
	uint16_t id;
	uint8_t token; /* 0: none, else the only byte of it */
	const char *path;  /* "a/b"; NULL: none */
	const char *query; /* "a=1&b=2"; NULL: none */
	/* the options that tests are about; numbers between the others' are put in their place */
	bool has_observe, has_block1, has_block2, has_format, has_accept, if_none_match;
	uint32_t observe;
	struct coap_block block1, block2;
	uint32_t format, accept, size1;
	struct frame_option if_match, etag;
	struct frame_option extra[FRAME_OPTIONS]; /* with numbers above Size1's */
	const void *payload;
	uint32_t payload_bytes;
};

static inline void frame_put(struct coap_builder *b, const struct frame_option *o)
{
	if (o->number)
		coap_build_option(b, o->number, o->value, o->bytes);
}

static inline void frame_parts(struct coap_builder *b, uint16_t number, const char *text,
                               char separator)
{
	if (text)
		coap_build_parts(
		    b, number, (struct bytes){(const uint8_t *)text, (uint32_t)strlen(text)},
		    separator);
}

/* Returns the bytes. */
static inline uint32_t frame_make(uint8_t out[FRAME_BYTES], const struct frame *f)
{
	struct coap_builder b;
	struct coap_message header = {.type = f->type, .code = f->code, .id = f->id};
	header.token_bytes = f->token != 0;
	header.token[0] = f->token;
	coap_build_start(&b, out, FRAME_BYTES, &header);
	frame_put(&b, &f->if_match);
	frame_put(&b, &f->etag);
	if (f->if_none_match)
		coap_build_option(&b, COAP_IF_NONE_MATCH, NULL, 0);
	if (f->has_observe)
		coap_build_uint(&b, COAP_OBSERVE, f->observe);
	frame_parts(&b, COAP_URI_PATH, f->path, '/');
	if (f->has_format)
		coap_build_uint(&b, COAP_CONTENT_FORMAT, f->format);
	frame_parts(&b, COAP_URI_QUERY, f->query, '&');
	if (f->has_accept)
		coap_build_uint(&b, COAP_ACCEPT, f->accept);
	if (f->has_block2)
		coap_build_block(&b, COAP_BLOCK2, &f->block2);
	if (f->has_block1)
		coap_build_block(&b, COAP_BLOCK1, &f->block1);
	if (f->size1)
		coap_build_uint(&b, COAP_SIZE1, f->size1);
	for (uint32_t i = 0; i < FRAME_OPTIONS; i++)
		frame_put(&b, &f->extra[i]);
	coap_build_payload(&b, f->payload, f->payload_bytes);
	uint32_t bytes = coap_build_end(&b);
	CHECK_OP(bytes, >, 0u);
	return bytes;
}

/* The first option of that number. False: there is none. */
static inline bool frame_option(const struct coap_message *msg, uint16_t number,
                                struct bytes *value)
{
	struct coap_options o = {msg->options.data, msg->options.data + msg->options.count, 0};
	struct coap_option option;
	while (coap_options_more(&o) && coap_options_next(&o, &option) == COAP_WELL_FORMED)
		if (option.number == number) {
			*value = option.value;
			return true;
		}
	return false;
}

/* Its number; UINT32_MAX: there is none. */
static inline uint32_t frame_uint(const struct coap_message *msg, uint16_t number)
{
	struct bytes value;
	return frame_option(msg, number, &value) ? coap_option_uint(value) : UINT32_MAX;
}

static inline struct coap_block frame_block(const struct coap_message *msg, uint16_t number)
{
	struct bytes value;
	return frame_option(msg, number, &value) ? coap_block_read(value) : (struct coap_block){0};
}

#endif
