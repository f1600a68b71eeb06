/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CoAP server under a script of datagrams, answers, notifications and passing time. Oracles:
 * - each datagram gets exactly one fate, and at most one datagram in return;
 * - a request is offered once per message id and lifetime, as long as nothing was evicted;
 * - ACKs and RSTs go only to where such a CON came from; all that is sent is well-formed;
 * - a body put together is exactly what was sent as its blocks, all of the same transfer;
 * - an observer that was accepted hears of its end once, and no notification goes to it after that;
 * - timers that were run are not due any more; in the end nothing is in flight and no exchange is
 *   lost.
 *
 * Input: a byte of configuration, then steps: an operation and its operands.
 */
#include <stdlib.h>

#include "base/check.h"
#include "coap/coap_priv.h"
#include "tests/support/coap_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define PEERS       4
#define PENDING_MAX 512
#define MS          UINT64_C(1000)

struct seen {
	uint64_t taken_us;
	bool confirmable;
};

static struct {
	struct coap_server *c;
	struct counters counters;
	uint64_t now_us;
	uint8_t take; /* enum coap_take, or 5: answer at once */
	uint8_t peer; /* whose datagram is being taken */
	uint32_t sent;
	coap_handle observers[PENDING_MAX]; /* as far as the application knows */
	uint32_t observer_count;
	uint32_t gone; /* ends that it heard of */
	bool whole;    /* the request under way is the end of a transfer of ours */
	coap_handle pending[PENDING_MAX];
	uint32_t pending_count;
	uint16_t last_con[PEERS]; /* message id of the last separate answer */
	bool no_buffers;
} w;
/* by peer and message id */
static struct seen taken[PEERS][65536];
static uint8_t con_seen[PEERS][65536];

static struct coap_peer peer_of(uint8_t n)
{
	struct coap_peer peer = {.port = (uint16_t)(1000 + n), .local_port = 5683};
	peer.address[15] = n;
	return peer;
}

static uint16_t id_of(coap_handle handle)
{
	return w.c->exchanges[(uint32_t)handle].id;
}

/* Byte `i` of the body that peer n sends in blocks. */
static uint8_t body_byte(uint8_t n, uint32_t i)
{
	return (uint8_t)(i * 31 + i / 97 + n);
}

static void check_body(const struct coap_request *request)
{
	for (uint32_t i = 0; w.whole && i < request->payload.count; i++)
		CHECK_OP(request->payload.data[i], ==, body_byte(w.peer, i));
}

static void know_observer(const struct coap_request *request)
{
	if (request->observe && w.observer_count < PENDING_MAX)
		w.observers[w.observer_count++] = request->observer;
}

static enum coap_take on_request(void *app, coap_handle handle, const struct coap_request *request)
{
	(void)app;
	struct seen *seen = &taken[w.peer][id_of(handle)];
	uint64_t life_us = seen->confirmable ? COAP_EXCHANGE_LIFETIME_US : COAP_NON_LIFETIME_US;
	if (seen->taken_us && counter_get(&w.counters, COUNTER_COAP_EVICTED) == 0)
		CHECK_OP(w.now_us - seen->taken_us, >=, life_us);
	CHECK_OP(strlen(request->path), ==, request->path_bytes);
	check_body(request);
	know_observer(request);
	for (uint32_t i = 0; i < w.pending_count; i++)
		CHECK(w.pending[i] != handle);
	if (w.take == 5)
		coap_respond(w.c, handle, COAP_CODE_OF(2, 4), "now", 3, w.now_us);
	else if (w.take != COAP_TAKEN || w.pending_count == PENDING_MAX)
		return w.take == COAP_TAKEN ? COAP_OVERLOADED : w.take;
	else
		w.pending[w.pending_count++] = handle;
	*seen = (struct seen){w.now_us, request->confirmable};
	return COAP_TAKEN;
}

