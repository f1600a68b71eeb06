/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (8 << 20)

static void give_up(const char *interface, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", interface, what, strerror(errno));
	exit(2);
}

int packet_socket_open(const char *interface, uint8_t mac[6])
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		give_up(interface, "AF_PACKET socket");
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	address.sll_ifindex = (int)if_nametoindex(interface);
	if (address.sll_ifindex == 0)
		give_up(interface, "no such interface");
	int bytes = BUFFER_BYTES;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex,
	                                  .mr_type = PACKET_MR_PROMISC};
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
	               sizeof promiscuous) < 0)
		give_up(interface, "promiscuous mode");
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		give_up(interface, "bind");
	struct ifreq request = {0};
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	if (mac && ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		give_up(interface, "no hardware address");
	if (mac)
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return fd;
}

uint32_t packet_socket_receive(int fd, uint8_t frame[FRAME_BYTES_MAX])
{
	for (;;) {
		struct sockaddr_ll from = {0};
		socklen_t from_bytes = sizeof from;
		ssize_t n = recvfrom(fd, frame, FRAME_BYTES_MAX, 0, (struct sockaddr *)&from,
		                     &from_bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (from.sll_pkttype != PACKET_OUTGOING)
			return (uint32_t)n;
	}
}

void packet_socket_send(int fd, const uint8_t *frame, uint32_t bytes)
{
	while (send(fd, frame, bytes, 0) < 0 && errno == EINTR)
		;
}
