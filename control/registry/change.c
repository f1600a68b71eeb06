/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the registry: some objects, all together. Input: objects as a file has them. Output:
 * the store's entries, then a new view. Thread: any, with the registry's lock held. Memory: heap.
 * Nothing is visible before it is durable.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/registry_priv.h"
#include "control/registry/service_point.h"

enum result change_begin(struct registry *r, const struct registry_author *author,
			 const char *action, struct change *c, struct error *err)
{
	c->r = r;
	c->author = author;
	c->action = action;
	c->first_number = r->next_number;
	c->device_count = c->item_count = c->item_capacity = 0;
	c->items = NULL;
	memset(c->touched, 0, sizeof c->touched);
	memset(c->keys, 0, sizeof c->keys);
	c->next = view_begin(r->view);
	return c->next ? RESULT_OK : fail(RESULT_RESOURCE, err, "registry: no memory for a view");
}

bool change_is_full(const struct change *c)
{
	return c->device_count > CHANGE_ITEMS_MAX - 2 * INSTALLATIONS_MAX ||
	       c->item_count >= 4 * CHANGE_ITEMS_MAX;
}

/* --- entries --- */

static void free_items(struct change *c)
{
	for (uint32_t i = 0; i < c->item_count; i++)
		free((void *)c->items[i].key);
	free(c->items);
	c->items = NULL;
	c->item_count = 0;
}

static bool grow(struct change *c)
{
	if (c->item_count < c->item_capacity)
		return true;
	uint32_t capacity = c->item_capacity ? c->item_capacity * 2 : 64;
	struct store_kv *items = realloc(c->items, capacity * sizeof *items);
	if (!items)
		return false;
	c->items = items;
	c->item_capacity = capacity;
	return true;
}

/* The item's key and value in one block. */
static bool add_item(struct change *c, const void *key, size_t key_bytes, const void *value,
		     size_t value_bytes)
{
	char *block = grow(c) ? malloc(key_bytes + value_bytes) : NULL;
	if (!block)
		return false;
	memcpy(block, key, key_bytes);
	memcpy(block + key_bytes, value, value_bytes);
	c->items[c->item_count++] = (struct store_kv){
	    .key = block,
	    .key_bytes = key_bytes,
	    .value = block + key_bytes,
	    .value_bytes = value_bytes,
	};
	return true;
}

static uint64_t key_hash(const struct change *c, const void *key, size_t bytes)
{
	return siphash13(c->r->view->key, key, bytes) % 65536;
}

enum result change_add(struct change *c, const void *key, size_t key_bytes, size_t prefix_bytes,
		       const void *value, size_t value_bytes, struct error *err)
{
	if (!add_item(c, key, key_bytes, value, value_bytes))
		return fail(RESULT_RESOURCE, err, "registry: no memory for a change");
	uint64_t whole = key_hash(c, key, key_bytes), part = key_hash(c, key, prefix_bytes);
	c->keys[whole / 64] |= 1ull << whole % 64;
	c->keys[part / 64] |= 1ull << part % 64;
	return RESULT_OK;
}

enum result change_scan(struct change *c, const void *prefix, size_t prefix_bytes, store_kv_fn *fn,
			void *context, struct error *err)
{
	uint64_t hash = key_hash(c, prefix, prefix_bytes);
	bool maybe = c->keys[hash / 64] >> hash % 64 & 1;
	for (uint32_t i = maybe ? c->item_count : 0; i-- > 0;) {
		const struct store_kv *kv = &c->items[i];
		if (kv->key_bytes >= prefix_bytes && memcmp(kv->key, prefix, prefix_bytes) == 0 &&
		    !fn(context, kv->key, kv->key_bytes, kv->value, kv->value_bytes))
			return RESULT_OK;
	}
	return store_kv_scan(c->r->store, STORE_REGISTRY, prefix, prefix_bytes, fn, context, err);
}

enum result change_find(struct change *c, const void *key, size_t key_bytes, store_kv_fn *fn,
			void *context, struct error *err)
{
	uint64_t hash = key_hash(c, key, key_bytes);
	bool maybe = c->keys[hash / 64] >> hash % 64 & 1;
	for (uint32_t i = maybe ? c->item_count : 0; i-- > 0;) {
		const struct store_kv *kv = &c->items[i];
		if (kv->key_bytes == key_bytes && memcmp(kv->key, key, key_bytes) == 0) {
			fn(context, kv->key, kv->key_bytes, kv->value, kv->value_bytes);
			return RESULT_OK;
		}
	}
	return store_kv_scan(c->r->store, STORE_REGISTRY, key, key_bytes, fn, context, err);
}

