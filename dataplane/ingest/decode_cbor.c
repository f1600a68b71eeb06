/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compact batch, format 1 (docs/PAYLOADS.md has it in CDDL):
 *
 *	[1, time, tick, [name, exponent, ...], [[device, ticks, value, ...], ...]]
 *
 *	time      ms since 1970            name      a field's path in the profile
 *	tick      ms                       exponent  of ten: number = value * 10^exponent
 *	device    text; null: as before    ticks     after time, may be negative
 *	value     an integer, or null for none; text for a status, true or false for tamper
 *
 * In: a payload and its profile's plan. Out: a reading for each row, whose raw span is the row.
 * Columns are resolved once for the message; a row then costs a few instructions an item.
 * Thread: the io worker. Memory: the stack. Lengths must be given (no indefinite arrays).
 */
#include <string.h>

#include "ingest/build.h"
#include "ingest/cbor.h"

#define FORMAT_VERSION 1
#define COLUMNS_MAX    PROFILE_FIELDS_MAX
#define TICK_MAX_MS    86400000
#define SCALE_MAX      18 /* 10^18 < 2^63 */
/* What may be opened inside a row: batch, rows and the row are open already. */
#define ITEM_LEVELS (CBOR_DEPTH_MAX - 3)

struct column {
	const struct profile_field *field; /* NULL: of no interest */
	uint32_t bit;                      /* of `present` */
	int32_t scale;                     /* canonical = value * 10^scale / field->divisor */
	int64_t factor;                    /* 10^scale where that is all; 0: it is not */
};

struct rows {
	struct message *m;
	int64_t time_ms, tick_ms;
	uint32_t column_count;
	bool twice; /* two columns of one field: no row can be right */
	struct column columns[COLUMNS_MAX];
};

/* An array's head; NULL: none here. */
static const uint8_t *take_array_head(const uint8_t *p, const uint8_t *end, uint64_t *count)
{
	struct cbor_head head;

	p = cbor_head(p, end, &head);
	if (!p || head.major != CBOR_ARRAY || head.argument == UINT64_MAX)
		return NULL;
	*count = head.argument;
	return p;
}

static void set_column(struct rows *rows, struct column *c, const struct bytes *name,
                       int64_t exponent)
{
	const struct decode_plan *plan = rows->m->plan;
	uint16_t index = PLAN_NONE;

	*c = (struct column){0};
	if (name->count < PROFILE_PATH_BYTES)
		index = plan_find(plan, 0, (const char *)name->data, name->count);
	if (index == PLAN_NONE || plan->names[index].field == PLAN_NONE)
		return;
	uint16_t field = plan->names[index].field;
	c->field = &plan->profile->fields[field];
	c->bit = 1u << field;
	c->scale = (int32_t)exponent + c->field->scale_pow10;
	if (c->scale >= 0 && c->scale <= SCALE_MAX && c->field->divisor <= 1)
		c->factor = (int64_t)decimal_pow10[c->scale];
	for (const struct column *o = rows->columns; o < c; o++)
		rows->twice |= o->bit == c->bit;
}

/* [name, exponent, ...] */
static const uint8_t *take_columns(struct rows *rows, const uint8_t *p, const uint8_t *end)
{
	uint64_t items;
	struct bytes name;
	int64_t exponent;

	p = take_array_head(p, end, &items);
	if (!p || items % 2 != 0 || items == 0 || items / 2 > COLUMNS_MAX)
		return NULL;
	rows->column_count = (uint32_t)(items / 2);
	for (uint32_t i = 0; i < rows->column_count; i++) {
		p = cbor_text(p, end, &name);
		if (!p || cbor_int(&p, end, &exponent) != 1 || exponent < -1000 || exponent > 1000)
			return NULL;
		set_column(rows, &rows->columns[i], &name, exponent);
	}
	return p;
}

/* Everything before the rows; NULL: malformed, or another format. */
static const uint8_t *take_header(struct rows *rows, const uint8_t *p, const uint8_t *end)
{
	uint64_t items;
	int64_t version;

	p = take_array_head(p, end, &items);
	if (!p || items != 5 || cbor_int(&p, end, &version) != 1 || version != FORMAT_VERSION)
		return NULL;
	if (cbor_int(&p, end, &rows->time_ms) != 1 || cbor_int(&p, end, &rows->tick_ms) != 1 ||
	    rows->tick_ms < 1 || rows->tick_ms > TICK_MAX_MS)
		return NULL;
	return take_columns(rows, p, end);
}

/* Ticks to a time; a wrong one makes the reading wrong. */
static void set_time(const struct rows *rows, struct reading *r, enum field_role role,
                     int64_t ticks)
{
	int64_t ms;

	if (__builtin_mul_overflow(ticks, rows->tick_ms, &ms) ||
	    __builtin_add_overflow(ms, rows->time_ms, &ms))
		refuse(r, FATE_REJECT_FIELD);
	else
		build_time(r, role, ms);
}

static void set_channel(const struct column *c, struct reading *r, int64_t value)
{
	int64_t *out = &r->value[c->field->slot];

	if (c->factor && !__builtin_mul_overflow(value, c->factor, out)) {
		r->channel_count |= (uint8_t)(1u << c->field->slot);
		return;
	}
	bool negative = value < 0;
	uint64_t magnitude = negative ? 0 - (uint64_t)value : (uint64_t)value;
	struct decimal d = decimal_of(negative, magnitude, 0);
	build_channel(r, c->field, decimal_scale_by(&d, c->scale, c->field->divisor, out));
}

static const uint8_t *wrong_type(struct message *m, struct reading *r, const uint8_t *p)
{
	refuse(r, FATE_REJECT_FIELD);
	return cbor_skip(p, m->end, ITEM_LEVELS);
}

