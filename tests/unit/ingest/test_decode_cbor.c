/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/decode.h"
#include "tests/support/formats.h"
#include "tests/support/wire.h"

#define NOW_MS 1750000000000
#define T_MS   1749996900000

static struct profile profile;
static struct decode_plan *plan;
static struct reading out[READINGS_PER_MESSAGE];
static struct wire w;

static int setup(void **state)
{
	(void)state;
	formats_init(&profile, 6, FORMAT_CBOR, DEVICE_FROM_PAYLOAD);
	plan = decode_plan_new(&profile);
	w.bytes = 0;
	return plan ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	decode_plan_free(plan);
	return 0;
}

static uint32_t decode(void)
{
	uint8_t *exact = malloc(w.bytes ? w.bytes : 1);

	assert_non_null(exact);
	memcpy(exact, w.data, w.bytes);
	memset(out, 0x5a, sizeof out);
	uint32_t n = test_decode(plan, exact, w.bytes, NOW_MS, out, READINGS_PER_MESSAGE);
	free(exact);
	return n;
}

/* [1, T, 1000, ["energy", -3, "power", -2, "status", 0], [ ... `rows` follow */
static void begin(uint32_t rows)
{
	wire_head(&w, 4, 5);
	wire_int(&w, 1);
	wire_int(&w, T_MS);
	wire_int(&w, 1000);
	wire_head(&w, 4, 6);
	wire_text(&w, "energy");
	wire_int(&w, -3);
	wire_text(&w, "power");
	wire_int(&w, -2);
	wire_text(&w, "status");
	wire_int(&w, 0);
	wire_head(&w, 4, rows);
}

static void row(const char *device, int64_t ticks, int64_t energy, int64_t power)
{
	wire_head(&w, 4, 5);
	if (device)
		wire_text(&w, device);
	else
		wire_byte(&w, 0xf6);
	wire_int(&w, ticks);
	wire_int(&w, energy);
	wire_int(&w, power);
	wire_text(&w, "OK");
}

static void assert_id(const struct reading *r, const char *id)
{
	assert_int_equal(r->id_bytes, strlen(id));
	assert_memory_equal(decode_id(test_decoder(), w.data, r), id, strlen(id));
}

static void rows_are_readings_with_exact_values(void **state)
{
	(void)state;
	begin(3);
	uint32_t first = w.bytes;
	row("SM-00001", 0, 1247830, 321);
	uint32_t second = w.bytes;
	row("SM-00002", -900, 60000125, -17);
	row(NULL, 5, 1, 0);
	assert_int_equal(decode(), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(out[i].fate, FATE_PENDING);
		assert_int_equal(out[i].flags, 0);
		assert_int_equal(out[i].channel_count, 2);
	}
	assert_true(out[0].meter_ts_ms == T_MS);
	assert_true(out[0].value[0] == 1247830000); /* 1247.830 kWh in mWh */
	assert_true(out[0].value[1] == 3210000);
	assert_int_equal(out[0].raw_offset, first);
	assert_int_equal(out[0].raw_bytes, second - first);
	assert_id(&out[0], "SM-00001");
	assert_true(out[1].meter_ts_ms == T_MS - 900000);
	assert_true(out[1].value[0] == 60000125000);
	assert_true(out[1].value[1] == -170000);
	assert_id(&out[2], "SM-00002");
	assert_true(out[2].meter_ts_ms == T_MS + 5000);
}

static void null_is_no_value_and_other_items_have_their_roles(void **state)
{
	(void)state;
	wire_head(&w, 4, 5);
	wire_int(&w, 1);
	wire_int(&w, T_MS);
	wire_int(&w, 1);
	wire_head(&w, 4, 10);
	static const char *const names[] = {"energy", "power", "tamper", "collected", "unheard of"};
	for (int i = 0; i < 5; i++) {
		wire_text(&w, names[i]);
		wire_int(&w, i == 0 ? 0 : -8);
	}
	wire_head(&w, 4, 1);
	wire_head(&w, 4, 7);
	wire_text(&w, "M");
	wire_int(&w, 7);
	wire_byte(&w, 0xf6);
	wire_int(&w, 123456789);    /* 1.23456789 kW: finer than mW, rounded */
	wire_byte(&w, 0xf5);        /* tamper */
	wire_int(&w, 1000);         /* collected */
	wire_put(&w, "\x82\x01\x02", 3);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[0].channel_count, 1);
	assert_int_equal(out[0].channel[0], 2);
	assert_true(out[0].value[0] == 1234568);
	assert_int_equal(out[0].flags,
	                 READING_F_ROUNDED | READING_F_TAMPER | READING_F_COLLECTED);
	assert_int_equal(out[0].collected_delta_ms, T_MS + 1000 - NOW_MS);
}

