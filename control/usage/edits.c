/* SPDX-License-Identifier: Apache-2.0 */
#include "control/usage/edits.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 32

/* Numbers are given out, and edits withdrawn, by one at a time. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

/* --- as JSON --- */

static void take_text(const json_t *object, const char *key, char *out, size_t bytes)
{
	const char *text = json_string_value(json_object_get(object, key));
	snprintf(out, bytes, "%s", text ? text : "");
}

static int64_t take_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* False: damaged, or no memory. */
static bool edit_read(const char *text, size_t bytes, struct usage_edit *e)
{
	json_t *json = json_loadb(text, bytes, 0, NULL);
	const json_t *values = json_object_get(json, "mwh");
	*e = (struct usage_edit){
	    .number = (uint32_t)take_int(json, "number"),
	    .from_s = take_int(json, "from_s"),
	    .interval_s = (int32_t)take_int(json, "interval_s"),
	    .count = (uint32_t)json_array_size(values),
	    .made_ms = take_int(json, "made_ms"),
	    .withdrawn_ms = take_int(json, "withdrawn_ms"),
	};
	bool good = e->number > 0 && e->interval_s > 0 && e->count > 0 &&
	            e->count <= EDIT_INTERVALS_MAX;
	e->withdrawn = e->withdrawn_ms != 0;
	take_text(json, "who", e->who, sizeof e->who);
	take_text(json, "reason", e->reason, sizeof e->reason);
	take_text(json, "withdrawn_who", e->withdrawn_who, sizeof e->withdrawn_who);
	take_text(json, "withdrawn_reason", e->withdrawn_reason, sizeof e->withdrawn_reason);
	if (good)
		e->energy_mwh = malloc(e->count * sizeof *e->energy_mwh);
	for (uint32_t i = 0; e->energy_mwh && i < e->count; i++)
		e->energy_mwh[i] = json_integer_value(json_array_get(values, i));
	json_decref(json);
	return e->energy_mwh != NULL;
}

static enum result edit_write(struct store *store, uint32_t device, const struct usage_edit *e,
                              struct error *err)
{
	char key[KEY_BYTES];
	json_t *values = json_array();
	for (uint32_t i = 0; i < e->count; i++)
		json_array_append_new(values, json_integer(e->energy_mwh[i]));
	json_t *json = json_pack(
	    "{s:i, s:I, s:i, s:o, s:I, s:s, s:s}", "number", (int)e->number, "from_s",
	    (json_int_t)e->from_s, "interval_s", (int)e->interval_s, "mwh", values, "made_ms",
	    (json_int_t)e->made_ms, "who", e->who, "reason", e->reason);
	if (json && e->withdrawn) {
		json_object_set_new(json, "withdrawn_ms", json_integer(e->withdrawn_ms));
		json_object_set_new(json, "withdrawn_who", json_string(e->withdrawn_who));
		json_object_set_new(json, "withdrawn_reason", json_string(e->withdrawn_reason));
	}
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return fail(RESULT_RESOURCE, err, "no memory for an edit, or its text is no UTF-8");
	snprintf(key, sizeof key, "edit/%010" PRIu32 "/%06" PRIu32, device, e->number);
	struct store_kv item = {key, strlen(key), text, strlen(text)};
	enum result result = store_kv_write(store, STORE_CONTROL, &item, 1, err);
	free(text);
	return result;
}

/* --- reading them --- */

struct loading {
	struct usage_edits *out;
	bool failed;
};

static bool on_edit(void *context, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
	struct loading *l = context;
	(void)key, (void)key_bytes;
	struct usage_edit *more =
	    realloc(l->out->edits, (l->out->count + 1) * sizeof *l->out->edits);
	if (more)
		l->out->edits = more;
	l->failed = !more || !edit_read(value, value_bytes, &more[l->out->count]);
	l->out->count += !l->failed;
	return !l->failed;
}

enum result usage_edits_load(struct store *store, uint32_t device, struct usage_edits *out,
                             struct error *err)
{
	char prefix[KEY_BYTES];
	struct loading l = {.out = out};
	*out = (struct usage_edits){0};
	snprintf(prefix, sizeof prefix, "edit/%010" PRIu32 "/", device);
	enum result result =
	    store_kv_scan(store, STORE_CONTROL, prefix, strlen(prefix), on_edit, &l, err);
	if (result == RESULT_OK && l.failed)
		result = fail(RESULT_MEDIA, err, "edit %" PRIu32 " of device %" PRIu32
		              " can't be read", out->count + 1, device);
	if (result != RESULT_OK)
		usage_edits_free(out);
	return result;
}

void usage_edits_free(struct usage_edits *edits)
{
	for (uint32_t i = 0; i < edits->count; i++)
		free(edits->edits[i].energy_mwh);
	free(edits->edits);
	*edits = (struct usage_edits){0};
}

/* --- changes --- */

static enum result check_words(const char *who, const char *reason, struct error *err)
{
	if (!*who || strlen(who) >= EDIT_WHO_BYTES)
		return fail(RESULT_INPUT, err, "who makes the edit is missing or longer than %d "
		            "bytes", EDIT_WHO_BYTES - 1);
	if (!*reason || strlen(reason) >= EDIT_REASON_BYTES)
		return fail(RESULT_INPUT, err, "the reason is missing or longer than %d bytes",
		            EDIT_REASON_BYTES - 1);
	return RESULT_OK;
}

