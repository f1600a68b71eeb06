/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TCP engine costs on one core, in process: no network, no DPDK, no IP. The peers are
 * headers kept in arrays; each segment is built in front of the engine and its answer looked at.
 *
 * usage: bench_tcp [messages] [CONNECTIONS]...     (default 10000 100000 1000000)
 * With `messages` that measurement alone, fetched.
 *
 * For each number of connections, all established:
 *     set-up         SYN in, SYN-ACK out, ACK in, `accept`
 *     request        one byte in, `data`, tcp_send of one byte, one segment out, which carries
 *                    the ACK; the next request acknowledges it. 32 connections per poll, each
 *                    in its turn, far apart in memory
 *     fetched        the same after tcp_fetch and its kind for the whole poll: misses overlap
 *     same 32        the same, always with the same connections: what caches are worth
 *     message        half a millisecond lies between the data and the answer to it, as much
 *                    until the answer's ACK comes in a segment of its own: a QoS 1 PUBLISH
 *     expiry         a poll while every connection's timer is due: 256 of them
 *     idle tick      tcp_run_timers with nothing due, per 4 ms of clock, for all connections
 *                    together: an idle one costs nothing
 *     close          FIN in, tcp_close, FIN out, its ACK in, `closed`
 *
 * Requests are built, and answers noted, outside of what is measured; of the polls the median
 * counts, so that a core that is taken away now and then does not show.
 *
 * The anchor is iip on DPDK: about 1,000 cycles for each one-byte ping-pong, with driver and IP.
 * Counts are fixed, so that callgrind's instruction counts can be compared between versions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "tcp/tcp.h"

#define PORT         1883
#define BURST        32
#define REQUESTS     1600000u
#define IDLE_POLLS   20000u
#define ROUND_US     50000u /* until a connection's turn comes again: well below a tail probe */
#define LAG_POLLS    10u    /* of 50 us: a journal's write, and a round trip */
#define STRIDE       7919u  /* a prime: one connection after the other is far away in memory */
#define SEGMENT_MAX  2048
#define TIMESTAMPS   12 /* bytes of NOP NOP TS */
#define HEADER       20
#define ANCHOR       1000

/* A client: its next sequence numbers, and the handle at the server. */
struct client {
	uint32_t seq, ack, ts_echo;
	uint16_t port;
	tcp_handle handle;
};

/* A segment to the engine. */
struct request {
	struct tcp_address peer;
	uint8_t bytes[64];
	uint32_t count;
	uint32_t likely; /* its connection, when that was fetched */
};

/* What came back, until the client takes note. */
struct answer {
	uint32_t client, ack, ts_echo;
};

struct bench {
	struct tcp_engine *engine;
	struct counters counters;
	uint64_t now_us;
	uint64_t poll_us; /* the clock's step */
	uint64_t turn;
	struct client *clients;
	uint32_t *of_conn; /* client by connection index */
	uint32_t count;
	uint32_t accepted, closed, answered;
	struct request requests[2 * BURST];
	struct answer answers[BURST];
	uint32_t answer_count;
	bool deferred; /* answers are noted later */
	bool durable;  /* data is answered LAG_POLLS later */
	uint8_t out[SEGMENT_MAX];
};

static double cycles_per_ns;

static void calibrate(void)
{
	uint64_t us = clock_mono_us(), cycles = clock_cycles();
	while (clock_mono_us() - us < 50000)
		;
	uint64_t elapsed_us = clock_mono_us() - us;
	cycles_per_ns = (double)(clock_cycles() - cycles) / (double)(elapsed_us * 1000);
}

/* --- the server: answers each byte with one --------------------------------------------------- */

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	struct bench *b = app;
	uint32_t i = get_be32(peer->address.ip + 12) - 0x0a000000;
	CHECK_OP(i, <, b->count);
	b->clients[i].handle = conn;
	b->of_conn[tcp_index(conn)] = i;
	b->accepted++;
	return true;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count)
{
	struct bench *b = app;
	if (!b->durable)
		CHECK(tcp_send(b->engine, conn, bytes, 1));
	return count;
}

