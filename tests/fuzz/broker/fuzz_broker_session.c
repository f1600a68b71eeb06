/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as what clients do, four of them, in any order: connect, publish, subscribe, acknowledge,
 * leave. Oracles: no client gets more bytes than it gave credit for, nor more unacknowledged
 * messages than its window; each PUBLISH of QoS 1 and 2 is answered once; when all is over and
 * forgotten, nothing is queued and no memory is held.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/core.h"

#define CLIENTS 4
#define WINDOW  3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const topics[] = {"a", "a/b", "a/b/c", "b", "/", "$x", "a/", "b/c"};
static const char *const filters[] = {"a",   "a/+", "a/#",      "#",          "+/+", "b",
                                      "$x",  "/+",  "$share/g/a/#", "$share/h/#", "+",   "a/b"};

static struct client {
	uint64_t conn;
	uint64_t credit;
	uint16_t open[64]; /* ids that it has not acknowledged */
	unsigned open_count;
} clients[CLIENTS];

static struct core *core;
static int64_t now_ms;
static uint64_t next_conn;
static unsigned asked, answered;

static struct client *client_by(uint64_t conn)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (clients[i].conn == conn)
			return &clients[i];
	return NULL;
}

static uint16_t packet_id_of(const uint8_t *packet)
{
	const uint8_t *at = packet + 1;
	while (*at++ & 0x80)
		;
	return get_be16(at + 2 + get_be16(at));
}

static void take_send(const struct broker_send *r)
{
	const uint8_t *packet = (const uint8_t *)(r + 1);
	struct client *c = client_by(r->head.conn);
	CHECK(c != NULL);
	CHECK_OP(c->credit, >=, (uint64_t)r->packet_bytes);
	c->credit -= r->packet_bytes;
	if (packet[0] >> 4 != 3 || !(packet[0] >> 1 & 3))
		return;
	uint16_t id = packet_id_of(packet);
	for (unsigned i = 0; i < c->open_count; i++)
		CHECK_OP(c->open[i], !=, id);
	c->open[c->open_count++] = id;
	CHECK_OP(c->open_count, <=, (unsigned)WINDOW);
}

static void drain(void)
{
	bool *must_sync;
	struct buffer *out = core_out(core);
	for (size_t at = 0; at < out->used;) {
		const struct broker_head *h = (const struct broker_head *)(out->data + at + 8);
		if (h->kind == BROKER_SEND)
			take_send((const struct broker_send *)h);
		answered += h->kind == BROKER_PUBLISH_DONE;
		at += 8 + ((get_le32(out->data + at + 4) + 7) & ~7u);
	}
	buffer_clear(out);
	buffer_clear(core_disk(core, &must_sync));
}

static void input(const void *record)
{
	core_input(core, 0, record, now_ms);
	drain();
}

static void leave(struct client *c, uint8_t how)
{
	struct broker_disconnected r = {.head = {.conn = c->conn, .kind = BROKER_DISCONNECTED},
	                                .session_expiry_s = how & 4 ? 0 : 100,
	                                .end = (uint8_t)(how % 3)};
	if (c->conn)
		input(&r);
	*c = (struct client){0};
}

static void enter(unsigned index, uint8_t how)
{
	uint64_t memory[64] = {0};
	struct broker_connect *r = (struct broker_connect *)memory;
	struct client *c = &clients[index];
	uint64_t before = c->conn;
	*c = (struct client){.conn = ++next_conn, .credit = 40 + 4u * how};
	r->head = (struct broker_head){.conn = c->conn, .kind = BROKER_CONNECT};
	r->sequence = next_conn;
	r->session_expiry_s = how & 1 ? 100 : 0;
	r->packet_bytes_max = how & 2 ? BROKER_NO_LIMIT : 30;
	r->credit_bytes = (uint32_t)c->credit;
	r->receive_max = WINDOW;
	r->topic_alias_max = how >> 3 & 3;
	r->version = how & 4 ? 5 : 4;
	r->flags = (uint16_t)(BROKER_CONNECT_WAITS | (how & 8 ? BROKER_CONNECT_CLEAN : 0) |
	                      (how & 16 ? BROKER_CONNECT_WILL : 0));
	r->will_qos = how >> 6 & 1;
	r->will_delay_s = how & 32 ? 5 : 0;
	r->will_expiry_s = BROKER_NO_EXPIRY;
	r->client_bytes = 1;
	uint8_t *at = (uint8_t *)(r + 1);
	*at++ = (uint8_t)('A' + index);
	if (how & 16) {
		r->will_topic_bytes = 1;
		r->will_payload_bytes = 1;
		memcpy(at, "aw", 2);
	}
	input(r);
	struct broker_disconnected gone = {.head = {.conn = before,
	                                            .kind = BROKER_DISCONNECTED}};
	if (before)
		input(&gone); /* it was taken over: this one comes late */
}

