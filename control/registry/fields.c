/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: names and values from an operator's file or from the store, untrusted. Output: fields of
 * an object, or the cause why not. Thread: any. Memory: jansson's while parsing, else none.
 */
#include "control/registry/fields.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/utf8.h"
#include "contract/registry_view.h"
#include "control/calendar/instant.h"
#include "control/config/decimal.h"
#include "control/registry/ratio.h"
#include "control/registry/registry.h"

#define DEGREE_DECIMALS 6
#define KWH_DECIMALS    6
#define GROUPS_MAX      32 /* of one object */

static const char *const states[] = {"pending", "active", "suspended", "retired"};
#define STATES (sizeof states / sizeof states[0])

const char *device_state_name(enum device_state state)
{
	return (unsigned)state < STATES ? states[state] : NULL;
}

int fields_find(const struct fields *f, const char *name, size_t bytes)
{
	char plain[32];
	size_t used = 0;
	for (size_t i = 0; i < bytes; i++) {
		if (name[i] == '_')
			continue;
		if (used == sizeof plain - 1)
			return -1;
		plain[used++] = (char)tolower((unsigned char)name[i]);
	}
	plain[used] = '\0';
	for (int i = 0; i < f->count; i++)
		for (int n = 0; n < 3 && f->list[i].names[n]; n++)
			if (strlen(f->list[i].names[n]) == used &&
			    memcmp(f->list[i].names[n], plain, used) == 0)
				return i;
	return -1;
}

/* --- setting --- */

/* UTF-8 without control characters (C0 and DEL)? */
static bool is_printable(const char *text, size_t bytes)
{
	const uint8_t *p = (const uint8_t *)text;
	for (size_t i = 0; i < bytes;) {
		uint32_t length = utf8_length(p + i, bytes - i);
		if (length == 0 || p[i] < 0x20 || p[i] == 0x7f)
			return false;
		i += length;
	}
	return true;
}

static bool set_text(char *to, const struct field *f, const char *text, size_t bytes, char *cause)
{
	if (bytes >= f->bytes) {
		snprintf(cause, FIELD_CAUSE_BYTES, "%s is %zu bytes long; expected at most %zu",
			 f->name, bytes, f->bytes - 1);
		return false;
	}
	if (!is_printable(text, bytes)) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "%s has a control character or is not UTF-8; expected printable text",
			 f->name);
		return false;
	}
	/* messages with escapes in their device id are refused, so such an id is of no use */
	if (f->kind == FIELD_ID && (memchr(text, '"', bytes) || memchr(text, '\\', bytes))) {
		snprintf(cause, FIELD_CAUSE_BYTES, "%s has a quote or a backslash; expected none",
			 f->name);
		return false;
	}
	memcpy(to, text, bytes);
	to[bytes] = '\0';
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Kept in one form, so that the same set is the same text. */
static bool set_groups(char *to, const struct field *f, const char *text, size_t bytes, char *cause)
{
	char plain[FIELD_TEXT_BYTES], *names[GROUPS_MAX], *rest = plain, *name;
	size_t count = 0, used = 0;
	CHECK_OP(f->bytes, <=, sizeof plain);
	if (!set_text(plain, f, text, bytes, cause))
		return false;
	while ((name = strsep(&rest, ",;"))) {
		name += strspn(name, " ");
		size_t length = strlen(name);
		while (length > 0 && name[length - 1] == ' ')
			name[--length] = '\0';
		if (length == 0)
			continue;
		if (count == GROUPS_MAX || strpbrk(name, "\"\\/")) {
			snprintf(cause, FIELD_CAUSE_BYTES,
				 count == GROUPS_MAX
				     ? "%s has too many names; expected at most %d"
				     : "%s has a quote, slash or backslash; expected none",
				 f->name, GROUPS_MAX);
			return false;
		}
		names[count++] = name;
	}
	qsort(names, count, sizeof names[0], by_name);
	to[0] = '\0';
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			used += (size_t)sprintf(to + used, "%s%s", used ? "," : "", names[i]);
	return true;
}

