/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine with an application and a link that record: what the unit tests of this folder share.
 * One client, 10.0.0.2:5000, talks to 10.0.0.1:1883; numbers are relative to both sides' initial
 * ones.
 */
#ifndef HEADRACE_TESTS_UNIT_TCP_HARNESS_H
#define HEADRACE_TESTS_UNIT_TCP_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tcp/tcp_priv.h"

#define HARNESS_ISS 1000u
#define HARNESS_OUT 128

struct sent_segment {
	uint32_t seq, ack, bytes; /* bytes: payload */
	uint16_t window;
	uint8_t flags;
	uint16_t peer_port;
	struct options opt;
	uint8_t data[1500];
};

struct harness {
	struct tcp_engine *e;
	struct tcp_config config;
	struct counters counters;
	uint64_t now_us;
	uint64_t timeout_us; /* of a retransmission, for the tests that lose some */
	uint32_t iss; /* the engine's, from its last SYN-ACK */
	struct sent_segment out[HARNESS_OUT];
	uint32_t out_count;
	tcp_handle conn;
	uint32_t accepted, finished, writable, closed;
	enum tcp_close_reason reason;
	uint32_t data_bytes, data_calls, take;
	uint32_t packet; /* not 0: only whole packets of so many bytes are consumed */
	bool no_buffer, refuse;
	uint8_t buffer[9216];
	uint16_t port;
	struct tcp_address local, peer;
};

static struct harness h;

static bool h_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	(void)app;
	(void)peer;
	h.conn = conn;
	h.accepted++;
	return !h.refuse;
}

static uint32_t h_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count_)
{
	(void)app;
	(void)conn;
	(void)bytes;
	h.data_calls++;
	h.data_bytes = count_;
	if (h.packet)
		return count_ / h.packet * h.packet;
	return count_ < h.take ? count_ : h.take;
}

static void h_finished(void *app, tcp_handle conn)
{
	(void)app;
	(void)conn;
	h.finished++;
}

static void h_writable(void *app, tcp_handle conn)
{
	(void)app;
	(void)conn;
	h.writable++;
}

static void h_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	(void)app;
	(void)conn;
	h.closed++;
	h.reason = reason;
}

static uint8_t *h_alloc(void *link, uint32_t bytes, bool control)
{
	(void)link;
	(void)control;
	return h.no_buffer || bytes > sizeof h.buffer ? NULL : h.buffer;
}

static void h_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                   uint8_t *s, uint32_t bytes)
{
	(void)link;
	assert_memory_equal(local, &h.local, sizeof *local);
	assert_memory_equal(peer, &h.peer, sizeof *peer);
	assert_true(h.out_count < HARNESS_OUT);
	struct sent_segment *o = &h.out[h.out_count++];
	uint32_t header = (uint32_t)(s[12] >> 4) * 4;
	o->flags = s[13];
	if (o->flags & SYN)
		h.iss = get_be32(s + 4);
	o->seq = get_be32(s + 4) - h.iss;
	o->ack = get_be32(s + 8) - HARNESS_ISS;
	o->window = get_be16(s + 14);
	o->peer_port = get_be16(s + 2);
	o->bytes = bytes - header;
	assert_true(o->bytes <= sizeof o->data);
	memcpy(o->data, s + header, o->bytes);
	assert_true(options_parse(s + 20, header - 20, o->flags & SYN, &o->opt));
}

/* Defaults; change h.config, then h_start. */
static inline void h_init(void)
{
	memset(&h, 0, sizeof h);
	h.config = (struct tcp_config){
	    .conns_max = 8, .syn_cache_max = 8, .time_wait_max = 8, .rx_buffer_bytes = 16384,
	    .rx_memory_bytes = 1 << 20, .tx_buffer_bytes = 32768, .tx_memory_bytes = 1 << 20,
	    .mtu_bytes = 1500, .ports = {1883}, .secret = {1, 2, 3},
	};
	h.take = UINT32_MAX;
	h.port = 5000;
	h.now_us = 5000000;
	memcpy(h.local.ip, (uint8_t[]){[10] = 0xff, 0xff, 10, 0, 0, 1}, 16);
	memcpy(h.peer.ip, (uint8_t[]){[10] = 0xff, 0xff, 10, 0, 0, 2}, 16);
}

static inline void h_start(void)
{
	static const struct tcp_app app = {h_accept, h_data, h_finished, h_writable, h_closed};
	static const struct tcp_link link = {h_alloc, h_send};
	h.e = tcp_engine_new(&h.config, &app, NULL, &link, NULL, &h.counters, h.now_us);
	assert_non_null(h.e);
}

static inline int h_stop(void **state)
{
	(void)state;
	tcp_engine_free(h.e);
	h.e = NULL;
	return 0;
}

static inline void h_poll(void)
{
	h.out_count = 0;
	tcp_set_now(h.e, h.now_us);
	tcp_run_timers(h.e, 1000);
	tcp_flush(h.e);
}

static inline void h_pass(uint64_t us)
{
	h.now_us += us;
	h_poll();
}

/* A segment from the peer, within a poll; `options` may be NULL. */
static inline void h_segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t data_bytes,
                             const void *options, uint32_t option_bytes)
{
	uint32_t header = 20 + option_bytes;
	uint8_t *s = calloc(1, header + data_bytes);
	assert_non_null(s);
	put_be16(s, h.port);
	put_be16(s + 2, 1883);
	put_be32(s + 4, HARNESS_ISS + seq);
	put_be32(s + 8, h.iss + ack);
	s[12] = (uint8_t)(header / 4 << 4);
	s[13] = flags;
	put_be16(s + 14, 60000);
	if (option_bytes)
		memcpy(s + 20, options, option_bytes);
	tcp_input(h.e, &h.local, &h.peer, s, header + data_bytes);
	free(s);
}

/* A poll with one segment; its answers are in h.out. */
static inline void h_in(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t data_bytes,
                        const void *options, uint32_t option_bytes)
{
	h.out_count = 0;
	tcp_set_now(h.e, h.now_us);
	h_segment(flags, seq, ack, data_bytes, options, option_bytes);
	tcp_run_timers(h.e, 1000);
	tcp_flush(h.e);
}

/* A poll with `segments` of data in order from `seq` on. */
static inline void h_in_poll(uint32_t seq, uint32_t data_bytes, uint32_t segments)
{
	h.out_count = 0;
	tcp_set_now(h.e, h.now_us);
	for (uint32_t i = 0; i < segments; i++)
		h_segment(ACK, seq + i * data_bytes, 1, data_bytes, NULL, 0);
	tcp_run_timers(h.e, 1000);
	tcp_flush(h.e);
}

/* MSS 1000, and SACK if wanted; established with an RTT of 100 ms. */
static inline void h_open(bool sack)
{
	static const uint8_t options[] = {2, 4, 0x03, 0xe8, 4, 2, 1, 1};
	h_in(SYN, 0, 0, 0, options, sack ? 8 : 4);
	assert_int_equal(h.out_count, 1);
	assert_int_equal(h.out[0].flags, SYN | ACK);
	h.now_us += 100000;
	h_in(ACK, 1, 1, 0, NULL, 0);
}

static inline struct conn *h_conn(void)
{
	struct conn *c = conn_get(h.e, h.conn);
	assert_non_null(c);
	return c;
}

static inline uint64_t h_counter(enum counter id)
{
	return counter_get(&h.counters, id);
}

#endif
