/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which frame belongs to which client, and the headers of those that leave.
 *
 * A client's address and port follow from its number, so that no table is needed to find it:
 *
 *   address = first + client mod addresses
 *   port    = 1024 + (client / addresses) * 4 + turn      turn: 0..3, the next one at each opening
 */
#include <string.h>

#include "base/bytes.h"
#include "gen.h"
#include "net/checksum.h"
#include "net/packet.h"

#define L4_OFFSET (ETHERNET_BYTES + IPV4_HEADER_BYTES)
#define IP_TCP    6
#define IP_UDP    17

void wire_client_address(const struct gen *g, uint32_t client, uint8_t ipv4[4], uint16_t *port)
{
	uint32_t addresses = g->options.addresses;
	put_be32(ipv4, get_be32(g->options.first_address) + client % addresses);
	*port =
	    (uint16_t)(PORT_FIRST + client / addresses * PORT_TURNS + g->clients[client].port_turn);
}

/* NONE: nobody's. */
static uint32_t client_at(const struct gen *g, const uint8_t ipv4[4], uint16_t port)
{
	uint32_t address = get_be32(ipv4) - get_be32(g->options.first_address);
	if (address >= g->options.addresses || port < PORT_FIRST)
		return NONE;
	uint32_t slot = (port - PORT_FIRST) / PORT_TURNS;
	uint64_t client = (uint64_t)slot * g->options.addresses + address;
	return client < g->client_count ? (uint32_t)client : NONE;
}

uint8_t *wire_new(struct gen *g)
{
	uint8_t *frame = link_new(&g->link);
	return frame ? frame + L4_OFFSET : NULL;
}

void wire_send(struct gen *g, const uint8_t source[4], uint8_t protocol, uint32_t l4_bytes,
	       uint32_t checksum_at)
{
	uint8_t *frame = link_new(&g->link); /* the same again: it was not sent yet */
	uint8_t *ip = frame + ETHERNET_BYTES, *l4 = frame + L4_OFFSET;
	packet_put_ipv4(frame, g->mac, g->server_mac, source, g->options.server, protocol, l4_bytes,
			0);
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
	put_le16(l4 + checksum_at, 0);
	uint64_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, protocol, l4_bytes);
	put_le16(l4 + checksum_at, checksum_finish(checksum_add(sum, l4, l4_bytes)));
	link_send(&g->link, L4_OFFSET + l4_bytes, g->now_us);
	g->totals.tx_frames++;
}

/* Ask for the server's MAC address from one of ours: also tells it where that address is. */
void wire_arp_ask(struct gen *g, uint32_t address)
{
	static const uint8_t nobody[6];
	struct packet_local local;
	uint8_t *frame = link_new(&g->link);
	if (!frame)
		return;
	memcpy(local.mac, g->mac, 6);
	put_be32(local.ipv4, get_be32(g->options.first_address) + address);
	packet_put_arp(frame, 1, &local, nobody, g->options.server);
	link_send(&g->link, ETHERNET_BYTES + ARP_BYTES, g->now_us);
}

static bool is_clients_address(const struct gen *g, const uint8_t ipv4[4])
{
	return get_be32(ipv4) - get_be32(g->options.first_address) < g->options.addresses;
}

/* RFC 826. Whatever address the server asks for is ours: the clients', and those that a flood of
 * SYNs claims to come from; but those who are bridged answer for themselves. */
static void take_arp(struct gen *g, const struct link_frame *f)
{
	const uint8_t *arp = f->bytes + ETHERNET_BYTES;
	uint32_t bytes = f->count - ETHERNET_BYTES;
	if (bytes < ARP_BYTES || memcmp(arp + 14, g->options.server, 4) != 0)
		return;
	if (!is_clients_address(g, arp + 24) && bridge_take(g, f->bytes, f->count))
		return;
	if (get_be16(arp + 6) == 2) {
		memcpy(g->server_mac, arp + 8, 6);
		g->server_known = true;
		return;
	}
	struct packet_local local;
	uint8_t *frame = link_new(&g->link);
	if (!frame || memcmp(arp + 24, g->options.server, 4) == 0)
		return;
	memcpy(local.mac, g->mac, 6);
	memcpy(local.ipv4, arp + 24, 4);
	packet_put_arp(frame, 2, &local, arp + 8, arp + 14);
	link_send(&g->link, ETHERNET_BYTES + ARP_BYTES, g->now_us);
}

