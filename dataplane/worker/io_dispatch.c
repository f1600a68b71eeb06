/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to readings to batches, and batches home to tickets.
 */
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/tally.h"
#include "ingest/identify.h"
#include "worker/io.h"

/* Below this many free batches, half-empty ones wait for company. */
static bool batches_are_scarce(const struct io *io)
{
	return atomic_load_explicit(&io->free_count, memory_order_relaxed) <
	       io->config->batches / 2;
}

static void hand_over_one(struct io *io, uint32_t stage)
{
	bool pushed = ring_push(io->links.to_stage[stage], io->open[stage]);
	CHECK(pushed); /* rings have room for every batch */
	io->open[stage] = NULL;
}

void io_hand_over(struct io *io)
{
	bool scarce = batches_are_scarce(io);
	for (uint32_t s = 0; s < io->links.stage_count; s++) {
		struct batch *b = io->open[s];
		/* with many batches under way the next one is worth filling: the ones before it
		 * are home long before anybody notices */
		if (b && b->count > 0 && (!scarce || b->count >= BATCH_READINGS / 2))
			hand_over_one(io, s);
	}
}

/* An open batch of the stage with room; there is a free one, the caller has made sure. */
static struct batch *open_batch(struct io *io, uint32_t stage, uint32_t arena_bytes)
{
	struct batch *b = io->open[stage];
	if (b && batch_has_room(b, arena_bytes))
		return b;
	if (b)
		hand_over_one(io, stage);
	b = io->free_batches;
	CHECK(b != NULL);
	io->free_batches = b->next;
	level_add(&io->free_count, -1);
	batch_reset(b);
	b->io = (uint8_t)io->index;
	b->stage = (uint8_t)stage;
	b->detour = false;
	io->open[stage] = b;
	return b;
}

static uint32_t origin_bytes(const struct message *m)
{
	return (uint32_t)sizeof(struct origin) + m->client_bytes + m->topic_bytes;
}

static uint16_t put_origin(struct batch *b, const struct message *m)
{
	struct origin origin = {
	    .port = m->port,
	    .topic_bytes = (uint16_t)m->topic_bytes,
	    .client_bytes = (uint8_t)m->client_bytes,
	    .protocol = m->protocol,
	    .qos = m->qos,
	};
	memcpy(origin.address, m->address, sizeof origin.address);
	b->arena_bytes = (b->arena_bytes + 7) & ~7u;
	uint16_t offset = batch_put(b, &origin, sizeof origin);
	batch_put(b, m->client, m->client_bytes);
	batch_put(b, m->topic, m->topic_bytes);
	return offset;
}

/* The stage worker that has a device's state. Readings without a device go to the first. */
static uint32_t stage_of(const struct io *io, uint32_t device)
{
	return device == DEVICE_NONE ? 0 : device % io->links.stage_count;
}

/* One reading that stands for a message which no profile could decode. */
static uint32_t whole_message(const struct message *m, enum fate fate, int64_t now_ms,
                              struct reading *out)
{
	uint32_t raw = m->payload_bytes < PAYLOAD_BYTES_MAX ? m->payload_bytes
	                                                    : PAYLOAD_BYTES_MAX;
	*out = (struct reading){
	    .received_ms = now_ms,
	    .raw_bytes = (uint16_t)raw,
	    .fate = (uint8_t)fate,
	};
	return 1;
}

/* Decodes; *plan is that of the message's profile, NULL: none was asked. */
static uint32_t decode(struct io *io, const struct message *m, const struct decode_source *in,
                       const struct decode_plan **plan)
{
	*plan = NULL;
	if (m->payload_bytes > PAYLOAD_BYTES_MAX)
		return whole_message(m, FATE_REJECT_OVERSIZE, io->now_ms, io->decoded);
	if (m->payload_bytes == 0)
		return whole_message(m, FATE_REJECT_EMPTY, io->now_ms, io->decoded);
	const struct profile *profile =
	    match_payload(io->matcher, io->scratch, m->candidates, m->payload, m->payload_bytes);
	if (!profile)
		return whole_message(m, FATE_REJECT_PROFILE, io->now_ms, io->decoded);
	*plan = io->plans[profile->id];
	return decode_run(io->decoder, *plan, in, io->decoded, READINGS_PER_MESSAGE);
}

/*
 * Batches that `count` readings may newly need at the most: each stage's open batch may be
 * useless, each further one is given up with 64 readings or when the arena is full; a payload,
 * its origins and the ids that it doesn't hold (64 bytes each) fill an arena at most four times.
 */
static uint32_t batches_needed(const struct io *io, uint32_t count)
{
	return count == 1 ? 1 : 2 * io->links.stage_count + count / BATCH_READINGS + 4;
}

/* Where a message's origin, and the raw bytes put last, lie in the open batch of a stage. */
struct origin_place {
	const struct batch *batch; /* NULL: not put there yet */
	uint16_t offset;
	uint16_t from, bytes, raw; /* the payload's bytes at `from` are the arena's at `raw` */
};

/* Readings of one message may share their raw bytes. */
static bool has_raw(const struct origin_place *place, const struct reading *r)
{
	return place->bytes > 0 && place->from == r->raw_offset && place->bytes == r->raw_bytes;
}

