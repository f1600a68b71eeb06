/* SPDX-License-Identifier: Apache-2.0 */
/* Start-up, the loop, the end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/sched.h"
#include "gen.h"

#define TICK_SHIFT      13 /* 8 ms */
#define TIMERS_PER_POLL 256
#define SPARE_ITEMS     65536 /* CONNECT, PINGREQ, DISCONNECT */
#define EMPTY_POLLS     64
#define NAP_NS          20000
#define SECOND_US       1000000

static struct gen gen;

static void on_signal(int number)
{
	(void)number;
	gen.stop = true;
}

/* --- start --- */

/* Zeroed; large pages where the kernel has them. */
static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;
	while (p < n)
		p *= 2;
	return p;
}

static bool allocate(struct gen *g)
{
	const struct options *o = &g->options;
	g->senders = o->profile == PROFILE_BACKLOG ? o->meters : o->meters / o->batch;
	g->client_count = g->senders + o->zero_window;
	size_t items = (size_t)o->inflight_max + o->connect_window + o->zero_window + SPARE_ITEMS;
	uint32_t acks = power_of_two(g->client_count + 1);
	g->clients = memory(sizeof g->clients[0] * g->client_count);
	g->last_ts = memory(sizeof g->last_ts[0] * g->client_count);
	g->items = memory(sizeof g->items[0] * items);
	g->acks.all = memory(sizeof g->acks.all[0] * acks);
	g->steps = memory(sizeof g->steps[0] * STEPS_MAX);
	g->scratch = memory(MESSAGE_MAX);
	if (!g->clients || !g->last_ts || !g->items || !g->acks.all || !g->steps || !g->scratch)
		return false;
	g->acks.mask = acks - 1;
	g->free_item = g->scratch_item = NONE;
	for (size_t i = items; i-- > 0;) {
		g->items[i].next = g->free_item;
		g->free_item = (uint32_t)i;
	}
	for (uint32_t i = 0; i < g->client_count; i++) {
		struct client *c = &g->clients[i];
		wheel_node_init(&c->timer);
		c->head = c->tail = c->unsent = NONE;
		c->port_turn = (uint8_t)(gen_random(g) % PORT_TURNS);
		c->packet_id = (uint16_t)gen_random(g);
		c->flags = i < g->senders ? 0 : CLIENT_HOLDER;
	}
	wheel_init(&g->wheel, &g->clients[0].timer, sizeof g->clients[0], TICK_SHIFT,
		   clock_mono_us());
	return true;
}

/* --- the loop --- */

static void on_timer(void *context, uint32_t client)
{
	struct gen *g = context;
	if (g->options.protocol == PROTOCOL_MQTT)
		client_timer(g, client);
	else
		coap_timer(g, client);
}

/*
 * The machine has other things to do on this core: the kernel's workers that complete the server's
 * writes, for one. Neither sched_yield nor a nap that is over before it begins lets them in (both
 * were seen to hold them up for seconds); this nap does, and costs a latency at most its length.
 */
static void nap(void)
{
	const struct timespec t = {.tv_nsec = NAP_NS};
	nanosleep(&t, NULL);
}

static void run(struct gen *g)
{
	uint64_t second_us = g->now_us + SECOND_US;
	uint32_t empty = 0;
	uint64_t last_cycles = clock_cycles(), sent = 0;
	while (schedule_run(g)) {
		link_flush(&g->link, g->now_us);
		g->now_us = clock_mono_us();
		uint32_t received = wire_poll(g);
		wheel_expire(&g->wheel, g->now_us, TIMERS_PER_POLL, on_timer, g);
		client_run_acks(g);
		flood_run(g);
		bridge_poll(g);
		link_flush(&g->link, g->now_us);
		if (g->now_us >= second_us) {
			report_second(g);
			second_us += SECOND_US;
		}
		uint64_t cycles = clock_cycles();
		bool busy = received || sent != g->totals.tx_frames;
		if (busy && g->schedule.phase == PHASE_LOAD)
			g->steps[g->schedule.step].busy_cycles += cycles - last_cycles;
		last_cycles = cycles;
		sent = g->totals.tx_frames;
		empty = busy ? 0 : empty + 1;
		if (empty > EMPTY_POLLS) {
			nap();
			last_cycles = clock_cycles();
		}
	}
}

/* Everything that asks for an answer got one. */
static bool is_complete(const struct gen *g)
{
	const struct options *o = &g->options;
	const struct totals *t = &g->totals;
	uint64_t left_out = 0;
	if (o->profile == PROFILE_REPLAY)
		return t->replayed > 0 && !g->pcap.cut && !g->stop;
	for (uint32_t i = 0; i < o->rate_count; i++)
		left_out += g->steps[i].left_out;
	bool connected = o->protocol != PROTOCOL_MQTT || o->profile == PROFILE_STORM ||
			 t->connected >= g->senders;
	bool answered = o->protocol == PROTOCOL_COAP && !o->qos ? t->sent == t->scheduled
								: t->acked == t->scheduled;
	if (g->schedule.phase == PHASE_END && g->schedule.first_open_us == 0)
		return false; /* the server was never found */
	return connected && answered && left_out == 0 && !g->stop && t->protocol_errors == 0 &&
	       t->rejected == 0;
}

int main(int argc, char **argv)
{
	struct gen *g = &gen;
	int rc = options_parse(&g->options, argc, argv);
	const struct options *o = &g->options;
	if (rc)
		return rc - 1;
	if (o->devices_file)
		return payload_write_devices(o, o->devices_file) ? 1 : 0;
	g->random = mix64(o->seed);
	struct link_config config = {.device = o->device,
				     .file_prefix = o->file_prefix,
				     .hugepages = o->hugepages,
				     .cpu = o->cpu,
				     .memory_mb = o->memory_mb,
				     .loss = o->loss,
				     .reorder = o->reorder,
				     .seed = mix64(o->seed + 1)};
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!link_open(&config, &g->link, g->mac))
		return 1;
	if (!bridge_open(g) || (o->pcap_file && !pcap_open(&g->pcap, o->pcap_file)))
		return 1;
	if (!allocate(g) || !ledger_open(g)) {
		fprintf(stderr, "headrace-gen: not enough memory for %u meters\n", o->meters);
		return 1;
	}
	g->now_us = clock_mono_us();
	g->wall_offset_ms = clock_wall_ms() - (int64_t)(g->now_us / 1000);
	prctl(PR_SET_TIMERSLACK, 1ul);
	sched_soon(-8); /* else it measures how long it waits for the processor itself */
	schedule_start(g);
	run(g);
	report_table(g);
	bool complete = is_complete(g);
	bool hostile = o->zero_window || o->syn_flood > 0;
	int bad = report_json(g, complete) | ledger_close(g);
	bridge_close(g);
	pcap_close(&g->pcap);
	link_close(&g->link);
	if (bad)
		return 1;
	return complete || hostile ? 0 : 3;
}
