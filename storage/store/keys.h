/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the store. All kinds lie in one column family, told apart by the first byte: RocksDB's
 * C interface can flush one family at a time only, so with several of them the journal position
 * could become durable without the data it stands for.
 *
 *   page of a day    'p' | day, 8 bytes | page, 4 bytes      merged pages (page.h)
 *   newest days      'n' | devices / 1,024, 4 bytes          days devices were heard last
 *   mark             'q' | day, 8 bytes | page, 4 bytes      readings came: aggregates are to do
 *   aggregates       'a' | level | group, 4 bytes | page, 4  aggregate_page.h
 *   error entry      'e' | number, 8 bytes                   the body of an error record
 *   removed          'r'                                     readings that retention took away
 *   zone             'z'                                     whose days the aggregates are
 *   meta             'm'                                     format, journal position, totals
 *
 * Integers are big-endian, so that keys sort as numbers do; the day (UTC days since 1970 of
 * meter_ts_ms) has its sign bit flipped for the same reason. page = device / 64.
 */
#ifndef HEADRACE_STORE_KEYS_H
#define HEADRACE_STORE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "storage/store/page.h"

#define KEY_PAGE   'p'
#define KEY_NEWEST 'n'
#define KEY_ERROR  'e'
#define KEY_META   'm'
#define KEY_MARK   'q'
#define KEY_REMOVED 'r'
#define KEY_ZONE   'z'
#define KEY_AGGREGATE 'a'

#define KEY_PAGE_BYTES   13u
#define KEY_NEWEST_BYTES 5u
#define KEY_ERROR_BYTES  9u
#define KEY_AGGREGATE_BYTES 10u
#define KEY_BYTES_MAX    13u

#define DAY_MS 86400000ll

static inline int64_t day_of(int64_t ms)
{
	return ms / DAY_MS - (ms % DAY_MS < 0);
}

static inline size_t key_page(uint8_t key[KEY_BYTES_MAX], int64_t day, uint32_t page)
{
	key[0] = KEY_PAGE;
	put_be64(key + 1, (uint64_t)day ^ 1ull << 63);
	put_be32(key + 9, page);
	return KEY_PAGE_BYTES;
}

static inline size_t key_newest(uint8_t key[KEY_BYTES_MAX], uint32_t chunk)
{
	key[0] = KEY_NEWEST;
	put_be32(key + 1, chunk);
	return KEY_NEWEST_BYTES;
}

static inline size_t key_mark(uint8_t key[KEY_BYTES_MAX], int64_t day, uint32_t page)
{
	size_t bytes = key_page(key, day, page);
	key[0] = KEY_MARK;
	return bytes;
}

/* group: the local day of hours, the month of days, the year of months */
static inline size_t key_aggregate(uint8_t key[KEY_BYTES_MAX], uint8_t level, int32_t group,
                                   uint32_t page)
{
	key[0] = KEY_AGGREGATE;
	key[1] = level;
	put_be32(key + 2, (uint32_t)group ^ 1u << 31);
	put_be32(key + 6, page);
	return KEY_AGGREGATE_BYTES;
}

static inline size_t key_error(uint8_t key[KEY_BYTES_MAX], uint64_t number)
{
	key[0] = KEY_ERROR;
	put_be64(key + 1, number);
	return KEY_ERROR_BYTES;
}

/* Where a page's key says it belongs. Untrusted bytes. */
struct page_place {
	int64_t day;
	uint32_t page;
};

static inline bool key_place_parse(const void *key, size_t bytes, uint8_t kind,
                                   struct page_place *place)
{
	const uint8_t *k = key;
	if (bytes != KEY_PAGE_BYTES || k[0] != kind)
		return false;
	place->day = (int64_t)(get_be64(k + 1) ^ 1ull << 63);
	place->page = get_be32(k + 9);
	return place->page <= UINT32_MAX / PAGE_DEVICES;
}

static inline bool key_page_parse(const void *key, size_t bytes, struct page_place *place)
{
	return key_place_parse(key, bytes, KEY_PAGE, place);
}

static inline bool key_mark_parse(const void *key, size_t bytes, struct page_place *place)
{
	return key_place_parse(key, bytes, KEY_MARK, place);
}

#endif
