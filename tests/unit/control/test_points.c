/* SPDX-License-Identifier: Apache-2.0 */
/* Service points, installations, customers and groups over a store in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/registry/point_text.h"
#include "control/registry/service_point.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define DAY_S INT64_C(86400)
#define KWH   INT64_C(1000000)
#define T0    INT64_C(1767225600) /* 2026-01-01T00:00:00Z */

static const struct registry_author tester = {"anna", (T0 + 200 * DAY_S) * 1000};

static struct {
	struct store *store;
	struct registry *r;
	struct error err;
	struct registry_import report;
	char complaint[256];
	uint64_t line;
	unsigned complaints;
	struct service_point p;
} f;

static void open_registry(void)
{
	if (registry_open(f.store, 1000, NULL, NULL, &f.r, &f.err) != RESULT_OK)
		fail_msg("%s", f.err.text);
}

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	f.store = fake_store_new();
	open_registry();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	registry_close(f.r);
	fake_store_free(f.store);
	return 0;
}

static void on_complaint(void *context, uint64_t line, const char *cause)
{
	(void)context;
	if (f.complaints++ == 0) {
		snprintf(f.complaint, sizeof f.complaint, "%s", cause);
		f.line = line;
	}
}

static void import(enum registry_kind kind, enum registry_format format, const char *text)
{
	f.complaints = 0;
	if (registry_import_text(f.r, kind, &tester, format, text, strlen(text), on_complaint, NULL,
				 &f.report, &f.err) != RESULT_OK)
		fail_msg("%s", f.err.text);
	assert_int_equal(f.report.failed, f.complaints);
}

static void take(enum registry_kind kind, const char *csv)
{
	import(kind, REGISTRY_CSV, csv);
	if (f.complaints)
		fail_msg("line %d: %s", (int)f.line, f.complaint);
}

static void refuse(const char *csv, const char *cause)
{
	struct service_point before = f.p;
	enum result had = registry_point_get(f.r, "SP-1", &before, &f.err);
	import(REGISTRY_POINTS, REGISTRY_CSV, csv);
	assert_int_equal(f.report.failed, 1);
	if (!strstr(f.complaint, cause))
		fail_msg("'%s' has no '%s'", f.complaint, cause);
	assert_int_equal(registry_point_get(f.r, "SP-1", &f.p, &f.err), had);
	if (had == RESULT_OK)
		assert_memory_equal(&f.p, &before, sizeof before);
}

static void get(const char *id)
{
	if (registry_point_get(f.r, id, &f.p, &f.err) != RESULT_OK)
		fail_msg("%s", f.err.text);
}

static struct device device(const char *id)
{
	struct device d;
	if (registry_get(f.r, id, &d, &f.err) != RESULT_OK)
		fail_msg("%s", f.err.text);
	return d;
}

#define DEVICES "id,dials\nM-1,6\nM-2,5\nM-3,6\nM-10,6\n"
#define HEAD    "id,customer,tariff,address,latitude,longitude,meter,from,to,ratio,initial,final\n"
#define SP_1                                                                                       \
	"SP-1,C-1,sample-a,\"Main St 1\",37.7749,-122.4194,M-1,2026-01-01T00:00:00Z,,40,10.5,\n"

static void a_point_comes_back_as_it_was_imported(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1);
	assert_int_equal(f.report.added, 1);
	get("SP-1");
	assert_string_equal(f.p.customer, "C-1");
	assert_string_equal(f.p.tariff, "sample-a");
	assert_int_equal(f.p.latitude, 37774900);
	assert_int_equal(f.p.longitude, -122419400);
	assert_int_equal(f.p.installation_count, 1);
	const struct installation *in = &f.p.installations[0];
	assert_string_equal(in->meter, "M-1");
	assert_int_equal(in->from_s, T0);
	assert_int_equal(in->to_s, INSTALLATION_OPEN);
	assert_int_equal(in->ratio.numerator, 40);
	assert_int_equal(in->ratio.denominator, 1);
	assert_int_equal(in->initial_mwh, 10500000);
	assert_int_equal(in->final_mwh, REGISTER_UNKNOWN);
	assert_string_equal(device("M-1").service_point, "SP-1");
	assert_int_equal(device("M-1").register_from_s, T0);
	/* the same again changes nothing, after a restart neither */
	take(REGISTRY_POINTS, HEAD SP_1);
	assert_int_equal(f.report.unchanged, 1);
	registry_close(f.r);
	open_registry();
	take(REGISTRY_POINTS, HEAD SP_1);
	assert_int_equal(f.report.unchanged, 1);
}

