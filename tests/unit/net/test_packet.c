/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "net/checksum.h"
#include "net/packet.h"

#define L4 (ETHERNET_BYTES + IPV4_HEADER_BYTES)

static const struct packet_local us = {
    .mac = {2, 0, 0, 0, 0, 1}, .ipv4 = {10, 77, 0, 1}, .ipv4_mask = 0xffffff00};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t peer_ip[4] = {10, 77, 0, 2};
static const struct packet_offload unverified;
static const struct packet_offload verified = {.ip_checksum_good = true, .l4_checksum_good = true};

struct frame {
	uint8_t bytes[256];
	uint32_t count;
};

static void seal_ip(struct frame *f)
{
	uint8_t *ip = f->bytes + ETHERNET_BYTES;
	put_be16(ip + 10, 0);
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, (ip[0] & 15u) * 4)));
}

/* A good frame to us with `l4_bytes` of L4, checksums right. */
static void build(struct frame *f, uint8_t protocol, const uint8_t *l4, uint32_t l4_bytes)
{
	memset(f, 0, sizeof *f);
	f->count = L4 + l4_bytes;
	packet_put_ipv4(f->bytes, peer_mac, us.mac, peer_ip, us.ipv4, protocol, l4_bytes, 7);
	memcpy(f->bytes + L4, l4, l4_bytes);
	uint64_t sum = protocol == 1 ? 0
	                             : checksum_pseudo_ipv4(peer_ip, us.ipv4, protocol, l4_bytes);
	uint32_t at = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
	put_le16(f->bytes + L4 + at,
	         checksum_finish(checksum_add(sum, f->bytes + L4, l4_bytes)));
	seal_ip(f);
}

static void build_udp(struct frame *f)
{
	static const uint8_t udp[12] = {0x30, 0x39, 0x16, 0x33, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
	build(f, 17, udp, sizeof udp);
}

static void build_tcp(struct frame *f)
{
	static const uint8_t tcp[20] = {0x30, 0x39, 0x07, 0x5b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2};
	build(f, 6, tcp, sizeof tcp);
}

static struct packet parse(const struct frame *f)
{
	struct packet p = {0};
	packet_parse(f->bytes, f->count, &us, unverified, &p);
	return p;
}

static void expect_drop(const struct frame *f, enum counter why)
{
	struct packet p = parse(f);
	assert_int_equal(p.kind, PACKET_DROP);
	assert_string_equal(counter_info[p.drop].name, counter_info[why].name);
}

static void udp_good_gives_ports_and_payload(void **state)
{
	(void)state;
	struct frame f;
	build_udp(&f);
	struct packet p = parse(&f);
	assert_int_equal(p.kind, PACKET_UDP);
	assert_int_equal(p.source_port, 12345);
	assert_int_equal(p.destination_port, 5683);
	assert_int_equal(p.l4_bytes, 4);
	assert_memory_equal(p.l4, "abcd", 4);
	assert_memory_equal(p.source + 12, peer_ip, 4);
	assert_int_equal(p.source[10], 0xff);
}

static void udp_zero_checksum_is_taken(void **state)
{
	(void)state;
	struct frame f;
	build_udp(&f);
	put_be16(f.bytes + L4 + 6, 0);
	assert_int_equal(parse(&f).kind, PACKET_UDP);
}

static void udp_bad_length_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_udp(&f);
	put_be16(f.bytes + L4 + 4, 13); /* past the packet */
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
	put_be16(f.bytes + L4 + 4, 7); /* below the header */
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
}

static void tcp_bad_checksum_is_dropped_unless_verified(void **state)
{
	(void)state;
	struct frame f;
	build_tcp(&f);
	assert_int_equal(parse(&f).kind, PACKET_TCP);
	f.bytes[L4 + 4] ^= 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	struct packet p;
	packet_parse(f.bytes, f.count, &us, verified, &p);
	assert_int_equal(p.kind, PACKET_TCP);
}

static void ip_padding_after_total_length_is_ignored(void **state)
{
	(void)state;
	struct frame f;
	build_udp(&f);
	f.count += 14; /* Ethernet's minimum */
	struct packet p = parse(&f);
	assert_int_equal(p.kind, PACKET_UDP);
	assert_int_equal(p.l4_bytes, 4);
}

