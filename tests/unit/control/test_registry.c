/* SPDX-License-Identifier: Apache-2.0 */
/* The registry over a store in memory: imports, views, look-ups, failures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/registry/registry.h"
#include "fake_store.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static const struct registry_author tester = {"tester", 1700000000000};

struct fixture {
	struct store *store;
	struct registry *r;
	struct registry_view *published;
	unsigned publications;
};

static void on_publish(void *context, struct registry_view *view)
{
	struct fixture *f = context;
	if (f->published)
		assert_true(view->version > f->published->version);
	f->published = view;
	f->publications++;
}

static void open_registry(struct fixture *f, uint32_t devices_max)
{
	struct error err;
	f->published = NULL;
	if (registry_open(f->store, devices_max, on_publish, f, &f->r, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->store = fake_store_new();
	open_registry(f, 200000);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	registry_close(f->r);
	fake_store_free(f->store);
	free(f);
	return 0;
}

struct complaints {
	unsigned count;
	uint64_t line[8];
	char cause[8][256];
};

static void on_complaint(void *context, uint64_t line, const char *cause)
{
	struct complaints *c = context;
	if (c->count < 8) {
		c->line[c->count] = line;
		snprintf(c->cause[c->count], sizeof c->cause[0], "%s", cause);
	}
	c->count++;
}

static struct registry_import import(struct fixture *f, enum registry_format format,
                                     const char *text, struct complaints *c)
{
	struct registry_import report;
	struct error err;
	memset(c, 0, sizeof *c);
	if (registry_import_text(f->r, REGISTRY_DEVICES, &tester, format, text, strlen(text),
				 on_complaint, c, &report, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(report.failed, c->count);
	assert_int_equal(report.lines, report.added + report.changed + report.unchanged +
	                                   report.failed);
	return report;
}

static const struct device_entry *look_up(const struct fixture *f, const char *id)
{
	return registry_view_find(f->published, siphash13(f->published->key, id, strlen(id)));
}

static void assert_report(struct registry_import r, unsigned added, unsigned changed,
                          unsigned unchanged, unsigned failed)
{
	assert_int_equal(r.added, added);
	assert_int_equal(r.changed, changed);
	assert_int_equal(r.unchanged, unchanged);
	assert_int_equal(r.failed, failed);
}

static void csv_import_twice_changes_nothing_the_second_time(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct device d;
	struct error err;
	const char *csv = "deviceId,state,capacity_w,dials,gateway,serialNumber,model\r\n"
	                  "SM-00001,active,23000,6,GW-1,\"a,\"\"b\"\"\",M1\r\n"
	                  "SM-00002,suspended,,,,,\r\n";
	assert_report(import(f, REGISTRY_CSV, csv, &c), 2, 0, 0, 0);
	unsigned publications = f->publications;
	assert_report(import(f, REGISTRY_CSV, csv, &c), 0, 0, 2, 0);
	assert_int_equal(f->publications, publications);

	assert_int_equal(registry_get(f->r, "SM-00001", &d, &err), RESULT_OK);
	assert_int_equal(d.number, 0);
	assert_int_equal(d.state, DEVICE_ACTIVE);
	assert_int_equal(d.capacity_w, 23000);
	assert_int_equal(d.dials, 6);
	assert_string_equal(d.gateway, "GW-1");
	assert_string_equal(d.serial, "a,\"b\"");
	assert_string_equal(d.model, "M1");
	const struct device_entry *e = look_up(f, "SM-00001");
	assert_non_null(e);
	assert_int_equal(e->device, 0);
	assert_int_equal(e->capacity_w, 23000);
	assert_int_equal(e->dials, 6);
	assert_int_equal(e->state, DEVICE_ACTIVE);
	assert_true(e->gateway_hash == siphash13(f->published->key, "GW-1", 4));
	assert_int_equal(look_up(f, "SM-00002")->state, DEVICE_SUSPENDED);
	assert_true(look_up(f, "SM-00002")->gateway_hash == 0);
	assert_null(look_up(f, "SM-00003"));
	assert_int_equal(f->published->device_count, 2);
	assert_int_equal(registry_count(f->r), 2);
}

static void partial_line_leaves_other_fields_as_they_were(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct device d;
	struct error err;
	import(f, REGISTRY_CSV, "id,serial,dials\nA,S1,6\n", &c);
	assert_report(import(f, REGISTRY_CSV, "id,state\nA,retired\n", &c), 0, 1, 0, 0);
	assert_int_equal(registry_get(f->r, "A", &d, &err), RESULT_OK);
	assert_string_equal(d.serial, "S1");
	assert_int_equal(d.dials, 6);
	assert_int_equal(d.state, DEVICE_RETIRED);
	assert_int_equal(d.number, 0);
	/* the same device twice in one file: both lines count */
	assert_report(import(f, REGISTRY_CSV, "id,model\nA,M1\nA,M1\nB,\nB,M2\n", &c), 1, 2, 1, 0);
	assert_int_equal(registry_get(f->r, "A", &d, &err), RESULT_OK);
	assert_string_equal(d.model, "M1");
	assert_int_equal(d.state, DEVICE_RETIRED);
	assert_int_equal(registry_get(f->r, "B", &d, &err), RESULT_OK);
	assert_string_equal(d.model, "M2");
}

