/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of topics: matching, subscriptions and retained messages; a seeded comparison. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/broker/tree.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct message_pool pool;
static struct tree t;
static struct subscriber who[4];
static char found[2048];

static struct bytes b(const char *text)
{
	return (struct bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static int set_up(void **state)
{
	(void)state;
	pool = (struct message_pool){0};
	tree_init(&t, &pool, (struct hash_key){1, 2});
	memset(who, 0, sizeof who);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_fini(&t);
	assert_int_equal(pool.count, 0);
	assert_int_equal(pool.bytes, 0);
	return 0;
}

static struct subscription *subscribe(unsigned w, const char *filter)
{
	bool is_new;
	struct subscription *s = tree_subscribe(&t, &who[w], b(filter), 1, 0, &is_new);
	assert_non_null(s);
	return s;
}

static void unsubscribe(unsigned w, const char *filter)
{
	struct subscription *s = tree_find(&t, &who[w], b(filter));
	assert_non_null(s);
	tree_unsubscribe(&t, s);
}

static void on_node(void *context, struct node *n)
{
	uint8_t text[65535];
	(void)context;
	for (uint32_t i = 0; i < n->subscriptions.count; i++) {
		uint32_t bytes = tree_filter(n->subscriptions.all[i], text);
		snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s ", (int)bytes,
		         (char *)text);
	}
}

static const char *match(const char *topic)
{
	found[0] = '\0';
	tree_match(&t, b(topic), on_node, NULL);
	return found;
}

/* MQTT5 4.7.1 and its examples. */
static void wildcards_match_as_specified(void **state)
{
	(void)state;
	subscribe(0, "sport/tennis/player1/#");
	assert_string_not_equal(match("sport/tennis/player1"), "");
	assert_string_not_equal(match("sport/tennis/player1/ranking"), "");
	assert_string_not_equal(match("sport/tennis/player1/score/wimbledon"), "");
	assert_string_equal(match("sport/tennis"), "");
	assert_string_equal(match("sport/tennis/player10"), "");
	subscribe(1, "sport/+");
	assert_string_equal(match("sport"), "");
	assert_string_equal(match("sport/"), "sport/+ ");
	assert_string_equal(match("sport/x"), "sport/+ ");
	assert_string_equal(match("sport/x/y"), "");
	unsubscribe(1, "sport/+");
	unsubscribe(0, "sport/tennis/player1/#");
	subscribe(0, "+/+");
	subscribe(1, "/+");
	subscribe(2, "+");
	assert_string_equal(match("/finance"), "/+ +/+ ");
	assert_string_equal(match("finance"), "+ ");
	subscribe(0, "#");
	assert_string_equal(match("a/b/c"), "# ");
	assert_string_equal(match("A"), "# + ");
}

/* MQTT5 4.7.2 */
static void wildcard_first_does_not_match_dollar(void **state)
{
	(void)state;
	subscribe(0, "#");
	subscribe(1, "+/monitor/Clients");
	subscribe(2, "$SYS/#");
	subscribe(3, "$SYS/monitor/+");
	assert_string_equal(match("$SYS/monitor/Clients"), "$SYS/# $SYS/monitor/+ ");
	assert_string_equal(match("$SYS"), "$SYS/# ");
}

static void share_is_split_and_named(void **state)
{
	struct bytes name, filter;
	uint8_t text[65535];
	(void)state;
	assert_true(tree_share_split(b("$share/g/a/+"), &name, &filter));
	assert_memory_equal(name.data, "g", 1);
	assert_int_equal(name.count, 1);
	assert_memory_equal(filter.data, "a/+", 3);
	assert_false(tree_share_split(b("$share/g"), &name, &filter));
	assert_false(tree_share_split(b("share/g/a"), &name, &filter));
	struct subscription *s = subscribe(0, "$share/g/a/+");
	assert_non_null(s->share);
	assert_int_equal(tree_filter(s, text), 12);
	assert_memory_equal(text, "$share/g/a/+", 12);
	assert_ptr_equal(subscribe(0, "$share/g/a/+"), s);
	assert_null(tree_find(&t, &who[0], b("$share/h/a/+")));
	assert_null(tree_find(&t, &who[0], b("a/+")));
	assert_null(tree_find(&t, &who[1], b("$share/g/a/+")));
	subscribe(1, "$share/g/a/+");
	assert_int_equal(s->share->members.count, 2);
	unsubscribe(0, "$share/g/a/+");
	unsubscribe(1, "$share/g/a/+");
	assert_int_equal(t.node_count, 0);
}

static void nodes_without_purpose_go(void **state)
{
	(void)state;
	subscribe(0, "a/b/c");
	subscribe(1, "a/b");
	assert_int_equal(t.node_count, 3);
	unsubscribe(0, "a/b/c");
	assert_int_equal(t.node_count, 2);
	unsubscribe(1, "a/b");
	assert_int_equal(t.node_count, 0);
	assert_int_equal(t.subscription_count, 0);
}

static void many_subscribers_of_one_filter_come_and_go(void **state)
{
	enum { MANY = 3000 };
	struct subscriber *all = calloc(MANY, sizeof *all);
	bool is_new;
	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		assert_non_null(tree_subscribe(&t, &all[i], b("cmd/all/#"), 0, 0, &is_new));
	for (unsigned i = 0; i < MANY; i += 2)
		tree_unsubscribe(&t, tree_find(&t, &all[i], b("cmd/all/#")));
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(tree_find(&t, &all[i], b("cmd/all/#")) != NULL, i % 2);
	for (unsigned i = 1; i < MANY; i += 2)
		tree_unsubscribe(&t, all[i].first);
	assert_int_equal(t.node_count, 0);
	free(all);
}

static void too_many_levels_are_refused(void **state)
{
	char deep[2 * TREE_LEVELS_MAX + 2] = "a";
	bool is_new;
	(void)state;
	for (int i = 1; i < TREE_LEVELS_MAX; i++)
		strcat(deep, "/+");
	struct subscription *s = tree_subscribe(&t, &who[0], b(deep), 0, 0, &is_new);
	assert_non_null(s);
	strcat(deep, "/+");
	assert_null(tree_subscribe(&t, &who[0], b(deep), 0, 0, &is_new));
	tree_unsubscribe(&t, s);
}

static void retain(const char *topic, const char *payload)
{
	struct message *m = message_new(&pool, b(topic), (struct bytes){0}, b(payload), 0,
	                                MESSAGE_NO_EXPIRY);
	assert_true(tree_retain(&t, b(topic), m));
	message_put(&pool, m);
}

static bool on_retained(void *context, struct message *m)
{
	(void)context;
	struct bytes payload = message_payload(m);
	snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s ", (int)payload.count,
	         (const char *)payload.data);
	return true;
}

