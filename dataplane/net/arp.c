/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP, RFC 826, for Ethernet and IPv4 only:
 *
 *     0          2          4   5   6           8        14      18       24
 *     | hardware | protocol | 6 | 4 | operation | MAC, address | MAC, address |
 *                                                 of the sender  of the target
 */
#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/packet_priv.h"

/* A request is ours when it asks for our address. */
void arp_parse(const uint8_t *arp, uint32_t bytes, const struct packet_local *local,
               struct packet *out)
{
	if (bytes < ARP_BYTES)
		return packet_drop(out, COUNTER_NET_RX_DROP_SHORT);
	uint16_t operation = get_be16(arp + 6);
	bool well_formed = get_be16(arp) == 1 && get_be16(arp + 2) == ETHERTYPE_IPV4 &&
	                   arp[4] == 6 && arp[5] == 4 && (operation == 1 || operation == 2);
	bool for_us = memcmp(arp + 24, local->ipv4, 4) == 0;
	bool from_us = memcmp(arp + 14, local->ipv4, 4) == 0;
	/* the sender's hardware address must be a unicast one */
	if (!well_formed || !for_us || from_us || (arp[8] & 1))
		return packet_drop(out, COUNTER_NET_RX_DROP_ARP);
	out->kind = operation == 1 ? PACKET_ARP_REQUEST : PACKET_ARP_REPLY;
	memcpy(out->source_mac, arp + 8, 6);
	address_from_ipv4(out->source, arp + 14);
	address_from_ipv4(out->destination, arp + 24);
}

void packet_put_arp(uint8_t *frame, uint16_t operation, const struct packet_local *local,
                    const uint8_t target_mac[6], const uint8_t target_ipv4[4])
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	packet_put_ethernet(frame, operation == 1 ? broadcast : target_mac, local->mac,
	                    ETHERTYPE_ARP);
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
