/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans of neighbouring devices: the 64 of a page, day by day, each page read and unpacked once for
 * all of them.
 *
 * The runs are copied first, then RocksDB is asked day by day: a run leaves memory only after
 * RocksDB has it, so nothing falls between; what both have comes out once.
 *
 * Threads: any ordinary ones. Memory: malloc, one day of the page at a time.
 */
#include "base/check.h"
#include "storage/store/keys.h"
#include "storage/store/store_priv.h"

_Static_assert(STORE_GROUP_DEVICES == PAGE_DEVICES, "a group is a page");

struct group_scan {
	uint32_t page;
	int64_t from_ms, to_ms;
	store_reading_fn *fn;
	void *context;
	struct rows run; /* of all days, in no order */
	struct rows day;
	bool ended;
};

static enum result take_runs(struct store *s, struct group_scan *scan, struct error *err)
{
	bool room = true;
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; room && i < PAGE_DEVICES; i++)
		room = query_runs_device(s, scan->page * PAGE_DEVICES + i, &scan->run);
	pthread_mutex_unlock(&s->lock);
	return room ? RESULT_OK : query_no_memory(err);
}

/* The day's rows, those of RocksDB first: of equal identities the first stays. */
static enum result load_day(struct store *s, struct group_scan *scan, int64_t day,
                            struct error *err)
{
	uint8_t key[KEY_BYTES_MAX];
	size_t key_bytes = key_page(key, day, scan->page);
	rows_clear(&scan->day);
	enum result r = query_page_get(s, key, key_bytes, DEVICE_NONE, &scan->day, err);
	for (uint32_t i = 0; r == RESULT_OK && i < scan->run.count; i++)
		if (day_of(scan->run.row[i].meter_ts_ms) == day &&
		    !rows_add(&scan->day, &scan->run.row[i]))
			r = query_no_memory(err);
	if (r == RESULT_OK && !rows_settle(&scan->day))
		r = query_no_memory(err);
	return r;
}

static void show_day(struct group_scan *scan)
{
	for (uint32_t i = 0; !scan->ended && i < scan->day.count; i++) {
		const struct stored_reading *r = &scan->day.row[i];
		if (r->ts_ms >= scan->from_ms && r->ts_ms < scan->to_ms)
			scan->ended = !scan->fn(scan->context, r);
	}
}

enum result store_scan_group(struct store *s, uint32_t first_device, int64_t from_ms,
                             int64_t to_ms, store_reading_fn *fn, void *context,
                             struct error *err)
{
	STORE_READS(s);
	CHECK(first_device % PAGE_DEVICES == 0);
	struct group_scan scan = {.page = first_device / PAGE_DEVICES,
	                          .from_ms = from_ms,
	                          .to_ms = to_ms,
	                          .fn = fn,
	                          .context = context};
	int64_t last = day_of(to_ms + REPLACED_MAX_MS);
	enum result r = take_runs(s, &scan, err);
	for (int64_t day = day_of(from_ms - REPLACED_MAX_MS);
	     r == RESULT_OK && !scan.ended && day <= last; day++) {
		r = load_day(s, &scan, day, err);
		if (r == RESULT_OK)
			show_day(&scan);
	}
	rows_fini(&scan.run);
	rows_fini(&scan.day);
	return r;
}
