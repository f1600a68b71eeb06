/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bills as documents: drawn up from usage and a tariff, closed, kept, and adjusted when late
 * readings change what was billed.
 *
 * A service point is billed that had a meter at any time of the month: one bill for each customer,
 * for the days on which the registry's agreements say so, by the tariffs of those days. A meter is
 * billed by itself that was at no point in the month. So no meter is billed twice.
 *
 * Kept in the store's STORE_CONTROL space as JSON:
 *
 *   "bill/2026-03/SM-00001"            a meter's; "state" closed, or not_billed with its cause
 *   "bill/2026-03/^SP-1^01"            a point's first bill of the month; ^ is the byte 1, which
 *                                      no id has
 *   "adjust/2026-03/SM-00001/0001"     adjustments of either, numbered
 *
 * A run closes what is not closed yet: run twice, it changes nothing; interrupted, it goes on where
 * it was when it is run again. A closed bill is never changed: a review draws it up anew, and where
 * the values, the days or the tariffs have changed (by their digest) the difference becomes an
 * adjustment, once. Days that an adjustment has let go of are billed by the next run, never before.
 *
 * Threads: ordinary ones; runs and reviews work in a thread of the module's own, one at a time.
 */
#ifndef HEADRACE_INVOICES_INVOICES_H
#define HEADRACE_INVOICES_INVOICES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "control/config/tariffs.h"
#include "control/registry/registry.h"
#include "control/usage/usage.h"

#define MONTH_BYTES 8 /* "2026-03" */

struct invoices_source {
	struct store *store;
	struct registry *registry;
	const struct profile_set *profiles;
	const struct calendar *calendar;
	const struct vee_rules *rules;
	const struct tariff_book *tariffs;
};

struct invoices;

/* All of `source` outlives it. */
MUST_USE enum result invoices_new(const struct invoices_source *source, struct invoices **out,
                                  struct error *err);
/* Ends a run under way; what it closed so far stays. NULL is fine. */
void invoices_free(struct invoices *iv);

/* "2026-03" and the like. */
bool invoices_is_month(const char *text);

/* Which bill. */
struct bill_name {
	const char *id;    /* of a meter or a service point; of a meter at a point: the point's */
	const char *month; /* "2026-03" */
	unsigned number;   /* of a point's bills of the month; 0: the first */
	int32_t day;       /* with number 0: the one with this local day; 0: any */
};

/* Draw up a bill without keeping it, all of it by one tariff. RESULT_ABSENT: no such meter, point
 * or tariff. RESULT_INPUT: not a month, or it can't be billed, as *err says: too few values, or no
 * version of the tariff rules. */
MUST_USE enum result invoices_draw(struct invoices *iv, const struct bill_name *name,
                                   const char *tariff, json_t **out, struct error *err);

/* What is kept of a bill, with "adjustments", an array, in it; of a point's also "of": how many it
 * has of the month. RESULT_ABSENT: nothing. */
MUST_USE enum result invoices_get(struct invoices *iv, const struct bill_name *name, json_t **out,
                                  struct error *err);

/* All that is kept of a month of one id, as invoices_get finds it: an array, empty where there is
 * nothing. */
MUST_USE enum result invoices_list_of(struct invoices *iv, const char *month, const char *id,
                                      json_t **out, struct error *err);

/* What the lines of a bill were made of, piece by piece: {"pieces":[...], "as_closed": ...}, which
 * is false when the values have changed since it was closed. `tariff` NULL: as the closed bill.
 * Errors as those of invoices_draw and invoices_get. */
MUST_USE enum result invoices_pieces(struct invoices *iv, const struct bill_name *name,
                                     const char *tariff, json_t **out, struct error *err);

/* Which lines of a closed bill the interval that begins at start_s counts in: an array of {tariff,
 * tariff_version, tier, period, kwh}, more than one where it crosses the limit of a tier. By the
 * values as they are now. */
MUST_USE enum result invoices_lines(struct invoices *iv, const struct bill_name *name,
                                    int64_t start_s, json_t **out, struct error *err);

/* What is kept of a month, points first, by id, that begin with `prefix`; false from `fn` ends it.
 * The text is the document. */
typedef bool invoices_fn(void *context, const char *text, size_t bytes);
MUST_USE enum result invoices_list(struct invoices *iv, const char *month, const char *prefix,
                                   invoices_fn *fn, void *context, struct error *err);
/* The same behind a bill ("": from the first on); `ref` names it, for the next call and for
 * invoices_get_ref. */
#define BILL_REF_BYTES (DEVICE_ID_BYTES + 8)
typedef bool invoices_ref_fn(void *context, const char *ref);
MUST_USE enum result invoices_list_after(struct invoices *iv, const char *month,
                                         const char *prefix, const char *after,
                                         invoices_ref_fn *fn, void *context, struct error *err);
MUST_USE enum result invoices_get_ref(struct invoices *iv, const char *month, const char *ref,
                                      json_t **out, struct error *err);

enum invoices_work { INVOICES_NONE, INVOICES_RUN, INVOICES_REVIEW };

/* Begin a run over all points and meters whose ids begin with `prefix`, or a review of what is
 * closed. `tariff` is that of a run where a point names none, and of meters that are at no point;
 * "": there is none, they are not billed. RESULT_INPUT: wrong month, no such tariff, or one is
 * under way. */
MUST_USE enum result invoices_begin(struct invoices *iv, enum invoices_work work,
                                    const char *month, const char *tariff, const char *prefix,
                                    struct error *err);

struct invoices_status {
	enum invoices_work work; /* the last one begun */
	bool running;
	char month[MONTH_BYTES], tariff[TARIFF_NAME_BYTES];
	uint64_t total;      /* meters */
	uint64_t done;       /* looked at */
	uint64_t closed;     /* bills closed by this run */
	uint64_t kept;       /* that were closed before, or a review found unchanged */
	uint64_t not_billed; /* too few values */
	uint64_t adjusted;   /* by a review */
	uint64_t elapsed_us; /* since it was begun, or that it took */
	uint64_t cpu_us;     /* of its threads, together */
	char failure[ERROR_TEXT_BYTES]; /* why it ended early; "": it did not */
};
void invoices_status_get(struct invoices *iv, struct invoices_status *status);

#endif
