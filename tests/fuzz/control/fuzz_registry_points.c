/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary text as a JSON file of service points and customers, and arbitrary bytes as their
 * stored records. Oracles: what is taken and shown is taken again and shown the same; a record
 * comes back as it was, and never when it is cut short.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/json_split.h"
#include "control/registry/point_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct point_line line, again;
static struct service_point back;
static char shown[POINT_JSON_BYTES], twice[POINT_JSON_BYTES];
static char changes[POINT_CHANGES_BYTES];

/* As putting it in would leave it. False: it would not have been put in. */
static bool settle(struct service_point *p)
{
	for (uint32_t i = 0; i < p->installation_count; i++)
		if (p->installations[i].from_s == FIELD_NOT_GIVEN)
			return false;
	for (uint32_t i = 1; i < p->agreement_count; i++)
		if (p->agreements[i].from_day <= p->agreements[i - 1].from_day)
			return false;
	agreements_settle(p);
	return true;
}

static void check_record(struct service_point *p)
{
	uint8_t record[POINT_RECORD_BYTES], other[POINT_RECORD_BYTES];
	if (!settle(p))
		return;
	size_t length = point_record(p, record);
	CHECK(point_record_parse(&back, record, length));
	CHECK_OP(point_record(&back, other), ==, length);
	CHECK(memcmp(record, other, length) == 0);
	CHECK(!point_record_parse(&back, record, length - 1));
	CHECK_OP(point_changes(p, p, changes), ==, (size_t)0);
	CHECK(point_changes(NULL, p, changes) > 0);
}

static void check_point(const char *json, size_t bytes)
{
	char cause[FIELD_CAUSE_BYTES] = "";
	if (!point_line_parse(&line, NULL, json, bytes, cause)) {
		CHECK(cause[0] != '\0');
		return;
	}
	CHECK_OP(line.point.installation_count, <=, (uint32_t)INSTALLATIONS_MAX);
	if (line.point.id[0] == '\0')
		return;
	size_t length = point_json(&line.point, shown);
	CHECK(point_line_parse(&again, NULL, shown, length, cause));
	CHECK_OP(point_json(&again.point, twice), ==, length);
	CHECK(memcmp(shown, twice, length) == 0);
	check_record(&line.point);
}

static void check_customer(const char *json, size_t bytes)
{
	char cause[FIELD_CAUSE_BYTES] = "", text[CUSTOMER_JSON_BYTES];
	uint8_t record[CUSTOMER_RECORD_BYTES];
	struct customer c = {0}, other = {0};
	uint32_t given = 0;
	if (!fields_parse(&customer_fields, &c, json, bytes, &given, cause)) {
		CHECK(cause[0] != '\0');
		return;
	}
	if (c.id[0] == '\0')
		return;
	given = 0;
	size_t length = customer_json(&c, text);
	CHECK(fields_parse(&customer_fields, &other, text, length, &given, cause));
	length = customer_record(&c, record);
	CHECK(customer_record_parse(&other, record, length));
	for (int f = 0; f < CUSTOMER_FIELD_COUNT; f++)
		CHECK(fields_equal(&customer_fields, &c, &other, f));
	CHECK(!customer_record_parse(&other, record, length - 1));
}

static void check_ratio(const uint8_t *data, size_t bytes)
{
	char text[RATIO_TEXT_BYTES] = "", out[RATIO_TEXT_BYTES];
	struct ratio r, same;
	memcpy(text, data, bytes < sizeof text - 1 ? bytes : sizeof text - 1);
	if (!ratio_parse(text, &r))
		return;
	CHECK(r.numerator >= 1 && r.denominator >= 1);
	CHECK(ratio_parse(ratio_format(&r, out), &same));
	CHECK_OP(r.numerator, ==, same.numerator);
	CHECK_OP(r.denominator, ==, same.denominator);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct json_split s;
	struct customer c;
	json_split_init(&s, (const char *)data, bytes);
	while (json_split_next(&s)) {
		if (s.wrong)
			continue;
		check_point(s.text, s.bytes);
		check_customer(s.text, s.bytes);
	}
	if (point_record_parse(&back, data, bytes)) {
		CHECK(back.id[0] != '\0');
		point_json(&back, shown);
	}
	if (customer_record_parse(&c, data, bytes))
		CHECK(c.id[0] != '\0');
	check_ratio(data, bytes);
	return 0;
}
