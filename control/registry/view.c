/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: entries. Output: views. Thread: whoever holds the registry's lock. Memory: the heap, one
 * block per page and directory. It never changes a page that was published.
 */
#include "control/registry/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* At the highest number of devices. A look-up then reads some three cache lines; by Poisson's
 * law one page in 10^18 has more than 64 entries. */
#define ENTRIES_PER_PAGE 8

static size_t page_count(const struct registry_view *view)
{
	return (size_t)1 << (64 - view->shift);
}

static size_t view_bytes(uint32_t shift)
{
	return sizeof(struct registry_view) +
	       ((size_t)1 << (64 - shift)) * sizeof(struct registry_page *);
}

struct registry_view *view_new(uint32_t devices_max)
{
	uint32_t shift = 64;
	while ((uint64_t)ENTRIES_PER_PAGE << (64 - shift) < devices_max)
		shift--;
	struct registry_view *view = calloc(1, view_bytes(shift));
	if (view) {
		view->key = hash_key_random();
		view->shift = shift;
	}
	return view;
}

void view_free(struct registry_view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < page_count(view); i++)
		free(view->pages[i]);
	free(view);
}

struct registry_view *view_begin(const struct registry_view *now)
{
	struct registry_view *next = malloc(view_bytes(now->shift));
	if (next) {
		memcpy(next, now, view_bytes(now->shift));
		next->version++;
	}
	return next;
}

/* A copy (of nothing, too) with room for `count` entries, on cache lines of its own. */
static struct registry_page *page_copy(const struct registry_page *from, uint32_t count)
{
	size_t bytes = sizeof(struct registry_page) + count * sizeof(struct device_entry);
	struct registry_page *page = aligned_alloc(64, (bytes + 63) / 64 * 64);
	if (!page)
		return NULL;
	memset(page, 0, sizeof *page);
	if (from) {
		page->count = from->count;
		memcpy(page->entries, from->entries, from->count * sizeof from->entries[0]);
	}
	return page;
}

bool view_put(struct registry_view *next, const struct registry_view *now,
              const struct device_entry *entry)
{
	size_t index = entry->id_hash >> 1 >> (next->shift - 1);
	struct registry_page *page = next->pages[index];
	uint32_t count = page ? page->count : 0, at = 0;
	while (at < count && page->entries[at].id_hash != entry->id_hash)
		at++;

	if (page == now->pages[index] || at == count) {
		struct registry_page *copy = page_copy(page, at == count ? count + 1 : count);
		if (!copy)
			return false;
		if (page != now->pages[index])
			free(page);
		next->pages[index] = page = copy;
	}
	if (at < count && page->entries[at].state == DEVICE_PENDING)
		next->pending_count--;
	next->pending_count += entry->state == DEVICE_PENDING;
	page->entries[at] = *entry;
	if (at == count) {
		page->count++;
		next->device_count++;
	}
	return true;
}

void view_drop(struct registry_view *drop, const struct registry_view *keep)
{
	CHECK_OP(drop->shift, ==, keep->shift);
	for (size_t i = 0; i < page_count(drop); i++)
		if (drop->pages[i] != keep->pages[i])
			free(drop->pages[i]);
	free(drop);
}
