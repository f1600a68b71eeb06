/* SPDX-License-Identifier: Apache-2.0 */
#include "gen_rig.h"

#include "base/bytes.h"

#include <time.h>

static struct gen g;
static char text[MESSAGE_MAX];

static int set_up(void **state)
{
	(void)state;
	rig_init(&g, PROTOCOL_MQTT);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&g);
	return 0;
}

static const char *render(uint32_t client, const struct item *item)
{
	uint32_t bytes = payload_render(&g.options, client, item, (uint8_t *)text);
	assert_int_equal(bytes, payload_bytes(&g.options, client, item));
	text[bytes] = '\0';
	return text;
}

/* All digits become 0, but for those of the id and the times. */
static void flat_reading_has_the_shape_of_the_field(void **state)
{
	struct item item = {.ts_ms = 1749996900123, .readings = 1};
	(void)state;
	render(41, &item);
	assert_memory_equal(text,
			    "{\"meterId\":\"SM-00000042\",\"ts\":\"2025-06-15T14:15:00.123Z\","
			    "\"kWh\":",
			    63);
	char status[16];
	double kwh, kw, pf, v;
	assert_int_equal(sscanf(text + 57,
				"\"kWh\":%lf,\"kW\":%lf,\"pf\":%lf,\"v\":%lf,\"status\":%15s", &kwh,
				&kw, &pf, &v, status),
			 5);
	assert_true(kwh >= 100000 && kwh < 1000000 && kw < 10 && pf <= 1 && v >= 200 && v < 300);
	assert_string_equal(status, "\"OK\"}");
}

static void nested_reading_has_the_shape_of_the_field(void **state)
{
	struct item item = {.ts_ms = 1770560100000, .readings = 1};
	double kwh, kvarh, peak, factor;
	int battery, signal;
	(void)state;
	g.options.shape = SHAPE_NESTED;
	assert_int_equal(
	    sscanf(
		render(41, &item),
		"{\"meterId\":\"METER-00000042\",\"timestamp\":\"2026-02-08T14:15:00.000Z\","
		"\"location\":{\"lat\":37.7749,\"lon\":-122.4194},\"energy\":{\"active_kwh\":%lf,"
		"\"reactive_kvarh\":%lf,\"peak_demand_kw\":%lf,\"power_factor\":%lf},"
		"\"status\":{\"tamper_detected\":false,\"battery_level\":%d,"
		"\"signal_strength\":%d}}",
		&kwh, &kvarh, &peak, &factor, &battery, &signal),
	    6);
	assert_true(kwh >= 100000 && kwh < 1000000 && kvarh >= 100 && kvarh < 1000 && peak < 10);
	assert_true(factor <= 1 && battery >= 60 && battery < 100 && signal <= -50);
	assert_string_equal(text + strlen(text) - 2, "}}");
}

static void replayed_reading_has_its_collection_time(void **state)
{
	struct item item = {.ts_ms = 1749996900123, .readings = 1, .flags = ITEM_REPLAY};
	(void)state;
	assert_non_null(strstr(render(1, &item), ",\"collectedAt\":\"2025-06-15T14:15:00.123Z\"}"));
}

static void batch_of_a_gateway_has_one_reading_of_each_meter(void **state)
{
	struct item item = {.ts_ms = 1749996900123, .readings = 3};
	(void)state;
	g.options.batch = 3;
	g.options.shape = SHAPE_BOTH;
	render(2, &item);
	assert_int_equal(text[0], '[');
	assert_non_null(strstr(text, "},{\"meterId\":\"METER-00000008\",\"timestamp\""));
	assert_non_null(strstr(text, "[{\"meterId\":\"SM-00000007\",\"ts\""));
	assert_non_null(strstr(text, "},{\"meterId\":\"SM-00000009\",\"ts\""));
	assert_string_equal(text + strlen(text) - 2, "}]");
}

static void backlog_has_past_intervals_of_one_meter(void **state)
{
	struct item item = {.ts_ms = 1749996900000, .readings = 2, .flags = ITEM_REPLAY};
	(void)state;
	g.options.profile = PROFILE_BACKLOG;
	g.options.batch = 2;
	render(6, &item);
	assert_non_null(
	    strstr(text, "[{\"meterId\":\"SM-00000007\",\"ts\":\"2025-06-15T14:15:00.000Z\""));
	assert_non_null(
	    strstr(text, ",{\"meterId\":\"SM-00000007\",\"ts\":\"2025-06-15T14:30:00.000Z\""));
}

