/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what happens: the phases of a run, and in them the time at which each connection and each
 * message is due. Time never waits for the server: a message that can't be handed over yet stays
 * due, and its latency counts from when it was (no coordinated omission).
 *
 * ARP -> connect -> (load -> drain -> pause) for each rate -> close -> end
 *
 * Clients take turns in an order that is a permutation of them: client i, i + stride, i + 2 stride
 * ... modulo their number, with a stride near the golden section of it and coprime to it.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "gen.h"

#define ASK_US           100000
#define ASKS_PER_POLL    64
#define OPENS_PER_POLL   32
#define ISSUES_PER_POLL  64
#define CLOSES_PER_POLL  64
#define CONNECT_EXTRA_US 60000000
#define CONNECT_EACH_US  50 /* the least rate that is waited for: 20,000 a second */
#define CLOSE_US         5000000
#define LATE_MIN_MS      3600000
#define LATE_SPREAD_MS   (40 * 3600000u)
#define STEPS_PAUSE_US   500000

static void enter(struct gen *g, enum phase phase)
{
	g->schedule.phase = phase;
	g->schedule.phase_us = g->now_us;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

void schedule_start(struct gen *g)
{
	struct schedule *s = &g->schedule;
	uint64_t day = (uint64_t)(g->now_us / 1000 + (uint64_t)g->wall_offset_ms);
	s->stride = (uint32_t)(g->senders * 0.6180339887) | 1;
	while (gcd(s->stride, g->senders) != 1)
		s->stride++;
	s->cursor = 0; /* of addresses, at first */
	s->backlog_ms = (int64_t)(day / INTERVAL_MS * INTERVAL_MS) -
			(int64_t)g->options.intervals * INTERVAL_MS;
	enter(g, PHASE_ARP);
}

/* --- ARP --- */

static void run_arp(struct gen *g)
{
	struct schedule *s = &g->schedule;
	if (!g->server_known) {
		if (link_is_up(&g->link) && g->now_us >= s->phase_us + ASK_US) {
			wire_arp_ask(g, 0);
			s->phase_us = g->now_us;
		}
		return;
	}
	/* the server learns each of our addresses before a SYN comes from it */
	for (uint32_t i = 0; i < ASKS_PER_POLL && s->cursor < g->options.addresses; i++)
		wire_arp_ask(g, s->cursor++);
	if (s->cursor < g->options.addresses)
		return;
	s->cursor = (uint32_t)(gen_random(g) % g->senders);
	s->open_due_us = (double)g->now_us;
	s->first_open_us = g->now_us;
	enter(g, PHASE_CONNECT);
}

/* --- connecting --- */

static bool connects_first(const struct options *o)
{
	return o->protocol == PROTOCOL_MQTT && o->profile != PROFILE_STORM &&
	       o->profile != PROFILE_REPLAY;
}

/* The clients with a window of zero connect before a step of their own. */
static bool zero_windows_are_due(const struct gen *g)
{
	return g->schedule.step + 1 >= g->options.zero_window_from;
}

static void start_step(struct gen *g);

static void run_connect(struct gen *g)
{
	struct schedule *s = &g->schedule;
	const struct options *o = &g->options;
	uint32_t first = connects_first(o) ? 0 : g->senders; /* the holders connect in any case */
	double spacing = o->connect_rate > 0 ? 1e6 / o->connect_rate : 0;
	if (s->opened < first)
		s->opened = first;
	uint32_t last = zero_windows_are_due(g) ? g->client_count : g->senders;
	for (uint32_t i = 0; i < OPENS_PER_POLL && s->opened < last; i++) {
		if (s->half_open >= o->connect_window || s->open_due_us > (double)g->now_us ||
		    link_is_congested(&g->link))
			break;
		if (spacing == 0)
			s->open_due_us = (double)g->now_us;
		g->last_ts[s->opened] = (int64_t)s->open_due_us;
		client_open(g, s->opened++);
		s->open_due_us += spacing;
	}
	bool all = s->opened == last && s->half_open == 0 &&
		   (!connects_first(o) || g->up >= g->senders);
	uint64_t each_us = spacing > CONNECT_EACH_US ? (uint64_t)spacing : CONNECT_EACH_US;
	uint64_t patience = (last - s->opening) * each_us + CONNECT_EXTRA_US;
	if (all || (g->now_us > s->phase_us + patience)) {
		if (s->step == 0)
			s->last_up_us = g->now_us;
		memset(g->last_ts + s->opening, 0, sizeof g->last_ts[0] * (last - s->opening));
		start_step(g);
	}
}

void schedule_client_up(struct gen *g, uint32_t client)
{
	const struct client *c = &g->clients[client];
	uint64_t due = 0;
	if (g->schedule.phase == PHASE_CONNECT && client >= g->schedule.opening)
		due = (uint64_t)g->last_ts[client];
	else if (g->options.profile == PROFILE_STORM && c->head != NONE)
		due = g->items[c->head].due_us;
	if (due)
		latency_add(&g->setup, g->now_us - due);
}

void schedule_message_done(struct gen *g, uint32_t client)
{
	if (g->clients[client].flags & CLIENT_ONE_SHOT && g->clients[client].state == CLIENT_UP)
		client_close(g, client);
}

/* --- load --- */

static void start_step(struct gen *g)
{
	struct schedule *s = &g->schedule;
	const struct options *o = &g->options;
	struct step *step = &g->steps[s->step];
	double seconds = o->seconds;
	step->rate = o->rates[s->step];
	s->base += s->next;
	s->next = 0;
	s->total = UINT64_MAX;
	if (o->profile == PROFILE_HERD) {
		s->total = g->senders;
		seconds = o->within;
		step->rate = g->senders / seconds;
	} else if (o->profile == PROFILE_BACKLOG) {
		s->total = (uint64_t)g->senders * ((o->intervals + o->batch - 1) / o->batch);
		seconds = step->rate > 0 ? (double)s->total / step->rate + 1 : 1e6;
	} else if (o->profile == PROFILE_HOLD && step->rate == 0) {
		s->total = 0;
	}
	step->start_us = g->now_us;
	step->end_us = g->now_us + (uint64_t)(seconds * 1e6);
	s->due_us = (double)g->now_us;
	enter(g, PHASE_LOAD);
	printf("gen: step %u begins\n", s->step + 1);
	fflush(stdout);
}

static void set_times(struct gen *g, uint32_t client, struct item *i)
{
	const struct options *o = &g->options;
	int64_t *last = &g->last_ts[client];
	int64_t now_ms = (int64_t)(i->due_us / 1000) + g->wall_offset_ms;
	if (o->profile == PROFILE_BACKLOG) {
		uint64_t nth = (g->schedule.base + g->schedule.next) / g->senders;
		uint32_t first = (uint32_t)nth * o->batch;
		i->ts_ms = g->schedule.backlog_ms + (int64_t)first * INTERVAL_MS;
		i->readings =
		    (uint8_t)(o->intervals - first < o->batch ? o->intervals - first : o->batch);
		i->flags |= ITEM_REPLAY;
		return;
	}
	double dice = o->duplicates + o->late > 0 ? gen_random_unit(g) : 1;
	if (dice < o->duplicates && *last) {
		i->ts_ms = *last;
		i->flags |= ITEM_DUPLICATE;
		return;
	}
	if (dice >= o->duplicates && dice < o->duplicates + o->late) {
		i->ts_ms = now_ms - LATE_MIN_MS - (int64_t)(gen_random(g) % LATE_SPREAD_MS);
		i->flags |= ITEM_REPLAY;
		return;
	}
	i->ts_ms = now_ms > *last ? now_ms : *last + 1;
	*last = i->ts_ms;
}

/* The next message goes to its client. False: there is no room for it. */
static bool issue(struct gen *g)
{
	struct schedule *s = &g->schedule;
	uint32_t client = s->cursor;
	struct client *c = &g->clients[client];
	bool storm = g->options.profile == PROFILE_STORM;
	if (g->items_used >= g->options.inflight_max)
		return false;
	s->cursor = (uint32_t)(((uint64_t)s->cursor + s->stride) % g->senders);
	__builtin_prefetch(&g->clients[(s->cursor + 2ull * s->stride) % g->senders], 1);
	if (storm && c->state != CLIENT_CLOSED) {
		g->totals.busy_clients++;
		return true; /* its turn is lost, the message goes to the next one */
	}
	uint32_t index = item_new(g);
	if (index == NONE)
		return false;
	struct item *i = &g->items[index];
	i->kind = g->options.protocol == PROTOCOL_MQTT ? ITEM_PUBLISH : ITEM_COAP;
	i->step = (uint8_t)s->step;
	i->due_us = (uint64_t)s->due_us;
	i->readings = (uint8_t)g->options.batch;
	set_times(g, client, i);
	if (g->ledger)
		i->line = ledger_add(g, client, i);
	s->next++;
	g->steps[s->step].scheduled++;
	g->totals.scheduled++;
	if (i->kind == ITEM_COAP) {
		coap_append(g, client, index);
		return true;
	}
	i->id = ++c->packet_id ? c->packet_id : ++c->packet_id; /* never 0: MQTT 3.1.1 2.3.1 */
	client_append(g, client, index);
	if (storm) {
		c->flags |= CLIENT_ONE_SHOT;
		client_open(g, client);
	} else {
		client_output(g, client);
	}
	return true;
}

static uint64_t under_way(const struct gen *g)
{
	return g->totals.scheduled - g->totals.acked - g->totals.unanswered;
}

/* When a step takes no more messages. One that has to send a given number may take longer. */
static uint64_t last_due_us(const struct gen *g, const struct step *step)
{
	bool all = g->options.profile == PROFILE_HERD || g->options.profile == PROFILE_BACKLOG;
	return step->end_us + (all ? (uint64_t)(g->options.drain * 1e6) : 0);
}

static void run_load(struct gen *g)
{
	struct schedule *s = &g->schedule;
	struct step *step = &g->steps[s->step];
	uint64_t last_us = last_due_us(g, step);
	if (g->options.profile == PROFILE_REPLAY) {
		if (pcap_run(g))
			return;
		step->end_us = g->now_us;
		enter(g, PHASE_DRAIN);
		return;
	}
	double spacing = step->rate > 0 ? 1e6 / step->rate : 0;
	for (uint32_t i = 0; i < ISSUES_PER_POLL && s->next < s->total; i++) {
		if (s->due_us > (double)g->now_us || s->due_us >= (double)last_us ||
		    link_is_congested(&g->link))
			break;
		if (spacing == 0)
			s->due_us = (double)g->now_us;
		if (!issue(g))
			break;
		s->due_us += g->options.poisson ? -log(1 - gen_random_unit(g)) * spacing : spacing;
	}
	if (g->now_us < last_us && (s->next < s->total || g->options.profile == PROFILE_HOLD))
		return;
	if (s->total != UINT64_MAX)
		step->left_out = s->total - s->next;
	else if (spacing > 0 && s->due_us < (double)step->end_us)
		step->left_out = (uint64_t)(((double)step->end_us - s->due_us) / spacing);
	step->end_us = g->now_us;
	enter(g, PHASE_DRAIN);
}

static void run_drain(struct gen *g)
{
	struct schedule *s = &g->schedule;
	uint64_t waited = g->now_us - s->phase_us;
	if (under_way(g) > 0 && waited < (uint64_t)(g->options.drain * 1e6))
		return;
	report_step(g, s->step);
	enter(g, PHASE_PAUSE);
}

static void run_pause(struct gen *g)
{
	struct schedule *s = &g->schedule;
	if (g->now_us < s->phase_us + STEPS_PAUSE_US)
		return;
	if (s->step + 1 < g->options.rate_count) {
		s->step++;
		if (!zero_windows_are_due(g) || s->opened == g->client_count)
			return start_step(g);
		s->opening = s->opened;
		s->open_due_us = (double)g->now_us;
		enter(g, PHASE_CONNECT);
	} else {
		enter(g, PHASE_CLOSE);
	}
}

/* --- the end --- */

static bool run_close(struct gen *g)
{
	struct schedule *s = &g->schedule;
	if (!g->options.close || g->options.protocol != PROTOCOL_MQTT)
		return false;
	for (uint32_t i = 0; i < CLOSES_PER_POLL && s->close_next < g->client_count; i++) {
		if (link_is_congested(&g->link))
			break;
		uint32_t client = s->close_next++;
		if (g->clients[client].state == CLIENT_UP)
			client_close(g, client);
	}
	bool all = s->close_next == g->client_count && g->totals.closed >= g->totals.connected;
	return !all && g->now_us < s->phase_us + CLOSE_US;
}

bool schedule_run(struct gen *g)
{
	struct schedule *s = &g->schedule;
	if (g->stop && s->phase < PHASE_CLOSE)
		enter(g, s->phase < PHASE_CONNECT ? PHASE_END : PHASE_CLOSE);
	switch (s->phase) {
	case PHASE_ARP:
		run_arp(g);
		break;
	case PHASE_CONNECT:
		run_connect(g);
		break;
	case PHASE_LOAD:
		run_load(g);
		break;
	case PHASE_DRAIN:
		run_drain(g);
		break;
	case PHASE_PAUSE:
		run_pause(g);
		break;
	case PHASE_CLOSE:
		if (!run_close(g))
			enter(g, PHASE_END);
		break;
	case PHASE_END:
		return false;
	}
	return true;
}
