/* SPDX-License-Identifier: Apache-2.0 */
/* The headrace command, run as people run it, against the API. */
#include <sys/wait.h>

#include "api_fixture.h"

/* Runs headrace; its stdout and stderr are in `answer`. Returns its exit code. */
static int headrace(const char *arguments)
{
	char line[1024];
	snprintf(line, sizeof line, "HEADRACE_SOCKET=%s %s %s 2>&1", f.config.api.socket,
	         HEADRACE_PROGRAM, arguments);
	FILE *p = popen(line, "r");
	assert_non_null(p);
	size_t used = fread(answer, 1, sizeof answer - 1, p);
	answer[used] = '\0';
	return WEXITSTATUS(pclose(p));
}

static void command_shows_what_the_api_says(void **state)
{
	(void)state;
	assert_int_equal(headrace("status"), 0);
	assert_has("headraced 0.1.0, up 1 h 2 min 3 s, 3 devices, 7 profiles");
	assert_has("duplicate          2");
	assert_has("MEMORY OF CONNECTIONS  BYTES EACH  USED   OF  IN USE  PER CONNECTION");
	assert_has("send chunks                   128     2   50   256 B            64.0");
	assert_has("4 connections, 1.0 KiB in use: 256.0 bytes each; an idle one takes 704");
	assert_has("io0                p50");
	assert_lacks("\033");
	assert_int_equal(headrace("status --json"), 0);
	json_decref(parsed());
	assert_int_equal(headrace("devices list --prefix SM"), 0);
	assert_has("ID    STATE      NUMBER  GATEWAY");
	assert_has("\nSM-2  suspended       1");
	assert_int_equal(headrace("devices list --state suspended"), 0);
	assert_has("\nSM-2  suspended       1");
	assert_lacks("SM-1");
	assert_int_equal(headrace("devices show 'X/Y Z'"), 0);
	assert_has("X/Y Z");
	assert_int_equal(headrace("readings SM-1 --from 2025-06-15"), 0);
	assert_has("TIME (UTC)            active_energy kWh  voltage V  PROTOCOL  FLAGS");
	assert_has("2025-06-15T14:15:00Z        1247.830000      239.4  mqtt");
	assert_has("2025-06-15T14:30:00Z        1248.000001      239.4  mqtt      drift late");
	assert_has("\n2 readings\n");
	assert_int_equal(headrace("readings SM-2 --format=csv"), 0);
	assert_has("-0.000005,239.400\r\n");
	assert_int_equal(headrace("errors list --reason unknown_device"), 0);
	assert_has("unknown_device");
	assert_lacks("\033"); /* a device id must not steer the terminal */
	assert_int_equal(headrace("errors show 1048577"), 0);
	assert_has("  000000  00 ff 10 ");
	assert_int_equal(headrace("errors show 1048576"), 0);
	assert_has("{\"a\":\"\xc3\xa4\"}");
	assert_int_equal(headrace("audit"), 0);
	assert_has("The accounts balance");
	assert_int_equal(headrace("metrics"), 0);
	assert_has("headrace_readings_received_total 8");
}

/* What a device says must not steer the terminal of who asks what was refused. */
static void story_shows_refused_bytes_as_harmless_text(void **state)
{
	static const char raw[] = "{\"kWh\": 7}", steering[] = "\"\x1b[31m\"";
	struct stored_error e = {
	    .number = 3 << 20,
	    .fate = FATE_CONFLICT,
	    .device = 0,
	    .received_ms = T0,
	    .meter_ts_ms = T0,
	    .device_id = "SM-1",
	    .device_id_bytes = 4,
	    .client_id = "gw\x1b[2J\xc2\x9bx",
	    .client_id_bytes = 9,
	    .topic = "t",
	    .topic_bytes = 1,
	    .raw = (const uint8_t *)raw,
	    .raw_bytes = sizeof raw - 1,
	};
	(void)state;
	fake_store_add_error(f.store, &e);
	e.number++;
	e.raw = (const uint8_t *)steering;
	e.raw_bytes = sizeof steering - 1;
	fake_store_add_error(f.store, &e);
	assert_int_equal(headrace("explain SM-1 2025-06-15T14:15:00Z"), 0);
	assert_has("raw                 {\"kWh\": 7}");
	assert_has("raw                 \"?[31m\"");
	assert_has("client              gw?[2J??x");
	assert_lacks("\033");
}

