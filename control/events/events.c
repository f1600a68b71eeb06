/* SPDX-License-Identifier: Apache-2.0 */
/* The table of events. See events.h; stored form: record.c. */
#include "control/events/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "control/events/record.h"

#define BUCKETS     65536u
#define FLUSH_MAX   512 /* events in one write */
#define KEY_BYTES   10

const char *const event_state_name[EVENT_STATES] = {"open", "acknowledged", "cleared"};

const struct counter_info event_count_info[EVENT_COUNT_COUNT] = {
#define EVENT_COUNT_INFO(id, name, help) [EVENT_COUNT_##id] = {name, help},
    EVENT_COUNTS(EVENT_COUNT_INFO)
#undef EVENT_COUNT_INFO
};

struct events {
	struct store *store;
	const struct health_rules *rules;
	events_sink_fn *sink;
	void *sink_context;
	pthread_mutex_t lock;
	struct event **all; /* by number, rising */
	size_t count, capacity;
	struct event **open; /* buckets of those not cleared */
	struct event **dirty;
	size_t dirty_count, dirty_capacity;
	uint64_t *gone; /* numbers whose record is to be deleted */
	size_t gone_count, gone_capacity;
	uint64_t next_number, open_count, cleared_count;
	uint64_t by_kind[EVENT_KIND_COUNT], by_severity[EVENT_SEVERITIES]; /* not cleared */
	_Atomic uint64_t counts[EVENT_COUNT_COUNT];
};

enum event_state event_state_find(const char *name)
{
	int s = 0;
	while (s < EVENT_STATES && strcmp(event_state_name[s], name) != 0)
		s++;
	return (enum event_state)s;
}

const _Atomic uint64_t *events_counts(const struct events *e)
{
	return e->counts;
}

void events_count(struct events *e, enum event_count id, uint64_t n)
{
	atomic_fetch_add_explicit(&e->counts[id], n, memory_order_relaxed);
}

/* --- the table --- */

static struct event **bucket(struct events *e, enum event_kind kind, const char *subject)
{
	uint32_t hash = crc32c((uint32_t)kind, subject, (uint32_t)strlen(subject));
	return &e->open[hash % BUCKETS];
}

static struct event *find_open(struct events *e, enum event_kind kind, const char *subject)
{
	struct event *v = *bucket(e, kind, subject);
	while (v && (v->kind != kind || strcmp(v->subject, subject) != 0))
		v = v->hash_next;
	return v;
}

static void link_open(struct events *e, struct event *v)
{
	struct event **head = bucket(e, v->kind, v->subject);
	v->hash_next = *head;
	*head = v;
	e->open_count++;
	e->by_kind[v->kind]++;
	e->by_severity[v->severity]++;
}

static void unlink_open(struct events *e, struct event *v)
{
	struct event **at = bucket(e, v->kind, v->subject);
	while (*at && *at != v)
		at = &(*at)->hash_next;
	if (*at)
		*at = v->hash_next;
	e->open_count--;
	e->by_kind[v->kind]--;
	e->by_severity[v->severity]--;
}

static bool make_room(void **array, size_t count, size_t *capacity, size_t each)
{
	if (count < *capacity)
		return true;
	size_t more = *capacity ? *capacity * 2 : 256;
	void *grown = realloc(*array, more * each);
	if (!grown)
		return false;
	*array = grown;
	*capacity = more;
	return true;
}

static void event_free(struct event *v)
{
	if (!v)
		return;
	free(v->text);
	free(v->acknowledged_by);
	free(v->note);
	free(v->cleared_by);
	free(v->cleared_why);
	free(v);
}

static bool append(struct events *e, struct event *v)
{
	if (!make_room((void **)&e->all, e->count, &e->capacity, sizeof e->all[0]))
		return false;
	e->all[e->count++] = v;
	if (v->number >= e->next_number)
		e->next_number = v->number + 1;
	if (v->state == EVENT_CLEARED)
		e->cleared_count++;
	else
		link_open(e, v);
	return true;
}

