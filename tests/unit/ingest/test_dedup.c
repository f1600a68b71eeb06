/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "contract/stored.h"
#include "ingest/dedup.h"
#include "ingest/stage.h"
#include "tests/support/profiles.h"

#define SLOT 900000ll

static struct profile_set profiles;
static struct device_track *states;

static int setup(void **state)
{
	(void)state;
	test_profiles_init(&profiles);
	states = device_states_new(3);
	return states ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	device_states_free(states);
	return 0;
}

static struct reading at(int64_t meter_ts_ms, int64_t value)
{
	struct reading r = {.meter_ts_ms = meter_ts_ms, .ts_ms = meter_ts_ms, .channel_count = 1};
	r.channel[0] = TEST_CHANNEL_ACTIVE;
	r.value[0] = value;
	return r;
}

static enum dedup_answer judge(int64_t meter_ts_ms)
{
	struct reading r = at(meter_ts_ms, 1);
	return dedup_judge(&states[0], dedup_key(states), &r);
}

static void accept(int64_t meter_ts_ms)
{
	struct reading r = at(meter_ts_ms, 1);
	bool newer = states[0].slot_ms == 0 || meter_ts_ms > states[0].last_ts_ms;
	dedup_accept(&states[0], dedup_key(states), &profiles.profiles[0], &r, 0, newer);
}

static void table_begins_empty_with_a_random_key(void **state)
{
	static const struct device_track empty;

	(void)state;
	struct device_track *other = device_states_new(1);
	for (int i = 0; i < 3; i++)
		assert_memory_equal(&states[i], &empty, sizeof empty);
	struct hash_key a = dedup_key(states), b = dedup_key(other);
	assert_memory_not_equal(&a, &b, sizeof a);
	device_states_free(other);
}

static void value_hash_covers_count_channels_and_values(void **state)
{
	struct hash_key key = dedup_key(states);
	uint8_t channel[READING_CHANNELS] = {1, 2};
	int64_t value[READING_CHANNELS] = {5, 0};
	uint64_t first = dedup_hash(key, 2, channel, value);

	(void)state;
	assert_true(dedup_hash(key, 1, channel, value) != first);
	channel[2] = 9;
	value[2] = 9;
	assert_true(dedup_hash(key, 2, channel, value) == first);
	channel[1] = 3;
	assert_true(dedup_hash(key, 2, channel, value) != first);
	channel[1] = 2;
	value[1] = 1;
	assert_true(dedup_hash(key, 2, channel, value) != first);
}

static void newest_is_told_by_its_values(void **state)
{
	struct reading same = at(1000, 1), other = at(1000, 2);

	(void)state;
	memset(&states[0], 0, sizeof states[0]);
	assert_int_equal(judge(1000), DEDUP_NEW);
	accept(1000);
	assert_int_equal(dedup_judge(&states[0], dedup_key(states), &same), DEDUP_DUPLICATE);
	assert_int_equal(dedup_judge(&states[0], dedup_key(states), &other), DEDUP_CONFLICT);
	assert_int_equal(judge(1001), DEDUP_NEW);
	assert_int_equal(judge(999), DEDUP_UNSURE);
}

/* Against a plain set of identities, over random jumps. */
static void window_never_calls_an_accepted_identity_new(void **state)
{
	enum { TIMES = 2000 };
	static int64_t accepted[TIMES];
	uint64_t random = 12345;
	int64_t newest = -5000 * SLOT; /* negative times as well */

	(void)state;
	memset(&states[0], 0, sizeof states[0]);
	for (int n = 0; n < TIMES; n++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		static const int64_t spread[] = {1, 1, 3, 63, 64, 65, 130, 191, 192, 500};
		int64_t reach = spread[(random >> 33) % 10] * SLOT;
		int64_t ts = newest + (int64_t)((random >> 13) % (uint64_t)(2 * reach)) - reach;
		bool known = false;
		for (int i = 0; i < n; i++)
			known |= accepted[i] == ts;
		enum dedup_answer answer = judge(ts);
		assert_false(known && answer == DEDUP_NEW);
		if (known) {
			accepted[n] = ts;
			continue;
		}
		assert_int_not_equal(answer, DEDUP_DUPLICATE);
		accept(ts);
		accepted[n] = ts;
		if (n == 0 || ts > newest)
			newest = ts;
		assert_true(states[0].newest_ms == newest);
	}
}

static void free_slot_within_the_window_is_new(void **state)
{
	(void)state;
	memset(&states[0], 0, sizeof states[0]);
	accept(1000 * SLOT);
	assert_int_equal(judge(999 * SLOT), DEDUP_NEW);
	assert_int_equal(judge((1000 - 191) * SLOT), DEDUP_NEW);
	assert_int_equal(judge((1000 - 191) * SLOT - 1), DEDUP_UNSURE);
	accept(900 * SLOT + 5);
	assert_int_equal(judge(900 * SLOT), DEDUP_UNSURE);
	assert_int_equal(judge(901 * SLOT), DEDUP_NEW);
	assert_int_equal(judge(900 * SLOT - 1), DEDUP_NEW);
	accept(1064 * SLOT);
	assert_int_equal(judge(1000 * SLOT), DEDUP_UNSURE);
	assert_int_equal(judge(900 * SLOT), DEDUP_UNSURE);
	assert_int_equal(judge(1001 * SLOT), DEDUP_NEW);
	accept(INT64_MAX);
	assert_int_equal(judge(1064 * SLOT), DEDUP_UNSURE);
	assert_int_equal(judge(INT64_MIN), DEDUP_UNSURE);
	assert_int_equal(judge(INT64_MAX - 2 * SLOT), DEDUP_NEW);
}

