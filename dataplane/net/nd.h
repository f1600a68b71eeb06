/* SPDX-License-Identifier: Apache-2.0 */
/* What neighbour discovery teaches the neighbour cache (RFC 4861 7.2). Private to net/. */
#ifndef HEADRACE_NET_ND_H
#define HEADRACE_NET_ND_H

#include "net/neighbours.h"
#include "net/packet.h"

/* `p` is a PACKET_ND_SOLICIT or PACKET_ND_ADVERT. */
void nd_learn(struct neighbours *neighbours, const struct packet *p, uint64_t now_us);

#endif
