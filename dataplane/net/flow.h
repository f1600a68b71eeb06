/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which flow a frame belongs to: the hash by which a port's io workers share its frames out.
 *
 * Keyed, so that nobody outside can aim at one worker, and the same for both directions, so that
 * an ICMP error goes where the segment that it quotes came from. TCP and UDP by addresses and
 * ports; fragments, of which only the first has ports, by addresses.
 *
 * Pure. The frame is untrusted and only looked at as far as needed: the worker that gets it checks
 * it whole.
 */
#ifndef HEADRACE_NET_FLOW_H
#define HEADRACE_NET_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

/* False: no flow (ARP, neighbour discovery, echo, anything malformed): any worker may take it. */
bool flow_hash(struct hash_key key, const uint8_t *frame, uint32_t bytes, uint64_t *hash);

/* Its share of `count` workers. */
static inline uint32_t flow_owner(uint64_t hash, uint32_t count)
{
	return (uint32_t)(((hash >> 32) * count) >> 32);
}

#endif
