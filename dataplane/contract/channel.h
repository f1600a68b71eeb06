/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue of channels: what a value means, in which canonical integer unit it is kept.
 * Read from configs/channels.yaml at start, immutable afterwards.
 */
#ifndef HEADRACE_CONTRACT_CHANNEL_H
#define HEADRACE_CONTRACT_CHANNEL_H

#include <stdint.h>

#define CHANNEL_NAME_BYTES 32

enum channel_kind {
	CHANNEL_REGISTER, /* cumulative: rises */
	CHANNEL_DEMAND,   /* not negative */
	CHANNEL_GAUGE,    /* may have any sign */
};

struct channel {
	uint8_t id; /* 1..255; stored on disk, never reused; 0: no such channel */
	enum channel_kind kind;
	uint8_t decimals;                /* canonical = shown value * 10^decimals */
	char name[CHANNEL_NAME_BYTES];   /* "active_energy" */
	char unit[CHANNEL_NAME_BYTES];   /* the unit people see: "kWh" */
};

struct channel_catalogue {
	struct channel by_id[256];
};

#endif
