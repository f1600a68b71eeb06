/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour discovery, RFC 4861: solicitations (4.3) and advertisements (4.4) in, both out.
 *
 *     0      1      2          4                 8              24
 *     | type | code | checksum | flags           | target       | options ...
 *     option (4.6): | type | length in 8 bytes | data ...
 *
 * Router discovery and redirects are not used: the gateway is in the configuration.
 */
#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/nd.h"
#include "net/packet_priv.h"

enum {
	OPTIONS_OFFSET = 24,
	OPTION_SOURCE_MAC = 1,
	OPTION_TARGET_MAC = 2,
	HOP_LIMIT = 255,
	FLAG_SOLICITED = 0x40,
	FLAG_OVERRIDE = 0x20,
};

/* Walk the options; remember the MAC address of the `wanted` one. False: malformed (a length of 0
 * or past the end, RFC 4861 7.1; a MAC address of another size, or a group's). */
static bool take_options(const uint8_t *option, uint32_t bytes, uint8_t wanted,
                         struct packet *out)
{
	while (bytes > 0) {
		if (bytes < 8 || option[1] == 0 || option[1] * 8u > bytes)
			return false;
		if (option[0] == wanted) {
			if (option[1] != 1 || (option[2] & 1))
				return false;
			memcpy(out->source_mac, option + 2, 6);
			out->nd.has_mac = true;
		}
		bytes -= option[1] * 8u;
		option += option[1] * 8u;
	}
	return true;
}

/* RFC 4861 7.1.1 */
static void take_solicit(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                         const struct ipv6_envelope *envelope, struct packet *out)
{
	const uint8_t *target = icmp + 8;
	if (!take_options(icmp + OPTIONS_OFFSET, bytes - OPTIONS_OFFSET, OPTION_SOURCE_MAC, out) ||
	    address_is_multicast(target))
		return packet_drop(out, COUNTER_NET_RX_DROP_ND);
	if (envelope->from_nobody && (!envelope->to_group || envelope->to_all || out->nd.has_mac))
		return packet_drop(out, COUNTER_NET_RX_DROP_ND);
	if (!ipv6_is_ours(target, local))
		return packet_drop(out, COUNTER_NET_RX_DROP_ND_TARGET);
	out->kind = PACKET_ND_SOLICIT;
	memcpy(out->destination, target, 16);
}

/* RFC 4861 7.1.2 */
static void take_advert(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                        const struct ipv6_envelope *envelope, struct packet *out)
{
	const uint8_t *target = icmp + 8;
	out->nd.solicited = icmp[4] & FLAG_SOLICITED;
	out->nd.override = icmp[4] & FLAG_OVERRIDE;
	if (!take_options(icmp + OPTIONS_OFFSET, bytes - OPTIONS_OFFSET, OPTION_TARGET_MAC, out) ||
	    envelope->from_nobody || address_is_multicast(target) ||
	    address_is_unspecified(target) || address_is_ipv4(target) ||
	    (envelope->to_group && out->nd.solicited))
		return packet_drop(out, COUNTER_NET_RX_DROP_ND);
	if (ipv6_is_ours(target, local))
		return packet_drop(out, COUNTER_NET_RX_DROP_ND_TARGET);
	out->kind = PACKET_ND_ADVERT;
	memcpy(out->source, target, 16);
}

void nd_parse(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
              const struct ipv6_envelope *envelope, struct packet *out)
{
	out->nd.has_mac = out->nd.solicited = out->nd.override = false;
	if (envelope->hop_limit != HOP_LIMIT)
		return packet_drop(out, COUNTER_NET_RX_DROP_ND_HOP_LIMIT);
	/* RFC 6980 5: no fragments, not even whole ones */
	if (icmp[1] != 0 || envelope->fragmented)
		return packet_drop(out, COUNTER_NET_RX_DROP_ND);
	if (icmp[0] != ICMP6_NEIGHBOUR_SOLICIT && icmp[0] != ICMP6_NEIGHBOUR_ADVERT)
		return packet_drop(out, COUNTER_NET_RX_DROP_ND_ROUTER);
	if (bytes < OPTIONS_OFFSET)
		return packet_drop(out, COUNTER_NET_RX_DROP_ND);
	if (icmp[0] == ICMP6_NEIGHBOUR_SOLICIT)
		take_solicit(icmp, bytes, local, envelope, out);
	else
		take_advert(icmp, bytes, local, envelope, out);
}

