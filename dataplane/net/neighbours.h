/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neighbour cache: next hop's address to MAC address, for all io workers of a port.
 *
 * Fixed size, 4-way buckets under a keyed hash; a full bucket gives up its oldest entry. An entry
 * is guarded by a sequence counter: a writer that finds it odd (another worker is writing) lets
 * the update go, readers retry. Nobody waits.
 * Learned from ARP that is addressed to us (RFC 826) and from neighbour discovery (RFC 4861), so
 * from the local link only.
 */
#ifndef HEADRACE_NET_NEIGHBOURS_H
#define HEADRACE_NET_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

struct neighbours;

struct neighbours *neighbours_new(uint32_t entries); /* NULL: no memory */
void neighbours_free(struct neighbours *n);

void neighbours_learn(struct neighbours *n, const uint8_t address[16], const uint8_t mac[6],
                      uint64_t now_us);

/* As learned, but stale if it is news: to be confirmed. What is known and the same stays as it
 * is. */
void neighbours_hint(struct neighbours *n, const uint8_t address[16], const uint8_t mac[6],
                     uint64_t now_us);

enum neighbour_state {
	NEIGHBOUR_UNKNOWN,
	NEIGHBOUR_STALE, /* usable, but ask again */
	NEIGHBOUR_FRESH,
};
/* Copies the MAC address unless UNKNOWN. */
enum neighbour_state neighbours_find(const struct neighbours *n, const uint8_t address[16],
                                     uint64_t now_us, uint8_t mac[6]);

#endif
