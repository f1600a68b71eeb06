/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of segments, application calls, ICMP quotes and clock steps. Sequence and
 * acknowledgement numbers are given relative to the connection's state, so that the inputs reach
 * deep; all else is as the input says.
 *
 *     verb, then for a segment:  flags | seq offset (2, signed) | ack offset (2, signed) |
 *                                window (2) | data bytes | option bytes n | n bytes
 *
 * Oracles: the engine's invariants after each step; one `closed` per accepted connection and no
 * event after it; everything is released once the time has passed and all are aborted.
 */
#include <stdlib.h>

#include "tests/sim/tcp/invariants.h"
#include "tcp/tcp_priv.h"

#define PEERS 3
#define CONNS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
	const uint8_t *at, *end;
};

static struct {
	struct tcp_engine *engine;
	struct counters counters;
	tcp_handle open[CONNS];
	uint32_t engine_seq[PEERS]; /* last sent by the engine to this peer: seq + length */
	uint32_t engine_ack[PEERS];
	uint8_t take, in_event;
	uint8_t buffer[9216];
	uint64_t now_us;
	uint8_t no_buffer;
} w;

static const struct tcp_address server = {{[10] = 0xff, 0xff, 10, 0, 0, 1}};
static const struct tcp_address clients[PEERS] = {
    {{[10] = 0xff, 0xff, 10, 0, 0, 2}},
    {{[10] = 0xff, 0xff, 10, 0, 0, 3}},
    {{0x20, 1, [15] = 4}},
};

static uint32_t take(struct input *in, uint32_t count_)
{
	uint32_t v = 0;
	for (uint32_t i = 0; i < count_; i++)
		v = v << 8 | (in->at < in->end ? *in->at++ : 0);
	return v;
}

static tcp_handle *slot_of(tcp_handle conn)
{
	CHECK_OP(tcp_index(conn), <, (uint32_t)CONNS);
	CHECK(w.open[tcp_index(conn)] == conn);
	return &w.open[tcp_index(conn)];
}

/* What an application may do inside an event. */
static void act(tcp_handle conn, uint8_t verb)
{
	static const uint8_t bytes[3000];
	switch (verb % 8) {
	case 1:
		tcp_close(w.engine, conn);
		break;
	case 2:
		tcp_abort(w.engine, conn);
		break;
	case 3:
		tcp_send(w.engine, conn, bytes, 1 + verb * 11u);
		break;
	case 4:
		tcp_resume(w.engine, conn);
		break;
	default:
		break;
	}
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	(void)app;
	(void)peer;
	CHECK_OP(tcp_index(conn), <, (uint32_t)CONNS);
	CHECK(w.open[tcp_index(conn)] == 0);
	if (w.in_event == 7)
		return false;
	w.open[tcp_index(conn)] = conn;
	act(conn, w.in_event);
	return true;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count_)
{
	(void)app;
	slot_of(conn);
	/* touch all of it for the sanitizer */
	uint32_t sum = 0;
	for (uint32_t i = 0; i < count_; i++)
		sum += bytes[i];
	act(conn, w.in_event);
	return (uint32_t)((uint64_t)count_ * w.take / 255) + (sum == UINT32_MAX);
}

static void on_event(void *app, tcp_handle conn)
{
	(void)app;
	slot_of(conn);
	act(conn, w.in_event);
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	(void)app;
	(void)reason;
	*slot_of(conn) = 0;
}

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	(void)link;
	CHECK_OP(bytes, <=, (uint32_t)sizeof w.buffer);
	return w.no_buffer > control ? NULL : w.buffer;
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *s, uint32_t bytes)
{
	(void)link;
	CHECK(memcmp(local, &server, sizeof server) == 0);
	uint32_t header = (uint32_t)(s[12] >> 4) * 4;
	CHECK_OP(header, >=, 20u);
	CHECK_OP(header, <=, bytes);
	for (uint32_t i = 0; i < PEERS; i++) {
		if (memcmp(peer, &clients[i], sizeof *peer) != 0 || s[13] & RST)
			continue;
		w.engine_seq[i] = get_be32(s + 4) + bytes - header + !!(s[13] & SYN);
		w.engine_ack[i] = get_be32(s + 8);
	}
}

