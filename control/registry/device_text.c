/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: names and values from an operator's file or from the store, untrusted. Output: struct
 * device, or the cause why not. Thread: any. Memory: jansson's while parsing, else none.
 */
#include "control/registry/device_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum kind { KIND_ID, KIND_TEXT, KIND_JSON, KIND_STATE, KIND_CAPACITY, KIND_DIALS };

static const struct field {
	const char *name;     /* as stored and shown */
	const char *names[3]; /* as imported: lower case, without '_' */
	enum kind kind;
	size_t offset, bytes;
} fields[DEVICE_FIELD_COUNT] = {
#define AT(member) offsetof(struct device, member), sizeof(((struct device *)0)->member)
    {"id", {"id", "deviceid", "meterid"}, KIND_ID, AT(id)},
    {"state", {"state"}, KIND_STATE, AT(state)},
    {"gateway", {"gateway", "gatewayid"}, KIND_ID, AT(gateway)},
    {"profile", {"profile"}, KIND_TEXT, AT(profile)},
    {"capacity_w", {"capacityw"}, KIND_CAPACITY, AT(capacity_w)},
    {"dials", {"dials"}, KIND_DIALS, AT(dials)},
    {"serial", {"serial", "serialnumber"}, KIND_TEXT, AT(serial)},
    {"manufacturer", {"manufacturer", "manufacturerid"}, KIND_TEXT, AT(manufacturer)},
    {"model", {"model", "modelnumber"}, KIND_TEXT, AT(model)},
    {"firmware", {"firmware", "firmwareversion"}, KIND_TEXT, AT(firmware)},
    {"service_point", {"servicepoint", "servicepointid"}, KIND_TEXT, AT(service_point)},
    {"capabilities", {"capabilities"}, KIND_JSON, AT(capabilities)},
    {"communication", {"communication", "communicationprofile"}, KIND_JSON, AT(communication)},
#undef AT
};

static const char *const states[] = {"pending", "active", "suspended", "retired"};

const char *device_state_name(enum device_state state)
{
	return (unsigned)state < sizeof states / sizeof states[0] ? states[state] : NULL;
}

int device_field_find(const char *name, size_t bytes)
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
	for (int f = 0; f < DEVICE_FIELD_COUNT; f++)
		for (int n = 0; n < 3 && fields[f].names[n]; n++)
			if (strlen(fields[f].names[n]) == used &&
			    memcmp(fields[f].names[n], plain, used) == 0)
				return f;
	return -1;
}

const char *device_field_names(void)
{
	return "id, state, gateway, profile, capacity_w, dials, serial, manufacturer, model, "
	       "firmware, service_point, capabilities, communication";
}

void device_defaults(struct device *d)
{
	memset(d, 0, sizeof *d);
	d->state = DEVICE_ACTIVE;
}

/* RFC 3629 §4, without control characters (C0 and DEL). Bytes of the character; 0: none. */
static size_t utf8_character(const uint8_t *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	size_t more = p[0] >= 0xc2 && p[0] <= 0xdf ? 1 : (p[0] & 0xf0) == 0xe0 ? 2 : 3;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left <= more)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	           (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
	return bad ? 0 : 1 + more;
}

