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
	formats_init(&profile, 5, FORMAT_SENML, DEVICE_FROM_NAME);
	strcpy(profile.name_prefix, "urn:dev:");
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

static uint32_t json(const char *text)
{
	w.bytes = 0;
	wire_put(&w, text, strlen(text));
	return decode();
}

static void assert_id(const struct reading *r, const char *id)
{
	assert_int_equal(r->id_bytes, strlen(id));
	assert_memory_equal(decode_id(test_decoder(), w.data, r), id, strlen(id));
}

static void records_of_a_device_and_time_are_one_reading(void **state)
{
	(void)state;
	assert_int_equal(json("[{\"bn\":\"urn:dev:SM-00001:\",\"bt\":1749996900,\"n\":\"energy\","
	                      "\"u\":\"kWh\",\"v\":1247.83},{\"n\":\"power\","
	                      "\"v\":3.21,\"s\":16174800000},{\"n\":\"status\",\"vs\":\"OK\"},"
	                      "{\"n\":\"tamper\",\"vb\":true}]"),
	                 1);
	const struct reading *r = &out[0];
	assert_int_equal(r->fate, FATE_PENDING);
	assert_true(r->meter_ts_ms == T_MS);
	assert_id(r, "SM-00001");
	assert_int_equal(r->flags, READING_F_TAMPER);
	assert_int_equal(r->channel_count, 3);
	assert_true(r->value[0] == 1247830000);
	assert_true(r->value[1] == 3210000);
	assert_true(r->value[2] == 4493000000); /* 16,174.8 MJ are 4,493 kWh */
	assert_int_equal(r->raw_offset, 0);
	assert_int_equal(r->raw_bytes, w.bytes);
}

static void base_value_time_and_sum_are_added(void **state)
{
	(void)state;
	assert_int_equal(
	    json("[{\"bn\":\"urn:dev:M:\",\"bt\":1749996000.5,\"bv\":1000,\"bs\":3600000,"
	         "\"n\":\"energy\",\"t\":899.5,\"v\":0.125},"
	         "{\"n\":\"energy\",\"t\":1799.5,\"v\":-0.5},"
	         "{\"n\":\"power\",\"t\":1799.5,\"s\":1.8}]"),
	    2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_true(out[0].meter_ts_ms == T_MS);
	assert_true(out[0].value[0] == 1000125000);
	assert_true(out[1].meter_ts_ms == T_MS + 900000);
	assert_true(out[1].value[0] == 999500000);
	assert_int_equal(out[1].channel[1], 3);
	assert_true(out[1].value[1] == 1000000 + 0); /* 3,600,001.8 J: 1 kWh and half a mWh */
	assert_int_equal(out[1].flags, READING_F_ROUNDED);
}

static void small_times_are_relative_to_now(void **state)
{
	(void)state;
	assert_int_equal(json("[{\"n\":\"urn:dev:M:energy\",\"v\":1},"
	                      "{\"n\":\"urn:dev:M:energy\",\"t\":-900,\"v\":2},"
	                      "{\"n\":\"urn:dev:M:energy\",\"t\":268435455,\"v\":2},"
	                      "{\"n\":\"urn:dev:M:energy\",\"t\":268435456,\"v\":3}]"),
	                 4);
	assert_true(out[0].meter_ts_ms == NOW_MS);
	assert_true(out[1].meter_ts_ms == NOW_MS - 900000);
	assert_true(out[2].meter_ts_ms == NOW_MS + 268435455000);
	assert_true(out[3].meter_ts_ms == 268435456000);
}

static void records_by_channel_find_their_readings(void **state)
{
	(void)state;
	assert_int_equal(json("[{\"bn\":\"urn:dev:M:energy\",\"bt\":1749996900,\"v\":1},"
	                      "{\"t\":900,\"v\":2},{\"t\":1800,\"v\":3},"
	                      "{\"bn\":\"urn:dev:M:power\",\"v\":4},{\"t\":900,\"v\":5},"
	                      "{\"t\":1800,\"v\":6},{\"bn\":\"urn:dev:N:power\",\"v\":7},"
	                      "{\"bn\":\"urn:dev:M:status\",\"t\":900,\"vs\":\"bad\"}]"),
	                 4);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(out[i].fate, FATE_PENDING);
		assert_true(out[i].meter_ts_ms == T_MS + i * 900000);
		assert_int_equal(out[i].channel_count, 2);
		assert_true(out[i].value[0] == (i + 1) * 1000000);
		assert_true(out[i].value[1] == (i + 4) * 1000000);
		assert_int_equal(out[i].flags, i == 1 ? READING_F_STATUS : 0);
	}
	assert_id(&out[3], "N");
}

