/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses are 16 bytes everywhere: IPv6, or IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
#ifndef HEADRACE_NET_ADDRESS_H
#define HEADRACE_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline void address_from_ipv4(uint8_t out[16], const uint8_t ipv4[4])
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	memcpy(out, prefix, sizeof prefix);
	memcpy(out + 12, ipv4, 4);
}

#endif
