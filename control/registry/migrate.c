/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the format before (a JSON object a device) to records: once, while the registry is opened,
 * some thousand devices at a time, each part durable. Broken off, the next opening goes on.
 * Thread: the one that opens. Memory: one part's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/registry/registry_priv.h"

#define PART 16384u

struct part {
	struct store_kv items[PART];
	size_t count;
	bool no_memory, damaged;
};

static bool on_record(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct part *p = context;
	struct device d;
	uint8_t record[DEVICE_RECORD_BYTES];
	if (!device_is_old_record(value, value_bytes))
		return true;
	p->damaged = !device_record_parse(&d, value, value_bytes);
	if (p->damaged)
		return false;
	size_t bytes = device_record(&d, record);
	uint8_t *block = malloc(key_bytes + bytes);
	p->no_memory = !block;
	if (!block)
		return false;
	memcpy(block, key, key_bytes);
	memcpy(block + key_bytes, record, bytes);
	p->items[p->count++] = (struct store_kv){block, key_bytes, block + key_bytes, bytes};
	return p->count < PART;
}

enum result registry_migrate(struct store *store, uint64_t count, struct error *err)
{
	enum result r = RESULT_OK;
	struct part *p = calloc(1, sizeof *p);
	if (!p)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	log_info("registry", "%" PRIu64 " device records are of an older format: written anew",
	         count);
	do {
		p->count = 0;
		r = store_kv_scan(store, STORE_REGISTRY, "d/", 2, on_record, p, err);
		if (r == RESULT_OK && p->no_memory)
			r = fail(RESULT_RESOURCE, err, "registry: no memory");
		if (r == RESULT_OK && p->damaged)
			r = fail(RESULT_MEDIA, err, "registry: a stored record is damaged");
		if (r == RESULT_OK && p->count > 0)
			r = store_kv_write(store, STORE_REGISTRY, p->items, p->count, err);
		for (size_t i = 0; i < p->count; i++)
			free((void *)p->items[i].key);
	} while (r == RESULT_OK && p->count == PART);
	free(p);
	return r;
}
