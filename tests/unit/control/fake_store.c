/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define READINGS_MAX 32768
#define ERRORS_MAX   1024

struct entry {
	char *key, *value;
	size_t key_bytes, value_bytes;
	size_t order;
};

struct store {
	pthread_mutex_t lock;
	struct entry *entries[STORE_SPACE_COUNT];
	size_t count[STORE_SPACE_COUNT], capacity[STORE_SPACE_COUNT];
	bool sorted[STORE_SPACE_COUNT];
	unsigned failures, writes, good_before;
	const char *failing; /* the beginning of keys; NULL: all */
	struct stored_reading readings[READINGS_MAX];
	size_t reading_count;
	struct stored_error errors[ERRORS_MAX];
	size_t error_count;
	struct fate_totals totals;
	int64_t aggregates_from, aggregates_to;
	uint64_t removed;
};

struct store *fake_store_new(void)
{
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void fake_store_free(struct store *s)
{
	for (int space = 0; space < STORE_SPACE_COUNT; space++) {
		for (size_t i = 0; i < s->count[space]; i++) {
			free(s->entries[space][i].key);
			free(s->entries[space][i].value);
		}
		free(s->entries[space]);
	}
	free(s);
}

void fake_store_fail_writes(struct store *s, unsigned count)
{
	s->failures = count;
}

void fake_store_fail_writes_of(struct store *s, const char *prefix, unsigned count)
{
	s->failing = prefix;
	s->failures = count;
}

static bool is_failing(const struct store *s, const struct store_kv *item)
{
	return s->failures > 0 &&
	       (!s->failing || (item->key_bytes >= strlen(s->failing) &&
	                        memcmp(item->key, s->failing, strlen(s->failing)) == 0));
}

void fake_store_fail_writes_after(struct store *s, unsigned good, unsigned count)
{
	s->good_before = good;
	s->failures = count;
}

unsigned fake_store_writes(const struct store *s)
{
	return s->writes;
}

bool fake_store_has(struct store *s, const char *text)
{
	for (int space = 0; space < STORE_SPACE_COUNT; space++)
		for (size_t i = 0; i < s->count[space]; i++) {
			const struct entry *e = &s->entries[space][i];
			if (e->value && memmem(e->value, e->value_bytes, text, strlen(text)))
				return true;
		}
	return false;
}

static char *copy(const void *data, size_t bytes)
{
	char *to = malloc(bytes + 1);
	if (!to)
		abort();
	memcpy(to, data, bytes);
	to[bytes] = '\0';
	return to;
}

enum result store_kv_write(struct store *s, enum store_space space, const struct store_kv *items,
                           size_t count, struct error *err)
{
	pthread_mutex_lock(&s->lock);
	s->writes++;
	if (is_failing(s, items) && s->good_before > 0) {
		s->good_before--;
	} else if (is_failing(s, items)) {
		s->failures--;
		pthread_mutex_unlock(&s->lock);
		return fail(RESULT_MEDIA, err, "the fake disk is full");
	}
	if (s->count[space] + count > s->capacity[space]) {
		s->capacity[space] = (s->count[space] + count) * 2;
		s->entries[space] = realloc(s->entries[space],
		                            s->capacity[space] * sizeof *s->entries[space]);
		if (!s->entries[space])
			abort();
	}
	for (size_t i = 0; i < count; i++) {
		struct entry *e = &s->entries[space][s->count[space]];
		e->key = copy(items[i].key, items[i].key_bytes);
		e->key_bytes = items[i].key_bytes;
		e->value = items[i].value ? copy(items[i].value, items[i].value_bytes) : NULL;
		e->value_bytes = items[i].value_bytes;
		e->order = s->count[space]++;
	}
	s->sorted[space] = false;
	pthread_mutex_unlock(&s->lock);
	return RESULT_OK;
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t shorter = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
	int order = memcmp(x->key, y->key, shorter);
	if (order == 0 && x->key_bytes != y->key_bytes)
		order = x->key_bytes < y->key_bytes ? -1 : 1;
	if (order == 0)
		order = x->order < y->order ? 1 : -1; /* the newest first */
	return order;
}

/* Sort; of entries with the same key the newest stays. */
static void settle(struct store *s, enum store_space space)
{
	if (s->sorted[space])
		return;
	struct entry *e = s->entries[space];
	size_t kept = 0;
	if (s->count[space] > 0)
		qsort(e, s->count[space], sizeof *e, by_key);
	for (size_t i = 0; i < s->count[space]; i++) {
		bool same = kept > 0 && e[kept - 1].key_bytes == e[i].key_bytes &&
		            memcmp(e[kept - 1].key, e[i].key, e[i].key_bytes) == 0;
		if (same) {
			free(e[i].key);
			free(e[i].value);
		} else {
			e[kept++] = e[i];
		}
	}
	for (size_t i = 0; i < kept; i++)
		e[i].order = i;
	s->count[space] = kept;
	s->sorted[space] = true;
}

enum result store_kv_scan_after(struct store *s, enum store_space space, const void *prefix,
				size_t prefix_bytes, const void *after, size_t after_bytes,
				store_kv_fn *fn, void *context, struct error *err)
{
	(void)err;
	pthread_mutex_lock(&s->lock);
	settle(s, space);
	size_t low = 0, high = s->count[space];
	/* of the same key `order` decides: behind it with `after`, else before it */
	struct entry wanted = {.key = (char *)(after ? after : prefix),
			       .key_bytes = after ? after_bytes : prefix_bytes,
			       .order = after ? 0 : SIZE_MAX};
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct entry *e = &s->entries[space][middle];
		bool same =
		    after && e->key_bytes == after_bytes && memcmp(e->key, after, after_bytes) == 0;
		if (same || by_key(e, &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i < s->count[space]; i++) {
		const struct entry *e = &s->entries[space][i];
		if (e->key_bytes < prefix_bytes || memcmp(e->key, prefix, prefix_bytes) != 0)
			break;
		if (e->value && !fn(context, e->key, e->key_bytes, e->value, e->value_bytes))
			break;
	}
	pthread_mutex_unlock(&s->lock);
	return RESULT_OK;
}

enum result store_kv_scan(struct store *s, enum store_space space, const void *prefix,
			  size_t prefix_bytes, store_kv_fn *fn, void *context, struct error *err)
{
	return store_kv_scan_after(s, space, prefix, prefix_bytes, NULL, 0, fn, context, err);
}

void fake_store_add_reading(struct store *s, const struct stored_reading *reading)
{
	if (s->reading_count == READINGS_MAX)
		abort();
	s->readings[s->reading_count++] = *reading;
}

struct stored_reading *fake_store_last_reading(struct store *s)
{
	return &s->readings[s->reading_count - 1];
}

void fake_store_add_error(struct store *s, const struct stored_error *error)
{
	if (s->error_count == ERRORS_MAX)
		abort();
	s->errors[s->error_count++] = *error;
}

void fake_store_set_total(struct store *s, enum fate fate, uint64_t count)
{
	s->totals.count[fate] = count;
}

enum result store_scan_device(struct store *s, uint32_t device, int64_t from_ms, int64_t to_ms,
                              store_reading_fn *fn, void *context, struct error *err)
{
	(void)err;
	for (size_t i = 0; i < s->reading_count; i++) {
		const struct stored_reading *r = &s->readings[i];
		if (r->device == device && r->ts_ms >= from_ms && r->ts_ms < to_ms &&
		    !fn(context, r))
			break;
	}
	return RESULT_OK;
}

enum result store_scan_group(struct store *s, uint32_t first_device, int64_t from_ms,
                             int64_t to_ms, store_reading_fn *fn, void *context,
                             struct error *err)
{
	(void)err;
	/* replaced times last: they come in the order of the meters' own */
	for (size_t i = 0; i < 2 * s->reading_count; i++) {
		const struct stored_reading *r = &s->readings[i % s->reading_count];
		if (r->device / STORE_GROUP_DEVICES == first_device / STORE_GROUP_DEVICES &&
		    (r->ts_ms == r->meter_ts_ms) == (i < s->reading_count) &&
		    r->ts_ms >= from_ms && r->ts_ms < to_ms && !fn(context, r))
			break;
	}
	return RESULT_OK;
}

enum result store_scan_all(struct store *s, store_reading_fn *fn, void *context,
                           struct error *err)
{
	(void)err;
	for (size_t i = 0; i < s->reading_count; i++)
		if (!fn(context, &s->readings[i]))
			break;
	return RESULT_OK;
}

enum result store_scan_errors(struct store *s, uint64_t from, store_error_fn *fn, void *context,
                              struct error *err)
{
	(void)err;
	for (size_t i = 0; i < s->error_count; i++)
		if (s->errors[i].number >= from && !fn(context, &s->errors[i]))
			break;
	return RESULT_OK;
}

enum result store_last(struct store *s, uint32_t device, struct stored_reading *out,
                       struct error *err)
{
	const struct stored_reading *newest = NULL;
	for (size_t i = 0; i < s->reading_count; i++)
		if (s->readings[i].device == device &&
		    (!newest || s->readings[i].meter_ts_ms > newest->meter_ts_ms))
			newest = &s->readings[i];
	if (!newest)
		return fail(RESULT_ABSENT, err, "no reading");
	*out = *newest;
	return RESULT_OK;
}

void store_totals(struct store *s, struct fate_totals *totals)
{
	*totals = s->totals;
}

void store_status_get(struct store *s, struct store_status *status)
{
	*status = (struct store_status){
	    .applied_block = 7, .durable_block = 6, .run_readings = s->reading_count};
}

uint64_t store_durable_block(const struct store *s)
{
	(void)s;
	return 6;
}

uint64_t store_applied_block(const struct store *s)
{
	(void)s;
	return 7;
}

enum result store_aggregates(struct store *s, uint32_t device, enum aggregate_level level,
                             int64_t from_ms, int64_t to_ms, store_aggregate_fn *fn,
                             void *context, struct error *err)
{
	(void)err;
	s->aggregates_from = from_ms;
	s->aggregates_to = to_ms;
	for (int64_t i = 0; device == 0 && i < 2; i++) {
		struct aggregate a = {
		    .start_ms = 1749945600000 + i * 86400000,
		    .end_ms = 1749945600000 + (i + 1) * 86400000,
		    .energy = 12500 + i, .peak = 3210, .peak_ms = 1749945600000 + 5 * 900000,
		    .readings = 95, .slots = 95, .slots_expected = 96, .register_channel = 1,
		    .demand_channel = (uint8_t)(level == AGGREGATE_DAY ? 3 : 0),
		    .flags = AGGREGATE_F_ENERGY | AGGREGATE_F_PEAK};
		if (level != AGGREGATE_DAY)
			a.flags |= AGGREGATE_F_DERIVED | AGGREGATE_F_GAP;
		if (i == 1)
			a.flags = 0;
		if (!fn(context, &a))
			break;
	}
	return RESULT_OK;
}

int64_t store_first_day(struct store *s)
{
	return s->reading_count > 0 ? 20254 : INT64_MAX;
}

int32_t store_first_aggregate(struct store *s, enum aggregate_level level)
{
	(void)s;
	return level == AGGREGATE_HOUR ? 20255 : level == AGGREGATE_DAY ? 2025 * 12 + 5 : INT32_MAX;
}

uint64_t store_removed(const struct store *s)
{
	return s->removed;
}
