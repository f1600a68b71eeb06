/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The active-open side of TCP for meters: as little as a well-behaved client needs.
 *
 * In order only: a segment behind a gap is dropped and answered by a duplicate ACK. One
 * retransmission time-out, doubled each time, from where the peer is (go back N); fast retransmit
 * after three duplicate ACKs. The peer's window is respected and probed. Sent bytes are not kept:
 * the items of the stream are rendered again. Acknowledgements wait 40 ms for data to ride on, or
 * for a second segment.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "gen.h"

#define TCP_HEADER     20
#define TIMESTAMPS     12 /* NOP, NOP, kind 8 (RFC 7323 3.2) */
#define SYN_OPTIONS    20 /* MSS, SACK-free; NOP, window scale; NOP, NOP, timestamps */
#define RECEIVE_WINDOW 32768
#define DELAYED_ACK_MS 40
#define SYN_RTO_MS     1000
#define BACKOFF_MAX    8
#define RTO_MAX_MS     60000
#define DUP_ACKS       3
#define REOPEN_MIN_MS  1000
#define CHECKSUM_AT    16
#define FLAG_FIN       1
#define FLAG_SYN       2
#define FLAG_RST       4
#define FLAG_PSH       8
#define FLAG_ACK       16

static uint32_t timestamp_now(const struct gen *g)
{
	return gen_now_ms(g) + 1;
}

/* --- the list of items --- */

void client_unlink(struct gen *g, struct client *c, uint32_t previous, uint32_t item)
{
	uint32_t next = g->items[item].next;
	if (previous == NONE)
		c->head = next;
	else
		g->items[previous].next = next;
	if (c->tail == item)
		c->tail = previous;
	if (c->unsent == item)
		c->unsent = next;
}

static uint32_t stream_end(const struct gen *g, const struct client *c)
{
	if (c->unsent == NONE)
		return c->snd_nxt;
	return g->items[c->tail].seq + g->items[c->tail].bytes;
}

void client_append(struct gen *g, uint32_t client, uint32_t item)
{
	struct client *c = &g->clients[client];
	struct item *i = &g->items[item];
	i->bytes = (uint16_t)mqtt_item_bytes(g, client, i);
	i->seq = stream_end(g, c);
	i->next = NONE;
	if (c->tail == NONE)
		c->head = item;
	else
		g->items[c->tail].next = item;
	c->tail = item;
	if (c->unsent == NONE)
		c->unsent = item;
}

static uint32_t control_item(struct gen *g, uint8_t kind)
{
	uint32_t i = item_new(g);
	if (i != NONE)
		g->items[i].kind = kind;
	return i;
}

/* --- segments out --- */

static uint32_t put_timestamps(const struct gen *g, const struct client *c, uint8_t *at)
{
	put_be32(at, 0x0101080a);
	put_be32(at + 4, timestamp_now(g));
	put_be32(at + 8, c->ts_recent);
	return TIMESTAMPS;
}

/* Headers in front of `payload` bytes that stand behind them already, and off it goes. */
static void emit(struct gen *g, uint32_t client, uint8_t *tcp, uint8_t flags, uint32_t seq,
		 uint32_t options, uint32_t payload)
{
	struct client *c = &g->clients[client];
	uint8_t source[4];
	uint16_t port;
	wire_client_address(g, client, source, &port);
	put_be16(tcp, port);
	put_be16(tcp + 2, g->options.mqtt_port);
	put_be32(tcp + 4, seq);
	put_be32(tcp + 8, flags & FLAG_ACK ? c->rcv_nxt : 0);
	tcp[12] = (uint8_t)((TCP_HEADER + options) / 4 << 4);
	tcp[13] = flags;
	put_be16(tcp + 14, c->flags & CLIENT_HOLDER && !(flags & FLAG_SYN) ? 0 : RECEIVE_WINDOW);
	put_be16(tcp + 18, 0);
	c->flags &= (uint8_t)~CLIENT_ACK_PENDING;
	wire_send(g, source, 6, TCP_HEADER + options + payload, CHECKSUM_AT);
}

