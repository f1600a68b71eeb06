/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoders share: messages, readings under construction, ids.
 * Thread: the io worker. Memory: taken in decoder_new. Never logs, never reads a clock.
 */
#include "ingest/build.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ingest/sparkplug.h"

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: what RFC 3339 can say, and so anybody. */
#define TIME_MIN_MS (-62167219200000)
#define TIME_MAX_MS 253402300799999
/* A gateway can't have collected later than now; its clock may be this much ahead of ours. */
#define COLLECTED_AHEAD_MS 60000
#define GROUP_NONE UINT16_MAX

struct decoder *decoder_new(const struct decoder_config *config, struct counters *counters)
{
	struct decoder *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->counters = counters;
	d->key = hash_key_random();
	if (config->nodes > 0) {
		d->sparkplug = sparkplug_new(config->nodes, config->aliases, counters);
		if (!d->sparkplug) {
			decoder_free(d);
			return NULL;
		}
	}
	return d;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	sparkplug_free(d->sparkplug);
	free(d);
}

uint64_t decoder_memory(const struct decoder_config *config)
{
	uint64_t bytes = sizeof(struct decoder);
	if (config->nodes > 0)
		bytes += sparkplug_memory(config->nodes, config->aliases);
	return bytes;
}

const uint8_t *decode_id(const struct decoder *d, const uint8_t *payload, const struct reading *r)
{
	if (r->id_apart)
		return d->text + r->id_offset;
	return payload + (uint16_t)(r->raw_offset + r->id_offset);
}

struct id_place build_id_apart(struct decoder *d, const void *head, uint32_t head_bytes,
                               const void *tail, uint32_t tail_bytes)
{
	uint32_t bytes = head_bytes + tail_bytes;

	if (bytes == 0 || bytes > DEVICE_ID_BYTES || bytes > sizeof d->text - d->text_bytes)
		return (struct id_place){0};
	struct id_place id = {(uint16_t)d->text_bytes, (uint8_t)bytes, true};
	memcpy(d->text + d->text_bytes, head, head_bytes);
	if (tail_bytes > 0)
		memcpy(d->text + d->text_bytes + head_bytes, tail, tail_bytes);
	d->text_bytes += bytes;
	return id;
}

/* The n-th level of a topic or path, from 1; a leading '/' begins no level. */
static struct id_place topic_level(struct decoder *d, const char *topic, uint32_t bytes,
                                   uint32_t level)
{
	const char *at = topic, *end = topic + bytes;

	if (at < end && *at == '/')
		at++;
	for (;;) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		const char *stop = slash ? slash : end;
		if (--level == 0)
			return build_id_apart(d, at, (uint32_t)(stop - at), NULL, 0);
		if (!slash)
			return (struct id_place){0};
		at = slash + 1;
	}
}

void build_init(struct message *m, struct decoder *d, const struct decode_plan *plan,
                const struct decode_source *in, struct reading *out, uint32_t out_max)
{
	uint32_t kept = in->bytes < PAYLOAD_BYTES_MAX ? in->bytes : PAYLOAD_BYTES_MAX;

	CHECK_OP(out_max, >, 0u);
	d->text_bytes = 0;
	m->decoder = d;
	m->plan = plan;
	m->payload = in->payload;
	m->end = in->payload + kept;
	m->received_ms = in->received_ms;
	m->out = out;
	m->count = 0;
	m->max = out_max < READINGS_PER_MESSAGE ? out_max : READINGS_PER_MESSAGE;
	m->overflow = false;
	m->grouped = false;
	m->last = 0;
	m->id = (struct id_place){0};
	if (plan->profile->device_source == DEVICE_FROM_TOPIC &&
	    plan->profile->format != FORMAT_SPARKPLUG)
		m->id = topic_level(d, in->topic, in->topic_bytes, plan->profile->topic_level);
}