static void on_finished(void *app, tcp_handle conn)
{
	struct bench *b = app;
	tcp_close(b->engine, conn);
}

static void on_writable(void *app, tcp_handle conn)
{
	(void)app;
	(void)conn;
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	struct bench *b = app;
	(void)conn;
	CHECK_OP((int)reason, ==, TCP_CLOSED_NORMAL);
	b->closed++;
}

static const struct tcp_app app_ops = {on_accept, on_data, on_finished, on_writable, on_closed};

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct bench *b = link;
	(void)control;
	CHECK_OP(bytes, <=, (uint32_t)SEGMENT_MAX);
	return b->out;
}

static void take_note(struct bench *b, const struct answer *a)
{
	struct client *c = &b->clients[a->client];
	c->ack = a->ack;
	c->ts_echo = a->ts_echo;
}

/* The client takes note of what it has received. */
static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct bench *b = link;
	(void)local;
	uint32_t header = (uint32_t)(segment[12] >> 4) * 4;
	uint32_t length = bytes - header + !!(segment[13] & 3); /* SYN or FIN */
	struct answer a = {.client = get_be32(peer->ip + 12) - 0x0a000000,
	                   .ack = get_be32(segment + 4) + length};
	b->answered++;
	for (uint32_t at = HEADER; at + 10 <= header;) {
		if (segment[at] == 8) {
			a.ts_echo = get_be32(segment + at + 2);
			break;
		}
		at += segment[at] <= 1 ? 1 : segment[at + 1];
	}
	if (b->deferred)
		b->answers[b->answer_count++] = a;
	else
		take_note(b, &a);
}

static const struct tcp_link link_ops = {link_alloc, link_send};

/* --- the clients ----------------------------------------------------------------------------- */

static struct tcp_address address(uint32_t v)
{
	struct tcp_address a = {.ip = {[10] = 0xff, [11] = 0xff}};
	put_be32(a.ip + 12, v);
	return a;
}

static const struct tcp_address *server(void)
{
	static struct tcp_address a;
	a = address(0x0aff0001);
	return &a;
}

/* One segment from client i. Options: timestamps, as Linux clients send; on a SYN also MSS, SACK
 * permitted and window scale. */
static void build(struct bench *b, uint32_t i, uint8_t flags, uint32_t data_bytes,
                  struct request *r)
{
	static const uint8_t syn_options[] = {2, 4, 0x05, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1};
	struct client *c = &b->clients[i];
	uint8_t *s = r->bytes;
	uint32_t header = HEADER + TIMESTAMPS;
	r->peer = address(0x0a000000 + i);
	memset(s, 0, HEADER);
	put_be16(s, c->port);
	put_be16(s + 2, PORT);
	put_be32(s + 4, c->seq);
	put_be32(s + 8, flags & 0x10 ? c->ack : 0);
	s[13] = flags;
	put_be16(s + 14, 500);
	put_be32(s + HEADER, 0x0101080a);
	put_be32(s + HEADER + 4, (uint32_t)(b->now_us / 1000));
	put_be32(s + HEADER + 8, c->ts_echo);
	if (flags & 2) {
		memcpy(s + header, syn_options, sizeof syn_options);
		header += sizeof syn_options;
	}
	s[12] = (uint8_t)(header / 4 << 4);
	memset(s + header, 'x', data_bytes);
	c->seq += data_bytes + !!(flags & 3);
	r->count = header + data_bytes;
}

static void from_client(struct bench *b, uint32_t i, uint8_t flags, uint32_t data_bytes)
{
	struct request r;
	build(b, i, flags, data_bytes, &r);
	tcp_input(b->engine, server(), &r.peer, r.bytes, r.count);
}

static void poll_begin(struct bench *b)
{
	b->now_us += b->poll_us;
	tcp_set_now(b->engine, b->now_us);
}