static void json_shows_a_point_as_it_is_imported(void **state)
{
	(void)state;
	char json[POINT_JSON_BYTES];
	take(REGISTRY_DEVICES, DEVICES);
	import(REGISTRY_POINTS, REGISTRY_JSON,
	       "{\"id\":\"SP-1\",\"groups\":[\"b\",\"a\"],\"installations\":["
	       "{\"meter\":\"M-1\",\"from\":\"2026-01-01\",\"to\":\"2026-02-01T10:07:00+01:00\","
	       "\"ratio\":\"200/5\",\"final\":\"99.5\"},"
	       "{\"meter\":\"M-2\",\"from\":\"2026-02-01T09:07:00Z\",\"ratio\":\"0.5\",\"initial\":"
	       "0}]}");
	assert_int_equal(f.report.added, 1);
	get("SP-1");
	point_json(&f.p, json);
	assert_string_equal(
	    json, "{\"id\":\"SP-1\",\"state\":\"active\",\"groups\":\"a,b\",\"installations\":["
		  "{\"meter\":\"M-1\",\"from\":\"2026-01-01T00:00:00Z\",\"to\":"
		  "\"2026-02-01T09:07:00Z\",\"ratio\":\"40\",\"final\":\"99.500000\"},"
		  "{\"meter\":\"M-2\",\"from\":\"2026-02-01T09:07:00Z\",\"ratio\":\"0.5\","
		  "\"initial\":\"0.000000\"}]}");
	import(REGISTRY_POINTS, REGISTRY_JSON, json);
	assert_int_equal(f.report.unchanged, 1);
	import(REGISTRY_POINTS, REGISTRY_JSON,
	       "{\"id\":\"SP-1\",\"installations\":[{\"meter\":\"M-2\",\"from\":"
	       "\"2026-02-01T09:07:00Z\",\"initial\":1.5}]}");
	assert_int_equal(f.report.failed, 1);
	assert_non_null(strstr(f.complaint, "in quotes"));
}

static void contradictions_are_refused_and_change_nothing(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	refuse("id,meter,from\nSP-1,M-9,2026-01-01\n", "no meter 'M-9'");
	take(REGISTRY_POINTS, HEAD SP_1);
	refuse("id,meter,from\nSP-1,M-2,2026-02-01\n", "overlap");
	refuse("id,meter,from,to\nSP-1,M-2,2025-02-01,2026-01-02\n", "overlap");
	refuse("id,meter,from\nSP-2,M-1,2026-03-01\n", "at point 'SP-1'");
	refuse("id,meter,from,to\nSP-2,M-1,2025-03-01,2026-01-02\n", "at point 'SP-1'");
	refuse("id,meter,from,to\nSP-1,M-2,2025-03-01,2025-02-01\n", "behind the beginning");
	refuse("id,meter,from\nSP-1,M-2,2027-03-01\n", "to today");
	refuse("id,meter,from\nSP-1,M-2,1969-03-01\n", "1970");
	refuse("id,meter\nSP-1,M-2\n", "'from' is missing");
	refuse("id,from\nSP-1,2026-03-01\n", "no meter");
	refuse("id,meter,from,to,final\nSP-1,M-2,2025-01-01,2025-02-01,100000\n", "5 dials");
	refuse("id,meter,from,final\nSP-1,M-2,2025-01-01,5\n", "no end");
	refuse("id,meter,from,ratio\nSP-1,M-2,2025-01-01,0\n", "positive number");
	refuse("id,meter,from,initial\nSP-1,M-2,2025-01-01,-1\n", "not negative");
	refuse("id,meter,from\nSP-1,M-2,2025-02-30\n", "expected a time");
	refuse("id,latitude\nSP-1,91\n", "-90 to 90");
	refuse("id,state\nSP-1,gone\n", "retired");
	/* until the day before is well */
	take(REGISTRY_POINTS, "id,meter,from,to\nSP-2,M-1,2025-03-01,2026-01-01\n");
	get("SP-2");
	assert_string_equal(device("M-1").service_point, "SP-1");
}

