/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c, send.c, answer.c and port.c on a real DPDK port: net_ring, which gives back what it is
 * sent. A case puts a frame into the port, polls, and takes the answer out of it again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "port_rig.h"

#define VLAN 10

static int set_up_vlan(void **state)
{
	(void)state;
	struct port_config c = base_config;
	c.vlan = VLAN;
	open_port(&c);
	return 0;
}

/* --- cases --- */

static void arp_and_solicitation_are_answered(void **state)
{
	(void)state;
	uint8_t frame[2048];
	struct packet_local peer = peer_local();
	packet_put_arp(frame, 1, &peer, peer_mac, port.local.ipv4);
	give(frame, ETHERNET_BYTES + ARP_BYTES);
	poll();
	struct packet p = peer_hears(frame);
	assert_int_equal(p.kind, PACKET_ARP_REPLY);
	assert_memory_equal(p.source_mac, port.local.mac, 6);
	packet_put_nd_solicit(frame, &peer, port.local.ipv6, NULL);
	give(frame, ND_FRAME_BYTES);
	poll();
	p = peer_hears(frame);
	assert_int_equal(p.kind, PACKET_ND_ADVERT);
	assert_memory_equal(p.source, port.local.ipv6, 16);
	expect_count(COUNTER_NET_RX_ARP_REQUEST, 1);
	expect_count(COUNTER_NET_RX_ND_SOLICIT, 1);
	assert_int_equal(sent(frame), 0);
}

static void echo_is_answered_in_both_families(void **state)
{
	(void)state;
	uint8_t frame[2048], echo[12] = {8, 0, 0, 0, 1, 2, 3, 4, 'p', 'i', 'n', 'g'};
	make_known();
	packet_put_ipv4(frame, peer_mac, port.local.mac, peer4 + 12, port.local.ipv4, IP_ICMP, 12,
	                1);
	put_le16(frame + IP + 10, checksum_finish(checksum_add(0, frame + IP, 20)));
	put_le16(echo + 2, checksum_finish(checksum_add(0, echo, 12)));
	memcpy(frame + IP + 20, echo, 12);
	give(frame, IP + 20 + 12);
	poll();
	uint32_t bytes = sent(frame);
	assert_int_equal(bytes, IP + 20 + 12);
	assert_int_equal(frame[IP + 20], 0);
	assert_memory_equal(frame + IP + 24, echo + 4, 8);

	echo[0] = 128;
	put_be16(echo + 2, 0);
	uint64_t sum = checksum_pseudo_ipv6(peer6, port.local.ipv6, IP_ICMPV6, 12);
	put_le16(echo + 2, checksum_finish(checksum_add(sum, echo, 12)));
	packet_put_ipv6(frame, peer_mac, port.local.mac, peer6, port.local.ipv6, IP_ICMPV6, 12, 64);
	memcpy(frame + IP + 40, echo, 12);
	give(frame, IP + 40 + 12);
	poll();
	bytes = sent(frame);
	assert_int_equal(bytes, IP + 40 + 12);
	assert_memory_equal(frame, peer_mac, 6);
	assert_int_equal(frame[IP + 40], 129);
	assert_memory_equal(frame + IP + 44, echo + 4, 8);
	sum = checksum_pseudo_ipv6(port.local.ipv6, peer6, IP_ICMPV6, 12);
	assert_int_equal(checksum_finish(checksum_add(sum, frame + IP + 40, 12)), 0);
	expect_count(COUNTER_NET_RX_ICMP_ECHO, 2);
}

