/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page codec: ordered readings in, columns out, and back.
 *
 * A page; "v" is a varint, "z" a zigzag varint (varint.h), other integers are little-endian:
 *   +--------+---------+----------------+----------------+----------+
 *   | format | present | v: shape count | shapes         | z: base  |
 *   | 1 byte | 2 bytes |                | 10 bytes each  |          |
 *   +--------+---------+----------------+----------------+----------+
 *   | per device present: v: rows, v: bytes of its segment          |
 *   +---------------------------------------------------------------+
 *   | four columns over all rows, as runs "v: value, v: length":    |
 *   |   flags, shape, z(ts - meter_ts), z(collected - received)     |
 *   +---------------------------------------------------------------+
 *   | per device present its segment, column after column:          |
 *   |   z: meter_ts, the difference of differences (from base, 0)   |
 *   |   z: received - meter_ts, difference to the row before        |
 *   |   for channel 0..7, where the row has it: z: value, difference|
 *   |   to the row before if that has the same channel there, else 0|
 *   +---------------------------------------------------------------+
 * Bit n of "present": the page has rows of its n-th device. A shape says what a row's channels
 * are: profile (1 byte), count (1 byte), channel ids (8 bytes, unused ones zero). "base" is the
 * meter_ts of the first row. Differences wrap around 2^64.
 *
 * Columns that hardly change cost nothing a row; a device's own columns stand together, so that
 * one device is read without unpacking the other fifteen.
 *
 * Threads: any. Memory: the scratch. Never trusts a page.
 */
#include "storage/store/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/varint.h"

#define FORMAT      1u
#define SHAPE_BYTES 10u
/* Of a row at most: shape, four runs of two varints, two times, eight values. */
#define ROW_BYTES_MAX  (SHAPE_BYTES + (4 * 2 + 2 + READING_CHANNELS) * VARINT_BYTES_MAX)
#define PAGE_FIXED_MAX (3 + 2 * VARINT_BYTES_MAX + PAGE_DEVICES * 2 * VARINT_BYTES_MAX)

_Static_assert(READING_CHANNELS + 2 == SHAPE_BYTES, "a shape holds all channel ids");

static bool scratch_reserve(struct page_scratch *s, uint32_t rows)
{
	if (rows <= s->rows_room)
		return true;
	if (rows < 2 * s->rows_room)
		rows = 2 * s->rows_room;
	size_t bytes = PAGE_FIXED_MAX + (size_t)rows * ROW_BYTES_MAX;
	page_scratch_fini(s);
	s->shapes = malloc(rows * sizeof s->shapes[0]);
	s->shape_of = malloc(rows * sizeof s->shape_of[0]);
	s->head = malloc(bytes);
	s->body = malloc(bytes);
	if (!s->shapes || !s->shape_of || !s->head || !s->body) {
		page_scratch_fini(s);
		return false;
	}
	s->rows_room = rows;
	s->bytes_room = bytes;
	return true;
}

void page_scratch_fini(struct page_scratch *s)
{
	free(s->shapes);
	free(s->shape_of);
	free(s->head);
	free(s->body);
	*s = (struct page_scratch){0};
}

/* --- packing --- */

static bool same_shape(const struct stored_reading *a, const struct stored_reading *b)
{
	return a->profile == b->profile && a->channel_count == b->channel_count &&
	       memcmp(a->channel, b->channel, a->channel_count) == 0;
}

/* Number the shapes in order of appearance; returns how many there are. */
static uint32_t shapes_find(struct page_scratch *s, const struct stored_reading *const *rows,
                            uint32_t count)
{
	uint32_t shapes = 0, last = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (shapes == 0 || !same_shape(rows[i], s->shapes[last])) {
			for (last = 0; last < shapes && !same_shape(rows[i], s->shapes[last]);)
				last++;
			if (last == shapes)
				s->shapes[shapes++] = rows[i];
		}
		s->shape_of[i] = last;
	}
	return shapes;
}