/* The compact batch says what the flat JSON of the same meters says. */
static void compact_batch_has_the_values_of_the_json(void **state)
{
	enum { ROW = 31 };
	static const char head[] = "\x85\x01\x1b\x00\x00\x01\x97\x73\xf1\x90\x1b\x01"
				   "\x88\x63kWh\x22\x62kW\x21\x62pf\x21\x61v\x20\x98\x03";
	struct item item = {.ts_ms = 1749996900379, .readings = 3};
	double kwh[3], kw[3], pf[3], v[3];
	(void)state;
	g.options.batch = 3;
	const char *at = render(2, &item);
	for (int i = 0; i < 3; i++) {
		at = strstr(at, "\"kWh\"");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "\"kWh\":%lf,\"kW\":%lf,\"pf\":%lf,\"v\":%lf", &kwh[i],
					&kw[i], &pf[i], &v[i]), 4);
		at++;
	}
	g.options.shape = SHAPE_CBOR;
	render(2, &item);
	assert_memory_equal(text, head, sizeof head - 1);
	for (int i = 0; i < 3; i++) {
		const uint8_t *row = (const uint8_t *)text + sizeof head - 1 + i * ROW;
		char id[32];
		snprintf(id, sizeof id, "\x86\x6bSM-%08d\x1a", 7 + i);
		assert_memory_equal(row, id, 14);
		assert_int_equal(get_be32(row + 14), 0);
		assert_int_equal(get_be32(row + 19), (uint32_t)(kwh[i] * 1000 + 0.5));
		assert_int_equal(get_be16(row + 24), (uint32_t)(kw[i] * 100 + 0.5));
		assert_int_equal(row[27], (uint32_t)(pf[i] * 100 + 0.5));
		assert_int_equal(get_be16(row + 29), (uint32_t)(v[i] * 10 + 0.5));
	}
	assert_int_equal(payload_bytes(&g.options, 2, &item), sizeof head - 1 + 3 * ROW);
}

static void dates_agree_with_the_library(void **state)
{
	(void)state;
	for (int64_t s = 0; s < 4102444800; s += 86399 * 3 + 17) {
		struct item item = {.ts_ms = s * 1000 + 7, .readings = 1};
		time_t t = (time_t)s;
		struct tm tm;
		char want[64];
		gmtime_r(&t, &tm);
		strftime(want, sizeof want, "\"ts\":\"%Y-%m-%dT%H:%M:%S.007Z\"", &tm);
		assert_non_null(strstr(render(0, &item), want));
	}
}

static double register_at(uint32_t client, int64_t ts_ms)
{
	struct item item = {.ts_ms = ts_ms, .readings = 1};
	return strtod(strstr(render(client, &item), "\"kWh\":") + 6, NULL);
}

static void register_never_falls(void **state)
{
	(void)state;
	for (uint32_t client = 0; client < 50; client++) {
		double last = 0;
		for (int64_t ts = 1700000000000; ts < 2199023255552; ts += 9999999937) {
			double now = register_at(client, ts);
			assert_true(now >= last && now < 1000000);
			last = now;
		}
	}
}

static void ledger_values_are_those_of_the_message(void **state)
{
	struct item item = {.ts_ms = 1749996900123, .readings = 1};
	char channels[256] = "", value[64], sent[64];
	(void)state;
	FILE *out = fmemopen(channels, sizeof channels, "w");
	payload_channels(out, &g.options, 4, item.ts_ms);
	fclose(out);
	assert_int_equal(sscanf(channels, "{\"active_energy\":\"%63[0-9.]\"", value), 1);
	assert_int_equal(sscanf(strstr(render(4, &item), "\"kWh\":"), "\"kWh\":%63[0-9.]", sent),
			 1);
	assert_string_equal(value, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(flat_reading_has_the_shape_of_the_field, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(nested_reading_has_the_shape_of_the_field, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(replayed_reading_has_its_collection_time, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(batch_of_a_gateway_has_one_reading_of_each_meter,
					    set_up, tear_down),
	    cmocka_unit_test_setup_teardown(compact_batch_has_the_values_of_the_json,
					    set_up, tear_down),
	    cmocka_unit_test_setup_teardown(backlog_has_past_intervals_of_one_meter, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(dates_agree_with_the_library, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(register_never_falls, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ledger_values_are_those_of_the_message, set_up,
					    tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
