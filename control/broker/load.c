/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From disk to memory at start; the formats are in disk.c. Input: records in key order, untrusted.
 * A record that can't be right ends the loading with words.
 */
#include <stdlib.h>
#include <string.h>

#include "control/broker/core_priv.h"
#include "control/broker/disk_priv.h"

#define GROW(array, count, capacity)                                                               \
	do {                                                                                       \
		if ((count) == (capacity)) {                                                       \
			(capacity) = (capacity) ? (capacity) * 2 : 64;                             \
			(array) = memory_grow(array, capacity, sizeof(array)[0]);                  \
		}                                                                                  \
	} while (0)

static enum result damaged(struct error *err, const char *what)
{
	return fail(RESULT_MEDIA, err, "broker: a stored %s is damaged", what);
}

/* --- looking up --- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = (*(struct state *const *)a)->number, y = (*(struct state *const *)b)->number;
	return x < y ? -1 : x > y;
}

static struct state *find_state(struct core *c, struct bytes key)
{
	struct loading *l = &c->loading;
	if (key.count < KEY_NUMBER_BYTES)
		return NULL;
	if (!l->sorted && l->state_count > 0)
		qsort(l->states, l->state_count, sizeof l->states[0], by_number);
	l->sorted = true;
	struct state wanted = {.number = get_be64(key.data + 1)}, *wanted_at = &wanted;
	struct state **found = l->state_count == 0
	                           ? NULL
	                           : bsearch(&wanted_at, l->states, l->state_count,
	                                     sizeof l->states[0], by_number);
	return found ? *found : NULL;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = (*(struct message *const *)a)->id, y = (*(struct message *const *)b)->id;
	return x < y ? -1 : x > y;
}

static struct message *find_message(struct core *c, uint64_t id)
{
	struct loading *l = &c->loading;
	struct message wanted = {.id = id}, *wanted_at = &wanted;
	struct message **found = l->message_count == 0
	                             ? NULL
	                             : bsearch(&wanted_at, l->messages, l->message_count,
	                                       sizeof l->messages[0], by_id);
	return found ? *found : NULL;
}

static struct message *decode(struct core *c, struct bytes value)
{
	const uint8_t *at = value.data;
	if (value.count < MESSAGE_HEADER_BYTES)
		return NULL;
	uint32_t topic = get_le16(at + 9), props = get_le16(at + 11);
	if (at[8] > 2 || topic == 0 || MESSAGE_HEADER_BYTES + topic + props > value.count)
		return NULL;
	const uint8_t *text = at + MESSAGE_HEADER_BYTES;
	return message_new(&c->pool, (struct bytes){text, topic},
	                   (struct bytes){text + topic, props},
	                   (struct bytes){text + topic + props,
	                                  value.count - MESSAGE_HEADER_BYTES - topic - props},
	                   at[8], (int64_t)get_le64(at));
}

/* --- records --- */

static enum result load_session(struct core *c, struct bytes key, struct bytes value,
                                struct error *err)
{
	struct loading *l = &c->loading;
	struct bytes client = {key.data + 1, key.count - 1};
	if (value.count != SESSION_VALUE_BYTES || client.count == 0 || client.count > 65535 ||
	    session_by_id(c, client))
		return damaged(err, "session");
	struct session *s = session_new(c, client);
	struct state *st = session_state(c, s);
	st->number = get_le64(value.data);
	s->expiry_s = get_le32(value.data + 8);
	s->window = (uint16_t)c->config.inflight_max;
	int64_t since_ms = (int64_t)get_le64(value.data + 12);
	st->was_connected = since_ms == 0;
	/* a clock that was set back must not make it live for ever */
	if (since_ms == 0 || since_ms > c->load_ms)
		since_ms = c->load_ms;
	st->since_ms = since_ms;
	st->expires_at_ms = s->expiry_s == BROKER_NO_EXPIRY
	                        ? INT64_MAX
	                        : since_ms + (int64_t)s->expiry_s * 1000;
	st->persistent = true;
	c->persistent++;
	if (st->number > c->last_number)
		c->last_number = st->number;
	GROW(l->states, l->state_count, l->state_capacity);
	l->states[l->state_count++] = st;
	return RESULT_OK;
}