static void inject(struct input *in, uint32_t peer)
{
	uint8_t s[60 + 2048] = {0};
	uint8_t flags = (uint8_t)take(in, 1);
	put_be16(s, (uint16_t)(40000 + peer));
	put_be16(s + 2, 1883);
	put_be32(s + 4, w.engine_ack[peer] + (uint32_t)(int16_t)take(in, 2));
	put_be32(s + 8, w.engine_seq[peer] + (uint32_t)(int16_t)take(in, 2));
	s[13] = flags;
	put_be16(s + 14, (uint16_t)take(in, 2));
	uint32_t data = take(in, 1) * 8;
	uint32_t options = take(in, 1) % 41;
	for (uint32_t i = 0; i < options; i++)
		s[20 + i] = (uint8_t)take(in, 1);
	options = (options + 3) / 4 * 4;
	s[12] = (uint8_t)((5 + options / 4) << 4);
	uint32_t bytes = 20 + options + data;
	uint8_t *exact = malloc(bytes);
	CHECK(exact);
	memcpy(exact, s, bytes);
	tcp_input(w.engine, &server, &clients[peer], exact, bytes);
	free(exact);
}

static void quote(struct input *in, uint32_t peer)
{
	uint32_t bytes = take(in, 1) % 30;
	uint8_t full[30] = {0};
	put_be16(full, 1883);
	put_be16(full + 2, (uint16_t)(40000 + peer));
	put_be32(full + 4, w.engine_seq[peer] + (uint32_t)(int16_t)take(in, 2));
	uint8_t *exact = malloc(bytes + 1);
	CHECK(exact);
	memcpy(exact, full, bytes);
	tcp_input_icmp(w.engine, &server, &clients[peer], exact, bytes, take(in, 2));
	free(exact);
}

static void poll_end(void)
{
	tcp_run_timers(w.engine, 1000);
	tcp_flush(w.engine);
	const char *broken = tcp_invariants(w.engine);
	if (broken)
		check_failed(__FILE__, __LINE__, broken);
}

static void step(struct input *in)
{
	uint8_t verb = (uint8_t)take(in, 1);
	uint32_t peer = (verb >> 4) % PEERS;
	switch (verb % 16) {
	case 8: /* milliseconds */
		w.now_us += take(in, 2) * 1000;
		break;
	case 9: /* minutes */
		w.now_us += take(in, 2) * 60000000ull;
		break;
	case 10:
		quote(in, peer);
		break;
	case 11:
		act(w.open[peer % CONNS], (uint8_t)take(in, 1));
		break;
	case 12:
		w.take = (uint8_t)take(in, 1);
		break;
	case 13:
		w.in_event = (uint8_t)take(in, 1);
		break;
	case 14:
		w.no_buffer = (uint8_t)(take(in, 1) % 3);
		break;
	default:
		inject(in, peer);
	}
	tcp_set_now(w.engine, w.now_us);
	if (verb % 16 != 7)
		poll_end();
}

static void wind_up(void)
{
	w.no_buffer = w.in_event = 0;
	for (uint32_t i = 0; i < CONNS; i++)
		tcp_abort(w.engine, w.open[i]);
	for (uint32_t i = 0; i < 40; i++) {
		w.now_us += 10000000;
		tcp_set_now(w.engine, w.now_us);
		poll_end();
	}
	struct tcp_levels l;
	tcp_levels_get(w.engine, &l);
	CHECK_OP(l.conns, ==, 0u);
	CHECK_OP(l.half_open, ==, 0u);
	CHECK_OP(l.time_wait, ==, 0u);
	CHECK(l.rx_bytes == 0 && l.tx_bytes == 0);
	CHECK(tcp_next_timer_us(w.engine) == UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct tcp_app app = {on_accept, on_data, on_event, on_event, on_closed};
	static const struct tcp_link link = {link_alloc, link_send};
	if (bytes < 2)
		return 0;
	struct input in = {data + 2, data + bytes};
	struct tcp_config config = {.conns_max = CONNS, .syn_cache_max = data[0] % 3,
	    .time_wait_max = data[0] / 4 % 3, .rx_buffer_bytes = 2048u << data[1] % 6,
	    .rx_memory_bytes = 4096u << data[1] / 8 % 5, .tx_buffer_bytes = 4096,
	    .tx_memory_bytes = data[0] & 0x80 ? 4096 : 65536, .mtu_bytes = 1500, .ports = {1883},
	    .first_data_timeout_ms = data[0] & 0x40 ? 5000 : 0,
	    .conns_per_prefix_max = data[0] & 0x20 ? 1 : 0};
	memset(&w, 0, sizeof w);
	w.take = 255;
	w.now_us = 1000;
	w.engine = tcp_engine_new(&config, &app, NULL, &link, NULL, &w.counters, w.now_us);
	CHECK(w.engine);
	for (uint32_t steps = 0; in.at < in.end && steps < 400; steps++)
		step(&in);
	wind_up();
	tcp_engine_free(w.engine);
	return 0;
}
