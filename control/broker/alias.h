/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic aliases towards one client (MQTT5 3.3.2.3.4). The first topics that a connection is sent
 * get one, as many as the client takes, ALIASES_MAX at most; they hold until the connection ends.
 * None is ever replaced: a client with more topics is sent the later ones in full. Private to
 * control/broker's core.
 */
#ifndef HEADRACE_BROKER_ALIAS_H
#define HEADRACE_BROKER_ALIAS_H

#include <stdint.h>

#include "base/bytes.h"

#define ALIASES_MAX           16
#define ALIAS_TOPIC_BYTES_MIN 4 /* an alias takes three bytes itself */
#define ALIAS_TOPIC_BYTES_MAX 256

struct aliases {
	uint32_t count;
	struct bytes topic[ALIASES_MAX]; /* of alias 1, 2 ...; copies */
};

/* 0: it has none. NULL: there are none at all. */
uint16_t alias_find(const struct aliases *a, struct bytes topic);
/* The alias that the topic would get from alias_set; 0: none. */
uint16_t alias_next(const struct aliases *a, uint16_t alias_max, struct bytes topic);
/* The client was told the next alias. */
void alias_set(struct aliases **a, struct bytes topic);
/* What it takes in memory. */
uint64_t alias_bytes(const struct aliases *a);
/* *a becomes NULL, which it may be already. */
void alias_drop(struct aliases **a);

#endif
