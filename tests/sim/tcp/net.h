/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network on a virtual clock: segments go in, and come out later, or not, or twice, or damaged.
 * Everything is decided by one seeded generator, so a seed replays a run exactly.
 */
#ifndef HEADRACE_TESTS_SIM_TCP_NET_H
#define HEADRACE_TESTS_SIM_TCP_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/impair/impair.h"

#define NET_SEGMENT_MAX 9216

struct net_config {
	uint32_t loss, duplicate, corrupt, reorder; /* of 10,000 */
	uint32_t burst_start, burst_end, burst_loss; /* Gilbert-Elliott, of 10,000 */
	uint64_t delay_us, jitter_us;
	uint32_t mtu_bytes; /* larger segments to clients vanish without a word; 0: none */
};

struct packet {
	uint32_t to; /* 0: the server; else client number + 1 */
	uint32_t from;
	uint32_t bytes;
	uint8_t *segment;
};

struct net {
	struct net_config config; /* may be changed at any time */
	struct impair impair;
	uint64_t sent, dropped, damaged;
};

void net_init(struct net *n, const struct net_config *config, uint64_t seed);
void net_fini(struct net *n);

/* Copies; fills the checksum in. */
void net_send(struct net *n, uint64_t now_us, uint32_t from, uint32_t to,
              const uint8_t *segment, uint32_t bytes);

/* UINT64_MAX: nothing is under way. */
uint64_t net_next_us(const struct net *n);

/* The next segment that is due and arrives undamaged; its `segment` is the caller's to free.
 * False: none is due. */
bool net_receive(struct net *n, uint64_t now_us, struct packet *out);

#endif
