/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadlines of a connection. It has three, and one node in the wheel that is armed for the
 * earliest: a deadline that moves later is not re-armed, but looked at again when the node fires.
 * Delayed ACKs come and go with each message: they have a place of their own, tcp_delay.c.
 *
 *     rtx_at    retransmission (RFC 6298), tail loss probe and reordering (RFC 8985), or
 *               zero-window probe (RFC 9293 3.8.6.1)
 *     life_at   first data, FIN-WAIT-2, no progress after our close
 *     poke_at   a tcp_send failed for lack of pool memory
 */
#include "tcp/tcp_priv.h"

#define TLP_ACK_DELAY_US 200000 /* RFC 8985 7.2: TLP.max_ack_delay */
#define TLP_MIN_US       10000

static void consider(uint32_t now, uint32_t at, bool *any, int32_t *in)
{
	if (at == 0)
		return;
	int32_t d = (int32_t)(at - now);
	if (!*any || d < *in)
		*in = d;
	*any = true;
}

void timer_arm(struct tcp_engine *e, struct conn *c)
{
	uint32_t now = now_tick(e);
	bool any = false;
	int32_t in = 0;
	consider(now, c->rtx_at, &any, &in);
	consider(now, c->life_at, &any, &in);
	consider(now, c->poke_at, &any, &in);
	if (!any)
		return;
	uint64_t tick = (e->now_us >> TICK_SHIFT) + (uint32_t)(in < 0 ? 0 : in);
	wheel_arm(&e->wheel, (uint32_t)(c - e->conns), tick << TICK_SHIFT);
}

/* RFC 8985 7.2: when a probe may go out before the retransmission timeout. */
static bool probe_timeout(struct tcp_engine *e, struct conn *c, uint32_t rto, uint32_t *pto)
{
	if (!(c->flags & C_SACK) || c->flags & (C_TLP | C_RECOVERY | C_LOSS) ||
	    c->srtt_us == 0 || c->snd_wnd == 0)
		return false;
	uint32_t n;
	score_segments(e, c, &n);
	*pto = 2 * c->srtt_us + (n == 1 ? TLP_ACK_DELAY_US : 0);
	*pto = max_u32(*pto, TLP_MIN_US);
	return *pto < rto;
}

void rtx_arm(struct tcp_engine *e, struct conn *c)
{
	c->flags &= ~(uint32_t)(C_TIMER_TLP | C_TIMER_REO);
	uint32_t rto = rto_us(c);
	if (c->snd_nxt == c->snd_una) {
		/* nothing in flight, but something that does not fit: probe */
		bool waits = has_unsent(c);
		c->rtx_at = waits ? tick_in_us(e, min_u32(rto, PROBE_MAX_US)) : 0;
		return;
	}
	uint32_t pto;
	if (probe_timeout(e, c, rto, &pto)) {
		rto = pto;
		c->flags |= C_TIMER_TLP;
	}
	c->rtx_at = tick_in_us(e, rto);
}

static void back_off(struct conn *c)
{
	if (c->backoff < 7)
		c->backoff++;
}

/* RFC 9293 3.8.3: R2. True: the connection is given up. */
static bool gave_up(struct tcp_engine *e, struct conn *c)
{
	if (c->rtx_since == 0) {
		/* the segment went out one timeout before */
		c->rtx_since = max_u32(now_tick(e), 1);
		return false;
	}
	if (now_tick(e) - c->rtx_since < MS_TICKS(GIVE_UP_MS) || c->backoff < GIVE_UP_TRIES)
		return false;
	count(e, COUNTER_TCP_GIVEN_UP);
	conn_abort(e, c, TCP_CLOSED_TIMEOUT);
	return true;
}

/* CVE-2008-4609: under memory pressure a peer that keeps its window shut goes (RFC 6429). */
static bool window_held_too_long(struct tcp_engine *e, struct conn *c)
{
	if (c->backoff < 3 || e->chunk_used < e->chunk_max / 8 * 7)
		return false;
	count(e, COUNTER_TCP_ZERO_WINDOW_EVICTED);
	conn_abort(e, c, TCP_CLOSED_ABORTED);
	return true;
}

static bool probe_expired(struct tcp_engine *e, struct conn *c)
{
	if (gave_up(e, c) || window_held_too_long(e, c))
		return false;
	c->flags &= ~(uint32_t)(C_TIMER_TLP | C_TIMER_REO);
	e->link_full = false;
	if (!send_probe(e, c)) {
		c->rtx_at = tick_in_ms(e, POKE_MS);
		return true;
	}
	back_off(c);
	c->rtx_at = tick_in_us(e, min_u32(rto_us(c), PROBE_MAX_US));
	return true;
}

/*
 * RFC 2923 2.1: big segments vanish, and so do the ICMP errors that would say so. How many
 * timeouts prove it: more where full ones have arrived before, for chance is likelier; one when
 * the full size was tried again after a fallback. restore_mss has the way back.
 */
static void suspect_black_hole(struct tcp_engine *e, struct conn *c)
{
	uint16_t least = mss_least(c);
	if (c->flags & C_SMALL_MSS) {
		/* small ones vanish too: size was not the reason, and the wait is over */
		if (c->backoff > 2)
			c->hole_s = (uint16_t)(now_s(e) - HOLE_WAIT_MAX_S);
		return;
	}
	uint32_t proof = c->holes > 0 ? 1 : c->flags & C_FULL_SEEN ? 3 : 2;
	if (c->backoff < proof || c->mss <= least)
		return;
	uint32_t n;
	const struct sent *s = score_segments(e, c, &n);
	uint32_t options = c->flags & C_TS ? 12 : 0;
	if (n == 0 || s[0].end - c->snd_una + options <= least)
		return;
	c->flags = (c->flags | C_SMALL_MSS) & ~(uint32_t)C_FULL_SEEN;
	c->full_mss = c->mss & 0x3fff;
	c->holes = (uint16_t)min_u32(c->holes + 1u, 3) & 3;
	c->hole_s = now_s(e);
	c->mss = least;
	count(e, COUNTER_TCP_BLACK_HOLE);
}

