/* SPDX-License-Identifier: Apache-2.0 */
/* The small database: what is committed is there after opening it again, in key order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/store/kvdb.h"
#include "temp_dir.h"

#include <cmocka.h> /* last: it has a macro named fail */

static char all[256];

static enum result on_pair(void *context, const void *key, size_t key_bytes, const void *value,
                           size_t value_bytes, struct error *err)
{
	(void)err;
	(void)context;
	snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s=%.*s ", (int)key_bytes,
	         (const char *)key, (int)value_bytes, (const char *)value);
	return RESULT_OK;
}

static enum result refuse(void *context, const void *key, size_t key_bytes, const void *value,
                          size_t value_bytes, struct error *err)
{
	(void)context, (void)key, (void)key_bytes, (void)value, (void)value_bytes;
	strcpy(err->text, "not this one");
	return RESULT_MEDIA;
}

static void assert_all(struct kvdb *k, const char *expected)
{
	struct error err;
	all[0] = '\0';
	assert_int_equal(kvdb_scan(k, on_pair, NULL, &err), RESULT_OK);
	assert_string_equal(all, expected);
}

static void commits_are_there_after_opening_again(void **state)
{
	struct kvdb *k;
	struct error err;
	char *dir = *state;
	if (kvdb_open(dir, &k, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	kvdb_put(k, "b", 1, "2", 1);
	kvdb_put(k, "a", 1, "", 0);
	kvdb_put(k, "c", 1, "3", 1);
	kvdb_delete(k, "c", 1);
	assert_all(k, "");
	assert_int_equal(kvdb_commit(k, true, &err), RESULT_OK);
	assert_all(k, "a= b=2 ");
	kvdb_put(k, "a", 1, "1", 1);
	assert_int_equal(kvdb_commit(k, false, &err), RESULT_OK);
	kvdb_put(k, "z", 1, "dropped", 7);
	kvdb_close(k);
	assert_int_equal(kvdb_open(dir, &k, &err), RESULT_OK);
	assert_all(k, "a=1 b=2 ");
	assert_int_equal(kvdb_scan(k, refuse, NULL, &err), RESULT_MEDIA);
	assert_string_equal(err.text, "not this one");
	kvdb_close(k);
	kvdb_close(NULL);
}

static void folder_that_cannot_be_made_is_told(void **state)
{
	struct kvdb *k;
	struct error err;
	(void)state;
	assert_int_equal(kvdb_open("/nowhere/at/all", &k, &err), RESULT_RESOURCE);
	assert_non_null(strstr(err.text, "/nowhere/at/all: No such file"));
}

static int set_up(void **state)
{
	static char dir[256];
	temp_dir_make(dir);
	*state = dir;
	return 0;
}

static int tear_down(void **state)
{
	temp_dir_remove(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(commits_are_there_after_opening_again, set_up,
	                                    tear_down),
	    cmocka_unit_test(folder_that_cannot_be_made_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
