/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SenML records to readings. In: records as they stand in the pack. Out: a reading for each device
 * and time, with a channel for each record that a field of the profile names.
 *
 *	name   bn n            "urn:dev:" + "SM-00001:kWh"
 *	       prefix, device, separator, channel (contract/profile.h)
 *	time   bt + t          below 2^28: relative to when the message came (§4.5.3)
 *	value  bv + v          sum  bs + s          unit  u, else bu
 *
 * A record that is wrong refuses its reading; a base field that is wrong, a version that we don't
 * know (§4.4), or lost syntax refuses the rest of the pack.
 */
#include "ingest/senml.h"

#include <string.h>

#include "ingest/json.h"

#define VERSION_MAX      10           /* RFC 8428 §4.4 */
#define ABSOLUTE_FROM_MS 268435456000 /* 2^28 s, RFC 8428 §4.5.3 */

enum senml_label senml_label(const uint8_t *t, uint32_t bytes)
{
	static const struct {
		char text[5];
		uint8_t bytes, label;
	} labels[] = {
	    {"v", 1, SENML_V},   {"n", 1, SENML_N},   {"u", 1, SENML_U},      {"t", 1, SENML_T},
	    {"s", 1, SENML_S},   {"bn", 2, SENML_BN}, {"bt", 2, SENML_BT},    {"bu", 2, SENML_BU},
	    {"bv", 2, SENML_BV}, {"bs", 2, SENML_BS}, {"vs", 2, SENML_VS},    {"vb", 2, SENML_VB},
	    {"vd", 2, SENML_VD}, {"ut", 2, SENML_UT}, {"bver", 4, SENML_BVER},
	};

	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
		if (labels[i].bytes == bytes && memcmp(labels[i].text, t, bytes) == 0)
			return (enum senml_label)labels[i].label;
	return bytes > 0 && t[bytes - 1] == '_' ? SENML_MUST : SENML_OTHER;
}

static bool has(const struct senml_record *r, enum senml_label label)
{
	return r->seen & SENML_BIT(label);
}

/* The base fields of a record count for it and for those behind it (§4.1). */
static bool take_bases(struct senml *s, const struct senml_record *r)
{
	int64_t version;

	if (r->bad & SENML_BASES || r->seen & SENML_BIT(SENML_MUST))
		return false;
	if (has(r, SENML_BVER) &&
	    (decimal_scale(&r->number[SENML_BVER], 0, &version) != DECIMAL_EXACT ||
	     version > VERSION_MAX))
		return false;
	if (has(r, SENML_BN))
		s->name = r->text[SENML_BN];
	if (has(r, SENML_BU))
		s->unit = r->text[SENML_BU];
	if (has(r, SENML_BT))
		s->time = r->number[SENML_BT];
	if (has(r, SENML_BV)) {
		s->value = r->number[SENML_BV];
		s->has_value = true;
	}
	if (has(r, SENML_BS)) {
		s->sum = r->number[SENML_BS];
		s->has_sum = true;
	}
	return true;
}

/* A resolved name: two runs of bytes, read as one. */
struct name {
	struct bytes head, tail;
	uint32_t from, to;    /* the device */
	uint32_t channel, end;
};

static uint8_t name_at(const struct name *n, uint32_t i)
{
	return i < n->head.count ? n->head.data[i] : n->tail.data[i - n->head.count];
}

static bool has_prefix(const struct name *n, const char *prefix, uint32_t bytes)
{
	if (bytes > n->end)
		return false;
	for (uint32_t i = 0; i < bytes; i++)
		if (name_at(n, i) != (uint8_t)prefix[i])
			return false;
	return true;
}

/* Where device and channel part; false: the name has not the profile's form. */
static bool split_name(const struct profile *profile, struct name *n)
{
	uint32_t prefix = (uint32_t)strlen(profile->name_prefix);
	uint8_t separator = (uint8_t)profile->name_separator;

	n->end = n->head.count + n->tail.count;
	if (!has_prefix(n, profile->name_prefix, prefix))
		return false;
	n->from = n->to = n->channel = prefix;
	for (uint32_t i = prefix; i < n->end; i++) {
		if (name_at(n, i) != separator)
			continue;
		n->to = i;
		n->channel = i + 1;
		if (profile->split_first)
			break;
	}
	return profile->device_source != DEVICE_FROM_NAME || n->channel > prefix;
}

