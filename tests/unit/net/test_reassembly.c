/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/reassembly.h"

#define SECOND_US 1000000ull

static struct counters counters;
static struct reassembly *r;
static uint8_t pattern[65536];
static struct bytes whole;
static uint64_t now_us;

static int set_up(void **state)
{
	(void)state;
	memset(&counters, 0, sizeof counters);
	r = reassembly_new(&counters);
	now_us = 1000 * SECOND_US;
	for (uint32_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8));
	return r ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	reassembly_free(r);
	return 0;
}

static enum counter add_bytes(uint32_t id, uint32_t offset, uint32_t bytes, bool more,
                              const uint8_t *from)
{
	struct packet p = {.kind = PACKET_FRAGMENT, .source = {0xfd, [15] = 2},
	                   .destination = {0xfd, [15] = 1}, .l4 = from, .l4_bytes = bytes};
	p.fragment.id = id;
	p.fragment.offset = offset;
	p.fragment.more = more;
	return reassembly_add(r, &p, now_us, &whole);
}

static enum counter add(uint32_t id, uint32_t offset, uint32_t bytes, bool more)
{
	return add_bytes(id, offset, bytes, more, pattern + offset);
}

#define expect(verdict, expected)                                                                  \
	assert_string_equal(counter_info[verdict].name, counter_info[COUNTER_##expected].name)

static void expect_whole(uint32_t bytes)
{
	assert_int_equal(whole.count, bytes);
	assert_memory_equal(whole.data, pattern, bytes);
}

static void fragments_in_any_order_make_the_datagram(void **state)
{
	(void)state;
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
	                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const uint32_t offsets[3] = {0, 1480, 2960};
	static const uint32_t sizes[3] = {1480, 1480, 100};
	for (uint32_t i = 0; i < 6; i++)
		for (uint32_t k = 0; k < 3; k++) {
			uint8_t n = orders[i][k];
			enum counter verdict = add(i, offsets[n], sizes[n], n < 2);
			if (k < 2)
				expect(verdict, NET_RX_FRAGMENT);
			else
				expect(verdict, NET_RX_UDP);
		}
	expect_whole(3060);
	assert_int_equal(reassembly_count(r), 0);
	assert_int_equal(counter_get(&counters, COUNTER_NET_REASSEMBLED), 6);
}

static void datagrams_are_told_apart(void **state)
{
	(void)state;
	struct packet p = {.kind = PACKET_FRAGMENT, .l4 = pattern, .l4_bytes = 48};
	p.fragment.more = true;
	for (uint8_t i = 0; i < 4; i++) {
		p.source[0] = i & 1;
		p.destination[0] = i >> 1;
		expect(reassembly_add(r, &p, now_us, &whole), NET_RX_FRAGMENT);
	}
	p.fragment.id = 9;
	expect(reassembly_add(r, &p, now_us, &whole), NET_RX_FRAGMENT);
	assert_int_equal(reassembly_count(r), 5);
	p.fragment.offset = 48;
	p.fragment.more = false;
	p.l4 = pattern + 48;
	expect(reassembly_add(r, &p, now_us, &whole), NET_RX_UDP);
	expect_whole(96);
	assert_int_equal(reassembly_count(r), 4);
}

static void duplicate_changes_nothing(void **state)
{
	(void)state;
	expect(add(1, 0, 48, true), NET_RX_FRAGMENT);
	expect(add(1, 0, 48, true), NET_RX_DROP_FRAGMENT_DUPLICATE);
	expect(add(1, 96, 10, false), NET_RX_FRAGMENT);
	expect(add(1, 96, 10, false), NET_RX_DROP_FRAGMENT_DUPLICATE);
	expect(add(1, 48, 48, true), NET_RX_UDP);
	expect_whole(106);
}

/* RFC 5722; AMNESIA:33 and Teardrop */
static void overlap_gives_the_datagram_up(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset, bytes;
		bool more;
	} bad[] = {
	    {40, 48, true},  /* into the front */
	    {136, 48, true}, /* into the back */
	    {56, 80, true},  /* within */
	    {0, 480, true},  /* around */
	    {48, 96, false}, /* the same, but the end */
	    {40, 20, false},
	};
	for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		expect(add(i, 48, 96, true), NET_RX_FRAGMENT);
		expect(add(i, bad[i].offset, bad[i].bytes, bad[i].more),
		       NET_RX_DROP_FRAGMENT_OVERLAP);
		/* what comes later is dropped too, and never completes */
		expect(add(i, 0, 48, true), NET_RX_DROP_FRAGMENT_OVERLAP);
		expect(add(i, 144, 10, false), NET_RX_DROP_FRAGMENT_OVERLAP);
	}
	assert_int_equal(counter_get(&counters, COUNTER_NET_REASSEMBLED), 0);
	/* the same place with other bytes */
	expect(add(90, 0, 48, true), NET_RX_FRAGMENT);
	expect(add_bytes(90, 0, 48, true, pattern + 1), NET_RX_DROP_FRAGMENT_OVERLAP);
	now_us += REASSEMBLY_TIMEOUT_US;
	reassembly_expire(r, now_us);
	assert_int_equal(reassembly_count(r), 0);
	assert_int_equal(counter_get(&counters, COUNTER_NET_REASSEMBLY_TIMEOUT), 0);
}

static void end_that_contradicts_gives_the_datagram_up(void **state)
{
	(void)state;
	expect(add(1, 480, 10, false), NET_RX_FRAGMENT);
	expect(add(1, 960, 10, false), NET_RX_DROP_FRAGMENT_OVERLAP); /* two ends */
	expect(add(2, 480, 10, false), NET_RX_FRAGMENT);
	expect(add(2, 960, 48, true), NET_RX_DROP_FRAGMENT_OVERLAP); /* behind the end */
	expect(add(3, 960, 48, true), NET_RX_FRAGMENT);
	expect(add(3, 480, 10, false), NET_RX_DROP_FRAGMENT_OVERLAP); /* before what is there */
}

