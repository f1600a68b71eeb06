/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE (MQTT5 3.8, 3.10), and which readings somebody watches live. */
#include <string.h>

#include "control/broker/core_priv.h"

#define FILTER_BYTES 65535
#define WATCH_PREFIX "readings"

/* --- live readings --- */

static bool is_text(struct bytes b, const char *text)
{
	return b.count == strlen(text) && memcmp(b.data, text, b.count) == 0;
}

static struct bytes first_level(struct bytes filter, struct bytes *rest)
{
	const uint8_t *slash = memchr(filter.data, '/', filter.count);
	if (!slash) {
		*rest = (struct bytes){0};
		return filter;
	}
	*rest = (struct bytes){slash + 1,
	                       filter.count - (uint32_t)(slash + 1 - filter.data)};
	return (struct bytes){filter.data, (uint32_t)(slash - filter.data)};
}

static bool has_wildcard(struct bytes b)
{
	return memchr(b.data, '+', b.count) || memchr(b.data, '#', b.count);
}

static void watch_one(struct core *c, struct bytes id, int change)
{
	uint32_t bit = broker_watch_bit(id.data, id.count);
	c->watch_count[bit] += (uint32_t)change;
	uint64_t mask = 1ull << bit % 64;
	if (c->watch_count[bit] > 0)
		atomic_fetch_or_explicit(&c->watch->bits[bit / 64], mask, memory_order_relaxed);
	else if (c->watch_all == 0)
		atomic_fetch_and_explicit(&c->watch->bits[bit / 64], ~mask, memory_order_relaxed);
}

static void watch_all(struct core *c, int change)
{
	c->watch_all += (uint32_t)change;
	for (uint32_t bit = 0; bit < BROKER_WATCH_WORDS * 64; bit++) {
		uint64_t mask = 1ull << bit % 64;
		if (c->watch_all > 0 || c->watch_count[bit] > 0)
			atomic_fetch_or_explicit(&c->watch->bits[bit / 64], mask,
			                         memory_order_relaxed);
		else
			atomic_fetch_and_explicit(&c->watch->bits[bit / 64], ~mask,
			                          memory_order_relaxed);
	}
}

void core_watch(struct core *c, struct bytes text, int change)
{
	struct bytes name, filter, rest;
	if (!c->watch)
		return;
	tree_share_split(text, &name, &filter);
	struct bytes first = first_level(filter, &rest);
	if (!is_text(first, "#") && !is_text(first, "+") && !is_text(first, WATCH_PREFIX))
		return;
	if (is_text(first, "#") || (rest.data && has_wildcard(rest)))
		watch_all(c, change);
	else if (rest.data)
		watch_one(c, rest, change);
	uint32_t any = atomic_load_explicit(&c->watch->any, memory_order_relaxed);
	if (is_text(first, "#") || rest.data)
		atomic_store_explicit(&c->watch->any, any + (uint32_t)change,
		                      memory_order_relaxed);
}

/* --- SUBSCRIBE --- */

struct subscribing {
	struct core *core;
	struct state *state;
	const struct subscription *subscription;
};

static bool on_retained(void *context, struct message *m)
{
	struct subscribing *s = context;
	uint8_t most = SUBSCRIPTION_QOS(s->subscription->options);
	if (message_expired(m, s->core->now_ms))
		return true;
	core_deliver(s->core, s->state, m, m->qos < most ? m->qos : most, true,
	             &s->subscription->id, s->subscription->id != 0, true);
	return true;
}

