/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparkplug messages, one after the other, against one small pool. Input: messages of a byte that
 * chooses topic and node, two bytes of length, a payload.
 * Oracles: readings of one message differ in time; deciding and committing twice is the same as
 * once; a payload that pb_field can't pass over is refused whole; after all nodes died, aliases
 * name nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/build.h"
#include "ingest/protobuf.h"
#include "tests/support/formats.h"

#define NOW_MS 1750000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const topics[] = {
    "spBv1.0/G/NBIRTH/A",   "spBv1.0/G/NDATA/A",    "spBv1.0/G/NDEATH/A",  "spBv1.0/G/DBIRTH/A/D",
    "spBv1.0/G/DDATA/A/D",  "spBv1.0/G/DDEATH/A/D", "spBv1.0/G/NBIRTH/B",  "spBv1.0/G/DBIRTH/B/D",
    "spBv1.0/G/DDATA/B/D",  "spBv1.0/G/DDATA/B/E",  "spBv1.0/G/NBIRTH/C",  "spBv1.0/G/DDATA/C/D",
    "spBv1.0/G/NDEATH/B",   "spBv1.0/G/NDEATH/C",   "spBv1.0/G/STATE/x",   "spBv1.0/G/DBIRTH/B/E",
};

static struct decode_plan *plan;
static struct reading out[READINGS_PER_MESSAGE], again[READINGS_PER_MESSAGE];

static bool well_formed(const uint8_t *p, uint32_t bytes)
{
	const uint8_t *end = p + bytes;
	struct pb_field f;

	while (p && p < end)
		p = pb_field(p, end, &f);
	return p != NULL;
}

static void one_message(struct decoder *d, const char *topic, const uint8_t *payload,
                        uint32_t bytes)
{
	struct decode_source in = {payload, bytes, topic, (uint32_t)strlen(topic), NOW_MS};
	uint32_t n = decode_run(d, plan, &in, out, READINGS_PER_MESSAGE);

	CHECK_OP(n, <=, (uint32_t)READINGS_PER_MESSAGE);
	CHECK_OP(decode_run(d, plan, &in, again, READINGS_PER_MESSAGE), ==, n);
	CHECK(memcmp(out, again, n * sizeof out[0]) == 0);
	if (!well_formed(payload, bytes))
		CHECK(n == 1 && (out[0].fate == FATE_REJECT_PAYLOAD ||
		                 out[0].fate == FATE_REJECT_FIELD));
	for (uint32_t i = 0; i < n; i++) {
		CHECK_OP(out[i].fate, <, FATE_COUNT);
		CHECK(out[i].raw_offset == 0 && out[i].raw_bytes == bytes);
		CHECK(out[i].fate == FATE_PENDING ? out[i].channel_count > 0
		                                  : out[i].channel_count == 0);
		for (uint32_t k = 0; k < i && n < 64; k++)
			CHECK(out[k].meter_ts_ms != out[i].meter_ts_ms ||
			      out[i].meter_ts_ms == 0);
	}
	decode_commit(d, plan, &in);
	if (n > 0 && out[0].fate != FATE_PENDING)
		return;
	decode_commit(d, plan, &in);
}

static void everybody_dies(struct decoder *d)
{
	static const uint8_t alias_1[] = {0x08, 1, 0x12, 7, 0x10, 1, 0x20, 8, 0x18, 5, 0x58};
	static const char *const nodes[] = {"spBv1.0/G/NDEATH/A", "spBv1.0/G/NDEATH/B",
	                                    "spBv1.0/G/NDEATH/C"};
	uint8_t payload[sizeof alias_1 + 1];

	memcpy(payload, alias_1, sizeof alias_1);
	payload[3] = 8;
	payload[sizeof alias_1] = 9;
	for (int i = 0; i < 3; i++)
		one_message(d, nodes[i], payload, sizeof payload);
	struct decode_source in = {payload, sizeof payload, topics[4], (uint32_t)strlen(topics[4]),
	                           NOW_MS};
	CHECK_OP(decode_run(d, plan, &in, out, READINGS_PER_MESSAGE), ==, 1u);
	CHECK_OP(out[0].fate, ==, FATE_REJECT_FIELD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct profile profile;
	static struct counters counters;

	if (!plan) {
		formats_init(&profile, 7, FORMAT_SPARKPLUG, DEVICE_FROM_TOPIC);
		plan = decode_plan_new(&profile);
		CHECK(plan != NULL);
	}
	struct decoder *d = decoder_new(&(struct decoder_config){2, 8}, &counters);
	CHECK(d != NULL);
	while (bytes >= 3) {
		uint32_t count = get_le16(data + 1) & 0x3ff;
		if (count > bytes - 3)
			count = (uint32_t)bytes - 3;
		one_message(d, topics[data[0] & 15], data + 3, count);
		data += 3 + count;
		bytes -= 3 + count;
	}
	everybody_dies(d);
	decoder_free(d);
	return 0;
}
