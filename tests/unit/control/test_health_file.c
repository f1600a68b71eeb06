/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "catalogues.h"
#include "control/config/config.h"
#include "control/config/health_file.h"

#include <cmocka.h> /* last: it has a macro named fail */

static enum result load(const char *text, struct health_rules *rules)
{
	folder_write("health.yaml", text);
	return health_rules_load(folder_path("health.yaml"), &profiles, rules, &err);
}

static void refused(const char *text, const char *words)
{
	struct health_rules rules;
	assert_int_equal(load(text, &rules), RESULT_INPUT);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in '%s'", words, err.text);
}

static void shipped_file_is_good(void **state)
{
	(void)state;
	struct health_rules shipped, otherwise;
	health_rules_default(&otherwise);
	if (health_rules_load(CONFIGS_DIR "/health.yaml", &profiles, &shipped, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(shipped.version, 1);
	assert_int_equal(shipped.gateway_silence_s, 900);
	assert_int_equal(shipped.profile_silence_s[1], 3600); /* sm-flat */
	assert_int_equal(shipped.profile_silence_s[2], 0);
	assert_memory_equal(shipped.kinds, otherwise.kinds, sizeof shipped.kinds);
	assert_int_equal(shipped.open_max, otherwise.open_max);
}

static void kinds_and_webhooks_taken(void **state)
{
	(void)state;
	struct health_rules r;
	assert_int_equal(load("version: 2\n"
	                      "kinds:\n"
	                      "  - { kind: tamper, severity: off }\n"
	                      "  - { kind: silence, severity: critical, clears: by_hand }\n"
	                      "  - { kind: conflict, quiet_h: 2 }\n"
	                      "webhooks: [\"http://127.0.0.1/a\", \"https://b.example/\"]\n",
	                      &r),
	                 RESULT_OK);
	assert_true(r.kinds[EVENT_TAMPER].off);
	assert_int_equal(r.kinds[EVENT_SILENCE].severity, EVENT_CRITICAL);
	assert_true(r.kinds[EVENT_SILENCE].by_hand);
	assert_int_equal(r.kinds[EVENT_CONFLICT].quiet_h, 2);
	assert_int_equal(r.webhook_count, 2);
	assert_string_equal(r.webhooks[1], "https://b.example/");
}

static void wrong_files_are_refused_with_place_and_cause(void **state)
{
	(void)state;
	refused("version: 1\nsilence_s: 0\n", "health.yaml:2:");
	refused("silence_s: 5\n", "version");
	refused("version: 1\nkinds:\n  - { kind: fire }\n", "no kind 'fire'");
	refused("version: 1\nkinds:\n  - { kind: tamper, severity: red }\n", "severity is 'red'");
	refused("version: 1\nkinds:\n  - { kind: tamper, clears: never }\n", "clears is 'never'");
	refused("version: 1\nprofiles:\n  - { profile: none, silence_s: 5 }\n",
	        "no profile 'none'");
	refused("version: 1\nwebhooks: [\"ftp://x\"]\n", "health.yaml:2:");
	refused("version: 1\nsilence: 5\n", "silence");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shipped_file_is_good),
	    cmocka_unit_test(kinds_and_webhooks_taken),
	    cmocka_unit_test(wrong_files_are_refused_with_place_and_cause),
	};
	return cmocka_run_group_tests_name("health_file", tests, catalogues_set_up,
	                                   folder_tear_down);
}
