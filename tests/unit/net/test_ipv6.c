/* SPDX-License-Identifier: Apache-2.0 */
/* ipv6.c with the ICMPv6 half of icmp.c: whole frames in, verdicts out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frame6.h"

static void tcp_and_udp_are_taken(void **state)
{
	(void)state;
	struct frame f;
	frame_udp(&f);
	struct packet p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_UDP);
	assert_int_equal(p.source_port, 12345);
	assert_int_equal(p.destination_port, 5683);
	assert_int_equal(p.l4_bytes, 4);
	assert_memory_equal(p.l4, "abcd", 4);
	assert_memory_equal(p.source, peer_ip, 16);
	assert_memory_equal(p.destination, us.ipv6, 16);
	frame_tcp(&f);
	p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_TCP);
	assert_int_equal(p.l4_bytes, 20);
	memcpy(f.bytes + FRAME_IP + 24, us.link_local, 16);
	frame_seal(&f, L4);
	assert_int_equal(frame_parse(&f).kind, PACKET_TCP);
	f.count += 20; /* padding behind the payload */
	assert_int_equal(frame_parse(&f).l4_bytes, 20);
}

static void port_without_ipv6_drops_it(void **state)
{
	(void)state;
	struct frame f;
	struct packet p = {0};
	struct packet_local local = us;
	local.has_ipv6 = false;
	frame_tcp(&f);
	packet_parse(f.bytes, f.count, &local, (struct packet_offload){0}, &p);
	assert_int_equal(p.drop, COUNTER_NET_RX_DROP_IPV6);
	memcpy(f.bytes, "\x33\x33\0\0\0\x01", 6);
	packet_parse(f.bytes, f.count, &local, (struct packet_offload){0}, &p);
	assert_int_equal(p.drop, COUNTER_NET_RX_DROP_MAC);
}

/* RFC 8200 8.1 */
static void udp_without_checksum_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	frame_udp(&f);
	put_be16(f.bytes + L4 + 6, 0);
	expect_drop(&f, COUNTER_NET_RX_DROP_UDP_UNSUMMED);
	struct packet p = {0};
	struct packet_offload verified = {.ip_checksum_good = true, .l4_checksum_good = true};
	packet_parse(f.bytes, f.count, &us, verified, &p);
	assert_int_equal(p.drop, COUNTER_NET_RX_DROP_UDP_UNSUMMED);
}

static void checksum_wrong_is_dropped_unless_verified(void **state)
{
	(void)state;
	struct frame f;
	struct packet p = {0};
	struct packet_offload verified = {.ip_checksum_good = true, .l4_checksum_good = true};
	frame_tcp(&f);
	f.bytes[L4 + 4] ^= 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	packet_parse(f.bytes, f.count, &us, verified, &p);
	assert_int_equal(p.kind, PACKET_TCP);
	frame_echo(&f);
	f.bytes[L4 + 9] ^= 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_CHECKSUM);
	packet_parse(f.bytes, f.count, &us, verified, &p);
	assert_int_equal(p.drop, COUNTER_NET_RX_DROP_L4_CHECKSUM); /* ports don't verify ICMP */
}

/* CVE-2020-35684, CVE-2020-24341, CVE-2021-31401: lengths that lie */
static void lengths_that_lie_are_dropped(void **state)
{
	(void)state;
	struct frame f;
	frame_tcp(&f);
	put_be16(f.bytes + FRAME_IP + 4, 21);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_HEADER);
	put_be16(f.bytes + FRAME_IP + 4, 0xffff);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_HEADER);
	frame_tcp(&f);
	f.bytes[FRAME_IP] = 0x40;
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_HEADER);
	frame_tcp(&f);
	f.count = L4 - 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_SHORT);
	frame_udp(&f);
	put_be16(f.bytes + FRAME_IP + 4, 7);
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
	frame_udp(&f);
	put_be16(f.bytes + L4 + 4, 13);
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
	put_be16(f.bytes + L4 + 4, 0); /* no jumbograms (RFC 2675) */
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
}