static void poll_end(struct bench *b)
{
	tcp_run_timers(b->engine, 256);
	tcp_flush(b->engine);
}

/* --- the measurements ------------------------------------------------------------------------ */

static void report(const char *what, uint64_t cycles, uint64_t n, const char *note)
{
	double per = (double)cycles / (double)n;
	printf("  %-12s %8.0f cycles %8.1f ns  %s\n", what, per, per / cycles_per_ns, note);
}

/* The table's probes are bounded: near its limit a few in a million find no place. They come again
 * from another port. */
static void connect_again(struct bench *b)
{
	uint32_t refused = b->count - b->accepted;
	CHECK_OP(refused, <=, b->count / 10000);
	for (uint32_t i = 0; i < b->count; i++) {
		for (uint32_t tries = 0; !b->clients[i].handle && tries < 4; tries++) {
			b->clients[i] = (struct client){.port = (uint16_t)(b->clients[i].port + 1)};
			poll_begin(b);
			from_client(b, i, 0x02, 0);
			poll_end(b);
			from_client(b, i, 0x10, 0);
		}
	}
	CHECK_OP(b->accepted, ==, b->count);
	if (refused)
		printf("  %u refused at first: no place in the table\n", refused);
}

static void bench_set_up(struct bench *b)
{
	uint64_t cycles = 0;
	for (uint32_t i = 0; i < b->count; i++)
		b->clients[i].port = (uint16_t)(1024 + i % 60000);
	for (uint32_t i = 0; i < b->count; i += BURST) {
		uint32_t n = b->count - i < BURST ? b->count - i : BURST;
		uint64_t from = clock_cycles();
		poll_begin(b);
		for (uint32_t k = i; k < i + n; k++)
			from_client(b, k, 0x02, 0);
		poll_end(b);
		poll_begin(b);
		for (uint32_t k = i; k < i + n; k++)
			from_client(b, k, 0x10, 0);
		poll_end(b);
		cycles += clock_cycles() - from;
	}
	report("set-up", cycles, b->count, "");
	connect_again(b);
}

