/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/billing/money.h"

#include <cmocka.h>

#define KWH   INT64_C(1000000)
#define PRICE INT64_C(1000000000)

static void energy_times_price_is_exact(void **state)
{
	(void)state;
	char text[MONEY_BYTES];
	/* 50.5 kWh at 0.15 */
	amount_t a = money_of_energy(50 * KWH + KWH / 2, PRICE * 15 / 100, MULTIPLIER_ONE);
	assert_string_equal(money_format(a, 2, text), "7.575");
	/* one mWh at 10^-9, multiplier 10^-6: the last digit there is */
	assert_string_equal(money_format(money_of_energy(1, 1, 1), 0, text),
	                    "0.000000000000000000001");
	a = money_of_energy(ENERGY_MWH_MAX, PRICE_MAX, MULTIPLIER_MAX);
	assert_string_equal(money_format(a, 2, text), "100000000000000.00");
	a = money_of_energy(-ENERGY_MWH_MAX, PRICE_MAX, MULTIPLIER_MAX);
	assert_string_equal(money_format(a, 0, text), "-100000000000000");
}

static void format_shows_what_is_there(void **state)
{
	(void)state;
	char text[MONEY_BYTES];
	assert_string_equal(money_format(0, 2, text), "0.00");
	assert_string_equal(money_format(0, 0, text), "0");
	assert_string_equal(money_format(money_of_price(10 * PRICE), 2, text), "10.00");
	assert_string_equal(money_format(money_of_price(-PRICE / 1000), 2, text), "-0.001");
	assert_string_equal(money_format(money_of_price(100 * PRICE), 0, text), "100");
}

static void round_is_half_away_from_zero(void **state)
{
	(void)state;
	static const struct {
		int64_t price;
		unsigned decimals;
		int64_t expected;
	} cases[] = {
	    {53575000000, 2, 5358}, {53574999999, 2, 5357}, {-53575000000, 2, -5358},
	    {5000000, 2, 1},        {4999999, 2, 0},        {500000000, 0, 1},
	    {1, 9, 1},              {0, 2, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t got = 99;
		assert_true(money_round(money_of_price(cases[i].price), cases[i].decimals, &got));
		assert_int_equal(got, cases[i].expected);
	}
	int64_t got;
	assert_false(money_round(money_of_energy(ENERGY_MWH_MAX, PRICE_MAX, MULTIPLIER_MAX), 9,
	                         &got));
}

static void share_is_in_proportion(void **state)
{
	(void)state;
	char text[MONEY_BYTES];
	amount_t ten = money_of_price(10 * PRICE);
	assert_true(money_share(ten, 30, 30) == ten);
	assert_true(money_share(ten, 0, 30) == 0);
	assert_string_equal(money_format(money_share(ten, 15, 30), 2, text), "5.00");
	assert_string_equal(money_format(money_share(ten, 1, 3), 2, text),
	                    "3.333333333333333333333");
	assert_string_equal(money_format(money_share(-ten, 2, 3), 2, text),
	                    "-6.666666666666666666667");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(energy_times_price_is_exact),
	    cmocka_unit_test(format_shows_what_is_there),
	    cmocka_unit_test(round_is_half_away_from_zero),
	    cmocka_unit_test(share_is_in_proportion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
