/* SPDX-License-Identifier: Apache-2.0 */
/* Who sent it: device ids to registry numbers, state and permission. Runs on the io worker. */
#ifndef HEADRACE_INGEST_IDENTIFY_H
#define HEADRACE_INGEST_IDENTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/reading.h"
#include "contract/registry_view.h"
#include "ingest/decode.h"

/* Whose session the message came by. */
struct sender {
	uint64_t hash; /* siphash13 of its identity under view->key; 0: it has none */
	const char *id; /* that identity: a meter's own id as a rule, which needs no hash then */
	uint32_t id_bytes; /* 0: not at hand */
	bool strict;
};

/*
 * For every reading without a rejection: look its device id up (as decode_id finds it),
 * set device, capacity_w, dials and register_from_ms, or give it FATE_REJECT_UNKNOWN, _INACTIVE or
 * _UNAUTHORISED. With `strict`, a sender must be the device itself or its gateway; otherwise only
 * a device that has a gateway is bound to it when the sender has an identity that is neither.
 */
void identify_run(const struct registry_view *view, const struct decoder *decoder,
                  const uint8_t *payload, struct reading *readings, uint32_t count,
                  const struct sender *sender);

#endif
