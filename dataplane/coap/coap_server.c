/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message layer of a CoAP server (RFC 7252 4, 5.2): which datagram means what, and which
 * answer goes out in which kind of message.
 *
 * Input: datagrams, untrusted, and the application's answers. Output: requests, once each, and
 * datagrams. Owned by one io worker; memory from coap_server_new only. It never reads a clock
 * and never sends more than one datagram for one that came in.
 */
#include "coap/coap_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

struct coap_server *coap_server_new(const struct coap_config *config, const struct coap_app *ops,
                                    void *app, struct counters *counters)
{
	CHECK_OP(config->exchanges_max, >, 0u);
	CHECK_OP(config->exchanges_max, <, UINT32_MAX / 2);
	CHECK_OP(config->answers_max, >, 0u);
	CHECK_OP(config->bodies_max, >, 0u);
	CHECK_OP(config->observers_max, >, 0u);
	CHECK_OP(config->separate_after_ms, <, 2000u);
	CHECK_OP(config->szx_max, <, COAP_SZX_MAX + 1u);
	CHECK_OP(config->leisure_ms, <, COAP_LEISURE_MS_MAX + 1u);
	struct coap_server *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->config = *config;
	c->ops = ops;
	c->app = app;
	c->counters = counters;
	c->key = (struct hash_key){config->seed, config->seed ^ 0x5851f42d4c957f2du};
	c->random = siphash13(c->key, "jitter", 6);
	coap_wheel_init(&c->wheel);
	if (!coap_exchanges_init(c) || !coap_slots_init(c) || !coap_bodies_init(c) ||
	    !coap_observers_init(c)) {
		coap_server_free(c);
		return NULL;
	}
	return c;
}

void coap_server_free(struct coap_server *c)
{
	if (!c)
		return;
	free(c->exchanges);
	free(c->buckets);
	free(c->slots);
	free(c->bodies);
	free(c->body_bytes);
	free(c->observers);
	free(c->observer_buckets);
	free(c);
}

uint64_t coap_server_memory(const struct coap_config *config)
{
	return sizeof(struct coap_server) +
	       config->exchanges_max * (sizeof(struct coap_exchange) + sizeof(uint32_t)) +
	       config->answers_max * sizeof(struct coap_slot) +
	       config->bodies_max * (sizeof(struct coap_body) + config->payload_bytes_max) +
	       config->observers_max * (sizeof(struct coap_observer) + sizeof(uint32_t));
}

void coap_levels_get(const struct coap_server *c, struct coap_levels *levels)
{
	levels->bodies = atomic_load_explicit(&c->bodies_used, memory_order_relaxed);
	levels->observers = atomic_load_explicit(&c->observers_used, memory_order_relaxed);
}

/* ---- sending ---- */

void coap_send(struct coap_server *c, const struct coap_peer *peer, const uint8_t *bytes,
               uint32_t count, enum counter what)
{
	bool sent = c->ops->on_send(c->app, peer, bytes, count);
	counter_add(c->counters, sent ? what : COUNTER_COAP_UNSENT, 1);
}

void coap_send_empty(struct coap_server *c, const struct coap_peer *peer, enum coap_type type,
                     uint16_t id, enum counter what)
{
	struct coap_message header = {.type = (uint8_t)type, .code = COAP_EMPTY, .id = id};
	struct coap_builder b;
	uint8_t out[COAP_HEADER_BYTES];
	coap_build_start(&b, out, sizeof out, &header);
	coap_send(c, peer, out, coap_build_end(&b), what);
}

/* RFC 7967 2: bit 1 for class 2, bit 3 for class 4, bit 4 for class 5. */
static bool is_unwanted(uint8_t no_response, uint8_t code)
{
	return COAP_CLASS(code) > 0 && no_response >> (COAP_CLASS(code) - 1) & 1;
}

/* ---- requests that are answered at once and not remembered: the same again gets the same ---- */

