/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_json. Input: a byte that chooses profile and room, then the payload.
 * Oracles: the count; spans in order, apart, with only structure between them; a payload is
 * accepted to its end just when json_skip passes over it; an element of an array, whose shape may
 * have been learnt from those before it, is the same reading as that element alone, taken with
 * care; all of them are the same when the message comes again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingest/build.h"
#include "ingest/json.h"
#include "tests/support/decode.h"
#include "tests/support/profiles.h"

#define RECEIVED_MS (TEST_FLAT_MS + 5000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct profile_set profiles;
static struct decode_plan *plans[3];
static struct reading out[READINGS_PER_MESSAGE];

static void init(void)
{
	static struct profile epoch;

	test_profiles_init(&profiles);
	epoch = profiles.profiles[0];
	epoch.fields[1].time_format = TIME_EPOCH_S;
	epoch.fields[7].time_format = TIME_EPOCH_MS;
	plans[0] = decode_plan_new(&profiles.profiles[0]);
	plans[1] = decode_plan_new(&profiles.profiles[1]);
	plans[2] = decode_plan_new(&epoch);
	CHECK(plans[0] && plans[1] && plans[2]);
}

static void forget_shapes(void)
{
	memset(test_decoder()->shapes, 0, sizeof test_decoder()->shapes);
}

/* The same message again, and once more with care. */
static void check_again(const struct decode_plan *plan, const uint8_t *payload, uint32_t bytes,
                        uint32_t n, uint32_t room)
{
	static struct reading again[READINGS_PER_MESSAGE];

	for (int i = 0; i < 2; i++) {
		CHECK_OP(test_decode(plan, payload, bytes, RECEIVED_MS, again, room), ==, n);
		CHECK(memcmp(again, out, n * sizeof out[0]) == 0);
		forget_shapes();
	}
}

static void check_gap(const uint8_t *p, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		CHECK(p[i] != 0 && strchr(" \t\r\n,[]", p[i]));
}

static void check_reading(const struct reading *r)
{
	CHECK_OP(r->fate, <, FATE_COUNT);
	CHECK_OP(r->channel_count, <=, READING_CHANNELS);
	CHECK_OP(r->id_bytes, <=, DEVICE_ID_BYTES);
	CHECK_OP(r->id_offset + r->id_bytes, <=, r->raw_bytes);
	CHECK_OP(r->device, ==, DEVICE_NONE);
	CHECK(r->collected_delta_ms <= 60000);
	if (r->fate != FATE_PENDING) {
		CHECK_OP(r->channel_count, ==, 0);
		return;
	}
	CHECK_OP(r->channel_count, >, 0);
	CHECK_OP(r->id_bytes, >, 0);
	for (uint32_t i = 1; i < r->channel_count; i++)
		CHECK_OP(r->channel[i - 1], <, r->channel[i]); /* as the slots of both profiles */
}

/* What json.h, going another way, says about the whole. */
static bool well_formed(const uint8_t *p, uint32_t bytes)
{
	const uint8_t *end = p + bytes;

	p = json_space(p, end);
	if (p == end)
		return true; /* empty, which is another fate */
	if (*p != '{' && *p != '[')
		return false;
	p = json_skip(p, end, JSON_DEPTH_MAX);
	return p && json_space(p, end) == end;
}

static void check_alone(const struct decode_plan *plan, const uint8_t *payload,
                        const struct reading *r)
{
	struct reading alone[2];
	uint8_t *exact = malloc(r->raw_bytes ? r->raw_bytes : 1);

	CHECK(exact != NULL);
	memcpy(exact, payload + r->raw_offset, r->raw_bytes);
	forget_shapes();
	CHECK_OP(test_decode(plan, exact, r->raw_bytes, RECEIVED_MS, alone, 2), ==, 1u);
	free(exact);
	alone[0].raw_offset = r->raw_offset;
	CHECK(memcmp(&alone[0], r, sizeof *r) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (!plans[0])
		init();
	if (bytes < 1)
		return 0;
	const struct decode_plan *plan = plans[data[0] % 3];
	uint32_t room = (data[0] >> 4) % 8 ? READINGS_PER_MESSAGE : 2;
	const uint8_t *payload = ++data;
	uint32_t count = (uint32_t)--bytes;
	forget_shapes();
	uint32_t n = test_decode(plan, payload, count, RECEIVED_MS, out, room);

	CHECK_OP(n, >=, 1u);
	CHECK_OP(n, <=, room);
	check_again(plan, payload, count, n, room);
	if (out[0].fate == FATE_REJECT_OVERSIZE) {
		CHECK_OP(n, ==, 1u);
		return 0;
	}
	uint32_t at = 0, malformed = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct reading *r = &out[i];
		CHECK_OP(r->raw_offset, >=, at);
		check_gap(payload, at, r->raw_offset);
		at = (uint32_t)r->raw_offset + r->raw_bytes;
		CHECK_OP(at, <=, count);
		check_reading(r);
		malformed += r->fate == FATE_REJECT_PAYLOAD;
		CHECK(r->fate != FATE_REJECT_PAYLOAD || (i == n - 1 && at == count));
		if (r->raw_bytes > 0 && payload[r->raw_offset] == '{' &&
		    r->fate != FATE_REJECT_PAYLOAD)
			check_alone(plan, payload, r);
	}
	check_gap(payload, at, count);
	CHECK_OP(malformed == 0, ==, well_formed(payload, count));
	return 0;
}
