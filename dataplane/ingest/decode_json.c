/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to readings, one pass. In: a payload and its profile's plan. Out: readings, one for each
 * element, whose raw spans lie in order, don't overlap, and leave out nothing but the white space,
 * commas and brackets between elements.
 * Thread: the io worker. Memory: the caller's and the stack (json.h bounds the recursion).
 * Never looks behind the payload, never logs, never reads a clock.
 */
#include "base/bytes.h"
#include "ingest/build.h"
#include "ingest/decimal_short.h"
#include "ingest/json.h"

#define UTC_BYTES 20 /* "2025-06-15T14:15:00Z" */

/* What most elements don't need, kept out of the functions that all of them go through. */
#define APART __attribute__((noinline))

/* One element on its way. */
struct element {
	struct message *m;
	const struct decode_plan *plan;
	const uint8_t *end;
	const uint8_t *raw;
	struct reading *reading;
	uint32_t present; /* bit i: the profile's fields[i] has a value */
	/* the shape that is being learnt: from where its next text begins, what is in its texts */
	struct shape *shape;
	const uint8_t *text;
	uint32_t constant;
	uint64_t seen[PLAN_SEEN_WORDS]; /* bit i: the plan's names[i] was there */
};

/* A value of the wrong type is passed over, so that the rest can be judged. */
static const uint8_t *wrong_type(struct element *e, const uint8_t *p, uint32_t levels)
{
	refuse(e->reading, FATE_REJECT_FIELD);
	return json_skip(p, e->end, levels);
}

static const uint8_t *take_device(struct element *e, const uint8_t *p)
{
	struct json_text id;

	p = json_scan_string(p, e->end, &id);
	if (!p)
		return NULL;
	if (id.escaped || id.bytes == 0 || id.bytes > DEVICE_ID_BYTES) {
		refuse(e->reading, FATE_REJECT_FIELD);
		return p;
	}
	e->reading->id_offset = (uint16_t)(id.data - e->raw);
	e->reading->id_bytes = (uint8_t)id.bytes;
	e->reading->id_apart = false;
	return p;
}

