/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine against lwIP on a virtual clock and a seeded network, over IPv4 and IPv6: transfers
 * both ways at once, and closes from either side.
 *
 * usage: sim_lwip                     the ordinary range of seeds
 *        sim_lwip --seed N            one, in detail
 *        sim_lwip --seeds A-B         a range
 *
 * Oracles: both byte streams are exact; everybody finishes in time; the engine's invariants hold
 * after each step; when all is over, nothing is left in either stack. Each seed runs in a process
 * of its own, because lwIP's state can't be made new.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "lwip_peer.h"
#include "net/checksum.h"
#include "net/packet.h"
#include "tcp/tcp.h"
#include "tests/sim/impair/impair.h"
#include "tests/sim/tcp/invariants.h"

#define CLIENTS_MAX   3
#define PORT          1883
#define MTU           1500
#define TIME_LIMIT_US (3600ull * 1000000)
#define TO_ENGINE     0 /* ways of the network */
#define TO_LWIP       1

/* by family: IPv4, IPv6 */
static const struct tcp_address server_ip[2] = {{{[10] = 0xff, 0xff, 10, 0, 0, 1}},
                                                {{0x20, 1, 0x0d, 0xb8, [15] = 1}}};
static const struct tcp_address client_ip[2] = {{{[10] = 0xff, 0xff, 10, 0, 0, 2}},
                                                {{0x20, 1, 0x0d, 0xb8, [15] = 2}}};
static const uint32_t header_bytes[2] = {IPV4_HEADER_BYTES, IPV6_HEADER_BYTES};
static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};

struct served {
	tcp_handle handle;
	bool open, closed, closing, finished;
	uint32_t client, received, sent;
	enum tcp_close_reason reason;
};

struct world {
	uint64_t now_us;
	struct rng rng;
	struct impair net;
	struct tcp_engine *engine;
	struct counters counters;
	struct client clients[CLIENTS_MAX];
	struct served served[CLIENTS_MAX];
	uint64_t start_us[CLIENTS_MAX];
	uint32_t count, accepted;
	bool ipv6;
	bool server_closes_first;
	bool harsh; /* so lossy that giving up is allowed */
	bool verbose;
	const char *failure;
	uint8_t out[ETHERNET_BYTES + MTU];
};

static void failed(struct world *w, const char *why)
{
	if (!w->failure)
		w->failure = why;
}

static uint64_t below(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

/* --- the server: client i connects to port PORT + i ------------------------------------------- */

static struct served *served_of(struct world *w, tcp_handle conn)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (w->served[i].open && w->served[i].handle == conn)
			return &w->served[i];
	failed(w, "an event for a connection that is not open");
	return NULL;
}

static void serve(struct world *w, struct served *s)
{
	const struct client *c = &w->clients[s->client];
	uint8_t bytes[1000];
	while (s->open && !s->closing && s->sent < c->receive_bytes) {
		uint32_t n = 1 + (uint32_t)below(w, sizeof bytes);
		if (n > c->receive_bytes - s->sent)
			n = c->receive_bytes - s->sent;
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = stream_byte(c->receive_stream, s->sent + i);
		if (!tcp_send(w->engine, s->handle, bytes, n))
			return;
		s->sent += n;
	}
	bool all = s->sent == c->receive_bytes && s->received == c->send_bytes;
	if (s->open && !s->closing && all && (w->server_closes_first || s->finished)) {
		s->closing = true;
		tcp_close(w->engine, s->handle);
	}
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	struct world *w = app;
	uint32_t i = peer->local_port - PORT;
	CHECK_OP(i, <, w->count);
	if (w->served[i].open)
		failed(w, "accepted twice");
	w->served[i] = (struct served){.handle = conn, .open = true, .client = i};
	serve(w, &w->served[i]);
	return true;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return count;
	const struct client *c = &w->clients[s->client];
	for (uint32_t i = 0; i < count; i++)
		if (s->received + i >= c->send_bytes ||
		    bytes[i] != stream_byte(c->send_stream, s->received + i))
			failed(w, "a wrong byte from the client");
	s->received += count;
	serve(w, s);
	return count;
}