static void json_import_takes_arrays_and_lines(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct device d;
	struct error err;
	const char *array = "[\n {\"deviceId\":\"A\", \"manufacturerId\":\"Acme\","
	                    " \"modelNumber\":\"m\", \"serialNumber\":\"s\","
	                    " \"firmwareVersion\":\"1.2\", \"capabilities\":[\"b\", \"a\"],"
	                    " \"communicationProfile\":{\"z\":1,\"a\":2}},\n"
	                    " {\"id\":\"B\",\"dials\":5,\"state\":\"pending\",\"model\":null}\n]\n";
	assert_report(import(f, REGISTRY_JSON, array, &c), 2, 0, 0, 0);
	assert_report(import(f, REGISTRY_JSON, array, &c), 0, 0, 2, 0);
	const char *lines = "{\"id\":\"B\",\"dials\":6}\n\n{\"id\":\"C\"}\n";
	assert_report(import(f, REGISTRY_JSON, lines, &c), 1, 1, 0, 0);
	assert_int_equal(registry_get(f->r, "A", &d, &err), RESULT_OK);
	assert_string_equal(d.manufacturer, "Acme");
	assert_string_equal(d.firmware, "1.2");
	assert_string_equal(d.capabilities, "[\"b\",\"a\"]");
	assert_string_equal(d.communication, "{\"a\":2,\"z\":1}");
	assert_int_equal(registry_get(f->r, "B", &d, &err), RESULT_OK);
	assert_int_equal(d.dials, 6);
	assert_int_equal(d.state, DEVICE_PENDING);
}

static void bad_lines_are_reported_and_good_ones_taken(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	const char *csv = "id,dials,state\n"
	                  "A,6,active\n"
	                  "B,99,active\n"
	                  "C,6\n"
	                  "D,6,asleep\n"
	                  ",6,active\n"
	                  "\"E\"x,6,active\n"
	                  "F\x01,6,active\n"
	                  "G,6,active\n";
	assert_report(import(f, REGISTRY_CSV, csv, &c), 2, 0, 0, 6);
	assert_int_equal(c.line[0], 3);
	assert_string_equal(c.cause[0], "dials is '99'; expected a whole number from 0 to 12");
	assert_int_equal(c.line[1], 4);
	assert_string_equal(c.cause[1], "2 fields; expected 3, as the first line has");
	assert_int_equal(c.line[2], 5);
	assert_string_equal(c.cause[2],
	                    "state is 'asleep'; expected pending, active, suspended or retired");
	assert_int_equal(c.line[3], 6);
	assert_int_equal(c.line[4], 7);
	assert_string_equal(c.cause[4], "text behind a closing quote");
	assert_int_equal(c.line[5], 8);
	assert_non_null(look_up(f, "G"));
	assert_null(look_up(f, "B"));

	const char *json = "{\"id\":\"H\"}\n{\"id\":\"I\",\"colour\":1}\nnonsense\n{\"id\":7}\n"
	                   "{\"id\":\"J\",}\n{\"id\":\"K\",\"dials\":1.5}\n{\"id\":\"L\"}\n"
	                   "{\"id\":\"M\"\n";
	assert_report(import(f, REGISTRY_JSON, json, &c), 3, 0, 0, 5);
	assert_int_equal(c.line[0], 2);
	assert_non_null(strstr(c.cause[0], "unknown key 'colour'; expected id, state"));
	assert_int_equal(c.line[1], 3);
	assert_int_equal(c.line[2], 5);
	assert_int_equal(c.line[3], 6);
	assert_string_equal(c.cause[3], "dials is neither text nor a whole number");
	assert_int_equal(c.line[4], 8);
	assert_non_null(look_up(f, "7"));
	assert_non_null(look_up(f, "L"));
}

