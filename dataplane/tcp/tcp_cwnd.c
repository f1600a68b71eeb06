/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be in flight: slow start, CUBIC (RFC 9438), proportional rate reduction in
 * recovery (RFC 6937), and the way back when a loss turns out to have been none (RFC 3522,
 * RFC 5682, RFC 3708, RFC 4015).
 *
 * CUBIC's and PRR's numbers are in the extension block, which a connection has while more than one
 * segment is in flight. One segment at a time grows as RFC 5681 says.
 */
#include "tcp/tcp_priv.h"

/* RFC 9438 4.6: beta = 0.7. */
static uint32_t reduced(uint32_t bytes)
{
	return (uint32_t)((uint64_t)bytes * 7 / 10);
}

/* RFC 6928 2. */
uint32_t cwnd_initial(const struct conn *c)
{
	uint32_t mss = payload_max(c);
	return min_u32(10 * mss, max_u32(2 * mss, 14600));
}

/* --- CUBIC -------------------------------------------------------------------------------- */

static uint32_t cube_root(uint64_t v)
{
	uint64_t root = 0;
	for (uint32_t bit = 21; bit-- > 0;) {
		uint64_t t = root | 1ull << bit;
		if (t * t * t <= v)
			root = t;
	}
	return (uint32_t)root;
}

static uint32_t now_ms(const struct tcp_engine *e)
{
	return (uint32_t)(e->now_us / 1000);
}

/* RFC 9438 4.2: W_cubic(t) = C * (t - K)^3 + W_max segments, C = 0.4. In bytes and milliseconds C
 * is 0.4 * mss / 10^9 = mss / 2,500,000,000; 100 s from K it is beyond any window. The distance
 * from W_max is in whole segments: the way back up is quicker by up to one, and probing beyond it
 * slower, as where windows count segments. */
#define CUBIC_C_DIVISOR 2500000000ll
#define CUBIC_FAR_MS    100000

static uint32_t cubic_window(const struct ext *x, uint32_t mss, uint32_t t_ms)
{
	int64_t d = (int64_t)t_ms - x->cubic_k_ms;
	if (d > CUBIC_FAR_MS)
		d = CUBIC_FAR_MS;
	if (d < -CUBIC_FAR_MS)
		d = -CUBIC_FAR_MS;
	int64_t distance = d * d * d * (int64_t)mss / CUBIC_C_DIVISOR;
	distance -= distance % mss;
	int64_t w = (int64_t)x->w_max + distance;
	return w < 0 ? 0 : w > INT32_MAX ? INT32_MAX : (uint32_t)w;
}

/* RFC 9438 4.2: congestion avoidance starts, also anew after a time in which the window was not
 * the limit. */
static void cubic_epoch_start(const struct tcp_engine *e, const struct conn *c, struct ext *x,
                              uint32_t mss)
{
	x->cubic_epoch = true;
	x->cubic_epoch_ms = now_ms(e);
	x->w_est = c->cwnd;
	x->cubic_k_ms = 0;
	if (c->cwnd < x->w_max)
		x->cubic_k_ms = cube_root((uint64_t)(x->w_max - c->cwnd) * CUBIC_C_DIVISOR / mss);
	else
		x->w_max = c->cwnd;
}

/* By how much an ACK of `acked` bytes opens the window in congestion avoidance. */
static uint32_t cubic_growth(const struct tcp_engine *e, const struct conn *c, struct ext *x,
                             uint32_t mss, uint32_t acked)
{
	if (!x->cubic_epoch)
		cubic_epoch_start(e, c, x, mss);
	uint32_t t = now_ms(e) - x->cubic_epoch_ms;
	/* 4.3: at least what Reno would reach with the same beta: alpha = 3 * 0.3 / 1.7 = 9 / 17,
	 * and 1 from the window on at which the last loss came */
	uint32_t alpha = x->w_est < x->cwnd_prior ? 9 : 17;
	uint64_t step = (uint64_t)mss * acked * alpha / 17 / c->cwnd;
	x->w_est += max_u32((uint32_t)step, 1);
	if (cubic_window(x, mss, t) < x->w_est)
		return x->w_est > c->cwnd ? x->w_est - c->cwnd : 0;
	/* 4.4, 4.5 */
	uint32_t target = cubic_window(x, mss, t + c->srtt_us / 1000);
	target = min_u32(max_u32(target, c->cwnd), c->cwnd + c->cwnd / 2);
	return (uint32_t)((uint64_t)(target - c->cwnd) * acked / c->cwnd);
}

