/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to readings, one pass. In: a payload and its profile's plan. Out: readings, one for each
 * element, whose raw spans lie in order, don't overlap, and leave out nothing but the white space,
 * commas and brackets between elements.
 * Thread: the io worker. Memory: the caller's and the stack (json.h bounds the recursion).
 * Never looks behind the payload, never logs, never reads a clock.
 */
#include "ingest/decode.h"

#include "base/bytes.h"
#include "base/check.h"
#include "ingest/decimal.h"
#include "ingest/json.h"
#include "ingest/plan.h"

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: what RFC 3339 can say, and so anybody. */
#define TIME_MIN_MS (-62167219200000)
#define TIME_MAX_MS 253402300799999
/* A gateway can't have collected later than now; its clock may be this much ahead of ours. */
#define COLLECTED_AHEAD_MS 60000

struct message {
	const struct decode_plan *plan;
	const uint8_t *payload;
	const uint8_t *end;
	int64_t received_ms;
	struct reading *out;
	uint32_t count, max;
	bool overflow; /* there was no room for another reading */
};

/* One element on its way. */
struct element {
	const struct decode_plan *plan;
	const uint8_t *end;
	const uint8_t *raw;
	struct reading *reading;
	uint32_t present; /* bit i: the profile's fields[i] has a value */
	uint32_t slots;   /* bit i: value[i] is set */
	int64_t value[READING_CHANNELS];
	uint64_t seen[PLAN_SEEN_WORDS]; /* bit i: the plan's names[i] was there */
};

static void refuse(struct element *e, enum fate fate)
{
	if (e->reading->fate == FATE_PENDING)
		e->reading->fate = (uint8_t)fate;
}

/* A value of the wrong type is passed over, so that the rest can be judged. */
static const uint8_t *wrong_type(struct element *e, const uint8_t *p, uint32_t levels)
{
	refuse(e, FATE_REJECT_FIELD);
	return json_skip(p, e->end, levels);
}

static const uint8_t *take_device(struct element *e, const uint8_t *p)
{
	struct json_text id;

	p = json_string(p, e->end, &id);
	if (!p)
		return NULL;
	if (id.escaped || id.bytes == 0 || id.bytes > DEVICE_ID_BYTES) {
		refuse(e, FATE_REJECT_FIELD);
		return p;
	}
	e->reading->id_offset = (uint16_t)(id.data - e->raw);
	e->reading->id_bytes = (uint8_t)id.bytes;
	return p;
}

static const uint8_t *take_status(struct element *e, const struct profile_field *field,
                                  const uint8_t *p)
{
	struct json_text text;
	char plain[PROFILE_TEXT_BYTES];

	p = json_string(p, e->end, &text);
	if (!p)
		return NULL;
	size_t bytes = strnlen(field->good, sizeof field->good);
	bool good;
	if (text.escaped)
		good = json_unescape(&text, plain, sizeof plain) == (int32_t)bytes &&
		       memcmp(plain, field->good, bytes) == 0;
	else
		good = text.bytes == bytes && memcmp(text.data, field->good, bytes) == 0;
	if (!good)
		e->reading->flags |= READING_F_STATUS;
	return p;
}

static const uint8_t *take_tamper(struct element *e, const uint8_t *p, uint32_t levels)
{
	if (*p == 't') {
		e->reading->flags |= READING_F_TAMPER;
		return json_word(p, e->end, "true", 4);
	}
	return *p == 'f' ? json_word(p, e->end, "false", 5) : wrong_type(e, p, levels);
}

static void set_time(struct element *e, enum field_role role, int64_t ms)
{
	struct reading *r = e->reading;

	if (ms < TIME_MIN_MS || ms > TIME_MAX_MS) {
		refuse(e, FATE_REJECT_FIELD);
		return;
	}
	if (role == FIELD_TIMESTAMP) {
		r->meter_ts_ms = ms;
		return;
	}
	int64_t delta = ms - r->received_ms;
	if (delta > COLLECTED_AHEAD_MS) {
		refuse(e, FATE_REJECT_FIELD);
		return;
	}
	r->collected_delta_ms = delta < INT32_MIN ? INT32_MIN : (int32_t)delta;
	r->flags |= READING_F_COLLECTED;
}