static void unusable_file_takes_nothing(void **state)
{
	static const struct {
		enum registry_format format;
		const char *text, *expected;
	} cases[] = {
	    {REGISTRY_CSV, "", "line 1: the text is empty; expected a line with the names..."},
	    {REGISTRY_CSV, "state\nactive\n", "line 1: there is no column 'id'; expected it..."},
	    {REGISTRY_CSV, "\n\nid,colour\nA,red\n",
	     "line 3: unknown column 'colour'; expected some of id, state, gateway..."},
	    {REGISTRY_CSV, "id,deviceId\nA,B\n", "line 1: column 'deviceId' is given twice"},
	    {REGISTRY_JSON, "  \n", "line 1: the text is empty; expected an array of objects..."},
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct registry_import report;
		struct error err;
		assert_int_equal(registry_import_text(f->r, REGISTRY_DEVICES, &tester,
						      cases[i].format, cases[i].text,
						      strlen(cases[i].text), NULL, NULL, &report,
						      &err),
				 RESULT_INPUT);
		size_t length = strlen(cases[i].expected);
		if (strcmp(cases[i].expected + length - 3, "...") == 0)
			err.text[length -= 3] = '\0';
		assert_memory_equal(err.text, cases[i].expected, length + (err.text[length] != 0));
		assert_int_equal(report.lines, 0);
	}
	assert_int_equal(registry_count(f->r), 0);
}

static void failed_write_leaves_everything_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct registry_import report;
	struct error err;
	struct device d;
	import(f, REGISTRY_CSV, "id,model\nA,M1\n", &c);
	const char *csv = "id,model\nA,M2\nB,M1\n";
	unsigned publications = f->publications;
	fake_store_fail_writes(f->store, 1);
	assert_int_equal(registry_import_text(f->r, REGISTRY_DEVICES, &tester, REGISTRY_CSV, csv,
					      strlen(csv), NULL, NULL, &report, &err),
			 RESULT_MEDIA);
	assert_int_equal(report.added, 0);
	assert_int_equal(report.changed, 0);
	assert_int_equal(f->publications, publications);
	assert_null(look_up(f, "B"));
	assert_int_equal(registry_count(f->r), 1);
	assert_int_equal(registry_number_of(f->r, "B", 1), DEVICE_NONE);
	/* and the same again succeeds, with the number that was not used up */
	assert_report(import(f, REGISTRY_CSV, csv, &c), 1, 1, 0, 0);
	assert_int_equal(registry_get(f->r, "B", &d, &err), RESULT_OK);
	assert_int_equal(d.number, 1);
}

static void full_registry_refuses_more(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	registry_close(f->r);
	open_registry(f, 2);
	assert_report(import(f, REGISTRY_CSV, "id\nA\nB\nC\nA\n", &c), 2, 0, 1, 1);
	assert_int_equal(c.line[0], 4);
	assert_non_null(strstr(c.cause[0], "the registry is full with 2 devices; raise "
	                                   "limits.devices"));
}

