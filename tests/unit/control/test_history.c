/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of the last seconds: differences of points, in a ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/history.h"

#include <cmocka.h>

static struct history history;
static struct history_sample samples[HISTORY_SAMPLES];

static int set_up(void **state)
{
	(void)state;
	memset(&history, 0, sizeof history);
	return 0;
}

/* Point number n of a run that takes n readings in second n. */
static struct history_point point(uint64_t n)
{
	uint64_t sum = n * (n + 1) / 2;
	struct history_point p = {
	    .at_us = n * 1000000, .wall_ms = (int64_t)n * 1000, .readings = sum, .messages = sum};
	p.fates.count[FATE_STORED] = sum;
	return p;
}

static void first_point_gives_no_sample(void **state)
{
	(void)state;
	struct history_point p = point(1);
	history_add(&history, &p);
	assert_int_equal(history_after(&history, 0, samples), 0);
}

static void sample_is_the_difference_of_its_points(void **state)
{
	(void)state;
	struct history_point p = point(1);
	p.fates.count[FATE_REJECT_RANGE] = 100;
	p.items[2] = 7;
	history_add(&history, &p);
	p.at_us += 1500000;
	p.wall_ms += 1500;
	p.readings += 12;
	p.messages += 5;
	p.fates.count[FATE_STORED] += 6;
	p.fates.count[FATE_DUPLICATE] += 3;
	p.fates.count[FATE_CONFLICT] += 1;
	p.fates.count[FATE_REJECT_RANGE] += 1;
	p.fates.count[FATE_REJECT_OVERSIZE] += 1;
	p.items[2] += 40;
	p.in_flight = 9;
	p.connections = 4;
	history_add(&history, &p);
	assert_int_equal(history_after(&history, 0, samples), 1);
	const struct history_sample *s = &samples[0];
	assert_int_equal(s->number, 1);
	assert_int_equal(s->elapsed_us, 1500000);
	assert_int_equal(s->wall_ms, 2500);
	assert_int_equal(s->readings, 12);
	assert_int_equal(s->messages, 5);
	assert_int_equal(s->stored, 6);
	assert_int_equal(s->duplicate, 3);
	assert_int_equal(s->conflict, 1);
	assert_int_equal(s->rejected, 2);
	assert_int_equal(s->items[2], 40);
	assert_int_equal(s->in_flight, 9);
	assert_int_equal(s->connections, 4);
}

static void percentiles_are_of_the_sample_alone(void **state)
{
	(void)state;
	struct history_point p = point(1);
	for (int i = 0; i < 1000; i++)
		histogram_add(&p.ack, 100000); /* long ago, and slow */
	history_add(&history, &p);
	for (int i = 0; i < 100; i++)
		histogram_add(&p.ack, i == 99 ? 3000 : 10);
	histogram_add(&p.write, 50);
	history_add(&history, &p);
	history_add(&history, &p); /* nothing happened */
	assert_int_equal(history_after(&history, 0, samples), 2);
	assert_int_equal(samples[0].ack.count, 100);
	assert_in_range(samples[0].ack.p50_us, 10, 13);
	assert_in_range(samples[0].ack.p99_us, 10, 13);
	assert_in_range(samples[0].ack.p999_us, 3000, 3750);
	assert_int_equal(samples[0].write.count, 1);
	assert_int_equal(samples[1].ack.count, 0);
	assert_int_equal(samples[1].ack.p999_us, 0);
}

static void ring_keeps_the_newest_in_order(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= HISTORY_SAMPLES + 50; n++) {
		struct history_point p = point(n);
		history_add(&history, &p);
	}
	assert_int_equal(history_after(&history, 0, samples), HISTORY_SAMPLES);
	for (uint64_t i = 0; i < HISTORY_SAMPLES; i++) {
		assert_int_equal(samples[i].number, i + 51);
		assert_int_equal(samples[i].readings, i + 51);
	}
}

static void after_a_number_come_those_behind_it(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= 10; n++) {
		struct history_point p = point(n);
		history_add(&history, &p);
	}
	assert_int_equal(history_after(&history, 7, samples), 3);
	assert_int_equal(samples[0].number, 8);
	assert_int_equal(history_after(&history, 10, samples), 0);
	/* a number of an earlier run of the daemon */
	assert_int_equal(history_after(&history, 11, samples), 10);
	assert_int_equal(samples[0].number, 1);
}

static void counter_that_fell_counts_nothing(void **state)
{
	(void)state;
	struct history_point p = point(5);
	history_add(&history, &p);
	p = point(2);
	history_add(&history, &p);
	assert_int_equal(history_after(&history, 0, samples), 1);
	assert_int_equal(samples[0].readings, 0);
	assert_int_equal(samples[0].rejected, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
	    CASE(first_point_gives_no_sample),
	    CASE(sample_is_the_difference_of_its_points),
	    CASE(percentiles_are_of_the_sample_alone),
	    CASE(ring_keeps_the_newest_in_order),
	    CASE(after_a_number_come_those_behind_it),
	    CASE(counter_that_fell_counts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
