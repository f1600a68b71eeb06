/* SPDX-License-Identifier: Apache-2.0 */
#include "control/events/alerts.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define ATTEMPT_S   10L
#define RETRY_S_MIN 1u

/* One URL, and what waits for it: a ring of JSON texts. */
struct webhook {
	struct alerts *alerts;
	const char *url;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	char **queue;
	uint32_t head, count;
	bool failing;
};

struct alerts {
	const struct health_rules *rules;
	struct events *events;
	atomic_bool stop;
	pthread_mutex_t lock; /* of the broker's side */
	alerts_publish_fn *publish;
	void *publish_context;
	struct webhook webhooks[HEALTH_WEBHOOKS_MAX];
};

/* --- webhooks --- */

/* The oldest goes when there is no room: what is newest says how things are. */
static void enqueue(struct webhook *w, const char *json)
{
	struct alerts *a = w->alerts;
	char *text = strdup(json);
	pthread_mutex_lock(&w->lock);
	if (text && w->count == a->rules->webhook_queue) {
		free(w->queue[w->head]);
		w->head = (w->head + 1) % a->rules->webhook_queue;
		w->count--;
		events_count(a->events, EVENT_COUNT_WEBHOOK_DROPPED, 1);
	}
	if (text)
		w->queue[(w->head + w->count++) % a->rules->webhook_queue] = text;
	else
		events_count(a->events, EVENT_COUNT_WEBHOOK_DROPPED, 1);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* Waits; NULL: the end. The text is the caller's. */
static char *dequeue(struct webhook *w)
{
	char *text = NULL;
	pthread_mutex_lock(&w->lock);
	while (w->count == 0 && !atomic_load(&w->alerts->stop))
		pthread_cond_wait(&w->wake, &w->lock);
	if (w->count > 0 && !atomic_load(&w->alerts->stop)) {
		text = w->queue[w->head];
		w->head = (w->head + 1) % w->alerts->rules->webhook_queue;
		w->count--;
	}
	pthread_mutex_unlock(&w->lock);
	return text;
}

/* False: the end has come. */
static bool pause_for(struct webhook *w, uint32_t seconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&w->lock);
	while (!atomic_load(&w->alerts->stop) &&
	       pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&w->lock);
	return !atomic_load(&w->alerts->stop);
}

static size_t on_answer(char *data, size_t size, size_t count, void *context)
{
	(void)data, (void)context;
	return size * count; /* nobody reads it */
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct webhook *w = context;
	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&w->alerts->stop);
}

static bool post(struct webhook *w, CURL *curl, struct curl_slist *headers, const char *json,
                 char *why, size_t why_bytes)
{
	long status = 0;
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, w->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, ATTEMPT_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, w);
	CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK) {
		snprintf(why, why_bytes, "%s", curl_easy_strerror(code));
		return false;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	snprintf(why, why_bytes, "HTTP status %ld", status);
	return status >= 200 && status < 300;
}

static void tell_failure(struct webhook *w, bool failed, const char *why)
{
	if (failed && !w->failing)
		log_warning("events", "webhook %s: %s; it is tried again", w->url, why);
	if (!failed && w->failing)
		log_info("events", "webhook %s takes alerts again", w->url);
	w->failing = failed;
}

/* Until it is taken. False: the end has come. */
static bool deliver(struct webhook *w, CURL *curl, struct curl_slist *headers, const char *json)
{
	char why[128];
	uint32_t retry_s = RETRY_S_MIN;
	while (!post(w, curl, headers, json, why, sizeof why)) {
		if (atomic_load(&w->alerts->stop))
			return false;
		events_count(w->alerts->events, EVENT_COUNT_WEBHOOK_FAILED, 1);
		tell_failure(w, true, why);
		if (!pause_for(w, retry_s))
			return false;
		retry_s *= 2;
		if (retry_s > w->alerts->rules->webhook_retry_s)
			retry_s = w->alerts->rules->webhook_retry_s;
	}
	tell_failure(w, false, why);
	return true;
}

