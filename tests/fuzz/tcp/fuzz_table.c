/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection table against an array: additions, removals, replacements and searches in any
 * order. Bytes come in threes: what to do, which key, which record.
 */
#include <stdlib.h>

#include "tcp/tcp_priv.h"

#define KEYS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void step(struct tcp_engine *e, uint32_t model[KEYS], uint8_t verb, uint8_t k)
{
	struct conn *c = &e->conns[k];
	uint32_t entry = ENTRY(ENTRY_CONN, k);
	switch (verb % 3) {
	case 0:
		if (model[k] == NONE && table_add(e, &c->key, entry))
			model[k] = entry;
		break;
	case 1:
		if (model[k] != NONE) {
			table_remove(e, &c->key, model[k]);
			model[k] = NONE;
		}
		break;
	default:
		if (model[k] != NONE) {
			uint32_t to = model[k] == entry ? ENTRY(ENTRY_TIME_WAIT, k) : entry;
			table_replace(e, &c->key, model[k], to);
			model[k] = to;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1)
		return 0;
	static struct tcp_engine e;
	static struct conn conns[KEYS];
	static struct time_wait waits[KEYS];
	uint32_t model[KEYS];
	/* a table that is too small for all of them: additions fail, and must leave it whole */
	CHECK(table_init(&e.table, 8u << data[0] % 6, (struct hash_key){data[0], 99}));
	e.conns = conns;
	e.time_waits = waits;
	for (uint32_t i = 0; i < KEYS; i++) {
		conns[i].key = (struct key){.peer_port = (uint16_t)(i + 1), .local_port = 1883};
		waits[i].key = conns[i].key;
		model[i] = NONE;
	}
	for (size_t at = 1; at + 1 < bytes; at += 2)
		step(&e, model, data[at], data[at + 1]);
	uint32_t present = 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		CHECK_OP(table_find(&e, &conns[i].key), ==, model[i]);
		present += model[i] != NONE;
	}
	uint32_t counted = 0;
	for (uint32_t i = 0; i <= e.table.mask; i++)
		counted += e.table.buckets[i].count;
	CHECK_OP(counted, ==, present);
	/* when all are gone, nothing is left that a search would follow */
	for (uint32_t i = 0; i < KEYS; i++)
		if (model[i] != NONE)
			table_remove(&e, &conns[i].key, model[i]);
	for (uint32_t i = 0; i <= e.table.mask; i++) {
		CHECK_OP(e.table.buckets[i].passed, ==, 0);
		CHECK_OP(e.table.buckets[i].count, ==, 0);
	}
	table_fini(&e.table);
	return 0;
}
