/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/health_file.h"
#include "control/events/events.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct store *store;
static struct health_rules rules;
static struct events *e;
static struct error err;
static unsigned opened, cleared;

static void on_event(void *context, const struct event *v)
{
	(void)context;
	opened += v->state != EVENT_CLEARED;
	cleared += v->state == EVENT_CLEARED;
}

static void open_again(void)
{
	events_close(e);
	assert_int_equal(events_open(store, &rules, &e, &err), RESULT_OK);
	events_set_sink(e, on_event, NULL);
}

static int set_up(void **state)
{
	(void)state;
	store = fake_store_new();
	health_rules_default(&rules);
	e = NULL;
	opened = cleared = 0;
	return events_open(store, &rules, &e, &err) == RESULT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	events_close(e);
	fake_store_free(store);
	return 0;
}

static bool raise(enum event_kind kind, const char *subject, int64_t at_ms)
{
	return events_raise(e, &(struct event_occurrence){.kind = kind,
	                                                  .subject = subject,
	                                                  .device = 7,
	                                                  .at_ms = at_ms,
	                                                  .text = "because\x1b"});
}

static void flush(void)
{
	assert_int_equal(events_flush(e, true, &err), RESULT_OK);
}

static bool copy(void *context, const struct event *v)
{
	*(struct event *)context = *v;
	return false;
}

static struct event get(uint64_t number)
{
	struct event v;
	assert_true(events_one(e, number, copy, &v));
	return v;
}

static void repeated_is_folded_and_told_once(void **state)
{
	(void)state;
	events_set_sink(e, on_event, NULL);
	assert_true(raise(EVENT_LOW_BATTERY, "A", 1000));
	assert_int_equal(opened, 0); /* not before it is durable */
	flush();
	assert_int_equal(opened, 1);
	assert_true(raise(EVENT_LOW_BATTERY, "A", 2000));
	assert_true(raise(EVENT_LOW_BATTERY, "A", 2000)); /* the same, told again */
	assert_true(raise(EVENT_LOW_BATTERY, "A", 1500));
	assert_true(raise(EVENT_LOW_BATTERY, "B", 1500));
	assert_true(raise(EVENT_SILENCE, "A", 1500));
	flush();
	assert_int_equal(opened, 3);
	struct event v = get(1);
	assert_int_equal(v.count, 2);
	assert_int_equal(v.first_ms, 1000);
	assert_int_equal(v.last_ms, 2000);
	assert_string_equal(v.text, "because?");
}

static void cause_gone_clears_but_what_is_by_hand(void **state)
{
	(void)state;
	events_set_sink(e, on_event, NULL);
	raise(EVENT_LOW_BATTERY, "A", 1000);
	raise(EVENT_TAMPER, "A", 1000);
	events_cause_gone(e, EVENT_LOW_BATTERY, "A", 3000, "gone");
	events_cause_gone(e, EVENT_TAMPER, "A", 3000, "gone");
	events_cause_gone(e, EVENT_SILENCE, "A", 3000, "gone"); /* there is none */
	flush();
	assert_int_equal(cleared, 1);
	struct event v = get(1);
	assert_int_equal(v.state, EVENT_CLEARED);
	assert_null(v.cleared_by);
	assert_string_equal(v.cleared_why, "gone");
	assert_int_equal(get(2).state, EVENT_OPEN);
	raise(EVENT_LOW_BATTERY, "A", 4000); /* a new one */
	assert_int_equal(get(3).state, EVENT_OPEN);
}

static void operators_acknowledge_and_clear(void **state)
{
	(void)state;
	raise(EVENT_TAMPER, "A", 1000);
	assert_int_equal(events_acknowledge(e, 1, "ann", "on my way", 5000, &err), RESULT_OK);
	struct event v = get(1);
	assert_int_equal(v.state, EVENT_ACKNOWLEDGED);
	assert_string_equal(v.acknowledged_by, "ann");
	raise(EVENT_TAMPER, "A", 6000); /* still the same one */
	assert_int_equal(get(1).count, 2);
	assert_int_equal(events_clear(e, 1, "bob", "new seal", 7000, &err), RESULT_OK);
	assert_int_equal(events_clear(e, 1, "bob", "", 8000, &err), RESULT_INPUT);
	assert_int_equal(events_acknowledge(e, 1, "bob", "", 8000, &err), RESULT_INPUT);
	assert_int_equal(events_clear(e, 99, "bob", "", 8000, &err), RESULT_ABSENT);
}

static void everything_is_there_after_a_restart(void **state)
{
	(void)state;
	raise(EVENT_TAMPER, "A", 1000);
	assert_int_equal(events_acknowledge(e, 1, "ann", "note", 5000, &err), RESULT_OK);
	raise(EVENT_SILENCE, "B", 1000);
	events_cause_gone(e, EVENT_SILENCE, "B", 2000, "heard");
	flush();
	open_again();
	struct event v = get(1);
	assert_int_equal(v.state, EVENT_ACKNOWLEDGED);
	assert_string_equal(v.note, "note");
	assert_int_equal(v.device, 7);
	assert_int_equal(v.acknowledged_ms, 5000);
	assert_int_equal(get(2).state, EVENT_CLEARED);
	raise(EVENT_TAMPER, "A", 3000);
	assert_int_equal(get(1).count, 2);
	raise(EVENT_TAMPER, "C", 3000);
	assert_string_equal(get(3).subject, "C");
}

