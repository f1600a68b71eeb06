/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

/* --- everything at once --------------------------------------------------------------------- */

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

/* RFC 6528's numbers advance by one in 4 us: ask a throw-away engine for the one at the time when
 * the SYN arrives, and move the start of time. */
static void place_sequence_numbers(struct world *w, const struct tcp_config *g)
{
	static const uint32_t edges[] = {0x7fffffffu - 3000, 0xffffffffu - 3000};
	uint32_t pick = (uint32_t)rng_below(&w->rng, w->scenario == SCENARIO_WRAP ? 2 : 3);
	if (pick == 2)
		return;
	static const struct tcp_link ops = {probe_alloc, probe_send};
	struct tcp_config config = *g;
	config.syn_cache_max = 1;
	uint64_t arrival_us = w->peers[0].config.start_us + w->net.config.delay_us;
	struct tcp_engine *e =
	    tcp_engine_new(&config, &world_app, w, &ops, w, &w->counters, arrival_us);
	CHECK(e);
	uint8_t syn[20] = {[12] = 5 << 4, [13] = 2};
	put_be16(syn, w->peers[0].config.port);
	put_be16(syn + 2, SERVER_PORT);
	tcp_input(e, &w->server, &w->addresses[0], syn, sizeof syn);
	tcp_engine_free(e);
	uint64_t shift = (uint64_t)(uint32_t)(edges[pick] - first_iss) * 4;
	w->now_us += shift;
	w->mtu_us += w->mtu_us ? shift : 0;
	for (uint32_t i = 0; i < w->clients; i++) {
		w->peers[i].config.start_us += shift;
		w->peers[i].timer_us += shift;
		w->nat_us[i] += w->nat_us[i] ? shift : 0;
	}
}

/* --- one thing at a time -------------------------------------------------------------------- */

const char *const scenario_names[SCENARIO_COUNT] = {
    "mixed", "nat", "bursts", "black-hole", "wrap", "idle", "delays",
};

/* from..to */
static uint32_t between(struct rng *r, uint32_t from, uint32_t to)
{
	return from + (uint32_t)rng_below(r, to - from + 1);
}

static void shape_net(struct world *w, struct net_config *g, bool ipv6)
{
	struct rng *r = &w->rng;
	if (w->scenario == SCENARIO_MIXED)
		return;
	/* a good network but for the scenario's own trouble: here nobody may give up */
	*g = (struct net_config){.loss = between(r, 0, 200), .delay_us = between(r, 1000, 300000)};
	w->harsh = false;
	switch (w->scenario) {
	case SCENARIO_BURSTS: /* fades of 4 to 40 packets, of which up to all are lost */
		g->burst_start = between(r, 20, 300);
		g->burst_end = between(r, 250, 2500);
		g->burst_loss = between(r, 3000, 10000);
		/* more than 3 % lost on average: a connection that only retransmits meets a fade
		 * each time for 100 s, once in some thousand */
		w->harsh = g->burst_start * g->burst_loss / (g->burst_start + g->burst_end) > 300;
		break;
	case SCENARIO_BLACK_HOLE: /* net.h's limit counts an IPv6 header: 20 more for IPv4 */
		w->mtu_bytes = ipv6 ? between(r, 1280, 1480) : between(r, 596, 1480);
		w->mtu_us = w->now_us + (rng_below(r, 2) ? 1 : between(r, 1, 8000000));
		break;
	case SCENARIO_DELAYS:
		g->delay_us = between(r, 500000, 12000000);
		g->jitter_us = between(r, 0, 3000000);
		g->loss = between(r, 0, 50);
		break;
	default:
		break;
	}
}

