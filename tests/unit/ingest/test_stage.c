/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/resolver.h"
#include "ingest/stage.h"
#include "tests/support/profiles.h"

#define DEVICES 8
#define DETOURS 4
#define T0      TEST_FLAT_MS
#define SLOT    900000ll

static struct profile_set profiles;
static struct counters counters;
static struct device_track *states;
static struct stage *stage;
static struct batch batch, detour;

static void start(void)
{
	states = device_states_new(DEVICES);
	assert_non_null(states);
	struct stage_config config = {
	    .index = 3,
	    .states = states,
	    .states_count = DEVICES,
	    .profiles = &profiles,
	    .detours = DETOURS,
	    .counters = &counters,
	};
	stage = stage_new(&config);
	assert_non_null(stage);
}

static void stop(void)
{
	stage_free(stage);
	device_states_free(states);
}

static int setup(void **state)
{
	(void)state;
	test_profiles_init(&profiles);
	memset(&counters, 0, sizeof counters);
	batch_reset(&batch);
	batch_reset(&detour);
	batch.io = 9;
	start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop();
	return 0;
}

/* Gives the reading a message of its own, with raw bytes and an origin that name it. */
static struct reading *add(struct batch *b, uint32_t device, int64_t meter_ts_ms, int64_t value)
{
	struct reading *r = &b->readings[b->count++];
	char text[64];

	memset(r, 0, sizeof *r);
	int bytes = snprintf(text, sizeof text, "%u@%lld=%lld", device, (long long)meter_ts_ms,
	                     (long long)value);
	r->raw_offset = batch_put(b, text, (uint32_t)bytes);
	r->raw_bytes = (uint16_t)bytes;
	b->arena_bytes = (b->arena_bytes + 7) / 8 * 8;
	struct origin o = {.port = (uint16_t)device, .topic_bytes = 4};
	r->origin_offset = batch_put(b, &o, sizeof o);
	batch_put(b, "t/op", 4);
	r->device = device;
	r->meter_ts_ms = r->received_ms = meter_ts_ms;
	r->profile = 1;
	r->ticket = b->count;
	r->channel_count = 1;
	r->channel[0] = TEST_CHANNEL_VOLTAGE;
	r->value[0] = value;
	return r;
}

static enum fate run_one(uint32_t device, int64_t meter_ts_ms, int64_t value)
{
	batch_reset(&batch);
	batch_reset(&detour);
	add(&batch, device, meter_ts_ms, value);
	stage_prefetch(stage, &batch);
	bool detoured = stage_run(stage, &batch, &detour);
	assert_int_equal(detoured, batch.readings[0].fate == FATE_PENDING);
	return batch.readings[0].fate;
}

static void new_reading_is_stored_and_its_repetition_is_not(void **state)
{
	(void)state;
	assert_int_equal(run_one(1, T0, 5), FATE_STORED);
	assert_true(batch.readings[0].ts_ms == T0);
	assert_int_equal(run_one(1, T0, 5), FATE_DUPLICATE);
	assert_int_equal(batch.readings[0].ts_ms, T0);
	assert_int_equal(run_one(1, T0, 6), FATE_CONFLICT);
	assert_int_equal(batch.readings[0].ts_ms, T0);
	assert_int_equal(run_one(2, T0, 6), FATE_STORED);
	assert_int_equal(run_one(1, T0 + SLOT, 6), FATE_STORED);
	assert_int_equal(run_one(1, T0 + 3 * SLOT, 6), FATE_STORED);
	assert_int_equal(run_one(1, T0 + 2 * SLOT, 6), FATE_STORED);
	assert_int_equal(batch.readings[0].flags, READING_F_LATE);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_ACCEPTED), 5);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_LATE), 1);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_JUDGED), 7);
}

