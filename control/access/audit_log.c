/* SPDX-License-Identifier: Apache-2.0 */
/* See audit_log.h. */
#include "control/access/audit_log.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX   "audit-log/"
#define KEY_BYTES    40
#define TARGET_BYTES 512

struct audit_log {
	struct store *store;
	_Atomic uint64_t last;
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

static bool on_key(void *context, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
	uint64_t number, *last = context;
	unsigned part;
	(void)value, (void)value_bytes;
	if (parse_key(key, key_bytes, &number, &part))
		*last = number;
	return true;
}

enum result audit_log_open(struct store *store, struct audit_log **out, struct error *err)
{
	uint64_t last = 0;
	struct audit_log *log = calloc(1, sizeof *log);
	if (!log)
		return fail(RESULT_RESOURCE, err, "audit log: no memory");
	enum result result = store_kv_scan(store, STORE_CONTROL, KEY_PREFIX, strlen(KEY_PREFIX),
	                                   on_key, &last, err);
	if (result != RESULT_OK) {
		free(log);
		return result;
	}
	log->store = store;
	log->last = last;
	*out = log;
	return RESULT_OK;
}

void audit_log_close(struct audit_log *log)
{
	free(log);
}

static enum result put(struct audit_log *log, uint64_t number, unsigned part, json_t *json,
                       struct error *err)
{
	char key[KEY_BYTES];
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return fail(RESULT_RESOURCE, err, "audit log: no memory");
	snprintf(key, sizeof key, KEY_PREFIX "%020" PRIu64 "/%u", number, part);
	struct store_kv item = {key, strlen(key), text, strlen(text)};
	enum result result = store_kv_write(log->store, STORE_CONTROL, &item, 1, err);
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
	*number = atomic_fetch_add(&log->last, 1) + 1;
	return put(log, *number, 0,
	           json_pack("{s:I, s:o, s:s, s:o, s:s, s:o}", "at_ms", (json_int_t)e->at_ms,
	                     "who", plain(e->who), "role", e->role, "from", plain(e->from),
	                     "method", e->method, "target", plain(e->target)),
	           err);
}

enum result audit_log_end(struct audit_log *log, uint64_t number, int64_t done_ms, unsigned status,
                          const char *object, struct error *err)
{
	json_t *name = json_string(object); /* NULL: not UTF-8 */
	return put(log, number, 1,
	           json_pack("{s:I, s:i, s:o}", "done_ms", (json_int_t)done_ms, "status",
	                     (int)status, "object", name ? name : plain(object)),
	           err);
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
	struct scanning s = {.from = from, .fn = fn, .context = context};
	enum result result = store_kv_scan(log->store, STORE_CONTROL, KEY_PREFIX,
	                                   strlen(KEY_PREFIX), on_record, &s, err);
	if (result == RESULT_OK)
		tell(&s, NULL);
	forget(&s);
	return result;
}