static bool on_send(void *app, const struct coap_peer *peer, const uint8_t *bytes, uint32_t count)
{
	(void)app;
	uint8_t n = peer->address[15];
	struct coap_peer expected = peer_of(n);
	CHECK_OP(n, <, PEERS);
	CHECK(memcmp(&expected, peer, sizeof expected) == 0);
	struct coap_message msg;
	CHECK(coap_message_parse(bytes, count, &msg) == COAP_WELL_FORMED);
	CHECK(count <= COAP_DATAGRAM_BYTES);
	if (msg.type == COAP_ACK || msg.type == COAP_RST)
		CHECK(con_seen[n][msg.id]);
	if (msg.type == COAP_RST)
		CHECK_OP(msg.code, ==, COAP_EMPTY);
	if (msg.type == COAP_CON || msg.type == COAP_NON)
		CHECK_OP(COAP_CLASS(msg.code), >=, 2);
	if (msg.type == COAP_CON)
		w.last_con[n] = msg.id;
	w.sent++;
	return !w.no_buffers;
}

static void on_gone(void *app, coap_handle observer)
{
	(void)app;
	w.gone++;
	for (uint32_t i = 0; i < w.observer_count; i++)
		if (w.observers[i] == observer) {
			w.observers[i] = w.observers[--w.observer_count];
			return;
		}
}

static void on_delivered(void *app, coap_handle observer)
{
	(void)app;
	uint32_t index = (uint32_t)observer;
	CHECK_OP(w.c->observers[index].generation, ==, observer >> 32);
	CHECK_OP(w.c->observers[index].state, ==, COAP_O_ACTIVE);
}

static const struct coap_app ops = {on_request, on_send, on_gone, on_delivered};

static void check_fates(void)
{
	uint64_t total = 0;
	for (uint32_t id = COUNTER_COAP_TAKEN; id <= COUNTER_COAP_ERR_PAYLOAD; id++)
		total += counter_get(&w.counters, id);
	CHECK_OP(total, ==, counter_get(&w.counters, COUNTER_COAP_IN));
}

static void datagram(uint8_t n, const uint8_t *bytes, uint32_t count)
{
	struct coap_peer peer = peer_of(n % PEERS);
	uint8_t *exact = malloc(count ? count : 1);
	CHECK(exact != NULL);
	memcpy(exact, bytes, count);
	if (count >= 4 && (bytes[0] & 0xf0) == 0x40)
		con_seen[n % PEERS][get_be16(bytes + 2)] = 1;
	w.peer = n % PEERS;
	w.sent = 0;
	coap_input(w.c, &peer, n & 0x80, exact, count, w.now_us);
	CHECK_OP(w.sent, <=, n & 0x80 ? 0u : 1u);
	check_fates();
	free(exact);
}

static void post(uint8_t n, uint8_t id, bool confirmable)
{
	uint8_t bytes[] = {confirmable ? 0x41 : 0x51, 2, 0, id, 0x77, 0xb1, 'r', 0xff, 'x'};
	datagram(n, bytes, sizeof bytes);
}

static const char *const paths[] = {"a", "b/c", ".well-known/core"};

/* GET, perhaps observing, perhaps a block; `how` says which. */
static void get(uint8_t n, uint8_t id, uint8_t how)
{
	uint8_t bytes[FRAME_BYTES];
	struct frame f = {.type = how & 1 ? COAP_NON : COAP_CON,
	                  .code = COAP_GET,
	                  .id = id,
	                  .token = 1 + (how >> 6),
	                  .path = paths[how % 3],
	                  .has_observe = how & 4,
	                  .observe = how >> 3 & 1,
	                  .has_block2 = how & 2,
	                  .block2 = {.number = how >> 4 & 7, .szx = how >> 5 & 7}};
	datagram(n, bytes, frame_make(bytes, &f));
}

/* A block of a PUT, whose body is known. From a peer of its own: no other datagram may be part of
 * the body. */
