/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane's data: written is durable, spaces are apart, prefixes are exact. */
#include "tests/unit/journal/test_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/store/store.h"
#include "tests/unit/store/temp_dir.h"

struct fixture {
	char dir[256];
	struct store *store;
};

static void open_store(struct fixture *f)
{
	struct error err;
	const struct store_config config = {.dir = f->dir, .run_readings_max = 10,
	                                    .cache_bytes = 1 << 20, .background_threads = 1};
	assert_ok(store_open(&config, &f->store, &err), err);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	temp_dir_make(f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	if (f->store)
		store_close(f->store);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static bool show(void *context, const void *key, size_t key_bytes, const void *value,
                 size_t value_bytes)
{
	char *text = context;
	snprintf(text + strlen(text), 500 - strlen(text), "%.*s=%.*s;", (int)key_bytes,
	         (const char *)key, (int)value_bytes, (const char *)value);
	return strstr(text, "stop") == NULL;
}

static void expect(struct fixture *f, enum store_space space, const char *prefix,
                   const char *wanted)
{
	struct error err;
	char text[500] = "";
	assert_ok(store_kv_scan(f->store, space, prefix, strlen(prefix), show, text, &err), err);
	assert_string_equal(text, wanted);
}

static void put(struct fixture *f, enum store_space space, const char *key, const char *value)
{
	struct error err;
	const struct store_kv item = {key, strlen(key), value, value ? strlen(value) : 0};
	assert_ok(store_kv_write(f->store, space, &item, 1, &err), err);
}

static void scan_gives_prefix_in_key_order(void **state)
{
	struct fixture *f = *state;
	open_store(f);
	put(f, STORE_REGISTRY, "device/2", "b");
	put(f, STORE_REGISTRY, "device/1", "a");
	put(f, STORE_REGISTRY, "devicf", "x");
	put(f, STORE_REGISTRY, "devic", "y");
	put(f, STORE_CONTROL, "device/3", "c");
	expect(f, STORE_REGISTRY, "device", "device/1=a;device/2=b;");
	expect(f, STORE_REGISTRY, "", "devic=y;device/1=a;device/2=b;devicf=x;");
	expect(f, STORE_CONTROL, "", "device/3=c;");
	expect(f, STORE_CONTROL, "nothing", "");
}

static void callback_that_has_enough_ends_the_scan(void **state)
{
	struct fixture *f = *state;
	open_store(f);
	put(f, STORE_REGISTRY, "a", "stop");
	put(f, STORE_REGISTRY, "b", "more");
	expect(f, STORE_REGISTRY, "", "a=stop;");
}

static void several_items_are_written_and_deleted_together(void **state)
{
	struct fixture *f = *state;
	struct error err;
	open_store(f);
	put(f, STORE_CONTROL, "old", "1");
	const struct store_kv items[] = {
	    {"new", 3, "2", 1}, {"old", 3, NULL, 0}, {"empty", 5, "", 0}};
	assert_ok(store_kv_write(f->store, STORE_CONTROL, items, 3, &err), err);
	expect(f, STORE_CONTROL, "", "empty=;new=2;");
}

static void overlong_prefix_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error err;
	char prefix[300] = "";
	open_store(f);
	assert_int_equal(
	    store_kv_scan(f->store, STORE_CONTROL, prefix, sizeof prefix, show, NULL, &err),
	    RESULT_INPUT);
}

static void written_data_survives_kill(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork();
	if (child == 0) { /* RocksDB's threads don't survive a fork: start anew */
		execl("/proc/self/exe", "test_store_kv", f->dir, (char *)NULL);
		_exit(1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_store(f);
	expect(f, STORE_REGISTRY, "", "key=kept;");
}

/* The child: write, then end without closing or flushing anything. */
static void write_and_die(const char *dir)
{
	struct fixture f = {0};
	snprintf(f.dir, sizeof f.dir, "%s", dir);
	open_store(&f);
	put(&f, STORE_REGISTRY, "key", "kept");
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		write_and_die(argv[1]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(scan_gives_prefix_in_key_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(callback_that_has_enough_ends_the_scan, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(several_items_are_written_and_deleted_together, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(overlong_prefix_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(written_data_survives_kill, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