static enum result add_locked(struct store *store, uint32_t device, struct usage_edit *edit,
                              struct error *err)
{
	struct usage_edits all;
	enum result result = usage_edits_load(store, device, &all, err);
	if (result != RESULT_OK)
		return result;
	edit->number = all.count ? all.edits[all.count - 1].number + 1 : 1;
	edit->withdrawn = false;
	usage_edits_free(&all);
	return edit_write(store, device, edit, err);
}

enum result usage_edit_add(struct store *store, uint32_t device, struct usage_edit *edit,
                           struct error *err)
{
	enum result result = check_words(edit->who, edit->reason, err);
	if (result != RESULT_OK)
		return result;
	if (edit->count == 0 || edit->count > EDIT_INTERVALS_MAX || edit->interval_s <= 0)
		return fail(RESULT_INPUT, err, "an edit has from 1 to %d intervals, not %" PRIu32,
		            EDIT_INTERVALS_MAX, edit->count);
	for (uint32_t i = 0; i < edit->count; i++)
		if (edit->energy_mwh[i] < 0)
			return fail(RESULT_INPUT, err, "value %" PRIu32 " is negative", i + 1);
	pthread_mutex_lock(&changing);
	result = add_locked(store, device, edit, err);
	pthread_mutex_unlock(&changing);
	return result;
}

static enum result withdraw_locked(struct store *store, uint32_t device, uint32_t number,
                                   const char *who, const char *reason, int64_t now_ms,
                                   struct error *err)
{
	struct usage_edits all;
	enum result result = usage_edits_load(store, device, &all, err);
	if (result != RESULT_OK)
		return result;
	struct usage_edit *e = all.edits;
	while (e < all.edits + all.count && e->number != number)
		e++;
	if (e == all.edits + all.count) {
		result = fail(RESULT_ABSENT, err, "the meter has no edit %" PRIu32, number);
	} else if (e->withdrawn) {
		result = fail(RESULT_INPUT, err, "edit %" PRIu32 " was withdrawn by %s already: %s",
		              number, e->withdrawn_who, e->withdrawn_reason);
	} else {
		e->withdrawn = true;
		e->withdrawn_ms = now_ms;
		snprintf(e->withdrawn_who, sizeof e->withdrawn_who, "%s", who);
		snprintf(e->withdrawn_reason, sizeof e->withdrawn_reason, "%s", reason);
		result = edit_write(store, device, e, err);
	}
	usage_edits_free(&all);
	return result;
}

enum result usage_edit_withdraw(struct store *store, uint32_t device, uint32_t number,
                                const char *who, const char *reason, int64_t now_ms,
                                struct error *err)
{
	enum result result = check_words(who, reason, err);
	if (result != RESULT_OK)
		return result;
	pthread_mutex_lock(&changing);
	result = withdraw_locked(store, device, number, who, reason, now_ms, err);
	pthread_mutex_unlock(&changing);
	return result;
}

/* --- laid over --- */

/* What the edit says was used from its beginning until an instant within it. */
static int64_t until(const struct usage_edit *e, int64_t at_s)
{
	int64_t sum = 0, whole = (at_s - e->from_s) / e->interval_s;
	int64_t rest_s = (at_s - e->from_s) % e->interval_s;
	for (int64_t i = 0; i < whole; i++)
		sum += e->energy_mwh[i];
	if (rest_s > 0)
		sum += (int64_t)((__int128)e->energy_mwh[whole] * rest_s / e->interval_s);
	return sum;
}

static void apply(const struct usage_edit *e, struct vee_row *row)
{
	int64_t ahead_s = e->from_s - row->start_s, end_s = usage_edit_end_s(e);
	int64_t first = ahead_s <= 0 ? 0 : (ahead_s + row->interval_s - 1) / row->interval_s;
	for (int64_t i = first; i < row->count; i++) {
		int64_t from_s = row->start_s + i * row->interval_s;
		int64_t to_s = from_s + row->interval_s;
		if (to_s > end_s)
			return;
		row->intervals[i] = (struct vee_interval){
		    .energy_mwh = e->interval_s == row->interval_s &&
		                          (from_s - e->from_s) % e->interval_s == 0
		                      ? e->energy_mwh[(from_s - e->from_s) / e->interval_s]
		                      : until(e, to_s) - until(e, from_s),
		    .source = VEE_EDITED};
	}
}

void usage_edits_apply(const struct usage_edits *edits, struct vee_row *row)
{
	for (uint32_t i = 0; i < edits->count; i++)
		if (!edits->edits[i].withdrawn)
			apply(&edits->edits[i], row);
}

bool usage_edits_touch(const struct usage_edits *edits, int64_t from_s, int64_t to_s)
{
	for (uint32_t i = 0; i < edits->count; i++) {
		const struct usage_edit *e = &edits->edits[i];
		if (!e->withdrawn && e->from_s < to_s && usage_edit_end_s(e) > from_s)
			return true;
	}
	return false;
}
