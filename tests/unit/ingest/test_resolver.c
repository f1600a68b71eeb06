/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ingest/resolver.h"

/* A store of devices 0..9, each with meter_ts 100 and values {device, 7}. Device 5 fails. */
static int look_ups;

static enum resolver_found find(void *context, uint32_t device, int64_t meter_ts_ms,
                                struct stored_reading *out)
{
	const bool *broken = context;

	look_ups++;
	if (*broken && device == 5)
		return RESOLVER_FAILED;
	if (device > 9 || meter_ts_ms != 100)
		return RESOLVER_ABSENT;
	memset(out, 0, sizeof *out);
	out->device = device;
	out->meter_ts_ms = meter_ts_ms;
	out->channel_count = 2;
	out->channel[0] = 1;
	out->channel[1] = 4;
	out->value[0] = device;
	out->value[1] = 7;
	return RESOLVER_FOUND;
}

static struct batch batch;

static struct reading *add(uint32_t device, int64_t meter_ts_ms, int64_t second)
{
	struct reading *r = &batch.readings[batch.count++];

	memset(r, 0, sizeof *r);
	r->device = device;
	r->meter_ts_ms = meter_ts_ms;
	r->channel_count = 2;
	r->channel[0] = 1;
	r->channel[1] = 4;
	r->value[0] = device;
	r->value[1] = second;
	return r;
}

static void identity_in_the_store_is_duplicate_or_conflict(void **state)
{
	bool broken = false;

	(void)state;
	batch.count = 0;
	const struct reading *same = add(1, 100, 7);
	const struct reading *other = add(2, 100, 8);
	const struct reading *absent = add(3, 101, 7);
	struct reading *fewer = add(4, 100, 7);
	fewer->channel_count = 1;
	struct reading *renamed = add(6, 100, 7);
	renamed->channel[1] = 5;
	struct reading *judged = add(7, 100, 7);
	judged->fate = FATE_REJECT_RANGE;
	struct reading *garbage = add(8, 100, 7);
	garbage->value[2] = 99; /* not one of its channels */
	look_ups = 0;
	assert_true(resolver_run(&batch, find, &broken));
	assert_int_equal(look_ups, 6);
	assert_int_equal(same->fate, FATE_DUPLICATE);
	assert_int_equal(other->fate, FATE_CONFLICT);
	assert_int_equal(absent->fate, FATE_PENDING);
	assert_int_equal(fewer->fate, FATE_CONFLICT);
	assert_int_equal(renamed->fate, FATE_CONFLICT);
	assert_int_equal(judged->fate, FATE_REJECT_RANGE);
	assert_int_equal(garbage->fate, FATE_DUPLICATE);
}

static void failed_look_up_is_repeated_without_losing_fates(void **state)
{
	bool broken = true;

	(void)state;
	batch.count = 0;
	const struct reading *first = add(1, 100, 7);
	const struct reading *failing = add(5, 100, 8);
	const struct reading *last = add(2, 100, 7);
	assert_false(resolver_run(&batch, find, &broken));
	assert_int_equal(first->fate, FATE_DUPLICATE);
	assert_int_equal(failing->fate, FATE_PENDING);
	broken = false;
	look_ups = 0;
	assert_true(resolver_run(&batch, find, &broken));
	assert_int_equal(look_ups, 2);
	assert_int_equal(failing->fate, FATE_CONFLICT);
	assert_int_equal(last->fate, FATE_DUPLICATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(identity_in_the_store_is_duplicate_or_conflict),
	    cmocka_unit_test(failed_look_up_is_repeated_without_losing_fates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
