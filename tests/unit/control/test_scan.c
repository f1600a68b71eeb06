/* SPDX-License-Identifier: Apache-2.0 */
/* Scans of a few meters in a store in memory: counts, what is kept, what is replaced, failures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "control/scan/scan.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define QUARTER_S 900

static struct profile profile = {.id = 7, .name = "flat", .channel_count = 1,
                                 .interval_ms = QUARTER_S * 1000, .register_kwh_pow10 = 6,
                                 .dials = 6, .channels = {{.channel = 1}}};
static struct profile_set profiles;
static struct vee_rules rules;
static struct calendar *calendar;
static struct store *store;
static struct registry *registry;
static struct scan *scan;
static struct scan_status status;
static struct error err;

/* 2025-06-16 in UTC */
#define DAY_S 1750032000ll

static void read_register(uint32_t device, int64_t at_s, int64_t value)
{
	struct stored_reading r = {.device = device, .profile = 7, .channel_count = 1,
	                           .channel = {1}, .value = {value}, .ts_ms = at_s * 1000,
	                           .meter_ts_ms = at_s * 1000};
	fake_store_add_reading(store, &r);
}

/* M-0 is as it should be, M-1 has a spike, M-2 counts nothing, X-3 is silent. */
static void fill(void)
{
	static const char csv[] = "id,state\nM-0,active\nM-1,active\nM-2,active\nX-3,active\n";
	struct registry_import report;
	int64_t spiky = 0;
	static const struct registry_author author = {"tester", 0};
	assert_int_equal(registry_import_text(registry, REGISTRY_DEVICES, &author, REGISTRY_CSV,
	                                      csv, sizeof csv - 1, NULL, NULL, &report, &err),
	                 RESULT_OK);
	for (int i = 0; i <= 96; i++) {
		read_register(0, DAY_S + i * QUARTER_S, i * 100);
		read_register(1, DAY_S + i * QUARTER_S, spiky);
		read_register(2, DAY_S + i * QUARTER_S, 5);
		spiky += i == 7 ? 1000 : 100;
	}
}

static int set_up(void **state)
{
	(void)state;
	profiles.by_id[7] = &profile;
	vee_rules_default(&rules);
	store = fake_store_new();
	if (calendar_new("UTC", &calendar, &err) != RESULT_OK ||
	    registry_open(store, 100, NULL, NULL, &registry, &err) != RESULT_OK)
		return -1;
	struct scan_source source = {store, NULL, registry, &profiles, calendar, &rules};
	if (scan_new(&source, &scan, &err) != RESULT_OK)
		return -1;
	fill();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scan_free(scan);
	registry_close(registry);
	calendar_free(calendar);
	fake_store_free(store);
	return 0;
}

static void run(const char *period, const char *prefix)
{
	if (scan_begin(scan, period, prefix, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	do {
		usleep(1000);
		scan_status_get(scan, &status);
	} while (status.running);
}

static char listed[256];
static bool on_found(void *context, const char *meter, const struct vee_finding *findings,
                     uint32_t count)
{
	(void)context;
	size_t used = strlen(listed);
	snprintf(listed + used, sizeof listed - used, "%s", meter);
	for (uint32_t i = 0; i < count; i++) {
		used = strlen(listed);
		snprintf(listed + used, sizeof listed - used, " %s",
		         vee_rule_info[findings[i].rule].name);
	}
	strcat(listed, ";");
	return true;
}

static const char *list(const char *period, const char *after, unsigned rule)
{
	listed[0] = '\0';
	if (scan_list(scan, period, after, rule, on_found, NULL, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return listed;
}

static void a_scan_counts_by_rule_and_keeps_a_work_list(void **state)
{
	(void)state;
	run("2025-06-16", "");
	assert_string_equal(status.failure, "");
	assert_int_equal(status.total, 4);
	assert_int_equal(status.done, 4);
	assert_int_equal(status.found, 3);
	assert_int_equal(status.complete, 3);
	assert_int_equal(status.enough, 3);
	assert_int_equal(status.silent, 1);
	assert_int_equal(status.rule[VEE_RULE_SPIKE].findings, 1);
	assert_int_equal(status.rule[VEE_RULE_ZERO_USE].meters, 1);
	assert_int_equal(scan_counters(scan)[VEE_RULE_SPIKE], 1);
	assert_string_equal(list("2025-06-16", "", VEE_RULE_COUNT),
	                    "M-1 spike;M-2 zero_use;X-3 incomplete gap;");
	assert_string_equal(list("2025-06-16", "", VEE_RULE_ZERO_USE), "M-2 zero_use;");
	assert_string_equal(list("2025-06-16", "M-2", VEE_RULE_COUNT), "X-3 incomplete gap;");
	assert_string_equal(list("2025-06-17", "", VEE_RULE_COUNT), "");
}

static void a_second_scan_replaces_the_first(void **state)
{
	(void)state;
	json_t *kept;
	run("2025-06-16", "");
	rules.rule[VEE_RULE_SPIKE].on = false;
	run("2025-06-16", "M-");
	assert_int_equal(status.done, 3);
	assert_string_equal(list("2025-06-16", "", VEE_RULE_COUNT), "M-2 zero_use;");
	run("2025-06", "M-0");
	assert_int_equal(status.done, 1);
	assert_int_equal(scan_summaries(scan, &kept, &err), RESULT_OK);
	assert_int_equal(json_array_size(kept), 2);
	const char *period =
	    json_string_value(json_object_get(json_array_get(kept, 0), "period"));
	assert_string_equal(period, "2025-06");
	json_decref(kept);
}

static void only_a_hundred_periods_are_kept(void **state)
{
	(void)state;
	char period[SCAN_PERIOD_BYTES + 8];
	json_t *kept;
	for (int i = 0; i < 104; i++) {
		snprintf(period, sizeof period, "2024-%02d-%02d", 1 + i / 28, 1 + i % 28);
		run(period, "X-3");
	}
	assert_int_equal(scan_summaries(scan, &kept, &err), RESULT_OK);
	assert_int_equal(json_array_size(kept), 100);
	json_decref(kept);
	assert_string_equal(list("2024-01-04", "", VEE_RULE_COUNT), "");
	assert_string_equal(list("2024-01-05", "", VEE_RULE_COUNT), "X-3 incomplete gap;");
}

static void what_is_wrong_is_told_and_begins_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "2025", "2025-13", "2025-02-30", "2025-06-16T",
	                                  "2099-01-01"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(scan_begin(scan, bad[i], "", &err), RESULT_INPUT);
	scan_status_get(scan, &status);
	assert_string_equal(status.period, "");
}

static void a_disk_that_is_full_ends_a_scan_and_says_so(void **state)
{
	(void)state;
	run("2025-06-16", "M-1");
	fake_store_fail_writes(store, 1); /* what was kept can't be forgotten */
	run("2025-06-16", "");
	assert_non_null(strstr(status.failure, "the fake disk is full"));
	assert_int_equal(status.done, 0);
	run("2025-06-16", "");
	assert_string_equal(status.failure, "");
	assert_int_equal(status.done, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(a_scan_counts_by_rule_and_keeps_a_work_list),
	    TEST(a_second_scan_replaces_the_first),
	    TEST(only_a_hundred_periods_are_kept),
	    TEST(what_is_wrong_is_told_and_begins_nothing),
	    TEST(a_disk_that_is_full_ends_a_scan_and_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
