/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, rates and the audit log, on a store in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "control/access/audit_log.h"
#include "control/access/limits.h"
#include "control/access/tokens.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct store *store;
static struct error err;

static int set_up(void **state)
{
	(void)state;
	store = fake_store_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_store_free(store);
	return 0;
}

/* --- tokens --- */

static void token_opens_and_its_secret_is_not_kept(void **state)
{
	struct tokens *t;
	struct token got;
	char text[TOKEN_TEXT_BYTES], other[TOKEN_TEXT_BYTES];
	(void)state;
	assert_int_equal(tokens_open(store, &t, &err), RESULT_OK);
	assert_int_equal(tokens_create(t, "grafana", 2, 1000, 0, text, &err), RESULT_OK);
	assert_int_equal(strlen(text), TOKEN_TEXT_BYTES - 1);
	assert_false(fake_store_has(store, text + 20));
	assert_true(tokens_check(t, text, 2000, &got));
	assert_string_equal(got.name, "grafana");
	assert_int_equal(got.role, 2);
	/* any other digit of it */
	for (size_t i = 3; i < sizeof text - 1; i++) {
		strcpy(other, text);
		other[i] = other[i] == '0' ? '1' : '0';
		assert_false(tokens_check(t, other, 2000, &got));
	}
	strcpy(other, text);
	other[sizeof other - 2] = '\0';
	assert_false(tokens_check(t, other, 2000, &got));
	assert_false(tokens_check(t, "", 2000, &got));
	/* after a restart, too */
	tokens_close(t);
	assert_int_equal(tokens_open(store, &t, &err), RESULT_OK);
	assert_true(tokens_check(t, text, 2000, &got));
	assert_int_equal(tokens_revoke(t, "grafana", &err), RESULT_OK);
	assert_false(tokens_check(t, text, 2000, &got));
	assert_int_equal(tokens_revoke(t, "grafana", &err), RESULT_ABSENT);
	tokens_close(t);
	assert_int_equal(tokens_open(store, &t, &err), RESULT_OK);
	assert_int_equal(tokens_list(t, &got, 1), 0);
	tokens_close(t);
}

static void token_ends_at_its_time(void **state)
{
	struct tokens *t;
	struct token got;
	char text[TOKEN_TEXT_BYTES];
	(void)state;
	assert_int_equal(tokens_open(store, &t, &err), RESULT_OK);
	assert_int_equal(tokens_create(t, "a", 1, 1000, 5000, text, &err), RESULT_OK);
	assert_true(tokens_check(t, text, 4999, &got));
	assert_false(tokens_check(t, text, 5000, &got));
	tokens_close(t);
}

