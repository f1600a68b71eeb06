/* SPDX-License-Identifier: Apache-2.0 */
/* One message through decode_run, with a decoder of the program's own that lives to its end. */
#ifndef HEADRACE_TESTS_SUPPORT_DECODE_H
#define HEADRACE_TESTS_SUPPORT_DECODE_H

#include "base/check.h"
#include "ingest/decode.h"

static inline struct decoder *test_decoder(void)
{
	static struct counters counters;
	static struct decoder *decoder;
	if (!decoder)
		decoder = decoder_new(&(struct decoder_config){4, 64}, &counters);
	CHECK(decoder != NULL);
	return decoder;
}

static inline uint32_t test_decode(const struct decode_plan *plan, const uint8_t *payload,
                                   uint32_t bytes, int64_t received_ms, struct reading *out,
                                   uint32_t max)
{
	struct decode_source in = {payload, bytes, "meters/M-1/telemetry", 20, received_ms};
	return decode_run(test_decoder(), plan, &in, out, max);
}

#endif