static bool set_number(uint32_t *out, const struct field *f, const char *text, size_t bytes,
		       char *cause)
{
	uint64_t value = 0;
	bool good = true;
	for (size_t i = 0; i < bytes && good; i++) {
		good = text[i] >= '0' && text[i] <= '9';
		value = value * 10 + (uint64_t)(text[i] - '0');
		good = good && value <= f->most;
	}
	if (good)
		*out = (uint32_t)value;
	else
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "%s is '%.*s'; expected a whole number from 0 to %" PRIu32, f->name,
			 bytes < 40 ? (int)bytes : 40, text, f->most);
	return good;
}

static bool set_state(enum device_state *to, const struct field *f, const char *text, size_t bytes,
		      char *cause)
{
	for (unsigned i = 0; i < STATES; i++)
		if (strlen(states[i]) == bytes && memcmp(states[i], text, bytes) == 0) {
			*to = (enum device_state)i;
			return true;
		}
	if (bytes == 0) {
		*to = DEVICE_ACTIVE;
		return true;
	}
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "%s is '%.*s'; expected pending, active, suspended or retired", f->name,
		 bytes < 40 ? (int)bytes : 40, text);
	return false;
}

/* Kept in one form, so that the same value is the same text. */
static bool set_json(char *to, const struct field *f, const char *text, size_t bytes, char *cause)
{
	if (bytes == 0) {
		*to = '\0';
		return true;
	}
	json_t *value = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	char *dump =
	    value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
	bool good = dump && strlen(dump) < f->bytes;
	if (good)
		strcpy(to, dump);
	else
		snprintf(cause, FIELD_CAUSE_BYTES, "%s is %s; expected JSON of at most %zu bytes",
			 f->name, dump ? "too long" : "not JSON", f->bytes - 1);
	free(dump);
	json_decref(value);
	return good;
}

/* Short texts of numbers and times, terminated. False: too long. */
static bool terminated(const char *text, size_t bytes, char out[64])
{
	if (bytes >= 64 || memchr(text, '\0', bytes))
		return false;
	memcpy(out, text, bytes);
	out[bytes] = '\0';
	return true;
}

static bool set_degrees(int32_t *to, const struct field *f, const char *text, size_t bytes,
			char *cause)
{
	char plain[64];
	int64_t value = 0, most = f->kind == FIELD_LATITUDE ? 90 : 180;
	*to = FIELD_NO_DEGREES;
	if (bytes == 0)
		return true;
	if (!terminated(text, bytes, plain) || !decimal_parse(plain, DEGREE_DECIMALS, &value) ||
	    value < -most * 1000000 || value > most * 1000000) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "%s is '%.*s'; expected degrees from -%d to %d with at most %d decimals",
			 f->name, bytes < 40 ? (int)bytes : 40, text, (int)most, (int)most,
			 DEGREE_DECIMALS);
		return false;
	}
	*to = (int32_t)value;
	return true;
}

static bool set_instant(const struct fields *fs, int64_t *to, const struct field *f,
			const char *text, size_t bytes, char *cause)
{
	char plain[64];
	*to = FIELD_NOT_GIVEN;
	if (bytes == 0)
		return true;
	if (terminated(text, bytes, plain) && instant_parse(fs->calendar, plain, to) && *to >= 0 &&
	    *to < FIELD_INSTANT_END)
		return true;
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "%s is '%.*s'; expected a time such as 2026-03-29T10:07:00Z or a day such as "
		 "2026-03-29, not before 1970",
		 f->name, bytes < 40 ? (int)bytes : 40, text);
	return false;
}