static void lines_of_one_file_see_each_other(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	import(REGISTRY_POINTS, REGISTRY_CSV,
	       "id,meter,from\nSP-10,M-10,2026-01-01\nSP-1,M-1,2026-01-01\nSP-2,M-1,2026-02-01\n"
	       "SP-1,,\nSP-3,M-3,2026-01-01\n");
	assert_int_equal(f.report.added, 3);
	assert_int_equal(f.report.unchanged, 1);
	assert_int_equal(f.report.failed, 1);
	assert_int_equal(f.line, 4);
	assert_non_null(strstr(f.complaint, "'M-1' is at point 'SP-1'"));
	get("SP-1");
	assert_string_equal(f.p.installations[0].meter, "M-1");
}

static void swap_ends_one_and_begins_the_next(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1);
	unsigned writes = fake_store_writes(f.store);
	struct point_swap swap = {.meter = "M-2",
				  .at_s = T0 + 15 * DAY_S + 36420,
				  .final_mwh = 1234500000,
				  .initial_mwh = 200000};
	assert_int_equal(registry_point_swap(f.r, &tester, "SP-1", &swap, &f.err), RESULT_OK);
	assert_int_equal(fake_store_writes(f.store), writes + 1);
	get("SP-1");
	assert_int_equal(f.p.installation_count, 2);
	assert_int_equal(f.p.installations[0].to_s, swap.at_s);
	assert_int_equal(f.p.installations[0].final_mwh, 1234500000);
	assert_int_equal(f.p.installations[1].from_s, swap.at_s);
	assert_int_equal(f.p.installations[1].initial_mwh, 200000);
	assert_int_equal(f.p.installations[1].ratio.numerator, 40);
	assert_string_equal(device("M-1").service_point, "");
	assert_string_equal(device("M-2").service_point, "SP-1");
	assert_int_equal(device("M-2").register_from_s, swap.at_s);
	assert_string_equal(point_installation_at(&f.p, swap.at_s)->meter, "M-2");
	assert_string_equal(point_installation_at(&f.p, swap.at_s - 1)->meter, "M-1");
	assert_null(point_installation_at(&f.p, T0 - 1));
	/* where is it? */
	assert_int_equal(registry_point_of(f.r, "M-1", T0, &f.p, &f.err), RESULT_OK);
	assert_string_equal(f.p.id, "SP-1");
	assert_int_equal(registry_point_of(f.r, "M-1", swap.at_s, &f.p, &f.err), RESULT_ABSENT);
	/* the removed one may go elsewhere */
	take(REGISTRY_POINTS, "id,meter,from\nSP-2,M-1,2026-02-01\n");
	assert_string_equal(device("M-1").service_point, "SP-2");
}

