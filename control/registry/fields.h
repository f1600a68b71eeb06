/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a registry object (a device, a service point, a customer) by name: how they are
 * read from an operator's text, shown as JSON and CSV, and compared.
 *
 * An object is a plain struct; a table says where each field lies and what it may be. Texts are
 * terminated char arrays, numbers uint32_t, states enum device_state; degrees are int32_t in
 * millionths (FIELD_NO_DEGREES: not known), local days int32_t (FIELD_NO_DAY), instants int64_t
 * seconds, energies int64_t mWh (FIELD_NOT_GIVEN: not known), ratios struct ratio.
 *
 * Private to control/registry. Threads: any. Memory: jansson's while parsing, else none.
 * Never trusts what it reads.
 */
#ifndef HEADRACE_REGISTRY_FIELDS_H
#define HEADRACE_REGISTRY_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/calendar/calendar.h"

#define FIELD_CAUSE_BYTES 256
#define FIELD_NO_DEGREES  INT32_MIN
#define FIELD_NO_DAY      INT32_MIN
#define FIELD_DAY_MAX     47846 /* 2100-12-31: the last one that is read */
#define FIELD_NOT_GIVEN   INT64_MIN
#define FIELD_INSTANT_END INT64_C(253402300800) /* the year 10000 */
#define FIELD_TEXT_BYTES  512 /* of any field, as fields_text writes it */

enum field_kind {
	FIELD_ID, /* text without quotes and backslashes */
	FIELD_TEXT,
	FIELD_JSON,   /* text: JSON in one form */
	FIELD_GROUPS, /* text: names, sorted, each once, with commas in between */
	FIELD_STATE,
	FIELD_NUMBER, /* 0: not known */
	FIELD_LATITUDE,
	FIELD_LONGITUDE,
	FIELD_INSTANT, /* UTC; read as that or as a local day */
	FIELD_DAY,     /* local; from 1970 on */
	FIELD_RATIO,
	FIELD_ENERGY, /* read and shown in kWh */
};

struct field {
	const char *name;     /* as stored and shown */
	const char *names[3]; /* as imported: lower case, without '_' */
	enum field_kind kind;
	size_t offset, bytes;
	uint32_t most; /* of a number */
};

#define FIELD_AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

struct fields {
	const struct field *list;
	int count;
	const char *all;                 /* "id, state, ..." for error messages */
	const struct calendar *calendar; /* of local days; NULL: only UTC is read */
};

/* Index of a field by any of its names, case and '_' aside ("deviceId" is "id"); -1: unknown. */
int fields_find(const struct fields *f, const char *name, size_t bytes);

/* Set a field from text; an empty one is its default. False: `cause` says what is wrong. */
bool fields_set(const struct fields *f, void *object, int field, const char *text, size_t bytes,
		char cause[FIELD_CAUSE_BYTES]);
/* The same from JSON. */
bool fields_set_json(const struct fields *f, void *object, int field, const json_t *value,
		     char cause[FIELD_CAUSE_BYTES]);

/* Set the fields that an object has; their bits are added to *given. False: see `cause`. */
bool fields_parse(const struct fields *f, void *object, const char *json, size_t bytes,
		  uint32_t *given, char cause[FIELD_CAUSE_BYTES]);
/* One member of such an object. */
bool fields_take(const struct fields *f, void *object, const char *key, const json_t *value,
		 uint32_t *given, char cause[FIELD_CAUSE_BYTES]);

void fields_copy(const struct fields *f, void *to, const void *from, int field);

bool fields_equal(const struct fields *f, const void *a, const void *b, int field);

/* A field as text, "" where it is not known. */
const char *fields_text(const struct fields *f, const void *object, int field,
			char out[FIELD_TEXT_BYTES]);

/* Append ,"name":value for each field that is known (without the comma where `at` follows a '{').
 * Returns the new length; `bytes` is large enough by the caller's arithmetic. */
size_t fields_json(const struct fields *f, const void *object, char *out, size_t at, size_t bytes);

/* Append "name":[old,new] for each field that differs; `old` NULL: nothing was known. */
size_t fields_changes(const struct fields *f, const void *old, const void *now, char *out,
		      size_t at, size_t bytes);

/* Is `name` among the comma-separated groups? */
bool groups_have(const char *groups, const char *name);

/* Does any field that is text have `part` in it? Case aside for ASCII. */
bool fields_have_text(const struct fields *f, const void *object, const char *part);

#endif
