/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store's aggregation is told of the territory, the profiles and the registry.
 * Threads: any ordinary ones. Memory: the caller's.
 */
#ifndef HEADRACE_CONTROL_AGGREGATION_H
#define HEADRACE_CONTROL_AGGREGATION_H

#include "control/calendar/calendar.h"
#include "control/config/config.h"
#include "control/registry/registry.h"
#include "storage/aggregate/aggregate.h"

/* All of it outlives the rules; *registry may still be NULL: dials are the profiles' then. */
void aggregation_rules(struct aggregate_rules *rules, const struct calendar *calendar,
                       const struct profile_set *profiles,
                       const struct channel_catalogue *channels, struct registry **registry);

/* The configuration checks its own defaults; this, profiles that say how late a reading may come:
 * what is computed from readings must not need any that are gone. RESULT_INPUT. */
MUST_USE enum result aggregation_check(const struct config *config,
                                       const struct profile_set *profiles, struct error *err);

#endif