static void send_bare(struct gen *g, uint32_t client, uint8_t flags, uint32_t seq)
{
	struct client *c = &g->clients[client];
	uint8_t *tcp = wire_new(g);
	if (!tcp)
		return;
	uint32_t options = 0;
	if (c->flags & CLIENT_TIMESTAMPS && !(flags & FLAG_RST))
		options = put_timestamps(g, c, tcp + TCP_HEADER);
	emit(g, client, tcp, flags, seq, options, 0);
	if (flags == FLAG_ACK)
		g->totals.acks_sent++;
}

static void send_syn(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint8_t *tcp = wire_new(g);
	if (!tcp)
		return;
	put_be32(tcp + TCP_HEADER, 0x02040000 | TCP_MSS);
	put_be32(tcp + TCP_HEADER + 4,
		 0x01030300); /* we need no shift, but the peer may want one */
	c->ts_recent = 0;
	put_timestamps(g, c, tcp + TCP_HEADER + 8);
	emit(g, client, tcp, FLAG_SYN, c->snd_una, SYN_OPTIONS, 0);
}

/* Copy stream bytes from `seq` on, at most `room`, out of the items from `item` on. */
static uint32_t fill(struct gen *g, uint32_t client, uint32_t item, uint32_t seq, uint8_t *out,
		     uint32_t room)
{
	uint32_t filled = 0;
	while (item != NONE && filled < room) {
		struct item *i = &g->items[item];
		uint32_t skip = seq + filled - i->seq, count = i->bytes - skip;
		if (skip == 0 && count <= room - filled) {
			mqtt_render(g, client, i, out + filled);
		} else {
			if (g->scratch_item != item)
				mqtt_render(g, client, i, g->scratch);
			g->scratch_item = item;
			if (count > room - filled)
				count = room - filled;
			memcpy(out + filled, g->scratch + skip, count);
		}
		filled += count;
		if (i->kind == ITEM_CONNECT)
			break; /* what is behind it waits for the CONNACK */
		item = i->next;
	}
	return filled;
}

/* One segment with stream bytes from snd_nxt on. False: nothing was sent. */
static bool send_data(struct gen *g, uint32_t client, uint32_t room)
{
	struct client *c = &g->clients[client];
	uint8_t *tcp = wire_new(g);
	if (!tcp)
		return false;
	uint32_t options = 0, mss = TCP_MSS;
	if (c->flags & CLIENT_TIMESTAMPS) {
		options = put_timestamps(g, c, tcp + TCP_HEADER);
		mss -= TIMESTAMPS;
	}
	uint32_t sent = fill(g, client, c->unsent, c->snd_nxt, tcp + TCP_HEADER + options,
			     room < mss ? room : mss);
	emit(g, client, tcp, FLAG_ACK | FLAG_PSH, c->snd_nxt, options, sent);
	c->snd_nxt += sent;
	while (c->unsent != NONE) {
		struct item *i = &g->items[c->unsent];
		if (seq_before(c->snd_nxt, i->seq + i->bytes))
			break;
		if (!(i->flags & ITEM_SENT)) {
			i->flags |= ITEM_SENT;
			gen_sent(g, i);
		}
		c->unsent = i->next;
	}
	return true;
}

static uint32_t timeout_ms(const struct gen *g, const struct client *c)
{
	uint32_t base = c->state == CLIENT_SYN_SENT ? SYN_RTO_MS : g->options.rto_ms;
	uint32_t ms = base << c->backoff;
	return ms < RTO_MAX_MS ? ms : RTO_MAX_MS;
}

static bool is_outstanding(const struct client *c)
{
	return c->snd_una != c->snd_nxt || c->unsent != NONE;
}

/* Arm for whatever comes first; a deadline that moves away is looked at again when it fires. */
static void arm(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t wait = is_outstanding(c) ? timeout_ms(g, c) : g->options.keep_alive * 900;
	if (c->state == CLIENT_CLOSED || c->state == CLIENT_FAILED || wait == 0)
		return;
	if (wheel_is_armed(&c->timer) && !is_outstanding(c))
		return;
	uint64_t due = ((g->now_us / 1000 & ~0xffffffffull) | c->active_ms) * 1000 + wait * 1000ull;
	uint64_t armed_for = ((uint64_t)c->timer.deadline << g->wheel.tick_shift);
	if (!wheel_is_armed(&c->timer) || due < armed_for)
		wheel_arm(&g->wheel, client, due);
}

