/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread of a run or a review does with meters. Private to control/invoices. */
#ifndef HEADRACE_INVOICES_RUN_PRIV_H
#define HEADRACE_INVOICES_RUN_PRIV_H

#include "control/invoices/invoices_priv.h"
#include "control/usage/page.h"

struct job_count {
	uint64_t closed, kept, not_billed, adjusted;
};

struct job_document {
	char key[KEY_BYTES];
	char *text; /* NULL: the one that is there goes */
};

struct job {
	const struct invoices_source *source;
	enum invoices_work work;
	char month[MONTH_BYTES], tariff[TARIFF_NAME_BYTES];
	const char *prefix; /* of the ids of those whose bills are drawn */
	struct usage_page page;
	struct job_document *documents; /* drawn, not kept yet */
	uint32_t document_count, document_capacity;
	struct job_count count;
	uint64_t cpu_us; /* of the thread, when it was last told */
	struct error err;
};

/* Draw what belongs to a meter, or review it: its own bill (`closed`: there is one), and the bills
 * of the points at which it was the last in the month. */
MUST_USE enum result bill_job_meter(struct job *job, const char *id, uint32_t number, bool closed);

/* Keep what was drawn: all of it or nothing. */
MUST_USE enum result bill_job_keep(struct job *job, struct error *err);

void bill_job_fini(struct job *job);

/* --- for both kinds --- */

/* Put a document to those that are kept together; it is ours then. NULL, `remove`: it goes. */
MUST_USE enum result bill_job_put(struct job *job, const char *key, json_t *document, bool remove);
/* Draw the subject's bill, closed, or say why there is none. */
MUST_USE enum result bill_job_close(struct job *job, const struct bill_subject *s);
/* Draw the adjustment of a closed bill, if it needs one. */
MUST_USE enum result bill_job_compare(struct job *job, const struct bill_subject *s,
                                      const json_t *bill, const json_t *adjustments);
/* `is` has the bill's digest, kwh and total as they should be. */
MUST_USE enum result bill_job_adjust(struct job *job, const struct bill_subject *s,
                                     const json_t *was, const json_t *is, unsigned number);

/* --- point_job.c --- */

MUST_USE enum result point_job_close(struct job *job, const struct service_point *p);
MUST_USE enum result point_job_review(struct job *job, const struct service_point *p);

#endif
