/* SPDX-License-Identifier: Apache-2.0 */
/* Registration over a store in memory: each policy, who may speak, what a device may say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/registry/registration.h"
#include "fake_store.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static const struct registry_author tester = {"tester", 1700000000000};

#define FULL                                                                                       \
	"{\"deviceId\":\"SM-1\",\"manufacturerId\":\"ACME\",\"modelNumber\":\"M7\","               \
	"\"serialNumber\":\"S1\",\"firmwareVersion\":\"1.2\",\"capabilities\":[\"energy\"],"       \
	"\"communicationProfile\":{\"protocol\":\"mqtt\"}}"

static struct fixture {
	struct store *store;
	struct registry *r;
	struct registration *g;
	struct registration_answer a;
} f;

static int set_up(void **state)
{
	struct error err;
	(void)state;
	folder_make();
	f = (struct fixture){.store = fake_store_new()};
	return registry_open(f.store, 8, NULL, NULL, &f.r, &err) == RESULT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	registration_close(f.g);
	registry_close(f.r);
	fake_store_free(f.store);
	folder_remove();
	return 0;
}

static void open_with(struct registration_config config)
{
	struct error err;
	if (config.pending_max == 0)
		config.pending_max = 100;
	registration_close(f.g);
	f.g = NULL;
	if (registration_open(&config, f.r, &f.g, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static struct registration_request request(const char *id, const char *sender, const char *json)
{
	return (struct registration_request){.id = id,
	                                     .id_bytes = strlen(id),
	                                     .sender = sender,
	                                     .sender_bytes = sender ? strlen(sender) : 0,
	                                     .json = json,
	                                     .json_bytes = strlen(json)};
}

static enum registration_outcome submit(const char *id, const char *sender, const char *json)
{
	struct error err;
	struct registration_request q = request(id, sender, json);
	if (registration_submit(f.g, 1, &q, &f.a, 1, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return f.a.outcome;
}

static struct device get(const char *id)
{
	struct device d;
	struct error err;
	if (registry_get(f.r, id, &d, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return d;
}

static void import(const char *json)
{
	struct registry_import report;
	struct error err;
	if (registry_import_text(f.r, REGISTRY_DEVICES, &tester, REGISTRY_JSON, json, strlen(json),
				 NULL, NULL, &report, &err) != RESULT_OK ||
	    report.failed)
		fail_msg("import failed");
}

static void open_policy_takes_all_fields(void **state)
{
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN});
	assert_int_equal(submit("SM-1", "SM-1", FULL), REGISTRATION_ACTIVE);
	struct device d = get("SM-1");
	assert_int_equal(d.state, DEVICE_ACTIVE);
	assert_string_equal(d.manufacturer, "ACME");
	assert_string_equal(d.model, "M7");
	assert_string_equal(d.serial, "S1");
	assert_string_equal(d.firmware, "1.2");
	assert_string_equal(d.capabilities, "[\"energy\"]");
	assert_string_equal(d.communication, "{\"protocol\":\"mqtt\"}");
	assert_int_equal(submit("SM-1", "SM-1", FULL), REGISTRATION_UNCHANGED);
	assert_int_equal(submit("SM-1", "SM-1", "{\"firmwareVersion\":\"1.3\"}"),
	                 REGISTRATION_UPDATED);
	assert_string_equal(get("SM-1").firmware, "1.3");
	assert_string_equal(get("SM-1").model, "M7");
	assert_int_equal(submit("SM-2", NULL, ""), REGISTRATION_ACTIVE);
	assert_int_equal(registration_counts(f.g)[REGISTRATION_ACTIVE], 2);
	assert_int_equal(registration_counts(f.g)[REGISTRATION_UNCHANGED], 1);
}

static void off_refuses_everybody(void **state)
{
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OFF});
	assert_int_equal(submit("SM-1", NULL, FULL), REGISTRATION_OFF);
	assert_int_equal(registry_count(f.r), 0);
}

static void pending_waits_for_approval(void **state)
{
	struct error err;
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_PENDING});
	assert_int_equal(submit("SM-1", "SM-1", FULL), REGISTRATION_PENDING);
	assert_int_equal(submit("SM-1", "SM-1", FULL), REGISTRATION_PENDING);
	assert_int_equal(get("SM-1").state, DEVICE_PENDING);
	assert_int_equal(registry_set_state(f.r, &tester, "SM-1", DEVICE_ACTIVE, &err), RESULT_OK);
	assert_int_equal(get("SM-1").state, DEVICE_ACTIVE);
	assert_string_equal(get("SM-1").model, "M7");
	assert_int_equal(submit("SM-1", "SM-1", FULL), REGISTRATION_UNCHANGED);
	assert_int_equal(registry_set_state(f.r, &tester, "nobody", DEVICE_ACTIVE, &err),
			 RESULT_ABSENT);
}

static void pending_devices_are_limited(void **state)
{
	struct error err;
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_PENDING,
	                                       .pending_max = 2});
	assert_int_equal(submit("SM-1", NULL, ""), REGISTRATION_PENDING);
	assert_int_equal(submit("SM-2", NULL, ""), REGISTRATION_PENDING);
	assert_int_equal(submit("SM-3", NULL, ""), REGISTRATION_FULL);
	assert_int_equal(submit("SM-1", NULL, "{\"model\":\"M8\"}"), REGISTRATION_PENDING);
	assert_int_equal(registry_set_state(f.r, &tester, "SM-1", DEVICE_ACTIVE, &err), RESULT_OK);
	assert_int_equal(submit("SM-3", NULL, ""), REGISTRATION_PENDING);
	assert_int_equal(registry_view_current(f.r)->pending_count, 2);
}

static void allow_list_tells_who_may(void **state)
{
	(void)state;
	folder_write("allowed", "# meters of the north\nSM-1\n  SM-2 \r\n\nGW-*\n");
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_ALLOW_LIST,
	                                       .allow_list = folder_path("allowed")});
	assert_int_equal(submit("SM-1", NULL, FULL), REGISTRATION_ACTIVE);
	assert_int_equal(submit("SM-2", NULL, ""), REGISTRATION_ACTIVE);
	assert_int_equal(submit("GW-17", NULL, ""), REGISTRATION_ACTIVE);
	assert_int_equal(submit("SM-3", NULL, ""), REGISTRATION_NOT_LISTED);
	assert_int_equal(registry_count(f.r), 3);
}

static void bad_allow_list_is_refused_with_its_line(void **state)
{
	struct error err;
	struct registration *g;
	struct registration_config c = {.policy = REGISTRATION_POLICY_ALLOW_LIST};
	(void)state;
	folder_write("allowed", "SM-1\nSM-[12]\n");
	c.allow_list = folder_path("allowed");
	assert_int_equal(registration_open(&c, f.r, &g, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "allowed:2: 'SM-[12]' is no device id"));
	c.allow_list = folder_path("nothing");
	assert_int_equal(registration_open(&c, f.r, &g, &err), RESULT_INPUT);
}

static void operators_fields_are_not_the_devices(void **state)
{
	static const char *const bad[] = {
	    "{\"state\":\"active\"}", "{\"gateway\":\"GW-1\"}", "{\"capacity_w\":5}",
	    "{\"profile\":\"x\"}",    "{\"deviceId\":\"SM-2\"}", "{\"colour\":\"red\"}",
	    "[1]",                    "{",                       "{\"model\":{}}"};
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN});
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(submit("SM-1", NULL, bad[i]), REGISTRATION_INVALID);
		assert_true(strlen(f.a.detail) > 0);
	}
	assert_int_equal(submit("", NULL, ""), REGISTRATION_INVALID);
	assert_int_equal(submit("a\"b", NULL, ""), REGISTRATION_INVALID);
	assert_int_equal(registry_count(f.r), 0);
}

static void gateway_speaks_for_its_meters(void **state)
{
	(void)state;
	import("{\"id\":\"SM-1\",\"gateway\":\"GW-1\"}{\"id\":\"SM-2\"}");
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN});
	assert_int_equal(submit("SM-1", "GW-2", FULL), REGISTRATION_NOT_AUTHORISED);
	assert_int_equal(submit("SM-1", "GW-1", FULL), REGISTRATION_UPDATED);
	assert_int_equal(submit("SM-1", "SM-1", FULL), REGISTRATION_UNCHANGED);
	assert_int_equal(submit("SM-2", "GW-2", ""), REGISTRATION_UNCHANGED);
	assert_string_equal(get("SM-1").gateway, "GW-1");
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN,
	                                       .strict = true});
	assert_int_equal(submit("SM-2", "GW-2", ""), REGISTRATION_NOT_AUTHORISED);
	assert_int_equal(submit("SM-3", "GW-2", ""), REGISTRATION_NOT_AUTHORISED);
	assert_int_equal(submit("SM-3", "SM-3", ""), REGISTRATION_ACTIVE);
}

static void retired_stays_retired_and_suspended_suspended(void **state)
{
	(void)state;
	import("{\"id\":\"SM-1\",\"state\":\"retired\"}{\"id\":\"SM-2\",\"state\":\"suspended\"}");
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN});
	assert_int_equal(submit("SM-1", NULL, FULL), REGISTRATION_RETIRED);
	assert_int_equal(submit("SM-2", NULL, "{\"model\":\"M8\"}"), REGISTRATION_UPDATED);
	assert_int_equal(f.a.state, DEVICE_SUSPENDED);
	assert_string_equal(get("SM-2").model, "M8");
	assert_int_equal(get("SM-1").state, DEVICE_RETIRED);
}

static void batch_is_one_write_and_sees_itself(void **state)
{
	struct registration_answer a[3];
	struct error err;
	const struct registration_request q[] = {request("SM-1", NULL, "{\"model\":\"A\"}"),
	                                         request("SM-1", NULL, "{\"model\":\"B\"}"),
	                                         request("SM-1", NULL, "{\"model\":\"B\"}")};
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN});
	unsigned writes = fake_store_writes(f.store);
	assert_int_equal(registration_submit(f.g, 1, q, a, 3, &err), RESULT_OK);
	assert_int_equal(fake_store_writes(f.store), writes + 1);
	assert_int_equal(a[0].outcome, REGISTRATION_ACTIVE);
	assert_int_equal(a[1].outcome, REGISTRATION_UPDATED);
	assert_int_equal(a[2].outcome, REGISTRATION_UNCHANGED);
	assert_string_equal(get("SM-1").model, "B");
	assert_int_equal(registry_count(f.r), 1);
}

static void full_registry_and_failing_store_are_told(void **state)
{
	char id[8];
	struct error err;
	struct registration_request q = request("SM-9", NULL, "");
	(void)state;
	open_with((struct registration_config){.policy = REGISTRATION_POLICY_OPEN});
	fake_store_fail_writes(f.store, 1);
	assert_int_equal(registration_submit(f.g, 1, &q, &f.a, 1, &err), RESULT_MEDIA);
	assert_int_equal(registration_counts(f.g)[REGISTRATION_ACTIVE], 0);
	assert_int_equal(registry_count(f.r), 0);
	for (int i = 0; i < 8; i++) {
		snprintf(id, sizeof id, "SM-%d", i);
		assert_int_equal(submit(id, NULL, ""), REGISTRATION_ACTIVE);
	}
	assert_int_equal(submit("SM-9", NULL, ""), REGISTRATION_FULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(open_policy_takes_all_fields),
	    CASE(off_refuses_everybody),
	    CASE(pending_waits_for_approval),
	    CASE(pending_devices_are_limited),
	    CASE(allow_list_tells_who_may),
	    CASE(bad_allow_list_is_refused_with_its_line),
	    CASE(operators_fields_are_not_the_devices),
	    CASE(gateway_speaks_for_its_meters),
	    CASE(retired_stays_retired_and_suspended_suspended),
	    CASE(batch_is_one_write_and_sees_itself),
	    CASE(full_registry_and_failing_store_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
