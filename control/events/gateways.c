/* SPDX-License-Identifier: Apache-2.0 */
#include "control/events/gateways.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct gateways {
	pthread_mutex_t lock;
	struct gateway *all; /* index 0 is no gateway */
	uint32_t count, capacity;
	uint32_t *slots; /* by hash of the id: index, 0: free */
	uint32_t slot_count; /* a power of two, above twice the count */
};

struct gateways *gateways_new(void)
{
	struct gateways *g = calloc(1, sizeof *g);
	if (!g)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	g->count = 1;
	g->capacity = 256;
	g->slot_count = 1024;
	g->all = calloc(g->capacity, sizeof g->all[0]);
	g->slots = calloc(g->slot_count, sizeof g->slots[0]);
	if (g->all && g->slots)
		return g;
	gateways_free(g);
	return NULL;
}

void gateways_free(struct gateways *g)
{
	if (!g)
		return;
	free(g->all);
	free(g->slots);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static uint32_t *find_slot(const struct gateways *g, uint32_t *slots, uint32_t slot_count,
                           const char *id, uint32_t bytes)
{
	uint32_t at = crc32c(0, id, bytes) & (slot_count - 1);
	while (slots[at]) {
		const char *known = g->all[slots[at]].id;
		if (strlen(known) == bytes && memcmp(known, id, bytes) == 0)
			break;
		at = (at + 1) & (slot_count - 1);
	}
	return &slots[at];
}

static bool grow(struct gateways *g)
{
	uint32_t slot_count = g->slot_count * 2;
	struct gateway *all = realloc(g->all, (size_t)g->capacity * 2 * sizeof *all);
	if (!all)
		return false;
	memset(all + g->capacity, 0, g->capacity * sizeof *all);
	g->all = all;
	g->capacity *= 2;
	uint32_t *slots = calloc(slot_count, sizeof *slots);
	if (!slots)
		return false;
	for (uint32_t i = 1; i < g->count; i++)
		*find_slot(g, slots, slot_count, all[i].id, (uint32_t)strlen(all[i].id)) = i;
	free(g->slots);
	g->slots = slots;
	g->slot_count = slot_count;
	return true;
}

static uint32_t add(struct gateways *g, const char *id)
{
	uint32_t bytes = (uint32_t)strlen(id);
	uint32_t *slot = find_slot(g, g->slots, g->slot_count, id, bytes);
	if (*slot || bytes == 0 || bytes > CLIENT_ID_BYTES)
		return bytes && bytes <= CLIENT_ID_BYTES ? *slot : GATEWAY_NONE;
	if (g->count == g->capacity || g->count * 2 >= g->slot_count) {
		if (!grow(g))
			return GATEWAY_NONE;
		slot = find_slot(g, g->slots, g->slot_count, id, bytes);
	}
	memcpy(g->all[g->count].id, id, bytes + 1);
	*slot = g->count;
	return g->count++;
}

uint32_t gateways_add(struct gateways *g, const char *id)
{
	pthread_mutex_lock(&g->lock);
	uint32_t index = add(g, id);
	pthread_mutex_unlock(&g->lock);
	return index;
}

uint32_t gateways_count(struct gateways *g)
{
	pthread_mutex_lock(&g->lock);
	uint32_t count = g->count - 1;
	pthread_mutex_unlock(&g->lock);
	return count;
}

bool gateways_get(struct gateways *g, uint32_t index, struct gateway *out)
{
	pthread_mutex_lock(&g->lock);
	bool found = index > 0 && index < g->count;
	if (found)
		*out = g->all[index];
	pthread_mutex_unlock(&g->lock);
	return found;
}

void gateways_begin(struct gateways *g)
{
	pthread_mutex_lock(&g->lock);
	for (uint32_t i = 1; i < g->count; i++)
		g->all[i].counting = 0;
	pthread_mutex_unlock(&g->lock);
}

void gateways_meter(struct gateways *g, uint32_t index)
{
	pthread_mutex_lock(&g->lock);
	if (index < g->count)
		g->all[index].counting++;
	pthread_mutex_unlock(&g->lock);
}

void gateways_end(struct gateways *g, uint32_t now_s)
{
	pthread_mutex_lock(&g->lock);
	for (uint32_t i = 1; i < g->count; i++) {
		struct gateway *w = &g->all[i];
		if (w->meters == 0 && w->counting > 0 && w->sign_s == 0)
			w->sign_s = now_s;
		w->meters = w->counting;
	}
	pthread_mutex_unlock(&g->lock);
}

void gateways_heard(struct gateways *g, uint32_t index, uint32_t heard_s)
{
	pthread_mutex_lock(&g->lock);
	if (index < g->count && heard_s > g->all[index].heard_s)
		g->all[index].heard_s = heard_s;
	pthread_mutex_unlock(&g->lock);
}

void gateways_set_silent(struct gateways *g, uint32_t index, bool silent)
{
	pthread_mutex_lock(&g->lock);
	if (index < g->count)
		g->all[index].silent = silent;
	pthread_mutex_unlock(&g->lock);
}

void gateways_sign(struct gateways *g, const char *client, uint32_t client_bytes,
                   enum gateway_sign sign, uint16_t keep_alive_s, uint32_t now_s)
{
	if (client_bytes > CLIENT_ID_BYTES)
		return;
	pthread_mutex_lock(&g->lock);
	uint32_t index = *find_slot(g, g->slots, g->slot_count, client, client_bytes);
	struct gateway *w = &g->all[index];
	if (index) {
		w->sign_s = now_s;
		if (sign != GATEWAY_PUBLISHED) {
			w->connected = sign == GATEWAY_CONNECTED;
			w->keep_alive_s = keep_alive_s;
		}
	}
	pthread_mutex_unlock(&g->lock);
}

/* MQTT 3.1.2.10: a client is gone after one and a half times its keep-alive; then we are told. */
uint32_t gateway_alive_s(const struct gateway *g, uint32_t silence_s, uint32_t now_s)
{
	if (g->connected && g->keep_alive_s && g->keep_alive_s + g->keep_alive_s / 2u <= silence_s)
		return now_s;
	return g->sign_s > g->heard_s ? g->sign_s : g->heard_s;
}