static void empty_lists_say_so(void **state)
{
	(void)state;
	assert_int_equal(headrace("customers list"), 0);
	assert_string_equal(answer, "None.\n");
	assert_int_equal(headrace("bills list --month 2025-06"), 0);
	assert_string_equal(answer, "None.\n");
	assert_int_equal(headrace("devices list --prefix nobody"), 0);
	assert_string_equal(answer, "None, of 3 in the registry.\n");
	assert_int_equal(headrace("usage SM-1"), 2);
	assert_has("--from is missing: the first local day");
}

/* More than a page; and seven at a time have the same time, so a page ends among them. */
static void command_pages_through_all_readings(void **state)
{
	(void)state;
	for (int i = 0; i < 20005; i++) {
		add_reading(2, T0 + i, 1000 + i, 0);
		fake_store_last_reading(f.store)->ts_ms = T0 + i / 7 * 7;
	}
	assert_int_equal(headrace("readings 'X/Y Z' --format csv | wc -l"), 0);
	assert_int_equal(atoi(answer), 20006);
	assert_int_equal(headrace("readings 'X/Y Z' --format csv | sort -u | wc -l"), 0);
	assert_int_equal(atoi(answer), 20006);
	assert_int_equal(headrace("readings 'X/Y Z' --format json | sort -u | grep -c received"),
	                 0);
	assert_int_equal(atoi(answer), 20005);
	assert_int_equal(headrace("readings 'X/Y Z' --format json | tail -1"), 0);
	assert_has("],\"count\":20005,\"more\":false}");
	assert_int_equal(headrace("readings 'X/Y Z' --from 2025-06-15 | tail -1"), 0);
	assert_has("20,005 readings");
	assert_int_equal(headrace("readings 'X/Y Z' --limit 3 --format csv | wc -l"), 0);
	assert_int_equal(atoi(answer), 4);
	assert_int_equal(headrace("readings SM-1 --format json"), 0);
	json_t *s = parsed();
	assert_string_equal(json_string_value(json_object_get(s, "meter")), "SM-1");
	assert_int_equal(json_array_size(json_object_get(s, "readings")), 2);
	json_decref(s);
	assert_int_equal(headrace("readings SM-1 --format json --to 2020-01-01"), 0);
	assert_int_equal(json_array_size(json_object_get(s = parsed(), "readings")), 0);
	json_decref(s);
	assert_int_equal(ask("/readings/SM-1?after=2025-06-15"), 400);
}

static void usage_and_bill_are_tables_for_people(void **state)
{
	(void)state;
	read_june(JUNE_S + 86400, JUNE_S + 86400 + 4500);
	assert_int_equal(headrace("usage 'X/Y Z' --from 2025-06-01 --to 2025-07-01 --by day"), 0);
	assert_has("2025-06-02  15.016667         96      91          5        0       94.79");
	assert_has("gap from 2025-06-02T07:00:00Z to 2025-06-02T08:15:00Z: interpolated, scaled to "
	           "the register's 0.782118 kWh");
	assert_int_equal(headrace("usage 'X/Y Z' --from 2025-06-02 --to 2025-06-03"), 0);
	assert_has("2025-06-02T07:00:00Z  0.156423  interpolated");
	assert_int_equal(headrace("bill 'X/Y Z' --month 2025-06 --tariff sample-a"), 0);
	assert_has("tier 3, all_day   50.500000   0.15  1.000000   7.575");
	assert_has("450.500000 kWh: 53.575, 53.58 USD");
	assert_int_equal(headrace("bill 'X/Y Z' --month 2025-05 --tariff sample-a"), 1);
	assert_has("of the intervals are actual values");
	assert_int_equal(headrace("bill 'X/Y Z' --tariff sample-a"), 2);
	assert_has("--month is missing: the month, as 2026-03");
	assert_int_equal(headrace("billing run --month 2025-06 --tariff sample-a"), 0);
	assert_has("run of 2025-06 by sample-a: ended, 3 of 3 meters");
	assert_has("  closed                 1");
	assert_int_equal(headrace("bills list --month 2025-06"), 0);
	assert_has("X/Y Z            closed      sample-a  450.500000  53.58");
	assert_int_equal(headrace("bill SM-1 --month 2025-06"), 1);
	assert_has("SM-1, 2025-06: not billed: only 0.03 % of the intervals");
	assert_int_equal(headrace("billing review --month 2025-06"), 0);
	assert_has("  kept                   1");
	assert_int_equal(headrace("billing status --json"), 0);
	assert_has("\"work\":\"review\"");
	assert_int_equal(headrace("usage SM-1 --from 2025-06-31 --to 2025-07-01 --json"), 2);
	assert_has("that month has 30 days");
}