static uint8_t *shapes_put(uint8_t *at, const struct page_scratch *s, uint32_t shapes)
{
	at = varint_put(at, shapes);
	for (uint32_t i = 0; i < shapes; i++) {
		const struct stored_reading *r = s->shapes[i];
		memset(at, 0, SHAPE_BYTES);
		at[0] = r->profile;
		at[1] = r->channel_count;
		memcpy(at + 2, r->channel, r->channel_count);
		at += SHAPE_BYTES;
	}
	return at;
}

enum column { COLUMN_FLAGS, COLUMN_SHAPE, COLUMN_TS, COLUMN_COLLECTED, COLUMN_COUNT };

static uint64_t column_value(const struct page_scratch *s,
                             const struct stored_reading *const *rows, uint32_t i,
                             enum column column)
{
	const struct stored_reading *r = rows[i];
	switch (column) {
	case COLUMN_FLAGS:
		return r->flags;
	case COLUMN_SHAPE:
		return s->shape_of[i];
	case COLUMN_TS:
		return zigzag(wrap_sub(r->ts_ms, r->meter_ts_ms));
	default:
		return zigzag(wrap_sub(r->collected_ms, r->received_ms));
	}
}

static uint8_t *column_put(uint8_t *at, const struct page_scratch *s,
                           const struct stored_reading *const *rows, uint32_t count,
                           enum column column)
{
	for (uint32_t i = 0; i < count;) {
		uint64_t value = column_value(s, rows, i, column);
		uint32_t run = 1;
		while (i + run < count && column_value(s, rows, i + run, column) == value)
			run++;
		at = varint_put(at, value);
		at = varint_put(at, run);
		i += run;
	}
	return at;
}

static uint8_t *times_put(uint8_t *at, const struct stored_reading *const *rows, uint32_t count,
                          int64_t base)
{
	int64_t ts = base, step = 0, lag = 0;
	for (uint32_t i = 0; i < count; i++) {
		int64_t new_step = wrap_sub(rows[i]->meter_ts_ms, ts);
		at = varint_put(at, zigzag(wrap_sub(new_step, step)));
		/* the first difference is from the base, not from a row: no rhythm yet */
		step = i == 0 ? 0 : new_step;
		ts = rows[i]->meter_ts_ms;
	}
	for (uint32_t i = 0; i < count; i++) {
		int64_t new_lag = wrap_sub(rows[i]->received_ms, rows[i]->meter_ts_ms);
		at = varint_put(at, zigzag(wrap_sub(new_lag, lag)));
		lag = new_lag;
	}
	return at;
}

static uint8_t *values_put(uint8_t *at, const struct stored_reading *const *rows, uint32_t count)
{
	for (uint32_t c = 0; c < READING_CHANNELS; c++) {
		const struct stored_reading *before = NULL;
		for (uint32_t i = 0; i < count; i++) {
			const struct stored_reading *r = rows[i];
			if (r->channel_count <= c)
				continue;
			int64_t from =
			    before && before->channel[c] == r->channel[c] ? before->value[c] : 0;
			at = varint_put(at, zigzag(wrap_sub(r->value[c], from)));
			before = r;
		}
	}
	return at;
}

bool page_encode(struct page_scratch *s, const struct stored_reading *const *rows,
                 uint32_t count, size_t *bytes)
{
	CHECK_OP(count, >, 0u);
	if (!scratch_reserve(s, count))
		return false;
	uint32_t shapes = shapes_find(s, rows, count);
	int64_t base = rows[0]->meter_ts_ms;
	uint16_t present = 0;
	for (uint32_t i = 0; i < count; i++)
		present |= (uint16_t)(1u << rows[i]->device % PAGE_DEVICES);

	uint8_t *at = s->head, *body = s->body;
	*at++ = FORMAT;
	put_le16(at, present);
	at = shapes_put(at + 2, s, shapes);
	at = varint_put(at, zigzag(base));
	for (uint32_t i = 0; i < count;) {
		uint32_t n = 1;
		while (i + n < count && rows[i + n]->device == rows[i]->device)
			n++;
		uint8_t *start = body;
		body = times_put(body, rows + i, n, base);
		body = values_put(body, rows + i, n);
		at = varint_put(at, n);
		at = varint_put(at, (uint64_t)(body - start));
		i += n;
	}
	for (enum column c = 0; c < COLUMN_COUNT; c++)
		at = column_put(at, s, rows, count, c);
	size_t head_bytes = (size_t)(at - s->head), body_bytes = (size_t)(body - s->body);
	CHECK_OP(head_bytes + body_bytes, <=, s->bytes_room);
	memcpy(at, s->body, body_bytes);
	*bytes = head_bytes + body_bytes;
	return true;
}

