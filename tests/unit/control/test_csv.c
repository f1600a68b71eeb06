/* SPDX-License-Identifier: Apache-2.0 */
/* CSV rows and JSON objects cut out of long texts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "control/registry/csv.h"
#include "control/registry/json_split.h"

/* Rows as "line:field|field;", bad ones as "line!". */
static const char *rows_of(const char *text)
{
	static char out[4096];
	static struct csv csv;
	size_t used = 0;
	csv_init(&csv, text, strlen(text));
	out[0] = '\0';
	while (csv_next(&csv)) {
		used += (size_t)sprintf(out + used, "%d%s", (int)csv.line, csv.wrong ? "!" : ":");
		for (uint32_t i = 0; i < csv.field_count && !csv.wrong; i++)
			used += (size_t)sprintf(out + used, "%s%.*s", i ? "|" : "",
			                        (int)csv.fields[i].bytes, csv.fields[i].text);
		used += (size_t)sprintf(out + used, ";");
	}
	return out;
}

static void csv_rows_follow_rfc_4180(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},
	    {"a,b\r\nc,d\r\n", "1:a|b;2:c|d;"},
	    {"a,b\nc,d", "1:a|b;2:c|d;"},
	    {"\xef\xbb\xbf" "a", "1:a;"},
	    {"a,,\n", "1:a||;"},
	    {"\n\na\n\n", "3:a;"},
	    {"\"a,b\",\"c\"\"d\"\n", "1:a,b|c\"d;"},
	    {"\"a\nb\",c\nd\n", "1:a\nb|c;3:d;"},
	    {"\"\"\n", "1:;"},
	    {"a\rb\n", "1:a\rb;"},
	    {" a , b \n", "1: a | b ;"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(rows_of(cases[i][0]), cases[i][1]);
}

static void bad_csv_row_costs_only_itself(void **state)
{
	static const char *const cases[][2] = {
	    {"a\"b,c\nd\n", "1!;2:d;"},
	    {"\"a\"b\nc\n", "1!;2:c;"},
	    {"a\n\"open,b\nc\nd\n", "1:a;2!;3:c;4:d;"},
	    {"\"", "1!;"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(rows_of(cases[i][0]), cases[i][1]);
}

static void csv_row_beyond_the_limits_is_refused(void **state)
{
	static char text[CSV_ROW_BYTES_MAX + 64];
	(void)state;
	memset(text, 'a', CSV_ROW_BYTES_MAX + 1);
	strcpy(text + CSV_ROW_BYTES_MAX + 1, "\nb\n");
	assert_string_equal(rows_of(text), "1!;2:b;");
	memset(text, ',', CSV_FIELDS_MAX);
	strcpy(text + CSV_FIELDS_MAX, "\nb\n");
	assert_string_equal(rows_of(text), "1!;2:b;");
	text[CSV_FIELDS_MAX - 1] = 'x';
	assert_int_equal(rows_of(text)[1], ':');
}

/* Objects as "line:text;", what is none as "line!". */
static const char *pieces_of(const char *text)
{
	static char out[4096];
	struct json_split s;
	size_t used = 0;
	json_split_init(&s, text, strlen(text));
	out[0] = '\0';
	while (json_split_next(&s))
		used += (size_t)(s.wrong ? sprintf(out + used, "%d!;", (int)s.line)
		                         : sprintf(out + used, "%d:%.*s;", (int)s.line,
		                                   (int)s.bytes, s.text));
	return out;
}

static void json_objects_are_found_in_arrays_and_lines(void **state)
{
	static const char *const cases[][2] = {
	    {"", ""},
	    {"[]", ""},
	    {"{}", "1:{};"},
	    {"{}\n{\"a\":1}\n", "1:{};2:{\"a\":1};"},
	    {"[\n{},\n{}\n]\n", "2:{};3:{};"},
	    {"{\"a\":{\"b\":[1,{}]}}", "1:{\"a\":{\"b\":[1,{}]}};"},
	    {"{\"}\\\"{\":\n1} {}", "1:{\"}\\\"{\":\n1};2:{};"},
	    {"\xef\xbb\xbf[{}]", "1:{};"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(pieces_of(cases[i][0]), cases[i][1]);
}

static void what_is_no_json_object_is_reported(void **state)
{
	static const char *const cases[][2] = {
	    {"[{}", "1:{};1!;"},
	    {"[{}] x\n", "1:{};1!;"},
	    {"x\n{}", "1!;2:{};"},
	    {"{\"a\":1\n{}\n", "1!;2:{};"},
	    {"[{},\n7,\n{}]", "1:{};2!;3:{};"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(pieces_of(cases[i][0]), cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(csv_rows_follow_rfc_4180),
	    cmocka_unit_test(bad_csv_row_costs_only_itself),
	    cmocka_unit_test(csv_row_beyond_the_limits_is_refused),
	    cmocka_unit_test(json_objects_are_found_in_arrays_and_lines),
	    cmocka_unit_test(what_is_no_json_object_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