static void judged_reading_is_left_alone(void **state)
{
	(void)state;
	add(&batch, DEVICE_NONE, T0, 5)->fate = FATE_REJECT_UNKNOWN;
	add(&batch, 1, T0, 5)->fate = FATE_REJECT_FIELD;
	add(&batch, 1, T0, 5);
	stage_prefetch(stage, &batch);
	assert_false(stage_run(stage, &batch, &detour));
	assert_int_equal(batch.readings[0].fate, FATE_REJECT_UNKNOWN);
	assert_int_equal(batch.readings[1].fate, FATE_REJECT_FIELD);
	assert_int_equal(batch.readings[2].fate, FATE_STORED);
}

static void device_beyond_the_table_is_unknown(void **state)
{
	(void)state;
	assert_int_equal(run_one(DEVICES, T0, 5), FATE_REJECT_UNKNOWN);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_BEYOND_TABLE), 1);
}

static void rejected_reading_leaves_no_trace(void **state)
{
	(void)state;
	add(&batch, 1, T0, -1);
	add(&batch, 1, T0, 5);
	assert_false(stage_run(stage, &batch, &detour));
	assert_int_equal(batch.readings[0].fate, FATE_REJECT_NEGATIVE);
	assert_int_equal(batch.readings[1].fate, FATE_STORED);
}

static void duplicate_that_breaks_a_rule_by_now_is_a_duplicate(void **state)
{
	(void)state;
	assert_int_equal(run_one(1, T0, 5), FATE_STORED);
	batch_reset(&batch);
	add(&batch, 1, T0, 5)->received_ms = T0 + 100 * SLOT * 96;
	assert_false(stage_run(stage, &batch, &detour));
	assert_int_equal(batch.readings[0].fate, FATE_DUPLICATE);
}

static void repetition_within_a_batch_needs_no_detour(void **state)
{
	(void)state;
	add(&batch, 1, T0, 5);
	add(&batch, 1, T0 + SLOT, 6);
	add(&batch, 1, T0, 5);
	add(&batch, 1, T0, 7);
	assert_false(stage_run(stage, &batch, &detour));
	assert_int_equal(batch.readings[2].fate, FATE_DUPLICATE);
	assert_int_equal(batch.readings[3].fate, FATE_CONFLICT);
}

static void unsure_reading_is_moved_with_its_bytes(void **state)
{
	(void)state;
	assert_int_equal(run_one(1, T0, 5), FATE_STORED);
	assert_int_equal(run_one(1, T0 + SLOT, 5), FATE_STORED);
	batch_reset(&batch);
	add(&batch, 2, T0, 1);
	add(&batch, 1, T0, 5);
	struct reading *r = add(&batch, 1, T0 + 1, 6);
	r->origin_offset = batch.readings[1].origin_offset; /* one message */
	assert_true(stage_run(stage, &batch, &detour));
	assert_int_equal(batch.readings[0].fate, FATE_STORED);
	assert_int_equal(batch.readings[1].fate, FATE_PENDING);
	assert_int_equal(batch.readings[2].fate, FATE_PENDING);
	assert_int_equal(detour.count, 2);
	assert_int_equal(detour.io, 9);
	assert_int_equal(detour.stage, 3);
	assert_true(detour.detour);
	for (int i = 0; i < 2; i++) {
		const struct reading *from = &batch.readings[1 + i], *to = &detour.readings[i];
		assert_int_equal(to->ticket, from->ticket);
		assert_int_equal(to->raw_bytes, from->raw_bytes);
		assert_memory_equal(batch_raw(&detour, to), batch_raw(&batch, from), to->raw_bytes);
		assert_memory_equal(batch_origin(&detour, to), batch_origin(&batch, from),
		                    sizeof(struct origin) + 4);
		assert_true(to->raw_offset + to->raw_bytes <= detour.arena_bytes);
	}
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_DETOURS), 2);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_DETOUR_BATCHES), 1);
}

