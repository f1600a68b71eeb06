/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP, client side: POST /readings, confirmable or not, with the retransmission of RFC 7252 4.2.
 *
 *	0                4       6
 *	| ver t tkl|code| id | id again (token) | b8 "readings" | 11 32 (JSON) | ff | payload
 *	                                          b4 "cbor"       11 3c (CBOR)
 *
 * An item's `seq` is the time (ms) of its last transmission, or with ITEM_WAITS the time when it
 * may be sent again.
 */
#include <string.h>

#include "base/bytes.h"
#include "gen.h"

#define HEADER_BYTES   4
#define TOKEN_BYTES    2
#define OPTIONS        "\xb8readings\x11\x32\xff"
#define OPTIONS_BYTES  (sizeof OPTIONS - 1)
#define OPTIONS_CBOR   "\xb4" "cbor\x11\x3c\xff"
#define UDP_HEADER     8
#define CHECKSUM_AT    6
#define TYPE_CON       0
#define TYPE_NON       1
#define TYPE_ACK       2
#define TYPE_RST       3
#define CODE_POST      0x02
#define CODE_503       0xa3
#define OPTION_MAX_AGE 14
#define ACK_TIMEOUT_MS 2500 /* 2 s times 1 to 1.5: RFC 7252 4.8 */
#define RETRANSMIT_MAX 4
#define NON_WAIT_MS    10000
#define SEPARATE_MS    60000 /* for a response after an empty ACK */
#define CONGESTED_US   1000
#define MAX_AGE_S      60

static uint32_t options_bytes(const struct gen *g)
{
	return g->options.shape == SHAPE_CBOR ? (uint32_t)sizeof OPTIONS_CBOR - 1
	                                      : (uint32_t)OPTIONS_BYTES;
}

uint32_t coap_item_bytes(const struct gen *g, uint32_t client, const struct item *item)
{
	return HEADER_BYTES + TOKEN_BYTES + options_bytes(g) +
	       payload_bytes(&g->options, client, item);
}

static void udp_send(struct gen *g, uint32_t client, uint8_t *udp, uint32_t bytes)
{
	uint8_t source[4];
	uint16_t port;
	wire_client_address(g, client, source, &port);
	put_be16(udp, port);
	put_be16(udp + 2, g->options.coap_port);
	put_be16(udp + 4, (uint16_t)(UDP_HEADER + bytes));
	wire_send(g, source, 17, UDP_HEADER + bytes, CHECKSUM_AT);
}

static bool send_item(struct gen *g, uint32_t client, struct item *i)
{
	uint8_t *udp = wire_new(g);
	if (!udp)
		return false;
	uint8_t *coap = udp + UDP_HEADER;
	uint8_t type = g->options.qos ? TYPE_CON : TYPE_NON;
	coap[0] = (uint8_t)(1 << 6 | type << 4 | TOKEN_BYTES);
	coap[1] = CODE_POST;
	put_be16(coap + 2, i->id);
	put_be16(coap + 4, i->id);
	memcpy(coap + HEADER_BYTES + TOKEN_BYTES,
	       g->options.shape == SHAPE_CBOR ? OPTIONS_CBOR : OPTIONS, options_bytes(g));
	uint32_t at = HEADER_BYTES + TOKEN_BYTES + options_bytes(g);
	at += payload_render(&g->options, client, i, coap + at);
	udp_send(g, client, udp, at);
	i->seq = gen_now_ms(g);
	if (!(i->flags & ITEM_SENT)) {
		i->flags |= ITEM_SENT;
		gen_sent(g, i);
	}
	return true;
}

static uint32_t deadline_ms(const struct gen *g, const struct item *i)
{
	if (i->flags & ITEM_WAITS)
		return i->seq;
	return i->seq + (g->options.qos ? (uint32_t)ACK_TIMEOUT_MS << i->tries : NON_WAIT_MS);
}

/* Wake up for the earliest of what was sent. */
static void arm(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t now = gen_now_ms(g), wait = UINT32_MAX;
	for (uint32_t i = c->head; i != c->unsent; i = g->items[i].next) {
		uint32_t due = deadline_ms(g, &g->items[i]);
		uint32_t left = seq_before(now, due) ? due - now : 0;
		wait = left < wait ? left : wait;
	}
	if (wait != UINT32_MAX)
		wheel_arm(&g->wheel, client, g->now_us + wait * 1000ull);
}

/* Send what NSTART (RFC 7252 4.7) allows; non-confirmable messages don't wait for each other.
 * True: the port did not take all of it. */
static bool output(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t flying = 0;
	for (uint32_t i = c->head; i != c->unsent; i = g->items[i].next)
		flying++;
	while (c->unsent != NONE && (!g->options.qos || flying < g->options.nstart)) {
		if (link_is_congested(&g->link) ||
		    !send_item(g, client, &g->items[c->unsent])) {
			wheel_arm(&g->wheel, client, g->now_us + CONGESTED_US);
			return true;
		}
		flying++;
		c->unsent = g->items[c->unsent].next;
	}
	if (c->head != c->unsent && !wheel_is_armed(&c->timer))
		arm(g, client);
	return false;
}

void coap_append(struct gen *g, uint32_t client, uint32_t item)
{
	struct client *c = &g->clients[client];
	struct item *i = &g->items[item];
	i->bytes = (uint16_t)coap_item_bytes(g, client, i);
	i->id = ++c->packet_id;
	i->tries = 0;
	i->next = NONE;
	if (c->tail == NONE)
		c->head = item;
	else
		g->items[c->tail].next = item;
	c->tail = item;
	if (c->unsent == NONE)
		c->unsent = item;
	output(g, client);
}

