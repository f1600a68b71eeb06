/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet, the VLAN tag, and the transport headers that both families share. */
#include "net/packet_priv.h"

#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"

#define VLAN_ID_MASK 0xfff

static bool l4_checksum_is_right(const struct packet *p, const uint8_t *l4, uint32_t bytes,
                                 uint8_t protocol)
{
	uint64_t sum =
	    address_is_ipv4(p->source)
	        ? checksum_pseudo_ipv4(p->source + 12, p->destination + 12, protocol, bytes)
	        : checksum_pseudo_ipv6(p->source, p->destination, protocol, bytes);
	return checksum_finish(checksum_add(sum, l4, bytes)) == 0;
}

void packet_take_tcp(const uint8_t *tcp, uint32_t bytes, struct packet_offload offload,
                     struct packet *out)
{
	if (!offload.l4_checksum_good && !l4_checksum_is_right(out, tcp, bytes, IP_TCP))
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	out->kind = PACKET_TCP;
	out->l4 = tcp;
	out->l4_bytes = bytes;
}

/*
 *     0        2             4        6          8
 *     | source | destination | length | checksum | payload
 */
void packet_take_udp(const uint8_t *udp, uint32_t bytes, struct packet_offload offload,
                     struct packet *out)
{
	if (bytes < UDP_HEADER_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	uint32_t length = get_be16(udp + 4);
	if (length < UDP_HEADER_BYTES || length > bytes)
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_HEADER);
	/* RFC 768: a zero checksum means the sender computed none; RFC 8200 8.1: not over IPv6 */
	bool unsummed = get_be16(udp + 6) == 0;
	if (unsummed && !address_is_ipv4(out->source))
		return packet_drop(out, COUNTER_NET_RX_DROP_UDP_UNSUMMED);
	if (!offload.l4_checksum_good && !unsummed &&
	    !l4_checksum_is_right(out, udp, length, IP_UDP))
		return packet_drop(out, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	out->kind = PACKET_UDP;
	out->source_port = get_be16(udp);
	out->destination_port = get_be16(udp + 2);
	out->l4 = udp + UDP_HEADER_BYTES;
	out->l4_bytes = length - UDP_HEADER_BYTES;
}

void packet_parse_reassembled(const struct packet *last, const uint8_t *udp, uint32_t bytes,
                              struct packet *out)
{
	*out = *last;
	packet_take_udp(udp, bytes, (struct packet_offload){0}, out);
}

const uint8_t packet_coap_macs[2][6] = {{0x01, 0x00, 0x5e, 0x00, 0x01, 187},
                                        {0x33, 0x33, 0x00, 0x00, 0x00, 0xfd}};

bool packet_is_coap_group(const uint8_t address[16])
{
	static const uint8_t ipv4[4] = {224, 0, 1, 187};
	static const uint8_t low[14] = {[13] = 0};
	if (address_is_ipv4(address))
		return memcmp(address + 12, ipv4, 4) == 0;
	return address[0] == 0xff && (address[1] == 0x02 || address[1] == 0x05) &&
	       memcmp(address + 2, low, 13) == 0 && address[15] == 0xfd;
}

static bool is_coap_mac(const uint8_t mac[6], const struct packet_local *local)
{
	return local->coap_groups && (memcmp(mac, packet_coap_macs[0], 6) == 0 ||
	                              memcmp(mac, packet_coap_macs[1], 6) == 0);
}

static bool is_for_us(const uint8_t *frame, uint16_t type, const struct packet_local *local)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	return memcmp(frame, local->mac, 6) == 0 ||
	       (type == ETHERTYPE_ARP && memcmp(frame, broadcast, 6) == 0) ||
	       (type == ETHERTYPE_IPV6 && ipv6_is_our_group_mac(frame, local)) ||
	       (type != ETHERTYPE_ARP && is_coap_mac(frame, local));
}

void packet_parse(const uint8_t *frame, uint32_t bytes, const struct packet_local *local,
                  struct packet_offload offload, struct packet *out)
{
	uint32_t header = ETHERNET_BYTES;
	if (bytes < header)
		return packet_drop(out, COUNTER_NET_RX_DROP_SHORT);
	uint16_t type = get_be16(frame + 12);
	uint16_t vlan = offload.vlan_stripped ? offload.vlan_tag & VLAN_ID_MASK : 0;
	if (type == ETHERTYPE_VLAN && !offload.vlan_stripped) {
		header += VLAN_TAG_BYTES;
		if (bytes < header)
			return packet_drop(out, COUNTER_NET_RX_DROP_SHORT);
		vlan = get_be16(frame + 14) & VLAN_ID_MASK;
		type = get_be16(frame + 16);
	}
	/* IEEE 802.1Q: a tag with VLAN 0 only carries a priority */
	if (vlan != local->vlan || type == ETHERTYPE_VLAN)
		return packet_drop(out, COUNTER_NET_RX_DROP_VLAN);
	if (!is_for_us(frame, type, local))
		return packet_drop(out, COUNTER_NET_RX_DROP_MAC);
	/* an answer would go to many */
	if (frame[6] & 1)
		return packet_drop(out, COUNTER_NET_RX_DROP_MAC_SOURCE);
	memcpy(out->source_mac, frame + 6, 6);

	if (type == ETHERTYPE_IPV4)
		ipv4_parse(frame + header, bytes - header, local, offload, frame[0] & 1, out);
	else if (type == ETHERTYPE_IPV6 && local->has_ipv6)
		ipv6_parse(frame + header, bytes - header, local, offload, frame[0] & 1, out);
	else if (type == ETHERTYPE_ARP)
		arp_parse(frame + header, bytes - header, local, out);
	else
		packet_drop(out, type == ETHERTYPE_IPV6 ? COUNTER_NET_RX_DROP_IPV6
		                                        : COUNTER_NET_RX_DROP_ETHERTYPE);
}

void packet_put_ethernet(uint8_t *frame, const uint8_t dest[6], const uint8_t source[6],
                         uint16_t type)
{
	memcpy(frame, dest, 6);
	memcpy(frame + 6, source, 6);
	put_be16(frame + 12, type);
}
