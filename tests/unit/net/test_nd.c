/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frame6.h"
#include "net/nd.h"
#include "net/neighbours.h"

#define SECOND_US 1000000ull

static const uint8_t nobody[16];
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

/* A message as the peer sends it; `option` 0: none. */
static void build(struct frame *f, uint8_t type, uint8_t flags, const uint8_t target[16],
                  uint8_t option)
{
	uint8_t icmp[32] = {type, 0, 0, 0, flags};
	memcpy(icmp + 8, target, 16);
	icmp[24] = option;
	icmp[25] = 1;
	memcpy(icmp + 26, peer_mac, 6);
	frame_build(f, 58, icmp, option ? 32 : 24);
	f->bytes[FRAME_IP + 7] = 255;
}

static void address(struct frame *f, const uint8_t source[16], const uint8_t destination[16])
{
	memcpy(f->bytes + FRAME_IP + 8, source, 16);
	memcpy(f->bytes + FRAME_IP + 24, destination, 16);
	if (destination[0] == 0xff)
		packet_group_mac(destination, f->bytes);
	frame_seal(f, L4);
}

static void solicit_for_us_is_taken(void **state)
{
	(void)state;
	struct frame f;
	uint8_t group[16];
	const uint8_t *addresses[2] = {us.ipv6, us.link_local};
	for (int i = 0; i < 2; i++) {
		build(&f, 135, 0, addresses[i], 1);
		assert_int_equal(frame_parse(&f).kind, PACKET_ND_SOLICIT);
		packet_solicited_node(addresses[i], group);
		address(&f, peer_ip, group);
		struct packet p = frame_parse(&f);
		assert_int_equal(p.kind, PACKET_ND_SOLICIT);
		assert_memory_equal(p.destination, addresses[i], 16);
		assert_memory_equal(p.source, peer_ip, 16);
		assert_memory_equal(p.source_mac, peer_mac, 6);
		assert_true(p.nd.has_mac);
	}
	build(&f, 135, 0, us.ipv6, 0);
	assert_false(frame_parse(&f).nd.has_mac);
}

/* Duplicate address detection, RFC 4862 5.4: somebody tries our address */
static void solicit_from_nobody_is_taken_only_as_it_must_be(void **state)
{
	(void)state;
	struct frame f;
	uint8_t group[16];
	packet_solicited_node(us.ipv6, group);
	build(&f, 135, 0, us.ipv6, 0);
	address(&f, nobody, group);
	struct packet p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_ND_SOLICIT);
	assert_true(address_is_unspecified(p.source));
	address(&f, nobody, us.ipv6);
	memcpy(f.bytes, us.mac, 6);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	address(&f, nobody, all_nodes);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 135, 0, us.ipv6, 1); /* with a MAC address */
	address(&f, nobody, group);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
}

static void hop_limit_below_255_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	for (uint8_t type = 133; type <= 137; type++) {
		build(&f, type, 0, us.ipv6, 1);
		f.bytes[FRAME_IP + 7] = 254;
		expect_drop(&f, COUNTER_NET_RX_DROP_ND_HOP_LIMIT);
	}
}

static void router_messages_are_dropped(void **state)
{
	(void)state;
	static const uint8_t types[] = {133, 134, 137};
	struct frame f;
	for (size_t i = 0; i < sizeof types; i++) {
		build(&f, types[i], 0, us.ipv6, 1);
		address(&f, peer_ip, all_nodes);
		expect_drop(&f, COUNTER_NET_RX_DROP_ND_ROUTER);
	}
}

static void malformed_message_is_dropped(void **state)
{
	(void)state;
	struct frame f;
	build(&f, 135, 0, us.ipv6, 1);
	f.bytes[L4 + 1] = 1; /* code */
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 135, 0, all_nodes, 1);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 135, 0, peer_ip, 1);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND_TARGET);
	uint8_t icmp[23] = {135};
	frame_build(&f, 58, icmp, sizeof icmp);
	f.bytes[FRAME_IP + 7] = 255;
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 135, 0, us.ipv6, 1);
	frame_extend(&f, FRAGMENT, (const uint8_t[6]){0}); /* RFC 6980 */
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
}

