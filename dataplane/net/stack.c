/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stack.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/checksum.h"

#define RX_BURST          32
#define TX_QUEUED_MAX     256
#define DATA_BUFFERS      2048
#define CONTROL_BUFFERS   1024
#define CONTROL_BYTES     (RTE_PKTMBUF_HEADROOM + 256)
#define CACHE_BUFFERS     128
#define L4_OFFSET         (ETHERNET_BYTES + IPV4_HEADER_BYTES)
#define ECHO_PER_SECOND   1000 /* answers to pings; RFC 1812 4.3.2.8 wants a limit */
#define ARP_INTERVAL_US   1000000
#define ARP_RECENT        64 /* addresses whose last request is remembered */
#define IP_TCP            6
#define IP_UDP            17
#define IP_ICMP           1

struct arp_asked {
	uint8_t ipv4[4];
	uint64_t asked_us;
};

struct net_stack {
	struct port *port;
	const struct net_handlers *handlers;
	void *context;
	struct counters *counters;
	struct rte_mempool *data_pool, *control_pool;
	struct rte_mbuf *building; /* of the last net_alloc, not yet sent */
	uint64_t now_us;
	uint64_t echo_window_us;
	uint32_t echo_count;
	uint16_t queue;
	uint16_t identification;
	uint32_t queued_count;
	struct arp_asked asked[ARP_RECENT];
	struct rte_mbuf *queued[TX_QUEUED_MAX];
};

static struct rte_mempool *pool_new(const struct net_stack *n, const char *name, uint32_t count,
                                    uint16_t bytes)
{
	char text[RTE_MEMPOOL_NAMESIZE];
	snprintf(text, sizeof text, "%s%u.%u", name, n->port->id, n->queue);
	return rte_pktmbuf_pool_create(text, count, CACHE_BUFFERS, 0, bytes, SOCKET_ID_ANY);
}

enum result net_stack_new(struct port *port, uint16_t queue, const struct net_handlers *handlers,
                          void *context, struct counters *counters, struct net_stack **out,
                          struct error *err)
{
	struct net_stack *n = calloc(1, sizeof *n);
	if (!n)
		return fail(RESULT_RESOURCE, err, "port %s: no memory", port->device);
	n->port = port;
	n->queue = queue;
	n->handlers = handlers;
	n->context = context;
	n->counters = counters;
	n->data_pool = pool_new(n, "tx", DATA_BUFFERS, RTE_MBUF_DEFAULT_BUF_SIZE);
	n->control_pool = pool_new(n, "ctl", CONTROL_BUFFERS, CONTROL_BYTES);
	if (!n->data_pool || !n->control_pool) {
		net_stack_free(n);
		return fail(RESULT_RESOURCE, err,
		            "port %s: no memory for transmit buffers; raise dpdk.memory_mb",
		            port->device);
	}
	*out = n;
	return RESULT_OK;
}

void net_stack_free(struct net_stack *n)
{
	if (!n)
		return;
	rte_pktmbuf_free(n->building);
	rte_pktmbuf_free_bulk(n->queued, n->queued_count);
	rte_mempool_free(n->data_pool);
	rte_mempool_free(n->control_pool);
	free(n);
}

void net_flush(struct net_stack *n)
{
	if (n->queued_count == 0)
		return;
	uint16_t sent =
	    rte_eth_tx_burst(n->port->id, n->queue, n->queued, (uint16_t)n->queued_count);
	counter_add(n->counters, COUNTER_NET_TX_FRAMES, sent);
	n->queued_count -= sent;
	memmove(n->queued, n->queued + sent, n->queued_count * sizeof n->queued[0]);
}

static void transmit(struct net_stack *n, struct rte_mbuf *m)
{
	if (n->queued_count == TX_QUEUED_MAX)
		net_flush(n);
	if (n->queued_count == TX_QUEUED_MAX) {
		counter_add(n->counters, COUNTER_NET_TX_DROP_FULL, 1);
		rte_pktmbuf_free(m);
		return;
	}
	n->queued[n->queued_count++] = m;
}

