/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/formats.h"
#include "tests/support/wire.h"
#include "ingest/decode.h"

#define NOW_MS 1750000000000
#define T_MS   1749996900000

enum {
	INT8 = 1,
	INT32 = 3,
	INT64 = 4,
	UINT64 = 8,
	FLOAT = 9,
	DOUBLE = 10,
	BOOLEAN = 11,
	STRING = 12,
};

static struct profile profile;
static struct decode_plan *plan;
static struct decoder *decoder;
static struct counters counters;
static struct reading out[READINGS_PER_MESSAGE];
static struct wire w;

static int setup(void **state)
{
	(void)state;
	formats_init(&profile, 7, FORMAT_SPARKPLUG, DEVICE_FROM_TOPIC);
	memset(&counters, 0, sizeof counters);
	plan = decode_plan_new(&profile);
	decoder = decoder_new(&(struct decoder_config){2, 16}, &counters);
	return plan && decoder ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	decode_plan_free(plan);
	decoder_free(decoder);
	return 0;
}

/* One metric under construction. */
static struct wire m;

static void metric(const char *name, int64_t alias, int64_t ts_ms, uint32_t datatype)
{
	m.bytes = 0;
	if (name)
		wire_pb_bytes(&m, 1, name, strlen(name));
	if (alias >= 0)
		wire_pb_varint(&m, 2, (uint64_t)alias);
	if (ts_ms)
		wire_pb_varint(&m, 3, (uint64_t)ts_ms);
	if (datatype)
		wire_pb_varint(&m, 4, datatype);
}

static void end_metric(void)
{
	wire_pb_bytes(&w, 2, m.data, m.bytes);
}

static void begin(int seq)
{
	w.bytes = 0;
	wire_pb_varint(&w, 1, T_MS);
	if (seq >= 0)
		wire_pb_varint(&w, 3, (uint64_t)seq);
}

static void with_double(const char *name, int64_t alias, double value)
{
	metric(name, alias, 0, name ? DOUBLE : 0);
	wire_pb_double(&m, 13, value);
	end_metric();
}

static uint32_t send(const char *topic)
{
	uint8_t *exact = malloc(w.bytes ? w.bytes : 1);

	assert_non_null(exact);
	memcpy(exact, w.data, w.bytes);
	struct decode_source in = {exact, w.bytes, topic, (uint32_t)strlen(topic), NOW_MS};
	memset(out, 0x5a, sizeof out);
	uint32_t n = decode_run(decoder, plan, &in, out, READINGS_PER_MESSAGE);
	decode_commit(decoder, plan, &in);
	free(exact);
	return n;
}

static void birth(const char *node)
{
	char topic[64];

	snprintf(topic, sizeof topic, "spBv1.0/G/NBIRTH/%s", node);
	begin(0);
	metric("bdSeq", -1, 0, INT64);
	wire_pb_varint(&m, 11, 0);
	end_metric();
	assert_int_equal(send(topic), 0);
	snprintf(topic, sizeof topic, "spBv1.0/G/DBIRTH/%s/D1", node);
	begin(1);
	with_double("energy", 10, 1247.83);
	metric("power", 11, 0, INT32);
	wire_pb_varint(&m, 10, (uint32_t)-3);
	end_metric();
	assert_int_equal(send(topic), 1);
}

static uint64_t count(enum counter id)
{
	return counter_get(&counters, id);
}

static void birth_carries_values_of_its_own(void **state)
{
	(void)state;
	birth("E");
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_true(out[0].meter_ts_ms == T_MS);
	assert_int_equal(out[0].id_bytes, 2);
	assert_memory_equal(decode_id(decoder, w.data, &out[0]), "D1", 2);
	assert_true(out[0].value[0] == 1247830000);
	assert_true(out[0].value[1] == -3000000);
	assert_int_equal(out[0].raw_offset, 0);
	assert_int_equal(out[0].raw_bytes, w.bytes);
}

static void data_by_alias_has_name_and_type_of_the_birth(void **state)
{
	(void)state;
	birth("E");
	begin(2);
	with_double(NULL, 10, 1248.5);
	metric(NULL, 11, 0, 0); /* no datatype: the birth's, signed */
	wire_pb_varint(&m, 10, (uint32_t)-7);
	end_metric();
	metric(NULL, 99, 0, 0); /* not of interest */
	wire_pb_varint(&m, 10, 5);
	end_metric();
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_true(out[0].value[0] == 1248500000);
	assert_true(out[0].value[1] == -7000000);
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_GAPS), 0);
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_UNBORN), 0);
}

static void alias_without_its_birth_is_refused(void **state)
{
	(void)state;
	begin(2);
	with_double(NULL, 10, 1248.5);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(out[0].raw_bytes, w.bytes);
	birth("E");
	begin(2);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D2"), 1); /* another device */
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(send("spBv1.0/H/DDATA/E/D1"), 1); /* another group */
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_UNBORN), 3);
	begin(3);
	with_double("energy", -1, 2); /* a name speaks for itself */
	assert_int_equal(send("spBv1.0/H/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
}

static void deaths_and_new_births_forget_aliases(void **state)
{
	(void)state;
	birth("E");
	begin(2);
	assert_int_equal(send("spBv1.0/G/DDEATH/E/D1"), 0);
	begin(3);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	birth("E");
	begin(2);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	begin(-1);
	assert_int_equal(send("spBv1.0/G/NDEATH/E"), 0);
	begin(3);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_GAPS), 0);
}