static void source_that_cannot_send_is_dropped(void **state)
{
	(void)state;
	static const uint8_t bad[][16] = {
	    {0}, {[15] = 1}, {0xff, 2, [15] = 1}, {0xff, 0x0e, [15] = 9}};
	struct frame f;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		frame_tcp(&f);
		memcpy(f.bytes + FRAME_IP + 8, bad[i], 16);
		frame_seal(&f, L4);
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	}
	frame_echo(&f);
	memset(f.bytes + FRAME_IP + 8, 0, 16);
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	frame_tcp(&f);
	memcpy(f.bytes + FRAME_IP + 8, us.ipv6, 16);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_SOURCE);
	memcpy(f.bytes + FRAME_IP + 8, us.link_local, 16);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_SOURCE);
}

/* An IPv4 peer's key must not be had over IPv6 */
static void mapped_address_on_the_wire_is_dropped(void **state)
{
	(void)state;
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 77, 0, 2};
	struct frame f;
	frame_tcp(&f);
	memcpy(f.bytes + FRAME_IP + 8, mapped, 16);
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_MAPPED);
	frame_tcp(&f);
	memcpy(f.bytes + FRAME_IP + 24, mapped, 16);
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_MAPPED);
}

static void destination_that_is_not_ours_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	frame_tcp(&f);
	f.bytes[FRAME_IP + 39] ^= 1;
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	/* TCP and UDP to a group; a packet to us in a frame to a group */
	frame_tcp(&f);
	packet_solicited_node(us.ipv6, f.bytes + FRAME_IP + 24);
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	frame_udp(&f);
	packet_group_mac((const uint8_t[16]){[15] = 1}, f.bytes);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	frame_udp(&f);
	memcpy(f.bytes, "\x33\x33\xff\0\0\x09", 6);
	expect_drop(&f, COUNTER_NET_RX_DROP_MAC);
}

static void extension_headers_are_walked(void **state)
{
	(void)state;
	struct frame f;
	static const uint8_t router_alert[6] = {5, 2, 0, 0, 1, 0};
	static const uint8_t skipped[6] = {0x1e, 4, 1, 2, 3, 4};
	static const uint8_t routing_done[6] = {2, 0};
	frame_udp(&f);
	frame_extend(&f, DESTINATION, skipped);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0}); /* whole: RFC 6946 */
	frame_extend(&f, ROUTING, routing_done);
	frame_extend(&f, DESTINATION, skipped);
	frame_extend(&f, HOP_BY_HOP, router_alert);
	struct packet p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_UDP);
	assert_memory_equal(p.l4, "abcd", 4);
}

/* AMNESIA:33 (CVE-2020-13987, -17439, -24336): chains without end, out of order, or repeated */
static void extension_chains_are_bounded(void **state)
{
	(void)state;
	static const uint8_t pad[6] = {1, 4};
	static const uint8_t routing_done[6] = {2, 0};
	struct frame f;
	frame_tcp(&f);
	for (int i = 0; i < 3; i++)
		frame_extend(&f, DESTINATION, pad);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
	frame_tcp(&f);
	for (int i = 0; i < 2; i++)
		frame_extend(&f, HOP_BY_HOP, pad);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
	frame_tcp(&f);
	frame_extend(&f, HOP_BY_HOP, pad);
	frame_extend(&f, DESTINATION, pad); /* hop-by-hop is not the first */
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
	frame_tcp(&f);
	for (int i = 0; i < 2; i++)
		frame_extend(&f, ROUTING, routing_done);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
	frame_tcp(&f);
	for (int i = 0; i < 2; i++)
		frame_extend(&f, FRAGMENT, (const uint8_t[6]){0});
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
}

static void extension_lengths_that_lie_are_dropped(void **state)
{
	(void)state;
	static const uint8_t kinds[] = {HOP_BY_HOP, DESTINATION, ROUTING};
	struct frame f;
	for (size_t i = 0; i < sizeof kinds; i++) {
		frame_tcp(&f);
		frame_extend(&f, kinds[i], (const uint8_t[6]){1, 4});
		f.bytes[L4 + 1] = 3; /* 32 bytes of 28 */
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		f.bytes[L4 + 1] = 255;
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		put_be16(f.bytes + FRAME_IP + 4, 7); /* not even one */
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
		put_be16(f.bytes + FRAME_IP + 4, 0);
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
	}
	frame_tcp(&f);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0});
	put_be16(f.bytes + FRAME_IP + 4, 7);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_EXTENSION);
}

