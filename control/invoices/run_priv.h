/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread of a run or a review does with meters. Private to control/invoices. */
#ifndef HEADRACE_INVOICES_RUN_PRIV_H
#define HEADRACE_INVOICES_RUN_PRIV_H

#include "control/invoices/invoices_priv.h"
#include "control/usage/page.h"

/* Documents of a group of meters: a bill each, or an adjustment. */
#define JOB_DOCUMENTS_MAX STORE_GROUP_DEVICES

struct job_count {
	uint64_t closed, kept, not_billed, adjusted;
};

struct job_document {
	char key[KEY_BYTES];
	char *text;
};

struct job {
	const struct invoices_source *source;
	enum invoices_work work;
	char month[MONTH_BYTES], tariff[TARIFF_NAME_BYTES];
	struct usage_page page;
	struct job_document documents[JOB_DOCUMENTS_MAX]; /* drawn, not kept yet */
	uint32_t document_count;
	struct job_count count;
	uint64_t cpu_us; /* of the thread, when it was last told */
	struct error err;
};

/* Have the meter's page of readings at hand. */
MUST_USE enum result bill_job_load(struct job *job, uint32_t number);

/* Draw the meter's bill, closed, or say why there is none. */
MUST_USE enum result bill_job_close(struct job *job, const struct device *d);
/* Draw the closed bill's adjustment, if it needs one. */
MUST_USE enum result bill_job_review(struct job *job, const struct device *d);

/* Keep what was drawn: all of it or nothing. */
MUST_USE enum result bill_job_keep(struct job *job, struct error *err);

void bill_job_fini(struct job *job);

#endif
