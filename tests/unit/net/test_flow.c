/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "frame6.h"
#include "net/flow.h"

static const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static const uint8_t far_ip4[4] = {192, 0, 2, 9};

enum { IP4_L4 = ETHERNET_BYTES + IPV4_HEADER_BYTES };

static bool hash_of(const struct frame *f, uint64_t *hash)
{
	return flow_hash(key, f->bytes, f->count, hash);
}

static uint64_t must_hash(const struct frame *f)
{
	uint64_t hash = 0;
	assert_true(hash_of(f, &hash));
	return hash;
}

/* TCP or UDP over IPv4, `swapped`: the other direction. */
static void make4(struct frame *f, uint8_t protocol, uint16_t port, bool swapped)
{
	const uint8_t *source = swapped ? us.ipv4 : far_ip4, *to = swapped ? far_ip4 : us.ipv4;
	memset(f, 0, sizeof *f);
	f->count = IP4_L4 + 20;
	packet_put_ipv4(f->bytes, peer_mac, us.mac, source, to, protocol, 20, 7);
	put_be16(f->bytes + IP4_L4, swapped ? 1883 : port);
	put_be16(f->bytes + IP4_L4 + 2, swapped ? port : 1883);
}

static void make6(struct frame *f, uint8_t protocol, uint16_t port, bool swapped)
{
	uint8_t l4[20] = {0};
	put_be16(l4, swapped ? 1883 : port);
	put_be16(l4 + 2, swapped ? port : 1883);
	frame_build(f, protocol, l4, sizeof l4);
	if (swapped) {
		memcpy(f->bytes + FRAME_IP + 8, us.ipv6, 16);
		memcpy(f->bytes + FRAME_IP + 24, peer_ip, 16);
	}
}

static void both_directions_are_one_flow(void **state)
{
	(void)state;
	struct frame a, b;
	for (uint16_t port = 1024; port < 1100; port++) {
		make4(&a, IP_TCP, port, false);
		make4(&b, IP_TCP, port, true);
		assert_true(must_hash(&a) == must_hash(&b));
		make6(&a, IP_UDP, port, false);
		make6(&b, IP_UDP, port, true);
		assert_true(must_hash(&a) == must_hash(&b));
	}
}

static void flows_differ_by_port_address_and_protocol(void **state)
{
	(void)state;
	struct frame f;
	make4(&f, IP_TCP, 4000, false);
	uint64_t first = must_hash(&f);
	make4(&f, IP_UDP, 4000, false);
	assert_true(must_hash(&f) != first);
	make4(&f, IP_TCP, 4001, false);
	assert_true(must_hash(&f) != first);
	make4(&f, IP_TCP, 4000, false);
	f.bytes[ETHERNET_BYTES + 15]++;
	assert_true(must_hash(&f) != first);
	uint64_t hash;
	make4(&f, IP_TCP, 4000, false);
	assert_true(flow_hash((struct hash_key){1, 2}, f.bytes, f.count, &hash) && hash != first);
}