static void on_finished(void *app, tcp_handle conn)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	s->finished = true;
	if (s->received != w->clients[s->client].send_bytes)
		failed(w, "finished before all data was consumed");
	serve(w, s);
}

static void on_writable(void *app, tcp_handle conn)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (s)
		serve(w, s);
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

/* --- the links: Ethernet frames, so that the engine's packets are parsed as in the product ---- */

static void trace(const struct world *w, const char *who, const uint8_t *ip, uint32_t bytes)
{
	const uint8_t *s = ip + header_bytes[w->ipv6];
	if (!w->verbose || bytes < header_bytes[w->ipv6] + 20)
		return;
	printf("%12.6f %s %5u %5u %c%c%c%c seq %u ack %u win %u len %u\n", (double)w->now_us / 1e6,
	       who, get_be16(s), get_be16(s + 2), s[13] & 2 ? 'S' : '-', s[13] & 1 ? 'F' : '-',
	       s[13] & 4 ? 'R' : '-', s[13] & 16 ? 'A' : '-', get_be32(s + 4), get_be32(s + 8),
	       get_be16(s + 14),
	       bytes - header_bytes[w->ipv6] - (uint32_t)(s[12] >> 4) * 4);
}

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct world *w = link;
	(void)control;
	CHECK_OP(bytes, <=, MTU - header_bytes[w->ipv6]);
	return w->out + ETHERNET_BYTES + header_bytes[w->ipv6];
}

static void put_ipv4(uint8_t *frame, const uint8_t from[4], const uint8_t to[4], uint8_t *segment,
                     uint32_t bytes)
{
	uint8_t *ip = frame + ETHERNET_BYTES;
	packet_put_ipv4(frame, server_mac, client_mac, from, to, IPPROTO_TCP, bytes, 0);
	uint64_t pseudo = checksum_pseudo_ipv4(from, to, IPPROTO_TCP, bytes);
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
	put_le16(segment + 16, checksum_finish(checksum_add(pseudo, segment, bytes)));
}

static void put_ipv6(uint8_t *frame, const uint8_t from[16], const uint8_t to[16],
                     uint8_t *segment, uint32_t bytes)
{
	packet_put_ipv6(frame, server_mac, client_mac, from, to, IPPROTO_TCP, bytes, 64);
	uint64_t pseudo = checksum_pseudo_ipv6(from, to, IPPROTO_TCP, bytes);
	put_le16(segment + 16, checksum_finish(checksum_add(pseudo, segment, bytes)));
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct world *w = link;
	uint32_t packet_bytes = header_bytes[w->ipv6] + bytes;
	if (w->ipv6)
		put_ipv6(w->out, local->ip, peer->ip, segment, bytes);
	else
		put_ipv4(w->out, local->ip + 12, peer->ip + 12, segment, bytes);
	trace(w, "engine", w->out + ETHERNET_BYTES, packet_bytes);
	impair_put(&w->net, w->now_us, TO_LWIP, 0, w->out, ETHERNET_BYTES + packet_bytes);
}

static const struct tcp_link link_ops = {link_alloc, link_send};

