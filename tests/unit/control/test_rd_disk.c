/* SPDX-License-Identifier: Apache-2.0 */
/* The resource directory's records: what is put comes back; damage is reported, never shown. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/coap/rd_priv.h"
#include "fake_store.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define NOW 5000000u

static struct registration_entry *loaded[8];
static unsigned loaded_count;

static bool take(void *context, struct registration_entry *e)
{
	(void)context;
	assert_true(loaded_count < 8);
	loaded[loaded_count++] = e;
	return true;
}

static void drop_loaded(void)
{
	while (loaded_count > 0)
		registration_entry_free(loaded[--loaded_count]);
}

static enum result load(struct store *s, uint64_t now_ms, uint32_t *last)
{
	struct error err;
	drop_loaded();
	return rd_disk_load(s, now_ms, take, NULL, last, &err);
}

static struct registration_entry entry(uint32_t number, const char *ep, char *links)
{
	struct registration_entry e = {.number = number,
	                               .base = "coap://192.0.2.7",
	                               .lifetime_s = 600,
	                               .expires_ms = NOW + 300000,
	                               .extra = ";et=\"sensor\"",
	                               .links = links,
	                               .links_bytes = (uint32_t)strlen(links)};
	strcpy(e.ep, ep);
	return e;
}

static void put(struct store *s, const struct registration_entry *e)
{
	struct error err;
	assert_int_equal(rd_disk_put(s, e, NOW, &err), RESULT_OK);
}

static void what_is_put_comes_back(void **state)
{
	struct store *s = *state;
	struct error err;
	uint32_t last;
	char links[] = "</t>;rt=\"temperature-c\"", none[] = "";
	struct registration_entry a = entry(9, "NODE-1", links), b = entry(10, "NODE-2", none);
	b.base_given = true;
	strcpy(b.sector, "west");
	put(s, &a);
	put(s, &b);
	assert_int_equal(load(s, 77, &last), RESULT_OK); /* another boot: another monotonic clock */
	assert_int_equal(last, 10);
	assert_int_equal(loaded_count, 2);
	assert_int_equal(loaded[0]->number, 9);
	assert_string_equal(loaded[0]->ep, "NODE-1");
	assert_string_equal(loaded[0]->base, a.base);
	assert_string_equal(loaded[0]->extra, a.extra);
	assert_false(loaded[0]->base_given);
	assert_int_equal(loaded[0]->lifetime_s, 600);
	assert_in_range(loaded[0]->expires_ms, 77 + 1, 77 + 300000);
	assert_int_equal(loaded[0]->links_bytes, strlen(links));
	assert_memory_equal(loaded[0]->links, links, strlen(links));
	assert_string_equal(loaded[1]->sector, "west");
	assert_true(loaded[1]->base_given);
	assert_int_equal(loaded[1]->links_bytes, 0);
	assert_int_equal(rd_disk_remove(s, 10, &err), RESULT_OK);
	assert_int_equal(load(s, 77, &last), RESULT_OK);
	assert_int_equal(loaded_count, 1);
	assert_int_equal(last, 10); /* not to be given again */
}

static void what_is_over_expires_at_once(void **state)
{
	struct store *s = *state;
	uint32_t last;
	char none[] = "";
	struct registration_entry e = entry(1, "NODE-1", none);
	e.expires_ms = NOW - 1000;
	put(s, &e);
	assert_int_equal(load(s, 77, &last), RESULT_OK);
	assert_int_equal(loaded[0]->expires_ms, 77);
	e.expires_ms = NOW + 10000000; /* a clock that was set back: at most what it said */
	put(s, &e);
	assert_int_equal(load(s, 77, &last), RESULT_OK);
	assert_in_range(loaded[0]->expires_ms, 77 + 1, 77 + 600000);
}

static bool copy_value(void *context, const void *key, size_t key_bytes, const void *value,
                       size_t bytes)
{
	struct store_kv *out = context;
	(void)key;
	(void)key_bytes;
	memcpy((uint8_t *)out->value, value, bytes);
	out->value_bytes = bytes;
	return true;
}

/* Exact heap blocks, so that a sanitizer sees every byte read too much. */
static enum result load_value(struct store *s, const uint8_t *value, size_t bytes)
{
	struct error err;
	uint32_t last;
	uint8_t *exact = malloc(bytes ? bytes : 1);
	memcpy(exact, value, bytes);
	const struct store_kv item = {"coap/rd/0000000001", 18, exact, bytes};
	assert_int_equal(store_kv_write(s, STORE_CONTROL, &item, 1, &err), RESULT_OK);
	free(exact);
	return load(s, NOW, &last);
}

static void damage_is_reported(void **state)
{
	struct store *s = *state;
	struct error err;
	uint8_t value[512];
	char links[] = "</t>";
	struct registration_entry e = entry(1, "NODE-1", links);
	struct store_kv kept = {.value = value};
	put(s, &e);
	assert_int_equal(store_kv_scan(s, STORE_CONTROL, "coap/rd/", 8, copy_value, &kept, &err),
	                 RESULT_OK);
	for (size_t bytes = 0; bytes < kept.value_bytes; bytes++)
		assert_int_equal(load_value(s, value, bytes), RESULT_MEDIA);
	value[kept.value_bytes] = 0;
	assert_int_equal(load_value(s, value, kept.value_bytes + 1), RESULT_MEDIA);
	for (size_t bit = 0; bit < kept.value_bytes * 8; bit++) {
		value[bit / 8] ^= (uint8_t)(1 << bit % 8);
		enum result r = load_value(s, value, kept.value_bytes);
		assert_true(r == RESULT_OK || r == RESULT_MEDIA);
		value[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(load_value(s, value, kept.value_bytes), RESULT_OK);
}

static int set_up(void **state)
{
	*state = fake_store_new();
	return 0;
}

static int tear_down(void **state)
{
	drop_loaded();
	fake_store_free(*state);
	return 0;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(what_is_put_comes_back),
	    CASE(what_is_over_expires_at_once),
	    CASE(damage_is_reported),
	};
#undef CASE
	return cmocka_run_group_tests(tests, NULL, NULL);
}
