/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real engine against the reference client on a virtual clock and a seeded network.
 *
 * usage: sim_tcp                     the ordinary range of seeds
 *        sim_tcp --seed N            one, in detail
 *        sim_tcp --seeds A-B         a range
 *
 * Oracles: both byte streams are exact; everybody finishes in time; the engine's invariants hold
 * after each event; when all is over nothing is left in its pools.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "invariants.h"
#include "net.h"
#include "peer.h"
#include "tcp/tcp.h"

#define CLIENTS_MAX   4
#define SERVER_PORT   1883
#define TIME_LIMIT_US (4ull * 3600 * 1000000)

struct served {
	tcp_handle handle;
	bool open, closed;
	uint32_t client;
	uint32_t received, sent;
	bool closing;
	enum tcp_close_reason reason;
};

struct world {
	uint64_t seed, now_us;
	struct rng rng;
	struct net net;
	struct tcp_engine *engine;
	struct counters counters;
	struct tcp_address server, addresses[CLIENTS_MAX];
	struct peer peers[CLIENTS_MAX];
	uint32_t clients;
	struct served served[CLIENTS_MAX];
	bool server_closes_first;
	bool harsh;             /* so lossy that giving up is allowed */
	uint32_t keep_parts;    /* how often the application leaves bytes, of 10,000 */
	uint32_t no_buffer;     /* how often the link has no buffer, of 10,000 */
	uint64_t resume_us;
	bool resume[CLIENTS_MAX];
	uint64_t abandon_us[CLIENTS_MAX];
	bool verbose;
	const char *failure;
	uint8_t buffer[NET_SEGMENT_MAX];
};

static void failed(struct world *w, const char *why)
{
	if (!w->failure)
		w->failure = why;
}

/* --- the server's application ------------------------------------------------------------- */

static struct served *served_of(struct world *w, tcp_handle conn)
{
	for (uint32_t i = 0; i < w->clients; i++)
		if (w->served[i].open && w->served[i].handle == conn)
			return &w->served[i];
	failed(w, "an event for a connection that is not open");
	return NULL;
}

static void server_send(struct world *w, struct served *s)
{
	const struct peer_config *g = &w->peers[s->client].config;
	uint8_t bytes[3000];
	while (s->open && !s->closing && s->sent < g->receive_bytes) {
		uint32_t n = 1 + (uint32_t)rng_below(&w->rng, 400);
		if (n > g->receive_bytes - s->sent)
			n = g->receive_bytes - s->sent;
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = stream_byte(g->receive_stream, s->sent + i);
		if (!tcp_send(w->engine, s->handle, bytes, n))
			return;
		s->sent += n;
	}
	if (s->open && !s->closing && w->server_closes_first && s->received == g->send_bytes) {
		s->closing = true;
		tcp_close(w->engine, s->handle);
	}
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	struct world *w = app;
	for (uint32_t i = 0; i < w->clients; i++) {
		if (w->peers[i].config.port != peer->port ||
		    memcmp(&w->addresses[i], &peer->address, sizeof peer->address) != 0)
			continue;
		struct served *s = &w->served[i];
		if (s->open)
			failed(w, "accepted twice");
		*s = (struct served){.handle = conn, .open = true, .client = i};
		server_send(w, s);
		return true;
	}
	failed(w, "accepted from nowhere");
	return false;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return count;
	const struct peer_config *g = &w->peers[s->client].config;
	for (uint32_t i = 0; i < count; i++) {
		if (s->received + i >= g->send_bytes ||
		    bytes[i] != stream_byte(g->send_stream, s->received + i)) {
			failed(w, "a wrong byte from the client");
			return count;
		}
	}
	uint32_t take = count;
	if (rng_chance(&w->rng, w->keep_parts)) {
		take = (uint32_t)rng_below(&w->rng, count + 1);
		w->resume[s->client] = true;
		if (w->resume_us == UINT64_MAX)
			w->resume_us = w->now_us + 1 + rng_below(&w->rng, 3000000);
	}
	s->received += take;
	server_send(w, s);
	return take;
}

