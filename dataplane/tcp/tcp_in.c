/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments in: parsing, demultiplexing, and RFC 9293 3.10.7.4's checks in their order.
 */
#include "tcp/tcp_priv.h"

#define HEADER_BYTES 20

bool segment_parse(struct tcp_engine *e, const uint8_t *bytes, uint32_t count_,
                   struct segment *s)
{
	if (count_ < HEADER_BYTES) {
		count(e, COUNTER_TCP_DROP_SHORT);
		return false;
	}
	uint32_t header = (uint32_t)(bytes[12] >> 4) * 4;
	if (header < HEADER_BYTES || header > count_) {
		count(e, COUNTER_TCP_DROP_DATA_OFFSET);
		return false;
	}
	s->seq = get_be32(bytes + 4);
	s->ack = get_be32(bytes + 8);
	s->flags = bytes[13] & 0x3f;
	s->window = get_be16(bytes + 14);
	s->data = bytes + header;
	s->data_bytes = count_ - header;
	bool syn = s->flags & SYN;
	if (!options_parse(bytes + HEADER_BYTES, header - HEADER_BYTES, syn, &s->opt)) {
		count(e, COUNTER_TCP_DROP_OPTIONS);
		return false;
	}
	if (s->opt.ignored)
		counter_add(e->counters, COUNTER_TCP_OPTIONS_IGNORED, s->opt.ignored);
	return true;
}

bool port_is_open(const struct tcp_engine *e, uint16_t port)
{
	for (uint32_t i = 0; i < TCP_PORTS_MAX && e->config.ports[i] != 0; i++)
		if (e->config.ports[i] == port)
			return true;
	return false;
}

/* RFC 9293 3.10.7.1 and 3.10.7.2: no connection, or LISTEN. */
static void no_connection_input(struct tcp_engine *e, const struct key *key, struct segment *s)
{
	if (s->flags & RST) {
		count(e, COUNTER_TCP_DROP_RST_NO_CONNECTION);
		return;
	}
	if (!port_is_open(e, key->local_port)) {
		count(e, COUNTER_TCP_PORT_CLOSED);
		reply_rst(e, key, s);
	} else if (s->flags & ACK) {
		if (cookie_input(e, key, s))
			return;
		count(e, COUNTER_TCP_NO_CONNECTION);
		reply_rst(e, key, s);
	} else if (s->flags & SYN) {
		syn_input(e, key, s);
	} else {
		count(e, COUNTER_TCP_DROP_NO_FLAGS);
	}
}

/* RFC 9293 3.2, 3.9.2.3: addresses that no peer can have. */
static bool source_is_possible(const struct tcp_address *local, const struct tcp_address *peer)
{
	static const uint8_t zero[16];
	if (memcmp(local, peer, sizeof *local) == 0 || memcmp(peer, zero, 16) == 0)
		return false;
	if (!is_ipv4(peer->ip))
		return peer->ip[0] != 0xff;
	/* 0.0.0.0/8, multicast, reserved, broadcast */
	return peer->ip[12] != 0 && peer->ip[12] < 224;
}

/* A connection that is in use is in the table under its key. */
static bool is_conn_of(const struct tcp_engine *e, uint32_t index, const struct key *key)
{
	if (index >= e->config.conns_max)
		return false;
	const struct conn *c = &e->conns[index];
	return c->state != STATE_FREE && memcmp(&c->key, key, sizeof *key) == 0;
}

static void entry_input(struct tcp_engine *e, const struct key *key, struct segment *s)
{
	uint32_t entry = table_find(e, key);
	if (entry == NONE)
		no_connection_input(e, key, s);
	else if (ENTRY_KIND(entry) == ENTRY_CONN)
		conn_input(e, &e->conns[ENTRY_INDEX(entry)], s);
	else if (ENTRY_KIND(entry) == ENTRY_SYN)
		syn_entry_input(e, ENTRY_INDEX(entry), s);
	else
		time_wait_input(e, ENTRY_INDEX(entry), s);
}

