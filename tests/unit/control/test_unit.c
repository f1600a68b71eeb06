/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/config/unit.h"

static void units_of_one_quantity_convert_by_powers_of_ten(void **state)
{
	static const struct {
		const char *from, *to;
		int pow10;
	} cases[] = {
	    {"kWh", "Wh", 3},   {"Wh", "kWh", -3},  {"mWh", "kWh", -6}, {"MWh", "kWh", 3},
	    {"kWh", "kWh", 0},  {"kvarh", "varh", 3}, {"mA", "A", -3},  {"%", "1", -2},
	    {"1", "%", 2},      {"m3", "m3", 0},    {"dBm", "dBm", 0},  {"kHz", "Hz", 3},
	    {"GVA", "kVA", 6},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int pow10 = 99, divisor = 99;
		assert_true(unit_convert(cases[i].from, cases[i].to, &pow10, &divisor));
		assert_int_equal(pow10, cases[i].pow10);
		assert_int_equal(divisor, 1);
	}
}

static void joules_are_watt_hours_by_36(void **state)
{
	static const struct {
		const char *from, *to;
		int pow10;
	} cases[] = {{"J", "Wh", -2}, {"Ws", "kWh", -5}, {"MJ", "kWh", 1}, {"vars", "kvarh", -5},
	             {"kVAs", "VAh", 1}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int pow10 = 99, divisor = 99;
		assert_true(unit_convert(cases[i].from, cases[i].to, &pow10, &divisor));
		assert_int_equal(pow10, cases[i].pow10);
		assert_int_equal(divisor, 36);
	}
}

static void units_of_senml_have_their_own_names(void **state)
{
	int pow10, divisor;
	(void)state;
	assert_true(unit_convert("Cel", "°C", &pow10, &divisor));
	assert_int_equal(pow10, 0);
	assert_true(unit_convert("/", "1", &pow10, &divisor));
	assert_int_equal(pow10, 0);
	assert_true(unit_convert("%EL", "%", &pow10, &divisor));
	assert_int_equal(pow10, 0);
}

static void different_quantities_do_not_convert(void **state)
{
	static const char *const cases[][2] = {{"kWh", "kW"},    {"kWh", "kvarh"}, {"V", "A"},
	                                       {"°C", "°F"},     {"m3", "l"},      {"kWh", "J"},
	                                       {"var", "varh"},  {"kwh", "Wh"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int pow10, divisor;
		assert_false(unit_convert(cases[i][0], cases[i][1], &pow10, &divisor));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(units_of_one_quantity_convert_by_powers_of_ten),
	    cmocka_unit_test(joules_are_watt_hours_by_36),
	    cmocka_unit_test(units_of_senml_have_their_own_names),
	    cmocka_unit_test(different_quantities_do_not_convert),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
