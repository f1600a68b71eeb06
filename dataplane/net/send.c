/* SPDX-License-Identifier: Apache-2.0 */
#include <rte_ethdev.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/stack_priv.h"

#define ASK_INTERVAL_US 1000000 /* RFC 1122 2.3.2.1, RFC 4861 10: RETRANS_TIMER */

/* --- frames --- */

/* The first frames of `frames` to the port; what it does not take moves to the front. */
static uint32_t to_port(struct net_stack *n, struct rte_mbuf **frames, uint32_t count)
{
	uint16_t sent = rte_eth_tx_burst(n->port->id, n->worker, frames, (uint16_t)count);
	counter_add(n->counters, COUNTER_NET_TX_FRAMES, sent);
	memmove(frames, frames + sent, (count - sent) * sizeof frames[0]);
	return count - sent;
}

/* To the worker whose queue we share, in a ring that is ours. */
static uint32_t to_owner(struct net_stack *n, struct rte_mbuf **frames, uint32_t count)
{
	uint32_t sent = 0;
	while (sent < count && ring_push(&n->spread->tx[n->worker], frames[sent]))
		sent++;
	memmove(frames, frames + sent, (count - sent) * sizeof frames[0]);
	return count - sent;
}

/* What the workers that share our queue have sent, a different one of them first each time. */
static uint32_t relay(struct net_stack *n)
{
	uint32_t taken = 0, queues = n->port->queues;
	uint32_t sharers = (n->port->workers - 1u - n->worker) / queues;
	n->relay_turn++;
	for (uint32_t i = 0; i < sharers; i++) {
		struct rte_mbuf *m;
		uint32_t w = n->worker + queues * (1 + (n->relay_turn + i) % sharers);
		while (n->relayed_count < RELAYED_MAX &&
		       (m = ring_pop(&n->spread->tx[w])) != NULL) {
			n->relayed[n->relayed_count++] = m;
			taken++;
		}
		if (n->relayed_count > 0)
			n->relayed_count = to_port(n, n->relayed, n->relayed_count);
	}
	return taken;
}

uint32_t net_flush(struct net_stack *n)
{
	uint32_t before = n->queued_count;
	if (before > 0)
		n->queued_count = n->has_queue ? to_port(n, n->queued, before)
		                               : to_owner(n, n->queued, before);
	if (n->queued_count < before)
		n->took_us = n->now_us;
	return n->has_queue && n->port->queues < n->port->workers ? relay(n) : 0;
}

/* At most `most` frames are queued, if need be once the port has taken some. */
static bool queued_within(struct net_stack *n, uint32_t most)
{
	if (n->queued_count > most)
		net_flush(n);
	return n->queued_count <= most;
}

bool net_takes(struct net_stack *n, uint32_t frames)
{
	return queued_within(n, TX_QUEUED_MAX - frames) || n->now_us - n->took_us > STUCK_US;
}

/* The port's VLAN tag, by the hardware where it can. False: no room for it. */
static bool tag(struct net_stack *n, struct rte_mbuf **m)
{
	if (n->port->local.vlan == 0)
		return true;
	(*m)->vlan_tci = n->port->local.vlan;
	if (n->port->tx_vlan) {
		(*m)->ol_flags |= RTE_MBUF_F_TX_VLAN;
		return true;
	}
	return rte_vlan_insert(m) == 0;
}

void stack_transmit(struct net_stack *n, struct rte_mbuf *m)
{
	if (n->queued_count == TX_QUEUED_MAX)
		net_flush(n);
	if (n->queued_count == TX_QUEUED_MAX || !tag(n, &m)) {
		counter_add(n->counters, COUNTER_NET_TX_DROP_FULL, 1);
		rte_pktmbuf_free(m);
		return;
	}
	n->queued[n->queued_count++] = m;
}

struct rte_mbuf *stack_buffer(struct net_stack *n, uint32_t frame_bytes, bool control)
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

/* --- next hops --- */

/* At most once a second for each address (of the last few asked for). */
static bool ask_is_due(struct net_stack *n, const uint8_t address[16])
{
	struct asked *slot = &n->asked[(address[15] ^ address[14]) % ASKED_RECENT];
	if (memcmp(slot->address, address, 16) == 0 && n->now_us < slot->asked_us + ASK_INTERVAL_US)
		return false;
	memcpy(slot->address, address, 16);
	slot->asked_us = n->now_us;
	return true;
}

