/* SPDX-License-Identifier: Apache-2.0 */
/* Bills through the API: runs, reviews, forms, traces. */
#include <poll.h>

#include "api_fixture.h"

static void bills_are_the_worked_figures(void **state)
{
	(void)state;
	read_june(0, 0);
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06&tariff=sample-a"), 200);
	assert_has("\"exact\":\"53.575\",\"total\":\"53.58\"");
	assert_has("{\"tariff_version\":1,\"tier\":3,\"period\":\"all_day\",\"kwh\":\"50.500000\","
	           "\"price\":\"0.15\",\"multiplier\":\"1.000000\",");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06&tariff=sample-b"), 200);
	assert_has("\"period\":\"on_peak\"");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-05&tariff=sample-a"), 409);
	assert_has("of the intervals are actual values; expected 95.00 %");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-13&tariff=sample-a"), 400);
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06&tariff=sample-z"), 404);
	assert_has("there is no tariff 'sample-z'");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06"), 404);
	assert_has("was not billed for 2025-06");
	assert_int_equal(ask("/bills/NONE?month=2025-06&tariff=sample-a"), 404);
}

/* Until the run or review has ended. */
static void wait_for_billing(void)
{
	do {
		poll(NULL, 0, 5);
		assert_int_equal(ask("/billing"), 200);
	} while (strstr(answer, "\"running\":true"));
}

static void run_closes_bills_once(void **state)
{
	(void)state;
	read_june(JUNE_S + 86400, JUNE_S + 86400 + 4500);
	assert_int_equal(ask("/billing"), 200);
	assert_has("\"work\":\"none\",\"running\":false");
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_has("\"total\":3,\"done\":3,\"closed\":1,\"kept\":0,\"not_billed\":2,");
	assert_has("\"failure\":\"\"");
	assert_int_equal(ask("/bills?month=2025-06&limit=1"), 200);
	assert_has("\"meter\":\"SM-1\",\"month\":\"2025-06\",\"state\":\"not_billed\"");
	assert_has("\"count\":1,\"more\":true");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06"), 200);
	assert_has("\"state\":\"closed\"");
	assert_has("\"total\":\"53.58\",\"registers\":[{");
	assert_has("\"closed_ms\":");
	assert_has("\"begin\":{\"time\":\"2025-06-01T07:00:00Z\",\"kwh\":\"7.000000\"}");
	assert_has("\"how\":\"interpolated\",\"intervals\":5,\"kwh\":");
	assert_has("\"adjustments\":[]");
	static char first[sizeof answer];
	strcpy(first, answer);
	/* again: nothing changes, and who had too few values is looked at again */
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_has("\"closed\":0,\"kept\":1,\"not_billed\":2,");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06"), 200);
	assert_string_equal(answer, first);
}

/* The meter is called X/Y Z; the page says it as it is, the tariff's file gave no other text. */
static void bills_have_their_forms(void **state)
{
	(void)state;
	read_june(JUNE_S + 86400, JUNE_S + 86400 + 4500);
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06&format=csv"), 200);
	assert_has("X/Y Z,2025-06,energy,all_day,1,3,50.500000,kWh,0.15,1.000000,7.575,USD,"
	           "sample-a,");
	assert_has("X/Y Z,2025-06,total,,,,450.500000,kWh,,,53.58,USD,sample-a,2025-06-01,"
	           "2025-07-01,,,,,,,\r\n");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06&format=html"), 200);
	assert_has("<title>Invoice X/Y Z, 2025-06</title>");
	assert_has("<td class=\"n\">53.58 USD</td>");
	assert_has("<td>interpolated</td>");
	assert_int_equal(ask("/bills/SM-1?month=2025-06&format=html"), 200);
	assert_has("<h1>Not billed</h1>");
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06&format=pdf"), 400);
	assert_int_equal(ask("/bills/export?month=2025-06"), 200);
	assert_has("X/Y Z,,,2025-06,closed,sample-a,USD,2025-06-01,2025-07-01,450.500000,53.575,"
	           "53.58,0,53.58,99.82,5,,,,\r\n");
	assert_has("SM-1,,,2025-06,not_billed,");
	assert_int_equal(ask("/bills/export?month=2025-06&format=ndjson&prefix=X"), 200);
	assert_has("\"total\":\"53.58\"");
	assert_null(strstr(answer, "SM-1"));
	assert_int_equal(ask("/bills/export?month=2025-13"), 400);
	assert_int_equal(ask("/bills/export?month=2025-06&format=xml"), 400);
}