static void put(uint8_t id, uint8_t how)
{
	const uint8_t n = PEERS - 1;
	uint8_t bytes[FRAME_BYTES], part[1024];
	struct coap_block block = {.number = how & 7, .szx = how >> 3 & 3, .more = how & 0x40};
	uint32_t count = coap_block_bytes(block.szx), at = block.number * count;
	count -= block.more ? 0 : (how >> 5) * 3u;
	for (uint32_t i = 0; i < count; i++)
		part[i] = body_byte(n, at + i);
	struct frame f = {.type = COAP_CON, .code = COAP_PUT, .id = id, .token = 9, .path = "a",
	                  .has_block1 = true, .block1 = block, .payload = part,
	                  .payload_bytes = count};
	w.whole = true;
	datagram(n, bytes, frame_make(bytes, &f));
	w.whole = false;
}

static struct coap_response response_of(uint8_t how)
{
	static const uint8_t text[300];
	return (struct coap_response){
	    .code = how % 8 == 7 ? COAP_CODE_OF(4, 4) : COAP_CODE_OF(2, 5),
	    .observed = how & 0x80,
	    .in_order = how & 0x40,
	    .content_format = how & 0x20 ? 50 : COAP_FORMAT_NONE,
	    .has_max_age = how & 0x10,
	    .max_age_s = how,
	    .etag = {how % 9, {how}},
	    .payload = {text, how + how / 8u},
	};
}

static void answer(uint8_t pick, uint8_t how)
{
	struct coap_response r = response_of(how);
	if (w.pending_count == 0)
		return;
	uint32_t at = pick % w.pending_count;
	coap_handle handle = w.pending[at];
	w.pending[at] = w.pending[--w.pending_count];
	coap_answer(w.c, handle, &r, w.now_us);
}

static void notify(uint8_t pick, uint8_t how)
{
	struct coap_response r = response_of(how);
	if (w.observer_count == 0)
		return;
	uint32_t at = pick % w.observer_count;
	coap_handle handle = w.observers[at];
	uint32_t gone = w.gone;
	const struct coap_observer *o = &w.c->observers[(uint32_t)handle];
	bool alive = o->generation == handle >> 32 && o->state == COAP_O_ACTIVE;
	w.sent = 0;
	coap_notify(w.c, handle, &r, w.now_us);
	CHECK_OP(w.sent, <=, alive ? 1u : 0u);
	CHECK_OP(w.gone - gone, ==, alive ? 0u : 1u);
}

static void reply(uint8_t n, bool rst)
{
	uint8_t bytes[4] = {rst ? 0x70 : 0x60, 0};
	put_be16(bytes + 2, w.last_con[n]);
	datagram(n, bytes, sizeof bytes);
}

static void respond(uint8_t pick, uint8_t code)
{
	static const char text[] = "a diagnostic rather longer than what an exchange keeps, so "
	                           "that it has to be cut \xe2\x82\xac\xe2\x82\xac";
	if (w.pending_count == 0)
		return;
	uint32_t at = pick % w.pending_count;
	coap_handle handle = w.pending[at];
	w.pending[at] = w.pending[--w.pending_count];
	coap_respond(w.c, handle, COAP_CODE_OF(2 + code % 4, code >> 3), text, pick % sizeof text,
	             w.now_us);
}

/* Let time pass, in steps of the timers; `late`: in one jump. */
static void pass(uint64_t us, bool late)
{
	uint64_t until = w.now_us + us;
	while (!late && coap_next_timer_us(w.c) <= until) {
		uint64_t due = coap_next_timer_us(w.c);
		if (due > w.now_us)
			w.now_us = due;
		coap_run_timers(w.c, w.now_us, 1u << 20);
		CHECK_OP(coap_next_timer_us(w.c), >, w.now_us);
	}
	w.now_us = until;
}

