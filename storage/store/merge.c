/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merge operator and the compaction filter of pages; see merge.h.
 *
 * Of two readings with the same identity the older piece's stays: applying a block twice changes
 * nothing. Threads: RocksDB's own, and readers'. Memory: malloc; the unpacked rows stay with the
 * thread, because a compaction merges thousands of pages. Pages are never trusted.
 */
#include "storage/store/merge.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "storage/store/keys.h"

#define PIECES_MAX   4096u /* of one page: more are packed without counting them */
#define FAN_IN       8u    /* so many of a size make one of the next */
#define SMALLEST     512u  /* bytes; sizes are this times a power of FAN_IN */
#define CLASSES      8u    /* 512 B to 1 GB */
#define KEEP_ROWS    65536u /* unpacked rows beyond this are not kept by a thread: 7 MB */

static _Thread_local bool thread_reads;
static pthread_once_t mergers_once = PTHREAD_ONCE_INIT;
static pthread_key_t mergers;

bool merge_reading(bool reading)
{
	bool before = thread_reads;
	thread_reads = reading;
	return before;
}

/* --- the thread's merger --- */

static void merger_free(void *p)
{
	struct merger *m = p;
	rows_fini(&m->rows);
	page_scratch_fini(&m->scratch);
	free(m);
}

static void mergers_init(void)
{
	pthread_key_create(&mergers, merger_free);
}

static struct merger *merger_get(void)
{
	pthread_once(&mergers_once, mergers_init);
	struct merger *m = pthread_getspecific(mergers);
	if (m && m->rows.room > KEEP_ROWS) {
		rows_fini(&m->rows);
		page_scratch_fini(&m->scratch);
	}
	if (!m) {
		m = calloc(1, sizeof *m);
		if (m)
			pthread_setspecific(mergers, m);
	}
	return m;
}

bool merge_pack(struct merger *m, const uint8_t *pieces, size_t bytes, uint32_t first_device,
                size_t *packed_bytes)
{
	rows_clear(&m->rows);
	return page_decode(pieces, bytes, first_device, DEVICE_NONE, &m->rows) == PAGE_OK &&
	       m->rows.count > 0 && rows_order(&m->rows, KEEP_ALL) &&
	       page_encode(&m->scratch, m->rows.order, m->rows.order_count, packed_bytes);
}

/* --- which pieces to pack --- */

/* Where the pieces begin; returns how many there are, at most PIECES_MAX + 1. 0: damaged. */
static uint32_t pieces_find(const uint8_t *page, size_t bytes, size_t *start)
{
	uint32_t count = 0;
	for (size_t at = 0; at < bytes && count <= PIECES_MAX;) {
		size_t piece = page_piece_bytes(page + at, bytes - at);
		if (piece == 0)
			return 0;
		start[count++] = at;
		at += piece;
	}
	return count;
}

static uint32_t size_class(size_t bytes)
{
	uint32_t class = 0;
	for (; bytes >= SMALLEST; bytes /= FAN_IN)
		class++;
	return class;
}

/* The first of the newest pieces that are worth packing into one; `count`: none are. */
static uint32_t pack_from(const size_t *start, uint32_t count, size_t bytes)
{
	uint32_t best = count;
	for (uint32_t class = 0; class < CLASSES; class++) {
		uint32_t from = best;
		while (from > 0 && size_class((from < count ? start[from] : bytes) -
		                              start[from - 1]) <= class)
			from--;
		/* what is packed already counts as one */
		if (best - from + (best < count) >= FAN_IN)
			best = from;
	}
	return best;
}

/* Pack what is worth it in a page of pieces (malloc'd, `*bytes` long), in place. */
static bool page_tidy(struct merge_state *state, const struct page_place *place, uint8_t *page,
                      size_t *bytes)
{
	size_t start[PIECES_MAX + 1], packed;
	uint32_t count = pieces_find(page, *bytes, start), from = 0;
	if (count <= 1)
		return count == 1;
	if (place->day >= atomic_load_explicit(&state->closed_end, memory_order_relaxed) &&
	    count <= PIECES_MAX)
		from = pack_from(start, count, *bytes);
	if (from == count)
		return true;
	struct merger *m = merger_get();
	if (!m || !merge_pack(m, page + start[from], *bytes - start[from],
	                      place->page * PAGE_DEVICES, &packed))
		return false;
	if (start[from] + packed > *bytes)
		return true; /* never larger; damage may look so */
	memcpy(page + start[from], m->scratch.head, packed);
	*bytes = start[from] + packed;
	atomic_fetch_add_explicit(&state->packed_readings, m->rows.count, memory_order_relaxed);
	return true;
}