static void reopened_registry_has_the_same_numbers(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	char id[DEVICE_ID_BYTES + 1];
	import(f, REGISTRY_CSV, "id,state\nB,active\nA,retired\nC,active\n", &c);
	registry_close(f->r);
	open_registry(f, 200000);
	assert_int_equal(registry_number_of(f->r, "B", 1), 0);
	assert_int_equal(registry_number_of(f->r, "A", 1), 1);
	assert_int_equal(registry_number_of(f->r, "C", 1), 2);
	assert_true(registry_id_of(f->r, 1, id));
	assert_string_equal(id, "A");
	assert_false(registry_id_of(f->r, 3, id));
	assert_int_equal(look_up(f, "A")->state, DEVICE_RETIRED);
	assert_report(import(f, REGISTRY_CSV, "id\nD\n", &c), 1, 0, 0, 0);
	assert_int_equal(registry_number_of(f->r, "D", 1), 3);
}

static void reopening_with_a_smaller_limit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct registry *r;
	struct error err;
	import(f, REGISTRY_CSV, "id\nA\nB\nC\n", &c);
	assert_int_equal(registry_open(f->store, 2, NULL, NULL, &r, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "limits.devices is 2; raise it"));
}

static void damaged_record_is_reported(void **state)
{
	struct fixture *f = *state;
	struct registry *r;
	struct error err;
	struct device d;
	struct store_kv bad = {"d/X", 3, "{\"number\":0,\"id\":", 17};
	assert_int_equal(store_kv_write(f->store, STORE_REGISTRY, &bad, 1, &err), RESULT_OK);
	assert_int_equal(registry_get(f->r, "X", &d, &err), RESULT_MEDIA);
	assert_int_equal(registry_open(f->store, 10, NULL, NULL, &r, &err), RESULT_MEDIA);
	assert_non_null(strstr(err.text, "d/X is damaged"));
}

/* What a version before this one wrote is read, written anew, and known as unchanged. */
static void records_of_the_format_before_are_migrated(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct error err;
	struct device d;
	static const char old[] = "{\"number\":0,\"id\":\"A\",\"state\":\"suspended\","
	                          "\"dials\":6,\"serial\":\"S-1\"}";
	struct store_kv item = {"d/A", 3, old, sizeof old - 1};
	registry_close(f->r);
	assert_int_equal(store_kv_write(f->store, STORE_REGISTRY, &item, 1, &err), RESULT_OK);
	unsigned writes = fake_store_writes(f->store);
	open_registry(f, 10);
	assert_int_equal(fake_store_writes(f->store), writes + 1);
	assert_int_equal(registry_get(f->r, "A", &d, &err), RESULT_OK);
	assert_int_equal(d.number, 0);
	assert_int_equal(d.state, DEVICE_SUSPENDED);
	assert_int_equal(d.dials, 6);
	assert_string_equal(d.serial, "S-1");
	assert_report(import(f, REGISTRY_CSV, "id,state,dials,serial\nA,suspended,6,S-1\n", &c), 0,
	              0, 1, 0);
	registry_close(f->r);
	writes = fake_store_writes(f->store);
	open_registry(f, 10);
	assert_int_equal(fake_store_writes(f->store), writes); /* once is enough */
}

struct listed {
	unsigned count;
	char ids[8][DEVICE_ID_BYTES + 1];
};

static bool on_device(void *context, const struct device *d)
{
	struct listed *l = context;
	if (l->count < 8)
		strcpy(l->ids[l->count], d->id);
	l->count++;
	return true;
}

static void list_filters_skips_and_limits(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	struct listed l = {0};
	struct error err;
	import(f, REGISTRY_CSV, "id\nB2\nA\nB1\nB\nC\n", &c);
	assert_int_equal(registry_list(f->r, "B", 1, 2, on_device, &l, &err), RESULT_OK);
	assert_int_equal(l.count, 2);
	assert_string_equal(l.ids[0], "B1");
	assert_string_equal(l.ids[1], "B2");
	l.count = 0;
	assert_int_equal(registry_list(f->r, "", 0, 100, on_device, &l, &err), RESULT_OK);
	assert_int_equal(l.count, 5);
	assert_string_equal(l.ids[0], "A");
	struct device d;
	assert_int_equal(registry_get(f->r, "B3", &d, &err), RESULT_ABSENT);
	assert_int_equal(registry_get(f->r, "", &d, &err), RESULT_ABSENT);
}

