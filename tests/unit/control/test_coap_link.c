/* SPDX-License-Identifier: Apache-2.0 */
/* The link format (RFC 6690) and queries. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/coap/link.h"

#include <cmocka.h>

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void assert_bytes(struct bytes b, const char *s)
{
	assert_int_equal(b.count, strlen(s));
	assert_memory_equal(b.data, s, b.count);
}

static void links_are_taken_apart(void **state)
{
	(void)state;
	/* RFC 6690 5, the third example, and spaces where they may be */
	struct bytes left = text("</sensors>;ct=40;title=\"a, b; c\", </sensors/temp>"
	                         ";rt=\"temperature-c x\";if=\"sensor\";obs");
	struct link link;
	struct link_attribute a;
	assert_int_equal(link_next(&left, &link), LINK_NEXT);
	assert_bytes(link.href, "/sensors");
	assert_bytes(link.attributes, ";ct=40;title=\"a, b; c\"");
	assert_int_equal(link_attribute_next(&link.attributes, &a), LINK_NEXT);
	assert_bytes(a.name, "ct");
	assert_bytes(a.value, "40");
	assert_int_equal(link_attribute_next(&link.attributes, &a), LINK_NEXT);
	assert_bytes(a.value, "a, b; c");
	assert_int_equal(link_attribute_next(&link.attributes, &a), LINK_END);
	assert_int_equal(link_next(&left, &link), LINK_NEXT);
	assert_bytes(link.href, "/sensors/temp");
	for (int i = 0; i < 3; i++)
		assert_int_equal(link_attribute_next(&link.attributes, &a), LINK_NEXT);
	assert_bytes(a.name, "obs");
	assert_false(a.has_value);
	assert_int_equal(link_next(&left, &link), LINK_END);
}

static void what_is_no_link_format_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "x",       "<a",         "<a>,",       "<a>b",  "<a>;",               "<a>;=1",
	    "<a>;t=\"x", "<a>;t=\"x\"y", "<a>;t=\"\\", ",<a>", "<a>;rt=\"a\"\"b\"", "<a> <b>"};
	uint32_t count;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (link_check(text(bad[i]), &count))
			fail_msg("taken: %s", bad[i]);
	assert_true(link_check(text(""), &count));
	assert_int_equal(count, 0);
	assert_true(link_check(text("<>"), &count));
	assert_true(link_check(text("<a>;t=\"\\\"\",<b>"), &count));
	assert_int_equal(count, 2);
	/* a value that ends with the text: nothing behind it is looked at */
	assert_true(link_check((struct bytes){(const uint8_t *)"<a>;t=\"", 6}, &count));
	assert_int_equal(count, 1);
}

static void filters_match_as_the_rfc_says(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
		bool matches;
	} cases[] = {
	    {"href", "/a/temp", true},   {"href", "/a*", true},      {"href", "/a", false},
	    {"rt", "Type1", true},       {"rt", "Type2", true},      {"rt", "Type", false},
	    {"rt", "Ty*", true},         {"rt", "Type1 Type2", false}, {"if", "core.s", true},
	    {"title", "a b", true},      {"title", "a", false},      {"title", "*", true},
	    {"foo", "*", false},         {"obs", "", true},          {"ct", "40", true},
	};
	struct link link = {text("/a/temp"),
	                    text(";rt=\"Type1 Type2\";if=\"core.s\";title=\"a b\";obs;ct=40")};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (link_matches(&link, text(cases[i].name), text(cases[i].value)) !=
		    cases[i].matches)
			fail_msg("%s=%s", cases[i].name, cases[i].value);
}

static void query_is_taken_apart(void **state)
{
	(void)state;
	struct bytes left = text("a=1&b&c=d=e&=f"), name, value;
	assert_true(query_next(&left, &name, &value));
	assert_bytes(name, "a");
	assert_bytes(value, "1");
	assert_true(query_next(&left, &name, &value));
	assert_bytes(name, "b");
	assert_bytes(value, "");
	assert_true(query_next(&left, &name, &value));
	assert_bytes(name, "c");
	assert_bytes(value, "d=e");
	assert_true(query_next(&left, &name, &value));
	assert_bytes(name, "");
	assert_bytes(value, "f");
	assert_false(query_next(&left, &name, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(links_are_taken_apart),
	    cmocka_unit_test(what_is_no_link_format_is_refused),
	    cmocka_unit_test(filters_match_as_the_rfc_says),
	    cmocka_unit_test(query_is_taken_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
