/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP datagrams put together from IPv4 and IPv6 fragments (RFC 791 3.2, RFC 8200 4.5).
 *
 * Input: PACKET_FRAGMENT packets and the time. Output: whole UDP datagrams, checksum unverified.
 * Thread: one. Memory: a little over 1 MB, taken at reassembly_new. Never reads a clock.
 *
 * Bounded in every direction: 64 datagrams at once (the oldest goes), 16,384 bytes and 8 fragments
 * each, 30 s. Fragments that overlap give the whole datagram up, and what comes of it later
 * (RFC 5722 4).
 */
#ifndef HEADRACE_NET_REASSEMBLY_H
#define HEADRACE_NET_REASSEMBLY_H

#include <stdint.h>

#include "base/bytes.h"
#include "contract/counters.h"
#include "net/packet.h"

#define REASSEMBLY_DATAGRAMS  64
#define REASSEMBLY_BYTES_MAX  16384 /* of one datagram, UDP header included */
#define REASSEMBLY_FRAGMENTS  8     /* of one datagram */
#define REASSEMBLY_TIMEOUT_US (30ull * 1000000)
/* RFC 791 3.2: every link carries 68 bytes; less the 20 of the header, a multiple of 8 */
#define REASSEMBLY_BYTES_LEAST 48

struct reassembly;

/* `counters` gets the NET_REASSEMBL* lines; the frames' own are the caller's. NULL: no memory. */
struct reassembly *reassembly_new(struct counters *counters);
void reassembly_free(struct reassembly *r);

/*
 * Take a fragment; its bytes are copied. Returns the line that its frame counts as:
 * NET_RX_FRAGMENT when it is kept, a drop, or NET_RX_UDP when it completes a datagram, which
 * `*whole` then lends until the next call.
 */
enum counter reassembly_add(struct reassembly *r, const struct packet *fragment, uint64_t now_us,
                            struct bytes *whole);

/* Give up what is too old. Cheap when nothing is under way. */
void reassembly_expire(struct reassembly *r, uint64_t now_us);

/* Datagrams under way. */
uint32_t reassembly_count(const struct reassembly *r);

#endif
