/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records from disk. Whatever the bytes: every record lies within them, has a possible fate or
 * channel count, and a reading that is written down again is read back as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "storage/journal/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct batch batch;

static int inside(const void *p, uint64_t n, const uint8_t *data, size_t bytes)
{
	const uint8_t *at = p;
	return at >= data && n <= bytes && at <= data + (bytes - n);
}

static void check_error(const struct record *r, const uint8_t *data, size_t bytes)
{
	const struct stored_error *e = &r->error;
	struct stored_error again;
	CHECK(inside(r->body, r->body_bytes, data, bytes));
	CHECK(inside(e->device_id, e->device_id_bytes, r->body, r->body_bytes));
	CHECK(inside(e->client_id, e->client_id_bytes, r->body, r->body_bytes));
	CHECK(inside(e->topic, e->topic_bytes, r->body, r->body_bytes));
	CHECK(inside(e->raw, e->raw_bytes, r->body, r->body_bytes));
	CHECK(fate_is_error(e->fate) && e->fate < FATE_COUNT);
	CHECK(record_error_parse(r->body, r->body_bytes, &again));
	CHECK(!record_error_parse(r->body, r->body_bytes - 1, &again));
}

static void check_reading(const struct stored_reading *r)
{
	CHECK_OP(r->channel_count, <=, READING_CHANNELS);
	int64_t delta;
	if (__builtin_sub_overflow(r->collected_ms, r->received_ms, &delta) ||
	    delta != (int32_t)delta)
		return; /* no batch can hold such a one */
	struct reading *w = &batch.readings[0];
	*w = (struct reading){
	    .device = r->device,
	    .flags = r->flags,
	    .profile = r->profile,
	    .channel_count = r->channel_count,
	    .meter_ts_ms = r->meter_ts_ms,
	    .ts_ms = r->ts_ms,
	    .received_ms = r->received_ms,
	    .collected_delta_ms = (int32_t)delta,
	    .fate = FATE_STORED,
	};
	memcpy(w->channel, r->channel, sizeof w->channel);
	memcpy(w->value, r->value, sizeof w->value);
	uint8_t again[512];
	struct record back;
	batch.count = 1;
	uint8_t *end = record_put(again, &batch, 0);
	CHECK_OP((uint32_t)(end - again), ==, record_bytes(&batch, 0));
	const uint8_t *at = again;
	CHECK(record_get(&at, end, &back) == RECORD_READING);
	CHECK(at == end);
	CHECK(memcmp(&back.reading, r, sizeof *r) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const uint8_t *at = data, *end = data + bytes;
	struct record record;
	for (;;) {
		const uint8_t *before = at;
		enum record_kind kind = record_get(&at, end, &record);
		if (kind == RECORD_END || kind == RECORD_DAMAGED) {
			CHECK(at == before);
			CHECK((kind == RECORD_END) == (at == end));
			return 0;
		}
		CHECK(at > before && at <= end);
		if (kind == RECORD_ERROR)
			check_error(&record, before, (size_t)(at - before));
		else
			check_reading(&record.reading);
	}
}
