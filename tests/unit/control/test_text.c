/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "control/api/text.h"

static void times_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *again;
	} cases[] = {
	    {"1970-01-01", 0, "1970-01-01T00:00:00Z"},
	    {"2025-06-15T14:15:00Z", 1749996900000, "2025-06-15T14:15:00Z"},
	    {"2025-06-15T14:15Z", 1749996900000, "2025-06-15T14:15:00Z"},
	    {"2025-06-15T16:15:00+02:00", 1749996900000, "2025-06-15T14:15:00Z"},
	    {"2025-06-15T16:15:00 02:00", 1749996900000, "2025-06-15T14:15:00Z"},
	    {"2025-06-15T08:45:00-05:30", 1749996900000, "2025-06-15T14:15:00Z"},
	    {"2025-06-15T14:15:00.1239Z", 1749996900123, "2025-06-15T14:15:00.123Z"},
	    {"2024-02-29T23:59:59.5Z", 1709251199500, "2024-02-29T23:59:59.500Z"},
	    {"1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999Z"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t ms = 42;
		char out[TIME_TEXT_BYTES];
		assert_true(time_parse(cases[i].text, &ms));
		assert_true(ms == cases[i].ms);
		assert_string_equal(time_format(ms, out), cases[i].again);
	}
}

static void malformed_times_are_refused(void **state)
{
	static const char *const cases[] = {
	    "",           "2025",        "2025-6-15",  "2025-06-31", "2025-02-29",
	    "2025-13-01", "2025-00-01",  "2025-01-00", "now",        "2025-06-15T",
	    "2025-06-15T25:00:00Z",      "2025-06-15T14:60:00Z",     "2025-06-15T14:15:61Z",
	    "2025-06-15T14:15:00",       "2025-06-15T14:15:00.Z",    "2025-06-15T14:15:00+2:00",
	    "2025-06-15T14:15:00+02:60", "2025-06-15T14:15:00Zx",    "2025-06-15 14:15:00Z",
	    "2025-06-15T14:15:00.0000000001Z",
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t ms;
		if (time_parse(cases[i], &ms))
			fail_msg("taken: %s", cases[i]);
	}
}

static void json_text_is_escaped_and_valid_utf8(void **state)
{
	struct text t = {0};
	(void)state;
	text_json(&t, "a\"\\\n\x7f\xc3\xa4\xff\xc3", 9);
	assert_string_equal(t.data, "\"a\\\"\\\\\\u000a\\u007f\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\"");
	text_free(&t);
}

static void csv_text_is_quoted_when_it_must_be(void **state)
{
	struct text t = {0};
	(void)state;
	text_csv(&t, "plain text");
	text_add(&t, "|");
	text_csv(&t, "a,\"b\"\n");
	assert_string_equal(t.data, "plain text|\"a,\"\"b\"\"\n\"");
	text_free(&t);
}

/* RFC 4648 §10 */
static void base64_equals_the_rfc_vectors(void **state)
{
	static const char *const cases[][2] = {{"", ""},         {"f", "Zg=="},
	                                       {"fo", "Zm8="},   {"foo", "Zm9v"},
	                                       {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
	                                       {"foobar", "Zm9vYmFy"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text t = {0};
		text_put(&t, "", 0);
		text_base64(&t, (const uint8_t *)cases[i][0], strlen(cases[i][0]));
		assert_string_equal(t.data, cases[i][1]);
		text_free(&t);
	}
}

static void text_beyond_its_limit_fails_and_stays_whole(void **state)
{
	struct text t = {.bytes_max = 10};
	(void)state;
	text_add(&t, "%s", "12345678");
	text_add(&t, "%s", "90a");
	assert_true(t.failed);
	assert_string_equal(t.data, "12345678");
	text_put(&t, "x", 1);
	assert_int_equal(t.used, 8);
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_read_and_written),
	    cmocka_unit_test(malformed_times_are_refused),
	    cmocka_unit_test(json_text_is_escaped_and_valid_utf8),
	    cmocka_unit_test(csv_text_is_quoted_when_it_must_be),
	    cmocka_unit_test(base64_equals_the_rfc_vectors),
	    cmocka_unit_test(text_beyond_its_limit_fails_and_stays_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