static void impossible_swaps_are_refused(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1 "SP-2,,,,,,M-2,2026-01-01,,,,\nSP-3,,,,,,,,,,,\n");
	const struct {
		const char *point;
		struct point_swap swap;
		enum result result;
		const char *cause;
	} cases[] = {
	    {"SP-9", {.meter = "M-3", .at_s = T0 + 9}, RESULT_ABSENT, "no service point 'SP-9'"},
	    {"SP-1", {.meter = "M-9", .at_s = T0 + 9}, RESULT_ABSENT, "no device 'M-9'"},
	    {"SP-1", {.meter = "M-2", .at_s = T0 + 9}, RESULT_INPUT, "at point 'SP-2'"},
	    {"SP-1", {.meter = "M-3", .at_s = T0}, RESULT_INPUT, "expected a later time"},
	    {"SP-1", {.meter = "M-3", .at_s = T0 + 300 * DAY_S}, RESULT_INPUT, "future"},
	    {"SP-1",
	     {.meter = "M-3", .at_s = T0 + 9, .final_mwh = 1000000 * KWH},
	     RESULT_INPUT,
	     "6 dials"},
	    {"SP-3",
	     {.meter = "M-3", .at_s = T0 + 9, .final_mwh = 5},
	     RESULT_INPUT,
	     "no meter now"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct point_swap swap = cases[i].swap;
		swap.initial_mwh = REGISTER_UNKNOWN;
		if (swap.final_mwh == 0)
			swap.final_mwh = REGISTER_UNKNOWN;
		unsigned writes = fake_store_writes(f.store);
		assert_int_equal(registry_point_swap(f.r, &tester, cases[i].point, &swap, &f.err),
				 cases[i].result);
		if (!strstr(f.err.text, cases[i].cause))
			fail_msg("'%s' has no '%s'", f.err.text, cases[i].cause);
		assert_int_equal(fake_store_writes(f.store), writes);
	}
	/* a failed write leaves everything as it was */
	fake_store_fail_writes(f.store, 1);
	struct point_swap swap = {
	    .meter = "M-3", .at_s = T0 + 9, .final_mwh = REGISTER_UNKNOWN, .initial_mwh = 0};
	assert_int_equal(registry_point_swap(f.r, &tester, "SP-1", &swap, &f.err), RESULT_MEDIA);
	get("SP-1");
	assert_int_equal(f.p.installation_count, 1);
	assert_string_equal(device("M-3").service_point, "");
	assert_int_equal(registry_point_swap(f.r, &tester, "SP-1", &swap, &f.err), RESULT_OK);
}

static void removal_leaves_a_point_without_meter(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1);
	assert_int_equal(registry_point_remove(f.r, &tester, "SP-1", T0 + DAY_S, 11 * KWH, &f.err),
			 RESULT_OK);
	get("SP-1");
	assert_int_equal(f.p.installations[0].to_s, T0 + DAY_S);
	assert_string_equal(device("M-1").service_point, "");
	assert_int_equal(
	    registry_point_remove(f.r, &tester, "SP-1", T0 + 2 * DAY_S, REGISTER_UNKNOWN, &f.err),
	    RESULT_INPUT);
	struct point_swap swap = {.meter = "M-1",
				  .at_s = T0 + 3 * DAY_S,
				  .final_mwh = REGISTER_UNKNOWN,
				  .initial_mwh = 11 * KWH,
				  .ratio = {1, 2}};
	assert_int_equal(registry_point_swap(f.r, &tester, "SP-1", &swap, &f.err), RESULT_OK);
	get("SP-1");
	assert_int_equal(f.p.installation_count, 2);
	assert_int_equal(f.p.installations[1].ratio.denominator, 2);
}

static void reset_splits_an_installation(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1);
	int64_t at_s = T0 + 5 * DAY_S;
	assert_int_equal(registry_device_reset(f.r, &tester, "M-1", at_s, 500 * KWH, 0, &f.err),
			 RESULT_OK);
	get("SP-1");
	assert_int_equal(f.p.installation_count, 2);
	assert_string_equal(f.p.installations[1].meter, "M-1");
	assert_int_equal(f.p.installations[0].final_mwh, 500 * KWH);
	assert_int_equal(f.p.installations[1].initial_mwh, 0);
	assert_int_equal(f.p.installations[1].ratio.numerator, 40);
	assert_string_equal(device("M-1").service_point, "SP-1");
	assert_int_equal(device("M-1").register_from_s, at_s);
	/* one that is nowhere */
	assert_int_equal(
	    registry_device_reset(f.r, &tester, "M-3", at_s, REGISTER_UNKNOWN, 0, &f.err),
	    RESULT_OK);
	assert_int_equal(device("M-3").register_from_s, at_s);
	assert_int_equal(
	    registry_device_reset(f.r, &tester, "M-3", at_s, REGISTER_UNKNOWN, 0, &f.err),
	    RESULT_INPUT);
	assert_int_equal(registry_device_reset(f.r, &tester, "M-3", T0 + 300 * DAY_S,
					       REGISTER_UNKNOWN, 0, &f.err),
			 RESULT_INPUT);
	assert_int_equal(
	    registry_device_reset(f.r, &tester, "nobody", at_s, REGISTER_UNKNOWN, 0, &f.err),
	    RESULT_ABSENT);
}

