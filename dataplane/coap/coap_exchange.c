/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchanges that the server remembers: a fixed pool, a hash table over it, and one list per
 * state, all joined by indices. Each operation takes constant time. Owned by one io worker;
 * allocated once by coap_server_new.
 *
 * One exchange more than configured exists, so that a request can be offered to the application
 * before an older exchange is forgotten for it: requests that are refused push nothing out.
 */
#include "coap/coap_priv.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fetch.h"
#include "base/pages.h"

static void list_init(struct coap_list *l)
{
	*l = (struct coap_list){COAP_NIL, COAP_NIL, 0};
}

static void list_append(struct coap_server *c, struct coap_list *l, struct coap_exchange *e)
{
	uint32_t index = coap_exchange_index(c, e);
	e->prev = l->tail;
	e->next = COAP_NIL;
	if (l->tail != COAP_NIL)
		c->exchanges[l->tail].next = index;
	else
		l->head = index;
	l->tail = index;
	l->count++;
}

static void list_remove(struct coap_server *c, struct coap_list *l, struct coap_exchange *e)
{
	CHECK_OP(l->count, >, 0u);
	if (e->prev != COAP_NIL)
		c->exchanges[e->prev].next = e->next;
	else
		l->head = e->next;
	if (e->next != COAP_NIL)
		c->exchanges[e->next].prev = e->prev;
	else
		l->tail = e->prev;
	l->count--;
}

/* The list that an exchange is in; NULL: none (TAKEN and nothing to be done until answered). */
static struct coap_list *list_of(struct coap_server *c, const struct coap_exchange *e)
{
	switch ((enum coap_exchange_state)e->state) {
	case COAP_X_FREE:
		return &c->free;
	case COAP_X_SENDING:
	case COAP_X_LEISURE:
		return &c->sending;
	case COAP_X_DONE:
		return &c->done;
	case COAP_X_TAKEN:
		break;
	}
	return e->confirmable && !e->acked ? &c->ack_wait : NULL;
}

static void leave_list(struct coap_server *c, struct coap_exchange *e)
{
	struct coap_list *l = list_of(c, e);
	if (l)
		list_remove(c, l, e);
}

static void enter_list(struct coap_server *c, struct coap_exchange *e)
{
	struct coap_list *l = list_of(c, e);
	if (l)
		list_append(c, l, e);
}

bool coap_exchanges_init(struct coap_server *c)
{
	uint32_t total = c->config.exchanges_max + 1;
	uint32_t buckets = 1;
	while (buckets < total)
		buckets *= 2;
	c->bucket_mask = buckets - 1;
	c->exchanges = pages_new(total, sizeof c->exchanges[0]);
	c->buckets = pages_new(buckets, sizeof c->buckets[0]);
	if (!c->exchanges || !c->buckets)
		return false;
	memset(c->buckets, 0xff, buckets * sizeof c->buckets[0]);
	list_init(&c->free);
	list_init(&c->ack_wait);
	list_init(&c->sending);
	list_init(&c->done);
	for (uint32_t i = 0; i < total; i++) {
		c->exchanges[i].generation = 1; /* no handle is 0 */
		list_append(c, &c->free, &c->exchanges[i]);
	}
	return true;
}

/* Consecutive ids of one peer fall into consecutive buckets; where they start is secret. */
static uint32_t bucket_of(const struct coap_server *c, uint64_t peer_hash, uint16_t id)
{
	return (uint32_t)(peer_hash + id) & c->bucket_mask;
}

uint32_t coap_fetch(const struct coap_server *c, const struct coap_peer *peer,
                    const uint8_t *bytes, uint32_t count)
{
	if (count < 4)
		return COAP_NIL;
	uint32_t bucket = bucket_of(c, coap_peer_hash(c, peer), get_be16(bytes + 2));
	fetch_line(&c->buckets[bucket]);
	return bucket;
}

void coap_fetch_exchange(const struct coap_server *c, uint32_t fetched)
{
	uint32_t index = fetched == COAP_NIL ? COAP_NIL : c->buckets[fetched];
	if (index != COAP_NIL)
		fetch_lines(&c->exchanges[index], 2 * FETCH_LINE);
}

