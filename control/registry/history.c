/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was changed of a registry object, by whom and when. Written with the change itself, so there
 * is no change without its entry. Never changed or removed.
 *
 *	key:   "h/" kind "/" id NUL time sequence
 *
 *	    0         1             2         3
 *	   +---------+-------------+---------+-----+--------+-----------------------------+
 *	   | version | action len  | who len | ... action, who, changes (members of JSON) |
 *	   +---------+-------------+---------+-----+--------+-----------------------------+
 *
 * time: 8 bytes, milliseconds since 1970, big-endian, so that entries lie in order; sequence: 4
 * bytes that tell changes within a millisecond apart.
 *
 * Thread: any; entries are added with the registry's lock held. Memory: the change's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "control/registry/registry_priv.h"

#define VERSION    1
#define HEAD_BYTES 3u
#define TAIL_BYTES 12u /* of a key: time and sequence */
#define KEY_BYTES  (4 + DEVICE_ID_BYTES + 1 + TAIL_BYTES + 1)
#define WHO_BYTES  200u

static const char letters[] = {
    [REGISTRY_DEVICES] = 'd', [REGISTRY_POINTS] = 'p', [REGISTRY_CUSTOMERS] = 'c'};

/* Length of the prefix that all entries of an object have; 0: there can be no such object. */
static size_t prefix_of(enum registry_kind kind, const char *id, char key[KEY_BYTES])
{
	size_t length = strlen(id);
	if (length == 0 || length > DEVICE_ID_BYTES)
		return 0;
	memcpy(key, "h/./", 4);
	key[2] = letters[kind];
	memcpy(key + 4, id, length + 1);
	return 4 + length + 1;
}

static size_t put_text(uint8_t *out, size_t at, const char *text, size_t bytes)
{
	memcpy(out + at, text, bytes);
	return at + bytes;
}

enum result change_history(struct change *c, enum registry_kind kind, const char *id,
			   const char *changes, size_t bytes, struct error *err)
{
	char key[KEY_BYTES];
	size_t key_bytes = prefix_of(kind, id, key);
	size_t action_bytes = strlen(c->action), who_bytes = strnlen(c->author->who, WHO_BYTES);
	CHECK(key_bytes > 0);
	put_be64((uint8_t *)key + key_bytes, (uint64_t)c->author->at_ms);
	put_be32((uint8_t *)key + key_bytes + 8, c->r->history_sequence++);
	uint8_t *value = malloc(HEAD_BYTES + action_bytes + who_bytes + bytes);
	if (!value)
		return fail(RESULT_RESOURCE, err, "registry: no memory for the history");
	value[0] = VERSION;
	value[1] = (uint8_t)action_bytes;
	value[2] = (uint8_t)who_bytes;
	size_t at = put_text(value, HEAD_BYTES, c->action, action_bytes);
	at = put_text(value, at, c->author->who, who_bytes);
	at = put_text(value, at, changes, bytes);
	enum result result = change_add(c, key, key_bytes + TAIL_BYTES, key_bytes, value, at, err);
	free(value);
	return result;
}

struct listing {
	registry_history_fn *fn;
	void *context;
	size_t prefix_bytes;
	bool damaged, no_memory;
};

static bool on_entry(void *context, const void *key, size_t key_bytes, const void *value,
		     size_t value_bytes)
{
	struct listing *l = context;
	const uint8_t *v = value;
	char action[256], who[256];
	l->damaged = key_bytes != l->prefix_bytes + TAIL_BYTES || value_bytes < HEAD_BYTES ||
		     v[0] != VERSION || value_bytes < HEAD_BYTES + (size_t)v[1] + v[2];
	if (l->damaged)
		return false;
	snprintf(action, sizeof action, "%.*s", (int)v[1], (const char *)v + HEAD_BYTES);
	snprintf(who, sizeof who, "%.*s", (int)v[2], (const char *)v + HEAD_BYTES + v[1]);
	size_t head = HEAD_BYTES + (size_t)v[1] + v[2], bytes = value_bytes - head;
	char *changes = malloc(bytes + 3);
	l->no_memory = !changes;
	if (!changes)
		return false;
	changes[0] = '{';
	memcpy(changes + 1, v + head, bytes);
	memcpy(changes + 1 + bytes, "}", 2);
	struct registry_history entry = {(int64_t)get_be64((const uint8_t *)key + l->prefix_bytes),
					 who, action, changes, bytes + 2};
	bool more = l->fn(l->context, &entry);
	free(changes);
	return more;
}

enum result registry_history(struct registry *r, enum registry_kind kind, const char *id,
			     registry_history_fn *fn, void *context, struct error *err)
{
	char key[KEY_BYTES];
	struct listing l = {.fn = fn, .context = context};
	l.prefix_bytes = prefix_of(kind, id, key);
	if (l.prefix_bytes == 0)
		return RESULT_OK;
	enum result result =
	    store_kv_scan(r->store, STORE_REGISTRY, key, l.prefix_bytes, on_entry, &l, err);
	if (result == RESULT_OK && l.damaged)
		return fail(RESULT_MEDIA, err, "the history of %s is damaged", id);
	if (result == RESULT_OK && l.no_memory)
		return fail(RESULT_RESOURCE, err, "registry: no memory for the history");
	return result;
}
