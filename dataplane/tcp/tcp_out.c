/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building and sending segments.
 *
 *     0               1               2               3
 *     | source port                   | destination port              |
 *     | sequence number                                               |
 *     | acknowledgment number                                         |
 *     | off   | 0     |C E U A P R S F| window                        |
 *     | checksum: left zero, the link's | urgent pointer: always 0    |
 *     | options ...                                                   |     RFC 9293 3.1
 */
#include "tcp/tcp_priv.h"

#define HEADER_BYTES 20

uint32_t unsent(const struct conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	/* the FIN, once sent, is the last of what is in flight */
	if (flight > 0 && c->flags & C_FIN_SENT)
		flight--;
	return c->tx_bytes - flight;
}

bool has_output(struct tcp_engine *e, struct conn *c)
{
	return has_unsent(c) || c->flags & C_FORCE || score_first_lost(e, c) != NONE;
}

/* Payload of a full segment: the MSS counts no options (RFC 9293 3.7.1, RFC 6691). */
uint32_t payload_max(const struct conn *c)
{
	return c->mss - (c->flags & C_TS ? 12u : 0u);
}

/*
 * The window field, and the promise that goes with it. The right edge never moves left (RFC 9293
 * 3.8.6) and moves right only by a worthwhile step (3.8.6.2.2, silly windows).
 */
static uint16_t window_field(struct tcp_engine *e, struct conn *c)
{
	uint32_t shift = c->flags & C_WSCALE ? e->rcv_wscale : 0;
	uint32_t offered = c->rcv_adv - c->rcv_nxt;
	uint32_t window = rx_window(e, c);
	uint32_t step = min_u32(e->config.rx_buffer_bytes / 2, c->mss);
	if (window < offered || window - offered < step)
		window = offered;
	uint32_t field = min_u32(window >> shift, UINT16_MAX);
	uint32_t edge = c->rcv_nxt + (field << shift);
	/* rounding to the scale may show less than promised: the promise stays (RFC 7323 2.4) */
	if (seq_lt(c->rcv_adv, edge))
		c->rcv_adv = edge;
	return (uint16_t)field;
}

static void put_header(uint8_t *out, const struct key *key, const struct bare *b)
{
	put_be16(out, key->local_port);
	put_be16(out + 2, key->peer_port);
	put_be32(out + 4, b->seq);
	put_be32(out + 8, b->ack);
	out[12] = (uint8_t)((HEADER_BYTES + b->option_bytes) / 4 << 4);
	out[13] = b->flags;
	put_be16(out + 14, b->window);
	put_be32(out + 16, 0);
	if (b->option_bytes)
		memcpy(out + HEADER_BYTES, b->options, b->option_bytes);
}

static uint8_t *buffer_get(struct tcp_engine *e, uint32_t bytes, bool control)
{
	uint8_t *buffer = e->link.alloc(e->link_context, bytes, control);
	if (!buffer) {
		count(e, control ? COUNTER_TCP_NO_CONTROL_BUFFER : COUNTER_TCP_NO_DATA_BUFFER);
		e->link_full = true;
		e->link_shut = e->link_shut || control;
	}
	return buffer;
}

static void buffer_send(struct tcp_engine *e, const struct key *key, uint8_t *buffer,
                        uint32_t bytes)
{
	struct tcp_address peer;
	memcpy(peer.ip, key->ip, sizeof peer.ip);
	count(e, COUNTER_TCP_SEGMENTS_OUT);
	e->link.send(e->link_context, &e->locals[key->local], &peer, buffer, bytes);
}

bool send_bare(struct tcp_engine *e, const struct key *key, const struct bare *b)
{
	uint32_t bytes = HEADER_BYTES + b->option_bytes;
	uint8_t *buffer = buffer_get(e, bytes, true);
	if (!buffer)
		return false;
	put_header(buffer, key, b);
	buffer_send(e, key, buffer, bytes);
	return true;
}

/* One segment of a connection. False: no buffer. */
static bool emit(struct tcp_engine *e, struct conn *c, uint32_t seq, uint8_t flags,
                 uint32_t data_bytes, const struct range *ranges, uint32_t range_count)
{
	uint8_t options[40];
	struct bare b = {.seq = seq, .ack = c->rcv_nxt, .flags = flags, .options = options};
	if (c->flags & C_TS)
		b.option_bytes = options_put_ts(options, ts_now(e, c->ts_offset), c->ts_recent);
	b.option_bytes += options_put_sack(options + b.option_bytes, ranges, range_count);
	uint32_t bytes = HEADER_BYTES + b.option_bytes + data_bytes;
	uint8_t *buffer = buffer_get(e, bytes, data_bytes == 0);
	if (!buffer)
		return false;
	b.window = window_field(e, c);
	put_header(buffer, &c->key, &b);
	tx_copy(e, c, seq - c->snd_una, buffer + HEADER_BYTES + b.option_bytes, data_bytes);
	c->flags &= ~(uint32_t)C_ACK_NOW;
	c->ack_at = 0;
	c->ack_segments = 0;
	c->last_ack_sent = c->rcv_nxt;
	buffer_send(e, &c->key, buffer, bytes);
	return true;
}

