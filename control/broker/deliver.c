/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the broker to one client: the queue, the window of unacknowledged messages, and the
 * client's acknowledgements (MQTT5 4.3, 4.4, 4.9).
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/core_priv.h"
#include "control/broker/packet.h"

#define ENTRIES_LEAST    1 /* a full queue always has room for one */
#define ALLOCATION_BYTES 16 /* what the heap adds */

/* --- entries --- */

/* In memory, without its message. */
static uint64_t entry_bytes(const struct entry *e)
{
	return sizeof *e + e->id_count * sizeof e->ids[0] + ALLOCATION_BYTES;
}

void entry_append(struct core *c, struct state *st, struct entry *e)
{
	e->prev = st->last;
	if (st->last)
		st->last->next = e;
	else
		st->first = e;
	st->last = e;
	if (!st->unsent)
		st->unsent = e;
	st->entry_count++;
	st->kept_count += e->kept;
	c->queued++;
	c->pool.bytes += entry_bytes(e);
}

static struct entry *entry_new(struct core *c, struct state *st, struct message *m, uint8_t qos,
                               bool retain, const uint32_t *ids, uint32_t id_count, bool keep)
{
	struct entry *e = memory_new(sizeof *e + id_count * sizeof e->ids[0]);
	e->message = message_use(m);
	e->seq = ++st->last_seq;
	e->qos = qos;
	e->retain = retain;
	e->kept = keep;
	e->id_count = id_count;
	if (id_count > 0)
		memcpy(e->ids, ids, id_count * sizeof ids[0]);
	entry_append(c, st, e);
	return e;
}

static void entry_remove(struct core *c, struct state *st, struct entry *e)
{
	if (e->stored)
		disk_entry_gone(c, st, e);
	if (e->pubrel_due)
		st->pubrels_due--;
	if (st->unsent == e)
		st->unsent = e->next;
	if (e->prev)
		e->prev->next = e->next;
	else
		st->first = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		st->last = e->prev;
	st->entry_count--;
	st->kept_count -= e->kept;
	c->queued--;
	c->pool.bytes -= entry_bytes(e);
	message_put(&c->pool, e->message);
	free(e);
}

/* Without a count of its own: see the callers. */
void entries_drop(struct core *c, struct state *st)
{
	while (st->first)
		entry_remove(c, st, st->first);
}

void entries_rewind(struct core *c, struct state *st)
{
	for (struct entry *e = st->first, *next; e; e = next) {
		next = e->next;
		if (e->pubrel_due)
			st->pubrels_due--;
		e->pubrel_due = false;
		if (e->qos == 0) {
			COUNT(c, DROPPED_QOS0);
			entry_remove(c, st, e);
		}
	}
	st->inflight = 0;
	st->unsent = st->first;
}

static void drop_expired(struct core *c, struct state *st)
{
	for (struct entry *e = st->unsent, *next; e; e = next) {
		next = e->next;
		if (e->packet_id == 0 && message_expired(e->message, c->now_ms)) {
			COUNT(c, DROPPED_EXPIRED);
			entry_remove(c, st, e);
		}
	}
}

/* --- sending --- */

static uint8_t *send_record(struct core *c, struct session *s, uint32_t bytes, uint32_t flags)
{
	struct broker_send *r =
	    core_record(c, s->io, s->conn, BROKER_SEND, sizeof *r + bytes);
	r->packet_bytes = bytes;
	r->flags = flags;
	s->credit -= bytes;
	return (uint8_t *)(r + 1);
}

/* False: no credit now. */
static bool send_pubrel(struct core *c, struct session *s, uint16_t packet_id, uint8_t reason)
{
	uint8_t packet[PACKET_PUBREL_BYTES];
	uint32_t bytes = packet_pubrel_put(s->version, packet_id, reason, packet);
	if (bytes > s->credit)
		return false;
	memcpy(send_record(c, s, bytes, 0), packet, bytes);
	return true;
}

static struct packet_publish packet_of(const struct core *c, const struct session *s,
                                       const struct message *m, uint8_t qos, bool retain)
{
	uint32_t left_s = UINT32_MAX;
	if (m->expires_ms != MESSAGE_NO_EXPIRY)
		left_s = m->expires_ms > c->now_ms
		             ? (uint32_t)((m->expires_ms - c->now_ms + 999) / 1000)
		             : 0;
	return (struct packet_publish){.message = m,
	                               .expiry_s = left_s,
	                               .version = s->version,
	                               .qos = qos,
	                               .retain = retain};
}

