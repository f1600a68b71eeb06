/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real engine against the reference client on a virtual clock and a seeded network.
 *
 * usage: sim_tcp                     the ordinary range of seeds, of every scenario
 *        sim_tcp --scenario NAME     one of them (world.h has the list)
 *        sim_tcp --seed N            one seed, in detail
 *        sim_tcp --seeds A-B         a range
 *
 * Oracles: both byte streams are exact; everybody finishes in time; the engine's invariants hold
 * after each event; when all is over nothing is left in its pools.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invariants.h"
#include "world.h"

#define TIME_LIMIT_US (4ull * 3600 * 1000000)

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
		at = w->abandon_us[CLIENTS_MAX + i];
		if (at > w->now_us && w->former[i].open && at < next)
			next = at;
	}
	if (world_change_us(w) < next)
		next = world_change_us(w);
	return next;
}

static bool all_done(const struct world *w)
{
	for (uint32_t i = 0; i < w->clients; i++)
		if (w->peers[i].state != PEER_DONE &&
		    (w->peers[i].state != PEER_RESET || world_is_lost(w, i)))
			return false;
	for (uint32_t i = 0; i < w->clients; i++)
		if (w->served[i].open || w->former[i].open)
			return false;
	return true;
}

/* The keep-alive of the protocol above: a client that is no more is noticed in the end. */
static void abandon(struct world *w)
{
	for (uint32_t i = 0; i < w->clients; i++) {
		if (w->former[i].open && w->now_us >= w->abandon_us[CLIENTS_MAX + i])
			tcp_abort(w->engine, w->former[i].handle);
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
	world_change(w);
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
		/* the client ended through a port that the server knows nothing of */
		if (w->port[i] != p->config.port && p->state == PEER_DONE)
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

/* What a scenario is about has really taken place. */
static bool happened(const struct world *w, uint64_t elapsed_us)
{
	const struct peer *p = &w->peers[0];
	const struct peer_config *g = &p->config;
	switch (w->scenario) {
	case SCENARIO_NAT:
		return w->came_back > 0;
	case SCENARIO_BURSTS:
		return w->net.dropped > 20;
	case SCENARIO_BLACK_HOLE:
		return counter_get(&w->counters, COUNTER_TCP_BLACK_HOLE) > 0;
	case SCENARIO_WRAP: /* both streams have passed 2^31 or 2^32 */
		return (g->iss ^ (g->iss + g->send_bytes)) >> 31 &&
		       (p->irs ^ (p->irs + g->receive_bytes)) >> 31;
	case SCENARIO_IDLE:
		return elapsed_us > 25 * 86400000000ull;
	case SCENARIO_DELAYS:
		return w->net.config.delay_us > 5000000;
	default:
		return w->net.dropped > 0;
	}
}

/* `*happened_count` counts. */
static bool run(enum scenario scenario, uint64_t seed, bool verbose, uint64_t *happened_count)
{
	static struct world w;
	world_init(&w, scenario, seed, verbose);
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
	*happened_count += happened(&w, w.now_us - start);
	if (!w.failure)
		check_outcome(&w);
	if (!w.failure)
		check_leaks(&w);
	if (w.failure)
		printf("%s seed %" PRIu64 " failed at %.6f s: %s\n"
		       "  replay: sim_tcp --scenario %s --seed %" PRIu64 "\n",
		       scenario_names[scenario], seed, (double)(w.now_us - start) / 1e6, w.failure,
		       scenario_names[scenario], seed);
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

/* Returns how many failed. A scenario that hardly ever takes place is a failure, too. */
static uint64_t run_seeds(enum scenario scenario, uint64_t from, uint64_t to, bool verbose)
{
	uint64_t bad = 0, count = to - from + 1, times = 0;
	for (uint64_t seed = from; seed <= to; seed++)
		bad += !run(scenario, seed, verbose, &times);
	printf("%s: %" PRIu64 " seeds, %" PRIu64 " failed; it took place in %" PRIu64 "\n",
	       scenario_names[scenario], count, bad, times);
	fflush(stdout);
	return bad + (count >= 50 && times < count / 4);
}

static enum scenario scenario_of(const char *name)
{
	for (int s = 0; s < SCENARIO_COUNT; s++)
		if (strcmp(scenario_names[s], name) == 0)
			return (enum scenario)s;
	return SCENARIO_COUNT;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, to = 400, bad = 0;
	int first = 0, last = SCENARIO_COUNT - 1;
	bool verbose = false, good = argc % 2 == 1;
	for (int i = 1; good && i + 1 < argc; i += 2) {
		char *end = argv[i + 1];
		verbose = verbose || strcmp(argv[i], "--seed") == 0;
		if (strcmp(argv[i], "--scenario") == 0) {
			first = last = (int)scenario_of(argv[i + 1]);
			good = first != SCENARIO_COUNT;
		} else if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0) {
			from = to = strtoull(argv[i + 1], &end, 10);
			if (*end == '-')
				to = strtoull(end + 1, NULL, 10);
		} else {
			good = false;
		}
	}
	if (!good) {
		fprintf(stderr,
		        "usage: %s [--scenario mixed|nat|bursts|black-hole|wrap|idle|delays] "
		        "[--seed N | --seeds A-B]\n",
		        argv[0]);
		return 2;
	}
	for (int s = first; s <= last; s++)
		bad += run_seeds((enum scenario)s, from, to, verbose);
	return bad ? 1 : 0;
}
