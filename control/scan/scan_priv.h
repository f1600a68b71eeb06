/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/scan. */
#ifndef HEADRACE_SCAN_PRIV_H
#define HEADRACE_SCAN_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/scan/scan.h"

#define SCAN_KEY_BYTES (SCAN_PERIOD_BYTES + DEVICE_ID_BYTES + 16)

struct scan {
	struct scan_source source;
	_Atomic uint64_t counters[VEE_RULE_COUNT];
	pthread_mutex_t lock; /* of all below */
	struct scan_status status;
	char prefix[DEVICE_ID_BYTES + 1];
	int32_t from_day, end_day;
	pthread_t thread;
	bool started; /* the thread has to be joined */
	atomic_bool stopping;
};

/* --- kept.c: what is kept --- */

/* A meter's findings on their way to the store. */
struct scan_entry {
	char key[SCAN_KEY_BYTES];
	char *text;
};
MUST_USE enum result scan_entry_make(const char *period, const char *meter,
                                     const struct vee_finding *findings, uint32_t count,
                                     struct scan_entry *out, struct error *err);
/* All of them, which are freed. */
MUST_USE enum result scan_entries_put(struct store *store, struct scan_entry *entries,
                                      uint32_t count, struct error *err);
MUST_USE enum result scan_summary_put(struct store *store, const struct scan_status *status,
                                      struct error *err);
/* Forget a period; and the oldest, when there are too many. */
MUST_USE enum result scan_forget(struct store *store, const char *period, struct error *err);
MUST_USE enum result scan_forget_old(struct store *store, struct error *err);

/* --- work.c --- */
void *scan_work(void *scan);

#endif