static void shape_engine(struct world *w, struct tcp_config *g)
{
	if (w->scenario == SCENARIO_MIXED)
		return;
	g->rx_memory_bytes = g->tx_memory_bytes = 1 << 20;
	g->tx_buffer_bytes = 2048u << rng_below(&w->rng, 6);
	w->harsh = w->scenario == SCENARIO_BURSTS && w->harsh;
	/* half-open entries are needed where ACKs of handshakes get lost; cookies are in `mixed` */
	g->syn_cache_max = 2 * CLIENTS_MAX;
	if (w->scenario == SCENARIO_NAT)
		g->conns_max = 2 * CLIENTS_MAX;
}

/* Just below 2^31 or 2^32, so that the stream passes it. */
static uint32_t edge_below(struct rng *r, uint32_t most)
{
	return (rng_below(r, 2) ? 0x7fffffffu : 0xffffffffu) - (uint32_t)rng_below(r, most);
}

static void shape_peer(struct world *w, struct peer_config *g, uint32_t i)
{
	struct rng *r = &w->rng;
	if (w->scenario == SCENARIO_MIXED)
		return;
	g->pause_us = g->read_pause_us = 0;
	g->send_bytes = between(r, 1000, 60000);
	g->receive_bytes = between(r, 1000, 60000);
	switch (w->scenario) {
	case SCENARIO_NAT:
		w->nat_us[i] = g->start_us + between(r, 1, 4000000);
		w->reboots[i] = rng_below(r, 2);
		break;
	case SCENARIO_BLACK_HOLE:
		g->mss = 1460;
		break;
	case SCENARIO_WRAP:
		g->receive_bytes = between(r, 10000, 60000);
		g->iss = edge_below(r, g->send_bytes);
		break;
	case SCENARIO_IDLE: /* timestamps' sign bit lasts for 24.8 days */
		g->ts = rng_chance(r, 8000);
		g->pause_us = between(r, 20, 60) * 86400000000ull + rng_below(r, 1000000000);
		break;
	case SCENARIO_DELAYS:
		g->window_segments = between(r, 2, 12);
		break;
	default:
		break;
	}
}

void world_init(struct world *w, enum scenario scenario, uint64_t seed, bool verbose)
{
	memset(w, 0, sizeof *w);
	w->scenario = scenario;
	w->seed = seed;
	w->rng.state = seed * 0x2545f4914f6cdd1du + 1;
	w->verbose = verbose;
	w->now_us = rng_below(&w->rng, 1ull << 40);
	w->resume_us = UINT64_MAX;
	w->clients = 1 + (uint32_t)rng_below(&w->rng, CLIENTS_MAX);
	if (scenario == SCENARIO_WRAP)
		w->clients = 1; /* the server's numbers are placed for client 0 */
	w->server_closes_first = rng_below(&w->rng, 2);
	w->keep_parts = rng_below(&w->rng, 3) ? 0 : (uint32_t)rng_below(&w->rng, 9000);
	w->no_buffer = rng_below(&w->rng, 5) ? 0 : (uint32_t)rng_below(&w->rng, 3000);
	struct net_config net;
	bool ipv6 = rng_below(&w->rng, 2);
	make_net(w, &net, ipv6);
	shape_net(w, &net, ipv6);
	net_init(&w->net, &net, rng_next(&w->rng));
	struct tcp_config g;
	make_engine_config(w, &g);
	shape_engine(w, &g);
	make_address(w, &w->server, ipv6);
	for (uint32_t i = 0; i < w->clients; i++) {
		struct peer_config peer;
		make_address(w, &w->addresses[i], ipv6);
		make_peer_config(w, &peer, i);
		shape_peer(w, &peer, i);
		peer_init(&w->peers[i], &peer);
		w->peers[i].send = world_peer_send;
		w->peers[i].context = w;
		w->port[i] = peer.port;
	}
	place_sequence_numbers(w, &g);
	w->engine =
	    tcp_engine_new(&g, &world_app, w, &world_link, w, &w->counters, w->now_us);
	CHECK(w->engine);
}

void world_fini(struct world *w)
{
	tcp_engine_free(w->engine);
	net_fini(&w->net);
	for (uint32_t i = 0; i < w->clients; i++)
		peer_fini(&w->peers[i]);
}

