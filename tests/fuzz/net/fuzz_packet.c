/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames into packet_parse. The bits of the first byte: 0, 1 the port vouches for the IP and the
 * L4 checksum; 2 the headers are mended first, so that mutations get past addresses and
 * checksums; 3 the port is in VLAN 10; 4 it has taken that tag away.
 * Oracles: what is handed on lies inside the frame; addresses are ours and theirs, and never an
 * IPv4 one out of an IPv6 header; every drop has a receive counter; the answer to a solicitation
 * is understood by who asked; what belongs to a flow has a flow's hash.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/flow.h"
#include "net/packet.h"

enum { IP_GOOD = 1, L4_GOOD = 2, MEND = 4, IN_VLAN = 8, STRIPPED = 16, VLAN = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct packet_local us = {
    .mac = {2, 0, 0, 0, 0, 1},
    .ipv4 = {10, 77, 0, 1},
    .ipv4_mask = 0xffffff00,
    .has_ipv6 = true,
    .ipv6_prefix_bits = 64,
    .ipv6 = {0xfd, 0x77, [15] = 1},
    .link_local = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1},
};

static void mend_ipv4(uint8_t *ip, uint32_t count)
{
	uint32_t header = (ip[0] & 15u) * 4;
	if (header < IPV4_HEADER_BYTES || header > count)
		return;
	memcpy(ip + 16, us.ipv4, 4);
	put_be16(ip + 10, 0);
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, header)));
}

/* The ICMPv6 checksum, which no port vouches for, when nothing lies in between. */
static void mend_ipv6(uint8_t *ip, uint32_t count)
{
	uint32_t bytes = get_be16(ip + 4);
	uint8_t *icmp = ip + IPV6_HEADER_BYTES;
	if (ip[24] != 0xff)
		memcpy(ip + 24, us.ipv6, 16);
	if (ip[6] != IP_ICMPV6 || bytes < 4 || bytes > count - IPV6_HEADER_BYTES)
		return;
	put_be16(icmp + 2, 0);
	uint64_t sum = checksum_pseudo_ipv6(ip + 8, ip + 24, IP_ICMPV6, bytes);
	put_le16(icmp + 2, checksum_finish(checksum_add(sum, icmp, bytes)));
}

static void mend(uint8_t *frame, uint32_t count)
{
	uint32_t at = ETHERNET_BYTES;
	if (count < at + VLAN_TAG_BYTES)
		return;
	uint16_t type = get_be16(frame + 12);
	if (!(frame[0] & 1))
		memcpy(frame, us.mac, 6);
	if (type == 0x8100) {
		put_be16(frame + 14, (frame[14] & 0xf0u) << 8 | us.vlan);
		type = get_be16(frame + 16);
		at += VLAN_TAG_BYTES;
	}
	if (type == 0x0800 && count >= at + IPV4_HEADER_BYTES)
		mend_ipv4(frame + at, count - at);
	else if (type == 0x86dd && count >= at + IPV6_HEADER_BYTES)
		mend_ipv6(frame + at, count - at);
}

static bool is_ours(const uint8_t address[16])
{
	return address_is_ipv4(address) ? memcmp(address + 12, us.ipv4, 4) == 0
	                                : memcmp(address, us.ipv6, 16) == 0 ||
	                                      memcmp(address, us.link_local, 16) == 0;
}

static void check_inside(const struct packet *p, const uint8_t *frame, uint32_t count)
{
	CHECK(p->l4 >= frame + ETHERNET_BYTES + IPV4_HEADER_BYTES);
	CHECK(p->l4 + p->l4_bytes <= frame + count);
	CHECK(is_ours(p->destination));
	CHECK(address_is_ipv4(p->source) == address_is_ipv4(p->destination));
}

static void check_sender(const struct packet *p)
{
	CHECK(!is_ours(p->source));
	CHECK(!address_is_unspecified(p->source));
	CHECK(!address_is_multicast(p->source));
}

