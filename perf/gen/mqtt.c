/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT 3.1.1, client side. In: the peer's stream. Out: the bytes of each packet, always the same
 * for the same item. Never keeps more of the stream than the beginning of one packet.
 *
 *   CONNECT  10 | n | 0 4 M Q T T | 4 | flags | keep alive | 0 len | client id      (3.1)
 *   PUBLISH  3x | n | 0 len | topic | [packet id] | payload                         (3.3)
 *   CONNACK  20 | 2 | flags | code          PUBACK  40 | 2 | packet id              (3.2, 3.4)
 *   PINGREQ  c0 | 0     PINGRESP  d0 | 0    DISCONNECT  e0 | 0
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "gen.h"

#define CONNECT_FIXED 12 /* protocol name, level, flags, keep alive, length of the client id */
#define GATEWAY_ID    "GW-00000000"
#define PACKET_MAX    4 /* longest packet that a server has for us */

static bool is_gateway(const struct options *o)
{
	return o->profile != PROFILE_BACKLOG && o->batch > 1;
}

static uint32_t put_client_id(const struct options *o, uint32_t client, char out[32])
{
	if (is_gateway(o))
		return (uint32_t)snprintf(out, 32, "GW-%08u", client + 1);
	return payload_meter_id(o, client, out);
}

static uint32_t length_bytes(uint32_t remaining)
{
	return remaining < 128 ? 1 : remaining < 16384 ? 2 : 3;
}

static uint8_t *put_length(uint8_t *at, uint32_t remaining)
{
	for (; remaining >= 128; remaining /= 128)
		*at++ = (uint8_t)(remaining % 128 | 128);
	*at++ = (uint8_t)remaining;
	return at;
}

/* The id's length without rendering it: all have eight digits. */
static uint32_t client_id_bytes(const struct options *o, uint32_t client)
{
	if (is_gateway(o))
		return sizeof GATEWAY_ID - 1;
	return payload_shape(o, client) == SHAPE_FLAT ? sizeof "SM-00000000" - 1
						      : sizeof "METER-00000000" - 1;
}

static const char *topic_head(const struct options *o)
{
	if (o->shape == SHAPE_CBOR)
		return "cbor/";
	return is_gateway(o) ? "gateways/" : "meters/";
}

static uint32_t topic_bytes(const struct options *o, uint32_t client)
{
	uint32_t around = (uint32_t)(strlen(topic_head(o)) + sizeof "/readings" - 1);
	return around + client_id_bytes(o, client);
}

static uint32_t publish_remaining(const struct gen *g, uint32_t client, const struct item *item)
{
	const struct options *o = &g->options;
	return 2 + topic_bytes(o, client) + (o->qos ? 2u : 0u) + payload_bytes(o, client, item);
}

uint32_t mqtt_item_bytes(const struct gen *g, uint32_t client, const struct item *item)
{
	uint32_t remaining = 0;
	if (item->kind == ITEM_CONNECT)
		remaining = CONNECT_FIXED + client_id_bytes(&g->options, client);
	else if (item->kind == ITEM_PUBLISH)
		remaining = publish_remaining(g, client, item);
	return 1 + length_bytes(remaining) + remaining;
}

static uint8_t *put_topic(const struct options *o, uint32_t client, uint8_t *at)
{
	uint32_t bytes = topic_bytes(o, client);
	const char *head = topic_head(o);
	char id[32];
	uint32_t id_bytes = put_client_id(o, client, id);
	put_be16(at, (uint16_t)bytes);
	at += 2;
	memcpy(at, head, strlen(head));
	at += strlen(head);
	memcpy(at, id, id_bytes);
	memcpy(at + id_bytes, "/readings", 9);
	return at + id_bytes + 9;
}

static uint32_t render_publish(const struct gen *g, uint32_t client, const struct item *item,
			       uint8_t *out)
{
	const struct options *o = &g->options;
	bool again = o->qos && (item->flags & ITEM_AGAIN);
	*out = (uint8_t)(0x30 | (again ? 8 : 0) | (o->qos << 1));
	uint8_t *at = put_length(out + 1, publish_remaining(g, client, item));
	at = put_topic(o, client, at);
	if (o->qos) {
		put_be16(at, item->id);
		at += 2;
	}
	at += payload_render(o, client, item, at);
	return (uint32_t)(at - out);
}

