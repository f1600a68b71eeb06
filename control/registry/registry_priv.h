/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry keeps in memory, and a change of it. Private to control/registry.
 *
 * In the store: "d/" + id -> device_record; "n" -> the next free number, decimal; "p/", "c/", "m/":
 * service_point.h; "h/": history.c. All of a change are written together, before the workers see
 * it.
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
	uint32_t history_sequence; /* tells changes within a millisecond apart */
	const struct calendar *calendar;
	bool (*tariff_known)(void *context, const char *tariff); /* NULL: any */
	void *tariff_context;
};

/* Changes that become durable and visible together. */
struct change {
	struct registry *r;
	const struct registry_author *author;
	const char *action; /* in the history: "import", "swap" ... */
	struct registry_view *next;
	uint32_t first_number; /* r->next_number before it */
	uint32_t device_count; /* at most CHANGE_ITEMS_MAX */
	struct {
		uint32_t number, item;
		uint64_t content; /* before the change */
	} devices[CHANGE_ITEMS_MAX];
	struct store_kv *items; /* key and value in one block of the heap */
	uint32_t item_count, item_capacity;
	char next_text[16];
	uint64_t touched[1024]; /* bit (number mod 65536): maybe in `devices` */
	uint64_t keys[1024];    /* bit (hash of a key or prefix mod 65536): maybe in `items` */
};

enum change_kind { CHANGE_NONE, CHANGE_NEW, CHANGE_CHANGED, CHANGE_REFUSED };

/* Begin with the lock held. `author` outlives the change. */
MUST_USE enum result change_begin(struct registry *r, const struct registry_author *author,
				  const char *action, struct change *c, struct error *err);

/* Is it time to commit what is in it? */
bool change_is_full(const struct change *c);

/*
 * Put a line's device in: `line` has the given fields (bits of `given`) set over the defaults.
 * CHANGE_REFUSED: see `cause`. Not RESULT_OK: no memory or no store.
 */
MUST_USE enum result change_put(struct change *c, const struct device *line, uint32_t given,
                                enum change_kind *kind, char cause[DEVICE_CAUSE_BYTES],
                                struct error *err);

/* Put a device in as it is: `d` comes from change_read and keeps its id and number. */
MUST_USE enum result change_replace(struct change *c, const struct device *d, struct error *err);

/* A device as this change has left it. RESULT_ABSENT: none. */
MUST_USE enum result change_read(struct change *c, const char *id, struct device *out,
                                 struct error *err);

/* Any entry of the space: copied. A prefix of the key that change_scan will look for: so many of
 * its bytes. */
MUST_USE enum result change_add(struct change *c, const void *key, size_t key_bytes,
				size_t prefix_bytes, const void *value, size_t value_bytes,
				struct error *err);
/* What this change has added with prefix_bytes of change_add, newest first, then what the store has
 * with that prefix. */
MUST_USE enum result change_scan(struct change *c, const void *prefix, size_t prefix_bytes,
				 store_kv_fn *fn, void *context, struct error *err);

/* The entry of a key as this change has added it last; else as store_kv_scan finds it. */
MUST_USE enum result change_find(struct change *c, const void *key, size_t key_bytes,
				 store_kv_fn *fn, void *context, struct error *err);

/* Write, then publish; on failure everything is as it was before. The change is over. */
MUST_USE enum result change_commit(struct change *c, struct error *err);
void change_abort(struct change *c);

/* A change of its own, begun with the lock taken; NULL: see `result` and `err`. */
struct change *change_open(struct registry *r, const struct registry_author *author,
			   const char *action, enum result *result, struct error *err);
/* Commit it if `result` is RESULT_OK, else abort it; gives the lock back. */
MUST_USE enum result change_close(struct change *c, enum result result, struct error *err);

/* --- history.c --- */

/* Say in the change what happens to an object; `changes`: members of a JSON object. */
MUST_USE enum result change_history(struct change *c, enum registry_kind kind, const char *id,
				    const char *changes, size_t bytes, struct error *err);

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
