/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: a batch's readings in, bytes of a block out, and back.
 *
 * Pure functions, no memory of their own; record_bytes and record_put run on the store worker,
 * the rest on ordinary threads. Never trusts the bytes it takes apart.
 *
 * A record begins with its kind. Integers are little-endian; "v" is a zigzag varint (varint.h).
 *
 * Reading (kind 1)
 *    0      1         2          3       4        6          10               18
 *   +------+---------+----------+-------+--------+----------+----------------+
 *   | kind | profile | channels | spare | flags  |  device  |    meter_ts    |
 *   +------+---------+----------+-------+--------+----------+----------------+
 *   | v: ts - meter_ts | v: received - meter_ts | v: collected - received    |
 *   +------------------+------------------------+----------------------------+
 *   | channel ids, a byte each | v: values in canonical units, one a channel |
 *   +--------------------------+---------------------------------------------+
 *
 * Error (kind 2)
 *    0      1                    5
 *   +------+--------------------+------
 *   | kind | bytes of the body  | body
 *   +------+--------------------+------
 * and its body, the form that the store keeps too:
 *    0      1          2     3         4        8          16         24
 *   +------+----------+-----+---------+--------+----------+----------+
 *   | fate | protocol | qos | profile | device | received | meter_ts |
 *   +------+----------+-----+---------+--------+----------+----------+
 *   24              40     42     43       44       46      48
 *   +---------------+------+------+--------+-------+-------+----+--------+-------+-----+
 *   | address, IPv6 | port | id   | client | topic | raw   | id | client | topic | raw |
 *   |               |      | size | size   | size  | size  |    |        |       |     |
 *   +---------------+------+------+--------+-------+-------+----+--------+-------+-----+
 */
#include "storage/journal/record.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/varint.h"

#define KIND_READING        1
#define KIND_ERROR          2
#define READING_FIXED_BYTES 18
#define ERROR_HEAD_BYTES    5
#define ERROR_FIXED_BYTES   48

/* Readings of one batch may share their raw bytes (a message that is wrong as a whole). Only the
 * first keeps them all, so that a batch always fits a block: 64 * (5 + 48 + 64 + 64 + 256 + 512)
 * + 65,535 = 126,271 bytes, less than 128 KiB - 1 KiB. */
#define RAW_SHARED_BYTES 512
_Static_assert(BATCH_READINGS * (ERROR_HEAD_BYTES + ERROR_FIXED_BYTES + DEVICE_ID_BYTES +
                                 CLIENT_ID_BYTES + TOPIC_BYTES + RAW_SHARED_BYTES) +
                       BATCH_ARENA_BYTES <=
                   RECORD_BATCH_BYTES_MAX,
               "every batch fits a block of the smallest size");
_Static_assert(READING_FIXED_BYTES + (3 + READING_CHANNELS) * VARINT_BYTES_MAX + READING_CHANNELS <
                   512,
               "a reading takes less than an error entry");

struct parts {
	struct bytes id, client, topic, raw;
};

static uint32_t at_most(uint32_t v, uint32_t max)
{
	return v < max ? v : max;
}

static bool raw_is_shared(const struct batch *batch, uint32_t index)
{
	const struct reading *r = &batch->readings[index];
	for (uint32_t i = 0; i < index; i++) {
		const struct reading *earlier = &batch->readings[i];
		if (earlier->raw_offset == r->raw_offset && fate_is_error(earlier->fate) &&
		    earlier->raw_bytes > 0)
			return true;
	}
	return false;
}

static struct parts error_parts(const struct batch *batch, uint32_t index)
{
	const struct reading *r = &batch->readings[index];
	const struct origin *o = batch_origin(batch, r);
	struct parts p = {
	    .id = {batch_raw(batch, r) + r->id_offset, at_most(r->id_bytes, DEVICE_ID_BYTES)},
	    .client = {(const uint8_t *)o->text, at_most(o->client_bytes, CLIENT_ID_BYTES)},
	    .topic = {(const uint8_t *)o->text + o->client_bytes,
	              at_most(o->topic_bytes, TOPIC_BYTES)},
	    .raw = {batch_raw(batch, r), r->raw_bytes},
	};
	if (p.raw.count > RAW_SHARED_BYTES && raw_is_shared(batch, index))
		p.raw.count = RAW_SHARED_BYTES;
	return p;
}

