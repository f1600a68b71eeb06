/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands for devices: what is published under "cmd/DEVICE" and "cmd/DEVICE/..." reaches those who
 * observe /cmd/DEVICE (all of them, as JSON with the topic) or /cmd/DEVICE/NAME (the payload as it
 * came). Every command in order: the next one leaves when the last one was acknowledged.
 *
 *   any thread: coap_service_command -> inbox -> the service's thread -> queues of the observers
 *
 * The last command of each of the most recent topics is kept for GET. Bounded everywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "control/coap/service_priv.h"

#define PREFIX       "cmd/"
#define INBOX_MAX    4096  /* commands not yet handed to observers */
#define QUEUE_MAX    32    /* for one observer */
#define KEPT_MAX     1024  /* topics whose last command is kept */
#define TOPIC_MAX    256
#define PAYLOAD_MAX  8192
#define DELIVERY_MS  120000 /* MAX_TRANSMIT_WAIT of RFC 7252 4.8.2 and some more */

struct command {
	struct command *next;
	uint32_t topic_bytes, payload_bytes;
	char text[]; /* topic, 0, payload */
};

struct commands {
	pthread_mutex_t lock; /* of the inbox alone */
	struct command *first, *last;
	uint32_t count, dropped;
	struct command *kept[KEPT_MAX]; /* newest at `newest`, older before it */
	uint32_t newest;
};

static struct command *command_new(const char *topic, size_t topic_bytes, const uint8_t *payload,
                                   size_t payload_bytes)
{
	struct command *c = malloc(sizeof *c + topic_bytes + 1 + payload_bytes);
	if (!c)
		return NULL;
	c->next = NULL;
	c->topic_bytes = (uint32_t)topic_bytes;
	c->payload_bytes = (uint32_t)payload_bytes;
	memcpy(c->text, topic, topic_bytes);
	c->text[topic_bytes] = '\0';
	if (payload_bytes > 0)
		memcpy(c->text + topic_bytes + 1, payload, payload_bytes);
	return c;
}

static const uint8_t *payload_of(const struct command *c)
{
	return (const uint8_t *)c->text + c->topic_bytes + 1;
}

void coap_service_command(void *service, const char *topic, size_t topic_bytes,
                          const uint8_t *payload, size_t payload_bytes, bool retain)
{
	struct coap_service *s = service;
	struct commands *all = s->commands;
	if (retain && payload_bytes == 0)
		return;
	bool ours = topic_bytes > strlen(PREFIX) && topic_bytes < TOPIC_MAX &&
	            memcmp(topic, PREFIX, strlen(PREFIX)) == 0 && payload_bytes <= PAYLOAD_MAX;
	struct command *c =
	    ours ? command_new(topic, topic_bytes, payload, payload_bytes) : NULL;
	pthread_mutex_lock(&all->lock);
	if (c && all->count < INBOX_MAX) {
		*(all->last ? &all->last->next : &all->first) = c;
		all->last = c;
		all->count++;
		c = NULL;
	} else {
		all->dropped++;
	}
	pthread_mutex_unlock(&all->lock);
	free(c);
}

/* ---- what is kept for GET ---- */

static struct command **kept_find(struct commands *all, const char *topic)
{
	for (uint32_t i = 0; i < KEPT_MAX; i++)
		if (all->kept[i] && strcmp(all->kept[i]->text, topic) == 0)
			return &all->kept[i];
	return NULL;
}

/* Is it for those who observe `topic`? */
static bool is_under(const struct command *c, const char *topic)
{
	size_t bytes = strlen(topic);
	return strncmp(c->text, topic, bytes) == 0 &&
	       (c->text[bytes] == '\0' || c->text[bytes] == '/');
}

static const struct command *kept_newest(const struct commands *all, const char *topic)
{
	for (uint32_t i = 0; i < KEPT_MAX; i++) {
		const struct command *c = all->kept[(all->newest + KEPT_MAX - i) % KEPT_MAX];
		if (c && is_under(c, topic))
			return c;
	}
	return NULL;
}

/* The newest is always at `newest`, so that age is the order of the array. */
static void keep(struct commands *all, struct command *c)
{
	struct command **old = kept_find(all, c->text);
	if (old) {
		free(*old);
		*old = NULL;
	}
	all->newest = (all->newest + 1) % KEPT_MAX;
	free(all->kept[all->newest]);
	all->kept[all->newest] = c;
}

/* ---- representations ---- */