static uint32_t render_connect(const struct gen *g, uint32_t client, uint8_t *out)
{
	const struct options *o = &g->options;
	static const uint8_t fixed[10] = {0, 4, 'M', 'Q', 'T', 'T', 4, 2 /* clean session */};
	char id[32];
	uint32_t id_bytes = put_client_id(o, client, id);
	*out = 0x10;
	uint8_t *at = put_length(out + 1, CONNECT_FIXED + id_bytes);
	memcpy(at, fixed, sizeof fixed);
	put_be16(at + 8, (uint16_t)o->keep_alive);
	put_be16(at + 10, (uint16_t)id_bytes);
	memcpy(at + CONNECT_FIXED, id, id_bytes);
	return (uint32_t)(at + CONNECT_FIXED + id_bytes - out);
}

uint32_t mqtt_render(const struct gen *g, uint32_t client, const struct item *item, uint8_t *out)
{
	uint32_t bytes = 2;
	switch (item->kind) {
	case ITEM_CONNECT:
		bytes = render_connect(g, client, out);
		break;
	case ITEM_PUBLISH:
		bytes = render_publish(g, client, item, out);
		break;
	case ITEM_PINGREQ:
		put_be16(out, 0xc000);
		break;
	default:
		put_be16(out, 0xe000);
		break;
	}
	CHECK_OP(bytes, ==, item->bytes);
	return bytes;
}

/* The item that a packet answers, by kind and id; `previous` is the one before it. */
static uint32_t find(const struct gen *g, const struct client *c, uint8_t kind, uint16_t id,
		     uint32_t *previous)
{
	*previous = NONE;
	for (uint32_t i = c->head; i != NONE; *previous = i, i = g->items[i].next)
		if (g->items[i].kind == kind && (kind != ITEM_PUBLISH || g->items[i].id == id))
			return i;
	return NONE;
}

static void take_connack(struct gen *g, uint32_t client)
{
	struct client *c = &g->clients[client];
	if (c->state != CLIENT_CONNECTING)
		return;
	c->state = CLIENT_UP;
	g->up++;
	g->schedule.half_open--;
	g->totals.connected++;
	schedule_client_up(g, client);
	client_output(g, client);
}

static void take_puback(struct gen *g, uint32_t client, uint32_t item)
{
	gen_acked(g, item);
	schedule_message_done(g, client);
}

/* False: it answers nothing that was sent, or before it was sent (3.1.1 section 2.3.1). */
static bool take_answer(struct gen *g, uint32_t client, uint8_t kind, uint16_t id)
{
	struct client *c = &g->clients[client];
	uint32_t previous, item = find(g, c, kind, id, &previous);
	if (item == NONE)
		return false;
	if (seq_before(c->snd_una, g->items[item].seq + g->items[item].bytes)) {
		g->totals.early_acks++;
		return false;
	}
	client_unlink(g, c, previous, item);
	if (kind == ITEM_PUBLISH) {
		take_puback(g, client, item);
		return true;
	}
	item_free(g, item);
	if (kind == ITEM_CONNECT)
		take_connack(g, client);
	return true;
}

static bool take_packet(struct gen *g, uint32_t client, const uint8_t *packet)
{
	switch (packet[0]) {
	case 0x20:
		if (packet[1] == 2 && packet[3] == 0)
			return take_answer(g, client, ITEM_CONNECT, 0);
		g->totals.refused++;
		return false;
	case 0x40:
		return packet[1] == 2 && take_answer(g, client, ITEM_PUBLISH, get_be16(packet + 2));
	case 0xd0:
		return packet[1] == 0 && take_answer(g, client, ITEM_PINGREQ, 0);
	default:
		return false;
	}
}

bool mqtt_input(struct gen *g, uint32_t client, const uint8_t *bytes, uint32_t count)
{
	struct client *c = &g->clients[client];
	while (count > 0) {
		uint8_t packet[PACKET_MAX];
		uint32_t have = c->wscale_stash & 15, used = have;
		memcpy(packet, c->stash, have);
		while (used < PACKET_MAX && count > 0 && (used < 2 || used < 2u + packet[1])) {
			packet[used++] = *bytes++;
			count--;
		}
		if (used >= 2 && packet[1] > PACKET_MAX - 2)
			return false;
		bool whole = used >= 2 && used == 2u + packet[1];
		c->wscale_stash = (uint8_t)((c->wscale_stash & 0xf0) | (whole ? 0 : used));
		if (!whole) {
			memcpy(c->stash, packet, used);
			return true;
		}
		if (!take_packet(g, client, packet))
			return false;
		if (c->state != CLIENT_CONNECTING && c->state != CLIENT_UP &&
		    c->state != CLIENT_CLOSING)
			return true;
	}
	return true;
}
