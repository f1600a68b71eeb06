/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SenML in CBOR (RFC 8428 §6): an array of maps with small integers as labels, each read in one
 * pass into a record. Lengths may be given or not.
 *
 *	label   -6 -5 -4 -3 -2 -1    0  1  2   3   4  5  6   7   8
 *	        bs bv bu bt bn bver  n  u  v  vs  vb  s  t  ut  vd
 */
#include "ingest/cbor.h"
#include "ingest/senml.h"

#define LABEL_MIN (-6)
#define LABEL_MAX 8

static const uint8_t *wrong(struct senml_record *r, enum senml_label label, const uint8_t *p,
                            const uint8_t *end)
{
	r->bad |= SENML_BIT(label);
	return cbor_skip(p, end, CBOR_DEPTH_MAX - 2);
}

static const uint8_t *take_label(const uint8_t *p, const uint8_t *end, enum senml_label *label)
{
	static const uint8_t labels[] = {SENML_BS, SENML_BV, SENML_BU, SENML_BT, SENML_BN,
	                                 SENML_BVER, SENML_N, SENML_U, SENML_V, SENML_VS,
	                                 SENML_VB, SENML_S, SENML_T, SENML_UT, SENML_VD};
	struct bytes text;
	int64_t number;

	*label = SENML_OTHER;
	switch (cbor_int(&p, end, &number)) {
	case 1:
		if (number >= LABEL_MIN && number <= LABEL_MAX)
			*label = (enum senml_label)labels[number - LABEL_MIN];
		return p;
	case 0:
		if (*p >> 5 != CBOR_TEXT)
			return cbor_skip(p, end, CBOR_DEPTH_MAX - 2);
		const uint8_t *after = cbor_text(p, end, &text);
		if (after)
			*label = senml_label(text.data, text.count);
		return after ? after : cbor_skip(p, end, CBOR_DEPTH_MAX - 2);
	default:
		return NULL;
	}
}

static const uint8_t *take_number(struct senml_record *r, enum senml_label label,
                                  const uint8_t *p, const uint8_t *end)
{
	switch (cbor_decimal(&p, end, &r->number[label])) {
	case CBOR_NUMBER:
		return p;
	case CBOR_NO_NUMBER:
		return wrong(r, label, p, end);
	case CBOR_WRONG:
		r->bad |= SENML_BIT(label);
		return p;
	case CBOR_MALFORMED:
		break;
	}
	return NULL;
}

static const uint8_t *take_value(struct senml_record *r, enum senml_label label, const uint8_t *p,
                                 const uint8_t *end)
{
	const uint8_t *after;

	if (p == end)
		return NULL;
	if (label < SENML_OTHER && r->seen & SENML_BIT(label))
		return wrong(r, label, p, end); /* RFC 8949 §5.6: keys must be unique */
	r->seen |= SENML_BIT(label);
	switch (senml_type(label)) {
	case SENML_TEXT:
		after = cbor_text(p, end, &r->text[label]);
		return after ? after : wrong(r, label, p, end);
	case SENML_NUMBER:
		return take_number(r, label, p, end);
	case SENML_BOOLEAN:
		r->vb = *p == CBOR_TRUE;
		return *p == CBOR_TRUE || *p == CBOR_FALSE ? p + 1 : wrong(r, label, p, end);
	case SENML_ANY:
		break;
	}
	return cbor_skip(p, end, CBOR_DEPTH_MAX - 2);
}

/* A map; NULL: malformed, or none. */
static const uint8_t *take_record(struct senml_record *r, const uint8_t *p, const uint8_t *end)
{
	struct cbor_head head;
	enum senml_label label;

	senml_begin(r);
	p = cbor_head(p, end, &head);
	if (!p || head.major != CBOR_MAP)
		return NULL;
	for (uint64_t i = 0; i < head.argument; i++) {
		if (head.argument == UINT64_MAX && p < end && *p == CBOR_BREAK)
			return p + 1;
		p = take_label(p, end, &label);
		if (p)
			p = take_value(r, label, p, end);
		if (!p)
			return NULL;
	}
	return p;
}

uint32_t senml_cbor(struct senml *s)
{
	const uint8_t *end = s->m->end;
	struct senml_record record;
	struct cbor_head head;
	const uint8_t *p = cbor_head(s->m->payload, end, &head);

	if (!p || head.major != CBOR_ARRAY)
		return senml_finish(s, s->m->payload);
	for (uint64_t i = 0; i < head.argument; i++) {
		const uint8_t *begin = p;
		if (head.argument == UINT64_MAX && p < end && *p == CBOR_BREAK) {
			p++;
			break;
		}
		p = take_record(&record, p, end);
		if (!p || !senml_take(s, &record))
			return senml_finish(s, begin);
	}
	return senml_finish(s, p < end ? p : NULL);
}