/* What is forgotten next, and what of it leads on: the one after it is there a turn later. */
static void fetch_oldest(const struct coap_server *c)
{
	if (c->done.head == COAP_NIL)
		return;
	const struct coap_exchange *e = &c->exchanges[c->done.head];
	fetch_line(&c->buckets[e->bucket]);
	if (e->next != COAP_NIL)
		fetch_lines(&c->exchanges[e->next], sizeof *e);
}

static void table_remove(struct coap_server *c, struct coap_exchange *e)
{
	uint32_t index = coap_exchange_index(c, e);
	uint32_t *link = &c->buckets[e->bucket];
	while (*link != index) {
		CHECK_OP(*link, !=, COAP_NIL);
		link = &c->exchanges[*link].hash_next;
	}
	*link = e->hash_next;
}

struct coap_exchange *coap_exchange_find(struct coap_server *c, const struct coap_peer *peer,
                                         uint64_t peer_hash, uint16_t id, uint64_t now_us)
{
	uint32_t index = c->buckets[bucket_of(c, peer_hash, id)];
	for (; index != COAP_NIL; index = c->exchanges[index].hash_next) {
		struct coap_exchange *e = &c->exchanges[index];
		if (e->id != id || memcmp(&e->peer, peer, sizeof *peer) != 0)
			continue;
		uint64_t life_us =
		    e->confirmable ? COAP_EXCHANGE_LIFETIME_US : COAP_NON_LIFETIME_US;
		if (now_us - e->created_us < life_us)
			return e;
		coap_exchange_release(c, e); /* 4.4: the id may be used again */
		return NULL;
	}
	return NULL;
}

bool coap_exchange_room(const struct coap_server *c)
{
	return c->free.count > 1 || c->done.count > 0 || c->sending.count > 0;
}

struct coap_exchange *coap_exchange_take(struct coap_server *c, const struct coap_peer *peer,
                                         uint64_t peer_hash, uint16_t id, uint64_t now_us,
                                         bool confirmable)
{
	CHECK_OP(c->free.count, >, 0u);
	struct coap_exchange *e = &c->exchanges[c->free.head];
	list_remove(c, &c->free, e);
	e->peer = *peer;
	e->id = id;
	e->answer_id = coap_answer_id(peer_hash, id);
	e->created_us = now_us;
	e->state = COAP_X_TAKEN;
	e->confirmable = confirmable;
	e->multicast = false;
	e->acked = false;
	e->attempts = 0;
	e->no_response = 0;
	e->answer_bytes = 0;
	e->slot = e->observer = e->block1 = e->block2 = COAP_NIL;
	e->bucket = bucket_of(c, peer_hash, id);
	e->hash_next = c->buckets[e->bucket];
	c->buckets[e->bucket] = coap_exchange_index(c, e);
	enter_list(c, e);
	return e;
}

void coap_exchange_keep_spare(struct coap_server *c, const struct coap_exchange *accepted)
{
	if (c->free.count > 0)
		return;
	/* rather one that is done than one whose answer is still on its way; never the new one,
	 * which may be done already */
	uint32_t oldest = c->done.head;
	if (oldest == COAP_NIL || oldest == coap_exchange_index(c, accepted))
		oldest = c->sending.head;
	CHECK_OP(oldest, !=, COAP_NIL);
	counter_add(c->counters, COUNTER_COAP_EVICTED, 1);
	coap_exchange_release(c, &c->exchanges[oldest]);
	fetch_oldest(c);
}

void coap_exchange_to(struct coap_server *c, struct coap_exchange *e,
                      enum coap_exchange_state state)
{
	if (e->state == COAP_X_SENDING || e->state == COAP_X_LEISURE)
		coap_wheel_remove(c, e);
	leave_list(c, e);
	e->state = state;
	enter_list(c, e);
}

void coap_exchange_acked(struct coap_server *c, struct coap_exchange *e)
{
	leave_list(c, e);
	e->acked = true;
	enter_list(c, e);
}

void coap_exchange_release(struct coap_server *c, struct coap_exchange *e)
{
	CHECK_OP(e->state, !=, COAP_X_FREE);
	coap_observer_settle(c, e, false, 0); /* nobody answered the registration */
	table_remove(c, e);
	if (e->slot != COAP_NIL)
		c->slots[e->slot].exchange = COAP_NIL;
	e->generation++;
	coap_exchange_to(c, e, COAP_X_FREE);
}
