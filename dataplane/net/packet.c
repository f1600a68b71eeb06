/* SPDX-License-Identifier: Apache-2.0 */
#include "net/packet.h"

#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IPV6 = 0x86dd,
	IP_ICMP = 1,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_FLAG_MF = 0x2000,
	IP_OFFSET_MASK = 0x1fff,
	IP_OPTION_END = 0,
	IP_OPTION_NOP = 1,
	IP_OPTION_LSRR = 131,
	IP_OPTION_SSRR = 137,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMP_FRAGMENTATION_NEEDED = 4, /* code of ICMP_UNREACHABLE */
	ICMP_HEADER_BYTES = 8,
	TCP_QUOTE_BYTES = 8, /* ports and sequence number: what RFC 792 guarantees */
};

static void drop(struct packet *out, enum counter why)
{
	out->kind = PACKET_DROP;
	out->drop = why;
}

/* RFC 826: Ethernet and IPv4 only. A request is ours when it asks for our address. */
static void parse_arp(const uint8_t *arp, uint32_t bytes, const struct packet_local *local,
                      struct packet *out)
{
	if (bytes < ARP_BYTES)
		return drop(out, COUNTER_NET_RX_DROP_SHORT);
	uint16_t operation = get_be16(arp + 6);
	bool well_formed = get_be16(arp) == 1 && get_be16(arp + 2) == ETHERTYPE_IPV4 &&
	                   arp[4] == 6 && arp[5] == 4 && (operation == 1 || operation == 2);
	bool for_us = memcmp(arp + 24, local->ipv4, 4) == 0;
	bool from_us = memcmp(arp + 14, local->ipv4, 4) == 0;
	/* the sender's hardware address must be a unicast one */
	if (!well_formed || !for_us || from_us || (arp[8] & 1))
		return drop(out, COUNTER_NET_RX_DROP_ARP);
	out->kind = operation == 1 ? PACKET_ARP_REQUEST : PACKET_ARP_REPLY;
	memcpy(out->source_mac, arp + 8, 6);
	address_from_ipv4(out->source, arp + 14);
	address_from_ipv4(out->destination, arp + 24);
}

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
	while (option < end && *option != IP_OPTION_END) {
		if (*option == IP_OPTION_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return false;
		if (*option == IP_OPTION_LSRR || *option == IP_OPTION_SSRR)
			return false;
		option += option[1];
	}
	return true;
}

static bool l4_checksum_is_right(const uint8_t *ip, const uint8_t *l4, uint32_t bytes,
                                 uint8_t protocol)
{
	uint64_t sum = protocol == IP_ICMP
	                   ? 0
	                   : checksum_pseudo_ipv4(ip + 12, ip + 16, protocol, bytes);
	return checksum_finish(checksum_add(sum, l4, bytes)) == 0;
}

static void parse_udp(const uint8_t *ip, const uint8_t *udp, uint32_t bytes,
                      struct packet_offload offload, struct packet *out)
{
	if (bytes < UDP_HEADER_BYTES)
		return drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	uint32_t length = get_be16(udp + 4);
	if (length < UDP_HEADER_BYTES || length > bytes)
		return drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	/* RFC 768: a zero checksum means the sender computed none (IPv4 only) */
	if (!offload.l4_checksum_good && get_be16(udp + 6) != 0 &&
	    !l4_checksum_is_right(ip, udp, length, IP_UDP))
		return drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	out->kind = PACKET_UDP;
	out->source_port = get_be16(udp);
	out->destination_port = get_be16(udp + 2);
	out->l4 = udp + UDP_HEADER_BYTES;
	out->l4_bytes = length - UDP_HEADER_BYTES;
}