static void arp_request(struct net_stack *n, const uint8_t ipv4[4])
{
	static const uint8_t nobody[6];
	struct rte_mbuf *m = stack_buffer(n, ETHERNET_BYTES + ARP_BYTES, true);
	if (!m)
		return;
	packet_put_arp(rte_pktmbuf_mtod(m, uint8_t *), 1, &n->port->local, nobody, ipv4);
	counter_add(n->counters, COUNTER_NET_TX_ARP_REQUEST, 1);
	stack_transmit(n, m);
}

/* `mac`: where it was last seen, or NULL. */
static void nd_solicit(struct net_stack *n, const uint8_t address[16], const uint8_t *mac)
{
	struct rte_mbuf *m = stack_buffer(n, ND_FRAME_BYTES, true);
	if (!m)
		return;
	packet_put_nd_solicit(rte_pktmbuf_mtod(m, uint8_t *), &n->port->local, address, mac);
	counter_add(n->counters, COUNTER_NET_TX_ND_SOLICIT, 1);
	stack_transmit(n, m);
}

static void next_hop(const struct port *port, const uint8_t peer[16], uint8_t hop[16])
{
	const struct packet_local *us = &port->local;
	memcpy(hop, peer, 16);
	if (address_is_ipv4(peer)) {
		bool on_link =
		    ((get_be32(peer + 12) ^ get_be32(us->ipv4)) & us->ipv4_mask) == 0;
		if (!on_link && port->has_gateway)
			memcpy(hop + 12, port->gateway_ipv4, 4);
	} else {
		bool on_link = address_is_link_local(peer) ||
		               address_same_prefix(peer, us->ipv6, us->ipv6_prefix_bits);
		if (!on_link && port->has_gateway6)
			memcpy(hop, port->gateway6, 16);
	}
}

bool stack_resolve(struct net_stack *n, const uint8_t peer[16], uint8_t mac[6])
{
	uint8_t hop[16];
	bool ipv4 = address_is_ipv4(peer);
	if (!ipv4 && !n->port->local.has_ipv6)
		return false;
	next_hop(n->port, peer, hop);
	struct hop *recent = &n->hops[(hop[15] ^ hop[14]) % HOPS_RECENT];
	if (recent->found_us == n->now_us && memcmp(recent->address, hop, sizeof hop) == 0) {
		memcpy(mac, recent->mac, sizeof recent->mac);
		return true;
	}
	enum neighbour_state state = neighbours_find(n->port->neighbours, hop, n->now_us, mac);
	if (state != NEIGHBOUR_FRESH && ask_is_due(n, hop)) {
		if (ipv4)
			arp_request(n, hop + 12);
		else
			nd_solicit(n, hop, state == NEIGHBOUR_STALE ? mac : NULL);
	}
	if (state == NEIGHBOUR_FRESH) {
		memcpy(recent->address, hop, sizeof hop);
		memcpy(recent->mac, mac, sizeof recent->mac);
		recent->found_us = n->now_us;
	}
	return state != NEIGHBOUR_UNKNOWN;
}

void stack_hint(struct net_stack *n, const struct packet *p)
{
	uint8_t hop[16], known[6];
	next_hop(n->port, p->source, hop);
	if (memcmp(hop, p->source, 16) == 0 &&
	    neighbours_find(n->port->neighbours, hop, n->now_us, known) == NEIGHBOUR_UNKNOWN)
		neighbours_hint(n->port->neighbours, hop, p->source_mac, n->now_us);
}

/* --- segments and datagrams --- */

/* Where the L4 checksum field lies. */
static uint32_t checksum_offset(uint8_t protocol)
{
	return protocol == IP_TCP ? 16 : 6;
}