static void failed_write_is_made_up_for(void **state)
{
	(void)state;
	events_set_sink(e, on_event, NULL);
	raise(EVENT_TAMPER, "A", 1000);
	fake_store_fail_writes(store, 1);
	assert_int_equal(events_flush(e, true, &err), RESULT_MEDIA);
	assert_int_equal(opened, 0);
	flush();
	assert_int_equal(opened, 1);
	open_again();
	assert_int_equal(get(1).state, EVENT_OPEN);
}

static void full_table_is_counted(void **state)
{
	(void)state;
	rules.open_max = 2;
	assert_true(raise(EVENT_SILENCE, "A", 1));
	assert_true(raise(EVENT_SILENCE, "B", 1));
	assert_false(raise(EVENT_SILENCE, "C", 1));
	assert_true(raise(EVENT_SILENCE, "A", 2)); /* those that are there go on */
	assert_int_equal(events_counts(e)[EVENT_COUNT_DROPPED], 1);
	events_cause_gone(e, EVENT_SILENCE, "A", 3, "");
	assert_true(raise(EVENT_SILENCE, "C", 4));
}

static void off_is_not_raised(void **state)
{
	(void)state;
	rules.kinds[EVENT_SILENCE].off = true;
	assert_false(raise(EVENT_SILENCE, "A", 1));
	assert_false(events_is_open(e, EVENT_SILENCE, "A"));
}

static void old_cleared_ones_go(void **state)
{
	(void)state;
	char subject[16];
	rules.cleared_max = 3;
	for (int i = 0; i < 10; i++) {
		snprintf(subject, sizeof subject, "M%d", i);
		raise(EVENT_SILENCE, subject, 1000);
		events_cause_gone(e, EVENT_SILENCE, subject, 2000, "");
	}
	flush();
	events_tick(e, 3000);
	flush();
	struct event v;
	assert_false(events_one(e, 7, copy, &v));
	assert_true(events_one(e, 8, copy, &v));
	events_tick(e, 3000 + 31 * 86400000ll);
	flush();
	assert_false(events_one(e, 9, copy, &v));
	open_again();
	assert_false(events_one(e, 8, copy, &v));
	raise(EVENT_SILENCE, "N", 1000);
	assert_true(events_one(e, 11, copy, &v)); /* numbers are never used again */
}

static void quiet_ones_are_cleared(void **state)
{
	(void)state;
	raise(EVENT_CONFLICT, "A", 1000); /* 24 hours */
	raise(EVENT_SILENCE, "A", 1000);  /* never */
	flush();
	events_tick(e, 1000 + 24 * 3600000ll);
	assert_true(events_is_open(e, EVENT_CONFLICT, "A"));
	events_tick(e, 1001 + 24 * 3600000ll);
	assert_false(events_is_open(e, EVENT_CONFLICT, "A"));
	assert_true(events_is_open(e, EVENT_SILENCE, "A"));
}

static void many_in_one_flush(void **state)
{
	(void)state;
	char subject[16];
	events_set_sink(e, on_event, NULL);
	for (int i = 0; i < 2000; i++) {
		snprintf(subject, sizeof subject, "M%d", i);
		raise(EVENT_SILENCE, subject, 1000);
	}
	flush();
	assert_int_equal(opened, 2000);
	open_again();
	assert_string_equal(get(2000).subject, "M1999");
	uint64_t kinds[EVENT_KIND_COUNT], severities[EVENT_SEVERITIES];
	events_open_counts(e, kinds, severities);
	assert_int_equal(kinds[EVENT_SILENCE], 2000);
}

static void damaged_record_refused(void **state)
{
	(void)state;
	events_close(e);
	e = NULL;
	const struct store_kv item = {"v/\0\0\0\0\0\0\0\1", 10, "{\"kind\":\"x\"}", 12};
	assert_int_equal(store_kv_write(store, STORE_CONTROL, &item, 1, &err), RESULT_OK);
	assert_int_equal(events_open(store, &rules, &e, &err), RESULT_MEDIA);
	e = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(repeated_is_folded_and_told_once),
	    TEST(cause_gone_clears_but_what_is_by_hand),
	    TEST(operators_acknowledge_and_clear),
	    TEST(everything_is_there_after_a_restart),
	    TEST(failed_write_is_made_up_for),
	    TEST(full_table_is_counted),
	    TEST(off_is_not_raised),
	    TEST(old_cleared_ones_go),
	    TEST(quiet_ones_are_cleared),
	    TEST(many_in_one_flush),
	    TEST(damaged_record_refused),
	};
	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
