/* SPDX-License-Identifier: Apache-2.0 */
/* From a client to the broker: PUBLISH, PUBREL, retained messages, wills, and who gets what. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/core_priv.h"

/* --- routing --- */

static void add_id(struct route *r, struct target *t, uint32_t id)
{
	if (id == 0)
		return;
	if (r->id_count == r->id_capacity) {
		r->id_capacity = r->id_capacity ? r->id_capacity * 2 : 64;
		r->ids = memory_grow(r->ids, r->id_capacity, sizeof r->ids[0]);
	}
	r->ids[r->id_count] = (struct target_id){id, t->ids};
	t->ids = ++r->id_count;
}

static struct target *target_of(struct route *r, struct state *st)
{
	if (st->mark == r->mark)
		return &r->targets[st->target];
	if (r->count == r->capacity) {
		r->capacity = r->capacity ? r->capacity * 2 : 64;
		r->targets = memory_grow(r->targets, r->capacity, sizeof r->targets[0]);
	}
	st->mark = r->mark;
	st->target = r->count;
	r->targets[r->count] = (struct target){.state = st};
	return &r->targets[r->count++];
}

static uint8_t granted(const struct message *m, const struct subscription *s)
{
	uint8_t most = SUBSCRIPTION_QOS(s->options);
	return m->qos < most ? m->qos : most;
}

/* MQTT5 3.3.4: one copy for a client whose filters overlap, with the highest QoS and all
 * subscription identifiers. */
static void aim(struct route *r, struct subscription *s)
{
	struct state *st = state_of(s->owner);
	if (s->options & SUBSCRIPTION_NO_LOCAL && st == r->publisher)
		return;
	struct target *t = target_of(r, st);
	uint8_t qos = granted(r->message, s);
	if (qos > t->qos)
		t->qos = qos;
	t->retain |= r->retain && s->options & SUBSCRIPTION_RETAIN_AS_PUBLISHED;
	add_id(r, t, s->id);
}

/* How well a member could take a message now. */
static unsigned readiness(const struct state *st)
{
	if (!is_online(st->session))
		return 0;
	return !st->unsent && st->inflight < st->session->window ? 2 : 1;
}

/* MQTT5 4.8.2: one of them, in turn; whoever is ready first. */
static struct subscription *choose(struct share *share)
{
	const struct subscription_list *l = &share->members;
	struct subscription *best = NULL;
	unsigned best_ready = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		struct subscription *s = l->all[(share->turn + i) % l->count];
		unsigned ready = readiness(state_of(s->owner));
		if (!best || ready > best_ready) {
			best = s;
			best_ready = ready;
		}
		if (ready == 2)
			break;
	}
	if (best)
		share->turn = best->index + 1;
	return best;
}

static void on_node(void *context, struct node *n)
{
	struct core *c = context;
	struct route *r = &c->route;
	for (uint32_t i = 0; i < n->subscriptions.count; i++)
		aim(r, n->subscriptions.all[i]);
	for (struct share *share = n->shares; share; share = share->next) {
		struct subscription *s = choose(share);
		bool retain = r->retain && s->options & SUBSCRIPTION_RETAIN_AS_PUBLISHED;
		core_deliver(c, state_of(s->owner), r->message, granted(r->message, s), retain,
		             &s->id, s->id != 0, false);
		r->matched++;
	}
}

static uint32_t collect_ids(struct core *c, const struct target *t)
{
	c->scratch.used = 0;
	for (uint32_t i = t->ids; i > 0; i = c->route.ids[i - 1].next)
		buffer_put(&c->scratch, &c->route.ids[i - 1].id, sizeof(uint32_t));
	return (uint32_t)(c->scratch.used / sizeof(uint32_t));
}

uint32_t core_route(struct core *c, const struct state *publisher, struct message *m,
                    bool retain)
{
	struct route *r = &c->route;
	r->mark++;
	r->count = r->id_count = r->matched = 0;
	r->message = m;
	r->publisher = publisher;
	r->retain = retain;
	if (c->hooks.routed)
		c->hooks.routed(c->context, message_topic(m), message_payload(m), retain);
	tree_match(&c->tree, message_topic(m), on_node, c);
	for (uint32_t i = 0; i < r->count; i++) {
		const struct target *t = &r->targets[i];
		uint32_t ids = collect_ids(c, t);
		core_deliver(c, t->state, m, t->qos, t->retain,
		             (const uint32_t *)(const void *)c->scratch.data, ids, false);
	}
	return r->matched + r->count;
}

