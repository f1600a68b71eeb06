/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of a month's bill an interval counts in. Thread: any ordinary one. */
#ifndef HEADRACE_INVOICES_TRACE_H
#define HEADRACE_INVOICES_TRACE_H

#include "control/invoices/invoices.h"

/* An array of {tariff_version, tier, period, kwh}: more than one where the interval crosses the
 * limit of a tier. By the values as they are now. RESULT_ABSENT: no such meter or tariff.
 * RESULT_INPUT: the month can't be billed. */
MUST_USE enum result invoices_trace(struct invoices *iv, const char *id, const char *month,
                                    const char *tariff, int64_t start_s, json_t **out,
                                    struct error *err);

#endif