/* Ping of death; CVE-2020-11896: lengths of fragments that lie */
static void fragment_with_a_bad_length_is_dropped(void **state)
{
	(void)state;
	expect(add(1, 0, 0, true), NET_RX_DROP_FRAGMENT_LENGTH);
	expect(add(1, 48, 0, false), NET_RX_DROP_FRAGMENT_LENGTH);
	expect(add(1, 0, 49, true), NET_RX_DROP_FRAGMENT_LENGTH);
	expect(add(1, 65528, 1480, false), NET_RX_DROP_FRAGMENT_LENGTH);
	expect(add(1, REASSEMBLY_BYTES_MAX - 48, 49, false), NET_RX_DROP_FRAGMENT_LENGTH);
	assert_int_equal(reassembly_count(r), 0);
	expect(add(1, REASSEMBLY_BYTES_MAX - 48, 48, false), NET_RX_FRAGMENT);
	for (uint32_t at = 0; at < REASSEMBLY_BYTES_MAX - 48;) {
		uint32_t bytes = REASSEMBLY_BYTES_MAX - 48 - at;
		bytes = bytes > 4096 ? 4096 : bytes;
		enum counter verdict = add(1, at, bytes, true);
		at += bytes;
		if (at == REASSEMBLY_BYTES_MAX - 48)
			expect(verdict, NET_RX_UDP);
	}
	expect_whole(REASSEMBLY_BYTES_MAX);
}

static void tiny_fragments_are_dropped_unless_last(void **state)
{
	(void)state;
	expect(add(1, 0, 8, true), NET_RX_DROP_FRAGMENT_TINY);
	expect(add(1, 0, 40, true), NET_RX_DROP_FRAGMENT_TINY);
	expect(add(1, 0, 48, true), NET_RX_FRAGMENT);
	expect(add(1, 48, 1, false), NET_RX_UDP);
	expect_whole(49);
}

static void too_many_fragments_give_the_datagram_up(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < REASSEMBLY_FRAGMENTS; i++)
		expect(add(1, i * 48, 48, true), NET_RX_FRAGMENT);
	expect(add(1, REASSEMBLY_FRAGMENTS * 48, 48, false), NET_RX_DROP_FRAGMENT_MANY);
	expect(add(1, REASSEMBLY_FRAGMENTS * 48, 48, false), NET_RX_DROP_FRAGMENT_OVERLAP);
}

static void waiting_ends_after_30_seconds(void **state)
{
	(void)state;
	expect(add(1, 0, 48, true), NET_RX_FRAGMENT);
	now_us += REASSEMBLY_TIMEOUT_US / 2;
	expect(add(2, 0, 48, true), NET_RX_FRAGMENT);
	expect(add(1, 48, 48, true), NET_RX_FRAGMENT); /* does not prolong it */
	now_us += REASSEMBLY_TIMEOUT_US / 2 - 1;
	reassembly_expire(r, now_us);
	assert_int_equal(reassembly_count(r), 2);
	now_us++;
	reassembly_expire(r, now_us);
	assert_int_equal(reassembly_count(r), 1);
	assert_int_equal(counter_get(&counters, COUNTER_NET_REASSEMBLY_TIMEOUT), 1);
	expect(add(1, 96, 10, false), NET_RX_FRAGMENT); /* the first half is gone */
	expect(add(2, 48, 10, false), NET_RX_UDP);
	now_us += REASSEMBLY_TIMEOUT_US;
	reassembly_expire(r, now_us);
	assert_int_equal(reassembly_count(r), 0);
}

static void flood_gives_up_the_oldest(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < REASSEMBLY_DATAGRAMS; i++, now_us++)
		expect(add(i, 0, 48, true), NET_RX_FRAGMENT);
	expect(add(5, 0, 96, true), NET_RX_DROP_FRAGMENT_OVERLAP);
	expect(add(100, 0, 48, true), NET_RX_FRAGMENT); /* takes the place of the given-up one */
	assert_int_equal(counter_get(&counters, COUNTER_NET_REASSEMBLY_EVICTED), 0);
	expect(add(0, 48, 10, false), NET_RX_UDP);
	expect(add(101, 0, 48, true), NET_RX_FRAGMENT);
	expect(add(102, 0, 48, true), NET_RX_FRAGMENT);
	assert_int_equal(counter_get(&counters, COUNTER_NET_REASSEMBLY_EVICTED), 1);
	assert_int_equal(reassembly_count(r), REASSEMBLY_DATAGRAMS);
	expect(add(1, 48, 10, false), NET_RX_FRAGMENT); /* the oldest has gone */
	expect(add(102, 48, 10, false), NET_RX_UDP);
	for (uint32_t i = 1000; i < 100000; i++)
		expect(add(i, 0, 48, true), NET_RX_FRAGMENT);
	assert_int_equal(reassembly_count(r), REASSEMBLY_DATAGRAMS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(fragments_in_any_order_make_the_datagram),
	    CASE(datagrams_are_told_apart),
	    CASE(duplicate_changes_nothing),
	    CASE(overlap_gives_the_datagram_up),
	    CASE(end_that_contradicts_gives_the_datagram_up),
	    CASE(fragment_with_a_bad_length_is_dropped),
	    CASE(tiny_fragments_are_dropped_unless_last),
	    CASE(too_many_fragments_give_the_datagram_up),
	    CASE(waiting_ends_after_30_seconds),
	    CASE(flood_gives_up_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
