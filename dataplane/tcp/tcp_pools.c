/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine's pools hold, for the status. Any thread: the numbers are snapshots.
 */
#include "tcp/tcp_priv.h"

static uint32_t snapshot(const uint32_t *count_)
{
	return __atomic_load_n(count_, __ATOMIC_RELAXED);
}

/* The table has no record of its own for a connection: its share of the buckets. */
static uint32_t table_share(const struct tcp_engine *e)
{
	uint64_t bytes = ((uint64_t)e->table.mask + 1) * sizeof(struct bucket);
	return (uint32_t)((bytes + e->config.conns_max - 1) / e->config.conns_max);
}

bool tcp_pool_get(const struct tcp_engine *e, uint32_t index, struct tcp_pool *out)
{
	uint32_t conns = snapshot(&e->conn_count), most = e->config.conns_max;
	const uint32_t block = 1u << RX_BLOCK_SHIFT;
	const struct tcp_pool pools[] = {
	    {"connection blocks", CONN_BYTES, conns, most, true, true},
	    {"connection table", table_share(e), conns, most, true, true},
	    {"extension blocks", sizeof(struct ext), snapshot(&e->ext_used), e->ext_max, false,
	     true},
	    {"send chunks", sizeof(struct chunk), snapshot(&e->chunk_used), e->chunk_max, false,
	     true},
	    {"receive blocks", block, __atomic_load_n(&e->rx.used, __ATOMIC_RELAXED) / block,
	     e->rx.size / block, false, true},
	    {"half open", sizeof(struct syn), snapshot(&e->syn_count), e->config.syn_cache_max,
	     false, false},
	    {"TIME-WAIT", sizeof(struct time_wait), snapshot(&e->tw_count),
	     e->config.time_wait_max, false, false},
	};
	if (index >= sizeof pools / sizeof pools[0])
		return false;
	*out = pools[index];
	return true;
}