static void names_may_be_cut_anywhere(void **state)
{
	static const char *const packs[] = {
	    "[{\"bn\":\"urn:dev:SM\",\"bt\":1749996900,\"n\":\"-1:energy\",\"v\":1},"
	    "{\"n\":\"-1:power\",\"v\":2}]",
	    "[{\"bn\":\"urn:dev:SM-1:\",\"bt\":1749996900},{\"n\":\"energy\",\"v\":1},"
	    "{\"n\":\"power\",\"v\":2}]",
	    "[{\"bn\":\"urn:dev:SM-1:ener\",\"bt\":1749996900,\"n\":\"gy\",\"v\":1},"
	    "{\"bn\":\"urn:d\",\"n\":\"ev:SM-1:power\",\"v\":2}]",
	    "[{\"n\":\"urn:dev:SM-1:energy\",\"bt\":1749996900,\"v\":1},"
	    "{\"bn\":\"urn:dev:SM-1:power\",\"v\":2}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof packs / sizeof packs[0]; i++) {
		assert_int_equal(json(packs[i]), 1);
		assert_int_equal(out[0].fate, FATE_PENDING);
		assert_id(&out[0], "SM-1");
		assert_int_equal(out[0].channel_count, 2);
	}
}

static void name_is_split_as_the_profile_says(void **state)
{
	(void)state;
	assert_int_equal(json("[{\"n\":\"urn:dev:a:b:energy\",\"v\":1}]"), 1);
	assert_id(&out[0], "a:b");
	profile.split_first = true;
	assert_int_equal(json("[{\"n\":\"urn:dev:a:energy\",\"v\":1}]"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(json("[{\"n\":\"urn:dev:a:b:energy\",\"v\":1}]"), 1);
	assert_id(&out[0], "a");
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING); /* "b:energy" is no field */
	profile.device_source = DEVICE_FROM_TOPIC;
	profile.name_prefix[0] = '\0';
	assert_int_equal(json("[{\"n\":\"energy\",\"v\":1}]"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_id(&out[0], "M-1");
}

static enum fate fate_of(const char *record)
{
	char pack[512] = "[";

	strcat(strcat(pack, record), ",{\"n\":\"urn:dev:ok:energy\",\"v\":1}]");
	assert_int_equal(json(pack), 2);
	assert_int_equal(out[1].fate, FATE_PENDING);
	return out[0].fate;
}

static void wrong_records_refuse_their_reading_alone(void **state)
{
	(void)state;
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"v\":\"1\"}"), FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\"}"), FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"v\":1,\"vb\":true}"),
	                 FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"vs\":\"1\"}"), FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"v\":1,\"v\":1}"),
	                 FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"v\":1e30}"), FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"u\":\"Wh\",\"v\":1}"),
	                 FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"t\":\"x\",\"v\":1}"),
	                 FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:energy\",\"t\":1e30,\"v\":1}"),
	                 FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:x:M:energy\",\"v\":1}"), FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":7,\"v\":1}"), FATE_REJECT_FIELD);
	assert_int_equal(fate_of("{\"n\":\"urn:dev:M:other\",\"v\":1}"), FATE_REJECT_MISSING);
	assert_int_equal(fate_of("{\"n\":\"urn:dev::energy\",\"v\":1}"), FATE_REJECT_MISSING);
	assert_int_equal(json("[{\"n\":\"urn:dev:M:energy\",\"v\":1},"
	                      "{\"n\":\"urn:dev:M:energy\",\"v\":1}]"),
	                 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD); /* twice */
}

static void what_spoils_the_pack_takes_the_rest(void **state)
{
	static const char *const bad[] = {"{\"bver\":11}", "{\"bt\":\"x\"}", "{\"bn\":1}",
	                                  "{\"must_\":1}", "{\"n\":}", "7", ""};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char pack[256] = "[{\"n\":\"urn:dev:M:energy\",\"v\":1},";
		size_t at = strlen(pack);
		strcat(strcat(pack, bad[i]), ",{\"n\":\"urn:dev:N:energy\",\"v\":1}]");
		assert_int_equal(json(pack), 2);
		assert_int_equal(out[0].fate, FATE_PENDING);
		assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
		assert_int_equal(out[1].raw_offset, at);
		assert_int_equal(out[1].raw_offset + out[1].raw_bytes, strlen(pack));
	}
	assert_int_equal(json("[{\"bver\":5,\"n\":\"urn:dev:M:energy\",\"v\":1,\"x\":{}}] x"), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
}

