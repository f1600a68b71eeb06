/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary text as a JSON file of devices. Oracles: pieces lie in the text, in order, and begin
 * and end with braces; a device that is taken, written as stored and read again is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/device_text.h"
#include "control/registry/json_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_device(const char *json, size_t bytes)
{
	char cause[DEVICE_CAUSE_BYTES] = "", stored[DEVICE_JSON_BYTES], again[DEVICE_JSON_BYTES];
	struct device d, back;
	uint32_t given = 0;

	device_defaults(&d);
	if (!device_parse(&d, json, bytes, &given, cause)) {
		CHECK(cause[0] != '\0');
		return;
	}
	CHECK_OP(given >> DEVICE_FIELD_COUNT, ==, 0u);
	if (d.id[0] == '\0')
		return;
	d.number = 7;
	size_t length = device_json(&d, stored);
	CHECK(device_parse_stored(&back, stored, length));
	CHECK_OP(back.number, ==, 7u);
	CHECK_OP(device_json(&back, again), ==, length);
	CHECK(memcmp(stored, again, length) == 0);
	CHECK(strcmp(d.id, back.id) == 0);
	CHECK_OP(d.state, ==, back.state);
	CHECK_OP(d.capacity_w, ==, back.capacity_w);

	uint8_t record[DEVICE_RECORD_BYTES], twice[DEVICE_RECORD_BYTES];
	length = device_record(&d, record);
	CHECK(device_record_parse(&back, record, length));
	CHECK_OP(device_record(&back, twice), ==, length);
	CHECK(memcmp(record, twice, length) == 0);
	CHECK(!device_record_parse(&back, record, length - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const char *text = (const char *)data, *behind = text;
	struct json_split s;
	uint64_t last = 0;
	json_split_init(&s, text, bytes);
	while (json_split_next(&s)) {
		CHECK_OP(s.line, >=, last);
		last = s.line;
		CHECK(s.at <= s.end);
		if (s.wrong)
			continue;
		CHECK(s.text >= behind);
		CHECK(s.text + s.bytes <= text + bytes);
		CHECK(s.text[0] == '{');
		CHECK(s.text[s.bytes - 1] == '}' || s.text[s.bytes - 1] == ']');
		behind = s.text + s.bytes;
		check_device(s.text, s.bytes);
	}
	/* and what is no JSON at all must not be taken for a stored device */
	struct device d;
	if (device_record_parse(&d, text, bytes))
		CHECK(d.id[0] != '\0' && d.number != DEVICE_NONE);
	return 0;
}