static void *run(void *argument)
{
	struct webhook *w = argument;
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char *json;
	while (curl && (json = dequeue(w))) {
		bool taken = deliver(w, curl, headers, json);
		events_count(w->alerts->events,
		             taken ? EVENT_COUNT_WEBHOOK_SENT : EVENT_COUNT_WEBHOOK_DROPPED, 1);
		free(json);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return NULL;
}

/* --- the broker --- */

/* No level of a topic name can have these. */
static void topic_of(const struct event *v, char *out, size_t bytes)
{
	int used = snprintf(out, bytes, "events/%s/%s/", event_severity_name[v->severity],
	                    event_kind_name[v->kind]);
	for (const char *c = v->subject; *c && used + 1 < (int)bytes; c++)
		out[used++] = *c == '/' || *c == '+' || *c == '#' ? '_' : *c;
	out[used] = '\0';
}

static void publish(struct alerts *a, const struct event *v, const char *json)
{
	char topic[64 + EVENT_SUBJECT_BYTES];
	bool cleared = v->state == EVENT_CLEARED;
	topic_of(v, topic, sizeof topic);
	pthread_mutex_lock(&a->lock);
	bool asked = a->publish != NULL; /* else alerts_set_publish makes up for it */
	bool good = asked && a->publish(a->publish_context, topic, json, !cleared);
	if (good && cleared)
		good = a->publish(a->publish_context, topic, "", true);
	pthread_mutex_unlock(&a->lock);
	if (asked)
		events_count(a->events, good ? EVENT_COUNT_MQTT_SENT : EVENT_COUNT_MQTT_DROPPED, 1);
}

static void on_event(void *context, const struct event *v)
{
	struct alerts *a = context;
	char *json = event_json(v);
	if (!json) {
		events_count(a->events, EVENT_COUNT_MQTT_DROPPED, 1);
		return;
	}
	publish(a, v, json);
	for (uint32_t i = 0; i < a->rules->webhook_count; i++)
		enqueue(&a->webhooks[i], json);
	free(json);
}

static bool on_open(void *context, const struct event *v)
{
	char *json = v->state == EVENT_CLEARED ? NULL : event_json(v);
	if (json)
		publish(context, v, json);
	free(json);
	return true;
}

void alerts_set_publish(struct alerts *a, alerts_publish_fn *fn, void *context)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->publish = fn;
	a->publish_context = context;
	pthread_mutex_unlock(&a->lock);
	if (fn)
		events_each(a->events, UINT64_MAX, on_open, a);
}

/* What a webhook did not take before the daemon ended, it gets now. */
static bool on_unanswered(void *context, const struct event *v)
{
	struct alerts *a = context;
	char *json = v->state == EVENT_OPEN ? event_json(v) : NULL;
	for (uint32_t i = 0; json && i < a->rules->webhook_count; i++)
		enqueue(&a->webhooks[i], json);
	free(json);
	return true;
}

/* --- start and end --- */

static enum result start_webhook(struct alerts *a, uint32_t i, struct error *err)
{
	struct webhook *w = &a->webhooks[i];
	w->alerts = a;
	w->url = a->rules->webhooks[i];
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	w->queue = calloc(a->rules->webhook_queue, sizeof w->queue[0]);
	if (!w->queue || pthread_create(&w->thread, NULL, run, w) != 0)
		return fail(RESULT_RESOURCE, err, "alerts: no memory or thread for %s", w->url);
	pthread_setname_np(w->thread, "webhook");
	w->running = true;
	return RESULT_OK;
}

enum result alerts_start(const struct health_rules *rules, struct events *events,
                         struct alerts **out, struct error *err)
{
	struct alerts *a = calloc(1, sizeof *a);
	enum result r = RESULT_OK;
	if (!a)
		return fail(RESULT_RESOURCE, err, "alerts: no memory");
	a->rules = rules;
	a->events = events;
	pthread_mutex_init(&a->lock, NULL);
	if (rules->webhook_count)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	for (uint32_t i = 0; i < rules->webhook_count && r == RESULT_OK; i++)
		r = start_webhook(a, i, err);
	if (r != RESULT_OK) {
		alerts_stop(a);
		return r;
	}
	events_set_sink(events, on_event, a);
	events_each(events, UINT64_MAX, on_unanswered, a);
	*out = a;
	return RESULT_OK;
}

static void stop_webhook(struct webhook *w)
{
	if (!w->alerts)
		return;
	pthread_mutex_lock(&w->lock);
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->running)
		pthread_join(w->thread, NULL);
	if (w->count > 0)
		log_warning("events", "%u alerts were not taken by webhook %s", w->count, w->url);
	events_count(w->alerts->events, EVENT_COUNT_WEBHOOK_DROPPED, w->count);
	for (; w->count > 0; w->count--) {
		free(w->queue[w->head]);
		w->head = (w->head + 1) % w->alerts->rules->webhook_queue;
	}
	free(w->queue);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
}

void alerts_stop(struct alerts *a)
{
	if (!a)
		return;
	events_set_sink(a->events, NULL, NULL);
	atomic_store(&a->stop, true);
	for (uint32_t i = 0; i < HEALTH_WEBHOOKS_MAX; i++)
		stop_webhook(&a->webhooks[i]);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
