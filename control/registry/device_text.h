/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's fields by name: for import, and for the JSON in which a device is stored and shown.
 * Private to control/registry but for device_json, with which the API shows a device.
 */
#ifndef HEADRACE_REGISTRY_DEVICE_TEXT_H
#define HEADRACE_REGISTRY_DEVICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/registry/fields.h"
#include "control/registry/registry.h"

#define DEVICE_FIELD_ID    0  /* index of the id */
#define DEVICE_FIELD_COUNT 16
#define DEVICE_CAUSE_BYTES FIELD_CAUSE_BYTES
#define DIALS_MAX          12
/* Every field escaped to its worst, and the names. */
#define DEVICE_JSON_BYTES 4096

extern const struct fields device_fields;

/* Index of a field by any of its names, case and '_' aside ("deviceId" is "id"); -1: unknown. */
int device_field_find(const char *name, size_t bytes);

/* "id, state, ..." for error messages. */
const char *device_field_names(void);

/* The values of a device of which nothing is said: active, everything else empty. */
void device_defaults(struct device *d);

/* Set a field from text. False: `cause` says what is wrong. Untrusted bytes. */
bool device_set(struct device *d, int field, const char *text, size_t bytes,
                char cause[DEVICE_CAUSE_BYTES]);

/* Copy one field. */
void device_copy_field(struct device *to, const struct device *from, int field);

/* Compact JSON with the fields in fixed order, empty ones left out. Returns its length. */
size_t device_json(const struct device *d, char out[DEVICE_JSON_BYTES]);

/* The same as an import takes it: without what only the registry sets. */
size_t device_export(const struct device *d, char out[DEVICE_JSON_BYTES]);

/* For the history: "field":[old,new] of what differs; `old` NULL: it is new. */
#define DEVICE_CHANGES_BYTES (2 * DEVICE_JSON_BYTES)
size_t device_changes(const struct device *old, const struct device *now,
		      char out[DEVICE_CHANGES_BYTES]);

/* Set the fields that an object has; their bits are added to *given. False: see `cause`. */
bool device_parse(struct device *d, const char *json, size_t bytes, uint32_t *given,
                  char cause[DEVICE_CAUSE_BYTES]);

/* --- record.c: a device as the store keeps it --- */

#define DEVICE_RECORD_BYTES 2048

/* Returns its length. */
size_t device_record(const struct device *d, uint8_t out[DEVICE_RECORD_BYTES]);

/* A record of this format or of the one before (device_json's). False: damaged. Untrusted bytes. */
bool device_record_parse(struct device *d, const void *record, size_t bytes);

/* Is it of the format before? */
bool device_is_old_record(const void *record, size_t bytes);

/* A device as device_json wrote it, with its number. False: damaged. Untrusted bytes. */
bool device_parse_stored(struct device *d, const char *json, size_t bytes);

#endif
