/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateways that the registry names, and their signs of life: their MQTT connection (as long as
 * its keep-alive would have ended a dead one in time), what they publish, and the newest reading of
 * a meter behind them.
 *
 * Threads: any; a lock inside. Memory: about 100 bytes a gateway.
 */
#ifndef HEADRACE_EVENTS_GATEWAYS_H
#define HEADRACE_EVENTS_GATEWAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/limits.h"

#define GATEWAY_NONE 0u

struct gateway {
	char id[CLIENT_ID_BYTES + 1];
	uint32_t meters;        /* active ones behind it */
	uint32_t counting;      /* the same, while the registry is looked through */
	uint32_t sign_s;        /* last sign of its own; 0: none since start */
	uint32_t heard_s;       /* newest reading of a meter */
	uint16_t keep_alive_s;  /* of its connection; 0: none */
	bool connected;
	bool silent; /* the event is open */
};

struct gateways;
struct gateways *gateways_new(void); /* NULL: no memory */
void gateways_free(struct gateways *g);

/* From 1; GATEWAY_NONE: no memory. */
uint32_t gateways_add(struct gateways *g, const char *id);
uint32_t gateways_count(struct gateways *g);
/* A copy of one; false: there is none. */
bool gateways_get(struct gateways *g, uint32_t index, struct gateway *out);

/* The registry is looked through: begin, a meter for each it has, end. */
void gateways_begin(struct gateways *g);
void gateways_meter(struct gateways *g, uint32_t index);
/* A new gateway is given the time from now on. */
void gateways_end(struct gateways *g, uint32_t now_s);

void gateways_heard(struct gateways *g, uint32_t index, uint32_t heard_s);
void gateways_set_silent(struct gateways *g, uint32_t index, bool silent);

enum gateway_sign { GATEWAY_CONNECTED, GATEWAY_PUBLISHED, GATEWAY_GONE };
/* A client of the broker; one that is no gateway is passed over. */
void gateways_sign(struct gateways *g, const char *client, uint32_t client_bytes,
                   enum gateway_sign sign, uint16_t keep_alive_s, uint32_t now_s);

/* When it gave its last sign; `silence_s`: what its keep-alive must beat. */
uint32_t gateway_alive_s(const struct gateway *g, uint32_t silence_s, uint32_t now_s);

#endif