static void publish(const struct client *c, uint8_t what, uint8_t how)
{
	uint64_t memory[64] = {0};
	struct broker_publish *r = (struct broker_publish *)memory;
	const char *topic = topics[what % (sizeof topics / sizeof topics[0])];
	r->head = (struct broker_head){.conn = c->conn, .kind = BROKER_PUBLISH};
	r->qos = how % 3;
	r->flags = how & 8 ? BROKER_PUBLISH_RETAIN : 0;
	r->expiry_s = how & 16 ? 3 : BROKER_NO_EXPIRY;
	r->packet_id = r->qos ? 1 + (how >> 5) : 0;
	r->ticket = r->qos ? 1 : TICKET_NONE;
	r->topic_bytes = (uint16_t)strlen(topic);
	r->payload_bytes = what >> 4;
	memcpy(r + 1, topic, r->topic_bytes);
	asked += r->qos > 0;
	input(r);
}

static void filter(const struct client *c, uint8_t what, uint8_t how)
{
	uint64_t memory[64] = {0};
	struct broker_filters *r = (struct broker_filters *)memory;
	const char *text = filters[what % (sizeof filters / sizeof filters[0])];
	uint8_t *at = (uint8_t *)(r + 1);
	bool out = how & 64;
	*r = (struct broker_filters){
	    .head = {.conn = c->conn, .kind = out ? BROKER_UNSUBSCRIBE : BROKER_SUBSCRIBE},
	    .subscription_id = what >> 4,
	    .packet_id = 1,
	    .count = 1,
	    .filters_bytes = 3 + (uint32_t)strlen(text)};
	put_le16(at, (uint16_t)strlen(text));
	at[2] = (uint8_t)(how % 3 | (how & 0x3c));
	memcpy(at + 3, text, strlen(text));
	input(r);
}

static void acknowledge(struct client *c, uint8_t what, uint8_t how)
{
	static const enum broker_kind kinds[] = {BROKER_PUBACK, BROKER_PUBREC, BROKER_PUBCOMP,
	                                         BROKER_PUBREL};
	struct broker_ack r = {.head = {.conn = c->conn, .kind = (uint16_t)kinds[how % 4]},
	                       .packet_id = what,
	                       .reason = how & 64 ? 0x80 : 0};
	unsigned i = what % (c->open_count ? c->open_count : 1);
	if (c->open_count && how & 4 && how % 4 != 3) {
		/* what it should do: it counts as closed when it could be */
		r.packet_id = c->open[i];
	}
	/* an acknowledgement may free the place at once: it is no longer open for the oracle */
	if (r.head.kind == BROKER_PUBACK || r.head.kind == BROKER_PUBCOMP || r.reason)
		for (unsigned k = 0; k < c->open_count; k++)
			if (c->open[k] == r.packet_id)
				c->open[k--] = c->open[--c->open_count];
	input(&r);
}

static void give(struct client *c, uint8_t how)
{
	struct broker_credit r = {.head = {.conn = c->conn, .kind = BROKER_CREDIT}, .bytes = how};
	c->credit += how;
	input(&r);
}

static void act(uint8_t op, uint8_t what, uint8_t how)
{
	unsigned index = op >> 4 & 3;
	struct client *c = &clients[index];
	switch (op & 7) {
	case 0:
		enter(index, how);
		break;
	case 1:
		leave(c, how);
		break;
	case 2:
	case 3:
		if (c->conn)
			publish(c, what, how);
		break;
	case 4:
		if (c->conn)
			filter(c, what, how);
		break;
	case 5:
		if (c->conn)
			acknowledge(c, what, how);
		break;
	case 6:
		if (c->conn)
			give(c, how);
		break;
	default:
		now_ms += how * 100;
		core_tick(core, now_ms);
		drain();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct core_hooks none;
	static const struct core_config config = {.memory_bytes = 1 << 16,
	                                          .queue_messages = 3,
	                                          .inflight_max = WINDOW,
	                                          .sessions_max = 3,
	                                          .session_expiry_max_s = 50,
	                                          .subscriptions_max = 4,
	                                          .retained_max = 2};
	struct broker_watch watch = {0};
	memset(clients, 0, sizeof clients);
	now_ms = 1000;
	next_conn = asked = answered = 0;
	core = core_new(&config, &none, NULL, &watch, (struct hash_key){1, 2});
	core_loaded(core, now_ms);
	for (size_t i = 0; i + 3 <= bytes; i += 3)
		act(data[i], data[i + 1], data[i + 2]);
	CHECK_OP(asked, ==, answered);
	for (unsigned i = 0; i < CLIENTS; i++)
		leave(&clients[i], 0);
	now_ms += 1000000;
	core_tick(core, now_ms); /* sessions end */
	drain();
	core_tick(core, now_ms);
	CHECK_OP(core_levels(core)[BROKER_LEVEL_SESSIONS], ==, 0u);
	CHECK_OP(core_levels(core)[BROKER_LEVEL_QUEUED], ==, 0u);
	CHECK_OP(core_levels(core)[BROKER_LEVEL_SUBSCRIPTIONS], ==, 0u);
	CHECK_OP(core_levels(core)[BROKER_LEVEL_CONNECTIONS], ==, 0u);
	CHECK(core_levels(core)[BROKER_LEVEL_RETAINED] > 0 ||
	      core_levels(core)[BROKER_LEVEL_MESSAGE_BYTES] == 0);
	CHECK_OP(watch.any, ==, 0u);
	core_free(core);
	return 0;
}
