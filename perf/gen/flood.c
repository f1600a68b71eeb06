/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYNs that nobody sent: from addresses all over a /15 that is not the server's network, each from
 * another one. Their SYN-ACKs go to nobody (the server's gateway, if it has one, is us).
 */
#include <string.h>

#include "base/bytes.h"
#include "gen.h"

#define FLOOD_PER_POLL 32
#define FLOOD_BASE     0xc6120000u /* 198.18.0.0/15: RFC 2544, for benchmarks */
#define FLOOD_MASK     0x0001ffffu
#define SYN_BYTES      24

static void send_one(struct gen *g)
{
	uint8_t source[4];
	uint8_t *tcp = wire_new(g);
	if (!tcp)
		return;
	uint64_t r = gen_random(g);
	put_be32(source, FLOOD_BASE | ((uint32_t)r & FLOOD_MASK));
	put_be16(tcp, (uint16_t)(1024 + (r >> 20) % 60000));
	put_be16(tcp + 2, g->options.mqtt_port);
	put_be32(tcp + 4, (uint32_t)gen_random(g));
	put_be32(tcp + 8, 0);
	tcp[12] = SYN_BYTES / 4 << 4;
	tcp[13] = 2;
	put_be16(tcp + 14, 65535);
	put_be16(tcp + 18, 0);
	put_be32(tcp + 20, 0x02040000 | TCP_MSS);
	wire_send(g, source, 6, SYN_BYTES, 16);
	g->totals.floods++;
}

void flood_run(struct gen *g)
{
	enum phase phase = g->schedule.phase;
	if (g->options.syn_flood <= 0 || g->schedule.step + 1 < g->options.syn_flood_from ||
	    (phase != PHASE_LOAD && phase != PHASE_DRAIN && phase != PHASE_PAUSE))
		return;
	double spacing = 1e6 / g->options.syn_flood;
	if (g->flood_due_us == 0)
		g->flood_due_us = (double)g->now_us;
	for (uint32_t i = 0; i < FLOOD_PER_POLL && g->flood_due_us <= (double)g->now_us; i++) {
		if (!link_is_congested(&g->link))
			send_one(g);
		g->flood_due_us += spacing;
	}
}
