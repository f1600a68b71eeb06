/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames taken apart and put together. Pure: bytes in, a verdict out; no DPDK here.
 *
 *   Ethernet  0        6        12     14
 *             | dest   | source | type | payload
 *   802.1Q    | dest   | source | 8100 | tag  | type | payload at 18
 *   IPv4: RFC 791 3.1; IPv6: RFC 8200; ARP: RFC 826; UDP: RFC 768; ICMP: RFC 792, RFC 4443;
 *   neighbour discovery: RFC 4861
 */
#ifndef HEADRACE_NET_PACKET_H
#define HEADRACE_NET_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/counters.h"

#define ETHERNET_BYTES    14
#define VLAN_TAG_BYTES    4
#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40
#define IPV6_MTU_MIN      1280 /* RFC 8200 5 */
#define UDP_HEADER_BYTES  8
#define ARP_BYTES         28
#define ND_BYTES          32 /* solicitation or advertisement with one option */
#define ND_FRAME_BYTES    (ETHERNET_BYTES + IPV6_HEADER_BYTES + ND_BYTES)

enum {
	IP_ICMP = 1,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_ICMPV6 = 58,
};

enum packet_kind {
	PACKET_DROP,
	PACKET_TCP,
	PACKET_UDP,
	PACKET_FRAGMENT,   /* of a UDP datagram; l4 is the fragment's part */
	PACKET_ICMP_ECHO,  /* l4 is the ICMP or ICMPv6 message */
	PACKET_ICMP_ERROR, /* l4 is the quoted TCP header; mtu_bytes may be set */
	PACKET_ARP_REQUEST,
	PACKET_ARP_REPLY,
	PACKET_ND_SOLICIT, /* destination: the address asked for, ours */
	PACKET_ND_ADVERT,  /* source: the address advertised */
};

/* What the port has verified or done already. */
struct packet_offload {
	bool ip_checksum_good;
	bool l4_checksum_good;
	bool vlan_stripped; /* the frame had a tag, `vlan_tag` */
	uint16_t vlan_tag;
};

/* Who we are on a port. */
struct packet_local {
	uint8_t mac[6];
	uint8_t ipv4[4];
	uint32_t ipv4_mask; /* host order */
	uint16_t vlan;      /* 0: untagged */
	bool coap_groups; /* also the all-CoAP-nodes groups, for UDP (RFC 7252 12.8) */
	bool has_ipv6;
	uint8_t ipv6_prefix_bits;
	uint8_t ipv6[16];
	uint8_t link_local[16];
};

struct packet {
	enum packet_kind kind;
	enum counter drop; /* PACKET_DROP: why */
	uint8_t source_mac[6]; /* ARP, ND: as the message says; else the frame's */
	uint8_t source[16]; /* of a quoted segment for PACKET_ICMP_ERROR: the peer it was sent to */
	uint8_t destination[16]; /* a group only for PACKET_UDP */
	uint16_t source_port, destination_port; /* UDP */
	const uint8_t *l4; /* TCP: header onwards; UDP: payload */
	uint32_t l4_bytes;
	uint32_t note; /* whoever is announced a burst leaves it for whoever serves the packet */
	uint32_t mtu_bytes; /* PACKET_ICMP_ERROR: next-hop MTU of RFC 1191 or RFC 8201, or 0 */
	struct {
		uint32_t id;
		uint32_t offset; /* bytes */
		bool more;
	} fragment;
	struct {
		bool has_mac; /* source_mac is from the message's option */
		bool solicited, override; /* flags of an advertisement */
	} nd;
};

/* Take a frame apart. Untrusted; `out` points into it. */
void packet_parse(const uint8_t *frame, uint32_t bytes, const struct packet_local *local,
                  struct packet_offload offload, struct packet *out);

/* Take apart a UDP datagram that was put together from fragments; `last` is one of them. */
void packet_parse_reassembled(const struct packet *last, const uint8_t *udp, uint32_t bytes,
                              struct packet *out);

/* fe80::/64 with the modified EUI-64 of a MAC address (RFC 4291 2.5.6, appendix A). */
void packet_link_local(const uint8_t mac[6], uint8_t out[16]);

/* The group that a neighbour listens to for questions about `address`, ff02::1:ffXX:XXXX, and the
 * MAC address of a group (RFC 4291 2.7.1, RFC 2464 7). */
void packet_solicited_node(const uint8_t address[16], uint8_t out[16]);
void packet_group_mac(const uint8_t group[16], uint8_t out[6]);

/* The all-CoAP-nodes groups, 224.0.1.187, ff02::fd, ff05::fd, and their two MAC addresses
 * (RFC 7252 12.8; RFC 1112 6.4). */
extern const uint8_t packet_coap_macs[2][6];
bool packet_is_coap_group(const uint8_t address[16]);

/* Fill Ethernet and IPv4 headers in front of an L4 segment of `l4_bytes`; `frame` has
 * ETHERNET_BYTES + IPV4_HEADER_BYTES of room. The IP checksum is left 0. */
void packet_put_ipv4(uint8_t *frame, const uint8_t source_mac[6], const uint8_t dest_mac[6],
                     const uint8_t source[4], const uint8_t destination[4], uint8_t protocol,
                     uint32_t l4_bytes, uint16_t identification);

/* The same for IPv6: ETHERNET_BYTES + IPV6_HEADER_BYTES. */
void packet_put_ipv6(uint8_t *frame, const uint8_t source_mac[6], const uint8_t dest_mac[6],
                     const uint8_t source[16], const uint8_t destination[16], uint8_t protocol,
                     uint32_t l4_bytes, uint8_t hop_limit);

/* An ARP frame of ETHERNET_BYTES + ARP_BYTES. `operation`: 1 request, 2 reply. */
void packet_put_arp(uint8_t *frame, uint16_t operation, const struct packet_local *local,
                    const uint8_t target_mac[6], const uint8_t target_ipv4[4]);

/* A neighbour solicitation of ND_FRAME_BYTES for `target`, to its group, or to `mac` when that is
 * not NULL (RFC 4861 4.3, 7.2.2). */
void packet_put_nd_solicit(uint8_t *frame, const struct packet_local *local,
                           const uint8_t target[16], const uint8_t *mac);

/* The advertisement that answers `solicit`, ND_FRAME_BYTES (RFC 4861 4.4, 7.2.4). */
void packet_put_nd_advert(uint8_t *frame, const struct packet_local *local,
                          const struct packet *solicit);

#endif