static uint16_t put_raw(struct batch *b, const struct message *m, const struct reading *r,
                        struct origin_place *place)
{
	if (!has_raw(place, r)) {
		place->from = r->raw_offset;
		place->bytes = r->raw_bytes;
		place->raw = batch_put(b, m->payload + r->raw_offset, r->raw_bytes);
	}
	return place->raw;
}

/* What the reading adds to the stage's open batch. (All of it fits an empty one.) */
static uint32_t arena_needed(const struct io *io, const struct message *m,
                             const struct reading *r, uint32_t stage,
                             const struct origin_place *place)
{
	if (!place->batch || place->batch != io->open[stage])
		return r->raw_bytes + r->id_bytes + origin_bytes(m);
	return r->id_bytes + (has_raw(place, r) ? 0u : r->raw_bytes);
}

static void put_reading(struct io *io, const struct message *m, struct reading *r,
                        struct origin_place places[])
{
	uint32_t stage = stage_of(io, r->device);
	bool id_inside = !r->id_apart && (uint32_t)r->id_offset + r->id_bytes <= r->raw_bytes;
	const uint8_t *id = decode_id(io->decoder, m->payload, r);
	struct origin_place *place = &places[stage];
	struct batch *b = open_batch(io, stage, arena_needed(io, m, r, stage, place));
	if (place->batch != b)
		*place = (struct origin_place){.batch = b, .offset = put_origin(b, m)};
	r->raw_offset = put_raw(b, m, r, place);
	if (!id_inside) {
		r->id_offset = (uint16_t)(batch_put(b, id, r->id_bytes) - r->raw_offset);
		r->id_apart = 0;
	}
	r->origin_offset = place->offset;
	r->ticket = m->ticket;
	r->flags |= (uint16_t)(m->protocol << READING_PROTOCOL_SHIFT);
	b->readings[b->count++] = *r;
}

/* Identify the readings in io->decoded and put them into the open batches, which have room. */
static void place(struct io *io, const struct message *m, uint32_t count, bool strict)
{
	for (uint32_t i = 0; i < count; i++)
		io->decoded[i].device = DEVICE_NONE;
	struct sender sender = {.hash = m->sender_hash,
	                        .id = m->client,
	                        .id_bytes = m->client_is_sender ? m->client_bytes : 0,
	                        .strict = strict};
	identify_run(io->view, io->decoder, m->payload, io->decoded, count, &sender);

	struct origin_place places[MAX_STAGE_WORKERS];
	for (uint32_t s = 0; s < io->links.stage_count; s++)
		places[s].batch = NULL;
	for (uint32_t i = 0; i < count; i++)
		put_reading(io, m, &io->decoded[i], places);

	if (m->ticket != TICKET_NONE) {
		io->tickets.all[m->ticket].pending = count;
		io->tickets.all[m->ticket].readings = (uint16_t)count;
	}
	tally_add(&io->readings_received, count);
}

bool io_dispatch_decoded(struct io *io, const struct message *m, uint32_t count, bool trusted)
{
	if (batches_needed(io, count) >
	    atomic_load_explicit(&io->free_count, memory_order_relaxed))
		return false;
	place(io, m, count, !trusted && io->config->strict_authorisation);
	return true;
}

bool io_dispatch(struct io *io, const struct message *m)
{
	/* the least it can need; decoding first would be wasted on most refusals */
	uint32_t free_batches = atomic_load_explicit(&io->free_count, memory_order_relaxed);
	if (free_batches == 0)
		return false;

	uint64_t started = clock_cycles();
	struct decode_source in = {m->payload, m->payload_bytes, m->topic, m->topic_bytes,
	                           io->now_ms};
	const struct decode_plan *plan;
	uint32_t count = decode(io, m, &in, &plan);
	if (batches_needed(io, count) > free_batches)
		return false;
	decode_count(io->counters, io->decoded, count);
	if (plan)
		decode_commit(io->decoder, plan, &in);
	place(io, m, count, io->config->strict_authorisation);
	meter_add(&io->decode_meter, clock_cycles() - started, count);
	return true;
}

static void settle(struct io *io, const struct batch *b, const struct reading *r)
{
	if (r->fate == FATE_PENDING || r->ticket == TICKET_NONE)
		return; /* moved to a detour batch, or nobody waits */
	struct ticket *t = &io->tickets.all[r->ticket];
	if (t->kind == TICKET_REPLAY)
		io_replay_note(t, b, r->fate);
	if (!ticket_settle(t, r->fate))
		return;
	if (t->kind == TICKET_COAP)
		io_coap_done(io, r->ticket);
	else if (t->kind == TICKET_REPLAY)
		io_replay_done(io, r->ticket);
	else
		io_mqtt_done(io, r->ticket);
}

uint32_t io_take_home(struct io *io)
{
	uint32_t count = 0;
	struct batch *b;
	/* CoAP keeps no copy of an answer that was dropped */
	while (net_takes(io->net, BATCH_READINGS) && (b = ring_pop(io->links.home)) != NULL) {
		io_fetch_home(io, b);
		io_broker_show(io, b);
		for (uint32_t i = 0; i < b->count; i++)
			settle(io, b, &b->readings[i]);
		if (b->detour) {
			bool pushed = ring_push(io->links.detour_return[b->stage], b);
			CHECK(pushed);
		} else {
			b->next = io->free_batches;
			io->free_batches = b;
			level_add(&io->free_count, 1);
		}
		count++;
	}
	return count;
}