static void command_fails_when_its_output_is_lost(void **state)
{
	(void)state;
	assert_int_equal(headrace("status > /dev/full"), 1);
	assert_int_equal(headrace("--version > /dev/full"), 1);
	assert_int_equal(headrace("metrics > /dev/full"), 1);
	assert_int_equal(headrace("readings SM-1 --format csv > /dev/full"), 1);
}

static void command_imports_a_file(void **state)
{
	char line[512];
	(void)state;
	folder_write("d.csv", "id\nN-1\nN-2\n");
	folder_write("bad.jsonl", "{\"id\":\"N-3\"}\n{\"id\":\n");
	snprintf(line, sizeof line, "devices import %s", folder_path("d.csv"));
	assert_int_equal(headrace(line), 0);
	assert_has("2 lines: 2 added, 0 changed, 0 unchanged, 0 failed");
	snprintf(line, sizeof line, "devices import %s", folder_path("bad.jsonl"));
	assert_int_equal(headrace(line), 1);
	assert_has("bad.jsonl:2: ");
	assert_has("2 lines: 1 added, 0 changed, 0 unchanged, 1 failed");
	assert_int_equal(headrace("devices import /nonexistent"), 1);
	assert_has("/nonexistent: No such file or directory");
}

static void command_exit_codes_and_messages_help(void **state)
{
	static const struct {
		const char *arguments;
		int code;
		const char *text;
	} cases[] = {
	    {"--help", 0, "devices import FILE"},
	    {"-h", 0, "Exit codes:"},
	    {"help readings", 0, "Usage: headrace readings list METER [OPTIONS]"},
	    {"readings --help", 0, "--from TIME"},
	    {"devices import -h", 0, "Usage: headrace devices import FILE"},
	    {"--version", 0, "headrace "},
	    {"", 2, "devices import FILE"},
	    {"staus", 2, "did you mean 'status'?"},
	    {"readings lst A", 2, "did you mean 'readings list'?"},
	    {"devices lst", 2, "did you mean 'devices list'?"},
	    {"devices", 2, "'devices' needs a subcommand"},
	    {"xyzzyxyzzy", 2, "All commands: headrace --help"},
	    {"help xyzzyxyzzy", 2, "there is no command 'xyzzyxyzzy'"},
	    {"status --wach", 2, "did you mean '--watch'?"},
	    {"audit --from 1", 2, "there is no option '--from' for 'audit'"},
	    {"readings", 2, "METER is missing"},
	    {"readings A B", 2, "'B' is one word too many"},
	    {"readings A --from", 2, "--from needs a value"},
	    {"status --json=1", 2, "--json takes no value"},
	    {"readings SM-1 --format xml", 2, "expected table, json or csv"},
	    {"readings SM-1 --from soon", 2, "What to do: give a time as"},
	    {"readings NONE", 1, "there is no device 'NONE'"},
	    {"errors show 7", 1, "there is no error entry 7"},
	    {"status --socket /nonexistent/x", 4, "Start it with: headraced"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int code = headrace(cases[i].arguments);
		if (code != cases[i].code)
			fail_msg("%s: exit code %d: %s", cases[i].arguments, code, answer);
		assert_has(cases[i].text);
	}
	f.pipeline.received = 9;
	assert_int_equal(headrace("audit"), 1);
	assert_has("NOT OK");
	assert_has("The accounts do NOT balance");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(command_shows_what_the_api_says),
	    CASE(command_pages_through_all_readings),
	    CASE(story_shows_refused_bytes_as_harmless_text),
	    CASE(empty_lists_say_so),
	    CASE(usage_and_bill_are_tables_for_people),
	    CASE(command_fails_when_its_output_is_lost),
	    CASE(command_imports_a_file),
	    CASE(command_exit_codes_and_messages_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