/* --- devices --- */

static uint64_t *touched_word(struct change *c, uint32_t number)
{
	return &c->touched[number / 64 % 1024];
}

static enum result add_device(struct change *c, const struct device *d, const uint8_t *record,
			      size_t bytes, struct error *err)
{
	char key[REGISTRY_KEY_BYTES];
	struct device_entry entry = registry_entry(c->next, d);
	int length = snprintf(key, sizeof key, "d/%s", d->id);
	if (!add_item(c, key, (size_t)length, record, bytes) ||
	    !view_put(c->next, c->r->view, &entry))
		return fail(RESULT_RESOURCE, err, "registry: no memory for device %s", d->id);
	return RESULT_OK;
}

/* `old` NULL: it is new. */
static enum result put(struct change *c, const struct device *d, const struct device *old,
		       const uint8_t *record, size_t bytes, uint64_t content, struct error *err)
{
	struct registry *r = c->r;
	char *id = NULL, changes[DEVICE_CHANGES_BYTES];

	CHECK_OP(c->device_count, <, (uint32_t)CHANGE_ITEMS_MAX);
	if (!old && (registry_reserve(r, d->number + 1, err) != RESULT_OK || !(id = strdup(d->id))))
		return fail(RESULT_RESOURCE, err, "registry: no memory for device %s", d->id);
	enum result result = change_history(c, REGISTRY_DEVICES, d->id, changes,
					    device_changes(old, d, changes), err);
	if (result == RESULT_OK)
		result = add_device(c, d, record, bytes, err);
	if (result != RESULT_OK) {
		free(id);
		return result;
	}
	if (!old) {
		r->slots[d->number] = (struct slot){.id = id};
		r->next_number++;
	}
	c->devices[c->device_count].number = d->number;
	c->devices[c->device_count].item = c->item_count - 1;
	c->devices[c->device_count].content = r->slots[d->number].content;
	r->slots[d->number].content = content;
	c->device_count++;
	*touched_word(c, d->number) |= 1ull << d->number % 64;
	return RESULT_OK;
}

/* The device as this change has left it: from its own items first, the store has it later. */
static enum result read_present(struct change *c, uint32_t number, const char *id,
                                struct device *out, struct error *err)
{
	bool touched = *touched_word(c, number) >> number % 64 & 1;
	for (uint32_t i = touched ? c->device_count : 0; i-- > 0;) {
		const struct store_kv *kv = &c->items[c->devices[i].item];
		if (c->devices[i].number == number)
			return device_record_parse(out, kv->value, kv->value_bytes)
				   ? RESULT_OK
				   : fail(RESULT_BUG, err, "registry: %s was not written well", id);
	}
	return registry_read(c->r->store, id, out, err);
}

enum result change_read(struct change *c, const char *id, struct device *out, struct error *err)
{
	bool hash_taken;
	uint32_t number = registry_find(c->r, c->next, id, strlen(id), &hash_taken);
	if (number == DEVICE_NONE)
		return fail(RESULT_ABSENT, err, "there is no device '%.80s'", id);
	return read_present(c, number, id, out, err);
}

enum result change_replace(struct change *c, const struct device *d, struct error *err)
{
	uint8_t record[DEVICE_RECORD_BYTES];
	struct device old;
	size_t bytes = device_record(d, record);
	uint64_t content = siphash13(c->r->view->key, record, bytes);
	if (content == c->r->slots[d->number].content)
		return RESULT_OK;
	enum result result = read_present(c, d->number, d->id, &old, err);
	return result == RESULT_OK ? put(c, d, &old, record, bytes, content, err) : result;
}

