/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service points and customers as the store keeps them.
 *
 *    0         1       2       3     7      11
 *   +---------+-------+-------+-----+------+------------------+---------------+------------+
 *   | version | state | count | lat | long | texts: id,       | installations | agreements |
 *   |         |       |       |     |      | customer, tariff |               |            |
 *   |         |       |       |     |      | address, groups  |               |            |
 *   +---------+-------+-------+-----+------+------------------+---------------+------------+
 *
 *   installation
 *    0      8    16          24            32        40      48      49
 *   +------+----+-----------+-------------+---------+-------+-------+-------------+
 *   | from | to | numerator | denominator | initial | final | dials | text: meter |
 *   +------+----+-----------+-------------+---------+-------+-------+-------------+
 *
 *   agreements: none (as records of before have it), or
 *    0       1
 *   +-------+------------+-------------------------+-- again, `count` in all, by day
 *   | count | first day  | texts: customer, tariff |
 *   +-------+------------+-------------------------+--
 *
 *   customer: version, then the texts id, name, contact, address, email
 *
 * Integers are little-endian; each text is its length in two bytes and its bytes. What a newer
 * version of this program appended is passed over.
 *
 * Pure functions. Never trusts what it reads.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "control/registry/point_text.h"

#define VERSION            1
#define HEAD_BYTES         11u
#define INSTALLATION_BYTES 49u

/* --- texts --- */

static uint8_t *put_text(uint8_t *p, const char *text, size_t size)
{
	size_t bytes = strnlen(text, size);
	put_le16(p, (uint16_t)bytes);
	memcpy(p + 2, text, bytes);
	return p + 2 + bytes;
}

/* NULL: damaged, as it is from then on. */
static const uint8_t *get_text(const uint8_t *p, const uint8_t *end, char *text, size_t size)
{
	if (!p || end - p < 2)
		return NULL;
	size_t bytes = get_le16(p);
	p += 2;
	if (bytes >= size || bytes > (size_t)(end - p) || memchr(p, '\0', bytes))
		return NULL;
	memcpy(text, p, bytes);
	text[bytes] = '\0';
	return p + bytes;
}

/* --- service points --- */

static uint8_t *put_installation(uint8_t *p, const struct installation *in)
{
	put_le64(p, (uint64_t)in->from_s);
	put_le64(p + 8, (uint64_t)in->to_s);
	put_le64(p + 16, (uint64_t)in->ratio.numerator);
	put_le64(p + 24, (uint64_t)in->ratio.denominator);
	put_le64(p + 32, (uint64_t)in->initial_mwh);
	put_le64(p + 40, (uint64_t)in->final_mwh);
	p[48] = (uint8_t)in->dials;
	return put_text(p + INSTALLATION_BYTES, in->meter, sizeof in->meter);
}

static bool is_part(int64_t n)
{
	return n >= 1 && n <= RATIO_PART_MAX;
}

/* 1970 to 9999. */
static bool is_time(int64_t at_s)
{
	return at_s >= 0 && at_s < FIELD_INSTANT_END;
}

static const uint8_t *get_installation(const uint8_t *p, const uint8_t *end,
				       struct installation *in)
{
	if (!p || (size_t)(end - p) < INSTALLATION_BYTES)
		return NULL;
	in->from_s = (int64_t)get_le64(p);
	in->to_s = (int64_t)get_le64(p + 8);
	in->ratio.numerator = (int64_t)get_le64(p + 16);
	in->ratio.denominator = (int64_t)get_le64(p + 24);
	in->initial_mwh = (int64_t)get_le64(p + 32);
	in->final_mwh = (int64_t)get_le64(p + 40);
	in->dials = p[48];
	if (!is_part(in->ratio.numerator) || !is_part(in->ratio.denominator) ||
	    !is_time(in->from_s) || !(in->to_s == INSTALLATION_OPEN || is_time(in->to_s)) ||
	    (in->initial_mwh < 0 && in->initial_mwh != REGISTER_UNKNOWN) ||
	    (in->final_mwh < 0 && in->final_mwh != REGISTER_UNKNOWN))
		return NULL;
	return get_text(p + INSTALLATION_BYTES, end, in->meter, sizeof in->meter);
}