static APART const uint8_t *take_status(struct element *e, const struct profile_field *field,
                                  const uint8_t *p)
{
	struct json_text text;
	char plain[PROFILE_TEXT_BYTES];

	p = json_scan_string(p, e->end, &text);
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

static APART const uint8_t *take_tamper(struct element *e, const uint8_t *p, uint32_t levels)
{
	if (*p == 't') {
		e->reading->flags |= READING_F_TAMPER;
		return json_word(p, e->end, "true", 4);
	}
	return *p == 'f' ? json_word(p, e->end, "false", 5) : wrong_type(e, p, levels);
}

/* "2025-06-15T14:15:00Z" or "...00.000Z" with their quotes: no escape can be in them. Its length;
 * 0: something else. */
static uint32_t take_utc(struct element *e, const uint8_t *p, int64_t *ms)
{
	uint32_t bytes = UTC_BYTES;

	if (e->end - p < UTC_BYTES + 6 || *p != '"')
		return 0;
	if (p[UTC_BYTES + 1] != '"')
		bytes += 4;
	if (p[bytes + 1] != '"' ||
	    !decode_rfc3339_after(&e->m->decoder->date, (const char *)p + 1, bytes, ms))
		return 0;
	return bytes + 2;
}

static APART const uint8_t *take_any_time(struct element *e, const struct profile_field *field,
                                          const uint8_t *p, uint32_t levels)
{
	struct json_text text;
	struct decimal number;
	int64_t ms = 0;
	bool good;

	if (field->time_format == TIME_ISO8601) {
		if (*p != '"')
			return wrong_type(e, p, levels);
		p = json_scan_string(p, e->end, &text);
		if (!p)
			return NULL;
		good = decode_rfc3339_after(&e->m->decoder->date, (const char *)text.data,
		                            text.bytes, &ms);
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
		build_time(e->reading, field->role, ms);
	else
		refuse(e->reading, FATE_REJECT_FIELD);
	return p;
}

static const uint8_t *take_time(struct element *e, const struct profile_field *field,
                                const uint8_t *p, uint32_t levels)
{
	int64_t ms;
	uint32_t bytes = field->time_format == TIME_ISO8601 ? take_utc(e, p, &ms) : 0;

	if (bytes == 0)
		return take_any_time(e, field, p, levels);
	build_time(e->reading, field->role, ms);
	return p + bytes;
}

static const uint8_t *take_channel(struct element *e, const struct profile_field *field,
                                   const uint8_t *p, uint32_t levels)
{
	enum decimal_result result;

	if (*p != '-' && (uint8_t)(*p - '0') > 9)
		return wrong_type(e, p, levels);
	p = decimal_take(p, e->end, field->scale_pow10, field->divisor,
	                 &e->reading->value[field->slot], &result);
	if (p)
		build_channel(e->reading, field, result);
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

/* --- the shape of the last elements --- */

/* Will the value be the same next time, as far as anybody can tell? */
static bool is_constant(const struct element *e, const struct profile_field *field,
                        const uint8_t *value)
{
	if (field->role == FIELD_STATUS)
		return !(e->reading->flags & READING_F_STATUS);
	return *value == 'n' || (field->role == FIELD_TAMPER && *value == 'f');
}

/* Learn that what the profile ignores lies from `value` to `after`. */
static void learn_ignored(struct element *e, const uint8_t *value, const uint8_t *after,
                          uint32_t levels)
{
	shape_add(e->shape, e->text, value,
	          (struct shape_step){.field = SHAPE_IGNORED,
	                              .levels = (uint8_t)levels,
	                              .slot = SHAPE_NO_SLOT});
	e->text = after;
}

/* The same of a field's value. */
static void learn_value(struct element *e, uint16_t index, const uint8_t *value,
                        const uint8_t *after, uint32_t levels)
{
	const struct profile_field *field = &e->plan->profile->fields[index];

	if (is_constant(e, field, value)) {
		e->constant |= *value == 'n' ? 0 : 1u << index;
		return;
	}
	bool scaled = field->role == FIELD_CHANNEL && field->divisor <= 1;
	shape_add(e->shape, e->text, value,
	          (struct shape_step){.field = (uint8_t)index,
	                              .levels = (uint8_t)levels,
	                              .slot = scaled ? field->slot : SHAPE_NO_SLOT,
	                              .scale_pow10 = field->scale_pow10});
	e->text = after;
}

/* A channel's number as take_field would take it; NULL: ask that. */
static inline const uint8_t *take_short(struct element *e, const struct shape_step *step,
                                        const uint8_t *p)
{
	int64_t value;

	p = decimal_take_short(p, e->end, step->scale_pow10, &value);
	if (p) {
		e->reading->value[step->slot] = value;
		e->reading->channel_count |= (uint8_t)(1u << step->slot);
		e->present |= 1u << step->field;
	}
	return p;
}

/* As take_object, for an element that has this shape; NULL: it has another, or is wrong. */
static const uint8_t *follow(struct element *e, const struct shape *s)
{
	const uint8_t *p = e->raw, *text = s->text, *after;

	e->present = s->present;
	for (const struct shape_step *step = s->steps;; step++) {
		p = shape_follow(step, text, p, e->end);
		if (!p || step->field == SHAPE_END)
			return p;
		text += step->bytes;
		if (step->slot != SHAPE_NO_SLOT && (after = take_short(e, step, p)) != NULL)
			p = after;
		else if (step->field == SHAPE_IGNORED)
			p = json_skip(p, e->end, step->levels);
		else
			p = take_field(e, step->field, p, step->levels);
		if (!p)
			return NULL;
	}
}

/* An element like one of those before it; NULL: it must be taken with care, from its beginning. */
static const uint8_t *take_alike(struct element *e, uint32_t levels)
{
	uint32_t place = e->plan->profile->id % SHAPE_PLANS;
	struct shape *ways = e->m->decoder->shapes[place];
	uint8_t *last = &e->m->decoder->shape_last[place];

	for (uint32_t i = 0; i < SHAPE_WAYS; i++) {
		uint32_t way = (*last + i) % SHAPE_WAYS;
		if (ways[way].plan != e->plan->serial || ways[way].levels != levels)
			continue;
		const uint8_t *p = follow(e, &ways[way]);
		if (p) {
			*last = (uint8_t)way;
			return p;
		}
		build_again(e->m, e->reading, e->raw);
	}
	e->shape = &ways[(*last + 1u) % SHAPE_WAYS];
	return NULL;
}

/* --- with care --- */

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
	if (name->field != PLAN_NONE) {
		const uint8_t *after = take_field(e, name->field, p, levels);
		if (after)
			learn_value(e, name->field, p, after, levels);
		if (name->node != PLAN_NONE)
			shape_give_up(e->shape); /* an object may stand here next time */
		return after;
	}
	if (p < e->end && *p == 'n')
		return json_word(p, e->end, "null", 4);
	return wrong_type(e, p, levels);
}

/*
 * Is `name` at p, up to its closing quote? Then the place behind that, which is inside the payload.
 * Two words decide about names
 * of up to 16 bytes (a call of memcmp was a sixth of all decoding).
 */
static inline const uint8_t *expected_name(const struct plan_name *name, const uint8_t *p,
                                           const uint8_t *end)
{
	uint32_t bytes = name->bytes;
	bool same;

	if (!name->plain || end - p < (ptrdiff_t)bytes + 3 || p[bytes + 1] != '"')
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
	p = json_scan_string(p, e->end, &text);
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

/* Behind a member's value: at the next member's name, or behind the object's end. */
static inline const uint8_t *next_member(const uint8_t *p, const uint8_t *end, bool *last)
{
	p = json_space(p, end);
	if (p == end || (*p != ',' && *p != '}'))
		return NULL;
	*last = *p++ == '}';
	return *last ? p : json_space(p, end);
}

/* An object of the plan: `p` is at its '{', `levels` counts it. */
static const uint8_t *take_object(struct element *e, uint16_t node, const uint8_t *p,
                                  uint32_t levels)
{
	const uint8_t *end = e->end;
	uint16_t expected = e->plan->nodes[node].first;
	uint16_t index;
	bool last = false;

	if (levels == 0)
		return NULL;
	p = json_space(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	while (!last) {
		p = take_name(e, node, expected, p, &index);
		if (!p)
			return NULL;
		p = json_space(p, end);
		if (p == end || *p != ':')
			return NULL;
		p = json_space(p + 1, end);
		if (index == PLAN_NONE) {
			const uint8_t *value = p;
			p = json_skip(p, end, levels - 1);
			if (p)
				learn_ignored(e, value, p, levels - 1);
		} else {
			p = take_member(e, index, p, levels - 1);
			expected = e->plan->names[index].next;
		}
		if (!p)
			return NULL;
		p = next_member(p, end, &last);
		if (!p)
			return NULL;
	}
	return p;
}

/* An element whose shape is new; its shape is learnt when it is good. */
static const uint8_t *take_new(struct element *e, uint32_t levels)
{
	const uint8_t *p = e->raw;

	e->present = e->constant = 0;
	for (uint32_t i = 0; i < e->plan->seen_words; i++)
		e->seen[i] = 0;
	shape_begin(e->shape);
	e->text = p;
	if (p == e->end)
		return NULL;
	if (*p != '{')
		return wrong_type(e, p, levels);
	p = take_object(e, 0, p, levels);
	if (p && e->reading->fate == FATE_PENDING) {
		shape_add(e->shape, e->text, p, (struct shape_step){.field = SHAPE_END});
		shape_know(e->shape, e->plan->serial, levels, e->constant);
	}
	return p;
}

/* The array's next element, or the only one. NULL: nothing can be parsed after it, or no room. */
static const uint8_t *take_element(struct message *m, const uint8_t *p, uint32_t levels)
{
	struct element e;

	e.reading = build_reading(m, p);
	if (!e.reading)
		return NULL;
	e.m = m;
	e.plan = m->plan;
	e.end = m->end;
	e.raw = p;
	p = take_alike(&e, levels);
	if (!p)
		p = take_new(&e, levels);
	*build_present(m, e.reading) = e.present;
	if (!p)
		e.reading->fate = FATE_REJECT_PAYLOAD;
	build_end(m, e.reading);
	build_span(m, e.reading, p ? p : m->end);
	return p;
}

/* `p` is at the '['. As take_element. */
static const uint8_t *take_array(struct message *m, const uint8_t *p, uint32_t levels)
{
	const uint8_t *open = p;

	p = json_space(p + 1, m->end);
	if (p < m->end && *p == ']') {
		struct reading *r = build_reading(m, open);
		if (!r)
			return NULL;
		r->fate = FATE_REJECT_EMPTY;
		build_span(m, r, p + 1);
		return p + 1;
	}
	for (;;) {
		p = take_element(m, p, levels - 1);
		if (!p)
			return NULL;
		p = json_space(p, m->end);
		if (p < m->end && *p == ']')
			return p + 1;
		if (p == m->end || *p != ',') {
			build_reject_rest(m, p);
			return NULL;
		}
		p = json_space(p + 1, m->end);
	}
}

/* The key before a device's readings: all of them get its id. */
static const uint8_t *take_key(struct message *m, const uint8_t *p)
{
	struct json_text text;
	char plain[DEVICE_ID_BYTES];

	p = json_scan_string(p, m->end, &text);
	if (!p)
		return NULL;
	m->id = (struct id_place){0};
	if (text.escaped) {
		int32_t bytes = json_unescape(&text, plain, sizeof plain);
		if (bytes > 0)
			m->id = build_id_apart(m->decoder, plain, (uint32_t)bytes, NULL, 0);
	} else if (text.bytes <= DEVICE_ID_BYTES) {
		m->id.offset = (uint16_t)(text.data - m->payload);
		m->id.bytes = (uint8_t)text.bytes;
	}
	p = json_space(p, m->end);
	return p < m->end && *p == ':' ? json_space(p + 1, m->end) : NULL;
}

/* {"<device>": reading or [readings], ...}: `p` is at the '{'. As take_element. */
static const uint8_t *take_keyed(struct message *m, const uint8_t *p)
{
	const uint8_t *open = p;

	p = json_space(p + 1, m->end);
	if (p < m->end && *p == '}') {
		struct reading *r = build_reading(m, open);
		r->fate = FATE_REJECT_EMPTY;
		build_span(m, r, p + 1);
		return p + 1;
	}
	for (;;) {
		const uint8_t *key = p;
		p = take_key(m, p);
		if (!p) {
			build_reject_rest(m, key);
			return NULL;
		}
		p = p < m->end && *p == '[' ? take_array(m, p, JSON_DEPTH_MAX - 1)
		                            : take_element(m, p, JSON_DEPTH_MAX - 1);
		if (!p)
			return NULL;
		p = json_space(p, m->end);
		if (p < m->end && *p == '}')
			return p + 1;
		if (p == m->end || *p != ',') {
			m->id.bytes = 0;
			build_reject_rest(m, p);
			return NULL;
		}
		p = json_space(p + 1, m->end);
	}
}

uint32_t decode_json(struct message *m)
{
	bool keyed = m->plan->profile->device_source == DEVICE_FROM_KEY;
	const uint8_t *p = json_space(m->payload, m->end);

	if (p == m->end)
		return build_reject_all(m, FATE_REJECT_EMPTY);
	if (*p == '[' && !keyed) {
		p = take_array(m, p, JSON_DEPTH_MAX);
	} else if (*p == '{') {
		p = keyed ? take_keyed(m, p) : take_element(m, p, JSON_DEPTH_MAX);
	} else {
		build_reject_rest(m, p);
		p = NULL;
	}
	if (p) {
		p = json_space(p, m->end);
		if (p < m->end)
			build_reject_rest(m, p);
	}
	return m->overflow ? build_reject_all(m, FATE_REJECT_OVERSIZE) : m->count;
}