static void lines_of_bills_are_traced(void **state)
{
	(void)state;
	read_june(JUNE_S + 86400, JUNE_S + 86400 + 4500);
	assert_int_equal(ask("/bills/X%2FY%20Z/trace?month=2025-06"), 404);
	assert_int_equal(ask("/bills/X%2FY%20Z/trace?month=2025-06&tariff=sample-a"), 200);
	assert_has("\"as_closed\":false");
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_int_equal(ask("/bills/X%2FY%20Z/trace?month=2025-06"), 200);
	assert_has("\"as_closed\":true");
	assert_has("{\"line\":1,\"what\":\"version 1, tier 1, all_day\","
	           "\"start\":\"2025-06-01T07:00:00Z\"");
	assert_has("\"begin_kwh\":\"7.000000\",\"begin_read\":\"2025-06-01T07:00:00Z\"");
	assert_has("\"source\":\"interpolated\",\"meter\":\"X/Y Z\",\"end_meter\":\"X/Y Z\","
	           "\"begin_kwh\":null");
	fake_store_last_reading(f.store)->value[0] += 10000000;
	assert_int_equal(ask("/bills/X%2FY%20Z/trace?month=2025-06"), 200);
	assert_has("\"as_closed\":false");
}

static void late_readings_become_an_adjustment_once(void **state)
{
	(void)state;
	read_june(JUNE_S + 86400, JUNE_S + 86400 + 4500);
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_int_equal(ask_at(false, "POST", "/billing/review?month=2025-06", NULL, ""), 200);
	wait_for_billing();
	assert_has("\"work\":\"review\"");
	assert_has("\"kept\":1,\"not_billed\":0,\"adjusted\":0");
	/* the last reading of the month was wrong by 10 kWh */
	fake_store_last_reading(f.store)->value[0] += 10000000;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(ask_at(false, "POST", "/billing/review?month=2025-06", NULL, ""),
		                 200);
		wait_for_billing();
		assert_has(round ? "\"kept\":1,\"not_billed\":0,\"adjusted\":0"
		                 : "\"kept\":0,\"not_billed\":0,\"adjusted\":1");
	}
	assert_int_equal(ask("/bills/X%2FY%20Z?month=2025-06"), 200);
	assert_has("\"total\":\"53.58\",\"registers\":[{");
	/* 10 kWh at 0.15: 55.075, half up */
	assert_has("\"number\":1,\"kwh_was\":\"450.500000\",\"kwh\":\"460.500000\","
	           "\"total_was\":\"53.58\",\"total\":\"55.08\",\"difference\":\"1.500000\"");
}

static void run_that_can_not_write_says_so_and_goes_on_later(void **state)
{
	(void)state;
	read_june(0, 0);
	fake_store_fail_writes_of(f.store, "bill/", 1);
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_has("\"failure\":\"the fake disk is full\"");
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=sample-a", NULL,
	                        ""), 200);
	wait_for_billing();
	assert_has("\"closed\":1,\"kept\":0,\"not_billed\":2,");
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-6&tariff=sample-a", NULL,
	                        ""), 400);
	assert_int_equal(ask_at(false, "POST", "/billing/run?month=2025-06&tariff=none", NULL, ""),
	                 400);
	assert_int_equal(ask("/bills?month=June"), 400);
	assert_int_equal(ask("/billing/run"), 405);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(bills_are_the_worked_figures),
	    CASE(run_closes_bills_once),
	    CASE(bills_have_their_forms),
	    CASE(lines_of_bills_are_traced),
	    CASE(late_readings_become_an_adjustment_once),
	    CASE(run_that_can_not_write_says_so_and_goes_on_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
