/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device as the store keeps it.
 *
 *    0         1        5       6       7          11         15          19              27
 *   +---------+--------+-------+-------+----------+----------+-----------+---------------+-------
 *   | version | number | state | dials | capacity | latitude | longitude | register from | texts
 *   +---------+--------+-------+-------+----------+----------+-----------+---------------+-------
 * Integers are little-endian; each text is its length in two bytes and its bytes, in the order of
 * `texts`. Texts that a newer version of this program appended are passed over.
 *
 * Version 1 had the texts from 11 on, and no groups. Before that it was a JSON object (which begins
 * with '{'). Both are still read, and registry_open writes them anew.
 *
 * Pure functions. Never trusts what it reads.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "control/registry/device_text.h"

#define VERSION      2
#define HEAD_BYTES   27u
#define HEAD_BYTES_1 11u

static const struct {
	size_t offset, bytes;
} texts[] = {
#define AT(member) {offsetof(struct device, member), sizeof(((struct device *)0)->member)}
    AT(id),           AT(gateway),       AT(profile),  AT(serial),
    AT(manufacturer), AT(model),         AT(firmware), AT(service_point),
    AT(capabilities), AT(communication), AT(groups),
#undef AT
};
#define TEXTS   (sizeof texts / sizeof texts[0])
#define TEXTS_1 (TEXTS - 1)

size_t device_record(const struct device *d, uint8_t out[DEVICE_RECORD_BYTES])
{
	size_t at = HEAD_BYTES;
	out[0] = VERSION;
	put_le32(out + 1, d->number);
	out[5] = (uint8_t)d->state;
	out[6] = (uint8_t)d->dials;
	put_le32(out + 7, d->capacity_w);
	put_le32(out + 11, (uint32_t)d->latitude);
	put_le32(out + 15, (uint32_t)d->longitude);
	put_le64(out + 19, (uint64_t)d->register_from_s);
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
	return bytes > 0 && (*(const char *)record == '{' || *(const uint8_t *)record == 1);
}

static bool parse_texts(struct device *d, const uint8_t *p, const uint8_t *end, size_t count)
{
	for (size_t i = 0; i < count; i++) {
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

bool device_record_parse(struct device *d, const void *record, size_t bytes)
{
	const uint8_t *p = record, *end = p + bytes;
	if (bytes > 0 && p[0] == '{')
		return device_parse_stored(d, record, bytes);
	device_defaults(d);
	if (bytes < HEAD_BYTES_1 || (p[0] != VERSION && p[0] != 1) || p[5] > DEVICE_RETIRED)
		return false;
	d->number = get_le32(p + 1);
	d->state = (enum device_state)p[5];
	d->dials = p[6];
	d->capacity_w = get_le32(p + 7);
	if (p[0] == 1)
		return parse_texts(d, p + HEAD_BYTES_1, end, TEXTS_1);
	if (bytes < HEAD_BYTES)
		return false;
	d->latitude = (int32_t)get_le32(p + 11);
	d->longitude = (int32_t)get_le32(p + 15);
	d->register_from_s = (int64_t)get_le64(p + 19);
	/* until the year 9999 */
	if (d->register_from_s < 0 || d->register_from_s >= FIELD_INSTANT_END)
		return false;
	return parse_texts(d, p + HEAD_BYTES, end, TEXTS);
}
