/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: what is longer than a datagram (RFC 7959). A request's body is put together here block by
 * block before the application sees it; an answer's is copied here once and handed out block by
 * block, so that all blocks are of the same representation.
 *
 * A fixed pool of `bodies_max`, found by peer and key. For a new one, the answer that nobody asked
 * for longest makes room, or a request whose next block is overdue; otherwise there is none, and
 * the client is told to come back. Owned by one io worker; memory from coap_bodies_init only.
 */
#include "coap/coap_priv.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/tally.h"

bool coap_bodies_init(struct coap_server *c)
{
	c->bodies = calloc(c->config.bodies_max, sizeof c->bodies[0]);
	c->body_bytes = malloc((size_t)c->config.bodies_max * c->config.payload_bytes_max);
	return c->bodies && c->body_bytes;
}

static uint8_t *bytes_of(const struct coap_server *c, const struct coap_body *body)
{
	return c->body_bytes + (size_t)(body - c->bodies) * c->config.payload_bytes_max;
}

uint64_t coap_resource_key(const struct coap_server *c, const struct coap_request *request)
{
	uint64_t parts[3] = {siphash13(c->key, request->path, request->path_bytes),
	                     siphash13(c->key, request->query, request->query_bytes),
	                     (uint64_t)request->accept << 8 | request->method};
	return siphash13(c->key, parts, sizeof parts);
}

/* A request in blocks is one of the resource, the format and the tag (RFC 7959 2.5, RFC 9175 3). */
static uint64_t request_key(const struct coap_server *c, uint64_t key,
                            const struct coap_request *request, const struct coap_demand *demand)
{
	uint64_t parts[3] = {key, request->content_format, demand->request_tag};
	return siphash13(c->key, parts, sizeof parts);
}

static struct coap_body *find(struct coap_server *c, const struct coap_peer *peer, uint64_t key,
                              enum coap_body_kind kind, uint64_t now_us)
{
	for (uint32_t i = 0; i < c->config.bodies_max; i++) {
		struct coap_body *b = &c->bodies[i];
		if (b->key != key || b->kind != kind || memcmp(&b->peer, peer, sizeof *peer) != 0)
			continue;
		if (now_us - b->touched_us < COAP_EXCHANGE_LIFETIME_US)
			return b;
		coap_body_release(c, b); /* RFC 7959 2.5 */
		return NULL;
	}
	return NULL;
}

void coap_body_release(struct coap_server *c, struct coap_body *body)
{
	CHECK_OP(body->kind, !=, COAP_BODY_FREE);
	body->kind = COAP_BODY_FREE;
	level_add(&c->bodies_used, -1);
}

/* May it make room for another? */
static bool is_expendable(const struct coap_server *c, const struct coap_body *b, uint64_t now_us)
{
	uint64_t idle_us = c->config.body_idle_ms * UINT64_C(1000);
	return b->kind == COAP_BODY_RESPONSE || now_us - b->touched_us >= idle_us;
}

/* NULL: all are in use. */
static struct coap_body *take(struct coap_server *c, const struct coap_peer *peer, uint64_t key,
                              enum coap_body_kind kind, uint64_t now_us)
{
	struct coap_body *best = NULL;
	for (uint32_t i = 0; i < c->config.bodies_max; i++) {
		struct coap_body *b = &c->bodies[i];
		if (b->kind == COAP_BODY_FREE) {
			best = b;
			break;
		}
		if (is_expendable(c, b, now_us) && (!best || b->touched_us < best->touched_us))
			best = b;
	}
	if (!best) {
		counter_add(c->counters, COUNTER_COAP_BODIES_FULL, 1);
		return NULL;
	}
	if (best->kind != COAP_BODY_FREE) {
		counter_add(c->counters,
		            best->kind == COAP_BODY_REQUEST ? COUNTER_COAP_BODY_ABANDONED
		                                            : COUNTER_COAP_BODY_EVICTED,
		            1);
		coap_body_release(c, best);
	}
	*best = (struct coap_body){
	    .peer = *peer, .key = key, .touched_us = now_us, .kind = (uint8_t)kind};
	level_add(&c->bodies_used, 1);
	return best;
}

