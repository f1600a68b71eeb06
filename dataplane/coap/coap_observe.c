/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observers (RFC 7641): who wants to hear of a resource, and the notification on its way to each.
 *
 *   FREE -> ASKED -> ACTIVE    the application accepted the registration
 *           ASKED -> FREE      or it did not
 *           ACTIVE -> FREE     deregistered, replaced, reset, silent, or told an error
 *
 * At most one CON notification is under way to an observer; a newer state waits in its place and
 * goes out when the older one is acknowledged or would be sent again (4.5.2). Who registered by
 * NON gets NON, up to a budget of one per 3 s with bursts of eight (4.5.1), and a CON in between,
 * beyond the budget, and at least once a day (4.5). The sequence number is the time in units of
 * 1.024 ms, so it rises across restarts of the process too; at least by one each time (4.4).
 *
 * Owned by one io worker; memory from coap_observers_init only; the time is an argument.
 */
#include "coap/coap_priv.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/tally.h"

#define ACK_TIMEOUT_MS   2000 /* RFC 7252 4.8; times up to 1.5 */
#define CON_AT_LEAST_US  (UINT64_C(24) * 3600 * 1000000) /* RFC 7641 4.5 */
#define NON_COST_US      UINT64_C(3000000)               /* RFC 7641 4.5.1 */
#define NON_BURST        8
#define SEQUENCE_MASK    0xffffffu
#define SEQUENCE_SHIFT   10
#define TICK_SHIFT       15 /* 33 ms */

bool coap_observers_init(struct coap_server *c)
{
	uint32_t count = c->config.observers_max, buckets = 1;
	while (buckets < count)
		buckets *= 2;
	c->observer_mask = buckets - 1;
	c->observers = calloc(count, sizeof c->observers[0]);
	c->observer_buckets = malloc(buckets * sizeof c->observer_buckets[0]);
	if (!c->observers || !c->observer_buckets)
		return false;
	memset(c->observer_buckets, 0xff, buckets * sizeof c->observer_buckets[0]);
	for (uint32_t i = 0; i < count; i++) {
		c->observers[i].generation = 1; /* no handle is 0 */
		c->observers[i].hash_next = i + 1 < count ? i + 1 : COAP_NIL;
		wheel_node_init(&c->observers[i].timer);
	}
	wheel_init(&c->observer_wheel, &c->observers[0].timer, sizeof c->observers[0], TICK_SHIFT,
	           0);
	return true;
}

coap_handle coap_observer_handle(const struct coap_server *c, uint32_t index)
{
	return (coap_handle)c->observers[index].generation << 32 | index;
}

static uint32_t index_of(const struct coap_server *c, const struct coap_observer *o)
{
	return (uint32_t)(o - c->observers);
}

/* All observers of a peer are in one bucket. */
static struct coap_observer *first_of(struct coap_server *c, uint64_t peer_hash)
{
	uint32_t index = c->observer_buckets[(uint32_t)peer_hash & c->observer_mask];
	return index == COAP_NIL ? NULL : &c->observers[index];
}

static struct coap_observer *after(struct coap_server *c, const struct coap_observer *o)
{
	return o->hash_next == COAP_NIL ? NULL : &c->observers[o->hash_next];
}

static struct coap_observer *find(struct coap_server *c, const struct coap_peer *peer,
                                  uint64_t peer_hash, const struct coap_message *msg)
{
	struct coap_observer *o = first_of(c, peer_hash);
	for (; o; o = after(c, o))
		if (o->token_bytes == msg->token_bytes &&
		    memcmp(o->token, msg->token, msg->token_bytes) == 0 &&
		    memcmp(&o->peer, peer, sizeof *peer) == 0)
			return o;
	return NULL;
}

static void unlink_observer(struct coap_server *c, struct coap_observer *o)
{
	uint32_t index = index_of(c, o);
	uint32_t *link = &c->observer_buckets[o->bucket];
	while (*link != index) {
		CHECK_OP(*link, !=, COAP_NIL);
		link = &c->observers[*link].hash_next;
	}
	*link = o->hash_next;
}

/* The application hears of it if it had accepted it. */
static void end(struct coap_server *c, uint32_t index)
{
	struct coap_observer *o = &c->observers[index];
	CHECK_OP(o->state, !=, COAP_O_FREE);
	coap_handle handle = coap_observer_handle(c, index);
	bool active = o->state == COAP_O_ACTIVE;
	wheel_cancel(&c->observer_wheel, index);
	unlink_observer(c, o);
	o->state = COAP_O_FREE;
	o->generation++;
	o->hash_next = c->observer_free;
	c->observer_free = index;
	level_add(&c->observers_used, -1);
	if (active) {
		counter_add(c->counters, COUNTER_COAP_OBSERVE_ENDED, 1);
		c->ops->on_observer_gone(c->app, handle);
	}
}

