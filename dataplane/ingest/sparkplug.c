/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparkplug B payloads to readings (Sparkplug 3.0 §6.4, a Protocol Buffers message):
 *
 *	Payload  1 timestamp  2 metrics (each a Metric)  3 seq  4 uuid  5 body
 *	Metric   1 name  2 alias  3 timestamp  4 datatype  5 is_historical  6 is_transient
 *	         7 is_null  8 metadata  9 properties  10 int  11 long  12 float  13 double
 *	         14 boolean  15 string  16 bytes  17 dataset  18 template
 *
 * The topic's last level is the device. Metrics with the same timestamp (their own, else the
 * payload's) make one reading. is_historical says that the node kept the value until now: its
 * timestamp is the collection time, too. BIRTHs carry values like DATA; DEATHs carry none.
 *
 * Thread: the io worker. Memory: none here (sparkplug_state.c has the pools).
 */
#include "ingest/sparkplug.h"

#include <string.h>

#include "ingest/build.h"
#include "ingest/float.h"
#include "ingest/protobuf.h"

enum { PAYLOAD_TIMESTAMP = 1, PAYLOAD_METRIC = 2 };

/* Sparkplug 3.0 §6.4.16 */
enum datatype {
	TYPE_INT8 = 1,
	TYPE_INT16 = 2,
	TYPE_INT32 = 3,
	TYPE_INT64 = 4,
	TYPE_UINT8 = 5,
	TYPE_UINT64 = 8,
	TYPE_DATE_TIME = 13,
};

static bool next_level(const char **at, const char *end, struct bytes *level)
{
	if (!*at)
		return false;
	const char *slash = memchr(*at, '/', (size_t)(end - *at));
	*level = (struct bytes){(const uint8_t *)*at, (uint32_t)((slash ? slash : end) - *at)};
	*at = slash ? slash + 1 : NULL;
	return level->count > 0;
}

static bool is_level(const struct bytes *level, const char *text)
{
	return level->count == strlen(text) && memcmp(level->data, text, level->count) == 0;
}

bool sparkplug_topic(const char *topic, uint32_t bytes, struct sparkplug_topic *t)
{
	static const char *const types[] = {"NBIRTH", "NDEATH", "DBIRTH",
	                                    "DDEATH", "NDATA",  "DDATA"};
	const char *at = topic, *end = topic + bytes;
	struct bytes space, type;

	if (!next_level(&at, end, &space) || !is_level(&space, "spBv1.0") ||
	    !next_level(&at, end, &t->group) || !next_level(&at, end, &type) ||
	    !next_level(&at, end, &t->node))
		return false;
	t->device = t->node;
	for (uint32_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (!is_level(&type, types[i]))
			continue;
		t->type = (enum sparkplug_type)i;
		if (*types[i] == 'D' && !next_level(&at, end, &t->device))
			return false;
		return at == NULL;
	}
	return false;
}

static void set_value(struct sparkplug_metric *m, const struct pb_field *f)
{
	static const struct {
		uint8_t number, type, value;
	} kinds[] = {{10, PB_VARINT, VALUE_BITS},    {11, PB_VARINT, VALUE_BITS},
	             {12, PB_FIXED32, VALUE_FLOAT},  {13, PB_FIXED64, VALUE_DOUBLE},
	             {14, PB_VARINT, VALUE_BOOLEAN}, {15, PB_BYTES, VALUE_TEXT}};

	m->value = VALUE_OTHER;
	m->bits = f->value;
	m->text = f->bytes;
	for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].number == f->number && kinds[i].type == f->type)
			m->value = (enum sparkplug_value)kinds[i].value;
}

bool sparkplug_metric(const struct bytes *bytes, struct sparkplug_metric *m)
{
	const uint8_t *p = bytes->data, *end = p + bytes->count;
	struct pb_field f;

	memset(m, 0, sizeof *m);
	while (p < end) {
		f.bytes = (struct bytes){NULL, 0};
		p = pb_field(p, end, &f);
		if (!p)
			return false;
		if (f.number == 1 && f.type == PB_BYTES)
			m->name = f.bytes;
		else if (f.number >= 10 && f.number <= 19)
			set_value(m, &f);
		if (f.type != PB_VARINT)
			continue;
		switch (f.number) {
		case 2:
			m->alias = f.value;
			m->has_alias = true;
			break;
		case 3:
			m->timestamp_ms = f.value;
			m->has_timestamp = true;
			break;
		case 4:
			m->datatype = (uint32_t)f.value;
			break;
		case 5:
			m->historical = f.value != 0;
			break;
		case 7:
			m->null = f.value != 0;
			break;
		}
	}
	return true;
}

