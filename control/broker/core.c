/* SPDX-License-Identifier: Apache-2.0 */
/* See core.h: making, records in, time. */
#include "control/broker/core_priv.h"

#include <stdlib.h>

#include "base/check.h"

#define TICK_MS  500
#define SWEEP_MS 60000 /* how often expired retained messages are looked for */

struct core *core_new(const struct core_config *config, const struct core_hooks *hooks,
                      void *context, struct broker_watch *watch, struct hash_key key)
{
	struct core *c = memory_new(sizeof *c);
	c->config = *config;
	c->hooks = *hooks;
	c->context = context;
	c->watch = watch;
	c->key = key;
	tree_init(&c->tree, &c->pool, key);
	sessions_init(&c->table);
	return c;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	sessions_free(c);
	tree_fini(&c->tree);
	for (uint64_t i = 0; i < c->loading.message_count; i++)
		if (c->loading.messages[i]) {
			c->loading.messages[i]->stored = 0;
			message_put(&c->pool, c->loading.messages[i]);
		}
	for (uint64_t i = 0; i < c->loading.will_count; i++)
		will_free(c, c->loading.wills[i]);
	free(c->loading.wills);
	free(c->loading.messages);
	free(c->loading.states);
	free(c->route.targets);
	free(c->route.ids);
	buffer_free(&c->out);
	buffer_free(&c->disk);
	buffer_free(&c->scratch);
	free(c);
}

struct buffer *core_out(struct core *c)
{
	return &c->out;
}

struct buffer *core_disk(struct core *c, bool **must_sync)
{
	*must_sync = &c->must_sync;
	return &c->disk;
}

const _Atomic uint64_t *core_counters(const struct core *c)
{
	return c->counters;
}

const _Atomic uint64_t *core_levels(const struct core *c)
{
	return c->levels;
}

void core_count(struct core *c, enum broker_counter counter, uint64_t n)
{
	tally_add(&c->counters[counter], n);
}

void *core_record(struct core *c, uint32_t io, uint64_t conn, enum broker_kind kind,
                  size_t bytes)
{
	size_t padded = (bytes + 7) & ~(size_t)7;
	uint8_t *to = buffer_add(&c->out, 8 + padded);
	memset(to, 0, 8 + (padded < 64 ? padded : 64));
	put_le32(to, io);
	put_le32(to + 4, (uint32_t)bytes);
	struct broker_head *head = (struct broker_head *)(to + 8);
	*head = (struct broker_head){.conn = conn, .kind = kind};
	return head;
}

void core_close(struct core *c, struct session *s, uint8_t reason)
{
	struct broker_close *r =
	    core_record(c, s->io, s->conn, BROKER_CLOSE, sizeof *r);
	r->reason = reason;
	s->closing = true;
}

static void credit(struct core *c, struct session *s, const struct broker_credit *r)
{
	s->credit += r->bytes;
	if (s->state)
		core_pump(c, s->state);
}

static void of_session(struct core *c, uint32_t io, const struct broker_head *head)
{
	struct session *s = session_by_conn(c, io, head->conn);
	if (!s)
		return; /* the connection was closed for a newer one: nobody waits for this */
	switch (head->kind) {
	case BROKER_SUBSCRIBE:
		core_subscribe(c, s, (const struct broker_filters *)head);
		break;
	case BROKER_UNSUBSCRIBE:
		core_unsubscribe(c, s, (const struct broker_filters *)head);
		break;
	case BROKER_CREDIT:
		credit(c, s, (const struct broker_credit *)head);
		break;
	default:
		core_acked(c, s, (const struct broker_ack *)head);
	}
}

void core_input(struct core *c, uint32_t io, const void *record, int64_t now_ms)
{
	const struct broker_head *head = record;
	c->now_ms = now_ms;
	switch (head->kind) {
	case BROKER_CONNECT:
		core_connect(c, io, record);
		break;
	case BROKER_DISCONNECTED:
		core_disconnected(c, io, record);
		break;
	case BROKER_PUBLISH:
		core_published(c, io, record);
		break;
	case BROKER_PUBREL:
		core_released(c, io, record);
		break;
	case BROKER_SUBSCRIBE:
	case BROKER_UNSUBSCRIBE:
	case BROKER_CREDIT:
	case BROKER_PUBACK:
	case BROKER_PUBREC:
	case BROKER_PUBCOMP:
		of_session(c, io, head);
		break;
	default:
		CHECK_OP((int)head->kind, ==, -1);
	}
}

/* --- time --- */

struct sweep {
	struct core *core;
	struct buffer topics; /* | bytes, 4 | topic | ... */
};

static bool on_retained(void *context, struct message *m)
{
	struct sweep *s = context;
	if (message_expired(m, s->core->now_ms)) {
		uint32_t bytes = m->topic_bytes;
		buffer_put(&s->topics, &bytes, sizeof bytes);
		buffer_put(&s->topics, m->data, bytes);
	}
	return true;
}

static void sweep_retained(struct core *c)
{
	struct sweep s = {.core = c};
	tree_retained_match(&c->tree, (struct bytes){(const uint8_t *)"#", 1}, on_retained, &s);
	for (size_t at = 0; at < s.topics.used;) {
		struct bytes topic = {s.topics.data + at + 4, get_le32(s.topics.data + at)};
		tree_retain(&c->tree, topic, NULL);
		disk_retained_gone(c, topic);
		COUNT(c, RETAINED_EXPIRED);
		at += 4 + topic.count;
	}
	buffer_free(&s.topics);
}

static void set_level(struct core *c, enum broker_level level, uint64_t value)
{
	atomic_store_explicit(&c->levels[level], value, memory_order_relaxed);
}

void core_tick(struct core *c, int64_t now_ms)
{
	c->now_ms = now_ms;
	set_level(c, BROKER_LEVEL_CONNECTIONS, c->connected);
	set_level(c, BROKER_LEVEL_SESSIONS, c->persistent);
	set_level(c, BROKER_LEVEL_SUBSCRIPTIONS, c->tree.subscription_count);
	set_level(c, BROKER_LEVEL_RETAINED, c->tree.retained_count);
	set_level(c, BROKER_LEVEL_QUEUED, c->queued);
	set_level(c, BROKER_LEVEL_MESSAGE_BYTES, c->pool.bytes);
	set_level(c, BROKER_LEVEL_FILTER_BYTES, c->tree.bytes);
	if (now_ms - c->tick_ms < TICK_MS)
		return;
	c->tick_ms = now_ms;
	sessions_tick(c);
	if (now_ms - c->sweep_ms < SWEEP_MS)
		return;
	c->sweep_ms = now_ms;
	sweep_retained(c);
}