static enum result load_subscription(struct core *c, struct bytes key, struct bytes value,
                                     struct error *err)
{
	struct state *st = find_state(c, key);
	struct bytes filter = {key.data + KEY_NUMBER_BYTES, key.count - KEY_NUMBER_BYTES};
	bool is_new;
	if (!st || key.count <= KEY_NUMBER_BYTES || filter.count > 65535 ||
	    value.count != SUBSCRIPTION_VALUE_BYTES ||
	    !tree_subscribe(&c->tree, &st->subscriber, filter, value.data[0],
	                    get_le32(value.data + 1), &is_new))
		return damaged(err, "subscription");
	core_watch(c, filter, 1);
	return RESULT_OK;
}

static enum result load_message(struct core *c, struct bytes key, struct bytes value,
                                struct error *err)
{
	struct loading *l = &c->loading;
	struct message *m = key.count == KEY_NUMBER_BYTES ? decode(c, value) : NULL;
	if (!m)
		return damaged(err, "message");
	m->id = get_be64(key.data + 1);
	if (m->id > c->pool.last_id)
		c->pool.last_id = m->id; /* wills and retained ones come after */
	GROW(l->messages, l->message_count, l->message_capacity);
	l->messages[l->message_count++] = m;
	return RESULT_OK;
}

static enum result load_entry(struct core *c, struct bytes key, struct bytes value,
                              struct error *err)
{
	struct state *st = find_state(c, key);
	if (!st || key.count != KEY_ENTRY_BYTES || value.count < ENTRY_VALUE_BYTES ||
	    (value.count - ENTRY_VALUE_BYTES) % 4 != 0)
		return damaged(err, "queued message");
	const uint8_t *at = value.data;
	bool released = at[11] >> 1 & 1;
	struct message *m = find_message(c, get_le64(at));
	if (at[10] < 1 || at[10] > 2 || (!m && !released) ||
	    (released && (at[10] != 2 || get_le16(at + 8) == 0)))
		return damaged(err, "queued message");
	uint32_t ids = (value.count - ENTRY_VALUE_BYTES) / 4;
	struct entry *e = memory_new(sizeof *e + ids * sizeof e->ids[0]);
	e->message = released ? NULL : message_use(m);
	if (e->message)
		m->stored++;
	e->seq = get_be64(key.data + KEY_NUMBER_BYTES);
	e->packet_id = get_le16(at + 8);
	e->qos = at[10];
	e->retain = at[11] & 1;
	e->released = released;
	e->stored = true;
	e->id_count = ids;
	for (uint32_t i = 0; i < ids; i++)
		e->ids[i] = get_le32(at + ENTRY_VALUE_BYTES + 4 * i);
	entry_append(c, st, e);
	st->last_seq = e->seq;
	if (e->packet_id)
		st->last_packet_id = e->packet_id;
	return RESULT_OK;
}

static enum result load_inbound(struct core *c, struct bytes key, struct error *err)
{
	struct state *st = find_state(c, key);
	if (!st || key.count != KEY_INBOUND_BYTES || st->inbound_count == UINT16_MAX)
		return damaged(err, "packet id");
	inbound_add(st, get_be16(key.data + KEY_NUMBER_BYTES));
	return RESULT_OK;
}

