/* SPDX-License-Identifier: Apache-2.0 */
/* A CoAP server and an application that writes down all that it is told and all that is sent. */
#ifndef HEADRACE_TESTS_COAP_RIG_H
#define HEADRACE_TESTS_COAP_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coap/coap_priv.h"
#include "tests/support/coap_frame.h"

#define RIG_SECOND UINT64_C(1000000)
#define RIG_SENT   256

struct rig {
	struct coap_server *c;
	struct counters counters;
	uint64_t now;
	/* how the application answers */
	enum coap_take take;
	uint8_t code_at_once; /* coap_respond from within on_request; 0: not */
	const struct coap_response *answer_at_once; /* likewise with coap_answer */
	bool no_buffers;
	/* what it was told */
	int requests;
	coap_handle handle[RIG_SENT];
	struct coap_request request; /* the last; its payload is below */
	uint8_t payload[16384];
	int gone, delivered;
	coap_handle last_gone, last_delivered;
	/* what was sent */
	int sent;
	struct coap_peer sent_to[RIG_SENT];
	uint8_t bytes[RIG_SENT][COAP_DATAGRAM_BYTES];
	uint32_t count[RIG_SENT];
};

static enum coap_take rig_on_request(void *app, coap_handle exchange,
                                     const struct coap_request *request)
{
	struct rig *rig = app;
	assert_in_range(rig->requests, 0, RIG_SENT - 1);
	assert_in_range(request->payload.count, 0, sizeof rig->payload);
	rig->handle[rig->requests++] = exchange;
	rig->request = *request;
	if (request->payload.count > 0)
		memcpy(rig->payload, request->payload.data, request->payload.count);
	if (rig->take == COAP_TAKEN && rig->code_at_once)
		coap_respond(rig->c, exchange, rig->code_at_once, NULL, 0, rig->now);
	if (rig->take == COAP_TAKEN && rig->answer_at_once)
		coap_answer(rig->c, exchange, rig->answer_at_once, rig->now);
	return rig->take;
}

static void rig_on_gone(void *app, coap_handle observer)
{
	struct rig *rig = app;
	rig->gone++;
	rig->last_gone = observer;
}

static void rig_on_delivered(void *app, coap_handle observer)
{
	struct rig *rig = app;
	rig->delivered++;
	rig->last_delivered = observer;
}

static bool rig_on_send(void *app, const struct coap_peer *peer, const uint8_t *bytes,
                        uint32_t count)
{
	struct rig *rig = app;
	if (rig->no_buffers)
		return false;
	assert_in_range(rig->sent, 0, RIG_SENT - 1);
	assert_in_range(count, 1, COAP_DATAGRAM_BYTES);
	rig->sent_to[rig->sent] = *peer;
	memcpy(rig->bytes[rig->sent], bytes, count);
	rig->count[rig->sent++] = count;
	return true;
}

static const struct coap_app rig_ops = {rig_on_request, rig_on_send, rig_on_gone,
                                        rig_on_delivered};

/* Of a request; a test may change it before rig_init. */
static uint32_t rig_payload_max = 1024;

static inline void rig_init_seeded(struct rig *rig, uint32_t exchanges_max, uint64_t seed)
{
	memset(rig, 0, sizeof *rig);
	const struct coap_config config = {.exchanges_max = exchanges_max,
	                                   .answers_max = 4,
	                                   .separate_after_ms = 500,
	                                   .overload_max_age_s = 300,
	                                   .payload_bytes_max = rig_payload_max,
	                                   .bodies_max = 2,
	                                   .body_idle_ms = 10000,
	                                   .observers_max = 3,
	                                   .notify_con_every = 4,
	                                   .leisure_ms = 5000,
	                                   .szx_max = 6,
	                                   .seed = seed};
	rig->c = coap_server_new(&config, &rig_ops, rig, &rig->counters);
	assert_non_null(rig->c);
	rig->now = 1000 * RIG_SECOND;
}

static inline void rig_init(struct rig *rig, uint32_t exchanges_max)
{
	rig_init_seeded(rig, exchanges_max, 42);
}