/* --- RocksDB's side --- */

static const char *merge_name(void *state)
{
	(void)state;
	return "headrace.page.2";
}

static void merge_destroy(void *state)
{
	(void)state;
}

static void merge_delete(void *state, const char *value, size_t bytes)
{
	(void)state;
	(void)bytes;
	free((void *)value);
}

/* All pieces side by side, malloc'd. NULL: no memory. */
static uint8_t *pieces_join(const char *existing, size_t existing_bytes,
                            const char *const *operands, const size_t *operand_bytes, int count,
                            size_t *bytes)
{
	*bytes = existing ? existing_bytes : 0;
	for (int i = 0; i < count; i++)
		*bytes += operand_bytes[i];
	uint8_t *page = malloc(*bytes + 1), *at = page;
	if (!page)
		return NULL;
	if (existing) {
		memcpy(at, existing, existing_bytes);
		at += existing_bytes;
	}
	for (int i = 0; i < count; i++) {
		memcpy(at, operands[i], operand_bytes[i]);
		at += operand_bytes[i];
	}
	return page;
}

/* NULL: damaged, or no memory; *new_bytes is 0 then, because RocksDB copies so many bytes before
 * it looks at *success. */
static char *merge_pages(struct merge_state *state, const char *key, size_t key_bytes,
                         const char *existing, size_t existing_bytes,
                         const char *const *operands, const size_t *operand_bytes, int count,
                         unsigned char *success, size_t *new_bytes)
{
	struct page_place place;
	uint8_t *page = NULL;
	if (key_page_parse(key, key_bytes, &place))
		page = pieces_join(existing, existing_bytes, operands, operand_bytes, count,
		                   new_bytes);
	if (page && !thread_reads && !page_tidy(state, &place, page, new_bytes)) {
		free(page);
		page = NULL;
	}
	if (!page)
		*new_bytes = 0;
	*success = page != NULL;
	return (char *)page;
}

static char *merge_full(void *state, const char *key, size_t key_bytes, const char *existing,
                        size_t existing_bytes, const char *const *operands,
                        const size_t *operand_bytes, int count, unsigned char *success,
                        size_t *new_bytes)
{
	return merge_pages(state, key, key_bytes, existing, existing_bytes, operands,
	                   operand_bytes, count, success, new_bytes);
}

static char *merge_partial(void *state, const char *key, size_t key_bytes,
                           const char *const *operands, const size_t *operand_bytes, int count,
                           unsigned char *success, size_t *new_bytes)
{
	return merge_pages(state, key, key_bytes, NULL, 0, operands, operand_bytes, count,
	                   success, new_bytes);
}

rocksdb_mergeoperator_t *merge_operator_new(struct merge_state *state)
{
	return rocksdb_mergeoperator_create(state, merge_destroy, merge_full, merge_partial,
	                                    merge_delete, merge_name);
}

/* RocksDB copies *new_value and does not free it: it lies in the thread's scratch. Damage is left
 * for a reader to find. */
static unsigned char filter_page(void *context, int level, const char *key, size_t key_bytes,
                                 const char *value, size_t bytes, char **new_value,
                                 size_t *new_bytes, unsigned char *changed)
{
	struct merge_state *state = context;
	struct page_place place;
	const uint8_t *page = (const uint8_t *)value;
	size_t packed;
	(void)level;
	*changed = 0;
	if (!key_page_parse(key, key_bytes, &place) ||
	    place.day >= atomic_load_explicit(&state->closed_end, memory_order_relaxed))
		return 0;
	size_t piece = page_piece_bytes(page, bytes);
	struct merger *m = piece == 0 || piece == bytes ? NULL : merger_get();
	if (m && merge_pack(m, page, bytes, place.page * PAGE_DEVICES, &packed)) {
		atomic_fetch_add_explicit(&state->packed_readings, m->rows.count,
		                          memory_order_relaxed);
		*new_value = (char *)m->scratch.head;
		*new_bytes = packed;
		*changed = 1;
	}
	return 0;
}

static const char *filter_name(void *state)
{
	(void)state;
	return "headrace.closed_days";
}

rocksdb_compactionfilter_t *merge_filter_new(struct merge_state *state)
{
	return rocksdb_compactionfilter_create(state, merge_destroy, filter_page, filter_name);
}
