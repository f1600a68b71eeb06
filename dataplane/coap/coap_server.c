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

/* An answer before it is bytes. */
struct answer {
	enum coap_type type;
	uint8_t code;
	uint16_t id;
	const uint8_t *token;
	uint8_t token_bytes;
	const char *text;
	uint32_t text_bytes;
};

struct coap_server *coap_server_new(const struct coap_config *config, const struct coap_app *ops,
                                    void *app, struct counters *counters)
{
	CHECK_OP(config->exchanges_max, >, 0u);
	CHECK_OP(config->exchanges_max, <, UINT32_MAX / 2);
	CHECK_OP(config->separate_after_ms, <, 2000u);
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
	if (!coap_exchanges_init(c)) {
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
	free(c);
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

/* How much of a text of `count` bytes fits into `room`, without cutting a character in two. */
static uint32_t text_fit(const char *text, uint32_t count, uint32_t room)
{
	if (count <= room)
		return count;
	while (room > 0 && ((uint8_t)text[room] & 0xc0) == 0x80)
		room--;
	return room;
}

/* Options first: text/plain for a text that is no diagnostic (5.5.1), Max-Age (5.9.3.4), Size1
 * (5.9.2.9). Then as much of the text as fits. Returns the bytes. */
static uint32_t answer_build(const struct coap_server *c, uint8_t out[COAP_ANSWER_BYTES],
                             const struct answer *a)
{
	struct coap_message header = {.type = (uint8_t)a->type, .code = a->code, .id = a->id};
	header.token_bytes = a->token_bytes;
	memcpy(header.token, a->token, a->token_bytes);

	struct coap_builder b;
	coap_build_start(&b, out, COAP_ANSWER_BYTES, &header);
	if (a->text_bytes > 0 && COAP_CLASS(a->code) == 2)
		coap_build_uint(&b, COAP_CONTENT_FORMAT, 0);
	if (a->code == COAP_CODE_OF(5, 3))
		coap_build_uint(&b, COAP_MAX_AGE, c->config.overload_max_age_s);
	if (a->code == COAP_CODE_OF(4, 13))
		coap_build_uint(&b, COAP_SIZE1, c->config.payload_bytes_max);
	uint32_t room = (uint32_t)(b.end - b.at) - 1;
	coap_build_payload(&b, a->text, text_fit(a->text, a->text_bytes, room));
	uint32_t bytes = coap_build_end(&b);
	CHECK_OP(bytes, >, 0u);
	return bytes;
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
	case COUNTER_COAP_REFUSED_OPTION:
	case COUNTER_COAP_REFUSED_BLOCK:
		return COAP_CODE_OF(4, 2);
	case COUNTER_COAP_REFUSED_PATH:
		return COAP_CODE_OF(4, 4);
	case COUNTER_COAP_REFUSED_METHOD:
		return COAP_CODE_OF(4, 5);
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

static void refuse(struct coap_server *c, const struct coap_peer *peer, uint64_t peer_hash,
                   const struct coap_message *msg, const struct coap_demand *demand,
                   enum counter why)
{
	bool bad_option = why == COUNTER_COAP_REFUSED_OPTION || why == COUNTER_COAP_REFUSED_BLOCK;
	bool con = msg->type == COAP_CON;
	counter_add(c->counters, why, 1);
	if (bad_option && !con)
		return; /* 5.4.1: rejected, that is, ignored (4.3) */

	struct answer a = {
	    .type = con ? COAP_ACK : COAP_NON,
	    .code = code_for(why),
	    .id = con ? msg->id : coap_answer_id(peer_hash, msg->id),
	    .token = msg->token,
	    .token_bytes = msg->token_bytes,
	};
	if (is_unwanted(demand->no_response, a.code)) {
		counter_add(c->counters, COUNTER_COAP_SUPPRESSED, 1);
		if (con)
			coap_send_empty(c, peer, COAP_ACK, msg->id, COUNTER_COAP_OUT_ACK);
		return;
	}
	char text[32];
	if (bad_option) {
		a.text = text;
		a.text_bytes = (uint32_t)snprintf(text, sizeof text, "option %u not supported",
		                                  demand->bad_option);
	}
	uint8_t out[COAP_ANSWER_BYTES];
	coap_send(c, peer, out, answer_build(c, out, &a),
	          con ? COUNTER_COAP_OUT_PIGGYBACKED : COUNTER_COAP_OUT_NON);
}

/* ---- requests ---- */

/* 4.5: repeated requests are not processed again; a CON gets what the first one got, if it got
 * something yet. */
static void take_duplicate(struct coap_server *c, const struct coap_exchange *e)
{
	if (!e->confirmable) {
		counter_add(c->counters, COUNTER_COAP_DUPLICATE_NON, 1);
		return;
	}
	counter_add(c->counters, COUNTER_COAP_DUPLICATE_CON, 1);
	if (e->acked)
		coap_send_empty(c, &e->peer, COAP_ACK, e->id, COUNTER_COAP_OUT_AGAIN);
	else if (e->state == COAP_X_DONE)
		coap_send(c, &e->peer, e->answer, e->answer_bytes, COUNTER_COAP_OUT_AGAIN);
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
	case COAP_OVERLOADED:
		break;
	}
	return COUNTER_COAP_OVERLOADED_OUT;
}

/* A new request that can be understood: offer it to the application. COUNTER_COAP_TAKEN, or why
 * it was refused. */
static enum counter offer(struct coap_server *c, struct coap_request *request, uint64_t peer_hash,
                          const struct coap_message *msg, const struct coap_demand *demand,
                          uint64_t now_us)
{
	if (!coap_exchange_room(c))
		return COUNTER_COAP_OVERLOADED_OUT;
	struct coap_exchange *e =
	    coap_exchange_take(c, &request->peer, peer_hash, msg->id, now_us, request->confirmable);
	e->no_response = demand->no_response;
	e->token_bytes = msg->token_bytes;
	memcpy(e->token, msg->token, sizeof e->token);

	uint64_t handle = (uint64_t)e->generation << 32 | coap_exchange_index(c, e);
	enum counter fate = taken_counter(c->ops->on_request(c->app, handle, request));
	if (fate == COUNTER_COAP_TAKEN)
		coap_exchange_keep_spare(c, e);
	else
		coap_exchange_release(c, e);
	return fate;
}

static void take_request(struct coap_server *c, const struct coap_peer *peer,
                         const struct coap_message *msg, uint64_t now_us)
{
	uint64_t peer_hash = coap_peer_hash(c, peer);
	struct coap_exchange *known = coap_exchange_find(c, peer, peer_hash, msg->id, now_us);
	if (known) {
		take_duplicate(c, known);
		return;
	}
	struct coap_request request;
	struct coap_demand demand;
	request.peer = *peer;
	enum counter why =
	    coap_request_read(msg, c->config.payload_bytes_max, &request, &demand);
	if (why == COAP_WELL_FORMED)
		why = offer(c, &request, peer_hash, msg, &demand, now_us);
	if (why == COUNTER_COAP_TAKEN)
		counter_add(c->counters, why, 1);
	else
		refuse(c, peer, peer_hash, msg, &demand, why);
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
		}
	}
	enum counter fate = ack ? matched ? COUNTER_COAP_ACK_MATCHED : COUNTER_COAP_ACK_IGNORED
	                    : matched ? COUNTER_COAP_RST_MATCHED
	                              : COUNTER_COAP_RST_IGNORED;
	counter_add(c->counters, fate, 1);
}