static void lwip_send(void *context, const uint8_t *ip, uint32_t bytes)
{
	struct world *w = context;
	uint8_t frame[ETHERNET_BYTES + 2048];
	memcpy(frame, server_mac, 6);
	memcpy(frame + 6, client_mac, 6);
	put_be16(frame + 12, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(frame + ETHERNET_BYTES, ip, bytes);
	trace(w, "lwip  ", ip, bytes);
	impair_put(&w->net, w->now_us, TO_ENGINE, 0, frame, ETHERNET_BYTES + bytes);
}

static void to_engine(struct world *w, const struct impair_packet *frame)
{
	struct packet_local self = {.ipv4_mask = 0xffffff00, .has_ipv6 = true,
	                            .ipv6_prefix_bits = 64};
	struct packet_offload none = {0};
	struct packet p;
	struct tcp_address local, peer;
	memcpy(self.mac, server_mac, 6);
	memcpy(self.ipv4, server_ip[0].ip + 12, 4);
	memcpy(self.ipv6, server_ip[1].ip, 16);
	packet_parse(frame->data, frame->bytes, &self, none, &p);
	if (p.kind != PACKET_TCP)
		return;
	memcpy(local.ip, p.destination, sizeof local.ip);
	memcpy(peer.ip, p.source, sizeof peer.ip);
	tcp_input(w->engine, &local, &peer, p.l4, p.l4_bytes);
}

static void deliver(struct world *w)
{
	struct impair_packet p;
	while (impair_get(&w->net, w->now_us, &p)) {
		if (p.way == TO_ENGINE)
			to_engine(w, &p);
		else
			lwip_receive(p.data + ETHERNET_BYTES, p.bytes - ETHERNET_BYTES);
		free(p.data);
	}
}

/* --- scenarios ------------------------------------------------------------------------------ */

static void make_net(struct world *w)
{
	static const uint64_t delays_us[] = {100, 5000, 50000, 100000, 100000, 700000};
	struct impair_config g = {.delay_us = delays_us[below(w, 6)]};
	switch (below(w, 6)) {
	case 0: /* clean */
		break;
	case 1:
	case 2:
		g.loss = 500;
		break;
	case 3: /* bursts */
		g.loss = 50;
		g.burst_start = 100;
		g.burst_end = 2000;
		g.burst_loss = 8000;
		w->harsh = true;
		break;
	case 4:
		g.loss = 2000;
		w->harsh = true;
		break;
	default:
		g.loss = (uint32_t)below(w, 500);
		g.duplicate = (uint32_t)below(w, 1000);
		g.corrupt = (uint32_t)below(w, 300);
	}
	if (below(w, 3) == 0)
		g.reorder = (uint32_t)below(w, 2000);
	g.jitter_us = below(w, 2) ? g.delay_us / 4 : 0;
	g.jitter_reorders = below(w, 2);
	impair_init(&w->net, (struct impair_config[IMPAIR_WAYS]){g, g}, rng_next(&w->rng));
}

static void make_engine(struct world *w)
{
	struct tcp_config g = {
	    .conns_max = 8,
	    .syn_cache_max = (uint32_t)below(w, 4),
	    .time_wait_max = CLIENTS_MAX,
	    .rx_buffer_bytes = 2048u << below(w, 6),
	    .rx_memory_bytes = 1 << 20,
	    .tx_buffer_bytes = 1024u << below(w, 7),
	    .tx_memory_bytes = 1 << 20,
	    .mtu_bytes = MTU,
	    .ports = {PORT, PORT + 1, PORT + 2},
	    .seed = rng_next(&w->rng),
	};
	for (uint32_t i = 0; i < sizeof g.secret; i++)
		g.secret[i] = (uint8_t)rng_next(&w->rng);
	w->engine = tcp_engine_new(&g, &app_ops, w, &link_ops, w, &w->counters, w->now_us);
	CHECK(w->engine);
}

/* 1..most, small ones as likely as large ones. */
static uint32_t any_size(struct world *w, uint32_t most)
{
	uint32_t n = (uint32_t)below(w, most);
	return 1 + (n >> below(w, 12));
}

static void world_init(struct world *w, uint64_t seed, bool verbose)
{
	memset(w, 0, sizeof *w);
	w->rng.state = seed * 0x2545f4914f6cdd1du + 1;
	w->verbose = verbose;
	w->now_us = 1000000 + below(w, 1ull << 41);
	w->count = 1 + (uint32_t)below(w, CLIENTS_MAX);
	w->ipv6 = below(w, 2);
	w->server_closes_first = below(w, 2);
	make_net(w);
	make_engine(w);
	lwip_start(client_ip[w->ipv6].ip, (uint32_t)rng_next(&w->rng), lwip_send, w, w->now_us);
	for (uint32_t i = 0; i < w->count; i++) {
		w->start_us[i] = w->now_us + below(w, 2000000);
		w->clients[i] = (struct client){
		    .server_port = (uint16_t)(PORT + i),
		    .send_bytes = any_size(w, 100000),
		    .receive_bytes = any_size(w, 100000),
		    .send_stream = rng_next(&w->rng),
		    .receive_stream = rng_next(&w->rng),
		    .close_last = w->server_closes_first,
		    .read_bytes = below(w, 4) ? 0 : 100 + (uint32_t)below(w, 2000),
		};
	}
}

/* --- running -------------------------------------------------------------------------------- */

static void step(struct world *w)
{
	tcp_set_now(w->engine, w->now_us);
	lwip_set_now(w->now_us);
	deliver(w);
	tcp_run_timers(w->engine, 64);
	tcp_flush(w->engine);
	for (uint32_t i = 0; i < w->count; i++) {
		if (w->clients[i].state == CLIENT_IDLE && w->now_us >= w->start_us[i])
			lwip_connect(&w->clients[i], server_ip[w->ipv6].ip);
		if (w->clients[i].failure)
			failed(w, w->clients[i].failure);
	}
	lwip_poll(w->clients, w->count);
	const char *broken = tcp_invariants(w->engine);
	if (broken)
		failed(w, broken);
}

static uint64_t next_event(const struct world *w)
{
	uint64_t next = impair_next_us(&w->net);
	uint64_t timer = tcp_next_timer_us(w->engine), lwip = lwip_next_us();
	next = timer < next ? timer : next;
	next = lwip < next ? lwip : next;
	for (uint32_t i = 0; i < w->count; i++) {
		const struct client *c = &w->clients[i];
		if (c->state == CLIENT_IDLE && w->start_us[i] < next)
			next = w->start_us[i];
		if (c->state == CLIENT_OPEN && c->unread && w->now_us + 10000 < next)
			next = w->now_us + 10000; /* a slow reader reads on */
	}
	return next > w->now_us ? next : w->now_us + 1;
}

/* The server gave up, and its RST was lost: a client that only waits, waits for ever. */
static void abandon(struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		const struct served *s = &w->served[i];
		if (w->harsh && s->closed && s->reason != TCP_CLOSED_NORMAL &&
		    w->clients[i].state == CLIENT_OPEN)
			lwip_abort(&w->clients[i]);
	}
}

