/* SPDX-License-Identifier: Apache-2.0 */
/* Records: what is written down is read back; every batch fits a block; damage is found. */
#include "tests/unit/journal/test_common.h"

#include <stdlib.h>
#include <string.h>

#include "storage/journal/record.h"
#include "tests/unit/journal/batch_make.h"

static struct batch *batch;
static uint8_t *space; /* exactly as large as asked, so that a sanitizer sees one byte too far */

static int setup(void **state)
{
	(void)state;
	batch = aligned_alloc(64, (sizeof *batch + 63) / 64 * 64);
	return batch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(batch);
	free(space);
	space = NULL;
	return 0;
}

static uint8_t *space_of(uint32_t bytes)
{
	free(space);
	space = malloc(bytes + 1);
	return space;
}

static uint8_t *put_all(uint32_t *bytes)
{
	*bytes = 0;
	for (uint32_t i = 0; i < batch->count; i++)
		*bytes += record_bytes(batch, i);
	uint8_t *at = space_of(*bytes), *start = at;
	for (uint32_t i = 0; i < batch->count; i++) {
		uint8_t *end = record_put(at, batch, i);
		assert_int_equal(end - at, record_bytes(batch, i));
		at = end;
	}
	return start;
}

static void check_error(const struct record *record, const struct reading *r)
{
	const struct stored_error *e = &record->error;
	const struct origin *o = batch_origin(batch, r);
	assert_int_equal(e->fate, r->fate);
	assert_int_equal(e->device, r->device);
	assert_int_equal(e->protocol, o->protocol);
	assert_int_equal(e->qos, o->qos);
	assert_int_equal(e->port, o->port);
	assert_int_equal(e->profile, r->profile);
	assert_int_equal(e->received_ms, r->received_ms);
	assert_int_equal(e->meter_ts_ms, r->meter_ts_ms);
	assert_memory_equal(e->address, o->address, 16);
	assert_int_equal(e->client_id_bytes, o->client_bytes);
	assert_memory_equal(e->client_id, o->text, o->client_bytes);
	assert_int_equal(e->topic_bytes, o->topic_bytes);
	assert_memory_equal(e->topic, o->text + o->client_bytes, o->topic_bytes);
	assert_int_equal(e->device_id_bytes, r->id_bytes);
	assert_memory_equal(e->device_id, batch_raw(batch, r) + r->id_offset, r->id_bytes);
	assert_int_equal(e->raw_bytes, r->raw_bytes);
	assert_memory_equal(e->raw, batch_raw(batch, r), r->raw_bytes);
	struct stored_error again;
	assert_true(record_error_parse(record->body, record->body_bytes, &again));
	assert_false(record_error_parse(record->body, record->body_bytes - 1, &again));
}

static void random_batches_come_back(void **state)
{
	(void)state;
	struct make m = {.random = 2, .devices = 1000, .now_ms = 1750000000000};
	for (int round = 0; round < 300; round++) {
		uint32_t bytes;
		struct record record;
		make_batch(&m, batch, BATCH_READINGS);
		const uint8_t *at = put_all(&bytes), *end = at + bytes;
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct reading *r = &batch->readings[i];
			if (r->fate == FATE_STORED) {
				struct stored_reading e = make_expected(r);
				assert_int_equal(record_get(&at, end, &record), RECORD_READING);
				assert_true(make_same(&record.reading, &e));
			} else if (fate_is_error(r->fate)) {
				assert_int_equal(record_get(&at, end, &record), RECORD_ERROR);
				check_error(&record, r);
			}
		}
		assert_int_equal(record_get(&at, end, &record), RECORD_END);
	}
}

static void pending_and_duplicate_leave_no_record(void **state)
{
	(void)state;
	struct make m = {.random = 2, .devices = 10, .now_ms = 1750000000000};
	make_batch(&m, batch, 2);
	batch->readings[0].fate = FATE_PENDING;
	batch->readings[1].fate = FATE_DUPLICATE;
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(record_bytes(batch, i), 0);
		uint8_t *at = space_of(0);
		assert_ptr_equal(record_put(at, batch, i), at);
	}
}

