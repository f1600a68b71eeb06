/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cumulative register counted from one reading to the next: the one place that decides it.
 * Aggregates add up these steps; intervals (control/usage) are differences of their running sum.
 *
 * Threads: any. Memory: the caller's.
 */
#ifndef HEADRACE_AGGREGATE_REGISTER_H
#define HEADRACE_AGGREGATE_REGISTER_H

#include <stdint.h>

#include "contract/profile.h"
#include "contract/stored.h"

enum register_step {
	REGISTER_ROSE,   /* or stood still */
	REGISTER_ROLLED, /* passed its last dial */
	REGISTER_FELL,   /* was reset or exchanged: what was used meanwhile is not known */
};

/* Where the register of a reading is, by its profile (NULL: nowhere); -1: nowhere. */
int register_index(const struct profile *p, const struct stored_reading *r);

/* Where the register begins anew, in canonical units; 0: not known. `dials` 0: the profile's. */
int64_t register_modulus(const struct profile *p, uint32_t dials);

/* A register as a reading shows it. */
struct register_read {
	int64_t value, ts_ms;
	uint16_t flags; /* READING_F_* */
};

/*
 * From one reading to the next; `modulus` is only looked at when the register fell. The first
 * reading since a reset that the registry knows of is a fall, whatever it says. Else a fall is a
 * rollover when validation said so of the second. Where one of them came late, validation never
 * compared the two: then it is one when the meter can pass so much in that time, or, where its
 * capacity is not known, from the last tenth of the dials to the first. *step is not negative; 0
 * for REGISTER_FELL.
 */
enum register_step register_step(const struct profile *p, int64_t modulus,
                                 const struct register_read *from, const struct register_read *to,
                                 int64_t *step);

#endif