static struct rte_mbuf *buffer_new(struct net_stack *n, uint32_t frame_bytes, bool control)
{
	struct rte_mbuf *m = NULL;
	if (control && frame_bytes <= CONTROL_BYTES - RTE_PKTMBUF_HEADROOM)
		m = rte_pktmbuf_alloc(n->control_pool);
	if (!m)
		m = rte_pktmbuf_alloc(n->data_pool);
	if (!m) {
		counter_add(n->counters, COUNTER_NET_TX_NO_BUFFER, 1);
		return NULL;
	}
	if (!rte_pktmbuf_append(m, (uint16_t)frame_bytes)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

/* Ask for a neighbour's address, at most once a second for each (of the last few asked for). */
static void arp_request(struct net_stack *n, const uint8_t ipv4[4])
{
	struct arp_asked *slot = &n->asked[(ipv4[3] ^ ipv4[2]) % ARP_RECENT];
	if (memcmp(slot->ipv4, ipv4, 4) == 0 && n->now_us < slot->asked_us + ARP_INTERVAL_US)
		return;
	struct rte_mbuf *m = buffer_new(n, ETHERNET_BYTES + ARP_BYTES, true);
	if (!m)
		return;
	memcpy(slot->ipv4, ipv4, 4);
	slot->asked_us = n->now_us;
	static const uint8_t nobody[6];
	packet_put_arp(rte_pktmbuf_mtod(m, uint8_t *), 1, &n->port->local, nobody, ipv4);
	counter_add(n->counters, COUNTER_NET_TX_ARP_REQUEST, 1);
	transmit(n, m);
}

/* The MAC address of the next hop towards `peer`; false: not known (yet). */
static bool resolve(struct net_stack *n, const uint8_t peer[16], uint8_t mac[6])
{
	const struct port *port = n->port;
	uint32_t mask = port->local.ipv4_mask;
	bool on_link = (get_be32(peer + 12) & mask) == (get_be32(port->local.ipv4) & mask);
	uint8_t hop[16];
	memcpy(hop, peer, 16);
	if (!on_link && port->has_gateway)
		memcpy(hop + 12, port->gateway_ipv4, 4);
	enum neighbour_state state = neighbours_find(port->neighbours, hop, n->now_us, mac);
	if (state != NEIGHBOUR_FRESH)
		arp_request(n, hop + 12);
	return state != NEIGHBOUR_UNKNOWN;
}

/* Where the L4 checksum field lies. */
static uint32_t checksum_offset(uint8_t protocol)
{
	return protocol == IP_TCP ? 16 : 6;
}

static void fill_checksums(struct net_stack *n, struct rte_mbuf *m, uint8_t protocol,
                           uint32_t l4_bytes)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETHERNET_BYTES);
	uint8_t *l4 = ip + IPV4_HEADER_BYTES;
	uint64_t pseudo = checksum_pseudo_ipv4(ip + 12, ip + 16, protocol, l4_bytes);
	uint16_t sum;

	if (n->port->tx_checksums) {
		m->l2_len = ETHERNET_BYTES;
		m->l3_len = IPV4_HEADER_BYTES;
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
		               (protocol == IP_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
		                                   : RTE_MBUF_F_TX_UDP_CKSUM);
		sum = checksum_fold(pseudo);
	} else {
		put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
		sum = checksum_finish(checksum_add(pseudo, l4, l4_bytes));
		if (protocol == IP_UDP && sum == 0)
			sum = 0xffff; /* RFC 768: a computed zero is sent as all ones */
	}
	put_le16(l4 + checksum_offset(protocol), sum);
}

/* Put the headers in front of an L4 segment and queue it. */
static void send_ipv4(struct net_stack *n, struct rte_mbuf *m, const uint8_t local[16],
                      const uint8_t peer[16], uint8_t protocol, uint32_t l4_bytes)
{
	uint8_t mac[6];
	if (!resolve(n, peer, mac)) {
		counter_add(n->counters, COUNTER_NET_TX_UNRESOLVED, 1);
		rte_pktmbuf_free(m);
		return;
	}
	packet_put_ipv4(rte_pktmbuf_mtod(m, uint8_t *), n->port->local.mac, mac, local + 12,
	                peer + 12, protocol, l4_bytes, n->identification++);
	fill_checksums(n, m, protocol, l4_bytes);
	transmit(n, m);
}

uint8_t *net_alloc(struct net_stack *n, uint32_t bytes, bool control)
{
	if (n->building)
		rte_pktmbuf_free(n->building);
	n->building = buffer_new(n, L4_OFFSET + bytes, control);
	return n->building ? rte_pktmbuf_mtod_offset(n->building, uint8_t *, L4_OFFSET) : NULL;
}

void net_send_tcp(struct net_stack *n, const uint8_t local[16], const uint8_t peer[16],
                  uint8_t *segment, uint32_t bytes)
{
	struct rte_mbuf *m = n->building;
	CHECK(m && segment == rte_pktmbuf_mtod_offset(m, uint8_t *, L4_OFFSET));
	CHECK_OP(L4_OFFSET + bytes, <=, rte_pktmbuf_data_len(m));
	n->building = NULL;
	rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_data_len(m) - L4_OFFSET - bytes));
	send_ipv4(n, m, local, peer, IP_TCP, bytes);
}

