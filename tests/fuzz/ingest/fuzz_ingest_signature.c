/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_payload's own search for signatures. Input: an expression, a line feed, a payload.
 * Oracle: Hyperscan, which is made to answer by a group around the same expression.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ingest/match.h"
#include "ingest/signature.h"

#define EXPRESSION_MAX 40
#define PAYLOAD_MAX    300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct profile_set set;
	struct profile *own = &set.profiles[0], *other = &set.profiles[1];
	const uint8_t *line = memchr(data, '\n', bytes);
	struct matcher *m = NULL;
	struct match_scratch *s;
	struct signature text;
	struct error err;

	if (!line || line - data > EXPRESSION_MAX || bytes > PAYLOAD_MAX ||
	    memchr(data, '\0', (size_t)(line - data)))
		return 0;
	set.count = 2;
	snprintf(own->signature, sizeof own->signature, "%.*s", (int)(line - data), data);
	snprintf(other->signature, sizeof other->signature, "(?:%.*s)",
	         (int)(line - data), data);
	if (!signature_parse(own->signature, &text))
		return 0;
	CHECK(matcher_new(&set, &m, &err) == RESULT_OK);
	CHECK(match_scratch_new(m, &s, &err) == RESULT_OK);
	const uint8_t *payload = line + 1;
	uint32_t count = (uint32_t)(data + bytes - payload);
	bool found = match_payload(m, s, 1, payload, count) == own;
	CHECK_OP(found, ==, match_payload(m, s, 2, payload, count) == other);
	match_scratch_free(s);
	matcher_free(m);
	return 0;
}