static void options_malformed_or_unknown_are_dropped(void **state)
{
	(void)state;
	static const uint8_t bad[][6] = {
	    {1, 5},          /* past the header */
	    {0, 0, 0, 0, 0, 1}, /* a type without a length */
	    {0x05, 255},
	    {0xc2, 4, 0, 1, 0, 0}, /* jumbo payload (RFC 2675) */
	    {0x40, 0, 1, 2},
	    {0x80, 0, 1, 2},
	};
	struct frame f;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		frame_tcp(&f);
		frame_extend(&f, i % 2 ? HOP_BY_HOP : DESTINATION, bad[i]);
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_OPTION);
	}
}

/* RFC 5095 */
static void routing_type_0_is_dropped(void **state)
{
	(void)state;
	static const uint8_t bad[][6] = {{0, 0}, {0, 1}, {2, 1}, {4, 255}};
	struct frame f;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		frame_tcp(&f);
		frame_extend(&f, ROUTING, bad[i]);
		expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_ROUTING);
	}
}

static void other_protocols_are_dropped(void **state)
{
	(void)state;
	static const uint8_t others[] = {4, 41, 47, 50, 51, 59, 132, 135, 1, 255};
	struct frame f;
	for (size_t i = 0; i < sizeof others; i++) {
		frame_udp(&f);
		f.bytes[FRAME_IP + 6] = others[i];
		expect_drop(&f, COUNTER_NET_RX_DROP_PROTOCOL);
		frame_extend(&f, DESTINATION, (const uint8_t[6]){1, 4});
		expect_drop(&f, COUNTER_NET_RX_DROP_PROTOCOL);
	}
}

static void fragments_are_told_apart(void **state)
{
	(void)state;
	struct frame f;
	frame_udp(&f);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0x05, 0xa9, 0xde, 0xad, 0xbe, 0xef});
	struct packet p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_FRAGMENT);
	assert_int_equal(p.fragment.id, 0xdeadbeef);
	assert_int_equal(p.fragment.offset, 0x5a8);
	assert_true(p.fragment.more);
	assert_ptr_equal(p.l4, f.bytes + L4 + 8);
	assert_int_equal(p.l4_bytes, 12);
	frame_tcp(&f);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0, 1});
	expect_drop(&f, COUNTER_NET_RX_DROP_FRAGMENT);
	frame_udp(&f);
	frame_extend(&f, DESTINATION, (const uint8_t[6]){1, 4});
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0, 1}); /* RFC 7112 */
	expect_drop(&f, COUNTER_NET_RX_DROP_FRAGMENT);
	frame_udp(&f);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0, 1});
	packet_solicited_node(us.ipv6, f.bytes + FRAME_IP + 24);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	frame_udp(&f);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0, 1});
	memset(f.bytes + FRAME_IP + 8, 0, 16);
	expect_drop(&f, COUNTER_NET_RX_DROP_IPV6_SOURCE);
}

static void echo_is_recognised_unless_to_a_group(void **state)
{
	(void)state;
	struct frame f;
	frame_echo(&f);
	struct packet p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_ICMP_ECHO);
	assert_int_equal(p.l4_bytes, 12);
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	memcpy(f.bytes + FRAME_IP + 24, all_nodes, 16);
	packet_group_mac(all_nodes, f.bytes);
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	static const uint8_t reply[8] = {129};
	frame_build(&f, 58, reply, 8);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	frame_build(&f, 58, reply, 7); /* CVE-2020-35683: shorter than its header */
	expect_drop(&f, COUNTER_NET_RX_DROP_L4_HEADER);
}

static void build_error(uint8_t icmp[56], uint8_t type, uint32_t mtu)
{
	memset(icmp, 0, 56);
	icmp[0] = type;
	put_be32(icmp + 4, mtu);
	icmp[8] = 0x60;
	icmp[8 + 6] = 6;
	memcpy(icmp + 8 + 8, us.ipv6, 16);
	memcpy(icmp + 8 + 24, peer_ip, 16);
	put_be16(icmp + 48, 1883);
	put_be16(icmp + 50, 12345);
}