/* A part of the name: one run of bytes, or two. */
static void name_part(const struct name *n, uint32_t from, uint32_t to, struct bytes part[2])
{
	uint32_t cut = n->head.count;

	part[0] = part[1] = (struct bytes){NULL, 0};
	if (from < cut)
		part[0] = (struct bytes){n->head.data + from, (to < cut ? to : cut) - from};
	if (to > cut) {
		uint32_t begin = from > cut ? from - cut : 0;
		part[1] = (struct bytes){n->tail.data + begin, to - cut - begin};
	}
}

static struct id_place name_device(struct senml *s, const struct name *n)
{
	struct bytes part[2];

	if (s->m->plan->profile->device_source == DEVICE_FROM_TOPIC)
		return s->m->id;
	name_part(n, n->from, n->to, part);
	if (part[0].count > 0 && part[1].count > 0)
		return build_id_apart(s->m->decoder, part[0].data, part[0].count, part[1].data,
		                      part[1].count);
	const struct bytes *whole = &part[part[0].count == 0];
	if (whole->count == 0 || whole->count > DEVICE_ID_BYTES)
		return (struct id_place){0};
	return (struct id_place){(uint16_t)(whole->data - s->m->payload), (uint8_t)whole->count,
	                         false};
}

/* The plan's entry for the channel; NULL: no field has this name. */
static const struct plan_name *name_entry(const struct senml *s, const struct name *n)
{
	const struct decode_plan *plan = s->m->plan;
	struct bytes part[2];
	char joined[PROFILE_PATH_BYTES];
	uint16_t index;

	if (n->end - n->channel >= sizeof joined)
		return NULL;
	name_part(n, n->channel, n->end, part);
	if (part[0].count > 0 && part[1].count > 0) {
		memcpy(joined, part[0].data, part[0].count);
		memcpy(joined + part[0].count, part[1].data, part[1].count);
		index = plan_find(plan, 0, joined, part[0].count + part[1].count);
	} else {
		const struct bytes *whole = &part[part[0].count == 0];
		if (whole->count == 0)
			return NULL;
		index = plan_find(plan, 0, (const char *)whole->data, whole->count);
	}
	return index == PLAN_NONE ? NULL : &plan->names[index];
}

/* False: no time that could be told. */
static bool resolve_time(const struct senml *s, const struct senml_record *r, int64_t *ms)
{
	struct decimal time = s->time;

	*ms = 0;
	if (r->bad & SENML_BIT(SENML_T))
		return false;
	if (has(r, SENML_T) && !decimal_add(&s->time, &r->number[SENML_T], &time))
		return false;
	if (decimal_scale(&time, 3, ms) == DECIMAL_OVERFLOW)
		return false;
	if (*ms < ABSOLUTE_FROM_MS)
		return !__builtin_add_overflow(*ms, s->m->received_ms, ms);
	return true;
}

static bool same_text(const struct bytes *text, const char *other)
{
	return text->count == strlen(other) && memcmp(text->data, other, text->count) == 0;
}

/* A record that says a unit must say the one that the profile scales by. A sum's is by the
 * second: "W" gives "Ws", which is "J". */
static bool unit_fits(const struct senml *s, const struct senml_record *r,
                      const struct profile_field *field)
{
	const struct bytes *unit = has(r, SENML_U) ? &r->text[SENML_U] : &s->unit;
	size_t bytes = strlen(field->unit);

	if (unit->count == 0 || bytes == 0)
		return true;
	if (!field->sum)
		return same_text(unit, field->unit);
	if (strcmp(field->unit, "J") == 0)
		return same_text(unit, "W");
	return unit->count + 1 == bytes && memcmp(unit->data, field->unit, unit->count) == 0 &&
	       field->unit[bytes - 1] == 's';
}

/* The record's number with its base; NULL: it can't be added exactly. */
static const struct decimal *resolve_number(const struct senml *s, const struct senml_record *r,
                                            bool sum, struct decimal *room)
{
	const struct decimal *own = &r->number[sum ? SENML_S : SENML_V];

	if (!(sum ? s->has_sum : s->has_value))
		return own;
	return decimal_add(own, sum ? &s->sum : &s->value, room) ? room : NULL;
}

static void take_number(const struct senml *s, const struct senml_record *record,
                        struct reading *r, const struct profile_field *field)
{
	struct decimal room;
	int64_t ms;
	const struct decimal *number = resolve_number(s, record, field->sum, &room);

