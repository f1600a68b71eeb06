/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIME-WAIT in small records: a queue in the order of expiry (RFC 9293 3.6.1, RFC 1337,
 * RFC 6191). When there is none left the oldest makes room.
 */
#include "tcp/tcp_priv.h"

#define TW_TS 1u

void time_wait_init(struct tcp_engine *e)
{
	uint32_t n = e->config.time_wait_max;
	for (uint32_t i = 0; i < n; i++)
		e->time_waits[i].next = i + 1 < n ? i + 1 : NONE;
	e->tw_free = n ? 0 : NONE;
	e->tw_head = e->tw_tail = NONE;
}

static void enqueue(struct tcp_engine *e, uint32_t index)
{
	struct time_wait *t = &e->time_waits[index];
	t->expires = tick_in_ms(e, TIME_WAIT_MS);
	t->next = NONE;
	t->prev = e->tw_tail;
	if (e->tw_tail != NONE)
		e->time_waits[e->tw_tail].next = index;
	else
		e->tw_head = index;
	e->tw_tail = index;
}

static void dequeue(struct tcp_engine *e, uint32_t index)
{
	struct time_wait *t = &e->time_waits[index];
	if (t->prev != NONE)
		e->time_waits[t->prev].next = t->next;
	else
		e->tw_head = t->next;
	if (t->next != NONE)
		e->time_waits[t->next].prev = t->prev;
	else
		e->tw_tail = t->prev;
}

static void remove_record(struct tcp_engine *e, uint32_t index)
{
	table_remove(e, &e->time_waits[index].key, ENTRY(ENTRY_TIME_WAIT, index));
	dequeue(e, index);
	e->time_waits[index].next = e->tw_free;
	e->tw_free = index;
	e->tw_count--;
}

void time_wait_enter(struct tcp_engine *e, struct conn *c)
{
	if (e->tw_free == NONE && e->tw_head != NONE) {
		count(e, COUNTER_TCP_TIME_WAIT_RECYCLED);
		remove_record(e, e->tw_head);
	}
	uint32_t index = e->tw_free;
	if (index == NONE) { /* configured without any */
		conn_close(e, c, TCP_CLOSED_NORMAL);
		return;
	}
	struct time_wait *t = &e->time_waits[index];
	e->tw_free = t->next;
	e->tw_count++;
	t->key = c->key;
	t->flags = c->flags & C_TS ? TW_TS : 0;
	t->rcv_nxt = c->rcv_nxt;
	t->snd_nxt = c->snd_nxt;
	t->ts_recent = c->ts_recent;
	enqueue(e, index);
	table_replace(e, &c->key, ENTRY(ENTRY_CONN, (uint32_t)(c - e->conns)),
	              ENTRY(ENTRY_TIME_WAIT, index));
	conn_end(e, c, TCP_CLOSED_NORMAL);
}

static void answer(struct tcp_engine *e, const struct time_wait *t)
{
	uint8_t options[12];
	struct bare b = {.seq = t->snd_nxt, .ack = t->rcv_nxt, .flags = ACK, .options = options};
	if (t->flags & TW_TS)
		b.option_bytes = options_put_ts(options, ts_now(e, ts_offset_make(e, &t->key)),
		                                t->ts_recent);
	send_bare(e, &t->key, &b);
}

/* RFC 6191 2: a new incarnation, told by a later timestamp or sequence number. */
static bool is_new_incarnation(const struct time_wait *t, const struct segment *s)
{
	if (!(s->flags & SYN) || s->flags & (ACK | FIN))
		return false;
	if (t->flags & TW_TS && s->opt.has_ts && s->opt.tsval != t->ts_recent)
		return seq_lt(t->ts_recent, s->opt.tsval);
	return seq_lt(t->rcv_nxt, s->seq);
}

void time_wait_input(struct tcp_engine *e, uint32_t index, const struct segment *s)
{
	struct time_wait *t = &e->time_waits[index];
	if (s->flags & RST) {
		count(e, COUNTER_TCP_TIME_WAIT_RST_IGNORED); /* RFC 1337 3 (F1) */
		return;
	}
	if (is_new_incarnation(t, s) && port_is_open(e, t->key.local_port)) {
		struct key key = t->key;
		count(e, COUNTER_TCP_TIME_WAIT_REUSED);
		remove_record(e, index);
		syn_input(e, &key, s);
		return;
	}
	if (s->flags & FIN) {
		dequeue(e, index); /* RFC 9293 3.10.7.4, eighth: restart the 2 MSL */
		enqueue(e, index);
	}
	/* pure ACKs go unanswered, so that two of them don't talk for ever */
	if (s->flags & (SYN | FIN) || s->data_bytes > 0)
		answer(e, t);
	else
		count(e, COUNTER_TCP_TIME_WAIT_ACK_IGNORED);
}

uint32_t time_wait_expire(struct tcp_engine *e, uint32_t budget)
{
	uint32_t done = 0;
	while (done < budget && e->tw_head != NONE &&
	       tick_passed(e, e->time_waits[e->tw_head].expires)) {
		remove_record(e, e->tw_head);
		done++;
	}
	return done;
}