static const char *retained(const char *filter)
{
	found[0] = '\0';
	tree_retained_match(&t, b(filter), on_retained, NULL);
	return found;
}

static void retained_messages_are_found_by_filter(void **state)
{
	(void)state;
	retain("a", "1");
	retain("a/b", "2");
	retain("a/b/c", "3");
	retain("$SYS/x", "4");
	subscribe(0, "a/+");
	subscribe(0, "#");
	assert_string_equal(retained("a"), "1 ");
	assert_string_equal(retained("a/#"), "1 2 3 ");
	assert_string_equal(retained("a/+"), "2 ");
	assert_string_equal(retained("+/+"), "2 ");
	assert_string_equal(retained("#"), "1 2 3 ");
	assert_string_equal(retained("$SYS/#"), "4 ");
	assert_string_equal(retained("+/x"), "");
	assert_string_equal(retained("b/#"), "");
	retain("a/b", "5");
	assert_string_equal(retained("a/b"), "5 ");
	assert_int_equal(t.retained_count, 4);
	assert_true(tree_retain(&t, b("a/b"), NULL));
	assert_string_equal(retained("a/b"), "");
	assert_string_equal(retained("a/#"), "1 3 ");
	assert_int_equal(t.retained_count, 3);
}

static void filters_cover_filters(void **state)
{
	static const struct {
		const char *filter, *other;
		bool covers;
	} cases[] = {
	    {"a/b", "a/b", true},     {"a/b", "a/c", false},   {"a/+", "a/b", true},
	    {"a/+", "a/+", true},     {"a/b", "a/+", false},   {"a/+", "a/#", false},
	    {"a/#", "a/#", true},     {"a/#", "a", true},      {"a/#", "a/b/+/c", true},
	    {"#", "a/#", true},       {"#", "$SYS/x", false},  {"+/x", "$SYS/x", false},
	    {"$SYS/#", "$SYS/x", true}, {"a", "a/b", false},   {"a/b", "a", false},
	    {"+", "#", false},        {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (filter_covers(b(cases[i].filter), b(cases[i].other)) != cases[i].covers)
			fail_msg("%s over %s", cases[i].filter, cases[i].other);
}

/* --- against the definition, from a seed --- */

static uint64_t seed = 20260101;

static unsigned dice(unsigned sides)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % sides;
}

static void random_path(char *out, bool filter)
{
	static const char *const levels[] = {"a", "b", "", "$x", "+", "#"};
	unsigned count = 1 + dice(4);
	out[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		unsigned pick = dice(filter ? 6 : i == 0 ? 4 : 3);
		if (i > 0)
			strcat(out, "/");
		strcat(out, levels[pick]);
		if (pick == 5)
			break;
	}
	if (out[0] == '\0')
		strcpy(out, "a");
}

static void random_trees_agree_with_the_definition(void **state)
{
	char filters[4][16], topic[16];
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned w = 0; w < 4; w++) {
			random_path(filters[w], true);
			subscribe(w, filters[w]);
		}
		random_path(topic, false);
		match(topic);
		unsigned expected = 0, got = 0;
		for (unsigned w = 0; w < 4; w++)
			expected += filter_covers(b(filters[w]), b(topic));
		for (const char *c = found; *c; c++)
			got += *c == ' ';
		if (expected != got)
			fail_msg("round %u: %s matched '%s', expected %u", round, topic, found,
			         expected);
		retain(topic, "r");
		for (unsigned w = 0; w < 4; w++) {
			bool covered = filter_covers(b(filters[w]), b(topic));
			if (covered != (strlen(retained(filters[w])) > 0))
				fail_msg("round %u: %s and retained %s", round, filters[w], topic);
			unsubscribe(w, filters[w]);
		}
		assert_true(tree_retain(&t, b(topic), NULL));
		assert_int_equal(t.node_count, 0);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(wildcards_match_as_specified),
	    CASE(wildcard_first_does_not_match_dollar),
	    CASE(share_is_split_and_named),
	    CASE(nodes_without_purpose_go),
	    CASE(many_subscribers_of_one_filter_come_and_go),
	    CASE(too_many_levels_are_refused),
	    CASE(retained_messages_are_found_by_filter),
	    CASE(filters_cover_filters),
	    CASE(random_trees_agree_with_the_definition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
