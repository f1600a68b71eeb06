/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors about our segments. Believed only when the quoted sequence number is in flight
 * (RFC 5927 4.1); soft in every state (RFC 5461, RFC 5927 5); a smaller path MTU is taken down
 * to 576 or 1,280 bytes, not further (RFC 1191 3, RFC 8201 4).
 *
 *     0               1               2               3
 *     | source port, ours             | destination port, the peer's  |
 *     | sequence number                                               |     8 bytes at least
 */
#include "tcp/tcp_priv.h"

#define QUOTE_BYTES 8

/* RFC 1191 6.4: nothing in flight fits any more; all of it again, in smaller pieces, and without
 * calling it congestion. */
static void path_mtu(struct tcp_engine *e, struct conn *c, uint32_t mtu)
{
	bool ipv4 = c->flags & C_IPV4;
	mtu = max_u32(mtu, ipv4 ? MTU_MIN_V4 : MTU_MIN_V6);
	uint32_t mss = mtu - (ipv4 ? 40 : 60);
	if (mss >= c->mss) {
		count(e, COUNTER_TCP_ICMP_MTU_NOT_SMALLER);
		return;
	}
	count(e, COUNTER_TCP_ICMP_MTU);
	c->mss = (uint16_t)mss;
	c->full_mss = 0;
	score_mark_all_lost(e, c);
	c->flags |= C_FORCE;
	conn_touch(e, c);
}

void tcp_input_icmp(struct tcp_engine *e, const struct tcp_address *local,
                    const struct tcp_address *peer, const uint8_t *quote, uint32_t bytes,
                    uint32_t mtu_bytes)
{
	count(e, COUNTER_TCP_ICMP_IN);
	if (bytes < QUOTE_BYTES) {
		count(e, COUNTER_TCP_ICMP_SHORT);
		return;
	}
	uint32_t number = local_number(e, local, false);
	struct key key = {.peer_port = get_be16(quote + 2), .local_port = get_be16(quote),
	                  .local = (uint16_t)number};
	memcpy(key.ip, peer->ip, sizeof key.ip);
	uint32_t entry = number == NONE ? NONE : table_find(e, &key);
	if (entry == NONE || ENTRY_KIND(entry) != ENTRY_CONN) {
		count(e, COUNTER_TCP_ICMP_NO_CONNECTION);
		return;
	}
	struct conn *c = &e->conns[ENTRY_INDEX(entry)];
	uint32_t seq = get_be32(quote + 4);
	if (seq_lt(seq, c->snd_una) || !seq_lt(seq, c->snd_nxt)) {
		count(e, COUNTER_TCP_ICMP_NOT_IN_FLIGHT);
		return;
	}
	if (mtu_bytes != 0)
		path_mtu(e, c, mtu_bytes);
	else
		count(e, COUNTER_TCP_ICMP_SOFT);
}