/* Integers come as bits whose meaning is the datatype's (§6.4.16: two's complement). False: the
 * type is none of integers. */
static bool integer_of(uint64_t bits, uint32_t datatype, struct decimal *d)
{
	int64_t value;

	switch (datatype) {
	case TYPE_INT8:
		value = (int8_t)bits;
		break;
	case TYPE_INT16:
		value = (int16_t)bits;
		break;
	case TYPE_INT32:
		value = (int32_t)bits;
		break;
	case TYPE_INT64:
		value = (int64_t)bits;
		break;
	default:
		*d = decimal_of(false, bits, 0);
		return (datatype >= TYPE_UINT8 && datatype <= TYPE_UINT64) ||
		       datatype == TYPE_DATE_TIME;
	}
	*d = decimal_of(value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 0);
	return true;
}

static bool number_of(const struct sparkplug_metric *metric, struct decimal *d)
{
	switch (metric->value) {
	case VALUE_BITS:
		return integer_of(metric->bits, metric->datatype, d);
	case VALUE_FLOAT:
		return float_decimal32((uint32_t)metric->bits, d);
	case VALUE_DOUBLE:
		return float_decimal64(metric->bits, d);
	default:
		return false;
	}
}

static void take_number(struct reading *r, const struct profile_field *field,
                        const struct sparkplug_metric *metric)
{
	struct decimal d;
	int64_t ms;

	if (!number_of(metric, &d)) {
		refuse(r, FATE_REJECT_FIELD);
	} else if (field->role == FIELD_CHANNEL) {
		build_channel(r, field,
		              decimal_scale_by(&d, field->scale_pow10, field->divisor,
		                               &r->value[field->slot]));
	} else if (decimal_scale(&d, field->time_format == TIME_EPOCH_S ? 3 : 0, &ms) !=
	           DECIMAL_OVERFLOW) {
		build_time(r, FIELD_COLLECTED, ms);
	} else {
		refuse(r, FATE_REJECT_FIELD);
	}
}

static void take_value(struct message *m, struct reading *r, uint16_t index,
                       const struct sparkplug_metric *metric)
{
	const struct profile_field *field = &m->plan->profile->fields[index];

	if (*build_present(m, r) & 1u << index)
		refuse(r, FATE_REJECT_FIELD); /* twice with one timestamp */
	*build_present(m, r) |= 1u << index;
	if (field->role == FIELD_STATUS) {
		if (metric->value != VALUE_TEXT)
			refuse(r, FATE_REJECT_FIELD);
		else if (!is_level(&metric->text, field->good))
			r->flags |= READING_F_STATUS;
	} else if (field->role == FIELD_TAMPER) {
		if (metric->value != VALUE_BOOLEAN)
			refuse(r, FATE_REJECT_FIELD);
		else if (metric->bits)
			r->flags |= READING_F_TAMPER;
	} else {
		take_number(r, field, metric);
	}
}

/* A Sparkplug message on its way. */
struct spark {
	struct message *m;
	const struct sparkplug *state; /* NULL: none */
	struct sparkplug_sender sender;
	bool has_timestamp, unborn;
	uint64_t timestamp_ms;
};