/* CVE-2020-35684, CVE-2020-24341, CVE-2021-31401: lengths that lie */
static void ip_lengths_that_lie_are_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_tcp(&f);
	put_be16(f.bytes + ETHERNET_BYTES + 2, 19);
	seal_ip(&f);
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_HEADER);
	put_be16(f.bytes + ETHERNET_BYTES + 2, 41);
	seal_ip(&f);
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_HEADER);
	build_tcp(&f);
	f.bytes[ETHERNET_BYTES] = 0x44;
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_HEADER);
	f.bytes[ETHERNET_BYTES] = 0x65;
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_HEADER);
	build_tcp(&f);
	f.count = L4 - 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_SHORT);
}

static void ip_header_checksum_wrong_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_tcp(&f);
	f.bytes[ETHERNET_BYTES + 8]--;
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_CHECKSUM);
}

static void ip_source_that_cannot_send_is_dropped(void **state)
{
	(void)state;
	static const uint8_t bad[][4] = {{0, 0, 0, 0},    {127, 0, 0, 1},   {224, 0, 0, 1},
	                                 {255, 255, 255, 255}, {10, 77, 0, 255}, {10, 77, 0, 1}};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct frame f;
		build_tcp(&f);
		memcpy(f.bytes + ETHERNET_BYTES + 12, bad[i], 4);
		seal_ip(&f);
		expect_drop(&f, COUNTER_NET_RX_DROP_IP_SOURCE);
	}
}

static void ip_for_another_host_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_tcp(&f);
	f.bytes[ETHERNET_BYTES + 19] = 9;
	seal_ip(&f);
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_DESTINATION);
	build_tcp(&f);
	f.bytes[5] = 9;
	expect_drop(&f, COUNTER_NET_RX_DROP_MAC);
}

/* CVE-2020-11896: fragments of anything but UDP never reach a parser */
static void ip_fragments_are_told_apart(void **state)
{
	(void)state;
	static const uint16_t fields[] = {0x2000, 0x0001, 0x3fff};
	static const uint8_t others[] = {1, 4, 6, 41, 58};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		struct frame f;
		build_udp(&f);
		put_be16(f.bytes + ETHERNET_BYTES + 6, fields[i]);
		seal_ip(&f);
		struct packet p = parse(&f);
		assert_int_equal(p.kind, PACKET_FRAGMENT);
		assert_int_equal(p.fragment.id, 7);
		assert_int_equal(p.fragment.offset, (fields[i] & 0x1fff) * 8);
		assert_int_equal(p.fragment.more, (fields[i] & 0x2000) != 0);
		assert_ptr_equal(p.l4, f.bytes + L4);
		assert_int_equal(p.l4_bytes, 12);
		for (size_t k = 0; k < sizeof others; k++) {
			f.bytes[ETHERNET_BYTES + 9] = others[k];
			seal_ip(&f);
			expect_drop(&f, COUNTER_NET_RX_DROP_FRAGMENT);
		}
	}
}

static void frame_from_a_group_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_tcp(&f);
	f.bytes[6] |= 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_MAC_SOURCE);
}

static void tag(struct frame *f, uint16_t tci)
{
	memmove(f->bytes + 16, f->bytes + 12, f->count - 12);
	put_be16(f->bytes + 12, 0x8100);
	put_be16(f->bytes + 14, tci);
	f->count += VLAN_TAG_BYTES;
}

static struct packet parse_in_vlan(const struct frame *f, uint16_t vlan,
                                   struct packet_offload offload)
{
	struct packet_local local = us;
	struct packet p = {0};
	local.vlan = vlan;
	packet_parse(f->bytes, f->count, &local, offload, &p);
	return p;
}

static void vlan_tag_decides(void **state)
{
	(void)state;
	struct frame f, tagged;
	build_tcp(&f);
	struct packet_offload stripped = {.vlan_stripped = true, .vlan_tag = 0x600a};
	/* untagged */
	assert_int_equal(parse_in_vlan(&f, 0, unverified).kind, PACKET_TCP);
	assert_int_equal(parse_in_vlan(&f, 10, unverified).drop, COUNTER_NET_RX_DROP_VLAN);
	/* the port has taken VLAN 10's tag away */
	assert_int_equal(parse_in_vlan(&f, 10, stripped).kind, PACKET_TCP);
	assert_int_equal(parse_in_vlan(&f, 0, stripped).drop, COUNTER_NET_RX_DROP_VLAN);
	assert_int_equal(parse_in_vlan(&f, 11, stripped).drop, COUNTER_NET_RX_DROP_VLAN);
	/* the tag is in the frame; its priority does not matter */
	tagged = f;
	tag(&tagged, 0xe00a);
	assert_int_equal(parse_in_vlan(&tagged, 10, unverified).kind, PACKET_TCP);
	assert_int_equal(parse_in_vlan(&tagged, 0, unverified).drop, COUNTER_NET_RX_DROP_VLAN);
	assert_int_equal(parse_in_vlan(&tagged, 11, unverified).drop, COUNTER_NET_RX_DROP_VLAN);
	tagged = f;
	tag(&tagged, 0x6000); /* a priority only */
	assert_int_equal(parse_in_vlan(&tagged, 0, unverified).kind, PACKET_TCP);
}

