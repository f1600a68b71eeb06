/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passive open: compact half-open entries until the handshake's last ACK, cookies when there are
 * too many of them (RFC 4987 3.4, 3.6).
 */
#include "tcp/tcp_priv.h"

/* RFC 6528 3: ISN = M + F(addresses, ports, key), M a clock of 4 us. */
uint32_t isn_make(const struct tcp_engine *e, const struct key *key)
{
	struct {
		struct key key;
		struct tcp_address local;
	} in = {*key, e->locals[key->local]};
	in.key.local = 0; /* the address itself, not our number for it */
	return (uint32_t)siphash24(e->isn_key, &in, sizeof in) + (uint32_t)(e->now_us / 4);
}

/* RFC 7323 5.4: the timestamp clock starts elsewhere for each connection. */
uint32_t ts_offset_make(const struct tcp_engine *e, const struct key *key)
{
	return (uint32_t)siphash24(e->ts_key, key, sizeof *key);
}

/* RFC 9293 3.7.1, RFC 6691: what the link carries, without options. */
uint16_t mss_of_link(const struct tcp_engine *e, const struct key *key)
{
	return (uint16_t)(e->config.mtu_bytes - (is_ipv4(key->ip) ? 40 : 60));
}

void syn_init(struct tcp_engine *e)
{
	uint32_t n = e->config.syn_cache_max;
	for (uint32_t i = 0; i < n; i++) {
		e->syns[i].irs = i + 1 < n ? i + 1 : NONE; /* the free list */
		wheel_node_init(&e->syns[i].timer);
	}
	e->syn_free = n ? 0 : NONE;
	wheel_init(&e->syn_wheel, &e->syns[0].timer, sizeof *e->syns, TICK_SHIFT, e->now_us);
}

static void syn_free(struct tcp_engine *e, uint32_t index)
{
	wheel_cancel(&e->syn_wheel, index);
	e->syns[index].in_use = 0;
	e->syns[index].irs = e->syn_free;
	e->syn_free = index;
	e->syn_count--;
}

static void syn_remove(struct tcp_engine *e, uint32_t index)
{
	table_remove(e, &e->syns[index].key, ENTRY(ENTRY_SYN, index));
	syn_free(e, index);
}

/* What the peer's SYN allows; the same for an entry and a cookie. */
void offer_make(const struct tcp_engine *e, const struct key *key, const struct segment *s,
                struct offer *o)
{
	memset(o, 0, sizeof *o);
	o->irs = s->seq;
	uint16_t mss = s->opt.has_mss ? s->opt.mss
	               : is_ipv4(key->ip) ? MSS_DEFAULT_V4
	                                  : MSS_DEFAULT_V6;
	/* CVE-2019-11479: a tiny MSS would make a segment of every few bytes */
	if (mss < MSS_FLOOR)
		mss = MSS_FLOOR;
	uint16_t most = mss_of_link(e, key);
	o->mss = mss < most ? mss : most;
	o->flags = (s->opt.has_sack_permitted ? C_SACK : 0) | (s->opt.has_ts ? C_TS : 0) |
	           (s->opt.has_wscale ? C_WSCALE : 0);
	o->wscale = s->opt.wscale;
	o->ts_recent = s->opt.tsval;
}

bool syn_ack_send(struct tcp_engine *e, const struct key *key, const struct offer *o,
                  uint32_t tsval)
{
	uint8_t options[40];
	struct bare b = {.seq = o->iss, .ack = o->irs + 1, .flags = SYN | ACK, .options = options};
	b.window = syn_window(e);
	b.option_bytes = options_put_syn(options, mss_of_link(e, key),
	                                 o->flags & C_WSCALE ? &e->rcv_wscale : NULL,
	                                 o->flags & C_SACK, o->flags & C_TS, tsval, o->ts_recent);
	if (!send_bare(e, key, &b))
		return false;
	count(e, COUNTER_TCP_SYN_ACK_SENT);
	return true;
}

static void entry_offer(const struct syn *y, struct offer *o)
{
	*o = (struct offer){.irs = y->irs, .iss = y->iss, .ts_recent = y->ts_recent,
	                    .mss = y->mss, .wscale = y->wscale, .flags = y->flags};
}

