/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP engine on a Linux interface, without DPDK: an IPv4 host that answers ARP and serves
 *
 *     port 7   echo: what comes goes back
 *     port 9   discard: what comes is counted
 *     port 19  source: as much as the peer takes, byte n of a connection is n % 251
 *
 * usage: engine_host INTERFACE IPV4-ADDRESS
 *
 * Prints "ready", and on SIGTERM or SIGINT its counters that are not zero.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/packet.h"
#include "packet_socket.h"
#include "tcp/tcp.h"

#define CONNS_MAX     1024
#define MTU           1500
#define BURST_FRAMES  64
#define SOURCE_PERIOD 251
#define SOURCE_BLOCK  1004 /* 4 * 251 */

enum port { PORT_ECHO = 7, PORT_DISCARD = 9, PORT_SOURCE = 19 };

struct conn {
	uint16_t port;
	bool finished; /* the peer has nothing more to say */
};

struct host {
	struct tcp_engine *engine;
	struct counters counters;
	int fd;
	struct packet_local local;
	uint8_t peer_mac[6]; /* of whoever spoke last: there is one other host on the link */
	uint16_t identification;
	struct conn conns[CONNS_MAX];
	uint8_t source[SOURCE_BLOCK];
	uint8_t out[ETHERNET_BYTES + MTU];
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

/* --- the services --------------------------------------------------------------------------- */

static void send_source(struct host *h, tcp_handle conn)
{
	while (tcp_send(h->engine, conn, h->source, sizeof h->source))
		;
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	struct host *h = app;
	h->conns[tcp_index(conn)] = (struct conn){.port = peer->local_port};
	if (peer->local_port == PORT_SOURCE)
		send_source(h, conn);
	return true;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count)
{
	struct host *h = app;
	if (h->conns[tcp_index(conn)].port != PORT_ECHO)
		return count;
	uint32_t taken = 0;
	while (taken < count) {
		uint32_t n = count - taken < 512 ? count - taken : 512;
		if (!tcp_send(h->engine, conn, bytes + taken, n))
			break;
		taken += n;
	}
	return taken;
}

static void on_finished(void *app, tcp_handle conn)
{
	struct host *h = app;
	struct conn *c = &h->conns[tcp_index(conn)];
	c->finished = true;
	if (c->port != PORT_SOURCE)
		tcp_close(h->engine, conn);
}

static void on_writable(void *app, tcp_handle conn)
{
	struct host *h = app;
	if (h->conns[tcp_index(conn)].port == PORT_SOURCE)
		send_source(h, conn);
	else
		tcp_resume(h->engine, conn);
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	(void)app;
	(void)conn;
	(void)reason;
}

static const struct tcp_app app_ops = {on_accept, on_data, on_finished, on_writable, on_closed};

/* --- frames --------------------------------------------------------------------------------- */

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct host *h = link;
	(void)control;
	CHECK_OP(bytes, <=, (uint32_t)(MTU - IPV4_HEADER_BYTES));
	return h->out + ETHERNET_BYTES + IPV4_HEADER_BYTES;
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct host *h = link;
	const uint8_t *from = local->ip + 12, *to = peer->ip + 12;
	uint8_t *ip = h->out + ETHERNET_BYTES;
	packet_put_ipv4(h->out, h->local.mac, h->peer_mac, from, to, IPPROTO_TCP, bytes,
	                h->identification++);
	put_be16(ip + 10, 0);
	uint16_t sum = checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES));
	memcpy(ip + 10, &sum, 2);
	uint64_t tcp_sum = checksum_pseudo_ipv4(from, to, IPPROTO_TCP, bytes);
	sum = checksum_finish(checksum_add(tcp_sum, segment, bytes));
	memcpy(segment + 16, &sum, 2);
	packet_socket_send(h->fd, h->out, ETHERNET_BYTES + IPV4_HEADER_BYTES + bytes);
}

