/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's times, sizes and limits, and where they come from. */
#ifndef HEADRACE_TCP_TCP_LIMITS_H
#define HEADRACE_TCP_TCP_LIMITS_H

#include <stdint.h>

/* Deadlines are in ticks of 2^12 us = 4.096 ms; 32 bits of them wrap after 203 days. */
#define TICK_SHIFT     12
#define MS_TICKS(ms)   ((uint32_t)(((uint64_t)(ms) * 1000) >> TICK_SHIFT))
#define US_PER_S       1000000u

#define RTO_FIRST_US    (1 * US_PER_S)   /* RFC 6298 (2.1) */
#define RTO_REOPEN_US   (3 * US_PER_S)   /* RFC 6298 (5.7): the SYN-ACK was retransmitted */
#define RTO_MIN_US      (1 * US_PER_S)   /* RFC 6298 (2.4) */
#define RTO_VARIANCE_MIN_US 200000       /* an even path's delayed and lost ACKs are no timeout */
#define RTO_MAX_US      (120 * US_PER_S) /* RFC 6298 (2.5): at least 60 s */
#define PROBE_MAX_US    (60 * US_PER_S)
#define GIVE_UP_MS      120000           /* RFC 9293 3.8.3: R2 at least 100 s */
#define GIVE_UP_TRIES   3                /* and at least so many retransmissions */
#define DELAYED_ACK_MS  36               /* + 1 tick <= 40 ms */
#define ACK_SLOTS       64               /* ticks; more than that delay and a late poll */
#define FIN_WAIT_2_MS   60000
#define ORPHAN_MS       300000           /* closed by us, no progress of the peer */
#define TIME_WAIT_MS    60000            /* 2 MSL of 30 s */
#define CHALLENGE_MS    500              /* RFC 5961 7: at most one per connection and period */
#define POKE_MS         50
#define SYN_ACK_TRIES   5                /* after 1, 2, 4, 8, 16 s */
#define PAWS_VOID_TICKS MS_TICKS(24ull * 86400 * 1000) /* RFC 7323 5.5 */
#define RST_PER_S       1000
#define MSS_FLOOR       216
#define MSS_DEFAULT_V4  536              /* RFC 9293 3.7.1 */
#define MSS_DEFAULT_V6  1220
#define MTU_MIN_V4      576
#define MTU_MIN_V6      1280
#define OOO_RANGES      8
#define OOO_BYTES       16384
#define SCORE_SEGS      68               /* segments in flight */
#define SCORE_SPARE     4                /* of them, kept free for splits */
#define LOCALS_MAX      64
#define COOKIE_SETS     512              /* of cookies remembered against replay, */
#define COOKIE_WAYS     4                /* so many in each */
#define HOLE_WAIT_MAX_S 600              /* RFC 8899 5.1.1: until a larger size is tried again */
#define OOO_STALE_MS    30000            /* evictable when memory is short */
#define FLUSH_STARVED   256              /* connections looked at for ACKs without data buffers */
#define EVICT_LOOKS     16               /* extension blocks looked at each time */
#define KEPT_SHIFT      22               /* 4.2 s: the unit of kept_at, which wraps after 18 min */
#define KEPT_STALE      3                /* such units */
#define KEPT_EVICT_MS   100              /* between two evictions */
#define KEPT_LOOKS      32               /* connections looked at each time */
#define CHUNK_BYTES     124
#define RX_BLOCK_SHIFT  8                /* smallest receive buffer: 256 bytes */
#define RX_ORDERS       16               /* 256 << 15 = 8 MB */

#endif
