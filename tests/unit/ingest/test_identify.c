/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ingest/identify.h"
#include "tests/support/decode.h"

#define DEVICES 100
#define PAGES   16

static struct registry_view *view;
static char payload[4096];
static uint32_t payload_bytes;

static uint64_t hash_of(const char *id)
{
	return siphash13(view->key, id, strlen(id));
}

static void add_device(const char *id, uint32_t number, uint8_t device_state, const char *gateway)
{
	uint64_t hash = hash_of(id);
	struct registry_page **page = &view->pages[hash >> view->shift];
	uint32_t count = *page ? (*page)->count : 0;

	*page = realloc(*page, sizeof **page + (count + 1) * sizeof(struct device_entry));
	assert_non_null(*page);
	(*page)->count = count + 1;
	(*page)->entries[count] = (struct device_entry){
	    .id_hash = hash,
	    .gateway_hash = gateway ? hash_of(gateway) : 0,
	    .device = number,
	    .capacity_w = number * 10,
	    .state = device_state,
	    .dials = 6,
	    .register_from_s = number,
	};
}

static int setup(void **state)
{
	char id[16];

	(void)state;
	view = calloc(1, sizeof *view + PAGES * sizeof view->pages[0]);
	if (!view)
		return -1;
	view->key = (struct hash_key){1, 2};
	view->shift = 60;
	for (uint32_t i = 0; i < DEVICES; i++) {
		id[0] = 'm';
		id[1] = (char)('0' + i / 10);
		id[2] = (char)('0' + i % 10);
		id[3] = '\0';
		add_device(id, i, DEVICE_ACTIVE, i >= 50 ? "gate" : NULL);
	}
	add_device("pending", 200, DEVICE_PENDING, NULL);
	add_device("suspended", 201, DEVICE_SUSPENDED, NULL);
	add_device("retired", 202, DEVICE_RETIRED, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PAGES; i++)
		free(view->pages[i]);
	free(view);
	return 0;
}

/* A decoded reading "..ID" in the payload. */
static struct reading reading_of(const char *id)
{
	struct reading r = {.device = DEVICE_NONE, .raw_offset = (uint16_t)payload_bytes};

	r.id_offset = 2;
	r.id_bytes = (uint8_t)strlen(id);
	memcpy(payload + payload_bytes + 2, id, r.id_bytes);
	payload_bytes += 2 + r.id_bytes;
	return r;
}

static enum fate identify(const char *id, const char *sender, bool strict)
{
	payload_bytes = 7;
	struct reading r = reading_of(id);
	struct sender from = {.hash = sender ? hash_of(sender) : 0, .strict = strict};
	identify_run(view, test_decoder(), (const uint8_t *)payload, &r, 1, &from);
	/* with the sender's id at hand the answer is the same */
	struct reading again = r;
	again.fate = FATE_PENDING;
	again.device = DEVICE_NONE;
	from.id = sender;
	from.id_bytes = sender ? (uint32_t)strlen(sender) : 0;
	identify_run(view, test_decoder(), (const uint8_t *)payload, &again, 1, &from);
	assert_int_equal(again.fate, r.fate);
	assert_int_equal(again.device, r.device);
	return r.fate;
}

static void known_devices_get_number_capacity_and_dials(void **state)
{
	struct reading r[DEVICES];

	(void)state;
	payload_bytes = 3;
	for (uint32_t i = 0; i < DEVICES; i++) {
		char id[] = {'m', (char)('0' + i / 10), (char)('0' + i % 10), '\0'};
		r[i] = reading_of(id);
	}
	r[40].fate = FATE_REJECT_FIELD;
	struct sender nobody = {0};
	identify_run(view, test_decoder(), (const uint8_t *)payload, r, DEVICES, &nobody);
	for (uint32_t i = 0; i < DEVICES; i++) {
		if (i == 40) {
			assert_int_equal(r[i].fate, FATE_REJECT_FIELD);
			assert_int_equal(r[i].device, DEVICE_NONE);
			continue;
		}
		assert_int_equal(r[i].fate, FATE_PENDING);
		assert_int_equal(r[i].device, i);
		assert_int_equal(r[i].capacity_w, i * 10);
		assert_int_equal(r[i].dials, 6);
		assert_int_equal(r[i].register_from_ms, i * 1000);
	}
}

static void unknown_device_is_rejected(void **state)
{
	(void)state;
	assert_int_equal(identify("nobody", NULL, false), FATE_REJECT_UNKNOWN);
	assert_int_equal(identify("", NULL, false), FATE_REJECT_UNKNOWN);
}

static void device_that_is_not_active_is_rejected(void **state)
{
	(void)state;
	assert_int_equal(identify("pending", NULL, false), FATE_REJECT_INACTIVE);
	assert_int_equal(identify("suspended", "suspended", true), FATE_REJECT_INACTIVE);
	assert_int_equal(identify("retired", NULL, false), FATE_REJECT_INACTIVE);
}

static void strict_takes_only_the_device_and_its_gateway(void **state)
{
	(void)state;
	assert_int_equal(identify("m01", "m01", true), FATE_PENDING);
	assert_int_equal(identify("m01", "m02", true), FATE_REJECT_UNAUTHORISED);
	assert_int_equal(identify("m01", "gate", true), FATE_REJECT_UNAUTHORISED);
	assert_int_equal(identify("m01", NULL, true), FATE_REJECT_UNAUTHORISED);
	assert_int_equal(identify("m60", "gate", true), FATE_PENDING);
	assert_int_equal(identify("m60", "m60", true), FATE_PENDING);
	assert_int_equal(identify("m60", "door", true), FATE_REJECT_UNAUTHORISED);
	assert_int_equal(identify("m60", NULL, true), FATE_REJECT_UNAUTHORISED);
}

static void lenient_binds_only_devices_with_a_gateway(void **state)
{
	(void)state;
	assert_int_equal(identify("m01", "anybody", false), FATE_PENDING);
	assert_int_equal(identify("m01", NULL, false), FATE_PENDING);
	assert_int_equal(identify("m60", NULL, false), FATE_PENDING);
	assert_int_equal(identify("m60", "m60", false), FATE_PENDING);
	assert_int_equal(identify("m60", "gate", false), FATE_PENDING);
	assert_int_equal(identify("m60", "door", false), FATE_REJECT_UNAUTHORISED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_devices_get_number_capacity_and_dials),
	    cmocka_unit_test(unknown_device_is_rejected),
	    cmocka_unit_test(device_that_is_not_active_is_rejected),
	    cmocka_unit_test(strict_takes_only_the_device_and_its_gateway),
	    cmocka_unit_test(lenient_binds_only_devices_with_a_gateway),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
