/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/times.h"

#include <pthread.h>
#include <stdlib.h>

struct request_times {
	pthread_mutex_t lock;
	size_t count;
	struct request_time times[]; /* the first: of no route */
};

struct request_times *request_times_new(void)
{
	size_t count = 1;
	for (size_t t = 0; api_topics[t]; t++)
		for (const struct api_route *r = api_topics[t]->routes; r->method; r++)
			count++;
	struct request_times *times =
	    calloc(1, sizeof *times + count * sizeof times->times[0]);
	if (!times)
		return NULL;
	pthread_mutex_init(&times->lock, NULL);
	times->count = 1;
	for (size_t t = 0; api_topics[t]; t++)
		for (const struct api_route *r = api_topics[t]->routes; r->method; r++)
			times->times[times->count++].route = r;
	return times;
}

void request_times_free(struct request_times *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void request_times_add(struct request_times *t, const struct api_route *route, unsigned status,
                       uint64_t us)
{
	size_t i = 0;
	while (i < t->count && t->times[i].route != route)
		i++;
	if (i == t->count || status / 100 >= OUTCOMES)
		return;
	pthread_mutex_lock(&t->lock);
	t->times[i].outcomes[status / 100]++;
	histogram_add(&t->times[i].us, us);
	pthread_mutex_unlock(&t->lock);
}

void request_times_each(struct request_times *t, request_times_fn *fn, void *context)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		if (histogram_count(&t->times[i].us) > 0)
			fn(context, &t->times[i]);
	pthread_mutex_unlock(&t->lock);
}