void tcp_input_likely(struct tcp_engine *e, uint32_t likely, const struct tcp_address *local,
                      const struct tcp_address *peer, const uint8_t *segment, uint32_t bytes)
{
	struct segment s;
	count(e, COUNTER_TCP_SEGMENTS_IN);
	if (!segment_parse(e, segment, bytes, &s))
		return;
	struct key key = {.peer_port = get_be16(segment), .local_port = get_be16(segment + 2)};
	memcpy(key.ip, peer->ip, sizeof key.ip);
	if (key.peer_port == 0 || key.local_port == 0 || !source_is_possible(local, peer)) {
		count(e, COUNTER_TCP_DROP_ADDRESS);
		return;
	}
	uint32_t number = local_number(e, local, true);
	if (number == NONE) {
		count(e, COUNTER_TCP_DROP_LOCAL_ADDRESSES);
		return;
	}
	key.local = (uint16_t)number;
	if (is_conn_of(e, likely, &key))
		conn_input(e, &e->conns[likely], &s);
	else
		entry_input(e, &key, &s);
}

void tcp_input(struct tcp_engine *e, const struct tcp_address *local,
               const struct tcp_address *peer, const uint8_t *segment, uint32_t bytes)
{
	tcp_input_likely(e, UINT32_MAX, local, peer, segment, bytes);
}

/* RFC 9293 3.10.7.4, first, table 6. */
static bool is_acceptable(const struct conn *c, const struct segment *s)
{
	uint32_t window = c->rcv_adv - c->rcv_nxt;
	uint32_t length = s->data_bytes + !!(s->flags & SYN) + !!(s->flags & FIN);
	uint32_t first = s->seq - c->rcv_nxt;
	uint32_t last = first + length - 1;
	/* One step beyond the table: a peer that has filled the window, and of whose segments one
	 * was lost, sends its ACKs with the number of the right edge. They must count. */
	if (length == 0 && first == window && !(s->flags & RST))
		return true;
	if (length == 0)
		return window == 0 ? first == 0 : first < window;
	return window > 0 && (first < window || last < window);
}

/* The reply to an unacceptable segment; never to an RST. */
static void reject(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	count(e, COUNTER_TCP_UNACCEPTABLE);
	if (s->flags & RST)
		return;
	if (s->data_bytes == 0) {
		/* keep-alives (RFC 9293 3.8.4), window probes and a FIN again have this number and
		 * none of our own segments has; others are throttled, so that no ACK war starts */
		if (s->seq == c->rcv_nxt - 1)
			send_ack(e, c, NULL);
		else
			send_challenge(e, c);
		return;
	}
	/* RFC 2883 4.1: a duplicate is reported */
	struct range dsack = {s->seq, s->seq + s->data_bytes};
	bool old = seq_le(dsack.end, c->rcv_nxt);
	send_ack(e, c, old ? &dsack : NULL);
}

/* RFC 7323 5.3 R1. False: dropped. */
static bool paws(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	if (!(c->flags & C_TS) || s->flags & RST)
		return true;
	if (!s->opt.has_ts) {
		count(e, COUNTER_TCP_DROP_NO_TIMESTAMP); /* RFC 7323 3.2 */
		return false;
	}
	if (!seq_lt(s->opt.tsval, c->ts_recent))
		return true;
	if (now_tick(e) - c->ts_recent_tick > PAWS_VOID_TICKS)
		return true; /* RFC 7323 5.5: idle for longer than the clock's sign bit lasts */
	count(e, COUNTER_TCP_PAWS);
	if (s->data_bytes > 0)
		send_ack(e, c, NULL);
	else
		send_challenge(e, c);
	return false;
}

/* RFC 7323 4.3 (2): only from a segment that spans the last ACK. */
static void timestamp_input(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	if (!(c->flags & C_TS) || !s->opt.has_ts || seq_lt(c->last_ack_sent, s->seq))
		return;
	if (seq_lt(s->opt.tsval, c->ts_recent) &&
	    now_tick(e) - c->ts_recent_tick <= PAWS_VOID_TICKS)
		return;
	c->ts_recent = s->opt.tsval;
	c->ts_recent_tick = now_tick(e);
}

