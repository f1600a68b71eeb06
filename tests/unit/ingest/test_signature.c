/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "ingest/signature.h"

#include <cmocka.h>

static void texts_and_white_space_are_taken(void **state)
{
	struct signature s;

	(void)state;
	assert_true(signature_parse("\"kWh\"\\s*:", &s));
	assert_int_equal(s.part_count, 2);
	assert_int_equal(s.part_bytes[0], 5);
	assert_int_equal(s.part_bytes[1], 1);
	assert_memory_equal(s.text, "\"kWh\":", 6);
	assert_true(signature_parse("1\\.0\\.1\\.8\\.0", &s));
	assert_int_equal(s.part_count, 1);
	assert_memory_equal(s.text, "1.0.1.8.0", 9);
}

static void what_says_more_is_left(void **state)
{
	static const char *const more[] = {
	    "",      "^a",    "a$",     "a.b",   "[a]",   "a|b",  "(a)",  "a?",   "a*",
	    "a+",    "a{2}",  "a}",     "\\d",   "\\x41", "a\\b", "\\",   "a\\",  "\\s*a",
	    "a\\s*", "a\\s*\\s*b", "a\\s+b", "a\\s* b", "a\\sb", "a\\s*b\\s*c\\s*d\\s*e",
	};
	struct signature s;

	(void)state;
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
		assert_false(signature_parse(more[i], &s));
		assert_int_equal(s.part_count, 0);
	}
}

/* At every place of payloads around the blocks' length. */
static void text_is_found_wherever_it_stands(void **state)
{
	uint8_t payload[70];
	struct signature s;

	(void)state;
	assert_true(signature_parse("\"kWh\"\\s*:", &s));
	for (uint32_t bytes = 0; bytes <= sizeof payload; bytes++) {
		memset(payload, '"', sizeof payload);
		assert_false(signature_find(&s, payload, bytes));
		for (uint32_t at = 0; at + 8 <= bytes; at++) {
			memset(payload, '"', sizeof payload);
			memcpy(payload + at, "\"kWh\"\t :", 8);
			assert_true(signature_find(&s, payload, bytes));
			assert_false(signature_find(&s, payload, at + 7));
		}
	}
}

static bool find(const struct signature *s, const char *payload)
{
	return signature_find(s, (const uint8_t *)payload, (uint32_t)strlen(payload));
}

static void first_part_without_the_rest_is_passed_over(void **state)
{
	struct signature s;

	(void)state;
	assert_true(signature_parse("\"v\"\\s*:\\s*[", &s) == false);
	assert_true(signature_parse("\"v\"\\s*:\\s*\\[", &s));
	assert_true(find(&s, "[\"v\",\"v\" ,{\"v\":1,\"v\" : [2]}]"));
	assert_false(find(&s, "[\"v\",\"v\" ,{\"v\":1,\"v\" : 2}]"));
	assert_false(find(&s, "[\"v\" :"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_and_white_space_are_taken),
	    cmocka_unit_test(what_says_more_is_left),
	    cmocka_unit_test(text_is_found_wherever_it_stands),
	    cmocka_unit_test(first_part_without_the_rest_is_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
