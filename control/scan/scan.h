/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scan of all meters by the rules of validation, over a day or a month: a summary for each rule
 * and a work list of the meters on which something was found.
 *
 * What was found is kept in the store's STORE_CONTROL space until the period is scanned again:
 *
 *   "vee/2026-03-01/SM-00001"   the meter's findings
 *   "veesum/2026-03-01"         the summary; the oldest go when there are more than 100
 *
 * Threads: ordinary callers. The work is done by threads of the module's own, one a processor up
 * to SCAN_THREADS_MAX, which leave the processor to all others (sched_later) and pause
 * for as long as readings wait in the journal for the store.
 */
#ifndef HEADRACE_SCAN_SCAN_H
#define HEADRACE_SCAN_SCAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/counters.h"
#include "control/registry/registry.h"
#include "control/usage/usage.h"
#include "storage/journal/journal.h"

#define SCAN_PERIOD_BYTES 12 /* "2026-03-01", "2026-03" */
#define SCAN_THREADS_MAX  4

struct scan_source {
	struct store *store;
	struct journal *journal; /* NULL: nothing waits for the store */
	struct registry *registry;
	const struct profile_set *profiles;
	const struct calendar *calendar;
	const struct vee_rules *rules;
};

struct scan;

/* All of `source` outlives it. */
MUST_USE enum result scan_new(const struct scan_source *source, struct scan **out,
                              struct error *err);
/* Ends a scan under way. NULL is fine. */
void scan_free(struct scan *s);

/* The local days of a day or a month. RESULT_INPUT: neither. */
MUST_USE enum result scan_period(const char *text, int32_t *from_day, int32_t *end_day,
                                 struct error *err);

/* Begin over the meters whose ids begin with `prefix`; what was kept of the period goes.
 * RESULT_INPUT: no period, one in the future, or a scan is under way. */
MUST_USE enum result scan_begin(struct scan *s, const char *period, const char *prefix,
                                struct error *err);

struct scan_rule {
	uint64_t findings, meters;
};

struct scan_status {
	bool running;
	char period[SCAN_PERIOD_BYTES]; /* "": none since the start */
	uint64_t total, done;           /* meters */
	uint64_t found;                 /* meters on which something was found */
	uint64_t complete, enough, silent; /* meters with all, at least the rules' share, and no
	                                    * actual values */
	struct scan_rule rule[VEE_RULE_COUNT];
	uint64_t waited_ms; /* for readings to be stored, all threads together */
	uint64_t cpu_us;
	int64_t began_ms, ended_ms;
	char failure[ERROR_TEXT_BYTES]; /* why it ended early; "": it did not */
};
void scan_status_get(struct scan *s, struct scan_status *status);

/* Summaries that are kept, by period. */
MUST_USE enum result scan_summaries(struct scan *s, json_t **out, struct error *err);

/* What was found in a period on the meters behind `after`, by id: by one rule, or by all
 * (VEE_RULE_COUNT). False from `fn` ends it. */
typedef bool scan_fn(void *context, const char *meter, const struct vee_finding *findings,
                     uint32_t count);
MUST_USE enum result scan_list(struct scan *s, const char *period, const char *after,
                               unsigned rule, scan_fn *fn, void *context, struct error *err);

/* Findings of all scans since the start, by rule. */
extern const struct counter_info scan_counter_info[VEE_RULE_COUNT];
const _Atomic uint64_t *scan_counters(const struct scan *s);

#endif
