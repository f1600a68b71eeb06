/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "impair.h"

#define PACKETS 20000
#define GAP_US  1000

/* What came out of sending PACKETS packets, numbered by tag, GAP_US apart. */
struct outcome {
	uint32_t arrived, damaged, overtaken, twice;
	uint32_t longest_gap; /* most in a row that are missing */
	uint64_t delay_min_us, delay_max_us;
	uint64_t digest; /* of all tags and times, in order */
};

static void take(struct impair *im, uint64_t now_us, struct outcome *o, uint8_t *seen,
                 uint64_t *last)
{
	struct impair_packet p;
	while (impair_get(im, now_us, &p)) {
		uint64_t delay_us = p.due_us - p.tag * GAP_US;
		o->arrived++;
		o->twice += seen[p.tag]++;
		o->overtaken += p.tag < *last;
		*last = p.tag > *last ? p.tag : *last;
		for (uint32_t i = 0; i < p.bytes; i++)
			o->damaged += p.data[i] != (uint8_t)p.tag;
		if (delay_us < o->delay_min_us)
			o->delay_min_us = delay_us;
		if (delay_us > o->delay_max_us)
			o->delay_max_us = delay_us;
		o->digest = (o->digest ^ p.tag ^ p.due_us << 20) * 0x9e3779b97f4a7c15u;
		free(p.data);
	}
}

static struct outcome run(const struct impair_config *config, uint64_t seed, uint32_t bytes)
{
	struct impair im;
	struct impair_config both[IMPAIR_WAYS] = {*config, {0}};
	struct outcome o = {.delay_min_us = UINT64_MAX};
	uint8_t *seen = calloc(PACKETS, 1);
	uint8_t data[1500];
	uint64_t last = 0;
	uint32_t gap = 0;
	impair_init(&im, both, seed);
	for (uint32_t i = 0; i < PACKETS; i++) {
		memset(data, (int)(i & 0xff), bytes);
		impair_put(&im, (uint64_t)i * GAP_US, 0, i, data, bytes);
		take(&im, (uint64_t)i * GAP_US, &o, seen, &last);
	}
	while (impair_next_us(&im) != UINT64_MAX)
		take(&im, impair_next_us(&im), &o, seen, &last);
	for (uint32_t i = 0; i < PACKETS; i++) {
		gap = seen[i] ? 0 : gap + 1;
		o.longest_gap = gap > o.longest_gap ? gap : o.longest_gap;
	}
	assert_int_equal(im.counts[0].in, PACKETS);
	assert_int_equal(im.counts[0].out, o.arrived);
	impair_fini(&im);
	free(seen);
	return o;
}

static void clean_network_delivers_all_in_order(void **state)
{
	(void)state;
	struct impair_config g = {.delay_us = 100000};
	struct outcome o = run(&g, 1, 100);
	assert_int_equal(o.arrived, PACKETS);
	assert_int_equal(o.damaged + o.overtaken + o.twice, 0);
	assert_int_equal(o.delay_min_us, 100001);
	assert_int_equal(o.delay_max_us, 100001);
}

static void same_seed_replays_and_another_differs(void **state)
{
	(void)state;
	struct impair_config g = {.loss = 500, .reorder = 300, .duplicate = 200, .corrupt = 100,
	                          .delay_us = 30000, .jitter_us = 5000};
	struct outcome a = run(&g, 7, 60), b = run(&g, 7, 60), c = run(&g, 8, 60);
	assert_memory_equal(&a, &b, sizeof a);
	assert_true(a.digest != c.digest);
}

/* Of 20,000 at 5 %: 1,000 expected, standard deviation 31. */
static void loss_of_5_percent_loses_5_percent(void **state)
{
	(void)state;
	struct impair_config g = {.loss = 500};
	struct outcome o = run(&g, 2, 60);
	assert_in_range(PACKETS - o.arrived, 840, 1160);
	assert_true(o.longest_gap < 8);
}

/* A fade lasts 50 packets on average. */
static void burst_loses_in_runs(void **state)
{
	(void)state;
	struct impair_config g = {.burst_start = 20, .burst_end = 200, .burst_loss = 10000};
	struct outcome o = run(&g, 3, 60);
	assert_true(o.longest_gap >= 40);
	assert_in_range(o.arrived, PACKETS * 8 / 10, PACKETS * 98 / 100);
}

static void duplicates_and_damage_are_as_many_as_asked(void **state)
{
	(void)state;
	struct impair_config g = {.duplicate = 1000, .corrupt = 1000};
	struct outcome o = run(&g, 4, 60);
	assert_in_range(o.twice, 1830, 2170);
	assert_int_equal(o.arrived, PACKETS + o.twice);
	assert_in_range(o.damaged, 2000, 2400); /* of 22,000, one byte each */
}

static void jitter_keeps_order_unless_told_otherwise(void **state)
{
	(void)state;
	struct impair_config g = {.delay_us = 10000, .jitter_us = 20000};
	struct outcome o = run(&g, 5, 60);
	assert_int_equal(o.overtaken, 0);
	assert_true(o.delay_max_us > 28000);
	g.jitter_reorders = true;
	o = run(&g, 5, 60);
	assert_true(o.overtaken > PACKETS / 4);
	g = (struct impair_config){.delay_us = 10000, .reorder = 500};
	o = run(&g, 5, 60);
	assert_in_range(o.overtaken, 700, 1160);
}

/* 1,000 packets/s of 100 bytes into 50,000 bytes/s: half of them fit. */
static void rate_limit_fills_its_queue_then_drops(void **state)
{
	(void)state;
	struct impair_config g = {.rate_bytes_s = 50000, .queue_bytes = 10000};
	struct outcome o = run(&g, 6, 100);
	assert_in_range(o.arrived, PACKETS / 2, PACKETS / 2 + 110);
	assert_in_range(o.delay_max_us, 190000, 202001); /* 10,000 bytes at 50,000/s */
	assert_int_equal(o.overtaken, 0);
}

static void too_long_packets_vanish(void **state)
{
	(void)state;
	struct impair_config g = {.bytes_max = 1000};
	assert_int_equal(run(&g, 7, 1001).arrived, 0);
	assert_int_equal(run(&g, 7, 1000).arrived, PACKETS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clean_network_delivers_all_in_order),
	    cmocka_unit_test(same_seed_replays_and_another_differs),
	    cmocka_unit_test(loss_of_5_percent_loses_5_percent),
	    cmocka_unit_test(burst_loses_in_runs),
	    cmocka_unit_test(duplicates_and_damage_are_as_many_as_asked),
	    cmocka_unit_test(jitter_keeps_order_unless_told_otherwise),
	    cmocka_unit_test(rate_limit_fills_its_queue_then_drops),
	    cmocka_unit_test(too_long_packets_vanish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