/* RFC 6298 (5.4)-(5.6), RFC 5681 (4). */
static bool timeout_expired(struct tcp_engine *e, struct conn *c)
{
	if (gave_up(e, c))
		return false;
	count(e, COUNTER_TCP_TIMEOUTS);
	back_off(c);
	suspect_black_hole(e, c);
	score_mark_all_lost(e, c);
	cwnd_timeout(e, c);
	rtx_arm(e, c);
	conn_touch(e, c);
	return true;
}

/* RFC 8985 7.3: new data if there is any, else the last segment again. */
static void tail_probe(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	score_segments(e, c, &n);
	count(e, COUNTER_TCP_TAIL_PROBES);
	c->flags |= C_TLP;
	c->flags &= ~(uint32_t)C_TLP_RETX;
	e->link_full = false;
	if (!send_new(e, c, payload_max(c)) && n > 0) {
		if (retransmit(e, c, n - 1))
			c->flags |= C_TLP_RETX;
	}
	c->recover = c->snd_nxt;
	rtx_arm(e, c);
}

static bool rtx_expired(struct tcp_engine *e, struct conn *c)
{
	c->rtx_at = 0;
	if (c->snd_nxt == c->snd_una && !has_unsent(c))
		return true;
	if (c->snd_nxt == c->snd_una || c->snd_wnd == 0)
		return probe_expired(e, c);
	if (c->flags & C_TIMER_REO) {
		uint32_t wait_us;
		if (score_detect(e, c, &wait_us) && !(c->flags & (C_RECOVERY | C_LOSS)))
			enter_recovery(e, c);
		rtx_arm(e, c);
		conn_touch(e, c);
		return true;
	}
	if (c->flags & C_TIMER_TLP) {
		tail_probe(e, c);
		return true;
	}
	return timeout_expired(e, c);
}

static bool life_expired(struct tcp_engine *e, struct conn *c)
{
	c->life_at = 0;
	switch (c->state) {
	case STATE_ESTABLISHED:
	case STATE_CLOSE_WAIT:
		if (c->flags & C_DATA_SEEN)
			return true;
		count(e, COUNTER_TCP_FIRST_DATA_TIMEOUT);
		break;
	case STATE_FIN_WAIT_2:
		/* RFC 9293 3.6: the other half may stay open for ever; ours must not */
		count(e, COUNTER_TCP_FIN_WAIT_2_TIMEOUT);
		break;
	default:
		count(e, COUNTER_TCP_ORPHAN_TIMEOUT);
		break;
	}
	conn_abort(e, c, TCP_CLOSED_TIMEOUT);
	return false;
}

static bool poke_expired(struct tcp_engine *e, struct conn *c)
{
	c->poke_at = 0;
	if (!(c->flags & C_WANT_WRITE))
		return true;
	if (memory_is_short(e) || c->tx_bytes > e->config.tx_buffer_bytes / 2) {
		c->poke_at = tick_in_ms(e, POKE_MS);
		return true;
	}
	tcp_handle handle = handle_of(e, c);
	c->flags &= ~(uint32_t)C_WANT_WRITE;
	e->app.writable(e->app_context, handle);
	return conn_get(e, handle) != NULL;
}

static bool is_due(const struct tcp_engine *e, uint32_t at)
{
	return at != 0 && tick_passed(e, at);
}

void conn_expired(void *context, uint32_t index)
{
	struct tcp_engine *e = context;
	struct conn *c = &e->conns[index];
	CHECK_OP(c->state, !=, STATE_FREE);
	if (is_due(e, c->life_at) && !life_expired(e, c))
		return;
	if (is_due(e, c->rtx_at) && !rtx_expired(e, c))
		return;
	if (is_due(e, c->poke_at) && !poke_expired(e, c))
		return;
	timer_update(e, c);
}

void tcp_run_timers(struct tcp_engine *e, uint32_t budget)
{
	uint32_t done = time_wait_expire(e, budget);
	if (done < budget)
		done += wheel_expire(&e->syn_wheel, e->now_us, budget - done, syn_expired, e);
	if (done < budget)
		done += delay_expire(e, budget - done);
	if (done < budget)
		wheel_expire(&e->wheel, e->now_us, budget - done, conn_expired, e);
}

static uint64_t earlier_us(const struct tcp_engine *e, uint32_t tick, uint64_t other_us)
{
	int32_t in = (int32_t)(tick - now_tick(e));
	uint64_t at = ((e->now_us >> TICK_SHIFT) + (in > 0 ? (uint32_t)in : 0)) << TICK_SHIFT;
	return at < other_us ? at : other_us;
}

uint64_t tcp_next_timer_us(const struct tcp_engine *e)
{
	if (e->flush_head != NONE)
		return e->now_us;
	uint64_t next = wheel_next_us(&e->wheel);
	uint64_t syn = wheel_next_us(&e->syn_wheel);
	if (syn < next)
		next = syn;
	if (e->tw_head != NONE)
		next = earlier_us(e, e->time_waits[e->tw_head].expires, next);
	if (e->ack_waiting > 0)
		next = earlier_us(e, delay_next(e), next);
	return next;
}