static void detour_completes_what_the_store_did_not_have(void **state)
{
	(void)state;
	assert_int_equal(run_one(1, T0, 5), FATE_STORED);
	assert_int_equal(run_one(1, T0 + SLOT, 5), FATE_STORED);
	batch_reset(&batch);
	add(&batch, 1, T0, 5);     /* the resolver finds it */
	add(&batch, 1, T0 + 1, 5); /* new */
	add(&batch, 1, T0 + 1, 5);
	add(&batch, 1, T0 + 1, 6);
	add(&batch, 1, T0 + 2, -5); /* new and wrong */
	for (int i = 0; i < 5; i++)
		batch.readings[i].register_from_ms = 1000;
	assert_true(stage_run(stage, &batch, &detour));
	assert_int_equal(detour.count, 5);
	for (int i = 0; i < 5; i++) /* the rules will want it */
		assert_int_equal(detour.readings[i].register_from_ms, 1000);
	detour.readings[0].fate = FATE_DUPLICATE;
	detour.barrier_seq = 3;
	stage_finish(stage, &detour, 4);
	static const enum fate fates[] = {FATE_DUPLICATE, FATE_STORED, FATE_DUPLICATE,
	                                  FATE_CONFLICT, FATE_REJECT_NEGATIVE};
	for (int i = 0; i < 5; i++) {
		assert_int_equal(detour.readings[i].fate, fates[i]);
		assert_int_equal(detour.readings[i].ts_ms, detour.readings[i].meter_ts_ms);
	}
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_DETOUR_KNOWN), 1);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_DETOUR_RACED), 2);
}

static void second_detour_under_way_meets_what_the_first_stored(void **state)
{
	static struct batch first, second, third;

	(void)state;
	assert_int_equal(run_one(1, T0, 5), FATE_STORED);
	assert_int_equal(run_one(1, T0 + SLOT, 5), FATE_STORED);
	batch_reset(&batch);
	add(&batch, 1, T0 + 1, 5);
	batch_reset(&first);
	batch_reset(&second);
	batch_reset(&third);
	assert_true(stage_run(stage, &batch, &first));
	batch_reset(&batch);
	add(&batch, 1, T0 + 1, 6);
	assert_true(stage_run(stage, &batch, &second));
	first.barrier_seq = second.barrier_seq = 3;
	stage_finish(stage, &first, 5);
	batch_reset(&batch);
	add(&batch, 1, T0 + 1, 5);
	assert_true(stage_run(stage, &batch, &third));
	third.barrier_seq = 5;
	stage_finish(stage, &second, 6);
	assert_int_equal(first.readings[0].fate, FATE_STORED);
	assert_int_equal(second.readings[0].fate, FATE_CONFLICT);
	third.readings[0].fate = FATE_DUPLICATE; /* visible in the store now */
	stage_finish(stage, &third, 7);
	assert_int_equal(third.readings[0].fate, FATE_DUPLICATE);
}

/*
 * The model: a store of what was handed on, in order; each batch handed on becomes visible
 * later. A detour goes to the resolver when its barrier is visible, and comes back whenever the
 * dice say so. A crash keeps a prefix of what was handed on, at least what was visible.
 */
#define MODEL_MAX 40000

static struct {
	struct {
		uint32_t device;
		int64_t ts, value;
		uint64_t seq;
	} stored[MODEL_MAX];
	uint32_t count;
	uint64_t seq, visible;
	struct batch pool[DETOURS];
	struct batch *under_way[DETOURS]; /* oldest first */
	bool resolved[DETOURS];
	uint32_t under_way_count;
	uint64_t random;
	uint64_t fates[FATE_COUNT], detours;
} model;

static uint64_t dice(uint64_t sides)
{
	/* splitmix64 (Steele, Lea, Flood, 2014) */
	uint64_t z = model.random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % sides;
}

/* Index in the model's store among what was handed on up to `seq`, or -1. */
static int model_find(uint32_t device, int64_t ts, uint64_t seq)
{
	int found = -1;

	for (uint32_t i = 0; i < model.count; i++)
		if (model.stored[i].device == device && model.stored[i].ts == ts &&
		    model.stored[i].seq <= seq) {
			assert_int_equal(found, -1); /* once at most */
			found = (int)i;
		}
	return found;
}