static void check_solicit(const struct packet *p)
{
	uint8_t answer[ND_FRAME_BYTES];
	struct packet_local peer = us;
	struct packet back = {0};
	CHECK(is_ours(p->destination) && !address_is_ipv4(p->destination));
	CHECK(!address_is_multicast(p->source) && !address_is_ipv4(p->source));
	packet_put_nd_advert(answer, &us, p);
	if (address_is_unspecified(p->source))
		return;
	memcpy(peer.mac, p->source_mac, 6);
	memcpy(peer.ipv6, p->source, 16);
	memset(peer.link_local, 0, 16);
	peer.vlan = 0;
	packet_parse(answer, sizeof answer, &peer, (struct packet_offload){0}, &back);
	CHECK_OP((int)back.kind, ==, (int)PACKET_ND_ADVERT);
	CHECK(memcmp(back.source, p->destination, 16) == 0);
	CHECK(memcmp(back.source_mac, us.mac, 6) == 0);
	CHECK(back.nd.solicited && back.nd.has_mac);
}

static void check(const struct packet *p, const uint8_t *frame, uint32_t count)
{
	switch (p->kind) {
	case PACKET_DROP:
		CHECK_OP((int)p->drop, >=, (int)COUNTER_NET_RX_DROP_SHORT);
		CHECK_OP((int)p->drop, <=, (int)COUNTER_NET_RX_DROP_ICMP);
		break;
	case PACKET_FRAGMENT:
		CHECK_OP(p->fragment.offset % 8, ==, 0u);
		CHECK(p->fragment.more || p->fragment.offset > 0);
		check_inside(p, frame, count);
		check_sender(p);
		break;
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_ECHO:
		check_inside(p, frame, count);
		check_sender(p);
		break;
	case PACKET_ICMP_ERROR:
		check_inside(p, frame, count);
		CHECK_OP(p->l4_bytes, >=, 8u);
		CHECK(p->mtu_bytes == 0 || address_is_ipv4(p->source) ||
		      p->mtu_bytes >= IPV6_MTU_MIN);
		break;
	case PACKET_ARP_REQUEST:
	case PACKET_ARP_REPLY:
		CHECK_OP(count, >=, (uint32_t)(ETHERNET_BYTES + ARP_BYTES));
		CHECK(address_is_ipv4(p->source) && !is_ours(p->source));
		CHECK_OP(p->source_mac[0] & 1, ==, 0);
		break;
	case PACKET_ND_SOLICIT:
		check_solicit(p);
		break;
	case PACKET_ND_ADVERT:
		check_sender(p);
		CHECK(!address_is_ipv4(p->source));
		CHECK(!p->nd.has_mac || (p->source_mac[0] & 1) == 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1)
		return 0;
	uint8_t how = data[0];
	uint32_t count = (uint32_t)bytes - 1;
	uint8_t *frame = malloc(count ? count : 1);
	CHECK(frame != NULL);
	memcpy(frame, data + 1, count);
	us.vlan = how & IN_VLAN ? VLAN : 0;
	if (how & MEND)
		mend(frame, count);
	struct packet_offload offload = {
	    .ip_checksum_good = how & IP_GOOD,
	    .l4_checksum_good = (how & L4_GOOD) != 0,
	    .vlan_stripped = (how & STRIPPED) != 0,
	    .vlan_tag = VLAN,
	};
	struct packet p = {0};
	packet_parse(frame, count, &us, offload, &p);
	check(&p, frame, count);
	uint64_t hash;
	bool has_flow = flow_hash((struct hash_key){1, 2}, frame, count, &hash);
	/* TCP whose checksum the port vouches for may be too short to have ports */
	CHECK(has_flow || (p.kind != PACKET_UDP && p.kind != PACKET_FRAGMENT &&
	                   p.kind != PACKET_ICMP_ERROR &&
	                   (p.kind != PACKET_TCP || p.l4_bytes < 4)));
	free(frame);
	return 0;
}
