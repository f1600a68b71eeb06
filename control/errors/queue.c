/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error queue's states: opening, look-ups, the records of what was done, and the operations
 * as a whole. See queue.h.
 */
#include "control/errors/queue.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "control/errors/queue_priv.h"

#define RECORD_KEY_BYTES 10 /* "q/" and the number */
#define ORIGIN_KEY_BYTES 14 /* "Q/", device, time */

const char *const error_state_name[ERROR_STATES] = {"open", "replayed", "corrected", "discarded"};

const struct counter_info error_queue_info[ERROR_QUEUE_COUNT_COUNT] = {
#define ERROR_QUEUE_INFO(id, name, help) [ERROR_QUEUE_##id] = {name, help},
    ERROR_QUEUE_COUNTS(ERROR_QUEUE_INFO)
#undef ERROR_QUEUE_INFO
};

enum error_state error_state_find(const char *name)
{
	int s = 0;
	while (s < ERROR_STATES && strcmp(error_state_name[s], name) != 0)
		s++;
	return (enum error_state)s;
}

const _Atomic uint64_t *error_queue_counts(const struct error_queue *q)
{
	return q->counts;
}

/* --- the table --- */

static struct state_slot *find_slot(struct state_slot *slots, uint64_t capacity, uint64_t number)
{
	uint64_t at = number * 0x9e3779b97f4a7c15u; /* 2^64 by the golden ratio */
	while (slots[at & (capacity - 1)].number != 0 &&
	       slots[at & (capacity - 1)].number != number)
		at++;
	return &slots[at & (capacity - 1)];
}

static bool grow(struct error_queue *q)
{
	uint64_t capacity = q->slots_capacity ? q->slots_capacity * 2 : 1024;
	struct state_slot *slots = calloc(capacity, sizeof *slots);
	if (!slots)
		return false;
	for (uint64_t i = 0; i < q->slots_capacity; i++)
		if (q->slots[i].number != 0)
			*find_slot(slots, capacity, q->slots[i].number) = q->slots[i];
	free(q->slots);
	q->slots = slots;
	q->slots_capacity = capacity;
	return true;
}

static bool set_state(struct error_queue *q, uint64_t number, enum error_state state)
{
	pthread_mutex_lock(&q->lock);
	bool good = q->slots_used < q->slots_capacity / 2 || grow(q);
	if (good) {
		struct state_slot *slot = find_slot(q->slots, q->slots_capacity, number);
		q->slots_used += slot->number == 0;
		*slot = (struct state_slot){number, (uint8_t)state};
	}
	pthread_mutex_unlock(&q->lock);
	return good;
}

enum error_state error_queue_state(struct error_queue *q, uint64_t number)
{
	if (!q)
		return ERROR_OPEN;
	pthread_mutex_lock(&q->lock);
	const struct state_slot *slot =
	    q->slots_capacity ? find_slot(q->slots, q->slots_capacity, number) : NULL;
	enum error_state state =
	    slot && slot->number != 0 ? (enum error_state)slot->state : ERROR_OPEN;
	pthread_mutex_unlock(&q->lock);
	return state;
}

/* --- records --- */

static void record_key(uint8_t key[RECORD_KEY_BYTES], uint64_t number)
{
	memcpy(key, "q/", 2);
	put_be64(key + 2, number);
}

static void origin_key(uint8_t key[ORIGIN_KEY_BYTES], uint32_t device, int64_t meter_ts_ms)
{
	memcpy(key, "Q/", 2);
	put_be32(key + 2, device);
	put_be64(key + 6, (uint64_t)meter_ts_ms ^ 1ull << 63);
}

struct one_value {
	char *value;
	size_t bytes;
	bool no_memory;
};

static bool on_value(void *context, const void *key, size_t key_bytes, const void *value,
                     size_t value_bytes)
{
	struct one_value *one = context;
	(void)key, (void)key_bytes;
	one->value = malloc(value_bytes + 1);
	one->no_memory = !one->value;
	if (one->value) {
		memcpy(one->value, value, value_bytes);
		one->value[value_bytes] = '\0';
		one->bytes = value_bytes;
	}
	return false;
}

/* The keys of a kind have one length, so the first with the prefix is the one. */
static enum result read_one(struct error_queue *q, const void *key, size_t bytes,
                            struct one_value *one, struct error *err)
{
	*one = (struct one_value){0};
	enum result r =
	    store_kv_scan(q->config.store, STORE_CONTROL, key, bytes, on_value, one, err);
	if (r == RESULT_OK && one->no_memory)
		r = fail(RESULT_RESOURCE, err, "error queue: no memory");
	return r;
}