void client_output(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	if (c->state != CLIENT_CONNECTING && c->state != CLIENT_UP && c->state != CLIENT_CLOSING)
		return;
	while (c->unsent != NONE) {
		const struct item *i = &g->items[c->unsent];
		/* nothing before the CONNACK but the CONNECT */
		if (c->state == CLIENT_CONNECTING && i->kind != ITEM_CONNECT)
			break;
		uint32_t flying = c->snd_nxt - c->snd_una;
		if (flying >= c->snd_wnd)
			break;
		if (flying == 0)
			c->active_ms = gen_now_ms(g);
		if (!send_data(g, client, c->snd_wnd - flying))
			break;
	}
	arm(g, client);
}

/* --- opening and closing --- */

void client_open(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	CHECK(c->state == CLIENT_CLOSED || c->state == CLIENT_FAILED);
	c->port_turn = (uint8_t)((c->port_turn + 1) % PORT_TURNS);
	c->state = CLIENT_SYN_SENT;
	c->flags &= CLIENT_HOLDER | CLIENT_ONE_SHOT | CLIENT_ACK_QUEUED;
	c->flags |= CLIENT_TIMESTAMPS;
	c->snd_una = (uint32_t)gen_random(g);
	c->snd_nxt = c->snd_una + 1;
	c->rcv_nxt = 0;
	c->snd_wnd = 0;
	c->backoff = c->dup_acks = c->wscale_stash = 0;
	c->active_ms = gen_now_ms(g);
	g->totals.opened++;
	g->schedule.half_open++;
	send_syn(g, client);
	wheel_arm(&g->wheel, client, g->now_us + SYN_RTO_MS * 1000);
}

/* Put what is left of the stream behind a new CONNECT; seq begins at snd_nxt. */
static void restart_stream(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t left = c->head;
	c->head = c->tail = c->unsent = NONE;
	uint32_t connect = control_item(g, ITEM_CONNECT);
	if (connect != NONE)
		client_append(g, client, connect);
	while (left != NONE) {
		uint32_t next = g->items[left].next;
		struct item *i = &g->items[left];
		if (i->kind == ITEM_PUBLISH) {
			if (i->flags & ITEM_SENT && g->options.qos) {
				i->flags |= ITEM_AGAIN; /* other bytes than before */
				g->scratch_item = NONE;
				g->totals.mqtt_again++;
			}
			client_append(g, client, left);
		} else {
			item_free(g, left);
		}
		left = next;
	}
}

/* Both directions are finished, or nobody waits for them. */
static void closed(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	for (uint32_t i = c->head; i != NONE;) {
		uint32_t next = g->items[i].next;
		if (g->items[i].kind == ITEM_PUBLISH)
			gen_unanswered(g, i);
		else
			item_free(g, i);
		i = next;
	}
	c->head = c->tail = c->unsent = NONE;
	c->state = CLIENT_CLOSED;
	wheel_cancel(&g->wheel, client);
	g->totals.closed++;
}

/* The connection is gone, not by our will: try again later, with what is not acknowledged. */
static void lost(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	if (c->state == CLIENT_CLOSING) {
		closed(g, client);
		return;
	}
	bool holder = c->flags & CLIENT_HOLDER;
	if (c->state == CLIENT_UP)
		g->up--;
	else if (!holder || c->state == CLIENT_SYN_SENT)
		g->schedule.half_open--;
	if (holder && c->state != CLIENT_SYN_SENT)
		g->totals.holders_lost++;
	c->state = CLIENT_CLOSED;
	c->flags &= (uint8_t)~CLIENT_ACK_PENDING;
	wheel_cancel(&g->wheel, client);
	if (!holder && g->schedule.phase < PHASE_CLOSE)
		wheel_arm(&g->wheel, client,
			  g->now_us + (REOPEN_MIN_MS + gen_random(g) % REOPEN_MIN_MS) * 1000);
}