static uint32_t next_sequence(uint32_t last, uint64_t now_us)
{
	uint32_t next = (uint32_t)(now_us >> SEQUENCE_SHIFT) & SEQUENCE_MASK;
	bool rises = ((next - last) & SEQUENCE_MASK) - 1 < SEQUENCE_MASK / 2;
	return rises ? next : (last + 1) & SEQUENCE_MASK;
}

uint32_t coap_observer_ask(struct coap_server *c, const struct coap_exchange *e, uint64_t peer_hash,
                           const struct coap_message *msg, uint8_t szx, uint64_t now_us)
{
	uint32_t sequence = (uint32_t)(now_us >> SEQUENCE_SHIFT) & SEQUENCE_MASK;
	struct coap_observer *old = find(c, &e->peer, peer_hash, msg);
	if (old) { /* 4.1: takes the place of the one before */
		sequence = old->sequence;
		end(c, index_of(c, old));
	}
	uint32_t index = c->observer_free;
	if (index == COAP_NIL) {
		counter_add(c->counters, COUNTER_COAP_OBSERVERS_FULL, 1);
		return COAP_NIL;
	}
	struct coap_observer *o = &c->observers[index];
	c->observer_free = o->hash_next;
	uint16_t *next_id = &c->notify_ids[peer_hash % COAP_NOTIFY_IDS];
	/* half the ids away from those that answers to this client's requests come to have */
	if (!first_of(c, peer_hash))
		*next_id = (uint16_t)(coap_answer_id(peer_hash, msg->id) + 0x8000);

	uint32_t generation = o->generation;
	memset(o, 0, offsetof(struct coap_observer, message));
	wheel_node_init(&o->timer);
	o->peer = e->peer;
	o->asked_by = coap_exchange_handle(c, e);
	o->key = e->key;
	o->generation = generation;
	o->sequence = sequence;
	o->state = COAP_O_ASKED;
	o->confirmable = msg->type == COAP_CON;
	o->szx = szx;
	o->last_con_us = now_us;
	o->token_bytes = msg->token_bytes;
	memcpy(o->token, msg->token, sizeof o->token);
	o->bucket = (uint32_t)peer_hash & c->observer_mask;
	o->hash_next = c->observer_buckets[o->bucket];
	c->observer_buckets[o->bucket] = index;
	level_add(&c->observers_used, 1);
	return index;
}

uint32_t coap_observer_settle(struct coap_server *c, struct coap_exchange *e, bool accepted,
                              uint64_t now_us)
{
	uint32_t index = e->observer;
	e->observer = COAP_NIL;
	if (index == COAP_NIL)
		return COAP_NIL;
	struct coap_observer *o = &c->observers[index];
	if (o->state != COAP_O_ASKED || o->asked_by != coap_exchange_handle(c, e))
		return COAP_NIL; /* deregistered or replaced meanwhile */
	if (!accepted) {
		end(c, index);
		return COAP_NIL;
	}
	o->state = COAP_O_ACTIVE;
	o->sequence = next_sequence(o->sequence, now_us);
	counter_add(c->counters, COUNTER_COAP_OBSERVE_BEGUN, 1);
	return o->sequence;
}

void coap_observer_cancel(struct coap_server *c, const struct coap_peer *peer, uint64_t peer_hash,
                          const struct coap_message *msg)
{
	struct coap_observer *o = find(c, peer, peer_hash, msg);
	if (o)
		end(c, index_of(c, o));
}

/* ---- notifications ---- */

/* An id that no answer to this peer has (RFC 7252 4.4). */
static uint16_t take_id(struct coap_server *c, const struct coap_observer *o, uint64_t now_us)
{
	uint64_t peer_hash = coap_peer_hash(c, &o->peer);
	uint16_t *next_id = &c->notify_ids[peer_hash % COAP_NOTIFY_IDS];
	uint16_t id = (*next_id)++;
	while (coap_exchange_find(c, &o->peer, peer_hash, coap_request_id(peer_hash, id), now_us))
		id = (*next_id)++;
	return id;
}

/* 4.5: does this one have to be acknowledged? */
static bool wants_con(const struct coap_server *c, const struct coap_observer *o, uint64_t now_us)
{
	bool over_budget = o->budget_us > now_us + (NON_BURST - 1) * NON_COST_US;
	return (o->confirmable && !o->non) || o->in_order || o->ending || over_budget ||
	       o->non_count + 1u >= c->config.notify_con_every ||
	       now_us - o->last_con_us >= CON_AT_LEAST_US;
}

static void arm(struct coap_server *c, struct coap_observer *o, uint64_t now_us)
{
	wheel_arm(&c->observer_wheel, index_of(c, o), now_us + o->timeout_ms * UINT64_C(1000));
}

