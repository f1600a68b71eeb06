/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payloads to readings, in one pass over the packet's bytes: no DOM, no allocation. Numbers are
 * scaled to canonical integers exactly; what is finer than the unit is rounded half to even and
 * flagged. docs/PAYLOADS.md describes the formats.
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

/* What a worker keeps between messages: work space, and Sparkplug's edge nodes. Taken at start,
 * used by one thread. */
struct decoder_config {
	uint32_t nodes;   /* Sparkplug edge nodes remembered; 0: no profile needs them */
	uint32_t aliases; /* of their metrics, all together */
};
struct decoder;
struct decoder *decoder_new(const struct decoder_config *config, struct counters *counters);
void decoder_free(struct decoder *d);
uint64_t decoder_memory(const struct decoder_config *config);

/* One message. */
struct decode_source {
	const uint8_t *payload;
	uint32_t bytes;
	const char *topic; /* MQTT topic or CoAP path */
	uint32_t topic_bytes;
	int64_t received_ms;
};

/*
 * Decode a message in the format of its profile. Fills out[0..n) and returns n, at most out_max;
 * 0 only for Sparkplug messages that carry no reading by their nature.
 * Every byte of the payload ends in some reading: a good element is FATE_PENDING; an element with
 * missing or wrong fields has its rejection as fate; what can't be parsed is one
 * FATE_REJECT_PAYLOAD. An empty array or payload is one FATE_REJECT_EMPTY; more than out_max
 * elements are one FATE_REJECT_OVERSIZE in all.
 * Sets meter_ts_ms, received_ms, collected_delta_ms, raw_offset and raw_bytes (relative to the
 * payload), id_offset, id_bytes and id_apart (see decode_id), profile, channels, values, flags,
 * fate. The caller sets the rest.
 *
 * In detail, for JSON: raw spans lie in the payload's order and leave out only white space, commas
 * and the array's brackets between elements (and the keys of FORMAT_JSON with DEVICE_FROM_KEY).
 * FATE_REJECT_PAYLOAD spans from the element at fault to the payload's end. A payload that ends
 * too early inside an array, or goes on after its value, has a last entry FATE_REJECT_PAYLOAD from
 * there to the end (which may be empty). An element that is no object, a member given twice, a
 * number beyond int64_t, an escape in a device id: FATE_REJECT_FIELD. No channel at all:
 * FATE_REJECT_MISSING. A rejected element keeps its id, if one was found, and has no channels. A
 * payload above PAYLOAD_BYTES_MAX is FATE_REJECT_OVERSIZE and its span is cut there.
 * The compact batch: the same, by rows. SenML and Sparkplug: every reading's span is the whole
 * payload, since base values and names of one record count for others.
 */
uint32_t decode_run(struct decoder *d, const struct decode_plan *plan,
                    const struct decode_source *in, struct reading *out, uint32_t out_max);

/* The message that decode_run has just seen was taken: what it says about its edge node counts
 * from now on. (A message that found no room is decoded again later.) */
void decode_commit(struct decoder *d, const struct decode_plan *plan,
                   const struct decode_source *in);

/* Where a reading's device id stands; valid until the next decode_run. */
const uint8_t *decode_id(const struct decoder *d, const uint8_t *payload, const struct reading *r);

/* Count what decode_run returned for one message. By the thread that owns the counters. */
void decode_count(struct counters *counters, const struct reading *readings, uint32_t count);

/* RFC 3339 time with up to 9 fractional digits (cut to ms) to ms since 1970; false: malformed. */
bool decode_rfc3339(const char *text, uint32_t bytes, int64_t *ms);

/* The same, faster for dates like the last one. */
struct decode_date {
	char text[10];   /* "2025-06-15"; zeros: none */
	int64_t seconds; /* of its beginning, since 1970 */
};
bool decode_rfc3339_after(struct decode_date *date, const char *text, uint32_t bytes, int64_t *ms);

#endif