/* One step; returns the bytes it took. */
static size_t step(const uint8_t *at, size_t left)
{
	uint8_t op = at[0], a = left > 1 ? at[1] : 0, b = left > 2 ? at[2] : 0;
	switch (op % 12) {
	case 0: {
		size_t count = left > 3 ? left - 3 : 0;
		if (count > b)
			count = b;
		datagram(a % (PEERS - 1), at + (left > 3 ? 3 : 0), (uint32_t)count);
		return 3 + count;
	}
	case 1:
		pass(MS << (a % 18), false);
		return 2;
	case 2:
		respond(a, b);
		return 3;
	case 3:
		coap_run_timers(w.c, w.now_us, a);
		return 2;
	case 4:
		post(a % PEERS, b, op & 8);
		return 3;
	case 5:
		reply(a % PEERS, op & 8);
		return 2;
	case 6:
		w.take = a % 6;
		w.no_buffers = a >= 0xf0;
		return 2;
	case 7:
		get((uint8_t)(a % PEERS | (op & 0x80)), a / PEERS, b);
		return 3;
	case 8:
		put(a, b);
		return 3;
	case 9:
		answer(a, b);
		return 3;
	case 10:
		notify(a, b);
		return 3;
	default:
		pass(MS * a * b, true);
		return 3;
	}
}

static void drain(void)
{
	w.no_buffers = false;
	while (w.pending_count > 0)
		respond(0, 0);
	pass(200 * 1000 * MS, false);
	CHECK(coap_next_timer_us(w.c) == UINT64_MAX);
	CHECK_OP(w.c->wheel.count, ==, 0u);
	CHECK_OP(w.c->sending.count + w.c->ack_wait.count, ==, 0u);
	CHECK_OP(w.c->free.count + w.c->done.count, ==, w.c->config.exchanges_max + 1);
	uint32_t bodies = 0, active = 0;
	for (uint32_t i = 0; i < w.c->config.bodies_max; i++)
		bodies += w.c->bodies[i].kind != COAP_BODY_FREE;
	for (uint32_t i = 0; i < w.c->config.observers_max; i++) {
		active += w.c->observers[i].state == COAP_O_ACTIVE;
		CHECK_OP(w.c->observers[i].state, !=, COAP_O_ASKED); /* all were answered */
		CHECK(!w.c->observers[i].in_flight || w.c->observers[i].state == COAP_O_FREE);
	}
	CHECK_OP(bodies, ==, atomic_load(&w.c->bodies_used));
	CHECK_OP(active, ==, atomic_load(&w.c->observers_used));
	uint64_t begun = counter_get(&w.counters, COUNTER_COAP_OBSERVE_BEGUN);
	CHECK_OP(begun - counter_get(&w.counters, COUNTER_COAP_OBSERVE_ENDED), ==, active);
	check_fates();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1 || bytes > 4096)
		return 0;
	memset(&w, 0, sizeof w);
	memset(taken, 0, sizeof taken);
	memset(con_seen, 0, sizeof con_seen);
	struct coap_config config = {.exchanges_max = 1 + data[0] % 4,
	                             .separate_after_ms = 200,
	                             .overload_max_age_s = data[0] * 1000u,
	                             .payload_bytes_max = 400,
	                             .answers_max = 2,
	                             .bodies_max = 2,
	                             .body_idle_ms = 1000,
	                             .observers_max = 3,
	                             .notify_con_every = 3,
	                             .leisure_ms = 500,
	                             .szx_max = 2,
	                             .seed = data[0]};
	if (data[0] & 0x80)
		config.exchanges_max = 400; /* none is evicted before its time */
	w.now_us = 1 + data[0] * 12345u;
	w.c = coap_server_new(&config, &ops, NULL, &w.counters);
	CHECK(w.c != NULL);
	for (size_t at = 1; at < bytes;)
		at += step(data + at, bytes - at);
	drain();
	coap_server_free(w.c);
	return 0;
}
