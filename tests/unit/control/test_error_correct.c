/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/errors/queue_priv.h"

#include <cmocka.h>

static struct channel_catalogue channels;
static struct profile profile;

static int set_up(void **state)
{
	(void)state;
	static const struct channel all[] = {
	    {1, CHANNEL_REGISTER, 6, "active_energy", "kWh"},
	    {6, CHANNEL_GAUGE, 3, "voltage", "V"},
	    {12, CHANNEL_REGISTER, 6, "exported_energy", "kWh"},
	    {7, CHANNEL_GAUGE, 3, "current_1", "A"},
	    {8, CHANNEL_GAUGE, 3, "current_2", "A"},
	};
	profile = (struct profile){.name = "test", .register_slot = 0, .channel_count = 5};
	for (uint32_t i = 0; i < 5; i++) {
		channels.by_id[all[i].id] = all[i];
		profile.channels[i].channel = all[i].id;
	}
	return 0;
}

static bool apply(struct reading *r, const char *name, const char *value, char *why)
{
	struct error_correction c = {.set = {{name, value}}, .set_count = 1};
	return correction_apply(&channels, &profile, &c, r, why);
}

static void set_value_replaced(void **state)
{
	(void)state;
	char why[ERROR_WHY_BYTES] = "";
	struct reading r = {.channel_count = 2, .channel = {1, 6}, .value = {5, 230000}};
	assert_true(apply(&r, "voltage", "229.5", why));
	assert_int_equal(r.value[1], 229500);
	assert_int_equal(r.value[0], 5);
	assert_int_equal(r.channel_count, 2);
}

static void set_absent_channel_in_profile_order(void **state)
{
	(void)state;
	char why[ERROR_WHY_BYTES] = "";
	struct reading r = {.channel_count = 2, .channel = {1, 12}, .value = {5, 7}};
	assert_true(apply(&r, "V", "1", why));
	const uint8_t order[] = {1, 6, 12};
	assert_int_equal(r.channel_count, 3);
	assert_memory_equal(r.channel, order, 3);
	assert_int_equal(r.value[2], 7);
	assert_true(apply(&r, "current_2", "2", why));
	assert_int_equal(r.channel[3], 8);
	struct reading empty = {0};
	assert_true(apply(&empty, "exported_energy", "3", why));
	assert_int_equal(empty.channel[0], 12);
}

static void set_unit_of_two_channels_means_the_register_or_nothing(void **state)
{
	(void)state;
	char why[ERROR_WHY_BYTES] = "";
	struct reading r = {.channel_count = 1, .channel = {1}};
	assert_true(apply(&r, "kwh", "12.000001", why));
	assert_int_equal(r.value[0], 12000001);
	assert_false(apply(&r, "A", "1", why));
	assert_non_null(strstr(why, "current_1"));
}

static void set_time(void **state)
{
	(void)state;
	char why[ERROR_WHY_BYTES] = "";
	struct reading r = {0};
	assert_true(apply(&r, "time", "2026-01-31T08:15:00Z", why));
	assert_int_equal(r.meter_ts_ms, 1769847300000);
	assert_false(apply(&r, "time", "2026-02-30T08:15:00Z", why));
	assert_false(apply(&r, "time", "yesterday", why));
	assert_non_null(strstr(why, "yesterday"));
}

static void set_nonsense_refused(void **state)
{
	(void)state;
	char why[ERROR_WHY_BYTES] = "";
	struct reading r = {0};
	assert_false(apply(&r, "kwh", "", why));
	assert_false(apply(&r, "kwh", "1e3", why));
	assert_false(apply(&r, "kwh", "1.2345678", why));
	assert_non_null(strstr(why, "at most 6 decimals"));
	assert_false(apply(&r, "kwh", "99999999999999999999", why));
	assert_false(apply(&r, "", "1", why));
	assert_int_equal(r.channel_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(set_value_replaced),
	    cmocka_unit_test(set_absent_channel_in_profile_order),
	    cmocka_unit_test(set_unit_of_two_channels_means_the_register_or_nothing),
	    cmocka_unit_test(set_time),
	    cmocka_unit_test(set_nonsense_refused),
	};
	return cmocka_run_group_tests_name("error_correct", tests, set_up, NULL);
}
