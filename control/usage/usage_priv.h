/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage of whatever has a register: one meter, or several one after the other. Private to
 * control/usage.
 */
#ifndef HEADRACE_USAGE_USAGE_PRIV_H
#define HEADRACE_USAGE_USAGE_PRIV_H

#include "control/usage/page.h"
#include "control/usage/usage.h"

/* --- points.c: a register as it was read --- */

/* What a stored reading says of its register. */
struct usage_row {
	int64_t ts_ms, meter_ts_ms;
	int64_t value;     /* canonical units of the channel */
	int64_t parts_mwh; /* registers by time of use; -1: it has none */
	int32_t drift_s;   /* of the meter's clock, where flagged or replaced */
	uint16_t flags;    /* READING_F_* */
	uint8_t profile, channel;
};

/* False: it has none. */
bool usage_row_of(const struct usage_source *source, const struct stored_reading *r,
                  struct usage_row *row);

/* Canonical units of its register to mWh. */
int64_t usage_to_mwh(int64_t value, const struct profile *p);

struct usage_points {
	struct vee_point *all; /* ascending in time */
	uint32_t count, capacity;
	uint32_t falls;
	struct usage_fall fall[USAGE_FALLS_MAX]; /* the first of them */
	uint32_t interval_s;
	const struct profile *profile; /* of the last reading; NULL: there is none */
};

/* A point behind the others. False: no memory. */
MUST_USE bool usage_points_add(struct usage_points *p, const struct vee_point *point);

struct usage_subject;

/* Read what `subject` counted with from_s <= time < to_s. `out` is empty before; on failure the
 * caller frees what is in it, too. */
typedef enum result usage_read_fn(const struct usage_source *source,
                                  const struct usage_subject *subject, int64_t from_s,
                                  int64_t to_s, struct usage_points *out, struct error *err);

/* Edits that lie over what the subject counted; freed by usage_edits_free. */
typedef enum result usage_edited_fn(const struct usage_source *source,
				    const struct usage_subject *subject, struct usage_edits *out,
				    struct error *err);

struct usage_subject {
	usage_read_fn *read;
	usage_edited_fn *edited; /* NULL: those of `device` */
	uint32_t device;         /* number; DEVICE_NONE where there is not one alone */
	uint32_t dials;  /* of the register in kWh; 0: the profile's */
	const void *context;
};

/* usage_read_fn of one meter. */
usage_read_fn usage_read_meter;

/* What a register said when its meter was installed and removed, in mWh; INT64_MIN: not known, or
 * not within what is read. */
struct usage_ends {
	int64_t initial_mwh, final_mwh;
	int64_t from_s, to_s;
};

/* The same with points for the ends. */
MUST_USE enum result usage_read_between(const struct usage_source *source,
					const struct usage_subject *subject, int64_t from_s,
					int64_t to_s, const struct usage_ends *ends,
					struct usage_points *out, struct error *err);

/* With what lies near the ends. On success out->all is to be freed. */
MUST_USE enum result usage_points_load(const struct usage_source *source,
                                       const struct usage_subject *subject, int64_t from_s,
                                       int64_t to_s, struct usage_points *out, struct error *err);
/* So far beyond an instant lie the readings that may stand for it, by any version of the rules. */
int64_t usage_margin_s(const struct vee_rules *rules);
/* As a version of the rules takes it, for intervals of a length. */
struct vee_register usage_points_register(const struct usage_points *p,
                                          const struct vee_rules *rules, int32_t interval_s);

/* --- history.c: the days before --- */

struct usage_week; /* of days before those that are at hand */

/* Of each day the row as it was read, made when it is first asked for. */
struct usage_history {
	const struct usage_source *source;
	const struct usage_subject *subject;
	const struct usage_edits *edits;
	const struct usage_points *points; /* of the days from known_day on */
	int32_t interval_s;
	int32_t from_day, known_day, end_day;
	struct usage_week *weeks; /* before known_day, the nearest first */
	struct vee_row *days;     /* intervals NULL: not made yet */
};

/* Some days of the meter of `u`, whose points are at hand, and those before them as far back as the
 * rules look, which are read week by week when they are asked for. All that it is given outlives
 * it. */
void usage_history_init(struct usage_history *h, const struct usage_source *source,
                        const struct usage_subject *subject, const struct usage *u,
                        const struct usage_points *points, int32_t from_day, int32_t end_day);
void usage_history_free(struct usage_history *h);

/* A day's row. RESULT_ABSENT: beyond the history. */
MUST_USE enum result usage_history_day(struct usage_history *h, int32_t day,
                                       const struct vee_row **row, struct error *err);

/* Up to `most` days before `day` that are like it, nearest first: of its kind, read as a whole, not
 * edited, without an outage. */
MUST_USE enum result usage_history_like(struct usage_history *h, int32_t day, uint32_t most,
                                        int32_t days[VEE_LIKE_DAYS_MAX], uint32_t *count,
                                        struct error *err);

/* --- usage.c --- */

MUST_USE enum result usage_load_subject(const struct usage_source *source,
                                        const struct usage_subject *subject, int32_t from_day,
                                        int32_t end_day, struct usage *out, struct error *err);

/* The same with what it was made of: both are to be freed, too, on success. */
MUST_USE enum result usage_build(const struct usage_source *source,
                                 const struct usage_subject *subject, int32_t from_day,
                                 int32_t end_day, struct usage *out, struct usage_points *points,
                                 struct usage_history *history, struct error *err);

#endif
