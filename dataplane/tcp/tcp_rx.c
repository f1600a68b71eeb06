/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Received data: delivery in order, what the application left, and reassembly.
 *
 * In the common case the segment's bytes are lent to the application and nothing is stored. Else
 * a connection has one buffer from the pool:
 *
 *     | kept, in order: rx_bytes | gap | out of order | gap | out of order | free |
 *                                ^ rcv_nxt
 *
 * Out-of-order ranges are remembered in the extension block by sequence number.
 * Bytes that find no memory are not acknowledged; the peer sends them again. So that those who
 * have kept bytes can finish, the pool's last quarter is theirs; and for those who find no memory
 * the oldest of them go, one at a time.
 */
#include "tcp/tcp_priv.h"

static uint32_t capacity(const struct conn *c)
{
	return c->rx_buffer == NONE ? 0 : 1u << (c->rx_order + RX_BLOCK_SHIFT);
}

static uint32_t gap_count(const struct tcp_engine *e, const struct conn *c)
{
	const struct ext *x = ext_of(e, c);
	return x ? x->ooo_count : 0;
}

/* Bytes of the buffer that are in use, gaps included. */
static uint32_t extent(const struct tcp_engine *e, const struct conn *c)
{
	const struct ext *x = ext_of(e, c);
	uint32_t most = 0;
	for (uint32_t i = 0; x && i < x->ooo_count; i++)
		most = max_u32(most, x->ooo[i].end - c->rcv_nxt);
	return c->rx_bytes + most;
}

/* The lowest range at or above `from`; there is one. */
static struct range range_from(const struct conn *c, const struct ext *x, uint32_t from)
{
	struct range low = {0, 0};
	uint32_t least = UINT32_MAX;
	for (uint32_t i = 0; i < x->ooo_count; i++) {
		uint32_t at = x->ooo[i].start - c->rcv_nxt;
		if (at >= from - c->rcv_nxt && at < least) {
			least = at;
			low = x->ooo[i];
		}
	}
	CHECK_OP(least, !=, UINT32_MAX);
	return low;
}

/*
 * Move the content without its first `skip` kept bytes to `to`, which may be where it is. Ranges
 * go in order, so that none is written over before it has moved; gaps are not touched, so that a
 * byte far ahead costs a peer's next segments no more than itself (CVE-2018-5390).
 */
static void move_content(const struct tcp_engine *e, const struct conn *c, uint8_t *to,
                         const uint8_t *from, uint32_t skip)
{
	const struct ext *x = ext_of(e, c);
	memmove(to, from + skip, c->rx_bytes - skip);
	uint32_t done = c->rcv_nxt;
	for (uint32_t i = 0; x && i < x->ooo_count; i++) {
		struct range r = range_from(c, x, done);
		uint32_t at = c->rx_bytes + (r.start - c->rcv_nxt);
		memmove(to + (at - skip), from + at, r.end - r.start);
		done = r.end;
	}
}

static void buffer_drop(struct tcp_engine *e, struct conn *c)
{
	if (c->rx_buffer != NONE)
		rxpool_put(&e->rx, c->rx_buffer, c->rx_order);
	c->rx_buffer = NONE;
	c->rx_order = 0;
}

void rx_release(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	buffer_drop(e, c);
	c->rx_bytes = 0;
	if (x) {
		x->ooo_count = 0;
		x->ooo_has_fin = false;
	}
}

void rx_end(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	if (x) {
		x->ooo_count = 0;
		x->ooo_has_fin = false;
		ext_release_if_idle(e, c);
	}
	if (c->rx_bytes == 0)
		buffer_drop(e, c);
}

/* Move what is in use to a buffer of another order. */
static bool buffer_change(struct tcp_engine *e, struct conn *c, uint32_t order)
{
	uint32_t block = rxpool_get(&e->rx, order);
	if (block == NONE)
		return false;
	if (c->rx_buffer != NONE)
		move_content(e, c, rxpool_at(&e->rx, block), rxpool_at(&e->rx, c->rx_buffer), 0);
	buffer_drop(e, c);
	c->rx_buffer = block;
	c->rx_order = (uint8_t)order;
	return true;
}

