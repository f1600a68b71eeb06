/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections a prefix holds: an IPv4 address, or an IPv6 /64 (one subscriber).
 *
 * Counts live in a hashed array; prefixes that collide under the keyed hash share a count, of
 * which the smaller of two independent ones is taken, so that a stranger rarely suffers.
 */
#include "tcp/tcp_priv.h"

#include <stdlib.h>

static uint32_t slots_for(const struct tcp_config *config)
{
	uint32_t n = 1024;
	while (n < config->conns_max)
		n *= 2;
	return n;
}

uint64_t prefix_bytes(const struct tcp_config *config)
{
	if (config->conns_per_prefix_max == 0)
		return 0;
	return 2ull * slots_for(config) * sizeof(uint32_t);
}

bool prefix_init(struct tcp_engine *e)
{
	if (e->config.conns_per_prefix_max == 0)
		return true;
	uint32_t n = slots_for(&e->config);
	e->prefix_mask = n - 1;
	e->prefix_counts = pages_new(2ull * n, sizeof *e->prefix_counts);
	return e->prefix_counts != NULL;
}

void prefix_fini(struct tcp_engine *e)
{
	free(e->prefix_counts);
}

static void slots_of(const struct tcp_engine *e, const struct key *key, uint32_t **a,
                     uint32_t **b)
{
	uint32_t bytes = is_ipv4(key->ip) ? 16 : 8;
	uint64_t h = siphash13(e->table.hash_key, key->ip, bytes);
	*a = &e->prefix_counts[(uint32_t)h & e->prefix_mask];
	*b = &e->prefix_counts[e->prefix_mask + 1 + ((uint32_t)(h >> 32) & e->prefix_mask)];
}

bool prefix_is_full(const struct tcp_engine *e, const struct key *key)
{
	if (!e->prefix_counts)
		return false;
	uint32_t *a, *b;
	slots_of(e, key, &a, &b);
	return min_u32(*a, *b) >= e->config.conns_per_prefix_max;
}

void prefix_add(struct tcp_engine *e, struct conn *c)
{
	if (!e->prefix_counts)
		return;
	uint32_t *a, *b;
	slots_of(e, &c->key, &a, &b);
	++*a;
	++*b;
	c->flags |= C_PREFIX;
}

void prefix_remove(struct tcp_engine *e, struct conn *c)
{
	if (!(c->flags & C_PREFIX))
		return;
	uint32_t *a, *b;
	slots_of(e, &c->key, &a, &b);
	--*a;
	--*b;
}
