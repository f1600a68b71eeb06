/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/build.h"
#include "tests/support/decode.h"
#include "tests/support/formats.h"
#include "tests/support/profiles.h"

#define RECEIVED_MS (TEST_FLAT_MS + 1000)

static struct profile_set profiles;
static struct decode_plan *flat, *nested;
static struct reading out[READINGS_PER_MESSAGE], again[READINGS_PER_MESSAGE];

static int setup(void **state)
{
	(void)state;
	test_profiles_init(&profiles);
	flat = decode_plan_new(&profiles.profiles[0]);
	nested = decode_plan_new(&profiles.profiles[1]);
	return flat && nested ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	decode_plan_free(flat);
	decode_plan_free(nested);
	return 0;
}

static uint32_t decode_bytes(const struct decode_plan *plan, const char *text, size_t bytes,
                             uint32_t max)
{
	uint8_t *exact = malloc(bytes ? bytes : 1);

	assert_non_null(exact);
	memcpy(exact, text, bytes);
	memset(test_decoder()->shapes, 0, sizeof test_decoder()->shapes);
	memset(out, 0x5a, sizeof out);
	uint32_t n = test_decode(plan, exact, (uint32_t)bytes, RECEIVED_MS, out, max);
	/* the same when the shapes of its elements are known */
	assert_int_equal(test_decode(plan, exact, (uint32_t)bytes, RECEIVED_MS, again, max), n);
	assert_memory_equal(again, out, n * sizeof out[0]);
	free(exact);
	return n;
}

static uint32_t decode(const struct decode_plan *plan, const char *text)
{
	return decode_bytes(plan, text, strlen(text), READINGS_PER_MESSAGE);
}

/* A flat message whose members are `members` after id and time. */
static enum fate flat_fate(const char *members)
{
	char text[1024];

	snprintf(text, sizeof text, "{\"meterId\":\"m\",\"ts\":\"2025-06-15T14:15:00Z\"%s}",
	         members);
	assert_int_equal(decode(flat, text), 1);
	assert_int_equal(out[0].raw_offset, 0);
	assert_int_equal(out[0].raw_bytes, strlen(text));
	return out[0].fate;
}

static void flat_message_is_a_reading(void **state)
{
	(void)state;
	assert_int_equal(decode(flat, TEST_FLAT_MESSAGE), 1);
	const struct reading *r = &out[0];
	assert_int_equal(r->fate, FATE_PENDING);
	assert_true(r->meter_ts_ms == TEST_FLAT_MS);
	assert_true(r->received_ms == RECEIVED_MS);
	assert_int_equal(r->collected_delta_ms, 0);
	assert_int_equal(r->device, DEVICE_NONE);
	assert_int_equal(r->profile, 1);
	assert_int_equal(r->flags, 0);
	assert_int_equal(r->id_bytes, 8);
	assert_memory_equal(&TEST_FLAT_MESSAGE[r->id_offset], "SM-00001", 8);
	assert_int_equal(r->raw_bytes, strlen(TEST_FLAT_MESSAGE));
	assert_int_equal(r->channel_count, 4);
	static const uint8_t channels[] = {TEST_CHANNEL_ACTIVE, TEST_CHANNEL_DEMAND,
	                                   TEST_CHANNEL_FACTOR, TEST_CHANNEL_VOLTAGE};
	assert_memory_equal(r->channel, channels, 4);
	assert_true(r->value[0] == 1247830000);
	assert_true(r->value[1] == 3210000);
	assert_true(r->value[2] == 9700);
	assert_true(r->value[3] == 239400);
}

static void nested_message_is_a_reading(void **state)
{
	(void)state;
	assert_int_equal(decode(nested, TEST_NESTED_MESSAGE), 1);
	const struct reading *r = &out[0];
	assert_int_equal(r->fate, FATE_PENDING);
	assert_true(r->meter_ts_ms == TEST_NESTED_MS);
	assert_int_equal(r->flags, 0);
	assert_int_equal(r->channel_count, NESTED_CHANNELS);
	assert_true(r->value[NESTED_ACTIVE] == 125300000);
	assert_true(r->value[NESTED_REACTIVE] == 18200000);
	assert_true(r->value[NESTED_DEMAND] == 4500000);
	assert_true(r->value[NESTED_FACTOR] == 9200);
	assert_true(r->value[NESTED_BATTERY] == 95);
	assert_true(r->value[NESTED_SIGNAL] == -68);
}

