/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SenML, both representations. Input: a byte that chooses the profile, then the pack.
 * Oracles: no two readings have the same device and time; a pack that lost its syntax has one
 * FATE_REJECT_PAYLOAD, at the end; a reading stands for the whole payload; JSON of records that can
 * be said in CBOR, said so, gives the same readings.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/cbor.h"
#include "ingest/json.h"
#include "tests/support/decode.h"
#include "tests/support/formats.h"
#include "tests/support/wire.h"

#define NOW_MS 1750000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct decode_plan *plans[2];
static struct reading out[READINGS_PER_MESSAGE], again[READINGS_PER_MESSAGE];
static char ids[READINGS_PER_MESSAGE][DEVICE_ID_BYTES];

static void init(void)
{
	static struct profile profiles[2];

	for (int i = 0; i < 2; i++) {
		formats_init(&profiles[i], 5, FORMAT_SENML,
		             i ? DEVICE_FROM_TOPIC : DEVICE_FROM_NAME);
		profiles[i].split_first = i == 1;
		plans[i] = decode_plan_new(&profiles[i]);
		CHECK(plans[i] != NULL);
	}
}

static void check_readings(const uint8_t *payload, uint32_t bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct reading *r = &out[i];
		CHECK_OP(r->fate, <, FATE_COUNT);
		CHECK_OP(r->id_bytes, <=, DEVICE_ID_BYTES);
		CHECK(r->fate == FATE_PENDING ? r->channel_count > 0 && r->id_bytes > 0
		                              : r->channel_count == 0);
		memcpy(ids[i], decode_id(test_decoder(), payload, r), r->id_bytes);
		if (r->fate == FATE_REJECT_PAYLOAD) {
			CHECK_OP(i, ==, n - 1);
			CHECK_OP((uint32_t)r->raw_offset + r->raw_bytes, ==, bytes);
			continue;
		}
		CHECK(r->raw_offset == 0 && r->raw_bytes == bytes);
		for (uint32_t k = 0; k < i && n < 64; k++)
			CHECK(out[k].meter_ts_ms != r->meter_ts_ms ||
			      out[k].id_bytes != r->id_bytes ||
			      memcmp(ids[k], ids[i], r->id_bytes) != 0 || r->meter_ts_ms == 0);
	}
}

static int cbor_label(const struct json_text *t)
{
	static const char *const labels[] = {"bs", "bv", "bu", "bt", "bn", "bver", "n", "u",
	                                     "v",  "vs", "vb", "s",  "t",  "ut",   "vd"};
	for (int i = 0; i < 15; i++)
		if (strlen(labels[i]) == t->bytes && memcmp(labels[i], t->data, t->bytes) == 0)
			return i - 6;
	return 99;
}

/* A value of a record as CBOR; NULL: none of those that can be said in few words. */
static const uint8_t *put_value(struct wire *w, const uint8_t *p, const uint8_t *end)
{
	struct json_text text;
	struct decimal d;

	if (p == end)
		return NULL;
	if (*p == '"') {
		p = json_scan_string(p, end, &text);
		if (!p || text.escaped)
			return NULL;
		wire_head(w, 3, text.bytes);
		wire_put(w, text.data, text.bytes);
		return p;
	}
	if (*p == 't' || *p == 'f') {
		wire_byte(w, *p == 't' ? 0xf5 : 0xf4);
		return json_word(p, end, *p == 't' ? "true" : "false", *p == 't' ? 4 : 5);
	}
	if (*p != '-' && (*p < '0' || *p > '9'))
		return NULL;
	p = decimal_scan(p, end, &d);
	if (!p || d.digits > 18 || d.exponent < -1000 || d.exponent > 1000)
		return NULL;
	wire_fraction(w, d.exponent, d.negative ? -(int64_t)d.mantissa : (int64_t)d.mantissa);
	return p;
}

/* The pack in CBOR; false: it is not so simple. */
static bool translate(struct wire *w, const uint8_t *p, const uint8_t *end)
{
	struct json_text name;

	p = json_space(p, end);
	if (p == end || *p++ != '[')
		return false;
	wire_byte(w, 0x9f);
	for (;;) {
		p = json_space(p, end);
		if (p == end || *p != '{' || w->bytes > 30000)
			return false;
		wire_byte(w, 0xbf);
		do {
			p = json_scan_string(json_space(p + 1, end), end, &name);
			if (!p || name.escaped)
				return false;
			int label = cbor_label(&name);
			if (label == 99)
				return false;
			wire_int(w, label);
			p = json_space(p, end);
			if (p == end || *p != ':')
				return false;
			p = put_value(w, json_space(p + 1, end), end);
			if (!p)
				return false;
			p = json_space(p, end);
		} while (p < end && *p == ',');
		if (p == end || *p++ != '}')
			return false;
		wire_byte(w, 0xff);
		p = json_space(p, end);
		if (p == end || (*p != ',' && *p != ']'))
			return false;
		if (*p++ == ']')
			break;
	}
	wire_byte(w, 0xff);
	return json_space(p, end) == end;
}

static void check_translation(const struct decode_plan *plan, const uint8_t *payload,
                              uint32_t bytes, uint32_t n)
{
	static struct wire w;

	w.bytes = 0;
	if (bytes > 4000 || !translate(&w, payload, payload + bytes))
		return;
	CHECK_OP(test_decode(plan, w.data, w.bytes, NOW_MS, again, READINGS_PER_MESSAGE), ==, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct reading *a = &out[i], *b = &again[i];
		CHECK_OP(a->fate, ==, b->fate);
		CHECK(a->meter_ts_ms == b->meter_ts_ms && a->id_bytes == b->id_bytes);
		CHECK(memcmp(ids[i], decode_id(test_decoder(), w.data, b), a->id_bytes) == 0);
		CHECK(a->channel_count == b->channel_count && a->flags == b->flags);
		CHECK(memcmp(a->value, b->value, sizeof a->value) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (!plans[0])
		init();
	if (bytes < 2 || bytes > PAYLOAD_BYTES_MAX)
		return 0;
	const struct decode_plan *plan = plans[data[0] & 1];
	const uint8_t *payload = ++data;
	uint32_t count = (uint32_t)--bytes;
	uint32_t n = test_decode(plan, payload, count, NOW_MS, out, READINGS_PER_MESSAGE);
	CHECK(n >= 1 && n <= READINGS_PER_MESSAGE);
	check_readings(payload, count, n);
	check_translation(plan, payload, count, n);
	return 0;
}