static bool all_done(const struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (w->clients[i].state != CLIENT_DONE && w->clients[i].state != CLIENT_FAILED)
			return false;
	for (uint32_t i = 0; i < w->count; i++)
		if (w->served[i].open && w->clients[i].state != CLIENT_FAILED)
			return false;
	return true;
}

static void check_outcome(struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		const struct client *c = &w->clients[i];
		const struct served *s = &w->served[i];
		bool gave_up = c->state == CLIENT_FAILED ||
		               (s->closed && s->reason != TCP_CLOSED_NORMAL);
		if (w->harsh && gave_up)
			continue;
		/* lwIP forgets a connection after 20 s in FIN-WAIT-2, and resets it when the FIN
		 * comes later than that */
		bool all = s->received == c->send_bytes && c->received == c->receive_bytes;
		if (all && c->state == CLIENT_DONE && !c->fin_seen && s->closing &&
		    s->reason == TCP_CLOSED_RESET)
			continue;
		if (c->state != CLIENT_DONE)
			failed(w, "lwIP was reset or gave up");
		else if (!s->closed || s->reason != TCP_CLOSED_NORMAL)
			failed(w, "a connection did not close normally");
		else if (!all)
			failed(w, "a stream is not complete");
	}
}

/* Over a network that is silent now nothing may stay but what the server was never told of. */
static void check_leaks(struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (w->served[i].open)
			tcp_abort(w->engine, w->served[i].handle);
	for (uint32_t way = 0; way < IMPAIR_WAYS; way++)
		w->net.config[way] = (struct impair_config){.loss = 10000};
	uint64_t end_us = w->now_us + 600 * 1000000ull;
	while (w->now_us < end_us && !w->failure) {
		w->now_us += 250000;
		step(w);
	}
	struct tcp_levels l;
	tcp_levels_get(w->engine, &l);
	if (l.conns || l.half_open || l.time_wait || l.rx_bytes || l.tx_bytes)
		failed(w, "something is left in the engine after all connections ended");
	if (!lwip_is_empty())
		failed(w, "a connection is left in lwIP");
}

