/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service points, installations and customers by the names of their fields, and as the store keeps
 * them (point_record.c). Private to control/registry but for the *_json functions, with which the
 * API shows them.
 */
#ifndef HEADRACE_REGISTRY_POINT_TEXT_H
#define HEADRACE_REGISTRY_POINT_TEXT_H

#include "control/registry/fields.h"
#include "control/registry/service_point.h"

enum {
	POINT_FIELD_ID,
	POINT_FIELD_CUSTOMER = 2,
	POINT_FIELD_TARIFF = 3,
	POINT_FIELD_SINCE = 8,
	POINT_FIELD_COUNT = 9
};
enum {
	INSTALLATION_FIELD_METER,
	INSTALLATION_FIELD_FROM,
	INSTALLATION_FIELD_TO,
	INSTALLATION_FIELD_FINAL = 6,
	INSTALLATION_FIELD_COUNT = 7
};
enum {
	AGREEMENT_FIELD_SINCE,
	AGREEMENT_FIELD_CUSTOMER,
	AGREEMENT_FIELD_TARIFF,
	AGREEMENT_FIELD_COUNT
};
enum { CUSTOMER_FIELD_ID, CUSTOMER_FIELD_COUNT = 5 };
enum { GROUP_FIELD_GROUP, GROUP_FIELD_DEVICE, GROUP_FIELD_POINT, GROUP_FIELD_COUNT };

extern const struct fields point_fields, installation_fields, agreement_fields;
extern const struct fields customer_fields, group_fields;

/* A line of a file of groups: who goes into which. */
struct group_line {
	char group[64];
	char device[DEVICE_ID_BYTES + 1], point[POINT_ID_BYTES + 1];
};

void point_defaults(struct service_point *p);
void installation_defaults(struct installation *in);

/* Every field escaped to its worst, and the names. */
#define INSTALLATION_JSON_BYTES 512
#define AGREEMENT_JSON_BYTES    320
#define POINT_JSON_BYTES                                                                           \
	(4096 + INSTALLATIONS_MAX * INSTALLATION_JSON_BYTES +                                      \
	 AGREEMENTS_MAX * AGREEMENT_JSON_BYTES)
#define CUSTOMER_JSON_BYTES     4096

/* Compact JSON as an import takes it, fields that are not known left out. Returns its length. */
size_t point_json(const struct service_point *p, char out[POINT_JSON_BYTES]);
size_t customer_json(const struct customer *c, char out[CUSTOMER_JSON_BYTES]);
/* The list alone: "[{...},{...}]". */
size_t installations_json(const struct service_point *p, char *out, size_t at, size_t bytes);

/* For the history: "field":[old,new] of what differs; `old` NULL: it is new. */
#define POINT_CHANGES_BYTES (2 * POINT_JSON_BYTES)
size_t point_changes(const struct service_point *old, const struct service_point *now,
		     char out[POINT_CHANGES_BYTES]);

/* A point as a file has it: what a line says of the point itself, of installations and of
 * agreements. */
struct point_line {
	struct service_point point;
	uint32_t given; /* bits of point_fields; the installations' and agreements': */
	uint32_t installation_given[INSTALLATIONS_MAX];
	uint32_t agreement_given[AGREEMENTS_MAX];
};

/* From a JSON object. False: see `cause`. `calendar` of local days. */
bool point_line_parse(struct point_line *line, const struct calendar *calendar, const char *json,
		      size_t bytes, char cause[FIELD_CAUSE_BYTES]);

/* --- point_record.c --- */

/* The point's customer and tariff are those of its last agreement. */
void agreements_settle(struct service_point *p);

#define POINT_RECORD_BYTES    10240
#define CUSTOMER_RECORD_BYTES 1024

/* Returns its length. */
size_t point_record(const struct service_point *p, uint8_t out[POINT_RECORD_BYTES]);
size_t customer_record(const struct customer *c, uint8_t out[CUSTOMER_RECORD_BYTES]);
/* False: damaged. Untrusted bytes. */
bool point_record_parse(struct service_point *p, const void *record, size_t bytes);
bool customer_record_parse(struct customer *c, const void *record, size_t bytes);

#endif