static void gaps_in_the_sequence_are_counted(void **state)
{
	(void)state;
	birth("E");
	begin(2);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	begin(4);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_GAPS), 1);
	for (int seq = 5; seq < 300; seq++) {
		begin(seq & 255);
		with_double(NULL, 10, 1);
		assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	}
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_GAPS), 1);
}

static void historical_values_were_collected_when_they_say(void **state)
{
	(void)state;
	begin(-1);
	for (int i = 0; i < 3; i++) {
		metric("energy", -1, T_MS - i * 900000, FLOAT);
		wire_pb_varint(&m, 5, i > 0);
		wire_pb_float(&m, 12, 1247.83f - (float)i);
		end_metric();
	}
	metric("power", -1, T_MS - 900000, INT8);
	wire_pb_varint(&m, 10, 0xfd);
	end_metric();
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 3);
	assert_int_equal(out[0].flags, 0);
	assert_true(out[0].value[0] == 1247830000);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(out[i].fate, FATE_PENDING);
		assert_int_equal(out[i].flags, READING_F_COLLECTED);
		assert_true(reading_collected_ms(&out[i]) == out[i].meter_ts_ms);
	}
	assert_true(out[1].value[1] == -3000000);
}

static void other_types_have_their_roles(void **state)
{
	(void)state;
	begin(-1);
	metric("energy", -1, 0, UINT64);
	wire_pb_varint(&m, 11, 4000000000u);
	end_metric();
	metric("status", -1, 0, STRING);
	wire_pb_bytes(&m, 15, "LOW", 3);
	end_metric();
	metric("tamper", -1, 0, BOOLEAN);
	wire_pb_varint(&m, 14, 1);
	end_metric();
	metric("power", -1, 0, DOUBLE);
	wire_pb_varint(&m, 7, 1); /* is_null */
	end_metric();
	assert_int_equal(send("spBv1.0/G/NDATA/E"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_memory_equal(decode_id(decoder, w.data, &out[0]), "E", 1);
	assert_int_equal(out[0].channel_count, 1);
	assert_true(out[0].value[0] == 4000000000000000);
	assert_int_equal(out[0].flags, READING_F_STATUS | READING_F_TAMPER);
}

static void wrong_values_refuse_the_reading(void **state)
{
	(void)state;
	begin(-1);
	metric("energy", -1, 0, STRING);
	wire_pb_bytes(&m, 15, "1", 1);
	end_metric();
	metric("energy", -1, T_MS + 1, 0); /* an integer of no type */
	wire_pb_varint(&m, 10, 1);
	end_metric();
	with_double("power", -1, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 2);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	assert_int_equal(out[1].fate, FATE_REJECT_FIELD);
	w.bytes = 0; /* no timestamp at all */
	with_double("energy", -1, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_MISSING);
}

static void malformed_payloads_are_refused_whole(void **state)
{
	(void)state;
	begin(0);
	with_double("energy", -1, 1);
	w.bytes--;
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
	begin(0);
	wire_pb_bytes(&w, 2, "\x0b", 1); /* a group inside a metric */
	assert_int_equal(send("spBv1.0/G/DDATA/E/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_PAYLOAD);
	static const char *const topics[] = {"spBv1.0/G/DDATA/E", "spBv1.0/G/NDATA/E/D",
	                                     "spBv1.0/G/NCMD/E", "spAv1.0/G/NDATA/E", "x", ""};
	for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
		begin(0);
		with_double("energy", -1, 1);
		assert_int_equal(send(topics[i]), 1);
		assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	}
}

static void full_pools_are_counted_and_the_oldest_node_gives_way(void **state)
{
	(void)state;
	birth("A");
	birth("B");
	begin(2);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/A/D1"), 1); /* now B is the oldest */
	birth("C");
	assert_int_equal(count(COUNTER_INGEST_SPARKPLUG_EVICTED), 1);
	begin(3);
	with_double(NULL, 10, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/A/D1"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
	assert_int_equal(send("spBv1.0/G/DDATA/B/D1"), 1);
	assert_int_equal(out[0].fate, FATE_REJECT_FIELD);
	begin(4);
	for (int alias = 0; alias < 40; alias++)
		with_double("energy", 100 + alias, 1);
	send("spBv1.0/G/DBIRTH/A/D2");
	assert_true(count(COUNTER_INGEST_SPARKPLUG_FULL) > 0);
	for (int i = 0; i < 100; i++)
		birth("A"); /* nothing leaks */
	begin(2);
	with_double(NULL, 11, 1);
	assert_int_equal(send("spBv1.0/G/DDATA/A/D1"), 1);
	assert_int_equal(out[0].fate, FATE_PENDING);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(birth_carries_values_of_its_own),
	    CASE(data_by_alias_has_name_and_type_of_the_birth),
	    CASE(alias_without_its_birth_is_refused),
	    CASE(deaths_and_new_births_forget_aliases),
	    CASE(gaps_in_the_sequence_are_counted),
	    CASE(historical_values_were_collected_when_they_say),
	    CASE(other_types_have_their_roles),
	    CASE(wrong_values_refuse_the_reading),
	    CASE(malformed_payloads_are_refused_whole),
	    CASE(full_pools_are_counted_and_the_oldest_node_gives_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
