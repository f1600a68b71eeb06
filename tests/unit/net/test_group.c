/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to the all-CoAP-nodes groups (RFC 7252 12.8). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frame6.h"

static const uint8_t group4[4] = {224, 0, 1, 187};
static const uint8_t group_link[16] = {0xff, 2, [15] = 0xfd};
static const uint8_t group_site[16] = {0xff, 5, [15] = 0xfd};

static struct packet_local listening(void)
{
	struct packet_local local = us;
	local.coap_groups = true;
	return local;
}

static struct packet parse_as(const struct frame *f, const struct packet_local *local)
{
	struct packet p = {0};
	packet_parse(f->bytes, f->count, local, (struct packet_offload){0}, &p);
	return p;
}

/* The datagram of frame_udp to an IPv4 group. */
static void udp4(struct frame *f, const uint8_t group[4], const uint8_t mac[6], uint8_t protocol)
{
	static const uint8_t source[4] = {10, 77, 0, 2};
	static const uint8_t udp[20] = {0x30, 0x39, 0x16, 0x33, 0, 20};
	memset(f, 0, sizeof *f);
	packet_put_ipv4(f->bytes, peer_mac, mac, source, group, protocol, sizeof udp, 7);
	uint8_t *ip = f->bytes + ETHERNET_BYTES;
	memcpy(ip + IPV4_HEADER_BYTES, udp, sizeof udp); /* no checksum: RFC 768 */
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, IPV4_HEADER_BYTES)));
	f->count = ETHERNET_BYTES + IPV4_HEADER_BYTES + sizeof udp;
}

static void udp6(struct frame *f, const uint8_t group[16])
{
	frame_udp(f);
	memcpy(f->bytes + FRAME_IP + 24, group, 16);
	packet_group_mac(group, f->bytes);
	frame_seal(f, L4);
}

static void datagram_to_our_groups_is_taken(void **state)
{
	(void)state;
	struct frame f;
	struct packet_local local = listening();
	udp4(&f, group4, packet_coap_macs[0], IP_UDP);
	struct packet p = parse_as(&f, &local);
	assert_int_equal(p.kind, PACKET_UDP);
	assert_true(address_is_group(p.destination));
	assert_memory_equal(p.destination + 12, group4, 4);
	udp6(&f, group_link);
	assert_memory_equal(f.bytes, packet_coap_macs[1], 6);
	p = parse_as(&f, &local);
	assert_int_equal(p.kind, PACKET_UDP);
	assert_true(address_is_group(p.destination));
	udp6(&f, group_site);
	assert_int_equal(parse_as(&f, &local).kind, PACKET_UDP);
}

static void datagram_to_a_group_is_dropped_when_we_do_not_listen(void **state)
{
	(void)state;
	struct frame f;
	udp4(&f, group4, packet_coap_macs[0], IP_UDP);
	expect_drop(&f, COUNTER_NET_RX_DROP_MAC);
	udp6(&f, group_link);
	expect_drop(&f, COUNTER_NET_RX_DROP_MAC);
}

static void only_udp_to_exactly_our_groups_is_taken(void **state)
{
	(void)state;
	static const uint8_t other4[4] = {224, 128, 1, 187}; /* the same MAC address */
	static const uint8_t other6[16] = {0xff, 8, [15] = 0xfd};
	struct frame f;
	struct packet_local local = listening();
	udp4(&f, other4, packet_coap_macs[0], IP_UDP);
	assert_int_equal(parse_as(&f, &local).drop, COUNTER_NET_RX_DROP_IP_DESTINATION);
	udp4(&f, group4, packet_coap_macs[0], IP_TCP);
	assert_int_equal(parse_as(&f, &local).drop, COUNTER_NET_RX_DROP_IP_DESTINATION);
	udp4(&f, group4, us.mac, IP_UDP); /* in a frame to us alone */
	assert_int_equal(parse_as(&f, &local).drop, COUNTER_NET_RX_DROP_IP_DESTINATION);
	udp4(&f, us.ipv4, packet_coap_macs[0], IP_UDP); /* to us in a frame to many */
	assert_int_equal(parse_as(&f, &local).drop, COUNTER_NET_RX_DROP_IP_DESTINATION);
	udp6(&f, other6);
	assert_int_equal(parse_as(&f, &local).drop, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	frame_tcp(&f);
	memcpy(f.bytes + FRAME_IP + 24, group_link, 16);
	packet_group_mac(group_link, f.bytes);
	frame_seal(&f, L4);
	assert_int_equal(parse_as(&f, &local).drop, COUNTER_NET_RX_DROP_IPV6_DESTINATION);
	frame_echo(&f); /* one ping would make many */
	memcpy(f.bytes + FRAME_IP + 24, group_link, 16);
	packet_group_mac(group_link, f.bytes);
	frame_seal(&f, L4);
	assert_int_equal(parse_as(&f, &local).kind, PACKET_DROP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagram_to_our_groups_is_taken),
	    cmocka_unit_test(datagram_to_a_group_is_dropped_when_we_do_not_listen),
	    cmocka_unit_test(only_udp_to_exactly_our_groups_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