static void bad_row_does_not_void_the_others(void **state)
{
	(void)state;
	begin(5);
	row("A", 0, 1, 1);
	wire_head(&w, 4, 2); /* too short */
	wire_text(&w, "B");
	wire_int(&w, 0);
	wire_int(&w, 42); /* no row */
	wire_head(&w, 4, 5);
	wire_text(&w, "C");
	wire_int(&w, 0);
	wire_double(&w, 1.5); /* no integer */
	wire_int(&w, 0);
	wire_text(&w, "LOW"); /* not the good status */
	row("D", 0, INT64_MAX, 1); /* times 1,000 is beyond 64 bits */
	assert_int_equal(decode(), 5);
	assert_int_equal(out[0].fate, FATE_PENDING);
	for (int i = 1; i < 5; i++)
		assert_int_equal(out[i].fate, FATE_REJECT_FIELD);
	assert_id(&out[3], "C");
	assert_int_equal(out[3].flags, READING_F_STATUS);
	assert_int_equal(out[4].channel_count, 0);
	assert_int_equal(out[4].raw_offset + out[4].raw_bytes, w.bytes);
}

static void lost_syntax_takes_the_rest(void **state)
{
	(void)state;
	begin(3);
	row("A", 0, 1, 1);
	uint32_t second = w.bytes;
	wire_head(&w, 4, 5);
	wire_text(&w, "B");
	wire_byte(&w, 0x1c); /* reserved */
	row("C", 0, 1, 1);
	assert_int_equal(decode(), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_offset, second);
	assert_int_equal(out[1].raw_bytes, w.bytes - second);
	assert_id(&out[1], "B");

	w.bytes = 0;
	begin(2);
	row("A", 0, 1, 1); /* one is announced that does not come */
	assert_int_equal(decode(), 2);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_bytes, 0);

	w.bytes = 0;
	begin(1);
	row("A", 0, 1, 1);
	wire_byte(&w, 0);
	assert_int_equal(decode(), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_bytes, 1);
}

static void header_must_be_ours(void **state)
{
	(void)state;
	for (int wrong = 0; wrong < 5; wrong++) {
		w.bytes = 0;
		wire_head(&w, 4, wrong == 0 ? 4 : 5);
		wire_int(&w, wrong == 1 ? 2 : 1);
		wire_int(&w, T_MS);
		wire_int(&w, wrong == 2 ? 0 : 1000);
		wire_head(&w, 4, wrong == 3 ? 1 : 2);
		wire_text(&w, "energy");
		if (wrong != 3)
			wire_int(&w, wrong == 4 ? 100000 : -3);
		wire_head(&w, 4, 0);
		assert_int_equal(decode(), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
		assert_int_equal(out[0].raw_bytes, w.bytes);
	}
	w.bytes = 0;
	begin(0);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_EMPTY);
}

static void column_given_twice_or_no_device_is_refused(void **state)
{
	(void)state;
	wire_head(&w, 4, 5);
	wire_int(&w, 1);
	wire_int(&w, T_MS);
	wire_int(&w, 1000);
	wire_head(&w, 4, 4);
	wire_text(&w, "energy");
	wire_int(&w, 0);
	wire_text(&w, "energy");
	wire_int(&w, 0);
	wire_head(&w, 4, 1);
	wire_head(&w, 4, 4);
	wire_text(&w, "A");
	wire_int(&w, 0);
	wire_int(&w, 1);
	wire_int(&w, 1);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	w.bytes = 0;
	begin(1);
	row(NULL, 0, 1, 1);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING);
}

static void topic_may_name_the_device(void **state)
{
	(void)state;
	profile.device_source = DEVICE_FROM_TOPIC;
	begin(2);
	row(NULL, 0, 1, 1);
	row("other", 0, 1, 1);
	assert_int_equal(decode(), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_id(&out[0], "M-1");
	assert_id(&out[1], "other");
}

static void times_beyond_the_calendar_are_refused(void **state)
{
	(void)state;
	begin(2);
	row("A", INT64_MAX, 1, 1);
	row("A", INT64_MAX / 1000, 1, 1);
	assert_int_equal(decode(), 2);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(out[1].fate, FATE_REJECT_FIELD);
}

static void more_rows_than_room_are_oversize(void **state)
{
	(void)state;
	begin(READINGS_PER_MESSAGE + 1);
	for (int i = 0; i <= READINGS_PER_MESSAGE; i++)
		row("A", i, 1, 1);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_OVERSIZE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(rows_are_readings_with_exact_values),
	    CASE(null_is_no_value_and_other_items_have_their_roles),
	    CASE(bad_row_does_not_void_the_others),
	    CASE(lost_syntax_takes_the_rest),
	    CASE(header_must_be_ours),
	    CASE(column_given_twice_or_no_device_is_refused),
	    CASE(topic_may_name_the_device),
	    CASE(times_beyond_the_calendar_are_refused),
	    CASE(more_rows_than_room_are_oversize),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