/* As the worker does with a burst. */
static void fetch_all(struct bench *b, const struct tcp_address *to, struct request *r)
{
	uint64_t fetched[BURST];
	for (uint32_t k = 0; k < BURST; k++)
		fetched[k] = tcp_fetch(b->engine, to, &r[k].peer, r[k].bytes, r[k].count);
	for (uint32_t k = 0; k < BURST; k++)
		r[k].likely = tcp_fetch_conn(b->engine, fetched[k]);
	for (uint32_t k = 0; k < BURST; k++)
		if (r[k].likely != UINT32_MAX)
			tcp_fetch_more(b->engine, r[k].likely);
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Among the first `spread` connections, each in its turn. Cycles of the median poll. */
static uint64_t requests(struct bench *b, uint32_t spread, uint32_t polls, bool ahead)
{
	const struct tcp_address *to = server();
	static uint32_t cycles[REQUESTS / BURST];
	uint32_t before = b->answered;
	CHECK_OP(polls, <=, (uint32_t)(sizeof cycles / sizeof cycles[0]));
	b->deferred = true;
	for (uint32_t p = 0; p < polls; p++) {
		b->now_us += b->poll_us;
		for (uint32_t k = 0; k < BURST; k++)
			build(b, (uint32_t)(b->turn++ * STRIDE % spread), 0x18, 1, &b->requests[k]);
		uint64_t from = clock_cycles();
		tcp_set_now(b->engine, b->now_us);
		if (ahead)
			fetch_all(b, to, b->requests);
		for (uint32_t k = 0; k < BURST; k++)
			tcp_input_likely(b->engine, ahead ? b->requests[k].likely : UINT32_MAX, to,
			                 &b->requests[k].peer, b->requests[k].bytes,
			                 b->requests[k].count);
		poll_end(b);
		cycles[p] = (uint32_t)(clock_cycles() - from);
		for (uint32_t k = 0; k < b->answer_count; k++)
			take_note(b, &b->answers[k]);
		b->answer_count = 0;
	}
	b->deferred = false;
	CHECK_OP(b->answered - before, ==, polls * BURST);
	qsort(cycles, polls, sizeof cycles[0], ascending);
	return cycles[polls / 2];
}

/* What is done in the poll: data of a burst of connections, answers to an earlier one's, and
 * another's ACKs, whose requests follow the first. */
static __attribute__((noinline)) uint64_t serve_messages(struct bench *b, uint64_t answered_turn)
{
	const struct tcp_address *to = server();
	uint64_t from = clock_cycles();
	tcp_set_now(b->engine, b->now_us);
	for (uint32_t half = 0; half < 2; half++) {
		fetch_all(b, to, b->requests + half * BURST);
		for (uint32_t k = half * BURST; k < (half + 1) * BURST; k++)
			tcp_input_likely(b->engine, b->requests[k].likely, to,
			                 &b->requests[k].peer, b->requests[k].bytes,
			                 b->requests[k].count);
	}
	for (uint32_t k = 0; k < BURST; k++) {
		uint32_t i = (uint32_t)((answered_turn + k) * STRIDE % b->count);
		tcp_fetch_index(b->engine, tcp_index(b->clients[i].handle));
	}
	for (uint32_t k = 0; k < BURST; k++) {
		uint32_t i = (uint32_t)((answered_turn + k) * STRIDE % b->count);
		CHECK(tcp_send(b->engine, b->clients[i].handle, "", 1));
	}
	poll_end(b);
	return clock_cycles() - from;
}

static void bench_messages(struct bench *b, uint32_t polls)
{
	static uint32_t cycles[REQUESTS / BURST];
	uint32_t before = b->answered;
	CHECK_OP(polls, <=, (uint32_t)(sizeof cycles / sizeof cycles[0]));
	b->deferred = b->durable = true;
	b->turn = 2 * LAG_POLLS * BURST;
	for (uint32_t p = 0; p < polls; p++) {
		uint64_t answered = b->turn - LAG_POLLS * BURST;
		uint64_t acked = answered - LAG_POLLS * BURST;
		b->now_us += b->poll_us;
		for (uint32_t k = 0; k < BURST; k++) {
			build(b, (uint32_t)(b->turn++ * STRIDE % b->count), 0x18, 1,
			      &b->requests[k]);
			build(b, (uint32_t)(acked++ * STRIDE % b->count), 0x10, 0,
			      &b->requests[BURST + k]);
		}
		cycles[p] = (uint32_t)serve_messages(b, answered);
		for (uint32_t k = 0; k < b->answer_count; k++)
			take_note(b, &b->answers[k]);
		b->answer_count = 0;
	}
	b->deferred = b->durable = false;
	CHECK_OP(b->answered - before, ==, polls * BURST);
	qsort(cycles, polls, sizeof cycles[0], ascending);
	report("message", cycles[polls / 2], BURST, "two segments in, one out");
}

static void acknowledge_all(struct bench *b)
{
	poll_begin(b);
	for (uint32_t i = 0; i < b->count; i++)
		from_client(b, i, 0x10, 0);
	poll_end(b);
}

static void bench_requests(struct bench *b)
{
	uint32_t polls = REQUESTS / BURST;
	requests(b, b->count, polls / 4, false); /* warm */
	char note[64];
	snprintf(note, sizeof note, "(anchor: ~%d, with driver and IP)", ANCHOR);
	report("request", requests(b, b->count, polls, false), BURST, note);
	report("fetched", requests(b, b->count, polls, true), BURST, "");
	acknowledge_all(b);
	requests(b, BURST, polls / 4, false);
	report("same 32", requests(b, BURST, polls, false), BURST, "");
	report("  fetched", requests(b, BURST, polls, true), BURST, "");
}

static void bench_idle(struct bench *b)
{
	acknowledge_all(b);
	b->now_us += 10000000; /* what was armed for the requests fires now, all in one tick */
	uint32_t polls = b->count / 256 + 1;
	uint64_t from = clock_cycles();
	for (uint32_t i = 0; i < polls; i++) {
		poll_begin(b);
		poll_end(b);
	}
	report("expiry", clock_cycles() - from, polls, "for a poll's 256 timers, all due at once");
	from = clock_cycles();
	for (uint32_t i = 0; i < IDLE_POLLS; i++) {
		b->now_us += 4096 - b->poll_us;
		poll_begin(b);
		poll_end(b);
	}
	report("idle tick", clock_cycles() - from, IDLE_POLLS, "for all connections together");
}

static void bench_close(struct bench *b)
{
	uint64_t cycles = 0;
	for (uint32_t i = 0; i < b->count; i += BURST) {
		uint32_t n = b->count - i < BURST ? b->count - i : BURST;
		uint64_t from = clock_cycles();
		poll_begin(b);
		for (uint32_t k = i; k < i + n; k++)
			from_client(b, k, 0x11, 0);
		poll_end(b);
		poll_begin(b);
		for (uint32_t k = i; k < i + n; k++)
			from_client(b, k, 0x10, 0);
		poll_end(b);
		cycles += clock_cycles() - from;
	}
	CHECK_OP(b->closed, ==, b->count);
	report("close", cycles, b->count, "");
}

static void bench(uint32_t count, bool messages)
{
	struct bench *b = calloc(1, sizeof *b);
	CHECK(b);
	struct tcp_config config = {
	    .conns_max = count,
	    .syn_cache_max = 1024,
	    .time_wait_max = 1024,
	    .rx_buffer_bytes = 16384,
	    .rx_memory_bytes = 16 << 20,
	    .tx_buffer_bytes = 8192,
	    .tx_memory_bytes = 64 + (uint64_t)count * 128 * 2,
	    .mtu_bytes = 1500,
	    .ports = {PORT},
	    .secret = {7},
	    .seed = 7,
	};
	b->count = count;
	b->poll_us = ROUND_US / (count / BURST) > 0 ? ROUND_US / (count / BURST) : 1;
	if (b->poll_us > 50)
		b->poll_us = 50;
	b->clients = calloc(count, sizeof *b->clients);
	b->of_conn = calloc(count, sizeof *b->of_conn);
	b->now_us = 1000000;
	b->engine = tcp_engine_new(&config, &app_ops, b, &link_ops, b, &b->counters, b->now_us);
	CHECK(b->clients && b->of_conn && b->engine);
	printf("%u connections\n", count);
	bench_set_up(b);
	struct tcp_levels l;
	tcp_levels_get(b->engine, &l);
	CHECK_OP(l.conns, ==, count);
	printf("  %-12s %8u bytes   (connection and its share of the table, nothing in flight)\n",
	       "idle", l.bytes_per_idle_conn);
	bench_messages(b, REQUESTS / BURST / 8);
	if (!messages) {
		acknowledge_all(b);
		bench_requests(b);
		bench_idle(b);
		bench_close(b);
	}
	tcp_engine_free(b->engine);
	free(b->clients);
	free(b->of_conn);
	free(b);
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = {10000, 100000, 1000000};
	bool messages = argc > 1 && strcmp(argv[1], "messages") == 0;
	int first = messages ? 2 : 1;
	calibrate();
	printf("%.2f TSC cycles per ns\n", cycles_per_ns);
	for (int i = first; i < argc; i++) {
		long n = strtol(argv[i], NULL, 10);
		if (n < 32 * BURST || n > 1 << 24) {
			fprintf(stderr,
			        "usage: %s [messages] [CONNECTIONS]...   1024 to 16777216\n",
			        argv[0]);
			return 2;
		}
		bench((uint32_t)n, messages);
	}
	for (uint32_t i = 0; argc == first && i < sizeof usual / sizeof usual[0]; i++)
		bench(usual[i], messages);
	return 0;
}
