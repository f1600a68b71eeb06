/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages: the readings of 64 neighbouring devices (of one day) packed in columns. Private to
 * storage/store. Pure functions; memory is the caller's scratch, which grows by malloc.
 *
 * A page is one or more pieces, the oldest first. Each run adds a piece; merging puts pieces
 * side by side, and now and then packs several into one.
 *
 * Call order: fill a struct rows (page_decode, rows_add), rows_order, page_encode.
 */
#ifndef HEADRACE_STORE_PAGE_H
#define HEADRACE_STORE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/stored.h"

#define PAGE_DEVICES 64u

/* A growing list of readings, and a list of pointers to them in some order. All zero: empty. */
struct rows {
	struct stored_reading *row;
	uint32_t count, room;
	const struct stored_reading **order; /* made by rows_order */
	const struct stored_reading **spare;
	uint32_t order_count, order_room;
};

/* False: no memory. */
MUST_USE bool rows_reserve(struct rows *r, uint32_t more);
MUST_USE bool rows_add(struct rows *r, const struct stored_reading *row);
void rows_clear(struct rows *r);
void rows_fini(struct rows *r);

enum rows_keep {
	KEEP_ALL,    /* of each identity the first that was added */
	KEEP_NEWEST, /* of each device the one with the newest meter_ts_ms */
};

/* Put r->row into the order (device, meter_ts_ms), the first of equals stays, without the rest.
 * Costs next to nothing when it is in order. False: no memory. */
MUST_USE bool rows_settle(struct rows *r);

/* r->order := the rows by (device, meter_ts_ms), without those that `keep` leaves out.
 * False: no memory. */
MUST_USE bool rows_order(struct rows *r, enum rows_keep keep);

/* The same for pointers that lie elsewhere: sorts them stably, returns how many remain.
 * `spare` has room for `count`. */
uint32_t pointers_order(const struct stored_reading **order, const struct stored_reading **spare,
                        uint32_t count, enum rows_keep keep);

struct page_scratch {
	const struct stored_reading **shapes;
	uint32_t *shape_of;
	int64_t *value, *spare; /* a column */
	uint32_t rows_room;
	uint8_t *head, *body;
	size_t bytes_room;
};

void page_scratch_fini(struct page_scratch *s);

/* Pack rows (ordered, of one page, at least one) in one piece; it is at s->head, *bytes long.
 * False: no memory. */
MUST_USE bool page_encode(struct page_scratch *s, const struct stored_reading *const *rows,
                          uint32_t count, size_t *bytes);

enum page_result { PAGE_OK, PAGE_DAMAGED, PAGE_NO_MEMORY };

/* Add the rows of a page, whose first possible device is `first_device`, to `out`: of all
 * devices, or of `only` (DEVICE_NONE: all). Piece by piece, each in order. Untrusted bytes; when
 * it fails, `out` may have got some rows. */
MUST_USE enum page_result page_decode(const uint8_t *page, size_t bytes, uint32_t first_device,
                                      uint32_t only, struct rows *out);

/* The bytes of the piece at the start of a page. 0: damaged. */
size_t page_piece_bytes(const uint8_t *page, size_t bytes);

#endif