static void close_if_finished(struct world *w, struct served *s)
{
	const struct peer_config *g = &w->peers[s->client].config;
	if (s->open && !s->closing && s->sent == g->receive_bytes &&
	    s->received == g->send_bytes) {
		s->closing = true;
		tcp_close(w->engine, s->handle);
	}
}

static void on_finished(void *app, tcp_handle conn)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	if (s->received != w->peers[s->client].config.send_bytes)
		failed(w, "finished before all data was consumed");
	/* close once everything is queued */
	s->closing = s->sent == w->peers[s->client].config.receive_bytes;
	if (s->closing)
		tcp_close(w->engine, conn);
	else {
		server_send(w, s);
		close_if_finished(w, s);
	}
}

static void on_writable(void *app, tcp_handle conn)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	server_send(w, s);
	close_if_finished(w, s);
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	s->open = false;
	s->closed = true;
	s->reason = reason;
}

static const struct tcp_app app_ops = {on_accept, on_data, on_finished, on_writable, on_closed};

/* --- links -------------------------------------------------------------------------------- */

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct world *w = link;
	CHECK_OP(bytes, <=, (uint32_t)NET_SEGMENT_MAX);
	return rng_chance(&w->rng, control ? w->no_buffer / 4 : w->no_buffer) ? NULL : w->buffer;
}

static void trace(struct world *w, const char *who, uint32_t n, const uint8_t *s, uint32_t bytes)
{
	if (!w->verbose)
		return;
	uint32_t header = (uint32_t)(s[12] >> 4) * 4;
	printf("%12.6f %s %u %c%c%c%c seq %u ack %u win %u len %u", (double)w->now_us / 1e6, who, n,
	       s[13] & 2 ? 'S' : '-', s[13] & 1 ? 'F' : '-', s[13] & 4 ? 'R' : '-',
	       s[13] & 16 ? 'A' : '-', get_be32(s + 4), get_be32(s + 8), get_be16(s + 14),
	       bytes - header);
	for (uint32_t at = 20; at < header;) {
		if (s[at] == 5)
			for (uint32_t i = at + 2; i < at + s[at + 1]; i += 8)
				printf(" sack %u-%u", get_be32(s + i), get_be32(s + i + 4));
		at += s[at] <= 1 ? 1 : s[at + 1];
	}
	printf("\n");
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct world *w = link;
	if (memcmp(local, &w->server, sizeof *local) != 0)
		failed(w, "sent from a wrong address");
	for (uint32_t i = 0; i < w->clients; i++) {
		if (memcmp(peer, &w->addresses[i], sizeof *peer) == 0 &&
		    get_be16(segment + 2) == w->peers[i].config.port) {
			trace(w, "server -> client", i, segment, bytes);
			net_send(&w->net, w->now_us, 0, i + 1, segment, bytes);
			return;
		}
	}
	failed(w, "sent to a wrong address");
}

static const struct tcp_link link_ops = {link_alloc, link_send};

static void peer_send(void *context, struct peer *p, const uint8_t *segment, uint32_t bytes)
{
	struct world *w = context;
	uint32_t i = (uint32_t)(p - w->peers);
	trace(w, "client -> server", i, segment, bytes);
	net_send(&w->net, w->now_us, i + 1, 0, segment, bytes);
}

/* --- scenarios ---------------------------------------------------------------------------- */

/* 0..most, small ones as likely as large ones. */
static uint32_t any_size(struct rng *r, uint32_t most)
{
	uint32_t n = (uint32_t)rng_below(r, most + 1);
	return n >> rng_below(r, 12);
}