static void abort_now(struct gen *g, uint32_t client)
{
	send_bare(g, client, FLAG_RST | FLAG_ACK, g->clients[client].snd_nxt);
	lost(g, client);
}

/* Behind everything that is queued; not yet, when the peer's window keeps some of that back. */
static void send_fin(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	if (c->unsent != NONE)
		return;
	send_bare(g, client, FLAG_FIN | FLAG_ACK, c->snd_nxt);
	c->snd_nxt++;
}

void client_close(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	CHECK_OP(c->state, ==, CLIENT_UP);
	g->up--;
	uint32_t item = control_item(g, ITEM_DISCONNECT);
	if (item != NONE)
		client_append(g, client, item);
	client_output(g, client);
	c->state = CLIENT_CLOSING;
	if (c->snd_una == c->snd_nxt)
		c->active_ms = gen_now_ms(g);
	send_fin(g, client);
	arm(g, client);
}

/* --- time --- */

/* Go back to where the peer is. */
static void retransmit(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t item = c->head;
	g->totals.tcp_retransmitted++;
	if (c->state == CLIENT_SYN_SENT) {
		send_syn(g, client);
		return;
	}
	while (item != NONE && !seq_before(c->snd_una, g->items[item].seq + g->items[item].bytes))
		item = g->items[item].next;
	c->unsent = item;
	c->snd_nxt = c->snd_una;
	if (c->state == CLIENT_CLOSING) {
		client_output(g, client);
		send_fin(g, client);
		return;
	}
	uint32_t window = c->snd_wnd;
	if (item != NONE && window == 0)
		send_data(g, client, 1); /* a window probe: RFC 9293 3.8.6.1 */
	else
		client_output(g, client);
}

static void ping(struct gen *g, uint32_t client)
{
	uint32_t item = control_item(g, ITEM_PINGREQ);
	if (item == NONE)
		return;
	client_append(g, client, item);
	g->totals.pings++;
	client_output(g, client);
}

void client_timer(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t now = gen_now_ms(g);
	if (c->state == CLIENT_CLOSED) {
		client_open(g, client);
		return;
	}
	if (c->state == CLIENT_FAILED)
		return;
	bool outstanding = is_outstanding(c);
	uint32_t wait = outstanding ? timeout_ms(g, c) : g->options.keep_alive * 900;
	if (wait && now - c->active_ms >= wait) {
		c->active_ms = now;
		if (!outstanding) {
			if (c->state == CLIENT_UP)
				ping(g, client);
		} else if (c->backoff == BACKOFF_MAX) {
			g->totals.timed_out++;
			abort_now(g, client);
			return;
		} else {
			c->backoff++;
			retransmit(g, client);
		}
	}
	arm(g, client);
}

/* Owe an ACK, for 40 ms at most. */
static void owe_ack(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	struct ack_queue *q = &g->acks;
	c->flags |= CLIENT_ACK_PENDING;
	if (c->flags & CLIENT_ACK_QUEUED)
		return; /* an older entry stands for it */
	c->flags |= CLIENT_ACK_QUEUED;
	q->all[q->tail++ & q->mask] =
	    (struct ack_due){.client = client, .due_ms = gen_now_ms(g) + DELAYED_ACK_MS};
}

/* Now, unless the port takes no more: dropped, it would make the peer send again. */
static void ack_now(struct gen *g, uint32_t client)
{
	if (link_is_congested(&g->link))
		owe_ack(g, client);
	else
		send_bare(g, client, FLAG_ACK, g->clients[client].snd_nxt);
}

void client_run_acks(struct gen *g)
{
	struct ack_queue *q = &g->acks;
	uint32_t now = gen_now_ms(g);
	while (q->head != q->tail) {
		struct ack_due *due = &q->all[q->head & q->mask];
		if (seq_before(now, due->due_ms) || link_is_congested(&g->link))
			return;
		__builtin_prefetch(&g->clients[q->all[(q->head + 4) & q->mask].client], 1);
		struct client *c = &g->clients[due->client];
		q->head++;
		c->flags &= (uint8_t)~CLIENT_ACK_QUEUED;
		if (c->flags & CLIENT_ACK_PENDING)
			send_bare(g, due->client, FLAG_ACK, c->snd_nxt);
	}
}

