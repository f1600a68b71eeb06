/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules for a reading that is new. Never leaves this folder. Pure functions.
 *
 *	rule        parameter (profile, or the registry's word for the meter)   rejection
 *	timestamp   drift_accept_ms, drift_flag_ms, drift_replace_ms           clock_drift
 *	lateness    late_max_ms                                                too_late
 *	negative    channels[].negative_allowed                                negative
 *	range       channels[].min, max                                        out_of_range
 *	sequence    dials, register_kwh_pow10                                  register_decreased
 *	capacity    capacity_w                                                 over_capacity
 */
#ifndef HEADRACE_INGEST_VALIDATE_H
#define HEADRACE_INGEST_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/profile.h"
#include "contract/reading.h"
#include "ingest/dedup.h"

struct verdict {
	enum fate fate;     /* FATE_STORED or a rejection */
	uint16_t flags;     /* to be added when stored */
	int64_t ts_ms;      /* effective time */
	bool newer;         /* than all accepted of the device, by effective time */
	int register_index; /* of the register among the reading's channels; -1: none */
};

struct verdict validate(const struct profile *profile, const struct device_track *t,
                        const struct reading *r);

#endif
