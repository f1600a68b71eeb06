/* SPDX-License-Identifier: Apache-2.0 */
/* before cmocka.h, whose fail() is a macro */
#include "worker/stage_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/profiles.h"

#define BATCHES 12
#define DETOURS 4
#define NOW_MS  1770560160000 /* a minute into a slot of 15 */

struct rig {
	struct stage_worker worker;
	struct pipeline_config config;
	struct ring from_io, detour_return, to_store, to_resolver, from_resolver;
	struct batch *batches;
};

static struct profile_set profiles;

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	test_profiles_init(&profiles);
	r->config.device_tracks = device_states_new(4);
	r->config.devices = 4;
	r->config.detours = DETOURS;
	r->config.profiles = &profiles;
	struct ring *rings[] = {&r->from_io, &r->detour_return, &r->to_store, &r->to_resolver,
	                        &r->from_resolver};
	for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
		assert_true(ring_init(rings[i], BATCHES + DETOURS));
	assert_int_equal(stage_worker_init(&r->worker, &r->config, 0, NULL), RESULT_OK);
	r->worker.io_count = 1;
	r->worker.from_io[0] = &r->from_io;
	r->worker.detour_return[0] = &r->detour_return;
	r->worker.to_store = &r->to_store;
	r->worker.to_resolver = &r->to_resolver;
	r->worker.from_resolver = &r->from_resolver;
	r->batches = aligned_alloc(64, sizeof r->batches[0] * BATCHES);
	*state = r;
	return r->config.device_tracks && r->batches ? 0 : -1;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	struct ring *rings[] = {&r->from_io, &r->detour_return, &r->to_store, &r->to_resolver,
	                        &r->from_resolver};
	for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
		ring_fini(rings[i]);
	stage_worker_fini(&r->worker);
	device_states_free(r->config.device_tracks);
	free(r->batches);
	free(r);
	return 0;
}

/* A batch with one reading of device 1, handed to the stage. */
static void send(struct rig *r, uint32_t number, int64_t meter_ts_ms)
{
	struct batch *b = &r->batches[number];
	memset(b, 0, offsetof(struct batch, arena));
	memset(b->arena, 0, sizeof(struct origin));
	b->arena_bytes = sizeof(struct origin);
	struct reading *reading = &b->readings[b->count++];
	*reading = (struct reading){.meter_ts_ms = meter_ts_ms,
	                            .received_ms = NOW_MS,
	                            .device = 1,
	                            .ticket = number,
	                            .profile = 1,
	                            .channel_count = 1};
	reading->channel[0] = TEST_CHANNEL_ACTIVE;
	reading->value[0] = 5000;
	assert_true(ring_push(&r->from_io, b));
}

static void every_detour_batch_can_be_under_way(void **state)
{
	struct rig *r = *state;
	/* the first is new; those behind it fall into its slot: only the store can judge them */
	for (uint32_t i = 0; i < BATCHES; i++)
		send(r, i, NOW_MS - i);
	for (uint32_t n = 0; n < 5; n++)
		stage_worker_poll(&r->worker);
	assert_int_equal(ring_count(&r->to_resolver), DETOURS);
	assert_int_equal(ring_count(&r->to_store), 1 + DETOURS);
	assert_int_equal(ring_count(&r->from_io), BATCHES - 1 - DETOURS);
	assert_int_equal(r->worker.free_count, 0);
}

static void detours_that_come_home_are_used_again(void **state)
{
	struct rig *r = *state;
	for (uint32_t i = 0; i < BATCHES; i++)
		send(r, i, NOW_MS - i);
	uint32_t judged = 0, stored = 0;
	for (uint32_t n = 0; n < 100; n++) {
		struct batch *b;
		stage_worker_poll(&r->worker);
		while ((b = ring_pop(&r->to_resolver)) != NULL)
			assert_true(ring_push(&r->from_resolver, b)); /* not in the store */
		while ((b = ring_pop(&r->to_store)) != NULL) {
			for (uint32_t i = 0; i < b->count; i++) {
				judged += b->readings[i].fate != FATE_PENDING;
				stored += b->readings[i].fate == FATE_STORED;
			}
			if (b->detour)
				assert_true(ring_push(&r->detour_return, b));
		}
	}
	stage_worker_poll(&r->worker);
	assert_int_equal(judged, BATCHES);
	assert_int_equal(stored, BATCHES);
	assert_int_equal(r->worker.free_count, DETOURS);
}

static void batches_without_doubt_keep_every_detour_free(void **state)
{
	struct rig *r = *state;
	for (uint32_t i = 0; i < BATCHES; i++)
		send(r, i, NOW_MS - 1000 + i);
	stage_worker_poll(&r->worker);
	assert_int_equal(ring_count(&r->to_store), BATCHES);
	assert_int_equal(ring_count(&r->to_resolver), 0);
	assert_int_equal(r->worker.free_count, DETOURS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_detour_batch_can_be_under_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(detours_that_come_home_are_used_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(batches_without_doubt_keep_every_detour_free, setup,
	                                    teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
