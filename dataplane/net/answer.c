/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/packet_priv.h"
#include "net/stack_priv.h"

#define ECHO_PER_SECOND 1000 /* answers to pings; RFC 1812 4.3.2.8 and RFC 4443 2.4 want a limit */

void stack_answer_arp(struct net_stack *n, const struct packet *p)
{
	struct rte_mbuf *m = stack_buffer(n, ETHERNET_BYTES + ARP_BYTES, true);
	if (!m)
		return;
	packet_put_arp(rte_pktmbuf_mtod(m, uint8_t *), 2, &n->port->local, p->source_mac,
	               p->source + 12);
	stack_transmit(n, m);
}

void stack_answer_solicit(struct net_stack *n, const struct packet *p)
{
	struct rte_mbuf *m = stack_buffer(n, ND_FRAME_BYTES, true);
	if (!m)
		return;
	packet_put_nd_advert(rte_pktmbuf_mtod(m, uint8_t *), &n->port->local, p);
	stack_transmit(n, m);
}

/* RFC 792, RFC 4443 4.2: the same message with the type of a reply. */
bool stack_answer_echo(struct net_stack *n, const struct packet *p)
{
	bool ipv4 = address_is_ipv4(p->source);
	uint32_t offset = ETHERNET_BYTES + (ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);
	struct rte_mbuf *m =
	    allowance_take(&n->echo, ECHO_PER_SECOND, n->now_us)
	        ? stack_buffer(n, offset + p->l4_bytes, true)
	        : NULL;
	if (!m)
		return false;
	uint8_t mac[6], *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *icmp = frame + offset, *ip = frame + ETHERNET_BYTES;
	if (!stack_resolve(n, p->source, mac))
		memcpy(mac, p->source_mac, 6);
	memcpy(icmp, p->l4, p->l4_bytes);
	icmp[0] = ipv4 ? 0 : ICMP6_ECHO_REPLY;
	put_be16(icmp + 2, 0);
	uint64_t sum = 0;
	if (ipv4) {
		packet_put_ipv4(frame, n->port->local.mac, mac, p->destination + 12,
		                p->source + 12, IP_ICMP, p->l4_bytes, n->identification++);
		put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
	} else {
		packet_put_ipv6(frame, n->port->local.mac, mac, p->destination, p->source,
		                IP_ICMPV6, p->l4_bytes, HOP_LIMIT);
		sum = checksum_pseudo_ipv6(p->destination, p->source, IP_ICMPV6, p->l4_bytes);
	}
	put_le16(icmp + 2, checksum_finish(checksum_add(sum, icmp, p->l4_bytes)));
	stack_transmit(n, m);
	return true;
}
