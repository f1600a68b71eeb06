/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: opening, closing, look-ups. See registry.h; imports are in import.c and change.c.
 */
#include "control/registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/registry_priv.h"

uint32_t registry_find(const struct registry *r, const struct registry_view *view,
                       const char *id, size_t id_bytes, bool *hash_taken)
{
	const struct device_entry *e =
	    registry_view_find(view, siphash13(view->key, id, id_bytes));
	*hash_taken = false;
	if (!e)
		return DEVICE_NONE;
	const char *known = r->slots[e->device].id;
	if (strlen(known) == id_bytes && memcmp(known, id, id_bytes) == 0)
		return e->device;
	*hash_taken = true;
	return DEVICE_NONE;
}

struct device_entry registry_entry(const struct registry_view *view, const struct device *d)
{
	return (struct device_entry){
	    .id_hash = siphash13(view->key, d->id, strlen(d->id)),
	    .gateway_hash =
		d->gateway[0] ? siphash13(view->key, d->gateway, strlen(d->gateway)) : 0,
	    .device = d->number,
	    .capacity_w = d->capacity_w,
	    .state = (uint8_t)d->state,
	    .dials = (uint8_t)d->dials,
	    .register_from_s = d->register_from_s <= 0           ? 0
			       : d->register_from_s > UINT32_MAX ? UINT32_MAX
								 : (uint32_t)d->register_from_s,
	};
}

enum result registry_reserve(struct registry *r, uint32_t count, struct error *err)
{
	if (count <= r->slots_capacity)
		return RESULT_OK;
	uint64_t capacity = r->slots_capacity ? r->slots_capacity : 1024;
	while (capacity < count)
		capacity *= 2;
	struct slot *slots = realloc(r->slots, capacity * sizeof *slots);
	if (!slots)
		return fail(RESULT_RESOURCE, err, "registry: no memory for %u devices", count);
	memset(slots + r->slots_capacity, 0, (capacity - r->slots_capacity) * sizeof *slots);
	r->slots = slots;
	r->slots_capacity = (uint32_t)capacity;
	return RESULT_OK;
}

/* --- opening --- */

struct opening {
	struct registry *r;
	struct registry_view *empty;
	uint64_t old; /* records of the format before */
	enum result result;
	struct error *err;
};

/* The hash of the record as it is written today, whatever the stored one is. */
static uint64_t content_of(const struct registry *r, const struct device *d, const void *value,
                           size_t value_bytes)
{
	uint8_t record[DEVICE_RECORD_BYTES];
	if (!device_is_old_record(value, value_bytes))
		return siphash13(r->view->key, value, value_bytes);
	return siphash13(r->view->key, record, device_record(d, record));
}

static enum result take_stored(struct opening *o, const struct device *d, const void *value,
                               size_t value_bytes)
{
	struct registry *r = o->r;
	struct device_entry entry = registry_entry(r->view, d);

	if (d->number >= r->devices_max)
		return fail(RESULT_INPUT, o->err,
		            "registry: device %s has number %u, but limits.devices is %u; raise it",
		            d->id, d->number, r->devices_max);
	enum result result = registry_reserve(r, d->number + 1, o->err);
	if (result != RESULT_OK)
		return result;
	struct slot *slot = &r->slots[d->number];
	if (slot->id)
		return fail(RESULT_MEDIA, o->err, "registry: %s and %s have the same number %u",
		            slot->id, d->id, d->number);
	if (registry_view_find(r->view, entry.id_hash))
		return fail(RESULT_RESOURCE, o->err,
		            "registry: two ids have the same hash; start again for another key");
	slot->id = strdup(d->id);
	if (!slot->id || !view_put(r->view, o->empty, &entry))
		return fail(RESULT_RESOURCE, o->err, "registry: no memory for device %s", d->id);
	slot->content = content_of(r, d, value, value_bytes);
	o->old += device_is_old_record(value, value_bytes);
	if (d->number >= r->next_number)
		r->next_number = d->number + 1;
	return RESULT_OK;
}