/* --- retained messages and wills --- */

void core_retain(struct core *c, struct message *m)
{
	struct bytes topic = message_topic(m);
	struct message *before = tree_retained(&c->tree, topic);
	if (m->payload_bytes == 0) {
		if (before) {
			tree_retain(&c->tree, topic, NULL);
			disk_retained_gone(c, topic);
		}
		return;
	}
	if ((!before && c->tree.retained_count >= c->config.retained_max) ||
	    !tree_retain(&c->tree, topic, m)) {
		COUNT(c, RETAINED_REFUSED);
		return;
	}
	COUNT(c, RETAINED_SET);
	disk_retained(c, m);
}

static int64_t expires_at(const struct core *c, uint32_t expiry_s)
{
	return expiry_s == BROKER_NO_EXPIRY ? MESSAGE_NO_EXPIRY
	                                    : c->now_ms + (int64_t)expiry_s * 1000;
}

void core_publish_will(struct core *c, struct state *st)
{
	struct will *w = st->will;
	st->will = NULL;
	st->will_at_ms = INT64_MAX;
	if (!w)
		return;
	w->message->expires_ms = expires_at(c, w->expiry_s);
	COUNT(c, WILLS);
	if (w->retain)
		core_retain(c, w->message);
	core_route(c, st, w->message, w->retain);
	disk_will_gone(c, st);
	will_free(c, w);
}

/* --- PUBLISH --- */

static void publish_done(struct core *c, const struct core_publisher *to, uint8_t reason)
{
	if (to->ticket == TICKET_NONE)
		return;
	struct broker_publish_done *r =
	    core_record(c, to->io, to->conn, BROKER_PUBLISH_DONE, sizeof *r);
	r->ticket = to->ticket;
	r->reason = reason;
}

void core_publish_done(struct core *c, const struct core_publisher *to, uint8_t reason)
{
	publish_done(c, to, reason);
}

static bool inbound_has(const struct state *st, uint16_t packet_id)
{
	for (uint16_t i = 0; st && i < st->inbound_count; i++)
		if (st->inbound[i] == packet_id)
			return true;
	return false;
}

void inbound_add(struct state *st, uint16_t packet_id)
{
	if (st->inbound_count == st->inbound_capacity) {
		CHECK_OP(st->inbound_count, <, UINT16_MAX);
		uint32_t capacity = st->inbound_capacity ? st->inbound_capacity * 2u : 4;
		st->inbound_capacity = (uint16_t)(capacity < UINT16_MAX ? capacity : UINT16_MAX);
		st->inbound = memory_grow(st->inbound, st->inbound_capacity,
		                          sizeof st->inbound[0]);
	}
	st->inbound[st->inbound_count++] = packet_id;
}

static void remember_inbound(struct core *c, struct session *s, uint16_t packet_id)
{
	struct state *st = session_state(c, s);
	inbound_add(st, packet_id);
	if (st->persistent)
		disk_inbound(c, st, packet_id, false);
}

