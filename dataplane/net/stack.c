/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"
#include "net/stack_priv.h"

#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fetch.h"
#include "net/flow.h"
#include "net/nd.h"

#define RX_BURST        32
#define DATA_BUFFERS    2048
#define CONTROL_BUFFERS 1024
#define CACHE_BUFFERS   512 /* what is free stays in the cache of the CPU, too */
#define SHARED_ICMP_PER_SECOND 1000

static struct rte_mempool *pool_new(const struct net_stack *n, const char *name, uint32_t count,
                                    uint16_t bytes)
{
	char text[RTE_MEMPOOL_NAMESIZE];
	snprintf(text, sizeof text, "%s%u.%u", name, n->port->id, n->worker);
	return rte_pktmbuf_pool_create(text, count, CACHE_BUFFERS, 0, bytes, SOCKET_ID_ANY);
}

enum result net_stack_new(struct port *port, uint16_t worker,
                          const struct net_handlers *handlers, void *context,
                          struct counters *counters, struct net_stack **out, struct error *err)
{
	struct net_stack *n = calloc(1, sizeof *n);
	if (!n)
		return fail(RESULT_RESOURCE, err, "port %s: no memory", port->device);
	n->port = port;
	n->worker = worker;
	n->has_queue = worker < port->queues;
	n->spread = port->spread;
	n->handlers = handlers;
	n->context = context;
	n->counters = counters;
	/* without a queue of its own, frames may wait in the ring to its owner too */
	uint32_t waiting = n->has_queue ? 0 : SPREAD_SLOTS;
	n->data_pool = pool_new(n, "tx", DATA_BUFFERS + waiting, port->buffer_bytes);
	n->control_pool = pool_new(n, "ctl", CONTROL_BUFFERS, CONTROL_BYTES);
	n->reassembly = reassembly_new(counters);
	if (!n->data_pool || !n->control_pool || !n->reassembly) {
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
	/* of pools of workers with higher numbers, which live longer */
	rte_pktmbuf_free_bulk(n->relayed, n->relayed_count);
	rte_mempool_free(n->data_pool);
	rte_mempool_free(n->control_pool);
	reassembly_free(n->reassembly);
	free(n);
}

static enum counter serve_udp(struct net_stack *n, const struct packet *p)
{
	if (address_is_group(p->destination))
		stack_hint(n, p);
	return n->handlers->udp(n->context, p) ? COUNTER_NET_RX_UDP : COUNTER_NET_RX_DROP_UDP_PORT;
}

static enum counter serve_fragment(struct net_stack *n, const struct packet *p)
{
	struct bytes whole;
	struct packet datagram;
	enum counter verdict = reassembly_add(n->reassembly, p, n->now_us, &whole);
	if (verdict != COUNTER_NET_RX_UDP)
		return verdict;
	packet_parse_reassembled(p, whole.data, whole.count, &datagram);
	return datagram.kind == PACKET_UDP ? serve_udp(n, &datagram) : datagram.drop;
}

/* Serve one packet; returns the counter it ends in. */
static enum counter serve(struct net_stack *n, const struct packet *p)
{
	struct neighbours *neighbours = n->port->neighbours;
	switch (p->kind) {
	case PACKET_TCP:
		n->handlers->tcp(n->context, p);
		return COUNTER_NET_RX_TCP;
	case PACKET_UDP:
		return serve_udp(n, p);
	case PACKET_FRAGMENT:
		return serve_fragment(n, p);
	case PACKET_ICMP_ECHO:
		return stack_answer_echo(n, p) ? COUNTER_NET_RX_ICMP_ECHO
		                               : COUNTER_NET_RX_DROP_ICMP;
	case PACKET_ICMP_ERROR:
		n->handlers->icmp_error(n->context, p);
		return COUNTER_NET_RX_ICMP_ERROR;
	case PACKET_ARP_REQUEST:
		neighbours_learn(neighbours, p->source, p->source_mac, n->now_us);
		stack_answer_arp(n, p);
		return COUNTER_NET_RX_ARP_REQUEST;
	case PACKET_ARP_REPLY:
		neighbours_learn(neighbours, p->source, p->source_mac, n->now_us);
		return COUNTER_NET_RX_ARP_REPLY;
	case PACKET_ND_SOLICIT:
		nd_learn(neighbours, p, n->now_us);
		stack_answer_solicit(n, p);
		return COUNTER_NET_RX_ND_SOLICIT;
	case PACKET_ND_ADVERT:
		nd_learn(neighbours, p, n->now_us);
		return COUNTER_NET_RX_ND_ADVERT;
	case PACKET_DROP:
		break;
	}
	return p->drop;
}

static void parse(const struct net_stack *n, const struct rte_mbuf *m, struct packet *packet)
{
	uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct packet_offload offload = {
	    .ip_checksum_good = n->port->rx_checksums && ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
	    .l4_checksum_good = n->port->rx_checksums && l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	    .vlan_stripped = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED,
	    .vlan_tag = m->vlan_tci,
	};
	packet_parse(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m),
	             &n->port->local, offload, packet);
}

/* --- frames of other workers' flows --- */

