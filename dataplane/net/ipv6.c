/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6, RFC 8200 3:
 *
 *     0               1               2               3
 *     | 6   | traffic class, flow label                               |
 *     | payload length                | next header   | hop limit     |
 *     | source, 16 bytes                                              |
 *     | destination, 16 bytes                                         |
 *     | extension headers ... | TCP, UDP or ICMPv6                     |
 *
 * Extension headers taken: hop-by-hop and destination options, routing with nothing left to do,
 * fragment. Each is 8 bytes or a multiple; the first two bytes of the others are the next header
 * and the length in 8 bytes beyond the first 8.
 */
#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/packet_priv.h"

enum {
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_DESTINATION = 60,
	OPTION_PAD1 = 0,
	OPTION_ACTION = 0xc0, /* RFC 8200 4.2: 0 there means: skip what you don't know */
	ROUTING_TYPE_0 = 0,
	FRAGMENT_OFFSET_MASK = 0xfff8,
	FRAGMENT_MORE = 1,
	DESTINATIONS_MAX = 2, /* RFC 8200 4.1: before a routing header, and last */
};

/* Where we are in the chain of headers. */
struct walk {
	const uint8_t *at;
	uint32_t bytes; /* to the packet's end */
	uint8_t next;   /* what begins at `at` */
	uint8_t destinations, routings, fragments;
};

bool ipv6_is_ours(const uint8_t address[16], const struct packet_local *local)
{
	return local->has_ipv6 && (memcmp(address, local->ipv6, 16) == 0 ||
	                           memcmp(address, local->link_local, 16) == 0);
}

static const uint8_t all_nodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

bool ipv6_is_our_group(const uint8_t address[16], const struct packet_local *local)
{
	uint8_t global[16], link[16];
	packet_solicited_node(local->ipv6, global);
	packet_solicited_node(local->link_local, link);
	return memcmp(address, all_nodes, 16) == 0 || memcmp(address, global, 16) == 0 ||
	       memcmp(address, link, 16) == 0;
}

bool ipv6_is_our_group_mac(const uint8_t mac[6], const struct packet_local *local)
{
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t solicited_mac[3] = {0x33, 0x33, 0xff};
	if (!local->has_ipv6)
		return false;
	return memcmp(mac, all_nodes_mac, 6) == 0 ||
	       (memcmp(mac, solicited_mac, 3) == 0 &&
	        (memcmp(mac + 3, local->ipv6 + 13, 3) == 0 ||
	         memcmp(mac + 3, local->link_local + 13, 3) == 0));
}

/* RFC 4291 2.5.2, 2.5.3, 2.7: addresses that can't be a sender's. The unspecified one may ask for
 * neighbours (RFC 4861 4.3), which icmp.c and nd.c look after. */
static bool source_is_valid(const uint8_t source[16], const struct packet_local *local)
{
	static const uint8_t loopback[16] = {[15] = 1};
	return !address_is_multicast(source) && memcmp(source, loopback, 16) != 0 &&
	       !ipv6_is_ours(source, local);
}

/*
 * RFC 8200 4.2: options to the end of their header.
 *
 *     | type | bytes of data | data ...        type 0 is one byte of padding
 */
static bool options_are_valid(const uint8_t *option, const uint8_t *end)
{
	while (option < end) {
		if (*option == OPTION_PAD1) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] > end - option - 2)
			return false;
		if (*option & OPTION_ACTION)
			return false;
		option += 2 + option[1];
	}
	return true;
}

/* A header with a length field of its own: false when it does not fit the packet. */
static bool step_over(struct walk *w, uint32_t header)
{
	if (w->bytes < header)
		return false;
	w->next = w->at[0];
	w->at += header;
	w->bytes -= header;
	return true;
}

static bool take_options(struct walk *w, struct packet *out)
{
	const uint8_t *header = w->at;
	if (w->bytes < 8 || !step_over(w, (header[1] + 1u) * 8)) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		return false;
	}
	if (!options_are_valid(header + 2, w->at)) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_OPTION);
		return false;
	}
	return true;
}

/* | next | length | type | segments left | by type ... */
static bool take_routing(struct walk *w, struct packet *out)
{
	const uint8_t *header = w->at;
	if (w->routings++ || w->bytes < 8 || !step_over(w, (header[1] + 1u) * 8)) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		return false;
	}
	if (header[2] == ROUTING_TYPE_0 || header[3] != 0) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_ROUTING);
		return false;
	}
	return true;
}

/*
 * RFC 8200 4.5. One that is the whole datagram is stepped over (RFC 6946 4); of others only those
 * of UDP are of use, and their transport header must follow at once (RFC 7112 5).
 *
 *     0      1   2                 4
 *     | next | 0 | offset, more    | identification
 */
static bool take_fragment(struct walk *w, struct packet *out)
{
	const uint8_t *header = w->at;
	if (w->fragments++ || !step_over(w, 8)) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		return false;
	}
	uint16_t field = get_be16(header + 2);
	if ((field & (FRAGMENT_OFFSET_MASK | FRAGMENT_MORE)) == 0)
		return true;
	if (w->next != IP_UDP) {
		packet_drop(out, COUNTER_NET_RX_DROP_FRAGMENT);
		return false;
	}
	out->kind = PACKET_FRAGMENT;
	out->fragment.id = get_be32(header + 4);
	out->fragment.offset = field & FRAGMENT_OFFSET_MASK;
	out->fragment.more = field & FRAGMENT_MORE;
	out->l4 = w->at;
	out->l4_bytes = w->bytes;
	return false;
}

