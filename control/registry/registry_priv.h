/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry keeps in memory, and a change of it. Private to control/registry.
 *
 * In the store: "d/" + id -> device_record; "n" -> the next free number, decimal. Both are written
 * together, before the workers see the change.
 */
#ifndef HEADRACE_REGISTRY_REGISTRY_PRIV_H
#define HEADRACE_REGISTRY_REGISTRY_PRIV_H

#include <pthread.h>

#include "control/registry/device_text.h"
#include "control/registry/registry.h"
#include "control/registry/view.h"

#define REGISTRY_KEY_BYTES (2 + DEVICE_ID_BYTES + 1)
#define CHANGE_ITEMS_MAX   4096 /* devices in one change */

/* Of one number. Ids are never freed before the registry is. */
struct slot {
	char *id;         /* NULL: the number is not in use */
	uint64_t content; /* hash of the device_record */
};

struct registry {
	pthread_mutex_t lock;
	struct store *store;
	registry_publish_fn *publish;
	void *context;
	uint32_t devices_max;
	struct registry_view *view;
	struct slot *slots; /* by number */
	uint32_t slots_capacity;
	uint32_t next_number;
};

/* Changes that become durable and visible together. */
struct change {
	struct registry *r;
	struct registry_view *next;
	uint32_t first_number; /* r->next_number before it */
	uint32_t count;
	struct store_kv items[CHANGE_ITEMS_MAX + 1];
	struct {
		uint32_t number;
		uint64_t content; /* before the change */
	} undo[CHANGE_ITEMS_MAX];
	char next_text[16];
	uint64_t touched[1024]; /* bit (number mod 65536): maybe in `items` */
};

enum change_kind { CHANGE_NONE, CHANGE_NEW, CHANGE_CHANGED, CHANGE_REFUSED };

/* Begin with the lock held. */
MUST_USE enum result change_begin(struct registry *r, struct change *c, struct error *err);

/*
 * Put a line's device in: `line` has the given fields (bits of `given`) set over the defaults.
 * CHANGE_REFUSED: see `cause`. Not RESULT_OK: no memory or no store.
 */
MUST_USE enum result change_put(struct change *c, const struct device *line, uint32_t given,
                                enum change_kind *kind, char cause[DEVICE_CAUSE_BYTES],
                                struct error *err);

/* A device as this change has left it. RESULT_ABSENT: none. */
MUST_USE enum result change_read(struct change *c, const char *id, struct device *out,
                                 struct error *err);

/* Write, then publish; on failure everything is as it was before. The change is over. */
MUST_USE enum result change_commit(struct change *c, struct error *err);
void change_abort(struct change *c);

/* One device from the store. RESULT_ABSENT: none. */
MUST_USE enum result registry_read(struct store *store, const char *id, struct device *out,
                                   struct error *err);

/* Write the records of the format before (`count` of them) anew: migrate.c. */
MUST_USE enum result registry_migrate(struct store *store, uint64_t count, struct error *err);

/* Make room for the numbers below `count`. */
MUST_USE enum result registry_reserve(struct registry *r, uint32_t count, struct error *err);

/* Number of an id in a view of the registry; DEVICE_NONE: none. */
uint32_t registry_find(const struct registry *r, const struct registry_view *view,
                       const char *id, size_t id_bytes, bool *hash_taken);

/* What the workers need to know of a device. */
struct device_entry registry_entry(const struct registry_view *view, const struct device *d);

#endif
