/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed hashes for tables that the network can fill, and CRC32C for what lies on disk.
 */
#ifndef HEADRACE_BASE_HASH_H
#define HEADRACE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

/* A key from the kernel's random source; aborts when there is none. */
struct hash_key hash_key_random(void);

/* SipHash-1-3 (Aumasson, Bernstein, 2012; one compression and three finalization rounds):
 * for hash tables. */
uint64_t siphash13(struct hash_key key, const void *data, size_t bytes);

/* SipHash-2-4: where the output goes on the wire (initial sequence numbers, cookies). */
uint64_t siphash24(struct hash_key key, const void *data, size_t bytes);

/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in RFC 3720 appendix B.4.
 * Start with crc = 0 and pass the last value on to continue. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