/* A code of SUBACK; *wants_retained: what is retained goes to the client. */
static uint8_t subscribe(struct core *c, struct state *st, struct bytes text, uint8_t options,
                         uint32_t id, bool *wants_retained)
{
	struct session *s = st->session;
	struct bytes name, filter;
	bool is_new, shared = tree_share_split(text, &name, &filter);

	*wants_retained = false;
	if (c->hooks.allowed &&
	    !c->hooks.allowed(c->context, client_of(s),
	                      (struct bytes){s->username, s->username_bytes}, filter,
	                      CORE_SUBSCRIBE))
		return REASON_NOT_AUTHORISED;
	bool full = st->subscriber.count >= c->config.subscriptions_max ||
	            core_memory(c) >= c->config.memory_bytes;
	if (full && !tree_find(&c->tree, &st->subscriber, text))
		return REASON_QUOTA;
	if (!tree_subscribe(&c->tree, &st->subscriber, text, options, id, &is_new))
		return REASON_QUOTA;
	if (is_new)
		core_watch(c, text, 1);
	if (st->persistent)
		disk_subscription(c, st, text, options, id);
	unsigned handling = SUBSCRIPTION_RETAIN_HANDLING(options);
	*wants_retained = !shared && (handling == 0 || (handling == 1 && is_new));
	return SUBSCRIPTION_QOS(options);
}

void core_subscribe(struct core *c, struct session *s, const struct broker_filters *r)
{
	struct state *st = session_state(c, s);
	struct bytes all = {(const uint8_t *)(r + 1), r->filters_bytes}, left = all, filter;
	struct broker_codes *a =
	    core_record(c, s->io, s->conn, BROKER_SUBACK, sizeof *a + r->count);
	uint8_t *codes = (uint8_t *)(a + 1);
	struct buffer wants = {0};
	uint8_t options;

	a->packet_id = r->packet_id;
	a->count = r->count;
	for (uint32_t i = 0; i < r->count && broker_filter_next(&left, &filter, &options); i++) {
		bool wants_retained;
		codes[i] = subscribe(c, st, filter, options, r->subscription_id, &wants_retained);
		buffer_put(&wants, &wants_retained, 1);
		core_count(c, codes[i] < REASON_FAILED ? BROKER_COUNT_SUBSCRIBED
		                                       : BROKER_COUNT_SUBSCRIBE_REFUSED, 1);
	}
	left = all;
	for (uint32_t i = 0; i < wants.used && broker_filter_next(&left, &filter, &options); i++) {
		struct subscription *found = tree_find(&c->tree, &st->subscriber, filter);
		struct subscribing on = {c, st, found};
		if (wants.data[i] && found)
			tree_retained_match(&c->tree, filter, on_retained, &on);
	}
	buffer_free(&wants);
}

/* --- UNSUBSCRIBE --- */

static uint8_t unsubscribe(struct core *c, struct state *st, struct bytes filter)
{
	struct subscription *s = st ? tree_find(&c->tree, &st->subscriber, filter) : NULL;
	if (!s)
		return REASON_NO_SUBSCRIPTION;
	core_watch(c, filter, -1);
	if (st->persistent)
		disk_subscription_gone(c, st, filter);
	tree_unsubscribe(&c->tree, s);
	COUNT(c, UNSUBSCRIBED);
	return REASON_SUCCESS;
}

void core_unsubscribe(struct core *c, struct session *s, const struct broker_filters *r)
{
	struct bytes left = {(const uint8_t *)(r + 1), r->filters_bytes}, filter;
	struct broker_codes *a =
	    core_record(c, s->io, s->conn, BROKER_UNSUBACK, sizeof *a + r->count);
	uint8_t *codes = (uint8_t *)(a + 1);
	uint8_t options;
	a->packet_id = r->packet_id;
	a->count = r->count;
	for (uint32_t i = 0; i < r->count && broker_filter_next(&left, &filter, &options); i++)
		codes[i] = unsubscribe(c, s->state, filter);
}

void subscriptions_drop(struct core *c, struct state *st, bool disk)
{
	static _Thread_local uint8_t text[FILTER_BYTES];
	while (st->subscriber.first) {
		struct subscription *s = st->subscriber.first;
		struct bytes filter = {text, tree_filter(s, text)};
		core_watch(c, filter, -1);
		if (disk)
			disk_subscription_gone(c, st, filter);
		tree_unsubscribe(&c->tree, s);
	}
}