/* The newest notification goes out. */
static void send_newest(struct coap_server *c, struct coap_observer *o, bool con, uint64_t now_us)
{
	memmove(o->ids + 1, o->ids, sizeof o->ids - sizeof o->ids[0]);
	o->ids[0] = take_id(c, o, now_us);
	o->id_count += o->id_count < COAP_OBSERVER_IDS;
	o->unsent = false;
	o->message[0] = (uint8_t)((o->message[0] & 0xcf) | (con ? COAP_CON : COAP_NON) << 4);
	put_be16(o->message + 2, o->ids[0]);
	if (con) {
		o->in_flight = true;
		o->non_count = 0;
		o->last_con_us = now_us;
	} else {
		o->non_count++;
		o->budget_us = (o->budget_us > now_us ? o->budget_us : now_us) + NON_COST_US;
	}
	coap_send(c, &o->peer, o->message, o->bytes,
	          con ? COUNTER_COAP_OUT_NOTIFY_CON : COUNTER_COAP_OUT_NOTIFY_NON);
}

static void begin_newest(struct coap_server *c, struct coap_observer *o, uint64_t now_us)
{
	bool con = wants_con(c, o, now_us);
	send_newest(c, o, con, now_us);
	if (!con)
		return;
	o->attempts = 0;
	o->timeout_ms = ACK_TIMEOUT_MS + coap_random_below(c, ACK_TIMEOUT_MS / 2);
	arm(c, o, now_us);
}

void coap_notify(struct coap_server *c, coap_handle observer, const struct coap_response *response,
                 uint64_t now_us)
{
	uint32_t index = (uint32_t)observer;
	struct coap_observer *o = index < c->config.observers_max ? &c->observers[index] : NULL;
	if (!o || o->generation != observer >> 32 || o->state != COAP_O_ACTIVE) {
		c->ops->on_observer_gone(c->app, observer);
		return;
	}
	if (o->ending)
		return;
	o->sequence = next_sequence(o->sequence, now_us);
	bool success = COAP_CLASS(response->code) == 2;
	struct coap_envelope envelope = {
	    .token = o->token,
	    .token_bytes = o->token_bytes,
	    .block1 = COAP_NIL,
	    .block2 = o->szx < c->config.szx_max ? o->szx : COAP_NIL,
	    .sequence = success ? o->sequence : COAP_NIL, /* 3.2 */
	};
	bool sliced;
	o->bytes = (uint16_t)coap_answer_build(c, o->message, &envelope, response, &sliced);
	if (sliced)
		coap_body_keep(c, &o->peer, o->key, response, now_us);
	if (o->unsent)
		counter_add(c->counters, COUNTER_COAP_NOTIFY_SUPERSEDED, 1);
	o->unsent = true;
	o->ending = !success;
	o->in_order = response->in_order;
	o->non = response->non;
	if (!o->in_flight)
		begin_newest(c, o, now_us);
}

/* The CON under way has arrived. */
static void acknowledged(struct coap_server *c, struct coap_observer *o, uint64_t now_us)
{
	uint32_t index = index_of(c, o);
	o->in_flight = false;
	wheel_cancel(&c->observer_wheel, index);
	if (o->unsent) {
		begin_newest(c, o, now_us);
	} else if (o->ending) {
		end(c, index);
	} else if (o->in_order) {
		o->in_order = false;
		c->ops->on_delivered(c->app, coap_observer_handle(c, index));
	}
}

static bool has_id(const struct coap_observer *o, uint16_t id)
{
	for (uint32_t i = 0; i < o->id_count; i++)
		if (o->ids[i] == id)
			return true;
	return false;
}

bool coap_observer_reply(struct coap_server *c, const struct coap_peer *peer, uint64_t peer_hash,
                         const struct coap_message *msg, uint64_t now_us)
{
	struct coap_observer *o = first_of(c, peer_hash);
	for (; o; o = after(c, o)) {
		if (o->state != COAP_O_ACTIVE || memcmp(&o->peer, peer, sizeof *peer) != 0 ||
		    !has_id(o, msg->id))
			continue;
		if (msg->type == COAP_RST) { /* 3.6: not interested any more */
			counter_add(c->counters, COUNTER_COAP_NOTIFY_RESET, 1);
			end(c, index_of(c, o));
		} else if (o->in_flight && o->ids[0] == msg->id) {
			acknowledged(c, o, now_us);
		} else {
			return false;
		}
		return true;
	}
	return false;
}

/* No ACK in time: again, with the newest state (4.5.2), or never again (4.5). */
static void expired(void *context, uint32_t index)
{
	struct coap_server *c = context;
	struct coap_observer *o = &c->observers[index];
	uint64_t now_us = c->timer_now_us;
	if (o->attempts == COAP_MAX_RETRANSMIT) {
		counter_add(c->counters, COUNTER_COAP_NOTIFY_GIVEN_UP, 1);
		end(c, index);
		return;
	}
	o->attempts++;
	o->timeout_ms *= 2;
	arm(c, o, now_us);
	if (o->unsent)
		send_newest(c, o, true, now_us);
	else
		coap_send(c, &o->peer, o->message, o->bytes, COUNTER_COAP_RETRANSMITTED);
}

void coap_observer_run_timers(struct coap_server *c, uint64_t now_us, uint32_t budget)
{
	c->timer_now_us = now_us;
	wheel_expire(&c->observer_wheel, now_us, budget, expired, c);
}
