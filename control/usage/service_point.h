/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service point used: its meters' readings, each meter's within its effective dates, put
 * together to one row of intervals.
 *
 * The meters' registers are one running sum: steps of each, rollovers included, times its ratio;
 * across a swap from the old meter's last reading to its final value, and from the new one's
 * initial value on. So an interval in which meters were swapped is exact, and gaps, like days and
 * scaling know nothing of swaps. Where a final or initial value is not known, nothing is known
 * across: such intervals are estimated. While no meter is installed, intervals are 0 (no_meter).
 *
 * Threads: ordinary ones; each call works on its own memory.
 */
#ifndef HEADRACE_USAGE_SERVICE_POINT_H
#define HEADRACE_USAGE_SERVICE_POINT_H

#include "control/registry/service_point.h"
#include "control/usage/usage.h"

/* What an installation had to do with it. */
struct usage_part {
	struct installation installation;
	uint32_t device;      /* number of its meter */
	int64_t from_s, to_s; /* as far as it lies within the days */
	uint32_t readings;    /* with a register in that time */
	int64_t register_mwh; /* what the register counted between the first and the last of them
			       * (installation and removal count as such) */
	int64_t energy_mwh;   /* that times the ratio */
};

struct usage_parts {
	uint32_t count;
	struct usage_part list[INSTALLATIONS_MAX]; /* by time */
};

/*
 * Local days from_day .. end_day - 1 of a service point. RESULT_INPUT: too many days; no meter was
 * there at any time of them; or the energy is beyond what 64 bits of mWh hold. On success *out is
 * freed by usage_free; `parts` may be NULL. out->device is DEVICE_NONE.
 */
MUST_USE enum result usage_load_point(const struct usage_source *source, struct registry *registry,
				      const struct service_point *point, int32_t from_day,
				      int32_t end_day, struct usage *out, struct usage_parts *parts,
				      struct error *err);

#endif
