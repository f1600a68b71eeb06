/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SenML in JSON (RFC 8428 §5): an array of objects, each read in one pass into a record.
 * Memory: the stack.
 */
#include "ingest/json.h"
#include "ingest/senml.h"

static const uint8_t *wrong(struct senml_record *r, enum senml_label label, const uint8_t *p,
                            const uint8_t *end)
{
	r->bad |= SENML_BIT(label);
	return json_skip(p, end, JSON_DEPTH_MAX - 2);
}

static const uint8_t *take_text(struct senml_record *r, enum senml_label label, const uint8_t *p,
                                const uint8_t *end)
{
	struct json_text text;

	if (*p != '"')
		return wrong(r, label, p, end);
	p = json_scan_string(p, end, &text);
	if (!p)
		return NULL;
	/* names and units have no characters that need one (§4.5.1, §12.1) */
	if (text.escaped)
		r->bad |= SENML_BIT(label);
	r->text[label] = (struct bytes){text.data, text.bytes};
	return p;
}

static const uint8_t *take_boolean(struct senml_record *r, const uint8_t *p, const uint8_t *end)
{
	if (*p != 't' && *p != 'f')
		return wrong(r, SENML_VB, p, end);
	r->vb = *p == 't';
	return r->vb ? json_word(p, end, "true", 4) : json_word(p, end, "false", 5);
}

static const uint8_t *take_value(struct senml_record *r, enum senml_label label, const uint8_t *p,
                                 const uint8_t *end)
{
	if (p == end)
		return NULL;
	if (label < SENML_OTHER && r->seen & SENML_BIT(label))
		return wrong(r, label, p, end); /* RFC 8259 §4: names should be unique */
	r->seen |= SENML_BIT(label);
	switch (senml_type(label)) {
	case SENML_TEXT:
		return take_text(r, label, p, end);
	case SENML_NUMBER:
		if (*p != '-' && (uint8_t)(*p - '0') > 9)
			return wrong(r, label, p, end);
		return decimal_scan(p, end, &r->number[label]);
	case SENML_BOOLEAN:
		return take_boolean(r, p, end);
	case SENML_ANY:
		break;
	}
	return json_skip(p, end, JSON_DEPTH_MAX - 2);
}

/* `p` is at the '{'; returns the place after the '}', NULL: malformed. */
static const uint8_t *take_record(struct senml_record *r, const uint8_t *p, const uint8_t *end)
{
	struct json_text label;

	senml_begin(r);
	p = json_space(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;) {
		p = json_scan_string(p, end, &label);
		if (!p)
			return NULL;
		p = json_space(p, end);
		if (p == end || *p != ':')
			return NULL;
		p = take_value(r, senml_label(label.data, label.bytes), json_space(p + 1, end),
		               end);
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

uint32_t senml_json(struct senml *s, const uint8_t *p)
{
	const uint8_t *end = s->m->end;
	struct senml_record record;

	p = json_space(p + 1, end);
	bool more = !(p < end && *p == ']');
	while (more) {
		const uint8_t *begin = p;
		p = p < end && *p == '{' ? take_record(&record, p, end) : NULL;
		if (!p || !senml_take(s, &record))
			return senml_finish(s, begin);
		p = json_space(p, end);
		if (p == end || (*p != ',' && *p != ']'))
			return senml_finish(s, p);
		more = *p == ',';
		if (more)
			p = json_space(p + 1, end);
	}
	p = json_space(p + 1, end);
	return senml_finish(s, p < end ? p : NULL);
}