/* RFC 5961 3.2: only the exact next sequence number resets. */
static void rst_input(struct tcp_engine *e, struct conn *c, const struct segment *s)
{
	if (s->seq == c->rcv_nxt) {
		count(e, COUNTER_TCP_RST_ACCEPTED);
		conn_close(e, c, TCP_CLOSED_RESET);
		return;
	}
	count(e, COUNTER_TCP_RST_CHALLENGED);
	send_challenge(e, c);
}

bool finished_if_due(struct tcp_engine *e, struct conn *c)
{
	if (!(c->flags & C_FIN_RCVD) || c->flags & (C_FINISHED | C_FIN_QUEUED) || c->rx_bytes > 0)
		return true;
	tcp_handle handle = handle_of(e, c);
	c->flags |= C_FINISHED;
	e->app.finished(e->app_context, handle);
	return conn_get(e, handle) != NULL;
}

/* RFC 9293 3.10.7.4, eighth. */
bool fin_received(struct tcp_engine *e, struct conn *c)
{
	rx_end(e, c);
	c->rcv_nxt++;
	if (seq_lt(c->rcv_adv, c->rcv_nxt))
		c->rcv_adv = c->rcv_nxt;
	c->flags |= C_FIN_RCVD | C_ACK_NOW;
	conn_touch(e, c);
	switch (c->state) {
	case STATE_ESTABLISHED:
		c->state = STATE_CLOSE_WAIT;
		break;
	case STATE_FIN_WAIT_1:
		c->state = STATE_CLOSING;
		break;
	case STATE_FIN_WAIT_2:
		send_ack(e, c, NULL);
		time_wait_enter(e, c);
		return false;
	default:
		break;
	}
	/* what the application left over is all that there will be: it decides now */
	return c->rx_bytes > 0 ? rx_offer(e, c) : finished_if_due(e, c);
}

/* Sixth to eighth: URG is not special, it lies in the data (RFC 6093 6). */
static bool text_input(struct tcp_engine *e, struct conn *c, struct segment *s)
{
	uint32_t fin_seq = s->seq + s->data_bytes;
	bool fin = s->flags & FIN;
	if (s->data_bytes > 0 && !rx_input(e, c, s))
		return false;
	if (c->flags & C_FIN_RCVD)
		return true;
	struct ext *x = ext_of(e, c);
	if (x && x->ooo_has_fin && x->ooo_fin == c->rcv_nxt)
		return fin_received(e, c);
	if (!fin)
		return true;
	if (fin_seq == c->rcv_nxt)
		return fin_received(e, c);
	if (s->data_bytes == 0)
		send_ack(e, c, NULL); /* a FIN ahead of a gap */
	return true;
}

/* The peer's window is shut for data, but not for ACK, URG and RST (RFC 9293 3.10.7.4). */
static void strip_if_window_shut(struct tcp_engine *e, struct conn *c, struct segment *s)
{
	if (c->rcv_adv != c->rcv_nxt || s->seq != c->rcv_nxt || s->flags & SYN)
		return;
	if (s->data_bytes == 0 && !(s->flags & FIN))
		return;
	count(e, COUNTER_TCP_DATA_BEYOND_WINDOW);
	s->data_bytes = 0;
	s->flags &= (uint8_t)~FIN;
	c->flags |= C_ACK_NOW;
	conn_touch(e, c);
}

void conn_input(struct tcp_engine *e, struct conn *c, struct segment *s)
{
	if (!paws(e, c, s))
		return;
	strip_if_window_shut(e, c, s);
	if (!is_acceptable(c, s)) {
		reject(e, c, s);
		return;
	}
	if (s->flags & RST) {
		rst_input(e, c, s);
		return;
	}
	if (s->flags & SYN) {
		count(e, COUNTER_TCP_SYN_CHALLENGED); /* RFC 5961 4.2 */
		send_challenge(e, c);
		return;
	}
	if (!(s->flags & ACK)) {
		count(e, COUNTER_TCP_DROP_NO_ACK);
		return;
	}
	if (!ack_input(e, c, s))
		return;
	timestamp_input(e, c, s);
	if (!text_input(e, c, s))
		return;
	timer_update(e, c);
}
