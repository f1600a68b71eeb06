/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bills as documents: drawn up from usage and a tariff, closed, kept, and adjusted when late
 * readings change what was billed.
 *
 * Kept in the store's STORE_CONTROL space as JSON, one entry for each meter and month:
 *
 *   "bill/2026-03/SM-00001"        the bill; "state" closed, or not_billed with its cause
 *   "adjust/2026-03/SM-00001/0001" adjustments, numbered
 *
 * A run goes through the meters by id and closes what is not closed yet: run twice, it changes
 * nothing; interrupted, it goes on where it was when it is run again. A closed bill is never
 * changed: a review draws it up anew, and where the values have changed (by their digest) the
 * difference becomes an adjustment, once.
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

/* Draw up the bill of a month, "2026-03", without keeping it. RESULT_ABSENT: no such meter or
 * tariff. RESULT_INPUT: not a month, or it can't be billed, as *err says: too few values, or no
 * version of the tariff rules. */
MUST_USE enum result invoices_draw(struct invoices *iv, const char *id, const char *month,
                                   const char *tariff, json_t **out, struct error *err);

/* What is kept of a meter's month: the bill, with "adjustments", an array, in it. RESULT_ABSENT:
 * nothing. */
MUST_USE enum result invoices_get(struct invoices *iv, const char *id, const char *month,
                                  json_t **out, struct error *err);

/* What the lines of a bill were made of, piece by piece: {"pieces":[...], "as_closed": ...}, which
 * is false when the values have changed since it was closed. `tariff` NULL: that of the closed
 * bill. Errors as those of invoices_draw and invoices_get. */
MUST_USE enum result invoices_pieces(struct invoices *iv, const char *id, const char *month,
                                    const char *tariff, json_t **out, struct error *err);

/* What is kept of a month, by id, from `prefix` on; false from `fn` ends it. The text is the
 * document. */
typedef bool invoices_fn(void *context, const char *text, size_t bytes);
MUST_USE enum result invoices_list(struct invoices *iv, const char *month, const char *prefix,
                                   invoices_fn *fn, void *context, struct error *err);
/* The same behind an id ("": from the first on); `id` is given, too. */
typedef bool invoices_id_fn(void *context, const char *id, const char *text, size_t bytes);
MUST_USE enum result invoices_list_after(struct invoices *iv, const char *month,
                                         const char *prefix, const char *after,
                                         invoices_id_fn *fn, void *context, struct error *err);

enum invoices_work { INVOICES_NONE, INVOICES_RUN, INVOICES_REVIEW };

/* Begin a run over all meters whose ids begin with `prefix` (with a tariff), or a review of what is
 * closed (tariff NULL). RESULT_INPUT: wrong month, no such tariff, or one is under way. */
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
