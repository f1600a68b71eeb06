/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4, RFC 791 3.1:
 *
 *     0               1               2               3
 *     | 4   | words   | service       | total length                  |
 *     | identification                | flags, fragment offset        |
 *     | time to live  | protocol      | header checksum               |
 *     | source                                                        |
 *     | destination                                                   |
 *     | options ...                                                   |
 */
#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/packet_priv.h"

enum {
	FLAG_DF = 0x4000,
	FLAG_MF = 0x2000,
	OFFSET_MASK = 0x1fff,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_LSRR = 131,
	OPTION_SSRR = 137,
	TTL = 64,
};

/* RFC 1122 3.2.1.3: addresses that can't be a sender's. */
static bool source_is_valid(const uint8_t ip[4], const struct packet_local *local)
{
	uint32_t address = get_be32(ip);
	uint32_t own = get_be32(local->ipv4);
	bool directed_broadcast = (address & local->ipv4_mask) == (own & local->ipv4_mask) &&
	                          (address | local->ipv4_mask) == UINT32_MAX &&
	                          local->ipv4_mask < 0xfffffffe;
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224 && address != own && !directed_broadcast;
}

/* RFC 791 3.1: types and lengths only; source routes are refused (RFC 7126 4.3, 4.4). */
static bool options_are_valid(const uint8_t *option, const uint8_t *end)
{
	while (option < end && *option != OPTION_END) {
		if (*option == OPTION_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return false;
		if (*option == OPTION_LSRR || *option == OPTION_SSRR)
			return false;
		option += option[1];
	}
	return true;
}

static void take_fragment(const uint8_t *ip, const uint8_t *l4, uint32_t bytes, struct packet *out)
{
	uint16_t field = get_be16(ip + 6);
	if (ip[9] != IP_UDP)
		return packet_drop(out, COUNTER_NET_RX_DROP_FRAGMENT);
	out->kind = PACKET_FRAGMENT;
	out->fragment.id = get_be16(ip + 4);
	out->fragment.offset = (field & OFFSET_MASK) * 8u;
	out->fragment.more = field & FLAG_MF;
	out->l4 = l4;
	out->l4_bytes = bytes;
}

/* To us, or a datagram to a group of ours. RFC 1122 3.3.6: a frame to a group must not carry a
 * packet to one host. */
static bool destination_is_ours(const uint8_t *ip, const struct packet_local *local,
                                bool group_frame)
{
	uint8_t group[16];
	if (!group_frame)
		return memcmp(ip + 16, local->ipv4, 4) == 0;
	address_from_ipv4(group, ip + 16);
	return local->coap_groups && packet_is_coap_group(group) && ip[9] == IP_UDP &&
	       (get_be16(ip + 6) & (FLAG_MF | OFFSET_MASK)) == 0;
}

/* `group_frame`: the frame went to a multicast MAC address. */
void ipv4_parse(const uint8_t *ip, uint32_t bytes, const struct packet_local *local,
                struct packet_offload offload, bool group_frame, struct packet *out)
{
	if (bytes < IPV4_HEADER_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_SHORT);
	uint32_t header = (ip[0] & 15u) * 4;
	uint32_t total = get_be16(ip + 2);
	if (ip[0] >> 4 != 4 || header < IPV4_HEADER_BYTES || total < header || total > bytes)
		return packet_drop(out, COUNTER_NET_RX_DROP_IP_HEADER);
	if (!offload.ip_checksum_good && checksum_finish(checksum_add(0, ip, header)) != 0)
		return packet_drop(out, COUNTER_NET_RX_DROP_IP_CHECKSUM);
	if (!source_is_valid(ip + 12, local))
		return packet_drop(out, COUNTER_NET_RX_DROP_IP_SOURCE);
	if (!destination_is_ours(ip, local, group_frame))
		return packet_drop(out, COUNTER_NET_RX_DROP_IP_DESTINATION);
	if (!options_are_valid(ip + IPV4_HEADER_BYTES, ip + header))
		return packet_drop(out, COUNTER_NET_RX_DROP_IP_OPTIONS);
	address_from_ipv4(out->source, ip + 12);
	address_from_ipv4(out->destination, ip + 16);

	const uint8_t *l4 = ip + header;
	uint32_t l4_bytes = total - header;
	if ((get_be16(ip + 6) & (FLAG_MF | OFFSET_MASK)) != 0)
		take_fragment(ip, l4, l4_bytes, out);
	else if (ip[9] == IP_TCP)
		packet_take_tcp(l4, l4_bytes, offload, out);
	else if (ip[9] == IP_UDP)
		packet_take_udp(l4, l4_bytes, offload, out);
	else if (ip[9] == IP_ICMP)
		icmp_parse(l4, l4_bytes, local, out);
	else
		packet_drop(out, COUNTER_NET_RX_DROP_PROTOCOL);
}

void packet_put_ipv4(uint8_t *frame, const uint8_t source_mac[6], const uint8_t dest_mac[6],
                     const uint8_t source[4], const uint8_t destination[4], uint8_t protocol,
                     uint32_t l4_bytes, uint16_t identification)
{
	packet_put_ethernet(frame, dest_mac, source_mac, ETHERTYPE_IPV4);
	uint8_t *ip = frame + ETHERNET_BYTES;
	ip[0] = 0x45;
	ip[1] = 0;
	put_be16(ip + 2, (uint16_t)(IPV4_HEADER_BYTES + l4_bytes));
	put_be16(ip + 4, identification);
	/* TCP discovers the path's MTU (RFC 1191); a UDP answer may be fragmented on its way */
	put_be16(ip + 6, protocol == IP_TCP ? FLAG_DF : 0);
	ip[8] = TTL;
	ip[9] = protocol;
	put_be16(ip + 10, 0);
	memcpy(ip + 12, source, 4);
	memcpy(ip + 16, destination, 4);
}