static void members_in_another_order_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(
	    decode(nested, " { \"status\" : {\"signal_strength\":-68,\"x\":[{}],"
	                   "\"battery_level\":95,\"tamper_detected\":true},\"unknown\":{\"a\":"
	                   "[1,\"]\"]},\"energy\":{\"power_factor\":0.92,\"active_kwh\":125.3},"
	                   "\"timestamp\":\"2026-02-08T14:15:00Z\",\"meterId\":\"M\"} "),
	    1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[0].flags, READING_F_TAMPER);
	assert_int_equal(out[0].channel_count, 4);
	static const uint8_t channels[] = {TEST_CHANNEL_ACTIVE, TEST_CHANNEL_FACTOR,
	                                   TEST_CHANNEL_BATTERY, TEST_CHANNEL_SIGNAL};
	assert_memory_equal(out[0].channel, channels, 4);
	assert_true(out[0].value[0] == 125300000);
	assert_true(out[0].value[3] == -68);
	assert_int_equal(out[0].raw_offset, 1);
}

static void escaped_member_name_is_known(void **state)
{
	(void)state;
	assert_int_equal(flat_fate(",\"k\\u0057h\":2"), FATE_PENDING);
	assert_true(out[0].value[0] == 2000000);
}

static void array_gives_a_reading_for_each_element(void **state)
{
	char text[2048];
	size_t each = strlen(TEST_FLAT_MESSAGE);

	(void)state;
	snprintf(text, sizeof text, "[%s,%s , {\"meterId\":\"x\"},7]\n", TEST_FLAT_MESSAGE,
	         TEST_FLAT_MESSAGE);
	assert_int_equal(decode(flat, text), 4);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[0].raw_offset, 1);
	assert_int_equal(out[0].raw_bytes, each);
	assert_int_equal(out[1].fate, FATE_PENDING);
	assert_int_equal(out[1].raw_offset, 1 + each + 1);
	assert_int_equal(out[1].id_offset, out[0].id_offset);
	assert_int_equal(out[2].fate, FATE_REJECT_MISSING);
	assert_int_equal(out[2].id_bytes, 1);
	assert_memory_equal(text + out[2].raw_offset + out[2].id_offset, "x", 1);
	assert_int_equal(out[3].fate, FATE_REJECT_FIELD);
	assert_int_equal(out[3].raw_bytes, 1);
}

static void fault_in_an_array_takes_the_rest(void **state)
{
	char text[1024];
	uint32_t each = (uint32_t)strlen(TEST_FLAT_MESSAGE);

	(void)state;
	snprintf(text, sizeof text, "[%s,{\"meterId\":\"y\",\"kWh\":1.},%s]", TEST_FLAT_MESSAGE,
	         TEST_FLAT_MESSAGE);
	assert_int_equal(decode(flat, text), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_offset, 1 + each + 1);
	assert_int_equal(out[1].raw_offset + out[1].raw_bytes, strlen(text));
	assert_int_equal(out[1].id_bytes, 1);

	snprintf(text, sizeof text, "[%s", TEST_FLAT_MESSAGE);
	assert_int_equal(decode(flat, text), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_offset, 1 + each);
	assert_int_equal(out[1].raw_bytes, 0);

	snprintf(text, sizeof text, "[%s,]", TEST_FLAT_MESSAGE);
	assert_int_equal(decode(flat, text), 2);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_bytes, 1);
}

static void garbage_after_the_value_is_rejected_on_its_own(void **state)
{
	(void)state;
	assert_int_equal(decode(flat, TEST_FLAT_MESSAGE " {}"), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_offset, strlen(TEST_FLAT_MESSAGE) + 1);
	assert_int_equal(out[1].raw_bytes, 2);
	assert_int_equal(decode(flat, "[] x"), 2);
	assert_int_equal(out[0].fate, FATE_REJECT_EMPTY);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
}

static void nothing_is_empty(void **state)
{
	static const char *const empty[] = {"", " \n", "[]", " [ ] "};

	(void)state;
	for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
		assert_int_equal(decode(flat, empty[i]), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_EMPTY);
	}
}