static uint8_t code_for(enum counter why)
{
	switch (why) {
	case COUNTER_COAP_REFUSED_BLOCK:
		return COAP_CODE_OF(4, 0);
	case COUNTER_COAP_REFUSED_OPTION:
		return COAP_CODE_OF(4, 2);
	case COUNTER_COAP_REFUSED_PATH:
		return COAP_CODE_OF(4, 4);
	case COUNTER_COAP_REFUSED_METHOD:
		return COAP_CODE_OF(4, 5);
	case COUNTER_COAP_REFUSED_INCOMPLETE:
		return COAP_CODE_OF(4, 8);
	case COUNTER_COAP_REFUSED_CONDITION:
		return COAP_CODE_OF(4, 12);
	case COUNTER_COAP_REFUSED_SIZE:
		return COAP_CODE_OF(4, 13);
	case COUNTER_COAP_REFUSED_FORMAT:
		return COAP_CODE_OF(4, 15);
	case COUNTER_COAP_REFUSED_PROXY:
		return COAP_CODE_OF(5, 5);
	default:
		return COAP_CODE_OF(5, 3);
	}
}

/* A request on its way through this file. */
struct incoming {
	const struct coap_peer *peer;
	uint64_t peer_hash;
	const struct coap_message *msg;
	bool multicast;
	uint64_t now_us;
	uint64_t key;
	struct coap_demand demand;
	struct coap_request request;
};

static void refuse(struct coap_server *c, const struct incoming *in, enum counter why)
{
	bool con = in->msg->type == COAP_CON;
	counter_add(c->counters, why, 1);
	if (in->multicast)
		return; /* 8.1, 8.2: errors to a group are not answered */
	if (why == COUNTER_COAP_REFUSED_OPTION && !con)
		return; /* 5.4.1: rejected, that is, ignored (4.3) */

	char text[32];
	struct coap_response r = {.code = code_for(why), .content_format = COAP_FORMAT_NONE};
	if (is_unwanted(in->demand.no_response, r.code)) {
		counter_add(c->counters, COUNTER_COAP_SUPPRESSED, 1);
		if (con)
			coap_send_empty(c, in->peer, COAP_ACK, in->msg->id, COUNTER_COAP_OUT_ACK);
		return;
	}
	if (why == COUNTER_COAP_REFUSED_OPTION) { /* 5.4.1: a diagnostic */
		r.payload.data = (const uint8_t *)text;
		r.payload.count = (uint32_t)snprintf(text, sizeof text, "option %u not supported",
		                                     in->demand.bad_option);
	}
	r.has_max_age = r.code == COAP_CODE_OF(5, 3);
	r.max_age_s = c->config.overload_max_age_s;
	struct coap_envelope envelope = {
	    .type = con ? COAP_ACK : COAP_NON,
	    .id = con ? in->msg->id : coap_answer_id(in->peer_hash, in->msg->id),
	    .token = in->msg->token,
	    .token_bytes = in->msg->token_bytes,
	    .block1 = coap_block_pack(&in->demand.block1),
	    .block2 = COAP_NIL,
	    .sequence = COAP_NIL,
	};
	bool sliced;
	uint32_t bytes = coap_answer_build(c, c->scratch, &envelope, &r, &sliced);
	coap_send(c, in->peer, c->scratch, bytes,
	          con ? COUNTER_COAP_OUT_PIGGYBACKED : COUNTER_COAP_OUT_NON);
}

/* ---- requests ---- */

/* 4.5: repeated requests are not processed again; a CON gets what the first one got, if it got
 * something yet. */
static void take_duplicate(struct coap_server *c, const struct coap_exchange *e,
                           const struct coap_message *msg)
{
	if (!e->confirmable || msg->type != COAP_CON) { /* nothing but a CON gets an ACK */
		counter_add(c->counters, COUNTER_COAP_DUPLICATE_NON, 1);
		return;
	}
	counter_add(c->counters, COUNTER_COAP_DUPLICATE_CON, 1);
	if (e->acked)
		coap_send_empty(c, &e->peer, COAP_ACK, e->id, COUNTER_COAP_OUT_AGAIN);
	else if (e->state == COAP_X_DONE)
		coap_send(c, &e->peer, coap_answer_bytes(c, e), e->answer_bytes,
		          COUNTER_COAP_OUT_AGAIN);
}

