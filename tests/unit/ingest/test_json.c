/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ingest/json.h"

/* In a buffer of just its size, so that a sanitizer sees a byte read too far. */
static bool well_formed(const char *text, size_t bytes)
{
	uint8_t *p = malloc(bytes ? bytes : 1);

	assert_non_null(p);
	memcpy(p, text, bytes);
	const uint8_t *after = json_skip(p, p + bytes, JSON_DEPTH_MAX);
	bool good = after == p + bytes;
	free(p);
	return good;
}

static void good_value_is_passed_over(void **state)
{
	static const char *const good[] = {
	    "{}",
	    "[]",
	    "[ ]",
	    "{ \"a\" : [ 1 , 2.5e-3 , true , false , null , \"x\" ] }",
	    "\"\"",
	    "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
	    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
	    "\"\x7f 12345678901234567890\"",
	    "-0.0",
	    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
	    "\"\\ud800\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (!well_formed(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
}

static void bad_value_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "{",
	    "[",
	    "[1,]",
	    "[,1]",
	    "[1 2]",
	    "{\"a\"}",
	    "{\"a\":}",
	    "{\"a\":1,}",
	    "{a:1}",
	    "{'a':1}",
	    "{1:1}",
	    "{\"a\":1 \"b\":2}",
	    "[1}",
	    "{\"a\":1]",
	    "tru",
	    "True",
	    "nulll",
	    "01",
	    "+1",
	    "\"",
	    "\"a",
	    "\"\n\"",
	    "\"\\x\"",
	    "\"\\u12g4\"",
	    "\"\\u123\"",
	    "\"\\",
	    "\"\x80\"",
	    "\"\xc0\xaf\"",
	    "\"\xc3\"",
	    "\"\xe0\x80\x80\"",
	    "\"\xed\xa0\x80\"",
	    "\"\xf4\x90\x80\x80\"",
	    "\"\xf8\x88\x80\x80\x80\"",
	    "\"\xf0\x9f\x98\"",
	    "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
	    "/* */1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (well_formed(bad[i], strlen(bad[i])))
			fail_msg("taken: %s", bad[i]);
}

static void control_byte_at_any_place_of_a_string_is_refused(void **state)
{
	(void)state;
	for (uint32_t at = 1; at < 40; at++)
		for (int c = 0; c < 0x20; c++) {
			char text[41];
			memset(text, 'x', sizeof text);
			text[0] = text[40] = '"';
			assert_true(well_formed(text, sizeof text));
			text[at] = (char)c;
			assert_false(well_formed(text, sizeof text));
		}
}

static void expect_text(const char *json, const char *text)
{
	struct json_text t;
	const uint8_t *p = (const uint8_t *)json;
	char out[16];

	assert_non_null(json_scan_string(p, p + strlen(json), &t));
	int32_t bytes = json_unescape(&t, out, sizeof out);
	assert_int_equal(bytes, text ? (int32_t)strlen(text) : -1);
	if (text)
		assert_memory_equal(out, text, strlen(text));
}

static void escapes_are_resolved_to_utf8(void **state)
{
	(void)state;
	expect_text("\"k\\u0057h\"", "kWh");
	expect_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
	expect_text("\"\\u00e9\\u20AC\"", "\xc3\xa9\xe2\x82\xac");
	expect_text("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
	expect_text("\"1234567890123456\"", "1234567890123456");
}

static void half_a_pair_or_too_long_a_text_has_no_value(void **state)
{
	(void)state;
	expect_text("\"\\ud83d\"", NULL);
	expect_text("\"\\ude00\"", NULL);
	expect_text("\"\\ud83d\\u0041\"", NULL);
	expect_text("\"\\ud83dxxxxxx\"", NULL);
	expect_text("\"12345678901234567\"", NULL);
	expect_text("\"123456789012345\\u00e9\"", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_value_is_passed_over),
	    cmocka_unit_test(bad_value_is_refused),
	    cmocka_unit_test(control_byte_at_any_place_of_a_string_is_refused),
	    cmocka_unit_test(escapes_are_resolved_to_utf8),
	    cmocka_unit_test(half_a_pair_or_too_long_a_text_has_no_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