static void segment_goes_out_in_its_peers_family(void **state)
{
	(void)state;
	uint8_t frame[2048], local4[16];
	static const uint8_t tcp[20] = {0x07, 0x5b, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 16};
	address_from_ipv4(local4, port.local.ipv4);
	make_known();
	for (int i = 0; i < 2; i++) {
		uint8_t *segment = net_alloc(stack, 100, i);
		assert_non_null(segment);
		memcpy(segment, tcp, sizeof tcp);
		net_send_tcp(stack, i ? port.local.ipv6 : local4, i ? peer6 : peer4, segment,
		             sizeof tcp);
		net_flush(stack);
		struct packet p = peer_hears(frame);
		assert_int_equal(p.kind, PACKET_TCP);
		assert_int_equal(p.l4_bytes, 20);
		assert_memory_equal(p.source, i ? port.local.ipv6 : local4, 16);
		assert_memory_equal(p.l4, tcp, 16);
		assert_true(net_send_udp(stack, i ? port.local.ipv6 : local4, 5683,
		                         i ? peer6 : peer4, 40000, payload, 1400));
		net_flush(stack);
		p = peer_hears(frame);
		assert_int_equal(p.kind, PACKET_UDP);
		assert_int_equal(p.l4_bytes, 1400);
		assert_int_equal(p.source_port, 5683);
		assert_memory_equal(p.l4, payload, 1400);
	}
	/* the longest that fits, and one more */
	assert_true(net_send_udp(stack, local4, 1, peer4, 2, payload, 1472));
	assert_false(net_send_udp(stack, local4, 1, peer4, 2, payload, 1473));
	assert_true(net_send_udp(stack, port.local.ipv6, 1, peer6, 2, payload, 1452));
	assert_false(net_send_udp(stack, port.local.ipv6, 1, peer6, 2, payload, 1453));
}

static void unknown_neighbour_is_asked_for_once_a_second(void **state)
{
	(void)state;
	uint8_t frame[2048];
	struct packet_local peer = peer_local();
	for (int i = 0; i < 3; i++)
		assert_true(net_send_udp(stack, port.local.ipv6, 1, peer6, 2, payload, 10));
	expect_count(COUNTER_NET_TX_UNRESOLVED, 3);
	expect_count(COUNTER_NET_TX_ND_SOLICIT, 1);
	net_flush(stack);
	struct packet p = peer_hears(frame);
	assert_int_equal(p.kind, PACKET_ND_SOLICIT);
	assert_int_equal(frame[0], 0x33);
	packet_put_nd_advert(frame, &peer, &p);
	give(frame, ND_FRAME_BYTES);
	poll();
	expect_count(COUNTER_NET_RX_ND_ADVERT, 1);
	assert_true(net_send_udp(stack, port.local.ipv6, 1, peer6, 2, payload, 10));
	net_flush(stack);
	assert_int_equal(peer_hears(frame).kind, PACKET_UDP);
	now_us += 31000000; /* stale: used, and asked for at its MAC address */
	poll();
	assert_true(net_send_udp(stack, port.local.ipv6, 1, peer6, 2, payload, 10));
	net_flush(stack);
	p = peer_hears(frame);
	assert_int_equal(p.kind, PACKET_ND_SOLICIT);
	assert_memory_equal(frame, peer_mac, 6);
	assert_int_equal(peer_hears(frame).kind, PACKET_UDP);
}

static void far_peer_goes_through_the_gateway(void **state)
{
	(void)state;
	uint8_t frame[2048];
	static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0xfe};
	neighbours_learn(port.neighbours, base_config.gateway6, gateway_mac, START_US);
	poll();
	assert_true(net_send_udp(stack, port.local.ipv6, 1, far6, 2, payload, 10));
	net_flush(stack);
	assert_int_equal(sent(frame), IP + 40 + 18);
	assert_memory_equal(frame, gateway_mac, 6);
	assert_memory_equal(frame + IP + 24, far6, 16);
}

