/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/invoices. */
#ifndef HEADRACE_INVOICES_PRIV_H
#define HEADRACE_INVOICES_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/billing/bill.h"
#include "control/invoices/invoices.h"

#define KEY_BYTES (32 + DEVICE_ID_BYTES)

struct invoices {
	struct invoices_source source;
	pthread_mutex_t lock; /* of all below */
	struct invoices_status status;
	uint64_t begun_us; /* clock_mono_us */
	char prefix[DEVICE_ID_BYTES + 1];
	pthread_t thread;
	bool started; /* the thread has to be joined */
	atomic_bool stopping;
};

/* A month's local days. RESULT_INPUT: not a month. */
MUST_USE enum result month_days(const char *month, int32_t *from_day, int32_t *end_day,
                                struct error *err);

/* --- document.c --- */

/* A bill while it is made. */
struct drawing {
	/* the caller's */
	const struct usage_page *page; /* readings at hand; NULL: none */
	const struct device *device;
	const char *month;
	void (*trace)(void *context, uint32_t interval, uint32_t line, int64_t energy_mwh);
	void *trace_context;
	/* made */
	struct usage_source from;
	struct usage usage;
	struct bill bill;
};

/* On success the caller frees d->usage. RESULT_INPUT: not billable; RESULT_ABSENT: no such
 * tariff. */
MUST_USE enum result drawing_make(const struct invoices_source *source, const char *tariff,
                                  struct drawing *d, struct error *err);
json_t *digest_of(const struct usage *u);
json_t *time_text(int64_t at_s);

/* The bill of a device: *out is new. `page` may have its readings at hand (NULL: none is there).
 * RESULT_INPUT: not billable. */
MUST_USE enum result document_draw(const struct invoices_source *source,
                                   const struct usage_page *page, const struct device *d,
                                   const char *month, const char *tariff, json_t **out,
                                   struct error *err);
struct usage_source usage_source_of(const struct invoices_source *source,
                                    const struct usage_page *page);
/* What stands in the place of a bill that could not be drawn up. */
json_t *document_not_billed(const char *id, const char *month, const char *tariff,
                            const char *cause);

/* --- records.c --- */

/* Is a document's text that of a closed bill? */
bool document_is_closed(const void *text, size_t bytes);
/* RESULT_ABSENT: no such key. */
MUST_USE enum result document_get(struct store *s, const char *key, json_t **out,
                                struct error *err);
/* The array of a bill's adjustments; empty when there are none. */
MUST_USE enum result document_adjustments(struct store *s, const char *month, const char *id,
                                        json_t **out, struct error *err);
void key_of_bill(char key[KEY_BYTES], const char *month, const char *id);
void key_of_adjustment(char key[KEY_BYTES], const char *month, const char *id, unsigned number);

/* --- run.c --- */
void *invoices_work(void *iv);

#endif