void build_again(const struct message *m, struct reading *r, const uint8_t *raw)
{
	memset(r, 0, sizeof *r);
	r->received_ms = m->received_ms;
	r->device = DEVICE_NONE;
	r->ticket = TICKET_NONE;
	r->profile = m->plan->profile->id;
	r->raw_offset = (uint16_t)(raw - m->payload);
	if (m->id.bytes > 0)
		build_set_id(r, m->id);
}

struct reading *build_reading(struct message *m, const uint8_t *raw)
{
	if (m->count == m->max) {
		m->overflow = true;
		return NULL;
	}
	m->decoder->present[m->count] = 0;
	struct reading *r = &m->out[m->count++];
	build_again(m, r, raw);
	return r;
}

void build_reject_rest(struct message *m, const uint8_t *p)
{
	struct reading *r = build_reading(m, p);

	if (!r)
		return;
	r->fate = FATE_REJECT_PAYLOAD;
	build_span(m, r, m->end);
}

uint32_t build_reject_all(struct message *m, enum fate fate)
{
	m->count = 0;
	struct reading *r = build_reading(m, m->payload);
	r->fate = (uint8_t)fate;
	build_span(m, r, m->end);
	return 1;
}

void build_time(struct reading *r, enum field_role role, int64_t ms)
{
	if (ms < TIME_MIN_MS || ms > TIME_MAX_MS) {
		refuse(r, FATE_REJECT_FIELD);
		return;
	}
	if (role == FIELD_TIMESTAMP) {
		r->meter_ts_ms = ms;
		return;
	}
	int64_t delta = ms - r->received_ms;
	if (delta > COLLECTED_AHEAD_MS) {
		refuse(r, FATE_REJECT_FIELD);
		return;
	}
	r->collected_delta_ms = delta < INT32_MIN ? INT32_MIN : (int32_t)delta;
	r->flags |= READING_F_COLLECTED;
}

/* The channels that have a value, in the profile's order. Mostly all from the first on do. */
static void gather_channels(const struct decode_plan *plan, struct reading *r)
{
	uint32_t slots = r->channel_count;
	uint8_t count = 0;

	if ((slots & (slots + 1)) == 0) {
		count = (uint8_t)__builtin_popcount(slots);
		put_le64(r->channel, plan->channels & (UINT64_MAX >> (64 - 8 * count)));
		r->channel_count = count;
		return;
	}
	for (; slots; slots &= slots - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(slots);
		r->channel[count] = plan->profile->channels[slot].channel;
		r->value[count++] = r->value[slot];
	}
	for (uint32_t i = count; i < READING_CHANNELS; i++)
		r->value[i] = 0;
	r->channel_count = count;
}

static void drop_channels(struct reading *r)
{
	r->channel_count = 0;
	memset(r->value, 0, sizeof r->value);
}

void build_end(struct message *m, struct reading *r)
{
	uint32_t required = m->plan->required;

	if ((*build_present(m, r) & required) != required || r->channel_count == 0 ||
	    (m->plan->needs_id && r->id_bytes == 0))
		refuse(r, FATE_REJECT_MISSING);
	if (r->fate == FATE_PENDING)
		gather_channels(m->plan, r);
	else
		drop_channels(r);
	if (r->meter_ts_ms < TIME_MIN_MS || r->meter_ts_ms > TIME_MAX_MS)
		r->meter_ts_ms = 0;
}

/* --- records in any order --- */

static const uint8_t *id_bytes_of(const struct message *m, struct id_place id)
{
	return (id.apart ? m->decoder->text : m->payload) + id.offset;
}

static bool is_of(const struct message *m, const struct reading *r, struct id_place id,
                  int64_t ts_ms)
{
	return r->meter_ts_ms == ts_ms && r->id_bytes == id.bytes &&
	       memcmp(decode_id(m->decoder, m->payload, r), id_bytes_of(m, id), id.bytes) == 0;
}