static void warm_device_knows_its_newest_and_nothing_else(void **state)
{
	struct stored_reading stored = {
	    .device = 1,
	    .profile = 2,
	    .channel_count = 2,
	    .meter_ts_ms = 5000 * SLOT,
	    .ts_ms = 5000 * SLOT + 7,
	    .channel = {TEST_CHANNEL_DEMAND, TEST_CHANNEL_ACTIVE},
	    .value = {3, 77},
	};
	struct reading same = at(5000 * SLOT, 3);

	(void)state;
	device_state_warm(states, &profiles, &stored, NULL);
	const struct device_track *t = &states[1];
	same.channel_count = 2;
	memcpy(same.channel, stored.channel, 8);
	memcpy(same.value, stored.value, sizeof same.value);
	assert_int_equal(dedup_judge(t, dedup_key(states), &same), DEDUP_DUPLICATE);
	same.value[1]++;
	assert_int_equal(dedup_judge(t, dedup_key(states), &same), DEDUP_CONFLICT);
	for (int64_t back = 1; back < 300; back++) {
		same.meter_ts_ms = (5000 - back) * SLOT;
		assert_int_equal(dedup_judge(t, dedup_key(states), &same), DEDUP_UNSURE);
	}
	assert_int_equal(t->register_channel, TEST_CHANNEL_ACTIVE);
	assert_true(t->register_value == 77);
	assert_true(t->last_ts_ms == 5000 * SLOT + 7);
}

static void warm_device_keeps_the_register_of_an_older_reading(void **state)
{
	const struct stored_reading newest = {.device = 1, .profile = 2, .meter_ts_ms = 5000 * SLOT,
	                                      .ts_ms = 5000 * SLOT, .channel_count = 1,
	                                      .channel = {TEST_CHANNEL_DEMAND}, .value = {3}};
	struct stored_reading older = newest;

	(void)state;
	older.ts_ms = older.meter_ts_ms = 5000 * SLOT - 7500;
	older.channel[0] = TEST_CHANNEL_ACTIVE;
	older.value[0] = 77;
	assert_true(stored_has_register(&profiles, &older));
	assert_false(stored_has_register(&profiles, &newest));
	device_state_warm(states, &profiles, &newest, &older);
	const struct device_track *t = &states[1];
	assert_true(t->newest_ms == newest.meter_ts_ms);
	assert_true(t->last_ts_ms == newest.ts_ms);
	assert_int_equal(t->register_channel, TEST_CHANNEL_ACTIVE);
	assert_true(t->register_value == 77);
	assert_true(dedup_register_ts(t) == newest.ts_ms - 8000); /* whole seconds, rounded up */
}

static void warm_device_of_a_removed_profile_is_still_known(void **state)
{
	struct stored_reading stored = {.device = 2, .profile = 99, .meter_ts_ms = 12345};

	(void)state;
	device_state_warm(states, &profiles, &stored, NULL);
	assert_true(states[2].newest_ms == 12345);
	assert_int_not_equal(states[2].slot_ms, 0);
	assert_int_equal(states[2].register_channel, 0);
}

static void register_ages_with_readings_that_have_none(void **state)
{
	struct reading bare = at(0, 0);
	struct hash_key key = dedup_key(states);

	(void)state;
	memset(&states[0], 0, sizeof states[0]);
	accept(1000000);
	bare.meter_ts_ms = bare.ts_ms = 1000000 + 90500;
	dedup_accept(&states[0], key, &profiles.profiles[0], &bare, -1, true);
	assert_true(dedup_register_ts(&states[0]) == 1000000 - 500);
	bare.meter_ts_ms = bare.ts_ms = 1000000 + 200ll * 86400000;
	dedup_accept(&states[0], key, &profiles.profiles[0], &bare, -1, true);
	assert_int_equal(states[0].register_channel, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_begins_empty_with_a_random_key),
	    cmocka_unit_test(value_hash_covers_count_channels_and_values),
	    cmocka_unit_test(newest_is_told_by_its_values),
	    cmocka_unit_test(window_never_calls_an_accepted_identity_new),
	    cmocka_unit_test(free_slot_within_the_window_is_new),
	    cmocka_unit_test(warm_device_knows_its_newest_and_nothing_else),
	    cmocka_unit_test(warm_device_keeps_the_register_of_an_older_reading),
	    cmocka_unit_test(warm_device_of_a_removed_profile_is_still_known),
	    cmocka_unit_test(register_ages_with_readings_that_have_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
