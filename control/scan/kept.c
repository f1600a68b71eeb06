/* SPDX-License-Identifier: Apache-2.0 */
/* Findings and summaries in the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/scan/scan_priv.h"

#define PERIODS_MAX 100
#define BATCH       256

/* --- a meter's findings: an array of arrays of numbers --- */

enum result scan_entry_make(const char *period, const char *meter,
                            const struct vee_finding *findings, uint32_t count,
                            struct scan_entry *out, struct error *err)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < count; i++) {
		const struct vee_finding *f = &findings[i];
		json_array_append_new(
		    list, json_pack("[i, i, I, I, I, I, I, I]", (int)f->rule, (int)f->version,
		                    (json_int_t)f->from_s, (json_int_t)f->to_s,
		                    (json_int_t)f->value, (json_int_t)f->limit,
		                    (json_int_t)f->is_mwh, (json_int_t)f->against_mwh));
	}
	snprintf(out->key, sizeof out->key, "vee/%s/%s", period, meter);
	out->text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	json_decref(list);
	return out->text ? RESULT_OK : fail(RESULT_RESOURCE, err, "no memory for findings");
}

static int64_t number_at(const json_t *array, size_t index)
{
	return json_integer_value(json_array_get(array, index));
}

/* Those of the rule; false: damaged. */
static bool entry_read(const char *text, size_t bytes, unsigned rule, struct vee_finding *out,
                       uint32_t *count)
{
	json_t *list = json_loadb(text, bytes, 0, NULL);
	const json_t *item;
	size_t i;
	bool good = json_is_array(list);
	*count = 0;
	json_array_foreach(list, i, item)
	{
		int64_t kind = number_at(item, 0);
		good = good && json_array_size(item) == 8 && kind >= 0 && kind < VEE_RULE_COUNT;
		if (!good)
			break;
		if (*count < BATCH && (rule == VEE_RULE_COUNT || rule == kind))
			out[(*count)++] = (struct vee_finding){
			    (uint8_t)kind, (int32_t)number_at(item, 1), number_at(item, 2),
			    number_at(item, 3), number_at(item, 4), number_at(item, 5),
			    number_at(item, 6), number_at(item, 7)};
	}
	json_decref(list);
	return good;
}

enum result scan_entries_put(struct store *store, struct scan_entry *entries, uint32_t count,
                             struct error *err)
{
	struct store_kv items[BATCH];
	enum result result = RESULT_OK;
	for (uint32_t at = 0; at < count && result == RESULT_OK;) {
		uint32_t n = 0;
		for (; at < count && n < BATCH; at++, n++)
			items[n] = (struct store_kv){entries[at].key, strlen(entries[at].key),
			                             entries[at].text, strlen(entries[at].text)};
		result = store_kv_write(store, STORE_CONTROL, items, n, err);
	}
	for (uint32_t i = 0; i < count; i++)
		free(entries[i].text);
	return result;
}

/* --- listing --- */

struct listing {
	size_t prefix_bytes;
	const char *after;
	unsigned rule;
	scan_fn *fn;
	void *context;
	bool damaged;
};

static bool on_entry(void *context, const void *key, size_t key_bytes, const void *value,
                     size_t value_bytes)
{
	struct listing *l = context;
	struct vee_finding findings[BATCH];
	char meter[DEVICE_ID_BYTES + 1];
	uint32_t count;
	snprintf(meter, sizeof meter, "%.*s", (int)(key_bytes - l->prefix_bytes),
	         (const char *)key + l->prefix_bytes);
	if (strcmp(meter, l->after) <= 0)
		return true;
	l->damaged = !entry_read(value, value_bytes, l->rule, findings, &count);
	return !l->damaged && (count == 0 || l->fn(l->context, meter, findings, count));
}

enum result scan_list(struct scan *s, const char *period, const char *after, unsigned rule,
                      scan_fn *fn, void *context, struct error *err)
{
	char prefix[SCAN_KEY_BYTES];
	snprintf(prefix, sizeof prefix, "vee/%s/", period);
	struct listing l = {strlen(prefix), after, rule, fn, context, false};
	enum result result = store_kv_scan(s->source.store, STORE_CONTROL, prefix, l.prefix_bytes,
	                                   on_entry, &l, err);
	if (result == RESULT_OK && l.damaged)
		result = fail(RESULT_MEDIA, err, "findings of %s can't be read: scan it again",
		              period);
	return result;
}

/* --- summaries --- */

