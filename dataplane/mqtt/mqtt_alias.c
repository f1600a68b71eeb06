/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic aliases that clients have set (MQTT5 3.3.2.3.4): one pool of 64-byte chunks for all
 * connections of an io worker, so that a connection without aliases costs nothing.
 *
 *   session.alias_head -> first chunk of an alias -> first chunk of the next alias -> ...
 *                           | more                     (its topic continues there)
 *                           v
 *                         chunk -> chunk
 *
 * A connection has few aliases, so they are searched one after the other. Memory is taken by
 * mqtt_aliases_new.
 */
#include "mqtt/mqtt_priv.h"

#include <stdlib.h>

#define NONE       MQTT_ALIAS_NONE
#define TEXT_BYTES 52
#define TOPIC_MAX  65535

struct chunk {
	uint32_t next; /* of a first chunk: the next alias; else unused. Free: the next free one */
	uint32_t more; /* where the topic goes on */
	uint16_t alias;
	uint16_t topic_bytes; /* of a first chunk */
	uint8_t text[TEXT_BYTES];
};
_Static_assert(sizeof(struct chunk) == 64, "one cache line");

struct mqtt_aliases {
	struct chunk *chunks;
	uint32_t count, used;
	uint32_t free; /* head of the free list */
	uint8_t topic[TOPIC_MAX];
};

struct mqtt_aliases *mqtt_aliases_new(uint64_t bytes)
{
	struct mqtt_aliases *a = calloc(1, sizeof *a);
	uint32_t count = (uint32_t)(bytes / sizeof(struct chunk));
	if (!a)
		return NULL;
	a->chunks = calloc(count ? count : 1, sizeof a->chunks[0]);
	if (!a->chunks) {
		free(a);
		return NULL;
	}
	a->count = count;
	a->free = NONE;
	for (uint32_t i = count; i-- > 0;) {
		a->chunks[i].next = a->free;
		a->free = i;
	}
	return a;
}

void mqtt_aliases_free(struct mqtt_aliases *a)
{
	if (!a)
		return;
	free(a->chunks);
	free(a);
}

bool mqtt_alias_offered(const struct mqtt_aliases *a, uint32_t count)
{
	return a && (a->count - a->used) / 2 >= count;
}

static void put_chain(struct mqtt_aliases *a, uint32_t first)
{
	for (uint32_t i = first; i != NONE;) {
		uint32_t more = a->chunks[i].more;
		a->chunks[i].next = a->free;
		a->free = i;
		a->used--;
		i = more;
	}
}

/* NONE: too few are free. */
static uint32_t get_chain(struct mqtt_aliases *a, struct bytes topic)
{
	uint32_t chunks = topic.count ? (topic.count + TEXT_BYTES - 1) / TEXT_BYTES : 1;
	if (chunks > a->count - a->used)
		return NONE;
	uint32_t first = NONE;
	for (uint32_t i = chunks; i-- > 0;) {
		uint32_t index = a->free;
		struct chunk *c = &a->chunks[index];
		a->free = c->next;
		a->used++;
		uint32_t offset = i * TEXT_BYTES;
		uint32_t take =
		    topic.count - offset < TEXT_BYTES ? topic.count - offset : TEXT_BYTES;
		memcpy(c->text, topic.data + offset, take);
		c->more = first;
		c->next = NONE;
		first = index;
	}
	a->chunks[first].topic_bytes = (uint16_t)topic.count;
	return first;
}

static uint32_t *find(struct mqtt_aliases *a, uint32_t *head, uint16_t alias)
{
	uint32_t *at = head;
	while (*at != NONE && a->chunks[*at].alias != alias)
		at = &a->chunks[*at].next;
	return at;
}

bool mqtt_alias_set(struct mqtt_aliases *a, uint32_t *head, uint16_t alias, struct bytes topic)
{
	uint32_t *at = find(a, head, alias);
	uint32_t next = NONE;
	if (*at != NONE) {
		struct bytes old;
		mqtt_alias_get(a, *at, alias, &old);
		if (old.count == topic.count && memcmp(old.data, topic.data, old.count) == 0)
			return true;
		next = a->chunks[*at].next;
		put_chain(a, *at);
		*at = next;
	}
	uint32_t first = get_chain(a, topic);
	if (first == NONE)
		return false;
	a->chunks[first].alias = alias;
	a->chunks[first].next = next;
	*at = first;
	return true;
}

bool mqtt_alias_get(struct mqtt_aliases *a, uint32_t head, uint16_t alias, struct bytes *topic)
{
	uint32_t first = *find(a, &head, alias);
	if (first == NONE)
		return false;
	uint32_t bytes = a->chunks[first].topic_bytes;
	uint32_t at = 0;
	for (uint32_t i = first; at < bytes; i = a->chunks[i].more) {
		uint32_t take = bytes - at < TEXT_BYTES ? bytes - at : TEXT_BYTES;
		memcpy(a->topic + at, a->chunks[i].text, take);
		at += take;
	}
	*topic = (struct bytes){a->topic, bytes};
	return true;
}

void mqtt_alias_clear(struct mqtt_aliases *a, uint32_t *head)
{
	for (uint32_t i = *head; i != NONE;) {
		uint32_t next = a->chunks[i].next;
		put_chain(a, i);
		i = next;
	}
	*head = NONE;
}
