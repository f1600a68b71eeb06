/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYN cookies: a handshake without state, when the cache of half-open connections is full
 * (RFC 4987 3.6).
 *
 * The initial sequence number is SipHash-2-4 of the addresses, the peer's initial sequence
 * number, a period of 67 s and the index of an MSS. The last ACK is tried against the periods
 * and sizes that are possible: 2 * 4 candidates of 32 bits, so that a forged ACK succeeds once in
 * 2^29. What else the SYN offered comes back in the low bits of the echoed timestamp:
 *
 *     | clock, 26 bits | SACK | window scale given | window scale, 4 bits |
 */
#include "tcp/tcp_priv.h"

#define PERIOD_SHIFT 26 /* 2^26 us = 67 s */
#define TS_BITS      6
#define TS_MASK      ((1u << TS_BITS) - 1)
#define TS_SACK      0x20u
#define TS_WSCALE    0x10u

static const uint16_t sizes[4] = {MSS_FLOOR, MSS_DEFAULT_V4, MSS_DEFAULT_V6, 1440};

static uint32_t cookie_make(const struct tcp_engine *e, const struct key *key, uint32_t irs,
                            uint32_t period, uint32_t size)
{
	struct {
		struct key key;
		uint16_t size;
		uint32_t irs, period;
	} in = {*key, (uint16_t)size, irs, period};
	return (uint32_t)siphash24(e->cookie_key, &in, sizeof in);
}

static uint32_t period_now(const struct tcp_engine *e)
{
	return (uint32_t)(e->now_us >> PERIOD_SHIFT);
}

void cookie_send(struct tcp_engine *e, const struct key *key, struct offer *o)
{
	uint32_t size = 0;
	while (size < 3 && sizes[size + 1] <= o->mss)
		size++;
	o->iss = cookie_make(e, key, o->irs, period_now(e), size);
	uint32_t tsval = ts_now(e, ts_offset_make(e, key));
	if (o->flags & C_TS) {
		uint32_t bits = (o->flags & C_SACK ? TS_SACK : 0) |
		                (o->flags & C_WSCALE ? TS_WSCALE | o->wscale : 0);
		uint32_t stamped = (tsval & ~TS_MASK) | bits;
		/* not ahead of the clock: later timestamps must not go back (RFC 7323 5) */
		tsval = seq_lt(tsval, stamped) ? stamped - (TS_MASK + 1) : stamped;
	} else {
		/* nowhere to remember them */
		o->flags = 0;
	}
	if (syn_ack_send(e, key, o, tsval)) {
		count(e, COUNTER_TCP_COOKIES_SENT);
		e->cookie_period = period_now(e);
		e->cookies_out = true;
	}
}

static bool cookie_check(const struct tcp_engine *e, const struct key *key, uint32_t irs,
                         uint32_t iss, uint16_t *mss)
{
	for (uint32_t age = 0; age < 2; age++) {
		for (uint32_t size = 0; size < 4; size++) {
			if (cookie_make(e, key, irs, period_now(e) - age, size) == iss) {
				*mss = sizes[size];
				return true;
			}
		}
	}
	return false;
}

/* A cookie opens one connection: a copy of its ACK that comes after the end finds it here. The
 * last COOKIE_WAYS of each set are remembered, most recent first. */
static bool is_replay(struct tcp_engine *e, uint32_t iss)
{
	uint32_t *set = e->cookies_used[iss % COOKIE_SETS];
	for (uint32_t i = 0; i < COOKIE_WAYS; i++)
		if (set[i] == iss)
			return true;
	memmove(set + 1, set, (COOKIE_WAYS - 1) * sizeof set[0]);
	set[0] = iss;
	return false;
}

static void offer_restore(const struct tcp_engine *e, const struct key *key,
                          const struct segment *s, struct offer *o)
{
	uint16_t most = mss_of_link(e, key);
	if (o->mss > most)
		o->mss = most;
	if (!s->opt.has_ts)
		return;
	uint32_t bits = s->opt.tsecr & TS_MASK;
	o->flags = C_TS | (bits & TS_SACK ? C_SACK : 0) | (bits & TS_WSCALE ? C_WSCALE : 0);
	o->wscale = bits & 0xf;
	o->ts_recent = s->opt.tsval;
}

/* None sent of late: then this is no cookie, and costs no hashing. */
static bool cookies_are_out(const struct tcp_engine *e, const struct segment *s)
{
	return e->cookies_out && !(s->flags & SYN) &&
	       period_now(e) - e->cookie_period <= 1;
}

bool cookie_is_valid(const struct tcp_engine *e, const struct key *key, const struct segment *s)
{
	uint16_t mss;
	return cookies_are_out(e, s) && cookie_check(e, key, s->seq - 1, s->ack - 1, &mss);
}

bool cookie_input(struct tcp_engine *e, const struct key *key, struct segment *s)
{
	if (!cookies_are_out(e, s))
		return false;
	struct offer o = {.irs = s->seq - 1, .iss = s->ack - 1};
	if (!cookie_check(e, key, o.irs, o.iss, &o.mss)) {
		/* dropped without an RST: it may be data that overtook the handshake's last ACK */
		count(e, COUNTER_TCP_COOKIES_WRONG);
		return true;
	}
	if (is_replay(e, o.iss)) {
		count(e, COUNTER_TCP_COOKIES_REPLAYED);
		return true;
	}
	offer_restore(e, key, s, &o);
	struct conn *c = memory_is_short(e) || prefix_is_full(e, key) ? NULL : conn_new(e, key);
	if (!c) {
		count(e, COUNTER_TCP_CONNECTIONS_FULL);
		return true;
	}
	if (!table_add(e, key, ENTRY(ENTRY_CONN, (uint32_t)(c - e->conns)))) {
		count(e, COUNTER_TCP_TABLE_FULL);
		conn_free(e, c);
		return true;
	}
	count(e, COUNTER_TCP_COOKIES_ACCEPTED);
	conn_established(e, c, &o, s);
	return true;
}