static void vlan_two_tags_or_half_a_tag_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_tcp(&f);
	tag(&f, 10);
	struct packet_offload stripped = {.vlan_stripped = true, .vlan_tag = 10};
	assert_int_equal(parse_in_vlan(&f, 10, stripped).drop, COUNTER_NET_RX_DROP_VLAN);
	f.count = 17;
	assert_int_equal(parse_in_vlan(&f, 10, unverified).drop, COUNTER_NET_RX_DROP_SHORT);
	build_tcp(&f);
	tag(&f, 10);
	tag(&f, 10);
	assert_int_equal(parse_in_vlan(&f, 10, unverified).drop, COUNTER_NET_RX_DROP_VLAN);
}

static void udp_put_together_is_checked(void **state)
{
	(void)state;
	struct frame f;
	struct packet whole, last;
	build_udp(&f);
	last = parse(&f);
	packet_parse_reassembled(&last, f.bytes + L4, 12, &whole);
	assert_int_equal(whole.kind, PACKET_UDP);
	assert_memory_equal(whole.l4, "abcd", 4);
	assert_int_equal(whole.source_port, 12345);
	f.bytes[L4 + 9] ^= 1;
	packet_parse_reassembled(&last, f.bytes + L4, 12, &whole);
	assert_int_equal(whole.kind, PACKET_DROP);
	assert_int_equal(whole.drop, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	packet_parse_reassembled(&last, f.bytes + L4, 7, &whole);
	assert_int_equal(whole.drop, COUNTER_NET_RX_DROP_L4_HEADER);
}

static void with_options(struct frame *f, const uint8_t options[4])
{
	build_udp(f);
	uint8_t *ip = f->bytes + ETHERNET_BYTES;
	memmove(ip + 24, ip + 20, f->count - L4);
	memcpy(ip + 20, options, 4);
	ip[0] = 0x46;
	f->count += 4;
	put_be16(ip + 2, (uint16_t)(f->count - ETHERNET_BYTES));
	seal_ip(f);
}

/* CVE-2019-12256, CVE-2020-24337: option lengths of 0, 1 and past the header */
static void ip_options_malformed_are_dropped(void **state)
{
	(void)state;
	struct frame f;
	with_options(&f, (const uint8_t[]){1, 1, 1, 0});
	assert_int_equal(parse(&f).kind, PACKET_UDP);
	with_options(&f, (const uint8_t[]){7, 0, 0, 0});
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_OPTIONS);
	with_options(&f, (const uint8_t[]){7, 1, 0, 0});
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_OPTIONS);
	with_options(&f, (const uint8_t[]){7, 5, 0, 0});
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_OPTIONS);
	with_options(&f, (const uint8_t[]){1, 1, 1, 7});
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_OPTIONS);
	with_options(&f, (const uint8_t[]){131, 3, 4, 0}); /* loose source route */
	expect_drop(&f, COUNTER_NET_RX_DROP_IP_OPTIONS);
}

static void ip_other_protocols_are_dropped(void **state)
{
	(void)state;
	struct frame f;
	build_udp(&f);
	f.bytes[ETHERNET_BYTES + 9] = 4; /* IP in IP */
	seal_ip(&f);
	expect_drop(&f, COUNTER_NET_RX_DROP_PROTOCOL);
	f.bytes[12] = 0x86;
	f.bytes[13] = 0xdd;
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6);
	f.bytes[13] = 0xde;
	expect_drop(&f, COUNTER_NET_RX_DROP_ETHERTYPE);
}

static void icmp_echo_is_recognised(void **state)
{
	(void)state;
	struct frame f;
	static const uint8_t echo[12] = {8, 0, 0, 0, 1, 2, 3, 4, 'p', 'i', 'n', 'g'};
	build(&f, 1, echo, sizeof echo);
	assert_int_equal(parse(&f).kind, PACKET_ICMP_ECHO);
	static const uint8_t reply[8] = {0, 0, 0, 0, 1, 2, 3, 4};
	build(&f, 1, reply, sizeof reply);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	build(&f, 1, echo, 7); /* CVE-2020-35683: shorter than its header */
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
}