/* The number of a line's device, known or next. False: it can't have one, see `cause`. */
static bool number_for(struct change *c, struct device *d, bool *is_new,
		       char cause[DEVICE_CAUSE_BYTES])
{
	struct registry *r = c->r;
	bool hash_taken = false;
	d->number = registry_find(r, c->next, d->id, strlen(d->id), &hash_taken);
	*is_new = d->number == DEVICE_NONE;
	if (hash_taken) {
		snprintf(cause, DEVICE_CAUSE_BYTES,
			 "the hash of id '%s' is taken; restart headraced, which draws new ones",
			 d->id);
		return false;
	}
	if (*is_new && r->next_number >= r->devices_max) {
		snprintf(cause, DEVICE_CAUSE_BYTES,
			 "the registry is full with %" PRIu32
			 " devices; raise limits.devices and restart headraced",
			 r->next_number);
		return false;
	}
	if (*is_new)
		d->number = r->next_number;
	return true;
}

enum result change_put(struct change *c, const struct device *line, uint32_t given,
		       enum change_kind *kind, char cause[DEVICE_CAUSE_BYTES], struct error *err)
{
	struct registry *r = c->r;
	uint8_t record[DEVICE_RECORD_BYTES];
	struct device d = *line, old;
	bool is_new;

	*kind = CHANGE_REFUSED;
	if (!number_for(c, &d, &is_new, cause))
		return RESULT_OK;
	*kind = is_new ? CHANGE_NEW : CHANGE_CHANGED;
	size_t bytes = device_record(&d, record);
	uint64_t content = siphash13(r->view->key, record, bytes);
	if (!is_new && content != r->slots[d.number].content) {
		/* the line may leave fields as they are: only now is it worth reading them */
		enum result result = read_present(c, d.number, d.id, &old, err);
		if (result != RESULT_OK)
			return result;
		struct device merged = old;
		for (int f = 0; f < DEVICE_FIELD_COUNT; f++)
			if (given & 1u << f)
				device_copy_field(&merged, &d, f);
		d = merged;
		bytes = device_record(&d, record);
		content = siphash13(r->view->key, record, bytes);
	}
	if (!is_new && content == r->slots[d.number].content) {
		*kind = CHANGE_NONE;
		return RESULT_OK;
	}
	return put(c, &d, is_new ? NULL : &old, record, bytes, content, err);
}

/* --- the end --- */

void change_abort(struct change *c)
{
	struct registry *r = c->r;
	for (uint32_t i = c->device_count; i-- > 0;)
		r->slots[c->devices[i].number].content = c->devices[i].content;
	for (uint32_t n = c->first_number; n < r->next_number; n++) {
		free(r->slots[n].id);
		r->slots[n] = (struct slot){0};
	}
	r->next_number = c->first_number;
	view_drop(c->next, r->view);
	free_items(c);
}

/* Only what the workers look at is worth a new view. */
static void publish(struct change *c)
{
	struct registry *r = c->r;
	if (c->device_count == 0) {
		view_drop(c->next, r->view);
		return;
	}
	struct registry_view *before = r->view;
	r->view = c->next;
	if (r->publish)
		r->publish(r->context, r->view);
	view_drop(before, r->view);
}

enum result change_commit(struct change *c, struct error *err)
{
	struct registry *r = c->r;
	if (c->item_count == 0) {
		change_abort(c);
		return RESULT_OK;
	}
	int length = snprintf(c->next_text, sizeof c->next_text, "%" PRIu32, r->next_number);
	enum result result = RESULT_OK;
	if (!add_item(c, "n", 1, c->next_text, (size_t)length))
		result = fail(RESULT_RESOURCE, err, "registry: no memory for a change");
	if (result == RESULT_OK)
		result = store_kv_write(r->store, STORE_REGISTRY, c->items, c->item_count, err);
	if (result != RESULT_OK) {
		change_abort(c);
		return result;
	}
	publish(c);
	free_items(c);
	return RESULT_OK;
}

struct change *change_open(struct registry *r, const struct registry_author *author,
			   const char *action, enum result *result, struct error *err)
{
	struct change *c = malloc(sizeof *c);
	if (!c) {
		*result = fail(RESULT_RESOURCE, err, "registry: no memory for a change");
		return NULL;
	}
	pthread_mutex_lock(&r->lock);
	*result = change_begin(r, author, action, c, err);
	if (*result == RESULT_OK)
		return c;
	pthread_mutex_unlock(&r->lock);
	free(c);
	return NULL;
}

enum result change_close(struct change *c, enum result result, struct error *err)
{
	struct registry *r = c->r;
	if (result == RESULT_OK)
		result = change_commit(c, err);
	else
		change_abort(c);
	pthread_mutex_unlock(&r->lock);
	free(c);
	return result;
}
