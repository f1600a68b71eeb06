/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings under construction: what the decoders of all formats share. Never leaves this folder.
 *
 * While a reading is being built, value[slot] is by the profile's slot and channel_count is a set
 * of slots (bit i: value[i] is there); build_end gathers them. `present` has a bit for each field
 * of the profile that was seen.
 */
#ifndef HEADRACE_INGEST_BUILD_H
#define HEADRACE_INGEST_BUILD_H

#include "base/check.h"
#include "base/hash.h"
#include "ingest/decimal.h"
#include "ingest/decode.h"
#include "ingest/plan.h"
#include "ingest/shape.h"

_Static_assert(READING_CHANNELS <= 8, "channel_count holds a set of slots");

#define GROUP_SLOTS (2 * READINGS_PER_MESSAGE)
#define SHAPE_PLANS 8 /* shapes are kept by plan; plans that share a place are slower */
#define SHAPE_WAYS  2 /* of one plan: alone and in arrays, live and replayed */

struct sparkplug;

struct decoder {
	struct counters *counters;
	struct sparkplug *sparkplug; /* NULL: no nodes */
	struct hash_key key;
	struct decode_date date; /* of the last time in text */
	struct shape shapes[SHAPE_PLANS][SHAPE_WAYS];
	uint8_t shape_last[SHAPE_PLANS]; /* the way that fitted last: it is tried first */
	uint32_t text_bytes;                                /* used of text, by this message */
	uint8_t text[READINGS_PER_MESSAGE * DEVICE_ID_BYTES]; /* ids that stand nowhere else */
	uint32_t present[READINGS_PER_MESSAGE];
	uint16_t group[GROUP_SLOTS]; /* readings by device and time; see build_group */
};

/* A device id: in the payload, or apart in the decoder's text. */
struct id_place {
	uint16_t offset;
	uint8_t bytes; /* 0: none */
	bool apart;
};

struct message {
	struct decoder *decoder;
	const struct decode_plan *plan;
	const uint8_t *payload;
	const uint8_t *end;
	int64_t received_ms;
	struct reading *out;
	uint32_t count, max;
	bool overflow; /* there was no room for another reading */
	bool grouped;  /* decoder->group is in use */
	uint32_t last; /* reading that build_group gave last */
	struct id_place id; /* of all readings, unless they say otherwise */
};

static inline void refuse(struct reading *r, enum fate fate)
{
	if (r->fate == FATE_PENDING)
		r->fate = (uint8_t)fate;
}

void build_init(struct message *m, struct decoder *d, const struct decode_plan *plan,
                const struct decode_source *in, struct reading *out, uint32_t out_max);

/* A new reading whose raw bytes begin at `raw`. NULL: no room. */
struct reading *build_reading(struct message *m, const uint8_t *raw);
/* Begin the same reading anew. */
void build_again(const struct message *m, struct reading *r, const uint8_t *raw);

static inline uint32_t *build_present(struct message *m, const struct reading *r)
{
	return &m->decoder->present[r - m->out];
}

static inline void build_set_id(struct reading *r, struct id_place id)
{
	r->id_bytes = id.bytes;
	r->id_apart = id.apart;
	r->id_offset = id.apart ? id.offset : (uint16_t)(id.offset - r->raw_offset);
}

static inline void build_span(const struct message *m, struct reading *r, const uint8_t *after)
{
	r->raw_bytes = (uint16_t)(after - m->payload - r->raw_offset);
}

/* Copy an id to the decoder's text; no bytes when it is empty or too long. */
struct id_place build_id_apart(struct decoder *d, const void *head, uint32_t head_bytes,
                               const void *tail, uint32_t tail_bytes);

/* The reading of this device and time in a message whose records may come in any order; a new one
 * when there is none. NULL: no room. */
struct reading *build_group(struct message *m, struct id_place id, int64_t ts_ms);

/* The meter's time or the collection time. */
void build_time(struct reading *r, enum field_role role, int64_t ms);

/* Fields that the profile requires, some channel, an id; gathers the channels. */
void build_end(struct message *m, struct reading *r);

/* All from `p` to the payload's end is one reading that can't be parsed. */
void build_reject_rest(struct message *m, const uint8_t *p);
/* The whole payload is one reading with this fate. Returns 1. */
uint32_t build_reject_all(struct message *m, enum fate fate);

/* Put a scaled number into its channel. */
static inline void build_channel(struct reading *r, const struct profile_field *field,
                                 enum decimal_result result)
{
	if (result == DECIMAL_ROUNDED)
		r->flags |= READING_F_ROUNDED;
	else if (result == DECIMAL_OVERFLOW)
		refuse(r, FATE_REJECT_FIELD);
	r->channel_count |= (uint8_t)(1u << field->slot);
}

/* The formats. As decode_run, with a payload of 1 to PAYLOAD_BYTES_MAX bytes. */
uint32_t decode_json(struct message *m);
uint32_t decode_cbor(struct message *m);
uint32_t decode_senml(struct message *m);
uint32_t decode_sparkplug(struct message *m, const struct decode_source *in);

#endif
