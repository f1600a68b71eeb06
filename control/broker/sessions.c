/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: found by client id and by connection, with or without a client, until they end. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/core_priv.h"

#define BUCKETS_FIRST   1024
#define BUCKET_SESSIONS 2 /* on average, at most */

/* --- tables --- */

void sessions_init(struct session_table *t)
{
	t->buckets = BUCKETS_FIRST;
	t->by_id = memory_new(BUCKETS_FIRST * sizeof t->by_id[0]);
	t->by_conn = memory_new(BUCKETS_FIRST * sizeof t->by_conn[0]);
}

static struct session **id_bucket(const struct core *c, struct bytes client)
{
	uint64_t hash = siphash13(c->key, client.data, client.count);
	return &c->table.by_id[hash & (c->table.buckets - 1)];
}

static struct session **conn_bucket(const struct core *c, uint32_t io, uint64_t conn)
{
	uint64_t hash = (conn ^ (uint64_t)io << 56) * 0x9e3779b97f4a7c15ull;
	return &c->table.by_conn[(hash >> 32 ^ hash >> 20) & (c->table.buckets - 1)];
}

struct session *session_by_id(const struct core *c, struct bytes client)
{
	struct session *s = *id_bucket(c, client);
	while (s && (s->client_bytes != client.count ||
	             memcmp(s->client, client.data, client.count) != 0))
		s = s->id_next;
	return s;
}

struct session *session_by_conn(const struct core *c, uint32_t io, uint64_t conn)
{
	struct session *s = *conn_bucket(c, io, conn);
	while (s && (s->conn != conn || s->io != io))
		s = s->conn_next;
	return s;
}

static void push_id(struct core *c, struct session *s)
{
	struct session **b = id_bucket(c, client_of(s));
	s->id_next = *b;
	*b = s;
}

static void push_conn(struct core *c, struct session *s)
{
	struct session **b = conn_bucket(c, s->io, s->conn);
	s->conn_next = *b;
	*b = s;
}

static void grow(struct core *c)
{
	struct session_table old = c->table;
	c->table.buckets *= 2;
	c->table.by_id = memory_new(c->table.buckets * sizeof old.by_id[0]);
	c->table.by_conn = memory_new(c->table.buckets * sizeof old.by_conn[0]);
	for (uint64_t b = 0; b < old.buckets; b++)
		for (struct session *s = old.by_id[b], *next; s; s = next) {
			next = s->id_next;
			push_id(c, s);
			if (s->conn)
				push_conn(c, s);
		}
	free(old.by_id);
	free(old.by_conn);
}

void session_bind(struct core *c, struct session *s, uint32_t io, uint64_t conn)
{
	CHECK_OP(s->conn, ==, 0u);
	s->io = (uint8_t)io;
	s->conn = conn;
	s->closing = false;
	push_conn(c, s);
	c->connected++;
}

void session_unbind(struct core *c, struct session *s)
{
	struct session **link = conn_bucket(c, s->io, s->conn);
	while (*link != s)
		link = &(*link)->conn_next;
	*link = s->conn_next;
	s->conn = 0;
	if (s->state) {
		c->alias_bytes -= alias_bytes(s->state->aliases);
		alias_drop(&s->state->aliases);
	}
	c->connected--;
}

/* --- sessions --- */

struct session *session_new(struct core *c, struct bytes client)
{
	if (c->table.count >= BUCKET_SESSIONS * c->table.buckets)
		grow(c);
	/* each connected client has one, if it only publishes readings: no padding */
	struct session *s = memory_new(offsetof(struct session, client) + client.count);
	s->client_bytes = (uint16_t)client.count;
	memcpy(s->client, client.data, client.count);
	push_id(c, s);
	c->table.count++;
	return s;
}

struct state *session_state(struct core *c, struct session *s)
{
	if (!s->state) {
		struct state *st = s->state = memory_new(sizeof *st);
		st->session = s;
		st->number = ++c->last_number;
		st->will_at_ms = st->expires_at_ms = INT64_MAX;
	}
	return s->state;
}

void session_save(struct core *c, struct session *s, int64_t since_ms)
{
	struct state *st = session_state(c, s);
	if (!st->persistent)
		c->persistent++;
	st->persistent = true;
	disk_session(c, s, since_ms);
}