/* ---- requests ---- */

/* The body that a block belongs to, NULL: *why. Block 0 begins it, or begins it again. */
static struct coap_body *body_for(struct coap_server *c, const struct coap_request *request,
                                  const struct coap_block *block, uint64_t key, uint64_t now_us,
                                  enum counter *why)
{
	struct coap_body *body = find(c, &request->peer, key, COAP_BODY_REQUEST, now_us);
	if (block->number > 0) {
		*why = COUNTER_COAP_REFUSED_INCOMPLETE; /* RFC 7959 2.9.2 */
		return body;
	}
	if (!body)
		body = take(c, &request->peer, key, COAP_BODY_REQUEST, now_us);
	else
		body->used = 0;
	*why = COUNTER_COAP_OVERLOADED_OUT;
	return body;
}

enum counter coap_block_take(struct coap_server *c, struct coap_request *request,
                             const struct coap_demand *demand, uint64_t key, uint64_t now_us,
                             struct coap_body **out)
{
	const struct coap_block *block = &demand->block1;
	struct bytes part = request->payload;
	*out = NULL;
	if (block->number == 0 && !block->more)
		return COUNTER_COAP_TAKEN; /* all of it in one block */

	enum counter why;
	uint64_t full_key = request_key(c, key, request, demand);
	struct coap_body *body = body_for(c, request, block, full_key, now_us, &why);
	if (!body)
		return why;
	uint64_t offset = (uint64_t)block->number << (block->szx + 4);
	if (offset > body->used)
		return COUNTER_COAP_REFUSED_INCOMPLETE; /* RFC 7959 2.3: in order */
	if (offset + part.count > c->config.payload_bytes_max) {
		coap_body_release(c, body);
		return COUNTER_COAP_REFUSED_SIZE; /* RFC 7959 2.9.3 */
	}
	if (part.count > 0)
		memcpy(bytes_of(c, body) + offset, part.data, part.count);
	uint32_t end = (uint32_t)offset + part.count;
	if (end > body->used || !block->more) /* one that comes again takes nothing away */
		body->used = end;
	body->touched_us = now_us;
	if (block->more)
		return COUNTER_COAP_CONTINUED;
	request->payload = (struct bytes){bytes_of(c, body), body->used};
	*out = body;
	return COUNTER_COAP_TAKEN;
}

/* ---- answers ---- */

void coap_body_keep(struct coap_server *c, const struct coap_peer *peer, uint64_t key,
                    const struct coap_response *response, uint64_t now_us)
{
	struct coap_body *body = find(c, peer, key, COAP_BODY_RESPONSE, now_us);
	if (response->payload.count > c->config.payload_bytes_max)
		return; /* the application is asked for each block */
	if (!body)
		body = take(c, peer, key, COAP_BODY_RESPONSE, now_us);
	if (!body)
		return;
	memcpy(bytes_of(c, body), response->payload.data, response->payload.count);
	body->used = response->payload.count;
	body->touched_us = now_us;
	body->code = response->code;
	body->content_format = response->content_format;
	body->has_max_age = response->has_max_age;
	body->max_age_s = response->max_age_s;
	body->etag = response->etag;
}

bool coap_body_kept(struct coap_server *c, const struct coap_peer *peer, uint64_t key,
                    struct coap_response *out, uint64_t now_us)
{
	struct coap_body *body = find(c, peer, key, COAP_BODY_RESPONSE, now_us);
	if (!body)
		return false;
	body->touched_us = now_us;
	*out = (struct coap_response){
	    .code = body->code,
	    .content_format = body->content_format,
	    .has_max_age = body->has_max_age,
	    .max_age_s = body->max_age_s,
	    .etag = body->etag,
	    .payload = {bytes_of(c, body), body->used},
	};
	return true;
}