/* 10,000 ports over 3 workers: each gets its third, give or take 5 % */
static void flows_are_shared_out_evenly(void **state)
{
	(void)state;
	struct frame f;
	uint32_t got[3] = {0};
	for (uint16_t port = 1; port <= 10000; port++) {
		make4(&f, IP_TCP, port, false);
		uint32_t owner = flow_owner(must_hash(&f), 3);
		assert_in_range(owner, 0, 2);
		got[owner]++;
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_in_range(got[i], 3333 * 95 / 100, 3333 * 105 / 100);
}

static void fragments_go_by_addresses(void **state)
{
	(void)state;
	struct frame first, next;
	make4(&first, IP_UDP, 4000, false);
	make4(&next, IP_UDP, 5000, false); /* what would be the ports is payload there */
	put_be16(first.bytes + ETHERNET_BYTES + 6, 0x2000);
	put_be16(next.bytes + ETHERNET_BYTES + 6, 185);
	assert_true(must_hash(&first) == must_hash(&next));
	uint8_t part[28] = {IP_UDP, 0, 0, 1};
	frame_build(&first, FRAGMENT, part, sizeof part);
	put_be16(part + 2, 1232);
	part[12] = 77;
	frame_build(&next, FRAGMENT, part, sizeof part);
	assert_true(must_hash(&first) == must_hash(&next));
}

static void extension_headers_are_walked(void **state)
{
	(void)state;
	struct frame plain, extended;
	make6(&plain, IP_TCP, 4000, false);
	uint8_t l4[8 + 16 + 20] = {DESTINATION, 0, [8] = IP_TCP, 1};
	memcpy(l4 + 24, plain.bytes + L4, 20);
	frame_build(&extended, HOP_BY_HOP, l4, sizeof l4);
	assert_true(must_hash(&plain) == must_hash(&extended));
	uint64_t hash;
	for (uint32_t cut = L4; cut < extended.count - 16; cut++) {
		struct frame f = extended;
		f.count = cut;
		assert_false(hash_of(&f, &hash));
	}
}

static void vlan_tag_is_passed_over(void **state)
{
	(void)state;
	struct frame f;
	make4(&f, IP_TCP, 4000, false);
	uint64_t plain = must_hash(&f);
	memmove(f.bytes + 16, f.bytes + 12, f.count - 12);
	put_be16(f.bytes + 12, 0x8100);
	f.count += VLAN_TAG_BYTES;
	assert_true(must_hash(&f) == plain);
}

/* An ICMP error goes where the connection is that it is about. */
static void icmp_error_goes_with_its_quote(void **state)
{
	(void)state;
	static const uint8_t router[4] = {198, 51, 100, 1};
	struct frame quoted, error;
	make4(&quoted, IP_TCP, 4000, true);
	memset(&error, 0, sizeof error);
	packet_put_ipv4(error.bytes, peer_mac, us.mac, router, us.ipv4, IP_ICMP, 36, 7);
	error.bytes[IP4_L4] = 3;
	memcpy(error.bytes + IP4_L4 + 8, quoted.bytes + ETHERNET_BYTES, 28);
	error.count = IP4_L4 + 36;
	assert_true(must_hash(&error) == must_hash(&quoted));

	make6(&quoted, IP_TCP, 4000, true);
	uint8_t icmp[8 + 60] = {2};
	memcpy(icmp + 8, quoted.bytes + FRAME_IP, 60);
	frame_build(&error, IP_ICMPV6, icmp, sizeof icmp);
	assert_true(must_hash(&error) == must_hash(&quoted));
	icmp[8 + 6] = IP_ICMPV6; /* a quote of an error: nobody's */
	frame_build(&error, IP_ICMPV6, icmp, sizeof icmp);
	uint64_t hash;
	assert_false(hash_of(&error, &hash));
}

static void what_has_no_flow_has_no_owner(void **state)
{
	(void)state;
	struct frame f = {.count = ETHERNET_BYTES + ARP_BYTES};
	uint64_t hash;
	packet_put_arp(f.bytes, 1, &us, peer_mac, us.ipv4);
	assert_false(hash_of(&f, &hash));
	make4(&f, IP_ICMP, 0x0800, false); /* an echo request */
	assert_false(hash_of(&f, &hash));
	make4(&f, IP_TCP, 4000, false);
	for (f.count = 0; f.count < IP4_L4 + 4; f.count++)
		assert_false(hash_of(&f, &hash));
	f.count = IP4_L4 + 20;
	f.bytes[ETHERNET_BYTES] = 0x44;
	assert_false(hash_of(&f, &hash));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_directions_are_one_flow),
	    cmocka_unit_test(flows_differ_by_port_address_and_protocol),
	    cmocka_unit_test(flows_are_shared_out_evenly),
	    cmocka_unit_test(fragments_go_by_addresses),
	    cmocka_unit_test(extension_headers_are_walked),
	    cmocka_unit_test(vlan_tag_is_passed_over),
	    cmocka_unit_test(icmp_error_goes_with_its_quote),
	    cmocka_unit_test(what_has_no_flow_has_no_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
