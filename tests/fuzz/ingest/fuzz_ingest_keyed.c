/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON with the devices as keys. Input: the payload.
 * Oracles: spans in order and apart; accepted to the end just when json_skip passes over it and it
 * is an object; a reading is the same as the element alone with its device in the topic.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/json.h"
#include "tests/support/decode.h"
#include "tests/support/formats.h"

#define NOW_MS 1750000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct decode_plan *keyed, *topical;
static struct reading out[READINGS_PER_MESSAGE];

static void init(void)
{
	static struct profile profiles[2];

	formats_init(&profiles[0], 4, FORMAT_JSON, DEVICE_FROM_KEY);
	formats_init(&profiles[1], 4, FORMAT_JSON, DEVICE_FROM_TOPIC);
	keyed = decode_plan_new(&profiles[0]);
	topical = decode_plan_new(&profiles[1]);
	CHECK(keyed && topical);
}

/* By a decoder of its own, since ids lie in it. */
static void check_alone(const uint8_t *payload, const struct reading *r)
{
	static struct counters counters;
	static struct decoder *other;
	struct reading alone[2];

	if (!other)
		other = decoder_new(&(struct decoder_config){0}, &counters);
	CHECK(other != NULL);
	struct decode_source in = {payload + r->raw_offset, r->raw_bytes, "a/M-1", 5, NOW_MS};
	CHECK_OP(decode_run(other, topical, &in, alone, 2), ==, 1u);
	if (r->id_bytes == 0)
		return;
	CHECK_OP(alone[0].fate, ==, r->fate);
	CHECK(alone[0].meter_ts_ms == r->meter_ts_ms && alone[0].flags == r->flags);
	CHECK(memcmp(alone[0].value, r->value, sizeof r->value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (!keyed)
		init();
	if (bytes == 0 || bytes > PAYLOAD_BYTES_MAX)
		return 0;
	uint32_t count = (uint32_t)bytes, at = 0;
	uint32_t n = test_decode(keyed, data, count, NOW_MS, out, READINGS_PER_MESSAGE);
	CHECK(n >= 1 && n <= READINGS_PER_MESSAGE);
	if (out[0].fate == FATE_REJECT_OVERSIZE)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct reading *r = &out[i];
		CHECK_OP(r->raw_offset, >=, at);
		at = (uint32_t)r->raw_offset + r->raw_bytes;
		CHECK_OP(at, <=, count);
		CHECK(r->fate != FATE_REJECT_PAYLOAD || (i == n - 1 && at == count));
		const uint8_t *id = decode_id(test_decoder(), data, r);
		CHECK(r->id_bytes == 0 || r->id_apart ||
		      (id >= data && id + r->id_bytes <= data + count));
		if (r->fate != FATE_REJECT_PAYLOAD && r->fate != FATE_REJECT_EMPTY && n < 64 &&
		    data[r->raw_offset] == '{')
			check_alone(data, r);
	}
	const uint8_t *end = data + bytes, *p = json_space(data, end);
	if (p == end)
		return 0;
	bool good = *p == '{' && (p = json_skip(p, end, JSON_DEPTH_MAX)) &&
	            json_space(p, end) == end;
	CHECK_OP(out[n - 1].fate != FATE_REJECT_PAYLOAD, ==, good);
	return 0;
}