/* RFC 9438 4.6, 4.7 (fast convergence). */
static void reduce(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	if (x) {
		x->cwnd_prior = c->cwnd;
		/* * (1 + beta) / 2: room for those who came later */
		x->w_max = c->cwnd < x->w_max ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd;
		x->cubic_epoch = false;
	}
	/* RFC 5681 3.2 step 2: without what limited transmit has added */
	uint32_t flight = min_u32(c->snd_nxt - c->snd_una, c->cwnd);
	c->ssthresh = max_u32(reduced(flight), 2 * payload_max(c));
}

/* RFC 5681 3.1 with byte counting (RFC 3465), and only where the window was the limit (RFC 7661,
 * RFC 9438 5.8). */
void cwnd_grow(struct tcp_engine *e, struct conn *c, uint32_t acked, uint32_t flight)
{
	struct ext *x = ext_of(e, c);
	uint32_t mss = payload_max(c);
	bool limited = flight + mss > c->cwnd || (c->cwnd < c->ssthresh && flight * 2 > c->cwnd);
	if (!limited || c->cwnd > 2 * e->config.tx_buffer_bytes) {
		if (x)
			x->cubic_epoch = false;
		return;
	}
	if (c->cwnd < c->ssthresh) {
		c->cwnd += min_u32(acked, c->flags & C_LOSS ? mss : 2 * mss);
		return;
	}
	acked = min_u32(acked, c->cwnd);
	if (x)
		c->cwnd += cubic_growth(e, c, x, mss, acked);
	else
		c->cwnd += max_u32((uint32_t)((uint64_t)mss * acked / c->cwnd), 1);
}

/* --- recovery ----------------------------------------------------------------------------- */

static void undo_save(const struct tcp_engine *e, const struct conn *c, struct ext *x)
{
	x->undo = UNDO_BY_ACK | UNDO_BY_DSACK;
	x->undo_cwnd = c->cwnd;
	x->undo_ssthresh = c->ssthresh;
	x->undo_w_max = x->w_max;
	x->undo_tsval = ts_now(e, c->ts_offset);
	x->undo_from = c->snd_una;
	x->undo_resent = 0;
}

/* RFC 6937 3: as much is sent as brings the flight to ssthresh by the end of the recovery: a share
 * of what is delivered while the pipe is larger than that, and what the ACK says has left (and one
 * segment more where nothing new is missing) when losses have made it smaller. */
static void prr(struct tcp_engine *e, struct conn *c, struct ext *x, uint32_t delivered, bool safe)
{
	uint32_t mss = payload_max(c);
	uint32_t pipe = score_pipe(e, c);
	x->prr_delivered += delivered;
	int64_t room;
	if (pipe > c->ssthresh) {
		uint64_t share = ((uint64_t)x->prr_delivered * c->ssthresh + x->prr_flight - 1) /
		                 x->prr_flight;
		room = (int64_t)share - x->prr_out;
	} else {
		room = (int64_t)x->prr_delivered - x->prr_out;
		if (room < delivered)
			room = delivered;
		room += safe ? mss : 0;
		if (room > c->ssthresh - pipe)
			room = c->ssthresh - pipe;
	}
	if (room < mss && x->prr_out == 0)
		room = mss; /* the first retransmission goes out at once */
	c->cwnd = max_u32(pipe + (room > 0 ? (uint32_t)room : 0), mss);
}

void enter_recovery(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	if (x)
		undo_save(e, c, x);
	reduce(e, c);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->flags |= C_RECOVERY | C_FORCE;
	c->flags &= ~(uint32_t)(C_TLP | C_TLP_RETX);
	if (x && c->flags & C_SACK) {
		x->prr_delivered = x->prr_out = 0;
		x->prr_flight = max_u32(c->snd_nxt - c->snd_una, 1);
		prr(e, c, x, 0, false);
	}
	count(e, COUNTER_TCP_FAST_RECOVERIES);
}

void recovery_ack(struct tcp_engine *e, struct conn *c, uint32_t delivered, bool safe)
{
	struct ext *x = ext_of(e, c);
	if (x && (c->flags & (C_RECOVERY | C_SACK)) == (C_RECOVERY | C_SACK))
		prr(e, c, x, delivered, safe);
}

