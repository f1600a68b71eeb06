/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API client may send as a time or a decimal number. Oracles: a time that is taken and
 * written is taken again as the same; a decimal that is taken and written has the same value.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "control/api/text.h"
#include "control/config/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char out[TIME_TEXT_BYTES], number[DECIMAL_BYTES];
	int64_t ms, again, value;
	char *text = malloc(bytes + 1);
	if (!text)
		return 0;
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	if (time_parse(text, &ms)) {
		/* an offset may reach beyond the years that have four digits */
		time_format(ms, out);
		if (ms >= -30000000000000ll && ms < 253402300800000ll) {
			CHECK(time_parse(out, &again));
			CHECK_OP(again, ==, ms);
		}
	}
	for (int pow10 = 0; pow10 <= 18; pow10 += 3)
		if (decimal_parse(text, pow10, &value)) {
			CHECK(decimal_parse(decimal_format(value, (unsigned)pow10, number), pow10,
			                    &again));
			CHECK_OP(again, ==, value);
		}
	struct text t = {.bytes_max = 4096};
	text_json(&t, text, bytes);
	text_csv(&t, text);
	for (size_t i = 0; i < t.used;) {
		/* bytes of a CSV field pass as they are, JSON is valid UTF-8 */
		uint32_t length = utf8_length((const uint8_t *)t.data + i, t.used - i);
		if (length == 0)
			break;
		i += length;
	}
	CHECK_OP(t.used, <=, (size_t)4096);
	text_free(&t);
	free(text);
	return 0;
}
