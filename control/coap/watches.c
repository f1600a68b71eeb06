/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who observes what: one slot for each place that an io worker has for an observer, found by the
 * worker and the handle's index, and a list of those in use. Owned by the service's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "control/coap/service_priv.h"

static struct watch *slot_of(struct coap_service *s, uint32_t io, uint64_t observer)
{
	uint32_t index = (uint32_t)observer;
	if (io >= s->config.io_count || index >= s->config.observers_max)
		return NULL;
	return &s->watches[(size_t)io * s->config.observers_max + index];
}

static void release(struct coap_service *s, struct watch *w)
{
	commands_watch_end(w);
	if (w->prev != WATCH_END)
		s->watches[w->prev].next = w->next;
	else
		s->watch_head = w->next;
	if (w->next != WATCH_END)
		s->watches[w->next].prev = w->prev;
	free(w->topic);
	memset(w, 0, sizeof *w);
}

struct watch *watch_begin(struct coap_call *call, enum watch_kind kind, uint32_t subject)
{
	struct coap_service *s = call->service;
	struct watch *w = slot_of(s, call->io, call->ask->observer);
	if (!(call->ask->flags & COAP_ASK_OBSERVE) || !w)
		return NULL;
	if (w->kind != WATCH_NONE)
		release(s, w); /* of an observer whose end could not be told */
	uint32_t index = (uint32_t)(w - s->watches);
	*w = (struct watch){
	    .observer = call->ask->observer,
	    .io = call->io,
	    .subject = subject,
	    .accept = call->ask->accept,
	    .kind = (uint8_t)kind,
	    .prev = WATCH_END,
	    .next = s->watch_head,
	};
	if (s->watch_head != WATCH_END)
		s->watches[s->watch_head].prev = index;
	s->watch_head = index;
	call->observed = true;
	return w;
}

struct watch *watch_find(struct coap_service *s, uint32_t io, uint64_t observer)
{
	struct watch *w = slot_of(s, io, observer);
	return w && w->kind != WATCH_NONE && w->observer == observer ? w : NULL;
}

void watch_end(struct coap_service *s, uint32_t io, uint64_t observer)
{
	struct watch *w = watch_find(s, io, observer);
	if (w)
		release(s, w);
}

struct watch *watch_first(struct coap_service *s)
{
	return s->watch_head == WATCH_END ? NULL : &s->watches[s->watch_head];
}

struct watch *watch_next(struct coap_service *s, const struct watch *w)
{
	return w->next == WATCH_END ? NULL : &s->watches[w->next];
}
