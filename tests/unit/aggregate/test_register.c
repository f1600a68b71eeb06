/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "contract/reading.h"
#include "storage/aggregate/register.h"

#include <cmocka.h>

#define TURN 1000

static enum register_step step;
static int64_t counted;

static struct profile profile = {.register_kwh_pow10 = 3};

static int64_t take(int64_t from, int64_t to, uint16_t flags, int64_t modulus)
{
	struct register_read a = {from, 0, 0}, b = {to, 900000, flags};
	step = register_step(&profile, modulus, &a, &b, &counted);
	return counted;
}

static void a_register_rises_rolls_over_or_falls(void **state)
{
	(void)state;
	assert_int_equal(take(5, 7, 0, 0), 2);
	assert_int_equal(step, REGISTER_ROSE);
	assert_int_equal(take(5, 5, 0, TURN), 0);
	assert_int_equal(step, REGISTER_ROSE);
	assert_int_equal(take(990, 15, READING_F_ROLLOVER, TURN), 25);
	assert_int_equal(step, REGISTER_ROLLED);
	/* validation said nothing of a rollover: the meter was reset */
	assert_int_equal(take(990, 15, 0, TURN), 0);
	assert_int_equal(step, REGISTER_FELL);
	assert_int_equal(take(990, 15, READING_F_ROLLOVER, 0), 0);
	assert_int_equal(step, REGISTER_FELL);
	/* the registry says that it was reset, even if it shows more */
	assert_int_equal(take(5, 7, READING_F_RESET, TURN), 0);
	assert_int_equal(step, REGISTER_FELL);
	/* what is beyond the dials can't have come round */
	assert_int_equal(take(2500, 15, READING_F_ROLLOVER, TURN), 0);
	assert_int_equal(step, REGISTER_FELL);
}

/* A late reading was only held against the newest one. */
static void a_late_reading_next_to_a_rollover_counts_on(void **state)
{
	(void)state;
	profile.capacity_w = 0;
	assert_int_equal(take(990, 5, READING_F_LATE, TURN), 15);
	assert_int_equal(step, REGISTER_ROLLED);
	assert_int_equal(take(800, 5, READING_F_LATE, TURN), 0);
	assert_int_equal(take(990, 200, READING_F_LATE, TURN), 0);
	assert_int_equal(step, REGISTER_FELL);
	struct register_read a = {990, 0, READING_F_LATE}, b = {5, 900000, 0};
	assert_int_equal(register_step(&profile, TURN, &a, &b, &counted), REGISTER_ROLLED);
	assert_int_equal(counted, 15);
	/* 100 W for a quarter of an hour: 25 Wh, and 1 % */
	profile.capacity_w = 100;
	assert_int_equal(take(990, 15, READING_F_LATE, TURN), 25);
	assert_int_equal(take(990, 16, READING_F_LATE, TURN), 0);
	assert_int_equal(step, REGISTER_FELL);
	profile.capacity_w = 4000000000;
	b.ts_ms = INT64_MAX;
	assert_int_equal(register_step(&profile, TURN, &a, &b, &counted), REGISTER_ROLLED);
}

static void extremes_do_not_overflow(void **state)
{
	(void)state;
	assert_int_equal(take(INT64_MIN, INT64_MAX, 0, TURN), 0);
	assert_int_equal(step, REGISTER_FELL);
	assert_int_equal(take(INT64_MAX, INT64_MIN, READING_F_ROLLOVER, INT64_MAX), 0);
	assert_int_equal(step, REGISTER_FELL);
	assert_int_equal(take(INT64_MAX, 0, READING_F_ROLLOVER, INT64_MAX), 0);
	assert_int_equal(step, REGISTER_ROLLED);
}

static void modulus_comes_from_the_dials(void **state)
{
	(void)state;
	struct profile p = {.register_kwh_pow10 = 3, .dials = 2};
	assert_int_equal(register_modulus(&p, 0), 100000);
	assert_int_equal(register_modulus(&p, 4), 10000000);
	assert_int_equal(register_modulus(&p, 16), 0);
	p.dials = 0;
	assert_int_equal(register_modulus(&p, 0), 0);
	assert_int_equal(register_modulus(NULL, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_register_rises_rolls_over_or_falls),
	    cmocka_unit_test(a_late_reading_next_to_a_rollover_counts_on),
	    cmocka_unit_test(extremes_do_not_overflow),
	    cmocka_unit_test(modulus_comes_from_the_dials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
