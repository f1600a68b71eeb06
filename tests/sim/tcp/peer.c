/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define F_FIN 1
#define F_SYN 2
#define F_RST 4
#define F_PSH 8
#define F_ACK 16

#define RTO_US     1000000u
#define RTO_MAX_US 32000000u
#define TRIES_MAX  14
#define DEAF_US    3600000000u  /* gives up on a silent server */
#define LINGER_US  120000000u /* answers retransmitted FINs after its end */

uint8_t stream_byte(uint64_t stream, uint32_t offset)
{
	uint64_t z = stream + (uint64_t)(offset / 8) * 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (uint8_t)(z >> (8 * (offset % 8)));
}

void peer_init(struct peer *p, const struct peer_config *config)
{
	memset(p, 0, sizeof *p);
	p->config = *config;
	p->have = calloc(config->receive_bytes + 1, 1);
	CHECK(p->have);
	p->rto_us = RTO_US;
	p->ack_at_us = UINT64_MAX;
	p->timer_us = config->start_us;
	p->pause_until_us = 0;
}

void peer_fini(struct peer *p)
{
	free(p->have);
}

static uint32_t all_bytes(const struct peer *p)
{
	return p->config.send_bytes + 1; /* and the FIN */
}

static uint32_t window_now(const struct peer *p)
{
	uint32_t kept = p->got - p->read;
	uint32_t room = p->config.buffer_bytes > kept ? p->config.buffer_bytes - kept : 0;
	uint32_t shift = p->config.wscale_on ? p->config.wscale : 0;
	uint32_t field = room >> shift;
	return field > 65535 ? 65535 : field;
}

static uint32_t put_sack(const struct peer *p, uint8_t *o)
{
	uint32_t blocks = 0, most = p->config.ts ? 3 : 4;
	uint32_t base = p->irs + 1;
	for (uint32_t i = p->got; i < p->most_seen && blocks < most;) {
		if (!p->have[i]) {
			i++;
			continue;
		}
		uint32_t start = i;
		while (i < p->most_seen && p->have[i])
			i++;
		put_be32(o + 4 + 8 * blocks, base + start);
		put_be32(o + 8 + 8 * blocks, base + i);
		blocks++;
	}
	if (blocks == 0)
		return 0;
	o[0] = o[1] = 1;
	o[2] = 5;
	o[3] = (uint8_t)(2 + 8 * blocks);
	return 4 + 8 * blocks;
}

static uint32_t put_ts(const struct peer *p, uint8_t *o)
{
	o[0] = o[1] = 1;
	o[2] = 8;
	o[3] = 10;
	put_be32(o + 4, p->config.ts_start + (uint32_t)(p->now_us / 1000));
	put_be32(o + 8, p->ts_recent);
	return 12;
}

static uint32_t put_syn_options(const struct peer *p, uint8_t *o)
{
	uint32_t n = 0;
	if (p->config.mss) {
		o[n] = 2;
		o[n + 1] = 4;
		put_be16(o + n + 2, p->config.mss);
		n += 4;
	}
	if (p->config.sack) {
		memcpy(o + n, (uint8_t[]){4, 2, 1, 1}, 4);
		n += 4;
	}
	if (p->config.wscale_on) {
		memcpy(o + n, (uint8_t[]){1, 3, 3, p->config.wscale}, 4);
		n += 4;
	}
	if (p->config.ts)
		n += put_ts(p, o + n);
	return n;
}

