/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYN cookies against a list of those that were given out: SYNs of any offer, ACKs that answer one
 * of them or differ a little, repeated and late ones. There is no half-open cache.
 *
 *     verb, then for a SYN:  peer | irs (4) | MSS (2) | option bits | window scale | timestamp (4)
 *                for an ACK: which cookie | what differs | by how much (4)
 *                for a step of the clock: seconds (2)
 *
 * Oracles: a connection opens if and only if its ACK answers a cookie of this or the last period
 * that was not used before; it has the options that the SYN offered, and an MSS that is not larger.
 */
#include <stdlib.h>

#include "tcp/tcp_priv.h"

#define PEERS  4
#define ISSUED 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
	const uint8_t *at, *end;
};

struct issued {
	uint32_t peer, irs, iss, tsval, peer_ts;
	uint64_t period;
	uint16_t mss; /* offered */
	uint8_t flags, wscale;
	uint32_t used; /* as so many-th of its set; 0: not yet */
};

static struct {
	struct tcp_engine *engine;
	struct counters counters;
	uint64_t now_us;
	struct issued issued[ISSUED];
	uint32_t count, accepted;
	uint32_t used_in[COOKIE_SETS]; /* cookies accepted, by the set that remembers them */
	const struct issued *expected; /* whose ACK is on its way */
	uint8_t expected_bits;         /* of the timestamp that it echoes */
	struct segment reply;
	bool replied;
	uint8_t buffer[256];
} w;

static const struct tcp_address server = {{[10] = 0xff, 0xff, 10, 0, 0, 1}};
static const struct tcp_address clients[PEERS] = {
    {{[10] = 0xff, 0xff, 10, 0, 0, 2}},
    {{[10] = 0xff, 0xff, 10, 0, 0, 3}},
    {{0x20, 1, [15] = 4}},
    {{0x20, 1, [15] = 5}},
};

static uint32_t take(struct input *in, uint32_t count_)
{
	uint32_t v = 0;
	for (uint32_t i = 0; i < count_; i++)
		v = v << 8 | (in->at < in->end ? *in->at++ : 0);
	return v;
}

/* Looks at what was restored, and refuses, so that the same addresses can try again. */
static bool on_accept(void *app, tcp_handle handle, const struct tcp_peer *peer)
{
	(void)app;
	(void)peer;
	const struct issued *x = w.expected;
	const struct conn *c = conn_get(w.engine, handle);
	CHECK(c && x);
	w.accepted++;
	CHECK_OP(c->rcv_nxt, ==, x->irs + 1);
	CHECK_OP(c->snd_nxt, ==, x->iss + 1);
	CHECK_OP(c->mss, >=, MSS_FLOOR);
	CHECK(c->mss <= (x->mss < MSS_FLOOR ? MSS_FLOOR : x->mss));
	bool ts = x->flags & C_TS;
	CHECK_OP(!!(c->flags & C_TS), ==, ts);
	CHECK_OP(!!(c->flags & C_SACK), ==, ts && w.expected_bits & 0x20);
	CHECK_OP(!!(c->flags & C_WSCALE), ==, ts && w.expected_bits & 0x10);
	CHECK_OP((uint32_t)c->snd_wscale, <=, 14u);
	if (ts && w.expected_bits == (x->tsval & 0x3f)) {
		CHECK_OP(!!(c->flags & C_SACK), ==, !!(x->flags & C_SACK));
		CHECK_OP(!!(c->flags & C_WSCALE), ==, !!(x->flags & C_WSCALE));
		CHECK_OP((uint32_t)c->snd_wscale, ==, x->flags & C_WSCALE ? x->wscale : 0u);
	}
	return false;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count_)
{
	(void)app;
	(void)conn;
	(void)bytes;
	(void)count_;
	check_failed(__FILE__, __LINE__, "no connection stays");
}

static void on_event(void *app, tcp_handle conn)
{
	(void)app;
	(void)conn;
	check_failed(__FILE__, __LINE__, "no connection stays");
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	(void)reason;
	on_event(app, conn);
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
	CHECK(segment_parse(w.engine, s, bytes, &w.reply));
	w.replied = true;
}

static void send_segment(uint32_t peer, uint8_t flags, uint32_t seq, uint32_t ack,
                         const uint8_t *options, uint32_t option_bytes)
{
	uint32_t bytes = 20 + option_bytes;
	uint8_t *s = calloc(1, bytes);
	CHECK(s);
	put_be16(s, (uint16_t)(40000 + peer));
	put_be16(s + 2, 1883);
	put_be32(s + 4, seq);
	put_be32(s + 8, ack);
	s[12] = (uint8_t)(bytes / 4 << 4);
	s[13] = flags;
	put_be16(s + 14, 1000);
	memcpy(s + 20, options, option_bytes);
	w.replied = false;
	tcp_input(w.engine, &server, &clients[peer], s, bytes);
	tcp_flush(w.engine);
	free(s);
}

