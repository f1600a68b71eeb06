/* SPDX-License-Identifier: Apache-2.0 */
/* Service points and customers in a change. Private to control/registry. */
#ifndef HEADRACE_REGISTRY_POINTS_PRIV_H
#define HEADRACE_REGISTRY_POINTS_PRIV_H

#include "control/registry/point_text.h"
#include "control/registry/registry_priv.h"

/* "m/" meter NUL point. Returns its length; with an empty point it is the prefix of all of a
 * meter's. */
#define METER_KEY_BYTES (2 + DEVICE_ID_BYTES + 1 + POINT_ID_BYTES + 1)
size_t meter_key(const char *meter, const char *point, char out[METER_KEY_BYTES]);

/* The points at which a meter is or was. `c` NULL: as the store has them. free() ids. */
struct places {
	char (*ids)[POINT_ID_BYTES + 1];
	uint32_t count;
	size_t prefix_bytes; /* for places_find alone, as is: */
	bool no_memory;
};
MUST_USE enum result places_find(struct store *store, struct change *c, const char *meter,
				 struct places *out, struct error *err);

/* As this change has left it. RESULT_ABSENT: none. */
MUST_USE enum result change_point(struct change *c, const char *id, struct service_point *out,
				  struct error *err);
MUST_USE enum result change_customer(struct change *c, const char *id, struct customer *out,
				     struct error *err);

/* registry_point_of, as this change has left it. */
MUST_USE enum result change_point_of(struct change *c, const char *meter, int64_t at_s,
				     struct service_point *out, struct error *err);

/*
 * Put it in; `old` as change_point gave it, NULL: it is new. Its installations are put in order and
 * checked; the devices that are installed learn of it. CHANGE_REFUSED: see `cause`, nothing was
 * changed.
 */
MUST_USE enum result change_put_point(struct change *c, struct service_point *p,
				      const struct service_point *old, enum change_kind *kind,
				      char cause[FIELD_CAUSE_BYTES], struct error *err);
MUST_USE enum result change_put_customer(struct change *c, const struct customer *now,
					 const struct customer *old, enum change_kind *kind,
					 struct error *err);

/* Put a file's line in: what it does not mention stays. */
MUST_USE enum result change_put_line(struct change *c, const struct point_line *line,
				     enum change_kind *kind, char cause[FIELD_CAUSE_BYTES],
				     struct error *err);

/* --- agreements.c --- */

/* What a line says of customer and tariff, into the point. False: see `cause`. */
bool agreements_merge(struct service_point *p, const struct point_line *line,
		      char cause[FIELD_CAUSE_BYTES]);
/* Can it be so? `old` NULL: it is new. False: see `cause`. */
bool agreements_check(const struct change *c, const struct service_point *p,
		      const struct service_point *old, char cause[FIELD_CAUSE_BYTES]);

/* --- installations.c --- */

/* In order, and free of contradictions by itself and with the meters' other points at all times.
 * False: see `cause`. Not RESULT_OK: the store failed. */
MUST_USE enum result installations_check(struct change *c, struct service_point *p, bool *good,
					 char cause[FIELD_CAUSE_BYTES], struct error *err);

#endif