	if (!number || !unit_fits(s, record, field)) {
		refuse(r, FATE_REJECT_FIELD);
	} else if (field->role == FIELD_CHANNEL) {
		build_channel(r, field,
		              decimal_scale_by(number, field->scale_pow10, field->divisor,
		                               &r->value[field->slot]));
	} else if (decimal_scale(number, field->time_format == TIME_EPOCH_S ? 3 : 0, &ms) !=
	           DECIMAL_OVERFLOW) {
		build_time(r, FIELD_COLLECTED, ms);
	} else {
		refuse(r, FATE_REJECT_FIELD);
	}
}

/* A record's value, or its sum, into the field that takes it. */
static void take_field(const struct senml *s, const struct senml_record *record,
                       struct reading *r, uint16_t index)
{
	struct message *m = s->m;
	const struct profile_field *field = &m->plan->profile->fields[index];
	enum senml_label label = field->sum                      ? SENML_S
	                         : field->role == FIELD_STATUS   ? SENML_VS
	                         : field->role == FIELD_TAMPER   ? SENML_VB
	                                                         : SENML_V;

	if (field->role == FIELD_IGNORED)
		return;
	if (!has(record, label)) {
		/* a sum may come without a value, and a value without a sum */
		if (!field->sum && record->seen & SENML_VALUES)
			refuse(r, FATE_REJECT_FIELD);
		return;
	}
	if (*build_present(m, r) & 1u << index)
		refuse(r, FATE_REJECT_FIELD); /* twice for one device and time */
	*build_present(m, r) |= 1u << index;
	if (label == SENML_VS) {
		if (!same_text(&record->text[SENML_VS], field->good))
			r->flags |= READING_F_STATUS;
	} else if (label == SENML_VB) {
		if (record->vb)
			r->flags |= READING_F_TAMPER;
	} else {
		take_number(s, record, r, field);
	}
}

/* The reading that a record belongs to; NULL: no room. */
static struct reading *reading_of(struct senml *s, const struct name *name, bool good,
                                  int64_t ts_ms)
{
	struct message *m = s->m;
	uint32_t text_bytes = m->decoder->text_bytes, count = m->count;
	struct id_place id = good ? name_device(s, name) : (struct id_place){0};
	struct reading *r = build_group(m, id, ts_ms);

	if (m->count == count)
		m->decoder->text_bytes = text_bytes; /* it had this id already */
	return r;
}

bool senml_take(struct senml *s, const struct senml_record *record)
{
	struct name name = {0};
	int64_t ts_ms;

	if (!take_bases(s, record))
		return false;
	if (!(record->seen & ~(SENML_BASES | SENML_BIT(SENML_OTHER))))
		return true; /* base fields alone */
	name.head = s->name;
	name.tail = has(record, SENML_N) ? record->text[SENML_N] : (struct bytes){NULL, 0};
	bool named = !(record->bad & SENML_BIT(SENML_N)) &&
	             split_name(s->m->plan->profile, &name);
	bool timed = resolve_time(s, record, &ts_ms);
	struct reading *r = reading_of(s, &name, named, ts_ms);
	if (!r)
		return false;
	/* exactly one value, or a sum, or both (§4.2) */
	uint32_t values = record->seen & SENML_VALUES;
	bool valued = values ? (values & (values - 1)) == 0 : has(record, SENML_S);
	if (!named || !timed || record->bad || !valued) {
		refuse(r, FATE_REJECT_FIELD);
		return true;
	}
	const struct plan_name *entry = name_entry(s, &name);
	if (entry && entry->field != PLAN_NONE)
		take_field(s, record, r, entry->field);
	if (entry && entry->sum != PLAN_NONE)
		take_field(s, record, r, entry->sum);
	return true;
}

uint32_t senml_finish(struct senml *s, const uint8_t *rest)
{
	struct message *m = s->m;

	if (m->overflow)
		return build_reject_all(m, FATE_REJECT_OVERSIZE);
	for (uint32_t i = 0; i < m->count; i++)
		build_end(m, &m->out[i]);
	if (rest)
		build_reject_rest(m, rest);
	if (m->overflow)
		return build_reject_all(m, FATE_REJECT_OVERSIZE);
	return m->count > 0 ? m->count : build_reject_all(m, FATE_REJECT_EMPTY);
}

uint32_t decode_senml(struct message *m)
{
	struct senml s = {.m = m, .time = decimal_of(false, 0, 0)};
	const uint8_t *p = json_space(m->payload, m->end);

	if (p == m->end)
		return build_reject_all(m, FATE_REJECT_EMPTY);
	/* '[' is no CBOR array: one begins with 0x80 to 0x9f */
	return *p == '[' ? senml_json(&s, p) : senml_cbor(&s);
}