/* --- history --- */

struct entries {
	unsigned count;
	char who[8][32], action[8][16], changes[8][512];
	int64_t at_ms[8];
};

static bool on_entry(void *context, const struct registry_history *h)
{
	struct entries *e = context;
	snprintf(e->who[e->count], 32, "%s", h->who);
	snprintf(e->action[e->count], 16, "%s", h->action);
	snprintf(e->changes[e->count], 512, "%s", h->changes);
	assert_int_equal(strlen(h->changes), h->changes_bytes);
	e->at_ms[e->count++] = h->at_ms;
	return e->count < 8;
}

static struct entries history(enum registry_kind kind, const char *id)
{
	struct entries e = {0};
	if (registry_history(f.r, kind, id, on_entry, &e, &f.err) != RESULT_OK)
		fail_msg("%s", f.err.text);
	return e;
}

static void history_says_who_changed_what_and_when(void **state)
{
	(void)state;
	static const struct registry_author other = {"bob", (T0 + 201 * DAY_S) * 1000};
	take(REGISTRY_DEVICES, "id,serial\nM-1,S \\1\nM-2,\nM-10,\n");
	take(REGISTRY_DEVICES, "id,serial\nM-1,S \\1\n");
	take(REGISTRY_DEVICES, "id,serial\nM-1,S2\n");
	assert_int_equal(registry_set_state(f.r, &other, "M-1", DEVICE_SUSPENDED, &f.err),
			 RESULT_OK);
	struct entries e = history(REGISTRY_DEVICES, "M-1");
	assert_int_equal(e.count, 3);
	assert_string_equal(e.action[0], "import");
	assert_string_equal(e.who[0], "anna");
	assert_int_equal(e.at_ms[0], tester.at_ms);
	assert_string_equal(e.changes[0], "{\"id\":[null,\"M-1\"],\"state\":[null,\"active\"],"
					  "\"serial\":[null,\"S \\\\1\"]}");
	assert_string_equal(e.changes[1], "{\"serial\":[\"S \\\\1\",\"S2\"]}");
	assert_string_equal(e.who[2], "bob");
	assert_string_equal(e.action[2], "set");
	assert_string_equal(e.changes[2], "{\"state\":[\"active\",\"suspended\"]}");
	assert_int_equal(history(REGISTRY_DEVICES, "M").count, 0);

	take(REGISTRY_POINTS, "id,meter,from\nSP-1,M-1,2026-01-01\n");
	struct point_swap swap = {
	    .meter = "M-2", .at_s = T0 + DAY_S, .final_mwh = 5 * KWH, .initial_mwh = 0};
	assert_int_equal(registry_point_swap(f.r, &other, "SP-1", &swap, &f.err), RESULT_OK);
	e = history(REGISTRY_POINTS, "SP-1");
	assert_int_equal(e.count, 2);
	assert_string_equal(e.action[1], "swap");
	assert_non_null(strstr(e.changes[1], "\"final\":\"5.000000\""));
	e = history(REGISTRY_DEVICES, "M-2");
	assert_string_equal(e.action[1], "swap");
	assert_non_null(strstr(e.changes[1], "\"service_point\":[null,\"SP-1\"]"));
	assert_non_null(strstr(e.changes[1], "\"register_from\":[null,\"2026-01-02T00:00:00Z\"]"));
}