static bool is_text(const uint8_t *bytes, uint32_t count)
{
	for (uint32_t at = 0; at < count;) {
		uint32_t n = utf8_length(bytes + at, count - at);
		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

/* `exact`: the observed topic is the command's own. */
static void represent(const struct command *c, bool exact, struct coap_reply *reply)
{
	struct text *t = &reply->body;
	bool text = is_text(payload_of(c), c->payload_bytes);
	reply->code = CODE_CONTENT;
	reply->has_max_age = true;
	reply->max_age_s = 0; /* what was commanded once is no state to be relied on later */
	if (exact) {
		reply->format = text ? CONTENT_TEXT : CONTENT_BYTES;
		text_put(t, payload_of(c), c->payload_bytes);
		return;
	}
	reply->format = CONTENT_JSON;
	text_add(t, "{\"topic\":");
	text_json(t, c->text, c->topic_bytes);
	text_add(t, text ? ",\"payload\":" : ",\"payload_base64\":\"");
	if (text)
		text_json(t, (const char *)payload_of(c), c->payload_bytes);
	else
		text_base64(t, payload_of(c), c->payload_bytes);
	text_add(t, text ? "}" : "\"}");
}

static bool is_exact(const char *topic)
{
	return strchr(topic + strlen(PREFIX), '/') != NULL;
}

/* ---- requests ---- */

void commands_serve(struct coap_call *call)
{
	struct coap_service *s = call->service;
	char topic[TOPIC_MAX + sizeof PREFIX];
	if (!call_method(call, ALLOW_GET))
		return;
	size_t id_bytes = strcspn(call->rest, "/");
	if (id_bytes > DEVICE_ID_BYTES ||
	    registry_number_of(s->config.registry, call->rest, id_bytes) == DEVICE_NONE) {
		call_problem(call, CODE_NOT_FOUND, "there is no device '%.*s'",
		             (int)(id_bytes < 64 ? id_bytes : 64), call->rest);
		return;
	}
	snprintf(topic, sizeof topic, PREFIX "%s", call->rest);
	const struct command *c = kept_newest(s->commands, topic);
	call->reply.code = CODE_CONTENT;
	call->reply.has_max_age = true;
	if (c)
		represent(c, is_exact(topic), &call->reply);
	if (call->ask->accept != COAP_FORMAT_NONE && call->reply.format != COAP_FORMAT_NONE &&
	    call->ask->accept != call->reply.format) {
		call_problem(call, CODE_NOT_ACCEPTABLE, "content format %u is not offered",
		             call->ask->accept);
		return;
	}
	struct watch *w = watch_begin(call, WATCH_COMMAND, 0);
	if (w && !(w->topic = strdup(topic))) {
		watch_end(s, w->io, w->observer);
		call->observed = false;
	}
}

/* ---- notifications ---- */

static void send_first(struct coap_service *s, struct watch *w)
{
	struct command *c = w->first;
	struct coap_reply reply = {.in_order = true, .body.bytes_max = COAP_TELL_BYTES_MAX};
	w->first = c->next;
	if (!w->first)
		w->last = NULL;
	w->queued--;
	w->waiting = true;
	w->sent_ms = s->now_ms;
	represent(c, is_exact(w->topic), &reply);
	free(c);
	service_notify(s, w, &reply);
}

void commands_delivered(struct coap_service *s, struct watch *w)
{
	w->waiting = false;
	if (w->first)
		send_first(s, w);
}

static void enqueue(struct coap_service *s, struct watch *w, const struct command *c)
{
	struct command *copy =
	    w->queued < QUEUE_MAX
	        ? command_new(c->text, c->topic_bytes, payload_of(c), c->payload_bytes)
	        : NULL;
	if (!copy) {
		service_count(s, COAP_SERVICE_COMMANDS_DROPPED);
		return;
	}
	*(w->last ? &w->last->next : &w->first) = copy;
	w->last = copy;
	w->queued++;
	if (!w->waiting)
		send_first(s, w);
}

/* All that came since the last turn. */
static struct command *take_inbox(struct coap_service *s)
{
	struct commands *all = s->commands;
	pthread_mutex_lock(&all->lock);
	struct command *first = all->first;
	all->first = all->last = NULL;
	all->count = 0;
	uint32_t dropped = all->dropped;
	all->dropped = 0;
	pthread_mutex_unlock(&all->lock);
	tally_add(&s->counts[COAP_SERVICE_COMMANDS_DROPPED], dropped);
	return first;
}

void commands_run(struct coap_service *s)
{
	struct command *c = take_inbox(s);
	while (c) {
		struct command *next = c->next;
		service_count(s, COAP_SERVICE_COMMANDS);
		for (struct watch *w = watch_first(s); w; w = watch_next(s, w))
			if (w->kind == WATCH_COMMAND && is_under(c, w->topic))
				enqueue(s, w, c);
		c->next = NULL;
		keep(s->commands, c);
		c = next;
	}
	/* a delivery that could not be reported */
	for (struct watch *w = watch_first(s); w; w = watch_next(s, w))
		if (w->waiting && s->now_ms - w->sent_ms > DELIVERY_MS)
			commands_delivered(s, w);
}

/* ---- start and end ---- */

static void free_list(struct command *c)
{
	while (c) {
		struct command *next = c->next;
		free(c);
		c = next;
	}
}

void commands_watch_end(struct watch *w)
{
	free_list(w->first);
}

enum result commands_new(struct coap_service *s, struct error *err)
{
	s->commands = calloc(1, sizeof *s->commands);
	if (!s->commands)
		return fail(RESULT_RESOURCE, err, "CoAP service: no memory");
	pthread_mutex_init(&s->commands->lock, NULL);
	return RESULT_OK;
}

void commands_free(struct coap_service *s)
{
	if (!s->commands)
		return;
	free_list(s->commands->first);
	for (uint32_t i = 0; i < KEPT_MAX; i++)
		free(s->commands->kept[i]);
	pthread_mutex_destroy(&s->commands->lock);
	free(s->commands);
}
