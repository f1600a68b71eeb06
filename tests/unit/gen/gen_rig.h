/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generator on a port of paper: what it sends is kept, what it receives is made here. The clock
 * is the test's.
 */
#ifndef TEST_GEN_RIG_H
#define TEST_GEN_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "gen.h"
#include "net/checksum.h"

#define RIG_FRAMES  256
#define RIG_CLIENTS 8
#define RIG_ITEMS   64
#define RIG_WINDOW  30000
#define L4_AT       34

struct rig_frame {
	uint8_t bytes[LINK_FRAME_BYTES];
	uint32_t count;
};

static struct rig_frame rig_frames[RIG_FRAMES];
static uint32_t rig_count, rig_seen;
static uint8_t rig_building[LINK_FRAME_BYTES];
static bool rig_no_buffers;

uint8_t *link_new(struct link *l)
{
	(void)l;
	return rig_no_buffers ? NULL : rig_building;
}

void link_send(struct link *l, uint32_t bytes, uint64_t now_us)
{
	(void)l;
	(void)now_us;
	assert_true(rig_count < RIG_FRAMES);
	memcpy(rig_frames[rig_count].bytes, rig_building, bytes);
	rig_frames[rig_count++].count = bytes;
}

bool link_is_up(const struct link *l)
{
	(void)l;
	return true;
}

uint32_t link_receive(struct link *l, struct link_frame frames[LINK_BURST])
{
	(void)l;
	(void)frames;
	return 0;
}

void link_release(struct link *l)
{
	(void)l;
}

/* --- the generator --- */

static inline void rig_init(struct gen *g, enum protocol protocol)
{
	char *argv[] = {(char[]){"gen"}, (char[]){"--device"}, (char[]){"none"}};
	memset(g, 0, sizeof *g);
	g->bridge_fd = -1;
	assert_int_equal(options_parse(&g->options, 3, argv), 0);
	g->options.protocol = protocol;
	g->options.meters = g->senders = g->client_count = RIG_CLIENTS;
	g->options.inflight_max = RIG_ITEMS;
	g->clients = aligned_alloc(64, sizeof g->clients[0] * RIG_CLIENTS);
	g->last_ts = calloc(RIG_CLIENTS, sizeof g->last_ts[0]);
	g->items = calloc(RIG_ITEMS, sizeof g->items[0]);
	g->steps = calloc(STEPS_MAX, sizeof g->steps[0]);
	g->scratch = malloc(MESSAGE_MAX);
	g->acks.all = calloc(16, sizeof g->acks.all[0]);
	g->acks.mask = 15;
	g->free_item = g->scratch_item = NONE;
	for (uint32_t i = RIG_ITEMS; i-- > 0;) {
		g->items[i].next = g->free_item;
		g->free_item = i;
	}
	memset(g->clients, 0, sizeof g->clients[0] * RIG_CLIENTS);
	for (uint32_t i = 0; i < RIG_CLIENTS; i++) {
		wheel_node_init(&g->clients[i].timer);
		g->clients[i].head = g->clients[i].tail = g->clients[i].unsent = NONE;
	}
	g->now_us = 1000000;
	g->schedule.phase = PHASE_LOAD;
	wheel_init(&g->wheel, &g->clients[0].timer, sizeof g->clients[0], 13, g->now_us);
	rig_count = rig_seen = 0;
	rig_no_buffers = false;
}

static inline void rig_fini(struct gen *g)
{
	free(g->clients);
	free(g->last_ts);
	free(g->items);
	free(g->steps);
	free(g->scratch);
	free(g->acks.all);
}

static inline void rig_fired(void *context, uint32_t client)
{
	struct gen *g = context;
	if (g->options.protocol == PROTOCOL_MQTT)
		client_timer(g, client);
	else
		coap_timer(g, client);
}

static inline void rig_advance(struct gen *g, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		g->now_us += 1000;
		wheel_expire(&g->wheel, g->now_us, 100, rig_fired, g);
		client_run_acks(g);
	}
}

/* --- what was sent --- */

/* L4 of the next frame that was not looked at yet; its checksum must be right. */
static inline const uint8_t *rig_next(uint32_t *bytes)
{
	assert_true(rig_seen < rig_count);
	const struct rig_frame *f = &rig_frames[rig_seen++];
	const uint8_t *ip = f->bytes + 14, *l4 = f->bytes + L4_AT;
	*bytes = get_be16(ip + 2) - 20u;
	assert_int_equal(*bytes + L4_AT, f->count);
	assert_int_equal(checksum_finish(checksum_add(0, ip, 20)), 0);
	uint64_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, ip[9], *bytes);
	assert_int_equal(checksum_finish(checksum_add(sum, l4, *bytes)), 0);
	return l4;
}

struct rig_tcp {
	uint32_t seq, ack, window, bytes;
	uint8_t flags;
	const uint8_t *data;
};

static inline struct rig_tcp rig_next_tcp(void)
{
	uint32_t bytes;
	const uint8_t *tcp = rig_next(&bytes);
	uint32_t header = (tcp[12] >> 4) * 4u;
	return (struct rig_tcp){.seq = get_be32(tcp + 4),
				.ack = get_be32(tcp + 8),
				.window = get_be16(tcp + 14),
				.flags = tcp[13],
				.data = tcp + header,
				.bytes = bytes - header};
}

static inline void rig_expect_silence(void)
{
	assert_int_equal(rig_seen, rig_count);
}

/* --- what comes in --- */

/* A segment from the server to client 0, without options. */
static inline void rig_segment(struct gen *g, uint8_t flags, uint32_t seq, uint32_t ack,
			       uint32_t window, const void *data, uint32_t bytes)
{
	uint8_t tcp[20 + 256];
	uint8_t address[4];
	uint16_t port;
	wire_client_address(g, 0, address, &port);
	memset(tcp, 0, 20);
	put_be16(tcp, g->options.mqtt_port);
	put_be16(tcp + 2, port);
	put_be32(tcp + 4, seq);
	put_be32(tcp + 8, ack);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put_be16(tcp + 14, (uint16_t)window);
	if (bytes)
		memcpy(tcp + 20, data, bytes);
	client_input(g, 0, tcp, 20 + bytes);
}

#endif
