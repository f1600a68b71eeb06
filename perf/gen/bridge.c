/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel's network beside the fleet: whatever comes in on one interface goes out on the port, and
 * what the port brings for nobody of ours goes to that interface. So a real client reaches the
 * server by the same port, and the same io worker, as a million simulated ones.
 *
 * The interface is the near end of a veth pair whose far end has an address on the server's network
 * (and no offloads: checksums must be whole). One packet socket, never waited for; a frame that the
 * kernel or the port does not take is lost, as on any wire.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gen.h"

#define FRAMES_PER_POLL 16
#define LOOK_US         50 /* a look costs a system call */

bool bridge_open(struct gen *g)
{
	const char *name = g->options.bridge;
	g->bridge_fd = -1;
	if (!name)
		return true;
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(name)};
	struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	if (at.sll_ifindex == 0 || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) != 0) {
		fprintf(stderr, "headrace-gen: --bridge %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	g->bridge_fd = fd;
	return true;
}

void bridge_close(struct gen *g)
{
	if (g->bridge_fd >= 0)
		close(g->bridge_fd);
}

void bridge_poll(struct gen *g)
{
	if (g->bridge_fd < 0 || g->now_us < g->bridge_look_us)
		return;
	g->bridge_look_us = g->now_us + LOOK_US;
	for (int i = 0; i < FRAMES_PER_POLL && !link_is_congested(&g->link); i++) {
		struct sockaddr_ll from = {0};
		socklen_t size = sizeof from;
		uint8_t *frame = link_new(&g->link);
		if (!frame)
			return;
		ssize_t bytes = recvfrom(g->bridge_fd, frame, LINK_FRAME_BYTES, MSG_TRUNC,
					 (struct sockaddr *)&from, &size);
		if (bytes < 0)
			return;
		if (from.sll_pkttype == PACKET_OUTGOING || bytes > LINK_FRAME_BYTES)
			continue; /* what we sent ourselves; longer than the port's frames */
		link_send(&g->link, (uint32_t)bytes, g->now_us);
		g->totals.bridged++;
	}
}

bool bridge_take(struct gen *g, const uint8_t *frame, uint32_t bytes)
{
	if (g->bridge_fd < 0 || memcmp(frame, g->mac, 6) == 0)
		return false;
	g->totals.bridged += send(g->bridge_fd, frame, bytes, 0) == (ssize_t)bytes;
	return true;
}
