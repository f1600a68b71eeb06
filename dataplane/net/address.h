/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses are 16 bytes everywhere: IPv6, or IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
#ifndef HEADRACE_NET_ADDRESS_H
#define HEADRACE_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const uint8_t address_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static inline void address_from_ipv4(uint8_t out[16], const uint8_t ipv4[4])
{
	memcpy(out, address_mapped_prefix, sizeof address_mapped_prefix);
	memcpy(out + 12, ipv4, 4);
}

static inline bool address_is_ipv4(const uint8_t address[16])
{
	return memcmp(address, address_mapped_prefix, sizeof address_mapped_prefix) == 0;
}

/* fe80::/10 (RFC 4291 2.5.6) */
static inline bool address_is_link_local(const uint8_t address[16])
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static inline bool address_is_multicast(const uint8_t address[16])
{
	return address[0] == 0xff;
}

/* A multicast group of either family. */
static inline bool address_is_group(const uint8_t address[16])
{
	return address[0] == 0xff || (address_is_ipv4(address) && address[12] >> 4 == 0xe);
}

static inline bool address_is_unspecified(const uint8_t address[16])
{
	static const uint8_t unspecified[16];
	return memcmp(address, unspecified, 16) == 0;
}

/* The first `bits` of both are the same. */
static inline bool address_same_prefix(const uint8_t a[16], const uint8_t b[16], uint8_t bits)
{
	uint32_t bytes = bits / 8u, rest = bits % 8u;
	return memcmp(a, b, bytes) == 0 &&
	       (rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff00u >> rest) & 0xff) == 0);
}

#endif
