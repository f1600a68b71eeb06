/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that an operator has put in the place of a meter's: who, when, why. An edit lies over what
 * was read or estimated and never changes that; it stays until it is withdrawn, and is kept then.
 * Where edits overlap the later one counts.
 *
 * Kept in the store's STORE_CONTROL space as JSON, "edit/0000000042/000001" for the first edit of
 * device 42.
 *
 * Threads: any ordinary ones. Memory: malloc.
 */
#ifndef HEADRACE_USAGE_EDITS_H
#define HEADRACE_USAGE_EDITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "control/vee/vee.h"
#include "storage/store/store.h"

#define EDIT_WHO_BYTES     64
#define EDIT_REASON_BYTES  256
#define EDIT_INTERVALS_MAX 3000 /* a month of quarter hours */

struct usage_edit {
	uint32_t number; /* from 1, of the meter */
	int64_t from_s;
	int32_t interval_s;
	uint32_t count;
	int64_t *energy_mwh; /* of each interval */
	int64_t made_ms;
	char who[EDIT_WHO_BYTES], reason[EDIT_REASON_BYTES];
	bool withdrawn;
	int64_t withdrawn_ms;
	char withdrawn_who[EDIT_WHO_BYTES], withdrawn_reason[EDIT_REASON_BYTES];
};

struct usage_edits {
	uint32_t count;
	struct usage_edit *edits; /* by number */
};

/* All of a device. On success freed by usage_edits_free. RESULT_MEDIA: one is damaged. */
MUST_USE enum result usage_edits_load(struct store *store, uint32_t device,
                                      struct usage_edits *out, struct error *err);
void usage_edits_free(struct usage_edits *edits);

/* Keep an edit; it gets the next number. RESULT_INPUT: no reason, no name, too long, no or too many
 * intervals, a negative value. */
MUST_USE enum result usage_edit_add(struct store *store, uint32_t device, struct usage_edit *edit,
                                    struct error *err);

/* RESULT_ABSENT: there is no such edit. RESULT_INPUT: it is withdrawn already, or no reason. */
MUST_USE enum result usage_edit_withdraw(struct store *store, uint32_t device, uint32_t number,
                                         const char *who, const char *reason, int64_t now_ms,
                                         struct error *err);

/* Lay the edits that are not withdrawn over a row: an interval that one covers wholly gets its
 * energy (its share by time, where the edit's intervals are of another length). */
void usage_edits_apply(const struct usage_edits *edits, struct vee_row *row);

/* Does one that is not withdrawn touch the time? */
bool usage_edits_touch(const struct usage_edits *edits, int64_t from_s, int64_t to_s);

static inline int64_t usage_edit_end_s(const struct usage_edit *e)
{
	return e->from_s + (int64_t)e->count * e->interval_s;
}

#endif
