/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page codec: ordered readings in, columns out, and back.
 *
 * A page is pieces, one behind the other. A piece; "v" is a varint, "z" a zigzag varint
 * (varint.h), a column and a series are described in column.h, integers are little-endian:
 *    0        1                5         13
 *   +--------+----------------+---------+---------------------------------------+
 *   | format | piece's bytes  | present | v: rows, per device present           |
 *   +--------+----------------+---------+---------------------------------------+
 *   | v: shape count | shapes, 10 bytes each                                    |
 *   +----------------+-----------------------------------------------------------+
 *   | z: base | v: divisor of meter_ts - base | v: divisors of the channels      |
 *   +---------+-------------------------------+----------------------------------+
 *   | four columns over all rows, as runs "v: value, v: length":                |
 *   |   flags, shape, z(ts - meter_ts), z(collected - received)                 |
 *   +----------------------------------------------------------------------------+
 *   | v: bytes, per segment | segments                                           |
 *   +------------------------+---------------------------------------------------+
 * and a segment:
 *   | series: (meter_ts - base) / divisor                                       |
 *   | series: received - meter_ts                                               |
 *   | series for each channel of the rows that have it: value / divisor       |
 *
 * Bit n of "present": the piece has rows of the page's n-th device. A shape says what a row's
 * channels are: profile (1 byte), count (1 byte), channel ids (8 bytes, unused ones zero); there
 * are as many divisors as the largest count. "base" is the meter_ts of the first row. A
 * segment is one device's rows, or those of several neighbours until there are SEGMENT_ROWS: one
 * reading of each of 64 devices packs as well as one device's day, and of a day one device is
 * read without unpacking the others.
 *
 * Columns that hardly change cost nothing a row; a meter that counts in steps of 10 Wh pays for
 * the steps only.
 *
 * Threads: any. Memory: the scratch. Never trusts a page.
 */
#include "storage/store/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/store/column.h"

#define FORMAT         2u
#define FIXED_BYTES    13u
#define SEGMENT_ROWS   64u
#define PIECE_ROWS_MAX (1u << 18) /* more make several pieces: damage can't ask for much memory */
#define SHAPE_BYTES    10u
#define SERIES_MAX     (2 + READING_CHANNELS)
/* Of a row at most: rows, shape, four runs of two varints, ten values of eight bytes. */
#define ROW_BYTES_MAX                                                                              \
	(VARINT_BYTES_MAX + SHAPE_BYTES + 4 * 2 * VARINT_BYTES_MAX + SERIES_MAX * 8)
/* Beside the rows: the head, and of each segment its bytes and the heads of its series. */
#define PIECE_BYTES_MAX                                                                            \
	(FIXED_BYTES + (3 + READING_CHANNELS) * VARINT_BYTES_MAX +                                 \
	 PAGE_DEVICES * (VARINT_BYTES_MAX + SERIES_MAX * SERIES_BYTES_MAX(0)))

_Static_assert(READING_CHANNELS + 2 == SHAPE_BYTES && READING_CHANNELS == 8,
               "a shape holds all channel ids, in a word");
_Static_assert(PAGE_DEVICES == 64, "`present` is a word of bits");