static bool reserve(struct tcp_engine *e, struct conn *c, uint32_t bytes)
{
	return capacity(c) >= bytes || buffer_change(e, c, rxpool_order(bytes));
}

/*
 * In-order bytes found no memory. The connection that has waited longest for the rest of what it
 * keeps is aborted at the next flush, so that the others finish: neither silent peers nor ones
 * that send a byte now and then hold the pool for good. A few are looked at each time.
 */
static void evict_oldest(struct tcp_engine *e)
{
	struct conn *oldest = NULL;
	uint8_t most = KEPT_STALE - 1;
	if (e->kept_evict_at != 0 && !tick_passed(e, e->kept_evict_at))
		return;
	for (uint32_t i = 0; i < min_u32(KEPT_LOOKS, e->config.conns_max); i++) {
		e->kept_hand = (e->kept_hand + 1) % e->config.conns_max;
		struct conn *c = &e->conns[e->kept_hand];
		uint8_t age = (uint8_t)(kept_now(e) - c->kept_at);
		if (c->state != STATE_FREE && c->rx_bytes > 0 && age > most) {
			most = age;
			oldest = c;
		}
	}
	if (!oldest)
		return;
	count(e, COUNTER_TCP_RX_EVICTED);
	e->kept_evict_at = tick_in_ms(e, KEPT_EVICT_MS);
	oldest->flags |= C_EVICT;
	conn_touch(e, oldest);
}

static bool reserve_in_order(struct tcp_engine *e, struct conn *c, uint32_t bytes)
{
	bool starts = c->rx_buffer == NONE && e->rx.used > e->rx.size / 4 * 3;
	if (!starts && reserve(e, c, bytes))
		return true;
	count(e, COUNTER_TCP_RX_NO_MEMORY);
	evict_oldest(e);
	return false;
}

static void shrink(struct tcp_engine *e, struct conn *c)
{
	uint32_t used = extent(e, c);
	if (used == 0)
		buffer_drop(e, c);
	else if (rxpool_order(used) + 1 < c->rx_order)
		buffer_change(e, c, rxpool_order(used));
}

/* Windows shrink as the pool fills: the half above 3/4, an eighth above 7/8. */
uint32_t rx_window(const struct tcp_engine *e, const struct conn *c)
{
	uint32_t all = e->config.rx_buffer_bytes;
	if (e->rx.used > e->rx.size / 8 * 7)
		all = max_u32(all / 8, 2048);
	else if (e->rx.used > e->rx.size / 4 * 3)
		all = max_u32(all / 2, 2048);
	return all > c->rx_bytes ? all - c->rx_bytes : 0;
}

/* RFC 9293 3.8.6.2.2: tell a peer that stands still, or is about to, of room worth the while. */
bool rx_update_due(const struct tcp_engine *e, const struct conn *c)
{
	if (c->flags & C_FIN_RCVD)
		return false;
	uint32_t offered = c->rcv_adv - c->rcv_nxt;
	uint32_t window = rx_window(e, c);
	uint32_t step = min_u32(e->config.rx_buffer_bytes / 2, 2u * c->mss);
	return offered < e->config.rx_buffer_bytes / 2 && window >= offered + step;
}

