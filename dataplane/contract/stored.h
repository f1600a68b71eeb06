/* SPDX-License-Identifier: Apache-2.0 */
/* What storage gives back: a stored reading and an entry of the error queue. */
#ifndef HEADRACE_CONTRACT_STORED_H
#define HEADRACE_CONTRACT_STORED_H

#include <stdint.h>

#include "contract/limits.h"

struct stored_reading {
	uint32_t device;
	uint16_t flags; /* READING_F_*, protocol in bits 12-15 */
	uint8_t profile;
	uint8_t channel_count;
	int64_t meter_ts_ms; /* identity, with device */
	int64_t ts_ms;       /* effective time */
	int64_t received_ms;
	int64_t collected_ms;
	uint8_t channel[READING_CHANNELS];
	int64_t value[READING_CHANNELS];
};

/* Pointers live as long as the callback that hands the entry out. */
struct stored_error {
	uint64_t number; /* its place in the error queue: journal block << 20 | index in block */
	uint8_t fate;    /* enum fate: conflict or a rejection */
	uint8_t protocol;
	uint8_t qos;
	uint8_t profile;
	uint32_t device; /* DEVICE_NONE when unknown */
	int64_t received_ms;
	int64_t meter_ts_ms; /* 0 when it was not decoded */
	uint8_t address[16];
	uint16_t port;
	const char *device_id; /* as sent; not terminated */
	uint32_t device_id_bytes;
	const char *client_id;
	uint32_t client_id_bytes;
	const char *topic;
	uint32_t topic_bytes;
	const uint8_t *raw;
	uint32_t raw_bytes;
};

#endif
