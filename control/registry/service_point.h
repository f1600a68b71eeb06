/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service points: where energy is delivered, to which customer by which tariff, from which day on;
 * and the meters that were installed there, one after the other, each with effective dates, a
 * ratio, and what its register said at installation and at removal. Customers: who pays.
 *
 * Kept in the store's STORE_REGISTRY space (point_record.c; "p/" + id, "c/" + id, and
 * "m/" + meter, NUL, point: where a meter is or was). At one time a point has one meter and a
 * meter is at one point. A change is one write: all of it or nothing, with its entry in the
 * history.
 *
 * Threads: any ordinary thread, all functions at once. They never read a clock: who changes
 * something, and when, is in struct registry_author.
 */
#ifndef HEADRACE_REGISTRY_SERVICE_POINT_H
#define HEADRACE_REGISTRY_SERVICE_POINT_H

#include "control/registry/ratio.h"
#include "control/registry/registry.h"

#define POINT_ID_BYTES    63
#define CUSTOMER_ID_BYTES 64
#define TARIFF_ID_BYTES   64
#define INSTALLATIONS_MAX 32 /* of one point */
#define AGREEMENTS_MAX    32 /* of one point */

#define INSTALLATION_OPEN INT64_MIN /* to_s: the meter is still there */
#define REGISTER_UNKNOWN  INT64_MIN /* initial_mwh, final_mwh */

/* A meter at a point, from_s <= time < to_s (UTC seconds). */
struct installation {
	char meter[DEVICE_ID_BYTES + 1];
	int64_t from_s, to_s;
	struct ratio ratio; /* energy at the point = what the register counts * ratio */
	uint32_t dials;     /* of the register in kWh; 0: the device's, or its profile's */
	int64_t initial_mwh, final_mwh; /* what the register said at from_s and to_s */
};

static inline int64_t installation_end_s(const struct installation *in)
{
	return in->to_s == INSTALLATION_OPEN ? INT64_MAX : in->to_s;
}

/* Who is supplied by which tariff from a local day on, until the next one of the point begins. */
struct agreement {
	int32_t from_day;
	char customer[CUSTOMER_ID_BYTES + 1]; /* "": nobody */
	char tariff[TARIFF_ID_BYTES];         /* "": none of its own */
};

struct service_point {
	char id[POINT_ID_BYTES + 1];
	enum device_state state;
	/* the last agreement's: */
	char customer[CUSTOMER_ID_BYTES + 1]; /* "": none */
	char tariff[TARIFF_ID_BYTES];         /* "": none */
	int32_t since_day;                    /* FIELD_NO_DAY: they hold since ever */
	char address[256];
	char groups[GROUPS_BYTES];
	int32_t latitude, longitude;
	uint32_t installation_count;
	struct installation installations[INSTALLATIONS_MAX]; /* by from_s */
	uint32_t agreement_count; /* 0: customer and tariff hold since ever */
	struct agreement agreements[AGREEMENTS_MAX]; /* by from_day; nobody before the first */
};

struct customer {
	char id[CUSTOMER_ID_BYTES + 1];
	char name[128];
	char contact[128]; /* a person, a telephone number */
	char address[256]; /* for invoices */
	char email[128];
};

/* --- look-ups --- */

/* RESULT_ABSENT: no such point, no such customer. */
MUST_USE enum result registry_point_get(struct registry *r, const char *id,
					struct service_point *out, struct error *err);
MUST_USE enum result registry_customer_get(struct registry *r, const char *id, struct customer *out,
					   struct error *err);

/* False ends the listing. Called without the lock. */
typedef bool registry_point_fn(void *context, const struct service_point *point);
typedef bool registry_customer_fn(void *context, const struct customer *customer);

/* Those whose id starts with `prefix`, by id, behind the id `after` (NULL: from the first). */
MUST_USE enum result registry_points(struct registry *r, const char *prefix, const char *after,
				     registry_point_fn *fn, void *context, struct error *err);
MUST_USE enum result registry_customers(struct registry *r, const char *prefix, const char *after,
					registry_customer_fn *fn, void *context, struct error *err);

/* The point at which a meter is installed at an instant. RESULT_ABSENT: at none. */
MUST_USE enum result registry_point_of(struct registry *r, const char *meter, int64_t at_s,
				       struct service_point *out, struct error *err);

/* The points at which a meter is or was. */
MUST_USE enum result registry_points_of(struct registry *r, const char *meter,
					registry_point_fn *fn, void *context, struct error *err);

/* The installation at an instant; NULL: no meter was there. */
const struct installation *point_installation_at(const struct service_point *p, int64_t at_s);

/* The agreement of a local day, with the day on which another one begins (INT32_MAX: never). Before
 * the first: nobody, without a tariff. */
struct agreement point_agreement_on(const struct service_point *p, int32_t day, int32_t *end_day);

/* --- changes --- */

/* Is there such a tariff? Imports refuse those that are not; without it any name is taken. `known`
 * is called with the registry's lock held. Before any import. */
typedef bool registry_tariff_fn(void *context, const char *tariff);
void registry_set_tariffs(struct registry *r, registry_tariff_fn *known, void *context);

/* Change a point by a line of an import as JSON, without the id: an object. With "since" its
 * customer and tariff hold from that day on; without it those that hold last are corrected.
 * RESULT_ABSENT: no such point. RESULT_INPUT: as err says, nothing was changed. */
MUST_USE enum result registry_point_set(struct registry *r, const struct registry_author *author,
					const char *point, const char *json, size_t bytes,
					struct error *err);

struct point_swap {
	const char *meter; /* the new one */
	int64_t at_s;
	int64_t final_mwh, initial_mwh; /* of the old and the new one; REGISTER_UNKNOWN: not read */
	struct ratio ratio;             /* of the new one; 0/0: as the old one's */
	uint32_t dials;
};

/*
 * The meter that is at the point ends, the new one begins; where none is there, the new one is the
 * first. From then on the data path does not hold the new one's register against older readings.
 * RESULT_ABSENT: no such point or meter. RESULT_INPUT: the dates or values contradict what is
 * known; nothing was changed.
 */
MUST_USE enum result registry_point_swap(struct registry *r, const struct registry_author *author,
					 const char *point, const struct point_swap *swap,
					 struct error *err);

/* The meter that is at the point is taken away. */
MUST_USE enum result registry_point_remove(struct registry *r, const struct registry_author *author,
					   const char *point, int64_t at_s, int64_t final_mwh,
					   struct error *err);

/*
 * The register of a meter counts anew from at_s on, from initial_mwh. Readings from then on are not
 * held against older ones; where the meter is at a point, its installation ends with `final_mwh`
 * and goes on with a new one.
 */
MUST_USE enum result registry_device_reset(struct registry *r, const struct registry_author *author,
					   const char *meter, int64_t at_s, int64_t final_mwh,
					   int64_t initial_mwh, struct error *err);

#endif