bool rx_offer(struct tcp_engine *e, struct conn *c)
{
	if (c->rx_bytes == 0 || c->flags & C_FIN_QUEUED)
		return true;
	tcp_handle handle = handle_of(e, c);
	uint8_t *base = rxpool_at(&e->rx, c->rx_buffer);
	c->flags |= C_OFFERING;
	uint32_t used = e->app.data(e->app_context, handle, base, c->rx_bytes);
	if (!conn_get(e, handle))
		return false;
	c->flags &= ~(uint32_t)C_OFFERING;
	if (c->flags & C_FIN_QUEUED) {
		rx_release(e, c);
		return true;
	}
	CHECK_OP(used, <=, c->rx_bytes);
	if (used > 0) {
		move_content(e, c, base, base, used);
		c->rx_bytes -= used;
		c->kept_at = kept_now(e);
		c->flags &= ~(uint32_t)C_EVICT;
		shrink(e, c);
	}
	return finished_if_due(e, c);
}

/* Lend in-order bytes; keep what is left over. Returns how many were accepted; 0 with *gone. */
static uint32_t lend(struct tcp_engine *e, struct conn *c, const struct segment *s, bool *gone)
{
	tcp_handle handle = handle_of(e, c);
	c->flags |= C_OFFERING;
	uint32_t used = e->app.data(e->app_context, handle, s->data, s->data_bytes);
	*gone = conn_get(e, handle) == NULL;
	if (*gone)
		return 0;
	c->flags &= ~(uint32_t)C_OFFERING;
	if (c->flags & C_FIN_QUEUED)
		return s->data_bytes;
	CHECK_OP(used, <=, s->data_bytes);
	uint32_t rest = s->data_bytes - used;
	if (rest == 0)
		return used;
	if (!reserve_in_order(e, c, rest))
		return used;
	c->kept_at = kept_now(e);
	memcpy(rxpool_at(&e->rx, c->rx_buffer), s->data + used, rest);
	c->rx_bytes = rest;
	return s->data_bytes;
}

static void take_over_ranges(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	for (uint32_t i = 0; x && i < x->ooo_count;) {
		struct range r = x->ooo[i];
		if (seq_lt(c->rcv_nxt, r.start)) {
			i++;
			continue;
		}
		if (seq_lt(c->rcv_nxt, r.end)) {
			c->rx_bytes += r.end - c->rcv_nxt;
			c->rcv_nxt = r.end;
		}
		x->ooo_count--;
		memmove(&x->ooo[i], &x->ooo[i + 1], (x->ooo_count - i) * sizeof x->ooo[0]);
		i = 0; /* rcv_nxt moved: one looked at before may follow now */
	}
}

/* In-order bytes behind kept ones, or filling a gap. False: the connection is gone. */
static bool append(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	uint32_t take = s->data_bytes;
	if (!reserve_in_order(e, c, c->rx_bytes + take))
		take = capacity(c) - c->rx_bytes;
	if (c->rx_bytes == 0)
		c->kept_at = kept_now(e);
	memcpy(rxpool_at(&e->rx, c->rx_buffer) + c->rx_bytes, s->data, take);
	c->rx_bytes += take;
	c->rcv_nxt += take;
	take_over_ranges(e, c);
	return rx_offer(e, c);
}

/*
 * RFC 9293 3.8.6.3: every second segment, else within 40 ms. Of small ones that come in one poll
 * the flush acknowledges all at once, mostly with a reply; for every two full segments' bytes an
 * ACK of its own goes out (RFC 5681 4.2), since the peer's window grows by ACKs and one that
 * stands for a whole flight must not get lost.
 */
static void ack_later(struct tcp_engine *e, struct conn *c, bool now)
{
	if (c->ack_segments < 2)
		c->ack_segments++;
	if (now || c->ack_segments >= 2) {
		c->flags |= C_ACK_NOW;
		conn_touch(e, c);
		if (c->rcv_nxt - c->last_ack_sent >= 2 * payload_max(c))
			send_ack(e, c, NULL);
	} else if (c->ack_at == 0) {
		delay_ack(e, c);
	}
}