/* --- unpacking --- */

struct page_reader {
	const uint8_t *at, *end;
	const uint8_t *shapes;
	uint64_t shape_count;
	int64_t base;
	uint16_t present;
	uint32_t rows; /* of all devices */
	uint32_t device_rows[PAGE_DEVICES];
	uint32_t device_bytes[PAGE_DEVICES];
	/* the rows wanted: first, count; they go to `row` */
	uint32_t first, count;
	struct stored_reading *row;
};

static bool signed_get(const uint8_t **at, const uint8_t *end, int64_t *v)
{
	uint64_t u;
	if (!varint_get(at, end, &u))
		return false;
	*v = unzigzag(u);
	return true;
}

static bool head_get(struct page_reader *p)
{
	uint64_t left = (uint64_t)(p->end - p->at);
	if (left < 3 || p->at[0] != FORMAT)
		return false;
	p->present = get_le16(p->at + 1);
	p->at += 3;
	if (!varint_get(&p->at, p->end, &p->shape_count) ||
	    p->shape_count > (uint64_t)(p->end - p->at) / SHAPE_BYTES)
		return false;
	p->shapes = p->at;
	p->at += p->shape_count * SHAPE_BYTES;
	for (uint64_t i = 0; i < p->shape_count; i++) {
		if (p->shapes[i * SHAPE_BYTES + 1] > READING_CHANNELS)
			return false;
	}
	if (!signed_get(&p->at, p->end, &p->base))
		return false;
	for (uint32_t d = 0; d < PAGE_DEVICES; d++) {
		uint64_t rows = 0, bytes = 0;
		/* a row has at least two bytes in its segment: the two times */
		if (p->present >> d & 1 &&
		    (!varint_get(&p->at, p->end, &rows) || !varint_get(&p->at, p->end, &bytes) ||
		     rows == 0 || bytes > left || rows > bytes / 2))
			return false;
		p->device_rows[d] = (uint32_t)rows;
		p->device_bytes[d] = (uint32_t)bytes;
		p->rows += (uint32_t)rows;
		if (p->rows > left)
			return false;
	}
	return p->rows > 0;
}

static bool column_set(const struct page_reader *p, struct stored_reading *r, enum column column,
                       uint64_t value)
{
	switch (column) {
	case COLUMN_FLAGS:
		r->flags = (uint16_t)value;
		return value <= UINT16_MAX;
	case COLUMN_SHAPE:
		if (value >= p->shape_count)
			return false;
		const uint8_t *shape = p->shapes + value * SHAPE_BYTES;
		r->profile = shape[0];
		r->channel_count = shape[1];
		memcpy(r->channel, shape + 2, shape[1]);
		return true;
	case COLUMN_TS: /* completed when meter_ts is known */
		r->ts_ms = unzigzag(value);
		return true;
	default:
		r->collected_ms = unzigzag(value);
		return true;
	}
}

static bool column_get(struct page_reader *p, enum column column)
{
	for (uint32_t i = 0; i < p->rows;) {
		uint64_t value, run;
		if (!varint_get(&p->at, p->end, &value) || !varint_get(&p->at, p->end, &run) ||
		    run == 0 || run > p->rows - i)
			return false;
		uint32_t from = i > p->first ? i : p->first;
		i += (uint32_t)run;
		uint32_t to = i < p->first + p->count ? i : p->first + p->count;
		for (uint32_t k = from; k < to; k++) {
			if (!column_set(p, &p->row[k - p->first], column, value))
				return false;
		}
	}
	return true;
}

