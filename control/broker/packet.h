/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two control packets that the broker itself sends: PUBLISH and PUBREL, for MQTT 3.1.1 and
 * 5.0. Pure. Private to control/broker.
 */
#ifndef HEADRACE_BROKER_PACKET_H
#define HEADRACE_BROKER_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "control/broker/message.h"

struct packet_publish {
	const struct message *message;
	const uint32_t *subscription_ids;
	uint32_t id_count;
	uint32_t expiry_s; /* what is left; UINT32_MAX: none */
	uint16_t packet_id;
	uint16_t alias;    /* of its topic, in 5.0; 0: none */
	bool alias_stands; /* the client knows it: the topic is left out */
	uint8_t version; /* 4, 5 */
	uint8_t qos;
	bool retain, dup;
};

/* Bytes of the whole packet. */
uint32_t packet_publish_bytes(const struct packet_publish *p);
/* Writes as many to `out`. */
void packet_publish_put(const struct packet_publish *p, uint8_t *out);

#define PACKET_PUBREL_BYTES 5
/* Returns how many bytes it has. `reason` is sent in 5.0 if it is not 0. */
uint32_t packet_pubrel_put(uint8_t version, uint16_t packet_id, uint8_t reason,
                           uint8_t out[PACKET_PUBREL_BYTES]);

#endif
