/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One queue of a port from inside. Private to net/.
 *
 * stack.c   life, frames in, frames handed to the port's other workers
 * answer.c  what is answered here: ARP, neighbour discovery, echo
 * send.c    buffers, next hops, checksums, frames out
 */
#ifndef HEADRACE_NET_STACK_PRIV_H
#define HEADRACE_NET_STACK_PRIV_H

#include <rte_mbuf.h>

#include "net/reassembly.h"
#include "net/spread.h"
#include "net/stack.h"

#define TX_QUEUED_MAX     256 /* frames that the port did not take yet */
#define TX_QUEUED_DATA    192 /* of them, at which TCP keeps its data, */
#define TX_QUEUED_CONTROL 224 /* and what it sends without any */
#define RELAYED_MAX       64  /* frames of workers without a queue, waiting for ours */
#define CONTROL_BYTES     (RTE_PKTMBUF_HEADROOM + 256)
#define ASKED_RECENT      64     /* addresses whose last request is remembered */
#define HOPS_RECENT       64     /* next hops of a poll */
#define STUCK_US          100000 /* a port that takes nothing for so long is not waited for */
/* Room for either family's header: where the transport header is in a buffer of net_alloc. */
#define L4_OFFSET (ETHERNET_BYTES + IPV6_HEADER_BYTES)
#define HOP_LIMIT 64

/* A next hop that answered: good for the poll that found it. */
struct hop {
	uint64_t found_us;
	uint8_t address[16];
	uint8_t mac[6];
};

struct asked {
	uint8_t address[16];
	uint64_t asked_us;
};

struct allowance {
	uint64_t window_us;
	uint32_t count;
};

struct net_stack {
	struct port *port;
	const struct net_handlers *handlers;
	void *context;
	struct counters *counters;
	struct rte_mempool *data_pool, *control_pool;
	struct reassembly *reassembly;
	struct rte_mbuf *building; /* of the last net_alloc, not yet sent */
	uint64_t now_us;
	struct allowance echo, shared_icmp;
	struct spread *spread; /* NULL: the port's only worker */
	uint16_t worker;       /* of the port; it has the queue of the same number, if any */
	bool has_queue;
	uint16_t identification;
	uint32_t queued_count, relayed_count, relay_turn;
	uint64_t took_us; /* when the port, or who relays, took a frame last */
	struct asked asked[ASKED_RECENT];
	struct hop hops[HOPS_RECENT];
	struct rte_mbuf *queued[TX_QUEUED_MAX];
	struct rte_mbuf *relayed[RELAYED_MAX];
};

/* Something that may be done so often a second. */
static inline bool allowance_take(struct allowance *a, uint32_t per_second, uint64_t now_us)
{
	if (now_us >= a->window_us + 1000000)
		*a = (struct allowance){.window_us = now_us};
	return a->count < per_second && ++a->count;
}

/* --- send.c --- */
/* `frame_bytes` of room; NULL (counted): none left, or too long. */
struct rte_mbuf *stack_buffer(struct net_stack *n, uint32_t frame_bytes, bool control);
/* Queue a whole frame. */
void stack_transmit(struct net_stack *n, struct rte_mbuf *m);
/* The MAC address of the next hop towards `peer`; false: not known (yet). */
bool stack_resolve(struct net_stack *n, const uint8_t peer[16], uint8_t mac[6]);
/* A datagram to a group: unlike one to us alone, it comes without its sender having asked for our
 * MAC address. Its own is good enough for the answer, until it is confirmed. */
void stack_hint(struct net_stack *n, const struct packet *p);

/* --- answer.c --- */
void stack_answer_arp(struct net_stack *n, const struct packet *p);
void stack_answer_solicit(struct net_stack *n, const struct packet *p);
/* False: over the rate, or no buffer. */
bool stack_answer_echo(struct net_stack *n, const struct packet *p);

#endif
