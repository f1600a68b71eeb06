/* SPDX-License-Identifier: Apache-2.0 */
/* How long requests took and how they ended, by route. Private to control/api. Threads: any. */
#ifndef HEADRACE_API_TIMES_H
#define HEADRACE_API_TIMES_H

#include "base/histogram.h"
#include "control/api/routes.h"

/* Of a request: its outcome is its status / 100, 1 to 5. */
#define OUTCOMES 6

struct request_time {
	const struct api_route *route; /* NULL: of no route */
	uint64_t outcomes[OUTCOMES];
	struct histogram us;
};

struct request_times;

struct request_times *request_times_new(void); /* NULL: no memory */
void request_times_free(struct request_times *t);
void request_times_add(struct request_times *t, const struct api_route *route, unsigned status,
                       uint64_t us);

/* Each that was asked, under a lock. */
typedef void request_times_fn(void *context, const struct request_time *time);
void request_times_each(struct request_times *t, request_times_fn *fn, void *context);

#endif
