/* SPDX-License-Identifier: Apache-2.0 */
/* Fleets on CoAP, for which nothing has to be connected first. */
#include "gen_rig.h"

static struct gen g;

static int set_up(void **state)
{
	(void)state;
	rig_init(&g, PROTOCOL_COAP);
	g.options.poisson = false;
	g.options.seconds = 1;
	g.options.nstart = 1000;
	g.wall_offset_ms = 1749996900000;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&g);
	return 0;
}

/* To the beginning of the first step. */
static void start(void)
{
	schedule_start(&g);
	g.server_known = true;
	while (g.schedule.phase != PHASE_LOAD)
		assert_true(schedule_run(&g));
	rig_count = rig_seen = 0;
}

/* Every message under way is answered. */
static void answer_all(void)
{
	for (uint32_t i = 0; i < RIG_CLIENTS; i++) {
		while (g.clients[i].head != NONE) {
			uint32_t item = g.clients[i].head;
			client_unlink(&g, &g.clients[i], NONE, item);
			gen_acked(&g, item);
		}
	}
	rig_count = rig_seen = 0;
}

static void steady_rate_is_kept(void **state)
{
	(void)state;
	g.options.rates[0] = 1000;
	start();
	for (uint32_t ms = 1; ms < 1000; ms++) {
		g.now_us += 1000;
		assert_true(schedule_run(&g));
		assert_int_equal(g.totals.scheduled, ms + 1);
		answer_all();
	}
}

static void stall_of_the_generator_counts_as_latency(void **state)
{
	(void)state;
	g.options.rates[0] = 1000;
	start();
	g.now_us += 40000; /* forty messages became due meanwhile */
	schedule_run(&g);
	answer_all();
	assert_in_range(g.totals.scheduled, 40, 41);
	assert_in_range(g.steps[0].latency.max_us, 39000, 40000);
	assert_in_range(latency_percentile_us(&g.steps[0].latency, 50), 19000, 21000);
}

static void messages_without_room_stay_due_and_are_reported(void **state)
{
	(void)state;
	g.options.rates[0] = 1000;
	g.options.inflight_max = 10;
	start();
	for (uint32_t ms = 0; ms < 1000; ms++) {
		g.now_us += 1000;
		schedule_run(&g);
	}
	assert_int_equal(g.totals.scheduled, 10);
	assert_int_equal(g.schedule.phase, PHASE_DRAIN);
	assert_int_equal(g.steps[0].left_out, 990);
}

static void poisson_arrivals_have_the_rate_on_average(void **state)
{
	(void)state;
	g.options.rates[0] = 1000;
	g.options.poisson = true;
	g.options.seconds = 20;
	start();
	while (g.schedule.phase == PHASE_LOAD) {
		g.now_us += 1000;
		schedule_run(&g);
		answer_all();
	}
	/* 20,000, give or take five standard deviations */
	assert_in_range(g.totals.scheduled, 20000 - 707, 20000 + 707);
}

static void herd_sends_each_client_once(void **state)
{
	(void)state;
	g.options.profile = PROFILE_HERD;
	g.options.within = 0.5;
	start();
	while (g.schedule.phase == PHASE_LOAD) {
		g.now_us += 1000;
		schedule_run(&g);
	}
	assert_in_range(g.now_us - g.steps[0].start_us, 430000, 500000);
	assert_int_equal(g.totals.scheduled, RIG_CLIENTS);
	for (uint32_t i = 0; i < RIG_CLIENTS; i++) {
		assert_int_not_equal(g.clients[i].head, NONE);
		assert_int_equal(g.clients[i].head, g.clients[i].tail);
	}
}

static void backlog_has_every_interval_once(void **state)
{
	enum { INTERVALS = 23, BATCH = 5 };
	static bool seen[RIG_CLIENTS][INTERVALS];
	(void)state;
	g.options.profile = PROFILE_BACKLOG;
	g.options.intervals = INTERVALS;
	g.options.batch = BATCH;
	g.options.rates[0] = 1000;
	start();
	while (g.schedule.phase == PHASE_LOAD) {
		g.now_us += 1000;
		schedule_run(&g);
		for (uint32_t c = 0; c < RIG_CLIENTS; c++) {
			if (g.clients[c].head == NONE)
				continue;
			const struct item *item = &g.items[g.clients[c].head];
			for (uint32_t i = 0; i < item->readings; i++) {
				uint32_t meter;
				int64_t ts;
				payload_reading(&g.options, c, item, i, &meter, &ts);
				uint32_t nth =
				    (uint32_t)((ts - g.schedule.backlog_ms) / INTERVAL_MS);
				assert_int_equal(meter, c);
				assert_true(nth < INTERVALS && !seen[c][nth]);
				seen[c][nth] = true;
			}
		}
		answer_all();
	}
	assert_int_equal(g.totals.readings_acked, RIG_CLIENTS * INTERVALS);
}

