/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker has on disk: keys in a space of their own, numbers in keys big-endian so that
 * their order is the keys'. Each kind comes after those that it refers to.
 *
 *   session       | '1' | client id |            -> | number, 8 | expiry_s, 4 | away since, 8 |
 *   subscription  | '2' | session, 8 | filter |  -> | options, 1 | subscription id, 4 |
 *   message       | '3' | id, 8 |                -> a message
 *   entry         | '4' | session, 8 | seq, 8 |  -> | message, 8 | packet id, 2 | qos, 1 |
 *                                                   | flags, 1 | subscription ids, 4 each |
 *   inbound id    | '5' | session, 8 | packet id, 2 | -> nothing
 *   will          | '6' | session, 8 |           -> | delay_s, 4 | expiry_s, 4 | retain, 1 |
 *                                                   | a message |
 *   retained      | '7' | topic |                -> a message
 *
 *   a message     | expires ms, 8 | qos, 1 | topic bytes, 2 | properties bytes, 2 |
 *                 | topic | properties | payload |
 *
 * Numbers in values are little-endian. A message is kept once for all the entries that name it.
 */
#include <string.h>

#include "base/check.h"
#include "control/broker/core_priv.h"
#include "control/broker/disk_priv.h"

static void change(struct core *c, const uint8_t *key, size_t key_bytes, const uint8_t *value,
                   size_t value_bytes, bool sync)
{
	uint8_t *to = buffer_add(&c->disk, 8);
	put_le32(to, (uint32_t)key_bytes);
	put_le32(to + 4, value ? (uint32_t)value_bytes : UINT32_MAX);
	buffer_put(&c->disk, key, key_bytes);
	if (value)
		buffer_put(&c->disk, value, value_bytes);
	c->must_sync |= sync;
}

static void put_value(struct core *c, const uint8_t *key, size_t key_bytes, const uint8_t *value,
                      size_t value_bytes)
{
	change(c, key, key_bytes, value, value_bytes, true);
}

/* That something is gone may be lost in a crash: it is then offered once more, and refused. */
static void drop(struct core *c, const uint8_t *key, size_t key_bytes)
{
	change(c, key, key_bytes, NULL, 0, false);
}

static size_t number_key(uint8_t key[KEY_NUMBER_BYTES], char kind, uint64_t number)
{
	key[0] = (uint8_t)kind;
	put_be64(key + 1, number);
	return KEY_NUMBER_BYTES;
}

/* `kind` and a text, in the scratch buffer. */
static struct bytes text_key(struct core *c, char kind, struct bytes text)
{
	c->scratch.used = 0;
	buffer_put(&c->scratch, &kind, 1);
	buffer_put(&c->scratch, text.data, text.count);
	return (struct bytes){c->scratch.data, (uint32_t)c->scratch.used};
}

/* --- sessions and subscriptions --- */

void disk_session(struct core *c, const struct session *s, int64_t since_ms)
{
	uint8_t value[SESSION_VALUE_BYTES];
	struct bytes key = text_key(c, DISK_SESSION, client_of(s));
	put_le64(value, s->state->number);
	put_le32(value + 8, s->expiry_s);
	put_le64(value + 12, (uint64_t)since_ms);
	change(c, key.data, key.count, value, sizeof value, since_ms == 0);
}

void disk_session_gone(struct core *c, const struct session *s)
{
	struct bytes key = text_key(c, DISK_SESSION, client_of(s));
	drop(c, key.data, key.count);
}

static struct bytes subscription_key(struct core *c, const struct state *st, struct bytes filter)
{
	uint8_t head[KEY_NUMBER_BYTES];
	c->scratch.used = 0;
	buffer_put(&c->scratch, head, number_key(head, DISK_SUBSCRIPTION, st->number));
	buffer_put(&c->scratch, filter.data, filter.count);
	return (struct bytes){c->scratch.data, (uint32_t)c->scratch.used};
}

void disk_subscription(struct core *c, const struct state *st, struct bytes filter,
                       uint8_t options, uint32_t id)
{
	uint8_t value[SUBSCRIPTION_VALUE_BYTES] = {options};
	struct bytes key = subscription_key(c, st, filter);
	put_le32(value + 1, id);
	put_value(c, key.data, key.count, value, sizeof value);
}

void disk_subscription_gone(struct core *c, const struct state *st, struct bytes filter)
{
	struct bytes key = subscription_key(c, st, filter);
	/* UNSUBACK says that no message follows, also after a crash */
	change(c, key.data, key.count, NULL, 0, true);
}

/* --- messages --- */