enum result error_queue_record(struct error_queue *q, uint64_t number, char **json,
                               struct error *err)
{
	uint8_t key[RECORD_KEY_BYTES];
	struct one_value one;
	*json = NULL;
	if (!q)
		return RESULT_OK;
	record_key(key, number);
	enum result r = read_one(q, key, sizeof key, &one, err);
	*json = one.value;
	return r;
}

enum result error_queue_origin(struct error_queue *q, uint32_t device, int64_t meter_ts_ms,
                               uint64_t *number, struct error *err)
{
	uint8_t key[ORIGIN_KEY_BYTES];
	struct one_value one;
	origin_key(key, device, meter_ts_ms);
	enum result r = read_one(q, key, sizeof key, &one, err);
	if (r == RESULT_OK && one.bytes != 8)
		r = fail(RESULT_ABSENT, err, "this reading did not come out of the error queue");
	else if (r == RESULT_OK)
		*number = get_be64((const uint8_t *)one.value);
	free(one.value);
	return r;
}

static char *record_json(const struct error_job *job, const struct error_operator *by,
                         const char *how)
{
	const struct error_attempt *a = &job->attempt;
	json_t *o = json_pack("{s:s,s:s,s:I,s:s,s:s}", "state", error_state_name[a->state], "who",
	                      by->who, "when_ms", (json_int_t)by->now_ms, "why", by->why, "how",
	                      how);
	if (o && a->state != ERROR_DISCARDED)
		json_object_update_new(
		    o, json_pack("{s:i,s:i,s:i}", "stored", a->stored, "duplicate", a->duplicate,
		                 "refused", a->refused));
	if (o && a->refused > 0)
		json_object_set_new(o, "reason", json_string(fate_info[a->fate].name));
	if (o && a->refused_as)
		json_object_set_new(o, "refused_as", json_integer((json_int_t)a->refused_as));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

/* What one job leaves: its record, where its reading came from, and whose place a refusal takes. */
struct traces {
	struct store_kv items[3];
	uint8_t record[RECORD_KEY_BYTES], origin[ORIGIN_KEY_BYTES], from[RECORD_KEY_BYTES];
	uint8_t number[8];
	char from_json[64];
	char *json;
};

static size_t trace(const struct error_job *job, const struct error_operator *by, const char *how,
                    struct traces *t)
{
	size_t count = 0;
	t->json = record_json(job, by, how);
	if (!t->json)
		return 0;
	record_key(t->record, job->attempt.number);
	t->items[count++] =
	    (struct store_kv){t->record, sizeof t->record, t->json, strlen(t->json)};
	if (job->attempt.stored > 0) {
		origin_key(t->origin, job->device, job->meter_ts_ms);
		put_be64(t->number, job->attempt.number);
		t->items[count++] =
		    (struct store_kv){t->origin, sizeof t->origin, t->number, sizeof t->number};
	}
	if (job->attempt.refused_as) {
		int bytes = snprintf(t->from_json, sizeof t->from_json,
		                     "{\"state\":\"open\",\"in_place_of\":%" PRIu64 "}",
		                     job->attempt.number);
		record_key(t->from, job->attempt.refused_as);
		t->items[count++] =
		    (struct store_kv){t->from, sizeof t->from, t->from_json, (size_t)bytes};
	}
	return count;
}

static void count_job(struct error_queue *q, const struct error_attempt *a)
{
	static const enum error_queue_count counts[ERROR_STATES] = {
	    [ERROR_OPEN] = ERROR_QUEUE_KEPT,
	    [ERROR_REPLAYED] = ERROR_QUEUE_REPLAYED,
	    [ERROR_CORRECTED] = ERROR_QUEUE_CORRECTED,
	    [ERROR_DISCARDED] = ERROR_QUEUE_DISCARDED};
	if (a->outcome == ERROR_DONE)
		queue_count(q, counts[a->state], 1);
	else if (a->outcome == ERROR_KEPT)
		queue_count(q, ERROR_QUEUE_KEPT, 1);
	else if (a->outcome == ERROR_UNANSWERED)
		queue_count(q, ERROR_QUEUE_UNANSWERED, 1);
	queue_count(q, ERROR_QUEUE_STORED, a->stored);
	queue_count(q, ERROR_QUEUE_DUPLICATE, a->duplicate);
	queue_count(q, ERROR_QUEUE_REFUSED, a->refused);
}

static enum result write_traces(struct error_queue *q, struct error_job *jobs, uint32_t count,
                                const struct error_operator *by, const char *how,
                                struct traces *traces, struct store_kv *items, struct error *err)
{
	size_t used = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (jobs[i].attempt.outcome != ERROR_DONE)
			continue;
		size_t n = trace(&jobs[i], by, how, &traces[i]);
		if (n == 0)
			return fail(RESULT_RESOURCE, err, "error queue: no memory");
		memcpy(items + used, traces[i].items, n * sizeof items[0]);
		used += n;
	}
	return used ? store_kv_write(q->config.store, STORE_CONTROL, items, used, err) : RESULT_OK;
}

