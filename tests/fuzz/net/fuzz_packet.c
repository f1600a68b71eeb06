/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames into packet_parse. The first byte says which checksums the port vouches for and whether
 * the frame's own are mended first, so that mutations get past them.
 * Oracles: what is handed on lies inside the frame; addresses are ours and theirs; every drop has
 * a receive counter.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/checksum.h"
#include "net/packet.h"

#define L4 (ETHERNET_BYTES + IPV4_HEADER_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct packet_local us = {
    .mac = {2, 0, 0, 0, 0, 1}, .ipv4 = {10, 77, 0, 1}, .ipv4_mask = 0xffffff00};

static void mend(uint8_t *frame, uint32_t count)
{
	if (count < L4)
		return;
	uint8_t *ip = frame + ETHERNET_BYTES;
	uint32_t header = (ip[0] & 15u) * 4;
	memcpy(frame, us.mac, 6);
	memcpy(ip + 16, us.ipv4, 4);
	if (header < IPV4_HEADER_BYTES || ETHERNET_BYTES + header > count)
		return;
	put_be16(ip + 10, 0);
	put_le16(ip + 10, checksum_finish(checksum_add(0, ip, header)));
}

static void check_inside(const struct packet *p, const uint8_t *frame, uint32_t count)
{
	CHECK(p->l4 >= frame + ETHERNET_BYTES + IPV4_HEADER_BYTES);
	CHECK(p->l4 + p->l4_bytes <= frame + count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1)
		return 0;
	uint32_t count = (uint32_t)bytes - 1;
	uint8_t *frame = malloc(count ? count : 1);
	CHECK(frame != NULL);
	memcpy(frame, data + 1, count);
	if (data[0] & 4)
		mend(frame, count);
	struct packet_offload offload = {data[0] & 1, (data[0] & 2) != 0};
	struct packet p = {0};
	packet_parse(frame, count, &us, offload, &p);

	switch (p.kind) {
	case PACKET_DROP:
		CHECK_OP((int)p.drop, >=, (int)COUNTER_NET_RX_DROP_SHORT);
		CHECK_OP((int)p.drop, <=, (int)COUNTER_NET_RX_DROP_ICMP);
		break;
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_ECHO:
	case PACKET_ICMP_ERROR:
		check_inside(&p, frame, count);
		CHECK(memcmp(p.destination + 12, us.ipv4, 4) == 0);
		break;
	case PACKET_ARP_REQUEST:
	case PACKET_ARP_REPLY:
		CHECK_OP(count, >=, (uint32_t)(ETHERNET_BYTES + ARP_BYTES));
		CHECK(memcmp(p.source + 12, us.ipv4, 4) != 0);
		break;
	}
	free(frame);
	return 0;
}
