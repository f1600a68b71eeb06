/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One io worker's share of a port: frames in, TCP segments and datagrams out to the protocols, and
 * back.
 *
 * Thread: that worker. Answers ARP, neighbour discovery and ICMP echo itself, whichever of the
 * port's workers receives them, and puts fragmented datagrams together. Hands frames of the other
 * workers' flows on where the port does not keep them apart, and sends for those without a queue.
 * Received bytes are lent to the handlers until they return. Memory: packet buffers from pools made
 * in net_stack_new; segments without data, ARP, ND and ICMP have a pool of their own, so that they
 * get through when data has used up the other.
 *
 * IPv4 or IPv6 is chosen by the peer's address: ::ffff:a.b.c.d is IPv4.
 */
#ifndef HEADRACE_NET_STACK_H
#define HEADRACE_NET_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/counters.h"
#include "net/packet.h"
#include "net/port.h"

struct net_stack;

struct net_handlers {
	/* Optional: a burst, before each of its packets is handled, to fetch what they will need
	 * into the cache. */
	void (*announce)(void *context, struct packet *packets, uint32_t count);
	void (*tcp)(void *context, const struct packet *packet);
	void (*icmp_error)(void *context, const struct packet *packet);
	/* False: no service on that port. */
	bool (*udp)(void *context, const struct packet *packet);
};

MUST_USE enum result net_stack_new(struct port *port, uint16_t worker,
                                   const struct net_handlers *handlers, void *context,
                                   struct counters *counters, struct net_stack **out,
                                   struct error *err);
void net_stack_free(struct net_stack *n);

/* Take at most one burst of frames from the port and one from each other worker; returns how
 * many. */
uint32_t net_stack_poll(struct net_stack *n, uint64_t now_us);

/* A buffer for an L4 segment of at most `bytes`; NULL: none left, too long, or the port takes no
 * more (`control`: it takes some more of these). */
uint8_t *net_alloc(struct net_stack *n, uint32_t bytes, bool control);

/* Send the TCP segment built in the buffer of the last net_alloc; its checksum field is 0. */
void net_send_tcp(struct net_stack *n, const uint8_t local[16], const uint8_t peer[16],
                  uint8_t *segment, uint32_t bytes);

/* Send a datagram (copied). False: no buffer, or too long for the port. */
bool net_send_udp(struct net_stack *n, const uint8_t local[16], uint16_t local_port,
                  const uint8_t peer[16], uint16_t peer_port, const uint8_t *payload,
                  uint32_t bytes);

/* Does the port take that many frames more? Not while its ring is full: who can wait, waits for the
 * next poll. A port that has taken nothing for 100 ms does again, to drop them: nobody waits for a
 * dead one. */
bool net_takes(struct net_stack *n, uint32_t frames);

/* Hand what was queued to the port, and what workers without a queue have sent; returns how many
 * of theirs there were. */
uint32_t net_flush(struct net_stack *n);

#endif
