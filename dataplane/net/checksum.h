/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071), in software, for ports that don't offer it. */
#ifndef HEADRACE_NET_CHECKSUM_H
#define HEADRACE_NET_CHECKSUM_H

#include <stdint.h>

/* Sum of 16-bit words in network order, not yet folded. Pieces may be added one after the other;
 * each but the last must have an even length. */
uint64_t checksum_add(uint64_t sum, const void *data, uint32_t bytes);

/* Sum of the IPv4 pseudo header (RFC 9293 3.1, RFC 768). */
uint64_t checksum_pseudo_ipv4(const uint8_t source[4], const uint8_t destination[4],
                              uint8_t protocol, uint32_t l4_bytes);

/* Sum of the IPv6 pseudo header (RFC 8200 8.1). */
uint64_t checksum_pseudo_ipv6(const uint8_t source[16], const uint8_t destination[16],
                              uint8_t protocol, uint32_t l4_bytes);

/* Fold to 16 bits in network order, not complemented (what hardware wants as a start). */
uint16_t checksum_fold(uint64_t sum);

/* Fold and complement: the value to store; 0 for a block that contains a right checksum. */
static inline uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

#endif
