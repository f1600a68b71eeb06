/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an acknowledgement does: window, round-trip time, recovery, and the states that wait for our
 * FIN's ACK (RFC 9293 3.10.7.4, fifth; RFC 5681; RFC 6298; RFC 8985).
 */
#include "tcp/tcp_priv.h"

uint32_t rto_us(const struct conn *c)
{
	uint64_t rto = c->flags & C_SLOW_OPEN ? RTO_REOPEN_US : RTO_FIRST_US;
	if (c->srtt_us) {
		uint32_t variance = max_u32(4 * c->rttvar_us, RTO_VARIANCE_MIN_US);
		rto = max_u32(c->srtt_us + variance, RTO_MIN_US);
	}
	rto <<= c->backoff;
	return rto > RTO_MAX_US ? RTO_MAX_US : (uint32_t)rto;
}

/* RFC 6298 (2.2), (2.3) with alpha = 1/8, beta = 1/4. */
void rtt_sample(struct conn *c, uint32_t rtt)
{
	rtt = min_u32(max_u32(rtt, 1), RTO_MAX_US);
	if (c->srtt_us == 0) {
		c->srtt_us = rtt;
		c->rttvar_us = rtt / 2;
		return;
	}
	uint32_t error = rtt > c->srtt_us ? rtt - c->srtt_us : c->srtt_us - rtt;
	c->rttvar_us = (uint32_t)(((uint64_t)c->rttvar_us * 3 + error) / 4);
	c->srtt_us = max_u32((uint32_t)(((uint64_t)c->srtt_us * 7 + rtt) / 8), 1);
}

/* RFC 8985 7.4: a retransmitted probe that repaired a loss is a congestion signal; a DSACK says
 * that nothing had been lost. */
static void probe_answered(struct tcp_engine *e, struct conn *c, const struct ack_result *r)
{
	if (!(c->flags & C_TLP) || seq_lt(c->snd_una, c->recover))
		return;
	if (c->flags & C_TLP_RETX && !r->dsack && !r->original_seen) {
		count(e, COUNTER_TCP_TLP_RECOVERIES);
		cwnd_probe_repaired(e, c);
	}
	c->flags &= ~(uint32_t)(C_TLP | C_TLP_RETX);
}

/* RFC 6298, RFC 7323 4: a sample from a segment sent once, else from the echoed timestamp. */
static void take_rtt(struct tcp_engine *e, struct conn *c, const struct segment *s,
                     const struct ack_result *r)
{
	/* what was above a hole was waiting there until the retransmission filled it */
	bool valid = r->rtt_valid && r->retx_age_us == 0;
	uint32_t rtt = r->rtt_us;
	if (!valid && c->flags & C_TS && s->opt.has_ts && s->opt.tsecr != 0) {
		uint32_t ms = ts_now(e, c->ts_offset) - s->opt.tsecr;
		valid = ms < RTO_MAX_US / 1000;
		rtt = ms * 1000 + 500;
	}
	/* RFC 6298 5: the backoff is kept until a valid sample (Karn). An ACK that comes when the
	 * retransmission's would is good enough to say that the path is as it was. */
	bool as_before = c->srtt_us != 0 && r->retx_age_us != 0 &&
	                 r->retx_age_us + 4 * c->rttvar_us >= c->srtt_us / 2 &&
	                 r->retx_age_us <= max_u32(c->srtt_us + 4 * c->rttvar_us, RTO_MIN_US);
	if (valid)
		rtt_sample(c, rtt);
	if (valid || as_before)
		c->backoff = 0;
}

/*
 * After a black-hole fallback (RFC 2923 2.1) full segments are tried again: at once when one is
 * seen to arrive after all, else once small ones flow and some time has passed, which grows with
 * every fallback up to RFC 8899 5.1.1's 600 s.
 */
static void restore_mss(const struct tcp_engine *e, struct conn *c, const struct ack_result *r)
{
	static const uint16_t wait_s[] = {0, 10, 60, HOLE_WAIT_MAX_S};
	bool small = c->flags & C_SMALL_MSS && c->full_mss != 0;
	uint32_t options = c->flags & C_TS ? 12 : 0;
	bool full = r->largest + options >= (small ? c->full_mss : c->mss);
	uint16_t passed = (uint16_t)(now_s(e) - c->hole_s);
	bool waited = !(c->flags & (C_RECOVERY | C_LOSS)) && passed >= wait_s[c->holes];
	if (small && (full || waited)) {
		c->mss = c->full_mss;
		c->flags &= ~(uint32_t)C_SMALL_MSS;
	}
	if (full) {
		c->holes = 0;
		c->flags |= C_FULL_SEEN;
	}
}

/* Our FIN is acknowledged. False: the connection is gone. */
static bool fin_acked(struct tcp_engine *e, struct conn *c)
{
	switch (c->state) {
	case STATE_FIN_WAIT_1:
		c->state = STATE_FIN_WAIT_2;
		c->life_at = tick_in_ms(e, FIN_WAIT_2_MS);
		return true;
	case STATE_CLOSING:
		time_wait_enter(e, c);
		return false;
	case STATE_LAST_ACK:
		conn_close(e, c, TCP_CLOSED_NORMAL);
		return false;
	default:
		return true;
	}
}