static uint32_t error_body_bytes(const struct parts *p)
{
	return ERROR_FIXED_BYTES + p->id.count + p->client.count + p->topic.count + p->raw.count;
}

static uint32_t reading_bytes(const struct reading *r)
{
	uint32_t bytes = READING_FIXED_BYTES + r->channel_count;
	bytes += varint_bytes(zigzag(wrap_sub(r->ts_ms, r->meter_ts_ms)));
	bytes += varint_bytes(zigzag(wrap_sub(r->received_ms, r->meter_ts_ms)));
	bytes += varint_bytes(zigzag(r->collected_delta_ms));
	for (uint32_t i = 0; i < r->channel_count; i++)
		bytes += varint_bytes(zigzag(r->value[i]));
	return bytes;
}

uint32_t record_bytes(const struct batch *batch, uint32_t index)
{
	const struct reading *r = &batch->readings[index];
	if (r->fate == FATE_STORED)
		return reading_bytes(r);
	if (!fate_is_error(r->fate))
		return 0;
	struct parts p = error_parts(batch, index);
	return ERROR_HEAD_BYTES + error_body_bytes(&p);
}

static uint8_t *reading_put(uint8_t *at, const struct reading *r)
{
	CHECK_OP(r->channel_count, <=, READING_CHANNELS);
	at[0] = KIND_READING;
	at[1] = r->profile;
	at[2] = r->channel_count;
	at[3] = 0;
	put_le16(at + 4, r->flags);
	put_le32(at + 6, r->device);
	put_le64(at + 10, (uint64_t)r->meter_ts_ms);
	at += READING_FIXED_BYTES;
	at = varint_put(at, zigzag(wrap_sub(r->ts_ms, r->meter_ts_ms)));
	at = varint_put(at, zigzag(wrap_sub(r->received_ms, r->meter_ts_ms)));
	at = varint_put(at, zigzag(r->collected_delta_ms));
	memcpy(at, r->channel, r->channel_count);
	at += r->channel_count;
	for (uint32_t i = 0; i < r->channel_count; i++)
		at = varint_put(at, zigzag(r->value[i]));
	return at;
}

static uint8_t *part_put(uint8_t *at, const struct bytes *part)
{
	memcpy(at, part->data, part->count);
	return at + part->count;
}

static uint8_t *error_put(uint8_t *at, const struct batch *batch, uint32_t index)
{
	const struct reading *r = &batch->readings[index];
	const struct origin *o = batch_origin(batch, r);
	struct parts p = error_parts(batch, index);

	at[0] = KIND_ERROR;
	put_le32(at + 1, error_body_bytes(&p));
	at += ERROR_HEAD_BYTES;
	at[0] = r->fate;
	at[1] = o->protocol;
	at[2] = o->qos;
	at[3] = r->profile;
	put_le32(at + 4, r->device);
	put_le64(at + 8, (uint64_t)r->received_ms);
	put_le64(at + 16, (uint64_t)r->meter_ts_ms);
	memcpy(at + 24, o->address, 16);
	put_le16(at + 40, o->port);
	at[42] = (uint8_t)p.id.count;
	at[43] = (uint8_t)p.client.count;
	put_le16(at + 44, (uint16_t)p.topic.count);
	put_le16(at + 46, (uint16_t)p.raw.count);
	at = part_put(at + ERROR_FIXED_BYTES, &p.id);
	at = part_put(at, &p.client);
	at = part_put(at, &p.topic);
	return part_put(at, &p.raw);
}