/* RFC 4861 7.2.3: who asks for us is about to talk to us. RFC 4861 7.2.5: an advertisement makes
 * an entry only when it answers a question; without the override flag it does not replace a MAC
 * address; unasked, it is a hint that has to be confirmed. */
void nd_learn(struct neighbours *neighbours, const struct packet *p, uint64_t now_us)
{
	uint8_t known[6];
	if (p->kind == PACKET_ND_SOLICIT) {
		if (p->nd.has_mac && !address_is_unspecified(p->source))
			neighbours_hint(neighbours, p->source, p->source_mac, now_us);
		return;
	}
	bool is_known = neighbours_find(neighbours, p->source, now_us, known) != NEIGHBOUR_UNKNOWN;
	if (!p->nd.has_mac) {
		if (is_known && p->nd.solicited)
			neighbours_learn(neighbours, p->source, known, now_us);
		return;
	}
	bool differs = is_known && memcmp(known, p->source_mac, 6) != 0;
	if (differs && !p->nd.override)
		return;
	if (p->nd.solicited)
		neighbours_learn(neighbours, p->source, p->source_mac, now_us);
	else if (is_known)
		neighbours_hint(neighbours, p->source, p->source_mac, now_us);
}

/* ICMPv6 message with one MAC address option behind the headers, checksum and all. */
static void put_message(uint8_t *frame, const struct packet_local *local, const uint8_t dest_mac[6],
                        const uint8_t source[16], const uint8_t destination[16], uint8_t type,
                        uint8_t flags, const uint8_t target[16])
{
	packet_put_ipv6(frame, local->mac, dest_mac, source, destination, IP_ICMPV6, ND_BYTES,
	                HOP_LIMIT);
	uint8_t *icmp = frame + ETHERNET_BYTES + IPV6_HEADER_BYTES;
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[4] = flags;
	memcpy(icmp + 8, target, 16);
	icmp[OPTIONS_OFFSET] =
	    type == ICMP6_NEIGHBOUR_SOLICIT ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC;
	icmp[OPTIONS_OFFSET + 1] = 1;
	memcpy(icmp + OPTIONS_OFFSET + 2, local->mac, 6);
	uint64_t sum = checksum_pseudo_ipv6(source, destination, IP_ICMPV6, ND_BYTES);
	put_le16(icmp + 2, checksum_finish(checksum_add(sum, icmp, ND_BYTES)));
}

void packet_put_nd_solicit(uint8_t *frame, const struct packet_local *local,
                           const uint8_t target[16], const uint8_t *mac)
{
	uint8_t group[16], group_mac[6];
	packet_solicited_node(target, group);
	packet_group_mac(group, group_mac);
	const uint8_t *source = address_is_link_local(target) ? local->link_local : local->ipv6;
	put_message(frame, local, mac ? mac : group_mac, source, mac ? target : group,
	            ICMP6_NEIGHBOUR_SOLICIT, 0, target);
}

void packet_put_nd_advert(uint8_t *frame, const struct packet_local *local,
                          const struct packet *solicit)
{
	static const uint8_t all_nodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	/* RFC 4861 7.2.4: who has no address yet is told by telling all */
	bool nobody = address_is_unspecified(solicit->source);
	put_message(frame, local, nobody ? all_nodes_mac : solicit->source_mac,
	            solicit->destination, nobody ? all_nodes : solicit->source,
	            ICMP6_NEIGHBOUR_ADVERT, FLAG_OVERRIDE | (nobody ? 0 : FLAG_SOLICITED),
	            solicit->destination);
}