/* The device put an ICMP error on the queue of the router that sent it, not on that of the flow
 * which it is about: everybody gets a copy. */
static void share_icmp_error(struct net_stack *n, struct rte_mbuf *m)
{
	for (uint32_t w = 0; w < n->spread->count; w++) {
		if (w == n->worker ||
		    !allowance_take(&n->shared_icmp, SHARED_ICMP_PER_SECOND, n->now_us))
			continue;
		struct rte_mbuf *copy = rte_pktmbuf_copy(m, n->data_pool, 0, UINT32_MAX);
		if (copy && !ring_push(&n->spread->rx[n->worker][w], copy))
			rte_pktmbuf_free(copy);
	}
}

static void take_shared_icmp_error(struct net_stack *n, const struct rte_mbuf *m)
{
	struct packet packet;
	parse(n, m, &packet);
	counter_add(n->counters, COUNTER_NET_SHARED_ICMP, 1);
	if (packet.kind == PACKET_ICMP_ERROR)
		n->handlers->icmp_error(n->context, &packet);
}

static void hand_on(struct net_stack *n, struct rte_mbuf *m, uint32_t owner)
{
	if (ring_push(&n->spread->rx[n->worker][owner], m)) {
		counter_add(n->counters, COUNTER_NET_HANDED, 1);
		return;
	}
	counter_add(n->counters, COUNTER_NET_RX_DROP_HANDED_FULL, 1);
	rte_pktmbuf_free(m);
}

/* Hands on what belongs to others; what is ours, or nobody's, moves to the front. Returns how
 * much. */
static uint32_t keep_own(struct net_stack *n, struct rte_mbuf **burst, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = burst[i];
		uint64_t hash;
		uint32_t owner = n->worker;
		if (flow_hash(n->spread->key, rte_pktmbuf_mtod(m, const uint8_t *),
		              rte_pktmbuf_data_len(m), &hash))
			owner = flow_owner(hash, n->spread->count);
		if (owner == n->worker)
			burst[kept++] = m;
		else
			hand_on(n, m, owner);
	}
	return kept;
}

/* --- frames in --- */

/* All of a frame in its first buffer; otherwise it is dropped, counted and freed. */
static bool is_whole(struct net_stack *n, struct rte_mbuf *m)
{
	if (m->nb_segs == 1 || rte_pktmbuf_linearize(m) == 0)
		return true;
	counter_add(n->counters, COUNTER_NET_RX_DROP_SEGMENTED, 1);
	rte_pktmbuf_free(m);
	return false;
}

/* All of them are taken apart before the first is served: where they lead to is then fetched for
 * the whole burst at once. */
static void take_burst(struct net_stack *n, struct rte_mbuf **burst, uint32_t count)
{
	struct packet packets[RX_BURST];
	for (uint32_t i = 0; i < count; i++)
		parse(n, burst[i], &packets[i]);
	if (n->handlers->announce)
		n->handlers->announce(n->context, packets, count);
	for (uint32_t i = 0; i < count; i++) {
		counter_add(n->counters, serve(n, &packets[i]), 1);
		if (packets[i].kind == PACKET_ICMP_ERROR &&
		    n->port->distribution == PORT_BY_DEVICE)
			share_icmp_error(n, burst[i]);
	}
	rte_pktmbuf_free_bulk(burst, count);
}

static uint32_t take_from_port(struct net_stack *n)
{
	struct rte_mbuf *burst[RX_BURST];
	uint32_t count = rte_eth_rx_burst(n->port->id, n->worker, burst, RX_BURST), whole = 0;
	for (uint32_t i = 0; i < count; i++)
		fetch_lines(rte_pktmbuf_mtod(burst[i], const void *), 2 * FETCH_LINE);
	for (uint32_t i = 0; i < count; i++)
		if (is_whole(n, burst[i]))
			burst[whole++] = burst[i];
	if (n->port->distribution == PORT_BY_SOFTWARE)
		whole = keep_own(n, burst, whole);
	take_burst(n, burst, whole);
	return count;
}

/* At most a burst of what another worker handed on. */
static uint32_t take_handed(struct net_stack *n, uint32_t from)
{
	struct rte_mbuf *burst[RX_BURST];
	uint32_t count = 0;
	while (count < RX_BURST && (burst[count] = ring_pop(&n->spread->rx[from][n->worker])))
		count++;
	for (uint32_t i = 0; i < count; i++)
		fetch_lines(rte_pktmbuf_mtod(burst[i], const void *), 2 * FETCH_LINE);
	if (n->port->distribution == PORT_BY_SOFTWARE) {
		take_burst(n, burst, count);
		return count;
	}
	for (uint32_t i = 0; i < count; i++)
		take_shared_icmp_error(n, burst[i]);
	rte_pktmbuf_free_bulk(burst, count);
	return count;
}

uint32_t net_stack_poll(struct net_stack *n, uint64_t now_us)
{
	n->now_us = now_us;
	reassembly_expire(n->reassembly, now_us);
	uint32_t count = n->has_queue ? take_from_port(n) : 0;
	for (uint32_t w = 0; n->spread && w < n->spread->count; w++)
		if (w != n->worker)
			count += take_handed(n, w);
	return count;
}
