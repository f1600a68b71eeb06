/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bills of service points through the API, with worked figures. The point SP-1 uses 1 kWh an hour
 * in June 2025, through two meters and for two customers:
 *
 *   day           1          11 10:07       16            21           30
 *   meter         M-1, times 2 |  M-2
 *   customer      C-1                       | C-2
 *   tariff        res                                     | flat
 */
#include <poll.h>

#include "api_fixture.h"

#define TARIFF(id, rest)                                                                           \
	"id: " id "\nversion: 1\ncurrency: USD\nfrom: 2020-01-01\n" rest
#define KWH     INT64_C(1000000)
#define SWAP_S  (JUNE_S + 10 * 86400 + 36420) /* the 11th, 10:07 by the clock */
#define MID_S   (JUNE_S + 15 * 86400)
#define QUARTER 900

/* Two tariffs whose figures are easy to work out: 30 days to a month. */
static void take_tariffs(void)
{
	struct error err;
	folder_write("tariffs/res.yaml",
	             TARIFF("res", "tiers:\n  - { up_to_kwh: 300, price: 0.10 }\n"
	                           "  - { price: 0.20 }\n"
	                           "fixed:\n  - { name: service, amount: 6, per: period }\n"));
	folder_write("tariffs/flat.yaml",
	             TARIFF("flat", "tiers:\n  - { price: 0.30 }\n"
	                            "fixed:\n  - { name: service, amount: 3, per: period }\n"));
	tariff_book_free(&f.tariffs);
	if (tariff_book_load(folder_path("tariffs"), &f.tariffs, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static void post(const char *path, const char *type, const char *body, const char *expect)
{
	assert_int_equal(ask_at(false, "POST", path, type, body), 200);
	assert_has(expect);
}

/* Readings of a meter every quarter of an hour. */
static void read_meter(const char *id, int64_t from_s, int64_t to_s, int64_t first_mwh,
                       int64_t step_mwh, int64_t modulus_mwh)
{
	uint32_t number = registry_number_of(f.registry, id, strlen(id));
	int64_t value = first_mwh;
	for (int64_t at_s = from_s; at_s <= to_s; at_s += QUARTER, value += step_mwh) {
		bool rolled = modulus_mwh && value >= modulus_mwh;
		if (rolled)
			value -= modulus_mwh;
		add_reading(number, at_s * 1000, value, rolled ? READING_F_ROLLOVER : 0);
	}
}

static void import(void)
{
	post("/devices/import", "text/csv", "id,dials\nM-1,3\nM-2,6\nM-3,6\n", "\"added\":3");
	post("/customers/import", "text/csv",
	     "id,name,address\nC-1,\"Doe, Jane\",\"Main St 1\"\nC-2,Roe & Sons,\n", "\"added\":2");
	post("/points/import", "text/csv",
	     "id,customer,tariff,since,address,meter,from,to,ratio,initial,final\n"
	     "SP-1,C-1,res,1970-01-01,Mill Rd 7,M-1,2025-06-01T07:00:00Z,2025-06-11T17:07:00Z,2,"
	     "900,25.05\n"
	     "SP-1,C-2,res,2025-06-16,Mill Rd 7,M-2,2025-06-11T17:07:00Z,,1,5,\n"
	     "SP-1,C-2,flat,2025-06-21,Mill Rd 7,,,,,,\n", "\"failed\":0");
}

static int set_up_points(void **state)
{
	set_up(state);
	take_tariffs();
	import();
	read_meter("M-1", JUNE_S, SWAP_S - 420, 900 * KWH, KWH / 8, 1000 * KWH);
	read_meter("M-2", SWAP_S + 480, JULY_S, 5150000, KWH / 4, 0);
	return 0;
}

static void work(const char *what, const char *expect)
{
	assert_int_equal(ask_at(false, "POST", what, NULL, ""), 200);
	do {
		poll(NULL, 0, 5);
		assert_int_equal(ask("/billing"), 200);
	} while (strstr(answer, "\"running\":true"));
	assert_has("\"failure\":\"\"");
	assert_has(expect);
}

static void run(const char *expect)
{
	work("/billing/run?month=2025-06", expect);
}

static void review(const char *expect)
{
	work("/billing/review?month=2025-06", expect);
}

static void bill_of(const char *id, const char *total, const char *more)
{
	char path[80];
	snprintf(path, sizeof path, "/bills/%s", id);
	assert_int_equal(ask(path), 200);
	assert_has(total);
	assert_has(more);
}

/*
 * C-1, 15 days, 360 kWh: 150 * .10 + 210 * .20 + 6 * 15/30 = 60.
 * C-2, 5 days, 120 kWh by res: 50 * .10 + 70 * .20 + 6 * 5/30 = 20;
 *      10 days, 240 kWh by flat: 240 * .30 + 3 * 10/30 = 73.
 */
static void point_has_a_bill_for_each_customer(void **state)
{
	(void)state;
	/* SM-1, SM-2, X/Y Z and M-3 are at no point, and the run names no tariff */
	run("\"total\":6,\"done\":6,\"closed\":2,\"kept\":0,\"not_billed\":4,");
	bill_of("SP-1?month=2025-06", "\"total\":\"60.00\"", "\"number\":1,");
	assert_has("\"of\":2");
	assert_has("\"kwh\":\"360.000000\"");
	assert_has("\"from\":\"2025-06-01\",\"to\":\"2025-06-16\"");
	assert_has("\"customer\":\"C-1\",\"customer_name\":\"Doe, Jane\","
	           "\"customer_address\":\"Main St 1\"");
	assert_has("\"service_point\":\"SP-1\"");
	assert_has("\"days\":15,\"period_days\":30");
	/* 125.05 * 2 over the rollover, then 109.9 */
	assert_has("\"begin\":{\"time\":\"2025-06-01T07:00:00Z\",\"kwh\":\"900.000000\"},"
	           "\"end\":{\"time\":\"2025-06-11T17:07:00Z\",\"kwh\":\"25.050000\"},"
	           "\"ratio\":\"2\",\"kwh\":\"250.100000\"}");
	assert_has("\"begin\":{\"time\":\"2025-06-11T17:07:00Z\",\"kwh\":\"5.000000\"},"
	           "\"end\":{\"time\":\"2025-06-16T07:00:00Z\",\"kwh\":\"114.900000\"},"
	           "\"ratio\":\"1\",\"kwh\":\"109.900000\"}");
	bill_of("SP-1?month=2025-06&number=2", "\"total\":\"93.00\"", "\"customer\":\"C-2\"");
	assert_has("\"tariff\":\"res, flat\"");
	assert_has("\"kwh\":\"360.000000\"");
	assert_has("\"charge\":\"service\",\"days\":5,\"amount\":\"1.00\",\"tariff\":\"res\"");
	assert_has("\"charge\":\"service\",\"days\":10,\"amount\":\"1.00\",\"tariff\":\"flat\"");
	/* a meter of the point shows the point's bill */
	bill_of("M-1?month=2025-06", "\"total\":\"60.00\"", "\"service_point\":\"SP-1\"");
	assert_int_equal(ask("/bills/SP-1?month=2025-06&number=3"), 404);
	assert_has("has 2 bills of 2025-06");
	assert_int_equal(ask("/bills/SP-9?month=2025-06"), 404);
	bill_of("M-3?month=2025-06", "\"not_billed\"", "no tariff");
	run("\"closed\":0,\"kept\":2,\"not_billed\":4,");
	bill_of("SP-1?month=2025-06&number=2", "\"total\":\"93.00\"", "\"adjustments\":[]");
	/* by one tariff, without keeping it: 360 * .30 + 3 * 15/30 */
	bill_of("SP-1?month=2025-06&tariff=flat", "\"total\":\"109.50\"", "\"drawn\"");
}

static void bills_of_points_have_their_forms(void **state)
{
	(void)state;
	run("\"closed\":2,");
	assert_int_equal(ask("/bills/SP-1?month=2025-06&format=csv"), 200);
	assert_has("M-1,2025-06,register,,,,250.100000,kWh,,,,USD,,2025-06-01T07:00:00Z,"
	           "2025-06-11T17:07:00Z,900.000000,25.050000,2,SP-1,C-1,\"Doe, Jane\",Main St 1");
	assert_has("M-2,2025-06,total,,,,360.000000,kWh,,,60.00,USD,res,2025-06-01,2025-06-16,,,,"
	           "SP-1,C-1,\"Doe, Jane\",Main St 1");
	assert_int_equal(ask("/bills/SP-1?month=2025-06&number=2&format=html"), 200);
	assert_has("<title>Invoice SP-1, 2025-06</title>");
	assert_has("bill 2 of 2");
	assert_has("Roe &amp; Sons");
	assert_has("Mill Rd 7");
	assert_has(", 15 of 30 days");
	assert_has("<td class=\"n\">93.00 USD</td>");
	assert_int_equal(ask("/bills/export?month=2025-06"), 200);
	assert_has("cause,number,customer_name,customer_address\r\n");
	assert_has("M-2,SP-1,C-1,2025-06,closed,res,USD,"
	           "2025-06-01,2025-06-16,360.000000,60.00,60.00,0,60.00,100.00,0,,1,"
	           "\"Doe, Jane\",Main St 1\r\n");
	assert_has("M-2,SP-1,C-2,2025-06,closed,\"res, flat\",USD,2025-06-16,2025-07-01,");
	assert_has("M-3,,,2025-06,not_billed,");
	assert_int_equal(ask("/bills/export?month=2025-06&format=ndjson&prefix=SP-"), 200);
	assert_has("\"total\":\"93.00\"");
	assert_lacks("M-3");
	assert_int_equal(ask("/bills?month=2025-06&prefix=M-"), 200);
	assert_has("\"count\":1,\"more\":false");
	assert_int_equal(ask("/bills?month=2025-06&id=M-1"), 200);
	assert_has("\"total\":\"60.00\"");
	assert_has("\"total\":\"93.00\"");
	assert_has("\"count\":2,");
	assert_int_equal(ask("/bills?month=2025-05&id=M-1"), 200);
	assert_has("\"count\":0,");
	assert_int_equal(ask("/bills?month=2025-06"), 200);
	assert_has("\"count\":6,\"more\":false");
}

/* The interval of the swap has 0.05 kWh of M-1, times 2, and 0.15 of M-2. */
static void trace_names_the_meters(void **state)
{
	(void)state;
	run("\"closed\":2,");
	assert_int_equal(ask("/bills/SP-1/trace?month=2025-06"), 200);
	assert_has("\"as_closed\":true");
	assert_has("\"service_point\":\"SP-1\",\"number\":1,\"customer\":\"C-1\"");
	assert_has("\"start\":\"2025-06-11T17:00:00Z\",\"kwh\":\"0.250000\",\"interval_kwh\":"
	           "\"0.250000\",\"source\":\"actual\",\"meter\":\"M-1\",\"end_meter\":\"M-2\","
	           "\"begin_kwh\":\"25.000000\"");
	assert_has("\"end_kwh\":\"5.150000\"");
	assert_lacks("2025-06-16T07:00:00Z\",\"kwh\"");
	assert_int_equal(ask("/bills/M-2/trace?month=2025-06&number=2"), 200);
	assert_has("\"what\":\"res version 1, tier 2, all_day\"");
	assert_has("\"what\":\"flat version 1, tier 1, all_day\"");
	assert_has("\"as_closed\":true");
	assert_lacks("M-1");
}

/* In one line. */
static void explain(const char *path)
{
	assert_int_equal(ask(path), 200);
	json_t *json = parsed();
	char *text = json_dumps(json, JSON_COMPACT);
	assert_non_null(text);
	strcpy(answer, text);
	free(text);
	json_decref(json);
}

static void explain_names_the_bill(void **state)
{
	(void)state;
	run("\"closed\":2,");
	explain("/explain/M-2?time=2025-06-22T12:10:00Z");
	assert_has("\"service_point\":\"SP-1\",\"number\":2,\"customer\":\"C-2\"");
	assert_has("\"lines\":[{\"tariff\":\"flat\",\"tariff_version\":1,\"tier\":1,\"period\":"
	           "\"all_day\",\"kwh\":\"0.250000\"}]");
	/* 0.125 of the meter's are 0.25 at the point */
	explain("/explain/SP-1?time=2025-06-05T12:10:00Z");
	assert_has("\"meter\":\"M-1\"");
	assert_has("\"point\":{\"id\":\"SP-1\",\"ratio\":\"2\",");
	assert_has("\"number\":1,\"customer\":\"C-1\"");
	assert_has("\"kwh\":\"0.250000\"}]");
	assert_int_equal(ask("/explain/SP-1?time=2025-05-05T12:10:00Z"), 400);
	assert_has("no meter");
}

/* 10 kWh more on the last day: 3.00. */
static void late_values_adjust_the_bill_of_their_days(void **state)
{
	(void)state;
	run("\"closed\":2,");
	review("\"kept\":2,\"not_billed\":0,\"adjusted\":0");
	fake_store_last_reading(f.store)->value[0] += 10 * KWH;
	review("\"kept\":1,\"not_billed\":0,\"adjusted\":1");
	review("\"kept\":2,\"not_billed\":0,\"adjusted\":0");
	bill_of("SP-1?month=2025-06&number=2", "\"total\":\"93.00\"",
	        "\"total\":\"96.00\",\"difference\":\"3.000000\"");
	run("\"closed\":0,\"kept\":2,");
}

/*
 * C-2 came on the 18th only. C-1, 17 days, 408 kWh: 170 * .10 + 238 * .20 + 6 * 17/30 = 68;
 * C-2, 3 days, 72 kWh: 30 * .10 + 42 * .20 + 6 * 3/30 = 12, and 73: 85. Together as before.
 * Then it was C-9 all the time.
 */
static void corrected_dates_bill_no_day_twice(void **state)
{
	(void)state;
	run("\"closed\":2,");
	post("/points/import", "text/csv",
	     "id,customer,since\nSP-1,C-1,2025-06-16\nSP-1,C-2,2025-06-18\n", "\"changed\":2");
	run("\"closed\":0,\"kept\":2,\"not_billed\":4,");
	review("\"kept\":0,\"not_billed\":0,\"adjusted\":2");
	review("\"kept\":2,\"not_billed\":0,\"adjusted\":0");
	bill_of("SP-1?month=2025-06", "\"total\":\"68.00\",\"difference\":\"8.000000\"",
	        "\"to\":\"2025-06-18\"");
	bill_of("SP-1?month=2025-06&number=2", "\"total\":\"85.00\",\"difference\":\"-8.000000\"",
	        "\"from\":\"2025-06-18\"");
	assert_int_equal(ask("/bills/SP-1/trace?month=2025-06&number=2"), 200);
	assert_has("\"as_closed\":true");
	post("/points/import", "text/csv",
	     "id,customer,since\nSP-1,C-9,2025-06-18\nSP-1,C-9,2025-06-21\n", "\"changed\":2");
	run("\"closed\":0,\"kept\":2,\"not_billed\":5,");
	bill_of("SP-1?month=2025-06&number=3", "\"not_billed\"",
	        "closed bill 2, of customer 'C-2'");
	review("\"kept\":1,\"not_billed\":0,\"adjusted\":1");
	run("\"closed\":1,\"kept\":2,\"not_billed\":4,");
	bill_of("SP-1?month=2025-06&number=2", "\"total\":\"0.00\",\"difference\":\"-85.000000\"",
	        "\"of\":3");
	bill_of("SP-1?month=2025-06&number=3", "\"total\":\"85.00\"", "\"customer\":\"C-9\"");
	review("\"kept\":3,\"not_billed\":0,\"adjusted\":0");
	/* it was C-2 after all: each bill gets what is its own */
	post("/points/import", "text/csv",
	     "id,customer,since\nSP-1,C-2,2025-06-18\nSP-1,C-2,2025-06-21\n", "\"changed\":2");
	review("\"kept\":1,\"not_billed\":0,\"adjusted\":2");
	bill_of("SP-1?month=2025-06&number=2", "\"total\":\"85.00\"",
	        "\"difference\":\"85.000000\"");
	bill_of("SP-1?month=2025-06&number=3", "\"total\":\"0.00\"",
	        "\"difference\":\"-85.000000\"");
	run("\"closed\":0,\"kept\":3,\"not_billed\":4,");
}

/* M-3 uses 1 kWh an hour, ten days at one point and twenty at another. */
static void meter_that_moves_is_billed_at_both_points(void **state)
{
	(void)state;
	read_meter("M-3", JUNE_S, JULY_S, 0, KWH / 4, 0);
	post("/points/import", "text/csv",
	     "id,tariff,meter,from,to,initial,final\n"
	     "SP-2,flat,M-3,2025-06-01T07:00:00Z,2025-06-11T07:00:00Z,0,240\n"
	     "SP-3,,M-3,2025-06-11T07:00:00Z,,240,\n", "\"added\":2");
	/* SP-3 names no tariff */
	run("\"closed\":3,\"kept\":0,\"not_billed\":4,");
	bill_of("SP-2?month=2025-06", "\"total\":\"75.00\"", "\"kwh\":\"240.000000\"");
	bill_of("SP-3?month=2025-06", "\"not_billed\"", "names none");
	work("/billing/run?month=2025-06&tariff=res&prefix=SP-3",
	     "\"closed\":1,\"kept\":0,\"not_billed\":0,");
	/* 300 * .10 + 180 * .20 + 6 */
	bill_of("SP-3?month=2025-06", "\"total\":\"72.00\"", "\"kwh\":\"480.000000\"");
	assert_has("\"default_tariff\":\"res\"");
	bill_of("M-3?month=2025-06", "\"total\":\"72.00\"", "\"service_point\":\"SP-3\"");
	review("\"kept\":4,");
	work("/billing/run?month=2025-06&tariff=flat",
	     "\"closed\":0,\"kept\":4,\"not_billed\":3,");
	assert_int_equal(ask("/bills?month=2025-06&prefix=M-3"), 200);
	assert_has("\"count\":0");
}

/* C-1 goes on the 10th and is back on the 20th; nothing was read before the 10th. */
static void customer_who_comes_back_has_two_bills(void **state)
{
	(void)state;
	read_meter("M-3", JUNE_S + 9 * 86400, JULY_S, 0, KWH / 4, 0);
	post("/points/import", "text/csv",
	     "id,customer,tariff,since,meter,from\n"
	     "SP-2,C-1,flat,2025-01-01,M-3,2025-06-01T07:00:00Z\n"
	     "SP-2,C-2,flat,2025-06-10,,\nSP-2,C-1,flat,2025-06-20,,\n", "\"failed\":0");
	for (int round = 0; round < 2; round++) {
		work("/billing/run?month=2025-06&prefix=SP-2",
		     round ? "\"closed\":0,\"kept\":2,\"not_billed\":1,"
		           : "\"closed\":2,\"kept\":0,\"not_billed\":1,");
		work("/billing/review?month=2025-06&prefix=SP-2",
		     "\"kept\":2,\"not_billed\":0,\"adjusted\":0");
	}
	bill_of("SP-2?month=2025-06", "\"not_billed\"", "actual values");
	/* 11 days: 264 * .30 + 3 * 11/30 */
	bill_of("SP-2?month=2025-06&number=3", "\"total\":\"80.30\"", "\"customer\":\"C-1\"");
	bill_of("SP-2?month=2025-06&number=2", "\"total\":\"73.00\"", "\"customer\":\"C-2\"");
}

/* Its tariff's file is gone, or its meter was billed before it came to the point. */
static void what_can_not_be_billed_says_why(void **state)
{
	(void)state;
	read_meter("M-3", JUNE_S, JULY_S, 0, KWH / 4, 0);
	work("/billing/run?month=2025-06&tariff=flat&prefix=M-3",
	     "\"closed\":1,\"kept\":0,\"not_billed\":0,");
	post("/points/import", "text/csv",
	     "id,tariff,meter,from\nSP-2,flat,M-3,2025-06-01T07:00:00Z\n", "\"added\":1");
	post("/points/SP-1/set", "application/json",
	     "{\"tariff\":\"gone\",\"since\":\"2025-06-21\"}", "\"gone\"");
	run("\"closed\":1,\"kept\":1,\"not_billed\":5,");
	bill_of("SP-1?month=2025-06&number=2", "\"not_billed\"",
	        "service point 'SP-1' has the tariff 'gone', which is not in tariffs_dir");
	bill_of("SP-1?month=2025-06", "\"total\":\"60.00\"", "\"closed\"");
	bill_of("SP-2?month=2025-06", "\"not_billed\"",
	        "meter 'M-3' was billed by itself for 2025-06 already");
	bill_of("M-3?month=2025-06", "\"closed\"", "\"kwh\":\"720.000000\"");
	/* without a second customer there is no second bill */
	post("/points/import", "text/csv",
	     "id,customer,tariff,since\nSP-1,C-1,res,2025-06-16\nSP-1,C-1,res,2025-06-21\n",
	     "\"changed\":2");
	run("\"closed\":0,\"kept\":2,\"not_billed\":4,");
	assert_int_equal(ask("/bills/SP-1?month=2025-06&number=2"), 404);
	review("\"kept\":1,\"not_billed\":0,\"adjusted\":1");
	/* all 30 days: 300 * .10 + 420 * .20 + 6 */
	bill_of("SP-1?month=2025-06", "\"total\":\"120.00\",\"difference\":\"60.000000\"", "");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_points, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(point_has_a_bill_for_each_customer),
	    CASE(bills_of_points_have_their_forms),
	    CASE(trace_names_the_meters),
	    CASE(explain_names_the_bill),
	    CASE(late_values_adjust_the_bill_of_their_days),
	    CASE(corrected_dates_bill_no_day_twice),
	    CASE(meter_that_moves_is_billed_at_both_points),
	    CASE(customer_who_comes_back_has_two_bills),
	    CASE(what_can_not_be_billed_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
