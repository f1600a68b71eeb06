/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings of the error queue that an operator sends once more: from the ring of
 * contract/replay.h into batches, and the answer back when they are durable. Only the first io
 * worker has the ring.
 *
 * Thread: the io worker's. Memory: the ring, taken at start. Never waits.
 */
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "contract/replay.h"
#include "worker/io.h"

#define ASKS_PER_POLL 16

static bool take(struct io *io, const struct replay_ask *ask)
{
	const struct reading *readings = (const struct reading *)(ask + 1);
	const uint8_t *payload = (const uint8_t *)(readings + ask->count);
	const char *client = (const char *)payload + ask->payload_bytes;
	uint32_t index = ticket_get(&io->tickets);
	if (index == TICKET_NONE)
		return false;
	CHECK_OP(ask->count, <=, (uint32_t)REPLAY_READINGS_MAX);
	struct ticket *t = &io->tickets.all[index];
	t->owner = ask->handle;
	t->refused_block = 0;
	t->kind = TICKET_REPLAY;
	memcpy(io->decoded, readings, ask->count * sizeof readings[0]);
	struct message m = {
	    .sender_hash = ask->sender_bytes && !ask->vouched
	                       ? siphash13(io->view->key, client, ask->sender_bytes)
	                       : 0,
	    .ticket = index,
	    .payload = payload,
	    .payload_bytes = ask->payload_bytes,
	    .client = client,
	    .client_bytes = ask->client_bytes,
	    .topic = client + ask->client_bytes,
	    .topic_bytes = ask->topic_bytes,
	    .address = ask->address,
	    .port = ask->port,
	    .protocol = PROTOCOL_REPLAY,
	    .qos = ask->qos,
	};
	if (io_dispatch_decoded(io, &m, ask->count, ask->vouched))
		return true;
	ticket_put(&io->tickets, index);
	return false;
}

uint32_t io_replay_poll(struct io *io)
{
	struct replay_link *link = io->config->replay;
	const struct replay_ask *ask;
	uint32_t bytes, count = 0;
	if (io->index != 0 || !link ||
	    atomic_load_explicit(io->phase, memory_order_relaxed) != PHASE_RUN)
		return 0;
	while (count < ASKS_PER_POLL && (ask = record_ring_peek(&link->ask, &bytes)) &&
	       take(io, ask)) {
		record_ring_release(&link->ask);
		count++;
	}
	return count;
}

void io_replay_note(struct ticket *t, const struct batch *b, enum fate fate)
{
	if (fate == FATE_STORED)
		t->stored++;
	else if (fate_is_error(fate))
		t->refused_block = b->journal_block;
}

void io_replay_done(struct io *io, uint32_t ticket)
{
	const struct ticket *t = &io->tickets.all[ticket];
	struct record_ring *ring = &io->config->replay->tell;
	struct replay_tell *tell = record_ring_reserve(ring, sizeof *tell, 0);
	CHECK(tell != NULL); /* the asker has room for every answer */
	*tell = (struct replay_tell){
	    .handle = t->owner,
	    .refused_block = t->refused_block,
	    .readings = t->readings,
	    .stored = t->stored,
	    .refused = t->refused,
	    .first_refusal = t->first_refusal,
	};
	record_ring_commit(ring, sizeof *tell);
	ticket_put(&io->tickets, ticket);
}
