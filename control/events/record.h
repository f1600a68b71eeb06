/* SPDX-License-Identifier: Apache-2.0 */
/* An event as JSON and back. Private to control/events. */
#ifndef HEADRACE_EVENTS_RECORD_H
#define HEADRACE_EVENTS_RECORD_H

#include "control/events/events.h"

/* Fill a zeroed event. False: damaged, or no memory; what was taken is to be freed. Untrusted. */
bool event_parse(struct event *v, uint64_t number, const void *json, size_t bytes);

#endif
