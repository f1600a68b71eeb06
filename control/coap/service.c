/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of the CoAP service: takes requests from the io workers' rings, finds the resource,
 * hands the answer back; in between it looks after observers and lifetimes.
 */
#include "control/coap/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/coap/service_priv.h"

#define ASKS_PER_TURN 64  /* of one io worker before the next one's */
#define TICK_MS       100 /* observers of readings, lifetimes */
#define NAP_US        200
#define LONG_NAP_US   4000
#define BUSY_MS       50 /* after work, naps stay short for so long */

const struct counter_info coap_service_info[COAP_SERVICE_COUNT_COUNT] = {
#define COAP_SERVICE_INFO(id, name, help) [COAP_SERVICE_##id] = {name, help},
    COAP_SERVICE_COUNTS(COAP_SERVICE_INFO)
#undef COAP_SERVICE_INFO
};

static const struct resource own_resources[] = {
    {"/.well-known/core", false, "ct=40", core_serve},
    {"/readings", true, NULL, readings_serve},
    {"/cmd", true, NULL, commands_serve},
};

void service_offer(struct coap_service *s, const struct resource *resources, uint32_t count)
{
	struct coap_link *link = s->link;
	for (uint32_t i = 0; i < count; i++) {
		CHECK_OP(s->resource_count, <, (uint32_t)RESOURCES_MAX);
		CHECK_OP(link->prefix_count, <, (uint32_t)COAP_PREFIXES_MAX);
		s->resources[s->resource_count++] = &resources[i];
		link->prefixes[link->prefix_count++] = resources[i].path;
	}
}

/* ---- answers ---- */

static void nap(uint32_t us)
{
	struct timespec ts = {.tv_nsec = (long)us * 1000};
	nanosleep(&ts, NULL);
}

/* The io worker always empties its ring: there is room soon, unless all is about to end. */
static void *reserve(struct coap_service *s, uint32_t io, uint32_t bytes)
{
	struct record_ring *ring = &s->link->tell[io];
	void *record;
	while (!(record = record_ring_reserve(ring, bytes, 0)) &&
	       !atomic_load_explicit(&s->stopping, memory_order_relaxed))
		nap(NAP_US);
	return record;
}

static void put(uint8_t **at, const void *data, size_t bytes)
{
	if (bytes > 0)
		memcpy(*at, data, bytes);
	*at += bytes;
}

static void tell(struct coap_service *s, uint32_t io, const struct coap_tell *head,
                 struct coap_reply *r)
{
	struct coap_tell t = *head;
	if (r->body.failed || r->body.used > COAP_TELL_BYTES_MAX) {
		r->body.used = 0;
		r->format = COAP_FORMAT_NONE;
		r->code = CODE_INTERNAL;
		r->etag.bytes = 0;
	}
	t.code = r->code;
	t.content_format = r->format;
	t.max_age_s = r->max_age_s;
	t.etag = r->etag;
	t.flags |= (uint8_t)((r->has_max_age ? COAP_TELL_MAX_AGE : 0) |
	                     (r->in_order ? COAP_TELL_IN_ORDER : 0) |
	                     (r->non ? COAP_TELL_NON : 0));
	t.location_path_bytes = (uint16_t)strlen(r->location_path);
	t.location_query_bytes = (uint16_t)strlen(r->location_query);
	t.payload_bytes = (uint32_t)r->body.used;
	uint32_t bytes = (uint32_t)sizeof t + t.location_path_bytes + t.location_query_bytes +
	                 t.payload_bytes;
	uint8_t *at = reserve(s, io, bytes);
	if (at) {
		put(&at, &t, sizeof t);
		put(&at, r->location_path, t.location_path_bytes);
		put(&at, r->location_query, t.location_query_bytes);
		put(&at, r->body.data, t.payload_bytes);
		record_ring_commit(&s->link->tell[io], bytes);
	}
	text_free(&r->body);
}

void service_answer(struct coap_service *s, uint32_t io, uint64_t exchange, bool observed,
                    struct coap_reply *reply)
{
	struct coap_tell head = {.handle = exchange, .kind = COAP_TELL_ANSWER};
	head.flags = observed ? COAP_TELL_OBSERVED : 0;
	service_count(s, COAP_SERVICE_REQUESTS);
	tell(s, io, &head, reply);
}

void service_notify(struct coap_service *s, struct watch *w, struct coap_reply *reply)
{
	struct coap_tell head = {.handle = w->observer, .kind = COAP_TELL_NOTIFY};
	service_count(s, COAP_SERVICE_NOTIFICATIONS);
	tell(s, w->io, &head, reply);
}

/* ---- requests ---- */

/* The resource with the longest path; *rest: what is behind it. */
static const struct resource *find(const struct coap_service *s, const char *path,
                                   const char **rest)
{
	const struct resource *best = NULL;
	size_t best_bytes = 0;
	for (uint32_t i = 0; i < s->resource_count; i++) {
		const struct resource *r = s->resources[i];
		size_t bytes = strlen(r->path);
		bool whole = strcmp(path, r->path) == 0;
		bool below =
		    r->below && strncmp(path, r->path, bytes) == 0 && path[bytes] == '/';
		if ((whole || below) && bytes > best_bytes) {
			best = r;
			best_bytes = bytes;
			*rest = whole ? "" : path + bytes + 1;
		}
	}
	return best;
}

