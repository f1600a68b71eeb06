/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One seed's world: the real engine with an application that checks every byte, clients, and the
 * network between them. world.c has the server and the wires, scenario.c decides what a seed is.
 */
#ifndef HEADRACE_TESTS_SIM_TCP_WORLD_H
#define HEADRACE_TESTS_SIM_TCP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "peer.h"
#include "tcp/tcp.h"

#define CLIENTS_MAX 4
#define SERVER_PORT 1883

/* A connection at the server. */
struct served {
	tcp_handle handle;
	bool open, closed;
	uint32_t client;
	uint32_t received, sent;
	bool closing;
	enum tcp_close_reason reason;
};

enum scenario {
	SCENARIO_MIXED,      /* anything, and sometimes several at once */
	SCENARIO_NAT,        /* clients get another port, or start anew with the same one */
	SCENARIO_BURSTS,     /* Gilbert-Elliott */
	SCENARIO_BLACK_HOLE, /* the path swallows large segments, from some moment on */
	SCENARIO_WRAP,       /* sequence numbers pass 2^31 or 2^32 on both sides */
	SCENARIO_IDLE,       /* weeks of silence in the middle */
	SCENARIO_DELAYS,     /* round trips of up to 30 s, uneven */
	SCENARIO_COUNT,
};
extern const char *const scenario_names[SCENARIO_COUNT];

struct world {
	enum scenario scenario;
	uint64_t seed, now_us;
	struct rng rng;
	struct net net;
	struct tcp_engine *engine;
	struct counters counters;
	struct tcp_address server, addresses[CLIENTS_MAX];
	struct peer peers[CLIENTS_MAX];
	uint32_t clients;
	struct served served[CLIENTS_MAX];
	struct served former[CLIENTS_MAX]; /* left behind by a client that came back */
	uint16_t port[CLIENTS_MAX];        /* what the server sees of a client; the NAT's */
	uint64_t nat_us[CLIENTS_MAX];      /* when that changes; 0: never */
	bool reboots[CLIENTS_MAX];         /* it is not the port that is lost, but the memory */
	uint32_t came_back;                /* clients that did */
	uint64_t mtu_us;                   /* when mtu_bytes comes into force; 0: no change */
	uint32_t mtu_bytes;
	bool server_closes_first;
	bool harsh;             /* so lossy that giving up is allowed */
	uint32_t keep_parts;    /* how often the application leaves bytes, of 10,000 */
	uint32_t no_buffer;     /* how often the link has no buffer, of 10,000 */
	uint64_t resume_us;
	bool resume[CLIENTS_MAX];
	uint64_t abandon_us[2 * CLIENTS_MAX]; /* of served, then of former */
	bool verbose;
	const char *failure;
	uint8_t buffer[NET_SEGMENT_MAX];
};

/* world.c */
extern const struct tcp_app world_app;
extern const struct tcp_link world_link;
/* The first failure of a run is the one that counts. */
void failed(struct world *w, const char *why);
/* From a client to the server. */
void world_peer_send(void *context, struct peer *p, const uint8_t *segment, uint32_t bytes);
/* What the network does to clients at this time: new ports, lost memories, a smaller path. */
void world_change(struct world *w);
/* Client i was reset because its port had changed, and will come back. */
bool world_is_lost(const struct world *w, uint32_t i);
/* When it does so next. */
uint64_t world_change_us(const struct world *w);

/* scenario.c */
void world_init(struct world *w, enum scenario scenario, uint64_t seed, bool verbose);
void world_fini(struct world *w);

#endif