/* QoS 0 may be dropped on its way out, so it uses aliases, but never is the first to tell one. */
static uint32_t choose_alias(const struct state *st, struct packet_publish *p)
{
	const struct session *s = st->session;
	struct bytes topic = message_topic(p->message);
	p->alias = p->version >= 5 ? alias_find(st->aliases, topic) : 0;
	p->alias_stands = p->alias != 0;
	if (p->version >= 5 && p->alias == 0 && p->qos > 0)
		p->alias = alias_next(st->aliases, s->alias_max, topic);
	uint32_t bytes = packet_publish_bytes(p);
	if (p->alias_stands || (bytes <= s->packet_bytes_max && bytes <= s->credit_first))
		return bytes;
	p->alias = 0; /* the three bytes more may be what is too much */
	return packet_publish_bytes(p);
}

static void keep_alias(struct core *c, struct state *st, const struct packet_publish *p)
{
	if (p->alias == 0 || p->alias_stands)
		return;
	c->alias_bytes -= alias_bytes(st->aliases);
	alias_set(&st->aliases, message_topic(p->message));
	c->alias_bytes += alias_bytes(st->aliases);
}

static uint16_t new_packet_id(struct state *st)
{
	for (;;) {
		if (++st->last_packet_id == 0)
			st->last_packet_id = 1;
		/* those that have an id come before those that were never sent */
		const struct entry *e = st->first;
		while (e && e->packet_id != 0 && e->packet_id != st->last_packet_id)
			e = e->next;
		if (!e || e->packet_id == 0)
			return st->last_packet_id;
	}
}

enum sending { SENDING_DONE, SENDING_WAITS, SENDING_NEVER };

static enum sending send_publish(struct core *c, struct state *st, struct entry *e)
{
	struct session *s = st->session;
	struct packet_publish p = packet_of(c, s, e->message, e->qos, e->retain);
	p.subscription_ids = e->ids;
	p.id_count = s->version >= 5 ? e->id_count : 0;
	p.dup = e->packet_id != 0;
	uint32_t bytes = choose_alias(st, &p);
	if (bytes > s->packet_bytes_max || bytes > s->credit_first) {
		COUNT(c, DROPPED_LARGE);
		return SENDING_NEVER;
	}
	if (bytes > s->credit || (e->qos > 0 && st->inflight >= s->window))
		return SENDING_WAITS;
	if (e->qos > 0 && e->packet_id == 0) {
		e->packet_id = new_packet_id(st);
		if (e->stored)
			disk_entry(c, st, e);
	}
	p.packet_id = e->packet_id;
	packet_publish_put(&p, send_record(c, s, bytes, e->qos ? 0 : BROKER_SEND_MAY_DROP));
	keep_alias(c, st, &p);
	return SENDING_DONE;
}

static enum sending send_entry(struct core *c, struct state *st, struct entry *e)
{
	if (e->released) {
		if (st->inflight >= st->session->window ||
		    !send_pubrel(c, st->session, e->packet_id, 0))
			return SENDING_WAITS;
		COUNT(c, RESENT);
		return SENDING_DONE;
	}
	if (e->packet_id == 0 && message_expired(e->message, c->now_ms)) {
		COUNT(c, DROPPED_EXPIRED);
		return SENDING_NEVER;
	}
	bool again = e->packet_id != 0;
	enum sending done = send_publish(c, st, e);
	if (done == SENDING_DONE && again)
		COUNT(c, RESENT);
	return done;
}

static void send_due_pubrels(struct core *c, struct state *st)
{
	for (struct entry *e = st->first; e && e != st->unsent && st->pubrels_due > 0;
	     e = e->next) {
		if (!e->pubrel_due)
			continue;
		if (!send_pubrel(c, st->session, e->packet_id, 0))
			return;
		e->pubrel_due = false;
		st->pubrels_due--;
	}
}

void core_pump(struct core *c, struct state *st)
{
	if (!is_online(st->session))
		return;
	if (st->pubrels_due > 0)
		send_due_pubrels(c, st);
	while (st->unsent) {
		struct entry *e = st->unsent;
		enum sending done = send_entry(c, st, e);
		if (done == SENDING_WAITS)
			return;
		st->unsent = e->next;
		if (done == SENDING_DONE && e->qos > 0) {
			st->inflight++;
			continue;
		}
		if (done == SENDING_DONE)
			COUNT(c, SENT_QOS0);
		entry_remove(c, st, e);
	}
}

