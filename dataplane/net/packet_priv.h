/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parsers share. Private to net/.
 *
 * packet.c -> arp.c
 *          -> ipv4.c -> icmp.c
 *          -> ipv6.c -> icmp.c -> nd.c
 * Each fills the same struct packet, or makes it a drop with its reason.
 */
#ifndef HEADRACE_NET_PACKET_PRIV_H
#define HEADRACE_NET_PACKET_PRIV_H

#include "net/packet.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	TCP_QUOTE_BYTES = 8, /* ports and sequence number: what RFC 792 guarantees */
	ICMP_HEADER_BYTES = 8,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_ROUTER_SOLICIT = 133,
	ICMP6_ROUTER_ADVERT = 134,
	ICMP6_NEIGHBOUR_SOLICIT = 135,
	ICMP6_NEIGHBOUR_ADVERT = 136,
	ICMP6_REDIRECT = 137,
};

/* What of the IPv6 header matters to ICMPv6. */
struct ipv6_envelope {
	uint8_t hop_limit;
	bool from_nobody; /* the source is unspecified */
	bool to_group;    /* the destination is a multicast group of ours */
	bool to_all;      /* ... and that is all nodes */
	bool to_coap;     /* ... and that is all CoAP nodes */
	bool fragmented;  /* there was a fragment header */
};

static inline void packet_drop(struct packet *out, enum counter why)
{
	out->kind = PACKET_DROP;
	out->drop = why;
}

/* --- packet.c --- */
void packet_put_ethernet(uint8_t *frame, const uint8_t dest[6], const uint8_t source[6],
                         uint16_t type);
/* `out` has the addresses already. */
void packet_take_tcp(const uint8_t *tcp, uint32_t bytes, struct packet_offload offload,
                     struct packet *out);
void packet_take_udp(const uint8_t *udp, uint32_t bytes, struct packet_offload offload,
                     struct packet *out);

/* --- arp.c, ipv4.c, ipv6.c, icmp.c, nd.c: from the named header to the end of the frame, or of
 * the IP packet --- */
void arp_parse(const uint8_t *arp, uint32_t bytes, const struct packet_local *local,
               struct packet *out);
void ipv4_parse(const uint8_t *ip, uint32_t bytes, const struct packet_local *local,
                struct packet_offload offload, bool group_frame, struct packet *out);
void ipv6_parse(const uint8_t *ip, uint32_t bytes, const struct packet_local *local,
                struct packet_offload offload, bool group_frame, struct packet *out);
void icmp_parse(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                struct packet *out);
void icmpv6_parse(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                  const struct ipv6_envelope *envelope, struct packet *out);
void nd_parse(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
              const struct ipv6_envelope *envelope, struct packet *out);

/* --- ipv6.c --- */
bool ipv6_is_ours(const uint8_t address[16], const struct packet_local *local);
bool ipv6_is_our_group(const uint8_t address[16], const struct packet_local *local);
/* The frame goes to a group that we must listen to: all nodes, our solicited-node groups. */
bool ipv6_is_our_group_mac(const uint8_t mac[6], const struct packet_local *local);

#endif
