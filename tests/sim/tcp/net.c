/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

/* Way 0 goes to the server, way 1 to the clients. */
static void configure(struct net *n)
{
	const struct net_config *g = &n->config;
	for (uint32_t way = 0; way < IMPAIR_WAYS; way++)
		n->impair.config[way] = (struct impair_config){
		    .loss = g->loss,
		    .duplicate = g->duplicate,
		    .corrupt = g->corrupt,
		    .reorder = g->reorder,
		    .burst_start = g->burst_start,
		    .burst_end = g->burst_end,
		    .burst_loss = g->burst_loss,
		    .delay_us = g->delay_us,
		    .jitter_us = g->jitter_us,
		    .jitter_reorders = true,
		    .bytes_max = way == 1 && g->mtu_bytes ? g->mtu_bytes - 40 : 0,
		};
}

void net_init(struct net *n, const struct net_config *config, uint64_t seed)
{
	memset(n, 0, sizeof *n);
	n->config = *config;
	n->impair.rng.state = seed;
}

void net_fini(struct net *n)
{
	impair_fini(&n->impair);
}

/* RFC 1071; the pseudo header is the same for both ends here and left out. */
static uint16_t checksum(const uint8_t *p, uint32_t bytes)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i + 1 < bytes; i += 2)
		sum += get_be16(p + i);
	if (bytes & 1)
		sum += (uint64_t)p[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void net_send(struct net *n, uint64_t now_us, uint32_t from, uint32_t to,
              const uint8_t *segment, uint32_t bytes)
{
	uint8_t copy[NET_SEGMENT_MAX];
	CHECK_OP(bytes, <=, (uint32_t)NET_SEGMENT_MAX);
	memcpy(copy, segment, bytes);
	put_be16(copy + 16, 0);
	put_be16(copy + 16, checksum(copy, bytes));
	configure(n);
	n->sent++;
	impair_put(&n->impair, now_us, to != 0, (uint64_t)from << 32 | to, copy, bytes);
	n->dropped = n->damaged + n->impair.counts[0].lost + n->impair.counts[0].too_long +
	             n->impair.counts[1].lost + n->impair.counts[1].too_long;
}

uint64_t net_next_us(const struct net *n)
{
	return impair_next_us(&n->impair);
}

bool net_receive(struct net *n, uint64_t now_us, struct packet *out)
{
	struct impair_packet p;
	while (impair_get(&n->impair, now_us, &p)) {
		*out = (struct packet){.to = (uint32_t)p.tag, .from = (uint32_t)(p.tag >> 32),
		                       .bytes = p.bytes, .segment = p.data};
		if (checksum(p.data, p.bytes) == 0)
			return true;
		n->damaged++;
		free(p.data);
	}
	return false;
}