/* A topic that only the server itself may publish to. */
static bool is_servers_own(struct bytes topic)
{
	static const struct {
		const char *text;
		uint32_t bytes;
	} prefixes[] = {{"$", 1}, {"readings/", 9}, {"events/", 7}};
	for (uint32_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (topic.count >= prefixes[i].bytes &&
		    memcmp(topic.data, prefixes[i].text, prefixes[i].bytes) == 0)
			return true;
	return false;
}

bool core_may_publish(struct core *c, struct bytes client, struct bytes username,
                      struct bytes topic)
{
	if (is_servers_own(topic))
		return false;
	return !c->hooks.allowed ||
	       c->hooks.allowed(c->context, client, username, topic, CORE_PUBLISH);
}

/* MQTT 3.1.1 has no way to refuse a PUBLISH but to end the connection (3.3.5.2). */
static uint8_t over_quota(struct core *c, struct session *s, const struct broker_publish *p)
{
	COUNT(c, IN_QUOTA);
	if (s->version < 5 && p->qos > 0 && !s->closing) {
		COUNT(c, CLOSED_QUOTA);
		core_close(c, s, REASON_QUOTA);
	}
	return REASON_QUOTA;
}

static uint8_t accept(struct core *c, struct session *s, const struct broker_publish *p,
                      struct bytes topic, struct bytes props, struct bytes payload)
{
	uint64_t bytes = sizeof(struct message) + topic.count + props.count + payload.count;
	bool retain = p->flags & BROKER_PUBLISH_RETAIN;
	if (core_memory(c) + bytes > c->config.memory_bytes ||
	    (retain && tree_levels(topic) > TREE_LEVELS_MAX))
		return over_quota(c, s, p);
	struct message *m =
	    message_new(&c->pool, topic, props, payload, p->qos, expires_at(c, p->expiry_s));
	if (retain)
		core_retain(c, m);
	uint32_t matched = core_route(c, s->state, m, retain);
	message_put(&c->pool, m);
	core_count(c, matched > 0 || retain ? BROKER_COUNT_IN_ROUTED
	                                      : BROKER_COUNT_IN_NO_SUBSCRIBERS, 1);
	return matched > 0 || retain ? REASON_SUCCESS : REASON_NO_SUBSCRIBERS;
}

void core_published(struct core *c, uint32_t io, const struct broker_publish *p)
{
	struct core_publisher from = {p->head.conn, io, p->qos > 0 ? p->ticket : TICKET_NONE};
	const uint8_t *at = (const uint8_t *)(p + 1);
	struct bytes topic = {at, p->topic_bytes};
	struct bytes props = {at + topic.count, p->props_bytes};
	struct bytes payload = {at + topic.count + props.count, p->payload_bytes};
	struct session *s = session_by_conn(c, io, p->head.conn);

	if (!s) {
		COUNT(c, IN_STALE);
		publish_done(c, &from, REASON_FAILED);
		return;
	}
	if (p->qos == 2 && inbound_has(s->state, p->packet_id)) {
		COUNT(c, IN_DUPLICATE);
		publish_done(c, &from, REASON_SUCCESS);
		return;
	}
	uint8_t reason = REASON_NOT_AUTHORISED;
	struct bytes username = {s->username, s->username_bytes};
	struct bytes identity = c->config.identity_username ? username : client_of(s);
	if (c->hooks.presence)
		c->hooks.presence(c->context, client_of(s), CORE_PUBLISHED, 0);
	if (!core_may_publish(c, client_of(s), username, topic)) {
		COUNT(c, IN_NOT_ALLOWED);
	} else if (c->hooks.take &&
	           c->hooks.take(c->context, &from, identity, topic, props, payload)) {
		COUNT(c, IN_REGISTER);
		if (p->qos == 2)
			remember_inbound(c, s, p->packet_id);
		return;
	} else {
		reason = accept(c, s, p, topic, props, payload);
	}
	/* MQTT5 4.3.3: with a reason of 0x80 and up the id is free again */
	bool positive = reason < REASON_FAILED || s->version < 5;
	if (p->qos == 2 && positive && reason != REASON_QUOTA)
		remember_inbound(c, s, p->packet_id);
	publish_done(c, &from, reason);
}

void core_released(struct core *c, uint32_t io, const struct broker_ack *r)
{
	struct session *s = session_by_conn(c, io, r->head.conn);
	struct state *st = s ? s->state : NULL;
	bool known = false;
	for (uint16_t i = 0; st && i < st->inbound_count && !known; i++) {
		if (st->inbound[i] != r->packet_id)
			continue;
		known = true;
		st->inbound[i] = st->inbound[--st->inbound_count];
		if (st->persistent)
			disk_inbound(c, st, r->packet_id, true);
	}
	if (!s)
		return;
	struct broker_ack *a =
	    core_record(c, io, r->head.conn, BROKER_PUBREL_DONE, sizeof *a);
	a->packet_id = r->packet_id;
	a->reason = known ? REASON_SUCCESS : REASON_UNKNOWN_PACKET;
}

uint32_t core_publish(struct core *c, struct bytes topic, struct bytes props,
                      struct bytes payload, uint8_t qos)
{
	struct message *m =
	    message_new(&c->pool, topic, props, payload, qos, MESSAGE_NO_EXPIRY);
	uint32_t matched = core_route(c, NULL, m, false);
	message_put(&c->pool, m);
	return matched;
}

void core_publish_retained(struct core *c, struct bytes topic, struct bytes payload, uint8_t qos)
{
	struct message *m =
	    message_new(&c->pool, topic, (struct bytes){0}, payload, qos, MESSAGE_NO_EXPIRY);
	core_retain(c, m);
	if (payload.count > 0)
		core_route(c, NULL, m, true);
	message_put(&c->pool, m);
}
