/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device as the store keeps it. Before version 1 it was a JSON object (which begins with '{');
 * that is still read, and registry_open writes it anew.
 *
 *    0         1        5       6       7          11
 *   +---------+--------+-------+-------+----------+----------------------------------------------
 *   | version | number | state | dials | capacity | texts: id, gateway, profile, serial, ...
 *   +---------+--------+-------+-------+----------+----------------------------------------------
 * Integers are little-endian; each text is its length in two bytes and its bytes, in the order of
 * `texts`. Texts that a newer version of this program appended are passed over.
 *
 * Pure functions. Never trusts what it reads.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "control/registry/device_text.h"

#define VERSION    1
#define HEAD_BYTES 11u

static const struct {
	size_t offset, bytes;
} texts[] = {
#define AT(member) {offsetof(struct device, member), sizeof(((struct device *)0)->member)}
    AT(id),    AT(gateway),  AT(profile),       AT(serial),       AT(manufacturer),
    AT(model), AT(firmware), AT(service_point), AT(capabilities), AT(communication),
#undef AT
};
#define TEXTS (sizeof texts / sizeof texts[0])

size_t device_record(const struct device *d, uint8_t out[DEVICE_RECORD_BYTES])
{
	size_t at = HEAD_BYTES;
	out[0] = VERSION;
	put_le32(out + 1, d->number);
	out[5] = (uint8_t)d->state;
	out[6] = (uint8_t)d->dials;
	put_le32(out + 7, d->capacity_w);
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = (const char *)d + texts[i].offset;
		size_t bytes = strnlen(text, texts[i].bytes);
		put_le16(out + at, (uint16_t)bytes);
		memcpy(out + at + 2, text, bytes);
		at += 2 + bytes;
	}
	CHECK_OP(at, <=, (size_t)DEVICE_RECORD_BYTES);
	return at;
}

bool device_is_old_record(const void *record, size_t bytes)
{
	return bytes > 0 && *(const char *)record == '{';
}

bool device_record_parse(struct device *d, const void *record, size_t bytes)
{
	const uint8_t *p = record, *end = p + bytes;
	if (device_is_old_record(record, bytes))
		return device_parse_stored(d, record, bytes);
	device_defaults(d);
	if (bytes < HEAD_BYTES || p[0] != VERSION || p[5] > DEVICE_RETIRED)
		return false;
	d->number = get_le32(p + 1);
	d->state = (enum device_state)p[5];
	d->dials = p[6];
	d->capacity_w = get_le32(p + 7);
	p += HEAD_BYTES;
	for (size_t i = 0; i < TEXTS; i++) {
		if (end - p < 2)
			return false;
		size_t length = get_le16(p);
		p += 2;
		if (length >= texts[i].bytes || length > (size_t)(end - p) ||
		    memchr(p, '\0', length))
			return false;
		char *text = (char *)d + texts[i].offset;
		memcpy(text, p, length);
		text[length] = '\0';
		p += length;
	}
	return d->id[0] != '\0' && d->number < DEVICE_NONE;
}