static void options_with_bad_lengths_are_dropped(void **state)
{
	(void)state;
	struct frame f;
	static const uint8_t lengths[] = {0, 2, 255};
	for (size_t i = 0; i < sizeof lengths; i++) {
		build(&f, 135, 0, us.ipv6, 1);
		f.bytes[L4 + 25] = lengths[i];
		frame_seal(&f, L4);
		expect_drop(&f, COUNTER_NET_RX_DROP_ND);
		f.bytes[L4 + 24] = 200; /* an unknown option too */
		frame_seal(&f, L4);
		expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	}
	build(&f, 135, 0, us.ipv6, 1);
	f.bytes[L4 + 26] |= 1; /* a group's MAC address */
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 135, 0, us.ipv6, 200); /* unknown options are skipped (RFC 4861 4.6) */
	assert_int_equal(frame_parse(&f).kind, PACKET_ND_SOLICIT);
	build(&f, 135, 0, us.ipv6, 1);
	f.count -= 1; /* an option cut short */
	put_be16(f.bytes + FRAME_IP + 4, 31);
	frame_seal(&f, L4);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
}

static void advert_is_taken_or_dropped(void **state)
{
	(void)state;
	struct frame f;
	build(&f, 136, 0x60, peer_ip, 2);
	struct packet p = frame_parse(&f);
	assert_int_equal(p.kind, PACKET_ND_ADVERT);
	assert_true(p.nd.solicited && p.nd.override && p.nd.has_mac);
	assert_memory_equal(p.source, peer_ip, 16);
	address(&f, peer_ip, all_nodes); /* solicited, yet to all */
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 136, 0x20, peer_ip, 2);
	address(&f, peer_ip, all_nodes);
	assert_int_equal(frame_parse(&f).kind, PACKET_ND_ADVERT);
	build(&f, 136, 0x20, us.ipv6, 2); /* somebody claims our address */
	expect_drop(&f, COUNTER_NET_RX_DROP_ND_TARGET);
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 77, 0, 2};
	build(&f, 136, 0x60, mapped, 2); /* an IPv4 neighbour is none of ND's */
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 136, 0x60, nobody, 2);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
	build(&f, 136, 0x60, all_nodes, 2);
	expect_drop(&f, COUNTER_NET_RX_DROP_ND);
}

static struct packet advert(bool solicited, bool override, uint8_t mac_last)
{
	struct packet p = {.kind = PACKET_ND_ADVERT, .source_mac = {2, 0, 0, 0, 0, mac_last}};
	p.nd.has_mac = mac_last != 0;
	p.nd.solicited = solicited;
	p.nd.override = override;
	memcpy(p.source, peer_ip, 16);
	return p;
}

static void expect_known(struct neighbours *n, uint64_t now_us, enum neighbour_state expected,
                         uint8_t mac_last)
{
	uint8_t mac[6] = {0};
	assert_int_equal(neighbours_find(n, peer_ip, now_us, mac), expected);
	if (expected != NEIGHBOUR_UNKNOWN)
		assert_int_equal(mac[5], mac_last);
}

static void learn(struct neighbours *n, struct packet p, uint64_t now_us)
{
	nd_learn(n, &p, now_us);
}

/* RFC 4861 7.2.5 */
static void advert_teaches_what_it_may(void **state)
{
	(void)state;
	struct neighbours *n = neighbours_new(64);
	uint64_t now = 1000 * SECOND_US;
	learn(n, advert(false, true, 2), now);
	expect_known(n, now, NEIGHBOUR_UNKNOWN, 0); /* unasked: no entry is made */
	learn(n, advert(true, true, 0), now);
	expect_known(n, now, NEIGHBOUR_UNKNOWN, 0);
	learn(n, advert(true, false, 2), now);
	expect_known(n, now, NEIGHBOUR_FRESH, 2);
	learn(n, advert(true, false, 3), now); /* without override nothing is replaced */
	expect_known(n, now, NEIGHBOUR_FRESH, 2);
	learn(n, advert(false, true, 3), now); /* a hint: replaced, to be confirmed */
	expect_known(n, now, NEIGHBOUR_STALE, 3);
	learn(n, advert(true, false, 0), now); /* an answer without MAC address confirms */
	expect_known(n, now, NEIGHBOUR_FRESH, 3);
	now += 31 * SECOND_US;
	expect_known(n, now, NEIGHBOUR_STALE, 3);
	learn(n, advert(false, true, 3), now); /* nothing new is no confirmation */
	expect_known(n, now, NEIGHBOUR_STALE, 3);
	learn(n, advert(true, true, 4), now);
	expect_known(n, now, NEIGHBOUR_FRESH, 4);
	neighbours_free(n);
}