static enum resolver_found model_look_up(void *context, uint32_t device, int64_t meter_ts_ms,
                                         struct stored_reading *out)
{
	(void)context;
	if (dice(50) == 0)
		return RESOLVER_FAILED;
	int i = model_find(device, meter_ts_ms, model.visible);
	if (i < 0)
		return RESOLVER_ABSENT;
	memset(out, 0, sizeof *out);
	out->channel_count = 1;
	out->channel[0] = TEST_CHANNEL_VOLTAGE;
	out->value[0] = model.stored[i].value;
	return RESOLVER_FOUND;
}

/* Compare one judged reading with what the map says, then put it into the map. */
static void model_judge(const struct reading *r, uint64_t seq)
{
	int i = model_find(r->device, r->meter_ts_ms, UINT64_MAX);
	enum fate expected = FATE_STORED;

	if (r->received_ms - r->meter_ts_ms > 3600000)
		expected = FATE_REJECT_CLOCK_DRIFT;
	else if (r->value[0] < 0)
		expected = FATE_REJECT_NEGATIVE;
	if (i >= 0)
		expected = model.stored[i].value == r->value[0] ? FATE_DUPLICATE : FATE_CONFLICT;
	if (r->fate != expected)
		fail_msg("device %u, time %lld: %s, not %s", r->device, (long long)r->meter_ts_ms,
		         fate_info[r->fate].name, fate_info[expected].name);
	model.fates[expected]++;
	if (expected != FATE_STORED)
		return;
	assert_int_not_equal(model.count, MODEL_MAX);
	model.stored[model.count].device = r->device;
	model.stored[model.count].ts = r->meter_ts_ms;
	model.stored[model.count].value = r->value[0];
	model.stored[model.count++].seq = seq;
}

static void model_finish_oldest(void)
{
	struct batch *d = model.under_way[0];

	if (!model.resolved[0])
		return;
	/* handed on under a number of its own; the model takes its readings in their order */
	d->stage_seq = ++model.seq;
	stage_finish(stage, d, d->stage_seq);
	for (uint32_t i = 0; i < d->count; i++)
		model_judge(&d->readings[i], d->stage_seq);
	model.under_way_count--;
	for (uint32_t i = 0; i < model.under_way_count; i++) {
		model.under_way[i] = model.under_way[i + 1];
		model.resolved[i] = model.resolved[i + 1];
	}
}

static void model_resolve_next(void)
{
	uint32_t i = 0;

	while (i < model.under_way_count && model.resolved[i])
		i++;
	if (i == model.under_way_count)
		return;
	struct batch *d = model.under_way[i];
	if (d->barrier_seq > model.visible) /* just what it needs, no more */
		model.visible = d->barrier_seq;
	model.resolved[i] = resolver_run(d, model_look_up, NULL);
}

static struct batch *free_detour(void)
{
	for (uint32_t p = 0; p < DETOURS; p++) {
		bool taken = false;
		for (uint32_t i = 0; i < model.under_way_count; i++)
			taken |= model.under_way[i] == &model.pool[p];
		if (!taken)
			return &model.pool[p];
	}
	return NULL;
}

static void model_run_batch(int64_t now)
{
	struct batch *d = free_detour();
	uint32_t readings = 1 + (uint32_t)dice(12);

	if (!d)
		return;
	batch_reset(&batch);
	batch_reset(d);
	for (uint32_t i = 0; i < readings; i++) {
		static const int64_t spread[] = {1, 4, 40, 190, 400};
		int64_t back = (int64_t)dice((uint64_t)spread[dice(5)]) * SLOT / 2;
		struct reading *r = add(&batch, (uint32_t)dice(DEVICES), now - back,
		                        (int64_t)dice(3) - (dice(8) == 0));
		/* mostly a gateway's replay, excused by its collection time */
		r->received_ms = dice(10) ? r->meter_ts_ms : now;
	}
	uint64_t before = model.seq;
	batch.stage_seq = ++model.seq;
	if (stage_run(stage, &batch, d)) {
		d->barrier_seq = dice(2) ? before : batch.stage_seq;
		model.under_way[model.under_way_count] = d;
		model.resolved[model.under_way_count++] = false;
		model.detours++;
	}
	for (uint32_t i = 0; i < batch.count; i++)
		if (batch.readings[i].fate != FATE_PENDING)
			model_judge(&batch.readings[i], batch.stage_seq);
}

