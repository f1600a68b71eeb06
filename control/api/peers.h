/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections to the API, each with the moment by which something must have happened: a thread
 * ends those that are late, so that a slow client can't hold a place for ever. Private to
 * control/api.
 *
 * Threads: libmicrohttpd's, and the one that looks. Memory: a record for each connection.
 */
#ifndef HEADRACE_API_PEERS_H
#define HEADRACE_API_PEERS_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "control/api/api_priv.h"

struct peer {
	struct peer *next, *previous;
	int fd;
	_Atomic uint64_t deadline_us; /* clock_mono_us; 0: none */
	struct api_who who; /* at the Unix socket for good; over TCP before a token is looked at */
	uint8_t address[16];
	uint32_t address_bytes; /* what is limited: an IPv4 address, an IPv6 /64; 0: local */
	bool local; /* the Unix socket's */
	bool over;  /* there were enough: it is told so, and ends */
};

struct peer_limits {
	uint32_t connections, of_address;
};

struct peers;

MUST_USE enum result peers_start(struct peers **out, struct error *err);
/* After the listeners have ended. NULL is fine. */
void peers_stop(struct peers *p);

/* NULL: no memory. `address` is NULL at the Unix socket, whose connections are counted for
 * themselves. */
struct peer *peers_add(struct peers *p, int fd, const struct sockaddr *address,
                       const struct peer_limits *most);
/* Before its descriptor is closed. */
void peers_remove(struct peers *p, struct peer *peer);

/* It has so long from now; 0: as long as it wants. */
void peer_allow_s(struct peer *peer, uint32_t seconds);

/* Connections now; and since start, how many were ended for being late, and how many were too
 * many. */
void peers_counts(struct peers *p, uint64_t *now, uint64_t *late, uint64_t *over);

#endif
