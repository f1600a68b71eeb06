/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of integers, packed in as few bits as the largest needs. Private to storage/store.
 *
 *   +-----------+-------------+----------------+--------------------+---------------------+
 *   | head, 1 B | z: smallest | v: exceptions, | the values less    | v: gap, v: high     |
 *   |           |             | if there are   | the smallest, bits | bits, per exception |
 *   +-----------+-------------+----------------+--------------------+---------------------+
 * head: bits 0-5 the width in bits (COLUMN_WIDE: 64), bit 6 the series flag, bit 7 "there are
 * exceptions": values wider than that, whose high bits follow; gap counts the values since the
 * exception before. "v" is a varint, "z" a zigzag varint (varint.h).
 *
 * A series is a column of several devices' values one after the other. Flag clear: the values as
 * they are. Flag set: each device's first value in one column, all differences in a second.
 *
 * Pure functions; memory is the caller's. Unpacking never trusts its input.
 */
#ifndef HEADRACE_STORE_COLUMN_H
#define HEADRACE_STORE_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/varint.h"

#define COLUMN_NARROW_MAX 56u /* bits of a packed value: it lies within eight bytes */
#define COLUMN_WIDE       57u /* stands for 64 */
/* Bytes of a packed column of n values, at most. Eight are written beyond the end. */
#define COLUMN_BYTES_MAX(n) (1 + 2 * VARINT_BYTES_MAX + 8 * (size_t)(n) + 8)
#define SERIES_BYTES_MAX(n) (2 * COLUMN_BYTES_MAX(0) + 8 * (size_t)(n))

uint8_t *column_pack(uint8_t *at, const int64_t *value, uint32_t count);

/* False: damaged. */
MUST_USE bool column_unpack(const uint8_t **at, const uint8_t *end, int64_t *value,
                            uint32_t count);

/* value: `count` values, of which rows[0] belong to the first of `devices`, and so on. `spare`
 * has room for as many. */
uint8_t *series_pack(uint8_t *at, const int64_t *value, uint32_t count, const uint32_t *rows,
                     uint32_t devices, int64_t *spare);
MUST_USE bool series_unpack(const uint8_t **at, const uint8_t *end, int64_t *value,
                            uint32_t count, const uint32_t *rows, uint32_t devices,
                            int64_t *spare);

/* The greatest common divisor of values, met one after the other. */
struct divisor {
	uint64_t g; /* 0: only zeroes yet */
	uint32_t shift;
	uint64_t inverse; /* of the odd part, modulo 2^64 */
	uint64_t most;    /* quotients beyond this are none */
};

void divisor_set(struct divisor *d, uint64_t g);
void divisor_reduce(struct divisor *d, int64_t value);

/* value / g; *exact: g divides it. g > 0. */
static inline int64_t divisor_quotient(const struct divisor *d, int64_t value, bool *exact)
{
	int64_t q = (int64_t)((uint64_t)(value >> d->shift) * d->inverse);
	uint64_t magnitude = q < 0 ? 0 - (uint64_t)q : (uint64_t)q;
	*exact = ((uint64_t)value & ((1ull << d->shift) - 1)) == 0 && magnitude <= d->most;
	return q;
}

#endif
