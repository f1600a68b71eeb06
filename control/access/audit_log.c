/* SPDX-License-Identifier: Apache-2.0 */
/* See audit_log.h. */
#include "control/access/audit_log.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX   "audit-log/"
#define KEY_BYTES    40
#define TARGET_BYTES 512
#define REMOVED_AT_ONCE 256 /* entries in one write */

struct audit_log {
	struct store *store;
	uint64_t most; /* 0: all */
	pthread_mutex_t lock; /* of what follows */
	struct audit_log_extent extent;
};

static bool parse_key(const void *key, size_t bytes, uint64_t *number, unsigned *part)
{
	char text[KEY_BYTES];
	if (bytes >= sizeof text)
		return false;
	memcpy(text, key, bytes);
	text[bytes] = '\0';
	return sscanf(text, KEY_PREFIX "%20" SCNu64 "/%1u", number, part) == 2;
}

static size_t make_key(char key[KEY_BYTES], uint64_t number, unsigned part)
{
	return (size_t)snprintf(key, KEY_BYTES, KEY_PREFIX "%020" PRIu64 "/%u", number, part);
}

/* --- opening --- */

static bool on_key(void *context, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
	struct audit_log_extent *e = context;
	uint64_t number;
	unsigned part;
	(void)value, (void)value_bytes;
	if (!parse_key(key, key_bytes, &number, &part))
		return true;
	if (e->newest < e->oldest)
		e->oldest = number;
	e->newest = number;
	return true;
}

/* Both records of `count` entries, as what a write takes. */
static void fill_deletes(struct store_kv *items, char (*keys)[KEY_BYTES], uint64_t from,
                         size_t count)
{
	for (size_t i = 0; i < 2 * count; i++)
		items[i] = (struct store_kv){
		    keys[i], make_key(keys[i], from + i / 2, (unsigned)(i % 2)), NULL, 0};
}

/* What is more than may be kept: there was room for more before. */
static enum result remove_surplus(struct audit_log *log, struct error *err)
{
	struct audit_log_extent *e = &log->extent;
	struct store_kv items[2 * REMOVED_AT_ONCE];
	char keys[2 * REMOVED_AT_ONCE][KEY_BYTES];
	enum result result = RESULT_OK;
	while (result == RESULT_OK && log->most > 0 && e->newest >= e->oldest &&
	       e->newest - e->oldest >= log->most) {
		uint64_t count = e->newest - e->oldest + 1 - log->most;
		if (count > REMOVED_AT_ONCE)
			count = REMOVED_AT_ONCE;
		fill_deletes(items, keys, e->oldest, count);
		result = store_kv_write(log->store, STORE_CONTROL, items, 2 * count, err);
		e->oldest += count;
		e->removed += count;
	}
	return result;
}

enum result audit_log_open(struct store *store, uint64_t most, struct audit_log **out,
                           struct error *err)
{
	struct audit_log *log = calloc(1, sizeof *log);
	if (!log)
		return fail(RESULT_RESOURCE, err, "audit log: no memory");
	log->store = store;
	log->most = most;
	log->extent.oldest = 1;
	pthread_mutex_init(&log->lock, NULL);
	enum result result = store_kv_scan(store, STORE_CONTROL, KEY_PREFIX, strlen(KEY_PREFIX),
	                                   on_key, &log->extent, err);
	if (result == RESULT_OK)
		result = remove_surplus(log, err);
	if (result != RESULT_OK) {
		audit_log_close(log);
		return result;
	}
	*out = log;
	return RESULT_OK;
}

void audit_log_close(struct audit_log *log)
{
	if (!log)
		return;
	pthread_mutex_destroy(&log->lock);
	free(log);
}

struct audit_log_extent audit_log_extent_get(struct audit_log *log)
{
	pthread_mutex_lock(&log->lock);
	struct audit_log_extent extent = log->extent;
	pthread_mutex_unlock(&log->lock);
	return extent;
}

/* --- writing --- */

/* A new entry's number; *oldest: the one that goes for it, 0: none. (When that write fails, the
 * oldest stays in the store until the next start.) */
static uint64_t next_number(struct audit_log *log, uint64_t *oldest)
{
	struct audit_log_extent *e = &log->extent;
	*oldest = 0;
	pthread_mutex_lock(&log->lock);
	uint64_t number = ++e->newest;
	if (log->most > 0 && number - e->oldest >= log->most) {
		*oldest = e->oldest++;
		e->removed++;
	}
	pthread_mutex_unlock(&log->lock);
	return number;
}