/* An ICMP error must quote an IPv4 header from us and the start of a TCP header. */
static void parse_icmp_error(const uint8_t *icmp, uint32_t bytes, const struct packet_local *local,
                             struct packet *out)
{
	const uint8_t *quote = icmp + ICMP_HEADER_BYTES;
	uint32_t quote_bytes = bytes - ICMP_HEADER_BYTES;
	if (quote_bytes < IPV4_HEADER_BYTES || quote[0] >> 4 != 4)
		return drop(out, COUNTER_NET_RX_DROP_ICMP);
	uint32_t header = (quote[0] & 15u) * 4;
	if (header < IPV4_HEADER_BYTES || quote_bytes < header + TCP_QUOTE_BYTES ||
	    quote[9] != IP_TCP || memcmp(quote + 12, local->ipv4, 4) != 0 ||
	    (get_be16(quote + 6) & IP_OFFSET_MASK) != 0)
		return drop(out, COUNTER_NET_RX_DROP_ICMP);
	out->kind = PACKET_ICMP_ERROR;
	address_from_ipv4(out->source, quote + 16);
	address_from_ipv4(out->destination, quote + 12);
	out->l4 = quote + header;
	out->l4_bytes = quote_bytes - header;
	out->mtu_bytes = icmp[0] == ICMP_UNREACHABLE && icmp[1] == ICMP_FRAGMENTATION_NEEDED
	                     ? get_be16(icmp + 6)
	                     : 0;
}

static void parse_icmp(const uint8_t *ip, const uint8_t *icmp, uint32_t bytes,
                       const struct packet_local *local, struct packet *out)
{
	if (bytes < ICMP_HEADER_BYTES)
		return drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	if (!l4_checksum_is_right(ip, icmp, bytes, IP_ICMP))
		return drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	if (icmp[0] == ICMP_ECHO && icmp[1] == 0) {
		out->kind = PACKET_ICMP_ECHO;
		out->l4 = icmp;
		out->l4_bytes = bytes;
	} else if (icmp[0] == ICMP_UNREACHABLE || icmp[0] == ICMP_TIME_EXCEEDED ||
	           icmp[0] == ICMP_PARAMETER) {
		parse_icmp_error(icmp, bytes, local, out);
	} else {
		drop(out, COUNTER_NET_RX_DROP_ICMP);
	}
}

static void parse_l4(const uint8_t *ip, uint32_t header, uint32_t total,
                     const struct packet_local *local, struct packet_offload offload,
                     struct packet *out)
{
	const uint8_t *l4 = ip + header;
	uint32_t bytes = total - header;

	switch (ip[9]) {
	case IP_TCP:
		if (!offload.l4_checksum_good && !l4_checksum_is_right(ip, l4, bytes, IP_TCP))
			return drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
		out->kind = PACKET_TCP;
		out->l4 = l4;
		out->l4_bytes = bytes;
		break;
	case IP_UDP:
		parse_udp(ip, l4, bytes, offload, out);
		break;
	case IP_ICMP:
		parse_icmp(ip, l4, bytes, local, out);
		break;
	default:
		drop(out, COUNTER_NET_RX_DROP_PROTOCOL);
	}
}

static void parse_ipv4(const uint8_t *ip, uint32_t bytes, const struct packet_local *local,
                       struct packet_offload offload, struct packet *out)
{
	if (bytes < IPV4_HEADER_BYTES)
		return drop(out, COUNTER_NET_RX_DROP_SHORT);
	uint32_t header = (ip[0] & 15u) * 4;
	uint32_t total = get_be16(ip + 2);
	if (ip[0] >> 4 != 4 || header < IPV4_HEADER_BYTES || total < header || total > bytes)
		return drop(out, COUNTER_NET_RX_DROP_IP_HEADER);
	if (!offload.ip_checksum_good && checksum_finish(checksum_add(0, ip, header)) != 0)
		return drop(out, COUNTER_NET_RX_DROP_IP_CHECKSUM);
	if (!source_is_valid(ip + 12, local))
		return drop(out, COUNTER_NET_RX_DROP_IP_SOURCE);
	if (memcmp(ip + 16, local->ipv4, 4) != 0)
		return drop(out, COUNTER_NET_RX_DROP_IP_DESTINATION);
	if (!options_are_valid(ip + IPV4_HEADER_BYTES, ip + header))
		return drop(out, COUNTER_NET_RX_DROP_IP_OPTIONS);
	if ((get_be16(ip + 6) & (IP_FLAG_MF | IP_OFFSET_MASK)) != 0)
		return drop(out, COUNTER_NET_RX_DROP_FRAGMENT);
	address_from_ipv4(out->source, ip + 12);
	address_from_ipv4(out->destination, ip + 16);
	parse_l4(ip, header, total, local, offload, out);
}

