/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings that an operator sends once more, from the error queue: records from an ordinary thread
 * to one io worker, which puts them into batches like any message's, and back when they are
 * durable. Numbers are in the machine's order.
 *
 *   ask:  struct replay_ask | readings | payload | client id | topic
 *   tell: struct replay_tell
 *
 * The readings are decoded already. Their raw bytes and ids lie in the payload: raw_offset counts
 * from its beginning, id_offset from the raw bytes (maybe behind them). The worker identifies and
 * dispatches them. It never waits: an ask for which it has no batch stays in the ring. Each ask
 * gets one tell; the asker leaves at most REPLAY_ASKS_MAX unanswered, so a tell always has room.
 */
#ifndef HEADRACE_CONTRACT_REPLAY_H
#define HEADRACE_CONTRACT_REPLAY_H

#include <stdint.h>

#include "base/record_ring.h"
#include "contract/reading.h"

#define REPLAY_ASKS_MAX 256
/* Of payload and ids: offsets in it are 16 bits. */
#define REPLAY_PAYLOAD_MAX 65000
#define REPLAY_READINGS_MAX 1024

struct replay_ask {
	uint64_t handle;
	uint8_t address[16]; /* where it came from first */
	uint16_t port;
	uint16_t client_bytes, topic_bytes;
	uint8_t qos;
	uint8_t vouched; /* the operator answers for who sent it: no session is asked for */
	uint32_t sender_bytes; /* how much of the client id is the sender's; 0: it had none */
	uint32_t count;        /* of readings */
	uint32_t payload_bytes;
	uint32_t spare;
};
_Static_assert(sizeof(struct replay_ask) % 8 == 0, "readings follow");

struct replay_tell {
	uint64_t handle;
	uint64_t refused_block; /* the journal block of the last one refused; 0: none was */
	uint16_t readings, stored, refused; /* the others were duplicates */
	uint8_t first_refusal;              /* enum fate */
	uint8_t spare;
};

struct replay_link {
	struct record_ring ask, tell;
};

/* Made before the pipeline, freed after it. NULL: no memory. */
struct replay_link *replay_link_new(void);
void replay_link_free(struct replay_link *link);

#endif