/* `oldest`: goes in the same write; 0: none. */
static enum result put(struct audit_log *log, uint64_t number, unsigned part, json_t *json,
                       uint64_t oldest, struct error *err)
{
	struct store_kv items[3];
	char keys[3][KEY_BYTES];
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return fail(RESULT_RESOURCE, err, "audit log: no memory");
	items[0] =
	    (struct store_kv){keys[0], make_key(keys[0], number, part), text, strlen(text)};
	fill_deletes(&items[1], &keys[1], oldest, 1);
	enum result result =
	    store_kv_write(log->store, STORE_CONTROL, items, oldest ? 3 : 1, err);
	free(text);
	return result;
}

/* A target may be any bytes; JSON takes UTF-8 only. */
static json_t *plain(const char *text)
{
	char out[TARGET_BYTES + 1];
	size_t i = 0;
	for (; i < TARGET_BYTES && text[i]; i++)
		out[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	out[i] = '\0';
	return json_string(out);
}

enum result audit_log_begin(struct audit_log *log, const struct audit_entry *e, uint64_t *number,
                            struct error *err)
{
	uint64_t oldest;
	*number = next_number(log, &oldest);
	return put(log, *number, 0,
	           json_pack("{s:I, s:o, s:s, s:o, s:s, s:o}", "at_ms", (json_int_t)e->at_ms,
	                     "who", plain(e->who), "role", e->role, "from", plain(e->from),
	                     "method", e->method, "target", plain(e->target)),
	           oldest, err);
}

enum result audit_log_end(struct audit_log *log, uint64_t number, int64_t done_ms, unsigned status,
                          const char *object, struct error *err)
{
	json_t *name = json_string(object); /* NULL: not UTF-8 */
	return put(log, number, 1,
	           json_pack("{s:I, s:i, s:o}", "done_ms", (json_int_t)done_ms, "status",
	                     (int)status, "object", name ? name : plain(object)),
	           0, err);
}

/* --- reading --- */

struct scanning {
	uint64_t from, number; /* of the entry in `head`; 0: none */
	json_t *head;
	audit_log_fn *fn;
	void *context;
	bool enough;
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

/* The entry in `head`, with its end if that is known. */
static void tell(struct scanning *s, const json_t *end)
{
	if (!s->head || s->enough)
		return;
	const struct audit_entry e = {
	    .number = s->number,
	    .at_ms = json_integer_value(json_object_get(s->head, "at_ms")),
	    .done_ms = json_integer_value(json_object_get(end, "done_ms")),
	    .who = text_of(s->head, "who"),
	    .role = text_of(s->head, "role"),
	    .from = text_of(s->head, "from"),
	    .method = text_of(s->head, "method"),
	    .target = text_of(s->head, "target"),
	    .status = (unsigned)json_integer_value(json_object_get(end, "status")),
	    .object = text_of(end, "object"),
	};
	s->enough = !s->fn(s->context, &e);
}

static void forget(struct scanning *s)
{
	json_decref(s->head);
	s->head = NULL;
}

static bool on_record(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct scanning *s = context;
	uint64_t number;
	unsigned part;
	if (!parse_key(key, key_bytes, &number, &part) || number < s->from)
		return true;
	if (part == 0) {
		tell(s, NULL);
		forget(s);
		s->head = json_loadb(value, value_bytes, 0, NULL);
		s->number = number;
	} else if (s->head && number == s->number) {
		json_t *end = json_loadb(value, value_bytes, 0, NULL);
		tell(s, end);
		json_decref(end);
		forget(s);
	}
	return !s->enough;
}

enum result audit_log_scan(struct audit_log *log, uint64_t from, audit_log_fn *fn, void *context,
                           struct error *err)
{
	struct audit_log_extent extent = audit_log_extent_get(log);
	struct scanning s = {.fn = fn, .context = context};
	char after[KEY_BYTES];
	/* from the oldest at least: what was removed is passed over by its key */
	s.from = from > extent.oldest ? from : extent.oldest;
	enum result result = store_kv_scan_after(
	    log->store, STORE_CONTROL, KEY_PREFIX, strlen(KEY_PREFIX), after,
	    make_key(after, s.from - 1, 9), on_record, &s, err);
	if (result == RESULT_OK)
		tell(&s, NULL);
	forget(&s);
	return result;
}