enum result jobs_record(struct error_queue *q, struct error_job *jobs, uint32_t count,
                        const struct error_operator *by, const char *how, struct error *err)
{
	struct traces *traces = calloc(count, sizeof *traces);
	struct store_kv *items = calloc(count, 3 * sizeof *items);
	enum result r = traces && items
	                    ? write_traces(q, jobs, count, by, how, traces, items, err)
	                    : fail(RESULT_RESOURCE, err, "error queue: no memory");
	for (uint32_t i = 0; r == RESULT_OK && i < count; i++) {
		const struct error_attempt *a = &jobs[i].attempt;
		if (a->outcome == ERROR_DONE && !set_state(q, a->number, a->state))
			r = fail(RESULT_RESOURCE, err, "error queue: no memory");
		count_job(q, a);
	}
	for (uint32_t i = 0; traces && i < count; i++)
		free(traces[i].json);
	free(traces);
	free(items);
	return r;
}

/* --- opening --- */

struct loading {
	struct error_queue *q;
	bool bad;
};

static bool on_record(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct loading *l = context;
	json_t *o = json_loadb(value, value_bytes, 0, NULL);
	const char *name = json_string_value(json_object_get(o, "state"));
	enum error_state state = name ? error_state_find(name) : ERROR_STATES;
	l->bad = key_bytes != RECORD_KEY_BYTES || state == ERROR_STATES ||
	         (state != ERROR_OPEN &&
	          !set_state(l->q, get_be64((const uint8_t *)key + 2), state));
	json_decref(o);
	return !l->bad;
}

static enum result load(struct error_queue *q, struct error *err)
{
	struct loading l = {.q = q};
	enum result r =
	    store_kv_scan(q->config.store, STORE_CONTROL, "q/", 2, on_record, &l, err);
	return r == RESULT_OK && l.bad
	           ? fail(RESULT_MEDIA, err, "error queue: a record of an entry is damaged")
	           : r;
}

static bool has_format(const struct profile_set *set, enum payload_format format)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->profiles[i].format == format)
			return true;
	return false;
}

static enum result build(struct error_queue *q, struct error *err)
{
	const struct profile_set *set = q->config.profiles;
	struct decoder_config config = {0};
	if (has_format(set, FORMAT_SPARKPLUG))
		config = (struct decoder_config){.nodes = 1, .aliases = 64};
	enum result r = match_scratch_new(q->config.matcher, &q->scratch, err);
	if (r != RESULT_OK)
		return r;
	q->counters = calloc(1, sizeof *q->counters);
	q->decoder = q->counters ? decoder_new(&config, q->counters) : NULL;
	return q->decoder ? load(q, err) : fail(RESULT_RESOURCE, err, "error queue: no memory");
}

enum result error_queue_open(const struct error_queue_config *config, struct error_queue **out,
                             struct error *err)
{
	struct error_queue *q = aligned_alloc(64, (sizeof *q + 63) & ~(size_t)63);
	if (!q)
		return fail(RESULT_RESOURCE, err, "error queue: no memory");
	memset(q, 0, sizeof *q);
	q->config = *config;
	q->next_handle = 1;
	pthread_mutex_init(&q->working, NULL);
	pthread_mutex_init(&q->lock, NULL);
	enum result r = build(q, err);
	if (r != RESULT_OK) {
		error_queue_close(q);
		return r;
	}
	*out = q;
	return RESULT_OK;
}

void error_queue_close(struct error_queue *q)
{
	if (!q)
		return;
	if (q->decoder)
		decoder_free(q->decoder);
	free(q->counters);
	if (q->scratch)
		match_scratch_free(q->scratch);
	pthread_mutex_destroy(&q->working);
	pthread_mutex_destroy(&q->lock);
	free(q->slots);
	free(q);
}