static enum result load_will(struct core *c, struct bytes key, struct bytes value,
                             struct error *err)
{
	struct loading *l = &c->loading;
	struct state *st = find_state(c, key);
	struct message *m = NULL;
	if (key.count == KEY_NUMBER_BYTES && value.count > WILL_HEADER_BYTES)
		m = decode(c, (struct bytes){value.data + WILL_HEADER_BYTES,
		                             value.count - WILL_HEADER_BYTES});
	if (!m || (st && st->will)) {
		message_put(&c->pool, m);
		return damaged(err, "will");
	}
	struct will *w = memory_new(sizeof *w);
	w->message = m;
	w->delay_s = get_le32(value.data);
	w->expiry_s = get_le32(value.data + 4);
	w->retain = value.data[8];
	uint64_t number = get_be64(key.data + 1);
	if (number > c->last_number)
		c->last_number = number;
	if (st) {
		st->will = w;
		return RESULT_OK;
	}
	m->id = number; /* for its record; it names no other */
	GROW(l->wills, l->will_count, l->will_capacity);
	l->wills[l->will_count++] = w;
	return RESULT_OK;
}

static enum result load_retained(struct core *c, struct bytes key, struct bytes value,
                                 struct error *err)
{
	struct message *m = decode(c, value);
	bool good = m && m->topic_bytes == key.count - 1 &&
	            memcmp(m->data, key.data + 1, m->topic_bytes) == 0 &&
	            tree_retain(&c->tree, message_topic(m), m);
	message_put(&c->pool, m);
	return good ? RESULT_OK : damaged(err, "retained message");
}

enum result core_load(struct core *c, struct bytes key, struct bytes value, int64_t now_ms,
                      struct error *err)
{
	c->now_ms = c->load_ms = now_ms;
	switch (key.count > 0 ? key.data[0] : 0) {
	case DISK_SESSION:
		return load_session(c, key, value, err);
	case DISK_SUBSCRIPTION:
		return load_subscription(c, key, value, err);
	case DISK_MESSAGE:
		return load_message(c, key, value, err);
	case DISK_ENTRY:
		return load_entry(c, key, value, err);
	case DISK_INBOUND:
		return load_inbound(c, key, err);
	case DISK_WILL:
		return load_will(c, key, value, err);
	case DISK_RETAINED:
		return load_retained(c, key, value, err);
	default:
		return damaged(err, "record of an unknown kind");
	}
}

/* --- all is there --- */

/* What no entry names any more; the others go on with a use of their own. */
static void settle_messages(struct core *c)
{
	struct loading *l = &c->loading;
	for (uint64_t i = 0; i < l->message_count; i++) {
		struct message *m = l->messages[i];
		if (m->stored == 0)
			disk_message_gone(c, m);
		message_put(&c->pool, m);
	}
}

/* The daemon's end was the end of their connections (MQTT5 3.1.2.5). */
static void settle_states(struct core *c)
{
	struct loading *l = &c->loading;
	for (uint64_t i = 0; i < l->state_count; i++) {
		struct state *st = l->states[i];
		if (st->will)
			st->will_at_ms = st->since_ms + (int64_t)st->will->delay_s * 1000;
		if (st->was_connected)
			session_save(c, st->session, c->now_ms);
		away_add(c, st);
	}
}

static void settle_wills(struct core *c)
{
	struct loading *l = &c->loading;
	for (uint64_t i = 0; i < l->will_count; i++) {
		struct will *w = l->wills[i];
		struct state gone = {.will = w, .number = w->message->id};
		w->message->id = ++c->pool.last_id;
		core_publish_will(c, &gone);
	}
}

static bool tell(void *context, struct message *m)
{
	struct core *c = context;
	if (!message_expired(m, c->now_ms))
		c->hooks.routed(c->context, message_topic(m), message_payload(m), true);
	return true;
}

void core_loaded(struct core *c, int64_t now_ms)
{
	struct loading *l = &c->loading;
	c->now_ms = now_ms;
	settle_messages(c);
	settle_states(c);
	if (c->hooks.routed)
		tree_retained_match(&c->tree, (struct bytes){(const uint8_t *)"#", 1}, tell, c);
	settle_wills(c);
	free(l->messages);
	free(l->states);
	free(l->wills);
	*l = (struct loading){0};
}
