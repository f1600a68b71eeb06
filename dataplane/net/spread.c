/* SPDX-License-Identifier: Apache-2.0 */
#include "net/spread.h"

#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

struct spread *spread_new(uint32_t count)
{
	struct spread *s = aligned_alloc(CACHE_LINE, sizeof *s);
	if (!s)
		return NULL;
	memset(s, 0, sizeof *s);
	s->key = hash_key_random();
	s->count = count;
	bool ok = true;
	for (uint32_t from = 0; from < count; from++) {
		ok = ok && ring_init(&s->tx[from], SPREAD_SLOTS);
		for (uint32_t to = 0; to < count; to++)
			ok = ok && (to == from || ring_init(&s->rx[from][to], SPREAD_SLOTS));
	}
	if (ok)
		return s;
	spread_free(s);
	return NULL;
}

static void empty(struct ring *r)
{
	struct rte_mbuf *m;
	while (r->slots && (m = ring_pop(r)) != NULL)
		rte_pktmbuf_free(m);
	ring_fini(r);
}

void spread_free(struct spread *s)
{
	if (!s)
		return;
	for (uint32_t from = 0; from < s->count; from++) {
		empty(&s->tx[from]);
		for (uint32_t to = 0; to < s->count; to++)
			empty(&s->rx[from][to]);
	}
	free(s);
}
