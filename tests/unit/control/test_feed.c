/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "contract/reading.h"
#include "control/events/feed.h"
#include "control/events/gateways.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define T0 1769847300000ll

static struct feed *f;
static struct feed_note notes[16];

static int set_up(void **state)
{
	(void)state;
	f = feed_new(10);
	return f ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	feed_free(f);
	return 0;
}

static void read_one(int64_t received_ms, int64_t drift_ms, unsigned flags)
{
	feed_reading(f, &(struct stored_reading){.device = 3,
	                                         .profile = 2,
	                                         .flags = (uint16_t)flags,
	                                         .meter_ts_ms = received_ms + drift_ms,
	                                         .received_ms = received_ms,
	                                         .collected_ms = received_ms});
}

static void newest_reading_is_kept(void **state)
{
	(void)state;
	read_one(T0, -7500, 0);
	struct feed_cell c = feed_cell(f, 3);
	assert_int_equal(c.heard_s, T0 / 1000);
	assert_int_equal(c.drift_s, -7);
	assert_int_equal(c.profile, 2);
	read_one(T0 + 5000, 99999999, READING_F_LATE);
	c = feed_cell(f, 3);
	assert_int_equal(c.heard_s, T0 / 1000 + 5);
	assert_int_equal(c.drift_s, -7); /* a late one says nothing of now */
	read_one(T0 + 6000, 99999999000, 0);
	assert_int_equal(feed_cell(f, 3).drift_s, INT16_MAX);
	read_one(T0 - 999, 0, 0); /* shown again after a crash */
	assert_int_equal(feed_cell(f, 3).heard_s, T0 / 1000 + 6);
	assert_int_equal(feed_cell(f, 99).heard_s, 0);
	feed_reading(f, &(struct stored_reading){.device = DEVICE_NONE});
}

static void replayed_by_an_operator_is_no_sign_of_life(void **state)
{
	(void)state;
	read_one(T0, 0, PROTOCOL_REPLAY << READING_PROTOCOL_SHIFT);
	assert_int_equal(feed_cell(f, 3).heard_s, 0);
}

static void flags_are_noted_and_go(void **state)
{
	(void)state;
	read_one(T0, 0, READING_F_TAMPER | READING_F_LOW_BATTERY);
	assert_int_equal(feed_take(f, notes, 16), 2);
	assert_int_equal(notes[0].kind, EVENT_TAMPER);
	assert_int_equal(notes[1].kind, EVENT_LOW_BATTERY);
	assert_int_equal(notes[1].at_ms, T0);
	assert_int_equal(feed_cell(f, 3).flags, FEED_TAMPER | FEED_LOW_BATTERY);
	read_one(T0 + 1000, 0, 0);
	assert_int_equal(feed_cell(f, 3).flags, 0);
	assert_int_equal(feed_take(f, notes, 16), 0);
}

static void refusals_are_noted_until_one_is_accepted(void **state)
{
	(void)state;
	struct stored_error e = {.device = 3,
	                         .fate = FATE_REJECT_CLOCK_DRIFT,
	                         .received_ms = T0,
	                         .meter_ts_ms = T0 + 7200000};
	feed_error(f, &e);
	e.fate = FATE_REJECT_SEQUENCE;
	feed_error(f, &e);
	e.fate = FATE_CONFLICT;
	feed_error(f, &e);
	e.fate = FATE_REJECT_RANGE;
	feed_error(f, &e);
	assert_int_equal(feed_take(f, notes, 16), 3);
	assert_int_equal(notes[0].kind, EVENT_CLOCK_DRIFT);
	assert_int_equal(notes[0].drift_s, 7200);
	assert_int_equal(feed_cell(f, 3).flags, FEED_DRIFT | FEED_REGISTER);
	assert_int_equal(feed_cell(f, 3).heard_s, T0 / 1000);
	read_one(T0 + 1000, 0, 0);
	assert_int_equal(feed_cell(f, 3).flags, 0);
}

static void overflow_is_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 65536 + 5; i++)
		read_one(T0 + i, 0, READING_F_TAMPER);
	assert_int_equal(feed_dropped(f), 5);
	assert_int_equal(feed_dropped(f), 0);
	assert_int_equal(feed_take(f, notes, 16), 16);
	assert_int_equal(notes[15].at_ms, T0 + 15);
}

static void warm_start_keeps_what_is_newer(void **state)
{
	(void)state;
	read_one(T0, 0, 0);
	struct stored_reading old = {.device = 3, .received_ms = T0 - 60000, .profile = 9};
	feed_warm(f, &old);
	assert_int_equal(feed_cell(f, 3).profile, 2);
	old.device = 4;
	old.flags = READING_F_LOW_BATTERY;
	feed_warm(f, &old);
	assert_int_equal(feed_cell(f, 4).flags, FEED_LOW_BATTERY);
	assert_int_equal(feed_take(f, notes, 16), 0); /* no occurrence, only a state */
}

static void gateways_signs(void **state)
{
	(void)state;
	struct gateways *g = gateways_new();
	struct gateway w;
	char id[16];
	for (int i = 1; i <= 1000; i++) { /* grows */
		snprintf(id, sizeof id, "GW-%d", i);
		assert_int_equal(gateways_add(g, id), i);
	}
	assert_int_equal(gateways_add(g, "GW-700"), 700);
	assert_int_equal(gateways_add(g, ""), GATEWAY_NONE);
	gateways_sign(g, "GW-7x", 4, GATEWAY_CONNECTED, 60, 1000);
	assert_true(gateways_get(g, 7, &w));
	assert_int_equal(gateway_alive_s(&w, 900, 2000), 2000); /* its keep-alive vouches */
	assert_int_equal(gateway_alive_s(&w, 80, 2000), 1000);  /* but not that fast */
	gateways_sign(g, "GW-7", 4, GATEWAY_PUBLISHED, 0, 1500);
	gateways_sign(g, "GW-7", 4, GATEWAY_GONE, 0, 1600);
	gateways_get(g, 7, &w);
	assert_int_equal(gateway_alive_s(&w, 900, 2000), 1600);
	gateways_heard(g, 7, 1700);
	gateways_get(g, 7, &w);
	assert_int_equal(gateway_alive_s(&w, 900, 2000), 1700);
	gateways_sign(g, "nobody", 6, GATEWAY_CONNECTED, 60, 1000);
	gateways_begin(g);
	gateways_meter(g, 8);
	gateways_meter(g, 8);
	gateways_end(g, 5000);
	gateways_get(g, 8, &w);
	assert_int_equal(w.meters, 2);
	assert_int_equal(gateway_alive_s(&w, 900, 6000), 5000); /* new: its time begins now */
	assert_false(gateways_get(g, 1001, &w));
	gateways_free(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(newest_reading_is_kept),
	    TEST(replayed_by_an_operator_is_no_sign_of_life),
	    TEST(flags_are_noted_and_go),
	    TEST(refusals_are_noted_until_one_is_accepted),
	    TEST(overflow_is_counted),
	    TEST(warm_start_keeps_what_is_newer),
	    TEST(gateways_signs),
	};
	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
