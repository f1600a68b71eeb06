/* SPDX-License-Identifier: Apache-2.0 */
/* Whole Ethernet frames of one Linux interface, through AF_PACKET. Needs CAP_NET_RAW. */
#ifndef HEADRACE_TESTS_SIM_IMPAIR_PACKET_SOCKET_H
#define HEADRACE_TESTS_SIM_IMPAIR_PACKET_SOCKET_H

#include <stdint.h>

/* With the interface's offloads left on, frames of up to 64 KB appear. */
#define FRAME_BYTES_MAX 65550

/* A non-blocking socket; exits with a message when the interface can't be opened. `mac` may be
 * NULL, else gets the interface's address. */
int packet_socket_open(const char *interface, uint8_t mac[6]);

/* The next frame that arrived (not one that was sent here): its length; 0: none. */
uint32_t packet_socket_receive(int fd, uint8_t frame[FRAME_BYTES_MAX]);

/* Sends, or drops when the interface's queue is full. */
void packet_socket_send(int fd, const uint8_t *frame, uint32_t bytes);

#endif
