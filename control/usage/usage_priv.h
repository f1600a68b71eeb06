/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage of whatever has a register: one meter, or the meters of a service point one after the
 * other (point.c). Private to control/usage.
 */
#ifndef HEADRACE_USAGE_USAGE_PRIV_H
#define HEADRACE_USAGE_USAGE_PRIV_H

#include "control/usage/usage.h"

/* A register as it was read, ascending in time. */
struct usage_points {
	struct vee_point *all;
	uint32_t count, capacity;
	uint32_t falls; /* points below the one before them */
	uint32_t interval_s;
	uint32_t dials; /* by the profile; in kWh */
};

/* False: no memory. */
MUST_USE bool usage_points_add(struct usage_points *p, int64_t at_s, int64_t value_mwh);

struct usage_subject;

/* Read what `subject` counted with from_s <= time < to_s. `out` is empty before; on failure the
 * caller frees what is in it, too. */
typedef enum result usage_read_fn(const struct usage_source *source,
                                  const struct usage_subject *subject, int64_t from_s,
                                  int64_t to_s, struct usage_points *out, struct error *err);

struct usage_subject {
	usage_read_fn *read;
	uint32_t device; /* number; DEVICE_NONE where there is not one alone */
	uint32_t dials;  /* of the register in kWh; 0: the profile's */
	const void *context;
};

/* usage_read_fn of one meter. */
usage_read_fn usage_read_meter;

MUST_USE enum result usage_load_subject(const struct usage_source *source,
                                        const struct usage_subject *subject, int32_t from_day,
                                        int32_t end_day, struct usage *out, struct error *err);

#endif