void packet_parse(const uint8_t *frame, uint32_t bytes, const struct packet_local *local,
                  struct packet_offload offload, struct packet *out)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	if (bytes < ETHERNET_BYTES)
		return drop(out, COUNTER_NET_RX_DROP_SHORT);
	bool for_us = memcmp(frame, local->mac, 6) == 0;
	uint16_t type = get_be16(frame + 12);
	if (!for_us && !(type == ETHERTYPE_ARP && memcmp(frame, broadcast, 6) == 0))
		return drop(out, COUNTER_NET_RX_DROP_MAC);
	memcpy(out->source_mac, frame + 6, 6);

	if (type == ETHERTYPE_IPV4)
		parse_ipv4(frame + ETHERNET_BYTES, bytes - ETHERNET_BYTES, local, offload, out);
	else if (type == ETHERTYPE_ARP)
		parse_arp(frame + ETHERNET_BYTES, bytes - ETHERNET_BYTES, local, out);
	else
		drop(out, type == ETHERTYPE_IPV6 ? COUNTER_NET_RX_DROP_IPV6
		                                 : COUNTER_NET_RX_DROP_ETHERTYPE);
}

static void put_ethernet(uint8_t *frame, const uint8_t dest[6], const uint8_t source[6],
                         uint16_t type)
{
	memcpy(frame, dest, 6);
	memcpy(frame + 6, source, 6);
	put_be16(frame + 12, type);
}

void packet_put_ipv4(uint8_t *frame, const uint8_t source_mac[6], const uint8_t dest_mac[6],
                     const uint8_t source[4], const uint8_t destination[4], uint8_t protocol,
                     uint32_t l4_bytes, uint16_t identification)
{
	put_ethernet(frame, dest_mac, source_mac, ETHERTYPE_IPV4);
	uint8_t *ip = frame + ETHERNET_BYTES;
	ip[0] = 0x45;
	ip[1] = 0;
	put_be16(ip + 2, (uint16_t)(IPV4_HEADER_BYTES + l4_bytes));
	put_be16(ip + 4, identification);
	/* TCP discovers the path's MTU (RFC 1191); a UDP answer may be fragmented on its way */
	put_be16(ip + 6, protocol == IP_TCP ? 0x4000 : 0);
	ip[8] = 64;
	ip[9] = protocol;
	put_be16(ip + 10, 0);
	memcpy(ip + 12, source, 4);
	memcpy(ip + 16, destination, 4);
}

void packet_put_arp(uint8_t *frame, uint16_t operation, const struct packet_local *local,
                    const uint8_t target_mac[6], const uint8_t target_ipv4[4])
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	put_ethernet(frame, operation == 1 ? broadcast : target_mac, local->mac, ETHERTYPE_ARP);
	uint8_t *arp = frame + ETHERNET_BYTES;
	put_be16(arp, 1);
	put_be16(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	put_be16(arp + 6, operation);
	memcpy(arp + 8, local->mac, 6);
	memcpy(arp + 14, local->ipv4, 4);
	if (operation == 1)
		memset(arp + 18, 0, 6);
	else
		memcpy(arp + 18, target_mac, 6);
	memcpy(arp + 24, target_ipv4, 4);
}