/* Lose what was not durable, and everything in memory; start from the newest of each device. */
static void model_crash(void)
{
	uint64_t durable = model.visible + dice(model.seq - model.visible + 1);
	uint32_t kept = 0;

	stop();
	start();
	model.under_way_count = 0;
	for (uint32_t i = 0; i < model.count; i++)
		if (model.stored[i].seq <= durable)
			model.stored[kept++] = model.stored[i];
	model.count = kept;
	for (uint32_t device = 0; device < DEVICES; device++) {
		struct stored_reading newest = {.device = device, .profile = 1, .channel_count = 1};
		bool any = false;
		for (uint32_t i = 0; i < model.count; i++) {
			if (model.stored[i].device != device ||
			    (any && model.stored[i].ts < newest.meter_ts_ms))
				continue;
			any = true;
			newest.meter_ts_ms = newest.ts_ms = model.stored[i].ts;
			newest.channel[0] = TEST_CHANNEL_VOLTAGE;
			newest.value[0] = model.stored[i].value;
		}
		if (any)
			device_state_warm(states, &profiles, &newest, NULL);
	}
	/* a new life numbers its batches anew; all that is kept is visible */
	for (uint32_t i = 0; i < model.count; i++)
		model.stored[i].seq = 0;
	model.seq = model.visible = 0;
}

static void model_run(uint64_t seed, uint32_t steps)
{
	int64_t now = T0;

	memset(&model, 0, sizeof model);
	model.random = seed;
	for (uint32_t step = 0; step < steps; step++) {
		switch (dice(8)) {
		case 0:
		case 1:
		case 2:
			model_run_batch(now);
			break;
		case 3:
			now += (int64_t)dice(4) * SLOT / 2;
			break;
		case 4:
		case 5:
			model_resolve_next();
			break;
		case 6:
			if (model.under_way_count > 0)
				model_finish_oldest();
			break;
		default:
			if (dice(40) == 0)
				model_crash();
			else
				model.visible += dice(model.seq - model.visible + 1);
		}
	}
}

static void random_streams_store_each_identity_once(void **state)
{
	uint64_t fates[FATE_COUNT] = {0}, detours = 0;
	const char *given = getenv("SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1;

	(void)state;
	for (uint64_t seed = first; seed < first + (given ? 1 : 60); seed++) {
		printf("seed %llu\n", (unsigned long long)seed);
		model_run(seed, 1500);
		for (int f = 0; f < FATE_COUNT; f++)
			fates[f] += model.fates[f];
		detours += model.detours;
		stop();
		start();
	}
	for (int f = 0; f < FATE_COUNT; f++)
		if (fates[f])
			printf("%s %llu\n", fate_info[f].name, (unsigned long long)fates[f]);
	uint64_t raced = counter_get(&counters, COUNTER_INGEST_DETOUR_RACED);
	printf("detours %llu, raced %llu\n", (unsigned long long)detours,
	       (unsigned long long)raced);
	if (given)
		return;
	/* the dice reached every corner */
	assert_true(fates[FATE_STORED] > 100 && fates[FATE_DUPLICATE] > 100);
	assert_true(fates[FATE_CONFLICT] > 100 && fates[FATE_REJECT_NEGATIVE] > 100);
	assert_true(fates[FATE_REJECT_CLOCK_DRIFT] > 100 && detours > 100 && raced > 50);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(new_reading_is_stored_and_its_repetition_is_not),
	    CASE(judged_reading_is_left_alone),
	    CASE(device_beyond_the_table_is_unknown),
	    CASE(rejected_reading_leaves_no_trace),
	    CASE(duplicate_that_breaks_a_rule_by_now_is_a_duplicate),
	    CASE(repetition_within_a_batch_needs_no_detour),
	    CASE(unsure_reading_is_moved_with_its_bytes),
	    CASE(detour_completes_what_the_store_did_not_have),
	    CASE(second_detour_under_way_meets_what_the_first_stored),
	    CASE(random_streams_store_each_identity_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
