/* SPDX-License-Identifier: Apache-2.0 */
/* Tariff files: the shipped ones, and every kind of mistake. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/config/tariffs.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define HEAD  "id: t\nversion: 1\ncurrency: USD\nfrom: 2026-01-01\n"
#define TIERS "tiers: [{price: 0.1}]\n"

static void shipped_tariffs_are_the_samples(void **state)
{
	(void)state;
	struct tariff_book book;
	struct error err;
	uint32_t count;
	if (tariff_book_load(CONFIGS_DIR "/tariffs", &book, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	const struct tariff *const *a = tariff_book_find(&book, "sample-a", &count);
	assert_int_equal(count, 1);
	assert_int_equal(a[0]->tier_count, 3);
	assert_int_equal(a[0]->tiers[1].up_to_mwh, 400000000);
	assert_int_equal(a[0]->tiers[1].price, 120000000);
	assert_true(a[0]->tiers[2].up_to_mwh == INT64_MAX);
	assert_int_equal(a[0]->period_count, 1);
	const struct tariff *const *b = tariff_book_find(&book, "sample-b", &count);
	assert_int_equal(count, 1);
	assert_int_equal(b[0]->period_count, 3);
	assert_int_equal(b[0]->periods[2].multiplier, 1500000);
	assert_int_equal(b[0]->use[0][0][0], 0);
	assert_int_equal(b[0]->use[11][6][14 * 4], 2);
	assert_int_equal(b[0]->use[5][3][19 * 4], 1);
	assert_int_equal(b[0]->use[5][3][22 * 4], 0);
	assert_null(tariff_book_find(&book, "sample-c", &count));
	assert_int_equal(count, 0);
	tariff_book_free(&book);
}

static void whole_file_is_taken(void **state)
{
	(void)state;
	struct tariff t;
	struct error err;
	folder_write("t.yaml", "id: winter_1\nversion: 7\ncurrency: JPY\ndecimals: 0\n"
	                       "from: 2026-01-01\nto: 2026-12-31\n"
	                       "tiers: [{up_to_kwh: 10.5, price: 0.123456789}, {price: 1}]\n"
	                       "time_of_use:\n"
	                       "  - {name: day, hours: [06:00-22:15], days: [mon, sun]}\n"
	                       "  - {name: night, multiplier: 0.5, hours: [22:15-06:00],\n"
	                       "     days: [mon, sun]}\n"
	                       "  - {name: night, multiplier: 0.5, hours: [00:00-24:00],\n"
	                       "     days: [tue, wed, thu, fri, sat]}\n"
	                       "holidays: {use: night, dates: [2026-12-25, 2026-05-01]}\n"
	                       "fixed: [{name: service, amount: 5.5, per: period},\n"
	                       "        {name: meter, amount: -0.01, per: day}]\n");
	if (tariff_load(folder_path("t.yaml"), &t, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(t.version, 7);
	assert_int_equal(t.decimals, 0);
	assert_int_equal(t.end_day - t.from_day, 365);
	assert_int_equal(t.tiers[0].up_to_mwh, 10500000);
	assert_int_equal(t.tiers[0].price, 123456789);
	assert_int_equal(t.period_count, 2);
	assert_int_equal(t.use[3][0][22 * 4], 0);
	assert_int_equal(t.use[3][0][22 * 4 + 1], 1);
	assert_int_equal(t.use[3][1][50], 1);
	assert_int_equal(t.holiday_use[50], 1);
	assert_int_equal(t.holiday_count, 2);
	assert_true(t.holidays[0] < t.holidays[1]);
	assert_int_equal(t.fixed[0].price, 5500000000);
	assert_false(t.fixed[0].daily);
	assert_int_equal(t.fixed[1].price, -10000000);
	assert_true(t.fixed[1].daily);
}

static void mistakes_are_told_with_their_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *complaint;
	} cases[] = {
	    {"id: T\nversion: 1\ncurrency: USD\nfrom: 2026-01-01\n" TIERS, ":1: id is 'T'"},
	    {"id: t\nversion: 0\ncurrency: USD\nfrom: 2026-01-01\n" TIERS, ":2: version is 0"},
	    {"id: t\nversion: 1\ncurrency: usd\nfrom: 2026-01-01\n" TIERS, ":3: currency is 'usd'"},
	    {"id: t\nversion: 1\ncurrency: USD\nfrom: 2026-02-30\n" TIERS,
	     ":4: from: 2026-02-30: that month has 28 days"},
	    {"id: t\nversion: 1\ncurrency: XYZ\nfrom: 2026-01-01\n" TIERS, ":3: currency is 'XYZ'"},
	    {HEAD "to: 2025-12-31\n" TIERS, ":5: it ends before it begins"},
	    {HEAD "tiers:\n  - {price: 1, up_to_kwh: 9}\n  - {price: -1}\n",
	     ":7: tier 2: the price must be from 0 to 1000"},
	    {HEAD "tiers:\n  - {price: 1, up_to_kwh: 9}\n  - {price: 1, up_to_kwh: 9}\n"
	          "  - {price: 2}\n", ":7: tier 2 ends at or below the one before it"},
	    {HEAD "tiers:\n  - {price: 1}\n  - {price: 2}\n", ":6: tier 1 is open, but others"},
	    {HEAD "tiers:\n  - {price: 1, up_to_mwh: 9}\n  - {price: 2}\n", ":6: "},
	    {HEAD TIERS "holidays:\n  use: all_day\n  dates: [2026-12-25, 2026-12-26,\n"
	                "    2026-12-25]\n", ":9: holidays.dates[2]: 2026-12-25 is there twice"},
	    {HEAD TIERS "fixed:\n  - {name: s, amount: 1, per: day}\n"
	                "  - {name: s, amount: 2, per: period}\n", ":8: charge 's' is there twice"},
	    {HEAD "tiers: [{price: 0.1x}]\n", ":5: tiers[0].price is '0.1x'"},
	    {HEAD "tiers: [{price: 0.1234567891}]\n", ":5: tiers[0].price is"},
	    {HEAD "tiers: [{up_to_kwh: 5, price: 1}]\n", "the last tier ends at a limit"},
	    {HEAD TIERS "time_of_use: [{name: a, hours: [6-7]}]\n",
	     ":6: time_of_use[0].hours[0] is '6-7'"},
	    {HEAD TIERS "time_of_use: [{name: a, hours: [06:10-07:00]}]\n",
	     "in quarters of an hour"},
	    {HEAD TIERS "time_of_use: [{name: a, hours: [06:00-25:00]}]\n",
	     "in quarters of an hour"},
	    {HEAD TIERS "time_of_use: [{name: a, hours: [06:00-06:00]}]\n",
	     "in quarters of an hour"},
	    {HEAD TIERS "time_of_use: [{name: a, hours: [00:00-23:00]}]\n",
	     "Mondays in January at 23:00 are in no period"},
	    {HEAD TIERS "time_of_use:\n  - {name: a, hours: [00:00-24:00]}\n"
	                "  - {name: b, hours: [05:00-06:00], days: [wed]}\n",
	     ":8: Wednesdays in January at 05:00 are in two periods, 'a' and 'b'"},
	    {HEAD TIERS "time_of_use:\n  - {name: a, hours: [00:00-12:00]}\n"
	                "  - {name: a, multiplier: 2, hours: [12:00-24:00]}\n",
	     "'a' has two multipliers"},
	    {HEAD TIERS "time_of_use: [{name: a, hours: [00:00-24:00], days: [moon]}]\n",
	     ":6: time_of_use[0].days has 'moon'; expected some of mon .. sun"},
	    {HEAD TIERS "time_of_use: [{name: a, multiplier: 101, hours: [00:00-24:00]}]\n",
	     "the multiplier must be from 0 to 100"},
	    {HEAD TIERS "holidays: {use: off, dates: [2026-12-25]}\n", ":6: holidays.use is 'off'"},
	    {HEAD TIERS "holidays: {use: all_day, dates: [25.12.2026]}\n",
	     ":6: holidays.dates[0]: '25.12.2026' is no date"},
	    {HEAD TIERS "fixed: [{name: s, amount: 1, per: week}]\n", ":6: "},
	    {HEAD TIERS "fixed: [{name: s, amount: 1001, per: day}]\n", "charge 's'"},
	    {HEAD TIERS "rounding: up\n", ":6: "},
	    {HEAD, "tiers"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tariff t;
		struct error err = {""};
		folder_write("t.yaml", cases[i].text);
		assert_int_equal(tariff_load(folder_path("t.yaml"), &t, &err), RESULT_INPUT);
		if (!strstr(err.text, cases[i].complaint) || !strstr(err.text, "t.yaml:"))
			fail_msg("'%s' is not in: %s", cases[i].complaint, err.text);
	}
	folder_remove();
	folder_make();
}

static void files_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	struct tariff_book book = {0};
	struct error err;
	uint32_t count;
	folder_write("b.yaml", "id: t\nversion: 2\ncurrency: USD\nfrom: 2026-07-01\n" TIERS);
	folder_write("a.yaml", HEAD "to: 2026-06-30\n" TIERS);
	folder_write("c.yaml", "id: s\nversion: 1\ncurrency: EUR\nfrom: 2026-01-01\n" TIERS);
	folder_write("notes.txt", "not a tariff");
	if (tariff_book_load(folder_path("."), &book, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(book.count, 3);
	const struct tariff *const *t = tariff_book_find(&book, "t", &count);
	assert_int_equal(count, 2);
	assert_int_equal(t[0]->version, 1);
	assert_int_equal(t[1]->version, 2);
	tariff_book_free(&book);
	folder_write("a.yaml", HEAD TIERS);
	assert_int_equal(tariff_book_load(folder_path("."), &book, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "versions 1 and 2 both rule on 2026-07-01 (a.yaml:4, "
	                                 "b.yaml:4)"));
	assert_int_equal(book.count, 0);
	assert_int_equal(tariff_book_load(folder_path("none"), &book, &err), RESULT_ABSENT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shipped_tariffs_are_the_samples),
	    CASE(whole_file_is_taken),
	    CASE(mistakes_are_told_with_their_line),
	    CASE(files_that_contradict_each_other_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