static void syn(struct input *in)
{
	uint8_t options[40];
	if (w.count == ISSUED)
		return; /* all are remembered, for a SYN again may draw the same cookie */
	struct issued x = {.peer = take(in, 1) % PEERS, .irs = take(in, 4)};
	x.mss = (uint16_t)take(in, 2);
	uint32_t bits = take(in, 1);
	x.wscale = (uint8_t)(take(in, 1) % 15);
	x.peer_ts = take(in, 4);
	x.flags = (bits & 1 ? C_TS : 0) | (bits & 2 ? C_SACK : 0) | (bits & 4 ? C_WSCALE : 0);
	const uint8_t *wscale = bits & 4 ? &x.wscale : NULL;
	uint32_t n = options_put_syn(options, x.mss, wscale, bits & 2, bits & 1,
	                             x.peer_ts, 0);
	send_segment(x.peer, SYN, x.irs, 0, options, n);
	CHECK(w.replied && w.reply.flags == (SYN | ACK) && w.reply.ack == x.irs + 1);
	x.iss = w.reply.seq;
	x.tsval = w.reply.opt.tsval;
	x.period = w.now_us >> 26;
	CHECK_OP(w.reply.opt.has_ts, ==, !!(x.flags & C_TS));
	w.issued[w.count++] = x;
}

/* The same cookie may have been given out twice: then it is one. */
static void mark_used(const struct issued *x)
{
	uint32_t iss = x->iss, peer = x->peer;
	w.used_in[iss % COOKIE_SETS]++;
	for (uint32_t i = 0; i < w.count; i++)
		if (w.issued[i].peer == peer && w.issued[i].iss == iss)
			w.issued[i].used = w.used_in[iss % COOKIE_SETS];
}

static uint32_t used_as(const struct issued *x)
{
	for (uint32_t i = 0; i < w.count; i++)
		if (w.issued[i].peer == x->peer && w.issued[i].iss == x->iss && w.issued[i].used)
			return w.issued[i].used;
	return 0;
}

static void ack(struct input *in)
{
	uint32_t which = take(in, 1), differs = take(in, 1), by = take(in, 4);
	uint8_t ts[12];
	if (w.count == 0)
		return;
	const struct issued *x = &w.issued[which % w.count];
	uint32_t peer = x->peer, seq = x->irs + 1, number = x->iss + 1, echo = x->tsval;
	uint64_t age = (w.now_us >> 26) - x->period;
	uint32_t used = used_as(x);
	bool good = age <= 1 && !used;
	/* so many others since that it may be forgotten */
	if (used && w.used_in[x->iss % COOKIE_SETS] - used >= COOKIE_WAYS)
		return;
	by = by ? by : 1;
	if (differs & 1)
		seq += by;
	if (differs & 2)
		number += by;
	if (differs & 4)
		peer = (peer + 1 + by % (PEERS - 1)) % PEERS;
	if (differs & 8)
		echo ^= by & 0x3f;
	/* as a whole it may be another cookie of ours, or one for a neighbouring MSS: not with two
	 * numbers changed at once in 2^32 */
	good = good && !(differs & 7);
	w.expected = good ? x : NULL;
	w.expected_bits = echo & 0x3f;
	/* 15 is no window scale (RFC 7323 2.3), and our SYN-ACKs never carry it */
	if (x->flags & C_TS && (w.expected_bits & 0x1f) == 0x1f)
		return;
	uint32_t n = x->flags & C_TS ? options_put_ts(ts, x->peer_ts + 1, echo) : 0;
	uint32_t before = w.accepted;
	send_segment(peer, ACK, seq, number, ts, n);
	CHECK_OP(w.accepted - before, ==, good ? 1u : 0u);
	if (good)
		mark_used(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct tcp_app app = {on_accept, on_data, on_event, on_event, on_closed};
	static const struct tcp_link link = {link_alloc, link_send};
	struct input in = {data, data + bytes};
	struct tcp_config config = {.conns_max = 2, .rx_buffer_bytes = 2048,
	    .rx_memory_bytes = 4096, .tx_buffer_bytes = 4096, .tx_memory_bytes = 4096,
	    .mtu_bytes = 1500, .ports = {1883}, .secret = {9}};
	memset(&w, 0, sizeof w);
	w.now_us = 100000000;
	w.engine = tcp_engine_new(&config, &app, NULL, &link, NULL, &w.counters, w.now_us);
	CHECK(w.engine);
	for (uint32_t steps = 0; in.at < in.end && steps < 300; steps++) {
		switch (take(&in, 1) % 3) {
		case 0:
			syn(&in);
			break;
		case 1:
			ack(&in);
			break;
		default:
			w.now_us += take(&in, 2) % 200 * 1000000ull;
			tcp_set_now(w.engine, w.now_us);
		}
	}
	tcp_engine_free(w.engine);
	return 0;
}
