/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/clients.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/pages.h"

bool clients_init(struct clients *c, uint32_t connections)
{
	uint32_t slots = 16;
	while (slots < connections * 2)
		slots *= 2;
	*c = (struct clients){.mask = slots - 1};
	c->slots = pages_new(slots, sizeof c->slots[0]);
	return c->slots != NULL;
}

void clients_fini(struct clients *c)
{
	free(c->slots);
	c->slots = NULL;
}

/* The slot of `hash`, or the free one where it would go. */
static uint32_t slot_of(const struct clients *c, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & c->mask;
	while (c->slots[i].hash != 0 && c->slots[i].hash != hash)
		i = (i + 1) & c->mask;
	return i;
}

uint32_t clients_find(const struct clients *c, uint64_t hash)
{
	const struct client_slot *s = &c->slots[slot_of(c, hash)];
	return s->hash ? s->connection : CLIENT_NONE;
}

void clients_put(struct clients *c, uint64_t hash, uint32_t connection)
{
	CHECK(hash != 0);
	struct client_slot *s = &c->slots[slot_of(c, hash)];
	if (s->hash == 0) {
		CHECK_OP(c->count, <=, c->mask / 2);
		c->count++;
	}
	*s = (struct client_slot){.hash = hash, .connection = connection};
}

void clients_remove(struct clients *c, uint64_t hash, uint32_t connection)
{
	uint32_t hole = slot_of(c, hash);
	if (c->slots[hole].hash == 0 || c->slots[hole].connection != connection)
		return;
	c->count--;
	/* pull back every follower that would no longer be found across the hole */
	for (uint32_t i = (hole + 1) & c->mask; c->slots[i].hash != 0; i = (i + 1) & c->mask) {
		uint32_t home = (uint32_t)c->slots[i].hash & c->mask;
		if (((i - home) & c->mask) >= ((i - hole) & c->mask)) {
			c->slots[hole] = c->slots[i];
			hole = i;
		}
	}
	c->slots[hole].hash = 0;
}