static void describe(const struct world *w)
{
	const struct impair_config *g = &w->net.config[0];
	printf("  IPv%c, net: loss %u burst %u/%u/%u duplicate %u corrupt %u reorder %u delay "
	       "%" PRIu64 " jitter %" PRIu64 "\n",
	       w->ipv6 ? '6' : '4', g->loss, g->burst_start, g->burst_end, g->burst_loss,
	       g->duplicate, g->corrupt, g->reorder, g->delay_us, g->jitter_us);
	for (uint32_t i = 0; i < w->count; i++) {
		const struct client *c = &w->clients[i];
		const struct served *v = &w->served[i];
		printf("  client %u: state %d error %d, sent %u of %u, got %u of %u, fin %d; "
		       "server: open %d closed %d reason %d received %u sent %u\n",
		       i, c->state, c->error, c->sent, c->send_bytes, c->received,
		       c->receive_bytes, c->fin_seen, v->open, v->closed, v->reason, v->received,
		       v->sent);
	}
}

static bool run(uint64_t seed, bool verbose)
{
	static struct world w;
	world_init(&w, seed, verbose);
	uint64_t start_us = w.now_us, steps = 0;
	while (!w.failure && !all_done(&w)) {
		w.now_us = next_event(&w);
		if (w.now_us > start_us + TIME_LIMIT_US || ++steps > 3000000)
			failed(&w, "no end in time");
		else
			step(&w);
		abandon(&w);
	}
	uint64_t end_us = w.now_us;
	if (!w.failure)
		check_outcome(&w);
	if (w.failure || verbose)
		describe(&w);
	if (!w.failure)
		check_leaks(&w);
	if (w.failure)
		printf("seed %" PRIu64 " failed at %.6f s: %s\n"
		       "  replay: sim_lwip --seed %" PRIu64 "\n",
		       seed, (double)(end_us - start_us) / 1e6, w.failure, seed);
	bool good = !w.failure;
	tcp_engine_free(w.engine);
	impair_fini(&w.net);
	return good;
}

/* In a process of its own. */
static bool run_apart(uint64_t seed, bool verbose)
{
	fflush(stdout);
	pid_t child = fork();
	CHECK_OP(child, >=, 0);
	if (child == 0) {
		bool good = run(seed, verbose);
		fflush(stdout);
		_exit(good ? 0 : 1);
	}
	int status;
	CHECK_OP(waitpid(child, &status, 0), ==, child);
	if (WIFSIGNALED(status))
		printf("seed %" PRIu64 " ended by signal %d\n", seed, WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, to = 300, bad = 0;
	bool verbose = argc == 3 && strcmp(argv[1], "--seed") == 0;
	if (argc == 3 && (verbose || strcmp(argv[1], "--seeds") == 0)) {
		char *dash;
		from = to = strtoull(argv[2], &dash, 10);
		if (*dash == '-')
			to = strtoull(dash + 1, NULL, 10);
	} else if (argc != 1) {
		fprintf(stderr, "usage: %s [--seed N | --seeds A-B]\n", argv[0]);
		return 2;
	}
	if (!lwip_open())
		return 1;
	for (uint64_t seed = from; seed <= to; seed++)
		bad += !run_apart(seed, verbose);
	printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", to - from + 1, bad);
	return bad ? 1 : 0;
}
