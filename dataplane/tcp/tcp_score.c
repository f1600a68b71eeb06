/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments in flight: which were selectively acknowledged, which are lost.
 *
 * They are an array in order of sequence numbers, without gaps from snd_una to snd_nxt. A single
 * segment lives in the connection; from the second on the array is in the extension block.
 * Loss detection is RACK (RFC 8985) where the peer sends SACK, else NewReno's duplicate ACKs.
 */
#include "tcp/tcp_priv.h"

struct sent *score_segments(struct tcp_engine *e, struct conn *c, uint32_t *count_out)
{
	struct ext *x = ext_of(e, c);
	*count_out = x ? x->sent_count : c->snd_nxt != c->snd_una;
	return x ? x->sent : &c->single;
}

uint32_t score_start(struct tcp_engine *e, struct conn *c, uint32_t i)
{
	uint32_t n;
	const struct sent *s = score_segments(e, c, &n);
	return i == 0 ? c->snd_una : s[i - 1].end;
}

bool score_has_room(struct tcp_engine *e, struct conn *c)
{
	if (c->snd_nxt == c->snd_una)
		return true;
	struct ext *x = ext_need(e, c);
	return x && x->sent_count < SCORE_SEGS - SCORE_SPARE;
}

void score_append(struct tcp_engine *e, struct conn *c, uint32_t end)
{
	struct sent s = {end, (uint32_t)e->now_us, 0};
	struct ext *x = ext_of(e, c);
	if (x) {
		CHECK_OP(x->sent_count, <, (uint32_t)SCORE_SEGS);
		x->sent[x->sent_count++] = s;
		x->prr_out += end - c->snd_nxt;
	} else {
		CHECK_OP(c->snd_nxt, ==, c->snd_una);
	}
	/* its time also says when data was sent last */
	c->single = s;
}

/* RFC 8985 6.2 step 2: the most recently sent segment that has arrived. */
static void rack_update(struct tcp_engine *e, struct conn *c, struct ext *x,
                        const struct sent *s, const struct segment *in)
{
	uint32_t rtt = (uint32_t)e->now_us - s->xmit_us;
	if (s->flags & SENT_RETX) {
		/* an ACK of the original, not of the retransmission */
		if (rtt < x->min_rtt_us)
			return;
		uint32_t sent_ts = ts_now(e, c->ts_offset) - rtt / 1000;
		if (c->flags & C_TS && in->opt.has_ts && seq_lt(in->opt.tsecr, sent_ts))
			return;
	} else if (x->min_rtt_us == 0 || rtt < x->min_rtt_us) {
		x->min_rtt_us = max_u32(rtt, 1);
	}
	x->rack_rtt_us = rtt;
	bool later = seq_lt(x->rack_xmit_us, s->xmit_us) ||
	             (x->rack_xmit_us == s->xmit_us && seq_lt(x->rack_end, s->end));
	if (!x->rack_valid || later) {
		x->rack_valid = 1;
		x->rack_xmit_us = s->xmit_us;
		x->rack_end = s->end;
	}
}

/* A segment has arrived for the first time, by cumulative or selective acknowledgement. */
static void delivered(struct tcp_engine *e, struct conn *c, const struct sent *s,
                      const struct segment *in, struct ack_result *r)
{
	struct ext *x = ext_of(e, c);
	if (!(s->flags & SENT_RETX)) {
		r->original_seen = true;
		r->rtt_valid = true; /* Karn: never from a retransmitted segment */
		r->rtt_us = (uint32_t)e->now_us - s->xmit_us;
		/* RFC 8985 6.2 step 3: an original below what has arrived came out of order */
		if (x && seq_lt(s->end, x->fack))
			x->reordering_seen = 1;
	} else {
		r->retx_age_us = max_u32((uint32_t)e->now_us - s->xmit_us, 1);
	}
	if (!x)
		return;
	if (seq_lt(x->fack, s->end))
		x->fack = s->end;
	rack_update(e, c, x, s, in);
}

