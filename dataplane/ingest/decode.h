/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON payloads to readings, in one pass over the packet's bytes: no DOM, no allocation, no
 * floating point. Numbers are scaled to canonical integers exactly; what is finer than the unit
 * is rounded half to even and flagged.
 */
#ifndef HEADRACE_INGEST_DECODE_H
#define HEADRACE_INGEST_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/counters.h"
#include "contract/profile.h"
#include "contract/reading.h"

#define READINGS_PER_MESSAGE 1024

/* A profile's fields, arranged for look-up while parsing. Built at start, immutable; `profile`
 * must outlive it. Device id and timestamp count as required, whatever the profile says. */
struct decode_plan;
struct decode_plan *decode_plan_new(const struct profile *profile); /* NULL: no memory */
void decode_plan_free(struct decode_plan *plan);

/*
 * Decode one object or an array of them. Fills out[0..n) and returns n, 1 <= n <= out_max.
 * Every byte of the payload ends in some reading: a good element is FATE_PENDING; an element with
 * missing or wrong fields has its rejection as fate; what can't be parsed is one
 * FATE_REJECT_PAYLOAD that spans from the element at fault to the payload's end. An empty array or
 * payload is one FATE_REJECT_EMPTY; more than out_max elements are one FATE_REJECT_OVERSIZE in all.
 * Sets meter_ts_ms, received_ms, collected_delta_ms, raw_offset and raw_bytes (relative to the
 * payload), id_offset and id_bytes (relative to the raw bytes), profile, channels, values, flags,
 * fate. The caller sets the rest. Escapes in device ids are refused (FATE_REJECT_FIELD).
 *
 * In detail: raw spans lie in the payload's order and leave out only white space, commas and the
 * array's brackets between elements. A payload that ends too early inside an array, or goes on
 * after its value, has a last entry FATE_REJECT_PAYLOAD from there to the end (which may be empty).
 * An element that is no object, a member given twice, a number beyond int64_t: FATE_REJECT_FIELD.
 * No channel at all: FATE_REJECT_MISSING. A rejected element keeps its id, if one was found, and
 * has no channels. A payload above PAYLOAD_BYTES_MAX is FATE_REJECT_OVERSIZE and its span is cut
 * there.
 */
uint32_t decode_json(const struct decode_plan *plan, const uint8_t *payload, uint32_t bytes,
                     int64_t received_ms, struct reading *out, uint32_t out_max);

/* Count what decode_json returned for one message. By the thread that owns the counters. */
void decode_count(struct counters *counters, const struct reading *readings, uint32_t count);

/* RFC 3339 time with up to 9 fractional digits (cut to ms) to ms since 1970; false: malformed. */
bool decode_rfc3339(const char *text, uint32_t bytes, int64_t *ms);

#endif
