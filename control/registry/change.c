/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the registry: some devices, all together. Input: devices as a file has them. Output:
 * the store's entries, then a new view. Thread: any, with the registry's lock held. Memory: heap.
 * Nothing is visible before it is durable.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/registry_priv.h"

enum result change_begin(struct registry *r, struct change *c, struct error *err)
{
	c->r = r;
	c->first_number = r->next_number;
	c->count = 0;
	memset(c->touched, 0, sizeof c->touched);
	c->next = view_begin(r->view);
	return c->next ? RESULT_OK : fail(RESULT_RESOURCE, err, "registry: no memory for a view");
}

static void free_items(struct change *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		free((void *)c->items[i].key);
	c->count = 0;
}

/* The item's key and value in one block. */
static bool add_item(struct change *c, const struct device *d, const uint8_t *record, size_t bytes)
{
	size_t id_bytes = strlen(d->id);
	char *block = malloc(2 + id_bytes + bytes);
	if (!block)
		return false;
	memcpy(block, "d/", 2);
	memcpy(block + 2, d->id, id_bytes);
	memcpy(block + 2 + id_bytes, record, bytes);
	c->items[c->count] = (struct store_kv){
	    .key = block,
	    .key_bytes = 2 + id_bytes,
	    .value = block + 2 + id_bytes,
	    .value_bytes = bytes,
	};
	return true;
}

static uint64_t *touched_word(struct change *c, uint32_t number)
{
	return &c->touched[number / 64 % 1024];
}

static enum result put(struct change *c, const struct device *d, const uint8_t *record,
                       size_t bytes, uint64_t content, struct error *err)
{
	struct registry *r = c->r;
	struct device_entry entry = registry_entry(c->next, d);
	bool is_new = d->number == r->next_number;
	char *id = NULL;

	CHECK_OP(c->count, <, (uint32_t)CHANGE_ITEMS_MAX);
	if (is_new && (registry_reserve(r, d->number + 1, err) != RESULT_OK ||
	               !(id = strdup(d->id))))
		return fail(RESULT_RESOURCE, err, "registry: no memory for device %s", d->id);
	if (!add_item(c, d, record, bytes)) {
		free(id);
		return fail(RESULT_RESOURCE, err, "registry: no memory for device %s", d->id);
	}
	if (!view_put(c->next, r->view, &entry)) {
		free((void *)c->items[c->count].key);
		free(id);
		return fail(RESULT_RESOURCE, err, "registry: no memory for device %s", d->id);
	}
	if (is_new) {
		r->slots[d->number] = (struct slot){.id = id};
		r->next_number++;
	}
	c->undo[c->count].number = d->number;
	c->undo[c->count].content = r->slots[d->number].content;
	r->slots[d->number].content = content;
	c->count++;
	*touched_word(c, d->number) |= 1ull << d->number % 64;
	return RESULT_OK;
}

/* The device as this change has left it: from its own items first, the store has it later. */
static enum result read_present(struct change *c, uint32_t number, const char *id,
                                struct device *out, struct error *err)
{
	bool touched = *touched_word(c, number) >> number % 64 & 1;
	for (uint32_t i = touched ? c->count : 0; i-- > 0;)
		if (c->undo[i].number == number)
			return device_record_parse(out, c->items[i].value, c->items[i].value_bytes)
			           ? RESULT_OK
			           : fail(RESULT_BUG, err, "registry: %s was not written well", id);
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

enum result change_put(struct change *c, const struct device *line, uint32_t given,
                       enum change_kind *kind, char cause[DEVICE_CAUSE_BYTES], struct error *err)
{
	struct registry *r = c->r;
	uint8_t record[DEVICE_RECORD_BYTES];
	struct device d = *line;
	bool hash_taken = false;

	*kind = CHANGE_REFUSED;
	d.number = registry_find(r, c->next, d.id, strlen(d.id), &hash_taken);
	if (hash_taken) {
		snprintf(cause, DEVICE_CAUSE_BYTES,
		         "the hash of id '%s' is taken; restart headraced, which draws new ones",
		         d.id);
		return RESULT_OK;
	}
	*kind = d.number == DEVICE_NONE ? CHANGE_NEW : CHANGE_CHANGED;
	if (*kind == CHANGE_NEW) {
		if (r->next_number >= r->devices_max) {
			*kind = CHANGE_REFUSED;
			snprintf(cause, DEVICE_CAUSE_BYTES,
			         "the registry is full with %" PRIu32
			         " devices; raise limits.devices and restart headraced",
			         r->next_number);
			return RESULT_OK;
		}
		d.number = r->next_number;
	}
	size_t bytes = device_record(&d, record);
	uint64_t content = siphash13(r->view->key, record, bytes);
	if (*kind == CHANGE_CHANGED && content != r->slots[d.number].content) {
		/* the line may leave fields as they are: only now is it worth reading them */
		struct device merged;
		enum result result = read_present(c, d.number, d.id, &merged, err);
		if (result != RESULT_OK)
			return result;
		for (int f = 0; f < DEVICE_FIELD_COUNT; f++)
			if (given & 1u << f)
				device_copy_field(&merged, &d, f);
		d = merged;
		bytes = device_record(&d, record);
		content = siphash13(r->view->key, record, bytes);
	}
	if (*kind == CHANGE_CHANGED && content == r->slots[d.number].content) {
		*kind = CHANGE_NONE;
		return RESULT_OK;
	}
	return put(c, &d, record, bytes, content, err);
}

void change_abort(struct change *c)
{
	struct registry *r = c->r;
	for (uint32_t i = c->count; i-- > 0;)
		r->slots[c->undo[i].number].content = c->undo[i].content;
	for (uint32_t n = c->first_number; n < r->next_number; n++) {
		free(r->slots[n].id);
		r->slots[n] = (struct slot){0};
	}
	r->next_number = c->first_number;
	view_drop(c->next, r->view);
	free_items(c);
}

enum result change_commit(struct change *c, struct error *err)
{
	struct registry *r = c->r;
	if (c->count == 0) {
		change_abort(c);
		return RESULT_OK;
	}
	int length = snprintf(c->next_text, sizeof c->next_text, "%" PRIu32, r->next_number);
	c->items[c->count] = (struct store_kv){
	    .key = "n", .key_bytes = 1, .value = c->next_text, .value_bytes = (size_t)length};
	enum result result =
	    store_kv_write(r->store, STORE_REGISTRY, c->items, c->count + 1, err);
	if (result != RESULT_OK) {
		change_abort(c);
		return result;
	}
	struct registry_view *before = r->view;
	r->view = c->next;
	if (r->publish)
		r->publish(r->context, r->view);
	view_drop(before, r->view);
	free_items(c);
	return RESULT_OK;
}