void will_free(struct core *c, struct will *will)
{
	if (will)
		message_put(&c->pool, will->message);
	free(will);
}

void session_set_will(struct core *c, struct session *s, struct will *will)
{
	struct state *st = will ? session_state(c, s) : s->state;
	if (!st || (!st->will && !will))
		return;
	will_free(c, st->will);
	st->will = will;
	st->will_at_ms = INT64_MAX;
	if (will)
		disk_will(c, st);
	else
		disk_will_gone(c, st);
}

static void state_free(struct core *c, struct state *st)
{
	away_remove(c, st);
	entries_drop(c, st);
	subscriptions_drop(c, st, false);
	will_free(c, st->will);
	free(st->inbound);
	free(st);
}

void session_free(struct core *c, struct session *s)
{
	struct session **link = id_bucket(c, client_of(s));
	if (s->conn)
		session_unbind(c, s);
	while (*link != s)
		link = &(*link)->id_next;
	*link = s->id_next;
	c->table.count--;
	if (s->state)
		state_free(c, s->state);
	free(s->username);
	free(s);
}

/* What it has on disk, entries aside: entries_drop sees to them. */
static void forget(struct core *c, struct session *s)
{
	struct state *st = s->state;
	for (uint16_t i = 0; i < st->inbound_count; i++)
		disk_inbound(c, st, st->inbound[i], true);
	subscriptions_drop(c, st, true);
	disk_session_gone(c, s);
	st->persistent = false;
	c->persistent--;
}

void session_end(struct core *c, struct session *s)
{
	struct state *st = s->state;
	/* MQTT5 3.1.3.2.2: the will is due when the session ends, at the latest */
	if (st && st->will)
		core_publish_will(c, st);
	if (st) {
		core_count(c, BROKER_COUNT_DROPPED_ENDED, st->entry_count);
		entries_drop(c, st);
	}
	if (st && st->persistent)
		forget(c, s);
	session_free(c, s);
}

void session_detach(struct core *c, struct session *s, enum broker_end end)
{
	struct state *st = s->state;
	session_unbind(c, s);
	if (c->hooks.presence)
		c->hooks.presence(c->context, client_of(s), CORE_GONE, 0);
	if (st && end == BROKER_END_NORMAL)
		session_set_will(c, s, NULL);
	if (s->expiry_s == 0) {
		session_end(c, s);
		return;
	}
	entries_rewind(c, st);
	st->expires_at_ms = s->expiry_s == BROKER_NO_EXPIRY
	                        ? INT64_MAX
	                        : c->now_ms + (int64_t)s->expiry_s * 1000;
	session_save(c, s, c->now_ms);
	if (st->will && st->will->delay_s == 0)
		core_publish_will(c, st);
	else if (st->will)
		st->will_at_ms = c->now_ms + (int64_t)st->will->delay_s * 1000;
	away_add(c, st);
}

/* --- those who are away --- */

void away_add(struct core *c, struct state *st)
{
	if (st->will_at_ms == INT64_MAX && st->expires_at_ms == INT64_MAX)
		return;
	if (st->is_away)
		return;
	st->is_away = true;
	st->away_prev = NULL;
	st->away_next = c->away;
	if (c->away)
		c->away->away_prev = st;
	c->away = st;
}

void away_remove(struct core *c, struct state *st)
{
	if (!st->is_away)
		return;
	st->is_away = false;
	if (st->away_prev)
		st->away_prev->away_next = st->away_next;
	else
		c->away = st->away_next;
	if (st->away_next)
		st->away_next->away_prev = st->away_prev;
}

void sessions_tick(struct core *c)
{
	for (struct state *st = c->away, *next; st; st = next) {
		next = st->away_next;
		if (c->now_ms >= st->expires_at_ms) {
			COUNT(c, SESSIONS_EXPIRED);
			session_end(c, st->session);
		} else if (c->now_ms >= st->will_at_ms) {
			core_publish_will(c, st);
			if (st->expires_at_ms == INT64_MAX)
				away_remove(c, st);
		}
	}
}

void sessions_free(struct core *c)
{
	for (uint64_t b = 0; b < c->table.buckets; b++)
		while (c->table.by_id[b])
			session_free(c, c->table.by_id[b]);
	free(c->table.by_id);
	free(c->table.by_conn);
}