static const uint8_t *take_time(struct element *e, const struct profile_field *field,
                                const uint8_t *p, uint32_t levels)
{
	struct json_text text;
	struct decimal number;
	int64_t ms = 0;
	bool good;

	if (field->time_format == TIME_ISO8601) {
		if (*p != '"')
			return wrong_type(e, p, levels);
		p = json_string(p, e->end, &text);
		if (!p)
			return NULL;
		good = decode_rfc3339((const char *)text.data, text.bytes, &ms);
	} else {
		if (*p != '-' && (uint8_t)(*p - '0') > 9)
			return wrong_type(e, p, levels);
		p = decimal_scan(p, e->end, &number);
		if (!p)
			return NULL;
		int32_t scale = field->time_format == TIME_EPOCH_S ? 3 : 0;
		good = decimal_scale(&number, scale, &ms) != DECIMAL_OVERFLOW;
	}
	if (good)
		set_time(e, field->role, ms);
	else
		refuse(e, FATE_REJECT_FIELD);
	return p;
}

static const uint8_t *take_channel(struct element *e, const struct profile_field *field,
                                   const uint8_t *p, uint32_t levels)
{
	struct decimal number;

	if (*p != '-' && (uint8_t)(*p - '0') > 9)
		return wrong_type(e, p, levels);
	p = decimal_scan(p, e->end, &number);
	if (!p)
		return NULL;
	switch (decimal_scale(&number, field->scale_pow10, &e->value[field->slot])) {
	case DECIMAL_ROUNDED:
		e->reading->flags |= READING_F_ROUNDED;
		break;
	case DECIMAL_OVERFLOW:
		refuse(e, FATE_REJECT_FIELD);
		break;
	case DECIMAL_EXACT:
		break;
	}
	e->slots |= 1u << field->slot;
	return p;
}

/* The value of a field that the profile names. null stands for an absent field. */
static const uint8_t *take_field(struct element *e, uint16_t index, const uint8_t *p,
                                 uint32_t levels)
{
	const struct profile_field *field = &e->plan->profile->fields[index];

	if (p == e->end)
		return NULL;
	if (*p == 'n')
		return json_word(p, e->end, "null", 4);
	e->present |= 1u << index;
	switch (field->role) {
	case FIELD_DEVICE:
		return *p == '"' ? take_device(e, p) : wrong_type(e, p, levels);
	case FIELD_TIMESTAMP:
	case FIELD_COLLECTED:
		return take_time(e, field, p, levels);
	case FIELD_CHANNEL:
		return take_channel(e, field, p, levels);
	case FIELD_STATUS:
		return *p == '"' ? take_status(e, field, p) : wrong_type(e, p, levels);
	case FIELD_TAMPER:
		return take_tamper(e, p, levels);
	case FIELD_IGNORED:
		break;
	}
	return json_skip(p, e->end, levels);
}

static const uint8_t *take_object(struct element *e, uint16_t node, const uint8_t *p,
                                  uint32_t levels);

/* The value of a member whose name is in the plan. */
static const uint8_t *take_member(struct element *e, uint16_t index, const uint8_t *p,
                                  uint32_t levels)
{
	const struct plan_name *name = &e->plan->names[index];
	uint64_t bit = 1ull << index % 64;

	if (e->seen[index / 64] & bit)
		return wrong_type(e, p, levels); /* RFC 8259 §4: names should be unique */
	e->seen[index / 64] |= bit;
	if (name->node != PLAN_NONE && p < e->end && *p == '{')
		return take_object(e, name->node, p, levels);
	if (name->field != PLAN_NONE)
		return take_field(e, name->field, p, levels);
	if (p < e->end && *p == 'n')
		return json_word(p, e->end, "null", 4);
	return wrong_type(e, p, levels);
}

/*
 * Is `name` at p, up to its closing quote? Then the place behind that. Two words decide about names
 * of up to 16 bytes (a call of memcmp was a sixth of all decoding).
 */