static enum counter taken_counter(enum coap_take take)
{
	switch (take) {
	case COAP_TAKEN:
		return COUNTER_COAP_TAKEN;
	case COAP_NOT_FOUND:
		return COUNTER_COAP_REFUSED_PATH;
	case COAP_NOT_ALLOWED:
		return COUNTER_COAP_REFUSED_METHOD;
	case COAP_BAD_FORMAT:
		return COUNTER_COAP_REFUSED_FORMAT;
	case COAP_BAD_CONDITION:
		return COUNTER_COAP_REFUSED_CONDITION;
	case COAP_OVERLOADED:
		break;
	}
	return COUNTER_COAP_OVERLOADED_OUT;
}

/* An exchange for the request at hand; there is room. */
static struct coap_exchange *begin(struct coap_server *c, const struct incoming *in)
{
	struct coap_exchange *e = coap_exchange_take(c, in->peer, in->peer_hash, in->msg->id,
	                                             in->now_us, in->request.confirmable);
	e->no_response = in->demand.no_response;
	e->multicast = in->multicast;
	e->method = in->request.method;
	e->key = in->key;
	e->block1 = coap_block_pack(&in->demand.block1);
	e->block2 = coap_block_pack(&in->demand.block2);
	e->token_bytes = in->msg->token_bytes;
	memcpy(e->token, in->msg->token, sizeof e->token);
	return e;
}

/* RFC 7641 4.1; not with a later block (RFC 7959 2.6), and never for a group. */
static void take_observe(struct coap_server *c, struct incoming *in, struct coap_exchange *e)
{
	const struct coap_block *block2 = &in->demand.block2;
	if (in->demand.observe == COAP_OBSERVE_CANCEL)
		coap_observer_cancel(c, in->peer, in->peer_hash, in->msg);
	if (in->demand.observe != COAP_OBSERVE_REGISTER || in->multicast ||
	    (block2->present && block2->number > 0))
		return;
	uint8_t szx = block2->present ? block2->szx : COAP_SZX_MAX;
	e->observer = coap_observer_ask(c, e, in->peer_hash, in->msg, szx, in->now_us);
	if (e->observer == COAP_NIL)
		return; /* 4.1: answered like any GET */
	in->request.observe = true;
	in->request.observer = coap_observer_handle(c, e->observer);
}

/* A new request that can be understood: offer it to the application. COUNTER_COAP_TAKEN, or why
 * it was refused. */
static enum counter offer(struct coap_server *c, struct incoming *in)
{
	struct coap_exchange *e = begin(c, in);
	take_observe(c, in, e);
	enum counter fate =
	    taken_counter(c->ops->on_request(c->app, coap_exchange_handle(c, e), &in->request));
	if (fate == COUNTER_COAP_TAKEN)
		coap_exchange_keep_spare(c, e);
	else
		coap_exchange_release(c, e);
	return fate;
}

/* Answered here: the same again gets the same. */
static void answer_here(struct coap_server *c, const struct incoming *in,
                        const struct coap_response *r)
{
	struct coap_exchange *e = begin(c, in);
	coap_answer(c, coap_exchange_handle(c, e), r, in->now_us);
	coap_exchange_keep_spare(c, e);
}

static enum counter take_new(struct coap_server *c, struct incoming *in)
{
	static const struct coap_response more = {.code = COAP_CODE_OF(2, 31),
	                                          .content_format = COAP_FORMAT_NONE};
	enum counter why =
	    coap_request_read(in->msg, c->config.payload_bytes_max, &in->request, &in->demand);
	if (why != COAP_WELL_FORMED)
		return why;
	if (!coap_exchange_room(c))
		return COUNTER_COAP_OVERLOADED_OUT;
	in->key = coap_resource_key(c, &in->request);
	const struct coap_block *block2 = &in->demand.block2;
	bool later = block2->present && block2->number > 0;
	struct coap_response kept;
	if (later && coap_body_kept(c, in->peer, in->key, &kept, in->now_us)) {
		answer_here(c, in, &kept);
		return COUNTER_COAP_BLOCK_SERVED;
	}
	if (later && in->request.method != COAP_GET)
		return COUNTER_COAP_REFUSED_INCOMPLETE; /* it can't be done again for a block */
	struct coap_body *body = NULL;
	if (in->demand.block1.present) {
		why = coap_block_take(c, &in->request, &in->demand, in->key, in->now_us, &body);
		if (why == COUNTER_COAP_CONTINUED)
			answer_here(c, in, &more);
		if (why != COUNTER_COAP_TAKEN)
			return why;
	}
	why = offer(c, in);
	if (body && why != COUNTER_COAP_OVERLOADED_OUT) /* else the last block may come again */
		coap_body_release(c, body);
	return why;
}