/* --- one message more --- */

/* QoS 0 goes out at once or not at all. */
static void deliver_qos0(struct core *c, struct state *st, struct message *m, bool retain,
                         const uint32_t *ids, uint32_t id_count)
{
	struct session *s = st->session;
	if (!is_online(s)) {
		COUNT(c, DROPPED_QOS0);
		return;
	}
	struct packet_publish p = packet_of(c, s, m, 0, retain);
	p.subscription_ids = ids;
	p.id_count = s->version >= 5 ? id_count : 0;
	uint32_t bytes = choose_alias(st, &p);
	if (bytes > s->packet_bytes_max) {
		COUNT(c, DROPPED_LARGE);
		return;
	}
	if (bytes > s->credit) {
		COUNT(c, DROPPED_QOS0);
		return;
	}
	packet_publish_put(&p, send_record(c, s, bytes, BROKER_SEND_MAY_DROP));
	COUNT(c, SENT_QOS0);
}

static bool queue_has_room(struct core *c, struct state *st, bool keep)
{
	uint32_t most = c->config.queue_messages + st->session->window + ENTRIES_LEAST;
	if (keep && core_memory(c) < c->config.memory_bytes)
		return true;
	if (!keep && st->entry_count - st->kept_count >= most)
		drop_expired(c, st);
	if (!keep && st->entry_count - st->kept_count < most)
		return true;
	COUNT(c, DROPPED_FULL);
	if (!keep && is_online(st->session)) {
		COUNT(c, CLOSED_SLOW);
		core_close(c, st->session, REASON_QUOTA);
	}
	return false;
}

void core_deliver(struct core *c, struct state *st, struct message *m, uint8_t qos, bool retain,
                  const uint32_t *ids, uint32_t id_count, bool keep)
{
	if (qos == 0 && !(keep && is_online(st->session))) {
		deliver_qos0(c, st, m, retain, ids, id_count);
		return;
	}
	if (!queue_has_room(c, st, keep))
		return;
	struct entry *e = entry_new(c, st, m, qos, retain, ids, id_count, keep);
	uint64_t seq = e->seq;
	core_pump(c, st);
	/* it is still there unless it could never be sent */
	if (qos > 0 && st->persistent && st->last && st->last->seq == seq)
		disk_entry(c, st, st->last);
}

/* --- acknowledgements --- */

static struct entry *find_sent(const struct state *st, uint16_t packet_id)
{
	struct entry *e = st->first;
	while (e && e != st->unsent && e->packet_id != packet_id)
		e = e->next;
	return e == st->unsent ? NULL : e;
}

static void complete(struct core *c, struct state *st, struct entry *e, bool refused)
{
	if (refused)
		COUNT(c, REFUSED_BY_CLIENT);
	else if (e->qos == 1)
		COUNT(c, DONE_QOS1);
	else
		COUNT(c, DONE_QOS2);
	st->inflight--;
	entry_remove(c, st, e);
}

static void release(struct core *c, struct state *st, struct entry *e)
{
	if (!e->released) {
		e->released = true;
		if (e->stored)
			disk_entry_released(c, st, e);
		message_put(&c->pool, e->message);
		e->message = NULL;
	}
	if (!e->pubrel_due && !send_pubrel(c, st->session, e->packet_id, 0)) {
		e->pubrel_due = true;
		st->pubrels_due++;
	}
}

void core_acked(struct core *c, struct session *s, const struct broker_ack *r)
{
	struct state *st = s->state;
	struct entry *e = st ? find_sent(st, r->packet_id) : NULL;
	bool refused = r->reason >= REASON_FAILED;

	if (r->head.kind == BROKER_PUBREC && !e && !refused) {
		/* MQTT5 3.6.2.1: an id that we don't know; without credit there is no answer, and
		 * the client asks again when it reconnects */
		send_pubrel(c, s, r->packet_id, REASON_UNKNOWN_PACKET);
		return;
	}
	if (!e)
		return;
	if (r->head.kind == BROKER_PUBACK && e->qos == 1)
		complete(c, st, e, refused);
	else if (r->head.kind == BROKER_PUBREC && e->qos == 2 && refused && !e->released)
		complete(c, st, e, true);
	else if (r->head.kind == BROKER_PUBREC && e->qos == 2)
		release(c, st, e);
	else if (r->head.kind == BROKER_PUBCOMP && e->qos == 2 && e->released)
		complete(c, st, e, false);
	core_pump(c, st);
}