static void make_net(struct world *w, struct net_config *g, bool ipv6)
{
	struct rng *r = &w->rng;
	memset(g, 0, sizeof *g);
	switch (rng_below(r, 7)) {
	case 0: /* clean */
		break;
	case 1:
	case 2:
		g->loss = 500;
		break;
	case 3:
		g->loss = (uint32_t)rng_below(r, 1500);
		break;
	case 4: /* bursts */
		g->loss = 50;
		g->burst_start = 100;
		g->burst_end = 2000;
		g->burst_loss = 8000;
		break;
	case 5:
		g->loss = 3000;
		w->harsh = true;
		break;
	default:
		g->loss = (uint32_t)rng_below(r, 500);
		g->duplicate = (uint32_t)rng_below(r, 1000);
		g->corrupt = (uint32_t)rng_below(r, 500);
	}
	if (rng_chance(r, 4000))
		g->reorder = (uint32_t)rng_below(r, 2000);
	static const uint64_t delays[] = {100,    5000,   50000,   100000,
	                                  100000, 700000, 8000000, 15000000};
	g->delay_us = delays[rng_below(r, 8)];
	g->jitter_us = rng_below(r, 2) ? g->delay_us / 4 : 0;
	if (g->delay_us > 1000000 && (g->loss > 100 || g->burst_start || g->corrupt > 100))
		w->harsh = true;
	if (rng_chance(r, 500))
		g->mtu_bytes = ipv6 ? 1300 : 700;
}

static void make_engine_config(struct world *w, struct tcp_config *g)
{
	struct rng *r = &w->rng;
	*g = (struct tcp_config){
	    .conns_max = 8,
	    .syn_cache_max = (uint32_t)rng_below(r, 4),
	    .time_wait_max = CLIENTS_MAX,
	    .rx_buffer_bytes = 2048u << rng_below(r, 6),
	    .rx_memory_bytes = 1 << 20,
	    .tx_buffer_bytes = 512u << rng_below(r, 8),
	    .tx_memory_bytes = 1 << 20,
	    .mtu_bytes = (uint16_t)(rng_below(r, 4) ? 1500 : 1280),
	    .ports = {SERVER_PORT},
	    .seed = rng_next(r),
	};
	if (rng_chance(r, 2000)) { /* short of memory */
		g->rx_memory_bytes = g->rx_buffer_bytes;
		g->tx_memory_bytes = 8192;
		w->harsh = true; /* a peer that holds its window may be evicted */
	}
	if (rng_chance(r, 3000))
		g->rx_buffer_bytes += 2 * (uint32_t)rng_below(r, 60000);
	for (uint32_t i = 0; i < sizeof g->secret; i++)
		g->secret[i] = (uint8_t)rng_next(r);
}

static void make_peer_config(struct world *w, struct peer_config *g, uint32_t i)
{
	struct rng *r = &w->rng;
	static const uint32_t edges[] = {0, 0x7fffffffu - 3000, 0xffffffffu - 3000, 0x12345678u};
	static const uint16_t sizes[] = {0, 536, 1220, 1360, 1460, 1460, 300, 100};
	*g = (struct peer_config){
	    .port = (uint16_t)(1024 + rng_below(r, 60000) / CLIENTS_MAX * CLIENTS_MAX + i),
	    .server_port = SERVER_PORT,
	    .iss = edges[rng_below(r, 4)] + (uint32_t)rng_below(r, 3000),
	    .ts_start = (uint32_t)rng_next(r),
	    .ts = rng_chance(r, 6000),
	    .sack = rng_chance(r, 7000),
	    .wscale_on = rng_chance(r, 6000),
	    .wscale = (uint8_t)rng_below(r, 8),
	    .mss = sizes[rng_below(r, 8)],
	    .buffer_bytes = 1000 + any_size(r, 60000),
	    .window_segments = 1 + (uint32_t)rng_below(r, 12),
	    .send_bytes = any_size(r, 60000),
	    .receive_bytes = any_size(r, 60000),
	    .send_stream = rng_next(r),
	    .receive_stream = rng_next(r),
	    .start_us = w->now_us + rng_below(r, 2000000),
	    .close_last = w->server_closes_first,
	};
	if (rng_chance(r, 1500))
		g->read_pause_us = rng_below(r, 90000000);
	if (rng_chance(r, 1000))
		g->pause_us = rng_below(r, 30) * 86400000000ull;
}

