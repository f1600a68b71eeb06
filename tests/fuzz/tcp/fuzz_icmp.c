/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors with any quote, of any length, and any MTU, about two connections that have data in
 * flight (IPv4, IPv6); ACKs and steps of the clock between them.
 *
 *     verb, then for a quote: fix-up bits | MTU (2) | bytes n | n bytes
 *                for an ACK: connection | bytes (2)
 *                for a step of the clock: milliseconds (2)
 *
 * Oracles: each error ends in exactly one counter; the MSS falls only when the quoted number was in
 * flight and an MTU was given, never below 536 or 1,220; no connection ends and no congestion
 * window moves by an ICMP error; the engine's invariants.
 */
#include <stdlib.h>

#include "tests/sim/tcp/invariants.h"
#include "tcp/tcp_priv.h"

#define CONNS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
	const uint8_t *at, *end;
};

static struct {
	struct tcp_engine *engine;
	struct counters counters;
	uint64_t now_us;
	tcp_handle open[CONNS];
	uint32_t opened, iss;
	uint8_t buffer[2048];
} w;

static const struct tcp_address servers[CONNS] = {{{[10] = 0xff, 0xff, 10, 0, 0, 1}},
                                                  {{0x20, 1, [15] = 1}}};
static const struct tcp_address clients[CONNS] = {{{[10] = 0xff, 0xff, 10, 0, 0, 2}},
                                                  {{0x20, 1, [15] = 2}}};

static uint32_t take(struct input *in, uint32_t count_)
{
	uint32_t v = 0;
	for (uint32_t i = 0; i < count_; i++)
		v = v << 8 | (in->at < in->end ? *in->at++ : 0);
	return v;
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	(void)app;
	(void)peer;
	w.open[w.opened++] = conn;
	return true;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count_)
{
	(void)app;
	(void)conn;
	(void)bytes;
	return count_;
}

static void on_event(void *app, tcp_handle conn)
{
	(void)app;
	(void)conn;
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	(void)app;
	CHECK_OP((int)reason, ==, TCP_CLOSED_TIMEOUT); /* the clock's doing */
	for (uint32_t i = 0; i < CONNS; i++)
		if (w.open[i] == conn)
			w.open[i] = 0;
}

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	(void)link;
	(void)control;
	CHECK_OP(bytes, <=, (uint32_t)sizeof w.buffer);
	return w.buffer;
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *s, uint32_t bytes)
{
	(void)link;
	(void)local;
	(void)peer;
	(void)bytes;
	if (s[13] & SYN)
		w.iss = get_be32(s + 4);
}

static void send_segment(uint32_t i, uint8_t flags, uint32_t seq, uint32_t ack)
{
	static const uint8_t options[4] = {2, 4, 0x05, 0xb4};
	uint8_t s[24] = {0};
	put_be16(s, (uint16_t)(40000 + i));
	put_be16(s + 2, 1883);
	put_be32(s + 4, seq);
	put_be32(s + 8, ack);
	s[12] = flags & SYN ? 6 << 4 : 5 << 4;
	s[13] = flags;
	put_be16(s + 14, 60000);
	memcpy(s + 20, options, 4);
	tcp_input(w.engine, &servers[i], &clients[i], s, flags & SYN ? 24 : 20);
}

static void open_both(void)
{
	static const uint8_t bytes[20000];
	for (uint32_t i = 0; i < CONNS; i++) {
		send_segment(i, SYN, 1000, 0);
		send_segment(i, ACK, 1001, w.iss + 1);
		CHECK_OP(w.opened, ==, i + 1);
		CHECK(tcp_send(w.engine, w.open[i], bytes, sizeof bytes));
	}
	tcp_flush(w.engine);
}

static uint64_t outcomes(void)
{
	static const enum counter all[] = {
	    COUNTER_TCP_ICMP_SHORT, COUNTER_TCP_ICMP_NO_CONNECTION, COUNTER_TCP_ICMP_NOT_IN_FLIGHT,
	    COUNTER_TCP_ICMP_MTU, COUNTER_TCP_ICMP_MTU_NOT_SMALLER, COUNTER_TCP_ICMP_SOFT,
	};
	uint64_t sum = 0;
	for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++)
		sum += counter_get(&w.counters, all[i]);
	return sum;
}

