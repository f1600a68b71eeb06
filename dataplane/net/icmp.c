/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443): echo requests, and errors about TCP segments of ours.
 *
 *     0      1      2          4                     8
 *     | type | code | checksum | by type             | by type; an error: the packet's beginning
 */
#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/packet_priv.h"

enum {
	UNREACHABLE = 3,
	FRAGMENTATION_NEEDED = 4, /* code of UNREACHABLE: next hop's MTU at 6 (RFC 1191 4) */
	ECHO = 8,
	TIME_EXCEEDED = 11,
	PARAMETER = 12,
	QUOTE_OFFSET_MASK = 0x1fff,
	V6_UNREACHABLE = 1,
	V6_TOO_BIG = 2, /* MTU at 4 (RFC 4443 3.2) */
	V6_TIME_EXCEEDED = 3,
	V6_PARAMETER = 4,
};

static void take_echo(const uint8_t *icmp, uint32_t bytes, struct packet *out)
{
	out->kind = PACKET_ICMP_ECHO;
	out->l4 = icmp;
	out->l4_bytes = bytes;
}

/* An ICMP error must quote an IPv4 header from us and the start of a TCP header. */
static void take_error(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                       struct packet *out)
{
	const uint8_t *quote = icmp + ICMP_HEADER_BYTES;
	uint32_t quote_bytes = bytes - ICMP_HEADER_BYTES;
	if (quote_bytes < IPV4_HEADER_BYTES || quote[0] >> 4 != 4)
		return packet_drop(out, COUNTER_NET_RX_DROP_ICMP);
	uint32_t header = (quote[0] & 15u) * 4;
	if (header < IPV4_HEADER_BYTES || quote_bytes < header + TCP_QUOTE_BYTES ||
	    quote[9] != IP_TCP || memcmp(quote + 12, local->ipv4, 4) != 0 ||
	    (get_be16(quote + 6) & QUOTE_OFFSET_MASK) != 0)
		return packet_drop(out, COUNTER_NET_RX_DROP_ICMP);
	out->kind = PACKET_ICMP_ERROR;
	address_from_ipv4(out->source, quote + 16);
	address_from_ipv4(out->destination, quote + 12);
	out->l4 = quote + header;
	out->l4_bytes = quote_bytes - header;
	out->mtu_bytes = icmp[0] == UNREACHABLE && icmp[1] == FRAGMENTATION_NEEDED
	                     ? get_be16(icmp + 6)
	                     : 0;
}

void icmp_parse(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                struct packet *out)
{
	if (bytes < ICMP_HEADER_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	if (checksum_finish(checksum_add(0, icmp, bytes)) != 0)
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	if (icmp[0] == ECHO && icmp[1] == 0)
		take_echo(icmp, bytes, out);
	else if (icmp[0] == UNREACHABLE || icmp[0] == TIME_EXCEEDED || icmp[0] == PARAMETER)
		take_error(icmp, bytes, local, out);
	else
		packet_drop(out, COUNTER_NET_RX_DROP_ICMP);
}

/* We send no extension headers, so a quote of ours has TCP right behind the IPv6 header. */
static void take_error_v6(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                          struct packet *out)
{
	const uint8_t *quote = icmp + ICMP_HEADER_BYTES;
	uint32_t quote_bytes = bytes - ICMP_HEADER_BYTES;
	if (quote_bytes < IPV6_HEADER_BYTES + TCP_QUOTE_BYTES || quote[0] >> 4 != 6 ||
	    quote[6] != IP_TCP || !ipv6_is_ours(quote + 8, local) || address_is_ipv4(quote + 24))
		return packet_drop(out, COUNTER_NET_RX_DROP_ICMP);
	out->mtu_bytes = icmp[0] == V6_TOO_BIG ? get_be32(icmp + 4) : 0;
	if (icmp[0] == V6_TOO_BIG && out->mtu_bytes < IPV6_MTU_MIN)
		return packet_drop(out, COUNTER_NET_RX_DROP_ICMP_MTU);
	out->kind = PACKET_ICMP_ERROR;
	memcpy(out->source, quote + 24, 16);
	memcpy(out->destination, quote + 8, 16);
	out->l4 = quote + IPV6_HEADER_BYTES;
	out->l4_bytes = quote_bytes - IPV6_HEADER_BYTES;
}

void icmpv6_parse(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                  const struct ipv6_envelope *envelope, struct packet *out)
{
	if (bytes < ICMP_HEADER_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	uint64_t sum = checksum_pseudo_ipv6(out->source, out->destination, IP_ICMPV6, bytes);
	if (checksum_finish(checksum_add(sum, icmp, bytes)) != 0)
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	if (icmp[0] >= ICMP6_ROUTER_SOLICIT && icmp[0] <= ICMP6_REDIRECT)
		return nd_parse(icmp, bytes, local, envelope, out);
	if (envelope->from_nobody)
		return packet_drop(out, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	/* a group is not answered: one ping would make many */
	if (envelope->to_group)
		return packet_drop(out, COUNTER_NET_RX_DROP_ICMP);
	if (icmp[0] == ICMP6_ECHO && icmp[1] == 0)
		take_echo(icmp, bytes, out);
	else if (icmp[0] >= V6_UNREACHABLE && icmp[0] <= V6_PARAMETER)
		take_error_v6(icmp, bytes, local, out);
	else
		packet_drop(out, COUNTER_NET_RX_DROP_ICMP);
}