static void change_copies_only_touched_pages(void **state)
{
	struct fixture *f = *state;
	struct complaints c;
	char *csv = malloc(100000 * 16 + 16), *at = csv;
	at += sprintf(at, "id\n");
	for (int i = 0; i < 100000; i++)
		at += sprintf(at, "SM-%05d\n", i);
	assert_report(import(f, REGISTRY_CSV, csv, &c), 100000, 0, 0, 0);
	assert_int_equal(f->published->device_count, 100000);
	for (int i = 0; i < 100000; i++) {
		char id[16];
		sprintf(id, "SM-%05d", i);
		const struct device_entry *e = look_up(f, id);
		assert_non_null(e);
		assert_int_equal(e->device, i);
	}
	assert_report(import(f, REGISTRY_CSV, csv, &c), 0, 0, 100000, 0);
	free(csv);

	size_t pages = (size_t)1 << (64 - f->published->shift), differ = 0, most = 0;
	struct registry_page **before = malloc(pages * sizeof *before);
	memcpy(before, f->published->pages, pages * sizeof *before);
	import(f, REGISTRY_CSV, "id,state\nSM-00007,retired\n", &c);
	for (size_t i = 0; i < pages; i++) {
		differ += before[i] != f->published->pages[i];
		if (f->published->pages[i] && f->published->pages[i]->count > most)
			most = f->published->pages[i]->count;
	}
	free(before);
	assert_int_equal(differ, 1);
	assert_true(most <= 64);
	assert_int_equal(look_up(f, "SM-00007")->state, DEVICE_RETIRED);
	assert_int_equal(look_up(f, "SM-00007")->device, 7);
}

static void file_format_is_told_by_its_name(void **state)
{
	struct fixture *f = *state;
	struct registry_import report;
	struct error err;
	folder_make();
	folder_write("d.csv", "id\nA\n");
	folder_write("d.jsonl", "{\"id\":\"B\"}\n");
	folder_write("bad.csv", "x\n");
	assert_int_equal(
	    registry_import_file(f->r, &tester, folder_path("d.csv"), NULL, NULL, &report, &err),
	    RESULT_OK);
	assert_int_equal(report.added, 1);
	assert_int_equal(
	    registry_import_file(f->r, &tester, folder_path("d.jsonl"), NULL, NULL, &report, &err),
	    RESULT_OK);
	assert_int_equal(report.added, 1);
	assert_int_equal(
	    registry_import_file(f->r, &tester, folder_path("bad.csv"), NULL, NULL, &report, &err),
	    RESULT_INPUT);
	assert_non_null(strstr(err.text, "bad.csv: line 1: unknown column 'x'"));
	assert_int_equal(
	    registry_import_file(f->r, &tester, folder_path("none.csv"), NULL, NULL, &report, &err),
	    RESULT_INPUT);
	assert_non_null(strstr(err.text, "none.csv: No such file or directory"));
	folder_remove();
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(csv_import_twice_changes_nothing_the_second_time),
	    CASE(partial_line_leaves_other_fields_as_they_were),
	    CASE(json_import_takes_arrays_and_lines),
	    CASE(bad_lines_are_reported_and_good_ones_taken),
	    CASE(unusable_file_takes_nothing),
	    CASE(failed_write_leaves_everything_as_it_was),
	    CASE(full_registry_refuses_more),
	    CASE(reopened_registry_has_the_same_numbers),
	    CASE(reopening_with_a_smaller_limit_is_refused),
	    CASE(damaged_record_is_reported),
	    CASE(records_of_the_format_before_are_migrated),
	    CASE(list_filters_skips_and_limits),
	    CASE(change_copies_only_touched_pages),
	    CASE(file_format_is_told_by_its_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
