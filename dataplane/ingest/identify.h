/* SPDX-License-Identifier: Apache-2.0 */
/* Who sent it: device ids to registry numbers, state and permission. Runs on the io worker. */
#ifndef HEADRACE_INGEST_IDENTIFY_H
#define HEADRACE_INGEST_IDENTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/reading.h"
#include "contract/registry_view.h"
#include "ingest/decode.h"

/*
 * For every reading without a rejection: look its device id up (as decode_id finds it),
 * set device, capacity_w, dials and register_from_ms, or give it FATE_REJECT_UNKNOWN, _INACTIVE or
 * _UNAUTHORISED. `sender_hash` is siphash13 of the session's identity under view->key (0: no
 * identity). With `strict`, a sender must be the device itself or its gateway; otherwise only a
 * device that has a gateway is bound to it when the sender has an identity that is neither.
 */
void identify_run(const struct registry_view *view, const struct decoder *decoder,
                  const uint8_t *payload, struct reading *readings, uint32_t count,
                  uint64_t sender_hash, bool strict);

#endif