static void token_names_are_checked_and_bounded(void **state)
{
	static const char *const bad[] = {"", "a b", "a/b", "\xc3\xa4",
	                                  "12345678901234567890123456789012345678901"};
	struct tokens *t;
	char text[TOKEN_TEXT_BYTES], name[16];
	(void)state;
	assert_int_equal(tokens_open(store, &t, &err), RESULT_OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(tokens_create(t, bad[i], 1, 0, 0, text, &err), RESULT_INPUT);
	for (unsigned i = 0; i < TOKENS_MAX; i++) {
		snprintf(name, sizeof name, "t%u", (i * 7919) % TOKENS_MAX);
		assert_int_equal(tokens_create(t, name, 1, 0, 0, text, &err), RESULT_OK);
	}
	assert_int_equal(tokens_create(t, "t1", 1, 0, 0, text, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "already"));
	assert_int_equal(tokens_create(t, "more", 1, 0, 0, text, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "revoke one first"));
	/* a write that fails makes none */
	assert_int_equal(tokens_revoke(t, "t1", &err), RESULT_OK);
	fake_store_fail_writes(store, 1);
	assert_int_equal(tokens_create(t, "t1", 1, 0, 0, text, &err), RESULT_MEDIA);
	static struct token list[TOKENS_MAX];
	assert_int_equal(tokens_list(t, list, TOKENS_MAX), TOKENS_MAX - 1);
	for (unsigned i = 1; i < TOKENS_MAX - 1; i++)
		assert_true(strcmp(list[i - 1].name, list[i].name) < 0);
	tokens_close(t);
}

/* --- rates --- */

static void limit_lets_a_burst_through_and_then_a_rate(void **state)
{
	struct limits *l;
	uint32_t wait_s;
	uint64_t now_us = 1000000;
	(void)state;
	assert_int_equal(limits_new(10, 20, &l, &err), RESULT_OK);
	for (int i = 0; i < 20; i++)
		assert_true(limits_take(l, "a", 1, 1, now_us, &wait_s));
	assert_false(limits_take(l, "a", 1, 1, now_us, &wait_s));
	assert_int_equal(wait_s, 1);
	/* others are not its business */
	assert_true(limits_take(l, "b", 1, 20, now_us, &wait_s));
	assert_false(limits_take(l, "b", 1, 20, now_us, &wait_s));
	assert_int_equal(wait_s, 3);
	now_us += 100000;
	assert_true(limits_take(l, "a", 1, 1, now_us, &wait_s));
	assert_false(limits_take(l, "a", 1, 1, now_us, &wait_s));
	/* years later it is full, no more */
	now_us += 1ull << 60;
	assert_true(limits_take(l, "a", 1, 20, now_us, &wait_s));
	assert_false(limits_take(l, "a", 1, 1, now_us, &wait_s));
	limits_free(l);
}

static void limit_keeps_what_is_asked_often_among_many(void **state)
{
	struct limits *l;
	uint32_t wait_s;
	uint64_t now_us = 1000000;
	(void)state;
	assert_int_equal(limits_new(1, 2, &l, &err), RESULT_OK);
	assert_true(limits_take(l, "busy", 4, 2, now_us, &wait_s));
	for (uint32_t i = 0; i < 100000; i++) {
		limits_take(l, &i, sizeof i, 1, now_us + i, &wait_s);
		if (i % 64 == 0) /* within a second: there is nothing left */
			assert_false(limits_take(l, "busy", 4, 2, now_us + i, &wait_s));
	}
	limits_free(l);
}

/* --- the audit log --- */

struct seen {
	unsigned count;
	uint64_t number[8];
	unsigned status[8];
	char words[8][600];
};

static bool on_entry(void *context, const struct audit_entry *e)
{
	struct seen *s = context;
	s->number[s->count] = e->number;
	s->status[s->count] = e->status;
	snprintf(s->words[s->count++], sizeof s->words[0], "%s|%s|%s|%s|%s|%s", e->who, e->role,
	         e->from, e->method, e->target, e->object);
	return s->count < 8;
}

static void audit_log_tells_what_was_done_and_what_was_not(void **state)
{
	struct audit_log *log;
	struct seen s = {0};
	uint64_t number;
	struct audit_entry e = {.at_ms = 5, .who = "ann", .role = "admin", .from = "unix:1",
	                        .method = "POST", .target = "/x?a=\xff\n"};
	(void)state;
	assert_int_equal(audit_log_open(store, 0, &log, &err), RESULT_OK);
	assert_int_equal(audit_log_begin(log, &e, &number, &err), RESULT_OK);
	assert_int_equal(number, 1);
	assert_int_equal(audit_log_end(log, 1, 6, 200, "SM-1", &err), RESULT_OK);
	assert_int_equal(audit_log_begin(log, &e, &number, &err), RESULT_OK);
	/* the daemon ends here */
	audit_log_close(log);
	assert_int_equal(audit_log_open(store, 0, &log, &err), RESULT_OK);
	fake_store_fail_writes(store, 1);
	assert_int_equal(audit_log_begin(log, &e, &number, &err), RESULT_MEDIA);
	e.who = "bob";
	assert_int_equal(audit_log_begin(log, &e, &number, &err), RESULT_OK);
	assert_int_equal(audit_log_end(log, number, 7, 409, "", &err), RESULT_OK);
	assert_int_equal(audit_log_scan(log, 0, on_entry, &s, &err), RESULT_OK);
	assert_int_equal(s.count, 3);
	assert_string_equal(s.words[0], "ann|admin|unix:1|POST|/x?a=??|SM-1");
	assert_int_equal(s.status[0], 200);
	assert_int_equal(s.status[1], 0);
	assert_string_equal(s.words[2], "bob|admin|unix:1|POST|/x?a=??|");
	assert_int_equal(s.number[2], 4);
	s.count = 0;
	assert_int_equal(audit_log_scan(log, 2, on_entry, &s, &err), RESULT_OK);
	assert_int_equal(s.count, 2);
	audit_log_close(log);
}

static void log_some(struct audit_log *log, unsigned count)
{
	const struct audit_entry e = {.at_ms = 5, .who = "ann", .role = "admin", .from = "unix:1",
	                              .method = "POST", .target = "/x"};
	uint64_t number;
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(audit_log_begin(log, &e, &number, &err), RESULT_OK);
		assert_int_equal(audit_log_end(log, number, 6, 200, "", &err), RESULT_OK);
	}
}