static bool in_order(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	bool filled = gap_count(e, c) > 0;
	uint32_t before = c->rcv_nxt;
	c->flags |= C_DATA_SEEN;
	if (c->flags & C_FIN_QUEUED) {
		count(e, COUNTER_TCP_DATA_AFTER_CLOSE);
		c->rcv_nxt += s->data_bytes;
	} else if (c->rx_buffer == NONE) {
		bool gone;
		c->rcv_nxt += lend(e, c, s, &gone);
		if (gone)
			return false;
	} else if (!append(e, c, s)) {
		return false;
	}
	ack_later(e, c, filled || c->rcv_nxt - before < s->data_bytes);
	ext_release_if_idle(e, c);
	return true;
}

/* Merge [r->start, r->end) with the ranges it touches. True: all of it was there already. */
static bool merge_ranges(struct ext *x, struct range *r)
{
	for (uint32_t i = 0; i < x->ooo_count;) {
		struct range o = x->ooo[i];
		if (seq_le(o.start, r->start) && seq_le(r->end, o.end))
			return true;
		if (seq_lt(r->end, o.start) || seq_lt(o.end, r->start)) {
			i++;
			continue;
		}
		if (seq_lt(o.start, r->start))
			r->start = o.start;
		if (seq_lt(r->end, o.end))
			r->end = o.end;
		x->ooo_count--;
		memmove(&x->ooo[i], &x->ooo[i + 1], (x->ooo_count - i) * sizeof x->ooo[0]);
	}
	return false;
}

/* Bytes of `r` that are not there yet; ranges don't overlap. */
static uint32_t missing_bytes(const struct conn *c, const struct ext *x, const struct range *r)
{
	uint32_t missing = r->end - r->start;
	for (uint32_t i = 0; i < x->ooo_count; i++) {
		uint32_t start = max_u32(x->ooo[i].start - c->rcv_nxt, r->start - c->rcv_nxt);
		uint32_t end = min_u32(x->ooo[i].end - c->rcv_nxt, r->end - c->rcv_nxt);
		missing -= end > start ? end - start : 0;
	}
	return missing;
}

static uint32_t stored_bytes(const struct ext *x)
{
	uint32_t stored = 0;
	for (uint32_t i = 0; i < x->ooo_count; i++)
		stored += x->ooo[i].end - x->ooo[i].start;
	return stored;
}

static bool touches_any(const struct ext *x, const struct range *r)
{
	for (uint32_t i = 0; i < x->ooo_count; i++)
		if (seq_le(x->ooo[i].start, r->end) && seq_le(r->start, x->ooo[i].end))
			return true;
	return false;
}

/*
 * Memory is short: ranges that nobody has added to for 30 s go (RFC 2018 8 allows it), so that a
 * peer which leaves gaps on purpose can't hold the pool. A few blocks are looked at each time.
 */
static void evict_stale(struct tcp_engine *e, const struct conn *spare)
{
	for (uint32_t i = 0; i < min_u32(EVICT_LOOKS, e->ext_max); i++) {
		e->evict_hand = (e->evict_hand + 1) % e->ext_max;
		struct ext *x = &e->exts[e->evict_hand];
		if (x->conn == NONE || x->ooo_count == 0 || &e->conns[x->conn] == spare ||
		    now_tick(e) - x->ooo_tick < MS_TICKS(OOO_STALE_MS))
			continue;
		struct conn *c = &e->conns[x->conn];
		count(e, COUNTER_TCP_OOO_EVICTED);
		x->ooo_count = 0;
		x->ooo_has_fin = false;
		shrink(e, c);
		ext_release_if_idle(e, c);
	}
}

/* Room for reassembly up to `bytes`: it may use the pool up to 3/4, the rest is for data in
 * order; above 1/2 no buffer grows beyond 16 KB for a gap, be it ever so wide. */
static bool reserve_for_gap(struct tcp_engine *e, struct conn *c, uint32_t bytes)
{
	if (capacity(c) >= bytes)
		return true;
	if (e->rx.used > e->rx.size / 4 * 3)
		evict_stale(e, c);
	if (bytes - c->rx_bytes > OOO_BYTES && e->rx.used > e->rx.size / 2)
		return false;
	return e->rx.used <= e->rx.size / 4 * 3 && reserve(e, c, bytes);
}