static void serve(struct coap_service *s, uint32_t io, const struct coap_ask *ask)
{
	struct coap_call call = {.service = s, .io = io, .ask = ask, .rest = ""};
	const char *text = (const char *)(ask + 1);
	call.reply = (struct coap_reply){.code = CODE_NOT_FOUND, .format = COAP_FORMAT_NONE};
	call.reply.body.bytes_max = COAP_TELL_BYTES_MAX;
	memcpy(call.path, text, ask->path_bytes);
	memcpy(call.query, text + ask->path_bytes, ask->query_bytes);
	call.payload = (struct bytes){(const uint8_t *)text + ask->path_bytes + ask->query_bytes,
	                              ask->payload_bytes};
	const struct resource *r = find(s, call.path, &call.rest);
	if (r)
		r->serve(&call);
	if (call.later)
		return;
	call_validate(&call);
	service_answer(s, io, ask->exchange, call.observed, &call.reply);
}

static void take_ask(struct coap_service *s, uint32_t io, const struct coap_ask *ask)
{
	struct watch *w;
	switch ((enum coap_ask_kind)ask->kind) {
	case COAP_ASK_REQUEST:
		serve(s, io, ask);
		break;
	case COAP_ASK_GONE:
		watch_end(s, io, ask->observer);
		break;
	case COAP_ASK_DELIVERED:
		w = watch_find(s, io, ask->observer);
		if (w)
			commands_delivered(s, w);
		break;
	}
}

static uint32_t take_asks(struct coap_service *s, uint32_t io)
{
	struct record_ring *ring = &s->link->ask[io];
	const struct coap_ask *ask;
	uint32_t bytes, count = 0;
	while (count < ASKS_PER_TURN && (ask = record_ring_peek(ring, &bytes))) {
		take_ask(s, io, ask);
		record_ring_release(ring);
		count++;
	}
	return count;
}

static void *run(void *argument)
{
	struct coap_service *s = argument;
	uint64_t last_work_ms = 0, tick_ms = 0;
	pthread_setname_np(pthread_self(), "coap service");
	while (!atomic_load_explicit(&s->stopping, memory_order_relaxed)) {
		uint32_t work = 0;
		s->now_ms = clock_mono_us() / 1000;
		for (uint32_t io = 0; io < s->config.io_count; io++)
			work += take_asks(s, io);
		commands_run(s);
		if (s->now_ms >= tick_ms) {
			tick_ms = s->now_ms + TICK_MS;
			readings_run(s);
			directory_run(s);
			if (s->interop)
				interop_run(s);
		}
		if (work)
			last_work_ms = s->now_ms;
		else
			nap(s->now_ms - last_work_ms < BUSY_MS ? NAP_US : LONG_NAP_US);
	}
	return NULL;
}

/* ---- start and end ---- */

static enum result build(struct coap_service *s, struct error *err)
{
	size_t watches = (size_t)s->config.io_count * s->config.observers_max;
	s->link = coap_link_new(s->config.io_count);
	s->watches = calloc(watches, sizeof s->watches[0]);
	if (!s->link || !s->watches)
		return fail(RESULT_RESOURCE, err, "CoAP service: no memory for %zu observers",
		            watches);
	service_offer(s, own_resources, sizeof own_resources / sizeof own_resources[0]);
	enum result r = commands_new(s, err);
	if (r == RESULT_OK)
		r = directory_new(s, err);
	if (r == RESULT_OK && s->config.interop)
		r = interop_new(s, err);
	return r;
}

enum result coap_service_start(const struct coap_service_config *config,
                               struct coap_service **out, struct error *err)
{
	struct coap_service *s = calloc(1, sizeof *s);
	if (!s)
		return fail(RESULT_RESOURCE, err, "CoAP service: no memory");
	s->config = *config;
	s->watch_head = WATCH_END;
	enum result r = build(s, err);
	if (r == RESULT_OK && pthread_create(&s->thread, NULL, run, s) != 0)
		r = fail(RESULT_RESOURCE, err, "CoAP service: its thread can't be started");
	if (r != RESULT_OK) {
		coap_service_stop(s);
		return r;
	}
	s->running = true;
	*out = s;
	return RESULT_OK;
}

struct coap_link *coap_service_link(struct coap_service *s)
{
	return s->link;
}

const _Atomic uint64_t *coap_service_counts(const struct coap_service *s)
{
	return s->counts;
}

void coap_service_stop(struct coap_service *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	if (s->running)
		pthread_join(s->thread, NULL);
	while (s->watches && watch_first(s))
		watch_end(s, watch_first(s)->io, watch_first(s)->observer);
	free(s->watches);
	interop_free(s);
	directory_free(s);
	commands_free(s);
	coap_link_free(s->link);
	free(s);
}
