/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary text as CSV. Oracles: fields lie in the row's own memory, lines rise and stay within
 * the text's, and good rows written out again and read once more are the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The row as RFC 4180 text, every field in quotes. Returns its length. */
static size_t write_row(const struct csv *c, char *out)
{
	char *at = out;
	for (uint32_t i = 0; i < c->field_count; i++) {
		if (i)
			*at++ = ',';
		*at++ = '"';
		for (uint32_t k = 0; k < c->fields[i].bytes; k++) {
			if (c->fields[i].text[k] == '"')
				*at++ = '"';
			*at++ = c->fields[i].text[k];
		}
		*at++ = '"';
	}
	return (size_t)(at - out);
}

static void check_again(const struct csv *c)
{
	static struct csv again;
	static char text[2 * CSV_ROW_BYTES_MAX + 3 * CSV_FIELDS_MAX];
	csv_init(&again, text, write_row(c, text));
	CHECK(csv_next(&again));
	CHECK(!again.wrong);
	CHECK_OP(again.field_count, ==, c->field_count);
	for (uint32_t i = 0; i < c->field_count; i++) {
		CHECK_OP(again.fields[i].bytes, ==, c->fields[i].bytes);
		CHECK(memcmp(again.fields[i].text, c->fields[i].text, c->fields[i].bytes) == 0);
	}
	CHECK(!csv_next(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct csv c;
	uint64_t lines = 1, last = 0;
	for (size_t i = 0; i < bytes; i++)
		lines += data[i] == '\n';
	csv_init(&c, (const char *)data, bytes);
	while (csv_next(&c)) {
		CHECK_OP(c.line, >, last);
		CHECK_OP(c.line, <=, lines);
		last = c.line;
		if (c.wrong)
			continue;
		CHECK_OP(c.field_count, >, 0u);
		for (uint32_t i = 0; i < c.field_count; i++) {
			CHECK(c.fields[i].text >= c.bytes);
			CHECK(c.fields[i].text + c.fields[i].bytes <= c.bytes + c.used);
		}
		check_again(&c);
	}
	CHECK(c.at == c.end);
	return 0;
}