/*
 * How much a connection may hold out of order: 16 KB, but while no more than half of the pool is in
 * use a whole window, for a sender on a long, lossy path has that much in flight behind a gap, and
 * what is refused is sent twice. Above that mark those who hold more keep it, and evict_stale and
 * evict_oldest find them.
 */
static uint32_t ooo_most(const struct tcp_engine *e)
{
	return e->rx.used > e->rx.size / 2 ? OOO_BYTES : e->config.rx_buffer_bytes;
}

/* False: not stored; it will come again. */
static bool store(struct tcp_engine *e, struct conn *c, const struct segment *s, bool *duplicate)
{
	struct range r = {s->seq, s->seq + s->data_bytes};
	uint32_t end = c->rx_bytes + (r.end - c->rcv_nxt);
	struct ext *x = ext_need(e, c);
	if (!x)
		return false;
	if (stored_bytes(x) + missing_bytes(c, x, &r) > ooo_most(e) ||
	    (x->ooo_count == OOO_RANGES && !touches_any(x, &r))) {
		count(e, COUNTER_TCP_OOO_LIMIT);
		return false;
	}
	if (!reserve_for_gap(e, c, end)) {
		count(e, COUNTER_TCP_OOO_NO_MEMORY);
		return false;
	}
	*duplicate = merge_ranges(x, &r);
	if (*duplicate)
		return true;
	memcpy(rxpool_at(&e->rx, c->rx_buffer) + c->rx_bytes + (s->seq - c->rcv_nxt), s->data,
	       s->data_bytes);
	memmove(&x->ooo[1], &x->ooo[0], x->ooo_count * sizeof x->ooo[0]);
	x->ooo[0] = r;
	x->ooo_count++;
	x->ooo_tick = now_tick(e);
	return true;
}

static void out_of_order(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	struct range all = {s->seq, s->seq + s->data_bytes};
	bool duplicate = false;
	count(e, COUNTER_TCP_OUT_OF_ORDER);
	if (!(c->flags & C_FIN_QUEUED) && store(e, c, s, &duplicate) && s->flags & FIN) {
		struct ext *x = ext_of(e, c);
		x->ooo_has_fin = true;
		x->ooo_fin = all.end;
	}
	ext_release_if_idle(e, c);
	/* RFC 5681 4.2: at once; RFC 2883 4: a duplicate is reported */
	send_ack(e, c, duplicate ? &all : NULL);
}

/* Cut what was received before and what lies beyond the window. False: nothing is left. */
static bool trim(struct tcp_engine *e, struct conn *c, struct segment *s)
{
	if (seq_lt(s->seq, c->rcv_nxt)) {
		uint32_t skip = c->rcv_nxt - s->seq;
		if (skip >= s->data_bytes) {
			/* an old segment again: acceptability has let it in for its FIN only */
			s->seq += s->data_bytes;
			s->data_bytes = 0;
			return false;
		}
		s->seq += skip;
		s->data += skip;
		s->data_bytes -= skip;
	}
	uint32_t room = c->rcv_adv - s->seq;
	if (s->data_bytes > room) {
		count(e, COUNTER_TCP_DATA_BEYOND_WINDOW);
		s->data_bytes = room;
		s->flags &= (uint8_t)~FIN;
	}
	return s->data_bytes > 0;
}

bool rx_input(struct tcp_engine *e, struct conn *c, struct segment *s)
{
	if (c->flags & C_FIN_RCVD) {
		count(e, COUNTER_TCP_DATA_AFTER_FIN);
		return true;
	}
	if (!trim(e, c, s))
		return true;
	if (s->seq == c->rcv_nxt)
		return in_order(e, c, s);
	out_of_order(e, c, s);
	return true;
}