static void take_request(struct coap_server *c, const struct coap_peer *peer, bool multicast,
                         const struct coap_message *msg, uint64_t now_us)
{
	uint64_t peer_hash = coap_peer_hash(c, peer);
	struct coap_exchange *known = coap_exchange_find(c, peer, peer_hash, msg->id, now_us);
	if (known) {
		take_duplicate(c, known, msg);
		return;
	}
	struct incoming in; /* a kilobyte of texts: not cleared as a whole */
	in.peer = peer;
	in.peer_hash = peer_hash;
	in.msg = msg;
	in.multicast = multicast;
	in.now_us = now_us;
	in.key = 0;
	in.request.peer = *peer;
	in.request.multicast = multicast;
	enum counter fate = take_new(c, &in);
	bool done = fate == COUNTER_COAP_TAKEN || fate == COUNTER_COAP_CONTINUED ||
	            fate == COUNTER_COAP_BLOCK_SERVED;
	if (done)
		counter_add(c->counters, fate, 1);
	else
		refuse(c, &in, fate);
}

/* ---- everything else that can come in ---- */

/* An ACK or RST that the client sends: it ends the retransmission of a separate answer. A NON
 * answer that is rejected by RST asks for nothing more either. */
static void take_reply(struct coap_server *c, const struct coap_peer *peer,
                       const struct coap_message *msg, uint64_t now_us)
{
	bool ack = msg->type == COAP_ACK;
	bool matched = false;
	if (msg->code == COAP_EMPTY) {
		uint64_t peer_hash = coap_peer_hash(c, peer);
		uint16_t request_id = coap_request_id(peer_hash, msg->id);
		struct coap_exchange *e =
		    coap_exchange_find(c, peer, peer_hash, request_id, now_us);
		if (e && e->state == COAP_X_SENDING) {
			coap_exchange_to(c, e, COAP_X_DONE);
			matched = true;
		} else if (e && e->state == COAP_X_DONE && !e->confirmable && !ack) {
			matched = true;
		} else {
			matched = coap_observer_reply(c, peer, peer_hash, msg, now_us);
		}
	}
	enum counter fate = ack ? matched ? COUNTER_COAP_ACK_MATCHED : COUNTER_COAP_ACK_IGNORED
	                    : matched ? COUNTER_COAP_RST_MATCHED
	                              : COUNTER_COAP_RST_IGNORED;
	counter_add(c->counters, fate, 1);
}

/* 4.2, 4.3: what can't be processed is rejected, a CON by RST, anything else in silence. */
static void reject(struct coap_server *c, const struct coap_peer *peer, bool multicast,
                   const struct coap_message *msg, enum counter why)
{
	counter_add(c->counters, why, 1);
	if (multicast)
		return; /* 8.1: no RST for what came to a group */
	bool readable = why != COUNTER_COAP_ERR_SHORT && why != COUNTER_COAP_ERR_VERSION;
	if (readable && msg->type == COAP_CON)
		coap_send_empty(c, peer, COAP_RST, msg->id, COUNTER_COAP_OUT_RST);
}

void coap_input(struct coap_server *c, const struct coap_peer *peer, bool multicast,
                const uint8_t *bytes, uint32_t count, uint64_t now_us)
{
	struct coap_message msg;
	counter_add(c->counters, COUNTER_COAP_IN, 1);
	enum counter why = coap_message_parse(bytes, count, &msg);
	if (why != COAP_WELL_FORMED)
		reject(c, peer, multicast, &msg, why);
	else if (multicast && msg.type != COAP_NON)
		reject(c, peer, multicast, &msg, COUNTER_COAP_ERR_GROUP); /* 8.1 */
	else if (msg.type == COAP_ACK || msg.type == COAP_RST)
		take_reply(c, peer, &msg, now_us);
	else if (msg.code == COAP_EMPTY)
		reject(c, peer, multicast, &msg,
		       msg.type == COAP_CON ? COUNTER_COAP_PING : COUNTER_COAP_ERR_EMPTY);
	else if (COAP_CLASS(msg.code) == 0)
		take_request(c, peer, multicast, &msg, now_us);
	else
		reject(c, peer, multicast, &msg, COUNTER_COAP_RESPONSE_IGNORED); /* 5.3.2 */
}