/* The field that a metric is for; PLAN_NONE: of no interest. A type left out is the birth's. */
static uint16_t field_of(struct spark *s, struct sparkplug_metric *metric)
{
	const struct decode_plan *plan = s->m->plan;
	uint16_t name = PLAN_NONE;

	if (metric->name.count > 0) {
		if (metric->name.count < PROFILE_PATH_BYTES)
			name = plan_find(plan, 0, (const char *)metric->name.data,
			                 metric->name.count);
		if (name != PLAN_NONE && metric->datatype == 0 && s->state)
			sparkplug_find_name(s->state, &s->sender, name, &metric->datatype);
	} else if (metric->has_alias) {
		uint32_t datatype = metric->datatype;
		if (!s->state || !s->sender.born)
			s->unborn = true;
		else if (!sparkplug_find_alias(s->state, &s->sender, metric->alias, &name,
		                               &datatype))
			name = PLAN_NONE;
		if (metric->datatype == 0)
			metric->datatype = datatype;
	}
	return name == PLAN_NONE ? PLAN_NONE : plan->names[name].field;
}

/* False: no room. */
static bool take_metric(struct spark *s, struct sparkplug_metric *metric)
{
	uint16_t index = field_of(s, metric);
	struct message *m = s->m;

	if (index == PLAN_NONE || metric->null ||
	    m->plan->profile->fields[index].role == FIELD_IGNORED)
		return true;
	bool timed = metric->has_timestamp || s->has_timestamp;
	uint64_t ms = metric->has_timestamp ? metric->timestamp_ms
	              : s->has_timestamp    ? s->timestamp_ms
	                                    : 0;
	struct reading *r = build_group(m, m->id, ms > INT64_MAX ? INT64_MAX : (int64_t)ms);
	if (!r)
		return false;
	if (!timed)
		refuse(r, FATE_REJECT_MISSING);
	if (metric->historical) {
		int64_t delta = r->meter_ts_ms - m->received_ms;
		r->flags |= READING_F_COLLECTED;
		r->collected_delta_ms = delta < INT32_MIN ? INT32_MIN
		                        : delta > 0       ? 0
		                                          : (int32_t)delta;
	}
	take_value(m, r, index, metric);
	return true;
}

/* The payload's own timestamp, which counts for metrics before it, too. False: malformed. */
static bool take_timestamp(struct spark *s)
{
	const uint8_t *p = s->m->payload, *end = s->m->end;
	struct pb_field f;

	while (p < end) {
		p = pb_field(p, end, &f);
		if (!p)
			return false;
		if (f.number == PAYLOAD_TIMESTAMP && f.type == PB_VARINT) {
			s->timestamp_ms = f.value;
			s->has_timestamp = true;
		}
	}
	return true;
}

/* False: malformed. */
static bool take_metrics(struct spark *s)
{
	const uint8_t *p = s->m->payload, *end = s->m->end;
	struct sparkplug_metric metric;
	struct pb_field f;

	while (p < end) {
		p = pb_field(p, end, &f);
		if (f.number != PAYLOAD_METRIC || f.type != PB_BYTES)
			continue;
		if (!sparkplug_metric(&f.bytes, &metric))
			return false;
		if (!take_metric(s, &metric))
			return true;
	}
	return true;
}

uint32_t decode_sparkplug(struct message *m, const struct decode_source *in)
{
	struct spark s = {.m = m, .state = m->decoder->sparkplug};
	struct sparkplug_topic topic;

	if (!sparkplug_topic(in->topic, in->topic_bytes, &topic))
		return build_reject_all(m, FATE_REJECT_FIELD);
	m->id = build_id_apart(m->decoder, topic.device.data, topic.device.count, NULL, 0);
	if (s.state)
		s.sender = sparkplug_sender(s.state, m->plan, &topic);
	if (!take_timestamp(&s))
		return build_reject_all(m, FATE_REJECT_PAYLOAD);
	if (topic.type == SPARKPLUG_NDEATH || topic.type == SPARKPLUG_DDEATH)
		return 0;
	if (!take_metrics(&s))
		return build_reject_all(m, FATE_REJECT_PAYLOAD);
	if (m->overflow)
		return build_reject_all(m, FATE_REJECT_OVERSIZE);
	for (uint32_t i = 0; i < m->count; i++)
		build_end(m, &m->out[i]);
	if (!s.unborn)
		return m->count;
	/* values that nobody can name: the node has to be born first (§6.4.6) */
	counter_add(m->decoder->counters, COUNTER_INGEST_SPARKPLUG_UNBORN, 1);
	return m->count > 0 ? m->count : build_reject_all(m, FATE_REJECT_FIELD);
}