/* One message whose time has come. False: it is over, the item is freed. */
static bool overdue(struct gen *g, uint32_t client, uint32_t previous, uint32_t item)
{
	struct client *c = &g->clients[client];
	struct item *i = &g->items[item];
	if (i->flags & ITEM_WAITS) {
		i->flags &= (uint8_t)~ITEM_WAITS;
		i->id = ++c->packet_id;
		i->tries = 0;
	} else if (!g->options.qos || i->tries == RETRANSMIT_MAX) {
		client_unlink(g, c, previous, item);
		gen_unanswered(g, item);
		return false;
	} else {
		i->tries++;
		g->totals.coap_retransmitted++;
	}
	send_item(g, client, i);
	return true;
}

void coap_timer(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	uint32_t now = gen_now_ms(g), previous = NONE;
	for (uint32_t i = c->head; i != c->unsent;) {
		uint32_t next = g->items[i].next;
		bool due = !seq_before(now, deadline_ms(g, &g->items[i]));
		if (!due || overdue(g, client, previous, i))
			previous = i;
		i = next;
	}
	if (!output(g, client) && c->head != c->unsent)
		arm(g, client);
}

/* Max-Age (RFC 7252 5.10.5) among the options; 60 s when it is not there. */
static uint32_t max_age_s(const uint8_t *at, const uint8_t *end)
{
	uint32_t number = 0;
	while (at < end && *at != 0xff) {
		uint32_t delta = *at >> 4, length = *at & 15;
		at++;
		/* none of the options that a server answers with needs the longer forms */
		if (delta > 12 || length > 12 || length > (uint32_t)(end - at))
			return MAX_AGE_S;
		number += delta;
		if (number == OPTION_MAX_AGE && length <= 4) {
			uint32_t value = 0;
			for (uint32_t i = 0; i < length; i++)
				value = value << 8 | at[i];
			return value;
		}
		at += length;
	}
	return MAX_AGE_S;
}

static void send_empty_ack(struct gen *g, uint32_t client, uint16_t id)
{
	uint8_t *udp = wire_new(g);
	if (!udp)
		return;
	udp[UDP_HEADER] = 1 << 6 | TYPE_ACK << 4;
	udp[UDP_HEADER + 1] = 0;
	put_be16(udp + UDP_HEADER + 2, id);
	udp_send(g, client, udp, HEADER_BYTES);
}

static uint32_t find(const struct gen *g, const struct client *c, uint16_t id, uint32_t *previous)
{
	*previous = NONE;
	for (uint32_t i = c->head; i != c->unsent; *previous = i, i = g->items[i].next)
		if (g->items[i].id == id && !(g->items[i].flags & ITEM_WAITS))
			return i;
	return NONE;
}

/* A response with its code. */
static void respond(struct gen *g, uint32_t client, uint32_t previous, uint32_t item,
		    const uint8_t *coap, uint32_t bytes)
{
	struct client *c = &g->clients[client];
	struct item *i = &g->items[item];
	uint8_t code = coap[1];
	if (code == CODE_503) {
		uint32_t tkl = coap[0] & 15;
		uint32_t age = max_age_s(coap + HEADER_BYTES + tkl, coap + bytes);
		i->seq = gen_now_ms(g) + age * 1000 + (uint32_t)(gen_random(g) % 1000);
		i->flags |= ITEM_WAITS;
		g->totals.overloaded++;
		arm(g, client);
		return;
	}
	if (code >> 5 != 2)
		g->totals.rejected++;
	client_unlink(g, c, previous, item);
	gen_acked(g, item);
	if (c->head == NONE)
		wheel_cancel(&g->wheel, client);
	output(g, client);
}

void coap_input(struct gen *g, uint32_t client, const uint8_t *coap, uint32_t bytes)
{
	struct client *c = &g->clients[client];
	if (bytes < HEADER_BYTES || coap[0] >> 6 != 1)
		return;
	uint8_t type = coap[0] >> 4 & 3, tkl = coap[0] & 15;
	uint16_t id = get_be16(coap + 2);
	bool empty = coap[1] == 0;
	if (tkl > 8 || bytes < HEADER_BYTES + (uint32_t)tkl || (!empty && tkl != TOKEN_BYTES)) {
		g->totals.protocol_errors++;
		return;
	}
	if (type == TYPE_CON)
		send_empty_ack(g, client, id);
	uint32_t previous;
	uint32_t item = find(g, c, empty ? id : get_be16(coap + HEADER_BYTES), &previous);
	if (item == NONE) {
		g->totals.rx_ignored++; /* the answer to a copy of what is answered already */
		return;
	}
	if (empty && type == TYPE_ACK) {
		/* the response comes later: no more copies of the request */
		g->items[item].tries = RETRANSMIT_MAX;
		g->items[item].seq =
		    gen_now_ms(g) + SEPARATE_MS - ((uint32_t)ACK_TIMEOUT_MS << RETRANSMIT_MAX);
		arm(g, client);
	} else if (empty && type == TYPE_RST) {
		client_unlink(g, c, previous, item);
		gen_unanswered(g, item);
		output(g, client);
	} else if (!empty) {
		respond(g, client, previous, item, coap, bytes);
	}
}
