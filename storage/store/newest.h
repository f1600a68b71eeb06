/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The days of each device's newest reading and of its newest reading with a register: where to
 * look for them. Private to storage/store.
 *
 * Eight bytes a device, in chunks of 1,024 devices that appear when needed. A chunk is written
 * with a run when a day in it has changed: once a day and device. Its value; "v" is a varint,
 * columns are described in column.h:
 *   +-----------+--------------+----------------------------+--------------------------+
 *   | format, 1 | v: last day, | column: 0: no reading, or  | column: the same for the |
 *   | byte      | zigzag       | last day - day + 1         | days of registers        |
 *   +-----------+--------------+----------------------------+--------------------------+
 *
 * Threads: one raises, any may ask. Memory: malloc, never given back before the end.
 */
#ifndef HEADRACE_STORE_NEWEST_H
#define HEADRACE_STORE_NEWEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/store/column.h"

#define NEWEST_CHUNK     1024u
#define NEWEST_NONE      INT32_MIN
#define NEWEST_BYTES_MAX (1 + VARINT_BYTES_MAX + 2 * COLUMN_BYTES_MAX(NEWEST_CHUNK))

struct newest_chunk {
	_Atomic int32_t day[NEWEST_CHUNK];
	_Atomic int32_t register_day[NEWEST_CHUNK];
};

struct newest {
	_Atomic(struct newest_chunk *) *chunk; /* by device / NEWEST_CHUNK */
};

struct newest_days {
	int32_t day, register_day; /* UTC days; NEWEST_NONE: none */
};

MUST_USE bool newest_init(struct newest *n);
void newest_fini(struct newest *n);
/* No device was heard; the chunks stay. */
void newest_clear(struct newest *n);

struct newest_days newest_get(const struct newest *n, uint32_t device);
/* Days later than known are taken over; *changed is set when there was one, else left alone.
 * Days that do not fit are passed over. False: no memory. */
MUST_USE bool newest_raise(struct newest *n, uint32_t device, int64_t day, int64_t register_day,
                           bool *changed);

/* Make the device's chunk, if it is not there; any thread. False: no memory. */
MUST_USE bool newest_expect(struct newest *n, uint32_t device);

/* Number of chunks that may exist: all devices are below it times NEWEST_CHUNK. */
uint32_t newest_chunks(void);
bool newest_has_chunk(const struct newest *n, uint32_t chunk);
/* Returns the bytes written to `value`, of an existing chunk. */
size_t newest_pack(const struct newest *n, uint32_t chunk, uint8_t value[NEWEST_BYTES_MAX]);
/* RESULT_MEDIA: damaged. */
MUST_USE enum result newest_unpack(struct newest *n, uint32_t chunk, const uint8_t *value,
                                   size_t bytes, struct error *err);

#endif
