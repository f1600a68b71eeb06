/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/registering.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/broker/memory.h"

#define PREFIX "register/"
#define ANSWER "/answer"

/* MQTT5 2.2.2.2, as far as they come with a PUBLISH that goes on. */
#define PROPERTY_FORMAT      0x01
#define PROPERTY_TYPE        0x03
#define PROPERTY_RESPONSE    0x08
#define PROPERTY_CORRELATION 0x09
#define PROPERTY_USER        0x26

struct waiting {
	struct core_publisher from;
	uint32_t id_at, client_at, json_at, response_at, correlation_at; /* in `text` */
	uint32_t id_bytes, client_bytes, json_bytes, response_bytes, correlation_bytes;
};

struct registering {
	struct registration *registration;
	struct waiting *waiting;
	size_t count, capacity;
	struct buffer text;
	struct registration_request *requests;
	struct registration_answer *answers;
};

struct registering *registering_new(struct registration *registration)
{
	struct registering *g = memory_new(sizeof *g);
	g->registration = registration;
	g->requests = memory_new(REGISTRATION_BATCH_MAX * sizeof g->requests[0]);
	g->answers = memory_new(REGISTRATION_BATCH_MAX * sizeof g->answers[0]);
	return g;
}

void registering_free(struct registering *g)
{
	if (!g)
		return;
	free(g->waiting);
	free(g->requests);
	free(g->answers);
	buffer_free(&g->text);
	free(g);
}

static uint32_t keep(struct registering *g, struct bytes b)
{
	uint32_t at = (uint32_t)g->text.used;
	buffer_put(&g->text, b.data, b.count);
	return at;
}

static struct bytes text_at(const uint8_t **at)
{
	struct bytes b = {*at + 2, get_be16(*at)};
	*at += 2 + b.count;
	return b;
}

/* The properties are well-formed: the io worker took them apart already. */
static void find_response(struct bytes props, struct bytes *response, struct bytes *correlation)
{
	const uint8_t *at = props.data, *end = props.data + props.count;
	*response = *correlation = (struct bytes){0};
	while (props.count > 0 && at < end) {
		switch (*at++) {
		case PROPERTY_FORMAT:
			at++;
			break;
		case PROPERTY_TYPE:
			text_at(&at);
			break;
		case PROPERTY_RESPONSE:
			*response = text_at(&at);
			break;
		case PROPERTY_CORRELATION:
			*correlation = text_at(&at);
			break;
		case PROPERTY_USER:
			text_at(&at);
			text_at(&at);
			break;
		default:
			return;
		}
	}
}

bool registering_take(struct registering *g, const struct core_publisher *from,
                      struct bytes client, struct bytes topic, struct bytes props,
                      struct bytes payload)
{
	const uint32_t prefix = sizeof PREFIX - 1;
	struct bytes response, correlation;
	if (topic.count <= prefix || memcmp(topic.data, PREFIX, prefix) != 0)
		return false;
	struct bytes id = {topic.data + prefix, topic.count - prefix};
	if (memchr(id.data, '/', id.count))
		return false;
	find_response(props, &response, &correlation);
	if (g->count == g->capacity) {
		g->capacity = g->capacity ? g->capacity * 2 : 64;
		g->waiting = memory_grow(g->waiting, g->capacity, sizeof g->waiting[0]);
	}
	g->waiting[g->count++] = (struct waiting){
	    .from = *from,
	    .id_at = keep(g, id),
	    .id_bytes = id.count,
	    .client_at = keep(g, client),
	    .client_bytes = client.count,
	    .json_at = keep(g, payload),
	    .json_bytes = payload.count,
	    .response_at = keep(g, response),
	    .response_bytes = response.count,
	    .correlation_at = keep(g, correlation),
	    .correlation_bytes = correlation.count,
	};
	return true;
}

static uint8_t reason_of(enum registration_outcome outcome)
{
	switch (outcome) {
	case REGISTRATION_INVALID:
		return 0x99; /* payload format invalid */
	case REGISTRATION_FULL:
		return 0x97; /* quota exceeded */
	default:
		return registration_accepted(outcome) ? 0x00 : 0x87; /* not authorised */
	}
}

static char *answer_text(const struct registering *g, const struct waiting *w,
                         const struct registration_answer *a)
{
	const char *state =
	    registration_accepted(a->outcome) ? device_state_name(a->state) : NULL;
	json_t *json = json_pack("{s:s%,s:s,s:s,s:s*}", "deviceId",
	                         (const char *)g->text.data + w->id_at, (size_t)w->id_bytes,
	                         "result", registration_outcome_name[a->outcome], "detail",
	                         a->detail, "state", state);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

static void answer(struct registering *g, struct core *core, const struct waiting *w,
                   const struct registration_answer *a)
{
	struct buffer topic = {0}, props = {0};
	const uint8_t *text = g->text.data;
	if (w->response_bytes > 0) {
		buffer_put(&topic, text + w->response_at, w->response_bytes);
	} else {
		buffer_put(&topic, PREFIX, sizeof PREFIX - 1);
		buffer_put(&topic, text + w->id_at, w->id_bytes);
		buffer_put(&topic, ANSWER, sizeof ANSWER - 1);
	}
	if (w->correlation_bytes > 0) {
		uint8_t *to = buffer_add(&props, 3);
		to[0] = PROPERTY_CORRELATION;
		put_be16(to + 1, (uint16_t)w->correlation_bytes);
		buffer_put(&props, text + w->correlation_at, w->correlation_bytes);
	}
	char *json = answer_text(g, w, a);
	if (json && topic.used <= UINT16_MAX)
		core_publish(core, (struct bytes){topic.data, (uint32_t)topic.used},
		             (struct bytes){props.data, (uint32_t)props.used},
		             (struct bytes){(const uint8_t *)json, (uint32_t)strlen(json)}, 1);
	free(json);
	buffer_free(&topic);
	buffer_free(&props);
	core_publish_done(core, &w->from, reason_of(a->outcome));
}

static enum result submit(struct registering *g, struct core *core, size_t from, size_t count,
                          struct error *err)
{
	const char *text = (const char *)g->text.data;
	for (size_t i = 0; i < count; i++) {
		const struct waiting *w = &g->waiting[from + i];
		g->requests[i] = (struct registration_request){
		    .id = text + w->id_at,
		    .id_bytes = w->id_bytes,
		    .sender = text + w->client_at,
		    .sender_bytes = w->client_bytes,
		    .json = text + w->json_at,
		    .json_bytes = w->json_bytes,
		};
	}
	enum result result = registration_submit(g->registration, clock_wall_ms(), g->requests,
						 g->answers, count, err);
	for (size_t i = 0; i < count && result == RESULT_OK; i++)
		answer(g, core, &g->waiting[from + i], &g->answers[i]);
	return result;
}

enum result registering_submit(struct registering *g, struct core *core, struct error *err)
{
	size_t done = 0;
	enum result result = RESULT_OK;
	while (done < g->count && result == RESULT_OK) {
		size_t count = g->count - done < REGISTRATION_BATCH_MAX ? g->count - done
		                                                        : REGISTRATION_BATCH_MAX;
		result = submit(g, core, done, count, err);
		if (result == RESULT_OK)
			done += count;
	}
	if (done > 0 && done < g->count)
		memmove(g->waiting, g->waiting + done,
		        (g->count - done) * sizeof g->waiting[0]);
	g->count -= done;
	if (g->count == 0)
		buffer_clear(&g->text);
	return result;
}