void leave_recovery(struct conn *c)
{
	if (!(c->flags & (C_RECOVERY | C_LOSS)) || seq_lt(c->snd_una, c->recover))
		return;
	if (c->flags & C_RECOVERY)
		c->cwnd = max_u32(c->ssthresh, 2 * payload_max(c)); /* RFC 6582 3.2 step 3 */
	c->flags &= ~(uint32_t)(C_RECOVERY | C_LOSS | C_FORCE);
	c->dup_acks = 0;
}

/* RFC 5681 (4), RFC 9438 4.8; not again for the same flight (RFC 5681 3.1). */
void cwnd_timeout(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	if (!(c->flags & C_LOSS)) {
		if (x)
			undo_save(e, c, x);
		reduce(e, c);
		if (x)
			x->w_max = 0; /* RFC 9438 4.8: where congestion avoidance begins, K = 0 */
	}
	c->cwnd = payload_max(c);
	c->recover = c->snd_nxt;
	c->dup_acks = 0;
	c->flags = (c->flags | C_LOSS | C_FORCE) & ~(uint32_t)(C_RECOVERY | C_TLP | C_TLP_RETX);
}

void cwnd_probe_repaired(struct tcp_engine *e, struct conn *c)
{
	uint32_t before = c->cwnd;
	reduce(e, c);
	c->ssthresh = max_u32(reduced(before), 2 * payload_max(c)); /* little is in flight by now */
	c->cwnd = c->ssthresh;
}

/* RFC 4015 3.2: back to the state before. */
static void undo(struct tcp_engine *e, struct conn *c, struct ext *x)
{
	count(e, c->flags & C_LOSS ? COUNTER_TCP_SPURIOUS_TIMEOUTS
	                           : COUNTER_TCP_SPURIOUS_RECOVERIES);
	x->undo = 0;
	x->w_max = x->undo_w_max;
	x->cubic_epoch = false;
	c->cwnd = max_u32(x->undo_cwnd, c->cwnd);
	c->ssthresh = x->undo_ssthresh;
	c->flags &= ~(uint32_t)(C_LOSS | C_RECOVERY | C_FORCE);
	c->dup_acks = 0;
	score_unmark_lost(e, c);
}

/*
 * The cumulative ACK covers what was sent again: was it the original's? By a timestamp older than
 * the retransmission (Eifel, RFC 3522 3.2); without timestamps, after a timeout, when it covers
 * what was never sent again (F-RTO, RFC 5682 3.1) and came sooner than any answer could. The second
 * condition is there because ACKs get lost, too, and then the retransmission's covers the rest.
 */
void undo_by_ack(struct tcp_engine *e, struct conn *c, const struct segment *s,
                 const struct ack_result *r)
{
	struct ext *x = ext_of(e, c);
	if (!x || !(x->undo & UNDO_BY_ACK) || !(c->flags & (C_LOSS | C_RECOVERY)) ||
	    !r->head_resent)
		return;
	bool spurious = false;
	if (c->flags & C_TS && s->opt.has_ts) {
		/* it may have been sent again in the recovery before already */
		uint32_t resent = (uint32_t)((e->now_us - r->head_age_us) / 1000) + c->ts_offset;
		spurious = seq_lt(s->opt.tsecr, x->undo_tsval) && seq_lt(s->opt.tsecr, resent);
	} else if (c->flags & C_LOSS && c->flags & C_SACK) {
		spurious = r->original_seen && r->head_age_us < x->min_rtt_us;
	}
	x->undo &= (uint8_t)~UNDO_BY_ACK;
	if (spurious)
		undo(e, c, x);
}

/* RFC 3708 2: the peer has now reported every retransmission of the episode as a duplicate. */
void undo_by_dsack(struct tcp_engine *e, struct conn *c, const struct ack_result *r)
{
	struct ext *x = ext_of(e, c);
	if (!r->dsack || !x || !(x->undo & UNDO_BY_DSACK) || x->undo_resent == 0 ||
	    !seq_lt(x->undo_from, r->dsack_end) || seq_lt(c->recover, r->dsack_end))
		return;
	if (--x->undo_resent == 0)
		undo(e, c, x);
}