/* `ip_bytes` of IP header, which tells the family. */
static void fill_checksums(struct net_stack *n, struct rte_mbuf *m, uint32_t ip_bytes,
                           uint8_t protocol, uint32_t l4_bytes)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETHERNET_BYTES);
	uint8_t *l4 = ip + ip_bytes;
	bool ipv4 = ip_bytes == IPV4_HEADER_BYTES;
	uint64_t pseudo = ipv4 ? checksum_pseudo_ipv4(ip + 12, ip + 16, protocol, l4_bytes)
	                       : checksum_pseudo_ipv6(ip + 8, ip + 24, protocol, l4_bytes);
	uint16_t sum;

	if (n->port->tx_checksums) {
		m->l2_len = ETHERNET_BYTES;
		m->l3_len = ip_bytes & 0x1ff; /* the field's width */
		m->ol_flags |= (ipv4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM
		                     : RTE_MBUF_F_TX_IPV6) |
		               (protocol == IP_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
		                                   : RTE_MBUF_F_TX_UDP_CKSUM);
		sum = checksum_fold(pseudo);
	} else {
		if (ipv4)
			put_le16(ip + 10, checksum_finish(checksum_add(0, ip, ip_bytes)));
		sum = checksum_finish(checksum_add(pseudo, l4, l4_bytes));
		/* RFC 768, RFC 8200 8.1: a computed zero is sent as all ones */
		if (protocol == IP_UDP && sum == 0)
			sum = 0xffff;
	}
	put_le16(l4 + checksum_offset(protocol), sum);
}

/* Put the headers in front of the L4 segment at L4_OFFSET and queue it. */
static void send_segment(struct net_stack *n, struct rte_mbuf *m, const uint8_t local[16],
                         const uint8_t peer[16], uint8_t protocol, uint32_t l4_bytes)
{
	uint8_t mac[6];
	if (!stack_resolve(n, peer, mac)) {
		counter_add(n->counters, COUNTER_NET_TX_UNRESOLVED, 1);
		rte_pktmbuf_free(m);
		return;
	}
	if (address_is_ipv4(peer)) {
		/* always there: the buffer begins with room for the longer header */
		rte_pktmbuf_adj(m, IPV6_HEADER_BYTES - IPV4_HEADER_BYTES);
		packet_put_ipv4(rte_pktmbuf_mtod(m, uint8_t *), n->port->local.mac, mac,
		                local + 12, peer + 12, protocol, l4_bytes, n->identification++);
		fill_checksums(n, m, IPV4_HEADER_BYTES, protocol, l4_bytes);
	} else {
		packet_put_ipv6(rte_pktmbuf_mtod(m, uint8_t *), n->port->local.mac, mac, local,
		                peer, protocol, l4_bytes, HOP_LIMIT);
		fill_checksums(n, m, IPV6_HEADER_BYTES, protocol, l4_bytes);
	}
	stack_transmit(n, m);
}

uint8_t *net_alloc(struct net_stack *n, uint32_t bytes, bool control)
{
	if (!queued_within(n, (control ? TX_QUEUED_CONTROL : TX_QUEUED_DATA) - 1)) {
		counter_add(n->counters, COUNTER_NET_TX_WAITS, 1);
		return NULL; /* who asks has a copy, and keeps it for the next poll */
	}
	if (n->building)
		rte_pktmbuf_free(n->building);
	n->building = stack_buffer(n, L4_OFFSET + bytes, control);
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
	send_segment(n, m, local, peer, IP_TCP, bytes);
}

bool net_send_udp(struct net_stack *n, const uint8_t local[16], uint16_t local_port,
                  const uint8_t peer[16], uint16_t peer_port, const uint8_t *payload,
                  uint32_t bytes)
{
	uint32_t l4_bytes = UDP_HEADER_BYTES + bytes;
	uint32_t ip_bytes = address_is_ipv4(peer) ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
	if (ip_bytes + l4_bytes > n->port->mtu)
		return false;
	struct rte_mbuf *m = stack_buffer(n, L4_OFFSET + l4_bytes, false);
	if (!m)
		return false;
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, L4_OFFSET);
	put_be16(udp, local_port);
	put_be16(udp + 2, peer_port);
	put_be16(udp + 4, (uint16_t)l4_bytes);
	put_be16(udp + 6, 0);
	memcpy(udp + UDP_HEADER_BYTES, payload, bytes);
	send_segment(n, m, local, peer, IP_UDP, l4_bytes);
	return true;
}