static void nothing_is_empty(void **state)
{
	static const char *const packs[] = {"[]", " [ ] ", "[{}]", "[{\"bn\":\"urn:dev:M:\"}]",
	                                    "\x80", "\x9f\xff", "  "};

	(void)state;
	for (size_t i = 0; i < sizeof packs / sizeof packs[0]; i++) {
		assert_int_equal(json(packs[i]), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_EMPTY);
	}
	assert_int_equal(json("{}"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
}

/* [{bn: "urn:dev:M:", bt: T, n: "energy", v: ...}, {n: "power", v: 3.21}, {n: "tamper", vb}] */
static void cbor_pack(void (*value)(void))
{
	w.bytes = 0;
	wire_byte(&w, 0x9f);
	wire_head(&w, 5, 5);
	wire_int(&w, -2);
	wire_text(&w, "urn:dev:M:");
	wire_int(&w, -3);
	wire_double(&w, 1749996900);
	wire_int(&w, 0);
	wire_text(&w, "energy");
	wire_int(&w, 1);
	wire_text(&w, "kWh");
	wire_int(&w, 2);
	value();
	wire_byte(&w, 0xbf);
	wire_int(&w, 0);
	wire_text(&w, "power");
	wire_int(&w, 2);
	wire_float(&w, 3.21f);
	wire_byte(&w, 0xff);
	wire_head(&w, 5, 2);
	wire_int(&w, 0);
	wire_text(&w, "tamper");
	wire_int(&w, 4);
	wire_byte(&w, 0xf5);
	wire_byte(&w, 0xff);
}

static void as_double(void)
{
	wire_double(&w, 1247.83);
}
static void as_float(void)
{
	wire_float(&w, 1247.83f);
}
static void as_fraction(void)
{
	wire_fraction(&w, -2, 124783);
}
static void as_text(void)
{
	wire_text(&w, "1247.83");
}
static void as_nothing(void)
{
	wire_byte(&w, 0x1c);
}

static void cbor_packs_have_the_same_readings(void **state)
{
	void (*const values[])(void) = {as_double, as_float, as_fraction};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		cbor_pack(values[i]);
		assert_int_equal(decode(), 1);
		assert_int_equal(out[0].fate, FATE_PENDING);
		assert_id(&out[0], "M");
		assert_true(out[0].meter_ts_ms == T_MS);
		assert_true(out[0].value[0] == 1247830000);
		assert_true(out[0].value[1] == 3210000);
		assert_int_equal(out[0].flags, READING_F_TAMPER);
	}
	cbor_pack(as_text);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	cbor_pack(as_nothing);
	assert_int_equal(decode(), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
}

static void many_devices_in_any_order_keep_their_own(void **state)
{
	(void)state;
	wire_byte(&w, 0x9f);
	for (uint32_t i = 0; i < 1200; i++) {
		uint32_t device = i * 7 % 400;
		char name[64];
		snprintf(name, sizeof name, "urn:dev:M%u:%s", device,
		         i < 400 ? "energy" : i < 800 ? "power" : "tamper");
		wire_head(&w, 5, 3);
		wire_int(&w, 0);
		wire_text(&w, name);
		wire_int(&w, 6);
		wire_int(&w, 1749996900);
		wire_int(&w, i < 800 ? 2 : 4);
		if (i < 800)
			wire_int(&w, device);
		else
			wire_byte(&w, 0xf4);
	}
	wire_byte(&w, 0xff);
	assert_int_equal(decode(), 400);
	for (uint32_t i = 0; i < 400; i++) {
		assert_int_equal(out[i].fate, FATE_PENDING);
		assert_true(out[i].value[0] == i * 7 % 400 * 1000000);
		assert_true(out[i].value[1] == out[i].value[0]);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(records_of_a_device_and_time_are_one_reading),
	    CASE(base_value_time_and_sum_are_added),
	    CASE(small_times_are_relative_to_now),
	    CASE(records_by_channel_find_their_readings),
	    CASE(names_may_be_cut_anywhere),
	    CASE(name_is_split_as_the_profile_says),
	    CASE(wrong_records_refuse_their_reading_alone),
	    CASE(what_spoils_the_pack_takes_the_rest),
	    CASE(nothing_is_empty),
	    CASE(cbor_packs_have_the_same_readings),
	    CASE(many_devices_in_any_order_keep_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
