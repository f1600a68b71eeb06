/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ingest costs on one core: decode of both message shapes and an array, topic and signature
 * match, identify, stage. Prints the median and the best of the rounds, in ns and TSC cycles.
 *
 * usage: bench_ingest [DEVICES [MESSAGES]]
 *	DEVICES	default 1,000,000: the stage's tables are larger than caches
 *	MESSAGES	of a round, default 100,000; a few thousand to count instructions with
 *		valgrind --tool=callgrind, which says the same on a machine that is busy
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "ingest/decode.h"
#include "ingest/identify.h"
#include "ingest/match.h"
#include "ingest/stage.h"
#include "tests/support/decode.h"
#include "tests/support/profiles.h"

#define ROUNDS   21
#define INTERVAL 900000ll

static uint32_t per_round = 100000;

static struct profile_set profiles;
static struct counters counters;
static uint64_t sink; /* so that nothing is optimised away */
static double cycles_per_ns;

static void calibrate(void)
{
	uint64_t us = clock_mono_us(), cycles = clock_cycles();

	while (clock_mono_us() - us < 50000)
		;
	uint64_t elapsed_us = clock_mono_us() - us;
	cycles_per_ns = (double)(clock_cycles() - cycles) / (double)(elapsed_us * 1000);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void report(const char *name, uint64_t *cycles, double per)
{
	qsort(cycles, ROUNDS, sizeof cycles[0], by_value);
	double median = (double)cycles[ROUNDS / 2] / per, best = (double)cycles[0] / per;
	printf("%-34s %8.1f ns %8.0f cycles   (best %.1f ns)\n", name, median / cycles_per_ns,
	       median, best / cycles_per_ns);
}

static void bench_decode(const char *name, const struct profile *profile, const char *text,
                         uint32_t elements)
{
	static struct reading out[READINGS_PER_MESSAGE];
	struct decode_plan *plan = decode_plan_new(profile);
	uint32_t bytes = (uint32_t)strlen(text), rounds = per_round / elements;
	uint64_t cycles[ROUNDS];

	CHECK(plan != NULL);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t from = clock_cycles();
		for (uint32_t i = 0; i < rounds; i++) {
			uint32_t n = test_decode(plan, (const uint8_t *)text, bytes, TEST_NESTED_MS,
			                         out, READINGS_PER_MESSAGE);
			CHECK_OP(n, ==, elements);
			sink += (uint64_t)out[n - 1].value[0];
		}
		cycles[r] = clock_cycles() - from;
		CHECK_OP(out[0].fate, ==, FATE_PENDING);
	}
	report(name, cycles, (double)rounds * elements);
	decode_plan_free(plan);
}

static void bench_array(void)
{
	static char text[PAYLOAD_BYTES_MAX];
	size_t at = 0;

	for (int i = 0; i < 100; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%c%s", i ? ',' : '[',
		                       TEST_FLAT_MESSAGE);
	strcpy(text + at, "]");
	bench_decode("decode flat, in arrays of 100", &profiles.profiles[0], text, 100);
}

static void bench_match(void)
{
	static const char topic[] = "meters/SM-00001/nested";
	struct matcher *m;
	struct match_scratch *s;
	struct error err;
	uint64_t topics[ROUNDS], payloads[ROUNDS];
	uint32_t bytes = (uint32_t)strlen(TEST_NESTED_MESSAGE);

	CHECK(matcher_new(&profiles, &m, &err) == RESULT_OK);
	CHECK(match_scratch_new(m, &s, &err) == RESULT_OK);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t from = clock_cycles();
		for (uint32_t i = 0; i < per_round; i++)
			sink += match_topic(m, s, topic, sizeof topic - 1);
		topics[r] = clock_cycles() - from;
		from = clock_cycles();
		for (uint32_t i = 0; i < per_round; i++)
			sink += match_payload(m, s, 2, (const uint8_t *)TEST_NESTED_MESSAGE,
			                      bytes) != NULL;
		payloads[r] = clock_cycles() - from;
	}
	report("match topic", topics, per_round);
	report("match payload signature", payloads, per_round);
	match_scratch_free(s);
	matcher_free(m);
}

/* A registry of `devices` in pages of about eight. */
static struct registry_view *view_new(uint32_t devices)
{
	uint32_t log2 = 1;

	while (1u << log2 < devices / 8)
		log2++;
	struct registry_view *v = calloc(1, sizeof *v + (sizeof v->pages[0] << log2));
	CHECK(v != NULL);
	v->key = hash_key_random();
	v->shift = 64 - log2;
	for (uint32_t i = 0; i < devices; i++) {
		char id[16];
		int bytes = snprintf(id, sizeof id, "SM-%08u", i);
		uint64_t hash = siphash13(v->key, id, (size_t)bytes);
		struct registry_page **p = &v->pages[hash >> 1 >> (v->shift - 1)];
		uint32_t count = *p ? (*p)->count : 0;
		if (count % 8 == 0)
			*p = realloc(*p, sizeof **p + (count + 8) * sizeof(struct device_entry));
		CHECK(*p != NULL);
		(*p)->count = count + 1;
		(*p)->entries[count] =
		    (struct device_entry){.id_hash = hash, .device = i, .state = DEVICE_ACTIVE};
	}
	return v;
}

