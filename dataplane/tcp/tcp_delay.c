/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delayed ACKs (RFC 9293 3.8.6.3). Each message brings one, and its answer takes it along as a
 * rule: the wheel, with its order and its lists both ways, would be armed and looked at for
 * nothing. All delays being the same, a slot for each of the next ticks is enough, with a list
 * that only its own tick empties. A connection is in one slot at most; its deadline may have gone
 * by then, or be a later one.
 *
 * Thread: the engine's. Memory: four bytes a connection, taken at start.
 */
#include "base/fetch.h"
#include "tcp/tcp_priv.h"

#define ACK_PART 16

_Static_assert(MS_TICKS(DELAYED_ACK_MS) + 2 < ACK_SLOTS / 2, "a slot is empty when it comes again");

bool delay_init(struct tcp_engine *e)
{
	e->ack_next = pages_new(e->config.conns_max, sizeof e->ack_next[0]);
	for (uint32_t i = 0; i < ACK_SLOTS; i++)
		e->ack_slot[i] = NONE;
	e->ack_tick = now_tick(e);
	return e->ack_next != NULL;
}

static void put(struct tcp_engine *e, uint32_t index, uint32_t tick)
{
	uint32_t *slot = &e->ack_slot[tick % ACK_SLOTS];
	e->ack_next[index] = *slot;
	*slot = index;
}

void delay_ack(struct tcp_engine *e, struct conn *c)
{
	c->ack_at = tick_in_ms(e, DELAYED_ACK_MS);
	if (c->flags & C_IN_DELAY)
		return;
	if (e->ack_waiting++ == 0)
		e->ack_tick = now_tick(e);
	c->flags |= C_IN_DELAY;
	put(e, (uint32_t)(c - e->conns), c->ack_at);
}

/* The first of the slot of e->ack_tick comes out. */
static void take(struct tcp_engine *e, uint32_t index)
{
	struct conn *c = &e->conns[index];
	e->ack_slot[e->ack_tick % ACK_SLOTS] = e->ack_next[index];
	bool due = c->state != STATE_FREE && c->ack_at != 0;
	/* later than a round of the slots, after a long pause: now is as good */
	if (due && !tick_passed(e, c->ack_at) && c->ack_at - e->ack_tick < ACK_SLOTS) {
		put(e, index, c->ack_at);
		return;
	}
	c->flags &= ~(uint32_t)C_IN_DELAY;
	e->ack_waiting--;
	if (!due)
		return;
	c->ack_at = 0;
	c->flags |= C_ACK_NOW;
	conn_touch(e, c);
}

/* The first of a list, as many as a part of it has. */
static void fetch_part(const struct tcp_engine *e, uint32_t index)
{
	for (uint32_t i = 0; i < ACK_PART && index != NONE; i++, index = e->ack_next[index]) {
		fetch_line(&e->conns[index].flags);
		fetch_line(&e->conns[index].ack_at);
	}
}

uint32_t delay_expire(struct tcp_engine *e, uint32_t budget)
{
	uint32_t now = now_tick(e), done = 0;
	if (e->ack_waiting == 0)
		return 0;
	if (now - e->ack_tick >= ACK_SLOTS)
		e->ack_tick = now - (ACK_SLOTS - 1);
	for (;;) {
		uint32_t first = e->ack_slot[e->ack_tick % ACK_SLOTS];
		if (first == NONE) {
			if (e->ack_tick == now)
				return done;
			e->ack_tick++;
		} else if (done == budget) {
			return done;
		} else {
			if (done % ACK_PART == 0)
				fetch_part(e, first);
			take(e, first);
			done++;
		}
	}
}

uint32_t delay_next(const struct tcp_engine *e)
{
	uint32_t tick = e->ack_tick;
	while (e->ack_slot[tick % ACK_SLOTS] == NONE)
		tick++;
	return tick;
}