/* What a connection may not lose by an ICMP error. */
struct before {
	uint16_t mss;
	uint32_t cwnd, ssthresh, una, nxt;
};

static void check_after(const struct before *b, uint32_t i, const uint8_t *q, uint32_t bytes,
                        bool to_it, uint32_t mtu)
{
	const struct conn *c = conn_get(w.engine, w.open[i]);
	CHECK(c);
	CHECK(c->cwnd == b->cwnd && c->ssthresh == b->ssthresh);
	CHECK(c->snd_una == b->una && c->snd_nxt == b->nxt);
	CHECK_OP(c->mss, <=, b->mss);
	CHECK(c->mss == b->mss || c->mss >= mss_least(c));
	bool in_flight = bytes >= 8 && get_be16(q) == 1883 && get_be16(q + 2) == 40000 + i &&
	                 get_be32(q + 4) - b->una < b->nxt - b->una;
	if (c->mss < b->mss)
		CHECK(to_it && in_flight && mtu != 0);
}

static void quote(struct input *in)
{
	uint8_t full[64] = {0};
	struct before before[CONNS] = {0};
	uint32_t bits = take(in, 1), mtu = take(in, 2), bytes = take(in, 1) % 61;
	uint32_t i = bits & 1;
	for (uint32_t k = 0; k < bytes; k++)
		full[k] = (uint8_t)take(in, 1);
	const struct conn *c = conn_get(w.engine, w.open[i]);
	if (bits & 2)
		put_be16(full, 1883);
	if (bits & 4)
		put_be16(full + 2, (uint16_t)(40000 + i));
	if (bits & 8 && c) /* an offset from what is in flight */
		put_be32(full + 4, c->snd_una + (uint32_t)(int16_t)get_be16(full + 6));
	for (uint32_t k = 0; k < CONNS; k++) {
		c = conn_get(w.engine, w.open[k]);
		if (c)
			before[k] = (struct before){c->mss, c->cwnd, c->ssthresh, c->snd_una,
			                            c->snd_nxt};
	}
	uint8_t *exact = malloc(bytes + 1);
	CHECK(exact);
	memcpy(exact, full, bytes);
	uint64_t sum = outcomes();
	const struct tcp_address *local = bits & 16 ? &servers[1 - i] : &servers[i];
	tcp_input_icmp(w.engine, local, &clients[i], exact, bytes, mtu);
	CHECK_OP(outcomes(), ==, sum + 1);
	for (uint32_t k = 0; k < CONNS; k++)
		if (before[k].mss)
			check_after(&before[k], k, exact, bytes, k == i && !(bits & 16), mtu);
	free(exact);
}

static void acknowledge(struct input *in)
{
	uint32_t i = take(in, 1) % CONNS, bytes = take(in, 2);
	const struct conn *c = conn_get(w.engine, w.open[i]);
	if (c)
		send_segment(i, ACK, 1001, c->snd_una + min_u32(bytes, c->snd_nxt - c->snd_una));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct tcp_app app = {on_accept, on_data, on_event, on_event, on_closed};
	static const struct tcp_link link = {link_alloc, link_send};
	struct input in = {data, data + bytes};
	struct tcp_config config = {.conns_max = CONNS, .syn_cache_max = 2, .time_wait_max = 1,
	    .rx_buffer_bytes = 2048, .rx_memory_bytes = 4096, .tx_buffer_bytes = 32768,
	    .tx_memory_bytes = 1 << 17, .mtu_bytes = 1500, .ports = {1883}, .secret = {9}};
	memset(&w, 0, sizeof w);
	w.now_us = 100000000;
	w.engine = tcp_engine_new(&config, &app, NULL, &link, NULL, &w.counters, w.now_us);
	CHECK(w.engine);
	open_both();
	for (uint32_t steps = 0; in.at < in.end && steps < 300; steps++) {
		uint32_t verb = take(&in, 1) % 8;
		if (verb < 6)
			quote(&in);
		else if (verb == 6)
			acknowledge(&in);
		else
			w.now_us += take(&in, 2) * 1000;
		tcp_set_now(w.engine, w.now_us);
		tcp_run_timers(w.engine, 100);
		tcp_flush(w.engine);
		const char *broken = tcp_invariants(w.engine);
		if (broken)
			check_failed(__FILE__, __LINE__, broken);
	}
	tcp_engine_free(w.engine);
	return 0;
}
