/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/decode.h"
#include "ingest/plan.h"
#include "tests/support/decode.h"

static struct profile profile;

static void add_path(const char *path)
{
	struct profile_field *f = &profile.fields[profile.field_count++];
	snprintf(f->path, sizeof f->path, "%s", path);
	f->role = FIELD_CHANNEL;
	f->slot = (uint8_t)profile.channel_count;
	profile.channels[profile.channel_count].channel = (uint8_t)(profile.channel_count + 1);
	profile.channel_count++;
}

static int setup(void **state)
{
	(void)state;
	memset(&profile, 0, sizeof profile);
	profile.id = 1;
	return 0;
}

/* The field at the end of a dotted path; PLAN_NONE: no such. */
static uint16_t look_up(const struct decode_plan *plan, const char *path)
{
	uint16_t node = 0;

	for (;;) {
		uint32_t bytes = (uint32_t)strcspn(path, ".");
		uint16_t name = plan_find(plan, node, path, bytes);
		if (name == PLAN_NONE)
			return PLAN_NONE;
		if (path[bytes] == '\0')
			return plan->names[name].field;
		node = plan->names[name].node;
		if (node == PLAN_NONE)
			return PLAN_NONE;
		path += bytes + 1;
	}
}

static void every_path_leads_to_its_field(void **state)
{
	static const char *const paths[] = {"a", "b.c", "b.d.e", "b", "d.e", "", "x..y", "a.b"};
	enum { PATHS = sizeof paths / sizeof paths[0] };

	(void)state;
	for (int i = 0; i < PATHS; i++)
		add_path(paths[i]);
	struct decode_plan *plan = decode_plan_new(&profile);
	assert_non_null(plan);
	for (uint16_t i = 0; i < PATHS; i++)
		assert_int_equal(look_up(plan, paths[i]), i);
	static const char *const absent[] = {"c", "b.d", "b.e", "b.c.c", "d", "x", "x.", "e", "aa"};
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
		assert_int_equal(look_up(plan, absent[i]), PLAN_NONE);
	decode_plan_free(plan);
}

static void same_path_twice_means_the_first_field(void **state)
{
	(void)state;
	add_path("a.b");
	add_path("a.b");
	struct decode_plan *plan = decode_plan_new(&profile);
	assert_int_equal(look_up(plan, "a.b"), 0);
	decode_plan_free(plan);
}

static void most_and_longest_paths_fit(void **state)
{
	(void)state;
	for (int i = 0; i < PROFILE_FIELDS_MAX; i++) {
		char *path = profile.fields[profile.field_count++].path;
		for (int c = 0; c < PROFILE_PATH_BYTES - 1; c++)
			path[c] = c % 2 ? '.' : (char)('A' + i);
	}
	struct decode_plan *plan = decode_plan_new(&profile);
	assert_non_null(plan);
	for (uint16_t i = 0; i < PROFILE_FIELDS_MAX; i++)
		assert_int_equal(look_up(plan, profile.fields[i].path), i);
	assert_int_equal(plan->name_count, PROFILE_FIELDS_MAX * PROFILE_PATH_BYTES / 2);
	assert_true(plan->seen_words <= PLAN_SEEN_WORDS);
	decode_plan_free(plan);
}

static void order_within_an_object_is_the_profiles(void **state)
{
	(void)state;
	add_path("a");
	add_path("o.x");
	add_path("b");
	add_path("o.y");
	struct decode_plan *plan = decode_plan_new(&profile);
	static const char *const order[] = {"a", "o", "b", "a"};
	uint16_t at = plan->nodes[0].first;
	for (int i = 0; i < 4; i++, at = plan->names[at].next)
		assert_string_equal(plan->names[at].text, order[i]);
	decode_plan_free(plan);
}

/* Names of every length, each expected, against every name that differs in one byte. */
static void expected_name_is_compared_to_its_last_byte(void **state)
{
	(void)state;
	for (size_t length = 1; length < PROFILE_PATH_BYTES; length++) {
		char name[PROFILE_PATH_BYTES] = "", text[256];
		struct reading r;
		for (size_t i = 0; i < length; i++)
			name[i] = (char)('a' + i % 26);
		memset(&profile, 0, sizeof profile);
		profile.id = 1;
		add_path(name);
		struct decode_plan *plan = decode_plan_new(&profile);
		for (size_t wrong = 0; wrong <= length; wrong++) {
			int bytes = snprintf(text, sizeof text, "{\"%s\":1}", name);
			if (wrong < length)
				text[2 + wrong] ^= 0x20;
			uint8_t *exact = malloc((size_t)bytes);
			assert_non_null(exact);
			memcpy(exact, text, (size_t)bytes);
			assert_int_equal(test_decode(plan, exact, (uint32_t)bytes, 0, &r, 1), 1);
			free(exact);
			/* nothing is required here but a channel */
			assert_int_equal(r.fate,
			                 wrong < length ? FATE_REJECT_MISSING : FATE_PENDING);
		}
		decode_plan_free(plan);
	}
}

static void name_that_json_would_escape_is_found(void **state)
{
	struct reading r;
	static const char text[] = "{\"a\\\"b\":1}", raw[] = "{\"a\"b\":1}";

	(void)state;
	add_path("a\"b");
	struct decode_plan *plan = decode_plan_new(&profile);
	assert_int_equal(test_decode(plan, (const uint8_t *)text, sizeof text - 1, 0, &r, 1), 1);
	assert_int_equal(r.fate, FATE_PENDING);
	assert_int_equal(test_decode(plan, (const uint8_t *)raw, sizeof raw - 1, 0, &r, 1), 1);
	assert_int_equal(r.fate, FATE_REJECT_PAYLOAD);
	decode_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(every_path_leads_to_its_field, setup),
	    cmocka_unit_test_setup(same_path_twice_means_the_first_field, setup),
	    cmocka_unit_test_setup(most_and_longest_paths_fit, setup),
	    cmocka_unit_test_setup(order_within_an_object_is_the_profiles, setup),
	    cmocka_unit_test_setup(expected_name_is_compared_to_its_last_byte, setup),
	    cmocka_unit_test_setup(name_that_json_would_escape_is_found, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
