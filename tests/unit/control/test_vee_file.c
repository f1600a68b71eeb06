/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/config/vee_file.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static void shipped_rules_are_the_defaults(void **state)
{
	(void)state;
	struct vee_rules shipped, otherwise;
	struct error err;
	if (vee_rules_load(CONFIGS_DIR "/vee.yaml", &shipped, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(shipped.version, 1);
	vee_rules_default(&otherwise);
	otherwise.version = 1;
	assert_memory_equal(&shipped, &otherwise, sizeof shipped);
	assert_int_equal(shipped.interpolate_max_s, 7200);
	assert_int_equal(shipped.completeness_min, 9500);
}

static void mistakes_are_told_with_their_line(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"tolerance_s: 5\n", "version"},
	    {"version: 0\n", ":1: version is 0"},
	    {"version: 1\nlike_days: 9\n", ":2: like_days is 9"},
	    {"version: 1\nspike_percent: high\n", ":2: "},
	    {"version: 1\nspike: 3\n", ":2: "},
	};
	folder_make();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct vee_rules rules;
		struct error err = {""};
		folder_write("v.yaml", cases[i][0]);
		assert_int_equal(vee_rules_load(folder_path("v.yaml"), &rules, &err),
		                 RESULT_INPUT);
		if (!strstr(err.text, cases[i][1]) || !strstr(err.text, "v.yaml:"))
			fail_msg("'%s' is not in: %s", cases[i][1], err.text);
	}
	folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shipped_rules_are_the_defaults),
	    cmocka_unit_test(mistakes_are_told_with_their_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