void send_ack(struct tcp_engine *e, struct conn *c, const struct range *dsack)
{
	struct range ranges[4];
	uint32_t n = 0;
	if (c->flags & C_SACK) {
		uint32_t most = c->flags & C_TS ? 3 : 4;
		const struct ext *x = ext_of(e, c);
		if (dsack) {
			ranges[n++] = *dsack; /* RFC 2883 4: first */
			count(e, COUNTER_TCP_DSACK_SENT);
		}
		for (uint32_t i = 0; x && i < x->ooo_count && n < most; i++)
			ranges[n++] = x->ooo[i];
	}
	/* SEQ=SND.NXT, RFC 9293 3.10.7.4 */
	if (!emit(e, c, c->snd_nxt, ACK, 0, ranges, n)) {
		c->flags |= C_ACK_NOW;
		conn_touch(e, c);
	}
}

void send_challenge(struct tcp_engine *e, struct conn *c)
{
	uint16_t now = (uint16_t)now_tick(e);
	if (c->flags & C_CHALLENGED && (uint16_t)(now - c->challenge_at) < MS_TICKS(CHALLENGE_MS)) {
		count(e, COUNTER_TCP_CHALLENGE_THROTTLED);
		return;
	}
	c->flags |= C_CHALLENGED;
	c->challenge_at = now;
	count(e, COUNTER_TCP_CHALLENGE_SENT);
	send_ack(e, c, NULL);
}

void send_rst(struct tcp_engine *e, struct conn *c)
{
	struct bare b = {.seq = c->snd_nxt, .ack = c->rcv_nxt, .flags = RST | ACK};
	if (send_bare(e, &c->key, &b))
		count(e, COUNTER_TCP_RST_SENT);
}

bool rst_token(struct tcp_engine *e)
{
	uint32_t elapsed = now_tick(e) - e->rst_tick;
	uint64_t gained = (uint64_t)elapsed * RST_PER_S / MS_TICKS(1000);
	if (gained > 0) {
		e->rst_tick = now_tick(e);
		e->rst_tokens = (uint32_t)(e->rst_tokens + gained > RST_PER_S ? RST_PER_S
		                                                       : e->rst_tokens + gained);
	}
	if (e->rst_tokens == 0)
		return false;
	e->rst_tokens--;
	return true;
}

/* RFC 9293 3.10.7.1: the reset that makes no sense of its own to the sender's connection. */
void reply_rst(struct tcp_engine *e, const struct key *key, const struct segment *s)
{
	if (s->flags & RST)
		return;
	if (!rst_token(e)) {
		count(e, COUNTER_TCP_RST_THROTTLED);
		return;
	}
	struct bare b = {.seq = s->ack, .flags = RST};
	if (!(s->flags & ACK)) {
		b.seq = 0;
		b.ack = s->seq + s->data_bytes + !!(s->flags & SYN) + !!(s->flags & FIN);
		b.flags = RST | ACK;
	}
	if (send_bare(e, key, &b))
		count(e, COUNTER_TCP_RST_SENT);
}

bool retransmit(struct tcp_engine *e, struct conn *c, uint32_t i)
{
	uint32_t segments;
	const struct sent *sent = score_segments(e, c, &segments);
	CHECK_OP(i, <, segments);
	uint32_t start = score_start(e, c, i);
	uint32_t bytes = sent[i].end - start;
	bool fin = c->flags & C_FIN_SENT && sent[i].end == c->snd_nxt;
	uint32_t data = bytes - fin;
	uint32_t most = payload_max(c);
	/* the window may have shrunk below what is in flight */
	uint32_t edge = c->snd_una + c->snd_wnd;
	if (seq_lt(edge, start + most))
		most = seq_lt(start, edge) ? edge - start : 1;
	if (data > most) {
		data = most;
		fin = false;
	}
	bool last = data > 0 && start + data == c->snd_una + c->tx_bytes;
	uint8_t flags = ACK | (fin ? FIN : 0) | (last ? PSH : 0);
	if (!emit(e, c, start, flags, data, NULL, 0))
		return false;
	count(e, COUNTER_TCP_RETRANSMITS);
	score_resent(e, c, i, data + fin);
	return true;
}

