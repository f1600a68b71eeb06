/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst's connections into the cache, before its segments are handled one by one: the misses of
 * all of them overlap. Changes nothing.
 */
#include <string.h>

#include "base/fetch.h"
#include "tcp/tcp_priv.h"

uint64_t tcp_fetch(struct tcp_engine *e, const struct tcp_address *local,
                   const struct tcp_address *peer, const uint8_t *segment, uint32_t bytes)
{
	if (bytes < 4)
		return 0;
	uint32_t number = local_number(e, local, false);
	if (number == NONE)
		return 0;
	struct key key = {.peer_port = get_be16(segment),
	                  .local_port = get_be16(segment + 2),
	                  .local = (uint16_t)number};
	memcpy(key.ip, peer->ip, sizeof key.ip);
	return table_fetch(&e->table, &key);
}

uint32_t tcp_fetch_conn(const struct tcp_engine *e, uint64_t fetched)
{
	uint32_t entry = fetched ? table_peek(&e->table, fetched) : NONE;
	if (entry == NONE || ENTRY_KIND(entry) != ENTRY_CONN)
		return NONE;
	tcp_fetch_index(e, ENTRY_INDEX(entry));
	return ENTRY_INDEX(entry);
}

void tcp_fetch_more(const struct tcp_engine *e, uint32_t index)
{
	const struct conn *c = &e->conns[index];
	if (c->tx_head != NONE)
		fetch_line(&e->chunks[c->tx_head]);
	if (c->ext != NONE)
		fetch_line(&e->exts[c->ext]);
}

void tcp_fetch_index(const struct tcp_engine *e, uint32_t index)
{
	fetch_lines(&e->conns[index], sizeof(struct conn));
}
