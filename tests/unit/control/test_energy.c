/* SPDX-License-Identifier: Apache-2.0 */
/*
 * There is one way to energy: aggregates (storage/aggregate) and intervals (control/usage) agree
 * with each other and with a plain recomputation, over gaps, rollovers, readings that come late and
 * days of 23 and 25 hours. Random, by seeds that are printed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "contract/reading.h"
#include "control/usage/usage.h"
#include "fake_store.h"
#include "storage/aggregate/aggregate.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define QUARTER_S 900
#define CHANNEL   1
#define MODULUS   100000000 /* two dials of kWh in mWh */
#define DAYS      3
#define SLOTS_MAX (DAYS * 100 + 1)
#define SEEDS     300

static struct profile profile = {.id = 7, .channel_count = 1, .interval_ms = QUARTER_S * 1000,
                                 .register_kwh_pow10 = 6, .dials = 2, .capacity_w = 100000,
                                 .channels = {{.channel = CHANNEL}}};
static struct profile_set profiles;
static const struct channel_catalogue channels;
static struct vee_rules rules;
static struct calendar *calendar;
static struct error err;

static int32_t day_of(const void *c, int64_t utc_ms)
{
	return calendar_day(c, utc_ms / 1000);
}

static int64_t day_start_ms(const void *c, int32_t day)
{
	return calendar_day_start_s(c, day) * 1000;
}

static uint64_t state;
static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* A meter: what it truly counted, and which readings came when. */
static struct {
	int64_t start_s;
	uint32_t slots;            /* boundaries */
	int64_t truth[SLOTS_MAX];  /* never rolls over */
	bool there[SLOTS_MAX];
	uint32_t order[SLOTS_MAX]; /* of arrival */
	struct stored_reading readings[SLOTS_MAX];
} m;

static void make_meter(int32_t day)
{
	m.start_s = calendar_day_start_s(calendar, day);
	m.slots =
	    (uint32_t)((calendar_day_start_s(calendar, day + DAYS) - m.start_s) / QUARTER_S) + 1;
	int64_t value = draw(MODULUS);
	uint32_t most = draw(4) == 0 ? 1 : 2000000; /* mWh a quarter hour */
	uint32_t lost = draw(30), run = 0;          /* in a hundred */
	for (uint32_t i = 0; i < m.slots; i++) {
		m.truth[i] = value;
		value += draw(most);
		run = run ? run - 1 : draw(100) < lost ? draw(draw(8) ? 4 : 30) : 0;
		m.there[i] = run == 0;
		m.order[i] = i;
	}
	for (uint32_t i = 0; i < m.slots / 8; i++) { /* some come late */
		uint32_t a = draw(m.slots), b = draw(m.slots), other = m.order[a];
		m.order[a] = m.order[b];
		m.order[b] = other;
	}
}

/* As ingest flags them, in their order of arrival. */
static void receive(void)
{
	int64_t newest = -1, last = 0;
	for (uint32_t k = 0; k < m.slots; k++) {
		uint32_t i = m.order[k];
		struct stored_reading *r = &m.readings[i];
		if (!m.there[i])
			continue;
		*r = (struct stored_reading){
		    .profile = 7, .channel_count = 1, .channel = {CHANNEL},
		    .ts_ms = (m.start_s + (int64_t)i * QUARTER_S) * 1000,
		    .value = {m.truth[i] % MODULUS}};
		r->meter_ts_ms = r->ts_ms;
		if ((int64_t)i < newest) {
			r->flags = READING_F_LATE;
			continue;
		}
		r->flags = newest >= 0 && r->value[0] < last ? READING_F_ROLLOVER : 0;
		newest = i;
		last = r->value[0];
	}
}

