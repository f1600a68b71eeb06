/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "catalogues.h"
#include "control/calendar/calendar.h"
#include "control/config/config.h"
#include "control/config/vee_file.h"

#include <cmocka.h> /* last: it has a macro named fail */

static int32_t day_of(int32_t year, int32_t month, int32_t day)
{
	return civil_to_day((struct civil_date){year, month, day});
}

static struct vee_rules *load(const char *dir)
{
	struct vee_rules *rules;
	if (vee_rules_load(dir, &channels, &profiles, &rules, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	return rules;
}

static void shipped_rules_are_the_defaults(void **state)
{
	(void)state;
	struct vee_rules *shipped = load(CONFIGS_DIR "/vee"), *otherwise = load(NULL);
	assert_int_equal(shipped->version, 1);
	assert_int_equal(shipped->from_day, day_of(2000, 1, 1));
	assert_int_equal(shipped->interpolate_max_s, 7200);
	assert_int_equal(shipped->completeness_min, 9500);
	assert_int_equal(shipped->rule[VEE_RULE_SPIKE].limit, 18000);
	assert_int_equal(shipped->tolerance_s, otherwise->tolerance_s);
	assert_int_equal(shipped->interpolate_max_s, otherwise->interpolate_max_s);
	assert_int_equal(shipped->like_days, otherwise->like_days);
	assert_int_equal(shipped->like_days_back, otherwise->like_days_back);
	assert_int_equal(shipped->outage_min, otherwise->outage_min);
	assert_int_equal(shipped->completeness_min, otherwise->completeness_min);
	assert_int_equal(shipped->holiday_count + shipped->part_count, 0);
	assert_int_equal(shipped->override_count, 0);
	for (int i = 0; i < VEE_RULE_COUNT; i++) {
		assert_int_equal(shipped->rule[i].on, otherwise->rule[i].on);
		assert_int_equal(shipped->rule[i].limit, otherwise->rule[i].limit);
	}
	vee_rules_free(shipped);
	vee_rules_free(otherwise);
}

static void a_file_says_all_that_rules(void **state)
{
	(void)state;
	folder_write("a.yaml",
	             "version: 2\nfrom: 2025-07-01\nlike_days: 2\noutage_min: 0\n"
	             "holidays: [2025-12-25, 2025-07-04]\n"
	             "tou_channels: [active_energy_t2, active_energy_t1]\n"
	             "rules:\n"
	             "  - { rule: spike, limit: 99.5 }\n"
	             "  - { rule: spike, profile: sm-flat, limit: 250 }\n"
	             "  - { rule: zero_use, enabled: no }\n"
	             "  - { rule: zero_use, profile: sm-flat, limit: 3 }\n");
	struct vee_rules *r = load(folder_path("."));
	assert_int_equal(r->version, 2);
	assert_int_equal(r->like_days, 2);
	assert_int_equal(r->outage_min, 0);
	assert_int_equal(r->tolerance_s, 60);
	assert_true(vee_is_day_off(r, day_of(2025, 7, 4)));
	assert_true(vee_is_day_off(r, day_of(2025, 12, 25)));
	assert_true(vee_is_day_off(r, day_of(2025, 7, 5)));  /* Saturday */
	assert_false(vee_is_day_off(r, day_of(2025, 7, 7))); /* Monday */
	assert_int_equal(r->part_count, 2);
	assert_int_equal(r->parts[0].channel, 16);
	assert_int_equal(r->parts[0].pow10, 0);
	assert_int_equal(vee_rule_for(r, VEE_RULE_SPIKE, NULL)->limit, 9950);
	assert_int_equal(vee_rule_for(r, VEE_RULE_SPIKE, "compact")->limit, 9950);
	assert_int_equal(vee_rule_for(r, VEE_RULE_SPIKE, "sm-flat")->limit, 25000);
	assert_false(vee_rule_for(r, VEE_RULE_ZERO_USE, "compact")->on);
	assert_true(vee_rule_for(r, VEE_RULE_ZERO_USE, "sm-flat")->on);
	assert_int_equal(vee_rule_for(r, VEE_RULE_ZERO_USE, "sm-flat")->limit, 3);
	assert_true(vee_rule_for(r, VEE_RULE_GAP, "sm-flat")->on);
	vee_rules_free(r);
}

static void each_day_goes_by_the_version_of_then(void **state)
{
	(void)state;
	folder_write("b.yaml", "version: 3\nfrom: 2025-09-01\n");
	folder_write("a.yaml", "version: 9\nfrom: 2026-01-01\n");
	folder_write("c.yaml", "version: 1\nfrom: 2025-01-01\n");
	folder_write("notes.txt", "nothing");
	struct vee_rules *r = load(folder_path("."));
	assert_int_equal(vee_rules_on(r, day_of(2027, 1, 1))->version, 9);
	assert_int_equal(vee_rules_on(r, day_of(2026, 1, 1))->version, 9);
	assert_int_equal(vee_rules_on(r, day_of(2025, 12, 31))->version, 3);
	assert_int_equal(vee_rules_on(r, day_of(2025, 8, 31))->version, 1);
	assert_int_equal(vee_rules_on(r, day_of(2020, 1, 1))->version, 1);
	vee_rules_free(r);
}

static void mistakes_are_told_with_their_line(void **state)
{
	(void)state;
#define HEAD "version: 1\nfrom: 2025-01-01\n"
	static const char *const cases[][2] = {
	    {"tolerance_s: 5\n", "version"},
	    {"version: 1\n", "from"},
	    {"version: 0\nfrom: 2025-01-01\n", ":1: version is 0"},
	    {"version: 1\nfrom: 2025-02-30\n", ":2: from: 2025-02-30: that month has 28 days"},
	    {HEAD "like_days: 9\n", ":3: like_days is 9"},
	    {HEAD "spike: 3\n", ":3: "},
	    {HEAD "holidays:\n  - 2025-01-01\n  - x\n", ":5: holidays[1]: 'x' is no date"},
	    {HEAD "tou_channels: [voltage]\n", ":3: tou_channels[0] is 'voltage'; expected a reg"},
	    {HEAD "rules:\n  - { rule: spik }\n", ":4: "},
	    {HEAD "rules:\n  - { rule: spike, limit: high }\n", ":4: rules[0].limit is 'high'; "
	     "expected from 0 to 1000000.00 %"},
	    {HEAD "rules:\n  - { rule: spike, limit: -1 }\n", ":4: rules[0].limit is '-1'"},
	    {HEAD "rules:\n  - { rule: gap, limit: 1.5 }\n", ":4: rules[0].limit is '1.5'"},
	    {HEAD "rules:\n  - { rule: register_fell, limit: 1 }\n", "takes no limit"},
	    {HEAD "rules:\n  - { rule: gap, profile: none }\n", ":4: rules[0].profile is 'none'"},
	    {HEAD "rules:\n  - { rule: gap }\n  - { rule: gap, limit: 9 }\n",
	     ":5: rules[1]: gap is there twice"},
	    {HEAD "rules:\n  - { rule: gap, profile: sm-flat }\n"
	     "  - { rule: gap, profile: sm-flat }\n",
	     "gap is there twice for sm-flat"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct vee_rules *rules;
		err.text[0] = '\0';
		folder_write("v.yaml", cases[i][0]);
		assert_int_equal(
		    vee_rules_load(folder_path("."), &channels, &profiles, &rules, &err),
		    RESULT_INPUT);
		assert_null(rules);
		if (!strstr(err.text, cases[i][1]) || !strstr(err.text, "v.yaml:"))
			fail_msg("'%s' is not in: %s", cases[i][1], err.text);
	}
}

static void versions_have_an_order(void **state)
{
	(void)state;
	struct vee_rules *rules;
	folder_write("1.yaml", "version: 5\nfrom: 2025-01-01\n");
	folder_write("2.yaml", "version: 6\nfrom: 2025-01-01\n");
	assert_int_equal(vee_rules_load(folder_path("."), &channels, &profiles, &rules, &err),
	                 RESULT_INPUT);
	assert_non_null(strstr(err.text, "from the same day on"));
	folder_write("2.yaml", "version: 4\nfrom: 2025-02-01\n");
	assert_int_equal(vee_rules_load(folder_path("."), &channels, &profiles, &rules, &err),
	                 RESULT_INPUT);
	assert_non_null(strstr(err.text, "out of order"));
	assert_int_equal(vee_rules_load(folder_path("none"), &channels, &profiles, &rules, &err),
	                 RESULT_ABSENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, catalogues_set_up, folder_tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(shipped_rules_are_the_defaults),
	    TEST(a_file_says_all_that_rules),
	    TEST(each_day_goes_by_the_version_of_then),
	    TEST(mistakes_are_told_with_their_line),
	    TEST(versions_have_an_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