static bool set_day(int32_t *to, const struct field *f, const char *text, size_t bytes, char *cause)
{
	char plain[64];
	struct civil_date date;
	*to = FIELD_NO_DAY;
	if (bytes == 0)
		return true;
	if (terminated(text, bytes, plain) && civil_parse(plain, &date, NULL) == RESULT_OK) {
		*to = civil_to_day(date);
		return true;
	}
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "%s is '%.*s'; expected a day such as 2026-03-29, not before 1970", f->name,
		 bytes < 40 ? (int)bytes : 40, text);
	return false;
}

static bool set_energy(int64_t *to, const struct field *f, const char *text, size_t bytes,
		       char *cause)
{
	char plain[64];
	*to = FIELD_NOT_GIVEN;
	if (bytes == 0)
		return true;
	if (terminated(text, bytes, plain) && decimal_parse(plain, KWH_DECIMALS, to) && *to >= 0)
		return true;
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "%s is '%.*s'; expected kWh, not negative, with at most %d decimals", f->name,
		 bytes < 40 ? (int)bytes : 40, text, KWH_DECIMALS);
	return false;
}

static bool set_ratio(struct ratio *to, const struct field *f, const char *text, size_t bytes,
		      char *cause)
{
	char plain[64];
	*to = (struct ratio){1, 1};
	if (bytes == 0)
		return true;
	if (terminated(text, bytes, plain) && ratio_parse(plain, to))
		return true;
	snprintf(cause, FIELD_CAUSE_BYTES,
		 "%s is '%.*s'; expected a positive number such as 40, 0.5 or 200/5", f->name,
		 bytes < 40 ? (int)bytes : 40, text);
	return false;
}

bool fields_set(const struct fields *fs, void *object, int field, const char *text, size_t bytes,
		char cause[FIELD_CAUSE_BYTES])
{
	const struct field *f = &fs->list[field];
	void *to = (char *)object + f->offset;
	switch (f->kind) {
	case FIELD_ID:
	case FIELD_TEXT:
		return set_text(to, f, text, bytes, cause);
	case FIELD_GROUPS:
		return set_groups(to, f, text, bytes, cause);
	case FIELD_JSON:
		return set_json(to, f, text, bytes, cause);
	case FIELD_STATE:
		return set_state(to, f, text, bytes, cause);
	case FIELD_NUMBER:
		return set_number(to, f, text, bytes, cause);
	case FIELD_LATITUDE:
	case FIELD_LONGITUDE:
		return set_degrees(to, f, text, bytes, cause);
	case FIELD_INSTANT:
		return set_instant(fs, to, f, text, bytes, cause);
	case FIELD_DAY:
		return set_day(to, f, text, bytes, cause);
	case FIELD_RATIO:
		return set_ratio(to, f, text, bytes, cause);
	case FIELD_ENERGY:
		return set_energy(to, f, text, bytes, cause);
	}
	return false;
}

static bool set_json_list(const struct fields *fs, void *object, int field, const json_t *value,
			  char *cause)
{
	char text[FIELD_TEXT_BYTES];
	size_t used = 0;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *name = json_array_get(value, i);
		size_t length = json_string_length(name);
		if (!json_is_string(name) || memchr(json_string_value(name), ',', length) ||
		    used + length + 2 > sizeof text) {
			snprintf(cause, FIELD_CAUSE_BYTES, "%s is not a short list of names",
				 fs->list[field].name);
			return false;
		}
		if (used > 0)
			text[used++] = ',';
		memcpy(text + used, json_string_value(name), length);
		used += length;
	}
	return fields_set(fs, object, field, text, used, cause);
}

