/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as the workers see it: an immutable snapshot of small pages.
 *
 *   directory[hash >> shift] -> page: count, then entries in no order
 *
 * The control plane publishes a change as a new directory that shares every unchanged page with
 * the old one; old pages are freed after all workers have moved on. Device ids are compared by
 * their keyed 64-bit hash alone: the registry refuses an id whose hash is taken.
 */
#ifndef HEADRACE_CONTRACT_REGISTRY_VIEW_H
#define HEADRACE_CONTRACT_REGISTRY_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Stored on disk: append only. */
enum device_state {
	DEVICE_PENDING = 0,
	DEVICE_ACTIVE = 1,
	DEVICE_SUSPENDED = 2,
	DEVICE_RETIRED = 3,
};

struct device_entry {
	uint64_t id_hash;
	uint64_t gateway_hash; /* of the client id of the gateway that may send for it; 0: none */
	uint32_t device;       /* number, dense from 0, never reused */
	uint32_t capacity_w;   /* 0: not known, the profile's applies */
	uint8_t state;         /* enum device_state */
	uint8_t dials;         /* 0: not known, the profile's applies */
	uint8_t spare[2];
	uint32_t register_from_s; /* UTC, the register counts anew from then (a reset, another
				   * meter); 0: since ever */
};
_Static_assert(sizeof(struct device_entry) == 32, "two entries per cache line");

struct registry_page {
	uint32_t count;
	uint32_t spare[7];
	struct device_entry entries[];
};

struct registry_view {
	struct hash_key key; /* of siphash13 over device and client ids */
	uint64_t version;    /* rises with each change */
	uint32_t shift;      /* 64 - log2(number of pages) */
	uint32_t device_count;
	uint32_t pending_count; /* devices of state DEVICE_PENDING */
	uint32_t spare;
	struct registry_page *pages[]; /* NULL: empty */
};

/* NULL: empty. One page when shift is 64: two shifts, since a shift by 64 is undefined. */
static inline const struct registry_page *registry_view_page(const struct registry_view *view,
                                                             uint64_t id_hash)
{
	return view->pages[id_hash >> 1 >> (view->shift - 1)];
}

/* NULL: no such device. */
static inline const struct device_entry *registry_view_find(const struct registry_view *view,
                                                            uint64_t id_hash)
{
	const struct registry_page *page = registry_view_page(view, id_hash);
	if (!page)
		return NULL;
	for (uint32_t i = 0; i < page->count; i++)
		if (page->entries[i].id_hash == id_hash)
			return &page->entries[i];
	return NULL;
}

#endif