static void make_address(struct world *w, struct tcp_address *a, bool ipv6)
{
	for (uint32_t i = 0; i < 16; i++)
		a->ip[i] = (uint8_t)rng_next(&w->rng);
	a->ip[0] = 0x20;
	if (!ipv6) {
		memset(a->ip, 0, 10);
		memset(a->ip + 10, 0xff, 2);
		a->ip[12] = 10;
	}
}

/* The clock at which the engine's sequence numbers for client 0 start near an edge. */
static uint32_t first_iss;

static uint8_t *probe_alloc(void *link, uint32_t bytes, bool control)
{
	(void)control;
	struct world *w = link;
	CHECK_OP(bytes, <=, (uint32_t)NET_SEGMENT_MAX);
	return w->buffer;
}

static void probe_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                       uint8_t *segment, uint32_t bytes)
{
	(void)link;
	(void)local;
	(void)peer;
	(void)bytes;
	first_iss = get_be32(segment + 4);
}

/* RFC 6528's numbers advance by one in 4 us: ask a throw-away engine for today's, and move the
 * start of time. */
static void place_sequence_numbers(struct world *w, const struct tcp_config *g)
{
	static const uint32_t edges[] = {0x7fffffffu - 5000, 0xffffffffu - 5000};
	uint32_t pick = (uint32_t)rng_below(&w->rng, 3);
	if (pick == 2)
		return;
	static const struct tcp_link ops = {probe_alloc, probe_send};
	struct tcp_config config = *g;
	config.syn_cache_max = 1;
	struct tcp_engine *e =
	    tcp_engine_new(&config, &app_ops, w, &ops, w, &w->counters, w->now_us);
	CHECK(e);
	uint8_t syn[20] = {[12] = 5 << 4, [13] = 2};
	put_be16(syn, w->peers[0].config.port);
	put_be16(syn + 2, SERVER_PORT);
	tcp_input(e, &w->server, &w->addresses[0], syn, sizeof syn);
	tcp_engine_free(e);
	uint64_t shift = (uint64_t)(uint32_t)(edges[pick] - first_iss) * 4;
	w->now_us += shift;
	for (uint32_t i = 0; i < w->clients; i++) {
		w->peers[i].config.start_us += shift;
		w->peers[i].timer_us += shift;
	}
}

static void world_init(struct world *w, uint64_t seed, bool verbose)
{
	memset(w, 0, sizeof *w);
	w->seed = seed;
	w->rng.state = seed * 0x2545f4914f6cdd1du + 1;
	w->verbose = verbose;
	w->now_us = rng_below(&w->rng, 1ull << 40);
	w->resume_us = UINT64_MAX;
	w->clients = 1 + (uint32_t)rng_below(&w->rng, CLIENTS_MAX);
	w->server_closes_first = rng_below(&w->rng, 2);
	w->keep_parts = rng_below(&w->rng, 3) ? 0 : (uint32_t)rng_below(&w->rng, 9000);
	w->no_buffer = rng_below(&w->rng, 5) ? 0 : (uint32_t)rng_below(&w->rng, 3000);
	struct net_config net;
	bool ipv6 = rng_below(&w->rng, 2);
	make_net(w, &net, ipv6);
	net_init(&w->net, &net, rng_next(&w->rng));
	struct tcp_config g;
	make_engine_config(w, &g);
	make_address(w, &w->server, ipv6);
	for (uint32_t i = 0; i < w->clients; i++) {
		struct peer_config peer;
		make_address(w, &w->addresses[i], ipv6);
		make_peer_config(w, &peer, i);
		peer_init(&w->peers[i], &peer);
		w->peers[i].send = peer_send;
		w->peers[i].context = w;
	}
	place_sequence_numbers(w, &g);
	w->engine =
	    tcp_engine_new(&g, &app_ops, w, &link_ops, w, &w->counters, w->now_us);
	CHECK(w->engine);
}

static void world_fini(struct world *w)
{
	tcp_engine_free(w->engine);
	net_fini(&w->net);
	for (uint32_t i = 0; i < w->clients; i++)
		peer_fini(&w->peers[i]);
}