bool fields_set_json(const struct fields *fs, void *object, int field, const json_t *value,
		     char cause[FIELD_CAUSE_BYTES])
{
	const struct field *f = &fs->list[field];
	char number[64];
	if (f->kind == FIELD_JSON) {
		char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		bool good = dump && fields_set(fs, object, field, dump, strlen(dump), cause);
		free(dump);
		return good;
	}
	if (f->kind == FIELD_GROUPS && json_is_array(value))
		return set_json_list(fs, object, field, value, cause);
	if (json_is_string(value))
		return fields_set(fs, object, field, json_string_value(value),
				  json_string_length(value), cause);
	bool degrees = f->kind == FIELD_LATITUDE || f->kind == FIELD_LONGITUDE;
	if (json_is_integer(value) || (degrees && json_is_real(value))) {
		int length = json_is_integer(value)
				 ? snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
					    json_integer_value(value))
				 : snprintf(number, sizeof number, "%.*f", DEGREE_DECIMALS,
					    json_real_value(value));
		return length < (int)sizeof number &&
		       fields_set(fs, object, field, number, (size_t)length, cause);
	}
	bool decimal = json_is_real(value) && (f->kind == FIELD_RATIO || f->kind == FIELD_ENERGY);
	snprintf(cause, FIELD_CAUSE_BYTES, "%s is neither text nor a whole number%s", f->name,
		 decimal ? "; write decimals in quotes, they are kept exactly" : "");
	return false;
}

bool fields_take(const struct fields *fs, void *object, const char *key, const json_t *value,
		 uint32_t *given, char cause[FIELD_CAUSE_BYTES])
{
	int field = fields_find(fs, key, strlen(key));
	if (field < 0) {
		snprintf(cause, FIELD_CAUSE_BYTES, "unknown key '%.40s'; expected %s", key,
			 fs->all);
		return false;
	}
	if (*given & 1u << field) {
		snprintf(cause, FIELD_CAUSE_BYTES, "%s is given twice", fs->list[field].name);
		return false;
	}
	if (json_is_null(value))
		return true;
	*given |= 1u << field;
	return fields_set_json(fs, object, field, value, cause);
}

bool fields_parse(const struct fields *fs, void *object, const char *json, size_t bytes,
		  uint32_t *given, char cause[FIELD_CAUSE_BYTES])
{
	json_error_t error;
	const char *key;
	json_t *value;
	bool good = true;
	json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(root)) {
		snprintf(cause, FIELD_CAUSE_BYTES, "not a JSON object: %.160s",
			 root ? "another type" : error.text);
		json_decref(root);
		return false;
	}
	json_object_foreach(root, key, value)
	{
		good = fields_take(fs, object, key, value, given, cause);
		if (!good)
			break;
	}
	json_decref(root);
	return good;
}

void fields_copy(const struct fields *fs, void *to, const void *from, int field)
{
	size_t offset = fs->list[field].offset;
	memcpy((char *)to + offset, (const char *)from + offset, fs->list[field].bytes);
}

/* --- showing --- */

static bool is_text(enum field_kind kind)
{
	return kind == FIELD_ID || kind == FIELD_TEXT || kind == FIELD_JSON || kind == FIELD_GROUPS;
}

bool fields_equal(const struct fields *fs, const void *a, const void *b, int field)
{
	const struct field *f = &fs->list[field];
	const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
	return is_text(f->kind) ? strcmp(x, y) == 0 : memcmp(x, y, f->bytes) == 0;
}