static void solicit_teaches_a_hint(void **state)
{
	(void)state;
	struct neighbours *n = neighbours_new(64);
	uint64_t now = 1000 * SECOND_US;
	struct packet p = advert(false, false, 2);
	p.kind = PACKET_ND_SOLICIT;
	learn(n, p, now);
	expect_known(n, now, NEIGHBOUR_STALE, 2);
	learn(n, advert(true, true, 2), now);
	learn(n, p, now);
	expect_known(n, now, NEIGHBOUR_FRESH, 2); /* the same again leaves it fresh */
	uint8_t mac[6];
	memset(p.source, 0, 16);
	learn(n, p, now);
	assert_int_equal(neighbours_find(n, nobody, now, mac), NEIGHBOUR_UNKNOWN);
	neighbours_free(n);
}

static struct packet parse_at(const uint8_t *frame, const struct packet_local *local)
{
	struct packet p = {0};
	packet_parse(frame, ND_FRAME_BYTES, local, (struct packet_offload){0}, &p);
	return p;
}

static void question_and_answer_understand_each_other(void **state)
{
	(void)state;
	struct packet_local peer = us;
	uint8_t question[ND_FRAME_BYTES], answer[ND_FRAME_BYTES];
	memcpy(peer.mac, peer_mac, 6);
	memcpy(peer.ipv6, peer_ip, 16);
	packet_link_local(peer_mac, peer.link_local);
	const uint8_t *targets[2] = {us.ipv6, us.link_local};
	for (int i = 0; i < 4; i++) {
		const uint8_t *target = targets[i / 2];
		packet_put_nd_solicit(question, &peer, target, i % 2 ? us.mac : NULL);
		assert_int_equal(question[0], i % 2 ? 2 : 0x33);
		struct packet p = parse_at(question, &us);
		assert_int_equal(p.kind, PACKET_ND_SOLICIT);
		assert_memory_equal(p.source, i < 2 ? peer.ipv6 : peer.link_local, 16);
		packet_put_nd_advert(answer, &us, &p);
		assert_memory_equal(answer, peer_mac, 6);
		struct packet a = parse_at(answer, &peer);
		assert_int_equal(a.kind, PACKET_ND_ADVERT);
		assert_true(a.nd.solicited && a.nd.override);
		assert_memory_equal(a.source, target, 16);
		assert_memory_equal(a.source_mac, us.mac, 6);
	}
	struct packet dad = {.kind = PACKET_ND_SOLICIT};
	memcpy(dad.destination, us.ipv6, 16);
	packet_put_nd_advert(answer, &us, &dad); /* RFC 4861 7.2.4: to all, not solicited */
	struct packet a = parse_at(answer, &peer);
	assert_int_equal(a.kind, PACKET_ND_ADVERT);
	assert_false(a.nd.solicited);
	assert_memory_equal(answer, "\x33\x33\0\0\0\x01", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(solicit_for_us_is_taken),
	    cmocka_unit_test(solicit_from_nobody_is_taken_only_as_it_must_be),
	    cmocka_unit_test(hop_limit_below_255_is_dropped),
	    cmocka_unit_test(router_messages_are_dropped),
	    cmocka_unit_test(malformed_message_is_dropped),
	    cmocka_unit_test(options_with_bad_lengths_are_dropped),
	    cmocka_unit_test(advert_is_taken_or_dropped),
	    cmocka_unit_test(advert_teaches_what_it_may),
	    cmocka_unit_test(solicit_teaches_a_hint),
	    cmocka_unit_test(question_and_answer_understand_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