static json_t *rules_json(const struct scan_status *status)
{
	json_t *rules = json_object();
	for (int i = 0; i < VEE_RULE_COUNT; i++)
		json_object_set_new(
		    rules, vee_rule_info[i].name,
		    json_pack("{s:I, s:I}", "findings", (json_int_t)status->rule[i].findings,
		              "meters", (json_int_t)status->rule[i].meters));
	return rules;
}

enum result scan_summary_put(struct store *store, const struct scan_status *s, struct error *err)
{
	char key[SCAN_KEY_BYTES];
	json_t *json = json_pack(
	    "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o}", "period", s->period,
	    "meters", (json_int_t)s->done, "found", (json_int_t)s->found, "complete",
	    (json_int_t)s->complete, "enough", (json_int_t)s->enough, "silent",
	    (json_int_t)s->silent, "began_ms", (json_int_t)s->began_ms, "ended_ms",
	    (json_int_t)s->ended_ms, "cpu_us", (json_int_t)s->cpu_us, "failure", s->failure,
	    "rules", rules_json(s));
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return fail(RESULT_RESOURCE, err, "no memory for a summary");
	snprintf(key, sizeof key, "veesum/%s", s->period);
	struct store_kv item = {key, strlen(key), text, strlen(text)};
	enum result result = store_kv_write(store, STORE_CONTROL, &item, 1, err);
	free(text);
	return result;
}

static bool on_summary(void *context, const void *key, size_t key_bytes, const void *value,
                       size_t value_bytes)
{
	(void)key, (void)key_bytes;
	json_t *summary = json_loadb(value, value_bytes, 0, NULL);
	return !summary || json_array_append_new(context, summary) == 0;
}

enum result scan_summaries(struct scan *s, json_t **out, struct error *err)
{
	*out = json_array();
	if (!*out)
		return fail(RESULT_RESOURCE, err, "no memory for summaries");
	enum result result =
	    store_kv_scan(s->source.store, STORE_CONTROL, "veesum/", 7, on_summary, *out, err);
	if (result != RESULT_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return result;
}

/* --- forgetting --- */

struct keys {
	char key[BATCH][SCAN_KEY_BYTES];
	uint32_t count;
};

static bool on_key(void *context, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
	struct keys *k = context;
	(void)value, (void)value_bytes;
	snprintf(k->key[k->count++], SCAN_KEY_BYTES, "%.*s", (int)key_bytes, (const char *)key);
	return k->count < BATCH;
}

static enum result forget(struct store *store, const char *prefix, struct keys *k,
                          struct error *err)
{
	struct store_kv items[BATCH];
	enum result result;
	do {
		k->count = 0;
		result = store_kv_scan(store, STORE_CONTROL, prefix, strlen(prefix), on_key, k,
		                       err);
		for (uint32_t i = 0; i < k->count; i++)
			items[i] = (struct store_kv){k->key[i], strlen(k->key[i]), NULL, 0};
		if (result == RESULT_OK && k->count > 0)
			result = store_kv_write(store, STORE_CONTROL, items, k->count, err);
	} while (result == RESULT_OK && k->count == BATCH);
	return result;
}

enum result scan_forget(struct store *store, const char *period, struct error *err)
{
	char prefix[SCAN_KEY_BYTES];
	struct keys *k = malloc(sizeof *k);
	if (!k)
		return fail(RESULT_RESOURCE, err, "no memory to forget findings");
	snprintf(prefix, sizeof prefix, "vee/%s/", period);
	enum result result = forget(store, prefix, k, err);
	snprintf(prefix, sizeof prefix, "veesum/%s", period);
	struct store_kv summary = {prefix, strlen(prefix), NULL, 0};
	if (result == RESULT_OK)
		result = store_kv_write(store, STORE_CONTROL, &summary, 1, err);
	free(k);
	return result;
}

enum result scan_forget_old(struct store *store, struct error *err)
{
	struct keys *k = malloc(sizeof *k);
	char oldest[SCAN_PERIOD_BYTES] = "";
	if (!k)
		return fail(RESULT_RESOURCE, err, "no memory to forget findings");
	k->count = 0;
	enum result result = store_kv_scan(store, STORE_CONTROL, "veesum/", 7, on_key, k, err);
	bool many = k->count > PERIODS_MAX;
	if (many)
		snprintf(oldest, sizeof oldest, "%.11s", k->key[0] + 7);
	free(k);
	return result == RESULT_OK && many ? scan_forget(store, oldest, err) : result;
}
