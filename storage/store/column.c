/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing of integer columns: frame of reference, bit packing, exceptions; see column.h.
 *
 * The width is the one that makes the column smallest, counting what the exceptions cost.
 * Differences wrap around 2^64, so that any two int64 have one. Threads: any. Memory: none.
 */
#include "storage/store/column.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define F_SERIES     0x40u
#define F_EXCEPTIONS 0x80u
#define WIDTH_MASK   0x3fu
/* At most an eighth of the values may be exceptions, and the widest is one. */
#define EXCEPTIONS_COUNT_MIN 8u

static uint32_t width_of(uint64_t v)
{
	return v == 0 ? 0 : 64u - (uint32_t)__builtin_clzll(v);
}

static uint64_t packed_bytes(uint32_t width, uint64_t count)
{
	return width == COLUMN_WIDE ? 8 * count : (width * count + 7) / 8;
}

/* --- packing --- */

/* The best width for values of which `histogram` counts how many have each width. */
static uint32_t width_choose(const uint32_t histogram[65], uint32_t count, uint32_t widest)
{
	uint32_t best = widest > COLUMN_NARROW_MAX ? COLUMN_WIDE : widest, beyond = 0;
	uint64_t best_bytes = packed_bytes(best, count);
	uint64_t gap_bytes = varint_bytes(count);
	for (uint32_t w = widest; w-- > 0;) {
		beyond += histogram[w + 1];
		if (beyond > count / 8)
			break;
		uint64_t bytes = packed_bytes(w, count) + varint_bytes(beyond) +
		                 beyond * (gap_bytes + (widest - w + 6) / 7);
		if (w <= COLUMN_NARROW_MAX && bytes < best_bytes) {
			best = w;
			best_bytes = bytes;
		}
	}
	return best;
}

static uint8_t *bits_put(uint8_t *at, const int64_t *value, uint32_t count, uint64_t low,
                         uint32_t width)
{
	uint64_t mask = (1ull << width) - 1, word = 0;
	uint32_t used = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = ((uint64_t)value[i] - low) & mask;
		word |= v << used;
		used += width;
		if (used >= 64) {
			put_le64(at, word);
			at += 8;
			used -= 64;
			word = v >> (width - used); /* used < width <= COLUMN_NARROW_MAX */
		}
	}
	put_le64(at, word);
	return at + (used + 7) / 8;
}

static uint8_t *wide_put(uint8_t *at, const int64_t *value, uint32_t count, uint64_t low)
{
	for (uint32_t i = 0; i < count; i++, at += 8)
		put_le64(at, (uint64_t)value[i] - low);
	return at;
}

static uint8_t *exceptions_put(uint8_t *at, const int64_t *value, uint32_t count, uint64_t low,
                               uint32_t width)
{
	uint32_t next = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t high = ((uint64_t)value[i] - low) >> width;
		if (high == 0)
			continue;
		at = varint_put(at, i - next);
		at = varint_put(at, high);
		next = i + 1;
	}
	return at;
}

struct extent {
	int64_t low, high;
};

static struct extent extent_of(const int64_t *value, uint32_t count)
{
	struct extent e = {0, 0};
	if (count > 0)
		e.low = e.high = value[0];
	for (uint32_t i = 1; i < count; i++) {
		e.low = value[i] < e.low ? value[i] : e.low;
		e.high = value[i] > e.high ? value[i] : e.high;
	}
	return e;
}

static uint32_t extent_width(struct extent e)
{
	return width_of((uint64_t)e.high - (uint64_t)e.low);
}

/* The width, and in *beyond how many values are wider. */
static uint32_t width_find(const int64_t *value, uint32_t count, uint64_t low, uint32_t widest,
                           uint32_t *beyond)
{
	uint32_t histogram[65] = {0}, width = widest;
	if (widest <= 1 || (count < EXCEPTIONS_COUNT_MIN && widest <= COLUMN_NARROW_MAX))
		return widest;
	for (uint32_t i = 0; i < count; i++)
		histogram[width_of((uint64_t)value[i] - low)]++;
	width = width_choose(histogram, count, widest);
	for (uint32_t w = width + 1; width != COLUMN_WIDE && w <= widest; w++)
		*beyond += histogram[w];
	return width;
}

static uint8_t *pack(uint8_t *at, const int64_t *value, uint32_t count, struct extent e,
                     uint8_t flags)
{
	uint32_t beyond = 0;
	uint32_t width = width_find(value, count, (uint64_t)e.low, extent_width(e), &beyond);
	*at++ = (uint8_t)(width | flags | (beyond > 0 ? F_EXCEPTIONS : 0));
	at = varint_put(at, zigzag(e.low));
	if (beyond > 0)
		at = varint_put(at, beyond);
	if (width == COLUMN_WIDE)
		return wide_put(at, value, count, (uint64_t)e.low);
	if (width > 0)
		at = bits_put(at, value, count, (uint64_t)e.low, width);
	return beyond > 0 ? exceptions_put(at, value, count, (uint64_t)e.low, width) : at;
}

uint8_t *column_pack(uint8_t *at, const int64_t *value, uint32_t count)
{
	return pack(at, value, count, extent_of(value, count), 0);
}

/* spare := the first value of each device, then all differences; returns how many of these. */
static uint32_t differences(const int64_t *value, const uint32_t *rows, uint32_t devices,
                            int64_t *spare)
{
	int64_t *step = spare + devices;
	for (uint32_t d = 0; d < devices; value += rows[d], d++) {
		spare[d] = rows[d] > 0 ? value[0] : 0;
		for (uint32_t i = 1; i < rows[d]; i++)
			*step++ = wrap_sub(value[i], value[i - 1]);
	}
	return (uint32_t)(step - spare) - devices;
}

