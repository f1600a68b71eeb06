/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CoAP server does by the clock: the empty ACK for a request that takes long (RFC 7252
 * 5.2.2), the retransmission of a separate answer (4.2), an answer to a group when its leisure is
 * over (8.2), and the notifications' timers.
 *
 * The delay of the ACKs is the same for all, so the list of the waiting, oldest first, is their
 * timer. Retransmissions lie in a wheel of 64 ms slots. Owned by one io worker; the time is an
 * argument.
 */
#include "coap/coap_priv.h"

#include "base/check.h"

/* ACK_TIMEOUT 2 s, ACK_RANDOM_FACTOR 1.5 (4.8): the first timeout lies in 2..3 s. A timer fires
 * up to one slot late: 32 * 64 ms = 2.048 s, 45 * 64 ms + 64 ms = 2.944 s. */
#define TIMEOUT_SLOTS_MIN 32
#define TIMEOUT_SLOTS_MAX 45

_Static_assert(TIMEOUT_SLOTS_MIN * COAP_SLOT_US >= 2000000, "ACK_TIMEOUT");
_Static_assert((TIMEOUT_SLOTS_MAX + 1) * COAP_SLOT_US <= 3000000, "times ACK_RANDOM_FACTOR");
_Static_assert((TIMEOUT_SLOTS_MAX << COAP_MAX_RETRANSMIT) + 1 < COAP_WHEEL_SLOTS, "wheel");

/* splitmix64 (Steele, Lea, Flood, 2014) */
static uint64_t random_next(struct coap_server *c)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t coap_random_below(struct coap_server *c, uint32_t bound)
{
	return (uint32_t)((random_next(c) >> 32) * bound >> 32);
}

void coap_wheel_init(struct coap_wheel *w)
{
	memset(w, 0, sizeof *w);
	memset(w->head, 0xff, sizeof w->head);
}

static void wheel_add(struct coap_server *c, struct coap_exchange *e, uint64_t now_us)
{
	struct coap_wheel *w = &c->wheel;
	uint64_t now_slot = now_us / COAP_SLOT_US;
	if (w->count == 0 && w->cursor < now_slot)
		w->cursor = now_slot;
	/* a wheel that was not turned for long: rather too early than a lap too late */
	uint64_t due = now_slot + 1 + e->timeout_slots;
	uint64_t last = w->cursor + COAP_WHEEL_SLOTS - 1;
	e->due_slot = due < last ? due : last;

	uint32_t at = (uint32_t)(e->due_slot % COAP_WHEEL_SLOTS);
	e->wheel_prev = COAP_NIL;
	e->wheel_next = w->head[at];
	if (e->wheel_next != COAP_NIL)
		c->exchanges[e->wheel_next].wheel_prev = coap_exchange_index(c, e);
	w->head[at] = coap_exchange_index(c, e);
	w->filled[at / 64] |= UINT64_C(1) << at % 64;
	w->count++;
}

void coap_wheel_remove(struct coap_server *c, struct coap_exchange *e)
{
	struct coap_wheel *w = &c->wheel;
	uint32_t at = (uint32_t)(e->due_slot % COAP_WHEEL_SLOTS);
	CHECK_OP(w->count, >, 0u);
	if (e->wheel_prev != COAP_NIL)
		c->exchanges[e->wheel_prev].wheel_next = e->wheel_next;
	else
		w->head[at] = e->wheel_next;
	if (e->wheel_next != COAP_NIL)
		c->exchanges[e->wheel_next].wheel_prev = e->wheel_prev;
	if (w->head[at] == COAP_NIL)
		w->filled[at / 64] &= ~(UINT64_C(1) << at % 64);
	w->count--;
}