/* --- running ------------------------------------------------------------------------------ */

static void deliver(struct world *w)
{
	struct packet p;
	while (net_receive(&w->net, w->now_us, &p)) {
		if (p.to == 0)
			tcp_input(w->engine, &w->server, &w->addresses[p.from - 1], p.segment,
			          p.bytes);
		else
			peer_input(&w->peers[p.to - 1], w->now_us, p.segment, p.bytes);
		free(p.segment);
	}
}

static void resume(struct world *w)
{
	if (w->now_us < w->resume_us)
		return;
	w->resume_us = UINT64_MAX;
	for (uint32_t i = 0; i < w->clients; i++) {
		if (w->resume[i] && w->served[i].open)
			tcp_resume(w->engine, w->served[i].handle);
		w->resume[i] = false;
	}
}

static uint64_t next_event(struct world *w)
{
	uint64_t next = net_next_us(&w->net);
	uint64_t timer = tcp_next_timer_us(w->engine);
	/* an engine that waits for buffers is asked again a little later */
	if (timer <= w->now_us)
		timer = w->now_us + 500;
	if (timer < next)
		next = timer;
	if (w->resume_us < next)
		next = w->resume_us;
	for (uint32_t i = 0; i < w->clients; i++) {
		uint64_t at = peer_next_us(&w->peers[i]);
		if (at < next)
			next = at;
		if (w->abandon_us[i] > w->now_us && w->served[i].open && w->abandon_us[i] < next)
			next = w->abandon_us[i];
	}
	return next;
}

static bool all_done(const struct world *w)
{
	for (uint32_t i = 0; i < w->clients; i++)
		if (w->peers[i].state != PEER_DONE && w->peers[i].state != PEER_RESET)
			return false;
	for (uint32_t i = 0; i < w->clients; i++)
		if (w->served[i].open)
			return false;
	return true;
}

/* The keep-alive of the protocol above: a client that is no more is noticed in the end. */
static void abandon(struct world *w)
{
	for (uint32_t i = 0; i < w->clients; i++) {
		if (w->peers[i].state != PEER_RESET || !w->served[i].open)
			continue;
		if (w->abandon_us[i] == 0)
			w->abandon_us[i] = w->now_us + 600 * 1000000ull;
		else if (w->now_us >= w->abandon_us[i])
			tcp_abort(w->engine, w->served[i].handle);
	}
}

static void step(struct world *w)
{
	tcp_set_now(w->engine, w->now_us);
	deliver(w);
	tcp_run_timers(w->engine, 64);
	resume(w);
	tcp_flush(w->engine);
	for (uint32_t i = 0; i < w->clients; i++) {
		peer_poll(&w->peers[i], w->now_us);
		if (w->peers[i].failure)
			failed(w, w->peers[i].failure);
		/* a server that has everything and heard FIN */
		if (w->served[i].open && w->served[i].closing == false &&
		    w->peers[i].fin_seen)
			failed(w, "the client saw a FIN that the server never sent");
	}
	abandon(w);
	const char *broken = tcp_invariants(w->engine);
	if (broken)
		failed(w, broken);
}

static void check_outcome(struct world *w)
{
	for (uint32_t i = 0; i < w->clients && !w->failure; i++) {
		struct peer *p = &w->peers[i];
		struct served *s = &w->served[i];
		if (w->harsh && (p->state == PEER_RESET || s->reason != TCP_CLOSED_NORMAL))
			continue;
		/* the handshake's last ACK was lost, and nothing followed it for too long */
		bool mute = p->config.send_bytes == 0 || p->config.pause_us;
		if (!s->open && !s->closed && mute && p->got == 0)
			continue;
		if (p->state != PEER_DONE)
			failed(w, "a client was reset or gave up");
		else if (!s->closed || s->reason != TCP_CLOSED_NORMAL)
			failed(w, "a connection did not close normally");
		else if (s->received != p->config.send_bytes || p->got != p->config.receive_bytes)
			failed(w, "a stream is not complete");
	}
}

