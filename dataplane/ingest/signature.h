/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payload signatures that need no expression engine: texts with `\s*` between them, anywhere in the
 * payload. They are what profiles are told apart by ('"kWh"\s*:'), and a search for a text costs a
 * tenth of a scan that may be asked for anything. Never leaves this folder.
 *
 * In: the expression, then payloads. No memory, no state, any thread. Never looks behind the
 * payload.
 */
#ifndef HEADRACE_INGEST_SIGNATURE_H
#define HEADRACE_INGEST_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/profile.h"

#define SIGNATURE_PARTS_MAX 4

/* The texts one after the other; between two of them white space may stand. */
struct signature {
	uint32_t part_count; /* 0: not of this kind */
	uint8_t part_bytes[SIGNATURE_PARTS_MAX];
	char text[PROFILE_MATCH_BYTES];
};

/* False: the expression says more than that, and `out` has no parts. */
bool signature_parse(const char *expression, struct signature *out);

/* Is it in the payload? */
bool signature_find(const struct signature *s, const uint8_t *payload, uint32_t bytes);

#endif
