/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bills (control/invoices' documents) as CSV and as a page to print. Private to control/api.
 * Pure: the same document gives the same text.
 */
#ifndef HEADRACE_API_INVOICE_TEXT_H
#define HEADRACE_API_INVOICE_TEXT_H

#include <jansson.h>

#include "control/api/text.h"

/* A header and a row for each line of the bill, then its total and its adjustments. */
void invoice_put_csv(struct text *t, const json_t *bill);

/* A row for each bill of many. */
void invoice_put_row_header(struct text *t);
void invoice_put_row(struct text *t, const json_t *bill);

/* One HTML document that needs nothing from elsewhere. */
void invoice_put_html(struct text *t, const json_t *bill);

#endif
