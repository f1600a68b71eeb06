/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers and notifications to bytes: options in order, the payload or one block of it (RFC 7959
 * 2.4), and where the bytes are kept until nobody asks for them again.
 *
 * Input: the application's responses. Output: one datagram's bytes. Owned by one io worker; memory
 * from coap_slots_init only.
 */
#include "coap/coap_priv.h"

#include <stdlib.h>

#include "base/check.h"

bool coap_slots_init(struct coap_server *c)
{
	c->slots = malloc(c->config.answers_max * sizeof c->slots[0]);
	if (!c->slots)
		return false;
	for (uint32_t i = 0; i < c->config.answers_max; i++)
		c->slots[i].exchange = COAP_NIL;
	return true;
}

/* How much of a text of `count` bytes fits into `room`, without cutting a character in two. */
static uint32_t text_fit(struct bytes text, uint32_t room)
{
	if (text.count <= room)
		return text.count;
	while (room > 0 && (text.data[room] & 0xc0) == 0x80)
		room--;
	return room;
}

/* The part of a payload that goes into one message. */
struct slice {
	struct bytes payload;
	struct coap_block block2; /* present: it has to be said */
	bool outside;             /* there is no such block */
};

static struct slice slice_of(const struct coap_server *c, const struct coap_envelope *envelope,
                             const struct coap_response *r)
{
	struct slice s = {.payload = r->payload};
	uint32_t largest = coap_block_bytes(c->config.szx_max);
	if (COAP_CLASS(r->code) != 2) {
		s.payload.count = text_fit(r->payload, largest);
		return s;
	}
	bool asked = envelope->block2 != COAP_NIL;
	s.block2.szx = c->config.szx_max;
	if (asked && (envelope->block2 & 7) < s.block2.szx)
		s.block2.szx = envelope->block2 & 7; /* early negotiation: the smaller one counts */
	uint32_t bytes = coap_block_bytes(s.block2.szx);
	/* a block number is in units of the size that the client asked for */
	uint64_t offset = asked ? (uint64_t)(envelope->block2 >> 4)
	                              << ((envelope->block2 & 7) + 4)
	                        : 0;
	if (offset > 0 && offset >= r->payload.count) {
		s.outside = true;
		return s;
	}
	uint32_t left = r->payload.count - (uint32_t)offset;
	s.block2.present = asked || left > bytes;
	s.block2.number = (uint32_t)(offset / bytes);
	s.block2.more = left > bytes;
	if (left > 0)
		s.payload = (struct bytes){r->payload.data + offset, left < bytes ? left : bytes};
	return s;
}

/* In the order of their numbers (RFC 7252 3.1). */
static void put_options(const struct coap_server *c, struct coap_builder *b,
                        const struct coap_envelope *envelope, const struct coap_response *r,
                        const struct slice *s)
{
	if (r->etag.bytes > 0)
		coap_build_option(b, COAP_ETAG, r->etag.value, r->etag.bytes);
	if (envelope->sequence != COAP_NIL)
		coap_build_uint(b, COAP_OBSERVE, envelope->sequence);
	coap_build_parts(b, COAP_LOCATION_PATH, r->location_path, '/');
	if (r->content_format != COAP_FORMAT_NONE)
		coap_build_uint(b, COAP_CONTENT_FORMAT, r->content_format);
	if (r->has_max_age)
		coap_build_uint(b, COAP_MAX_AGE, r->max_age_s);
	coap_build_parts(b, COAP_LOCATION_QUERY, r->location_query, '&');
	if (s->block2.present)
		coap_build_block(b, COAP_BLOCK2, &s->block2);
	if (envelope->block1 != COAP_NIL) {
		struct coap_block block1 = {.number = envelope->block1 >> 4,
		                            .szx = envelope->block1 & 7,
		                            .more = r->code == COAP_CODE_OF(2, 31)};
		if (block1.szx > c->config.szx_max)
			block1.szx = c->config.szx_max; /* from the next block on: RFC 7959 2.3 */
		coap_build_block(b, COAP_BLOCK1, &block1);
	}
	if (s->block2.present && s->block2.number == 0 && s->block2.more)
		coap_build_uint(b, COAP_SIZE2, r->payload.count); /* RFC 7959 4 */
	if (r->code == COAP_CODE_OF(4, 13))
		coap_build_uint(b, COAP_SIZE1, c->config.payload_bytes_max); /* 5.9.2.9 */
}

uint32_t coap_answer_build(const struct coap_server *c, uint8_t out[COAP_DATAGRAM_BYTES],
                           const struct coap_envelope *envelope,
                           const struct coap_response *response, bool *sliced)
{
	static const struct coap_response outside = {.code = COAP_CODE_OF(4, 0),
	                                             .content_format = COAP_FORMAT_NONE};
	static const struct coap_response oversize = {.code = COAP_CODE_OF(5, 0),
	                                              .content_format = COAP_FORMAT_NONE};
	struct slice slice = slice_of(c, envelope, response);
	*sliced = slice.block2.present && slice.block2.more && !slice.outside;
	struct coap_message header = {.type = envelope->type,
	                              .code = response->code,
	                              .id = envelope->id,
	                              .token_bytes = envelope->token_bytes};
	memcpy(header.token, envelope->token, envelope->token_bytes);
	if (slice.outside) {
		response = &outside; /* RFC 7959 2.4: no such block */
		header.code = outside.code;
		slice.block2.present = false;
		slice.payload.count = 0;
	}
	struct coap_builder b;
	coap_build_start(&b, out, COAP_DATAGRAM_BYTES, &header);
	put_options(c, &b, envelope, response, &slice);
	coap_build_payload(&b, slice.payload.data, slice.payload.count);
	uint32_t bytes = coap_build_end(&b);
	if (bytes > 0)
		return bytes;
	/* only a Location of hundreds of bytes can do that */
	struct slice nothing = {.payload = {NULL, 0}};
	*sliced = false;
	header.code = oversize.code;
	coap_build_start(&b, out, COAP_DATAGRAM_BYTES, &header);
	put_options(c, &b, envelope, &oversize, &nothing);
	bytes = coap_build_end(&b);
	CHECK_OP(bytes, >, 0u);
	return bytes;
}

/* The next slot in turn. Whose answer lies in it is forgotten, unless it is just being sent. */
static uint32_t take_slot(struct coap_server *c, const struct coap_exchange *keep)
{
	uint32_t at = c->slot_next;
	c->slot_next = (at + 1) % c->config.answers_max;
	uint32_t old = c->slots[at].exchange;
	if (old != COAP_NIL && &c->exchanges[old] != keep) {
		counter_add(c->counters, COUNTER_COAP_EVICTED, 1);
		coap_exchange_release(c, &c->exchanges[old]);
	}
	return at;
}

void coap_answer_keep(struct coap_server *c, struct coap_exchange *e, const uint8_t *bytes,
                      uint32_t count)
{
	CHECK_OP(count, <=, (uint32_t)COAP_DATAGRAM_BYTES);
	CHECK(e->slot == COAP_NIL);
	e->answer_bytes = (uint16_t)count;
	if (count <= COAP_ANSWER_BYTES) {
		memcpy(e->answer, bytes, count);
		return;
	}
	e->slot = take_slot(c, e);
	c->slots[e->slot].exchange = coap_exchange_index(c, e);
	memcpy(c->slots[e->slot].bytes, bytes, count);
}

const uint8_t *coap_answer_bytes(const struct coap_server *c, const struct coap_exchange *e)
{
	return e->slot == COAP_NIL ? e->answer : c->slots[e->slot].bytes;
}