static void view_free(struct registry_view *v)
{
	for (uint64_t i = 0; i < 1ull << (64 - v->shift); i++)
		free(v->pages[i]);
	free(v);
}

static void bench_identify(uint32_t devices)
{
	enum { COUNT = 64 };
	static struct reading readings[COUNT];
	static char payload[COUNT * 11 + 1];
	struct registry_view *v = view_new(devices);
	uint64_t cycles[ROUNDS], random = 1;

	for (int r = 0; r < ROUNDS; r++) {
		cycles[r] = 0;
		for (uint32_t b = 0; b < per_round / COUNT; b++) {
			for (uint32_t i = 0; i < COUNT; i++) {
				random = random * 6364136223846793005u + 1442695040888963407u;
				readings[i] = (struct reading){.raw_offset = (uint16_t)(i * 11),
				                               .id_bytes = 11};
				char id[16];
				snprintf(id, sizeof id, "SM-%08u",
				         (uint32_t)(random >> 33) % devices);
				memcpy(payload + i * 11, id, 11);
			}
			uint64_t from = clock_cycles();
			identify_run(v, test_decoder(), (const uint8_t *)payload, readings,
			             COUNT, &(struct sender){0});
			cycles[r] += clock_cycles() - from;
			sink += readings[0].device;
			CHECK_OP(readings[COUNT - 1].fate, ==, FATE_PENDING);
		}
	}
	report("identify, batches of 64", cycles, per_round / COUNT * COUNT);
	view_free(v);
}

static void fill(struct batch *b, uint32_t devices, uint64_t *next)
{
	batch_reset(b);
	for (; b->count < BATCH_READINGS; b->count++, (*next)++) {
		/* a walk over all devices in an order that caches don't guess */
		uint32_t device = (uint32_t)(*next * 2654435761u % devices);
		int64_t ts = TEST_FLAT_MS + (int64_t)(*next / devices) * INTERVAL;
		struct reading *r = &b->readings[b->count];
		memset(r, 0, sizeof *r);
		r->device = device;
		r->meter_ts_ms = r->received_ms = ts;
		r->profile = 1;
		r->channel_count = FLAT_CHANNELS;
		for (uint8_t i = 0; i < FLAT_CHANNELS; i++) {
			r->channel[i] = profiles.profiles[0].channels[i].channel;
			r->value[i] = ts - TEST_FLAT_MS + 100 * INTERVAL;
		}
	}
}

static void bench_stage(const char *name, uint32_t devices, bool prefetch, bool repeat)
{
	static struct batch batch, ahead, detour;
	struct device_track *states = device_states_new(devices);
	struct stage_config config = {
	    .states = states,
	    .states_count = devices,
	    .profiles = &profiles,
	    .detours = 1,
	    .counters = &counters,
	};
	CHECK(states != NULL);
	struct stage *s = stage_new(&config);
	CHECK(s != NULL);
	uint64_t cycles[ROUNDS], next = 0;
	struct batch *now = &batch, *then = &ahead;

	fill(now, devices, &next);
	/* the first interval makes the devices known, untimed */
	for (int r = -(int)(devices / per_round) - 1; r < ROUNDS; r++) {
		uint64_t total = 0;
		for (uint32_t b = 0; b < per_round / BATCH_READINGS; b++) {
			fill(then, devices, &next);
			uint64_t from = clock_cycles();
			if (prefetch)
				stage_prefetch(s, then);
			CHECK(!stage_run(s, now, &detour));
			total += clock_cycles() - from;
			CHECK_OP(now->readings[0].fate, ==, FATE_STORED);
			if (repeat) {
				for (int i = 0; i < BATCH_READINGS; i++)
					now->readings[i].fate = FATE_PENDING;
				from = clock_cycles();
				CHECK(!stage_run(s, now, &detour));
				total += clock_cycles() - from;
				CHECK_OP(now->readings[0].fate, ==, FATE_DUPLICATE);
			}
			struct batch *swap = now;
			now = then;
			then = swap;
		}
		if (r >= 0)
			cycles[r] = total;
	}
	report(name, cycles, per_round / BATCH_READINGS * BATCH_READINGS);
	stage_free(s);
	device_states_free(states);
}

int main(int argc, char **argv)
{
	uint32_t devices = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;

	if (argc > 2)
		per_round = (uint32_t)strtoul(argv[2], NULL, 10);
	if (devices < 1000 || per_round < 100) {
		fprintf(stderr, "usage: %s [DEVICES, at least 1000 [MESSAGES, at least 100]]\n",
		        argv[0]);
		return 2;
	}
	calibrate();
	test_profiles_init(&profiles);
	printf("%u devices, TSC %.2f GHz; per message or reading:\n", devices, cycles_per_ns);
	bench_decode("decode flat (109 bytes)", &profiles.profiles[0], TEST_FLAT_MESSAGE, 1);
	bench_decode("decode nested (269 bytes)", &profiles.profiles[1], TEST_NESTED_MESSAGE, 1);
	bench_array();
	bench_match();
	bench_identify(devices);
	bench_stage("stage, new readings", devices, true, false);
	bench_stage("stage, without stage_prefetch", devices, false, false);
	bench_stage("stage, new and once repeated", devices, true, true);
	return sink == 1; /* never */
}