static bool new_data_acked(struct tcp_engine *e, struct conn *c, const struct segment *s,
                           struct ack_result *r)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	uint32_t acked = s->ack - c->snd_una;
	bool fin = c->flags & C_FIN_SENT && s->ack == c->snd_nxt;
	score_ack(e, c, s, r);
	tx_drop(e, c, acked - fin);
	c->snd_una = s->ack;
	c->rtx_since = 0;
	take_rtt(e, c, s, r);
	undo_by_ack(e, c, s, r);
	probe_answered(e, c, r);
	bool recovering = c->flags & C_RECOVERY;
	leave_recovery(c);
	if (c->flags & C_RECOVERY) {
		if (!(c->flags & C_SACK)) {
			/* RFC 6582 3.2 step 3: a partial ACK names the next lost segment */
			c->dup_acks -= (uint8_t)min_u32(c->dup_acks, acked / c->mss);
			score_mark_first_lost(e, c);
			c->flags |= C_FORCE;
		}
	} else {
		c->dup_acks = 0;
		if (!recovering)
			cwnd_grow(e, c, acked, flight);
		restore_mss(e, c, r);
	}
	if (c->flags & C_FIN_QUEUED && c->state != STATE_FIN_WAIT_2)
		c->life_at = tick_in_ms(e, ORPHAN_MS);
	return !fin || fin_acked(e, c);
}

/* RFC 5681 2: what counts as a duplicate. */
static void duplicate_ack(struct tcp_engine *e, struct conn *c, const struct segment *s,
                          uint32_t window_before)
{
	if (c->flags & C_SACK || s->data_bytes > 0 || s->flags & (SYN | FIN) ||
	    c->snd_wnd != window_before || c->snd_nxt == c->snd_una || c->snd_wnd == 0)
		return;
	if (c->dup_acks < UINT8_MAX)
		c->dup_acks++;
	if (c->dup_acks == 3 && !(c->flags & (C_RECOVERY | C_LOSS))) {
		enter_recovery(e, c);
		score_mark_first_lost(e, c);
	}
}

/* RFC 9293 3.10.7.4, SND.WL1 and SND.WL2 guard against old segments. */
static void window_input(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	if (!seq_lt(c->snd_wl1, s->seq) && !(c->snd_wl1 == s->seq && seq_le(c->snd_wl2, s->ack)))
		return;
	uint32_t window = (uint32_t)s->window << c->snd_wscale;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	if (s->window > c->max_window)
		c->max_window = s->window;
	if (window == 0)
		c->rtx_since = 0; /* a living peer with no room: probe on, RFC 9293 3.8.6.1 */
	if (c->snd_wnd == 0 && window > 0) {
		c->backoff = 0;
		c->rtx_at = 0;
		if (s->ack != c->snd_nxt) {
			/* what it had no room for was dropped: again, at once */
			score_mark_all_lost(e, c);
			c->flags |= C_FORCE;
		}
	}
	c->snd_wnd = window;
}

/* True: something is newly lost. */
static bool detect_losses(struct tcp_engine *e, struct conn *c)
{
	uint32_t wait_us;
	bool lost = score_detect(e, c, &wait_us);
	if (lost && !(c->flags & (C_RECOVERY | C_LOSS)))
		enter_recovery(e, c);
	if (wait_us == 0 || c->rtx_at == 0)
		return lost;
	uint32_t at = tick_in_us(e, wait_us);
	if ((int32_t)(at - c->rtx_at) < 0) {
		c->rtx_at = at;
		c->flags = (c->flags | C_TIMER_REO) & ~(uint32_t)C_TIMER_TLP;
	}
	return lost;
}

/* RFC 5961 5.2: the acceptable range; an ACK outside it is answered by a challenge ACK. */
static bool in_range(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	uint32_t oldest = c->snd_una - ((uint32_t)c->max_window << c->snd_wscale);
	if (seq_lt(c->snd_nxt, s->ack)) {
		count(e, COUNTER_TCP_ACK_UNSENT);
	} else if (seq_lt(s->ack, oldest)) {
		count(e, COUNTER_TCP_ACK_TOO_OLD);
	} else {
		return true;
	}
	send_challenge(e, c);
	return false;
}

static void writable_if_due(struct tcp_engine *e, struct conn *c)
{
	if (!(c->flags & C_WANT_WRITE) || c->tx_bytes > e->config.tx_buffer_bytes / 2)
		return;
	c->flags &= ~(uint32_t)C_WANT_WRITE;
	e->app.writable(e->app_context, handle_of(e, c));
}

bool ack_input(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	if (!in_range(e, c, s))
		return false;
	if (seq_lt(s->ack, c->snd_una)) {
		count(e, COUNTER_TCP_ACK_OLD);
		return true;
	}
	struct ack_result r = {0};
	uint32_t window_before = c->snd_wnd;
	tcp_handle handle = handle_of(e, c);
	window_input(e, c, s);
	if (c->flags & C_SACK && s->opt.sack_count > 0)
		score_sack(e, c, s, &r);
	bool advanced = s->ack != c->snd_una;
	if (advanced) {
		if (!new_data_acked(e, c, s, &r))
			return false;
		rtx_arm(e, c);
	} else {
		duplicate_ack(e, c, s, window_before);
	}
	undo_by_dsack(e, c, &r);
	bool lost = detect_losses(e, c);
	recovery_ack(e, c, r.delivered, advanced && !lost);
	ext_release_if_idle(e, c);
	if (has_output(e, c))
		conn_touch(e, c);
	if (advanced)
		writable_if_due(e, c);
	return conn_get(e, handle) != NULL;
}
