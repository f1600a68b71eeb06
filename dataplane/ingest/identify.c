/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device ids to registry numbers. In: decoded readings and the registry's snapshot. Out: device,
 * capacity and dials, or a rejection. Thread: the io worker, which holds the snapshot meanwhile.
 * No memory. Never changes a reading that has been rejected before.
 */
#include "ingest/identify.h"

#include <string.h>

#include "base/fetch.h"

#define CHUNK 32 /* look-ups under way at the same time */

/* May the session with this identity send for the device? */
static bool may_send(const struct device_entry *entry, const struct sender *sender)
{
	bool known = sender->hash != 0;
	bool own = known && sender->hash == entry->id_hash;
	bool gateway = known && entry->gateway_hash != 0 && sender->hash == entry->gateway_hash;

	if (own || gateway)
		return true;
	return !sender->strict && (!known || entry->gateway_hash == 0);
}

static void judge(const struct device_entry *entry, struct reading *r,
                  const struct sender *sender)
{
	if (!entry) {
		r->fate = FATE_REJECT_UNKNOWN;
		return;
	}
	r->device = entry->device;
	r->capacity_w = entry->capacity_w;
	r->dials = entry->dials;
	if (entry->state != DEVICE_ACTIVE)
		r->fate = FATE_REJECT_INACTIVE;
	else if (!may_send(entry, sender))
		r->fate = FATE_REJECT_UNAUTHORISED;
	else
		r->register_from_ms = (int64_t)entry->register_from_s * 1000;
}

static uint64_t hash_of(const struct registry_view *view, const uint8_t *id, uint32_t bytes,
                        const struct sender *sender)
{
	/* 1 stands for 0 in a sender's hash */
	if (bytes == sender->id_bytes && sender->hash > 1 && memcmp(id, sender->id, bytes) == 0)
		return sender->hash;
	return siphash13(view->key, id, bytes);
}

/* Hash all ids first and touch their pages, so that the cache misses overlap. */
static void identify_chunk(const struct registry_view *view, const struct decoder *decoder,
                           const uint8_t *payload, struct reading *readings, uint32_t count,
                           const struct sender *sender)
{
	uint64_t hash[CHUNK];

	for (uint32_t i = 0; i < count; i++) {
		const struct reading *r = &readings[i];
		if (r->fate != FATE_PENDING)
			continue;
		hash[i] = hash_of(view, decode_id(decoder, payload, r), r->id_bytes, sender);
		fetch_line(registry_view_page(view, hash[i]));
	}
	for (uint32_t i = 0; i < count; i++)
		if (readings[i].fate == FATE_PENDING)
			judge(registry_view_find(view, hash[i]), &readings[i], sender);
}

void identify_run(const struct registry_view *view, const struct decoder *decoder,
                  const uint8_t *payload, struct reading *readings, uint32_t count,
                  const struct sender *sender)
{
	for (uint32_t at = 0; at < count; at += CHUNK) {
		uint32_t n = count - at < CHUNK ? count - at : CHUNK;
		identify_chunk(view, decoder, payload, readings + at, n, sender);
	}
}