void score_ack(struct tcp_engine *e, struct conn *c, const struct segment *in,
               struct ack_result *r)
{
	uint32_t n;
	struct sent *s = score_segments(e, c, &n);
	uint32_t start = c->snd_una;
	uint32_t gone = 0;
	r->head_resent = n > 0 && s[0].flags & SENT_RETX && seq_le(s[0].end, in->ack);
	r->head_age_us = r->head_resent ? (uint32_t)e->now_us - s[0].xmit_us : 0;
	while (gone < n && seq_le(s[gone].end, in->ack)) {
		if (!(s[gone].flags & SENT_SACKED)) {
			r->delivered += s[gone].end - start;
			r->largest = max_u32(r->largest, s[gone].end - start);
			delivered(e, c, &s[gone], in, r);
		}
		start = s[gone].end;
		gone++;
	}
	struct ext *x = ext_of(e, c);
	if (x && gone > 0) {
		x->sent_count -= gone;
		memmove(x->sent, x->sent + gone, x->sent_count * sizeof x->sent[0]);
	}
}

/* Cut segment i at `at`; false: no room. */
static bool split(struct ext *x, uint32_t i, uint32_t at)
{
	if (x->sent_count == SCORE_SEGS)
		return false;
	memmove(&x->sent[i + 1], &x->sent[i], (x->sent_count - i) * sizeof x->sent[0]);
	x->sent[i].end = at;
	x->sent_count++;
	return true;
}

static void sack_range(struct tcp_engine *e, struct conn *c, const struct range *range,
                       const struct segment *in, struct ack_result *r)
{
	struct ext *x = ext_of(e, c);
	uint32_t start = c->snd_una;
	for (uint32_t i = 0; i < x->sent_count; start = x->sent[i].end, i++) {
		if (x->sent[i].flags & SENT_SACKED || seq_le(x->sent[i].end, range->start))
			continue;
		if (seq_le(range->end, start))
			return;
		/* a segment that is covered in part is split, so far as there is room */
		if (seq_lt(start, range->start)) {
			if (!split(x, i, range->start))
				return;
			continue;
		}
		if (seq_lt(range->end, x->sent[i].end) && !split(x, i, range->end))
			return;
		r->delivered += x->sent[i].end - start;
		delivered(e, c, &x->sent[i], in, r);
		x->sent[i].flags = (x->sent[i].flags | SENT_SACKED) & ~(uint32_t)SENT_LOST;
	}
}

/* RFC 2883 4: the first block reports a duplicate when it is below the cumulative ACK or inside
 * the second block. */
static bool is_dsack(const struct segment *in)
{
	const struct range *b = in->opt.sack;
	if (seq_le(b[0].end, in->ack))
		return true;
	return in->opt.sack_count > 1 && seq_le(b[1].start, b[0].start) &&
	       seq_le(b[0].end, b[1].end);
}

static void dsack_seen(struct tcp_engine *e, struct conn *c, const struct segment *in,
                       struct ack_result *r)
{
	count(e, COUNTER_TCP_DSACK_SEEN);
	r->dsack = true;
	r->dsack_end = in->opt.sack[0].end;
	struct ext *x = ext_of(e, c);
	/* RFC 8985 6.2 step 4: a wider reordering window, at most once per round trip */
	if (x && seq_le(x->reo_round, c->snd_una)) {
		x->reo_round = c->snd_nxt;
		if (x->reo_mult < 16)
			x->reo_mult++;
		x->reo_persist = 16;
	}
}

void score_sack(struct tcp_engine *e, struct conn *c, const struct segment *in,
                struct ack_result *r)
{
	uint32_t first = 0;
	if (is_dsack(in)) {
		dsack_seen(e, c, in, r);
		first = 1;
	}
	for (uint32_t i = first; i < in->opt.sack_count; i++) {
		const struct range *b = &in->opt.sack[i];
		/* RFC 2018 4, against CVE-2019-11477 and its kind: only what is in flight */
		if (!seq_lt(b->start, b->end) || seq_le(b->start, c->snd_una) ||
		    seq_lt(c->snd_nxt, b->end) || seq_lt(b->start, in->ack)) {
			count(e, COUNTER_TCP_SACK_INVALID);
			continue;
		}
		/* one segment in flight can't be selectively acknowledged in part of interest */
		if (ext_of(e, c))
			sack_range(e, c, b, in, r);
	}
}

static uint32_t sacked_segments(const struct ext *x)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < x->sent_count; i++)
		n += !!(x->sent[i].flags & SENT_SACKED);
	return n;
}

/* RFC 8985 6.2 step 4. */
static uint32_t reo_window(const struct conn *c, const struct ext *x)
{
	if (!x->reordering_seen &&
	    (c->flags & (C_RECOVERY | C_LOSS) || sacked_segments(x) >= 3))
		return 0;
	return min_u32(x->reo_mult * (x->min_rtt_us / 4), c->srtt_us);
}

