/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

/* before cmocka.h, whose macro fail() would hide base/result.h's function */
#include "ingest/match.h"
#include "tests/support/profiles.h"

#include <cmocka.h>

static struct profile_set profiles;

/* Does the filter (topic filter or URI pattern) match? */
static bool matches(bool uri, const char *filter, const char *text)
{
	struct matcher *m;
	struct match_scratch *s;
	struct error err = {""};

	test_profiles_init(&profiles);
	profiles.count = 1;
	profiles.profiles[0].topic_count = !uri;
	profiles.profiles[0].uri_count = uri;
	strcpy(uri ? profiles.profiles[0].uris[0] : profiles.profiles[0].topics[0], filter);
	if (matcher_new(&profiles, &m, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(match_scratch_new(m, &s, &err), RESULT_OK);
	uint32_t bytes = (uint32_t)strlen(text);
	uint64_t found = uri ? match_uri(m, s, text, bytes) : match_topic(m, s, text, bytes);
	/* the other kind has no patterns */
	assert_true((uri ? match_topic(m, s, text, bytes) : match_uri(m, s, text, bytes)) == 0);
	match_scratch_free(s);
	matcher_free(m);
	return found == 1;
}

struct example {
	const char *filter, *text;
	bool match;
};

static void topic_filter_follows_mqtt(void **state)
{
	static const struct example examples[] = {
	    {"a/b", "a/b", true},
	    {"a/b", "a/b/", false},
	    {"a/b", "a/b\n", false},
	    {"a/b", "/a/b", false},
	    {"a/b", "A/b", false},
	    {"sport/tennis/player1/#", "sport/tennis/player1", true},
	    {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
	    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
	    {"sport/tennis/player1/#", "sport/tennis/player12", false},
	    {"sport/#", "sport", true},
	    {"#", "a", true},
	    {"#", "/", true},
	    {"#", "a/b\nc", true},
	    {"#", "$SYS/x", false},
	    {"+/monitor/Clients", "$SYS/monitor/Clients", false},
	    {"$SYS/#", "$SYS/x", true},
	    {"$SYS/#", "$SYS", true},
	    {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
	    {"a/+", "a/$x", true},
	    {"sport/tennis/+", "sport/tennis/player1", true},
	    {"sport/tennis/+", "sport/tennis/player1/ranking", false},
	    {"sport/+", "sport", false},
	    {"sport/+", "sport/", true},
	    {"+/+", "/finance", true},
	    {"/+", "/finance", true},
	    {"+", "/finance", false},
	    {"+", "x", true},
	    {"+/#", "x", true},
	    {"+/#", "$x", false},
	    {"+/+/#", "x", false},
	    {"a//b", "a//b", true},
	    {"a/+/b", "a//b", true},
	    {"a.b/(c)*[d]^$|\\?{1}", "a.b/(c)*[d]^$|\\?{1}", true},
	    {"a.b", "axb", false},
	    {"\xc3\xa9/+", "\xc3\xa9/\xe2\x82\xac", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
		if (matches(false, examples[i].filter, examples[i].text) != examples[i].match)
			fail_msg("filter %s, topic %s", examples[i].filter, examples[i].text);
}

static void uri_pattern_follows_mqtt(void **state)
{
	static const struct example examples[] = {
	    {"/readings", "/readings", true}, {"/readings", "/readings/", false},
	    {"/readings", "/reading", false}, {"/r/#", "/r", true},
	    {"/r/#", "/r/a/b", true},         {"/+/x", "/a/x", true},
	    {"/+/x", "/a/b/x", false},        {"/#", "/", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
		if (matches(true, examples[i].filter, examples[i].text) != examples[i].match)
			fail_msg("pattern %s, path %s", examples[i].filter, examples[i].text);
}

static void empty_topic_matches_nothing(void **state)
{
	(void)state;
	assert_false(matches(false, "#", ""));
	assert_false(matches(false, "+", ""));
}

static void longest_filter_compiles(void **state)
{
	char filter[PROFILE_MATCH_BYTES], topic[PROFILE_MATCH_BYTES];

	(void)state;
	for (int i = 0; i < PROFILE_MATCH_BYTES - 1; i++) {
		filter[i] = i % 2 ? '/' : '+';
		topic[i] = i % 2 ? '/' : 'x';
	}
	filter[PROFILE_MATCH_BYTES - 1] = topic[PROFILE_MATCH_BYTES - 1] = '\0';
	assert_true(matches(false, filter, topic));
	memset(filter, '.', PROFILE_MATCH_BYTES - 1);
	assert_true(matches(false, filter, filter));
}

static void expect_error(const char *says)
{
	struct matcher *m;
	struct error err = {""};

	assert_int_equal(matcher_new(&profiles, &m, &err), RESULT_INPUT);
	if (!strstr(err.text, says) || !strstr(err.text, "'flat'"))
		fail_msg("'%s' does not say '%s'", err.text, says);
}

static void bad_pattern_is_named(void **state)
{
	static const char *const bad[] = {"", "a/#/b", "a#", "#a", "a+/b", "++", "a/b+", "#/"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		test_profiles_init(&profiles);
		strcpy(profiles.profiles[0].topics[0], bad[i]);
		expect_error(bad[i]);
		if (!*bad[i])
			continue;
		test_profiles_init(&profiles);
		snprintf(profiles.profiles[0].uris[0], PROFILE_MATCH_BYTES, "/%s", bad[i]);
		expect_error(bad[i]);
	}
	test_profiles_init(&profiles);
	strcpy(profiles.profiles[0].uris[0], "readings");
	expect_error("'/'");
	test_profiles_init(&profiles);
	strcpy(profiles.profiles[0].signature, "(open");
	expect_error("(open");
}

static void all_profiles_that_match_are_candidates(void **state)
{
	struct matcher *m;
	struct match_scratch *s;
	struct error err;

	(void)state;
	test_profiles_init(&profiles);
	profiles.count = PROFILES_MAX;
	for (uint32_t i = 0; i < PROFILES_MAX; i++) {
		profiles.profiles[i] = profiles.profiles[0];
		profiles.profiles[i].topic_count = 2;
		strcpy(profiles.profiles[i].topics[0], "same/+");
		snprintf(profiles.profiles[i].topics[1], PROFILE_MATCH_BYTES, "own/%u", i);
	}
	assert_int_equal(matcher_new(&profiles, &m, &err), RESULT_OK);
	assert_int_equal(match_scratch_new(m, &s, &err), RESULT_OK);
	assert_true(match_topic(m, s, "same/x", 6) == UINT64_MAX);
	assert_true(match_topic(m, s, "own/63", 6) == 1ull << 63);
	assert_true(match_topic(m, s, "other", 5) == 0);
	match_scratch_free(s);
	matcher_free(m);
}

static const struct profile *by_payload(const struct matcher *m, struct match_scratch *s,
                                        uint64_t candidates, const char *payload)
{
	return match_payload(m, s, candidates, (const uint8_t *)payload, (uint32_t)strlen(payload));
}

static void signature_decides_in_order_of_preference(void **state)
{
	struct matcher *m;
	struct match_scratch *s;
	struct error err;
	const struct profile *p = profiles.profiles;

	(void)state;
	test_profiles_init(&profiles);
	profiles.count = 4;
	profiles.profiles[2] = profiles.profiles[0];
	profiles.profiles[3] = profiles.profiles[0];
	strcpy(profiles.profiles[0].signature, "\"kWh\"");
	strcpy(profiles.profiles[3].signature, "^\\[");
	/* 0: kWh; 1: energy; 2: any; 3: an array */
	assert_int_equal(matcher_new(&profiles, &m, &err), RESULT_OK);
	assert_int_equal(match_scratch_new(m, &s, &err), RESULT_OK);
	assert_ptr_equal(by_payload(m, s, 0xf, TEST_FLAT_MESSAGE), &p[0]);
	assert_ptr_equal(by_payload(m, s, 0xf, TEST_NESTED_MESSAGE), &p[1]);
	assert_ptr_equal(by_payload(m, s, 0xf, "[]"), &p[2]);
	assert_ptr_equal(by_payload(m, s, 0xf, ""), &p[2]);
	assert_ptr_equal(by_payload(m, s, 0xb, "[]"), &p[3]);
	assert_ptr_equal(by_payload(m, s, 0xe, TEST_FLAT_MESSAGE), &p[2]);
	assert_null(by_payload(m, s, 0xb, "x"));
	assert_null(by_payload(m, s, 0, TEST_FLAT_MESSAGE));
	match_scratch_free(s);
	matcher_free(m);
}

static void no_profiles_match_nothing(void **state)
{
	struct matcher *m;
	struct match_scratch *s;
	struct error err;

	(void)state;
	memset(&profiles, 0, sizeof profiles);
	assert_int_equal(matcher_new(&profiles, &m, &err), RESULT_OK);
	assert_int_equal(match_scratch_new(m, &s, &err), RESULT_OK);
	assert_true(match_topic(m, s, "a", 1) == 0);
	assert_true(match_uri(m, s, "/a", 2) == 0);
	match_scratch_free(s);
	matcher_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(topic_filter_follows_mqtt),
	    cmocka_unit_test(uri_pattern_follows_mqtt),
	    cmocka_unit_test(empty_topic_matches_nothing),
	    cmocka_unit_test(longest_filter_compiles),
	    cmocka_unit_test(bad_pattern_is_named),
	    cmocka_unit_test(all_profiles_that_match_are_candidates),
	    cmocka_unit_test(signature_decides_in_order_of_preference),
	    cmocka_unit_test(no_profiles_match_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