static void emit(struct peer *p, uint32_t seq, uint8_t flags, uint32_t offset, uint32_t bytes)
{
	uint8_t s[20 + 40 + 2000];
	uint32_t n = 20;
	memset(s, 0, 20);
	put_be16(s, p->config.port);
	put_be16(s + 2, p->config.server_port);
	put_be32(s + 4, seq);
	if (flags & F_ACK)
		put_be32(s + 8, p->irs + 1 + p->got + (p->fin_seen && p->fin_at == p->got));
	uint32_t window = window_now(p);
	if (flags & F_SYN) {
		n += put_syn_options(p, s + n);
		window = p->config.buffer_bytes > 65535 ? 65535 : p->config.buffer_bytes;
	} else {
		if (p->config.ts)
			n += put_ts(p, s + n);
		if (p->config.sack && bytes == 0)
			n += put_sack(p, s + n);
	}
	s[12] = (uint8_t)(n / 4 << 4);
	s[13] = flags;
	put_be16(s + 14, (uint16_t)window);
	for (uint32_t i = 0; i < bytes; i++)
		s[n + i] = stream_byte(p->config.send_stream, offset + i);
	if (flags & F_ACK)
		p->ack_at_us = UINT64_MAX;
	p->send(p->context, p, s, n + bytes);
}

static void send_ack(struct peer *p)
{
	emit(p, p->config.iss + 1 + p->nxt, F_ACK, 0, 0);
}

static uint32_t segment_bytes(const struct peer *p)
{
	uint32_t most = p->config.mss && p->config.mss < 1400 ? p->config.mss : 1400;
	return most < 1200 ? most : 1200;
}

/* One segment from offset `at`; returns its length in sequence space. */
static uint32_t send_at(struct peer *p, uint32_t at)
{
	uint32_t most = segment_bytes(p);
	uint32_t left = at < p->config.send_bytes ? p->config.send_bytes - at : 0;
	uint32_t edge = p->una + p->window;
	uint32_t bytes = left < most ? left : most;
	if (at + bytes > edge)
		bytes = edge > at ? edge - at : 0;
	bool may_close = !p->config.close_last || (p->fin_seen && p->got == p->fin_at);
	bool fin = at + bytes == p->config.send_bytes && may_close;
	if (bytes == 0 && !fin)
		return 0;
	uint8_t flags = F_ACK | (fin ? F_FIN : 0) | (bytes == left ? F_PSH : 0);
	emit(p, p->config.iss + 1 + at, flags, at, bytes);
	return bytes + fin;
}

static void send_more(struct peer *p)
{
	uint32_t most = p->config.window_segments * segment_bytes(p);
	while (p->nxt < all_bytes(p) && p->nxt - p->una < most) {
		if (p->config.pause_us && p->nxt >= p->config.send_bytes / 2 &&
		    p->nxt < p->config.send_bytes) {
			if (p->pause_until_us == 0)
				p->pause_until_us = p->now_us + p->config.pause_us;
			if (p->now_us < p->pause_until_us)
				break;
		}
		uint32_t n = send_at(p, p->nxt);
		if (n == 0)
			break;
		p->nxt += n;
		if (p->nxt > p->high)
			p->high = p->nxt;
	}
	/* also when the window is shut: the timer probes */
	if (p->timer_us == UINT64_MAX && p->una < all_bytes(p) &&
	    (p->nxt > p->una || p->window == 0))
		p->timer_us = p->now_us + p->rto_us;
}

static void finish_if_done(struct peer *p)
{
	if (p->state == PEER_OPEN && p->una == all_bytes(p) && p->fin_seen &&
	    p->got == p->fin_at) {
		p->state = PEER_DONE;
		p->done_us = p->now_us;
		p->timer_us = UINT64_MAX;
	}
}

static void ack_input(struct peer *p, uint32_t ack, uint16_t window, uint32_t data_bytes)
{
	uint32_t offset = ack - (p->config.iss + 1);
	if (offset > p->high) {
		if (offset < 0x80000000u)
			p->failure = "the engine acknowledged what was never sent";
		return;
	}
	uint32_t window_bytes = (uint32_t)window << (p->config.wscale_on ? p->wscale_in : 0);
	if (offset > p->una) {
		p->una = offset;
		if (p->nxt < p->una)
			p->nxt = p->una;
		p->dup_acks = 0;
		p->tries = 0;
		p->rto_us = RTO_US;
		p->timer_us = p->una < p->nxt ? p->now_us + p->rto_us : UINT64_MAX;
	} else if (offset == p->una && data_bytes == 0 && window_bytes == p->window &&
	           p->nxt > p->una) {
		if (++p->dup_acks == 3)
			send_at(p, p->una);
	}
	if (offset == p->una) {
		if (window_bytes + p->una < p->high && window_bytes == 0)
			p->tries = 0;
		p->window = window_bytes;
	}
}