/* Room in the peer's window behind snd_nxt. */
static uint32_t usable_window(const struct conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	return c->snd_wnd > flight ? c->snd_wnd - flight : 0;
}

static bool send_range(struct tcp_engine *e, struct conn *c, uint32_t data)
{
	uint32_t left = unsent(c) - data;
	bool fin = left == 0 && c->flags & C_FIN_QUEUED;
	if (data == 0 && !fin)
		return false;
	uint8_t flags = ACK | (fin ? FIN : 0) | (data > 0 && left == 0 ? PSH : 0);
	if (!emit(e, c, c->snd_nxt, flags, data, NULL, 0))
		return false;
	uint32_t end = c->snd_nxt + data + fin;
	score_append(e, c, end);
	c->snd_nxt = end;
	if (fin)
		c->flags |= C_FIN_SENT;
	return true;
}

/* RFC 9293 3.8.6.2.1, without Nagle: a full segment, all there is, or half the peer's largest
 * window; anything smaller waits for the window or the probe timer. */
static uint32_t worth_sending(const struct conn *c, uint32_t most)
{
	uint32_t queued = unsent(c);
	uint32_t data = min_u32(min_u32(queued, usable_window(c)), most);
	if (data == queued || data == payload_max(c))
		return data;
	uint32_t half = (uint32_t)c->max_window << c->snd_wscale >> 1;
	return data > 0 && data >= half ? data : 0;
}

bool send_new(struct tcp_engine *e, struct conn *c, uint32_t most)
{
	if (!has_unsent(c))
		return false;
	uint32_t data = worth_sending(c, min_u32(most, payload_max(c)));
	if (data == 0 && unsent(c) > 0)
		return false;
	/* last, because it may take an extension block */
	return score_has_room(e, c) && send_range(e, c, data);
}

bool send_probe(struct tcp_engine *e, struct conn *c)
{
	count(e, COUNTER_TCP_PROBES_SENT);
	if (c->snd_nxt != c->snd_una)
		return retransmit(e, c, 0);
	uint32_t data = min_u32(unsent(c), max_u32(1, min_u32(usable_window(c), payload_max(c))));
	return score_has_room(e, c) && send_range(e, c, data);
}

/* RFC 5681 4.1: after an idle period of an RTO, start from the restart window again. */
static void restart_after_idle(struct tcp_engine *e, struct conn *c)
{
	if (c->snd_nxt != c->snd_una || !has_unsent(c) || c->srtt_us == 0)
		return;
	if ((uint32_t)e->now_us - c->single.xmit_us <= rto_us(c))
		return;
	struct ext *x = ext_of(e, c);
	if (x)
		x->cubic_epoch = false; /* silence is no time in which the window may grow */
	c->cwnd = min_u32(c->cwnd, cwnd_initial(c));
}

/* One segment, lost ones first. False: nothing more may be sent now. */
static bool output_one(struct tcp_engine *e, struct conn *c)
{
	uint32_t pipe = score_pipe(e, c);
	uint32_t lost = score_first_lost(e, c);
	uint32_t edge = c->snd_una + c->snd_wnd;
	if (lost != NONE && seq_lt(score_start(e, c, lost), edge)) {
		if (pipe >= c->cwnd && !(c->flags & C_FORCE))
			return false;
		if (!retransmit(e, c, lost))
			return false;
		c->flags &= ~(uint32_t)C_FORCE;
		/* its ACK takes a whole round trip from now (RFC 6298 5.1) */
		if (lost == 0 && !(c->flags & C_TIMER_REO))
			rtx_arm(e, c);
		return true;
	}
	if (pipe >= c->cwnd && !(c->flags & C_FIN_QUEUED && unsent(c) == 0))
		return false;
	/* the window is in bytes and segments are whole: to the nearest, so that small windows lose
	 * nothing on average (rounding down costs a tenth of five segments) */
	uint32_t want = min_u32(unsent(c), payload_max(c));
	if (pipe > 0 && (c->cwnd - pipe) * 2 < want)
		return false;
	return send_new(e, c, payload_max(c));
}

void conn_output(struct tcp_engine *e, struct conn *c)
{
	if (rx_update_due(e, c))
		c->flags |= C_ACK_NOW;
	restart_after_idle(e, c);
	bool was_idle = c->snd_nxt == c->snd_una;
	while (!e->link_full && has_output(e, c) && output_one(e, c))
		;
	bool in_flight = c->snd_nxt != c->snd_una;
	if ((was_idle && in_flight) || (c->rtx_at == 0 && (in_flight || has_unsent(c))))
		rtx_arm(e, c);
	/* also when there are no buffers for data: a reserve is kept for this */
	if (c->flags & C_ACK_NOW && !e->link_shut)
		send_ack(e, c, NULL);
}
