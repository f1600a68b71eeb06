/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ingest/validate.h"
#include "tests/support/profiles.h"

#define T0   TEST_FLAT_MS
#define MIN  60000ll
#define HOUR 3600000ll
#define DAY  86400000ll
#define KWH  1000000ll

static struct profile_set profiles;
static struct profile *p;
static struct device_track track;
static const struct hash_key key = {1, 2};

static int setup(void **state)
{
	(void)state;
	test_profiles_init(&profiles);
	p = &profiles.profiles[0];
	memset(&track, 0, sizeof track);
	return 0;
}

static struct reading live(int64_t meter_ts_ms, int64_t active)
{
	struct reading r = {.meter_ts_ms = meter_ts_ms,
	                    .received_ms = meter_ts_ms,
	                    .profile = 1,
	                    .channel_count = 1};
	r.channel[0] = TEST_CHANNEL_ACTIVE;
	r.value[0] = active;
	return r;
}

/* Judge, and remember when accepted. */
static struct verdict take(struct reading r)
{
	struct verdict v = validate(p, &track, &r);
	if (v.fate == FATE_STORED) {
		r.ts_ms = v.ts_ms;
		dedup_accept(&track, key, p, &r, v.register_index, v.newer);
	}
	return v;
}

static void expect(struct verdict v, enum fate fate, uint16_t flags)
{
	if (v.fate != fate)
		fail_msg("%s, not %s", fate_info[v.fate].name, fate_info[fate].name);
	if (fate == FATE_STORED)
		assert_int_equal(v.flags, flags);
}