static void largest_batch_fits_the_smallest_block(void **state)
{
	(void)state;
	batch_reset(batch);
	batch->count = BATCH_READINGS;
	memset(batch->arena, 'x', sizeof batch->arena);
	struct origin o = {.topic_bytes = TOPIC_BYTES, .client_bytes = CLIENT_ID_BYTES};
	memcpy(batch->arena, &o, sizeof o);
	for (uint32_t i = 0; i < BATCH_READINGS; i++) { /* all share one message of 60,000 bytes */
		batch->readings[i] = (struct reading){
		    .fate = FATE_REJECT_PAYLOAD, .raw_offset = 400, .raw_bytes = 60000,
		    .id_bytes = DEVICE_ID_BYTES, .device = DEVICE_NONE};
	}
	uint32_t bytes;
	const uint8_t *at = put_all(&bytes), *end = at + bytes;
	assert_true(bytes <= RECORD_BATCH_BYTES_MAX);
	struct record record;
	assert_int_equal(record_get(&at, end, &record), RECORD_ERROR);
	assert_int_equal(record.error.raw_bytes, 60000);
	assert_int_equal(record_get(&at, end, &record), RECORD_ERROR);
	assert_true(record.error.raw_bytes < 60000);
	assert_int_equal(record.error.device_id_bytes, DEVICE_ID_BYTES);
}

static void overlong_names_are_cut(void **state)
{
	(void)state;
	batch_reset(batch);
	memset(batch->arena, 'y', sizeof batch->arena);
	struct origin o = {.topic_bytes = 1000, .client_bytes = 200};
	memcpy(batch->arena, &o, sizeof o);
	batch->readings[0] = (struct reading){.fate = FATE_CONFLICT, .id_bytes = 255};
	batch->count = 1;
	uint32_t bytes;
	const uint8_t *at = put_all(&bytes);
	struct record record;
	assert_int_equal(record_get(&at, at + bytes, &record), RECORD_ERROR);
	assert_int_equal(record.error.topic_bytes, TOPIC_BYTES);
	assert_int_equal(record.error.client_id_bytes, CLIENT_ID_BYTES);
	assert_int_equal(record.error.device_id_bytes, DEVICE_ID_BYTES);
}

static void cut_record_is_damaged(void **state)
{
	(void)state;
	struct make m = {.random = 8, .devices = 10, .now_ms = 1750000000000};
	for (uint32_t fate = FATE_STORED; fate <= FATE_CONFLICT; fate += 2) {
		make_batch(&m, batch, 1);
		batch->readings[0].fate = (uint8_t)fate;
		uint32_t bytes;
		uint8_t *whole = put_all(&bytes);
		for (uint32_t cut = 1; cut < bytes; cut++) {
			uint8_t *copy = malloc(cut);
			memcpy(copy, whole, cut);
			const uint8_t *at = copy;
			struct record record;
			assert_int_equal(record_get(&at, copy + cut, &record), RECORD_DAMAGED);
			assert_ptr_equal(at, copy);
			free(copy);
		}
	}
}

static void impossible_record_is_damaged(void **state)
{
	(void)state;
	struct make m = {.random = 8, .devices = 10, .now_ms = 1750000000000};
	struct record record;
	uint32_t bytes;
	make_batch(&m, batch, 1);
	batch->readings[0].fate = FATE_STORED;
	uint8_t *p = put_all(&bytes);
	const uint8_t *at = p;
	p[0] = 3; /* no such kind */
	assert_int_equal(record_get(&at, p + bytes, &record), RECORD_DAMAGED);
	p[0] = 1;
	p[2] = READING_CHANNELS + 1;
	assert_int_equal(record_get(&at, p + bytes, &record), RECORD_DAMAGED);

	make_batch(&m, batch, 1);
	batch->readings[0].fate = FATE_CONFLICT;
	p = put_all(&bytes);
	at = p;
	p[5] = FATE_STORED; /* not an error */
	assert_int_equal(record_get(&at, p + bytes, &record), RECORD_DAMAGED);
	p[5] = FATE_COUNT;
	assert_int_equal(record_get(&at, p + bytes, &record), RECORD_DAMAGED);
	p[5] = FATE_CONFLICT;
	assert_int_equal(record_get(&at, p + bytes, &record), RECORD_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_batches_come_back),
	    cmocka_unit_test(pending_and_duplicate_leave_no_record),
	    cmocka_unit_test(largest_batch_fits_the_smallest_block),
	    cmocka_unit_test(overlong_names_are_cut),
	    cmocka_unit_test(cut_record_is_damaged),
	    cmocka_unit_test(impossible_record_is_damaged),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