static void entry_answer(struct tcp_engine *e, uint32_t index)
{
	struct syn *y = &e->syns[index];
	struct offer o;
	entry_offer(y, &o);
	syn_ack_send(e, &y->key, &o, ts_now(e, ts_offset_make(e, &y->key)));
}

/* RFC 6298 (2.1), (5.5): 1 s, doubled each time; one that found no buffer counts too. */
static void entry_arm(struct tcp_engine *e, uint32_t index)
{
	uint64_t rto = (uint64_t)RTO_FIRST_US << e->syns[index].tries;
	wheel_arm(&e->syn_wheel, index, e->now_us + rto);
}

void syn_expired(void *context, uint32_t index)
{
	struct tcp_engine *e = context;
	struct syn *y = &e->syns[index];
	CHECK(y->in_use);
	if (y->tries == SYN_ACK_TRIES) {
		count(e, COUNTER_TCP_HALF_OPEN_TIMEOUT);
		syn_remove(e, index);
		return;
	}
	y->tries++;
	count(e, COUNTER_TCP_SYN_ACK_RETRANSMITS);
	entry_answer(e, index);
	entry_arm(e, index);
}

void syn_input(struct tcp_engine *e, const struct key *key, const struct segment *s)
{
	if (s->flags & FIN) {
		count(e, COUNTER_TCP_DROP_SYN_FIN);
		return;
	}
	if (e->conn_free == NONE || memory_is_short(e)) {
		count(e, COUNTER_TCP_SYN_REFUSED);
		return;
	}
	if (prefix_is_full(e, key)) {
		count(e, COUNTER_TCP_SYN_PREFIX_FULL);
		return;
	}
	struct offer o;
	offer_make(e, key, s, &o);
	uint32_t index = e->syn_free;
	if (index == NONE) {
		cookie_send(e, key, &o);
		return;
	}
	if (!table_add(e, key, ENTRY(ENTRY_SYN, index))) {
		count(e, COUNTER_TCP_TABLE_FULL);
		return;
	}
	struct syn *y = &e->syns[index];
	e->syn_free = y->irs;
	e->syn_count++;
	*y = (struct syn){.key = *key, .wscale = o.wscale, .irs = o.irs, .iss = isn_make(e, key),
	                  .ts_recent = o.ts_recent, .sent_us = (uint32_t)e->now_us, .mss = o.mss,
	                  .flags = o.flags, .in_use = 1};
	wheel_node_init(&y->timer);
	count(e, COUNTER_TCP_SYN_ACCEPTED);
	entry_answer(e, index);
	entry_arm(e, index);
}

uint16_t syn_window(const struct tcp_engine *e)
{
	return (uint16_t)min_u32(e->config.rx_buffer_bytes, UINT16_MAX);
}

static void conn_start(struct tcp_engine *e, struct conn *c, const struct offer *o)
{
	c->flags |= o->flags;
	c->mss = o->mss;
	c->snd_wscale = o->flags & C_WSCALE ? o->wscale : 0;
	c->rcv_nxt = c->last_ack_sent = o->irs + 1;
	c->rcv_adv = c->rcv_nxt + syn_window(e);
	c->snd_una = c->snd_nxt = c->recover = o->iss + 1;
	c->snd_wl1 = o->irs;
	c->snd_wl2 = o->iss;
	c->ts_recent = o->ts_recent;
	c->ts_recent_tick = now_tick(e);
	c->ts_offset = ts_offset_make(e, &c->key);
	c->ssthresh = UINT32_MAX;
	c->single.xmit_us = (uint32_t)e->now_us;
	if (o->rtt_us)
		rtt_sample(c, o->rtt_us);
	if (o->slow) {
		c->flags |= C_SLOW_OPEN;
		c->cwnd = payload_max(c); /* RFC 5681 3.1: the SYN-ACK was lost */
	} else {
		c->cwnd = cwnd_initial(c);
	}
	if (e->config.first_data_timeout_ms)
		c->life_at = tick_in_ms(e, e->config.first_data_timeout_ms);
}

