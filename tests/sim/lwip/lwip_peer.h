/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian's lwIP as a TCP client on a virtual clock.
 *
 * Input:   IP packets, the time, what to send.
 * Output:  IP packets through `send`; what has come, in the records.
 * Memory:  lwIP's own (malloc). One instance in a process: lwIP keeps its state in globals, so a
 *          test with several runs forks for each.
 *
 * The library is built for threads, but none is started: its clock, its random numbers and its
 * check for its own lock are replaced by ours (they are exported by the program, and a shared
 * library takes the program's), and sys_check_timeouts does what its thread would do. It is opened
 * with dlopen, because it has names like tcp_input and tcp_close, and so has the engine.
 */
#ifndef HEADRACE_TESTS_SIM_LWIP_LWIP_PEER_H
#define HEADRACE_TESTS_SIM_LWIP_LWIP_PEER_H

#include <stdbool.h>
#include <stdint.h>

enum client_state { CLIENT_IDLE, CLIENT_CONNECTING, CLIENT_OPEN, CLIENT_DONE, CLIENT_FAILED };

struct client {
	/* what to do */
	uint16_t server_port;
	uint32_t send_bytes, receive_bytes;
	uint64_t send_stream, receive_stream;
	bool close_last;       /* its FIN waits for the server's */
	uint32_t read_bytes;   /* of what came, take so many at each poll; 0: all at once */
	/* what has happened */
	enum client_state state;
	void *pcb;
	uint32_t sent, received, unread;
	bool fin_seen;
	int error;
	const char *failure; /* an oracle's */
};

/* The content of a stream, by offset. */
uint8_t stream_byte(uint64_t stream, uint32_t offset);

/* Open the library. False: it is not there, or not the one that this was written for; says so. */
bool lwip_open(void);

/* Start lwIP with one interface and one address (IPv4 as ::ffff:a.b.c.d). Once in a process. */
void lwip_start(const uint8_t own[16], uint32_t seed,
                void (*send)(void *context, const uint8_t *ip, uint32_t bytes), void *context,
                uint64_t now_us);

void lwip_set_now(uint64_t now_us);
void lwip_receive(const uint8_t *ip, uint32_t bytes);
void lwip_connect(struct client *c, const uint8_t server[16]);
/* Give up a client that is connecting or open. */
void lwip_abort(struct client *c);

/* Timers that are due; then each client sends, reads and closes what it can. */
void lwip_poll(struct client *clients, uint32_t count);

/* When lwip_poll has something to do next. */
uint64_t lwip_next_us(void);

/* No connection is left, not even in TIME-WAIT. */
bool lwip_is_empty(void);

#endif
