/* SPDX-License-Identifier: Apache-2.0 */
/* stack.c, send.c and spread.c: two io workers that share the one queue of a port. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "port_rig.h"

static struct net_stack *second;
static struct counters second_counters;

static int set_up_shared(void **state)
{
	(void)state;
	struct error err = {""};
	struct port_config c = base_config;
	c.workers = 2;
	open_port(&c);
	memset(&second_counters, 0, sizeof second_counters);
	return net_stack_new(&port, 1, &handlers, NULL, &second_counters, &second, &err) ==
	               RESULT_OK
	           ? 0
	           : -1;
}

static int tear_down_shared(void **state)
{
	int result = tear_down(state);
	net_stack_free(second);
	second = NULL;
	return result;
}

static void make_from_port(uint8_t frame[2048], uint16_t from, uint32_t *bytes)
{
	uint8_t *ip = frame + IP, *udp = ip + IPV4_HEADER_BYTES;
	*bytes = make_udp4(frame, 10);
	put_be16(udp, from);
	put_be16(udp + 6, 0);
	uint64_t sum = checksum_pseudo_ipv4(ip + 12, ip + 16, IP_UDP, 18);
	put_le16(udp + 6, checksum_finish(checksum_add(sum, udp, 18)));
}

static void flows_are_handed_to_their_worker(void **state)
{
	(void)state;
	uint8_t frame[2048];
	uint32_t bytes;
	assert_int_equal(port.distribution, PORT_BY_SOFTWARE);
	assert_int_equal(port.queues, 1);
	for (uint16_t from = 1000; from < 1030; from++) {
		make_from_port(frame, from, &bytes);
		give(frame, bytes);
	}
	poll();
	uint64_t first = counter_get(&counters, COUNTER_NET_RX_UDP);
	uint64_t handed = counter_get(&counters, COUNTER_NET_HANDED);
	assert_in_range(first, 1, 29);
	assert_int_equal(first + handed, 30);
	assert_int_equal(net_stack_poll(second, now_us), handed);
	assert_int_equal(counter_get(&second_counters, COUNTER_NET_RX_UDP), handed);
	assert_int_equal(got.calls, 30);
	/* the same flow again: the same worker */
	uint64_t before = first;
	for (uint16_t from = 1000; from < 1030; from++) {
		make_from_port(frame, from, &bytes);
		give(frame, bytes);
	}
	poll();
	expect_count(COUNTER_NET_RX_UDP, 2 * before);
	net_stack_poll(second, now_us);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void full_ring_is_a_counted_drop(void **state)
{
	(void)state;
	uint8_t frame[2048];
	uint32_t bytes, given = 0;
	uint16_t from = 1;
	make_from_port(frame, from, &bytes);
	while (counter_get(&counters, COUNTER_NET_HANDED) == 0) { /* a flow of the second's */
		make_from_port(frame, ++from, &bytes);
		give(frame, bytes);
		poll();
	}
	uint64_t own = counter_get(&counters, COUNTER_NET_RX_UDP);
	for (; given < 1100; given++) {
		uint8_t *copy = frame;
		struct rte_mbuf *m = rte_pktmbuf_alloc(small_pool);
		if (!m && (m = rte_pktmbuf_alloc(pool)) == NULL)
			break;
		memcpy(rte_pktmbuf_append(m, (uint16_t)bytes), copy, bytes);
		give_mbuf(m);
		poll();
	}
	assert_int_equal(given, 1100);
	struct port_ring ring;
	assert_true(port_ring(&port, 0, &ring));
	assert_int_equal(ring.used, ring.slots);
	expect_count(COUNTER_NET_HANDED, ring.slots);
	expect_count(COUNTER_NET_RX_DROP_HANDED_FULL, 1 + given - ring.slots);
	expect_count(COUNTER_NET_RX_UDP, own); /* the first goes on */
	while (net_stack_poll(second, now_us) > 0)
		;
	assert_int_equal(counter_get(&second_counters, COUNTER_NET_RX_UDP), ring.slots);
	assert_int_equal(rte_mempool_in_use_count(small_pool), 0);
}

/* The second has no queue: what it sends goes through the first's. What the first learns of
 * neighbours, the second knows. */
