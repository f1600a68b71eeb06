/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules find in a meter's days: its usage, and beside it the rules that were met, each
 * with the numbers that it judged by. Computed anew when it is asked for, as usage is.
 *
 * Threads: ordinary ones. Memory: malloc.
 */
#ifndef HEADRACE_USAGE_CHECK_H
#define HEADRACE_USAGE_CHECK_H

#include "control/usage/usage.h"

struct usage_checked {
	struct usage usage;
	uint32_t count;
	struct vee_finding *findings; /* by day, then by rule; gaps and falls last */
};

/* As usage_load; `active`: the registry's state of the device now. Only what is over by
 * source->now_s is judged. On success freed by usage_checked_free. */
MUST_USE enum result usage_check(const struct usage_source *source, uint32_t device,
                                 uint32_t dials, bool active, int32_t from_day, int32_t end_day,
                                 struct usage_checked *out, struct error *err);
void usage_checked_free(struct usage_checked *checked);

#endif