static inline const uint8_t *expected_name(const struct plan_name *name, const uint8_t *p,
                                           const uint8_t *end)
{
	uint32_t bytes = name->bytes;
	bool same;

	if (!name->plain || end - p < (ptrdiff_t)bytes + 2 || p[bytes + 1] != '"')
		return NULL;
	if (bytes > 16 || end - p < 9)
		same = memcmp(p + 1, name->text, bytes) == 0;
	else
		same = ((get_le64(p + 1) ^ name->head) & name->head_mask) == 0 &&
		       (bytes <= 8 || get_le64(p + 1 + bytes - 8) == name->tail);
	return same ? p + bytes + 2 : NULL;
}

/* A member's name (p at its quote): *index is its place in the plan or PLAN_NONE. */
static const uint8_t *take_name(struct element *e, uint16_t node, uint16_t expected,
                                const uint8_t *p, uint16_t *index)
{
	struct json_text text;
	char plain[PROFILE_PATH_BYTES];

	if (p == e->end || *p != '"')
		return NULL;
	const uint8_t *after = NULL;
	if (expected != PLAN_NONE)
		after = expected_name(&e->plan->names[expected], p, e->end);
	if (after) {
		*index = expected;
		return after;
	}
	*index = PLAN_NONE;
	p = json_string(p, e->end, &text);
	if (!p)
		return NULL;
	if (text.escaped) {
		int32_t bytes = json_unescape(&text, plain, sizeof plain);
		if (bytes >= 0)
			*index = plan_find(e->plan, node, plain, (uint32_t)bytes);
	} else if (text.bytes < PROFILE_PATH_BYTES) {
		*index = plan_find(e->plan, node, (const char *)text.data, text.bytes);
	}
	return p;
}

/* An object of the plan: `p` is at its '{', `levels` counts it. */
static const uint8_t *take_object(struct element *e, uint16_t node, const uint8_t *p,
                                  uint32_t levels)
{
	const uint8_t *end = e->end;
	uint16_t expected = e->plan->nodes[node].first;
	uint16_t index;

	if (levels == 0)
		return NULL;
	p = json_space(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;) {
		p = take_name(e, node, expected, p, &index);
		if (!p)
			return NULL;
		p = json_space(p, end);
		if (p == end || *p != ':')
			return NULL;
		p = json_space(p + 1, end);
		if (index == PLAN_NONE) {
			p = json_skip(p, end, levels - 1);
		} else {
			p = take_member(e, index, p, levels - 1);
			expected = e->plan->names[index].next;
		}
		if (!p)
			return NULL;
		p = json_space(p, end);
		if (p == end || (*p != ',' && *p != '}'))
			return NULL;
		if (*p++ == '}')
			return p;
		p = json_space(p, end);
	}
}

/* NULL: no room. */
static struct reading *begin_reading(struct message *m, const uint8_t *raw)
{
	if (m->count == m->max) {
		m->overflow = true;
		return NULL;
	}
	struct reading *r = &m->out[m->count++];
	memset(r, 0, sizeof *r);
	r->received_ms = m->received_ms;
	r->device = DEVICE_NONE;
	r->ticket = TICKET_NONE;
	r->profile = m->plan->profile->id;
	r->raw_offset = (uint16_t)(raw - m->payload);
	return r;
}

static void end_reading(struct message *m, struct reading *r, const uint8_t *after)
{
	r->raw_bytes = (uint16_t)(after - m->payload - r->raw_offset);
}

/* All from `p` to the payload's end is one reading that can't be parsed. */
static void reject_rest(struct message *m, const uint8_t *p)
{
	struct reading *r = begin_reading(m, p);
	if (!r)
		return;
	r->fate = FATE_REJECT_PAYLOAD;
	end_reading(m, r, m->end);
}

/* The channels that have a value, in the profile's order. */
static void gather_channels(struct element *e)
{
	struct reading *r = e->reading;
	const struct profile *profile = e->plan->profile;

	for (uint32_t slots = e->slots; slots; slots &= slots - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(slots);
		r->channel[r->channel_count] = profile->channels[slot].channel;
		r->value[r->channel_count++] = e->value[slot];
	}
}

