/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compact batch, cbor_skip and cbor_decimal. Input: the payload.
 * Oracles: rows' spans are in order, apart, and without gaps to the payload's end; what is accepted
 * to its end, and each row that is, cbor_skip passes over, too; a row's id is the text it begins
 * with; a double's decimal reads back as the same double.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/cbor.h"
#include "tests/support/decode.h"
#include "tests/support/formats.h"

#define NOW_MS 1750000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct decode_plan *plan;
static struct reading out[READINGS_PER_MESSAGE];

static void check_double(const uint8_t *data)
{
	struct decimal d;
	char text[64];
	uint8_t item[9] = {0xfb};
	double x;
	uint64_t bits = get_be64(data);

	memcpy(&x, &bits, sizeof x);
	memcpy(item + 1, data, 8);
	const uint8_t *p = item;
	enum cbor_number result = cbor_decimal(&p, item + 9, &d);
	CHECK(result == (x - x == 0 ? CBOR_NUMBER : CBOR_WRONG));
	double magnitude = x < 0 ? -x : x;
	if (result != CBOR_NUMBER || magnitude > 1e39 || (magnitude < 1e-39 && x != 0))
		return;
	snprintf(text, sizeof text, "%s%" PRIu64 "e%" PRId64, d.negative ? "-" : "", d.mantissa,
	         d.exponent);
	CHECK(strtod(text, NULL) == x);
}

static void check_row(const uint8_t *payload, const struct reading *r)
{
	struct cbor_head head;
	struct bytes id;
	const uint8_t *p = payload + r->raw_offset, *end = p + r->raw_bytes;

	p = cbor_head(p, end, &head);
	CHECK(p && head.major == CBOR_ARRAY && head.argument >= 3);
	if (p < end && *p >> 5 == CBOR_TEXT) {
		CHECK(cbor_text(p, end, &id) != NULL);
		CHECK_OP(id.count, ==, (uint32_t)r->id_bytes);
		CHECK(memcmp(decode_id(test_decoder(), payload, r), id.data, id.count) == 0);
	}
	CHECK(cbor_skip(payload + r->raw_offset, end, CBOR_DEPTH_MAX) == end);
	for (uint32_t i = 0; i < r->channel_count; i++)
		CHECK(r->channel[i] >= 1 && r->channel[i] <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct profile profile;

	if (!plan) {
		formats_init(&profile, 6, FORMAT_CBOR, DEVICE_FROM_PAYLOAD);
		plan = decode_plan_new(&profile);
		CHECK(plan != NULL);
	}
	if (bytes >= 8)
		check_double(data);
	if (bytes == 0 || bytes > PAYLOAD_BYTES_MAX)
		return 0;
	uint32_t n = test_decode(plan, data, (uint32_t)bytes, NOW_MS, out, READINGS_PER_MESSAGE);
	CHECK(n >= 1 && n <= READINGS_PER_MESSAGE);
	const uint8_t *end = data + bytes;
	bool whole = cbor_skip(data, end, CBOR_DEPTH_MAX) == end;
	uint32_t at = out[0].raw_offset;
	for (uint32_t i = 0; i < n; i++) {
		const struct reading *r = &out[i];
		CHECK_OP(r->fate, <, FATE_COUNT);
		CHECK_OP(r->raw_offset, ==, at);
		at = (uint32_t)r->raw_offset + r->raw_bytes;
		CHECK(r->fate == FATE_PENDING || r->channel_count == 0);
		CHECK(r->fate != FATE_REJECT_PAYLOAD || i == n - 1);
		if (r->fate == FATE_PENDING)
			check_row(data, r);
	}
	if (out[0].fate != FATE_REJECT_OVERSIZE)
		CHECK_OP(at, ==, (uint32_t)bytes);
	/* a row without a fault stands for itself, so nothing but the whole can be malformed */
	if (out[n - 1].fate != FATE_REJECT_PAYLOAD && out[0].fate != FATE_REJECT_OVERSIZE)
		CHECK(whole);
	return 0;
}