/* 4.2, 4.3: what can't be processed is rejected, a CON by RST, anything else in silence. */
static void reject(struct coap_server *c, const struct coap_peer *peer,
                   const struct coap_message *msg, enum counter why)
{
	counter_add(c->counters, why, 1);
	bool readable = why != COUNTER_COAP_ERR_SHORT && why != COUNTER_COAP_ERR_VERSION;
	if (readable && msg->type == COAP_CON)
		coap_send_empty(c, peer, COAP_RST, msg->id, COUNTER_COAP_OUT_RST);
}

void coap_input(struct coap_server *c, const struct coap_peer *peer, const uint8_t *bytes,
                uint32_t count, uint64_t now_us)
{
	struct coap_message msg;
	counter_add(c->counters, COUNTER_COAP_IN, 1);
	enum counter why = coap_message_parse(bytes, count, &msg);
	if (why != COAP_WELL_FORMED)
		reject(c, peer, &msg, why);
	else if (msg.type == COAP_ACK || msg.type == COAP_RST)
		take_reply(c, peer, &msg, now_us);
	else if (msg.code == COAP_EMPTY)
		reject(c, peer, &msg,
		       msg.type == COAP_CON ? COUNTER_COAP_PING : COUNTER_COAP_ERR_EMPTY);
	else if (COAP_CLASS(msg.code) == 0)
		take_request(c, peer, &msg, now_us);
	else
		reject(c, peer, &msg, COUNTER_COAP_RESPONSE_IGNORED); /* 5.3.2 */
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

void coap_respond(struct coap_server *c, coap_handle exchange, uint8_t code,
                  const char *diagnostic, uint32_t diagnostic_bytes, uint64_t now_us)
{
	struct coap_exchange *e = exchange_of(c, exchange);
	if (!e) {
		counter_add(c->counters, COUNTER_COAP_STALE_ANSWER, 1);
		return;
	}
	if (is_unwanted(e->no_response, code)) {
		suppress(c, e);
		return;
	}
	bool piggyback = e->confirmable && !e->acked; /* 5.2.1 */
	bool separate = e->confirmable && e->acked;   /* 5.2.2 */
	struct answer a = {
	    .type = piggyback ? COAP_ACK : separate ? COAP_CON : COAP_NON,
	    .code = code,
	    .id = piggyback ? e->id : e->answer_id,
	    .token = e->token,
	    .token_bytes = e->token_bytes,
	    .text = diagnostic,
	    .text_bytes = diagnostic_bytes,
	};
	e->answer_bytes = (uint8_t)answer_build(c, e->answer, &a);
	coap_exchange_to(c, e, separate ? COAP_X_SENDING : COAP_X_DONE);
	if (separate)
		coap_retransmit_start(c, e, now_us);
	coap_send(c, &e->peer, e->answer, e->answer_bytes,
	          piggyback  ? COUNTER_COAP_OUT_PIGGYBACKED
	          : separate ? COUNTER_COAP_OUT_SEPARATE
	                     : COUNTER_COAP_OUT_NON);
}