static void nothing_is_said_of_what_failed(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	fake_store_fail_writes(f.store, 1);
	assert_int_equal(registry_set_state(f.r, &tester, "M-1", DEVICE_RETIRED, &f.err),
			 RESULT_MEDIA);
	assert_int_equal(history(REGISTRY_DEVICES, "M-1").count, 1);
}

/* --- customers, groups --- */

static bool count_customer(void *context, const struct customer *c)
{
	(void)c;
	return ++*(unsigned *)context < 10;
}

static void customers_are_kept(void **state)
{
	(void)state;
	struct customer c;
	unsigned count = 0;
	take(REGISTRY_CUSTOMERS,
	     "id,name,billing_address,email\nC-1,\"Doe, Jane\",Main St 1,j@x.org\n"
	     "C-10,Bob,,\n");
	assert_int_equal(f.report.added, 2);
	take(REGISTRY_CUSTOMERS, "id,phone\nC-1,555\n");
	assert_int_equal(f.report.changed, 1);
	assert_int_equal(registry_customer_get(f.r, "C-1", &c, &f.err), RESULT_OK);
	assert_string_equal(c.name, "Doe, Jane");
	assert_string_equal(c.contact, "555");
	assert_string_equal(c.email, "j@x.org");
	assert_int_equal(registry_customer_get(f.r, "C", &c, &f.err), RESULT_ABSENT);
	assert_int_equal(registry_customers(f.r, "C-1", NULL, count_customer, &count, &f.err),
			 RESULT_OK);
	assert_int_equal(count, 2);
	assert_int_equal(history(REGISTRY_CUSTOMERS, "C-1").count, 2);
}

static void groups_are_sets_of_devices_and_points(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, "id,groups\nM-1,\"north; test,north\"\nM-2,\n");
	assert_string_equal(device("M-1").groups, "north,test");
	take(REGISTRY_POINTS, "id\nSP-1\n");
	import(REGISTRY_GROUPS, REGISTRY_CSV,
	       "group,device,point\nnorth,M-1,\nnorth,M-2,\nnorth,,SP-1\nx,M-9,\nx,M-1,SP-1\n");
	assert_int_equal(f.report.unchanged, 1);
	assert_int_equal(f.report.changed, 2);
	assert_int_equal(f.report.failed, 2);
	assert_string_equal(device("M-2").groups, "north");
	get("SP-1");
	assert_string_equal(f.p.groups, "north");
	assert_true(groups_have("a,north,b", "north"));
	assert_false(groups_have("a,northern,b", "north"));
	assert_false(groups_have("", ""));
}

static void ratios_are_exact(void **state)
{
	(void)state;
	static const struct {
		const char *text, *again;
	} good[] = {{"40", "40"},    {"0.5", "0.5"},           {"200/5", "40"},   {"1/3", "1/3"},
		    {"2.50", "2.5"}, {"0.000001", "0.000001"}, {"100/0.5", "200"}};
	static const char *const bad[] = {"",    "0",  "-1", "1/0",       "x",
					  "1e3", "1/", "/2", "0.0000001", "99999999999"};
	struct ratio r;
	char text[RATIO_TEXT_BYTES];
	int64_t out;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(ratio_parse(good[i].text, &r));
		assert_string_equal(ratio_format(&r, text), good[i].again);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(ratio_parse(bad[i], &r));
	assert_true(ratio_apply(&(struct ratio){1, 3}, 1000000, &out));
	assert_int_equal(out, 333333);
	assert_true(ratio_apply(&(struct ratio){1, 2}, -3, &out));
	assert_int_equal(out, -2);
	assert_false(ratio_apply(&(struct ratio){4, 1}, INT64_MAX / 2, &out));
}

/* --- agreements --- */

static enum result set(const char *point, const char *json)
{
	return registry_point_set(f.r, &tester, point, json, strlen(json), &f.err);
}