static void error_quotes_our_segment(void **state)
{
	(void)state;
	struct frame f;
	uint8_t icmp[56];
	for (uint8_t type = 1; type <= 4; type++) {
		build_error(icmp, type, 1400);
		frame_build(&f, 58, icmp, sizeof icmp);
		struct packet p = frame_parse(&f);
		assert_int_equal(p.kind, PACKET_ICMP_ERROR);
		assert_int_equal(p.mtu_bytes, type == 2 ? 1400 : 0);
		assert_memory_equal(p.source, peer_ip, 16);
		assert_memory_equal(p.destination, us.ipv6, 16);
		assert_int_equal(p.l4_bytes, 8);
		assert_int_equal(get_be16(p.l4), 1883);
	}
}

/* CVE-2020-35683 and its kind: short, or with a quote that is none of ours */
static void error_with_a_bad_quote_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	uint8_t icmp[56];
	build_error(icmp, 2, 1400);
	frame_build(&f, 58, icmp, sizeof icmp - 1);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	frame_build(&f, 58, icmp, 8);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	static const uint8_t flips[][2] = {{8, 0x20}, {14, 17 ^ 6}, {31, 1}};
	for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
		build_error(icmp, 1, 0);
		icmp[flips[i][0]] ^= flips[i][1];
		frame_build(&f, 58, icmp, sizeof icmp);
		expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	}
	build_error(icmp, 1, 0);
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 77, 0, 2};
	memcpy(icmp + 32, mapped, 16);
	frame_build(&f, 58, icmp, sizeof icmp);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	build_error(icmp, 5, 0); /* a type that does not exist */
	frame_build(&f, 58, icmp, sizeof icmp);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP);
	build_error(icmp, 2, 1279); /* RFC 8201 4 */
	frame_build(&f, 58, icmp, sizeof icmp);
	expect_drop(&f, COUNTER_NET_RX_DROP_ICMP_MTU);
}

static void link_local_is_made_from_the_mac(void **state)
{
	(void)state;
	static const uint8_t mac[6] = {0x00, 0x25, 0x96, 0x12, 0x34, 0x56};
	/* RFC 4291 appendix A's transformation */
	static const uint8_t expected[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0,
	                                     0x02, 0x25, 0x96, 0xff, 0xfe, 0x12, 0x34, 0x56};
	uint8_t got[16];
	packet_link_local(mac, got);
	assert_memory_equal(got, expected, 16);
}

static void prefix_is_compared_by_bits(void **state)
{
	(void)state;
	static const uint8_t a[16] = {0x20, 1, 0xd, 0xb8, 0xf0}, b[16] = {0x20, 1, 0xd, 0xb8, 0xe0};
	assert_true(address_same_prefix(a, b, 0));
	assert_true(address_same_prefix(a, b, 32));
	assert_true(address_same_prefix(a, b, 35));
	assert_false(address_same_prefix(a, b, 36));
	assert_false(address_same_prefix(a, b, 128));
	assert_true(address_same_prefix(a, a, 128));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tcp_and_udp_are_taken),
	    cmocka_unit_test(port_without_ipv6_drops_it),
	    cmocka_unit_test(udp_without_checksum_is_dropped),
	    cmocka_unit_test(checksum_wrong_is_dropped_unless_verified),
	    cmocka_unit_test(lengths_that_lie_are_dropped),
	    cmocka_unit_test(source_that_cannot_send_is_dropped),
	    cmocka_unit_test(mapped_address_on_the_wire_is_dropped),
	    cmocka_unit_test(destination_that_is_not_ours_is_dropped),
	    cmocka_unit_test(extension_headers_are_walked),
	    cmocka_unit_test(extension_chains_are_bounded),
	    cmocka_unit_test(extension_lengths_that_lie_are_dropped),
	    cmocka_unit_test(options_malformed_or_unknown_are_dropped),
	    cmocka_unit_test(routing_type_0_is_dropped),
	    cmocka_unit_test(other_protocols_are_dropped),
	    cmocka_unit_test(fragments_are_told_apart),
	    cmocka_unit_test(echo_is_recognised_unless_to_a_group),
	    cmocka_unit_test(error_quotes_our_segment),
	    cmocka_unit_test(error_with_a_bad_quote_is_dropped),
	    cmocka_unit_test(link_local_is_made_from_the_mac),
	    cmocka_unit_test(prefix_is_compared_by_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
