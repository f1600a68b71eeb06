/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stack_priv.h"

#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/nd.h"

#define RX_BURST        32
#define DATA_BUFFERS    2048
#define CONTROL_BUFFERS 1024
#define CACHE_BUFFERS   128

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
	n->data_pool = pool_new(n, "tx", DATA_BUFFERS, port->buffer_bytes);
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
	rte_mempool_free(n->data_pool);
	rte_mempool_free(n->control_pool);
	reassembly_free(n->reassembly);
	free(n);
}

static enum counter serve_udp(struct net_stack *n, const struct packet *p)
{
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

static void take_frame(struct net_stack *n, struct rte_mbuf *m)
{
	struct packet packet;
	if (m->nb_segs != 1 && rte_pktmbuf_linearize(m) != 0) {
		counter_add(n->counters, COUNTER_NET_RX_DROP_SEGMENTED, 1);
		return;
	}
	uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct packet_offload offload = {
	    .ip_checksum_good = n->port->rx_checksums && ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
	    .l4_checksum_good = n->port->rx_checksums && l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	    .vlan_stripped = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED,
	    .vlan_tag = m->vlan_tci,
	};
	packet_parse(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m),
	             &n->port->local, offload, &packet);
	counter_add(n->counters, serve(n, &packet), 1);
}

uint32_t net_stack_poll(struct net_stack *n, uint64_t now_us)
{
	struct rte_mbuf *burst[RX_BURST];
	n->now_us = now_us;
	reassembly_expire(n->reassembly, now_us);
	uint16_t count = rte_eth_rx_burst(n->port->id, n->queue, burst, RX_BURST);
	for (uint16_t i = 0; i < count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst[i], const void *));
	for (uint16_t i = 0; i < count; i++) {
		take_frame(n, burst[i]);
		rte_pktmbuf_free(burst[i]);
	}
	return count;
}