static const struct tcp_link link_ops = {link_alloc, link_send};

static void take_frame(struct host *h, const uint8_t *frame, uint32_t bytes)
{
	struct packet p;
	struct tcp_address local, peer;
	packet_parse(frame, bytes, &h->local, (struct packet_offload){0}, &p);
	if (p.kind == PACKET_DROP) {
		counter_add(&h->counters, p.drop, 1);
		return;
	}
	memcpy(h->peer_mac, frame + 6, 6);
	memcpy(local.ip, p.destination, sizeof local.ip);
	memcpy(peer.ip, p.source, sizeof peer.ip);
	if (p.kind == PACKET_TCP) {
		tcp_input(h->engine, &local, &peer, p.l4, p.l4_bytes);
	} else if (p.kind == PACKET_ARP_REQUEST) {
		uint8_t reply[ETHERNET_BYTES + ARP_BYTES];
		packet_put_arp(reply, 2, &h->local, p.source_mac, p.source + 12);
		packet_socket_send(h->fd, reply, sizeof reply);
	}
}

static void poll_once(struct host *h)
{
	static uint8_t frame[FRAME_BYTES_MAX];
	tcp_set_now(h->engine, clock_mono_us());
	for (uint32_t i = 0; i < BURST_FRAMES; i++) {
		uint32_t bytes = packet_socket_receive(h->fd, frame);
		if (bytes == 0)
			break;
		take_frame(h, frame, bytes);
	}
	tcp_run_timers(h->engine, 256);
	tcp_flush(h->engine);
}

static void wait_for_frames(const struct host *h)
{
	struct pollfd polled = {h->fd, POLLIN, 0};
	uint64_t next_us = tcp_next_timer_us(h->engine), now_us = clock_mono_us();
	uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
	if (wait_us > 1000000)
		wait_us = 1000000;
	struct timespec patience = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
	(void)ppoll(&polled, 1, &patience, NULL);
}

static void host_init(struct host *h, const char *interface, const char *address)
{
	struct tcp_config config = {
	    .conns_max = CONNS_MAX,
	    .syn_cache_max = CONNS_MAX,
	    .time_wait_max = CONNS_MAX,
	    .rx_buffer_bytes = 1 << 20,
	    .rx_memory_bytes = 256 << 20,
	    .tx_buffer_bytes = 1 << 20,
	    .tx_memory_bytes = 256 << 20,
	    .mtu_bytes = MTU,
	    .ports = {PORT_ECHO, PORT_DISCARD, PORT_SOURCE},
	    .secret = {1, 2, 3},
	    .seed = 1,
	};
	if (inet_pton(AF_INET, address, h->local.ipv4) != 1) {
		fprintf(stderr, "engine_host: %s is not an IPv4 address\n", address);
		exit(2);
	}
	h->local.ipv4_mask = 0xffffff00;
	h->fd = packet_socket_open(interface, h->local.mac);
	for (uint32_t i = 0; i < SOURCE_BLOCK; i++)
		h->source[i] = (uint8_t)(i % SOURCE_PERIOD);
	h->engine = tcp_engine_new(&config, &app_ops, h, &link_ops, h, &h->counters,
	                           clock_mono_us());
	CHECK(h->engine);
}

int main(int argc, char **argv)
{
	static struct host h;
	if (argc != 3) {
		fprintf(stderr, "usage: %s INTERFACE IPV4-ADDRESS\n", argv[0]);
		return 2;
	}
	host_init(&h, argv[1], argv[2]);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	printf("ready\n");
	fflush(stdout);
	while (!ended) {
		poll_once(&h);
		wait_for_frames(&h);
	}
	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		if (counter_get(&h.counters, (enum counter)i))
			printf("%s %" PRIu64 "\n", counter_info[i].name,
			       counter_get(&h.counters, (enum counter)i));
	tcp_engine_free(h.engine);
	return 0;
}