static void icmp_error_quotes_our_segment_or_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	uint8_t icmp[8 + 20 + 8] = {3, 4, 0, 0, 0, 0, 0x02, 0x58}; /* next hop takes 600 */
	uint8_t *quote = icmp + 8;
	quote[0] = 0x45;
	quote[9] = 6;
	memcpy(quote + 12, us.ipv4, 4);
	memcpy(quote + 16, peer_ip, 4);
	build(&f, 1, icmp, sizeof icmp);
	struct packet p = parse(&f);
	assert_int_equal(p.kind, PACKET_ICMP_ERROR);
	assert_int_equal(p.mtu_bytes, 600);
	assert_int_equal(p.l4_bytes, 8);
	build(&f, 1, icmp, sizeof icmp - 1);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	quote[12] ^= 1; /* not from us */
	build(&f, 1, icmp, sizeof icmp);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
}

static void arp_round_trip_is_recognised(void **state)
{
	(void)state;
	struct packet_local peer = {.ipv4_mask = 0xffffff00};
	memcpy(peer.mac, peer_mac, 6);
	memcpy(peer.ipv4, peer_ip, 4);
	struct frame f = {.count = ETHERNET_BYTES + ARP_BYTES};
	packet_put_arp(f.bytes, 1, &peer, peer.mac, us.ipv4);
	struct packet p = parse(&f);
	assert_int_equal(p.kind, PACKET_ARP_REQUEST);
	assert_memory_equal(p.source_mac, peer_mac, 6);
	packet_put_arp(f.bytes, 2, &peer, us.mac, us.ipv4);
	assert_int_equal(parse(&f).kind, PACKET_ARP_REPLY);
}

static void arp_malformed_or_for_others_is_dropped(void **state)
{
	(void)state;
	struct packet_local peer = {.ipv4_mask = 0xffffff00};
	memcpy(peer.mac, peer_mac, 6);
	memcpy(peer.ipv4, peer_ip, 4);
	struct frame f = {.count = ETHERNET_BYTES + ARP_BYTES};
	packet_put_arp(f.bytes, 1, &peer, peer.mac, (const uint8_t[]){10, 77, 0, 9});
	expect_drop(&f, COUNTER_NET_RX_DROP_ARP);
	packet_put_arp(f.bytes, 1, &peer, peer.mac, us.ipv4);
	f.count--;
	expect_drop(&f, COUNTER_NET_RX_DROP_SHORT);
	f.count++;
	f.bytes[ETHERNET_BYTES + 8] |= 1; /* a multicast sender */
	expect_drop(&f, COUNTER_NET_RX_DROP_ARP);
	memcpy(peer.ipv4, us.ipv4, 4); /* somebody claims our address */
	packet_put_arp(f.bytes, 1, &peer, peer.mac, us.ipv4);
	expect_drop(&f, COUNTER_NET_RX_DROP_ARP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(udp_good_gives_ports_and_payload),
	    cmocka_unit_test(udp_zero_checksum_is_taken),
	    cmocka_unit_test(udp_bad_length_is_dropped),
	    cmocka_unit_test(tcp_bad_checksum_is_dropped_unless_verified),
	    cmocka_unit_test(ip_padding_after_total_length_is_ignored),
	    cmocka_unit_test(ip_lengths_that_lie_are_dropped),
	    cmocka_unit_test(ip_header_checksum_wrong_is_dropped),
	    cmocka_unit_test(ip_source_that_cannot_send_is_dropped),
	    cmocka_unit_test(ip_for_another_host_is_dropped),
	    cmocka_unit_test(ip_fragments_are_told_apart),
	    cmocka_unit_test(frame_from_a_group_is_dropped),
	    cmocka_unit_test(vlan_tag_decides),
	    cmocka_unit_test(vlan_two_tags_or_half_a_tag_is_dropped),
	    cmocka_unit_test(udp_put_together_is_checked),
	    cmocka_unit_test(ip_options_malformed_are_dropped),
	    cmocka_unit_test(ip_other_protocols_are_dropped),
	    cmocka_unit_test(icmp_echo_is_recognised),
	    cmocka_unit_test(icmp_error_quotes_our_segment_or_is_dropped),
	    cmocka_unit_test(arp_round_trip_is_recognised),
	    cmocka_unit_test(arp_malformed_or_for_others_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