/* RFC 8200 4.5: the datagram in pieces of 1,232 bytes behind a fragment header */
static void give_fragments6(const uint8_t *whole, uint32_t bytes, bool backwards)
{
	uint8_t frame[2048];
	const uint8_t *l4 = whole + IP + IPV6_HEADER_BYTES;
	uint32_t l4_bytes = bytes - IP - IPV6_HEADER_BYTES, count = (l4_bytes + 1231) / 1232;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t offset = 1232 * (backwards ? count - 1 - i : i);
		uint32_t part = l4_bytes - offset < 1232 ? l4_bytes - offset : 1232;
		uint8_t *header = frame + IP + IPV6_HEADER_BYTES;
		packet_put_ipv6(frame, peer_mac, port.local.mac, peer6, port.local.ipv6, 44,
		                8 + part, 64);
		put_be16(header, IP_UDP << 8);
		put_be16(header + 2, (uint16_t)(offset | (offset + part < l4_bytes)));
		put_be32(header + 4, 99);
		memcpy(header + 8, l4 + offset, part);
		give(frame, IP + IPV6_HEADER_BYTES + 8 + part);
	}
}

static void give_fragments4(const uint8_t *whole, uint32_t bytes)
{
	uint8_t frame[2048];
	const uint8_t *l4 = whole + IP + IPV4_HEADER_BYTES;
	uint32_t l4_bytes = bytes - IP - IPV4_HEADER_BYTES;
	for (uint32_t offset = 0; offset < l4_bytes; offset += 1480) {
		uint32_t part = l4_bytes - offset < 1480 ? l4_bytes - offset : 1480;
		uint8_t *ip = frame + IP;
		packet_put_ipv4(frame, peer_mac, port.local.mac, peer4 + 12, port.local.ipv4,
		                IP_UDP, part, 99);
		put_be16(ip + 6, (uint16_t)(offset / 8 | (offset + part < l4_bytes ? 0x2000 : 0)));
		put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
		memcpy(ip + IPV4_HEADER_BYTES, l4 + offset, part);
		give(frame, IP + IPV4_HEADER_BYTES + part);
	}
}

static void fragmented_datagram_arrives_whole(void **state)
{
	(void)state;
	static uint8_t whole[16384];
	give_fragments6(whole, make_udp6(whole, 9000), true);
	poll();
	assert_int_equal(got.calls, 1);
	assert_int_equal(got.packet.l4_bytes, 9000);
	assert_int_equal(got.packet.source_port, 40000);
	assert_memory_equal(got.packet.source, peer6, 16);
	assert_memory_equal(got.l4, payload, 9000);
	give_fragments4(whole, make_udp4(whole, 4000));
	poll();
	assert_int_equal(got.calls, 2);
	assert_int_equal(got.packet.l4_bytes, 4000);
	assert_memory_equal(got.packet.source, peer4, 16);
	assert_memory_equal(got.l4, payload, 4000);
	/* every frame is counted once: 8 of IPv6, 3 of IPv4 */
	expect_count(COUNTER_NET_RX_FRAGMENT, 7 + 2);
	expect_count(COUNTER_NET_RX_UDP, 2);
	expect_count(COUNTER_NET_REASSEMBLED, 2);
	uint32_t bytes = make_udp6(whole, 2000);
	whole[bytes - 1] ^= 1;
	give_fragments6(whole, bytes, false);
	poll();
	assert_int_equal(got.calls, 2);
	expect_count(COUNTER_NET_RX_DROP_L4_CHECKSUM, 1);
}

/* A frame in pieces of at most `piece` bytes, the first in a buffer of `first`. */
static void give_chained(const uint8_t *frame, uint32_t bytes, uint32_t piece,
                         struct rte_mempool *first)
{
	struct rte_mbuf *head = NULL;
	for (uint32_t at = 0; at < bytes; at += piece) {
		uint32_t part = bytes - at < piece ? bytes - at : piece;
		struct rte_mbuf *m = rte_pktmbuf_alloc(head ? pool : first);
		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), frame + at, part);
		if (head)
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
		else
			head = m;
	}
	give_mbuf(head);
}

