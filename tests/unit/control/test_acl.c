/* SPDX-License-Identifier: Apache-2.0 */
/* Access lists. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/broker/acl.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct acl *acl;

static int set_up(void **state)
{
	(void)state;
	folder_make();
	acl = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	acl_free(acl);
	folder_remove();
	return 0;
}

static struct bytes b(const char *text)
{
	return (struct bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void load(const char *text)
{
	struct error err;
	folder_write("acl", text);
	if (acl_load(folder_path("acl"), &acl, &err) != RESULT_OK)
		fail_msg("%s", err.text);
}

static bool may_read(const char *client, const char *user, const char *filter)
{
	return acl_allows(acl, b(client), b(user), b(filter), ACL_READ);
}

static bool may_write(const char *client, const char *user, const char *topic)
{
	return acl_allows(acl, b(client), b(user), b(topic), ACL_WRITE);
}

static void lines_belong_to_users_clients_or_everybody(void **state)
{
	(void)state;
	load("topic read public/#\n"
	     "# comment\n"
	     "user operator\n"
	     "topic cmd/#\n"
	     "topic read readings/+\n"
	     "client GW 7\n"
	     "topic write gateway/7/data\n"
	     "user other\n"
	     "topic readwrite with space/x\n");
	assert_true(may_read("x", "", "public/a"));
	assert_true(may_read("x", "", "public/#"));
	assert_false(may_write("x", "", "public/a"));
	assert_true(may_write("x", "operator", "cmd/SM-1/reboot"));
	assert_true(may_read("x", "operator", "cmd/+/reboot"));
	assert_false(may_write("x", "", "cmd/SM-1/reboot"));
	assert_false(may_write("operator", "", "cmd/SM-1/reboot"));
	assert_true(may_read("x", "operator", "readings/+"));
	assert_false(may_read("x", "operator", "readings/#"));
	assert_false(may_read("x", "operator", "#"));
	assert_true(may_write("GW 7", "", "gateway/7/data"));
	assert_false(may_write("GW 8", "", "gateway/7/data"));
	assert_false(may_read("GW 7", "", "gateway/7/data"));
	assert_true(may_write("x", "other", "with space/x"));
	assert_false(may_write("x", "operator", "with space/x"));
}

static void patterns_name_the_client_and_the_user(void **state)
{
	(void)state;
	load("pattern read cmd/%c/#\npattern write register/%c\npattern u/%u/%c/100%\n");
	assert_true(may_read("SM-1", "", "cmd/SM-1/#"));
	assert_false(may_read("SM-1", "", "cmd/SM-2/#"));
	assert_false(may_read("SM-1", "", "cmd/+/#"));
	assert_true(may_write("SM-1", "", "register/SM-1"));
	assert_false(may_write("SM-1", "", "register/SM-2"));
	assert_true(may_write("c", "bob", "u/bob/c/100%"));
	assert_false(may_write("c", "", "u//c/100%"));
	/* a name that would be a filter of its own */
	assert_false(may_read("+", "", "cmd/+/#"));
	assert_false(may_read("#", "", "cmd/#"));
	assert_false(may_read("a/b", "", "cmd/a/b/#"));
}

static void empty_list_allows_nothing(void **state)
{
	(void)state;
	load("");
	assert_false(may_read("x", "y", "a"));
	assert_false(may_write("x", "y", "a"));
}

static void wrong_lines_are_told(void **state)
{
	static const char *const wrong[] = {"topics a\n",     "topic\n",      "topic read\n",
	                                    "topic a/#/b\n",  "topic a+/b\n", "user\n",
	                                    "pattern read \n", "client\n",    "topic write a#\n"};
	struct error err;
	char text[200];
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(text, sizeof text, "user a\n%s", wrong[i]);
		folder_write("acl", text);
		enum result result = acl_load(folder_path("acl"), &acl, &err);
		if (result == RESULT_OK)
			fail_msg("taken: %s", wrong[i]);
		assert_non_null(strstr(err.text, "acl:"));
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(lines_belong_to_users_clients_or_everybody),
	    CASE(patterns_name_the_client_and_the_user),
	    CASE(empty_list_allows_nothing),
	    CASE(wrong_lines_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