/* To the transport header. False: `out` is a drop or a fragment. At most five steps: each kind of
 * header is taken once, destination options twice. */
static bool walk_extensions(struct walk *w, struct packet *out)
{
	/* RFC 8200 4.3: hop-by-hop options only right behind the IPv6 header */
	if (w->next == NEXT_HOP_BY_HOP && !take_options(w, out))
		return false;
	for (;;) {
		bool going = false;
		if (w->next == NEXT_DESTINATION && w->destinations++ < DESTINATIONS_MAX)
			going = take_options(w, out);
		else if (w->next == NEXT_DESTINATION || w->next == NEXT_HOP_BY_HOP)
			packet_drop(out, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		else if (w->next == NEXT_ROUTING)
			going = take_routing(w, out);
		else if (w->next == NEXT_FRAGMENT)
			going = take_fragment(w, out);
		else
			return true;
		if (!going)
			return false;
	}
}

static void take_l4(const struct walk *w, const struct packet_local *local,
                    struct packet_offload offload, const struct ipv6_envelope *envelope,
                    struct packet *out)
{
	if (w->next == IP_ICMPV6)
		return icmpv6_parse(w->at, w->bytes, local, envelope, out);
	if (envelope->from_nobody)
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	if (envelope->to_group && !(envelope->to_coap && w->next == IP_UDP))
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	if (w->next == IP_TCP)
		packet_take_tcp(w->at, w->bytes, offload, out);
	else if (w->next == IP_UDP)
		packet_take_udp(w->at, w->bytes, offload, out);
	else
		packet_drop(out, COUNTER_NET_RX_DROP_PROTOCOL);
}

/* `group_frame`: the frame went to a multicast MAC address. */
void ipv6_parse(const uint8_t *ip, uint32_t bytes, const struct packet_local *local,
                struct packet_offload offload, bool group_frame, struct packet *out)
{
	if (bytes < IPV6_HEADER_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_SHORT);
	uint32_t payload = get_be16(ip + 4);
	const uint8_t *source = ip + 8, *destination = ip + 24;
	if (ip[0] >> 4 != 6 || payload > bytes - IPV6_HEADER_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_HEADER);
	if (address_is_ipv4(source) || address_is_ipv4(destination))
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_MAPPED);
	if (!source_is_valid(source, local))
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	struct ipv6_envelope envelope = {
	    .hop_limit = ip[7],
	    .from_nobody = address_is_unspecified(source),
	    .to_group = ipv6_is_our_group(destination, local),
	    .to_all = memcmp(destination, all_nodes, 16) == 0,
	    .to_coap = local->coap_groups && packet_is_coap_group(destination),
	};
	envelope.to_group |= envelope.to_coap;
	/* RFC 1122 3.3.6: a frame to a group must not carry a packet to one host */
	if (!envelope.to_group && (group_frame || !ipv6_is_ours(destination, local)))
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	memcpy(out->source, source, 16);
	memcpy(out->destination, destination, 16);

	struct walk w = {.at = ip + IPV6_HEADER_BYTES, .bytes = payload, .next = ip[6]};
	if (walk_extensions(&w, out)) {
		envelope.fragmented = w.fragments > 0;
		take_l4(&w, local, offload, &envelope, out);
	} else if (out->kind == PACKET_FRAGMENT && envelope.from_nobody) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	} else if (out->kind == PACKET_FRAGMENT && envelope.to_group) {
		packet_drop(out, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	}
}

void packet_put_ipv6(uint8_t *frame, const uint8_t source_mac[6], const uint8_t dest_mac[6],
                     const uint8_t source[16], const uint8_t destination[16], uint8_t protocol,
                     uint32_t l4_bytes, uint8_t hop_limit)
{
	packet_put_ethernet(frame, dest_mac, source_mac, ETHERTYPE_IPV6);
	uint8_t *ip = frame + ETHERNET_BYTES;
	put_be32(ip, 6u << 28);
	put_be16(ip + 4, (uint16_t)l4_bytes);
	ip[6] = protocol;
	ip[7] = hop_limit;
	memcpy(ip + 8, source, 16);
	memcpy(ip + 24, destination, 16);
}

void packet_link_local(const uint8_t mac[6], uint8_t out[16])
{
	memset(out, 0, 16);
	out[0] = 0xfe;
	out[1] = 0x80;
	memcpy(out + 8, mac, 3);
	out[8] ^= 2; /* the universal/local bit, upside down */
	out[11] = 0xff;
	out[12] = 0xfe;
	memcpy(out + 13, mac + 3, 3);
}

void packet_solicited_node(const uint8_t address[16], uint8_t out[16])
{
	static const uint8_t prefix[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	memcpy(out, prefix, sizeof prefix);
	memcpy(out + 13, address + 13, 3);
}

void packet_group_mac(const uint8_t group[16], uint8_t out[6])
{
	out[0] = out[1] = 0x33;
	memcpy(out + 2, group + 12, 4);
}
