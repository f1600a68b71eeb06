/* SPDX-License-Identifier: Apache-2.0 */
#include "invariants.h"

#include "tcp/tcp_priv.h"

static const char *check_flight(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	const struct sent *s = score_segments(e, c, &n);
	uint32_t at = c->snd_una;
	for (uint32_t i = 0; i < n; i++) {
		if (!seq_lt(at, s[i].end))
			return "a segment in flight is empty or out of order";
		if (s[i].flags & SENT_SACKED && s[i].flags & SENT_LOST)
			return "a segment is both SACKed and lost";
		at = s[i].end;
	}
	if (at != c->snd_nxt)
		return "the segments in flight don't reach SND.NXT";
	uint32_t flight = c->snd_nxt - c->snd_una;
	bool fin = c->flags & C_FIN_SENT && flight > 0;
	if (flight - fin > c->tx_bytes)
		return "more in flight than queued";
	if (c->cwnd == 0 || c->mss < MSS_FLOOR)
		return "no congestion window or MSS";
	bool guarded = c->rtx_at != 0 || c->flags & C_IN_FLUSH;
	if ((flight > 0 || has_unsent(c)) && !guarded)
		return "data is queued and no timer guards it";
	return NULL;
}

static const char *check_queue(const struct tcp_engine *e, const struct conn *c, uint64_t *chunks)
{
	uint32_t n = 0;
	for (uint32_t at = c->tx_head; at != NONE; at = e->chunks[at].next) {
		if (++n > e->chunk_max)
			return "the send queue has a loop";
	}
	uint32_t end = c->tx_bytes ? c->tx_head_offset + c->tx_bytes : 0;
	if (n != (end + CHUNK_BYTES - 1) / CHUNK_BYTES)
		return "the send queue's chunks don't match its bytes";
	*chunks += n;
	return NULL;
}

static const char *check_receive(const struct tcp_engine *e, const struct conn *c, uint64_t *rx)
{
	uint32_t capacity = c->rx_buffer == NONE ? 0 : 1u << (c->rx_order + RX_BLOCK_SHIFT);
	*rx += capacity;
	if (c->rx_bytes > capacity || c->rx_bytes > e->config.rx_buffer_bytes)
		return "more kept than the buffer holds";
	uint32_t offered = c->rcv_adv - c->rcv_nxt;
	if (offered > e->config.rx_buffer_bytes && offered > UINT16_MAX)
		return "the window offered is larger than the buffer";
	const struct ext *x = ext_of(e, c);
	for (uint32_t i = 0; x && i < x->ooo_count; i++) {
		struct range r = x->ooo[i];
		if (!seq_lt(c->rcv_nxt, r.start) || !seq_lt(r.start, r.end))
			return "an out-of-order range is empty or old";
		if (c->rx_bytes + (r.end - c->rcv_nxt) > capacity)
			return "an out-of-order range lies outside the buffer";
		for (uint32_t j = 0; j < i; j++)
			if (seq_le(x->ooo[j].start, r.end) && seq_le(r.start, x->ooo[j].end))
				return "out-of-order ranges touch";
	}
	return NULL;
}

static bool timer_covers(const struct tcp_engine *e, const struct conn *c, uint32_t at)
{
	if (at == 0)
		return true;
	if (c->flags & C_IN_FLUSH)
		return true;
	(void)e;
	return wheel_is_armed(&c->timer) && (int32_t)(c->timer.deadline - at) <= 1;
}

/* Connections in the slots of delayed ACKs; UINT32_MAX: one's deadline is not covered. */
static uint32_t delayed_listed(const struct tcp_engine *e)
{
	uint32_t n = 0;
	for (uint32_t t = 0; t < ACK_SLOTS; t++) {
		uint32_t tick = e->ack_tick + t;
		for (uint32_t i = e->ack_slot[tick % ACK_SLOTS]; i != NONE; i = e->ack_next[i]) {
			const struct conn *c = &e->conns[i];
			bool late = c->state != STATE_FREE && c->ack_at != 0 &&
			            (int32_t)(c->ack_at - tick) < 0 && tick != now_tick(e);
			if (++n > e->config.conns_max || !(c->flags & C_IN_DELAY) || late)
				return UINT32_MAX;
		}
	}
	return n;
}

const char *tcp_invariants(struct tcp_engine *e)
{
	uint32_t conns = 0, exts = 0;
	uint64_t chunks = 0, rx = 0;
	for (uint32_t i = 0; i < e->config.conns_max; i++) {
		struct conn *c = &e->conns[i];
		if (c->state == STATE_FREE)
			continue;
		conns++;
		exts += c->ext != NONE;
		const char *why = check_flight(e, c);
		why = why ? why : check_queue(e, c, &chunks);
		why = why ? why : check_receive(e, c, &rx);
		if (why)
			return why;
		if (!timer_covers(e, c, c->rtx_at) || !timer_covers(e, c, c->life_at) ||
		    !timer_covers(e, c, c->poke_at))
			return "a deadline is not covered by the wheel";
		if (c->ack_at != 0 && !(c->flags & C_IN_DELAY))
			return "a delayed ACK is in no slot";
		if (table_find(e, &c->key) != ENTRY(ENTRY_CONN, i))
			return "a connection is not in the table";
	}
	uint32_t delayed = delayed_listed(e);
	if (delayed != e->ack_waiting)
		return "the slots of delayed ACKs are wrong";
	uint32_t free_exts = 0;
	for (uint32_t at = e->ext_free; at != NONE && free_exts <= e->ext_max;
	     at = e->exts[at].next_free)
		free_exts++;
	if (conns != e->conn_count)
		return "the number of connections is wrong";
	if (exts + free_exts != e->ext_max)
		return "an extension block leaked";
	if (chunks != e->chunk_used)
		return "a chunk leaked";
	if (rx != e->rx.used)
		return "a receive buffer leaked";
	return NULL;
}