size_t point_record(const struct service_point *p, uint8_t out[POINT_RECORD_BYTES])
{
	out[0] = VERSION;
	out[1] = (uint8_t)p->state;
	out[2] = (uint8_t)p->installation_count;
	put_le32(out + 3, (uint32_t)p->latitude);
	put_le32(out + 7, (uint32_t)p->longitude);
	uint8_t *at = put_text(out + HEAD_BYTES, p->id, sizeof p->id);
	at = put_text(at, p->customer, sizeof p->customer);
	at = put_text(at, p->tariff, sizeof p->tariff);
	at = put_text(at, p->address, sizeof p->address);
	at = put_text(at, p->groups, sizeof p->groups);
	for (uint32_t i = 0; i < p->installation_count; i++)
		at = put_installation(at, &p->installations[i]);
	if (p->agreement_count > 0)
		*at++ = (uint8_t)p->agreement_count;
	for (uint32_t i = 0; i < p->agreement_count; i++) {
		put_le32(at, (uint32_t)p->agreements[i].from_day);
		at = put_text(at + 4, p->agreements[i].customer, sizeof p->agreements[i].customer);
		at = put_text(at, p->agreements[i].tariff, sizeof p->agreements[i].tariff);
	}
	CHECK_OP((size_t)(at - out), <=, (size_t)POINT_RECORD_BYTES);
	return (size_t)(at - out);
}

void agreements_settle(struct service_point *p)
{
	p->since_day = FIELD_NO_DAY;
	if (p->agreement_count == 0)
		return;
	const struct agreement *last = &p->agreements[p->agreement_count - 1];
	p->since_day = last->from_day;
	memcpy(p->customer, last->customer, sizeof p->customer);
	memcpy(p->tariff, last->tariff, sizeof p->tariff);
}

/* NULL: damaged. */
static const uint8_t *get_agreements(const uint8_t *at, const uint8_t *end, struct service_point *p)
{
	p->since_day = FIELD_NO_DAY;
	if (!at || at == end)
		return at;
	p->agreement_count = *at++;
	if (p->agreement_count > AGREEMENTS_MAX)
		return NULL;
	for (uint32_t i = 0; i < p->agreement_count; i++) {
		struct agreement *a = &p->agreements[i];
		if (!at || end - at < 4)
			return NULL;
		a->from_day = (int32_t)get_le32(at);
		if (a->from_day < 0 || a->from_day > FIELD_DAY_MAX ||
		    (i > 0 && a->from_day <= a[-1].from_day))
			return NULL;
		at = get_text(at + 4, end, a->customer, sizeof a->customer);
		at = get_text(at, end, a->tariff, sizeof a->tariff);
	}
	if (at)
		agreements_settle(p);
	return at;
}

bool point_record_parse(struct service_point *p, const void *record, size_t bytes)
{
	const uint8_t *from = record, *end = from + bytes;
	memset(p, 0, sizeof *p);
	if (bytes < HEAD_BYTES || from[0] != VERSION || from[1] > DEVICE_RETIRED ||
	    from[2] > INSTALLATIONS_MAX)
		return false;
	p->state = (enum device_state)from[1];
	p->installation_count = from[2];
	p->latitude = (int32_t)get_le32(from + 3);
	p->longitude = (int32_t)get_le32(from + 7);
	const uint8_t *at = get_text(from + HEAD_BYTES, end, p->id, sizeof p->id);
	at = get_text(at, end, p->customer, sizeof p->customer);
	at = get_text(at, end, p->tariff, sizeof p->tariff);
	at = get_text(at, end, p->address, sizeof p->address);
	at = get_text(at, end, p->groups, sizeof p->groups);
	for (uint32_t i = 0; i < p->installation_count; i++)
		at = get_installation(at, end, &p->installations[i]);
	at = get_agreements(at, end, p);
	return at && p->id[0] != '\0';
}

/* --- customers --- */

size_t customer_record(const struct customer *c, uint8_t out[CUSTOMER_RECORD_BYTES])
{
	out[0] = VERSION;
	uint8_t *at = put_text(out + 1, c->id, sizeof c->id);
	at = put_text(at, c->name, sizeof c->name);
	at = put_text(at, c->contact, sizeof c->contact);
	at = put_text(at, c->address, sizeof c->address);
	at = put_text(at, c->email, sizeof c->email);
	CHECK_OP((size_t)(at - out), <=, (size_t)CUSTOMER_RECORD_BYTES);
	return (size_t)(at - out);
}

bool customer_record_parse(struct customer *c, const void *record, size_t bytes)
{
	const uint8_t *from = record, *end = from + bytes;
	memset(c, 0, sizeof *c);
	if (bytes < 1 || from[0] != VERSION)
		return false;
	const uint8_t *at = get_text(from + 1, end, c->id, sizeof c->id);
	at = get_text(at, end, c->name, sizeof c->name);
	at = get_text(at, end, c->contact, sizeof c->contact);
	at = get_text(at, end, c->address, sizeof c->address);
	at = get_text(at, end, c->email, sizeof c->email);
	return at && c->id[0] != '\0';
}