const char *fields_text(const struct fields *fs, const void *object, int field,
			char out[FIELD_TEXT_BYTES])
{
	const struct field *f = &fs->list[field];
	const void *at = (const char *)object + f->offset;
	char decimal[DECIMAL_BYTES];
	out[0] = '\0';
	switch (f->kind) {
	case FIELD_ID:
	case FIELD_TEXT:
	case FIELD_JSON:
	case FIELD_GROUPS:
		return at;
	case FIELD_STATE:
		return states[*(const enum device_state *)at];
	case FIELD_NUMBER:
		if (*(const uint32_t *)at != 0)
			snprintf(out, FIELD_TEXT_BYTES, "%" PRIu32, *(const uint32_t *)at);
		return out;
	case FIELD_LATITUDE:
	case FIELD_LONGITUDE:
		if (*(const int32_t *)at != FIELD_NO_DEGREES)
			strcpy(out, decimal_format(*(const int32_t *)at, DEGREE_DECIMALS, decimal));
		return out;
	case FIELD_INSTANT:
		if (*(const int64_t *)at != FIELD_NOT_GIVEN)
			time_format(*(const int64_t *)at * 1000, out);
		return out;
	case FIELD_DAY:
		if (*(const int32_t *)at != FIELD_NO_DAY)
			day_format(*(const int32_t *)at, out);
		return out;
	case FIELD_RATIO:
		return ratio_format(at, out);
	case FIELD_ENERGY:
		if (*(const int64_t *)at != FIELD_NOT_GIVEN)
			strcpy(out, decimal_format(*(const int64_t *)at, KWH_DECIMALS, decimal));
		return out;
	}
	return out;
}

/* RFC 8259 §7; the text has no control characters. */
static size_t put_quoted(char *out, size_t at, const char *text)
{
	out[at++] = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			out[at++] = '\\';
		out[at++] = *text;
	}
	out[at++] = '"';
	return at;
}

static size_t put_value(const struct fields *fs, const void *object, int field, char *out,
			size_t at, size_t bytes)
{
	char text[FIELD_TEXT_BYTES];
	const char *value = fields_text(fs, object, field, text);
	enum field_kind kind = fs->list[field].kind;
	bool bare = kind == FIELD_NUMBER || kind == FIELD_JSON || kind == FIELD_LATITUDE ||
		    kind == FIELD_LONGITUDE;
	CHECK_OP(at + 2 * strlen(value) + 8, <, bytes);
	if (*value == '\0')
		return at + (size_t)sprintf(out + at, "null");
	if (bare)
		return at + (size_t)sprintf(out + at, "%s", value);
	return put_quoted(out, at, value);
}

static size_t put_name(const struct field *f, char *out, size_t at, size_t bytes)
{
	CHECK_OP(at + strlen(f->name) + 8, <, bytes);
	return at + (size_t)sprintf(out + at, "%s\"%s\":", at > 0 && out[at - 1] != '{' ? "," : "",
				    f->name);
}

size_t fields_json(const struct fields *fs, const void *object, char *out, size_t at, size_t bytes)
{
	char text[FIELD_TEXT_BYTES];
	for (int i = 0; i < fs->count; i++) {
		if (*fields_text(fs, object, i, text) == '\0')
			continue;
		at = put_name(&fs->list[i], out, at, bytes);
		at = put_value(fs, object, i, out, at, bytes);
	}
	return at;
}

size_t fields_changes(const struct fields *fs, const void *old, const void *now, char *out,
		      size_t at, size_t bytes)
{
	char text[FIELD_TEXT_BYTES];
	for (int i = 0; i < fs->count; i++) {
		if (old ? fields_equal(fs, old, now, i) : *fields_text(fs, now, i, text) == '\0')
			continue;
		at = put_name(&fs->list[i], out, at, bytes);
		out[at++] = '[';
		at = old ? put_value(fs, old, i, out, at, bytes)
			 : at + (size_t)sprintf(out + at, "null");
		out[at++] = ',';
		at = put_value(fs, now, i, out, at, bytes);
		out[at++] = ']';
	}
	return at;
}

/* --- searching --- */

bool groups_have(const char *groups, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = groups; *at && length > 0;) {
		size_t one = strcspn(at, ",");
		if (one == length && memcmp(at, name, length) == 0)
			return true;
		at += one + (at[one] == ',');
	}
	return false;
}

bool fields_have_text(const struct fields *fs, const void *object, const char *part)
{
	for (int i = 0; i < fs->count; i++)
		if (is_text(fs->list[i].kind) &&
		    strcasestr((const char *)object + fs->list[i].offset, part))
			return true;
	return false;
}