void conn_established(struct tcp_engine *e, struct conn *c, const struct offer *o,
                      struct segment *s)
{
	conn_start(e, c, o);
	prefix_add(e, c);
	timer_update(e, c);
	count(e, COUNTER_TCP_ACCEPTED);
	tcp_handle handle = handle_of(e, c);
	struct tcp_peer peer;
	tcp_peer_of(e, handle, &peer);
	bool wanted = e->app.accept(e->app_context, handle, &peer);
	if (!conn_get(e, handle))
		return;
	if (!wanted) {
		count(e, COUNTER_TCP_ACCEPT_REFUSED);
		send_rst(e, c);
		table_remove(e, &c->key, ENTRY(ENTRY_CONN, tcp_index(handle)));
		conn_free(e, c);
		return;
	}
	conn_input(e, c, s);
}

/* The handshake's last ACK. */
static void entry_complete(struct tcp_engine *e, uint32_t index, struct segment *s)
{
	struct syn *y = &e->syns[index];
	struct conn *c = conn_new(e, &y->key);
	if (!c) {
		/* the peer believes it is connected: its next segment or our SYN-ACK tries anew */
		count(e, COUNTER_TCP_CONNECTIONS_FULL);
		return;
	}
	struct offer o;
	entry_offer(y, &o);
	/* Karn: a retransmitted SYN-ACK gives no sample */
	o.rtt_us = y->tries == 0 && !y->repeated ? max_u32((uint32_t)e->now_us - y->sent_us, 1) : 0;
	o.slow = y->tries > 0;
	table_replace(e, &y->key, ENTRY(ENTRY_SYN, index),
	              ENTRY(ENTRY_CONN, (uint32_t)(c - e->conns)));
	syn_free(e, index);
	conn_established(e, c, &o, s);
}

/* An ACK that says what we have: the honest peer resets what it does not know (RFC 5961 4). */
static void entry_challenge(struct tcp_engine *e, const struct syn *y)
{
	uint8_t options[12];
	struct bare b = {.seq = y->iss + 1, .ack = y->irs + 1, .flags = ACK, .options = options};
	b.window = syn_window(e);
	if (!rst_token(e))
		return;
	if (y->flags & C_TS)
		b.option_bytes = options_put_ts(options, ts_now(e, ts_offset_make(e, &y->key)),
		                                y->ts_recent);
	count(e, COUNTER_TCP_CHALLENGE_SENT);
	send_bare(e, &y->key, &b);
}

/* Not our sequence number. The peer may answer a cookie that one of its earlier SYNs drew. */
static void ack_mismatch(struct tcp_engine *e, uint32_t index, struct segment *s)
{
	struct key key = e->syns[index].key;
	if (cookie_is_valid(e, &key, s)) {
		syn_remove(e, index);
		cookie_input(e, &key, s);
		return;
	}
	count(e, COUNTER_TCP_ACK_UNSENT);
	/* while cookies are out it may also be data that overtook such an ACK: no RST then */
	if (!e->cookies_out)
		reply_rst(e, &key, s);
}

/* RFC 9293 3.10.7.4 in SYN-RECEIVED. */
void syn_entry_input(struct tcp_engine *e, uint32_t index, struct segment *s)
{
	struct syn *y = &e->syns[index];
	uint32_t at = s->seq - (y->irs + 1);
	if (s->flags & RST) {
		if (at == 0 && s->data_bytes == 0) {
			count(e, COUNTER_TCP_RST_ACCEPTED);
			syn_remove(e, index);
		} else {
			count(e, COUNTER_TCP_DROP_RST_HALF_OPEN);
		}
		return;
	}
	if (s->flags & SYN) {
		if (s->seq == y->irs && !(s->flags & (ACK | FIN))) {
			count(e, COUNTER_TCP_SYN_DUPLICATE);
			y->repeated = 1;
			entry_answer(e, index);
		} else {
			count(e, COUNTER_TCP_SYN_CHALLENGED);
			entry_challenge(e, y);
		}
		return;
	}
	if (!(s->flags & ACK)) {
		count(e, COUNTER_TCP_DROP_NO_ACK);
		return;
	}
	if (s->ack != y->iss + 1) {
		ack_mismatch(e, index, s);
		return;
	}
	bool old = y->flags & C_TS && (!s->opt.has_ts || seq_lt(s->opt.tsval, y->ts_recent));
	if (old || at >= syn_window(e)) {
		count(e, COUNTER_TCP_UNACCEPTABLE);
		entry_challenge(e, y);
		return;
	}
	entry_complete(e, index, s);
}
