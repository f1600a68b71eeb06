/* SPDX-License-Identifier: Apache-2.0 */
/* A real DPDK port in memory, net_ring, which gives back what it is sent, and a stack on it. Put
 * the standard headers that cmocka wants before it. */
#ifndef HEADRACE_TESTS_UNIT_NET_PORT_RIG_H
#define HEADRACE_TESTS_UNIT_NET_PORT_RIG_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/packet.h"
#include "net/port.h"
#include "net/stack.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define IP       ETHERNET_BYTES
#define BUFFERS  1023
#define START_US 1000000000ull

static const struct port_config base_config = {
    .ipv4 = {10, 77, 0, 1},
    .prefix_bits = 24,
    .mtu = 1500,
    .workers = 1,
    .has_ipv6 = true,
    .ipv6 = {0xfd, 0x77, [15] = 1},
    .ipv6_prefix_bits = 64,
    .has_gateway6 = true,
    .gateway6 = {0xfe, 0x80, [15] = 0xfe},
};
static const uint8_t peer4[16] = {[10] = 0xff, 0xff, 10, 77, 0, 2};
static const uint8_t peer6[16] = {0xfd, 0x77, [15] = 2};
static const uint8_t far6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};

static struct rte_mempool *pool, *small_pool;
static struct port port;
static struct net_stack *stack;
static struct counters counters;
static uint64_t now_us;
static uint8_t payload[20000];

/* What the handlers got. */
static struct {
	struct packet packet;
	uint8_t l4[16384];
	uint32_t calls;
} got;

static inline void take(const struct packet *p)
{
	got.packet = *p;
	got.calls++;
	memcpy(got.l4, p->l4, p->l4_bytes);
}

static inline void on_tcp(void *context, const struct packet *p)
{
	(void)context;
	take(p);
}

static inline bool on_udp(void *context, const struct packet *p)
{
	(void)context;
	take(p);
	return p->destination_port == 5683;
}

static const struct net_handlers handlers = {.tcp = on_tcp, .icmp_error = on_tcp, .udp = on_udp};

static inline int start_dpdk(void **state)
{
	uint32_t cpus[1] = {0};
	char prefix[32];
	struct error err;
	(void)state;
	snprintf(prefix, sizeof prefix, "test-stack-%d", (int)getpid());
	struct dpdk_config c = {.hugepages = DPDK_HUGEPAGES_NO, .memory_mb = 64,
	                        .file_prefix = prefix, .worker_cpus = cpus};
	if (dpdk_init(&c, &err) != RESULT_OK)
		return -1;
	pool = rte_pktmbuf_pool_create("test", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
	                               SOCKET_ID_ANY);
	small_pool = rte_pktmbuf_pool_create("small", BUFFERS, 0, 0, RTE_PKTMBUF_HEADROOM + 64,
	                                     SOCKET_ID_ANY);
	for (uint32_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(i * 13 + (i >> 8));
	return pool && small_pool ? 0 : -1;
}

static inline int stop_dpdk(void **state)
{
	(void)state;
	dpdk_fini();
	return 0;
}

static inline void open_port(const struct port_config *like)
{
	static uint32_t number;
	char device[32];
	struct error err = {""};
	struct port_config c = *like;
	snprintf(device, sizeof device, "net_ring%u", number++);
	c.device = device;
	memset(&counters, 0, sizeof counters);
	memset(&got, 0, sizeof got);
	now_us = START_US;
	if (port_open(&c, &port, &err) != RESULT_OK ||
	    net_stack_new(&port, 0, &handlers, NULL, &counters, &stack, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static inline int set_up(void **state)
{
	(void)state;
	open_port(&base_config);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	if (stack)
		port_close(&port);
	net_stack_free(stack);
	stack = NULL;
	return 0;
}

/* --- in and out --- */

static inline void give_mbuf(struct rte_mbuf *m)
{
	assert_int_equal(rte_eth_tx_burst(port.id, 0, &m, 1), 1);
}

static inline void give(const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)bytes), frame, bytes);
	give_mbuf(m);
}

static inline void poll(void)
{
	net_stack_poll(stack, now_us);
	net_flush(stack);
}

/* The next frame that the stack sent; 0 bytes: none. */
static inline uint32_t sent(uint8_t frame[2048])
{
	struct rte_mbuf *m;
	if (rte_eth_rx_burst(port.id, 0, &m, 1) == 0)
		return 0;
	uint32_t bytes = rte_pktmbuf_pkt_len(m);
	assert_true(m->nb_segs == 1 && bytes <= 2048);
	memcpy(frame, rte_pktmbuf_mtod(m, uint8_t *), bytes);
	rte_pktmbuf_free(m);
	return bytes;
}

static inline struct packet_local peer_local(void)
{
	struct packet_local peer = port.local;
	memcpy(peer.mac, peer_mac, 6);
	memcpy(peer.ipv4, peer4 + 12, 4);
	memcpy(peer.ipv6, peer6, 16);
	packet_link_local(peer_mac, peer.link_local);
	return peer;
}

/* What the peer makes of the next frame that the stack sent; it lies in `frame`. */
static inline struct packet peer_hears(uint8_t frame[2048])
{
	struct packet_local peer = peer_local();
	struct packet p = {0};
	uint32_t bytes = sent(frame);
	assert_true(bytes > 0);
	packet_parse(frame, bytes, &peer, (struct packet_offload){0}, &p);
	return p;
}

static inline void expect_count(enum counter id, uint64_t expected)
{
	if (counter_get(&counters, id) != expected)
		fail_msg("%s is %llu, expected %llu", counter_info[id].name,
		         (unsigned long long)counter_get(&counters, id),
		         (unsigned long long)expected);
}

/* --- frames of the peer --- */

static inline uint32_t make_udp6(uint8_t *frame, uint32_t bytes)
{
	uint8_t *udp = frame + IP + IPV6_HEADER_BYTES;
	packet_put_ipv6(frame, peer_mac, port.local.mac, peer6, port.local.ipv6, IP_UDP, 8 + bytes,
	                64);
	put_be16(udp, 40000);
	put_be16(udp + 2, 5683);
	put_be16(udp + 4, (uint16_t)(8 + bytes));
	put_be16(udp + 6, 0);
	memcpy(udp + 8, payload, bytes);
	uint64_t sum = checksum_pseudo_ipv6(peer6, port.local.ipv6, IP_UDP, 8 + bytes);
	put_le16(udp + 6, checksum_finish(checksum_add(sum, udp, 8 + bytes)));
	return IP + IPV6_HEADER_BYTES + 8 + bytes;
}

static inline uint32_t make_udp4(uint8_t *frame, uint32_t bytes)
{
	uint8_t *ip = frame + IP, *udp = ip + IPV4_HEADER_BYTES;
	packet_put_ipv4(frame, peer_mac, port.local.mac, peer4 + 12, port.local.ipv4, IP_UDP,
	                8 + bytes, 77);
	put_be16(udp, 40000);
	put_be16(udp + 2, 5683);
	put_be16(udp + 4, (uint16_t)(8 + bytes));
	put_be16(udp + 6, 0);
	memcpy(udp + 8, payload, bytes);
	uint64_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, IP_UDP, 8 + bytes);
	put_le16(udp + 6, checksum_finish(checksum_add(sum, udp, 8 + bytes)));
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
	return IP + IPV4_HEADER_BYTES + 8 + bytes;
}

static inline void make_known(void)
{
	neighbours_learn(port.neighbours, peer4, peer_mac, now_us);
	neighbours_learn(port.neighbours, peer6, peer_mac, now_us);
}

#endif
