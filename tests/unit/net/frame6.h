/* SPDX-License-Identifier: Apache-2.0 */
/* Makes IPv6 frames to us, for the tests of ipv6.c and nd.c. Include after cmocka.h. */
#ifndef HEADRACE_TESTS_UNIT_NET_FRAME6_H
#define HEADRACE_TESTS_UNIT_NET_FRAME6_H

#include <string.h>

#include "base/bytes.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/packet.h"

#define FRAME_IP ETHERNET_BYTES
#define L4       (ETHERNET_BYTES + IPV6_HEADER_BYTES)

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

static const struct packet_local us = {
    .mac = {2, 0, 0, 0, 0, 1},
    .ipv4 = {10, 77, 0, 1},
    .ipv4_mask = 0xffffff00,
    .has_ipv6 = true,
    .ipv6_prefix_bits = 64,
    .ipv6 = {0xfd, 0x77, [15] = 1},
    .link_local = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1},
};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t peer_ip[16] = {0xfd, 0x77, [15] = 2};

struct frame {
	uint8_t bytes[512];
	uint32_t count;
};

/* The transport checksum of what begins at `l4`. */
static inline void frame_seal(struct frame *f, uint32_t l4)
{
	uint8_t *ip = f->bytes + FRAME_IP;
	uint8_t protocol = ip[6];
	uint32_t at = protocol == 6 ? 16 : protocol == 17 ? 6 : 2, bytes = f->count - l4;
	if (bytes < at + 2)
		return;
	put_be16(f->bytes + l4 + at, 0);
	uint64_t sum = checksum_pseudo_ipv6(ip + 8, ip + 24, protocol, bytes);
	put_le16(f->bytes + l4 + at, checksum_finish(checksum_add(sum, f->bytes + l4, bytes)));
}

static inline void frame_build(struct frame *f, uint8_t protocol, const uint8_t *l4,
                               uint32_t bytes)
{
	memset(f, 0, sizeof *f);
	f->count = L4 + bytes;
	packet_put_ipv6(f->bytes, peer_mac, us.mac, peer_ip, us.ipv6, protocol, bytes, 64);
	memcpy(f->bytes + L4, l4, bytes);
	frame_seal(f, L4);
}

static inline void frame_udp(struct frame *f)
{
	static const uint8_t udp[12] = {0x30, 0x39, 0x16, 0x33, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
	frame_build(f, 17, udp, sizeof udp);
}

static inline void frame_tcp(struct frame *f)
{
	static const uint8_t tcp[20] = {0x30, 0x39, 0x07, 0x5b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2};
	frame_build(f, 6, tcp, sizeof tcp);
}

static inline void frame_echo(struct frame *f)
{
	static const uint8_t echo[12] = {128, 0, 0, 0, 1, 2, 3, 4, 'p', 'i', 'n', 'g'};
	frame_build(f, 58, echo, sizeof echo);
}

/* An extension header of 8 bytes in front of what is there. */
static inline void frame_extend(struct frame *f, uint8_t kind, const uint8_t rest[6])
{
	uint8_t *ip = f->bytes + FRAME_IP, *at = f->bytes + L4;
	memmove(at + 8, at, f->count - L4);
	f->count += 8;
	at[0] = ip[6];
	at[1] = 0;
	memcpy(at + 2, rest, 6);
	ip[6] = kind;
	put_be16(ip + 4, (uint16_t)(get_be16(ip + 4) + 8));
}

static inline struct packet frame_parse(const struct frame *f)
{
	struct packet p = {0};
	packet_parse(f->bytes, f->count, &us, (struct packet_offload){0}, &p);
	return p;
}

#define expect_drop(frame, why)                                                                    \
	do {                                                                                       \
		struct packet dropped_ = frame_parse(frame);                                       \
		assert_int_equal(dropped_.kind, PACKET_DROP);                                      \
		assert_string_equal(counter_info[dropped_.drop].name, counter_info[why].name);     \
	} while (0)

#endif