/* Nothing may be left once TIME-WAIT is over. */
static void check_leaks(struct world *w)
{
	w->net.config.loss = 10000;
	uint64_t end = w->now_us + 400 * 1000000ull;
	while (w->now_us < end && !w->failure) {
		w->now_us += 1000000;
		step(w);
	}
	struct tcp_levels l;
	tcp_levels_get(w->engine, &l);
	if (l.conns || l.half_open || l.time_wait || l.rx_bytes || l.tx_bytes)
		failed(w, "something is left after all connections ended");
}

static void describe(const struct world *w)
{
	const struct net_config *g = &w->net.config;
	printf("  net: loss %u duplicate %u corrupt %u reorder %u burst %u/%u/%u delay %" PRIu64
	       " jitter %" PRIu64 " mtu %u, no buffer %u, keep %u\n",
	       g->loss, g->duplicate, g->corrupt, g->reorder, g->burst_start, g->burst_end,
	       g->burst_loss, g->delay_us, g->jitter_us, g->mtu_bytes, w->no_buffer,
	       w->keep_parts);
	for (uint32_t i = 0; i < w->clients; i++) {
		const struct peer *p = &w->peers[i];
		const struct served *s = &w->served[i];
		printf("  client %u: state %d, sent %u of %u, got %u of %u, tries %u, fin %d, "
		       "mss %u buffer %u ts %d sack %d; server: open %d closed %d reason %d "
		       "received %u "
		       "sent %u\n",
		       i, p->state, p->una, p->config.send_bytes, p->got, p->config.receive_bytes,
		       p->tries, p->fin_seen, p->config.mss, p->config.buffer_bytes, p->config.ts,
		       p->config.sack, s->open, s->closed, s->reason, s->received, s->sent);
	}
}

static bool run(uint64_t seed, bool verbose)
{
	static struct world w;
	world_init(&w, seed, verbose);
	uint64_t start = w.now_us;
	uint64_t limit = start + TIME_LIMIT_US;
	for (uint32_t i = 0; i < w.clients; i++)
		limit += w.peers[i].config.pause_us;
	uint64_t steps = 0;
	while (!w.failure && !all_done(&w)) {
		uint64_t next = next_event(&w);
		if (next == UINT64_MAX)
			failed(&w, "everything stands still");
		else if (next > limit || ++steps > 3000000)
			failed(&w, "no end in time");
		else
			w.now_us = next > w.now_us ? next : w.now_us + 1;
		if (!w.failure)
			step(&w);
	}
	if (!w.failure)
		check_outcome(&w);
	if (!w.failure)
		check_leaks(&w);
	if (w.failure)
		printf("seed %" PRIu64 " failed at %.6f s: %s\n"
		       "  replay: sim_tcp --seed %" PRIu64 "\n",
		       seed, (double)(w.now_us - start) / 1e6, w.failure, seed);
	if (w.failure && verbose)
		describe(&w);
	if (!w.failure && verbose)
		printf("seed %" PRIu64 ": %u clients, %" PRIu64 " segments, %" PRIu64
		       " lost, %.3f s\n",
		       seed, w.clients, w.net.sent, w.net.dropped,
		       (double)(w.now_us - start) / 1e6);
	bool good = !w.failure;
	world_fini(&w);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, to = 400;
	bool verbose = false;
	if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
		from = to = strtoull(argv[2], NULL, 10);
		verbose = true;
	} else if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
		char *dash;
		from = strtoull(argv[2], &dash, 10);
		to = *dash == '-' ? strtoull(dash + 1, NULL, 10) : from;
	} else if (argc != 1) {
		fprintf(stderr, "usage: %s [--seed N | --seeds A-B]\n", argv[0]);
		return 2;
	}
	uint64_t bad = 0;
	for (uint64_t seed = from; seed <= to; seed++)
		bad += !run(seed, verbose);
	printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", to - from + 1, bad);
	return bad ? 1 : 0;
}