/* Index of the first event with a number above `number`. */
static size_t index_above(const struct events *e, uint64_t number)
{
	size_t low = 0, high = e->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (e->all[middle]->number <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct event *find_number(const struct events *e, uint64_t number)
{
	size_t above = index_above(e, number);
	return above > 0 && e->all[above - 1]->number == number ? e->all[above - 1] : NULL;
}

/* Without memory for the list, the event is written at its next change. */
static void mark(struct events *e, struct event *v, bool urgent)
{
	v->urgent = v->urgent || urgent;
	if (v->dirty ||
	    !make_room((void **)&e->dirty, e->dirty_count, &e->dirty_capacity, sizeof e->dirty[0]))
		return;
	v->dirty = true;
	e->dirty[e->dirty_count++] = v;
}

/* --- raising and clearing --- */

/* What devices say of themselves must not break JSON or steer a terminal. */
static char *clean_copy(const char *text)
{
	char *copy = strdup(text);
	for (char *at = copy; at && *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	return copy;
}

static bool open_new(struct events *e, const struct event_occurrence *o)
{
	struct event *v = e->open_count < e->rules->open_max ? calloc(1, sizeof *v) : NULL;
	char *text = v ? clean_copy(o->text) : NULL;
	if (!text) {
		free(v);
		events_count(e, EVENT_COUNT_DROPPED, 1);
		return false;
	}
	*v = (struct event){
	    .number = e->next_number,
	    .kind = o->kind,
	    .severity = (enum event_severity)e->rules->kinds[o->kind].severity,
	    .device = o->device,
	    .first_ms = o->at_ms,
	    .last_ms = o->at_ms,
	    .count = 1,
	    .text = text,
	    .opened = true,
	};
	snprintf(v->subject, sizeof v->subject, "%s", o->subject);
	if (!append(e, v)) {
		event_free(v);
		events_count(e, EVENT_COUNT_DROPPED, 1);
		return false;
	}
	events_count(e, EVENT_COUNT_OPENED, 1);
	mark(e, v, true);
	return true;
}

static void repeat(struct events *e, struct event *v, const struct event_occurrence *o)
{
	if (o->at_ms <= v->last_ms)
		return;
	v->last_ms = o->at_ms;
	v->count++;
	char *text = clean_copy(o->text);
	if (text) {
		free(v->text);
		v->text = text;
	}
	events_count(e, EVENT_COUNT_REPEATED, 1);
	mark(e, v, false);
}

bool events_raise(struct events *e, const struct event_occurrence *o)
{
	if (e->rules->kinds[o->kind].off)
		return false;
	pthread_mutex_lock(&e->lock);
	struct event *v = find_open(e, o->kind, o->subject);
	bool good = v || open_new(e, o);
	if (v)
		repeat(e, v, o);
	pthread_mutex_unlock(&e->lock);
	return good;
}

static void clear(struct events *e, struct event *v, const char *who, const char *why,
                  int64_t now_ms)
{
	unlink_open(e, v);
	v->state = EVENT_CLEARED;
	v->cleared_ms = now_ms;
	v->cleared_by = who ? strdup(who) : NULL;
	v->cleared_why = why && *why ? strdup(why) : NULL;
	v->cleared = true;
	e->cleared_count++;
	events_count(e, EVENT_COUNT_CLEARED, 1);
	mark(e, v, true);
}

void events_cause_gone(struct events *e, enum event_kind kind, const char *subject, int64_t now_ms,
                       const char *why)
{
	if (e->rules->kinds[kind].by_hand)
		return;
	pthread_mutex_lock(&e->lock);
	struct event *v = find_open(e, kind, subject);
	if (v)
		clear(e, v, NULL, why, now_ms);
	pthread_mutex_unlock(&e->lock);
}

bool events_is_open(struct events *e, enum event_kind kind, const char *subject)
{
	pthread_mutex_lock(&e->lock);
	bool found = find_open(e, kind, subject) != NULL;
	pthread_mutex_unlock(&e->lock);
	return found;
}

/* --- what goes --- */

static bool is_due(const struct events *e, const struct event *v, int64_t now_ms, bool too_many)
{
	return v->state == EVENT_CLEARED && !v->dirty &&
	       (too_many || v->cleared_ms + e->rules->cleared_days * 86400000ll < now_ms);
}

static void forget(struct events *e, int64_t now_ms)
{
	size_t kept = 0;
	for (size_t i = 0; i < e->count; i++) {
		struct event *v = e->all[i];
		bool too_many = e->cleared_count > e->rules->cleared_max;
		/* the newest stays: numbers go on behind it after a restart */
		if (i + 1 < e->count && is_due(e, v, now_ms, too_many) &&
		    make_room((void **)&e->gone, e->gone_count, &e->gone_capacity,
		              sizeof e->gone[0])) {
			e->gone[e->gone_count++] = v->number;
			e->cleared_count--;
			event_free(v);
		} else {
			e->all[kept++] = v;
		}
	}
	e->count = kept;
}

void events_tick(struct events *e, int64_t now_ms)
{
	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < e->count; i++) {
		struct event *v = e->all[i];
		const struct event_kind_rule *rule = &e->rules->kinds[v->kind];
		if (v->state != EVENT_CLEARED && rule->quiet_h && !rule->by_hand &&
		    v->last_ms + rule->quiet_h * 3600000ll < now_ms)
			clear(e, v, NULL, "it was not seen again", now_ms);
	}
	forget(e, now_ms);
	pthread_mutex_unlock(&e->lock);
}

/* --- durable --- */

static void event_key(uint8_t key[KEY_BYTES], uint64_t number)
{
	memcpy(key, "v/", 2);
	put_be64(key + 2, number);
}

struct writing {
	struct store_kv items[FLUSH_MAX];
	uint8_t keys[FLUSH_MAX][KEY_BYTES];
	char *texts[FLUSH_MAX];
	size_t count;
};

static bool is_to_write(const struct event *v, bool all)
{
	return all || v->urgent;
}

static void add_item(struct writing *w, uint64_t number, char *text)
{
	event_key(w->keys[w->count], number);
	w->texts[w->count] = text;
	w->items[w->count] = (struct store_kv){w->keys[w->count], KEY_BYTES, text,
	                                       text ? strlen(text) : 0};
	w->count++;
}

/* It is durable: the sink gets it, and it is clean. */
static void settle(struct events *e, struct event *v)
{
	if (e->sink && (v->opened || v->cleared))
		e->sink(e->sink_context, v);
	v->dirty = v->urgent = v->opened = v->cleared = false;
}

/* One write of at most FLUSH_MAX; *more: there is more to write. */
static enum result flush_part(struct events *e, bool all, struct writing *w, bool *more,
                              struct error *err)
{
	size_t gone = 0;
	*more = false;
	w->count = 0;
	for (; gone < e->gone_count && w->count < FLUSH_MAX; gone++)
		add_item(w, e->gone[gone], NULL);
	for (size_t i = 0; i < e->dirty_count; i++) {
		if (!is_to_write(e->dirty[i], all))
			continue;
		*more = *more || w->count == FLUSH_MAX;
		char *text = w->count < FLUSH_MAX ? event_json(e->dirty[i]) : NULL;
		if (text)
			add_item(w, e->dirty[i]->number, text);
	}
	size_t written = w->count - gone;
	enum result r =
	    w->count ? store_kv_write(e->store, STORE_CONTROL, w->items, w->count, err) : RESULT_OK;
	for (size_t i = 0; i < w->count; i++)
		free(w->texts[i]);
	if (r != RESULT_OK) {
		events_count(e, EVENT_COUNT_WRITE_FAILED, 1);
		return r;
	}
	if (gone > 0)
		memmove(e->gone, e->gone + gone, (e->gone_count - gone) * sizeof e->gone[0]);
	e->gone_count -= gone;
	size_t kept = 0;
	for (size_t i = 0; i < e->dirty_count; i++)
		if (is_to_write(e->dirty[i], all) && written > 0) {
			settle(e, e->dirty[i]);
			written--;
		} else {
			e->dirty[kept++] = e->dirty[i];
		}
	e->dirty_count = kept;
	return RESULT_OK;
}

static enum result flush(struct events *e, bool all, struct error *err)
{
	static struct writing w; /* under the lock */
	bool more = e->dirty_count + e->gone_count > 0;
	enum result r = RESULT_OK;
	while (more && r == RESULT_OK)
		r = flush_part(e, all, &w, &more, err);
	return r;
}

enum result events_flush(struct events *e, bool all, struct error *err)
{
	pthread_mutex_lock(&e->lock);
	enum result r = flush(e, all, err);
	pthread_mutex_unlock(&e->lock);
	return r;
}

/* --- operators --- */

static struct event *find_for(struct events *e, uint64_t number, enum result *r, struct error *err)
{
	struct event *v = find_number(e, number);
	*r = RESULT_OK;
	if (!v)
		*r = fail(RESULT_ABSENT, err, "there is no event %" PRIu64, number);
	else if (v->state == EVENT_CLEARED)
		*r = fail(RESULT_INPUT, err, "event %" PRIu64 " is cleared already", number);
	return *r == RESULT_OK ? v : NULL;
}

enum result events_acknowledge(struct events *e, uint64_t number, const char *who,
                               const char *note, int64_t now_ms, struct error *err)
{
	enum result r;
	pthread_mutex_lock(&e->lock);
	struct event *v = find_for(e, number, &r, err);
	if (v) {
		free(v->acknowledged_by);
		free(v->note);
		v->state = EVENT_ACKNOWLEDGED;
		v->acknowledged_by = strdup(who);
		v->note = note && *note ? strdup(note) : NULL;
		v->acknowledged_ms = now_ms;
		mark(e, v, true);
		r = flush(e, false, err);
	}
	pthread_mutex_unlock(&e->lock);
	return r;
}

enum result events_clear(struct events *e, uint64_t number, const char *who, const char *why,
                         int64_t now_ms, struct error *err)
{
	enum result r;
	pthread_mutex_lock(&e->lock);
	struct event *v = find_for(e, number, &r, err);
	if (v) {
		clear(e, v, who, why, now_ms);
		r = flush(e, false, err);
	}
	pthread_mutex_unlock(&e->lock);
	return r;
}

/* --- looking --- */

void events_each(struct events *e, uint64_t from, events_each_fn *fn, void *context)
{
	pthread_mutex_lock(&e->lock);
	size_t i = index_above(e, from);
	while (i > 0 && fn(context, e->all[i - 1]))
		i--;
	pthread_mutex_unlock(&e->lock);
}

bool events_one(struct events *e, uint64_t number, events_each_fn *fn, void *context)
{
	pthread_mutex_lock(&e->lock);
	const struct event *v = find_number(e, number);
	if (v)
		fn(context, v);
	pthread_mutex_unlock(&e->lock);
	return v != NULL;
}

void events_open_counts(struct events *e, uint64_t by_kind[EVENT_KIND_COUNT],
                        uint64_t by_severity[EVENT_SEVERITIES])
{
	pthread_mutex_lock(&e->lock);
	memcpy(by_kind, e->by_kind, sizeof e->by_kind);
	memcpy(by_severity, e->by_severity, sizeof e->by_severity);
	pthread_mutex_unlock(&e->lock);
}

void events_set_sink(struct events *e, events_sink_fn *fn, void *context)
{
	pthread_mutex_lock(&e->lock);
	e->sink = fn;
	e->sink_context = context;
	pthread_mutex_unlock(&e->lock);
}

/* --- opening --- */

struct loading {
	struct events *e;
	bool bad;
};

static bool on_stored(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct loading *l = context;
	struct event *v = calloc(1, sizeof *v);
	uint64_t number = key_bytes == KEY_BYTES ? get_be64((const uint8_t *)key + 2) : 0;
	bool good = v && number > 0 && event_parse(v, number, value, value_bytes) &&
	            append(l->e, v);
	if (!good)
		event_free(v);
	l->bad = !good;
	return good;
}

enum result events_open(struct store *store, const struct health_rules *rules, struct events **out,
                        struct error *err)
{
	struct events *e = calloc(1, sizeof *e);
	if (!e || !(e->open = calloc(BUCKETS, sizeof e->open[0]))) {
		free(e);
		return fail(RESULT_RESOURCE, err, "events: no memory");
	}
	e->store = store;
	e->rules = rules;
	e->next_number = 1;
	pthread_mutex_init(&e->lock, NULL);
	struct loading l = {.e = e};
	enum result r = store_kv_scan(store, STORE_CONTROL, "v/", 2, on_stored, &l, err);
	if (r == RESULT_OK && l.bad)
		r = fail(RESULT_MEDIA, err, "events: a stored event is damaged");
	if (r != RESULT_OK) {
		events_close(e);
		return r;
	}
	*out = e;
	return RESULT_OK;
}

void events_close(struct events *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->count; i++)
		event_free(e->all[i]);
	free(e->all);
	free(e->open);
	free(e->dirty);
	free(e->gone);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