static void refuse_set(const char *json, const char *cause)
{
	struct service_point before;
	get("SP-1");
	before = f.p;
	assert_int_equal(set("SP-1", json), RESULT_INPUT);
	if (!strstr(f.err.text, cause))
		fail_msg("'%s' has no '%s'", f.err.text, cause);
	get("SP-1");
	assert_memory_equal(&f.p, &before, sizeof before);
}

static void is_on(const char *date, const char *customer, const char *tariff, const char *until)
{
	struct civil_date d = {0}, e = {0};
	int32_t end_day;
	assert_int_equal(civil_parse(date, &d, &f.err), RESULT_OK);
	if (until)
		assert_int_equal(civil_parse(until, &e, &f.err), RESULT_OK);
	struct agreement a = point_agreement_on(&f.p, civil_to_day(d), &end_day);
	assert_string_equal(a.customer, customer);
	assert_string_equal(a.tariff, tariff);
	assert_int_equal(end_day, until ? civil_to_day(e) : INT32_MAX);
}

static void customers_and_tariffs_hold_from_a_day_on(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1);
	get("SP-1");
	is_on("1970-01-01", "C-1", "sample-a", NULL);
	assert_int_equal(set("SP-1", "{\"customer\":\"C-2\",\"since\":\"2026-03-10\"}"),
			 RESULT_OK);
	get("SP-1");
	is_on("2026-03-09", "C-1", "sample-a", "2026-03-10");
	is_on("2026-03-10", "C-2", "sample-a", NULL);
	assert_string_equal(f.p.customer, "C-2");
	/* nobody is there for some days in between, and a tariff begins later */
	assert_int_equal(set("SP-1", "{\"customer\":\"\",\"since\":\"2026-03-05\"}"), RESULT_OK);
	assert_int_equal(set("SP-1", "{\"tariff\":\"sample-b\",\"since\":\"2026-04-01\"}"),
			 RESULT_OK);
	get("SP-1");
	is_on("2026-03-04", "C-1", "sample-a", "2026-03-05");
	is_on("2026-03-05", "", "sample-a", "2026-03-10");
	is_on("2026-03-10", "C-2", "sample-a", "2026-04-01");
	is_on("2026-04-01", "C-2", "sample-b", NULL);
	/* without a day what holds last is corrected; the same day again, too */
	assert_int_equal(set("SP-1", "{\"tariff\":\"sample-c\"}"), RESULT_OK);
	take(REGISTRY_POINTS, "id,customer,since\nSP-1,C-3,2026-03-10\n");
	get("SP-1");
	is_on("2026-03-31", "C-3", "sample-a", "2026-04-01");
	is_on("2026-04-01", "C-2", "sample-c", NULL);
	assert_int_equal(f.p.agreement_count, 4);
	registry_close(f.r);
	open_registry();
	get("SP-1");
	assert_int_equal(f.p.agreement_count, 4);
	assert_string_equal(f.p.tariff, "sample-c");
}

static bool is_sample(void *context, const char *tariff)
{
	(void)context;
	return strncmp(tariff, "sample-", 7) == 0;
}