static void chained_frame_is_joined_when_it_fits(void **state)
{
	(void)state;
	uint8_t frame[2048];
	uint32_t bytes = make_udp6(frame, 1000);
	give_chained(frame, bytes, 60, pool); /* cut within the headers */
	poll();
	assert_int_equal(got.calls, 1);
	assert_int_equal(got.packet.l4_bytes, 1000);
	assert_memory_equal(got.l4, payload, 1000);
	give_chained(frame, bytes, 60, small_pool); /* no room in its first buffer */
	poll();
	assert_int_equal(got.calls, 1);
	expect_count(COUNTER_NET_RX_DROP_SEGMENTED, 1);
	/* nothing leaked */
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(rte_mempool_in_use_count(small_pool), 0);
}

static void vlan_tag_is_taken_off_and_put_on(void **state)
{
	(void)state;
	uint8_t frame[2048];
	struct packet_local peer = peer_local();
	packet_put_nd_solicit(frame, &peer, port.local.ipv6, NULL);
	give(frame, ND_FRAME_BYTES);
	poll();
	expect_count(COUNTER_NET_RX_DROP_VLAN, 1); /* untagged */
	assert_int_equal(sent(frame), 0);
	packet_put_nd_solicit(frame, &peer, port.local.ipv6, NULL);
	memmove(frame + 16, frame + 12, ND_FRAME_BYTES - 12);
	put_be16(frame + 12, 0x8100);
	put_be16(frame + 14, VLAN);
	give(frame, ND_FRAME_BYTES + VLAN_TAG_BYTES);
	poll();
	struct packet p = peer_hears(frame); /* in its VLAN too */
	assert_int_equal(p.kind, PACKET_ND_ADVERT);
	assert_int_equal(get_be16(frame + 12), 0x8100);
	assert_int_equal(get_be16(frame + 14), VLAN);
}

static void vlan_tag_taken_off_by_the_port_counts_too(void **state)
{
	(void)state;
	uint8_t frame[2048];
	uint32_t bytes = make_udp6(frame, 10);
	for (uint16_t vlan = VLAN; vlan <= VLAN + 1; vlan++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		memcpy(rte_pktmbuf_append(m, (uint16_t)bytes), frame, bytes);
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = vlan;
		give_mbuf(m);
		poll();
	}
	assert_int_equal(got.calls, 1);
	expect_count(COUNTER_NET_RX_DROP_VLAN, 1);
}

static void jumbo_frames_have_room(void **state)
{
	(void)state;
	struct port_config c = base_config;
	c.mtu = 9000;
	open_port(&c);
	make_known();
	assert_non_null(net_alloc(stack, 9000 - IPV4_HEADER_BYTES, false));
	uint8_t *segment = net_alloc(stack, 9000 - IPV6_HEADER_BYTES, false);
	assert_non_null(segment);
	memset(segment, 0, 9000 - IPV6_HEADER_BYTES);
	net_send_tcp(stack, port.local.ipv6, peer6, segment, 9000 - IPV6_HEADER_BYTES);
	net_flush(stack);
	expect_count(COUNTER_NET_TX_FRAMES, 1);
}

#define CASE(name, before) cmocka_unit_test_setup_teardown(name, before, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(arp_and_solicitation_are_answered, set_up),
	    CASE(echo_is_answered_in_both_families, set_up),
	    CASE(segment_goes_out_in_its_peers_family, set_up),
	    CASE(unknown_neighbour_is_asked_for_once_a_second, set_up),
	    CASE(far_peer_goes_through_the_gateway, set_up),
	    CASE(fragmented_datagram_arrives_whole, set_up),
	    CASE(chained_frame_is_joined_when_it_fits, set_up),
	    CASE(vlan_tag_is_taken_off_and_put_on, set_up_vlan),
	    CASE(vlan_tag_taken_off_by_the_port_counts_too, set_up_vlan),
	    CASE(jumbo_frames_have_room, NULL),
	};
	return cmocka_run_group_tests(tests, start_dpdk, stop_dpdk);
}