static bool on_record(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	unsigned *count = context;
	(void)key, (void)key_bytes, (void)value, (void)value_bytes;
	++*count;
	return true;
}

/* What is in the store: entries `from` to `to`, each whole, and nothing else. */
static void assert_kept(struct audit_log *log, uint64_t from, uint64_t to)
{
	struct seen s = {0};
	unsigned records = 0;
	struct audit_log_extent e = audit_log_extent_get(log);
	assert_int_equal(e.oldest, from);
	assert_int_equal(e.newest, to);
	assert_int_equal(audit_log_scan(log, 0, on_entry, &s, &err), RESULT_OK);
	assert_int_equal(s.number[0], from);
	assert_int_equal(s.count, to - from + 1 < 8 ? to - from + 1 : 8);
	assert_int_equal(store_kv_scan(store, STORE_CONTROL, "audit-log/", 10, on_record, &records,
	                               &err), RESULT_OK);
	assert_int_equal(records, 2 * (to - from + 1));
}

static void audit_log_keeps_the_newest(void **state)
{
	struct audit_log *log;
	(void)state;
	assert_int_equal(audit_log_open(store, 5, &log, &err), RESULT_OK);
	log_some(log, 5);
	assert_kept(log, 1, 5);
	log_some(log, 2);
	assert_kept(log, 3, 7);
	assert_int_equal(audit_log_extent_get(log).removed, 2);
	audit_log_close(log);
	/* room for all, then for fewer than there are: more than one write removes */
	assert_int_equal(audit_log_open(store, 0, &log, &err), RESULT_OK);
	log_some(log, 700);
	assert_kept(log, 3, 707);
	audit_log_close(log);
	assert_int_equal(audit_log_open(store, 3, &log, &err), RESULT_OK);
	assert_kept(log, 705, 707);
	log_some(log, 1);
	assert_kept(log, 706, 708);
	audit_log_close(log);
}

static void audit_log_loses_nothing_to_a_full_disk(void **state)
{
	struct audit_log *log;
	uint64_t number;
	const struct audit_entry e = {.who = "ann", .role = "admin", .from = "unix:1",
	                              .method = "POST", .target = "/x"};
	(void)state;
	assert_int_equal(audit_log_open(store, 2, &log, &err), RESULT_OK);
	log_some(log, 2);
	fake_store_fail_writes(store, 1);
	assert_int_equal(audit_log_begin(log, &e, &number, &err), RESULT_MEDIA);
	audit_log_close(log);
	assert_int_equal(audit_log_open(store, 2, &log, &err), RESULT_OK);
	assert_kept(log, 1, 2);
	audit_log_close(log);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(token_opens_and_its_secret_is_not_kept),
	    CASE(token_ends_at_its_time),
	    CASE(token_names_are_checked_and_bounded),
	    CASE(limit_lets_a_burst_through_and_then_a_rate),
	    CASE(limit_keeps_what_is_asked_often_among_many),
	    CASE(audit_log_tells_what_was_done_and_what_was_not),
	    CASE(audit_log_keeps_the_newest),
	    CASE(audit_log_loses_nothing_to_a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