static bool times_get(const struct page_reader *p, const uint8_t **at, const uint8_t *end,
                      struct stored_reading *row, uint32_t count)
{
	int64_t ts = p->base, step = 0, lag = 0, v;
	for (uint32_t i = 0; i < count; i++) {
		if (!signed_get(at, end, &v))
			return false;
		int64_t new_step = wrap_add(step, v);
		/* ordered: or else the same identity could come twice */
		if (i > 0 && (new_step <= 0 || wrap_add(ts, new_step) <= ts))
			return false;
		ts = wrap_add(ts, new_step);
		step = i == 0 ? 0 : new_step;
		row[i].meter_ts_ms = ts;
		row[i].ts_ms = wrap_add(ts, row[i].ts_ms);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!signed_get(at, end, &v))
			return false;
		lag = wrap_add(lag, v);
		row[i].received_ms = wrap_add(row[i].meter_ts_ms, lag);
		row[i].collected_ms = wrap_add(row[i].received_ms, row[i].collected_ms);
	}
	return true;
}

static bool values_get(const uint8_t **at, const uint8_t *end, struct stored_reading *row,
                       uint32_t count)
{
	for (uint32_t c = 0; c < READING_CHANNELS; c++) {
		const struct stored_reading *before = NULL;
		for (uint32_t i = 0; i < count; i++) {
			struct stored_reading *r = &row[i];
			int64_t v;
			if (r->channel_count <= c)
				continue;
			if (!signed_get(at, end, &v))
				return false;
			int64_t from =
			    before && before->channel[c] == r->channel[c] ? before->value[c] : 0;
			r->value[c] = wrap_add(from, v);
			before = r;
		}
	}
	return true;
}

/* Choose the rows wanted: all, or those of one of the devices. */
static void choose(struct page_reader *p, uint32_t first_device, uint32_t only)
{
	p->first = 0;
	p->count = p->rows;
	if (only == DEVICE_NONE)
		return;
	uint32_t slot = only - first_device;
	p->count = slot < PAGE_DEVICES ? p->device_rows[slot] : 0;
	for (uint32_t d = 0; d < slot && d < PAGE_DEVICES; d++)
		p->first += p->device_rows[d];
}

static bool segments_get(struct page_reader *p, uint32_t first_device)
{
	uint32_t at_row = 0;
	for (uint32_t d = 0; d < PAGE_DEVICES; d++) {
		uint32_t n = p->device_rows[d], bytes = p->device_bytes[d];
		if (bytes > (uint64_t)(p->end - p->at))
			return false;
		const uint8_t *at = p->at, *end = at + bytes;
		p->at = end;
		bool wanted = n > 0 && at_row >= p->first && at_row < p->first + p->count;
		struct stored_reading *row = p->row + (wanted ? at_row - p->first : 0);
		at_row += n;
		if (!wanted)
			continue;
		for (uint32_t i = 0; i < n; i++)
			row[i].device = first_device + d;
		if (!times_get(p, &at, end, row, n) || !values_get(&at, end, row, n) || at != end)
			return false;
	}
	return p->at == p->end;
}

enum page_result page_decode(const uint8_t *page, size_t bytes, uint32_t first_device,
                             uint32_t only, struct rows *out)
{
	struct page_reader p = {.at = page, .end = page + bytes};
	if (bytes > UINT32_MAX / 4 || !head_get(&p))
		return PAGE_DAMAGED;
	choose(&p, first_device, only);
	if (p.count == 0)
		return PAGE_OK;
	if (!rows_reserve(out, p.count))
		return PAGE_NO_MEMORY;
	p.row = out->row + out->count;
	memset(p.row, 0, p.count * sizeof p.row[0]);
	for (enum column c = 0; c < COLUMN_COUNT; c++) {
		if (!column_get(&p, c))
			return PAGE_DAMAGED;
	}
	if (!segments_get(&p, first_device))
		return PAGE_DAMAGED;
	out->count += p.count;
	return PAGE_OK;
}