/* --- segments in --- */

struct segment {
	uint32_t seq, ack, window, bytes;
	const uint8_t *data;
	uint8_t flags, wscale;
	bool has_timestamps;
	uint32_t timestamp;
};

/* False: not a TCP header. Options are read with care, but a bad one only ends the reading. */
static bool parse(const uint8_t *tcp, uint32_t bytes, struct segment *s)
{
	if (bytes < TCP_HEADER)
		return false;
	uint32_t header = (tcp[12] >> 4) * 4u;
	if (header < TCP_HEADER || header > bytes)
		return false;
	*s = (struct segment){.seq = get_be32(tcp + 4),
			      .ack = get_be32(tcp + 8),
			      .window = get_be16(tcp + 14),
			      .bytes = bytes - header,
			      .data = tcp + header,
			      .flags = tcp[13]};
	for (uint32_t at = TCP_HEADER; at < header && tcp[at] != 0;) {
		uint32_t left = header - at, length = tcp[at] == 1 ? 1 : left > 1 ? tcp[at + 1] : 0;
		if (length == 0 || length > left || (tcp[at] != 1 && length < 2))
			break;
		if (tcp[at] == 3 && length == 3)
			s->wscale = tcp[at + 2] < 15 ? tcp[at + 2] : 14;
		if (tcp[at] == 8 && length == 10) {
			s->has_timestamps = true;
			s->timestamp = get_be32(tcp + at + 2);
		}
		at += length;
	}
	return true;
}

static void take_syn_ack(struct gen *g, uint32_t client, const struct segment *s)
{
	struct client *c = &g->clients[client];
	if (!(s->flags & FLAG_ACK))
		return;
	if (s->ack != c->snd_nxt) {
		/* the peer knows an older connection of this name: RFC 9293 3.10.7.3 */
		if (!(s->flags & FLAG_RST))
			send_bare(g, client, FLAG_RST, s->ack);
		return;
	}
	if (s->flags & FLAG_RST) {
		g->totals.reset++;
		lost(g, client);
		return;
	}
	if (!(s->flags & FLAG_SYN))
		return;
	c->state = CLIENT_CONNECTING;
	c->snd_una = s->ack;
	c->rcv_nxt = s->seq + 1;
	c->snd_wnd = s->window; /* never scaled in a SYN: RFC 7323 2.2 */
	c->wscale_stash = (uint8_t)(s->wscale << 4);
	c->backoff = 0;
	c->active_ms = gen_now_ms(g);
	if (!s->has_timestamps)
		c->flags &= (uint8_t)~CLIENT_TIMESTAMPS;
	c->ts_recent = s->timestamp;
	g->totals.established++;
	if (c->flags & CLIENT_HOLDER) {
		g->totals.holders++;
		g->schedule.half_open--;
	}
	restart_stream(g, client);
	client_output(g, client); /* the CONNECT carries the ACK */
}

/* Items of which nothing more is expected than that the peer's TCP has them. */
static void drop_delivered(struct gen *g, struct client *c)
{
	while (c->head != NONE) {
		struct item *i = &g->items[c->head];
		bool done =
		    i->kind == ITEM_DISCONNECT || (i->kind == ITEM_PUBLISH && !g->options.qos);
		if (!done || seq_before(c->snd_una, i->seq + i->bytes))
			return;
		uint32_t index = c->head;
		client_unlink(g, c, NONE, index);
		if (i->kind != ITEM_PUBLISH) {
			item_free(g, index);
			continue;
		}
		gen_acked(g, index); /* QoS 0: delivered is all there is */
		schedule_message_done(g, (uint32_t)(c - g->clients));
	}
}