/* ---- the application's answer ---- */

static struct coap_exchange *exchange_of(struct coap_server *c, coap_handle handle)
{
	uint32_t index = (uint32_t)handle;
	if (index > c->config.exchanges_max)
		return NULL;
	struct coap_exchange *e = &c->exchanges[index];
	bool fresh = e->generation == handle >> 32 && e->state == COAP_X_TAKEN;
	return fresh ? e : NULL;
}

/* The client wants no such answer: the request is acknowledged and that is all. */
static void suppress(struct coap_server *c, struct coap_exchange *e)
{
	counter_add(c->counters, COUNTER_COAP_SUPPRESSED, 1);
	bool ack_due = e->confirmable && !e->acked;
	if (ack_due)
		coap_exchange_acked(c, e);
	coap_exchange_to(c, e, COAP_X_DONE);
	if (ack_due)
		coap_send_empty(c, &e->peer, COAP_ACK, e->id, COUNTER_COAP_OUT_ACK);
}

/* The group would get many of these: only what is of use is answered (8.2), and not at once. */
static bool is_unwanted_by_group(const struct coap_exchange *e, const struct coap_response *r)
{
	return e->multicast && (COAP_CLASS(r->code) != 2 || r->payload.count == 0);
}

static void send_answer(struct coap_server *c, struct coap_exchange *e, uint64_t now_us)
{
	bool separate = e->confirmable && e->acked;
	if (e->multicast) {
		coap_exchange_to(c, e, COAP_X_LEISURE);
		coap_leisure_start(c, e, now_us);
		return;
	}
	coap_exchange_to(c, e, separate ? COAP_X_SENDING : COAP_X_DONE);
	if (separate)
		coap_retransmit_start(c, e, now_us);
	coap_send(c, &e->peer, coap_answer_bytes(c, e), e->answer_bytes,
	          separate         ? COUNTER_COAP_OUT_SEPARATE
	          : e->confirmable ? COUNTER_COAP_OUT_PIGGYBACKED
	                           : COUNTER_COAP_OUT_NON);
}

void coap_answer(struct coap_server *c, coap_handle exchange, const struct coap_response *response,
                 uint64_t now_us)
{
	struct coap_exchange *e = exchange_of(c, exchange);
	if (!e) {
		counter_add(c->counters, COUNTER_COAP_STALE_ANSWER, 1);
		return;
	}
	bool observed = response->observed && COAP_CLASS(response->code) == 2;
	uint32_t sequence = coap_observer_settle(c, e, observed, now_us);
	if (is_unwanted(e->no_response, response->code) || is_unwanted_by_group(e, response)) {
		suppress(c, e);
		return;
	}
	bool piggyback = e->confirmable && !e->acked; /* 5.2.1; else 5.2.2, 5.2.3 */
	struct coap_envelope envelope = {
	    .type = piggyback ? COAP_ACK : e->confirmable ? COAP_CON : COAP_NON,
	    .id = piggyback ? e->id : e->answer_id,
	    .token = e->token,
	    .token_bytes = e->token_bytes,
	    .block1 = e->block1,
	    .block2 = e->block2,
	    .sequence = sequence,
	};
	bool sliced;
	uint32_t bytes = coap_answer_build(c, c->scratch, &envelope, response, &sliced);
	bool first = e->block2 == COAP_NIL || e->block2 >> 4 == 0;
	if (sliced && first)
		coap_body_keep(c, &e->peer, e->key, response, now_us);
	coap_answer_keep(c, e, c->scratch, bytes);
	send_answer(c, e, now_us);
}

void coap_respond(struct coap_server *c, coap_handle exchange, uint8_t code, const char *text,
                  uint32_t text_bytes, uint64_t now_us)
{
	bool plain = COAP_CLASS(code) == 2 && text_bytes > 0;
	coap_answer(c, exchange,
	            &(struct coap_response){
	                .code = code,
	                .content_format = plain ? 0 : COAP_FORMAT_NONE, /* 5.5.1, 5.5.2 */
	                .payload = {(const uint8_t *)text, text_bytes},
	            },
	            now_us);
}
