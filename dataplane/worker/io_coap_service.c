/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP requests that an ordinary thread answers: records to it and from it, over rings of this
 * worker alone (contract/coap_service.h). Nothing here waits: no room is the client's to wait for.
 */
#include "worker/io.h"

#define TELL_BUDGET 64 /* records in one poll */
/* Room in the ring that requests leave to what must be said of observers. */
#define REPORT_ROOM (64u << 10)

static uint8_t flags_of(const struct coap_request *r)
{
	return (uint8_t)((r->observe ? COAP_ASK_OBSERVE : 0) |
	                 (r->if_match ? COAP_ASK_IF_MATCH : 0) |
	                 (r->if_none_match ? COAP_ASK_IF_NONE_MATCH : 0));
}

bool io_coap_ask(struct io *io, coap_handle exchange, const struct coap_request *r)
{
	struct record_ring *ring = &io->config->coap_service->ask[io->index];
	uint32_t bytes = (uint32_t)sizeof(struct coap_ask) + r->path_bytes + r->query_bytes +
	                 r->payload.count;
	struct coap_ask *ask = record_ring_reserve(ring, bytes, REPORT_ROOM);
	if (!ask) {
		counter_add(io->counters, COUNTER_WORKER_COAP_SERVICE_FULL, 1);
		return false;
	}
	*ask = (struct coap_ask){
	    .exchange = exchange,
	    .observer = r->observer,
	    .port = r->peer.port,
	    .content_format = r->content_format,
	    .accept = r->accept,
	    .kind = COAP_ASK_REQUEST,
	    .method = r->method,
	    .flags = flags_of(r),
	    .etag_count = r->etag_count,
	    .match_count = r->match_count,
	    .path_bytes = r->path_bytes,
	    .query_bytes = r->query_bytes,
	    .payload_bytes = r->payload.count,
	};
	memcpy(ask->address, r->peer.address, sizeof ask->address);
	memcpy(ask->etags, r->etags, r->etag_count * sizeof ask->etags[0]);
	memcpy(ask->matches, r->matches, r->match_count * sizeof ask->matches[0]);
	char *text = (char *)(ask + 1);
	memcpy(text, r->path, r->path_bytes);
	memcpy(text + r->path_bytes, r->query, r->query_bytes);
	if (r->payload.count > 0)
		memcpy(text + r->path_bytes + r->query_bytes, r->payload.data, r->payload.count);
	record_ring_commit(ring, bytes);
	return true;
}

void io_coap_report(struct io *io, enum coap_ask_kind kind, coap_handle observer)
{
	struct record_ring *ring = &io->config->coap_service->ask[io->index];
	struct coap_ask *ask = record_ring_reserve(ring, sizeof *ask, 0);
	if (!ask) { /* the service asks again: with its next notification, or when it waits */
		counter_add(io->counters, COUNTER_WORKER_COAP_SERVICE_FULL, 1);
		return;
	}
	*ask = (struct coap_ask){.observer = observer, .kind = (uint8_t)kind};
	record_ring_commit(ring, sizeof *ask);
}

static void take_tell(struct io *io, const struct coap_tell *tell)
{
	const uint8_t *text = (const uint8_t *)(tell + 1);
	struct coap_response response = {
	    .code = tell->code,
	    .observed = tell->flags & COAP_TELL_OBSERVED,
	    .in_order = tell->flags & COAP_TELL_IN_ORDER,
	    .non = tell->flags & COAP_TELL_NON,
	    .has_max_age = tell->flags & COAP_TELL_MAX_AGE,
	    .content_format = tell->content_format,
	    .max_age_s = tell->max_age_s,
	    .etag = tell->etag,
	    .location_path = {text, tell->location_path_bytes},
	    .location_query = {text + tell->location_path_bytes, tell->location_query_bytes},
	    .payload = {text + tell->location_path_bytes + tell->location_query_bytes,
	                tell->payload_bytes},
	};
	if (tell->kind == COAP_TELL_ANSWER)
		coap_answer(io->coap, tell->handle, &response, io->now_us);
	else
		coap_notify(io->coap, tell->handle, &response, io->now_us);
}

uint32_t io_coap_run_service(struct io *io)
{
	struct coap_link *link = io->config->coap_service;
	uint32_t bytes, count = 0;
	const struct coap_tell *tell;
	if (!link)
		return 0;
	while (count < TELL_BUDGET && (tell = record_ring_peek(&link->tell[io->index], &bytes))) {
		take_tell(io, tell);
		record_ring_release(&link->tell[io->index]);
		count++;
	}
	return count;
}