static void data_input(struct peer *p, uint32_t seq, const uint8_t *data, uint32_t bytes, bool fin)
{
	uint32_t offset = seq - (p->irs + 1);
	for (uint32_t i = 0; i < bytes; i++) {
		uint32_t at = offset + i;
		if (at >= 0x80000000u || at < p->got)
			continue; /* old */
		if (at >= p->config.receive_bytes) {
			p->failure = "more bytes than the server's application sent";
			return;
		}
		if (data[i] != stream_byte(p->config.receive_stream, at)) {
			p->failure = "a wrong byte from the server";
			return;
		}
		if (at - p->read >= p->config.buffer_bytes)
			break; /* beyond the window: not kept */
		p->have[at] = 1;
		if (at + 1 > p->most_seen)
			p->most_seen = at + 1;
	}
	while (p->got < p->most_seen && p->have[p->got])
		p->got++;
	if (fin) {
		if (offset + bytes != p->config.receive_bytes)
			p->failure = "a FIN in the middle of the server's stream";
		p->fin_seen = true;
		p->fin_at = offset + bytes;
	}
	if (p->read_from_us == 0)
		p->read_from_us = p->now_us + p->config.read_pause_us;
	if (p->now_us >= p->read_from_us)
		p->read = p->got;
}

/* Where an option of this kind lies; NULL: absent. The engine's options are well formed. */
static const uint8_t *option(const uint8_t *s, uint8_t kind)
{
	uint32_t end = (uint32_t)(s[12] >> 4) * 4;
	for (uint32_t at = 20; at < end;) {
		if (s[at] == kind)
			return s + at;
		at += s[at] <= 1 ? 1 : s[at + 1];
	}
	return NULL;
}

static void syn_sent_input(struct peer *p, const uint8_t *s)
{
	bool acks_syn = s[13] & F_ACK && get_be32(s + 8) == p->config.iss + 1;
	/* RFC 9293 3.10.7.3, first and second */
	if (s[13] & F_RST) {
		if (acks_syn)
			p->state = PEER_RESET;
		return;
	}
	if (s[13] & F_ACK && !acks_syn) {
		emit(p, get_be32(s + 8), F_RST, 0, 0); /* of a connection that was before */
		return;
	}
	if (!(s[13] & F_SYN) || !acks_syn)
		return;
	p->irs = get_be32(s + 4);
	p->window = get_be16(s + 14);
	const uint8_t *ws = option(s, 3), *ts = option(s, 8);
	p->config.wscale_on = p->config.wscale_on && ws;
	p->wscale_in = ws ? ws[2] : 0;
	p->config.ts = p->config.ts && ts;
	p->config.sack = p->config.sack && option(s, 4);
	if (ts)
		p->ts_recent = get_be32(ts + 2);
	p->state = PEER_OPEN;
	p->tries = 0;
	p->rto_us = RTO_US;
	p->timer_us = UINT64_MAX;
	send_ack(p);
}

