/* SPDX-License-Identifier: Apache-2.0 */
/* Readings as watchers see them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <jansson.h>

#include "control/broker/live.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct channel_catalogue channels = {
    .by_id = {[1] = {.id = 1, .decimals = 6, .name = "active_energy", .unit = "kWh"},
              [6] = {.id = 6, .decimals = 3, .name = "vol\"tage", .unit = "V"}}};

static void reading_is_exact_json(void **state)
{
	struct reading r = {.meter_ts_ms = 1749996900000,
	                    .ts_ms = 1749996900001,
	                    .received_ms = 1749996901250,
	                    .flags = READING_F_DRIFT | READING_F_LATE,
	                    .channel_count = 2,
	                    .channel = {1, 6},
	                    .value = {1247830000, -5}};
	char out[LIVE_JSON_BYTES];
	(void)state;
	size_t bytes = live_json(&channels, &r, (struct bytes){(const uint8_t *)"S\\1\t", 4}, out);
	assert_int_equal(bytes, strlen(out));
	assert_string_equal(
	    out, "{\"device\":\"S\\\\1\\u0009\",\"time\":\"2025-06-15T14:15:00.001Z\","
	         "\"meter_time\":\"2025-06-15T14:15:00.000Z\","
	         "\"received\":\"2025-06-15T14:15:01.250Z\",\"flags\":[\"drift\",\"late\"],"
	         "\"values\":{\"active_energy\":{\"value\":\"1247.830000\",\"unit\":\"kWh\"},"
	         "\"vol\\\"tage\":{\"value\":\"-0.005\",\"unit\":\"V\"}}}");
	json_t *json = json_loads(out, 0, NULL);
	assert_non_null(json);
	json_decref(json);
}

static void longest_reading_fits(void **state)
{
	struct reading r = {.flags = 0xfff, .channel_count = READING_CHANNELS};
	uint8_t id[DEVICE_ID_BYTES];
	char out[LIVE_JSON_BYTES];
	(void)state;
	memset(id, 1, sizeof id); /* each escaped to six bytes */
	for (unsigned i = 0; i < READING_CHANNELS; i++) {
		struct channel *c = &channels.by_id[100 + i];
		c->decimals = 18;
		memset(c->name, '"', CHANNEL_NAME_BYTES - 1);
		memset(c->unit, '"', CHANNEL_NAME_BYTES - 1);
		r.channel[i] = (uint8_t)(100 + i);
		r.value[i] = INT64_MIN;
	}
	live_json(&channels, &r, (struct bytes){id, sizeof id}, out);
	json_t *json = json_loads(out, 0, NULL);
	assert_non_null(json);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reading_is_exact_json),
	    cmocka_unit_test(longest_reading_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