static bool on_stored(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct opening *o = context;
	struct device d;
	if (!device_record_parse(&d, value, value_bytes))
		o->result = fail(RESULT_MEDIA, o->err,
		                 "registry: the stored record of %.*s is damaged", (int)key_bytes,
		                 (const char *)key);
	else
		o->result = take_stored(o, &d, value, value_bytes);
	return o->result == RESULT_OK;
}

static bool on_next_number(void *context, const void *key, size_t key_bytes, const void *value,
                           size_t value_bytes)
{
	struct registry *r = context;
	char text[16] = "";
	if (key_bytes == 1 && memcmp(key, "n", 1) == 0 && value_bytes < sizeof text) {
		memcpy(text, value, value_bytes);
		unsigned long n = strtoul(text, NULL, 10);
		if (n > r->next_number && n <= r->devices_max)
			r->next_number = (uint32_t)n;
	}
	return false;
}

static enum result load(struct registry *r, struct error *err)
{
	struct opening o = {.r = r, .err = err};
	o.empty = r->view;
	r->view = view_begin(o.empty);
	if (!r->view) {
		r->view = o.empty;
		return fail(RESULT_RESOURCE, err, "registry: no memory for a view");
	}
	enum result result =
	    store_kv_scan(r->store, STORE_REGISTRY, "d/", 2, on_stored, &o, err);
	if (result == RESULT_OK)
		result = o.result;
	if (result == RESULT_OK)
		result = store_kv_scan(r->store, STORE_REGISTRY, "n", 1, on_next_number, r, err);
	if (result == RESULT_OK && o.old > 0)
		result = registry_migrate(r->store, o.old, err);
	view_drop(o.empty, r->view);
	return result == RESULT_OK ? registry_reserve(r, r->next_number, err) : result;
}