static void timestamps_of_a_client_never_repeat(void **state)
{
	int64_t last[RIG_CLIENTS] = {0};
	(void)state;
	g.options.rates[0] = 20000; /* more than one in a millisecond from each */
	g.options.seconds = 0.1;
	start();
	while (g.schedule.phase == PHASE_LOAD) {
		g.now_us += 500;
		schedule_run(&g);
		for (uint32_t c = 0; c < RIG_CLIENTS; c++) {
			for (uint32_t i = g.clients[c].head; i != NONE; i = g.items[i].next) {
				assert_true(g.items[i].ts_ms > last[c]);
				last[c] = g.items[i].ts_ms;
			}
		}
		answer_all();
	}
	assert_true(g.totals.scheduled > 1900);
}

static void duplicates_and_late_readings_have_their_shares(void **state)
{
	uint32_t duplicates = 0, late = 0;
	(void)state;
	g.options.rates[0] = 1000;
	g.options.seconds = 20;
	g.options.duplicates = 0.1;
	g.options.late = 0.05;
	start();
	while (g.schedule.phase == PHASE_LOAD) {
		g.now_us += 1000;
		schedule_run(&g);
		for (uint32_t c = 0; c < RIG_CLIENTS; c++) {
			if (g.clients[c].head == NONE)
				continue;
			const struct item *i = &g.items[g.clients[c].head];
			int64_t now_ms = (int64_t)(g.now_us / 1000) + g.wall_offset_ms;
			duplicates += (i->flags & ITEM_DUPLICATE) != 0;
			late += now_ms - i->ts_ms >= 3600000;
		}
		answer_all();
	}
	assert_in_range(duplicates, 1750, 2250);
	assert_in_range(late, 820, 1180);
}

static void steps_follow_each_other_then_the_end(void **state)
{
	(void)state;
	g.options.rates[0] = 100;
	g.options.rates[1] = 200;
	g.options.rate_count = 2;
	start();
	while (schedule_run(&g)) {
		g.now_us += 1000;
		answer_all();
	}
	assert_int_equal(g.steps[0].scheduled, 100);
	assert_int_equal(g.steps[1].scheduled, 200);
	assert_int_equal(g.steps[0].acked, 100);
	assert_int_equal(g.steps[1].acked, 200);
}

static void flood_sends_syns_at_its_rate_from_elsewhere(void **state)
{
	(void)state;
	g.options.syn_flood = 1000;
	for (uint32_t ms = 0; ms < 100; ms++) {
		g.now_us += 1000;
		flood_run(&g);
	}
	assert_in_range(rig_count, 99, 101);
	for (uint32_t i = 0; i < rig_count; i++) {
		uint32_t bytes;
		const uint8_t *tcp = rig_next(&bytes);
		assert_int_equal(tcp[13], 2);
		assert_int_equal(get_be32(tcp - 8) >> 17, 0xc6120000u >> 17);
	}
}

/* Clients 6 and 7 hold their window shut, from the second step on; the flood is in the third. */
static void hostile_clients_come_at_their_step(void **state)
{
	uint64_t floods[3] = {0};
	(void)state;
	g.options.rates[1] = g.options.rates[2] = g.options.rates[0] = 100;
	g.options.rate_count = 3;
	g.options.seconds = 0.1;
	g.options.zero_window_from = 2;
	g.options.syn_flood_from = 3;
	g.options.syn_flood = 1000;
	g.senders = 6;
	start();
	g.schedule.opened = 6;
	bool seen[2] = {false, false};
	while (schedule_run(&g)) {
		uint32_t step = g.schedule.step;
		bool open = g.clients[6].state != CLIENT_CLOSED;
		if (g.schedule.phase == PHASE_LOAD)
			assert_int_equal(open, step >= 1);
		for (uint32_t c = 6; c < 8; c++) {
			if (g.clients[c].state != CLIENT_SYN_SENT || seen[c - 6])
				continue;
			seen[c - 6] = true;
			assert_int_equal(g.schedule.phase, PHASE_CONNECT);
			g.schedule.half_open--; /* as its SYN-ACK would */
		}
		g.up = g.senders;
		g.now_us += 1000;
		uint64_t before = g.totals.floods;
		flood_run(&g);
		floods[step] += g.totals.floods - before;
		rig_count = rig_seen = 0;
		answer_all();
	}
	assert_true(seen[0] && seen[1]);
	assert_int_equal(floods[0] + floods[1], 0);
	assert_true(floods[2] > 90);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(g.steps[i].scheduled, 10);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(steady_rate_is_kept),
	    CASE(stall_of_the_generator_counts_as_latency),
	    CASE(messages_without_room_stay_due_and_are_reported),
	    CASE(poisson_arrivals_have_the_rate_on_average),
	    CASE(herd_sends_each_client_once),
	    CASE(backlog_has_every_interval_once),
	    CASE(timestamps_of_a_client_never_repeat),
	    CASE(duplicates_and_late_readings_have_their_shares),
	    CASE(steps_follow_each_other_then_the_end),
	    CASE(flood_sends_syns_at_its_rate_from_elsewhere),
	    CASE(hostile_clients_come_at_their_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
