/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bill from intervals and a tariff: a pure computation, exact until the one rounding of the
 * total. The same input gives the same bill.
 *
 * Intervals are taken in order of time. Each falls into the time-of-use period of its beginning;
 * the energy used so far in the billing period says in which tier, and an interval that crosses a
 * tier's limit is split there. A line of the bill is (version, tier, period).
 *
 * Where the tariff or its version changes within the billing period, or the customer was there for
 * a part of it, each part has the limits of its tiers and its fixed charges in proportion to its
 * days; the tiers begin anew.
 *
 * Threads: any, on data of its own. Memory: the caller's.
 */
#ifndef HEADRACE_BILLING_BILL_H
#define HEADRACE_BILLING_BILL_H

#include <stdint.h>

#include "base/result.h"
#include "control/billing/tariff.h"
#include "control/calendar/calendar.h"

#define BILL_LINES_MAX 256

/* Energy used from start_s on; never negative. */
struct bill_interval {
	int64_t start_s; /* UTC seconds */
	int64_t energy_mwh;
};

struct bill_line {
	const struct tariff *tariff;
	bool fixed;
	uint8_t tier;   /* from 0; of an energy line */
	uint8_t period; /* time of use; of an energy line */
	uint8_t charge; /* of a fixed line: tariff->fixed[charge] */
	int32_t days;   /* of a fixed line: charged */
	int64_t energy_mwh;
	amount_t amount;     /* exact */
	uint32_t intervals;  /* how many contribute */
	uint32_t first, last; /* the outermost of them, in the input */
};

struct bill {
	int32_t from_day, end_day; /* local days, end exclusive: what is billed */
	int32_t period_days;       /* of the whole billing period */
	uint32_t line_count;
	struct bill_line lines[BILL_LINES_MAX];
	int64_t energy_mwh;
	amount_t exact;
	int64_t total; /* rounded, in the currency's smallest unit */
};

/* A tariff that rules until a local day, on which the next one begins. */
struct bill_span {
	const struct tariff *const *versions; /* of one tariff, by tariff_sort */
	uint32_t version_count;
	int32_t end_day; /* exclusive; the last one's is the bill's */
};

struct bill_request {
	const struct calendar *calendar;
	const struct bill_span *spans; /* in order, one behind the other */
	uint32_t span_count;
	int32_t from_day, end_day;         /* what is billed */
	int32_t period_from, period_end;   /* the billing period around it */
	const struct bill_interval *intervals; /* ascending, within from_day .. end_day */
	uint32_t interval_count;
	/* For each piece of an interval: where it went. May be NULL. */
	void (*trace)(void *context, uint32_t interval, uint32_t line, int64_t energy_mwh);
	void *trace_context;
};

/* RESULT_INPUT: no version rules on a day, currencies differ, intervals out of order, outside, or
 * negative, too much energy, too many lines. */
MUST_USE enum result bill_compute(const struct bill_request *request, struct bill *bill,
                                  struct error *err);

#endif