uint8_t *record_put(uint8_t *at, const struct batch *batch, uint32_t index)
{
	const struct reading *r = &batch->readings[index];
	if (r->fate == FATE_STORED)
		return reading_put(at, r);
	if (fate_is_error(r->fate))
		return error_put(at, batch, index);
	return at;
}

static bool signed_get(const uint8_t **at, const uint8_t *end, int64_t *v)
{
	uint64_t u;
	if (!varint_get(at, end, &u))
		return false;
	*v = unzigzag(u);
	return true;
}

static bool reading_get(const uint8_t **at, const uint8_t *end, struct stored_reading *r)
{
	const uint8_t *p = *at;
	if (end - p < READING_FIXED_BYTES || p[2] > READING_CHANNELS || p[3] != 0)
		return false;
	memset(r, 0, sizeof *r);
	r->profile = p[1];
	r->channel_count = p[2];
	r->flags = get_le16(p + 4);
	r->device = get_le32(p + 6);
	r->meter_ts_ms = (int64_t)get_le64(p + 10);
	p += READING_FIXED_BYTES;

	int64_t ts, received, collected;
	if (!signed_get(&p, end, &ts) || !signed_get(&p, end, &received) ||
	    !signed_get(&p, end, &collected) || end - p < r->channel_count)
		return false;
	r->ts_ms = wrap_add(r->meter_ts_ms, ts);
	r->received_ms = wrap_add(r->meter_ts_ms, received);
	r->collected_ms = wrap_add(r->received_ms, collected);
	memcpy(r->channel, p, r->channel_count);
	p += r->channel_count;
	for (uint32_t i = 0; i < r->channel_count; i++) {
		if (!signed_get(&p, end, &r->value[i]))
			return false;
	}
	*at = p;
	return true;
}

bool record_error_parse(const uint8_t *body, uint32_t bytes, struct stored_error *error)
{
	if (bytes < ERROR_FIXED_BYTES)
		return false;
	uint32_t id = body[42], client = body[43];
	uint32_t topic = get_le16(body + 44), raw = get_le16(body + 46);
	if (bytes != ERROR_FIXED_BYTES + id + client + topic + raw || !fate_is_error(body[0]) ||
	    body[0] >= FATE_COUNT)
		return false;
	const uint8_t *text = body + ERROR_FIXED_BYTES;
	*error = (struct stored_error){
	    .fate = body[0],
	    .protocol = body[1],
	    .qos = body[2],
	    .profile = body[3],
	    .device = get_le32(body + 4),
	    .received_ms = (int64_t)get_le64(body + 8),
	    .meter_ts_ms = (int64_t)get_le64(body + 16),
	    .port = get_le16(body + 40),
	    .device_id = (const char *)text,
	    .device_id_bytes = id,
	    .client_id = (const char *)text + id,
	    .client_id_bytes = client,
	    .topic = (const char *)text + id + client,
	    .topic_bytes = topic,
	    .raw = text + id + client + topic,
	    .raw_bytes = raw,
	};
	memcpy(error->address, body + 24, 16);
	return true;
}

static bool error_get(const uint8_t **at, const uint8_t *end, struct record *record)
{
	const uint8_t *p = *at;
	if (end - p < ERROR_HEAD_BYTES)
		return false;
	uint32_t bytes = get_le32(p + 1);
	p += ERROR_HEAD_BYTES;
	if (bytes > end - p || !record_error_parse(p, bytes, &record->error))
		return false;
	record->body = p;
	record->body_bytes = bytes;
	*at = p + bytes;
	return true;
}

enum record_kind record_get(const uint8_t **at, const uint8_t *end, struct record *record)
{
	if (*at >= end)
		return record->kind = RECORD_END;
	if (**at == KIND_READING && reading_get(at, end, &record->reading))
		return record->kind = RECORD_READING;
	if (**at == KIND_ERROR && error_get(at, end, record))
		return record->kind = RECORD_ERROR;
	return record->kind = RECORD_DAMAGED;
}