static void worker_without_a_queue_sends_through_anothers(void **state)
{
	(void)state;
	uint8_t frame[2048];
	struct packet_local peer = peer_local();
	packet_put_arp(frame, 1, &peer, peer_mac, port.local.ipv4);
	give(frame, ETHERNET_BYTES + ARP_BYTES);
	poll();
	assert_int_equal(peer_hears(frame).kind, PACKET_ARP_REPLY);
	uint8_t local4[16];
	address_from_ipv4(local4, port.local.ipv4);
	for (int i = 0; i < 100; i++)
		assert_true(net_send_udp(second, local4, 5683, peer4, 40000, payload, 100));
	assert_int_equal(net_flush(second), 0);
	assert_int_equal(sent(frame), 0);
	uint32_t relayed = net_flush(stack);
	relayed += net_flush(stack);
	assert_int_equal(relayed, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(peer_hears(frame).kind, PACKET_UDP);
	expect_count(COUNTER_NET_TX_FRAMES, 101);
	assert_int_equal(counter_get(&second_counters, COUNTER_NET_TX_FRAMES), 0);
	/* nobody relays: a counted drop in the end, never a stall */
	for (int i = 0; i < 2000; i++) {
		net_send_udp(second, local4, 5683, peer4, 40000, payload, 100);
		net_flush(second);
	}
	assert_true(counter_get(&second_counters, COUNTER_NET_TX_DROP_FULL) > 0);
}

/* How many segments without data TCP can send until it must keep one. */
static uint32_t segments_until_full(const uint8_t local4[16], bool control, uint32_t most)
{
	static const uint8_t tcp[20] = {0x07, 0x5b, 0x9c, 0x40, [12] = 0x50, 16};
	for (uint32_t i = 0; i < most; i++) {
		uint8_t *segment = net_alloc(second, sizeof tcp, control);
		if (!segment)
			return i;
		memcpy(segment, tcp, sizeof tcp);
		net_send_tcp(second, local4, peer4, segment, sizeof tcp);
	}
	return most;
}

static void full_port_makes_tcp_wait(void **state)
{
	(void)state;
	uint8_t frame[2048], local4[16];
	address_from_ipv4(local4, port.local.ipv4);
	struct packet_local peer = peer_local();
	packet_put_arp(frame, 1, &peer, peer_mac, port.local.ipv4);
	give(frame, ETHERNET_BYTES + ARP_BYTES);
	poll();
	/* nobody takes what the second sends */
	uint32_t sent_all = segments_until_full(local4, false, 2000);
	assert_in_range(sent_all, 64, 1999);
	assert_int_equal(counter_get(&second_counters, COUNTER_NET_TX_WAITS), 1);
	/* a reserve for what has no data: the peer must hear of windows and of its end */
	assert_in_range(segments_until_full(local4, true, 2000), 16, 256);
	/* and one for those who keep no copy */
	assert_true(net_send_udp(second, local4, 5683, peer4, 40000, payload, 100));
	assert_int_equal(counter_get(&second_counters, COUNTER_NET_TX_DROP_FULL), 0);
	assert_true(net_takes(second, 16));
	assert_false(net_takes(second, 64));
	now_us += 200000; /* it is dead: nobody waits for it */
	net_stack_poll(second, now_us);
	assert_true(net_takes(second, 64));
	while (net_flush(stack) > 0)
		;
	net_flush(second);
	assert_int_equal(segments_until_full(local4, false, 64), 64);
	assert_int_equal(counter_get(&second_counters, COUNTER_NET_TX_DROP_FULL), 0);
}

static void wrong_distribution_is_refused(void **state)
{
	(void)state;
	struct error err = {""};
	struct port_config c = base_config;
	c.workers = 200;
	c.distribution = PORT_BY_DEVICE;
	c.device = "net_ring_few";
	assert_int_equal(port_open(&c, &port, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "distribution is 'device' over 200 queues, the device"));
	port_close(&port);
}

#define SHARED(name) cmocka_unit_test_setup_teardown(name, set_up_shared, tear_down_shared)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SHARED(flows_are_handed_to_their_worker),
	    SHARED(full_ring_is_a_counted_drop),
	    SHARED(worker_without_a_queue_sends_through_anothers),
	    SHARED(full_port_makes_tcp_wait),
	    cmocka_unit_test(wrong_distribution_is_refused),
	};
	return cmocka_run_group_tests(tests, start_dpdk, stop_dpdk);
}