/* Room for the pieces of so many rows. */
static bool scratch_reserve(struct page_scratch *s, uint32_t rows)
{
	if (rows <= s->rows_room)
		return true;
	if (rows < 2 * (uint64_t)s->rows_room)
		rows = 2 * s->rows_room;
	size_t pieces = rows / PIECE_ROWS_MAX + 1;
	size_t bytes = pieces * PIECE_BYTES_MAX + (size_t)rows * ROW_BYTES_MAX;
	page_scratch_fini(s);
	s->shapes = malloc(rows * sizeof s->shapes[0]);
	s->shape_of = malloc(rows * sizeof s->shape_of[0]);
	s->value = malloc(rows * sizeof s->value[0]);
	s->spare = malloc((rows + PAGE_DEVICES) * sizeof s->spare[0]);
	s->head = malloc(bytes);
	s->body = malloc(bytes);
	if (!s->shapes || !s->shape_of || !s->value || !s->spare || !s->head || !s->body) {
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
	free(s->value);
	free(s->spare);
	free(s->head);
	free(s->body);
	*s = (struct page_scratch){0};
}

/* --- packing --- */

/* A piece in the making. */
struct piece {
	struct page_scratch *s;
	const struct stored_reading *const *rows;
	uint32_t count, shapes, channels, channels_least;
	uint64_t present;
	uint32_t device_rows[PAGE_DEVICES];
	int64_t base;
	struct divisor time, channel[READING_CHANNELS];
};

static bool same_shape(const struct stored_reading *a, const struct stored_reading *b)
{
	if (a->profile != b->profile || a->channel_count != b->channel_count)
		return false;
	uint64_t differ = get_le64(a->channel) ^ get_le64(b->channel);
	return a->channel_count == 0 || differ << (64 - 8 * a->channel_count) == 0;
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

static uint8_t *shapes_put(uint8_t *at, const struct piece *p)
{
	at = varint_put(at, p->shapes);
	for (uint32_t i = 0; i < p->shapes; i++) {
		const struct stored_reading *r = p->s->shapes[i];
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

/* Count the rows by device, find the shapes and the divisors. */
static void piece_survey(struct piece *p)
{
	p->base = p->rows[0]->meter_ts_ms;
	p->shapes = shapes_find(p->s, p->rows, p->count);
	for (uint32_t i = 0; i < p->shapes; i++) {
		uint32_t channels = p->s->shapes[i]->channel_count;
		p->channels = channels > p->channels ? channels : p->channels;
		p->channels_least = channels < p->channels_least ? channels : p->channels_least;
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const struct stored_reading *r = p->rows[i];
		uint32_t slot = r->device % PAGE_DEVICES;
		p->present |= 1ull << slot;
		p->device_rows[slot]++;
		if (p->time.g != 1)
			divisor_reduce(&p->time, wrap_sub(r->meter_ts_ms, p->base));
		for (uint32_t c = 0; c < r->channel_count; c++) {
			if (p->channel[c].g != 1)
				divisor_reduce(&p->channel[c], r->value[c]);
		}
	}
	if (p->time.g == 0)
		divisor_set(&p->time, 1);
	for (uint32_t c = 0; c < READING_CHANNELS; c++) {
		if (p->channel[c].g == 0)
			divisor_set(&p->channel[c], 1);
	}
}

/* Channel c of the rows that have it, with how many each device has. */
static uint8_t *channel_put(uint8_t *at, const struct piece *p, uint32_t first,
                            const uint32_t *device_rows, uint32_t devices, uint32_t c)
{
	uint32_t rows[PAGE_DEVICES], n = 0;
	bool exact;
	if (c < p->channels_least) {
		for (uint32_t d = 0; d < devices; d++)
			n += device_rows[d];
		for (uint32_t i = 0; i < n; i++)
			p->s->value[i] = divisor_quotient(&p->channel[c],
			                                  p->rows[first + i]->value[c], &exact);
		return series_pack(at, p->s->value, n, device_rows, devices, p->s->spare);
	}
	for (uint32_t d = 0; d < devices; first += device_rows[d], d++) {
		uint32_t before = n;
		for (uint32_t i = first; i < first + device_rows[d]; i++) {
			const struct stored_reading *r = p->rows[i];
			if (r->channel_count > c)
				p->s->value[n++] =
				    divisor_quotient(&p->channel[c], r->value[c], &exact);
		}
		rows[d] = n - before;
	}
	return series_pack(at, p->s->value, n, rows, devices, p->s->spare);
}

static uint8_t *segment_put(uint8_t *at, const struct piece *p, uint32_t first, uint32_t count,
                            const uint32_t *device_rows, uint32_t devices)
{
	const struct stored_reading *const *rows = p->rows + first;
	int64_t *value = p->s->value;
	bool exact;
	for (uint32_t i = 0; i < count; i++)
		value[i] = divisor_quotient(&p->time, wrap_sub(rows[i]->meter_ts_ms, p->base),
		                            &exact);
	at = series_pack(at, value, count, device_rows, devices, p->s->spare);
	for (uint32_t i = 0; i < count; i++)
		value[i] = wrap_sub(rows[i]->received_ms, rows[i]->meter_ts_ms);
	at = series_pack(at, value, count, device_rows, devices, p->s->spare);
	for (uint32_t c = 0; c < p->channels; c++)
		at = channel_put(at, p, first, device_rows, devices, c);
	return at;
}

/* The devices present from `*slot` on that make the next segment. Returns how many there are;
 * rows: of each; *slot: behind them. */
static uint32_t segment_next(const uint32_t device_rows[PAGE_DEVICES], uint32_t *slot,
                             uint32_t rows[PAGE_DEVICES], uint32_t *count)
{
	uint32_t devices = 0;
	*count = 0;
	for (; *slot < PAGE_DEVICES && *count < SEGMENT_ROWS; (*slot)++) {
		if (device_rows[*slot] > 0) {
			rows[devices++] = device_rows[*slot];
			*count += device_rows[*slot];
		}
	}
	return devices;
}

static uint8_t *head_put(uint8_t *at, const struct piece *p)
{
	*at = FORMAT;
	put_le64(at + 5, p->present);
	at += FIXED_BYTES;
	for (uint32_t d = 0; d < PAGE_DEVICES; d++) {
		if (p->device_rows[d] > 0)
			at = varint_put(at, p->device_rows[d]);
	}
	at = shapes_put(at, p);
	at = varint_put(at, zigzag(p->base));
	at = varint_put(at, p->time.g);
	for (uint32_t c = 0; c < p->channels; c++)
		at = varint_put(at, p->channel[c].g);
	for (enum column c = 0; c < COLUMN_COUNT; c++)
		at = column_put(at, p->s, p->rows, p->count, c);
	return at;
}

/* Returns where the piece ends that begins at `start`. */
static uint8_t *piece_encode(struct page_scratch *s, const struct stored_reading *const *rows,
                             uint32_t count, uint8_t *start)
{
	struct piece p = {
	    .s = s, .rows = rows, .count = count, .channels_least = READING_CHANNELS};
	uint32_t segment_rows[PAGE_DEVICES], first = 0, n;
	piece_survey(&p);
	uint8_t *at = head_put(start, &p), *body = s->body;
	for (uint32_t slot = 0; first < count; first += n) {
		uint8_t *segment = body;
		uint32_t devices = segment_next(p.device_rows, &slot, segment_rows, &n);
		body = segment_put(body, &p, first, n, segment_rows, devices);
		at = varint_put(at, (uint64_t)(body - segment));
	}
	size_t body_bytes = (size_t)(body - s->body);
	memcpy(at, s->body, body_bytes);
	at += body_bytes;
	put_le32(start + 1, (uint32_t)(at - start));
	return at;
}

bool page_encode(struct page_scratch *s, const struct stored_reading *const *rows,
                 uint32_t count, size_t *bytes)
{
	CHECK_OP(count, >, 0u);
	if (!scratch_reserve(s, count))
		return false;
	uint8_t *at = s->head;
	while (count > 0) {
		uint32_t n = count < PIECE_ROWS_MAX ? count : PIECE_ROWS_MAX;
		at = piece_encode(s, rows, n, at);
		rows += n;
		count -= n;
	}
	*bytes = (size_t)(at - s->head);
	CHECK_OP(*bytes, <=, s->bytes_room);
	return true;
}

/* --- unpacking --- */

#define ROWS_ON_STACK 512u

struct page_reader {
	const uint8_t *at, *end;
	const uint8_t *shapes;
	uint64_t shape_count;
	int64_t base;
	uint64_t time_divisor, divisor[READING_CHANNELS];
	uint32_t channels, channels_least; /* of the largest shape, of the smallest */
	uint32_t rows;                     /* of all devices */
	uint32_t device_rows[PAGE_DEVICES];
	/* the rows wanted: first, count; they go to `row` */
	uint32_t first, count;
	struct stored_reading *row;
	int64_t *value, *spare; /* a series of a segment */
};

static bool signed_get(const uint8_t **at, const uint8_t *end, int64_t *v)
{
	uint64_t u;
	if (!varint_get(at, end, &u))
		return false;
	*v = unzigzag(u);
	return true;
}

size_t page_piece_bytes(const uint8_t *page, size_t bytes)
{
	if (bytes < FIXED_BYTES || page[0] != FORMAT)
		return 0;
	size_t piece = get_le32(page + 1);
	return piece >= FIXED_BYTES && piece <= bytes ? piece : 0;
}

static bool counts_get(struct page_reader *p)
{
	uint64_t present = get_le64(p->at + 5);
	p->at += FIXED_BYTES;
	for (; present != 0; present &= present - 1) {
		uint64_t rows;
		if (!varint_get(&p->at, p->end, &rows) || rows == 0 ||
		    rows > PIECE_ROWS_MAX - p->rows)
			return false;
		p->device_rows[__builtin_ctzll(present)] = (uint32_t)rows;
		p->rows += (uint32_t)rows;
	}
	return p->rows > 0;
}

static bool shapes_get(struct page_reader *p)
{
	if (!varint_get(&p->at, p->end, &p->shape_count) ||
	    p->shape_count > (uint64_t)(p->end - p->at) / SHAPE_BYTES)
		return false;
	p->shapes = p->at;
	p->at += p->shape_count * SHAPE_BYTES;
	for (uint64_t i = 0; i < p->shape_count; i++) {
		uint32_t channels = p->shapes[i * SHAPE_BYTES + 1];
		uint64_t ids = get_le64(p->shapes + i * SHAPE_BYTES + 2);
		if (channels > READING_CHANNELS || (channels < 8 && ids >> 8 * channels != 0))
			return false;
		p->channels = channels > p->channels ? channels : p->channels;
		p->channels_least = channels < p->channels_least ? channels : p->channels_least;
	}
	return true;
}

static bool head_get(struct page_reader *p)
{
	if (!counts_get(p) || !shapes_get(p) || !signed_get(&p->at, p->end, &p->base) ||
	    !varint_get(&p->at, p->end, &p->time_divisor))
		return false;
	for (uint32_t c = 0; c < p->channels; c++) {
		if (!varint_get(&p->at, p->end, &p->divisor[c]))
			return false;
	}
	return true;
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
		memcpy(r->channel, shape + 2, sizeof r->channel);
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

static bool times_get(struct page_reader *p, const uint8_t **at, const uint8_t *end,
                      struct stored_reading *row, uint32_t count, const uint32_t *device_rows,
                      uint32_t devices)
{
	if (!series_unpack(at, end, p->value, count, device_rows, devices, p->spare))
		return false;
	for (uint32_t d = 0, i = 0; d < devices; d++) {
		for (uint32_t k = 0; k < device_rows[d]; k++, i++) {
			int64_t ts = wrap_add(p->base, (int64_t)((uint64_t)p->value[i] *
			                                         p->time_divisor));
			/* ordered: or else the same identity could come twice */
			if (k > 0 && ts <= row[i - 1].meter_ts_ms)
				return false;
			row[i].meter_ts_ms = ts;
			row[i].ts_ms = wrap_add(ts, row[i].ts_ms);
		}
	}
	if (!series_unpack(at, end, p->value, count, device_rows, devices, p->spare))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		row[i].received_ms = wrap_add(row[i].meter_ts_ms, p->value[i]);
		row[i].collected_ms = wrap_add(row[i].received_ms, row[i].collected_ms);
	}
	return true;
}

/* A channel that all rows have. */
static bool channel_get_all(struct page_reader *p, const uint8_t **at, const uint8_t *end,
                            struct stored_reading *row, const uint32_t *device_rows,
                            uint32_t devices, uint32_t c)
{
	uint32_t n = 0;
	for (uint32_t d = 0; d < devices; d++)
		n += device_rows[d];
	if (!series_unpack(at, end, p->value, n, device_rows, devices, p->spare))
		return false;
	for (uint32_t i = 0; i < n; i++)
		row[i].value[c] = (int64_t)((uint64_t)p->value[i] * p->divisor[c]);
	return true;
}

static bool channel_get(struct page_reader *p, const uint8_t **at, const uint8_t *end,
                        struct stored_reading *row, const uint32_t *device_rows,
                        uint32_t devices, uint32_t c)
{
	uint32_t rows[PAGE_DEVICES], n = 0;
	if (c < p->channels_least)
		return channel_get_all(p, at, end, row, device_rows, devices, c);
	for (uint32_t d = 0, i = 0; d < devices; d++) {
		uint32_t before = n;
		for (uint32_t k = 0; k < device_rows[d]; k++, i++)
			n += row[i].channel_count > c;
		rows[d] = n - before;
	}
	if (!series_unpack(at, end, p->value, n, rows, devices, p->spare))
		return false;
	for (uint32_t i = 0, v = 0; v < n; i++) {
		if (row[i].channel_count > c)
			row[i].value[c] = (int64_t)((uint64_t)p->value[v++] * p->divisor[c]);
	}
	return true;
}

static bool segment_get(struct page_reader *p, const uint8_t *at, const uint8_t *end,
                        struct stored_reading *row, uint32_t count, const uint32_t *device_rows,
                        uint32_t devices)
{
	if (!times_get(p, &at, end, row, count, device_rows, devices))
		return false;
	for (uint32_t c = 0; c < p->channels; c++) {
		if (!channel_get(p, &at, end, row, device_rows, devices, c))
			return false;
	}
	return at == end;
}

/* The segments that hold rows wanted go to p->row; the others are stepped over. */
static bool segments_get(struct page_reader *p, const uint8_t *sizes)
{
	uint32_t rows[PAGE_DEVICES], count;
	for (uint32_t slot = 0, at_row = 0; at_row < p->rows; at_row += count) {
		uint64_t bytes;
		uint32_t devices = segment_next(p->device_rows, &slot, rows, &count);
		if (!varint_get(&sizes, p->end, &bytes) || bytes > (uint64_t)(p->end - p->at))
			return false;
		const uint8_t *at = p->at, *end = at + bytes;
		p->at = end;
		if (at_row >= p->first && at_row < p->first + p->count &&
		    !segment_get(p, at, end, p->row + (at_row - p->first), count, rows, devices))
			return false;
	}
	return p->at == p->end;
}

/*
 * Choose the rows to unpack: all, or those of the segment that has the wanted device; also finds
 * the rows of the largest segment among them and how many segments the piece has. Returns the
 * wanted device's place in its segment, *own: its rows.
 */
static uint32_t choose(struct page_reader *p, uint32_t slot, uint32_t *own, uint32_t *largest,
                       uint32_t *segments)
{
	uint32_t rows[PAGE_DEVICES], count, place = 0;
	*own = *largest = *segments = 0;
	p->count = slot == PAGE_DEVICES ? p->rows : 0;
	for (uint32_t next = 0, at_row = 0; at_row < p->rows; at_row += count, ++*segments) {
		uint32_t from = next;
		segment_next(p->device_rows, &next, rows, &count);
		bool here = slot >= from && slot < next;
		if (here && p->device_rows[slot] > 0) {
			p->first = at_row;
			p->count = count;
			*own = p->device_rows[slot];
			for (uint32_t d = from; d < slot; d++)
				place += p->device_rows[d];
		}
		if ((here || slot == PAGE_DEVICES) && count > *largest)
			*largest = count;
	}
	return place;
}

static void devices_set(struct page_reader *p, uint32_t first_device)
{
	uint32_t end = p->first + p->count;
	for (uint32_t slot = 0, at = 0; slot < PAGE_DEVICES; slot++) {
		uint32_t from = at > p->first ? at : p->first;
		at += p->device_rows[slot];
		for (uint32_t i = from; i < at && i < end; i++)
			p->row[i - p->first].device = first_device + slot;
	}
}

/* Most pieces have one value in each of the four columns: all rows begin as copies of one.
 * False: this one has not, nothing was taken. */
static bool uniform_get(struct page_reader *p)
{
	const uint8_t *at = p->at;
	struct stored_reading first = {0};
	for (enum column c = 0; c < COLUMN_COUNT; c++) {
		uint64_t value, run;
		if (!varint_get(&at, p->end, &value) || !varint_get(&at, p->end, &run) ||
		    run != p->rows || !column_set(p, &first, c, value))
			return false;
	}
	for (uint32_t i = 0; i < p->count; i++)
		p->row[i] = first;
	p->at = at;
	return true;
}

static bool columns_get(struct page_reader *p)
{
	if (uniform_get(p))
		return true;
	memset(p->row, 0, p->count * sizeof p->row[0]);
	for (enum column c = 0; c < COLUMN_COUNT; c++) {
		if (!column_get(p, c))
			return false;
	}
	return true;
}

static bool rows_get(struct page_reader *p, uint32_t first_device, uint32_t segments)
{
	if (!columns_get(p))
		return false;
	const uint8_t *sizes = p->at;
	for (uint32_t i = 0; i < segments; i++) {
		uint64_t bytes;
		if (!varint_get(&p->at, p->end, &bytes))
			return false;
	}
	devices_set(p, first_device);
	return segments_get(p, sizes);
}

static enum page_result piece_decode(const uint8_t *piece, size_t bytes, uint32_t first_device,
                                     uint32_t slot, struct rows *out)
{
	struct page_reader p = {
	    .at = piece, .end = piece + bytes, .channels_least = READING_CHANNELS};
	int64_t small[2 * ROWS_ON_STACK + PAGE_DEVICES], *large = NULL;
	uint32_t own, largest, segments;
	if (!head_get(&p))
		return PAGE_DAMAGED;
	uint32_t place = choose(&p, slot, &own, &largest, &segments);
	if (p.count == 0)
		return PAGE_OK;
	if (largest > ROWS_ON_STACK)
		large = malloc((2 * (size_t)largest + PAGE_DEVICES) * sizeof large[0]);
	if ((largest > ROWS_ON_STACK && !large) || !rows_reserve(out, p.count)) {
		free(large);
		return PAGE_NO_MEMORY;
	}
	p.value = large ? large : small;
	p.spare = p.value + (large ? largest : ROWS_ON_STACK);
	p.row = out->row + out->count;
	bool good = rows_get(&p, first_device, segments);
	free(large);
	if (!good)
		return PAGE_DAMAGED;
	if (slot < PAGE_DEVICES) { /* its neighbours in the segment are not wanted */
		memmove(p.row, p.row + place, own * sizeof p.row[0]);
		p.count = own;
	}
	out->count += p.count;
	return PAGE_OK;
}

enum page_result page_decode(const uint8_t *page, size_t bytes, uint32_t first_device,
                             uint32_t only, struct rows *out)
{
	uint32_t slot = PAGE_DEVICES;
	if (only != DEVICE_NONE && (slot = only - first_device) >= PAGE_DEVICES)
		return PAGE_OK;
	enum page_result r = bytes == 0 ? PAGE_DAMAGED : PAGE_OK;
	while (bytes > 0 && r == PAGE_OK) {
		size_t piece = page_piece_bytes(page, bytes);
		if (piece == 0)
			return PAGE_DAMAGED;
		r = piece_decode(page, piece, first_device, slot, out);
		page += piece;
		bytes -= piece;
	}
	return r;
}