static void take_ack(struct gen *g, uint32_t client, const struct segment *s)
{
	struct client *c = &g->clients[client];
	uint32_t end = stream_end(g, c);
	uint32_t window = s->window << (c->wscale_stash >> 4);
	if (seq_before(end, s->ack) || seq_before(s->ack, c->snd_una)) {
		return;
	}
	if (s->ack == c->snd_una) {
		bool duplicate = s->bytes == 0 && window == c->snd_wnd &&
				 c->snd_una != c->snd_nxt && !(s->flags & FLAG_FIN);
		c->snd_wnd = window;
		if (duplicate && ++c->dup_acks == DUP_ACKS)
			retransmit(g, client);
		return;
	}
	c->snd_wnd = window;
	c->snd_una = s->ack;
	c->dup_acks = c->backoff = 0;
	c->active_ms = gen_now_ms(g);
	if (seq_before(c->snd_nxt, s->ack)) {
		/* after going back, the peer turned out to have more */
		c->snd_nxt = s->ack;
		while (c->unsent != NONE &&
		       !seq_before(s->ack, g->items[c->unsent].seq + g->items[c->unsent].bytes))
			c->unsent = g->items[c->unsent].next;
	}
	drop_delivered(g, c);
}

/* The peer's bytes, or its FIN. */
static void take_data(struct gen *g, uint32_t client, struct segment *s)
{
	struct client *c = &g->clients[client];
	uint32_t known = c->rcv_nxt - s->seq; /* bytes that we have already */
	if (seq_before(c->rcv_nxt, s->seq) || c->flags & CLIENT_HOLDER ||
	    known > s->bytes + (s->flags & FLAG_FIN)) {
		g->totals.out_of_order++;
		ack_now(g, client);
		return;
	}
	if (known >= s->bytes + (s->flags & FLAG_FIN)) {
		ack_now(g, client); /* our ACK was lost */
		return;
	}
	uint32_t fresh = known < s->bytes ? s->bytes - known : 0;
	c->rcv_nxt += fresh;
	if (fresh && !mqtt_input(g, client, s->data + known, fresh)) {
		g->totals.protocol_errors++;
		abort_now(g, client);
		return;
	}
	if (c->state == CLIENT_CLOSED)
		return;
	if (s->flags & FLAG_FIN) {
		c->rcv_nxt++;
		c->flags |= CLIENT_FIN_SEEN;
		ack_now(g, client);
	} else if (c->flags & CLIENT_ACK_PENDING) {
		ack_now(g, client); /* for the second segment in a row */
	} else {
		owe_ack(g, client);
	}
}

static void take_reset(struct gen *g, uint32_t client, const struct segment *s)
{
	struct client *c = &g->clients[client];
	if (s->seq != c->rcv_nxt)
		return; /* RFC 5961 3.2 */
	g->totals.reset++;
	lost(g, client);
}

static void finish(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	if (c->state == CLIENT_CLOSING) {
		if (c->flags & CLIENT_FIN_SEEN && c->snd_una == c->snd_nxt)
			closed(g, client);
		return;
	}
	if (c->flags & CLIENT_FIN_SEEN) {
		g->totals.closed_by_peer++;
		abort_now(g, client);
	}
}

void client_input(struct gen *g, uint32_t client, const uint8_t *tcp, uint32_t bytes)
{
	struct client *c = &g->clients[client];
	struct segment s;
	if (!parse(tcp, bytes, &s)) {
		g->totals.rx_ignored++;
		return;
	}
	bool stale = (get_be16(tcp + 2) - PORT_FIRST) % PORT_TURNS != c->port_turn;
	if (stale || c->state == CLIENT_CLOSED || c->state == CLIENT_FAILED) {
		g->totals.rx_ignored++; /* of a connection that is over */
		return;
	}
	if (c->state == CLIENT_SYN_SENT) {
		take_syn_ack(g, client, &s);
		return;
	}
	if (s.flags & FLAG_RST) {
		take_reset(g, client, &s);
		return;
	}
	if (s.flags & FLAG_SYN) {
		ack_now(g, client); /* our ACK of its SYN was lost */
		return;
	}
	if (s.has_timestamps && !seq_before(c->rcv_nxt, s.seq))
		c->ts_recent = s.timestamp;
	take_ack(g, client, &s);
	if (s.bytes || s.flags & FLAG_FIN)
		take_data(g, client, &s);
	if (c->state == CLIENT_CLOSED || c->state == CLIENT_FAILED)
		return;
	client_output(g, client);
	finish(g, client);
}