/* The first slot that holds something; UINT64_MAX: none. */
static uint64_t wheel_first_slot(const struct coap_wheel *w)
{
	if (w->count == 0)
		return UINT64_MAX;
	uint32_t start = (uint32_t)(w->cursor % COAP_WHEEL_SLOTS);
	for (uint32_t scanned = 0; scanned < COAP_WHEEL_SLOTS;) {
		uint32_t at = (start + scanned) % COAP_WHEEL_SLOTS;
		uint64_t bits = w->filled[at / 64] >> at % 64;
		if (bits)
			return w->cursor + scanned + (uint32_t)__builtin_ctzll(bits);
		scanned += 64 - at % 64;
	}
	CHECK(!"the wheel counts entries but no slot holds one");
	return UINT64_MAX;
}

void coap_retransmit_start(struct coap_server *c, struct coap_exchange *e, uint64_t now_us)
{
	uint32_t spread = TIMEOUT_SLOTS_MAX - TIMEOUT_SLOTS_MIN + 1;
	e->timeout_slots = (uint16_t)(TIMEOUT_SLOTS_MIN + coap_random_below(c, spread));
	wheel_add(c, e, now_us);
}

void coap_leisure_start(struct coap_server *c, struct coap_exchange *e, uint64_t now_us)
{
	uint32_t slots = (uint32_t)(c->config.leisure_ms * UINT64_C(1000) / COAP_SLOT_US);
	e->timeout_slots = slots > 0 ? (uint16_t)coap_random_below(c, slots) : 0;
	wheel_add(c, e, now_us);
}

static void retransmit(struct coap_server *c, struct coap_exchange *e, uint64_t now_us)
{
	if (e->state == COAP_X_LEISURE) {
		coap_exchange_to(c, e, COAP_X_DONE);
		coap_send(c, &e->peer, coap_answer_bytes(c, e), e->answer_bytes,
		          COUNTER_COAP_OUT_NON);
		return;
	}
	if (e->attempts == COAP_MAX_RETRANSMIT) {
		counter_add(c->counters, COUNTER_COAP_GIVEN_UP, 1);
		coap_exchange_to(c, e, COAP_X_DONE);
		return;
	}
	coap_wheel_remove(c, e);
	e->attempts++;
	e->timeout_slots = (uint16_t)(e->timeout_slots * 2); /* 4.2 */
	wheel_add(c, e, now_us);
	coap_send(c, &e->peer, coap_answer_bytes(c, e), e->answer_bytes,
	          COUNTER_COAP_RETRANSMITTED);
}

static uint64_t ack_due_us(const struct coap_server *c)
{
	if (c->ack_wait.count == 0)
		return UINT64_MAX;
	return c->exchanges[c->ack_wait.head].created_us +
	       c->config.separate_after_ms * UINT64_C(1000);
}

void coap_run_timers(struct coap_server *c, uint64_t now_us, uint32_t budget)
{
	coap_observer_run_timers(c, now_us, budget);
	for (; budget > 0 && ack_due_us(c) <= now_us; budget--) {
		struct coap_exchange *e = &c->exchanges[c->ack_wait.head];
		coap_exchange_acked(c, e);
		coap_send_empty(c, &e->peer, COAP_ACK, e->id, COUNTER_COAP_OUT_ACK);
	}
	uint64_t now_slot = now_us / COAP_SLOT_US;
	uint64_t first = wheel_first_slot(&c->wheel);
	for (; budget > 0 && first <= now_slot; budget--) {
		uint32_t index = c->wheel.head[first % COAP_WHEEL_SLOTS];
		retransmit(c, &c->exchanges[index], now_us);
		first = wheel_first_slot(&c->wheel);
	}
	if (first != UINT64_MAX && first > c->wheel.cursor)
		c->wheel.cursor = first < now_slot ? first : now_slot;
}

uint64_t coap_next_timer_us(const struct coap_server *c)
{
	uint64_t ack_us = ack_due_us(c);
	uint64_t slot = wheel_first_slot(&c->wheel);
	uint64_t send_us = slot == UINT64_MAX ? UINT64_MAX : slot * COAP_SLOT_US;
	uint64_t notify_us = wheel_next_us(&c->observer_wheel);
	uint64_t first_us = ack_us < send_us ? ack_us : send_us;
	return first_us < notify_us ? first_us : notify_us;
}