static const uint8_t *take_status(struct message *m, const struct column *c, struct reading *r,
                                  const uint8_t *p)
{
	struct bytes text;

	if (*p >> 5 != CBOR_TEXT)
		return wrong_type(m, r, p);
	const uint8_t *after = cbor_text(p, m->end, &text);
	if (!after)
		return wrong_type(m, r, p);
	size_t bytes = strnlen(c->field->good, sizeof c->field->good);
	if (text.count != bytes || memcmp(text.data, c->field->good, bytes) != 0)
		r->flags |= READING_F_STATUS;
	return after;
}

/* What is no integer, or none for a channel. `p` is inside the payload. */
static const uint8_t *take_other(const struct rows *rows, const struct column *c,
                                 struct reading *r, const uint8_t *p, uint32_t *present)
{
	struct message *m = rows->m;
	int64_t ticks;

	if (*p == CBOR_NULL)
		return p + 1;
	if (!c->field)
		return cbor_skip(p, m->end, ITEM_LEVELS);
	*present |= c->bit;
	switch (c->field->role) {
	case FIELD_STATUS:
		return take_status(m, c, r, p);
	case FIELD_TAMPER:
		if (*p != CBOR_TRUE && *p != CBOR_FALSE)
			return wrong_type(m, r, p);
		if (*p == CBOR_TRUE)
			r->flags |= READING_F_TAMPER;
		return p + 1;
	case FIELD_COLLECTED:
		if (cbor_int(&p, m->end, &ticks) != 1)
			return wrong_type(m, r, p);
		set_time(rows, r, FIELD_COLLECTED, ticks);
		return p;
	case FIELD_IGNORED:
		return cbor_skip(p, m->end, ITEM_LEVELS);
	default:
		return wrong_type(m, r, p);
	}
}

/* The values behind device and time. */
static const uint8_t *take_values(const struct rows *rows, struct reading *r, const uint8_t *p)
{
	const uint8_t *end = rows->m->end;
	uint32_t present = 0;

	for (uint32_t i = 0; i < rows->column_count; i++) {
		const struct column *c = &rows->columns[i];
		int64_t value;
		if (p == end)
			return NULL;
		if (c->field && c->field->role == FIELD_CHANNEL &&
		    cbor_int(&p, end, &value) == 1) {
			present |= c->bit;
			set_channel(c, r, value);
			continue;
		}
		p = take_other(rows, c, r, p, &present);
		if (!p)
			return NULL;
	}
	*build_present(rows->m, r) = present;
	return p;
}

/* The device: text, or null for the one before. */
static const uint8_t *take_device(struct message *m, struct reading *r, const uint8_t *p)
{
	struct bytes id;

	if (p == m->end)
		return NULL;
	if (*p == CBOR_NULL)
		return p + 1;
	if (*p >> 5 != CBOR_TEXT) {
		m->id.bytes = 0;
		build_set_id(r, m->id);
		return wrong_type(m, r, p);
	}
	const uint8_t *after = cbor_text(p, m->end, &id);
	m->id = (struct id_place){0};
	if (!after || id.count == 0 || id.count > DEVICE_ID_BYTES) {
		build_set_id(r, m->id);
		return wrong_type(m, r, p);
	}
	m->id.offset = (uint16_t)(id.data - m->payload);
	m->id.bytes = (uint8_t)id.count;
	build_set_id(r, m->id);
	return after;
}

/* What stands inside a row of the right length. */
static const uint8_t *take_items(const struct rows *rows, struct reading *r, const uint8_t *p)
{
	int64_t ticks;

	p = take_device(rows->m, r, p);
	if (!p)
		return NULL;
	switch (cbor_int(&p, rows->m->end, &ticks)) {
	case 1:
		set_time(rows, r, FIELD_TIMESTAMP, ticks);
		break;
	case 0:
		p = wrong_type(rows->m, r, p);
		break;
	default:
		p = NULL;
	}
	return p ? take_values(rows, r, p) : NULL;
}

/* NULL: nothing can be parsed after it, or no room. */
static const uint8_t *take_row(const struct rows *rows, const uint8_t *p)
{
	struct message *m = rows->m;
	struct reading *r = build_reading(m, p);
	uint64_t items = 0;

	if (!r)
		return NULL;
	const uint8_t *inside = take_array_head(p, m->end, &items);
	if (inside && items == rows->column_count + 2u) {
		p = take_items(rows, r, inside);
	} else {
		refuse(r, FATE_REJECT_FIELD);
		p = cbor_skip(p, m->end, ITEM_LEVELS + 1);
	}
	if (rows->twice)
		refuse(r, FATE_REJECT_FIELD);
	if (!p)
		r->fate = FATE_REJECT_PAYLOAD;
	build_end(m, r);
	build_span(m, r, p ? p : m->end);
	return p;
}

uint32_t decode_cbor(struct message *m)
{
	struct rows rows = {.m = m};
	uint64_t count = 0;

	if (m->payload == m->end)
		return build_reject_all(m, FATE_REJECT_EMPTY);
	const uint8_t *p = take_header(&rows, m->payload, m->end);
	if (p)
		p = take_array_head(p, m->end, &count);
	if (!p)
		return build_reject_all(m, FATE_REJECT_PAYLOAD);
	if (count == 0 && p == m->end)
		return build_reject_all(m, FATE_REJECT_EMPTY);
	for (uint64_t i = 0; i < count && p; i++)
		p = take_row(&rows, p);
	if (p && p < m->end)
		build_reject_rest(m, p);
	return m->overflow ? build_reject_all(m, FATE_REJECT_OVERSIZE) : m->count;
}