static void judge_element(struct element *e)
{
	if ((e->present & e->plan->required) != e->plan->required || e->slots == 0)
		refuse(e, FATE_REJECT_MISSING);
	if (e->reading->fate == FATE_PENDING)
		gather_channels(e);
}

/* The array's next element, or the only one. NULL: nothing can be parsed after it, or no room. */
static const uint8_t *take_element(struct message *m, const uint8_t *p, uint32_t levels)
{
	struct element e;

	e.reading = begin_reading(m, p);
	if (!e.reading)
		return NULL;
	e.plan = m->plan;
	e.end = m->end;
	e.raw = p;
	e.present = e.slots = 0;
	for (uint32_t i = 0; i < e.plan->seen_words; i++)
		e.seen[i] = 0;
	if (p < m->end && *p != '{') {
		p = wrong_type(&e, p, levels);
	} else if (p < m->end) {
		p = take_object(&e, 0, p, levels);
		if (p)
			judge_element(&e);
	} else {
		p = NULL;
	}
	if (!p)
		e.reading->fate = FATE_REJECT_PAYLOAD;
	end_reading(m, e.reading, p ? p : m->end);
	return p;
}

/* `p` is at the '['. As take_element. */
static const uint8_t *take_array(struct message *m, const uint8_t *p)
{
	const uint8_t *open = p;

	p = json_space(p + 1, m->end);
	if (p < m->end && *p == ']') {
		struct reading *r = begin_reading(m, open);
		if (!r)
			return NULL;
		r->fate = FATE_REJECT_EMPTY;
		end_reading(m, r, p + 1);
		return p + 1;
	}
	for (;;) {
		p = take_element(m, p, JSON_DEPTH_MAX - 1);
		if (!p)
			return NULL;
		p = json_space(p, m->end);
		if (p < m->end && *p == ']')
			return p + 1;
		if (p == m->end || *p != ',') {
			reject_rest(m, p);
			return NULL;
		}
		p = json_space(p + 1, m->end);
	}
}

static uint32_t reject_all(struct message *m, enum fate fate)
{
	m->count = 0;
	struct reading *r = begin_reading(m, m->payload);
	r->fate = (uint8_t)fate;
	end_reading(m, r, m->end);
	return 1;
}

uint32_t decode_json(const struct decode_plan *plan, const uint8_t *payload, uint32_t bytes,
                     int64_t received_ms, struct reading *out, uint32_t out_max)
{
	uint32_t kept = bytes < PAYLOAD_BYTES_MAX ? bytes : PAYLOAD_BYTES_MAX;
	struct message m = {
	    .plan = plan,
	    .payload = payload,
	    .end = payload + kept,
	    .received_ms = received_ms,
	    .out = out,
	    .max = out_max,
	};

	CHECK_OP(out_max, >, 0u);
	if (bytes > PAYLOAD_BYTES_MAX)
		return reject_all(&m, FATE_REJECT_OVERSIZE);
	const uint8_t *p = json_space(payload, m.end);
	if (p == m.end)
		return reject_all(&m, FATE_REJECT_EMPTY);
	if (*p == '[') {
		p = take_array(&m, p);
	} else if (*p == '{') {
		p = take_element(&m, p, JSON_DEPTH_MAX);
	} else {
		reject_rest(&m, p);
		p = NULL;
	}
	if (p) {
		p = json_space(p, m.end);
		if (p < m.end)
			reject_rest(&m, p);
	}
	return m.overflow ? reject_all(&m, FATE_REJECT_OVERSIZE) : m.count;
}

void decode_count(struct counters *counters, const struct reading *readings, uint32_t count)
{
	uint64_t decoded = 0, rounded = 0;

	for (uint32_t i = 0; i < count; i++) {
		decoded += readings[i].fate == FATE_PENDING;
		rounded += (readings[i].flags & READING_F_ROUNDED) != 0;
	}
	counter_add(counters, COUNTER_INGEST_MESSAGES, 1);
	counter_add(counters, COUNTER_INGEST_DECODED, decoded);
	counter_add(counters, COUNTER_INGEST_UNDECODED, count - decoded);
	counter_add(counters, COUNTER_INGEST_ROUNDED, rounded);
}