bool net_send_udp(struct net_stack *n, const uint8_t local[16], uint16_t local_port,
                  const uint8_t peer[16], uint16_t peer_port, const uint8_t *payload,
                  uint32_t bytes)
{
	uint32_t l4_bytes = UDP_HEADER_BYTES + bytes;
	if (IPV4_HEADER_BYTES + l4_bytes > n->port->mtu)
		return false;
	struct rte_mbuf *m = buffer_new(n, L4_OFFSET + l4_bytes, false);
	if (!m)
		return false;
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, L4_OFFSET);
	put_be16(udp, local_port);
	put_be16(udp + 2, peer_port);
	put_be16(udp + 4, (uint16_t)l4_bytes);
	put_be16(udp + 6, 0);
	memcpy(udp + UDP_HEADER_BYTES, payload, bytes);
	send_ipv4(n, m, local, peer, IP_UDP, l4_bytes);
	return true;
}

static void answer_arp(struct net_stack *n, const struct packet *p)
{
	struct rte_mbuf *m = buffer_new(n, ETHERNET_BYTES + ARP_BYTES, true);
	if (!m)
		return;
	packet_put_arp(rte_pktmbuf_mtod(m, uint8_t *), 2, &n->port->local, p->source_mac,
	               p->source + 12);
	transmit(n, m);
}

/* RFC 792: the same message with type 0. False: over the rate, or no buffer. */
static bool answer_echo(struct net_stack *n, const struct packet *p)
{
	if (n->now_us >= n->echo_window_us + 1000000) {
		n->echo_window_us = n->now_us;
		n->echo_count = 0;
	}
	if (n->echo_count >= ECHO_PER_SECOND)
		return false;
	struct rte_mbuf *m = buffer_new(n, L4_OFFSET + p->l4_bytes, true);
	if (!m)
		return false;
	n->echo_count++;
	uint8_t mac[6], *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *icmp = frame + L4_OFFSET, *ip = frame + ETHERNET_BYTES;
	memcpy(icmp, p->l4, p->l4_bytes);
	icmp[0] = 0;
	put_be16(icmp + 2, 0);
	put_le16(icmp + 2, checksum_finish(checksum_add(0, icmp, p->l4_bytes)));
	if (!resolve(n, p->source, mac))
		memcpy(mac, p->source_mac, 6);
	packet_put_ipv4(frame, n->port->local.mac, mac, p->destination + 12, p->source + 12,
	                IP_ICMP, p->l4_bytes, n->identification++);
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
	transmit(n, m);
	return true;
}

/* Serve one packet; returns the counter it ends in. */
static enum counter serve(struct net_stack *n, const struct packet *p)
{
	switch (p->kind) {
	case PACKET_TCP:
		n->handlers->tcp(n->context, p);
		return COUNTER_NET_RX_TCP;
	case PACKET_UDP:
		return n->handlers->udp(n->context, p) ? COUNTER_NET_RX_UDP
		                                       : COUNTER_NET_RX_DROP_UDP_PORT;
	case PACKET_ICMP_ECHO:
		return answer_echo(n, p) ? COUNTER_NET_RX_ICMP_ECHO : COUNTER_NET_RX_DROP_ICMP;
	case PACKET_ICMP_ERROR:
		n->handlers->icmp_error(n->context, p);
		return COUNTER_NET_RX_ICMP_ERROR;
	case PACKET_ARP_REQUEST:
		neighbours_learn(n->port->neighbours, p->source, p->source_mac, n->now_us);
		answer_arp(n, p);
		return COUNTER_NET_RX_ARP_REQUEST;
	case PACKET_ARP_REPLY:
		neighbours_learn(n->port->neighbours, p->source, p->source_mac, n->now_us);
		return COUNTER_NET_RX_ARP_REPLY;
	case PACKET_DROP:
		break;
	}
	return p->drop;
}

static void take_frame(struct net_stack *n, const struct rte_mbuf *m)
{
	struct packet packet;
	if (m->nb_segs != 1) {
		counter_add(n->counters, COUNTER_NET_RX_DROP_SEGMENTED, 1);
		return;
	}
	uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct packet_offload offload = {
	    .ip_checksum_good = n->port->rx_checksums && ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
	    .l4_checksum_good = n->port->rx_checksums && l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	};
	packet_parse(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m),
	             &n->port->local, offload, &packet);
	counter_add(n->counters, serve(n, &packet), 1);
}

uint32_t net_stack_poll(struct net_stack *n, uint64_t now_us)
{
	struct rte_mbuf *burst[RX_BURST];
	n->now_us = now_us;
	uint16_t count = rte_eth_rx_burst(n->port->id, n->queue, burst, RX_BURST);
	for (uint16_t i = 0; i < count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst[i], const void *));
	for (uint16_t i = 0; i < count; i++) {
		take_frame(n, burst[i]);
		rte_pktmbuf_free(burst[i]);
	}
	return count;
}