static void drift_is_accepted_flagged_replaced_or_rejected(void **state)
{
	static const struct {
		int64_t drift_ms;
		enum fate fate;
		uint16_t flags;
	} cases[] = {
	    {0, FATE_STORED, 0},
	    {60000, FATE_STORED, 0},
	    {60001, FATE_STORED, READING_F_DRIFT},
	    {300000, FATE_STORED, READING_F_DRIFT},
	    {300001, FATE_STORED, READING_F_TS_REPLACED},
	    {3600000, FATE_STORED, READING_F_TS_REPLACED},
	    {3600001, FATE_REJECT_CLOCK_DRIFT, 0},
	    {3 * DAY, FATE_REJECT_CLOCK_DRIFT, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int sign = -1; sign <= 1; sign += 2) {
			struct reading r = live(T0 + sign * cases[i].drift_ms, 0);
			r.received_ms = T0;
			struct verdict v = validate(p, &track, &r);
			expect(v, cases[i].fate, cases[i].flags);
			if (v.fate == FATE_STORED)
				assert_true(v.ts_ms ==
				            (v.flags & READING_F_TS_REPLACED ? T0 : r.meter_ts_ms));
		}
}

static void collection_time_excuses_drift_but_not_lateness(void **state)
{
	struct reading r = live(T0, 0);

	(void)state;
	r.received_ms = T0 + 47 * HOUR;
	r.collected_delta_ms = (int32_t)(-47 * HOUR);
	expect(validate(p, &track, &r), FATE_STORED, 0);
	r.received_ms = T0 + 48 * HOUR;
	r.collected_delta_ms = (int32_t)(-48 * HOUR);
	expect(validate(p, &track, &r), FATE_STORED, 0);
	r.received_ms++;
	r.collected_delta_ms--;
	expect(validate(p, &track, &r), FATE_REJECT_TOO_LATE, 0);
	r.collected_delta_ms += (int32_t)(2 * HOUR);
	expect(validate(p, &track, &r), FATE_REJECT_CLOCK_DRIFT, 0);
	r.received_ms = T0 + 40 * DAY; /* more than the difference can say */
	r.collected_delta_ms = INT32_MIN;
	expect(validate(p, &track, &r), FATE_REJECT_TOO_LATE, 0);
}

static void extreme_times_do_not_overflow(void **state)
{
	struct reading r = live(INT64_MIN, 0);

	(void)state;
	r.received_ms = INT64_MAX;
	expect(validate(p, &track, &r), FATE_REJECT_CLOCK_DRIFT, 0);
	r.meter_ts_ms = INT64_MAX;
	r.received_ms = INT64_MIN;
	expect(validate(p, &track, &r), FATE_REJECT_CLOCK_DRIFT, 0);
}

static void negative_register_or_demand_is_rejected(void **state)
{
	struct reading r = live(T0, -1);

	(void)state;
	expect(validate(p, &track, &r), FATE_REJECT_NEGATIVE, 0);
	p->channels[FLAT_ACTIVE].negative_allowed = true;
	expect(validate(p, &track, &r), FATE_STORED, 0);
}

static void value_outside_its_limits_is_rejected(void **state)
{
	struct reading r = live(T0, 5);

	(void)state;
	r.channel_count = 2; /* the slot between is absent */
	r.channel[1] = TEST_CHANNEL_VOLTAGE;
	p->channels[FLAT_VOLTAGE].min = 100000;
	p->channels[FLAT_VOLTAGE].max = 300000;
	static const struct {
		int64_t value;
		enum fate fate;
	} cases[] = {{99999, FATE_REJECT_RANGE},
	             {100000, FATE_STORED},
	             {300000, FATE_STORED},
	             {300001, FATE_REJECT_RANGE}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		r.value[1] = cases[i].value;
		expect(validate(p, &track, &r), cases[i].fate, 0);
	}
}

static void low_battery_is_flagged(void **state)
{
	struct reading r = live(T0, 5);

	(void)state;
	p = &profiles.profiles[1];
	r.channel_count = 3;
	r.channel[1] = TEST_CHANNEL_BATTERY;
	r.channel[2] = TEST_CHANNEL_SIGNAL;
	r.value[2] = -90;
	r.value[1] = 21;
	expect(validate(p, &track, &r), FATE_STORED, 0);
	r.value[1] = 20;
	expect(validate(p, &track, &r), FATE_STORED, READING_F_LOW_BATTERY);
}

static void register_that_falls_is_rejected(void **state)
{
	(void)state;
	expect(take(live(T0, 100 * KWH)), FATE_STORED, 0);
	expect(take(live(T0 + 15 * MIN, 100 * KWH)), FATE_STORED, 0);
	expect(take(live(T0 + 30 * MIN, 100 * KWH - 1)), FATE_REJECT_SEQUENCE, 0);
	expect(take(live(T0 + 45 * MIN, 101 * KWH)), FATE_STORED, 0);
}

static void late_register_must_not_exceed_the_last(void **state)
{
	(void)state;
	expect(take(live(T0, 100 * KWH)), FATE_STORED, 0);
	struct reading late = live(T0 - 15 * MIN, 100 * KWH + 1);
	expect(take(late), FATE_REJECT_SEQUENCE, READING_F_LATE);
	late.value[0] = 99 * KWH;
	expect(take(late), FATE_STORED, READING_F_LATE);
	assert_true(track.register_value == 100 * KWH);
	assert_true(track.last_ts_ms == T0);
}

static void energy_above_capacity_is_rejected(void **state)
{
	(void)state;
	p->capacity_w = 10000; /* 2.5 kWh in 15 min, 2.525 with 1 %, and 0.01 */
	expect(take(live(T0, 100 * KWH)), FATE_STORED, 0);
	struct reading r = live(T0 + 15 * MIN, 102535001);
	expect(take(r), FATE_REJECT_CAPACITY, 0);
	r.value[0] = 102535000;
	expect(take(r), FATE_STORED, 0);
	/* the registry's word for this meter goes before the profile's */
	r = live(T0 + 30 * MIN, 102535000 + 5060000);
	expect(take(r), FATE_REJECT_CAPACITY, 0);
	r.capacity_w = 20000;
	expect(take(r), FATE_STORED, 0);
}

static void capacity_with_extreme_numbers_does_not_overflow(void **state)
{
	(void)state;
	p->capacity_w = UINT32_MAX;
	p->late_max_ms = UINT64_MAX;
	p->register_kwh_pow10 = 12;
	p->channels[0].negative_allowed = true;
	expect(take(live(INT64_MIN / 2, INT64_MIN)), FATE_STORED, 0);
	expect(take(live(INT64_MAX / 2, INT64_MAX)), FATE_STORED, 0);
	struct reading r = live(INT64_MAX / 2 + 1, INT64_MIN);
	r.dials = 6;
	expect(take(r), FATE_REJECT_SEQUENCE, 0);
}

static void rollover_within_capacity_is_accepted(void **state)
{
	(void)state;
	p->dials = 5;
	p->capacity_w = 10000;
	expect(take(live(T0, 99999 * KWH)), FATE_STORED, 0);
	expect(take(live(T0 + 15 * MIN, 2 * KWH)), FATE_REJECT_SEQUENCE, 0);
	expect(take(live(T0 + 15 * MIN, 1 * KWH)), FATE_STORED, READING_F_ROLLOVER);
	expect(take(live(T0 + 30 * MIN, 3 * KWH)), FATE_STORED, 0);
	/* from before the rollover */
	expect(take(live(T0 - 15 * MIN, 99998 * KWH)), FATE_STORED, READING_F_LATE);
	expect(take(live(T0 - 30 * MIN, 50000 * KWH)), FATE_REJECT_SEQUENCE, 0);
}

static void rollover_without_capacity_needs_both_ends_of_the_dials(void **state)
{
	(void)state;
	p->dials = 5;
	expect(take(live(T0, 89999 * KWH)), FATE_STORED, 0);
	expect(take(live(T0 + 15 * MIN, 1 * KWH)), FATE_REJECT_SEQUENCE, 0);
	expect(take(live(T0 + 15 * MIN, 90000 * KWH)), FATE_STORED, 0);
	expect(take(live(T0 + 30 * MIN, 10000 * KWH)), FATE_REJECT_SEQUENCE, 0);
	expect(take(live(T0 + 30 * MIN, 9999 * KWH)), FATE_STORED, READING_F_ROLLOVER);
}

static void rollover_needs_dials(void **state)
{
	struct reading r = live(T0 + 15 * MIN, 1 * KWH);

	(void)state;
	expect(take(live(T0, 99999 * KWH)), FATE_STORED, 0);
	expect(take(r), FATE_REJECT_SEQUENCE, 0);
	r.dials = 5; /* by the registry */
	expect(take(r), FATE_STORED, READING_F_ROLLOVER);
}

static void same_effective_time_is_ordered_by_the_meter(void **state)
{
	struct reading first = live(T0 - 30 * MIN, 100 * KWH);
	struct reading second = live(T0 - 15 * MIN, 102 * KWH);

	(void)state;
	p->capacity_w = 10000;
	first.received_ms = second.received_ms = T0;
	expect(take(first), FATE_STORED, READING_F_TS_REPLACED);
	expect(take(second), FATE_STORED, READING_F_TS_REPLACED);
	memset(&track, 0, sizeof track);
	expect(take(second), FATE_STORED, READING_F_TS_REPLACED);
	expect(take(first), FATE_STORED, READING_F_TS_REPLACED | READING_F_LATE);
}

static void reading_without_register_is_not_held_against_it(void **state)
{
	struct reading bare = live(T0 + 15 * MIN, 0);

	(void)state;
	p->capacity_w = 10000;
	bare.channel[0] = TEST_CHANNEL_DEMAND;
	expect(take(live(T0, 100 * KWH)), FATE_STORED, 0);
	expect(take(bare), FATE_STORED, 0);
	/* half an hour since the register, not a quarter */
	expect(take(live(T0 + 30 * MIN, 105 * KWH)), FATE_STORED, 0);
	expect(take(live(T0 + 45 * MIN, 110 * KWH)), FATE_REJECT_CAPACITY, 0);
}

#define CASE(test) cmocka_unit_test_setup(test, setup)

static struct reading since(int64_t from_ms, int64_t meter_ts_ms, int64_t active)
{
	struct reading r = live(meter_ts_ms, active);
	r.register_from_ms = from_ms;
	return r;
}

static void reset_of_the_registry_clears_the_watch_from_its_date(void **state)
{
	(void)state;
	int64_t reset = T0 + 30 * MIN;
	expect(take(live(T0, 500 * KWH)), FATE_STORED, 0);
	/* without it, and before its date, a fall is a fall */
	expect(take(live(T0 + 15 * MIN, 1 * KWH)), FATE_REJECT_SEQUENCE, 0);
	expect(take(since(reset, T0 + 15 * MIN, 1 * KWH)), FATE_REJECT_SEQUENCE, 0);
	expect(take(since(reset, reset, 1 * KWH)), FATE_STORED, READING_F_RESET);
	/* from then on the register is watched again */
	expect(take(since(reset, T0 + 45 * MIN, KWH / 2)), FATE_REJECT_SEQUENCE, 0);
	expect(take(since(reset, T0 + 45 * MIN, 2 * KWH)), FATE_STORED, 0);
}

static void late_reading_of_the_old_register_is_not_held_against_the_new(void **state)
{
	(void)state;
	int64_t reset = T0 + 30 * MIN;
	expect(take(since(reset, T0, 500 * KWH)), FATE_STORED, 0);
	expect(take(since(reset, T0 + 45 * MIN, 1 * KWH)), FATE_STORED, READING_F_RESET);
	expect(take(since(reset, T0 + 15 * MIN, 501 * KWH)), FATE_STORED, READING_F_LATE);
	/* but one of the new register is */
	expect(take(since(reset, T0 + 40 * MIN, 2 * KWH)), FATE_REJECT_SEQUENCE, 0);
}

static void reset_long_ago_changes_nothing(void **state)
{
	(void)state;
	expect(take(since(T0 - DAY, T0, 500 * KWH)), FATE_STORED, 0);
	expect(take(since(T0 - DAY, T0 + 15 * MIN, 499 * KWH)), FATE_REJECT_SEQUENCE, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(drift_is_accepted_flagged_replaced_or_rejected),
	    CASE(collection_time_excuses_drift_but_not_lateness),
	    CASE(extreme_times_do_not_overflow),
	    CASE(negative_register_or_demand_is_rejected),
	    CASE(value_outside_its_limits_is_rejected),
	    CASE(low_battery_is_flagged),
	    CASE(register_that_falls_is_rejected),
	    CASE(reset_of_the_registry_clears_the_watch_from_its_date),
	    CASE(late_reading_of_the_old_register_is_not_held_against_the_new),
	    CASE(reset_long_ago_changes_nothing),
	    CASE(late_register_must_not_exceed_the_last),
	    CASE(energy_above_capacity_is_rejected),
	    CASE(capacity_with_extreme_numbers_does_not_overflow),
	    CASE(rollover_within_capacity_is_accepted),
	    CASE(rollover_without_capacity_needs_both_ends_of_the_dials),
	    CASE(rollover_needs_dials),
	    CASE(same_effective_time_is_ordered_by_the_meter),
	    CASE(reading_without_register_is_not_held_against_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