static void neither_object_nor_array_is_a_bad_payload(void **state)
{
	static const char *const bad[] = {"7", "\"x\"", "null", "x", "\xef\xbb\xbf{}", "}", "]"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(decode(flat, bad[i]), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
		assert_int_equal(out[0].raw_bytes, strlen(bad[i]));
	}
}

static void more_elements_than_room_are_oversize(void **state)
{
	(void)state;
	assert_int_equal(decode_bytes(flat, "[1,2,3]", 7, 3), 3);
	assert_int_equal(decode_bytes(flat, "[1,2,3,4]", 9, 3), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_OVERSIZE);
	assert_int_equal(out[0].raw_offset, 0);
	assert_int_equal(out[0].raw_bytes, 9);
	assert_int_equal(decode_bytes(flat, "[1,2,3]x", 8, 3), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_OVERSIZE);
}

static void largest_payload_is_decoded_and_a_larger_one_is_oversize(void **state)
{
	static char text[PAYLOAD_BYTES_MAX + 1];
	size_t each = strlen(TEST_FLAT_MESSAGE);

	(void)state;
	memset(text, ' ', sizeof text);
	memcpy(text + PAYLOAD_BYTES_MAX - each, TEST_FLAT_MESSAGE, each);
	assert_int_equal(decode_bytes(flat, text, PAYLOAD_BYTES_MAX, 8), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[0].raw_offset, PAYLOAD_BYTES_MAX - each);
	assert_int_equal(decode_bytes(flat, text, PAYLOAD_BYTES_MAX + 1, 8), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_OVERSIZE);
	assert_int_equal(out[0].raw_bytes, PAYLOAD_BYTES_MAX);
}

static void required_field_absent_or_null_is_missing(void **state)
{
	(void)state;
	assert_int_equal(flat_fate(""), FATE_REJECT_MISSING);
	assert_int_equal(flat_fate(",\"kW\":1"), FATE_REJECT_MISSING);
	assert_int_equal(flat_fate(",\"kWh\":null"), FATE_REJECT_MISSING);
	assert_int_equal(decode(flat, "{\"ts\":\"2025-06-15T14:15:00Z\",\"kWh\":1}"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING);
	assert_int_equal(decode(flat, "{\"meterId\":\"x\",\"kWh\":1}"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING);
	assert_int_equal(decode(nested, "{\"meterId\":\"x\",\"timestamp\":\"2025-06-15T14:15:00Z\","
	                                "\"energy\":null}"),
	                 1);
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING);
	assert_int_equal(out[0].channel_count, 0);
}

static void optional_null_is_absent(void **state)
{
	(void)state;
	assert_int_equal(flat_fate(",\"kWh\":1,\"kW\":null,\"status\":null"), FATE_PENDING);
	assert_int_equal(out[0].channel_count, 1);
	assert_int_equal(out[0].flags, 0);
}

static void wrong_type_or_size_is_a_bad_field(void **state)
{
	static const char *const bad[] = {
	    ",\"kWh\":\"1\"",
	    ",\"kWh\":true",
	    ",\"kWh\":{}",
	    ",\"kWh\":[1]",
	    ",\"kWh\":1e30",
	    ",\"kWh\":1,\"kWh\":1",
	    ",\"kWh\":1,\"k\\u0057h\":1",
	    ",\"kWh\":1,\"status\":1",
	    ",\"kWh\":1,\"meterId\":\"other\"",
	    ",\"kWh\":1,\"collected\":5",
	    ",\"kWh\":1,\"collected\":\"yesterday\"",
	    ",\"kWh\":1,\"collected\":\"2025-06-15T14:16:02Z\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (flat_fate(bad[i]) != FATE_REJECT_FIELD)
			fail_msg("%s: %s", bad[i], fate_info[out[0].fate].name);
	assert_int_equal(decode(nested, "{\"meterId\":\"x\",\"timestamp\":\"2025-06-15T14:15:00Z\","
	                                "\"energy\":5}"),
	                 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(
	    decode(nested, "{\"meterId\":\"x\",\"timestamp\":\"2025-06-15T14:15:00Z\","
	                   "\"energy\":{\"active_kwh\":1},\"status\":{\"tamper_detected\":0}}"),
	    1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
}

static void bad_device_id_is_a_bad_field(void **state)
{
	static const char *const bad[] = {
	    "\"\"", "5", "\"a\\u0062\"",
	    "\"12345678901234567890123456789012345678901234567890123456789012345\""};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text,
		         "{\"meterId\":%s,\"ts\":\"2025-06-15T14:15:00Z\",\"kWh\":1}", bad[i]);
		assert_int_equal(decode(flat, text), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
		assert_int_equal(out[0].id_bytes, 0);
	}
	snprintf(text, sizeof text,
	         "{\"meterId\":\"%064d\",\"ts\":\"2025-06-15T14:15:00Z\",\"kWh\":1}", 7);
	assert_int_equal(decode(flat, text), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[0].id_bytes, 64);
}

static void finer_value_is_rounded_and_flagged(void **state)
{
	(void)state;
	assert_int_equal(flat_fate(",\"kWh\":0.0000005,\"v\":239.4"), FATE_PENDING);
	assert_int_equal(out[0].flags, READING_F_ROUNDED);
	assert_true(out[0].value[0] == 0);
	assert_int_equal(flat_fate(",\"kWh\":1.0000000"), FATE_PENDING);
	assert_int_equal(out[0].flags, 0);
}

static void status_other_than_good_is_flagged(void **state)
{
	(void)state;
	assert_int_equal(flat_fate(",\"kWh\":1,\"status\":\"ERR\""), FATE_PENDING);
	assert_int_equal(out[0].flags, READING_F_STATUS);
	assert_int_equal(flat_fate(",\"kWh\":1,\"status\":\"\\u004fK\""), FATE_PENDING);
	assert_int_equal(out[0].flags, 0);
}

static void collection_time_is_a_difference(void **state)
{
	(void)state;
	assert_int_equal(flat_fate(",\"kWh\":1,\"collected\":\"2025-06-15T14:15:00Z\""),
	                 FATE_PENDING);
	assert_int_equal(out[0].flags, READING_F_COLLECTED);
	assert_int_equal(out[0].collected_delta_ms, -1000);
	assert_int_equal(flat_fate(",\"kWh\":1,\"collected\":\"2025-06-15T14:16:01Z\""),
	                 FATE_PENDING);
	assert_int_equal(out[0].collected_delta_ms, 60000);
	assert_int_equal(flat_fate(",\"kWh\":1,\"collected\":\"2020-01-01T00:00:00Z\""),
	                 FATE_PENDING);
	assert_int_equal(out[0].collected_delta_ms, INT32_MIN);
}

static void epoch_time_is_scaled(void **state)
{
	struct profile p = profiles.profiles[0];

	(void)state;
	p.fields[1].time_format = TIME_EPOCH_S;
	struct decode_plan *plan = decode_plan_new(&p);
	assert_int_equal(decode(plan, "{\"meterId\":\"m\",\"ts\":1749996900.25,\"kWh\":1}"), 1);
	assert_true(out[0].meter_ts_ms == TEST_FLAT_MS + 250);
	assert_int_equal(decode(plan, "{\"meterId\":\"m\",\"ts\":1e18,\"kWh\":1}"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(decode(plan, "{\"meterId\":\"m\",\"ts\":1e12,\"kWh\":1}"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	decode_plan_free(plan);
	p.fields[1].time_format = TIME_EPOCH_MS;
	plan = decode_plan_new(&p);
	assert_int_equal(decode(plan, "{\"meterId\":\"m\",\"ts\":1749996900001,\"kWh\":1}"), 1);
	assert_true(out[0].meter_ts_ms == TEST_FLAT_MS + 1);
	decode_plan_free(plan);
}

static void nesting_beyond_the_limit_is_a_bad_payload(void **state)
{
	char text[256] = "";

	(void)state;
	for (int depth = 15; depth <= 16; depth++) {
		snprintf(text, sizeof text, ",\"kWh\":1,\"x\":%.*s%.*s", depth,
		         "[[[[[[[[[[[[[[[[[[[[", depth, "]]]]]]]]]]]]]]]]]]]]");
		assert_int_equal(flat_fate(text), depth == 15 ? FATE_PENDING : FATE_REJECT_PAYLOAD);
	}
}

static void every_cut_of_a_message_is_a_bad_payload(void **state)
{
	(void)state;
	for (size_t bytes = 1; bytes < strlen(TEST_NESTED_MESSAGE); bytes++) {
		assert_int_equal(decode_bytes(nested, TEST_NESTED_MESSAGE, bytes, 8), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
		assert_int_equal(out[0].raw_bytes, bytes);
	}
}

static void results_are_counted(void **state)
{
	static struct counters counters;

	(void)state;
	uint32_t n = decode(flat, "[" TEST_FLAT_MESSAGE ",{},{\"meterId\":\"m\",\"ts\":"
	                          "\"2025-06-15T14:15:00Z\",\"kWh\":1e-9}]");
	assert_int_equal(n, 3);
	decode_count(&counters, out, n);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_MESSAGES), 1);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_DECODED), 2);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_UNDECODED), 1);
	assert_int_equal(counter_get(&counters, COUNTER_INGEST_ROUNDED), 1);
}

static void assert_id(const struct reading *r, const char *payload, const char *id)
{
	assert_int_equal(r->id_bytes, strlen(id));
	assert_memory_equal(decode_id(test_decoder(), (const uint8_t *)payload, r), id, strlen(id));
}

static void key_is_the_device_of_its_readings(void **state)
{
	static const char text[] =
	    "{\"A 1\":[{\"ts\":1749996900000,\"energy\":1.5},{\"ts\":1749996900001,"
	    "\"energy\":2}], \"B\\u0031\" : {\"ts\":1749996900000,\"energy\":3},"
	    "\"C\":[{\"ts\":1749996900000}],\"D\":[],\"E\":7,\"\":[{\"ts\":1,\"energy\":1}]}";
	struct profile p;

	(void)state;
	formats_init(&p, 4, FORMAT_JSON, DEVICE_FROM_KEY);
	p.fields[0].time_format = TIME_EPOCH_MS;
	struct decode_plan *plan = decode_plan_new(&p);
	assert_int_equal(decode(plan, text), 7);
	for (int i = 0; i < 3; i++)
		assert_int_equal(out[i].fate, FATE_PENDING);
	assert_id(&out[0], text, "A 1");
	assert_true(out[0].value[0] == 1500000);
	assert_memory_equal(text + out[0].raw_offset, "{\"ts\":1749996900000,\"energy\":1.5}",
	                    out[0].raw_bytes);
	assert_id(&out[1], text, "A 1");
	assert_id(&out[2], text, "B1");
	assert_true(out[2].value[0] == 3000000);
	assert_int_equal(out[3].fate, FATE_REJECT_MISSING);
	assert_id(&out[3], text, "C");
	assert_int_equal(out[4].fate, FATE_REJECT_EMPTY);
	assert_id(&out[4], text, "D");
	assert_int_equal(out[5].fate, FATE_REJECT_FIELD);
	assert_int_equal(out[5].raw_bytes, 1);
	assert_int_equal(out[6].fate, FATE_REJECT_MISSING); /* nobody's */
	assert_int_equal(decode(plan, "{}"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_EMPTY);
	assert_int_equal(decode(plan, "[]"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(decode(plan, "{\"A\":[{\"ts\":1,\"energy\":1}],7}"), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(out[1].fate, FATE_REJECT_PAYLOAD);
	assert_int_equal(out[1].raw_bytes, 2);
	decode_plan_free(plan);
}

static void topic_level_is_the_device(void **state)
{
	static const char text[] = "[{\"ts\":1749996900000,\"energy\":1},{\"ts\":2}]";
	struct profile p;

	(void)state;
	formats_init(&p, 3, FORMAT_JSON, DEVICE_FROM_TOPIC);
	struct decode_plan *plan = decode_plan_new(&p); /* of "meters/M-1/telemetry" */
	assert_int_equal(decode(plan, text), 2);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_id(&out[0], text, "M-1");
	assert_int_equal(out[1].fate, FATE_REJECT_MISSING);
	assert_id(&out[1], text, "M-1");
	p.topic_level = 4;
	assert_int_equal(decode(plan, text), 2);
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING);
	decode_plan_free(plan);
}

/* After the first message, the second one is the same reading as when it comes first. */
static void assert_no_influence(const struct decode_plan *plan, const char *first,
                                const char *second)
{
	struct reading alone;

	assert_int_equal(decode(plan, second), 1);
	alone = out[0];
	assert_int_equal(decode(plan, first), 1); /* forgets, learns */
	assert_int_equal(test_decode(plan, (const uint8_t *)second, (uint32_t)strlen(second),
	                             RECEIVED_MS, out, 1),
	                 1);
	assert_memory_equal(&out[0], &alone, sizeof alone);
}

static void shape_of_the_last_message_changes_nothing(void **state)
{
#define FLAT_HEAD "{\"meterId\":\"M-1\",\"ts\":\"2025-06-15T14:15:00Z\","
	static const char *const texts[] = {
	    FLAT_HEAD "\"kWh\":1.5,\"status\":\"OK\"}",
	    FLAT_HEAD "\"kWh\":1.5,\"status\":\"OKAY\"}",
	    FLAT_HEAD "\"kWh\":1.5,\"status\":\"NOT\"}",
	    FLAT_HEAD "\"kWh\":1.5,\"status\":\"O\\u004b\"}",
	    FLAT_HEAD "\"kWh\":1.5,\"status\":7}",
	    FLAT_HEAD "\"kWh\":1.5,\"status\":null}",
	    FLAT_HEAD "\"kWh\":null,\"kW\":2}",
	    FLAT_HEAD "\"kWh\":-3,\"kW\":2}",
	    FLAT_HEAD "\"kWh\":\"3\",\"kW\":2}",
	    FLAT_HEAD "\"kWh\":1e3,\"kW\":2,\"more\":{\"x\":[1,2]}}",
	    FLAT_HEAD "\"kWh\":1,\"kW\":2,\"more\":\"x\"}",
	    FLAT_HEAD "\"kWh\":1,\"kWh\":2}",
	    FLAT_HEAD "\"kWh\":1,\"kW\":2, \"more\":\"x\"}",
	    FLAT_HEAD "\"kWh\":1}",
	    FLAT_HEAD "\"kWh\":1",
	    "{\"meterId\":\"M-22\",\"ts\":\"2024-02-29T23:59:59.125+01:00\",\"kWh\":1}",
	    "{\"meterId\":\"\",\"ts\":\"2024-02-30T23:59:59Z\",\"kWh\":1}",
	    "{\"meterId\":\"M\\n\",\"ts\":\"2024-02-28T23:59:60Z\",\"kWh\":1}",
	    "{\"meterId\":\"M\",\"ts\":7,\"kWh\":1}",
	};
	uint32_t count = sizeof texts / sizeof texts[0];

	(void)state;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < count; j++)
			assert_no_influence(flat, texts[i], texts[j]);
}

/* As much text, and as many values, as a shape holds, and one more. */
static void longest_shapes_are_the_same_readings(void **state)
{
	char text[3000];

	(void)state;
	for (uint32_t names = SHAPE_STEPS - 6; names < SHAPE_STEPS + 3; names++) {
		int at = snprintf(text, sizeof text, FLAT_HEAD "\"kWh\":1.5");
		for (uint32_t i = 0; i < names; i++)
			at += snprintf(text + at, sizeof text - (size_t)at, ",\"%u\":%u", i, i);
		strcpy(text + at, "}");
		assert_int_equal(decode(flat, text), 1);
		assert_int_equal(out[0].fate, FATE_PENDING);
	}
	for (int spaces = SHAPE_TEXT_BYTES - 60; spaces < SHAPE_TEXT_BYTES + 20; spaces++) {
		snprintf(text, sizeof text, FLAT_HEAD "%*s\"kWh\":1.5}", spaces, "");
		assert_int_equal(decode(flat, text), 1);
		assert_int_equal(out[0].fate, FATE_PENDING);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shape_of_the_last_message_changes_nothing),
	    cmocka_unit_test(longest_shapes_are_the_same_readings),
	    cmocka_unit_test(flat_message_is_a_reading),
	    cmocka_unit_test(nested_message_is_a_reading),
	    cmocka_unit_test(members_in_another_order_are_the_same),
	    cmocka_unit_test(escaped_member_name_is_known),
	    cmocka_unit_test(array_gives_a_reading_for_each_element),
	    cmocka_unit_test(fault_in_an_array_takes_the_rest),
	    cmocka_unit_test(garbage_after_the_value_is_rejected_on_its_own),
	    cmocka_unit_test(nothing_is_empty),
	    cmocka_unit_test(neither_object_nor_array_is_a_bad_payload),
	    cmocka_unit_test(more_elements_than_room_are_oversize),
	    cmocka_unit_test(largest_payload_is_decoded_and_a_larger_one_is_oversize),
	    cmocka_unit_test(required_field_absent_or_null_is_missing),
	    cmocka_unit_test(optional_null_is_absent),
	    cmocka_unit_test(wrong_type_or_size_is_a_bad_field),
	    cmocka_unit_test(bad_device_id_is_a_bad_field),
	    cmocka_unit_test(finer_value_is_rounded_and_flagged),
	    cmocka_unit_test(status_other_than_good_is_flagged),
	    cmocka_unit_test(collection_time_is_a_difference),
	    cmocka_unit_test(epoch_time_is_scaled),
	    cmocka_unit_test(nesting_beyond_the_limit_is_a_bad_payload),
	    cmocka_unit_test(every_cut_of_a_message_is_a_bad_payload),
	    cmocka_unit_test(results_are_counted),
	    cmocka_unit_test(key_is_the_device_of_its_readings),
	    cmocka_unit_test(topic_level_is_the_device),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