static bool is_printable(const char *text, size_t bytes)
{
	const uint8_t *p = (const uint8_t *)text;
	for (size_t i = 0; i < bytes;) {
		size_t length = utf8_character(p + i, bytes - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

static bool set_text(struct device *d, const struct field *f, const char *text, size_t bytes,
                     char cause[DEVICE_CAUSE_BYTES])
{
	if (bytes >= f->bytes) {
		snprintf(cause, DEVICE_CAUSE_BYTES, "%s is %zu bytes long; expected at most %zu",
		         f->name, bytes, f->bytes - 1);
		return false;
	}
	if (!is_printable(text, bytes)) {
		snprintf(cause, DEVICE_CAUSE_BYTES,
		         "%s has a control character or is not UTF-8; expected printable text",
		         f->name);
		return false;
	}
	/* messages with escapes in their device id are refused, so such an id is of no use */
	if (f->kind == KIND_ID && (memchr(text, '"', bytes) || memchr(text, '\\', bytes))) {
		snprintf(cause, DEVICE_CAUSE_BYTES, "%s has a quote or a backslash; expected none",
		         f->name);
		return false;
	}
	char *to = (char *)d + f->offset;
	memcpy(to, text, bytes);
	to[bytes] = '\0';
	return true;
}

static bool set_number(uint32_t *out, const char *name, uint64_t most, const char *text,
                       size_t bytes, char cause[DEVICE_CAUSE_BYTES])
{
	uint64_t value = 0;
	bool good = true;
	for (size_t i = 0; i < bytes && good; i++) {
		good = text[i] >= '0' && text[i] <= '9';
		value = value * 10 + (uint64_t)(text[i] - '0');
		good = good && value <= most;
	}
	if (good)
		*out = (uint32_t)value;
	else
		snprintf(cause, DEVICE_CAUSE_BYTES,
		         "%s is '%.*s'; expected a whole number from 0 to %" PRIu64, name,
		         bytes < 40 ? (int)bytes : 40, text, most);
	return good;
}

static bool set_state(struct device *d, const char *text, size_t bytes,
                      char cause[DEVICE_CAUSE_BYTES])
{
	for (unsigned i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strlen(states[i]) == bytes && memcmp(states[i], text, bytes) == 0) {
			d->state = (enum device_state)i;
			return true;
		}
	if (bytes == 0) {
		d->state = DEVICE_ACTIVE;
		return true;
	}
	snprintf(cause, DEVICE_CAUSE_BYTES,
	         "state is '%.*s'; expected pending, active, suspended or retired",
	         bytes < 40 ? (int)bytes : 40, text);
	return false;
}

/* Kept in one form, so that the same value is the same text. */
static bool set_json(struct device *d, const struct field *f, const char *text, size_t bytes,
                     char cause[DEVICE_CAUSE_BYTES])
{
	if (bytes == 0) {
		*((char *)d + f->offset) = '\0';
		return true;
	}
	json_t *value = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	char *dump = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY)
	                   : NULL;
	bool good = dump && strlen(dump) < f->bytes;
	if (good)
		strcpy((char *)d + f->offset, dump);
	else
		snprintf(cause, DEVICE_CAUSE_BYTES, "%s is %s; expected JSON of at most %zu bytes",
		         f->name, dump ? "too long" : "not JSON", f->bytes - 1);
	free(dump);
	json_decref(value);
	return good;
}

bool device_set(struct device *d, int field, const char *text, size_t bytes,
                char cause[DEVICE_CAUSE_BYTES])
{
	const struct field *f = &fields[field];
	switch (f->kind) {
	case KIND_STATE:
		return set_state(d, text, bytes, cause);
	case KIND_CAPACITY:
		return set_number(&d->capacity_w, f->name, UINT32_MAX, text, bytes, cause);
	case KIND_DIALS:
		return set_number(&d->dials, f->name, 12, text, bytes, cause);
	case KIND_JSON:
		return set_json(d, f, text, bytes, cause);
	default:
		return set_text(d, f, text, bytes, cause);
	}
}

void device_copy_field(struct device *to, const struct device *from, int field)
{
	size_t offset = fields[field].offset;
	memcpy((char *)to + offset, (const char *)from + offset, fields[field].bytes);
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

static size_t put_field(const struct device *d, const struct field *f, char *out, size_t at)
{
	const char *text = (const char *)d + f->offset;
	uint32_t number = f->kind == KIND_CAPACITY ? d->capacity_w : d->dials;
	bool numeric = f->kind == KIND_CAPACITY || f->kind == KIND_DIALS;

	if (numeric ? number == 0 : f->kind != KIND_STATE && *text == '\0')
		return at;
	at += (size_t)snprintf(out + at, DEVICE_JSON_BYTES - at, ",\"%s\":", f->name);
	if (numeric)
		return at + (size_t)snprintf(out + at, DEVICE_JSON_BYTES - at, "%" PRIu32, number);
	if (f->kind == KIND_STATE)
		return put_quoted(out, at, states[d->state]);
	if (f->kind == KIND_JSON)
		return at + (size_t)snprintf(out + at, DEVICE_JSON_BYTES - at, "%s", text);
	return put_quoted(out, at, text);
}

size_t device_json(const struct device *d, char out[DEVICE_JSON_BYTES])
{
	size_t at = (size_t)snprintf(out, DEVICE_JSON_BYTES, "{\"number\":%" PRIu32, d->number);
	for (int f = 0; f < DEVICE_FIELD_COUNT; f++)
		at = put_field(d, &fields[f], out, at);
	out[at++] = '}';
	out[at] = '\0';
	CHECK_OP(at, <, (size_t)DEVICE_JSON_BYTES);
	return at;
}

static bool set_from_json(struct device *d, int field, const json_t *value,
                          char cause[DEVICE_CAUSE_BYTES])
{
	char number[32];
	if (fields[field].kind == KIND_JSON) {
		char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		bool good = dump && device_set(d, field, dump, strlen(dump), cause);
		free(dump);
		return good;
	}
	if (json_is_string(value))
		return device_set(d, field, json_string_value(value), json_string_length(value),
		                  cause);
	if (json_is_integer(value)) {
		int length = snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
		                      json_integer_value(value));
		return device_set(d, field, number, (size_t)length, cause);
	}
	snprintf(cause, DEVICE_CAUSE_BYTES, "%s is neither text nor a whole number",
	         fields[field].name);
	return false;
}

bool device_parse(struct device *d, const char *json, size_t bytes, uint32_t *given,
                  char cause[DEVICE_CAUSE_BYTES])
{
	json_error_t error;
	const char *key;
	json_t *value;
	bool good = true;
	json_t *object = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(object)) {
		snprintf(cause, DEVICE_CAUSE_BYTES, "not a JSON object: %.160s",
		         object ? "another type" : error.text);
		json_decref(object);
		return false;
	}
	json_object_foreach(object, key, value)
	{
		int field = device_field_find(key, strlen(key));
		if (field < 0) {
			snprintf(cause, DEVICE_CAUSE_BYTES, "unknown key '%.40s'; expected %s",
			         key, device_field_names());
			good = false;
		} else if (*given & 1u << field) {
			snprintf(cause, DEVICE_CAUSE_BYTES, "%s is given twice",
			         fields[field].name);
			good = false;
		} else if (!json_is_null(value)) {
			*given |= 1u << field;
			good = set_from_json(d, field, value, cause);
		}
		if (!good)
			break;
	}
	json_decref(object);
	return good;
}

bool device_parse_stored(struct device *d, const char *json, size_t bytes)
{
	char unused[DEVICE_CAUSE_BYTES];
	const char *key;
	json_t *value;
	json_t *object = json_loadb(json, bytes, 0, NULL);
	json_t *number = json_object_get(object, "number");
	json_int_t n = json_integer_value(number);
	bool good = json_is_integer(number) && n >= 0 && n < DEVICE_NONE;

	device_defaults(d);
	d->number = good ? (uint32_t)n : DEVICE_NONE;
	json_object_foreach(object, key, value)
	{
		/* a field that a newer version wrote is passed over */
		int field = device_field_find(key, strlen(key));
		if (good && field >= 0)
			good = set_from_json(d, field, value, unused);
	}
	json_decref(object);
	return good && d->id[0] != '\0';
}