static void impossible_agreements_are_refused(void **state)
{
	(void)state;
	take(REGISTRY_DEVICES, DEVICES);
	take(REGISTRY_POINTS, HEAD SP_1 "SP-2,,none,,,,,,,,,\n");
	registry_set_tariffs(f.r, is_sample, NULL);
	refuse_set("{\"tariff\":\"other\"}", "no tariff 'other'");
	refuse_set("{\"tariff\":\"other\",\"since\":\"2026-03-10\"}", "no tariff 'other'");
	refuse_set("{\"since\":\"2026-03-10\"}", "expected one of them");
	refuse_set("{\"customer\":\"C\",\"since\":\"2026-02-30\"}", "expected a day");
	refuse_set("{\"customer\":\"C\",\"since\":\"2026-03-10T10:00:00Z\"}", "expected a day");
	refuse_set("{\"customer\":\"C\",\"since\":\"1969-12-31\"}", "not before 1970");
	refuse_set("{\"customer\":\"C\",\"since\":\"2062-03-10\"}", "ten years");
	refuse_set("{\"agreements\":[{\"customer\":\"C\"}]}", "without 'since'");
	refuse_set("{\"agreements\":[{\"since\":\"2026-03-10\",\"customer\":\"C\"},"
		   "{\"since\":\"2026-03-10\",\"customer\":\"D\"}]}", "overlap");
	refuse_set("{\"id\":\"SP-9\"}", "can't be set");
	refuse_set("{}", "nothing is given");
	refuse_set("{\"colour\":1}", "unknown key");
	assert_int_equal(set("SP-9", "{\"customer\":\"C\"}"), RESULT_ABSENT);
	refuse("id,tariff,since\nSP-1,other,2026-03-10\n", "no tariff 'other'");
	refuse("id,tariff,since\nSP-1,sample-b,10.3.2026\n", "expected a day");
	/* a name from before does not stand in the way of other changes */
	assert_int_equal(set("SP-2", "{\"customer\":\"C\",\"since\":\"2026-03-10\"}"),
			 RESULT_OK);
	for (int i = 1; i < AGREEMENTS_MAX; i++) {
		char json[80];
		snprintf(json, sizeof json, "{\"customer\":\"C%d\",\"since\":\"%d-01-01\"}", i,
			 1990 + i);
		assert_int_equal(set("SP-1", json), RESULT_OK);
	}
	refuse_set("{\"customer\":\"C\",\"since\":\"2026-03-10\"}", "no room");
}

static void agreements_go_out_and_in_again(void **state)
{
	(void)state;
	char json[POINT_JSON_BYTES];
	import(REGISTRY_POINTS, REGISTRY_JSON,
	       "{\"id\":\"SP-1\",\"agreements\":[{\"since\":\"2026-03-10\",\"customer\":\"C-2\"},"
	       "{\"since\":\"2026-01-01\",\"customer\":\"C-1\",\"tariff\":\"t\"}]}");
	assert_int_equal(f.report.added, 1);
	get("SP-1");
	point_json(&f.p, json);
	/* a list has no gaps to be filled: what is not given is none */
	assert_string_equal(
	    json, "{\"id\":\"SP-1\",\"state\":\"active\",\"customer\":\"C-2\","
		  "\"since\":\"2026-03-10\",\"agreements\":["
		  "{\"since\":\"2026-01-01\",\"customer\":\"C-1\",\"tariff\":\"t\"},"
		  "{\"since\":\"2026-03-10\",\"customer\":\"C-2\"}]}");
	import(REGISTRY_POINTS, REGISTRY_JSON, json);
	assert_int_equal(f.report.unchanged, 1);
	is_on("2025-12-31", "", "", "2026-01-01");
	take(REGISTRY_POINTS, "id,customer,tariff,since\nSP-1,C-1,t,2026-01-01\n"
			      "SP-1,C-2,,2026-03-10\n");
	assert_int_equal(f.report.unchanged, 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(a_point_comes_back_as_it_was_imported),
	    CASE(json_shows_a_point_as_it_is_imported),
	    CASE(contradictions_are_refused_and_change_nothing),
	    CASE(lines_of_one_file_see_each_other),
	    CASE(swap_ends_one_and_begins_the_next),
	    CASE(impossible_swaps_are_refused),
	    CASE(removal_leaves_a_point_without_meter),
	    CASE(reset_splits_an_installation),
	    CASE(history_says_who_changed_what_and_when),
	    CASE(nothing_is_said_of_what_failed),
	    CASE(customers_are_kept),
	    CASE(groups_are_sets_of_devices_and_points),
	    CASE(customers_and_tariffs_hold_from_a_day_on),
	    CASE(impossible_agreements_are_refused),
	    CASE(agreements_go_out_and_in_again),
	    cmocka_unit_test(ratios_are_exact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