struct arrival {
	const uint8_t *l4;
	uint32_t bytes;
	uint32_t client; /* NONE: not for a client */
	uint8_t protocol;
};

/* Find the client of a frame and fetch it into the cache. Untrusted, but for the lengths a friend
 * would send: options and fragments are ignored. */
static void classify(struct gen *g, const struct link_frame *f, struct arrival *a)
{
	const uint8_t *ip = f->bytes + ETHERNET_BYTES;
	a->client = NONE;
	if (f->count < L4_OFFSET + UDP_HEADER_BYTES || get_be16(f->bytes + 12) != 0x0800 ||
	    ip[0] != 0x45 || memcmp(ip + 12, g->options.server, 4) != 0)
		return;
	uint32_t total = get_be16(ip + 2);
	if (total < IPV4_HEADER_BYTES + UDP_HEADER_BYTES || total > f->count - ETHERNET_BYTES)
		return;
	a->protocol = ip[9];
	a->l4 = ip + IPV4_HEADER_BYTES;
	a->bytes = total - IPV4_HEADER_BYTES;
	uint16_t from = get_be16(a->l4);
	bool wanted = g->options.protocol == PROTOCOL_MQTT
			  ? a->protocol == IP_TCP && from == g->options.mqtt_port
			  : a->protocol == IP_UDP && from == g->options.coap_port;
	if (!wanted)
		return;
	a->client = client_at(g, ip + 16, get_be16(a->l4 + 2));
	if (a->client != NONE)
		__builtin_prefetch(&g->clients[a->client], 1);
}

static void take(struct gen *g, const struct link_frame *f, const struct arrival *a)
{
	if (a->client == NONE) {
		if (f->count < ETHERNET_BYTES)
			g->totals.rx_ignored++;
		else if (get_be16(f->bytes + 12) == 0x0806)
			take_arp(g, f);
		else if (!bridge_take(g, f->bytes, f->count))
			g->totals.rx_ignored++;
		return;
	}
	const uint8_t *ip = f->bytes + ETHERNET_BYTES;
	uint64_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, a->protocol, a->bytes);
	bool unused = a->protocol == IP_UDP && get_be16(a->l4 + 6) == 0; /* RFC 768 */
	if (!unused && checksum_finish(checksum_add(sum, a->l4, a->bytes)) != 0) {
		g->totals.bad_checksum++;
		return;
	}
	if (a->protocol == IP_TCP)
		client_input(g, a->client, a->l4, a->bytes);
	else
		coap_input(g, a->client, a->l4 + UDP_HEADER_BYTES, a->bytes - UDP_HEADER_BYTES);
}

uint32_t wire_poll(struct gen *g)
{
	struct link_frame frames[LINK_BURST];
	struct arrival arrivals[LINK_BURST];
	uint32_t count = link_receive(&g->link, frames);
	for (uint32_t i = 0; i < count; i++)
		classify(g, &frames[i], &arrivals[i]);
	for (uint32_t i = 0; i < count; i++) {
		/* the oldest item of a later one: most answers are for it */
		if (i + 4 < count && arrivals[i + 4].client != NONE) {
			uint32_t head = g->clients[arrivals[i + 4].client].head;
			if (head != NONE)
				__builtin_prefetch(&g->items[head], 1);
		}
		take(g, &frames[i], &arrivals[i]);
	}
	g->totals.rx_frames += count;
	link_release(&g->link);
	return count;
}