/* Appended to the scratch buffer. */
static void encode(struct core *c, const struct message *m)
{
	uint8_t *to = buffer_add(&c->scratch, MESSAGE_HEADER_BYTES);
	put_le64(to, (uint64_t)m->expires_ms);
	to[8] = m->qos;
	put_le16(to + 9, m->topic_bytes);
	put_le16(to + 11, m->props_bytes);
	buffer_put(&c->scratch, m->data, (size_t)m->topic_bytes + m->props_bytes +
	                                     m->payload_bytes);
}

static void save_message(struct core *c, const struct message *m)
{
	uint8_t key[KEY_NUMBER_BYTES];
	c->scratch.used = 0;
	encode(c, m);
	put_value(c, key, number_key(key, DISK_MESSAGE, m->id), c->scratch.data,
	          c->scratch.used);
}

void disk_message_gone(struct core *c, const struct message *m)
{
	uint8_t key[KEY_NUMBER_BYTES];
	drop(c, key, number_key(key, DISK_MESSAGE, m->id));
}

static void forget_message(struct core *c, struct message *m)
{
	CHECK_OP(m->stored, >, 0u);
	if (--m->stored == 0)
		disk_message_gone(c, m);
}

static size_t entry_key(uint8_t key[KEY_ENTRY_BYTES], const struct state *st,
                        const struct entry *e)
{
	number_key(key, DISK_ENTRY, st->number);
	put_be64(key + KEY_NUMBER_BYTES, e->seq);
	return KEY_ENTRY_BYTES;
}

static void save_entry(struct core *c, const struct state *st, const struct entry *e)
{
	uint8_t key[KEY_ENTRY_BYTES];
	c->scratch.used = 0;
	uint8_t *to = buffer_add(&c->scratch, ENTRY_VALUE_BYTES);
	put_le64(to, e->message ? e->message->id : 0);
	put_le16(to + 8, e->packet_id);
	to[10] = e->qos;
	to[11] = (uint8_t)(e->retain | e->released << 1);
	for (uint32_t i = 0; i < e->id_count; i++)
		put_le32(buffer_add(&c->scratch, 4), e->ids[i]);
	put_value(c, key, entry_key(key, st, e), c->scratch.data, c->scratch.used);
}

void disk_entry(struct core *c, const struct state *st, struct entry *e)
{
	if (!e->stored && e->message->stored++ == 0)
		save_message(c, e->message);
	e->stored = true;
	save_entry(c, st, e);
}

void disk_entry_gone(struct core *c, const struct state *st, struct entry *e)
{
	uint8_t key[KEY_ENTRY_BYTES];
	drop(c, key, entry_key(key, st, e));
	if (e->message)
		forget_message(c, e->message);
	e->stored = false;
}

void disk_entry_released(struct core *c, const struct state *st, struct entry *e)
{
	struct message *m = e->message;
	e->message = NULL;
	save_entry(c, st, e);
	e->message = m;
	forget_message(c, m);
}

/* --- the rest --- */

void disk_inbound(struct core *c, const struct state *st, uint16_t packet_id, bool gone)
{
	uint8_t key[KEY_INBOUND_BYTES];
	number_key(key, DISK_INBOUND, st->number);
	put_be16(key + KEY_NUMBER_BYTES, packet_id);
	change(c, key, sizeof key, gone ? NULL : key, 0, true);
}

void disk_will(struct core *c, const struct state *st)
{
	uint8_t key[KEY_NUMBER_BYTES];
	c->scratch.used = 0;
	uint8_t *to = buffer_add(&c->scratch, WILL_HEADER_BYTES);
	put_le32(to, st->will->delay_s);
	put_le32(to + 4, st->will->expiry_s);
	to[8] = st->will->retain;
	encode(c, st->will->message);
	put_value(c, key, number_key(key, DISK_WILL, st->number), c->scratch.data,
	          c->scratch.used);
}

void disk_will_gone(struct core *c, const struct state *st)
{
	uint8_t key[KEY_NUMBER_BYTES];
	/* a will that was taken back by DISCONNECT must not be published after a crash */
	change(c, key, number_key(key, DISK_WILL, st->number), NULL, 0, true);
}

void disk_retained(struct core *c, const struct message *m)
{
	c->scratch.used = 0;
	buffer_put(&c->scratch, (const uint8_t[]){DISK_RETAINED}, 1);
	buffer_put(&c->scratch, m->data, m->topic_bytes);
	size_t key_bytes = c->scratch.used;
	encode(c, m);
	put_value(c, c->scratch.data, key_bytes, c->scratch.data + key_bytes,
	          c->scratch.used - key_bytes);
}

void disk_retained_gone(struct core *c, struct bytes topic)
{
	struct bytes key = text_key(c, DISK_RETAINED, topic);
	change(c, key.data, key.count, NULL, 0, true);
}
