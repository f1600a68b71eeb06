/* SPDX-License-Identifier: Apache-2.0 */
/* Password files. The hashes of alice and bob were made by mosquitto_passwd 2.0.11. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/broker/auth.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define ALICE \
	"alice:$7$101$hmh8mZyb3YL2tNEE$tYa/lcpQPYbqlLtrXwY3dgIJ/vDr4LUOvLdQ" \
	"x4yqJdrfreHLQ6agMd1wES86GZcTxy+sY0bCaA2nX9h1h1ZnGw==\n"
#define BOB \
	"bob:$6$KRDDn88KQvVq1G0K$ozKLlwyU8rHlIXW0hVOIoKtJtisdTxiaAMrQ5B/c" \
	"WlIr+Y5sLISIg4XBEHwtaS5xF3RL2tgj386o3DEUH2+eQQ==\n"

static struct bytes b(const char *text)
{
	return (struct bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void passwords_of_mosquitto_passwd_are_known(void **state)
{
	struct auth *a;
	struct error err;
	(void)state;
	folder_write("users", "# comment\n\n" BOB ALICE);
	if (auth_load(folder_path("users"), &a, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	assert_true(auth_check(a, b("alice"), b("secret 1")));
	assert_false(auth_check(a, b("alice"), b("secret 2")));
	assert_false(auth_check(a, b("alice"), b("")));
	assert_true(auth_check(a, b("bob"), b("x")));
	assert_false(auth_check(a, b("bob"), b("secret 1")));
	assert_false(auth_check(a, b("alic"), b("secret 1")));
	assert_false(auth_check(a, b("alicea"), b("secret 1")));
	assert_false(auth_check(a, b("zed"), b("x")));
	assert_false(auth_check(a, b(""), b("")));
	auth_free(a);
}

static void empty_file_knows_nobody(void **state)
{
	struct auth *a;
	struct error err;
	(void)state;
	folder_write("users", "");
	assert_int_equal(auth_load(folder_path("users"), &a, &err), RESULT_OK);
	assert_false(auth_check(a, b("alice"), b("x")));
	auth_free(a);
}

static void wrong_lines_are_told(void **state)
{
	static const char *const wrong[] = {"alice\n",
	                                    ":x\n",
	                                    "alice:secret\n",
	                                    "alice:$1$a$b\n",
	                                    "alice:$7$0$YWJj$YWJj\n",
	                                    "alice:$7$101$YWJj\n",
	                                    "alice:$7$101$YWJj$YWJj\n",
	                                    "alice:$6$!!!!$YWJj\n",
	                                    "alice:$\n",
	                                    "alice:\n"};
	struct auth *a;
	struct error err;
	char text[200];
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(text, sizeof text, "# 1\n%s", wrong[i]);
		folder_write("users", text);
		assert_int_equal(auth_load(folder_path("users"), &a, &err), RESULT_INPUT);
		assert_non_null(strstr(err.text, "users:2: "));
	}
	assert_int_equal(auth_load(folder_path("none"), &a, &err), RESULT_INPUT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(passwords_of_mosquitto_passwd_are_known),
	    CASE(empty_file_knows_nobody),
	    CASE(wrong_lines_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