enum result registry_open(struct store *store, uint32_t devices_max, registry_publish_fn *publish,
                          void *context, struct registry **out, struct error *err)
{
	CHECK_OP(devices_max, >, 0u);
	CHECK_OP(devices_max, <, DEVICE_NONE);
	struct registry *r = calloc(1, sizeof *r);
	if (!r)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	pthread_mutex_init(&r->lock, NULL);
	r->store = store;
	r->devices_max = devices_max;
	r->publish = publish;
	r->context = context;
	r->view = view_new(devices_max);
	enum result result =
	    r->view ? load(r, err) : fail(RESULT_RESOURCE, err, "registry: no memory for a view");
	if (result != RESULT_OK) {
		registry_close(r);
		return result;
	}
	if (publish)
		publish(context, r->view);
	*out = r;
	return RESULT_OK;
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	for (uint32_t n = 0; n < r->slots_capacity; n++)
		free(r->slots[n].id);
	free(r->slots);
	view_free(r->view);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void registry_set_calendar(struct registry *r, const struct calendar *calendar)
{
	r->calendar = calendar;
}

/* --- look-ups --- */

struct registry_view *registry_view_current(const struct registry *r)
{
	return r->view;
}

uint32_t registry_count(struct registry *r)
{
	pthread_mutex_lock(&r->lock);
	uint32_t count = r->view->device_count;
	pthread_mutex_unlock(&r->lock);
	return count;
}

struct reading_one {
	struct device *out;
	size_t key_bytes;
	bool found, good;
};

/* The shortest key with the prefix comes first: either it is the one, or there is none. */
static bool on_one(void *context, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
	struct reading_one *one = context;
	(void)key;
	one->found = key_bytes == one->key_bytes;
	one->good = one->found && device_record_parse(one->out, value, value_bytes);
	return false;
}

enum result registry_read(struct store *store, const char *id, struct device *out,
                          struct error *err)
{
	char key[REGISTRY_KEY_BYTES];
	if (strlen(id) > DEVICE_ID_BYTES || id[0] == '\0')
		return fail(RESULT_ABSENT, err, "there is no device '%.80s'", id);
	int length = snprintf(key, sizeof key, "d/%s", id);
	struct reading_one one = {.out = out, .key_bytes = (size_t)length};
	enum result result =
	    store_kv_scan(store, STORE_REGISTRY, key, (size_t)length, on_one, &one, err);
	if (result != RESULT_OK)
		return result;
	if (!one.found)
		return fail(RESULT_ABSENT, err, "there is no device '%s'", id);
	return one.good ? RESULT_OK
	                : fail(RESULT_MEDIA, err, "the stored record of %s is damaged", id);
}

enum result registry_get(struct registry *r, const char *id, struct device *out,
                         struct error *err)
{
	return registry_read(r->store, id, out, err);
}

uint32_t registry_number_of(struct registry *r, const char *id, size_t id_bytes)
{
	bool taken;
	pthread_mutex_lock(&r->lock);
	uint32_t number = registry_find(r, r->view, id, id_bytes, &taken);
	pthread_mutex_unlock(&r->lock);
	return number;
}

bool registry_id_of(struct registry *r, uint32_t number, char id[DEVICE_ID_BYTES + 1])
{
	pthread_mutex_lock(&r->lock);
	bool known = number < r->next_number && r->slots[number].id;
	if (known)
		snprintf(id, DEVICE_ID_BYTES + 1, "%s", r->slots[number].id);
	pthread_mutex_unlock(&r->lock);
	return known;
}

struct listing {
	uint64_t skip, left;
	registry_device_fn *fn;
	void *context;
	bool damaged;
};

static bool on_listed(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct listing *l = context;
	struct device d;
	(void)key, (void)key_bytes;
	if (l->skip > 0) {
		l->skip--;
		return true;
	}
	if (l->left == 0)
		return false;
	l->left--;
	if (!device_record_parse(&d, value, value_bytes)) {
		l->damaged = true;
		return false;
	}
	return l->fn(l->context, &d);
}

enum result registry_list(struct registry *r, const char *prefix, uint64_t offset, uint64_t limit,
                          registry_device_fn *fn, void *context, struct error *err)
{
	char key[REGISTRY_KEY_BYTES];
	if (strlen(prefix) > DEVICE_ID_BYTES)
		return RESULT_OK;
	int length = snprintf(key, sizeof key, "d/%s", prefix);
	struct listing l = {.skip = offset, .left = limit, .fn = fn, .context = context};
	enum result result =
	    store_kv_scan(r->store, STORE_REGISTRY, key, (size_t)length, on_listed, &l, err);
	if (result == RESULT_OK && l.damaged)
		return fail(RESULT_MEDIA, err, "a stored device record is damaged");
	return result;
}

struct numbering {
	const atomic_bool *stopping;
	uint32_t *numbers;
	uint64_t count, capacity;
	bool no_memory;
};

static bool on_numbered(void *context, const struct device *d)
{
	struct numbering *n = context;
	if (n->count == n->capacity) {
		uint64_t capacity = n->capacity ? n->capacity * 2 : 1024;
		uint32_t *more = realloc(n->numbers, capacity * sizeof *more);
		if (!more) {
			n->no_memory = true;
			return false;
		}
		n->numbers = more;
		n->capacity = capacity;
	}
	n->numbers[n->count++] = d->number;
	return !n->stopping || !atomic_load_explicit(n->stopping, memory_order_relaxed);
}

enum result registry_numbers(struct registry *r, const char *prefix, const atomic_bool *stopping,
			     uint32_t **numbers, uint64_t *count, struct error *err)
{
	struct numbering n = {.stopping = stopping};
	enum result result = registry_list(r, prefix, 0, UINT64_MAX, on_numbered, &n, err);
	if (result == RESULT_OK && n.no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the list of meters");
	*numbers = n.numbers;
	*count = n.count;
	return result;
}

/* --- one device --- */

enum result registry_set_state(struct registry *r, const struct registry_author *author,
			       const char *id, enum device_state state, struct error *err)
{
	enum result result;
	struct device d;
	struct change *c = change_open(r, author, "set", &result, err);
	if (!c)
		return result;
	result = change_read(c, id, &d, err);
	if (result == RESULT_OK) {
		d.state = state;
		result = change_replace(c, &d, err);
	}
	return change_close(c, result, err);
}
