/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames taken apart and put together. Pure: bytes in, a verdict out; no DPDK here.
 *
 *   Ethernet  0        6        12     14
 *             | dest   | source | type | payload
 *   IPv4 at 14: RFC 791 3.1; ARP at 14: RFC 826; UDP: RFC 768; ICMP: RFC 792
 */
#ifndef HEADRACE_NET_PACKET_H
#define HEADRACE_NET_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/counters.h"

#define ETHERNET_BYTES    14
#define IPV4_HEADER_BYTES 20
#define UDP_HEADER_BYTES  8
#define ARP_BYTES         28

enum packet_kind {
	PACKET_DROP,
	PACKET_TCP,
	PACKET_UDP,
	PACKET_ICMP_ECHO,  /* l4 is the ICMP message */
	PACKET_ICMP_ERROR, /* l4 is the quoted TCP header; mtu_bytes may be set */
	PACKET_ARP_REQUEST,
	PACKET_ARP_REPLY,
};

/* What the port has verified already. */
struct packet_offload {
	bool ip_checksum_good;
	bool l4_checksum_good;
};

/* Who we are on a port. */
struct packet_local {
	uint8_t mac[6];
	uint8_t ipv4[4];
	uint32_t ipv4_mask; /* host order */
};

struct packet {
	enum packet_kind kind;
	enum counter drop; /* PACKET_DROP: why */
	uint8_t source_mac[6];
	uint8_t source[16]; /* of a quoted segment for PACKET_ICMP_ERROR: the peer it was sent to */
	uint8_t destination[16];
	uint16_t source_port, destination_port; /* UDP */
	const uint8_t *l4; /* TCP: header onwards; UDP: payload */
	uint32_t l4_bytes;
	uint32_t mtu_bytes; /* PACKET_ICMP_ERROR: next-hop MTU of RFC 1191, or 0 */
};

/* Take a frame apart. Untrusted; `out` points into it. */
void packet_parse(const uint8_t *frame, uint32_t bytes, const struct packet_local *local,
                  struct packet_offload offload, struct packet *out);

/* Fill Ethernet and IPv4 headers in front of an L4 segment of `l4_bytes`; `frame` has
 * ETHERNET_BYTES + IPV4_HEADER_BYTES of room. The IP checksum is left 0. */
void packet_put_ipv4(uint8_t *frame, const uint8_t source_mac[6], const uint8_t dest_mac[6],
                     const uint8_t source[4], const uint8_t destination[4], uint8_t protocol,
                     uint32_t l4_bytes, uint16_t identification);

/* An ARP frame of ETHERNET_BYTES + ARP_BYTES. `operation`: 1 request, 2 reply. */
void packet_put_arp(uint8_t *frame, uint16_t operation, const struct packet_local *local,
                    const uint8_t target_mac[6], const uint8_t target_ipv4[4]);

#endif