static inline void rig_fini(struct rig *rig)
{
	coap_server_free(rig->c);
}

/* Client number n: 192.0.2.1, port 40000 + n, to port 5683. */
static inline struct coap_peer rig_peer(uint16_t n)
{
	return (struct coap_peer){.address = {[10] = 0xff, 0xff, 192, 0, 2, 1},
	                          .local = {[10] = 0xff, 0xff, 192, 0, 2, 99},
	                          .port = (uint16_t)(40000 + n),
	                          .local_port = 5683};
}

/* Input from a buffer of exactly that size, so that a sanitizer sees the first byte too far. */
static inline void rig_input(struct rig *rig, uint16_t peer, const void *bytes, uint32_t count)
{
	struct coap_peer from = rig_peer(peer);
	uint8_t *exact = malloc(count ? count : 1);
	assert_non_null(exact);
	memcpy(exact, bytes, count);
	coap_input(rig->c, &from, false, exact, count, rig->now);
	free(exact);
}

static inline void rig_frame(struct rig *rig, uint16_t peer, const struct frame *frame)
{
	uint8_t bytes[FRAME_BYTES];
	rig_input(rig, peer, bytes, frame_make(bytes, frame));
}

#define RIG_FRAME(rig, peer, ...) rig_frame(rig, peer, &(const struct frame){__VA_ARGS__})

/* The same to a group. */
static inline void rig_group_frame(struct rig *rig, uint16_t peer, const struct frame *frame)
{
	uint8_t bytes[FRAME_BYTES];
	struct coap_peer from = rig_peer(peer);
	coap_input(rig->c, &from, true, bytes, frame_make(bytes, frame), rig->now);
}

#define RIG_INPUT(rig, peer, ...)                                                                  \
	rig_input(rig, peer, (const uint8_t[]){__VA_ARGS__},                                       \
	          sizeof((const uint8_t[]){__VA_ARGS__}))

/* POST /readings with a one-byte token and the payload "x". */
static inline void rig_post(struct rig *rig, uint16_t peer, enum coap_type type, uint16_t id)
{
	RIG_INPUT(rig, peer, (uint8_t)(0x41 | type << 4), 0x02, (uint8_t)(id >> 8), (uint8_t)id,
	          0x77, 0xb8, 'r', 'e', 'a', 'd', 'i', 'n', 'g', 's', 0xff, 'x');
}

static inline void rig_respond(struct rig *rig, int request, uint8_t code, const char *text)
{
	coap_respond(rig->c, rig->handle[request], code, text, (uint32_t)strlen(text), rig->now);
}

/* Let time pass to `until`, with all that falls due on the way, at its time. */
static inline void rig_run(struct rig *rig, uint64_t until)
{
	for (uint64_t due; (due = coap_next_timer_us(rig->c)) <= until;) {
		if (due > rig->now)
			rig->now = due;
		coap_run_timers(rig->c, rig->now, 1000);
		assert_true(coap_next_timer_us(rig->c) > rig->now);
	}
	rig->now = until;
}

static inline uint64_t rig_count(const struct rig *rig, enum counter id)
{
	return counter_get(&rig->counters, id);
}

/* Datagram number `index` that was sent, as a message. */
static inline struct coap_message rig_sent(const struct rig *rig, int index)
{
	struct coap_message msg;
	assert_in_range(index, 0, rig->sent - 1);
	assert_int_equal(coap_message_parse(rig->bytes[index], rig->count[index], &msg),
	                 COAP_WELL_FORMED);
	return msg;
}

/* The last datagram sent is exactly this, and `n` were sent in all. */
#define assert_last_sent(rig, n, ...)                                                              \
	do {                                                                                       \
		const uint8_t expected_[] = {__VA_ARGS__};                                         \
		assert_int_equal((rig)->sent, n);                                                  \
		assert_int_equal((rig)->count[(n) - 1], sizeof expected_);                         \
		assert_memory_equal((rig)->bytes[(n) - 1], expected_, sizeof expected_);           \
	} while (0)

#endif