bool score_detect(struct tcp_engine *e, struct conn *c, uint32_t *wait_us)
{
	struct ext *x = ext_of(e, c);
	*wait_us = 0;
	if (!x || !x->rack_valid || !(c->flags & C_SACK))
		return false;
	uint32_t window = reo_window(c, x);
	bool lost = false;
	for (uint32_t i = 0; i < x->sent_count; i++) {
		struct sent *s = &x->sent[i];
		if (s->flags & (SENT_SACKED | SENT_LOST))
			continue;
		bool older = seq_lt(s->xmit_us, x->rack_xmit_us) ||
		             (s->xmit_us == x->rack_xmit_us && seq_lt(s->end, x->rack_end));
		if (!older)
			continue;
		/* RFC 8985 6.2 step 5 */
		uint32_t age = (uint32_t)e->now_us - s->xmit_us;
		uint32_t allowed = x->rack_rtt_us + window;
		if (age >= allowed) {
			s->flags |= SENT_LOST;
			lost = true;
		} else {
			*wait_us = max_u32(*wait_us, allowed - age);
		}
	}
	return lost;
}

void score_mark_all_lost(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	struct sent *s = score_segments(e, c, &n);
	/* RFC 2018 8: a receiver that has the first byte acknowledges it cumulatively; a SACKed
	 * head means that it reneged, and nothing it said about SACK holds */
	bool reneged = n > 0 && s[0].flags & SENT_SACKED;
	if (reneged)
		count(e, COUNTER_TCP_SACK_RENEGED);
	for (uint32_t i = 0; i < n; i++) {
		if (reneged)
			s[i].flags &= ~(uint32_t)SENT_SACKED;
		if (!(s[i].flags & SENT_SACKED))
			s[i].flags |= SENT_LOST;
	}
}

void score_mark_first_lost(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	struct sent *s = score_segments(e, c, &n);
	if (n > 0 && !(s[0].flags & SENT_SACKED))
		s[0].flags |= SENT_LOST;
}

void score_unmark_lost(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	struct sent *s = score_segments(e, c, &n);
	for (uint32_t i = 0; i < n; i++)
		s[i].flags &= ~(uint32_t)SENT_LOST;
}

/* RFC 6675 4: bytes thought to be on their way. */
uint32_t score_pipe(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	const struct sent *s = score_segments(e, c, &n);
	uint32_t pipe = 0;
	uint32_t start = c->snd_una;
	for (uint32_t i = 0; i < n; start = s[i].end, i++)
		if (!(s[i].flags & (SENT_SACKED | SENT_LOST)))
			pipe += s[i].end - start;
	/* without SACK each duplicate ACK says that one segment has left (RFC 6582 3.2) */
	if (!(c->flags & C_SACK)) {
		uint32_t left = (uint32_t)c->dup_acks * c->mss;
		pipe -= min_u32(pipe, left);
	}
	return pipe;
}

uint32_t score_first_lost(struct tcp_engine *e, struct conn *c)
{
	uint32_t n;
	const struct sent *s = score_segments(e, c, &n);
	for (uint32_t i = 0; i < n; i++)
		if (s[i].flags & SENT_LOST)
			return i;
	return NONE;
}

void score_resent(struct tcp_engine *e, struct conn *c, uint32_t i, uint32_t bytes)
{
	struct ext *x = ext_of(e, c);
	uint32_t start = score_start(e, c, i);
	/* without an extension or room, the rest of the segment counts as sent with its start and
	 * is found missing by the next acknowledgement or timeout */
	uint32_t n;
	struct sent *s = score_segments(e, c, &n);
	if (seq_lt(start + bytes, s[i].end)) {
		if (!x)
			x = ext_need(e, c);
		if (x) {
			split(x, i, start + bytes);
			s = x->sent;
		}
	}
	s[i].flags = (s[i].flags | SENT_RETX) & ~(uint32_t)SENT_LOST;
	s[i].xmit_us = (uint32_t)e->now_us;
	if (!x)
		return;
	c->single.xmit_us = (uint32_t)e->now_us;
	x->prr_out += s[i].end - start;
	if (c->flags & (C_RECOVERY | C_LOSS))
		x->undo_resent++;
}