/* The slot of an identity, or the free one where it would go. */
static uint16_t *group_slot(const struct message *m, const uint8_t *id, uint32_t bytes,
                            int64_t ts_ms)
{
	struct decoder *d = m->decoder;
	uint64_t hash = siphash13(d->key, id, bytes) + (uint64_t)ts_ms * 0x9E3779B97F4A7C15u;
	uint32_t i = (uint32_t)(hash >> 32) % GROUP_SLOTS;

	while (d->group[i] != GROUP_NONE) {
		const struct reading *r = &m->out[d->group[i]];
		if (r->meter_ts_ms == ts_ms && r->id_bytes == bytes &&
		    memcmp(decode_id(d, m->payload, r), id, bytes) == 0)
			break;
		i = (i + 1) % GROUP_SLOTS;
	}
	return &d->group[i];
}

/* From the first record on that neither continues the last reading nor begins in order. */
static void group_begin(struct message *m)
{
	memset(m->decoder->group, 0xff, sizeof m->decoder->group);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct reading *r = &m->out[i];
		*group_slot(m, decode_id(m->decoder, m->payload, r), r->id_bytes,
		            r->meter_ts_ms) = (uint16_t)i;
	}
	m->grouped = true;
}

static struct reading *group_new(struct message *m, struct id_place id, int64_t ts_ms)
{
	struct reading *r = build_reading(m, m->payload);

	if (!r)
		return NULL;
	build_set_id(r, id);
	r->meter_ts_ms = ts_ms;
	if (ts_ms < TIME_MIN_MS || ts_ms > TIME_MAX_MS)
		refuse(r, FATE_REJECT_FIELD);
	build_span(m, r, m->end);
	m->last = m->count - 1;
	return r;
}

struct reading *build_group(struct message *m, struct id_place id, int64_t ts_ms)
{
	if (m->count == 0)
		return group_new(m, id, ts_ms);
	if (is_of(m, &m->out[m->last], id, ts_ms))
		return &m->out[m->last];
	/* records by channel: the same times again, in the same order */
	uint32_t next = m->last + 1 < m->count ? m->last + 1 : 0;
	if (is_of(m, &m->out[next], id, ts_ms)) {
		m->last = next;
		return &m->out[next];
	}
	if (!m->grouped)
		group_begin(m);
	uint16_t *slot = group_slot(m, id_bytes_of(m, id), id.bytes, ts_ms);
	if (*slot == GROUP_NONE) {
		*slot = (uint16_t)m->count;
		return group_new(m, id, ts_ms);
	}
	m->last = *slot;
	return &m->out[m->last];
}

/* --- all formats --- */

uint32_t decode_run(struct decoder *d, const struct decode_plan *plan,
                    const struct decode_source *in, struct reading *out, uint32_t out_max)
{
	struct message m;

	build_init(&m, d, plan, in, out, out_max);
	if (in->bytes > PAYLOAD_BYTES_MAX)
		return build_reject_all(&m, FATE_REJECT_OVERSIZE);
	switch (plan->profile->format) {
	case FORMAT_SENML:
		return decode_senml(&m);
	case FORMAT_CBOR:
		return decode_cbor(&m);
	case FORMAT_SPARKPLUG:
		return decode_sparkplug(&m, in);
	default:
		return decode_json(&m);
	}
}

void decode_commit(struct decoder *d, const struct decode_plan *plan,
                   const struct decode_source *in)
{
	if (plan->profile->format == FORMAT_SPARKPLUG && d->sparkplug)
		sparkplug_commit(d->sparkplug, plan, in);
}

void decode_count(struct counters *counters, const struct reading *readings, uint32_t count)
{
	uint64_t decoded = 0, rounded = 0;

	for (uint32_t i = 0; i < count; i++) {
		decoded += readings[i].fate == FATE_PENDING;
		rounded += (readings[i].flags & READING_F_ROUNDED) != 0;
	}
	counter_add(counters, COUNTER_INGEST_MESSAGES, 1);
	counter_add(counters, COUNTER_INGEST_SPARKPLUG_STATES, count == 0);
	counter_add(counters, COUNTER_INGEST_DECODED, decoded);
	counter_add(counters, COUNTER_INGEST_UNDECODED, count - decoded);
	counter_add(counters, COUNTER_INGEST_ROUNDED, rounded);
}