static void load_days(struct usage *u, int32_t day, int32_t end_day)
{
	struct usage_source source = {fake_store_new(), &profiles, calendar, &rules, INT64_MAX,
	                              NULL};
	for (uint32_t i = 0; i < m.slots; i++)
		if (m.there[i])
			fake_store_add_reading(source.store, &m.readings[i]);
	if (usage_load(&source, 0, 0, day, end_day, u, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	fake_store_free(source.store);
}

static void load(struct usage *u, int32_t day)
{
	load_days(u, day, day + DAYS);
}

/* A value is the same whichever days are asked for, gaps over midnight included. */
static void compare_days(const struct usage *all, int32_t day)
{
	for (int32_t d = day; d < day + DAYS; d++) {
		struct usage u;
		load_days(&u, d, d + 1);
		struct vee_row row = usage_day(all, calendar, d);
		assert_int_equal(u.row.count, row.count);
		for (uint32_t i = 0; i < row.count; i++) {
			assert_int_equal(u.row.intervals[i].source, row.intervals[i].source);
			assert_true(u.row.intervals[i].energy_mwh == row.intervals[i].energy_mwh);
		}
		usage_free(&u);
	}
}

/* Periods of `slots_each` intervals. Where both ends were read all three agree. */
static uint32_t compare(const struct usage *u, uint32_t slots_each)
{
	static const struct stored_reading *rows[SLOTS_MAX];
	static int64_t bounds[SLOTS_MAX + 1];
	static struct aggregate out[SLOTS_MAX];
	const struct aggregate_rules a = {.profiles = &profiles, .channels = &channels,
	                                  .zone = "test", .calendar = calendar, .day_of = day_of,
	                                  .day_start_ms = day_start_ms};
	uint32_t count = 0, periods = (m.slots - 1) / slots_each, compared = 0;
	for (uint32_t i = 0; i < m.slots; i++)
		if (m.there[i])
			rows[count++] = &m.readings[i];
	for (uint32_t p = 0; p <= periods; p++)
		bounds[p] = (m.start_s + (int64_t)p * slots_each * QUARTER_S) * 1000;
	aggregate_compute(&a, rows, count, bounds, periods, out);
	for (uint32_t p = 0; p < periods; p++) {
		uint32_t from = p * slots_each, to = from + slots_each;
		if (!m.there[from] || !m.there[to])
			continue;
		struct vee_row row = u->row;
		row.intervals += from;
		row.count = slots_each;
		assert_true(vee_sum_mwh(&row) == m.truth[to] - m.truth[from]);
		assert_true(out[p].flags & AGGREGATE_F_ENERGY);
		assert_true(out[p].energy == m.truth[to] - m.truth[from]);
		compared++;
	}
	return compared;
}

static void one_seed(uint64_t seed, int32_t day)
{
	struct usage u;
	state = seed;
	make_meter(day);
	m.there[0] = true;
	receive();
	load(&u, day);
	assert_int_equal(u.row.count, m.slots - 1);
	compare(&u, 1);
	compare(&u, 4);
	compare_days(&u, day);
	for (uint32_t i = 0; i < u.row.count; i++)
		if (m.there[i] && m.there[i + 1])
			assert_int_equal(u.row.intervals[i].source, VEE_ACTUAL);
		else
			assert_int_not_equal(u.row.intervals[i].source, VEE_ACTUAL);
	usage_free(&u);
	/* the rest comes late: both are put right */
	for (uint32_t i = 0; i < m.slots; i++) {
		if (m.there[i])
			continue;
		m.there[i] = true;
		m.readings[i] = (struct stored_reading){
		    .profile = 7, .channel_count = 1, .channel = {CHANNEL},
		    .flags = READING_F_LATE, .value = {m.truth[i] % MODULUS}};
		m.readings[i].ts_ms = (m.start_s + (int64_t)i * QUARTER_S) * 1000;
		m.readings[i].meter_ts_ms = m.readings[i].ts_ms;
	}
	/* only the last can't be late */
	load(&u, day);
	assert_int_equal(u.completeness, 10000);
	assert_int_equal(u.gap_count, 0);
	assert_int_equal(compare(&u, 1), m.slots - 1);
	assert_int_equal(compare(&u, 4), (m.slots - 1) / 4);
	usage_free(&u);
}

static void aggregates_intervals_and_truth_agree(void **unused)
{
	(void)unused;
	/* an ordinary one, spring with its 92 quarter hours, autumn with its 100 */
	const int32_t days[] = {civil_to_day((struct civil_date){2025, 6, 3}),
	                        civil_to_day((struct civil_date){2025, 3, 8}),
	                        civil_to_day((struct civil_date){2025, 11, 1})};
	profiles.by_id[7] = &profile;
	vee_rules_default(&rules);
	assert_int_equal(calendar_new("America/Los_Angeles", &calendar, &err), RESULT_OK);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		print_message("%s%llu", seed % 25 == 1 ? "\nseed " : " ", (unsigned long long)seed);
		one_seed(seed, days[seed % 3]);
	}
	print_message("\n");
	calendar_free(calendar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(aggregates_intervals_and_truth_agree)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
