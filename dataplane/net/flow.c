/* SPDX-License-Identifier: Apache-2.0 */
#include "net/flow.h"

#include <string.h>

#include "base/bytes.h"
#include "net/packet_priv.h"

#define EXTENSIONS_MAX 8

enum {
	IPV6_HOP_BY_HOP = 0,
	IPV6_ROUTING = 43,
	IPV6_FRAGMENT = 44,
	IPV6_OPTIONS = 60,
	FRAGMENT_BITS = 0x3fff, /* RFC 791 3.1: more fragments, offset */
	ICMP_UNREACHABLE = 3,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMP6_ERRORS_END = 128, /* RFC 4443 2.1: errors are below */
};

/* What is hashed; both directions of a flow give the same bytes. */
struct flow {
	uint8_t addresses[16]; /* source xor destination */
	uint16_t ports;        /* likewise */
	uint8_t protocol;
	uint8_t family;
};
_Static_assert(sizeof(struct flow) == 20, "no padding: it is hashed as bytes");

static bool take_ip(const uint8_t *ip, uint32_t bytes, bool quoted, struct flow *flow);

static void mix(struct flow *flow, const uint8_t *source, const uint8_t *destination,
                uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		flow->addresses[i] = source[i] ^ destination[i];
}

/* An error of ICMP belongs to the flow of the packet that it quotes; a quote of a quote to none. */
static bool take_l4(uint8_t protocol, const uint8_t *l4, uint32_t bytes, bool quoted,
                    struct flow *flow)
{
	flow->protocol = protocol;
	if (protocol == IP_TCP || protocol == IP_UDP) {
		if (bytes < 4)
			return false;
		flow->ports = get_be16(l4) ^ get_be16(l4 + 2);
		return true;
	}
	if (quoted || bytes < ICMP_HEADER_BYTES)
		return false;
	bool error = protocol == IP_ICMPV6 ? l4[0] < ICMP6_ERRORS_END
	                                   : protocol == IP_ICMP &&
	                                         (l4[0] == ICMP_UNREACHABLE ||
	                                          l4[0] == ICMP_TIME_EXCEEDED ||
	                                          l4[0] == ICMP_PARAMETER);
	return error && take_ip(l4 + ICMP_HEADER_BYTES, bytes - ICMP_HEADER_BYTES, true, flow);
}

static bool take_ipv4(const uint8_t *ip, uint32_t bytes, bool quoted, struct flow *flow)
{
	uint32_t header = (ip[0] & 15u) * 4;
	if (header < IPV4_HEADER_BYTES || bytes < header)
		return false;
	memset(flow, 0, sizeof *flow);
	flow->family = 4;
	mix(flow, ip + 12, ip + 16, 4);
	if (get_be16(ip + 6) & FRAGMENT_BITS) {
		flow->protocol = ip[9];
		return true;
	}
	return take_l4(ip[9], ip + header, bytes - header, quoted, flow);
}

static bool take_ipv6(const uint8_t *ip, uint32_t bytes, bool quoted, struct flow *flow)
{
	uint8_t next = ip[6];
	const uint8_t *at = ip + IPV6_HEADER_BYTES;
	uint32_t left = bytes - IPV6_HEADER_BYTES;
	memset(flow, 0, sizeof *flow);
	flow->family = 6;
	mix(flow, ip + 8, ip + 24, 16);
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		if (next == IPV6_FRAGMENT && left > 0) {
			flow->protocol = at[0];
			return true;
		}
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_OPTIONS)
			return take_l4(next, at, left, quoted, flow);
		/* RFC 8200 4.3, 4.4, 4.6: next header, length in 8 bytes without the first 8 */
		if (left < 8 || left < at[1] * 8u + 8)
			return false;
		uint32_t length = at[1] * 8u + 8;
		next = at[0];
		at += length;
		left -= length;
	}
	return false;
}

static bool take_ip(const uint8_t *ip, uint32_t bytes, bool quoted, struct flow *flow)
{
	if (bytes >= IPV4_HEADER_BYTES && ip[0] >> 4 == 4)
		return take_ipv4(ip, bytes, quoted, flow);
	if (bytes >= IPV6_HEADER_BYTES && ip[0] >> 4 == 6)
		return take_ipv6(ip, bytes, quoted, flow);
	return false;
}

bool flow_hash(struct hash_key key, const uint8_t *frame, uint32_t bytes, uint64_t *hash)
{
	struct flow flow;
	uint32_t header = ETHERNET_BYTES;
	if (bytes < header + VLAN_TAG_BYTES)
		return false;
	uint16_t type = get_be16(frame + 12);
	if (type == ETHERTYPE_VLAN) {
		type = get_be16(frame + 16);
		header += VLAN_TAG_BYTES;
	}
	if ((type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6) ||
	    !take_ip(frame + header, bytes - header, false, &flow))
		return false;
	*hash = siphash13(key, &flow, sizeof flow);
	return true;
}