uint8_t *series_pack(uint8_t *at, const int64_t *value, uint32_t count, const uint32_t *rows,
                     uint32_t devices, int64_t *spare)
{
	struct extent all = extent_of(value, count);
	uint32_t steps = differences(value, rows, devices, spare);
	if (steps == 0)
		return pack(at, value, count, all, 0);
	struct extent first = extent_of(spare, devices), step = extent_of(spare + devices, steps);
	uint64_t plain = (uint64_t)count * extent_width(all);
	uint64_t split = (uint64_t)devices * extent_width(first) +
	                 (uint64_t)steps * extent_width(step) + 24;
	if (plain <= split)
		return pack(at, value, count, all, 0);
	at = pack(at, spare, devices, first, F_SERIES);
	return pack(at, spare + devices, steps, step, 0);
}

/* --- unpacking --- */

static void bits_get(const uint8_t *at, const uint8_t *end, int64_t *value, uint32_t count,
                     uint64_t low, uint32_t width)
{
	uint64_t mask = (1ull << width) - 1, bit = 0, whole = end - at < 8 ? 0 : end - at - 7u;
	uint32_t i = 0;
	/* whose eight bytes lie before the end */
	for (; i < count && bit / 8 < whole; i++, bit += width)
		value[i] = (int64_t)(low + (get_le64(at + bit / 8) >> (bit & 7) & mask));
	for (; i < count; i++, bit += width) {
		const uint8_t *p = at + bit / 8;
		uint64_t word = 0;
		memcpy(&word, p, (size_t)(end - p));
		value[i] = (int64_t)(low + (word >> (bit & 7) & mask));
	}
}

static bool exceptions_get(const uint8_t **at, const uint8_t *end, int64_t *value, uint32_t count,
                           uint64_t exceptions, uint32_t width)
{
	uint64_t index = 0;
	for (uint64_t n = 0; n < exceptions; n++) {
		uint64_t gap, high;
		if (!varint_get(at, end, &gap) || !varint_get(at, end, &high))
			return false;
		if (gap >= count - index || high == 0 || width_of(high) + width > 64)
			return false;
		index += gap;
		value[index] = (int64_t)((uint64_t)value[index] + (high << width));
		index++;
	}
	return true;
}

static bool unpack(const uint8_t **at, const uint8_t *end, int64_t *value, uint32_t count,
                   uint8_t *flags)
{
	uint64_t low, exceptions = 0;
	if (*at >= end)
		return false;
	uint8_t head = *(*at)++;
	uint32_t width = head & WIDTH_MASK;
	*flags = head & F_SERIES;
	if (width > COLUMN_WIDE || !varint_get(at, end, &low))
		return false;
	low = (uint64_t)unzigzag(low);
	if (head & F_EXCEPTIONS && (!varint_get(at, end, &exceptions) || exceptions == 0 ||
	                            exceptions > count || width == COLUMN_WIDE))
		return false;
	uint64_t bytes = packed_bytes(width, count);
	if (bytes > (uint64_t)(end - *at))
		return false;
	const uint8_t *packed = *at;
	*at += bytes;
	if (width == COLUMN_WIDE) {
		for (uint32_t i = 0; i < count; i++)
			value[i] = (int64_t)(low + get_le64(packed + 8 * (size_t)i));
	} else if (width == 0) {
		for (uint32_t i = 0; i < count; i++)
			value[i] = (int64_t)low;
	} else {
		bits_get(packed, end, value, count, low, width);
	}
	return exceptions == 0 || exceptions_get(at, end, value, count, exceptions, width);
}

bool column_unpack(const uint8_t **at, const uint8_t *end, int64_t *value, uint32_t count)
{
	uint8_t flags;
	return unpack(at, end, value, count, &flags) && flags == 0;
}

bool series_unpack(const uint8_t **at, const uint8_t *end, int64_t *value, uint32_t count,
                   const uint32_t *rows, uint32_t devices, int64_t *spare)
{
	uint32_t steps = 0;
	if (*at >= end)
		return false;
	if (!(**at & F_SERIES))
		return column_unpack(at, end, value, count);
	for (uint32_t d = 0; d < devices; d++)
		steps += rows[d] > 1 ? rows[d] - 1 : 0;
	uint8_t flags;
	if (!unpack(at, end, spare, devices, &flags) ||
	    !column_unpack(at, end, spare + devices, steps))
		return false;
	const int64_t *step = spare + devices;
	for (uint32_t d = 0; d < devices; d++) {
		int64_t v = spare[d];
		for (uint32_t i = 0; i < rows[d]; i++) {
			v = i > 0 ? wrap_add(v, *step++) : v;
			*value++ = v;
		}
	}
	return true;
}

/* --- common divisors --- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

void divisor_set(struct divisor *d, uint64_t g)
{
	*d = (struct divisor){.g = g};
	if (g == 0)
		return;
	d->shift = (uint32_t)__builtin_ctzll(g);
	uint64_t odd = g >> d->shift;
	/* Newton: each step doubles the bits that are right, of which three are to begin with */
	d->inverse = odd;
	for (int i = 0; i < 5; i++)
		d->inverse *= 2 - odd * d->inverse;
	d->most = (uint64_t)INT64_MAX / odd;
}

void divisor_reduce(struct divisor *d, int64_t value)
{
	bool exact = value == 0;
	if (!exact && d->g != 0)
		divisor_quotient(d, value, &exact);
	if (!exact)
		divisor_set(d, gcd(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, d->g));
}