static void open_input(struct peer *p, const uint8_t *s, uint32_t bytes)
{
	uint32_t header = (uint32_t)(s[12] >> 4) * 4;
	uint32_t seq = get_be32(s + 4);
	uint32_t data_bytes = bytes - header;
	if (s[13] & F_RST) {
		if (seq == p->irs + 1 + p->got + (p->fin_seen && p->fin_at == p->got) ||
		    seq - (p->irs + 1) <= p->config.receive_bytes + 1)
			p->state = PEER_RESET;
		return;
	}
	if (s[13] & F_SYN) {
		send_ack(p); /* our last ACK of the handshake was lost */
		return;
	}
	const uint8_t *ts = option(s, 8);
	if (ts && seq - (p->irs + 1) <= p->got)
		p->ts_recent = get_be32(ts + 2);
	uint32_t got = p->got;
	bool fin = s[13] & F_FIN;
	ack_input(p, get_be32(s + 8), get_be16(s + 14), data_bytes);
	if (data_bytes > 0 || fin) {
		data_input(p, seq, s + header, data_bytes, fin);
		/* in order: later; a gap, a duplicate or the end: at once */
		if (p->got == got || p->most_seen > p->got || fin)
			send_ack(p);
		else if (p->ack_at_us == UINT64_MAX)
			p->ack_at_us = p->now_us + 30000;
		else
			send_ack(p);
	} else if (seq - (p->irs + 1) < p->got) {
		send_ack(p); /* a probe */
	}
	finish_if_done(p);
	if (p->state == PEER_OPEN)
		send_more(p);
}

void peer_input(struct peer *p, uint64_t now_us, const uint8_t *s, uint32_t bytes)
{
	p->now_us = p->heard_us = now_us;
	if (p->state == PEER_SYN_SENT) {
		syn_sent_input(p, s);
		if (p->state == PEER_OPEN)
			send_more(p);
	} else if (p->state == PEER_OPEN) {
		open_input(p, s, bytes);
	} else if (p->state == PEER_DONE && !(s[13] & F_RST) && now_us - p->done_us < LINGER_US) {
		bool data = bytes > (uint32_t)(s[12] >> 4) * 4;
		if (data || s[13] & F_FIN)
			send_ack(p);
	}
}

static void timer(struct peer *p)
{
	if (++p->tries > TRIES_MAX) {
		p->state = PEER_RESET;
		p->timer_us = UINT64_MAX;
		return;
	}
	if (p->tries > 1)
		p->rto_us = p->rto_us * 2 < RTO_MAX_US ? p->rto_us * 2 : RTO_MAX_US;
	p->timer_us = p->now_us + p->rto_us;
	if (p->state != PEER_OPEN) {
		p->state = PEER_SYN_SENT;
		emit(p, p->config.iss, F_SYN, 0, 0);
		return;
	}
	p->dup_acks = 0;
	p->nxt = p->una; /* go back N, one segment first */
	uint32_t n = send_at(p, p->una);
	if (n == 0 && p->una < p->config.send_bytes) {
		/* shut: a probe of one byte */
		emit(p, p->config.iss + 1 + p->una, F_ACK, p->una, 1);
		n = 1;
	}
	p->nxt += n;
	if (p->nxt > p->high)
		p->high = p->nxt;
}

void peer_poll(struct peer *p, uint64_t now_us)
{
	p->now_us = now_us;
	if (p->state == PEER_DONE || p->state == PEER_RESET)
		return;
	if (p->timer_us <= now_us)
		timer(p);
	if (p->state != PEER_OPEN)
		return;
	if (p->read_from_us && now_us >= p->read_from_us && p->read < p->got) {
		p->read = p->got;
		send_ack(p); /* window update */
	}
	if (p->ack_at_us <= now_us)
		send_ack(p);
	send_more(p);
	if (now_us - p->heard_us >= DEAF_US && p->timer_us == UINT64_MAX &&
	    now_us >= p->pause_until_us)
		p->state = PEER_RESET;
}

uint64_t peer_next_us(const struct peer *p)
{
	if (p->state == PEER_DONE || p->state == PEER_RESET)
		return UINT64_MAX;
	uint64_t next = p->timer_us < p->ack_at_us ? p->timer_us : p->ack_at_us;
	if (p->read < p->got && p->read_from_us > p->now_us && p->read_from_us < next)
		next = p->read_from_us;
	if (p->pause_until_us > p->now_us && p->pause_until_us < next)
		next = p->pause_until_us;
	return next == UINT64_MAX ? p->heard_us + DEAF_US : next;
}
