/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which connection of this io worker a client id belongs to: for session take-over (MQTT 3.1.1
 * 3.1.4-2). Open addressing over the keyed 64-bit hash of the client id, at most half full,
 * deletion by shifting back.
 */
#ifndef HEADRACE_WORKER_CLIENTS_H
#define HEADRACE_WORKER_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_NONE UINT32_MAX

struct client_slot {
	uint64_t hash; /* 0: free */
	uint32_t connection;
	uint32_t spare;
};

struct clients {
	struct client_slot *slots;
	uint32_t mask;
	uint32_t count;
};

/* Room for `connections` clients. */
bool clients_init(struct clients *c, uint32_t connections);
void clients_fini(struct clients *c);

/* The connection of a client; CLIENT_NONE: not here. `hash` is never 0. */
uint32_t clients_find(const struct clients *c, uint64_t hash);

/* Set or replace. */
void clients_put(struct clients *c, uint64_t hash, uint32_t connection);

/* Remove the client if it is still at this connection. */
void clients_remove(struct clients *c, uint64_t hash, uint32_t connection);

#endif
